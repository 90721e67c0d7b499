//! What changes a spool by hand: `verify --repair`, `drop` and `adopt`. A slot whose process runs is left alone.

use serde_json::json;

use super::bench::{ACCEPTED, Bench, FIRST, Owner, STORE, import, imports, open};
use crate::command::potsdb;

/// Flips a bit in the last record of a segment.
fn harm(bytes: &mut [u8]) {
    let at = bytes.windows(4).rposition(|four| four == b"\xF5rec").unwrap();
    bytes[at + 50] ^= 1;
}

#[test]
fn a_repair_keeps_what_can_be_read_and_sets_the_rest_aside() {
    let bench = Bench::with(&[&[2, 3], &[4]]);
    bench.tamper(FIRST, |bytes| harm(bytes));
    let harmed = std::fs::read(bench.slot().join(FIRST)).unwrap();
    let said = bench.spool("verify", &["--repair"]).with_code(1).out;
    assert!(
        said.contains("3 points: ") && said.contains("repaired: 6 points are there, 3 are lost"),
        "{said}"
    );
    let aside = bench.path().join(STORE).join(format!("0-{FIRST}.damaged"));
    assert_eq!(std::fs::read(aside).unwrap(), harmed, "nothing is thrown away");
    bench.spool("verify", &[]).with_code(0);
    assert_eq!(bench.spool("cat", &[]).with_code(0).out, imports((0..2).chain(5..9)));
    // A client that opens it knows exactly what there is.
    let mut spool = open(&bench.path(), STORE);
    let own = spool.own();
    assert_eq!(spool.stats(own).unwrap().points, 6);
    assert!(spool.news().is_empty());
}

#[test]
fn a_repair_of_a_sound_spool_changes_nothing() {
    let bench = Bench::with(&[&[2, 3], &[4]]);
    let before = bench.files();
    bench.spool("verify", &["--repair"]).with_code(0);
    assert_eq!(bench.files(), before);
}

#[test]
fn drop_gives_up_what_was_accepted_before() {
    // Records of two points are accepted two seconds apart.
    let bench = Bench::with(&[&[2, 2], &[2, 2]]);
    let before = (ACCEPTED + 6_000) / 1_000;
    let ended = bench
        .spool("drop", &["--before", &before.to_string(), "--json"])
        .with_code(0);
    assert_eq!(ended.json(), json!({ "dropped": 4, "left": 4 }));
    assert_eq!(bench.spool("cat", &[]).with_code(0).out, imports(4..8));
    bench.spool("verify", &[]).with_code(0);
    assert!(!bench.slot().join(FIRST).exists(), "its room is free again");
    let ended = bench
        .spool("drop", &["--before", &(before + 100).to_string()])
        .with_code(0);
    assert!(ended.out.contains("4 points dropped, 0 left"), "{}", ended.out);
    assert_eq!(bench.spool("cat", &[]).with_code(0).out, "");
    for wrong in ["yesterday", "-1", "1e9"] {
        bench.spool("drop", &["--before", wrong]).with_code(2);
    }
}

#[test]
fn e6_29_a_slot_whose_process_runs_is_left_alone() {
    let bench = Bench::with(&[&[2, 3], &[4]]);
    bench.tamper(FIRST, |bytes| harm(bytes));
    let owner = Owner::start(&bench);
    let before = bench.files();
    let late = ((ACCEPTED / 1000) + 1_000_000).to_string();
    for (arguments, words) in [
        (&["drop", "--before", &late][..], "left alone: held by process"),
        (&["verify", "--repair"], "not repaired: held by process"),
        (
            &["adopt", STORE, "--into", "other", "--yes"],
            "left alone: held by process",
        ),
        (&["replay", "--to", "127.0.0.1:1"], "left alone: held by process"),
    ] {
        let ended = bench.spool(arguments[0], &arguments[1..]).with_code(1);
        let words = format!("{words} {}", owner.process());
        assert!(ended.err.contains(&words), "{arguments:?}: {}", ended.err);
        assert_eq!(bench.files(), before, "{arguments:?}");
    }
    // It holds its slot as before: another process gets another one.
    let mut other = open(&bench.path(), STORE);
    assert_eq!(other.adopt(potsdb_spool::store::Moment::default()), None);
    drop(other);
    owner.kill();
    bench.spool("verify", &["--repair"]).with_code(1);
    bench.spool("verify", &[]).with_code(0);
    bench.spool("drop", &["--before", &late]).with_code(0);
}

#[test]
fn e6_21_the_points_of_servers_with_another_name_are_adopted_by_hand() {
    let bench = Bench::with(&[&[2, 3], &[4]]);
    let arguments = [STORE, "--to", "tsdb://new"];
    let before = bench.files();
    let ended = bench.spool("adopt", &arguments).with_code(2);
    assert!(
        ended.err.contains("9 points would go from") && ended.err.contains("--yes"),
        "{}",
        ended.err
    );
    assert_eq!(bench.files(), before, "not without confirmation");
    let said = bench
        .spool("adopt", &[&arguments[..], &["--yes"]].concat())
        .with_code(0)
        .out;
    assert!(said.contains("9 points are in tsdb-new-4242/0 now"), "{said}");
    bench.spool("verify", &[]).with_code(0);
    assert_eq!(
        bench.spool("cat", &["--store", "tsdb-new-4242"]).with_code(0).out,
        imports(0..9)
    );
    assert_eq!(bench.spool("cat", &["--store", STORE]).with_code(0).out, "");
    // A client of the new servers finds them.
    let spool = open(&bench.path(), "tsdb-new-4242");
    assert_eq!(spool.stats(spool.own()).unwrap().points, 9);
}

#[test]
fn what_is_adopted_goes_beside_what_is_there_and_keeps_its_place() {
    let bench = Bench::with(&[&[4]]);
    bench.fill("metrics", &[&[2]]);
    // Two of the four are done with.
    let mut spool = open(&bench.path(), STORE);
    let own = spool.own();
    spool.done(own, 0, 2);
    spool.close(potsdb_spool::store::Moment::default());
    bench
        .spool("adopt", &[STORE, "--into", "metrics", "--yes"])
        .with_code(0);
    let text = bench.spool("cat", &["--store", "metrics"]).with_code(0).out;
    assert_eq!(text, imports((0..2).chain(2..4)));
    let wrong = potsdb(&[
        "spool",
        "adopt",
        bench.path().to_str().unwrap(),
        "nobody",
        "--into",
        "x",
    ])
    .with_code(2);
    assert!(wrong.err.contains("no store \"nobody\""), "{}", wrong.err);
    bench
        .spool("adopt", &["metrics", "--into", "metrics", "--yes"])
        .with_code(2);
    assert!(import(0).starts_with("web.requests "));
}
