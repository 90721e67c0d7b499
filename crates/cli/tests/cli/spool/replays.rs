//! `potsdb spool replay`: delivers what is in a spool, and marks as done with what was answered for alone.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use potsdb_receiver::Personality;
use potsdb_spool::store::Moment;
use potsdb_spool::{Lines, Tried};
use serde_json::json;

use super::bench::{Bench, STORE, imports, line, open};
use crate::command::{LONG, Running, nobody, potsdb, receiver, receiver_with};

/// Every point settles at once: the tests have no second to lose.
const AT_ONCE: [&str; 2] = ["-o", "settle=0"];

fn lines(numbers: std::ops::Range<u64>) -> Vec<String> {
    numbers.map(|number| line(number).trim_end().to_owned()).collect()
}

#[test]
fn everything_is_delivered_oldest_first_and_the_spool_is_empty() {
    let bench = Bench::with(&[&[300, 4], &[5]]);
    let receiver = receiver();
    let ended = bench
        .spool("replay", &[&["--to", &receiver.url(), "--json"], &AT_ONCE[..]].concat())
        .with_code(0);
    assert_eq!(receiver.lines(), lines(0..309));
    let said = ended.json();
    assert_eq!(
        (&said["delivered"], &said["left"], &said["refused"]),
        (&json!(309), &json!(0), &json!(0))
    );
    assert_eq!(bench.spool("cat", &[]).with_code(0).out, "");
    bench.spool("verify", &[]).with_code(0);
    // There is nothing left to do.
    bench.spool("replay", &["--to", &receiver.url()]).with_code(0);
}

#[test]
fn points_are_kept_until_they_have_settled() {
    let bench = Bench::with(&[&[3]]);
    let receiver = receiver();
    let began = Instant::now();
    bench
        .spool("replay", &["--to", &receiver.url(), "-o", "settle=700ms"])
        .with_code(0);
    assert!(began.elapsed() >= Duration::from_millis(700));
    assert_eq!(receiver.lines(), lines(0..3));
    // Killed before: it goes again.
    let bench = Bench::with(&[&[3]]);
    let path = bench.path();
    let arguments = [
        "spool",
        "replay",
        path.to_str().unwrap(),
        "--to",
        &receiver.url(),
        "-o",
        "settle=20s",
    ];
    let replay = Running::start(&arguments);
    assert!(receiver.wait_for(6, Duration::from_secs(20)));
    replay.signal("KILL");
    drop(replay);
    assert_eq!(bench.spool("cat", &[]).with_code(0).out, imports(0..3));
}

#[test]
fn what_a_server_that_is_away_does_not_take_stays_and_is_exit_code_1() {
    let bench = Bench::with(&[&[3], &[2]]);
    let before = bench.spool("cat", &[]).with_code(0).out;
    let ended = bench
        .spool("replay", &["--to", &nobody(), "--timeout", "300ms"])
        .with_code(1);
    assert!(
        ended.err.contains("5 points left in the spool: gave up after 300ms"),
        "{}",
        ended.err
    );
    assert!(ended.out.contains("0 points delivered, 5 left"), "{}", ended.out);
    assert_eq!(bench.spool("cat", &[]).with_code(0).out, before);
}

#[test]
fn e6_25_what_the_server_refuses_for_ever_is_set_aside_and_the_rest_goes() {
    let bench = Bench::with(&[&[40]]);
    let receiver = receiver_with(|config| {
        config.known_metrics = Some(["web.requests".to_owned()].into());
    });
    let ended = bench
        .spool("replay", &[&["--to", &receiver.url(), "--json"], &AT_ONCE[..]].concat())
        .with_code(1);
    let said = ended.json();
    assert_eq!(
        (&said["delivered"], &said["refused"], &said["left"]),
        (&json!(20), &json!(20), &json!(0))
    );
    let kept = std::fs::read_to_string(bench.slot().join("rejected/lines")).unwrap();
    for number in (1..40).step_by(2) {
        assert!(kept.contains(&line(number)), "{number} is not in {kept}");
    }
    assert!(
        kept.contains("# ") && ended.err.contains("20 points refused"),
        "{kept} {}",
        ended.err
    );
    assert_eq!(bench.spool("cat", &[]).with_code(0).out, "");
}

