//! The driver: the loop around the engine, over any network.
//!
//! ```text
//!  turn:  callers, read --> connect --> ask the kernel --> [ fill, write ] up to 32 times --> post
//!  rest:  how to wait, and for how long at most; whoever drives it waits, and says what is readable
//! ```
//!
//! A turn tells the engine where the callers are and what the connections said, does what the engine puts out, moves
//! lines from the queue to the connections and posts verdicts. The engine decides everything about connections and
//! lines; the driver decides when to linger and how to rest. See `queue.rs` for how it sleeps without missing a point.
//!
//! A turn is bounded, whatever the servers and callers do: a slot is read [`READS`] times and written to once a round.
//! What is left then comes in the next turn, after the callers and the other slots.
//!
//! `worker.rs` drives it over sockets, the simulation over a virtual network. What is tested is what runs.

use std::io::{self, IoSlice};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::config::credentials::Credentials;
use crate::config::endpoint::Scheme;
use crate::config::options::Options;
use crate::engine::{Engine, EnginePhase, Input, Output};
use crate::net::connection::Incoming;
use crate::net::linger::Linger;
use crate::net::publish::{Publisher, STATUS_EVERY, Shared};
use crate::queue::block::{BLOCK_BYTES, Memory};
use crate::queue::ledger::Tally;
use crate::queue::sync::MutexGuard;
use crate::queue::{Phase, Queue, Rest, State};
use crate::spooling::Spooling;

/// Rounds of filling and writing before replies and callers are looked at again.
const ROUNDS: usize = 32;

/// Reads of a slot in one turn.
pub(crate) const READS: u32 = 16;

/// How much is read at once.
pub(crate) const READ_BYTES: usize = 64 * 1024;

/// Blocks taken from the queue in one round.
const FILLS: usize = 256;

/// What a driver needs of a network.
pub(crate) trait Network: Observer {
    /// An attempt to connect, until it succeeds or fails.
    type Attempt;
    type Connection;

    /// The time since the client was opened.
    fn now(&self) -> Duration;

    /// Begins to connect to an endpoint.
    fn connect(&mut self, endpoint: usize) -> Self::Attempt;

    /// Moves an attempt along.
    fn advance(&mut self, attempt: &mut Self::Attempt) -> Progress<Self::Connection>;

    /// When to move it along next, if nothing happens before.
    fn deadline(&self, attempt: &Self::Attempt) -> Option<Duration>;

    /// Gives up an attempt.
    fn abandon(&mut self, attempt: Self::Attempt);

    fn read(&mut self, connection: &mut Self::Connection, buffer: &mut [u8]) -> io::Result<Incoming>;

