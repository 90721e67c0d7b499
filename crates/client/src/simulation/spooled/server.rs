//! The server, which outlives every client, and a client's way to it.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, IoSlice};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use crate::config::credentials::Credentials;
use crate::net::connection::Incoming;
use crate::net::driver::{Network, Observer, Progress};

/// The server, which outlives every client.
#[derive(Default)]
pub(super) struct Server {
    pub(super) is_down: bool,
    /// How long an answer takes.
    pub(super) latency: Duration,
    /// Bytes that it takes at once, at most.
    pub(super) takes: usize,
    /// What it was given within this time before it goes down is lost, answered for or not.
    pub(super) forgets: Duration,
    /// Each line it was given, and how often.
    pub(super) stored: BTreeMap<Vec<u8>, u32>,
    /// When it was given what it may forget.
    pub(super) fresh: VecDeque<(Duration, Vec<u8>)>,
    pub(super) connections: BTreeMap<usize, Connection>,
    pub(super) made: usize,
}

#[derive(Default)]
pub(super) struct Connection {
    /// A line that is not whole.
    rest: Vec<u8>,
    answers: VecDeque<(Duration, &'static [u8])>,
    is_reset: bool,
    /// The client has ended its side.
    is_ending: bool,
}

impl Server {
    fn take(&mut self, now: Duration, connection: usize, bytes: &[u8]) {
        let answer_at = now + self.latency;
        let connection = self.connections.entry(connection).or_default();
        connection.rest.extend_from_slice(bytes);
        while let Some(end) = memchr::memchr(b'\n', &connection.rest) {
            let line: Vec<u8> = connection.rest.drain(..=end).collect();
            if line == b"version\n" {
                connection.answers.push_back((
                    answer_at,
                    b"net.opentsdb.tools BuildData built at revision 1\nBuilt on x\n",
                ));
            } else {
                if !self.forgets.is_zero() {
                    self.fresh.push_back((now, line.clone()));
                }
                *self.stored.entry(line).or_default() += 1;
            }
        }
        let kept = now.saturating_sub(self.forgets);
        while self.fresh.front().is_some_and(|(at, _)| *at < kept) {
            self.fresh.pop_front();
        }
    }

    /// It is killed, and forgets; or it is there again.
    pub(super) fn turn(&mut self) {
        self.is_down = !self.is_down;
        self.reset_all();
        if !self.is_down {
            return;
        }
        for (_, line) in self.fresh.drain(..) {
            let left = self.stored.get_mut(&line).map(|times| {
                *times -= 1;
                *times
            });
            if left == Some(0) {
                self.stored.remove(&line);
            }
        }
    }

    pub(super) fn reset_all(&mut self) {
        self.connections
            .values_mut()
            .for_each(|connection| connection.is_reset = true);
    }

    pub(super) fn next(&self) -> Option<Duration> {
        let answers = self.connections.values().flat_map(|connection| &connection.answers);
        answers.map(|(at, _)| *at).min()
    }
}

/// A client's way to the server.
pub(super) struct Wire {
    pub(super) server: Arc<Mutex<Server>>,
    pub(super) now: Duration,
}

impl Wire {
    fn server(&self) -> MutexGuard<'_, Server> {
        self.server.lock().expect("nobody panics with it")
    }
}

impl Observer for Wire {}

impl Network for Wire {
    type Attempt = ();
    type Connection = usize;

    fn now(&self) -> Duration {
        self.now
    }

    fn connect(&mut self, _endpoint: usize) {}

    fn advance(&mut self, (): &mut ()) -> Progress<usize> {
        let mut server = self.server();
        if server.is_down {
            return Progress::Refused("nobody listens".to_owned());
        }
        server.made += 1;
        let number = server.made;
        server.connections.insert(number, Connection::default());
        Progress::Connected(number, Credentials::default())
    }

    fn deadline(&self, (): &()) -> Option<Duration> {
        None
    }

    fn abandon(&mut self, (): ()) {}

    fn read(&mut self, connection: &mut usize, buffer: &mut [u8]) -> io::Result<Incoming> {
        let now = self.now;
        let mut server = self.server();
        let Some(connection) = server.connections.get_mut(connection) else {
            return Ok(Incoming::Nothing);
        };
        if connection.is_reset {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        match connection.answers.front() {
            Some((at, answer)) if *at <= now => {
                let length = answer.len();
                buffer[..length].copy_from_slice(answer);
                connection.answers.pop_front();
                Ok(Incoming::Bytes(length))
            }
            None if connection.is_ending => Ok(Incoming::End),
            _ => Ok(Incoming::Nothing),
        }
    }

    fn write(&mut self, connection: &mut usize, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let now = self.now;
        let mut server = self.server();
        if server
            .connections
            .get(connection)
            .is_none_or(|connection| connection.is_reset)
        {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        let bytes = slices.iter().flat_map(|slice| slice.iter().copied());
        let bytes: Vec<u8> = bytes.take(server.takes).collect();
        server.take(now, *connection, &bytes);
        Ok(bytes.len())
    }

    fn half_close(&mut self, connection: &mut usize) {
        // It reads to the end, and ends its own side.
        if let Some(connection) = self.server().connections.get_mut(connection) {
            connection.is_ending = true;
        }
    }

    fn acknowledged(&mut self, _connection: &usize) -> Option<u64> {
        None
    }

    fn close(&mut self, connection: usize) {
        self.server().connections.remove(&connection);
    }
}
