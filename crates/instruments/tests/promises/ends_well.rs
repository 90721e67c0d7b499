//! The last state always goes out: at flush, at close, and when the last handle goes.

use std::sync::atomic::{AtomicBool, Ordering};

use super::*;

#[test]
fn a_flush_is_a_barrier_for_what_was_counted() {
    let receiver = receiver();
    let client = open(&receiver);
    let hits = instruments(&client).counter("hits", tag()).unwrap();
    for total in 1..=3 {
        hits.add(1);
        client.flush(LONG).unwrap();
        assert_eq!(
            values(&receiver, "hits path=/login").last().unwrap(),
            &total.to_string()
        );
    }
    client.flush(LONG).unwrap();
    assert_eq!(
        values(&receiver, "hits path=/login").len(),
        4,
        "what did not change is not sent again"
    );
    ended(&client.close(LONG));
}

#[test]
fn the_last_handle_that_goes_sends_the_last_state() {
    let receiver = receiver();
    let hits = {
        let client = open(&receiver);
        instruments(&client).counter("hits", tag()).unwrap()
    };
    hits.add(7);
    let copy = hits.clone();
    drop(hits);
    copy.add(1);
    assert!(values(&receiver, "hits path=/login").is_empty());
    drop(copy);
    assert_eq!(values(&receiver, "hits path=/login"), ["0", "8"]);
}

#[test]
fn instruments_that_go_before_their_client_leave_it_the_last_state() {
    let receiver = receiver();
    let client = open(&receiver);
    instruments(&client).counter("hits", tag()).unwrap().add(7);
    ended(&client.close(LONG));
    assert_eq!(values(&receiver, "hits path=/login"), ["0", "7"]);
}

#[test]
fn flushes_from_many_threads_neither_wait_for_each_other_nor_repeat_a_time() {
    let receiver = receiver();
    let client = open(&receiver);
    let instruments = instruments(&client);
    let hits = instruments.counter("hits", tag()).unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                hits.add(1);
            }
        });
        let flushing: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| (0..50).for_each(|_| client.flush(LONG).unwrap())))
            .collect();
        flushing.into_iter().for_each(|thread| thread.join().unwrap());
        done.store(true, Ordering::Relaxed);
    });
    let total = hits.total();
    ended(&client.close(LONG));
    assert_eq!(
        values(&receiver, "hits path=/login").last().unwrap(),
        &total.to_string()
    );
}

#[test]
fn updates_after_the_close_go_nowhere_and_harm_nobody() {
    let receiver = receiver();
    let client = open(&receiver);
    let instruments = instruments(&client);
    let hits = instruments.counter("hits", tag()).unwrap();
    hits.add(1);
    ended(&client.close(LONG));
    hits.add(1);
    assert!(instruments.counter("others", tag()).is_ok());
    ended(&client.close(LONG));
    drop((hits, instruments));
    assert_eq!(values(&receiver, "hits path=/login"), ["0", "1"]);
}

#[test]
fn a_full_queue_that_waits_for_room_holds_a_flush_up_for_no_longer_than_it_may() {
    // Nobody answers there, and nothing is taken from the queue.
    let client = Client::open("tsdb://127.0.0.1:1?host_tag=false&overflow=block&queue_points=2").unwrap();
    let instruments = instruments(&client);
    for n in 0..100 {
        instruments.counter("hits", [("n", n.to_string())]).unwrap().add(1);
    }
    assert!(client.flush(Duration::ZERO).is_err());
    let stats = client.close(Duration::ZERO);
    assert!(stats.is_balanced() && stats.full > 0, "{stats:?}");
}
