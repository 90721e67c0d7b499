//! KairosDB: telnet only.

use potsdb_servers::{KairosDb, Server as _};

use crate::faces::{POINTS, every_face};
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
fn says_what_was_recorded() {
    let server = KairosDb::start();
    says_as_recorded("kairosdb-telnet.txt", server.port());
}
