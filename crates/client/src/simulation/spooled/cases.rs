//! Two histories by hand: a long outage, and a server that comes and goes.

use std::time::Duration;

use super::{Life, Run, STORE};
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
    {
        let mut server = run.server();
        (server.latency, server.takes, server.forgets) = (Duration::from_millis(5), 1 << 20, Duration::ZERO);
    }
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
    // What was sent before that may have gone to disk with the rest.
    let found = life.lines.len();
    for second in 1..=60 {
        pass_second(&mut run, &mut life, 20);
        let old = life.lines.len() - 5 * 20;
        let missing = life.lines[found.min(old)..old].iter();
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
            run.server().turn();
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

#[test]
fn e6_13_a_folder_that_is_removed_is_made_anew_and_what_was_in_it_is_counted() {
    let (mut run, mut life) = run(|_| ());
    run.server().is_down = true;
    pass_second(&mut run, &mut life, 500);
    let to = life.queue.sync_barrier();
    pass_second(&mut run, &mut life, 0);
    assert!(life.queue.is_safe(to));
    run.disk.remove(STORE);
    pass_second(&mut run, &mut life, 500);
    let to = life.queue.sync_barrier();
    // A disk that failed is tried again after half a minute.
    for _ in 0..65 {
        pass_second(&mut run, &mut life, 0);
    }
    assert!(life.queue.is_safe(to), "what came after is kept again");
    run.server().is_down = false;
    for _ in 0..60 {
        pass_second(&mut run, &mut life, 0);
    }
    let stats = life.queue.lock().ledger().stats();
    assert_eq!(
        (stats.pending(), stats.dropped.spool_damaged),
        (0, stats.dropped.total()),
        "{stats:?}"
    );
    assert!(stats.dropped.total() <= 500, "{stats:?}");
    let server = run.server();
    let missing = life.lines.iter().filter(|line| !server.stored.contains_key(*line));
    assert_eq!(missing.count() as u64, stats.dropped.total());
}

#[test]
fn a_sync_returns_when_the_folder_goes_while_what_was_in_it_is_on_its_way() {
    let (mut run, mut life) = run(|options| {
        options.queue_points = 200;
        options.server = Some(potsdb_wire::Server::OpenTsdb);
        options.spool_sync = Duration::from_secs(3_600);
    });
    run.server().is_down = true;
    pass_second(&mut run, &mut life, 150);
    pass_second(&mut run, &mut life, 150);
    {
        let mut server = run.server();
        (server.is_down, server.latency) = (false, Duration::from_secs(8));
    }
    for _ in 0..8 {
        pass_second(&mut run, &mut life, 0);
    }
    run.disk.remove(STORE);
    run.server().turn();
    pass_second(&mut run, &mut life, 10);
    let to = life.queue.sync_barrier();
    for _ in 0..65 {
        pass_second(&mut run, &mut life, 0);
    }
    assert!(life.queue.is_safe(to), "{:?}", life.queue.lock().ledger().stats());
}
