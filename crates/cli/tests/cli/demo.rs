//! `potsdb demo`.

use std::process::Stdio;

use crate::command::{LONG, Running, command, potsdb, receiver, receiver_with};

#[test]
fn what_is_sent_is_what_is_stored() {
    let ended = potsdb(&["demo", "--seconds", "1", "--json"]).with_code(0);
    let outcome = ended.json();
    assert!(outcome["sent"].as_u64().unwrap() > 10, "{outcome}");
    assert_eq!(outcome["sent"], outcome["stored"]);
    assert_eq!(outcome["statistics"]["acknowledged"], outcome["sent"]);
}

#[test]
fn where_nobody_watches_it_prints_plain_lines_and_the_verdict_last() {
    let ended = potsdb(&["demo", "--seconds", "1.3"]).with_code(0);
    assert!(!ended.out.contains('\x1b'), "{}", ended.out);
    assert!(ended.out.contains("cpu.used core=0"), "{}", ended.out);
    let verdict = ended.out.lines().last().unwrap_or_default();
    assert!(
        verdict.starts_with("sent ") && verdict.ends_with(": all delivered"),
        "{}",
        ended.out
    );
}

#[test]
fn it_goes_to_another_server_too() {
    let receiver = receiver();
    let options = ["-o", "prefix=demo.", "-o", "tags=rack=7"];
    potsdb(&[&["demo", "--seconds", "0.5", "--url", &receiver.url()], &options[..]].concat()).with_code(0);
    let points = receiver.points();
    assert!(points.iter().all(|point| point.series.metric.starts_with("demo.")));
    assert!(!points.is_empty());
}

#[test]
fn the_server_comes_from_the_environment_too() {
    let receiver = receiver();
    let mut demo = command();
    demo.env("POTSDB_URL", receiver.address().to_string())
        .args(["demo", "--seconds", "0.5"]);
    Running::spawn(demo.stdout(Stdio::piped())).end().with_code(0);
    assert!(!receiver.points().is_empty());
}

#[test]
fn a_server_that_stores_only_some_is_found_out() {
    let receiver = receiver_with(|config| config.known_metrics = Some(["load.1m".to_string()].into()));
    let ended = potsdb(&["demo", "--seconds", "0.5", "--json", "--url", &receiver.url()]).with_code(1);
    let outcome = ended.json();
    assert!(outcome["stored"].as_u64().unwrap() > 0, "{outcome}");
    assert!(outcome["stored"].as_u64() < outcome["sent"].as_u64(), "{outcome}");
    assert!(
        ended.err.contains("points refused by the server: put: unknown metric"),
        "{}",
        ended.err
    );
}

#[test]
fn a_time_that_is_none_is_exit_code_2() {
    for wrong in ["1e19", "-1", "nan", "x"] {
        let ended = potsdb(&["demo", "--seconds", wrong]).with_code(2);
        assert!(ended.err.contains("from 0 to 86400"), "{wrong}: {}", ended.err);
    }
}

#[test]
fn a_server_that_never_answers_is_told_and_what_cannot_be_read_back_is_exit_code_1() {
    let receiver = receiver_with(|config| config.faults.stall_answers = true);
    let ended = potsdb(&["demo", "--seconds", "0.5", "--json", "--url", &receiver.url()]).with_code(1);
    assert!(ended.err.contains("which never answered"), "{}", ended.err);
    assert!(
        ended.json()["verdict"]
            .as_str()
            .unwrap()
            .contains("nothing was read back")
    );
}

#[test]
fn a_signal_is_the_exit_code_if_not_all_was_delivered_by_then() {
    let stalled = receiver_with(|config| config.faults.stall_reading = true);
    for (receiver, code) in [(stalled, 143), (receiver(), 0)] {
        let options = ["-o", "close_grace=100ms", "--seconds", "3600"];
        let running = Running::start(&[&["demo", "--url", &receiver.url()], &options[..]].concat());
        assert!(receiver.wait_until(LONG, |counts| counts.connections > 0));
        running.signal("TERM");
        drop(running.wait().with_code(code));
    }
}
