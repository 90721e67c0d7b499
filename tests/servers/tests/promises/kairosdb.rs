//! KairosDB: telnet only.

use std::time::Instant;

use potsdb_servers::{KairosDb, Server as _};

use crate::faces::{POINTS, every_face};
use crate::load::{Load, client, delivered, sized, told, with_faults};
use crate::transcripts::says_as_recorded;

#[test]
#[ignore = "needs java: scripts/test-servers runs it"]
fn stores_what_each_face_sends() {
    let server = KairosDb::start();
    let stats = every_face(&server.telnet(), &server, "telnet");
    assert_eq!(stats.acknowledged, POINTS, "it answers `version`");
}

#[test]
#[ignore = "needs java: scripts/test-servers runs it"]
fn no_point_is_missing_after_five_deaths() {
    let mut server = KairosDb::start();
    let load = Load::new("x.killed", sized(15_000, 200_000));
    let started = Instant::now();
    let client = client(&server.telnet(), &[("settle_bytes", "256MiB")]);
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
#[ignore = "needs java: scripts/test-servers runs it"]
fn says_what_was_recorded() {
    let server = KairosDb::start();
    says_as_recorded("kairosdb-telnet.txt", server.port());
}