#[test]
fn a_good_line_goes_a_few_times_where_every_tenth_is_refused() {
    const POINTS: u64 = 5_000;
    // Here and there, as in a spool of many series.
    let is_bad = |number: u64| ((number * 2_654_435_761) >> 16).is_multiple_of(10);
    let line = |number| {
        let metric = if is_bad(number) { "unknown" } else { "web.requests" };
        format!("put {metric} {} 1 host=a\n", 1_767_225_600 + number)
    };
    let bad = (0..POINTS).filter(|number| is_bad(*number)).count() as u64;
    // Over HTTP the client asks once more which lines are refused, and they all go with the question.
    for (scheme, most) in [("tsdb://", 3.0), ("http://", 4.5)] {
        let bench = Bench::new();
        let mut spool = open(&bench.path(), STORE);
        let now = Moment::default();
        for first in (0..POINTS).step_by(1_000) {
            let text: String = (first..first + 1_000).map(line).collect();
            spool.append(now, Lines::new(text, now.wall)).unwrap();
        }
        spool.close(now);
        let receiver = receiver_with(|config| {
            config.known_metrics = Some(["web.requests".to_owned()].into());
        });
        let url = receiver.url().replace("tsdb://", scheme);
        let settled: &[&str] = if scheme == "tsdb://" { &AT_ONCE } else { &[] };
        let ended = bench.spool("replay", &[&["--to", &url, "--json"], settled].concat());
        let said = ended.with_code(1).json();
        assert_eq!(
            (&said["delivered"], &said["refused"], &said["left"]),
            (&json!(POINTS - bad), &json!(bad), &json!(0))
        );
        let written = receiver.counts().accepted as f64 / (POINTS - bad) as f64;
        assert!(written < most, "over {scheme} a good line goes {written:.2} times");
    }
}

#[test]
fn a_server_that_never_answers_gets_no_point_out_of_the_spool_unless_that_is_as_said() {
    let bench = Bench::with(&[&[3]]);
    let receiver = receiver_with(|config| config.personality = Personality::VictoriaMetrics);
    let to = receiver.url();
    let ended = bench.spool("replay", &["--to", &to, "--timeout", "20s"]).with_code(1);
    assert!(ended.err.contains("never answers"), "{}", ended.err);
    assert_eq!(bench.spool("cat", &[]).with_code(0).out, imports(0..3));
    bench
        .spool("replay", &[&["--to", &to, "-o", "ack=none"], &AT_ONCE[..]].concat())
        .with_code(0);
    assert_eq!(bench.spool("cat", &[]).with_code(0).out, "");
}

#[test]
fn the_rate_is_the_most_that_goes() {
    let bench = Bench::with(&[&[60]]);
    let receiver = receiver();
    let began = Instant::now();
    let arguments = ["--to", &receiver.url(), "--rate", "40"];
    bench
        .spool("replay", &[&arguments[..], &AT_ONCE[..]].concat())
        .with_code(0);
    assert!(began.elapsed() >= Duration::from_millis(500), "{:?}", began.elapsed());
    assert_eq!(receiver.lines(), lines(0..60));
}

#[test]
fn of_several_stores_one_is_to_be_named() {
    let bench = Bench::with(&[&[3]]);
    bench.fill("other", &[&[2]]);
    let receiver = receiver();
    let to = receiver.url();
    let said = bench.spool("replay", &["--to", &to]).with_code(2).err;
    assert!(said.contains("--store, one of other, tsdb-localhost-4242"), "{said}");
    bench
        .spool("replay", &[&["--to", &to, "--store", "other"], &AT_ONCE[..]].concat())
        .with_code(0);
    assert_eq!(receiver.lines(), lines(0..2));
    assert_eq!(bench.spool("cat", &[]).with_code(0).out, imports(0..3));
}

#[test]
fn e6_22_what_was_tried_by_one_wire_does_not_go_by_the_other() {
    let bench = Bench::with(&[&[3]]);
    let mut spool = open(&bench.path(), STORE);
    let tried = Tried::Http;
    let now = Moment::default();
    let text: String = (3..8).map(line).collect();
    spool
        .append(
            now,
            Lines {
                tried,
                ..Lines::new(text, now.wall)
            },
        )
        .unwrap();
    spool.close(now);
    let receiver = receiver();
    let ended = bench
        .spool("replay", &[&["--to", &receiver.url(), "--json"], &AT_ONCE[..]].concat())
        .with_code(1);
    assert_eq!(receiver.lines(), lines(0..3));
    let said = ended.json();
    assert_eq!((&said["left"], &said["other_wire"]), (&json!(5), &json!(5)));
    assert!(ended.err.contains("tried by the other wire"), "{}", ended.err);
    let url = receiver.url().replace("tsdb://", "http://");
    bench.spool("replay", &["--to", &url]).with_code(0);
    assert_eq!(bench.spool("cat", &[]).with_code(0).out, "");
}

