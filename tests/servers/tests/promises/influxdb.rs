//! InfluxDB 1.x.

use potsdb_servers::{InfluxDb, Server as _};

use crate::faces::{POINTS, from_python, from_rust, from_the_shell};
use crate::load::Load;
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