    /// Writes what the network takes; 0: nothing for now. What was not written is shown again, as it was.
    fn write(&mut self, connection: &mut Self::Connection, slices: &[IoSlice<'_>]) -> io::Result<usize>;

    /// Ends the sending side.
    fn half_close(&mut self, connection: &mut Self::Connection);

    /// How many of the bytes written the peer's kernel has acknowledged; `None`: this platform cannot tell.
    fn acknowledged(&mut self, connection: &Self::Connection) -> Option<u64>;

    /// Ends a connection, or lets go of one that has ended.
    fn close(&mut self, connection: Self::Connection);
}

/// What tests see of a driver's inside. Production looks at nothing, and pays nothing.
pub(crate) trait Observer {
    /// Of so many queued points the oldest were given up because of their age.
    fn expired(&mut self, _queued: u64, _expired: u64) {}

    /// Points were taken from the queue.
    fn taken(&mut self, _queue: &Queue, _first: u64, _points: u64) {}

    /// What was learned is posted.
    fn posted(&mut self, _state: &State) {}
}

/// How far an attempt to connect has come.
pub(crate) enum Progress<C> {
    Waiting,
    /// It knows its addresses and its secrets now; it may have come further by the next call.
    Dialling,
    /// With what the connection is to say to be let in.
    Connected(C, Credentials),
    Refused(String),
}

/// The place of one connection.
enum Slot<N: Network> {
    Idle,
    Connecting(N::Attempt),
    Open(Open<N::Connection>),
}

struct Open<C> {
    connection: C,
    /// There may be something to read.
    readable: bool,
    /// How often it was read in this turn.
    reads: u32,
}

impl<C> Open<C> {
    fn new(connection: C) -> Open<C> {
        // What it said while it was connecting is told by nobody.
        Open {
            connection,
            readable: true,
            reads: 0,
        }
    }

    /// Whether it was read in this turn until there was nothing.
    fn was_read_out(&self) -> bool {
        self.reads > 0 && !self.readable
    }
}

pub(crate) struct Driver<N: Network> {
    pub(crate) network: N,
    queue: Arc<Queue>,
    shared: Arc<Shared>,
    engine: Engine,
    slots: Vec<Slot<N>>,
    linger: Linger,
    max_age: Option<Duration>,
    /// The engine's zero, for what the queue keeps as instants.
    started: Instant,
    /// The time of this round.
    now: Duration,
    buffer: Vec<u8>,
    /// The slots whose kernel is to be asked; kept for its memory.
    asked: Vec<usize>,
    /// The slices of a write; kept for its memory.
    slices: Vec<IoSlice<'static>>,
    publisher: Publisher,
    spooling: Option<Spooling>,
    /// Lines were taken: more of their kind may be on their way, and are waited for until then.
    lingers_until: Duration,
    /// The last round wrote or read something: there may be more, and no socket will say that it takes it.
    moved: bool,
    /// What the engine was last told: that points are queued, or wait on disk.
    told_queued: bool,
    told_precautions: bool,
}

impl<N: Network> Driver<N> {
    pub(crate) fn new(
        options: &Options,
        scheme: Scheme,
        engine: Engine,
        queue: Arc<Queue>,
        shared: Arc<Shared>,
        started: Instant,
        network: N,
    ) -> Driver<N> {
        let mut driver = Driver {
            network,
            queue,
            shared,
            engine,
            slots: Vec::new(),
            linger: Linger::new(options.linger, scheme, options.max_age),
            max_age: options.max_age,
            started,
            now: Duration::ZERO,
            buffer: vec![0; READ_BYTES],
            asked: Vec::new(),
            slices: Vec::new(),
            publisher: Publisher::new(),
            spooling: None,
            lingers_until: Duration::ZERO,
            moved: false,
            told_queued: false,
            told_precautions: false,
        };
        driver.publish_status();
        driver
    }

    /// What memory cannot hold goes there.
    pub(crate) fn with_spool(mut self, spooling: Option<Spooling>) -> Driver<N> {
        self.spooling = spooling;
        self.publisher.changed();
        self.publish_status();
        self
    }

    /// Everything has its verdict and every connection has ended.
    pub(crate) fn is_done(&self) -> bool {
        self.engine.is_done() && self.spooling.as_ref().is_none_or(Spooling::is_over)
    }

    /// Lets go of everything; returns what is still to be posted.
    pub(crate) fn end(&mut self) -> Tally {
        for slot in 0..self.slots.len() {
            self.disconnect(slot);
        }
        drop(post(
            &mut self.publisher,
            self.now,
            &self.queue,
            &mut self.engine,
            &mut self.network,
        ));
        if let Some(spooling) = &self.spooling {
            self.queue.lock().set_safe(spooling.safe(&self.engine));
        }
        self.report();
        self.publish_status();
        std::mem::take(&mut self.engine.verdicts().tally)
    }

    /// Tells what was held back: nothing comes after it, not even after a panic.
    pub(crate) fn last_words(&mut self) {
        self.publisher.finish(&self.shared);
    }

    /// The network has something to say about a connection.
    pub(crate) fn readable(&mut self, is_it: impl Fn(&N::Connection) -> bool) {
        let open = self.slots.iter_mut().find_map(|slot| match slot {
            Slot::Open(open) if is_it(&open.connection) => Some(open),
            _ => None,
        });
        if let Some(open) = open {
            open.readable = true;
        }
    }

    /// One round over callers, connections and lines.
    pub(crate) fn turn(&mut self) {
        self.now = self.network.now();
        if let Some(age) = self.max_age {
            let queued = self.queue.lock().queued();
            let expired = self.queue.expire(self.started + self.now, age);
            self.network.expired(queued, expired);
        }
        let mut state = self.queue.lock();
        let (queued, urgent, phase) = (state.queued() > 0, state.is_urgent(), state.phase());
        state.wake();
        self.queue.announce(state);
        self.read_all();
        self.hear_spool();
        self.tell(queued, urgent, phase);
        self.connect();
        // Before the rounds, because what comes of it may be lines for another slot.
        self.ask_kernel();
        for _ in 0..ROUNDS {
            self.now = self.network.now();
            self.moved = false;
            self.fill();
            self.fill_precautions();
            self.spool();
            for slot in 0..self.slots.len() {
                self.write(slot);
            }
            if !self.moved {
                break;
            }
        }
        self.close_spool(phase);
        let safe = self.look_what_is_safe();
        let mut state = post(
            &mut self.publisher,
            self.now,
            &self.queue,
            &mut self.engine,
            &mut self.network,
        );
        if let Some(safe) = safe {
            state.set_safe(safe);
        }
        let progress = state.progress();
        self.queue.announce(state);
        self.shared.progress.tell(progress);
        self.engine.verdicts().spare.clear();
        self.report();
        if self.publisher.is_due(self.now) {
            self.publish_status();
        }
    }

    /// Decides how to rest and for how long at most; `None`: until something happens.
    pub(crate) fn rest(&mut self) -> Option<Duration> {
        self.now = self.network.now();
        let now = self.now;
        let network = &self.network;
        let mut unfinished = self.moved;
        let reports = self.publisher.report_due();
        let timer = self.engine.next_timer().map(|(at, _)| at);
        let mut until = timer.into_iter().chain(reports).min();
        for slot in &self.slots {
            match slot {
                Slot::Idle => {}
                Slot::Connecting(attempt) => until = until.into_iter().chain(network.deadline(attempt)).min(),
                Slot::Open(open) => unfinished |= open.readable,
            }
        }
        let wants = self.engine.wants().is_some();
        let goes_on = self.goes_on_from_spool(wants);
        let mut state = self.queue.lock();
        let expires = self.max_age.and_then(|age| state.expires_at(self.started + now, age));
        let expires = expires.map(|at| at.saturating_duration_since(self.started));
        let spool = self
            .spooling
            .as_ref()
            .and_then(|spooling| spooling.deadline(state.next()));
        let until = until.into_iter().chain(expires).chain(spool).min();
        if !unfinished && now < self.lingers_until && self.queue.rest(&mut state, Rest::Lingering) {
            let linger = self.lingers_until;
            return Some(until.map_or(linger, |until| until.min(linger)).saturating_sub(now));
        }
        let queued = state.queued() > 0;
        let backlog = self.spooling.as_ref().is_some_and(Spooling::has_backlog);
        let takes = (wants && queued) || goes_on;
        // Points that came after the engine was last told have no connection asked for, and no caller wakes a
        // worker that looks awake.
        let precautions = self.spooling.as_ref().is_some_and(Spooling::has_precautions);
        let untold = ((queued || backlog) && !self.told_queued) || (precautions && !self.told_precautions);
        if unfinished || takes || untold {
            return Some(Duration::ZERO);
        }
        if !queued {
            self.queue.rest(&mut state, Rest::Asleep);
        } else if let Some(spooling) = &self.spooling
            && !self.queue.rest(&mut state, Rest::Filling)
            && spooling.takes(now)
            && !spooling.is_closing()
        {
            return Some(Duration::ZERO);
        }
        drop(state);
        if until.is_none_or(|until| until > now + STATUS_EVERY) {
            self.publish_status();
        }
        until.map(|until| until.saturating_sub(self.network.now()))
    }

    /// What the engine waits for.
    #[cfg(test)]
    pub(crate) fn next_timer(&self) -> Option<crate::exchange::Due> {
        self.engine.next_timer()
    }

    fn step(&mut self, input: Input<'_>) {
        if !matches!(input, Input::Callers { .. } | Input::Lines { .. } | Input::Wrote { .. }) {
            self.publisher.changed();
        }
        self.engine.step(self.now, input);
        self.put_out();
    }

    /// Does what the engine puts out.
    fn put_out(&mut self) {
        while let Some(output) = self.engine.poll() {
            self.publisher.changed();
            match output {
                Output::Connect { slot, endpoint } => {
                    // A connection that hands over needs one more than there were.
                    let slots = self.slots.len().max(slot + 1);
                    self.slots.resize_with(slots, || Slot::Idle);
                    self.slots[slot] = Slot::Connecting(self.network.connect(endpoint));
                }
                Output::HalfClose { slot } => {
                    if let Some(Slot::Open(open)) = self.slots.get_mut(slot) {
                        self.network.half_close(&mut open.connection);
                    }
                }
                Output::Disconnect { slot } => self.disconnect(slot),
            }
        }
    }

    /// Tells the engine where the callers are.
    fn tell(&mut self, queued: bool, urgent: bool, phase: Phase) {
        let queued = queued || self.spooling.as_ref().is_some_and(Spooling::has_backlog);
        self.told_queued = queued;
        let started = self.started;
        let phase = match phase {
            // What an earlier process left is to be delivered before the end, and how much that is, is not known yet.
            Phase::Closing(_) if self.spooling.as_ref().is_some_and(Spooling::is_opening) => Phase::Open,
            phase => phase,
        };
        let phase = EnginePhase::new(phase, |at| at.saturating_duration_since(started));
        // With a spool nothing is given up at the deadline: it takes over before.
        let phase = match (phase, &self.spooling) {
            (EnginePhase::Closing { .. }, Some(_)) => EnginePhase::Closing { deadline: None },
            _ => phase,
        };
        let precautions = self.spooling.as_ref().is_some_and(Spooling::has_precautions);
        self.told_precautions = precautions;
        self.step(Input::Callers {
            queued,
            precautions,
            urgent,
            phase,
        });
    }

    /// Moves the attempts to connect along.
    fn connect(&mut self) {
        for slot in 0..self.slots.len() {
            let Slot::Connecting(attempt) = &mut self.slots[slot] else {
                continue;
            };
            let mut progress = self.network.advance(attempt);
            if let Progress::Dialling = progress {
                self.step(Input::Dialling { slot });
                let Slot::Connecting(attempt) = &mut self.slots[slot] else {
                    continue;
                };
                progress = self.network.advance(attempt);
            }
            match progress {
                Progress::Waiting | Progress::Dialling => {}
                Progress::Connected(connection, credentials) => {
                    self.slots[slot] = Slot::Open(Open::new(connection));
                    self.step(Input::Connected { slot, credentials });
                }
                Progress::Refused(why) => {
                    self.slots[slot] = Slot::Idle;
                    self.step(Input::Refused { slot, why });
                }
            }
        }
    }

    /// Takes lines from the queue for the slots that want some.
    fn fill(&mut self) {
        for _ in 0..FILLS {
            let Some((slot, credit)) = self.engine.wants() else {
                return;
            };
            if self.fill_from_spool(slot, credit) {
                continue;
            }
            let lingering = self.now < self.lingers_until;
            let mut state = post(
                &mut self.publisher,
                self.now,
                &self.queue,
                &mut self.engine,
                &mut self.network,
            );
            // Just after something was taken callers are sending. To take their block from under them line by line would
            // cost them the lock, and its cache, for each.
            let taken = match lingering && self.queue.may_linger(&state) {
                true => None,
                false => state.take(credit.bytes, credit.points),
            };
            let queued = state.queued() > 0;
            let (urgent, phase, lacks_spare) = (state.is_urgent(), state.phase(), state.lacks_spare());
            self.queue.announce_room(state);
            let Some(lines) = taken else { return };
            self.network.taken(&self.queue, lines.first(), lines.points());
            if lacks_spare && lines.len() > BLOCK_BYTES / 2 {
                let provided = [Memory::provided(), Memory::provided()];
                self.engine.verdicts().spare.extend(provided);
            }
            self.linger.took(lines.len());
            self.lingers_until = self.now.saturating_add(self.linger.time());
            self.publisher.took(lines.points());
            self.shared.census.count(lines.bytes());
            let lines = lines.compact(&mut self.engine.verdicts().spare);
            if let Some(spooling) = &mut self.spooling {
                spooling.gave_from_queue(lines.len());
            }
            self.step(Input::Lines { slot, lines });
            if !queued {
                self.tell(queued, urgent, phase);
            }
        }
        self.moved = true;
    }

    /// Writes what a slot has to write, after a look at what the server said: once it has ended its side a write would
    /// still succeed, and be lost. One look a turn is enough, as nothing waits in between.
    fn write(&mut self, slot: usize) {
        let Slot::Open(open) = &self.slots[slot] else { return };
        if !open.was_read_out() {
            let mut slices = recycled(&mut self.slices);
            self.engine.unwritten(self.now, slot, &mut slices);
            let nothing = slices.is_empty();
            self.slices = recycled(&mut slices);
            if nothing {
                return;
            }
            self.read(slot);
        }
        let Slot::Open(open) = &mut self.slots[slot] else {
            return;
        };
        let mut slices = recycled(&mut self.slices);
        self.engine.unwritten(self.now, slot, &mut slices);
        let written = match slices.is_empty() {
            true => Ok(0),
            false => self.network.write(&mut open.connection, &slices),
        };
        self.slices = recycled(&mut slices);
        match written {
            Ok(0) => {}
            Ok(bytes) => {
                self.moved = true;
                self.step(Input::Wrote {
                    slot,
                    bytes: bytes as u64,
                });
            }
            Err(error) => self.broken(slot, &error),
        }
    }

    /// Begins a turn's reading with the slots that have something.
    fn read_all(&mut self) {
        for slot in 0..self.slots.len() {
            if let Slot::Open(open) = &mut self.slots[slot] {
                open.reads = 0;
                if open.readable {
                    self.read(slot);
                }
            }
        }
    }

    /// Reads until there is nothing, or the slot had its turn.
    fn read(&mut self, slot: usize) {
        let mut buffer = std::mem::take(&mut self.buffer);
        while let Slot::Open(open) = &mut self.slots[slot] {
            open.readable = true;
            if open.reads == READS {
                break;
            }
            open.reads += 1;
            let incoming = self.network.read(&mut open.connection, &mut buffer);
            // What it says may move lines to a slot that had its turn.
            self.moved |= !matches!(incoming, Ok(Incoming::Nothing));
            match incoming {
                Ok(Incoming::Bytes(bytes)) => self.step(Input::Received {
                    slot,
                    bytes: &buffer[..bytes],
                }),
                Ok(Incoming::More) => {}
                Ok(Incoming::Nothing) => {
                    open.readable = false;
                    break;
                }
                Ok(Incoming::End) => {
                    let kernel = self.let_go(slot);
                    self.step(Input::Ended { slot, kernel });
                }
                Err(error) => self.broken(slot, &error),
            }
        }
        self.buffer = buffer;
    }

    fn broken(&mut self, slot: usize, error: &io::Error) {
        let kernel = self.let_go(slot);
        self.step(Input::Broken {
            slot,
            why: error.to_string(),
            kernel,
        });
    }

    /// Lets go of a connection that has ended; what the peer's kernel has of it.
    fn let_go(&mut self, slot: usize) -> Option<u64> {
        match std::mem::replace(&mut self.slots[slot], Slot::Idle) {
            Slot::Open(open) => {
                let kernel = self.network.acknowledged(&open.connection);
                self.network.close(open.connection);
                kernel
            }
            _ => None,
        }
    }

    fn disconnect(&mut self, slot: usize) {
        let Some(slot) = self.slots.get_mut(slot) else { return };
        match std::mem::replace(slot, Slot::Idle) {
            Slot::Idle => {}
            Slot::Connecting(attempt) => self.network.abandon(attempt),
            Slot::Open(open) => self.network.close(open.connection),
        }
    }

    fn ask_kernel(&mut self) {
        let mut asked = std::mem::take(&mut self.asked);
        asked.extend(self.engine.asks_kernel());
        for slot in asked.drain(..) {
            let Some(Slot::Open(open)) = self.slots.get(slot) else {
                continue;
            };
            // If the platform cannot tell, written is all there is to know.
            let bytes = self.network.acknowledged(&open.connection).unwrap_or(u64::MAX);
            self.step(Input::KernelHas { slot, bytes });
        }
        self.asked = asked;
    }

    fn publish_status(&mut self) {
        if let Some(spooling) = &mut self.spooling {
            let stats = spooling.stats(self.now);
            self.publisher.spool(stats);
        }
        self.publisher.publish(self.now, &self.queue, &mut self.engine);
    }

    fn report(&mut self) {
        self.publisher.report(self.now, &mut self.engine, &self.shared);
    }
}

/// Posts what was learned, in a critical section that the caller goes on with.
fn post<'a>(
    publisher: &mut Publisher,
    now: Duration,
    queue: &'a Queue,
    engine: &mut Engine,
    observer: &mut impl Observer,
) -> MutexGuard<'a, State> {
    let state = publisher.post(now, queue, engine);
    observer.posted(&state);
    state
}

/// An empty vector with the memory of one that is no longer needed, whatever its slices borrowed.
fn recycled<'a>(slices: &mut Vec<IoSlice<'_>>) -> Vec<IoSlice<'a>> {
    slices.clear();
    let emptied = std::mem::take(slices).into_iter();
    emptied.map(|_| IoSlice::new(&[])).collect()
}

mod spool;
#[cfg(test)]
mod tests;
