//! The worker: the one thread that touches sockets. It decides nothing.
//!
//! Each turn tells the engine where the callers are and what the sockets said, does what the engine
//! puts out, moves lines from the queue to the connections and posts verdicts. Then it rests: until
//! a socket, a timer of the engine's or a caller has something. See `queue.rs` for how it sleeps
//! without missing a point, and `engine.rs` for everything that is decided.

use std::io;
use std::io::IoSlice;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::{Events, Poll, Token, Waker};

use crate::block::{BLOCK_BYTES, Memory};
use crate::connection::{Connection, Incoming};
use crate::credentials::Credentials;
use crate::dial::{Dial, Dialled};
use crate::endpoint::Endpoint;
use crate::engine::{Engine, EnginePhase, Input, Output};
use crate::exchange::Wire;
use crate::io::{Found, Io};
use crate::kernel::without_signals;
use crate::ledger::Tally;
use crate::options::Options;
use crate::publish::{Publisher, STATUS_EVERY, Shared};
use crate::queue::{Phase, Queue, Rest, linger};
use crate::report::Report;
use crate::sync::become_worker;

/// Rounds of filling and writing before replies and callers are looked at again.
const ROUNDS: usize = 32;

const WAKE: Token = Token(0);

enum Socket {
    None,
    Resolving { attempt: u64 },
    Dialling(Dial, Credentials),
    Open(Connection),
}

pub(crate) struct Worker {
    queue: Arc<Queue>,
    shared: Arc<Shared>,
    engine: Engine,
    endpoints: Vec<Endpoint>,
    linger: Duration,
    max_age: Option<Duration>,
    poll: Poll,
    io: Io,
    started: Instant,
    sockets: Vec<Socket>,
    tokens: usize,
    attempts: u64,
    buffer: Vec<u8>,
    publisher: Publisher,
    /// Lines were taken: more of their kind may be on their way, and are waited for until then.
    lingers_until: Duration,
    /// The last round wrote or read something: there may be more, and no socket will say that it takes it.
    unfinished: bool,
    /// What the engine was last told: that points are queued.
    told_queued: bool,
}

fn door(endpoint: &Endpoint) -> (String, Wire) {
    (endpoint.to_string(), Wire::of(endpoint))
}

