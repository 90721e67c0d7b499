use std::sync::Arc;
use std::time::{Duration, Instant};

use super::*;
use crate::config::endpoint::Endpoint;
use crate::exchange::Protocol;
use crate::queue::Wait;

/// A network of servers that accept at once. Connections are numbers.
#[derive(Default)]
struct Script {
    now: Duration,
    connections: usize,
    /// What a server says each time it is read.
    says: &'static [u8],
    reads: u32,
    written: Vec<u8>,
    closed: Vec<usize>,
}

impl Observer for Script {}

impl Network for Script {
    type Attempt = ();
    type Connection = usize;

    fn now(&self) -> Duration {
        self.now
    }

    fn connect(&mut self, _endpoint: usize) {}

    fn advance(&mut self, (): &mut ()) -> Progress<usize> {
        self.connections += 1;
        Progress::Connected(self.connections - 1, Credentials::default())
    }

    fn deadline(&self, (): &()) -> Option<Duration> {
        None
    }

    fn abandon(&mut self, (): ()) {}

    fn read(&mut self, _connection: &mut usize, buffer: &mut [u8]) -> io::Result<Incoming> {
        self.reads += 1;
        assert!(self.reads < 10_000, "the turn does not end");
        if self.says.is_empty() {
            return Ok(Incoming::Nothing);
        }
        buffer[..self.says.len()].copy_from_slice(self.says);
        Ok(Incoming::Bytes(self.says.len()))
    }

    fn write(&mut self, _connection: &mut usize, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        slices.iter().for_each(|slice| self.written.extend_from_slice(slice));
        Ok(slices.iter().map(|slice| slice.len()).sum())
    }

    fn half_close(&mut self, _connection: &mut usize) {}

    fn acknowledged(&mut self, _connection: &usize) -> Option<u64> {
        None
    }

    fn close(&mut self, connection: usize) {
        self.closed.push(connection);
    }
}

fn driver(network: Script) -> (Driver<Script>, Arc<Queue>) {
    let options = Options::default();
    let endpoint = Endpoint::new("a", 4242);
    let engine = Engine::new(&options, vec![(endpoint.to_string(), Protocol::of(&endpoint))], 1);
    let queue = Arc::new(Queue::new(100, 1 << 20, options.overflow, Box::new(|| {})));
    let driver = Driver::new(
        &options,
        endpoint.scheme(),
        engine,
        queue.clone(),
        Arc::default(),
        Instant::now(),
        network,
    );
    (driver, queue)
}

fn send(queue: &Queue) {
    queue.append(b"put m 1 1 h=a\n", None, Wait::No).unwrap();
}

#[test]
fn a_server_that_talks_without_end_has_its_turn_and_no_more() {
    let (mut driver, queue) = driver(Script {
        says: b"what\n",
        ..Script::default()
    });
    send(&queue);
    for _ in 0..3 {
        driver.network.reads = 0;
        driver.turn();
        assert!(driver.network.reads <= READS, "{} reads", driver.network.reads);
        assert_eq!(driver.rest(), Some(Duration::ZERO), "there is more to read");
    }
    assert!(
        driver.network.written.starts_with(b"put m 1 1 h=a\n"),
        "it is written to all the same"
    );
    queue.close(Some(driver.started));
    driver.turn();
    assert!(driver.is_done(), "close has its turn, too");
    driver.end();
    assert_eq!(driver.network.closed, [0]);
}

#[test]
fn a_connection_is_looked_at_once_a_turn_and_before_the_first_write() {
    let (mut driver, queue) = driver(Script::default());
    send(&queue);
    driver.turn();
    assert!(driver.network.written.starts_with(b"put m 1 1 h=a\n"));
    assert_eq!(driver.network.reads, 1);
    driver.network.reads = 0;
    driver.turn();
    assert_eq!(
        driver.network.reads, 0,
        "nothing to write, and nobody says that there is something to read"
    );
    driver.readable(|connection| *connection == 0);
    driver.turn();
    assert_eq!(driver.network.reads, 1);
}

#[test]
fn slices_of_one_write_leave_their_memory_to_the_next() {
    let mut kept: Vec<IoSlice<'static>> = Vec::new();
    let bytes = vec![1; 10];
    let mut slices = recycled(&mut kept);
    slices.extend((0..100).map(|_| IoSlice::new(&bytes)));
    let (memory, capacity) = (slices.as_ptr() as usize, slices.capacity());
    kept = recycled(&mut slices);
    drop(bytes);
    assert_eq!(
        (kept.as_ptr() as usize, kept.capacity(), kept.len()),
        (memory, capacity, 0)
    );
}
