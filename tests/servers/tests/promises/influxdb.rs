//! InfluxDB 1.x.

use std::time::{Duration, Instant};

use potsdb::{Sent, Timestamp};
use potsdb_servers::{InfluxDb, Server as _};

use crate::faces::{POINTS, every_face};
use crate::load::{LONG, Load, client, closed, delivered, is_full, sized, told, with_faults};
use crate::transcripts::says_as_recorded;

#[test]
#[ignore = "needs influxdb: scripts/test-servers runs it"]
fn stores_what_each_face_sends_over_telnet() {
    let server = InfluxDb::start();
    let stats = every_face(&server.telnet(), &server, "telnet");
    assert_eq!(stats.acknowledged, POINTS, "it answers `version`");
}

#[test]
#[ignore = "needs influxdb: scripts/test-servers runs it"]
fn stores_what_each_face_sends_over_http() {
    let server = InfluxDb::start();
    let stats = every_face(&server.http().expect("it has one"), &server, "http");
    assert_eq!(stats.acknowledged, POINTS, "it answers");
}

fn five_deaths(url: impl Fn(&InfluxDb) -> String, options: &[(&str, &str)]) {
    let mut server = InfluxDb::start();
    let load = Load::new("x.killed", sized(250_000, 1_000_000));
    let started = Instant::now();
    let client = client(&url(&server), options);
    with_faults(&client, &load, |_| server.process.kill_and_restart());
    load.is_stored(&server);
    let stats = delivered(&client, load.sent());
    told("five deaths", &stats, started);
    assert_eq!(
        (stats.acknowledged, stats.released_early),
        (load.sent(), 0),
        "{stats:?}"
    );
    assert!(stats.resent > 0, "the deaths took nothing: the test tests nothing");
}

#[test]
#[ignore = "needs influxdb: scripts/test-servers runs it"]
fn no_point_is_missing_after_five_deaths_over_telnet() {
    five_deaths(InfluxDb::telnet, &[("settle_bytes", "256MiB")]);
}

#[test]
#[ignore = "needs influxdb: scripts/test-servers runs it"]
fn no_point_is_missing_after_five_deaths_over_http() {
    five_deaths(|server| server.http().expect("it has one"), &[]);
}

/// While it ends, for 30 s if a telnet client is connected: as slow a trickle as its batches can take in meanwhile.
fn asked_to_end(url: impl Fn(&InfluxDb) -> String, points: u64) -> u64 {
    let mut server = InfluxDb::start();
    let load = Load::new("x.ended", points);
    let started = Instant::now();
    let client = client(&url(&server), &[("mps", "100")]);
    with_faults(&client, &load, |fault| {
        if fault == 0 {
            server.process.end_and_restart(LONG);
        }
    });
    let missing = load.missing_for_good(&server, Duration::from_secs(5));
    let stats = delivered(&client, load.sent());
    told("asked to end", &stats, started);
    println!(
        "asked to end: {missing} of {} acknowledged points are missing",
        load.sent()
    );
    missing
}

/// The case nothing on a telnet connection tells: it reads, answers, and discards. docs/servers.md recommends HTTP for it.
#[test]
#[ignore = "needs influxdb: scripts/test-servers runs it, with --full"]
fn what_is_acknowledged_over_telnet_while_it_ends_is_missing() {
    assert!(is_full(), "only with --full: ending takes 30 s");
    let missing = asked_to_end(InfluxDb::telnet, 3000);
    assert!(
        missing > 0,
        "it is better than its reputation: say so in docs/guarantees.md"
    );
}

#[test]
#[ignore = "needs influxdb: scripts/test-servers runs it"]
fn no_point_is_missing_when_it_is_asked_to_end_over_http() {
    let missing = asked_to_end(|server| server.http().expect("it has one"), 1000);
    assert_eq!(missing, 0);
}

/// A point whose value is of another type than its metric's former ones is one it refuses, with the others of the body; it
/// is found by halving.
#[test]
#[ignore = "needs influxdb: scripts/test-servers runs it"]
fn one_bad_point_of_ten_thousand_over_http_is_rejected_with_its_reason_and_the_others_are_stored() {
    let server = InfluxDb::start();
    server.write("x.bad,a=b value=1i 1600000000000000000");
    let load = Load::new("x.many", 9_990);
    let client = client(&server.http().expect("it has one"), &[]);
    std::thread::scope(|scope| {
        scope.spawn(|| load.send(&client));
        let timestamp = Timestamp::from_secs(load.time(1)).expect("a legal time");
        let sent = client.send_at("x.bad", 0.5, timestamp, [("a", "b")]);
        assert!(matches!(sent, Ok(Sent::Queued)), "{sent:?}");
    });
    client.flush(LONG).expect("everything gets its verdict");
    load.is_stored(&server);
    let stats = closed(&client, load.sent() + 1);
    assert_eq!((stats.acknowledged, stats.rejected), (load.sent(), 1), "{stats:?}");
    let words = stats.last_rejections.last().expect("the server's words");
    assert!(words.contains("field type conflict"), "{words}");
    println!("{} acknowledged, 1 rejected: {words}", stats.acknowledged);
}

#[test]
#[ignore = "needs influxdb: scripts/test-servers runs it"]
fn says_what_was_recorded() {
    says_as_recorded("influxdb-fresh.txt", InfluxDb::fresh().port());
    let server = InfluxDb::start();
    says_as_recorded("influxdb-telnet.txt", server.port());
    says_as_recorded("influxdb-http.txt", server.port());
}