impl Worker {
    /// Makes a worker and the function that wakes it. Nothing runs yet.
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
        let engine = Engine::new(options, endpoints.iter().map(door).collect(), seed);
        let mut worker = Worker {
            sockets: (0..endpoints.len() * options.connections())
                .map(|_| Socket::None)
                .collect(),
            queue: queue.clone(),
            shared: shared.clone(),
            engine,
            linger: linger(Some(options.linger), endpoints[0].scheme(), options.max_age),
            endpoints,
            max_age: options.max_age,
            poll,
            io: Io::new(options, wake),
            started,
            tokens: 0,
            attempts: 0,
            buffer: vec![0; 64 * 1024],
            publisher: Publisher::new(),
            lingers_until: Duration::ZERO,
            unfinished: false,
            told_queued: false,
        };
        worker.publish_status();
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
            worker.publisher.finish(&shared);
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
            self.turn();
            if self.engine.is_done() {
                self.sockets.clear();
                self.report();
                self.publish_status();
                return std::mem::take(&mut self.engine.verdicts().tally);
            }
            let timeout = self.rest();
            if let Err(error) = self.poll.poll(&mut events, timeout)
                && error.kind() != io::ErrorKind::Interrupted
            {
                panic!("waiting for sockets failed: {error}");
            }
            self.queue.lock().wake();
            for event in &events {
                self.ready(event.token());
            }
        }
    }

    fn now(&self) -> Duration {
        self.started.elapsed()
    }

    fn step(&mut self, input: Input<'_>) {
        let now = self.now();
        if !matches!(input, Input::Callers { .. } | Input::Lines { .. } | Input::Wrote { .. }) {
            self.publisher.changed();
        }
        self.engine.step(now, input);
        while let Some(output) = self.engine.poll() {
            self.publisher.changed();
            match output {
                Output::Connect { link, endpoint } => {
                    self.attempts += 1;
                    if link >= self.sockets.len() {
                        self.sockets.resize_with(link + 1, || Socket::None);
                    }
                    self.sockets[link] = Socket::Resolving { attempt: self.attempts };
                    self.io.resolve(self.attempts, &self.endpoints[endpoint]);
                }
                Output::HalfClose { link } => {
                    if let Socket::Open(connection) = &mut self.sockets[link] {
                        connection.half_close();
                    }
                }
                Output::Disconnect { link } => self.sockets[link] = Socket::None,
            }
        }
    }

    /// Tells the engine where the callers are.
    fn tell(&mut self, queued: bool, urgent: bool, phase: Phase) {
        self.told_queued = queued;
        let started = self.started;
        let phase = EnginePhase::new(phase, |at| at.saturating_duration_since(started));
        self.step(Input::Callers { queued, urgent, phase });
    }

    /// One round over callers, sockets and lines.
    fn turn(&mut self) {
        if let Some(age) = self.max_age {
            self.queue.expire(Instant::now(), age);
        }
        let mut state = self.queue.lock();
        let (queued, urgent, phase) = (state.queued() > 0, state.is_urgent(), state.phase());
        state.wake();
        self.queue.announce(state);
        self.tell(queued, urgent, phase);
        self.connect();
        // Before the rounds, because what comes of it may be lines for another link.
        self.ask_kernel();
        for _ in 0..ROUNDS {
            self.unfinished = false;
            self.fill();
            for link in 0..self.sockets.len() {
                self.write(link);
            }
            if !self.unfinished {
                break;
            }
        }
        let now = self.now();
        self.queue
            .announce(self.publisher.post(now, &self.queue, &mut self.engine));
        self.engine.verdicts().spare.clear();
        self.report();
        if self.publisher.is_due(self.now()) {
            self.publish_status();
        }
    }

    /// Moves names and attempts to connect along.
    fn connect(&mut self) {
        while let Some(resolved) = self.io.resolved() {
            let asked =
                |socket: &Socket| matches!(socket, Socket::Resolving { attempt } if *attempt == resolved.attempt);
            // An attempt the engine gave up meanwhile has no socket any more.
            let Some(link) = self.sockets.iter().position(asked) else {
                continue;
            };
            match resolved.found {
                Ok(Found {
                    addresses,
                    credentials,
                    opening,
                }) => {
                    let dial = Dial::new(addresses, opening, Instant::now());
                    self.sockets[link] = Socket::Dialling(dial, credentials);
                }
                Err(why) => {
                    self.sockets[link] = Socket::None;
                    self.step(Input::Refused { link, why });
                }
            }
        }
        for link in 0..self.sockets.len() {
            let Socket::Dialling(dial, credentials) = &mut self.sockets[link] else {
                continue;
            };
            let tokens = &mut self.tokens;
            let token = || {
                *tokens += 1;
                Token(*tokens)
            };
            match dial.advance(Instant::now(), self.poll.registry(), token) {
                Dialled::Waiting => {}
                Dialled::Connected(connection) => {
                    let credentials = std::mem::take(credentials);
                    self.sockets[link] = Socket::Open(connection);
                    self.step(Input::Connected { link, credentials });
                }
                Dialled::Failed(error) => {
                    self.sockets[link] = Socket::None;
                    self.step(Input::Refused {
                        link,
                        why: error.to_string(),
                    });
                }
            }
        }
    }

    /// Takes lines from the queue for the links that want some.
    fn fill(&mut self) {
        while let Some((link, room)) = self.engine.wants() {
            let now = self.now();
            let lingering = now < self.lingers_until;
            let mut state = self.publisher.post(now, &self.queue, &mut self.engine);
            // Just after something was taken callers are sending. To take their block from under them line by line would
            // cost them the lock, and its cache, for each.
            let taken = match lingering && self.queue.may_linger(&state) {
                true => None,
                false => state.take(room.bytes, room.points),
            };
            let queued = state.queued() > 0;
            let (urgent, phase, lacks_spare) = (state.is_urgent(), state.phase(), state.lacks_spare());
            self.queue.announce_room(state);
            let Some(lines) = taken else { return };
            if lacks_spare && lines.len() > BLOCK_BYTES / 2 {
                self.engine
                    .verdicts()
                    .spare
                    .extend([Memory::provided(), Memory::provided()]);
            }
            self.lingers_until = self.now().saturating_add(self.linger);
            self.publisher.took(lines.points());
            let lines = lines.compact(&mut self.engine.verdicts().spare);
            self.step(Input::Lines { link, lines });
            if !queued {
                self.tell(queued, urgent, phase);
            }
        }
    }

    /// Writes what a link has to write, after a look at what the server said: once it has ended its
    /// side a write would still succeed, and be lost.
    fn write(&mut self, link: usize) {
        let now = self.now();
        let mut slices = Vec::new();
        self.engine.unwritten(now, link, &mut slices);
        if slices.is_empty() {
            return;
        }
        drop(slices);
        self.read(link);
        let mut slices: Vec<IoSlice<'_>> = Vec::with_capacity(64);
        self.engine.unwritten(now, link, &mut slices);
        let Socket::Open(connection) = &mut self.sockets[link] else {
            return;
        };
        if slices.is_empty() {
            return;
        }
        let written = connection.write(&slices);
        drop(slices);
        match written {
            Ok(0) => {}
            Ok(bytes) => {
                self.unfinished = true;
                self.step(Input::Wrote {
                    link,
                    bytes: bytes as u64,
                });
            }
            Err(error) => self.broken(link, &error),
        }
    }

    fn read(&mut self, link: usize) {
        let mut buffer = std::mem::take(&mut self.buffer);
        while let Socket::Open(connection) = &mut self.sockets[link] {
            let incoming = connection.read(&mut buffer);
            // What it says may move lines to a link that had its turn.
            self.unfinished |= !matches!(incoming, Ok(Incoming::Nothing));
            match incoming {
                Ok(Incoming::Bytes(bytes)) => self.step(Input::Received {
                    link,
                    bytes: &buffer[..bytes],
                }),
                Ok(Incoming::Nothing) => break,
                Ok(Incoming::End) => {
                    let kernel = connection.acknowledged();
                    self.sockets[link] = Socket::None;
                    self.step(Input::Ended { link, kernel });
                }
                Err(error) => self.broken(link, &error),
            }
        }
        self.buffer = buffer;
    }

    fn broken(&mut self, link: usize, error: &io::Error) {
        if let Socket::Open(connection) = &self.sockets[link] {
            let kernel = connection.acknowledged();
            self.sockets[link] = Socket::None;
            self.step(Input::Broken {
                link,
                why: error.to_string(),
                kernel,
            });
        }
    }

    fn ready(&mut self, token: Token) {
        let owner = |socket: &Socket| matches!(socket, Socket::Open(connection) if connection.token() == token);
        if let Some(link) = self.sockets.iter().position(owner) {
            self.read(link);
        }
    }

    fn ask_kernel(&mut self) {
        let due: Vec<usize> = self.engine.asks_kernel().collect();
        for link in due {
            let Socket::Open(connection) = &self.sockets[link] else {
                continue;
            };
            // Where the platform cannot tell, written is all there is to know.
            let bytes = connection.acknowledged().unwrap_or(u64::MAX);
            self.step(Input::KernelHas { link, bytes });
        }
    }

    /// Decides how to rest and for how long at most.
    fn rest(&mut self) -> Option<Duration> {
        let now = self.now();
        let dials = self.sockets.iter().filter_map(|socket| match socket {
            Socket::Dialling(dial, _) => dial.deadline(),
            _ => None,
        });
        let dials = dials.map(|at| at.saturating_duration_since(self.started));
        let reports = self.publisher.report_due();
        let until = self.engine.deadline().into_iter().chain(dials).chain(reports).min();
        let wants = self.engine.wants().is_some();
        let mut state = self.queue.lock();
        let expires = self.max_age.and_then(|age| state.expires_at(self.started + now, age));
        let expires = expires.map(|at| at.saturating_duration_since(self.started));
        let until = until.into_iter().chain(expires).min();
        if !self.unfinished && now < self.lingers_until && self.queue.rest(&mut state, Rest::Lingering) {
            let linger = self.lingers_until;
            return Some(until.map_or(linger, |until| until.min(linger)).saturating_sub(now));
        }
        let waiting = state.queued() > 0;
        // Points that came after the engine was last told have no connection asked for, and no caller wakes a
        // worker that looks awake.
        if self.unfinished || (waiting && (!self.told_queued || wants)) {
            return Some(Duration::ZERO);
        }
        if !waiting {
            self.queue.rest(&mut state, Rest::Asleep);
        }
        drop(state);
        if until.is_none_or(|until| until > now + STATUS_EVERY) {
            self.publish_status();
        }
        until.map(|until| until.saturating_sub(self.now()))
    }

    fn publish_status(&mut self) {
        let now = self.now();
        self.publisher.publish(now, &self.queue, &mut self.engine);
    }

    fn report(&mut self) {
        let now = self.now();
        self.publisher.report(now, &mut self.engine, &self.shared);
    }
}
