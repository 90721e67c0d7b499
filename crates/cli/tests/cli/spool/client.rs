//! The command on the spool of a real client: `potsdb pipe -o spool=PATH`.

use std::collections::BTreeSet;

use serde_json::json;

use super::bench::{Bench, import, imports, line};
use crate::command::{LONG, Running, nobody, potsdb_fed, receiver};

/// A pipe that keeps everything on disk, at once.
fn pipe(bench: &Bench, url: &str) -> Running {
    let url = format!("{url}?spool_mode=always&spool_name=test&spool_free=0&settle=0");
    let spool = format!("spool={}", bench.path().display());
    Running::start(&["pipe", "--json", "-u", &url, "-o", &spool])
}

#[test]
fn e6_29_the_spool_of_a_client_that_runs_is_looked_at_and_left_and_replayed_once_it_is_killed() {
    let bench = Bench::new();
    let mut client = pipe(&bench, &nobody());
    client.feed(imports(0..1_000).as_bytes());
    bench.until(1_000);
    let text = bench.spool("cat", &[]).with_code(0).out;
    assert_eq!(text, imports(0..1_000));
    bench.spool("verify", &[]).with_code(0);
    let receiver = receiver();
    for arguments in [
        &["drop", "--before", "4294967295"][..],
        &["adopt", "test", "--into", "other", "--yes"],
        &["replay", "--to", &receiver.url()],
    ] {
        let said = bench.spool(arguments[0], &arguments[1..]).with_code(1).err;
        assert!(said.contains("left alone: held by process "), "{arguments:?}: {said}");
    }
    bench.spool("verify", &["--repair"]).with_code(0);
    // It goes on as if nobody had been there.
    client.feed(imports(1_000..1_500).as_bytes());
    bench.until(1_500);
    client.signal("KILL");
    drop(client);
    let ended = bench
        .spool("replay", &["--to", &receiver.url(), "-o", "settle=0", "--json"])
        .with_code(0);
    assert_eq!(ended.json()["delivered"], json!(1_500));
    let came: BTreeSet<_> = receiver.lines().into_iter().collect();
    assert_eq!(
        came,
        (0..1_500).map(|number| line(number).trim_end().to_owned()).collect()
    );
}

#[test]
fn e6_27_what_one_machine_left_is_delivered_from_a_copy_on_another() {
    let bench = Bench::new();
    let mut client = pipe(&bench, &nobody());
    client.feed(imports(0..300).as_bytes());
    bench.until(300);
    client.signal("KILL");
    drop(client);
    let elsewhere = Bench::new();
    elsewhere.copy_of(&bench);
    let text = elsewhere.spool("cat", &[]).with_code(0).out;
    let receiver = receiver();
    potsdb_fed(text.as_bytes(), &["pipe", "-u", &receiver.url()]).with_code(0);
    assert_eq!(receiver.counts().accepted, 300);
    // Or by a client that finds it there.
    let client = pipe(&elsewhere, &receiver.url());
    assert!(receiver.wait_for(600, LONG));
    elsewhere.until(0);
    client.end().with_code(0);
    assert_eq!(elsewhere.spool("cat", &[]).with_code(0).out, "");
}

#[test]
fn after_a_repair_a_client_delivers_exactly_what_is_left() {
    let bench = Bench::new();
    let mut client = pipe(&bench, &nobody());
    for number in 0..20 {
        client.feed(imports(number * 100..(number + 1) * 100).as_bytes());
        bench.until((number + 1) * 100);
    }
    client.signal("KILL");
    drop(client);
    let segment = bench.path().join("test/0").join(super::bench::FIRST);
    let mut bytes = std::fs::read(&segment).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&segment, bytes).unwrap();
    let lost = bench.spool("verify", &["--repair", "--json"]).with_code(1).json()["repairs"][0]["lost"].as_u64();
    let lost = lost.unwrap();
    assert!((1..=200).contains(&lost), "{lost}");
    let receiver = receiver();
    let client = pipe(&bench, &receiver.url());
    assert!(receiver.wait_for(2_000 - lost, LONG));
    bench.until(0);
    let stats = client.end().with_code(0).json();
    let left = json!(2_000 - lost);
    assert_eq!((&stats["adopted"], &stats["acknowledged"]), (&left, &left));
    assert_eq!(
        (&stats["spool_damaged_bytes"], &stats["dropped"]),
        (&json!(0), &json!(0))
    );
}

#[test]
fn a_pipe_says_what_it_left_in_the_spool() {
    let bench = Bench::new();
    let spool = format!("spool={}", bench.path().display());
    let url = nobody();
    let arguments = [
        "pipe",
        "-u",
        &url,
        "-o",
        &spool,
        "-o",
        "spool_mode=always",
        "-o",
        "spool_free=0",
        "--timeout",
        "1s",
    ];
    let ended = potsdb_fed(imports(0..5).as_bytes(), &arguments).with_code(3);
    assert!(ended.err.contains("5 points kept in the spool "), "{}", ended.err);
    assert!(!ended.err.contains("still on the way"), "{}", ended.err);
    let to = format!("{url}?{spool}");
    let said = bench.spool("replay", &["--to", &to]).with_code(2).err;
    assert!(said.contains("option spool in the URL"), "{said}");
    assert!(import(0).starts_with("web."));
}
