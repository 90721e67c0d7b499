//! Processes of one program are told apart: `worker_tag`. What forks does so in Python's tests (`test_siblings.py`).

use potsdb::binding::BuilderBinding as _;

use super::*;

#[test]
fn every_way_to_send_says_which_process_it_was_and_all_clients_say_the_same() {
    let receiver = recording();
    let open = || {
        let builder = builder(&receiver).program("siblings-of-a-test");
        builder.set("worker_tag", "worker").build().unwrap()
    };
    let (first, second) = (open(), open());
    let worker = first.worker().unwrap().to_owned();
    assert_eq!(second.worker(), Some(worker.as_str()));

    first.send_at("a", 1, at(0), [("h", "x")]).unwrap();
    first.series("b", [("h", "x")]).unwrap().send_at(1, at(0)).unwrap();
    first.send_lines(b"c 1700000000 1 h=x\n", Duration::MAX).unwrap();
    let own = first.series("d", [("worker", "mine")]).unwrap();
    own.send_at(1, at(0)).unwrap();
    second.send_lines_once(b"e 1700000000 1 h=x\n", Duration::MAX).unwrap();
    for client in [first, second] {
        ended(&client.close(LONG));
    }
    let mut lines = receiver.lines();
    lines.sort();
    assert_eq!(
        lines,
        [
            format!("put a 1700000000 1 h=x worker={worker}"),
            format!("put b 1700000000 1 h=x worker={worker}"),
            format!("put c 1700000000 1 h=x worker={worker}"),
            "put d 1700000000 1 worker=mine".to_owned(),
            format!("put e 1700000000 1 h=x worker={worker}"),
        ]
    );
}

#[test]
fn a_tag_that_every_point_has_already_is_no_tag_of_workers() {
    for (name, value) in [("tags", "worker=a"), ("host_tag", "x")] {
        let tag = if name == "tags" { "worker" } else { "host" };
        let error = Client::builder("tsdb://127.0.0.1:4242?host_tag=false")
            .set(name, value)
            .set("worker_tag", tag)
            .build()
            .unwrap_err();
        assert!(error.to_string().starts_with("option worker_tag: "), "{error}");
        assert!(error.to_string().contains(tag), "{error}");
    }
    let error = Client::builder("tsdb://127.0.0.1:4242")
        .set("worker_tag", "a b")
        .build()
        .unwrap_err();
    assert!(error.to_string().starts_with("option worker_tag: "), "{error}");
}
