//! OpenTSDB on HBase.

use std::time::{Duration, Instant};

use potsdb::{Sent, Timestamp};
use potsdb_servers::{Hbase, Server as _, Tsd};

use crate::faces::{POINTS, from_python, from_rust, from_the_shell};
use crate::load::{FAULTS, LONG, Load, client, closed, delivered, sized, told, with_faults};
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

#[test]
#[ignore = "needs java: scripts/test-servers runs it"]
fn no_point_is_missing_after_five_deaths_with_another_tsd_alive() {
    let mut tsds = [(); 2].map(|()| Tsd::start(Hbase::shared(), &[]));
    let load = Load::new("x.failover", sized(150_000, 1_000_000));
    let url = format!("{},127.0.0.1:{}", tsds[0].telnet(), tsds[1].port());
    let started = Instant::now();
    let client = client(&url, &[("settle_bytes", "256MiB")]);
    with_faults(&client, &load, |kills| {
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
    let load = Load::new("x.alone", sized(150_000, 1_000_000));
    let started = Instant::now();
    let client = client(&tsd.telnet(), &[("settle_bytes", "256MiB")]);
    with_faults(&client, &load, |_| {
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
    assert!(stats.connects > FAULTS, "{stats:?}");
}

#[test]
#[ignore = "needs java: scripts/test-servers runs it"]
fn no_point_is_missing_when_the_tsd_is_asked_to_end() {
    let mut tsd = Tsd::start(Hbase::shared(), &[]);
    let load = Load::new("x.ended", sized(100_000, 300_000));
    let started = Instant::now();
    let client = client(&tsd.telnet(), &[("settle_bytes", "256MiB"), ("mps", "10000")]);
    let mut ends = 0;
    with_faults(&client, &load, |kills| {
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
    let unknown = 400;
    std::thread::scope(|scope| {
        scope.spawn(|| load.send(&client));
        for number in 0..unknown {
            let timestamp = Timestamp::from_secs(load.time(number)).expect("a legal time");
            let name = format!("x.unknown.{}", number % 7);
            let sent = client.send_at(&name, number, timestamp, [("n", "1")]);
            assert!(matches!(sent, Ok(Sent::Queued)), "{sent:?}");
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
    load.send(&client);
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
    load.send(&client);
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

/// HBase's own death takes some 40 s, until it serves again; a TSD says which points it lost after seconds or a minute, or
/// never, and names none. What settles for longer than that goes again when one such error comes.
#[test]
#[ignore = "needs java: scripts/test-servers runs it"]
fn no_point_is_missing_when_hbase_freezes_and_when_it_dies_while_points_still_settle() {
    let mut hbase = Hbase::start(&[]);
    let tsd = Tsd::start(&hbase, &[]);
    let load = Load::new("x.frozen", sized(50_000, 500_000));
    let started = Instant::now();
    let options = [("settle_bytes", "256MiB"), ("settle", "2m"), ("mps", "5000")];
    let client = client(&tsd.telnet(), &options);
    with_faults(&client, &load, |fifth| match fifth {
        0 => hbase.freeze(Duration::from_secs(5)),
        1 => {
            hbase.kill();
            hbase.restart();
        }
        _ => {}
    });
    load.is_stored(&tsd);
    let stats = delivered(&client, load.sent());
    told("HBase frozen and killed", &stats, started);
    println!("{:?}", stats.rejections);
    assert_eq!(
        (stats.acknowledged, stats.released_early),
        (load.sent(), 0),
        "{stats:?}"
    );
    assert!(stats.late_errors > 0, "its death took nothing: the test tests nothing");
}
