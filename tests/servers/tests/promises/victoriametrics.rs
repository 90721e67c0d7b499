//! VictoriaMetrics.

use potsdb_servers::{Recorder, Server as _, VictoriaMetrics};

use crate::faces::{POINTS, from_python, from_rust, from_the_shell};
use crate::load::Load;
use crate::transcripts::says_as_recorded;

#[test]
#[ignore = "needs victoria-metrics: scripts/test-servers runs it"]
fn stores_what_rust_sends_and_no_connection_begins_with_a_question() {
    let server = VictoriaMetrics::start();
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
    let server = VictoriaMetrics::start();
    let recorder = Recorder::start(server.port(), &[1, 100_000, 1_000_000, 3_000_000]);
    from_rust(&recorder.url(), &Load::new("x.cut", POINTS));
    begin_with_points(&recorder, 5);
}

#[test]
#[ignore = "needs victoria-metrics and the built command: scripts/test-servers runs it"]
fn stores_what_the_shell_pipes() {
    let server = VictoriaMetrics::start();
    let load = Load::new("x.pipe", POINTS);
    from_the_shell(&server.telnet(), &load);
    load.is_stored(&server);
}

#[test]
#[ignore = "needs victoria-metrics and the built module: scripts/test-servers runs it"]
fn stores_what_python_sends() {
    let server = VictoriaMetrics::start();
    let load = Load::new("x.python", POINTS);
    from_python(&server.telnet(), &load);
    load.is_stored(&server);
}

#[test]
#[ignore = "needs victoria-metrics: scripts/test-servers runs it"]
fn says_what_was_recorded() {
    let server = VictoriaMetrics::start();
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
