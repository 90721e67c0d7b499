//! The worker of the simulation: `crate::worker` turn by turn, with flows of the world for sockets.
//!
//! Kept line by line what the real one does, because the order of its acts is part of what is
//! tested: callers first, read before write, verdicts posted before lines are taken, and rest only
//! as long as the engine's deadline allows.

use std::io::IoSlice;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::callers::History;
use super::world::{Dial, Incoming, World};
use crate::credentials::Credentials;
use crate::endpoint::{Endpoint, Scheme};
use crate::engine::{Engine, EnginePhase, Input, Output};
use crate::exchange::Wire;
use crate::queue::{Phase, Queue, Rest, linger};

/// Rounds of filling and writing before replies and callers are looked at again.
const ROUNDS: usize = 32;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Socket {
    None,
    Dialling(usize),
    Open(usize),
}

pub(super) struct Worker {
    pub(super) queue: Queue,
    engine: Engine,
    sockets: Vec<Socket>,
    linger: Duration,
    max_age: Option<Duration>,
    lingers_until: Duration,
    /// What the engine was last told of the queue.
    told_queued: bool,
    /// The last turn ended with bytes still moving: no socket will say that it takes more.
    unfinished: bool,
    /// The virtual clock's zero, for what the queue keeps as instants.
    started: Instant,
    woken: Arc<AtomicBool>,
}

impl Worker {
    pub(super) fn new(history: &History, seed: u64) -> Worker {
        let (options, endpoints) = (&history.options, history.endpoints);
        let scheme = match history.wire {
            super::callers::Wire::Telnet => Scheme::Tsdb,
            super::callers::Wire::Http => Scheme::Http,
        };
        let woken = Arc::new(AtomicBool::new(false));
        let wake = woken.clone();
        let endpoint = |number| Endpoint::of(scheme, &format!("server{number}"), 4242);
        let doors = (0..endpoints).map(endpoint);
        Worker {
            queue: Queue::new(
                options.queue_points,
                options.queue_bytes(),
                options.overflow,
                Box::new(move || wake.store(true, Ordering::Relaxed)),
            ),
            engine: Engine::new(
                options,
                doors.map(|door| (door.to_string(), Wire::of(&door))).collect(),
                seed,
            ),
            sockets: vec![Socket::None; endpoints * options.connections()],
            linger: linger(Some(options.linger), scheme, options.max_age),
            max_age: options.max_age,
            lingers_until: Duration::ZERO,
            told_queued: false,
            unfinished: false,
            // Far from the real clock, which the queue looks at too: blocks are as old as can be, in every replay.
            started: Instant::now() + Duration::from_secs(86_400),
            woken,
        }
    }

    pub(super) fn instant(&self, at: Duration) -> Instant {
        self.started + at
    }

    pub(super) fn is_done(&self) -> bool {
        self.engine.is_done()
    }

    pub(super) fn is_woken(&self) -> bool {
        self.woken.load(Ordering::Relaxed)
    }

    /// The worker's last act.
    pub(super) fn end(&mut self, world: &mut World) {
        for link in 0..self.sockets.len() {
            self.disconnect(world, link);
        }
        let tally = std::mem::take(&mut self.engine.verdicts().tally);
        self.queue.end(&tally);
    }

    /// What happens when the poll returns.
    pub(super) fn wake(&mut self, world: &mut World) {
        self.woken.store(false, Ordering::Relaxed);
        self.queue.lock().wake();
        for flow in std::mem::take(&mut world.ready) {
            if let Some(link) = self.sockets.iter().position(|socket| *socket == Socket::Open(flow)) {
                self.read(world, link);
            }
        }
    }

