use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};

use super::*;
use crate::queue::Wait;

/// A client whose names the test looks up; `localhost` is a server, and nothing else is known.
struct Client {
    queue: Arc<Queue>,
    shared: Arc<Shared>,
}

impl Client {
    fn start(hosts: &[&str], port: u16, options: &Options, lookup: Lookup) -> Client {
        let (poll, waker) = Worker::waker().unwrap();
        let wake: Arc<dyn Fn() + Send + Sync> = Arc::new(move || drop(waker.wake()));
        let caller = wake.clone();
        let queue = Arc::new(Queue::new(100, 1 << 20, options.overflow, Box::new(move || caller())));
        let shared: Arc<Shared> = Arc::default();
        let endpoints = hosts.iter().map(|host| Endpoint::new(host, port)).collect();
        Worker::start_with(lookup, options, endpoints, queue.clone(), shared.clone(), poll, wake).unwrap();
        Client { queue, shared }
    }

    fn send(&self) {
        self.queue.append(b"put m 1 1 h=a\n", None, Wait::No).unwrap();
    }

    fn stop(&self) {
        self.queue.stop();
        assert!(self.queue.wait_ended(None));
    }
}

/// A lookup of `good`, and of names that are answered when the test says so.
fn lookup() -> (Lookup, Sender<()>) {
    let (release, released) = channel();
    let released: Mutex<Receiver<()>> = Mutex::new(released);
    let lookup: Lookup = Arc::new(move |host| {
        if host != "good" {
            let _ = released.lock().unwrap().recv();
        }
        Ok(vec!["127.0.0.1:0".parse().unwrap()])
    });
    (lookup, release)
}

fn first_line(listener: &TcpListener) -> String {
    let (stream, _) = listener.accept().unwrap();
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).unwrap();
    line
}

#[test]
fn a_name_that_hangs_costs_its_neighbour_nothing_and_close_does_not_wait_for_it() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (lookup, _never) = lookup();
    let client = Client::start(&["hangs", "good", "hangs2"], port, &Options::default(), lookup);
    client.send();
    assert_eq!(first_line(&listener), "put m 1 1 h=a\n");
    client.stop();
}

#[test]
fn a_name_that_takes_longer_than_the_connect_timeout_is_told_of_and_used_when_it_is_there() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (lookup, release) = lookup();
    let options = Options {
        connect_timeout: Duration::from_millis(1),
        // An attempt more would come when the test is long over.
        backoff: (Duration::from_secs(3600), Duration::from_secs(3600)),
        ..Options::default()
    };
    let client = Client::start(&["slow"], port, &options, lookup);
    client.send();
    while !client.shared.reports.has_any() {
        std::thread::yield_now();
    }
    let reports = client.shared.reports.take();
    assert!(
        matches!(&reports[..], [Report::ServerLost { why, .. }] if why.contains("looking up its name")),
        "{reports:?}"
    );
    drop(release);
    assert_eq!(first_line(&listener), "put m 1 1 h=a\n");
    client.stop();
}
