//! What an answer is worth by itself, and how much one is asked for at a time.

use std::time::{Duration, Instant};

use potsdb_servers::{Hbase, Server as _, Tsd};

use crate::load::{LONG, Load, client, delivered, sized};

/// What an answer alone is worth: the TSD is killed right after the last one.
fn killed_after_the_answer(wire: &str, url: impl Fn(&Tsd) -> String) {
    let mut tsd = Tsd::start(Hbase::shared(), &[]);
    let load = Load::new(&format!("x.{wire}.accepted"), 20_000);
    let client = client(&url(&tsd), &[("settle", "0s")]);
    load.send(&client);
    client.flush(LONG).expect("everything gets its verdict");
    tsd.kill();
    let stats = delivered(&client, load.sent());
    assert_eq!(stats.acknowledged, load.sent(), "{stats:?}");
    tsd.restart();
    let missing = load.missing_for_good(&tsd, Duration::from_secs(3));
    println!(
        "accepted, TSD killed right after the answer, {wire}: {missing} of {} missing",
        load.sent()
    );
    assert!(missing > 0, "the answer alone would do");
}

#[test]
#[ignore = "needs java: scripts/test-servers runs it"]
fn without_settling_a_killed_tsd_takes_acknowledged_points_along() {
    killed_after_the_answer("telnet", Tsd::telnet);
}

#[test]
#[ignore = "needs java: scripts/test-servers runs it"]
fn over_http_a_killed_tsd_takes_acknowledged_points_along_unless_stored_is_asked_for() {
    killed_after_the_answer("http", |tsd| tsd.http().expect("it has one"));
}

/// Bodies as long as a default OpenTSDB takes them, found without a refusal that anybody hears of; beside them, in the same
/// run, those of 50 points that many clients send, both ways on one connection. The figures are told, not judged: the machine
/// is not ours alone.
#[test]
#[ignore = "needs java: scripts/test-servers runs it"]
fn bodies_are_as_long_as_a_default_tsd_takes_them() {
    let tsd = Tsd::start(Hbase::shared(), &[]);
    beside_fifties(&tsd, "warm", &[], "/api/put", 5_000, 5_000);
    for round in ["first", "second", "third"] {
        beside_fifties(
            &tsd,
            round,
            &[],
            "/api/put",
            sized(30_000, 200_000),
            sized(10_000, 40_000),
        );
    }
    // Here each request waits for the TSD's flush, a second or so, and the length of its body is its speed.
    let stored = [("ack", "stored"), ("connections", "1")];
    beside_fifties(&tsd, "stored", &stored, "/api/put?sync", 5_000, 250);
}

fn beside_fifties(tsd: &Tsd, round: &str, options: &[(&str, &str)], path: &str, sent: u64, fifties: u64) {
    let load = Load::new(&format!("x.bodies.{round}"), sent);
    let before = tsd.requests();
    let started = Instant::now();
    let client = client(&tsd.http().expect("it has one"), options);
    load.send(&client);
    client.flush(LONG).expect("everything gets its verdict");
    let ours = load.sent() as f64 / started.elapsed().as_secs_f64();
    let stats = delivered(&client, load.sent());
    assert_eq!(
        (stats.rejections.as_slice(), stats.resent),
        ([].as_slice(), 0),
        "{stats:?}"
    );
    let each = load.sent() as f64 / (tsd.requests() - before) as f64;
    assert!(each >= 200.0, "bodies of {each:.0} points");

    let load = Load::new(&format!("x.fifties.{round}"), fifties);
    let started = Instant::now();
    load.post_in_fifties(tsd.port(), path);
    let theirs = load.sent() as f64 / started.elapsed().as_secs_f64();
    println!(
        "{round}: bodies of {each:.0} points, {ours:.0} points/s; of 50, {theirs:.0} points/s; {:.1} times",
        ours / theirs
    );
}