    /// One round over callers, sockets and lines.
    pub(super) fn turn(&mut self, world: &mut World) {
        let state = self.queue.lock();
        let (before, expired) = (state.queued(), state.ledger().dropped_by_callers.expired);
        drop(state);
        if let Some(age) = self.max_age {
            self.queue.expire(self.instant(world.now), age);
        }
        let mut state = self.queue.lock();
        let expired = state.ledger().dropped_by_callers.expired - expired;
        world.oracle.expired(world.now, before, expired);
        let (queued, urgent, phase) = (state.queued() > 0, state.is_urgent(), state.phase());
        state.wake();
        drop(state);
        self.tell(world, queued, urgent, phase);
        self.connect(world);
        let due: Vec<usize> = self.engine.asks_kernel().collect();
        for link in due {
            if let Socket::Open(flow) = self.sockets[link] {
                let bytes = world.acknowledged(flow).unwrap_or(u64::MAX);
                self.step(world, Input::KernelHas { link, bytes });
            }
        }
        for _ in 0..ROUNDS {
            self.unfinished = false;
            self.fill(world);
            for link in 0..self.sockets.len() {
                self.write(world, link);
            }
            if !self.unfinished {
                break;
            }
        }
        self.post(world);
        let verdicts = self.engine.verdicts();
        verdicts.spare.clear();
        verdicts.words.clear();
        verdicts.reports.clear();
    }

    /// Until when the worker rests at most; `None`: until something happens.
    pub(super) fn rest(&mut self, now: Duration) -> Option<Duration> {
        let wants = self.engine.wants().is_some();
        let mut state = self.queue.lock();
        let expires = self.max_age.and_then(|age| state.expires_at(self.instant(now), age));
        let expires = expires.map(|at| at.saturating_duration_since(self.started));
        let until = self.engine.deadline().into_iter().chain(expires).min();
        if !self.unfinished && now < self.lingers_until && self.queue.rest(&mut state, Rest::Lingering) {
            let linger = self.lingers_until;
            return Some(until.map_or(linger, |until| until.min(linger)));
        }
        let waiting = state.queued() > 0;
        if self.unfinished || (waiting && (!self.told_queued || wants)) {
            return Some(now);
        }
        if !waiting {
            self.queue.rest(&mut state, Rest::Asleep);
        }
        until
    }

    /// Tells the engine where the callers are.
    fn tell(&mut self, world: &mut World, queued: bool, urgent: bool, phase: Phase) {
        self.told_queued = queued;
        let phase = EnginePhase::new(phase, |at| at.saturating_duration_since(self.started));
        self.step(world, Input::Callers { queued, urgent, phase });
    }

    fn step(&mut self, world: &mut World, input: Input<'_>) {
        self.engine.step(world.now, input);
        while let Some(output) = self.engine.poll() {
            match output {
                Output::Connect { link, endpoint } => {
                    if link >= self.sockets.len() {
                        self.sockets.resize(link + 1, Socket::None);
                    }
                    self.sockets[link] = Socket::Dialling(world.connect(endpoint));
                }
                Output::HalfClose { link } => {
                    if let Socket::Open(flow) = self.sockets[link] {
                        world.trace.note(world.now, || format!("flow {flow} half-closed"));
                        world.half_close(flow);
                    }
                }
                Output::Disconnect { link } => self.disconnect(world, link),
            }
        }
    }

    fn disconnect(&mut self, world: &mut World, link: usize) {
        if let Socket::Open(flow) | Socket::Dialling(flow) = self.sockets[link] {
            world
                .trace
                .note(world.now, || format!("flow {flow} dropped by the client"));
            world.drop_flow(flow, true);
        }
        self.sockets[link] = Socket::None;
    }

    fn connect(&mut self, world: &mut World) {
        for link in 0..self.sockets.len() {
            let Socket::Dialling(flow) = self.sockets[link] else {
                continue;
            };
            match world.dial(flow) {
                Dial::Waiting => {}
                Dial::Connected => {
                    self.sockets[link] = Socket::Open(flow);
                    world.oracle.connected(world.now, flow);
                    let credentials = Credentials::default();
                    self.step(world, Input::Connected { link, credentials });
                }
                Dial::Refused => {
                    self.sockets[link] = Socket::None;
                    let why = "connection refused".to_owned();
                    self.step(world, Input::Refused { link, why });
                }
            }
        }
    }

