//! Close ends within its deadline, whatever the server does.

use std::net::TcpListener;
use std::sync::mpsc;
use std::thread;

use potsdb::SendError;

use super::gate::Gate;
use super::*;

#[test]
fn close_takes_nothing_more_and_a_second_one_tells_the_same() {
    let receiver = receiver(Config::default());
    let client = open(&receiver);
    send(&client, 0, 10);
    let stats = client.close(LONG);
    ended(&stats);
    assert_eq!(client.send_at("m", 1, at(0), [("h", "a")]), Err(SendError::Closed));
    assert_eq!(
        client.send_lines(b"m 1700000000 1 h=a\n", Duration::MAX),
        Err(SendError::Closed)
    );
    assert_eq!(client.close(LONG).pairs(), stats.pairs());
}

#[test]
fn bad_lines_do_not_hide_that_the_client_is_closed() {
    let receiver = receiver(Config::default());
    let client = open(&receiver);
    ended(&client.close(LONG));
    let lines = b"bad\n\nm 1700000000 1 h=a\n";
    assert_eq!(client.send_lines(lines, Duration::MAX), Err(SendError::Closed));
}

#[test]
fn a_server_that_never_reads_costs_the_deadline_and_the_rest_is_counted() {
    // The kernel accepts the connection and takes what fits its buffers; nobody reads.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!(
        "tsdb://{}?host_tag=false&queue_points=0",
        listener.local_addr().unwrap()
    );
    let client = Client::open(&url).unwrap();
    send(&client, 0, 300_000);
    let stats = client.close(Duration::from_millis(300));
    ended(&stats);
    assert!(stats.dropped.closed > 0);
    assert_eq!(stats.delivered() + stats.dropped.closed, 300_000);
}

#[test]
fn dropping_the_last_handle_drains() {
    let receiver = receiver(Config::default());
    let client = open(&receiver);
    let clone = client.clone();
    let series = client.series("test.points", [("h", "a")]).unwrap();
    drop(client);
    send(&clone, 0, 99);
    drop(clone);
    series.send_at(99, at(99)).unwrap();
    drop(series);
    stored(&receiver, 100);
}

#[test]
fn a_detached_client_drains_behind_its_owners_back() {
    let receiver = receiver(Config::default());
    let client = open(&receiver);
    client.detach();
    send(&client, 0, 1_000);
    drop(client);
    assert!(receiver.wait_for(1_000, LONG));
}

#[test]
fn a_close_without_a_deadline_waits_for_the_server_and_can_be_given_one() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = Client::open(&format!("tsdb://{}?host_tag=false", listener.local_addr().unwrap())).unwrap();
    send(&client, 0, 10);
    client.begin_close(Duration::MAX);
    assert!(client.is_closed() && client.is_running());
    client.begin_close(Duration::ZERO);
    assert!(client.wait_closed(LONG));
    ended(&client.stats());
    assert!(!client.is_running());
}

#[test]
fn stop_interrupts_a_back_off_and_a_waiting_sender() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!(
        "tsdb://{}?host_tag=false&backoff=1h..1h&queue_points=10&overflow=block",
        listener.local_addr().unwrap()
    );
    drop(listener);
    let client = Client::open(&url).unwrap();
    send(&client, 0, 10);
    let (done, waits) = mpsc::channel();
    thread::scope(|scope| {
        let blocked = client.clone();
        scope.spawn(move || done.send(blocked.send_at("m", 1, at(0), [("h", "a")])).unwrap());
        assert!(
            waits.recv_timeout(Duration::from_millis(50)).is_err(),
            "nothing makes room"
        );
        client.stop();
        waits.recv_timeout(LONG).unwrap().unwrap();
    });
    assert!(client.wait_closed(LONG));
    let stats = client.stats();
    ended(&stats);
    assert_eq!(stats.dropped.stopped, 11);
}

#[test]
fn a_time_without_end_is_no_limit_and_breaks_nothing() {
    let receiver = receiver(Config::default());
    let client = builder(&receiver)
        .settle(Duration::MAX)
        .answer_timeout(Duration::MAX)
        .write_timeout(Duration::MAX)
        .connect_timeout(Duration::MAX)
        .close_grace(Duration::MAX)
        .linger(Duration::MAX)
        .backoff((Duration::MAX, Duration::MAX))
        .overflow(potsdb::Overflow::Block(Some(Duration::MAX)))
        .queue_points(10)
        .build()
        .unwrap();
    send(&client, 0, 100);
    let sent = client.send_lines(b"m 1700000000 1 h=a\n", Duration::MAX).unwrap();
    assert_eq!(sent.queued, 1);
    client.flush(Duration::MAX).unwrap();
    client.begin_close(Duration::MAX);
    client.begin_close(Duration::MAX);
    assert!(client.wait_closed(Duration::MAX));
    let stats = client.close(Duration::MAX);
    ended(&stats);
    assert_eq!(stats.acknowledged, 101);
}

#[test]
fn a_proxy_that_hangs_up_on_a_half_close_keeps_no_answer_back() {
    let receiver = recording();
    let gate = Gate::hasty(receiver.address());
    let client = Client::builder(&format!("tsdb://{}", gate.address()))
        .set("host_tag", "false")
        .build()
        .unwrap();
    send(&client, 0, 1_000);
    client.flush(LONG).unwrap();
    send(&client, 1_000, 1_000);
    let stats = client.close(Duration::from_secs(10));
    ended(&stats);
    assert_eq!(
        (stats.acknowledged, stats.connects, stats.resent),
        (2_000, 1, 0),
        "{stats:?}"
    );
    stored(&receiver, 2_000);
}
