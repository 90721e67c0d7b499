//! Send never waits, and what senders do under odd circumstances does not hang anybody.

use std::cell::RefCell;
use std::net::TcpListener;
use std::sync::Mutex;
use std::sync::mpsc::{Sender, channel};
use std::thread;

use potsdb::{SendError, Sent};

use super::*;

#[test]
fn sending_goes_on_at_full_speed_while_the_server_reads_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = Client::open(&format!("tsdb://{}?host_tag=false", listener.local_addr().unwrap())).unwrap();
    send(&client, 0, 500_000);
    let stats = client.close(Duration::ZERO);
    ended(&stats);
    assert_eq!(stats.accepted, 500_000);
}

/// A tag value that sends while it is read, as a `Display` with metrics of its own would.
struct Sends<'a>(&'a Client);

impl AsRef<str> for Sends<'_> {
    fn as_ref(&self) -> &str {
        self.0.send_at("inner", 1, at(0), [("h", "a")]).unwrap();
        "outer"
    }
}

#[test]
fn a_send_within_a_send_works() {
    let receiver = recording();
    let client = open(&receiver);
    assert_eq!(
        client.send_at("outer", 1, at(0), [("h", Sends(&client))]).unwrap(),
        Sent::Queued
    );
    let stats = client.close(LONG);
    ended(&stats);
    assert_eq!(
        receiver.lines(),
        ["put inner 1700000000 1 h=a", "put outer 1700000000 1 h=outer"]
    );
}

/// Sends when its thread ends.
struct Last(Client);

impl Drop for Last {
    fn drop(&mut self) {
        self.0.send_at("last", 1, at(0), [("h", "a")]).unwrap();
    }
}

#[test]
fn a_thread_may_send_while_its_thread_locals_are_destroyed() {
    thread_local! {
        static FIRST: RefCell<Option<Last>> = const { RefCell::new(None) };
        static SECOND: RefCell<Option<Last>> = const { RefCell::new(None) };
    }
    let receiver = recording();
    let client = builder(&receiver).set("repeats", "keep").build().unwrap();
    thread::scope(|scope| {
        let sender = scope.spawn(|| {
            // One was made before what `send` keeps in each thread, and one after it: one of the two outlives it.
            FIRST.set(Some(Last(client.clone())));
            client.send_at("first", 1, at(0), [("h", "a")]).unwrap();
            SECOND.set(Some(Last(client.clone())));
        });
        // The scope's own end waits for the closure alone, and not for the thread-locals.
        sender.join().unwrap();
    });
    let stats = client.close(LONG);
    ended(&stats);
    assert_eq!(stats.acknowledged, 3);
}

/// A logger that measures itself: each record of potsdb's is a point, sent where potsdb logs.
struct Measuring;

/// The client whose records are measured, and where to say what became of it.
struct Measured {
    client: Client,
    endpoint: String,
    outcome: Sender<Result<Sent, SendError>>,
}

static MEASURED: Mutex<Option<Measured>> = Mutex::new(None);

impl log::Log for Measuring {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        // The tests of this binary log side by side: only this client's own worker is meant.
        let own = |measured: &mut Measured| record.args().to_string().contains(&measured.endpoint);
        let measured = MEASURED.lock().unwrap().take_if(own);
        if let Some(Measured { client, outcome, .. }) = measured {
            let _ = outcome.send(client.send_at("log.records", 1, at(0), [("h", "a")]));
        }
    }

    fn flush(&self) {}
}

#[test]
fn a_logger_that_sends_does_not_make_the_worker_wait_for_itself() {
    log::set_logger(&Measuring).unwrap();
    log::set_max_level(log::LevelFilter::Trace);
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("tsdb://{nobody}?host_tag=false&queue_points=1&overflow=block");
    let client = Client::open(&url).unwrap();
    let (outcome, outcomes) = channel();
    *MEASURED.lock().unwrap() = Some(Measured {
        client: client.clone(),
        endpoint: nobody.to_string(),
        outcome,
    });
    // The worker logs that the server is lost, with the queue full and nobody but itself to empty it.
    client.send_at("m", 1, at(0), [("h", "a")]).unwrap();
    assert_eq!(outcomes.recv_timeout(LONG).unwrap(), Err(SendError::Full));
    let stats = client.close(Duration::ZERO);
    ended(&stats);
    assert_eq!((stats.full, stats.dropped.closed), (1, 1));
}
