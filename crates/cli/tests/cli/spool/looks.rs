//! What only looks: `ls`, `stat`, `verify`, `cat` and `plan` change nothing, whoever holds the spool.

use std::collections::BTreeSet;

use serde_json::json;

use super::bench::{ACCEPTED, Bench, FIRST, Owner, STORE, import, imports};
use crate::command::{potsdb, potsdb_fed, receiver};

#[test]
fn ls_and_stat_say_what_is_there() {
    let bench = Bench::with(&[&[3, 4], &[5]]);
    let said = bench.spool("ls", &[]).with_code(0).out;
    assert!(
        said.starts_with("tsdb-localhost-4242: 12 points, ") && said.contains("1 slot, 0 held"),
        "{said}"
    );
    let said = bench.spool("stat", &[]).with_code(0).out;
    assert!(
        said.contains("slot 0: free; 12 points in 3 records and 2 segments, oldest "),
        "{said}"
    );
    assert!(said.contains("\n    program: test\n"), "{said}");
    let found = bench.spool("stat", &["--json"]).with_code(0).json();
    let slot = &found["stores"][0]["slots"][0];
    assert_eq!(
        (&slot["points"], &slot["held"], &slot["about"]["program"], &slot["next"]),
        (&json!(12), &json!(false), &json!("test"), &json!(12))
    );
    let oldest = (ACCEPTED + 3_000) as f64 / 1000.0;
    assert_eq!(
        bench.spool("ls", &["--json"]).json()["stores"][0]["oldest"],
        json!(oldest)
    );
}

#[test]
fn cat_prints_what_pipe_reads() {
    let bench = Bench::with(&[&[3, 4], &[5]]);
    let text = bench.spool("cat", &[]).with_code(0).out;
    assert_eq!(text, imports(0..12));
    let receiver = receiver();
    potsdb_fed(text.as_bytes(), &["pipe", "-u", &receiver.url()]).with_code(0);
    let sent: Vec<_> = imports(0..12).lines().map(|line| format!("put {line}")).collect();
    assert_eq!(receiver.lines(), sent);
}

#[test]
fn cat_prints_some_metrics_alone() {
    let bench = Bench::with(&[&[6]]);
    for (metric, wanted) in [
        ("web.requests", imports([0, 2, 4])),
        ("db*", imports([1, 3, 5])),
        ("web", String::new()),
    ] {
        assert_eq!(
            bench.spool("cat", &["--metric", metric]).with_code(0).out,
            wanted,
            "{metric}"
        );
    }
}

#[test]
fn a_reader_of_cat_that_has_enough_is_no_failure() {
    let bench = Bench::with(&[&[500; 40]]);
    let path = bench.path();
    let script = r#""$0" spool cat "$1" | head -n 1; echo "${PIPESTATUS[0]}""#;
    let said = std::process::Command::new("bash")
        .args(["-c", script, env!("CARGO_BIN_EXE_potsdb")])
        .arg(path)
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&said.stdout), format!("{}0\n", import(0)));
    assert_eq!(String::from_utf8_lossy(&said.stderr), "");
}

#[test]
fn a_spool_that_is_held_is_shown_and_left_as_it_is() {
    let bench = Bench::with(&[&[3]]);
    let owner = Owner::start(&bench);
    let before = bench.files();
    let said = bench.spool("stat", &[]).with_code(0).out;
    let holder = format!("slot 0: held by process {}; 6 points", owner.process());
    assert!(said.contains(&holder), "{said}");
    assert_eq!(
        bench.spool("cat", &[]).with_code(0).out,
        imports((0..3).chain(100..103))
    );
    bench.spool("verify", &[]).with_code(0);
    bench.spool("ls", &[]).with_code(0);
    assert_eq!(bench.files(), before, "nothing was changed");
    // In the middle of a record that is being written.
    bench.tamper("00000000000000000003.spool", |bytes| bytes.truncate(bytes.len() - 5));
    bench.spool("verify", &[]).with_code(0);
    owner.kill();
    let said = bench.spool("verify", &[]).with_code(1).out;
    assert!(
        said.contains("00000000000000000003.spool: ") && said.contains("3 points"),
        "{said}"
    );
}

