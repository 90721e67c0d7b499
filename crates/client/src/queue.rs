//! The queue: bounded memory between callers and the worker, with the ledger under the same lock.
//!
//! ```text
//!          oldest                                   newest
//!   take <-- [block] [block] [block] [block, open] <-- append
//!              ^ full: the oldest line goes, counted
//! ```
//!
//! Callers append on their own threads; the worker takes blocks from the front, posts verdicts and
//! goes to sleep, each in one short critical section. Under the lock nothing is logged, no I/O is
//! done, and nothing is allocated, freed or copied but the line that is sent: a new block's memory is fetched with the lock
//! released, and what was dropped is freed then.
//!
//! **Sleeping.** The worker says how it sleeps in [`Rest`], under the lock and only while there is
//! nothing for it to take. Whoever changes that sees it under the same lock and wakes the worker
//! after releasing it. So no wake-up is lost, and none is paid while the worker is awake.
//!
//! **Positions** number the queued points from 0. A flush is the wait for the lowest position
//! without a verdict to reach the next position at the time of the call: it needs no place in the
//! queue.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use potsdb_wire::Timestamp;

use crate::clock;
use crate::config::options::Overflow;
use crate::error::SendError;
use crate::queue::block::{Lines, Memory};
use crate::queue::ledger::Tally;
use crate::queue::repeat::CachedSeries;
use crate::queue::sync::{Condvar, Mutex, MutexGuard, is_worker, lock};

mod age;
#[cfg(all(test, not(potsdb_loom)))]
mod allocator;
pub(crate) mod block;
pub(crate) mod bulk;
pub(crate) mod census;
pub(crate) mod ledger;
pub(crate) mod repeat;
mod state;
pub(crate) mod sync;
#[cfg(all(test, not(potsdb_loom)))]
mod tests;

pub(crate) use age::part;
pub(crate) use state::{Counts, State};

/// Added to the end of a slice, so that `Full` is never what a slice ends with.
const SLACK: Duration = Duration::from_millis(1);

/// What became of a point handed to `send`.
///
/// ```
/// use potsdb::{Client, Sent};
///
/// let client = Client::open("tsdb://localhost?test_mode=true")?;
/// match client.send("web.requests", 1, ())? {
///     Sent::Queued => {}
///     Sent::Repeated => println!("there is a point at this second already"),
///     Sent::Dropped | _ => println!("given up at once, and counted"),
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Sent {
    /// It is queued, and will have its verdict in the statistics.
    Queued,
    /// Its series already has a point at that time: counted, not queued.
    Repeated,
    /// Accepted and given up at once, counted: the client was stopped, or its queue is full under
    /// `overflow=drop_newest`.
    Dropped,
}

/// How long a caller is prepared to wait for room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// As the option `overflow` says.
    Configured,
    /// Not at all: [`SendError::WouldBlock`](crate::SendError::WouldBlock) where `overflow=block`
    /// would wait.
    No,
    /// Until then, where `overflow=block` would wait.
    Until(Instant),
    /// As `Until`, but time that runs out is [`SendError::WouldBlock`](crate::SendError::WouldBlock)
    /// and counts nothing: for bindings that wait in slices.
    Slice(Instant),
}

/// How far a client has come, as positions: the first point it accepted has position 0, the next 1, and so on. From
/// [`Client::progress`](crate::Client::progress).
///
/// ```
/// use std::time::Duration;
///
/// let client = potsdb::Client::open("tsdb://localhost?test_mode=true&host_tag=false")?;
/// let sent = client.send_lines(b"put a 1767225600 1 h=x\n", Duration::from_secs(5))?;
/// client.flush(Duration::from_secs(5))?;
/// assert!(client.progress().reached >= sent.upto);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// Every point below has its verdict.
    pub reached: u64,
    /// Every point below has its verdict, or is in the spool and synced: as far as somebody asked by
    /// [`secure`](crate::Client::secure) or [`sync`](crate::Client::sync), and where there is a spool.
    pub safe: u64,
    /// How many points were dropped so far. A safe point may still be dropped, from a full spool say; while this stays the
    /// same, none was.
    pub given_up: u64,
}

/// How the worker is resting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rest {
    /// It runs, or waits for something other than points.
    Awake,
    /// It gathers points for a few milliseconds: a full block wakes it, or half a queue.
    Lingering,
    /// No connection takes points, and beyond half a queue the spool does: that wakes it.
    Filling,
    /// Any point wakes it.
    Asleep,
}

