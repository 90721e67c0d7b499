//! What is behind the TSDs fails: HBase freezes, dies, and has TSDs throttle.

use std::time::{Duration, Instant};

use potsdb::Stats;
use potsdb_servers::{Hbase, Server as _, Tsd};

use super::{STORED, TELNET, Wire};
use crate::load::{LONG, Load, client, delivered, is_full, sized, told, with_faults};

/// Its ZooKeeper forgets a dead HBase after 6 s instead of 15, so that the next one starts sooner.
const FORGETS_SOON: &[&str] = &["zookeeper.session.timeout=6000"];

/// HBase dies, for some 30 s until it serves again, while points are sent at a moderate rate: what the answers promised.
fn hbase_down(wire: &str, url: impl Fn(&Tsd) -> String, options: &[(&str, &str)]) {
    assert!(is_full(), "only with --full: HBase's death takes a minute");
    let mut hbase = Hbase::start(FORGETS_SOON);
    let tsd = Tsd::start(&hbase, &[]);
    let load = Load::new(&format!("x.{wire}.down"), 200_000);
    let started = Instant::now();
    let client = client(&url(&tsd), &[&[("mps", "5000")], options].concat());
    with_faults(&client, &load, |fault| {
        if fault == 0 {
            hbase.kill();
            hbase.restart();
        }
    });
    let missing = load.missing_for_good(&tsd, Duration::from_secs(30));
    let stats = delivered(&client, load.sent());
    told(&format!("HBase down, {wire}"), &stats, started);
    println!(
        "HBase down, {wire}: {missing} of {} missing, {:?}",
        load.sent(),
        stats.rejections
    );
    assert!(missing > 0, "the answer alone would do");
}

#[test]
#[ignore = "needs java: scripts/test-servers runs it, with --full"]
fn a_dead_hbase_takes_acknowledged_points_along_over_telnet_without_settling() {
    hbase_down("telnet", Tsd::telnet, &[("settle", "0s")]);
}

#[test]
#[ignore = "needs java: scripts/test-servers runs it, with --full"]
fn a_dead_hbase_takes_acknowledged_points_along_over_telnet_with_the_usual_settling() {
    hbase_down("telnet", Tsd::telnet, &[]);
}

#[test]
#[ignore = "needs java: scripts/test-servers runs it, with --full"]
fn a_dead_hbase_takes_acknowledged_points_along_over_http_unless_stored_is_asked_for() {
    hbase_down("http", |tsd| tsd.http().expect("it has one"), &[]);
}

/// An HBase that splits its regions again and again under load, when TSDs throttle.
fn splitting() -> Hbase {
    Hbase::start(&[
        "hbase.regionserver.region.split.policy=org.apache.hadoop.hbase.regionserver.ConstantSizeRegionSplitPolicy",
        "hbase.hregion.max.filesize=2097152",
        "hbase.hregion.memstore.flush.size=2097152",
    ])
}

/// A TSD throttles while its region splits: it refuses points after it accepted them.
fn throttled(wire: Wire, everyday: u64) -> Stats {
    let hbase = splitting();
    // It gives up sooner than by default, 10 000 points that wait for a region: as many are not on their way with `sync`.
    let tsd = Tsd::start(
        &hbase,
        &["hbase.nsre.low_watermark=100", "hbase.nsre.high_watermark=500"],
    );
    let started = Instant::now();
    let load = wire.load("throttled", sized(everyday, 1_000_000));
    let client = wire.client(&[&tsd], &[]);
    load.send(&client);
    client.flush(LONG).expect("everything gets its verdict");
    load.is_stored(&tsd);
    let stats = wire.kept_its_promise("throttled", &client, &load, started);
    println!("{:?}", stats.rejections);
    stats
}

#[test]
#[ignore = "needs java: scripts/test-servers runs it"]
fn no_point_is_missing_when_the_tsd_throttles_over_telnet() {
    let stats = throttled(TELNET, 300_000);
    assert!(stats.late_errors > 0, "it did not throttle: the test tests nothing");
}

