//! The worker: the one thread that touches sockets, and the driver's network.
//!
//! It waits until a socket, a timer or a caller has something, and then gives the [`Driver`] a turn. What a turn is
//! and how the worker rests in between is `driver.rs`'s.

use std::io::{self, IoSlice};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::{Events, Poll, Token, Waker};

use crate::config::credentials::Credentials;
use crate::config::endpoint::Endpoint;
use crate::config::options::Options;
use crate::engine::Engine;
use crate::exchange::Protocol;
use crate::net::connection::{Connection, Incoming};
use crate::net::dial::{Dial, Dialled};
use crate::net::driver::{Driver, Network, Observer, Progress};
use crate::net::files::Reader;
use crate::net::kernel::without_signals;
use crate::net::publish::Shared;
use crate::net::resolver::{self, Lookup, NameWait, Resolver};
use crate::queue::Queue;
use crate::queue::ledger::Tally;
use crate::queue::sync::become_worker;
use crate::report::Report;
use crate::spooling;

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
        Worker::start_with(resolver::system(), options, endpoints, queue, shared, poll, wake)
    }

    /// The same, with names looked up as said.
    fn start_with(
        lookup: Lookup,
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
        let peers = endpoints
            .iter()
            .map(|endpoint| (endpoint.to_string(), Protocol::of(endpoint)));
        let engine = Engine::new(options, peers.collect(), seed);
        let sockets = Sockets {
            poll,
            names: Resolver::new(lookup, wake.clone()),
            secrets: Reader::new(options, &endpoints, wake.clone()),
            endpoints,
            started,
            tokens: 0,
        };
        let scheme = sockets.endpoints[0].scheme();
        let spooling = spooling::open(options, &sockets.endpoints, wake, started)?;
        let mut worker = Worker {
            driver: Driver::new(options, scheme, engine, queue.clone(), shared.clone(), started, sockets)
                .with_spool(spooling),
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
            worker.driver.last_words();
            let spooled = worker.driver.left_in_spool();
            drop(worker);
            queue.end(&tally, spooled);
            shared.progress.tell(queue.progress());
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
    names: Resolver,
    secrets: Reader,
    endpoints: Vec<Endpoint>,
    started: Instant,
    tokens: usize,
}

/// An attempt to connect.
enum Attempt {
    /// Waits for its secrets, and for its name if the host is no address.
    Resolving {
        endpoint: usize,
        name: Option<NameWait>,
        secrets: u64,
    },
    Dialling(Dial, Credentials),
}

impl Sockets {
    /// What a waiting attempt dials with, once everything is there.
    fn dial(&mut self, endpoint: usize, name: Option<&NameWait>, secrets: u64) -> Option<Result<Attempt, String>> {
        let now = self.now();
        let secrets = match self.secrets.secrets(secrets)? {
            Ok(secrets) => secrets,
            Err(why) => return Some(Err(why)),
        };
        let endpoint = &self.endpoints[endpoint];
        let addresses = match name {
            Some(name) => self.names.addresses(now, name)?,
            None => Ok(endpoint.literal().into_iter().collect()),
        };
        let attempt = || {
            let addresses = resolver::at_port(addresses?, endpoint.port());
            let dial = Dial::new(addresses, secrets.tls_target(endpoint)?, self.started + now);
            Ok(Attempt::Dialling(dial, secrets.credentials()))
        };
        Some(attempt())
    }
}

impl Observer for Sockets {}

impl Network for Sockets {
    type Attempt = Attempt;
    type Connection = Connection;

    fn now(&self) -> Duration {
        self.started.elapsed()
    }

    fn connect(&mut self, endpoint: usize) -> Attempt {
        let now = self.now();
        let host = &self.endpoints[endpoint];
        let is_name = host.literal().is_none();
        Attempt::Resolving {
            endpoint,
            name: is_name.then(|| self.names.wait(now, host.host())),
            secrets: self.secrets.wait(),
        }
    }

    fn advance(&mut self, attempt: &mut Attempt) -> Progress<Connection> {
        let (dial, credentials) = match attempt {
            Attempt::Dialling(dial, credentials) => (dial, credentials),
            Attempt::Resolving {
                endpoint,
                name,
                secrets,
            } => {
                return match self.dial(*endpoint, name.as_ref(), *secrets) {
                    None => Progress::Waiting,
                    Some(Ok(dialling)) => {
                        *attempt = dialling;
                        Progress::Dialling
                    }
                    Some(Err(why)) => Progress::Refused(why),
                };
            }
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
            // Whoever waits for its secrets is woken when they are there.
            Attempt::Resolving { secrets, .. } if !self.secrets.is_over(*secrets) => None,
            Attempt::Resolving { name, .. } => self.names.deadline(name.as_ref()?),
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

#[cfg(test)]
mod tests;
