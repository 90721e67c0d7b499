//! Outstanding lines: taken from the queue, and not done with.
//!
//! The window, settling, what goes again and what rests all hold them. `verdicts.rs` is where they end.

use std::time::Duration;

use crate::queue::block::Lines;

/// What has no verdict and failed so often is parted.
pub(crate) const PART_AT: u8 = 3;

/// How often servers have taken lines of this client, when one of them fails some.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Takes {
    /// Any of them.
    pub(crate) ever: u64,
    /// The same count when that server last took some; 0: never. One that takes nothing says nothing about a line that
    /// another server may well take.
    pub(crate) here: u64,
}

/// Whether another connection holds the same lines: see `copies.rs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Twin {
    /// None does.
    None,
    /// Another one has a copy of these.
    Original,
    /// Another one had a copy, and its server failed it: they are not copied again.
    Tried,
    /// These are the copy, and the original is still held.
    Copy,
    /// The other one had the verdict, or is all there is: what becomes of these does not matter.
    Void,
}

/// Lines the worker took from the queue and is not done with.
#[derive(Clone, Debug)]
pub(crate) struct Outstanding {
    pub(crate) lines: Lines,
    pub(crate) twin: Twin,
    /// They have their verdict: written again they are a precaution.
    pub(crate) verdict_posted: bool,
    /// Some of their bytes were handed to a kernel once.
    pub(crate) was_written: bool,
    /// How often they failed: a server said so, or they have their verdict and their connection ended.
    pub(crate) failures: u8,
    /// How many of those were such an end, of which no server said anything.
    pub(crate) interruptions: u8,
    /// How often a server had taken lines of this client when one first failed these.
    pub(crate) taken_then: u64,
    /// The server that failed them last has taken others since one first failed these: it is these, not the server.
    pub(crate) blamed: bool,
    /// A line that fails by itself, while others of its series are taken.
    pub(crate) alone: bool,
    /// When they were taken from the queue.
    pub(crate) taken_at: Duration,
}

impl Outstanding {
    pub(crate) fn new(lines: Lines, now: Duration) -> Outstanding {
        Outstanding {
            lines,
            twin: Twin::None,
            verdict_posted: false,
            was_written: false,
            failures: 0,
            interruptions: 0,
            taken_then: 0,
            blamed: false,
            alone: false,
            taken_at: now,
        }
    }

    /// A server has failed them once more.
    pub(crate) fn count_failure(&mut self, takes: Takes) {
        self.failures = self.failures.saturating_add(1);
        if self.failures == 1 {
            self.taken_then = takes.ever;
        }
        self.blamed = takes.here > self.taken_then;
    }

    /// They have their verdict, and their connection ended.
    pub(crate) fn count_interruption(&mut self, takes: Takes) {
        let before = self.failures;
        self.count_failure(takes);
        self.interruptions += self.failures - before;
    }

    /// How often a server said that it failed them.
    pub(crate) fn failures_told(&self) -> u8 {
        self.failures - self.interruptions
    }

    /// Whether it has no verdict and failed so often that it is being found out about.
    pub(crate) fn is_apart(&self) -> bool {
        !self.verdict_posted && self.failures >= PART_AT
    }

    /// Whether what becomes of them here does not matter any more.
    pub(crate) fn is_void(&self) -> bool {
        self.twin == Twin::Void
    }

    /// Each point by itself.
    pub(crate) fn into_points(mut self) -> impl Iterator<Item = Outstanding> {
        std::iter::from_fn(move || {
            let some = self.lines.points() > 0;
            some.then(|| self.split_front(usize::MAX, 1))?
        })
    }

    /// Points of two bytes each, at positions from `first` on.
    #[cfg(test)]
    pub(crate) fn of_tests(first: u64, points: u64) -> Outstanding {
        let mut block = crate::queue::block::Block::new(Vec::with_capacity(crate::queue::block::BLOCK_BYTES));
        for _ in 0..points {
            block.append(&[b"a\n"], 1);
        }
        Outstanding::new(block.into_lines(first, &mut Vec::new()), Duration::ZERO)
    }

    /// Cuts off the whole lines within the first `bytes` and `points`; `None` when not even one is.
    pub(crate) fn split_front(&mut self, bytes: usize, points: u64) -> Option<Outstanding> {
        let lines = self.lines.split_front(bytes, points)?;
        Some(Outstanding { lines, ..*self })
    }
}
