//! Flush is a barrier: over queue, window and wire.

use std::net::TcpListener;

use super::*;

#[test]
fn after_a_flush_every_point_sent_before_it_has_its_verdict() {
    let receiver = receiver(Config::default());
    let client = builder(&receiver).set("overflow", "block").build().unwrap();
    for round in 0..50 {
        send(&client, round * 1_000, 1_000);
        client.flush(LONG).unwrap();
        let stats = client.stats();
        assert!(stats.is_balanced());
        assert_eq!((stats.pending(), stats.acknowledged), (0, (round + 1) * 1_000));
    }
    ended(&client.close(LONG));
    stored(&receiver, 50_000);
}

#[test]
fn a_flush_without_a_server_says_how_much_is_pending() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!(
        "tsdb://{}?host_tag=false&queue_points=10",
        listener.local_addr().unwrap()
    );
    drop(listener);
    let client = Client::open(&url).unwrap();
    client.flush(Duration::ZERO).expect("nothing was sent");
    send(&client, 0, 10);
    assert_eq!(client.flush(Duration::from_millis(20)).unwrap_err().pending, 10);
    // A full queue keeps nothing from flushing, and dropping is a verdict.
    let barrier = client.barrier();
    assert!(!barrier.is_reached());
    send(&client, 10, 10);
    assert!(barrier.wait(LONG));
    ended(&client.close(Duration::ZERO));
}

#[test]
fn a_flush_ends_when_the_client_does() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = Client::open(&format!("tsdb://{}?host_tag=false", listener.local_addr().unwrap())).unwrap();
    send(&client, 0, 10);
    let barrier = client.barrier();
    std::thread::scope(|scope| {
        scope.spawn(|| assert!(barrier.wait(LONG)));
        client.stop();
    });
    assert!(client.wait_closed(LONG));
    ended(&client.stats());
}