#[test]
#[ignore = "needs java: scripts/test-servers runs it"]
fn no_point_is_missing_when_the_tsd_throttles_over_http() {
    let stats = throttled(STORED, 100_000);
    assert!(stats.resent > 0, "it did not throttle: the test tests nothing");
}

/// HBase's own death takes some 30 s, until it serves again; over telnet a TSD says which points it lost after seconds or a
/// minute, or never, and names none. What settles for longer than that goes again when one such error comes.
fn hbase_frozen_and_killed(wire: Wire, options: &[(&str, &str)]) -> Stats {
    let mut hbase = Hbase::start(FORGETS_SOON);
    let tsd = Tsd::start(&hbase, &[]);
    let load = wire.load("frozen", sized(25_000, 500_000));
    let started = Instant::now();
    let client = wire.client(&[&tsd], &[&[("mps", "5000")], options].concat());
    with_faults(&client, &load, |fault| match fault {
        0 => hbase.freeze(Duration::from_secs(3)),
        1 => {
            hbase.kill();
            hbase.restart();
        }
        _ => {}
    });
    load.is_stored(&tsd);
    let stats = wire.kept_its_promise("HBase frozen and killed", &client, &load, started);
    println!("{:?}", stats.rejections);
    stats
}

#[test]
#[ignore = "needs java: scripts/test-servers runs it"]
fn no_point_is_missing_when_hbase_freezes_and_when_it_dies_over_telnet_while_points_still_settle() {
    let stats = hbase_frozen_and_killed(TELNET, &[("settle", "2m")]);
    assert!(stats.late_errors > 0, "its death took nothing: the test tests nothing");
}

/// As before, but what settles does so on disk, for want of memory.
#[test]
#[ignore = "needs java: scripts/test-servers runs it"]
fn no_point_is_missing_when_hbase_dies_over_telnet_while_points_settle_in_the_spool() {
    let folder = std::env::temp_dir().join(format!("potsdb-servers-spool-{}", std::process::id()));
    let spool = folder.display().to_string();
    let options = [
        ("settle", "2m"),
        ("settle_bytes", "64KiB"),
        ("spool", spool.as_str()),
        ("spool_free", "0"),
    ];
    let stats = hbase_frozen_and_killed(TELNET, &options);
    std::fs::remove_dir_all(&folder).expect("the spool is there");
    assert!(stats.late_errors > 0, "its death took nothing: the test tests nothing");
    assert_eq!(stats.released_early, 0, "{stats:?}");
}

#[test]
#[ignore = "needs java: scripts/test-servers runs it"]
fn no_point_is_missing_when_hbase_freezes_and_when_it_dies_over_http() {
    let stats = hbase_frozen_and_killed(STORED, &[]);
    assert!(stats.resent > 0, "its death took nothing: the test tests nothing");
}

/// A TSD asks HBase for its first names, and answers nothing meanwhile. Found out by asking it would be taken for a server that
/// never answers, after 2 s, and its points be unconfirmed.
#[test]
#[ignore = "needs java: scripts/test-servers runs it"]
fn a_tsd_that_waits_for_its_first_names_is_not_taken_for_silent_where_the_server_is_named() {
    let hbase = Hbase::shared();
    let tsd = Tsd::start(hbase, &[]);
    let load = Load::new("x.names", 1_000);
    let client = client(&tsd.telnet(), &[("server", "opentsdb")]);
    hbase.pause();
    load.send(&client);
    let waited = client.flush(Duration::from_secs(4));
    hbase.resume();
    assert!(waited.is_err(), "it answered without HBase: the test tests nothing");
    client.flush(LONG).expect("everything gets its verdict");
    load.is_stored(&tsd);
    let stats = delivered(&client, load.sent());
    assert_eq!(stats.acknowledged, load.sent(), "{stats:?}");
}