/// The memory of a point's series, the home it is of, and the point's time.
type Repeat<'a> = (&'a Arc<CachedSeries>, u64, Timestamp);

/// What callers want of the worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Open,
    /// Drain, until then if given.
    Closing(Option<Instant>),
    /// Give everything up, as asked.
    Stopped,
    /// The program ends: give everything up, as a close at its deadline does.
    Abandoned,
}

pub(crate) struct Queue {
    state: Mutex<State>,
    /// Something waited for may have come: room, a barrier, the end.
    changed: Condvar,
    wake: Box<dyn Fn() + Send + Sync>,
    limit_points: u64,
    limit_bytes: usize,
    overflow: Overflow,
    /// The phase, as far as a forked child may look: see [`Queue::inherit`].
    mark: AtomicU8,
}

const OPEN: u8 = 0;
const CLOSING: u8 = 1;
const STOPPED: u8 = 2;

impl Queue {
    pub(crate) fn new(
        limit_points: usize,
        limit_bytes: usize,
        overflow: Overflow,
        wake: Box<dyn Fn() + Send + Sync>,
    ) -> Queue {
        Queue {
            state: Mutex::new(State::new(limit_bytes)),
            changed: Condvar::new(),
            wake,
            limit_points: if limit_points == 0 {
                u64::MAX
            } else {
                limit_points as u64
            },
            limit_bytes,
            overflow,
            mark: AtomicU8::new(OPEN),
        }
    }

    /// Takes the lock: the worker's side of the queue is the methods of [`State`].
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Appends one point's line. `repeat` is the series' memory and whose it is.
    #[inline]
    pub(crate) fn append(&self, line: &[u8], repeat: Option<Repeat<'_>>, wait: Wait) -> Result<Sent, SendError> {
        let state = self.lock();
        let new = repeat.is_none_or(|(known, home, timestamp)| !known.recent.holds(home, timestamp));
        if new && state.phase == Phase::Open && self.has_room(&state, 1, line.len()) && state.open.fits(line.len()) {
            self.push(state, line, 1, repeat);
            return Ok(Sent::Queued);
        }
        self.append_slowly(state, line, repeat, wait)
    }

