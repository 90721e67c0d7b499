//! At least once, through five deaths of the server.
//!
//! The server holds what it accepted for a second in memory, as OpenTSDB does: SIGKILL loses that. Its journal, which
//! outlives it, is what was really stored. Run by `scripts/test`, which says where the command is.

#![expect(clippy::print_stdout, reason = "the figures are part of the proof")]

use std::collections::HashSet;
use std::fs;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use potsdb::{Client, Timestamp};
use potsdb_servers::{Receiver, until};

const THREADS: u64 = 4;
const POINTS: u64 = 250_000;
const KILLS: u64 = 5;
const START: u64 = 1_600_000_000;

#[test]
#[ignore = "needs the built command: scripts/test runs it"]
fn a_million_points_over_four_threads_outlive_five_deaths_of_the_server() {
    let started = Instant::now();
    let folder = tempfile::tempdir().expect("a folder can be made");
    let journal = folder.path().join("journal");
    let mut receiver = Receiver::start(&journal);
    let client = Client::builder(&format!("tsdb://127.0.0.1:{}", receiver.port()))
        .set("host_tag", "false")
        .set("overflow", "block")
        .set("settle_bytes", "128MiB")
        .set("backoff", "1ms..50ms")
        // A kill is to find points of every age: not yet journalled, journalled and not settled, settled.
        .set("mps", "400000")
        .build()
        .expect("the options are legal");

    let (progress, killer) = mpsc::channel();
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (client, progress) = (&client, progress.clone());
            scope.spawn(move || {
                let series = client
                    .series("crash.test", [("thread", thread.to_string())])
                    .expect("a legal series");
                for n in 0..POINTS {
                    series
                        .send_at(n, Timestamp::from_secs(START + n).expect("a legal time"))
                        .expect("it waits for room");
                    // The last kill comes when everything was sent.
                    if thread == 0 && (n + 1) % (POINTS / KILLS) == 0 {
                        progress.send(()).expect("the killer listens to the end");
                    }
                }
            });
        }
        drop(progress);
        for (kills, ()) in killer.iter().enumerate() {
            // Killing what nobody has reached yet would take nothing from anybody.
            until(Duration::from_secs(30), || {
                (client.stats().connects > kills as u64).then_some(())
            })
            .expect("it connects again");
            receiver.kill_and_restart();
        }
    });
    client
        .flush(Duration::from_secs(60))
        .expect("everything gets its verdict");
    let stats = client.close(Duration::from_secs(60));
    let counts = receiver.ended();

    assert!(stats.is_balanced(), "{stats:?}");
    let sent = THREADS * POINTS;
    assert_eq!(
        (stats.accepted, stats.acknowledged, stats.pending()),
        (sent, sent, 0),
        "{stats:?}"
    );
    assert_eq!(
        (stats.rejected, stats.dropped.total(), stats.repeated, stats.unconfirmed),
        (0, 0, 0, 0),
        "{stats:?}"
    );
    assert_eq!(stats.released_early, 0, "the bound was large enough for all");
    assert!(
        stats.connects > KILLS,
        "{} connections: it was killed {KILLS} times",
        stats.connects
    );
    assert!(stats.resent > 0, "the kills took nothing: the test tests nothing");

    // Byte for byte: whatever is in the journal, twice or not, is a line as it was sent.
    let written = fs::read_to_string(&journal).expect("the journal can be read");
    let lines: HashSet<&str> = written.lines().collect();
    let expected = |thread: u64, n: u64| format!("put crash.test {} {n} thread={thread}", START + n);
    let missing = (0..THREADS)
        .flat_map(|thread| (0..POINTS).map(move |n| (thread, n)))
        .filter(|&(thread, n)| !lines.contains(expected(thread, n).as_str()))
        .count();
    assert_eq!((missing, lines.len() as u64), (0, sent), "missing, and different lines");
    assert_eq!(
        (counts["conflicts"].as_u64(), counts["respelled"].as_u64()),
        (Some(0), Some(0)),
        "{counts}"
    );
    let copies = written.lines().count() - lines.len();
    assert!(
        copies > 0,
        "nothing was journalled and sent again: the test does not test its copies"
    );
    println!(
        "{sent} points, {KILLS} kills, {} connections: {} lines resent, {copies} copies in the journal, {} unsettled, in {:.1?}",
        stats.connects,
        stats.resent,
        stats.unsettled,
        started.elapsed()
    );
}
