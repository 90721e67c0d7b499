//! VictoriaMetrics.

use std::time::{Duration, Instant};

use potsdb::{Sent, Timestamp};
use potsdb_servers::{Recorder, Server as _, VictoriaMetrics, until};

use crate::faces::{POINTS, every_face, from_rust};
use crate::load::{LONG, Load, client, delivered, sized, told, with_faults};
use crate::transcripts::says_as_recorded;

#[test]
#[ignore = "needs victoria-metrics: scripts/test-servers runs it"]
fn stores_what_rust_sends_and_no_connection_begins_with_a_question() {
    let server = VictoriaMetrics::start(&[]);
    let recorder = Recorder::start(server.port(), &[]);
    let load = Load::new("x.rust", POINTS);
    let stats = from_rust(&recorder.url(), &load);
    assert_eq!(stats.unconfirmed, POINTS, "it cannot answer");
    load.is_stored(&server);
    begin_with_points(&recorder, 1);
}

#[test]
#[ignore = "needs victoria-metrics: scripts/test-servers runs it"]
fn no_connection_begins_with_a_question_after_a_cut_either() {
    let server = VictoriaMetrics::start(&[]);
    let recorder = Recorder::start(server.port(), &[1, 100_000, 1_000_000, 3_000_000]);
    let client = client(&recorder.url(), &[]);
    // How much is written before a cut is noticed is the kernels' business: until there were as many as are meant.
    for round in 0..20 {
        Load::new(&format!("x.cut{round}"), POINTS).send(&client);
        client.flush(LONG).expect("everything gets its verdict");
        if recorder.beginnings().len() == 5 {
            break;
        }
    }
    begin_with_points(&recorder, 5);
}

#[test]
#[ignore = "needs victoria-metrics: scripts/test-servers runs it"]
fn stores_what_each_face_sends_over_telnet() {
    let server = VictoriaMetrics::start(&[]);
    let stats = every_face(&server.telnet(), &server, "telnet");
    assert_eq!(stats.unconfirmed, POINTS, "it cannot answer");
}

#[test]
#[ignore = "needs victoria-metrics: scripts/test-servers runs it"]
fn stores_what_each_face_sends_over_http() {
    let server = VictoriaMetrics::start(&[]);
    let stats = every_face(&server.http().expect("it has one"), &server, "http");
    assert_eq!(stats.acknowledged, POINTS, "it answers");
}

#[test]
#[ignore = "needs victoria-metrics: scripts/test-servers runs it"]
fn what_gunicorns_workers_count_adds_up() {
    let server = VictoriaMetrics::start(&[]);
    let url = server.http().expect("it has one");
    crate::workers::of_gunicorn_add_up(&server, &url, "x.requests");
}

/// Its own rule: what it took is in memory for some seconds, then on disk. So each death comes when everything before it has
/// been there for longer, while the next points are on their way: those in its memory are lost, and no others.
#[test]
#[ignore = "needs victoria-metrics: scripts/test-servers runs it"]
fn what_was_acknowledged_over_http_and_has_reached_the_disk_outlives_its_death() {
    let mut server = VictoriaMetrics::start(&[]);
    let url = server.http().expect("it has one");
    let safe = Load::new("x.safe", 100_000);
    let client = client(&url, &[]);
    safe.send(&client);
    client.flush(LONG).expect("everything gets its verdict");
    // By its own counter: it has nothing in memory that is not on disk.
    server.reaches_the_disk(LONG);
    let fresh = Load::new("x.fresh", 100_000);
    let started = Instant::now();
    std::thread::scope(|scope| {
        scope.spawn(|| fresh.send(&client));
        let enough = safe.sent() + fresh.sent() / 2;
        until(LONG, || (client.stats().delivered() >= enough).then_some(())).expect("points get their verdicts");
        server.process.kill_and_restart();
    });
    client.flush(LONG).expect("everything gets its verdict");
    safe.is_stored(&server);
    let missing = fresh.missing_for_good(&server, Duration::from_secs(3));
    let stats = delivered(&client, safe.sent() + fresh.sent());
    told("killed", &stats, started);
    println!(
        "killed in mid-stream over http: {missing} of {} were in its memory and are missing",
        fresh.sent()
    );
    assert!(stats.connects > 1 && missing < fresh.sent(), "{stats:?}");
}

/// SIGTERM: what it took it writes down, and what it did not take comes again.
#[test]
#[ignore = "needs victoria-metrics: scripts/test-servers runs it"]
fn no_point_is_missing_when_it_is_asked_to_end_over_http() {
    let mut server = VictoriaMetrics::start(&[]);
    let load = Load::new("x.ended", sized(200_000, 1_000_000));
    let started = Instant::now();
    let client = client(&server.http().expect("it has one"), &[]);
    with_faults(&client, &load, |_| server.process.end_and_restart(LONG));
    load.is_stored(&server);
    let stats = delivered(&client, load.sent());
    told("ended five times", &stats, started);
    assert_eq!(stats.acknowledged, load.sent(), "{stats:?}");
    assert!(stats.connects > 1, "{stats:?}");
}

/// It skips what it does not want and answers 204 for all of it: here a point older than its retention.
#[test]
#[ignore = "needs victoria-metrics: scripts/test-servers runs it"]
fn one_bad_point_of_ten_thousand_over_http_is_skipped_and_acknowledged() {
    let server = VictoriaMetrics::start(&["-retentionPeriod=20y"]);
    let load = Load::new("x.many", 9_990);
    let client = client(&server.http().expect("it has one"), &[]);
    load.send(&client);
    let sent = client.send_at(
        "x.bad",
        1,
        Timestamp::from_secs(1_000_000_000).expect("2001"),
        [("a", "b")],
    );
    assert!(matches!(sent, Ok(Sent::Queued)), "{sent:?}");
    client.flush(LONG).expect("everything gets its verdict");
    load.is_stored(&server);
    let stats = delivered(&client, load.sent() + 1);
    assert_eq!(stats.acknowledged, load.sent() + 1, "{stats:?}");
    assert!(
        server.stored("x.bad").is_empty(),
        "it stores it: say so in docs/guarantees.md"
    );
    println!("{} acknowledged, {} stored", stats.acknowledged, load.sent());
}

#[test]
#[ignore = "needs victoria-metrics: scripts/test-servers runs it"]
fn says_what_was_recorded() {
    let server = VictoriaMetrics::start(&[]);
    says_as_recorded("victoriametrics-telnet.txt", server.port());
    says_as_recorded("victoriametrics-http.txt", server.port());
}

/// Each connection, at least so many, began with a point.
fn begin_with_points(recorder: &Recorder, at_least: usize) {
    let beginnings = recorder.beginnings();
    assert!(beginnings.len() >= at_least, "{} connections", beginnings.len());
    for (number, beginning) in beginnings.iter().enumerate() {
        assert!(
            beginning.starts_with(b"put x."),
            "connection {number} began with {:?}",
            String::from_utf8_lossy(beginning)
        );
    }
}
