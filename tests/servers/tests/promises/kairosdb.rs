//! KairosDB: telnet only.

use potsdb_servers::{KairosDb, Server as _};

use crate::faces::{POINTS, from_python, from_rust, from_the_shell};
use crate::load::Load;
use crate::transcripts::says_as_recorded;

#[test]
#[ignore = "needs java: scripts/test-servers runs it"]
fn stores_what_each_face_sends() {
    let server = KairosDb::start();
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
#[ignore = "needs java: scripts/test-servers runs it"]
fn says_what_was_recorded() {
    let server = KairosDb::start();
    says_as_recorded("kairosdb-telnet.txt", server.port());
}
