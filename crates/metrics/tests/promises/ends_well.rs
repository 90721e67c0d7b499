//! The last state arrives: at flush, at shutdown, and when the recorder or its exporter goes.

use std::process::Command;

use metrics::{counter, with_local_recorder};

use super::*;

#[test]
fn a_flush_sends_what_was_counted() {
    let receiver = receiver();
    let client = open(&receiver);
    let recorder = recorder(&client);
    let exporter = recorder.exporter();
    with_local_recorder(&recorder, || {
        counter!("hits", "a" => "1").increment(1);
        exporter.flush(LONG).unwrap();
        counter!("hits", "a" => "1").increment(1);
    });
    assert_eq!(stored(&receiver)["hits a=1"], ["0", "1"]);
    ended(&exporter.shutdown(LONG));
    with_local_recorder(&recorder, || counter!("hits", "a" => "1").increment(1));
    assert_eq!(stored(&receiver)["hits a=1"], ["0", "1", "2"]);
}

#[test]
fn an_exporter_that_goes_sends_the_last_state_and_the_recorder_goes_on() {
    let receiver = receiver();
    let client = open(&receiver);
    let recorder = recorder(&client);
    with_local_recorder(&recorder, || counter!("hits", "a" => "1").increment(1));
    drop(recorder.exporter());
    assert_eq!(stored(&receiver)["hits a=1"], ["0", "1"]);
    with_local_recorder(&recorder, || counter!("hits", "a" => "1").increment(1));
    ended(&recorder.exporter().shutdown(LONG));
    assert_eq!(stored(&receiver)["hits a=1"], ["0", "1", "2"]);
}

#[test]
fn a_recorder_that_goes_sends_the_last_state() {
    let receiver = receiver();
    {
        let client = open(&receiver);
        let recorder = recorder(&client);
        with_local_recorder(&recorder, || counter!("hits", "a" => "1").increment(7));
    }
    assert_eq!(stored(&receiver)["hits a=1"], ["0", "7"]);
}

#[test]
fn a_program_that_ends_cleanly_leaves_its_last_state() {
    let receiver = receiver();
    let tests = std::env::current_exe().unwrap();
    let example = tests.parent().unwrap().with_file_name("examples").join("web");
    let ended = Command::new(&example)
        .arg(format!("{}?host_tag=false", receiver.url()))
        .status();
    assert!(ended.expect("cargo test builds the examples").success());
    let stored = stored(&receiver);
    for (series, last) in [
        ("web.requests path=/", "75"),
        ("web.requests path=/login", "25"),
        ("web.busy pool=main", "1"),
        ("web.latency.count path=/", "75"),
    ] {
        assert_eq!(stored[series].last().unwrap(), last, "{series}");
    }
}