#[test]
fn a_spool_that_is_written_and_read_all_the_time_is_sound_whenever_it_is_looked_at() {
    let bench = Bench::with(&[&[3]]);
    let owner = Owner::busy(&bench);
    let mut looks = 0;
    let mut firsts = BTreeSet::new();
    // Until segments have come and gone, and no longer than fifty looks.
    while looks < 10 || (firsts.len() < 3 && looks < 50) {
        bench.spool("verify", &[]).with_code(0);
        let text = bench.spool("cat", &[]).with_code(0).out;
        let mut numbers = text.lines().map(|line| {
            let number = line.split(' ').nth(2).unwrap().parse().unwrap();
            assert_eq!(format!("{line}\n"), import(number), "nothing foreign");
            number
        });
        let first = numbers.find(|number| *number >= 400).unwrap_or(0);
        let last = numbers.fold(first, |last, number| {
            // What is delivered meanwhile is left out, and nothing comes twice.
            assert!(number > last, "{number} after {last}");
            number
        });
        assert!(last >= first);
        firsts.insert(first);
        looks += 1;
    }
    assert!(firsts.len() >= 3, "segments come and go: {firsts:?}");
    owner.kill();
    bench.spool("verify", &[]);
}

#[test]
fn verify_names_damage_with_file_offset_bytes_and_points() {
    let bench = Bench::with(&[&[2, 3, 4], &[1]]);
    bench.spool("verify", &[]).with_code(0);
    bench.tamper(FIRST, |bytes| {
        let at = bytes.windows(4).rposition(|four| four == b"\xF5rec").unwrap();
        bytes[at + 50] ^= 1;
    });
    let ended = bench.spool("verify", &["--json"]).with_code(1);
    let found = &ended.json()["stores"][0]["slots"][0];
    let damage = &found["damage"][0];
    assert_eq!(
        (&found["points"], &damage["points"], &damage["file"]),
        (&json!(6), &json!(4), &json!(FIRST))
    );
    let whole = std::fs::read(bench.slot().join(FIRST)).unwrap();
    assert_eq!(
        damage["offset"].as_u64().unwrap() + damage["bytes"].as_u64().unwrap(),
        whole.len() as u64,
        "the last record"
    );
    let said = bench.spool("verify", &[]).with_code(1).out;
    let words = format!(
        "{STORE}/0/{FIRST}: {} bytes at {}, 4 points: ",
        damage["bytes"], damage["offset"]
    );
    assert!(said.contains(&words), "{said}");
    // What is sound comes out, and the rest is told.
    let ended = bench.spool("cat", &[]).with_code(1);
    assert_eq!(ended.out, imports((0..5).chain(9..10)));
    assert!(ended.err.contains("4 points in them"), "{}", ended.err);
}

#[test]
fn e6_10_strays_are_named_and_in_nobodys_way() {
    let bench = Bench::with(&[&[3]]);
    let slot = bench.slot();
    std::fs::write(slot.join("00000000000000000000.spool.bak"), "x").unwrap();
    std::fs::create_dir(slot.join("x.repair")).unwrap();
    std::fs::create_dir(slot.join("00000000000000000009.spool")).unwrap();
    std::fs::copy(slot.join(FIRST), slot.join("00000000000000000007.spool")).unwrap();
    std::fs::write(bench.path().join(STORE).join(".lines.swp"), "x").unwrap();
    std::fs::write(bench.path().join("notes.txt"), "x").unwrap();
    let said = bench.spool("verify", &[]).with_code(0).out;
    for words in [
        "0/00000000000000000000.spool.bak: not of the spool",
        "0/x.repair: not of the spool",
        "0/00000000000000000009.spool: named like a segment, and no file",
        "0/00000000000000000007.spool: a segment under another's name",
        "tsdb-localhost-4242/.lines.swp: not of the spool",
        "notes.txt: not of the spool",
        "3 points sound",
    ] {
        assert!(said.contains(words), "{words:?} is not in {said}");
    }
    assert_eq!(bench.spool("cat", &[]).with_code(0).out, imports(0..3));
}