#[test]
fn what_stays_at_the_front_does_not_keep_what_is_delivered_behind_it() {
    let bench = Bench::new();
    let mut spool = open(&bench.path(), STORE);
    let now = Moment::default();
    for (numbers, tried) in [
        (0..5, Tried::Http),
        (5..300, Tried::Nothing),
        (300..302, Tried::Http),
        (302..400, Tried::Telnet),
    ] {
        let text: String = numbers.map(line).collect();
        spool
            .append(
                now,
                Lines {
                    tried,
                    ..Lines::new(text, 7_000)
                },
            )
            .unwrap();
    }
    spool.close(now);
    let receiver = receiver();
    let replay = || bench.spool("replay", &[&["--to", &receiver.url(), "--json"], &AT_ONCE[..]].concat());
    let said = replay().with_code(1).json();
    assert_eq!((&said["delivered"], &said["left"]), (&json!(393), &json!(7)));
    assert_eq!(
        bench.spool("cat", &[]).with_code(0).out,
        imports((0..5).chain(300..302))
    );
    bench.spool("verify", &[]).with_code(0);
    let slot = bench.spool("stat", &["--json"]).json()["stores"][0]["slots"][0].clone();
    assert_eq!((&slot["oldest"], &slot["points"]), (&json!(7.0), &json!(7)));
    // Nothing goes twice.
    assert_eq!(replay().with_code(1).json()["delivered"], json!(0));
    assert_eq!(receiver.counts().accepted, 393);
    let url = receiver.url().replace("tsdb://", "http://");
    bench.spool("replay", &["--to", &url]).with_code(0);
    assert_eq!(receiver.counts().accepted, 400);
}

#[test]
fn a_server_that_goes_and_comes_back_gets_every_point() {
    let records = [500; 20];
    let bench = Bench::with(&[&records]);
    let receiver = receiver();
    receiver.faults().reset_all(60_000);
    let ended = bench.spool("replay", &[&["--to", &receiver.url(), "--json"], &AT_ONCE[..]].concat());
    let ended = ended.with_code(0);
    assert_eq!(ended.json()["delivered"], json!(10_000));
    let came: BTreeSet<String> = receiver.lines().into_iter().collect();
    assert_eq!(came, lines(0..10_000).into_iter().collect());
}

#[test]
fn a_replay_that_is_killed_again_and_again_loses_nothing() {
    // Three batches and more.
    const POINTS: u64 = 100_000;
    let records = [500; POINTS as usize / 500];
    let bench = Bench::with(&[&records[..100], &records[100..]]);
    let receiver = receiver();
    let (path, url) = (bench.path(), receiver.url());
    let arguments = ["spool", "replay", path.to_str().unwrap(), "--to", &url];
    let (mut left, mut kills) = (POINTS as usize, 0);
    // Until one was killed that had marked something.
    while left == POINTS as usize {
        kills += 1;
        assert!(kills < 10, "none has marked anything");
        let before = receiver.counts().accepted;
        let replay = Running::start(&[&arguments[..], &AT_ONCE[..]].concat());
        assert!(receiver.wait_for(before + 40_000, LONG));
        replay.signal("KILL");
        drop(replay);
        bench.spool("verify", &[]).with_code(0);
        let text = bench.spool("cat", &[]).with_code(0).out;
        left = text.lines().count();
        let kept: BTreeSet<&str> = text.lines().collect();
        let came = receiver.lines();
        let came: BTreeSet<&str> = came.iter().filter_map(|line| line.strip_prefix("put ")).collect();
        let all = imports(0..POINTS);
        assert!(all.lines().all(|line| came.contains(line) || kept.contains(line)));
    }
    potsdb(&[&arguments[..], &AT_ONCE[..]].concat()).with_code(0);
    let came: BTreeSet<String> = receiver.lines().into_iter().collect();
    assert_eq!(came.len(), POINTS as usize);
    assert_eq!(bench.spool("cat", &[]).with_code(0).out, "");
}

#[test]
fn a_signal_ends_it_and_what_was_not_answered_for_stays() {
    let bench = Bench::with(&[&[3]]);
    let path = bench.path();
    let url = nobody();
    let arguments = [
        "spool",
        "replay",
        path.to_str().unwrap(),
        "--to",
        &url,
        "-o",
        "close_grace=50ms",
    ];
    let replay = Running::start(&arguments);
    // It has the slot: it has begun.
    let stat = || bench.spool("stat", &["--json"]).json()["stores"][0]["slots"][0]["held"] == json!(true);
    let end = Instant::now() + LONG;
    while !stat() {
        assert!(Instant::now() < end);
    }
    replay.signal("INT");
    let ended = replay.wait().with_code(130);
    assert!(
        ended.err.contains("3 points left in the spool: interrupted"),
        "{}",
        ended.err
    );
    assert_eq!(bench.spool("cat", &[]).with_code(0).out, imports(0..3));
}

#[test]
fn options_without_effect_are_refused() {
    let bench = Bench::with(&[&[3]]);
    for option in ["mps=5", "prefix=x.", "precision=ms", "spool=/x"] {
        let said = bench.spool("replay", &["--to", "tsd1", "-o", option]).with_code(2).err;
        assert!(said.contains("has no effect on replay"), "{option}: {said}");
    }
    bench.spool("replay", &[]).with_code(2);
    assert!(bench.slot().ends_with(format!("{STORE}/0")));
}
