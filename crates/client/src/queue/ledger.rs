//! The ledger: where every point is at this instant.
//!
//! One [`Ledger`] lives under the queue's lock. `send` adds to it there; the worker collects what
//! it learns in a [`Tally`] and posts it in one critical section; [`Stats`] is a copy. So its equation (`stats.rs`) holds at
//! every instant.

use std::sync::Arc;
use std::time::{Duration, Instant};

use potsdb_wire::reply::ErrorKind;

use crate::stats::{Dropped, EndpointStats, SpoolStats, Stats};

/// The counters under the queue's lock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ledger {
    pub(crate) accepted: u64,
    pub(crate) queued: u64,
    pub(crate) in_flight: u64,
    pub(crate) dropped_by_callers: Dropped,
    pub(crate) invalid: u64,
    pub(crate) full: u64,
    pub(crate) replaced: u64,
    pub(crate) repeated: u64,
    pub(crate) settled: Tally,
}

/// What the worker learned since it last posted; summed up in the ledger.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) acknowledged: u64,
    pub(crate) unconfirmed: u64,
    pub(crate) rejected: u64,
    pub(crate) dropped: Dropped,
    pub(crate) resent: u64,
    pub(crate) late_errors: u64,
    pub(crate) released_early: u64,
    pub(crate) unsettled: u64,
    pub(crate) torn: u64,
    pub(crate) bytes_written: u64,
    pub(crate) connects: u64,
    pub(crate) panics: u64,
    /// Points that went to the spool alone, and came back from it.
    pub(crate) spooled: u64,
    pub(crate) unspooled: u64,
    /// Points found in the spool that another process left.
    pub(crate) adopted: u64,
    pub(crate) spool_damaged_bytes: u64,
    pub(crate) errors: [u64; ErrorKind::ALL.len()],
}

impl Tally {
    /// Points that got their verdict: they leave `in_flight`.
    pub(crate) fn verdicts(&self) -> u64 {
        self.acknowledged + self.unconfirmed + self.rejected + self.dropped.total()
    }

    /// Whether it says more than how many bytes were written.
    pub(crate) fn has_news(&self) -> bool {
        let silent = Tally {
            bytes_written: self.bytes_written,
            ..Tally::default()
        };
        *self != silent
    }

    /// Whether the server reported an error.
    pub(crate) fn has_errors(&self) -> bool {
        self.errors.iter().any(|count| *count > 0)
    }

    pub(crate) fn add(&mut self, more: &Tally) {
        self.acknowledged += more.acknowledged;
        self.unconfirmed += more.unconfirmed;
        self.rejected += more.rejected;
        self.dropped.add(&more.dropped);
        self.resent += more.resent;
        self.late_errors += more.late_errors;
        self.released_early += more.released_early;
        self.unsettled += more.unsettled;
        self.torn += more.torn;
        self.bytes_written += more.bytes_written;
        self.connects += more.connects;
        self.panics += more.panics;
        self.spooled += more.spooled;
        self.unspooled += more.unspooled;
        self.adopted += more.adopted;
        self.spool_damaged_bytes += more.spool_damaged_bytes;
        for (sum, count) in self.errors.iter_mut().zip(more.errors) {
            *sum += count;
        }
    }
}

impl Dropped {
    fn add(&mut self, more: &Dropped) {
        self.queue_full += more.queue_full;
        self.expired += more.expired;
        self.closed += more.closed;
        self.stopped += more.stopped;
        self.spool_full += more.spool_full;
        self.spool_damaged += more.spool_damaged;
        self.test_mode += more.test_mode;
    }
}

impl Ledger {
    /// Posts what the worker learned.
    pub(crate) fn post(&mut self, tally: &Tally) {
        self.in_flight = self.in_flight + tally.unspooled - tally.spooled - tally.verdicts();
        self.settled.add(tally);
    }

    pub(crate) fn stats(&self) -> Stats {
        let settled = &self.settled;
        let mut dropped = settled.dropped;
        dropped.add(&self.dropped_by_callers);
        Stats {
            accepted: self.accepted,
            adopted: settled.adopted,
            acknowledged: settled.acknowledged,
            unconfirmed: settled.unconfirmed,
            rejected: settled.rejected,
            dropped,
            queued: self.queued,
            in_flight: self.in_flight,
            spooled: settled.adopted + settled.spooled - settled.unspooled,
            invalid: self.invalid,
            full: self.full,
            replaced: self.replaced,
            repeated: self.repeated,
            resent: settled.resent,
            late_errors: settled.late_errors,
            released_early: settled.released_early,
            unsettled: settled.unsettled,
            torn: settled.torn,
            spool_damaged_bytes: settled.spool_damaged_bytes,
            bytes_written: settled.bytes_written,
            connects: settled.connects,
            panics: settled.panics,
            rejections: ErrorKind::ALL
                .iter()
                .zip(settled.errors)
                .filter(|(_, n)| *n > 0)
                .map(|(kind, n)| (kind.name(), n))
                .collect(),
            ..Stats::default()
        }
    }
}

/// What [`Stats`] says beyond the counters: a whole, published by the worker beside them, under the same lock.
#[derive(Clone, Debug, Default)]
pub(crate) struct Status {
    pub(crate) endpoints: Vec<EndpointStats>,
    pub(crate) words: Arc<Vec<String>>,
    pub(crate) last_answer: Option<Duration>,
    /// Points taken per second, and when that was last true.
    pub(crate) rate: f64,
    pub(crate) rated_at: Option<Instant>,
    pub(crate) spool: Option<SpoolStats>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn posting_moves_points_and_keeps_the_balance() {
        let mut ledger = Ledger {
            accepted: 10,
            in_flight: 10,
            ..Ledger::default()
        };
        assert!(ledger.stats().is_balanced());
        ledger.post(&Tally {
            acknowledged: 4,
            rejected: 1,
            resent: 9,
            ..Tally::default()
        });
        let stats = ledger.stats();
        assert!(stats.is_balanced());
        assert_eq!(
            (stats.in_flight, stats.delivered(), stats.rejected, stats.resent),
            (5, 4, 1, 9)
        );
        assert_eq!(stats.to_string(), "10 accepted: 4 acknowledged, 1 rejected, 5 pending");
    }
}