    /// All that keeps a point from going into the open block at once.
    #[cold]
    fn append_slowly<'a>(
        &'a self,
        state: MutexGuard<'a, State>,
        line: &[u8],
        repeat: Option<Repeat<'_>>,
        wait: Wait,
    ) -> Result<Sent, SendError> {
        let bytes = line.len();
        let mut fresh = None;
        let mut deadline = None;
        // Declared after `fresh`, so that it is released before that is freed.
        let mut state = state;
        loop {
            if let Some(done) = state.without_queueing()? {
                return Ok(done);
            }
            if is_repeat(&mut state, repeat) {
                return Ok(Sent::Repeated);
            }
            if !self.has_room(&state, 1, bytes) {
                match self.overflow {
                    Overflow::DropOldest => {
                        let emptied = self.make_room(&mut state, bytes);
                        if emptied.is_some() {
                            drop(state);
                            drop(emptied);
                            state = self.lock();
                            continue;
                        }
                    }
                    Overflow::DropNewest => {
                        state.ledger.accepted += 1;
                        state.ledger.dropped_by_callers.queue_full += 1;
                        return Ok(Sent::Dropped);
                    }
                    Overflow::Block(limit) => {
                        let until = match wait {
                            Wait::No => return Err(SendError::WouldBlock),
                            Wait::Until(instant) => Some(instant),
                            Wait::Slice(instant) => match instant.checked_duration_since(Instant::now()) {
                                Some(left) if !left.is_zero() => Some(instant + SLACK),
                                _ => return Err(SendError::WouldBlock),
                            },
                            Wait::Configured => *deadline.get_or_insert_with(|| limit.and_then(clock::deadline)),
                        };
                        state = self.wait_for_room(state, until).map_err(|mut state| {
                            state.ledger.full += 1;
                            SendError::Full
                        })?;
                        continue;
                    }
                }
            }
            if state.has_block_for(bytes, &mut fresh) {
                break;
            }
            let spare = state.take_spare();
            drop(state);
            fresh = Some(Memory::new(spare));
            state = self.lock();
        }
        self.push(state, line, 1, repeat);
        Ok(Sent::Queued)
    }

    /// Appends lines there is a block for, remembers the time of a single one, and releases the lock.
    #[inline]
    fn push(&self, mut state: MutexGuard<'_, State>, lines: &[u8], points: u32, repeat: Option<Repeat<'_>>) {
        state.push(lines, points);
        if let Some((known, home, timestamp)) = repeat {
            known.recent.remember(home, timestamp);
        }
        self.release(state);
    }

    /// Appends whole canonical lines, at most 8 KiB and a queueful of them, waiting for room
    /// until `deadline`. With `repeat` it is one line, which is not appended if it is a repeat.
    pub(crate) fn append_lines(
        &self,
        lines: &[u8],
        points: u32,
        repeat: Option<Repeat<'_>>,
        deadline: Option<Instant>,
    ) -> Result<Sent, SendError> {
        let mut fresh = None;
        let mut state = self.lock();
        loop {
            match state.phase {
                Phase::Open => {}
                Phase::Closing(_) => return Err(SendError::Closed),
                Phase::Stopped | Phase::Abandoned => {
                    state.ledger.accepted += u64::from(points);
                    state.give_up(u64::from(points));
                    return Ok(Sent::Dropped);
                }
            }
            if is_repeat(&mut state, repeat) {
                return Ok(Sent::Repeated);
            }
            if !self.has_room(&state, u64::from(points), lines.len()) && state.ledger.queued > 0 {
                // Not counted as `full`: what was not taken is given again, in the caller's next slice of time perhaps.
                state = self.wait_for_room(state, deadline).map_err(|_| SendError::Full)?;
            } else if state.has_block_for(lines.len(), &mut fresh) {
                break;
            } else {
                let spare = state.take_spare();
                drop(state);
                fresh = Some(Memory::new(spare));
                state = self.lock();
            }
        }
        self.push(state, lines, points, repeat);
        Ok(Sent::Queued)
    }

    /// The most points that [`append_lines`](Queue::append_lines) takes at once.
    pub(crate) fn limit_points(&self) -> u64 {
        self.limit_points
    }

    /// Counts a call that never became a point.
    pub(crate) fn count_invalid(&self) {
        self.lock().ledger.invalid += 1;
    }

    /// Counts repairs made under `invalid=replace`.
    pub(crate) fn count_replaced(&self, replaced: u32) {
        self.lock().ledger.replaced += u64::from(replaced);
    }

    /// Counts what was wrong with a batch of lines.
    pub(crate) fn count_bulk(&self, invalid: u64, replaced: u32) {
        let mut state = self.lock();
        state.ledger.invalid += invalid;
        state.ledger.replaced += u64::from(replaced);
    }

    /// The position a flush called now has to wait for; tells the worker that someone waits.
    pub(crate) fn barrier(&self) -> u64 {
        let mut state = self.lock();
        let to = state.next;
        if state.low() < to && !state.ended {
            state.flush_to = state.flush_to.max(to);
            drop(state);
            (self.wake)();
        }
        to
    }

    /// The position a sync called now has to wait for; tells the worker that someone waits.
    pub(crate) fn sync_barrier(&self) -> u64 {
        let state = self.lock();
        let to = state.next;
        self.ask_for_safety(state, to);
        to
    }

    /// Asks for every point below `to` to be safe.
    pub(crate) fn secure(&self, to: u64) {
        self.ask_for_safety(self.lock(), to);
    }

    /// How far it has come.
    pub(crate) fn progress(&self) -> Progress {
        self.lock().progress()
    }

    /// The position the next point gets.
    pub(crate) fn next(&self) -> u64 {
        self.lock().next
    }

    fn ask_for_safety(&self, mut state: MutexGuard<'_, State>, to: u64) {
        if !state.is_safe(to) && !state.ended {
            state.sync_to = state.sync_to.max(to);
            drop(state);
            (self.wake)();
        }
    }

    /// Whether every point below `to` has its verdict or is on disk and synced.
    pub(crate) fn is_safe(&self, to: u64) -> bool {
        self.lock().is_safe(to)
    }

    /// Waits until every point below `to` has its verdict or is on disk and synced; returns whether that came.
    pub(crate) fn wait_safe(&self, to: u64, deadline: Option<Instant>) -> bool {
        self.wait_while_running(deadline, |state| state.is_safe(to))
    }

    /// Whether every point below `to` has its verdict.
    pub(crate) fn is_reached(&self, to: u64) -> bool {
        self.lock().is_reached(to)
    }

    /// Waits for [`is_reached`](Queue::is_reached) until `deadline`; returns whether it came.
    pub(crate) fn wait_reached(&self, to: u64, deadline: Option<Instant>) -> bool {
        self.wait_while_running(deadline, |state| state.is_reached(to))
    }

    /// Whether the worker has ended.
    pub(crate) fn has_ended(&self) -> bool {
        self.lock().ended
    }

    /// Waits for the worker's end.
    pub(crate) fn wait_ended(&self, deadline: Option<Instant>) -> bool {
        self.wait_until(deadline, |state| state.ended)
    }

    /// Begins to close, or moves the deadline of a close under way. The earliest deadline counts.
    pub(crate) fn close(&self, deadline: Option<Instant>) {
        let mut state = self.lock();
        state.phase = match state.phase {
            Phase::Open => Phase::Closing(deadline),
            Phase::Closing(None) => Phase::Closing(deadline),
            Phase::Closing(Some(earlier)) => Phase::Closing(Some(deadline.map_or(earlier, |new| new.min(earlier)))),
            given_up => given_up,
        };
        if matches!(state.phase, Phase::Closing(_)) {
            self.mark.store(CLOSING, Ordering::Relaxed);
        }
        drop(state);
        self.changed.notify_all();
        (self.wake)();
    }

    /// Gives up what is queued, and tells the worker to give up the rest.
    pub(crate) fn stop(&self) {
        self.mark.store(STOPPED, Ordering::Relaxed);
        self.give_up(Phase::Stopped);
    }

    /// As [`stop`](Queue::stop), at the program's end: nobody asked for the points to go.
    pub(crate) fn abandon(&self) {
        self.give_up(Phase::Abandoned);
    }

    fn give_up(&self, phase: Phase) {
        let mut state = self.lock();
        state.phase = phase;
        let (queued, cleared) = state.clear();
        state.give_up(queued);
        drop(state);
        drop(cleared);
        self.changed.notify_all();
        (self.wake)();
    }

    /// Takes over, in a forked child, what was asked of its parent's queue before the fork. Touches no
    /// lock of the parent's: a thread the child does not have may hold it.
    pub(crate) fn inherit(&self, parent: &Queue) {
        match parent.mark.load(Ordering::Relaxed) {
            CLOSING => self.close(None),
            STOPPED => self.stop(),
            _ => {}
        }
    }

    /// The worker's last act, also after a panic: nothing is pending any more but what the spool keeps, the lowest position
    /// of which is `spooled`.
    pub(crate) fn end(&self, tally: &Tally, spooled: Option<u64>) {
        let mut state = self.lock();
        state.ledger.post(tally);
        let (queued, cleared) = state.clear();
        let given_up = queued + std::mem::take(&mut state.ledger.in_flight);
        if state.phase == Phase::Open {
            state.phase = Phase::Closing(None);
        }
        state.give_up(given_up);
        state.held_low = spooled.unwrap_or(u64::MAX);
        state.held_since = None;
        state.ended = true;
        drop(state);
        drop(cleared);
        self.changed.notify_all();
    }

    #[inline]
    fn has_room(&self, state: &State, points: u64, bytes: usize) -> bool {
        state.ledger.queued + points <= self.limit_points && state.queued_bytes + bytes <= self.limit_bytes
    }

    /// From here on points are taken as they come: who lingers meanwhile might find the queue full.
    #[inline]
    pub(crate) fn is_half_full(&self, state: &State) -> bool {
        state.ledger.queued > self.limit_points / 2 || state.queued_bytes > self.limit_bytes / 2
    }

    /// Whether so little waits that the spool need not take any of it.
    pub(crate) fn is_nearly_empty(&self, state: &State) -> bool {
        state.ledger.queued <= self.limit_points / 8 && state.queued_bytes <= self.limit_bytes / 8
    }

    /// Says how the worker is about to rest. Returns `false`, and leaves it awake, when there is something to take after all.
    pub(crate) fn rest(&self, state: &mut State, rest: Rest) -> bool {
        let idle = match rest {
            Rest::Awake => true,
            Rest::Lingering => self.may_linger(state),
            Rest::Filling => !self.is_half_full(state),
            Rest::Asleep => state.ledger.queued == 0,
        };
        state.rest = if idle { rest } else { Rest::Awake };
        idle
    }

    /// Whether what is queued may wait for more of its kind: it is less than a block, and nobody waits for it.
    pub(crate) fn may_linger(&self, state: &State) -> bool {
        state.full.is_empty() && !state.is_urgent() && !self.is_half_full(state)
    }

    /// Drops the oldest lines until one of `bytes` fits, or there is memory to be freed first, which is returned.
    fn make_room(&self, state: &mut State, bytes: usize) -> Option<Lines> {
        let mut emptied = None;
        while emptied.is_none() && !self.has_room(state, 1, bytes) && state.drop_oldest(&mut emptied) {
            state.ledger.dropped_by_callers.queue_full += 1;
        }
        if state.waiting > 0 {
            self.changed.notify_all();
        }
        emptied
    }

    /// Waits for a change while the queue is full. Bounded by close and stop, and by `deadline`, at which the lock is the error.
    fn wait_for_room<'a>(
        &self,
        mut state: MutexGuard<'a, State>,
        deadline: Option<Instant>,
    ) -> Result<MutexGuard<'a, State>, MutexGuard<'a, State>> {
        // The worker makes the room: if it is the one that sends (a log record of its own), no
        // waiting helps.
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        if left.is_some_and(|left| left.is_zero()) || is_worker() {
            return Err(state);
        }
        if state.rest != Rest::Awake {
            state.rest = Rest::Awake;
            (self.wake)();
        }
        Ok(self.wait_change(state, left))
    }

    /// Waits until something is so, the worker has ended or the deadline has come; returns whether it is so.
    fn wait_while_running(&self, deadline: Option<Instant>, is_so: impl Fn(&State) -> bool) -> bool {
        self.wait_until(deadline, |state| is_so(state) || state.ended);
        is_so(&self.lock())
    }

    fn wait_until(&self, deadline: Option<Instant>, mut reached: impl FnMut(&State) -> bool) -> bool {
        let mut state = self.lock();
        loop {
            if reached(&state) {
                return true;
            }
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) || is_worker() {
                return false;
            }
            state = self.wait_change(state, left);
        }
    }

    #[cfg(not(potsdb_loom))]
    fn wait_change<'a>(&self, mut state: MutexGuard<'a, State>, left: Option<Duration>) -> MutexGuard<'a, State> {
        use std::sync::PoisonError;
        state.waiting += 1;
        let mut state = match left {
            Some(left) => {
                self.changed
                    .wait_timeout(state, left)
                    .unwrap_or_else(PoisonError::into_inner)
                    .0
            }
            None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
        };
        state.waiting -= 1;
        state
    }

    /// A model has no clock: it waits without a limit.
    #[cfg(potsdb_loom)]
    fn wait_change<'a>(&self, mut state: MutexGuard<'a, State>, _left: Option<Duration>) -> MutexGuard<'a, State> {
        state.waiting += 1;
        let mut state = self
            .changed
            .wait(state)
            .expect("no thread of a model panics under the lock");
        state.waiting -= 1;
        state
    }

    /// Releases the lock after an append, and wakes the worker if it sleeps.
    #[inline]
    fn release(&self, mut state: MutexGuard<'_, State>) {
        let wake = match state.rest {
            Rest::Awake => false,
            Rest::Lingering => !state.full.is_empty() || self.is_half_full(&state),
            Rest::Filling => self.is_half_full(&state),
            Rest::Asleep => true,
        };
        if wake {
            state.rest = Rest::Awake;
            drop(state);
            (self.wake)();
        }
    }

    /// As [`announce`](Queue::announce), in the middle of a turn: only when there is room for a while, or many senders would be
    /// woken for each block that is taken, and fall asleep again over the last of its room.
    pub(crate) fn announce_room(&self, state: MutexGuard<'_, State>) {
        if !self.is_half_full(&state) {
            self.announce(state);
        }
    }

    /// Lets everybody who waits look again; called by the worker at a turn's beginning and end.
    pub(crate) fn announce(&self, state: MutexGuard<'_, State>) {
        let waiting = state.waiting > 0;
        drop(state);
        if waiting {
            self.changed.notify_all();
        }
    }
}

/// Whether a point is a repeat, which is counted and told of then.
fn is_repeat(state: &mut State, repeat: Option<Repeat<'_>>) -> bool {
    let found = repeat.filter(|(known, home, timestamp)| known.recent.holds(*home, *timestamp));
    if let Some((known, ..)) = found {
        state.ledger.repeated += 1;
        state.repeated.get_or_insert_with(|| known.clone());
    }
    found.is_some()
}
