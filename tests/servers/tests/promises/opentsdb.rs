//! OpenTSDB on HBase.

use std::sync::mpsc;
use std::time::{Duration, Instant};

use potsdb::{Client, Sent, Stats, Timestamp};
use potsdb_servers::{Hbase, Server as _, Tsd};

use crate::faces::{POINTS, from_python, from_rust, from_the_shell};
use crate::load::{LONG, Load, client, closed, delivered, sized};
use crate::transcripts::says_as_recorded;

#[test]
#[ignore = "needs java: scripts/test-servers runs it"]
fn stores_what_each_face_sends() {
    let tsd = Tsd::start(Hbase::shared(), &[]);
    let load = Load::new("x.rust", POINTS);
    let stats = from_rust(&tsd.telnet(), &load);
    assert_eq!(stats.acknowledged, POINTS, "it answers `version`");
    load.is_stored(&tsd);

    let load = Load::new("x.pipe", POINTS);
    from_the_shell(&tsd.telnet(), &load);
    load.is_stored(&tsd);

    let load = Load::new("x.python", POINTS);
    from_python(&tsd.telnet(), &load);
    load.is_stored(&tsd);
}

const KILLS: u64 = 5;

/// Sends a load at full speed, and calls `kill` after each fifth of it, the last time when all was sent.
fn killed_on_the_way(client: &Client, load: &Load, mut kill: impl FnMut(u64) + Send) {
    let (progress, killer) = mpsc::channel();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let fifth = load.sent() / KILLS;
            load.send(client, |sent| {
                if sent % fifth == 0 {
                    progress.send(()).expect("the killer listens to the end");
                }
            });
        });
        for (kills, ()) in (0..).zip(&killer) {
            kill(kills);
        }
    });
    client.flush(LONG).expect("everything gets its verdict");
}

fn told(name: &str, stats: &Stats, started: Instant) {
    println!(
        "{name}: {} acknowledged over {} connections, {} resent, {} late errors, {} unsettled, in {:.1?}",
        stats.acknowledged,
        stats.connects,
        stats.resent,
        stats.late_errors,
        stats.unsettled,
        started.elapsed()
    );
}

#[test]
#[ignore = "needs java: scripts/test-servers runs it"]
fn no_point_is_missing_after_five_deaths_with_another_tsd_alive() {
    let mut tsds = [(); 2].map(|()| Tsd::start(Hbase::shared(), &[]));
    let load = Load::new("x.failover", sized(250_000, 1_000_000));
    let url = format!("{},127.0.0.1:{}", tsds[0].telnet(), tsds[1].port());
    let started = Instant::now();
    let client = client(&url, &[("settle_bytes", "256MiB")]);
    killed_on_the_way(&client, &load, |kills| {
        let tsd = &mut tsds[(kills % 2) as usize];
        tsd.kill();
        tsd.restart();
    });
    load.is_stored(&tsds[1]);
    let stats = delivered(&client, load.sent());
    told("five deaths with another alive", &stats, started);
    assert_eq!(
        (stats.acknowledged, stats.released_early),
        (load.sent(), 0),
        "{stats:?}"
    );
    assert!(stats.resent > 0, "the kills took nothing: the test tests nothing");
}

#[test]
#[ignore = "needs java: scripts/test-servers runs it"]
fn no_point_is_missing_after_five_deaths_with_none_alive() {
    let mut tsd = Tsd::start(Hbase::shared(), &[]);
    let load = Load::new("x.alone", sized(250_000, 1_000_000));
    let started = Instant::now();
    let client = client(&tsd.telnet(), &[("settle_bytes", "256MiB")]);
    killed_on_the_way(&client, &load, |_| {
        tsd.kill();
        tsd.restart();
    });
    load.is_stored(&tsd);
    let stats = delivered(&client, load.sent());
    told("five deaths with none alive", &stats, started);
    assert_eq!(
        (stats.acknowledged, stats.released_early),
        (load.sent(), 0),
        "{stats:?}"
    );
    assert!(stats.resent > 0, "the kills took nothing: the test tests nothing");
    assert!(stats.connects > KILLS, "{stats:?}");
}

