//! The worker: the one thread that touches sockets, and the driver's network.
//!
//! It waits until a socket, a timer or a caller has something, and then gives the [`Driver`] a turn. What a turn is
//! and how the worker rests in between is `driver.rs`'s.

use std::io::{self, IoSlice};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::{Events, Poll, Token, Waker};

use crate::connection::{Connection, Incoming};
use crate::credentials::Credentials;
use crate::dial::{Dial, Dialled};
use crate::driver::{Driver, Network, Observer, Progress};
use crate::endpoint::Endpoint;
use crate::engine::Engine;
use crate::exchange::Wire;
use crate::io::{Io, Resolved};
use crate::kernel::without_signals;
use crate::ledger::Tally;
use crate::options::Options;
use crate::publish::Shared;
use crate::queue::Queue;
use crate::report::Report;
use crate::sync::become_worker;

const WAKE: Token = Token(0);

pub(crate) struct Worker {
    driver: Driver<Sockets>,
}

impl Worker {
    /// Makes what the worker waits with and what wakes it. Nothing runs yet.
    pub(crate) fn waker() -> io::Result<(Poll, Arc<Waker>)> {
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKE)?);
        Ok((poll, waker))
    }

    /// Starts the thread.
    pub(crate) fn start(
        options: &Options,
        endpoints: Vec<Endpoint>,
        queue: Arc<Queue>,
        shared: Arc<Shared>,
        poll: Poll,
        wake: Arc<dyn Fn() + Send + Sync>,
    ) -> io::Result<()> {
        let started = Instant::now();
        let seed =
            u64::from(std::process::id()) ^ (Arc::as_ptr(&queue) as u64) ^ crate::clock::millis().rotate_left(32);
        let doors = endpoints
            .iter()
            .map(|endpoint| (endpoint.to_string(), Wire::of(endpoint)));
        let engine = Engine::new(options, doors.collect(), seed);
        let sockets = Sockets {
            poll,
            io: Io::new(options, wake),
            endpoints,
            started,
            attempts: 0,
            resolved: Vec::new(),
            tokens: 0,
        };
        let mut worker = Worker {
            driver: Driver::new(options, engine, queue.clone(), shared.clone(), started, sockets),
        };
        let thread = std::thread::Builder::new().name("potsdb".to_owned());
        let work = move || {
            become_worker();
            // A panic is a defect of ours. It must not leave anybody waiting for a dead thread.
            let end = std::panic::catch_unwind(AssertUnwindSafe(|| worker.run()));
            let mut tally = Tally::default();
            match end {
                Ok(last) => tally = last,
                Err(panic) => {
                    let words = panic.downcast_ref::<&str>().map(ToString::to_string);
                    let why = words
                        .or_else(|| panic.downcast_ref::<String>().cloned())
                        .unwrap_or_default();
                    tally.panics = 1;
                    shared.reports.publish(Report::Panicked { why });
                }
            }
            drop(worker);
            queue.end(&tally);
        };
        without_signals(|| thread.spawn(work))?;
        Ok(())
    }

    /// Runs until everything has its verdict; returns what is still to be posted.
    fn run(&mut self) -> Tally {
        let mut events = Events::with_capacity(64);
        loop {
            self.driver.turn();
            if self.driver.is_done() {
                return self.driver.end();
            }
            let timeout = self.driver.rest();
            if let Err(error) = self.driver.network.poll.poll(&mut events, timeout)
                && error.kind() != io::ErrorKind::Interrupted
            {
                panic!("waiting for sockets failed: {error}");
            }
            for event in &events {
                self.driver.readable(|connection| connection.token() == event.token());
            }
        }
    }
}

/// The network there is.
struct Sockets {
    poll: Poll,
    io: Io,
    endpoints: Vec<Endpoint>,
    started: Instant,
    attempts: u64,
    /// Answers whose attempts have not asked for them yet.
    resolved: Vec<Resolved>,
    tokens: usize,
}

/// An attempt to connect.
enum Attempt {
    /// Waits for the answer of that number.
    Resolving(u64),
    Dialling(Dial, Credentials),
}

impl Observer for Sockets {}

impl Network for Sockets {
    type Attempt = Attempt;
    type Connection = Connection;

    fn now(&self) -> Duration {
        self.started.elapsed()
    }

    fn connect(&mut self, endpoint: usize) -> Attempt {
        self.attempts += 1;
        self.io.resolve(self.attempts, &self.endpoints[endpoint]);
        Attempt::Resolving(self.attempts)
    }

    fn advance(&mut self, attempt: &mut Attempt) -> Progress<Connection> {
        if let Attempt::Resolving(number) = attempt {
            while let Some(resolved) = self.io.resolved() {
                self.resolved.push(resolved);
            }
            let Some(index) = self.resolved.iter().position(|resolved| resolved.attempt == *number) else {
                return Progress::Waiting;
            };
            match self.resolved.swap_remove(index).found {
                Ok(found) => {
                    let dial = Dial::new(found.addresses, found.opening, Instant::now());
                    *attempt = Attempt::Dialling(dial, found.credentials);
                }
                Err(why) => return Progress::Refused(why),
            }
        }
        let Attempt::Dialling(dial, credentials) = attempt else {
            return Progress::Waiting;
        };
        let tokens = &mut self.tokens;
        let token = || {
            *tokens += 1;
            Token(*tokens)
        };
        match dial.advance(Instant::now(), self.poll.registry(), token) {
            Dialled::Waiting => Progress::Waiting,
            Dialled::Connected(connection) => Progress::Connected(connection, std::mem::take(credentials)),
            Dialled::Failed(error) => Progress::Refused(error.to_string()),
        }
    }

    fn deadline(&self, attempt: &Attempt) -> Option<Duration> {
        match attempt {
            Attempt::Resolving(_) => None,
            Attempt::Dialling(dial, _) => Some(dial.deadline()?.saturating_duration_since(self.started)),
        }
    }

    fn abandon(&mut self, _attempt: Attempt) {}

    fn read(&mut self, connection: &mut Connection, buffer: &mut [u8]) -> io::Result<Incoming> {
        connection.read(buffer)
    }

    fn write(&mut self, connection: &mut Connection, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        connection.write(slices)
    }

    fn half_close(&mut self, connection: &mut Connection) {
        connection.half_close();
    }

    fn acknowledged(&mut self, connection: &Connection) -> Option<u64> {
        connection.acknowledged()
    }

    fn close(&mut self, _connection: Connection) {}
}
