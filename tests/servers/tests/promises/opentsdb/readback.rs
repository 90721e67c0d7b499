//! What it answers when it is asked for what it stores is what the receiver's transcripts say: `readback.py` asks.

use std::path::Path;
use std::process::Command;

use potsdb_servers::{Hbase, Server as _, Tsd};

/// Names get their numbers in the order in which they come: the store must be fresh.
fn answers(transcript: &str, settings: &[&str]) {
    let hbase = Hbase::start(&[]);
    // More workers than requests that it never answers, each of which keeps one for ever.
    let settings = [
        settings,
        &[
            "hbase.rpcs.buffered_flush_interval = 50",
            "tsd.network.worker_threads = 64",
        ],
    ]
    .concat();
    let tsd = Tsd::start(&hbase, &settings);
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let what = if std::env::var_os("POTSDB_RECORD").is_some() {
        "record"
    } else {
        "compare"
    };
    let status = Command::new(std::env::var_os("POTSDB_PYTHON").unwrap_or_else(|| "python3".into()))
        .arg(here.join("readback.py"))
        .arg(what)
        .arg(format!("127.0.0.1:{}", tsd.port()))
        .arg(here.join("../../crates/receiver/tests/reads_back").join(transcript))
        .status();
    assert!(status.expect("there is a Python").success(), "{transcript}");
}

#[test]
#[ignore = "needs java: scripts/test-servers runs it"]
fn says_what_was_recorded_when_it_is_read() {
    answers("opentsdb.txt", &["tsd.core.meta.enable_tsuid_tracking = true"]);
}

#[test]
#[ignore = "needs java: scripts/test-servers runs it"]
fn says_what_was_recorded_to_bodies_that_are_no_json_or_another() {
    answers("opentsdb-bodies.txt", &[]);
}

#[test]
#[ignore = "needs java: scripts/test-servers runs it"]
fn says_what_was_recorded_to_pages_of_other_origins() {
    let origins = "http://grafana.example:3000,http://localhost:3000";
    answers(
        "opentsdb-origins.txt",
        &[&format!("tsd.http.request.cors_domains = {origins}")],
    );
}