#[test]
#[ignore = "needs java: scripts/test-servers runs it"]
fn no_point_is_missing_when_the_tsd_is_asked_to_end() {
    let mut tsd = Tsd::start(Hbase::shared(), &[]);
    let load = Load::new("x.ended", sized(100_000, 500_000));
    let started = Instant::now();
    let client = client(&tsd.telnet(), &[("settle_bytes", "256MiB")]);
    let mut ends = 0;
    killed_on_the_way(&client, &load, |kills| {
        if kills % 2 == 0 {
            tsd.end(LONG);
            tsd.restart();
            ends += 1;
        }
    });
    load.is_stored(&tsd);
    let stats = delivered(&client, load.sent());
    told("ended three times", &stats, started);
    assert_eq!(
        (ends, stats.acknowledged, stats.released_early),
        (3, load.sent(), 0),
        "{stats:?}"
    );
    assert!(stats.connects > ends, "{stats:?}");
}

#[test]
#[ignore = "needs java: scripts/test-servers runs it"]
fn each_point_of_an_unknown_metric_is_rejected_and_no_other() {
    let tsd = Tsd::start(Hbase::shared(), &["tsd.core.auto_create_metrics = false"]);
    tsd.create("metric", "x.known");
    let load = Load::new("x.known", 20_000);
    let client = client(&tsd.telnet(), &[]);
    let mut unknown = 0;
    load.send(&client, |sent| {
        if sent % 50 == 0 {
            let number = sent / 50;
            let timestamp = Timestamp::from_secs(load.time(number)).expect("a legal time");
            let name = format!("x.unknown.{}", number % 7);
            let sent = client.send_at(&name, number, timestamp, [("n", "1")]);
            assert!(matches!(sent, Ok(Sent::Queued)), "{sent:?}");
            unknown += 1;
        }
    });
    client.flush(LONG).expect("everything gets its verdict");
    load.is_stored(&tsd);
    let stats = closed(&client, load.sent() + unknown);
    assert_eq!(
        (stats.acknowledged, stats.rejected),
        (load.sent(), unknown),
        "{stats:?}"
    );
    assert_eq!(stats.rejections, [("unknown metric", unknown)], "{stats:?}");
    let words = stats.last_rejections.last().expect("the server's words");
    assert!(words.contains("No such name for 'metrics': 'x.unknown."), "{words}");
    assert!(tsd.stored("x.unknown").is_empty());
    println!("{} acknowledged, {unknown} rejected: {words}", stats.acknowledged);
}

#[test]
#[ignore = "needs java: scripts/test-servers runs it"]
fn without_settling_a_killed_tsd_takes_acknowledged_points_along() {
    let mut tsd = Tsd::start(Hbase::shared(), &[]);
    let load = Load::new("x.accepted", 20_000);
    let client = client(&tsd.telnet(), &[("settle", "0s")]);
    load.send(&client, |_| {});
    client.flush(LONG).expect("everything gets its verdict");
    tsd.kill();
    let stats = delivered(&client, load.sent());
    assert_eq!(stats.acknowledged, load.sent(), "{stats:?}");
    tsd.restart();
    let missing = load.missing_for_good(&tsd, Duration::from_secs(3));
    println!(
        "settle=0, TSD killed right after the answer: {missing} of {} acknowledged points are missing",
        load.sent()
    );
    assert!(missing > 0, "settling would not be needed");
}

/// An HBase that splits its regions again and again under load, when TSDs throttle.
fn splitting() -> Hbase {
    Hbase::start(&[
        "hbase.regionserver.region.split.policy=org.apache.hadoop.hbase.regionserver.ConstantSizeRegionSplitPolicy",
        "hbase.hregion.max.filesize=2097152",
        "hbase.hregion.memstore.flush.size=2097152",
    ])
}

#[test]
#[ignore = "needs java: scripts/test-servers runs it"]
fn no_point_is_missing_when_the_tsd_throttles() {
    let hbase = splitting();
    let tsd = Tsd::start(&hbase, &[]);
    let started = Instant::now();
    let load = Load::new("x.throttled", sized(500_000, 1_000_000));
    let client = client(&tsd.telnet(), &[("settle_bytes", "256MiB")]);
    load.send(&client, |_| {});
    client.flush(LONG).expect("everything gets its verdict");
    load.is_stored(&tsd);
    let stats = delivered(&client, load.sent());
    told("throttled", &stats, started);
    println!("{:?}", stats.rejections);
    assert_eq!(stats.released_early, 0, "{stats:?}");
    assert!(stats.late_errors > 0, "it did not throttle: the test tests nothing");
}

#[test]
#[ignore = "needs java: scripts/test-servers runs it"]
fn says_what_was_recorded() {
    let tsd = Tsd::start(Hbase::shared(), &[]);
    says_as_recorded("opentsdb-telnet.txt", tsd.port());
    says_as_recorded("opentsdb-http.txt", tsd.port());
}
