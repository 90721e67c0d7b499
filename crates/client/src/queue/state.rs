//! What the queue's lock protects: blocks, ledger, positions, and how the worker rests.
//!
//! Every method is a part of some critical section: none waits, logs or does I/O, and none allocates, frees or copies
//! lines. Sealed blocks are [`Lines`] already: taking, dropping and expiring move the ends of a range. What is to be freed
//! is handed out, for the caller to free with the lock released.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use super::{Phase, Progress, Rest, Sent};
use crate::error::SendError;
use crate::queue::block::{BLOCK_BYTES, Block, Lines, Memory};
use crate::queue::ledger::{Ledger, Status, Tally};
use crate::queue::repeat::CachedSeries;

/// Empty blocks kept for callers.
const SPARE_BLOCKS: usize = 8;

/// What a block that was sealed because it was full has had appended at least: a caller appends 8 KiB at most.
const FULL_BYTES: usize = BLOCK_BYTES - 8 * 1024;

/// Blocks that are sealed before they are full: one by the worker, and those of `max_age`.
const SEALED_EARLY: usize = 64;

/// Places made for sealed blocks at most, which is beyond 3 GiB of queue: only beyond that the list grows under the lock.
const MOST_PLACES: usize = 1 << 16;

/// A block that takes no more lines. It holds at least one.
pub(super) struct Sealed {
    pub(super) lines: Lines,
    /// All of them were accepted before that. CachedSeries only where there is a `max_age`.
    pub(super) before: Option<Instant>,
}

/// Points that reports tell of, counted since the client was opened.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) queue_full: u64,
    pub(crate) repeated: u64,
    pub(crate) rejected: u64,
    pub(crate) spool_full: u64,
}

pub(crate) struct State {
    /// The block that is filled, the newest. It lies here and not in the queue of the others, so that a send
    /// touches as little memory as can be: with many threads each line of cache has to come from another core.
    pub(super) open: Block,
    /// The others, oldest first; none is empty.
    pub(super) full: VecDeque<Sealed>,
    spare: Vec<Memory>,
    pub(super) queued_bytes: usize,
    /// The position the next queued point gets.
    pub(super) next: u64,
    pub(super) ledger: Ledger,
    pub(super) phase: Phase,
    pub(super) rest: Rest,
    /// The worker has ended; nothing is pending any more.
    pub(super) ended: bool,
    /// Callers that wait for something to change.
    pub(super) waiting: u32,
    /// The highest position anybody flushes to.
    pub(super) flush_to: u64,
    /// The highest position anybody wants to be safe.
    pub(super) sync_to: u64,
    /// Every point below it has its verdict, or is on disk and synced, as far as somebody asked.
    pub(super) safe_low: u64,
    /// The lowest position the worker holds without a verdict, or holds for a re-send.
    pub(super) held_low: u64,
    pub(super) held_since: Option<Instant>,
    /// A series that was repeated, for the worker's next report.
    pub(super) repeated: Option<Arc<CachedSeries>>,
    /// What statistics say beyond the ledger, as of the last post that changed it.
    status: Arc<Status>,
}

impl State {
    pub(super) fn new(limit_bytes: usize) -> State {
        let places = (limit_bytes / FULL_BYTES + SEALED_EARLY).min(MOST_PLACES);
        State {
            open: Block::new(Memory::default()),
            full: VecDeque::with_capacity(places),
            spare: Vec::with_capacity(SPARE_BLOCKS),
            queued_bytes: 0,
            next: 0,
            ledger: Ledger::default(),
            phase: Phase::Open,
            rest: Rest::Awake,
            ended: false,
            waiting: 0,
            flush_to: 0,
            sync_to: 0,
            safe_low: 0,
            held_low: u64::MAX,
            held_since: None,
            repeated: None,
            status: Arc::default(),
        }
    }

