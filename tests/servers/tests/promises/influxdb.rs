//! InfluxDB 1.x.

use std::time::{Duration, Instant};

use potsdb_servers::{InfluxDb, Server as _};

use crate::faces::{POINTS, from_python, from_rust, from_the_shell};
use crate::load::{FAULTS, LONG, Load, client, delivered, is_full, sized, told, with_faults};
use crate::transcripts::says_as_recorded;

#[test]
#[ignore = "needs influxdb: scripts/test-servers runs it"]
fn stores_what_each_face_sends() {
    let server = InfluxDb::start();
    let load = Load::new("x.rust", POINTS);
    let stats = from_rust(&server.telnet(), &load);
    assert_eq!(stats.acknowledged, POINTS, "it answers `version`");
    load.is_stored(&server);

    let load = Load::new("x.pipe", POINTS);
    from_the_shell(&server.telnet(), &load);
    load.is_stored(&server);

    let load = Load::new("x.python", POINTS);
    from_python(&server.telnet(), &load);
    load.is_stored(&server);
}

#[test]
#[ignore = "needs influxdb: scripts/test-servers runs it"]
fn says_what_was_recorded() {
    says_as_recorded("influxdb-fresh.txt", InfluxDb::fresh().port());
    let server = InfluxDb::start();
    says_as_recorded("influxdb-telnet.txt", server.port());
    says_as_recorded("influxdb-http.txt", server.port());
}

#[test]
#[ignore = "needs influxdb: scripts/test-servers runs it"]
fn no_point_is_missing_after_five_deaths() {
    let mut server = InfluxDb::start();
    let load = Load::new("x.killed", sized(250_000, 1_000_000));
    let started = Instant::now();
    let client = client(&server.telnet(), &[("settle_bytes", "256MiB")]);
    with_faults(&client, &load, |_| server.kill_and_restart());
    load.is_stored(&server);
    let stats = delivered(&client, load.sent());
    told("five deaths", &stats, started);
    assert_eq!(
        (stats.acknowledged, stats.released_early),
        (load.sent(), 0),
        "{stats:?}"
    );
    assert!(stats.resent > 0, "the kills took nothing: the test tests nothing");
    assert!(stats.connects > FAULTS, "{stats:?}");
}

/// The case nothing on a telnet connection tells: for 30 s it reads, answers, and discards. README recommends HTTP for it.
#[test]
#[ignore = "needs influxdb: scripts/test-servers runs it, with --full"]
fn what_is_acknowledged_while_it_ends_is_missing() {
    if !is_full() {
        println!("only with --full: ending takes 30 s");
        return;
    }
    let mut server = InfluxDb::start();
    let load = Load::new("x.ended", 100_000);
    let started = Instant::now();
    let client = client(&server.telnet(), &[("settle_bytes", "256MiB"), ("mps", "10000")]);
    with_faults(&client, &load, |fifth| {
        if fifth == 0 {
            server.end_and_restart(LONG);
        }
    });
    let missing = load.missing_for_good(&server, Duration::from_secs(5));
    let stats = delivered(&client, load.sent());
    told("ended", &stats, started);
    println!("{missing} of {} acknowledged points are missing", load.sent());
    assert!(missing > 0, "it is better than its reputation: say so in the README");
}
