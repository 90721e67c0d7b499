//! What the queue's lock protects: blocks, ledger, positions, and how the worker rests.
//!
//! Every method is a part of some critical section: none waits, logs or does I/O.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use super::{Phase, Rest, Sent};
use crate::block::{Block, is_spare};
use crate::error::SendError;
use crate::ledger::{Ledger, Tally};
use crate::repeat::Known;

/// Empty blocks kept for callers.
const SPARE_BLOCKS: usize = 8;

pub(crate) struct State {
    /// The block that is filled, the newest. It lies here and not in the queue of the others, so that a send
    /// touches as little memory as can be: with many threads each line of cache has to come from another core.
    pub(super) open: Block,
    /// The others, oldest first; none is empty.
    pub(super) full: VecDeque<Block>,
    spare: Vec<Vec<u8>>,
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
    /// The lowest position the worker holds without a verdict, or holds for a re-send.
    pub(super) held_low: u64,
    pub(super) held_since: Option<Instant>,
    /// A series that was repeated, for the worker's next report.
    pub(super) repeated: Option<Arc<Known>>,
}

impl State {
    pub(super) fn new() -> State {
        State {
            open: Block::new(Vec::new()),
            full: VecDeque::with_capacity(128),
            spare: Vec::with_capacity(SPARE_BLOCKS),
            queued_bytes: 0,
            next: 0,
            ledger: Ledger::default(),
            phase: Phase::Open,
            rest: Rest::Awake,
            ended: false,
            waiting: 0,
            flush_to: 0,
            held_low: u64::MAX,
            held_since: None,
            repeated: None,
        }
    }

    /// Posts what the worker learned, what it still holds, and memory it no longer needs.
    pub(crate) fn post(&mut self, tally: &Tally, held_low: u64, held_since: Option<Instant>, spare: &mut Vec<Vec<u8>>) {
        self.ledger.post(tally);
        self.held_low = held_low;
        self.held_since = held_since;
        let room = SPARE_BLOCKS - self.spare.len().min(SPARE_BLOCKS);
        self.spare.extend(spare.drain(..room.min(spare.len())));
    }

    /// Takes lines from the front, at most `bytes` and `points`, and the position of the first.
    pub(crate) fn take(&mut self, bytes: usize, points: u64) -> Option<(Block, u64)> {
        let first = self.next - self.ledger.queued;
        let points = u32::try_from(points).unwrap_or(u32::MAX);
        let front = self.front_mut()?;
        let block = if front.len() > bytes || front.points() > points {
            front.split_front(bytes, points)
        } else if let Some(whole) = self.full.pop_front() {
            whole
        } else {
            // Not memory fetched from afar for it: of what is sent now and then, it takes a few lines.
            std::mem::replace(&mut self.open, Block::new(self.spare.pop().unwrap_or_default()))
        };
        let taken = u64::from(block.points());
        self.queued_bytes -= block.len();
        self.ledger.queued -= taken;
        self.ledger.in_flight += taken;
        // From here on the worker answers for them: a barrier must not slip through in between.
        self.held_low = self.held_low.min(first);
        Some((block, first))
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
        self.waiting > 0 || self.low() < self.flush_to || self.phase != Phase::Open
    }

    pub(crate) fn take_repeated(&mut self) -> Option<Arc<Known>> {
        self.repeated.take()
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.ended
    }

    pub(crate) fn ledger(&self) -> Ledger {
        self.ledger
    }

    /// When the oldest point without a verdict was accepted, to within a block.
    pub(crate) fn oldest(&self) -> Option<Instant> {
        let front = self.full.front().unwrap_or(&self.open);
        let queued = (front.points() > 0).then(|| front.since());
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

    /// The oldest block, if any point is queued.
    fn front_mut(&mut self) -> Option<&mut Block> {
        let front = self.full.front_mut().unwrap_or(&mut self.open);
        (front.points() > 0).then_some(front)
    }

    /// Whether the open block takes `bytes`; begins a new one in `fresh` if it does not.
    pub(super) fn has_block_for(&mut self, bytes: usize, fresh: &mut Option<Vec<u8>>) -> bool {
        if self.open.fits(bytes) {
            return true;
        }
        match fresh.take() {
            Some(memory) => {
                let old = std::mem::replace(&mut self.open, Block::new(memory));
                if old.points() > 0 {
                    self.full.push_back(old);
                } else {
                    self.keep(old);
                }
                true
            }
            None => false,
        }
    }

    /// Memory for the next block, if there is some at hand.
    pub(super) fn take_spare(&mut self) -> Option<Vec<u8>> {
        self.spare.pop()
    }

    /// Closes the open block, as if it were full.
    pub(super) fn seal_open(&mut self) {
        let memory = self.spare.pop().unwrap_or_default();
        self.full
            .push_back(std::mem::replace(&mut self.open, Block::new(memory)));
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

    /// Cuts the oldest line off. The caller counts it.
    pub(super) fn drop_oldest(&mut self) -> bool {
        let Some(front) = self.front_mut() else {
            return false;
        };
        let line = front.drop_first();
        self.queued_bytes -= line;
        self.ledger.queued -= 1;
        match self.full.front() {
            Some(front) if front.points() == 0 => {
                let empty = self.full.pop_front();
                empty.into_iter().for_each(|block| self.keep(block));
            }
            None if self.open.points() == 0 => self.open.begin_anew(),
            _ => {}
        }
        true
    }

    /// Keeps an empty block's memory for the next one.
    pub(super) fn keep(&mut self, block: Block) {
        if self.spare.len() < SPARE_BLOCKS {
            self.spare.extend(Some(block.into_bytes()).filter(is_spare));
        }
    }

    /// Empties the queue; returns how many points were in it. The caller counts them.
    pub(super) fn clear(&mut self) -> u64 {
        self.full.clear();
        self.open.begin_anew();
        self.queued_bytes = 0;
        std::mem::take(&mut self.ledger.queued)
    }

    /// The lowest position without a verdict.
    pub(super) fn low(&self) -> u64 {
        (self.next - self.ledger.queued).min(self.held_low)
    }

    pub(super) fn is_reached(&self, to: u64) -> bool {
        self.ended || self.low() >= to
    }
}
