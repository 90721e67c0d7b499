//! Two histories by hand: a long outage, and a server that comes and goes.

use std::time::Duration;

use super::{Life, Run};
use crate::config::options::{Options, SpoolMode};

const SECOND: Duration = Duration::from_secs(1);

/// A run with a disk that works, and a server with a usual latency.
fn run(options: impl FnOnce(&mut Options)) -> (Run, Life) {
    let mut run = Run::new(1, false);
    run.options = Options {
        queue_points: 1_000,
        queue_bytes: Some(64 * 1024),
        spool: Some("spool".into()),
        spool_mode: SpoolMode::Overflow,
        spool_bytes: 256 << 20,
        spool_free: Some(0),
        settle: Duration::ZERO,
        ..Options::default()
    };
    options(&mut run.options);
    run.server().latency = Duration::from_millis(5);
    let life = run.begin_life();
    (run, life)
}

/// A second in which so many points are sent.
fn pass_second(run: &mut Run, life: &mut Life, points: u64) {
    for _ in 0..10 {
        for _ in 0..points / 10 {
            run.send(life);
        }
        let until = run.now + SECOND / 10;
        run.pass(life, until).expect("the laws hold");
    }
}

#[test]
fn e6_23_after_an_hour_of_outage_fresh_points_are_there_within_seconds_and_the_backlog_goes_at_its_rate() {
    let (mut run, mut life) = run(|options| options.mps = 400.0);
    run.server().is_down = true;
    for _ in 0..3_600 {
        pass_second(&mut run, &mut life, 20);
    }
    let spooled = life.queue.lock().ledger().stats().spooled;
    assert!(spooled > 70_000, "{spooled} of 72 000 points wait on disk");
    run.server().is_down = false;
    // A back-off of the outage may be as long as this.
    let until = run.now + Duration::from_secs(31);
    while run.server().stored.is_empty() {
        assert!(run.now < until, "the server is not found again");
        pass_second(&mut run, &mut life, 20);
    }
    for second in 1..=60 {
        pass_second(&mut run, &mut life, 20);
        let old = life.lines.len() - 5 * 20;
        let missing = life.lines[72_020.min(old)..old].iter();
        let missing = missing.filter(|line| !run.server().stored.contains_key(*line)).count();
        assert_eq!(missing, 0, "points that are older than 5 s, after {second} s");
    }
    let stats = life.queue.lock().ledger().stats();
    assert!(stats.spooled > 40_000, "the backlog is paced: {stats:?}");
    for _ in 0..300 {
        pass_second(&mut run, &mut life, 20);
    }
    let stats = life.queue.lock().ledger().stats();
    assert!(stats.pending() < 1_000 && stats.dropped.total() == 0, "{stats:?}");
}

#[test]
fn e6_24_a_server_that_comes_and_goes_makes_no_point_go_to_disk_twice_and_few_syncs() {
    let (mut run, mut life) = run(|_| ());
    for second in 0..600 {
        if second % 10 == 0 {
            let mut server = run.server();
            server.is_down = !server.is_down;
            server.reset_all();
        }
        pass_second(&mut run, &mut life, 500);
    }
    let ledger = life.queue.lock().ledger();
    let syncs: u64 = life
        .writer
        .lock()
        .expect("nobody panics with it")
        .stats()
        .map(|stats| stats.syncs)
        .sum();
    assert!(ledger.settled.spooled <= ledger.accepted, "{ledger:?}");
    assert!(syncs <= 2 * 600, "{syncs} syncs in 600 s");
    assert_eq!(ledger.stats().dropped.total(), 0, "{:?}", ledger.stats());
}