    /// Posts what the worker learned, what it still holds, and memory it no longer needs.
    pub(crate) fn post(&mut self, tally: &Tally, held_low: u64, held_since: Option<Instant>, spare: &mut Vec<Memory>) {
        self.ledger.post(tally);
        self.held_low = held_low;
        self.held_since = held_since;
        let room = SPARE_BLOCKS - self.spare.len().min(SPARE_BLOCKS);
        self.spare.extend(spare.drain(..room.min(spare.len())));
    }

    /// Takes whole lines from the front, at most `bytes` and `points`. `None`: nothing is queued, or not even the first line
    /// fits. Lines of the open block are taken from it sealed: callers go on in a new one.
    pub(crate) fn take(&mut self, bytes: usize, points: u64) -> Option<Lines> {
        if self.full.is_empty() && self.open.points() > 0 {
            self.seal_open();
        }
        let front = &mut self.full.front_mut()?.lines;
        let taken = front.split_front(bytes, points)?;
        if front.points() == 0 {
            self.full.pop_front();
        }
        self.queued_bytes -= taken.len();
        self.ledger.queued -= taken.points();
        self.ledger.in_flight += taken.points();
        // From here on the worker answers for them: a barrier must not slip through in between.
        self.held_low = self.held_low.min(taken.first());
        Some(taken)
    }

    /// The position of the first point in the queue, or of the next to come.
    pub(crate) fn first(&self) -> u64 {
        self.next - self.ledger.queued
    }

    /// The position the next point gets.
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// The highest position that somebody wants to be safe, if it is not.
    pub(crate) fn wants_safe(&self) -> Option<u64> {
        (!self.is_safe(self.sync_to)).then_some(self.sync_to)
    }

    /// How far it has come.
    pub(crate) fn progress(&self) -> Progress {
        Progress {
            reached: self.low().min(self.next),
            safe: self.safe_low.max(self.low()).min(self.next),
            given_up: self.ledger.settled.dropped.total() + self.ledger.dropped_by_callers.total(),
        }
    }

    /// What lies below is safe.
    pub(crate) fn set_safe(&mut self, low: u64) {
        self.safe_low = self.safe_low.max(low.min(self.first()));
    }

    /// Whether every point below `to` has its verdict or is on disk and synced.
    pub(super) fn is_safe(&self, to: u64) -> bool {
        self.safe_low >= to || self.low() >= to
    }

    /// Whether callers are going to need memory that is not at hand.
    pub(crate) fn lacks_spare(&self) -> bool {
        self.spare.len() < SPARE_BLOCKS
    }

    pub(crate) fn wake(&mut self) {
        self.rest = Rest::Awake;
    }

    pub(crate) fn phase(&self) -> Phase {
        self.phase
    }

    pub(crate) fn queued(&self) -> u64 {
        self.ledger.queued
    }

    /// Whether a caller waits for a verdict or for room: no lingering then.
    pub(crate) fn is_urgent(&self) -> bool {
        self.waiting > 0 || self.low() < self.flush_to || !self.is_safe(self.sync_to) || self.phase != Phase::Open
    }

    pub(crate) fn take_repeated(&mut self) -> Option<Arc<CachedSeries>> {
        self.repeated.take()
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.ended
    }

    pub(crate) fn ledger(&self) -> Ledger {
        self.ledger
    }

    pub(crate) fn counts(&self) -> Counts {
        Counts {
            queue_full: self.ledger.dropped_by_callers.queue_full,
            repeated: self.ledger.repeated,
            rejected: self.ledger.settled.rejected,
            spool_full: self.ledger.settled.dropped.spool_full,
        }
    }

    pub(crate) fn status(&self) -> Arc<Status> {
        self.status.clone()
    }

    /// Publishes another status; returns the one before, for the caller to free.
    pub(crate) fn publish(&mut self, status: Arc<Status>) -> Arc<Status> {
        std::mem::replace(&mut self.status, status)
    }

    /// When the oldest point without a verdict was accepted, to within a block.
    pub(crate) fn oldest(&self) -> Option<Instant> {
        let open = (self.open.points() > 0).then(|| self.open.since());
        let queued = self.full.front().map(|front| front.lines.since()).or(open);
        [self.held_since, queued].into_iter().flatten().min()
    }