    fn fill(&mut self, world: &mut World) {
        while let Some((link, room)) = self.engine.wants() {
            self.post(world);
            let mut state = self.queue.lock();
            let taken = match world.now < self.lingers_until && self.queue.may_linger(&state) {
                true => None,
                false => state.take(room.bytes, room.points),
            };
            let queued = state.queued() > 0;
            let (urgent, phase) = (state.is_urgent(), state.phase());
            drop(state);
            let Some(lines) = taken else { return };
            // Callers may look between any two critical sections.
            if self.queue.is_reached(lines.first() + 1) {
                world
                    .oracle
                    .fail("promise 6: a barrier slips through between the queue and the worker");
            }
            self.lingers_until = world.now.saturating_add(self.linger);
            world.oracle.taken(lines.first(), lines.points());
            let lines = lines.compact(&mut self.engine.verdicts().spare);
            self.step(world, Input::Lines { link, lines });
            if !queued {
                self.tell(world, queued, urgent, phase);
            }
        }
    }

    fn write(&mut self, world: &mut World, link: usize) {
        let now = world.now;
        let mut slices = Vec::new();
        self.engine.unwritten(now, link, &mut slices);
        if slices.is_empty() {
            return;
        }
        drop(slices);
        self.read(world, link);
        let mut slices: Vec<IoSlice<'_>> = Vec::with_capacity(64);
        self.engine.unwritten(now, link, &mut slices);
        let Socket::Open(flow) = self.sockets[link] else {
            return;
        };
        if slices.is_empty() {
            return;
        }
        let written = world.write(flow, &slices);
        drop(slices);
        match written {
            Some(0) => {}
            Some(bytes) => {
                world
                    .trace
                    .note(world.now, || format!("flow {flow} took {bytes} bytes"));
                self.unfinished = true;
                let bytes = bytes as u64;
                self.step(world, Input::Wrote { link, bytes });
            }
            None => self.broken(world, link, flow),
        }
    }

    fn read(&mut self, world: &mut World, link: usize) {
        while let Socket::Open(flow) = self.sockets[link] {
            let incoming = world.read(flow);
            self.unfinished |= !matches!(incoming, Incoming::Nothing);
            match incoming {
                Incoming::Bytes(bytes) => {
                    world.trace.note(world.now, || {
                        format!("flow {flow} said {:?}", String::from_utf8_lossy(&bytes))
                    });
                    let bytes = &bytes;
                    self.step(world, Input::Received { link, bytes });
                }
                Incoming::Nothing => break,
                Incoming::End => {
                    let kernel = world.acknowledged(flow);
                    world
                        .trace
                        .note(world.now, || format!("flow {flow} ended, the peer has {kernel:?}"));
                    self.sockets[link] = Socket::None;
                    world.drop_flow(flow, false);
                    self.step(world, Input::Ended { link, kernel });
                }
                Incoming::Broken => self.broken(world, link, flow),
            }
        }
    }

    fn broken(&mut self, world: &mut World, link: usize, flow: usize) {
        let kernel = world.acknowledged(flow);
        world
            .trace
            .note(world.now, || format!("flow {flow} broken, the peer has {kernel:?}"));
        self.sockets[link] = Socket::None;
        world.drop_flow(flow, false);
        let why = "connection reset by peer".to_owned();
        self.step(world, Input::Broken { link, why, kernel });
    }

    fn post(&mut self, world: &mut World) {
        let tally = std::mem::take(&mut self.engine.verdicts().tally);
        let (low, since) = self.engine.low().unzip();
        let mut state = self.queue.lock();
        let spare = &mut self.engine.verdicts().spare;
        state.post(&tally, low.unwrap_or(u64::MAX), since, spare);
        world.oracle.check(world.now, &state.ledger());
    }
}