#[test]
fn e6_27_a_folder_that_was_copied_is_readable_elsewhere() {
    let bench = Bench::with(&[&[3], &[2]]);
    let elsewhere = Bench::new();
    elsewhere.copy_of(&bench);
    assert_eq!(elsewhere.spool("cat", &[]).with_code(0).out, imports(0..5));
    elsewhere.spool("verify", &[]).with_code(0);
    // The store's folder alone will do.
    let store = elsewhere.path().join(STORE);
    let said = potsdb(&["spool", "cat", store.to_str().unwrap()]).with_code(0).out;
    assert_eq!(said, imports(0..5));
}

#[test]
fn e6_28_a_slot_of_a_newer_version_is_left_and_told() {
    let bench = Bench::with(&[&[3]]);
    bench.tamper(FIRST, |bytes| {
        bytes[8] = 2;
        let crc = crc(&bytes[..60]);
        bytes[60..64].copy_from_slice(&crc.to_le_bytes());
    });
    let before = bench.files();
    let said = bench.spool("verify", &[]).with_code(1).out;
    assert!(said.contains("left alone") && said.contains("version 2"), "{said}");
    let ended = bench.spool("cat", &[]).with_code(1);
    assert_eq!(ended.out, "");
    assert!(ended.err.contains("a newer potsdb wrote it"), "{}", ended.err);
    assert_eq!(
        bench.spool("stat", &["--json"]).json()["stores"][0]["slots"][0]["newer_version"],
        2
    );
    // And nothing that changes a spool changes it.
    for arguments in [
        &["verify", "--repair"][..],
        &["drop", "--before", "4294967295"],
        &["adopt", STORE, "--into", "other", "--yes"],
        &["replay", "--to", "127.0.0.1:1"],
    ] {
        bench.spool(arguments[0], &arguments[1..]).with_code(1);
        assert_eq!(bench.files(), before, "{arguments:?}");
    }
}

/// CRC-32 as gzip has it.
fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg())
        })
    })
}

#[test]
fn plan_says_how_long_it_lasts() {
    let bench = Bench::with(&[&[1000]]);
    let found = bench
        .spool("plan", &["--rate", "1000", "--spool-bytes", "1GiB", "--json"])
        .with_code(0)
        .json();
    let per_point = found["bytes_per_point"].as_f64().unwrap();
    assert!((30.0..40.0).contains(&per_point), "{found}");
    let lasts = found["lasts_seconds"].as_f64().unwrap();
    assert!(
        (0.9..1.0).contains(&(lasts * 1000.0 * per_point / f64::from(1 << 30))),
        "{found}"
    );
    let said = bench
        .spool("plan", &["--rate", "1000", "--drain", "2000"])
        .with_code(0)
        .out;
    assert!(
        said.contains("1.0 GiB last ") && said.contains("as found there"),
        "{said}"
    );
    assert!(said.contains("1000 points are in it now"), "{said}");
    assert!(
        potsdb(&["spool", "plan", "--rate", "5"])
            .with_code(0)
            .out
            .contains("a guess")
    );
    potsdb(&["spool", "plan"]).with_code(2);
    potsdb(&["spool", "plan", "--rate", "0"]).with_code(2);
}

#[test]
fn what_is_no_spool_is_an_error_that_names_it() {
    let bench = Bench::new();
    for subcommand in ["ls", "stat", "verify", "cat"] {
        let said = bench.spool(subcommand, &[]).with_code(2).err;
        assert!(said.contains(bench.path().to_str().unwrap()), "{said}");
    }
    std::fs::create_dir(bench.path()).unwrap();
    assert!(bench.spool("ls", &[]).with_code(0).out.contains("no stores in "));
    let said = bench.spool("ls", &["--store", "x"]).with_code(2).err;
    assert!(said.contains("no store \"x\""), "{said}");
}