    /// What close and stop make of a call, before anything is looked at.
    pub(super) fn without_queueing(&mut self) -> Result<Option<Sent>, SendError> {
        match self.phase {
            Phase::Open => Ok(None),
            Phase::Closing(_) => Err(SendError::Closed),
            Phase::Stopped | Phase::Abandoned => {
                self.ledger.accepted += 1;
                self.give_up(1);
                Ok(Some(Sent::Dropped))
            }
        }
    }

    /// Counts points that are given up now, by the reason the phase gives.
    pub(super) fn give_up(&mut self, points: u64) {
        let dropped = &mut self.ledger.dropped_by_callers;
        match self.phase {
            Phase::Stopped => dropped.stopped += points,
            _ => dropped.closed += points,
        }
    }

    /// Whether the open block takes `bytes`; begins a new one in `fresh` if it does not.
    pub(super) fn has_block_for(&mut self, bytes: usize, fresh: &mut Option<Memory>) -> bool {
        if self.open.fits(bytes) {
            return true;
        }
        match fresh.take() {
            Some(memory) => {
                self.replace_open(memory);
                true
            }
            None => false,
        }
    }

    /// Memory for the next block, if there is some at hand.
    pub(super) fn take_spare(&mut self) -> Option<Memory> {
        self.spare.pop()
    }

    /// Seals the open block, as if it were full. Where no memory is at hand, the next caller that sends makes some.
    pub(super) fn seal_open(&mut self) {
        let memory = self.spare.pop().unwrap_or_default();
        self.replace_open(memory);
    }

    /// Begins a new block. An old one without lines is one without memory: lines fit in any other.
    fn replace_open(&mut self, memory: Memory) {
        let first = self.next - u64::from(self.open.points());
        let old = std::mem::replace(&mut self.open, Block::new(memory));
        if old.points() > 0 {
            self.full.push_back(Sealed {
                lines: old.seal(first),
                before: None,
            });
        }
    }

    /// Appends lines that there is a block for.
    #[inline]
    pub(super) fn push(&mut self, lines: &[u8], points: u32) {
        self.open.append(&[lines], points);
        self.queued_bytes += lines.len();
        self.next += u64::from(points);
        self.ledger.accepted += u64::from(points);
        self.ledger.queued += u64::from(points);
    }

    /// Cuts the oldest line off, if there is one. The caller counts it, and frees what is left in `emptied`.
    pub(super) fn drop_oldest(&mut self, emptied: &mut Option<Lines>) -> bool {
        let dropped = match self.full.front_mut() {
            Some(front) => front.lines.drop_first(),
            None if self.open.points() > 0 => self.open.drop_first(),
            None => return false,
        };
        self.queued_bytes -= dropped;
        self.ledger.queued -= 1;
        match self.full.front() {
            Some(front) if front.lines.points() == 0 => *emptied = self.pop_front(),
            None if self.open.points() == 0 => self.open.begin_anew(),
            _ => {}
        }
        true
    }

    /// Removes the oldest sealed block, and keeps its memory for the next one; returns what is not kept.
    pub(super) fn pop_front(&mut self) -> Option<Lines> {
        let old = self.full.pop_front()?.lines;
        if self.spare.len() == SPARE_BLOCKS {
            return Some(old);
        }
        match old.try_into_spare() {
            Ok(memory) => {
                self.spare.push(memory);
                None
            }
            // The worker holds lines of it, or did until just now.
            Err(old) => Some(old),
        }
    }

    /// Empties the queue, for good; returns how many points were in it, for the caller to count, and what they lay in, for
    /// it to free.
    pub(super) fn clear(&mut self) -> (u64, VecDeque<Sealed>) {
        self.open.begin_anew();
        self.queued_bytes = 0;
        (std::mem::take(&mut self.ledger.queued), std::mem::take(&mut self.full))
    }

    /// The lowest position without a verdict.
    pub(super) fn low(&self) -> u64 {
        self.first().min(self.held_low)
    }

    pub(super) fn is_reached(&self, to: u64) -> bool {
        self.low() >= to
    }
}
