//! The laws, as the head of `oracle.rs` words them: at every instant, when a flush returns, at the end.

use std::time::Duration;

use super::{Oracle, Point, Seen};
use crate::ledger::Ledger;

impl Oracle {
    /// A flush of everything before `to` has returned.
    pub(in crate::simulation) fn flushed(&mut self, to: usize, ledger: &Ledger) {
        let silent = ledger.settled.unconfirmed > 0;
        let told = |point: &Point| point.answered || (silent && (point.arrived || !self.kernel_tells));
        let open = |point: &&Point| !told(point) && point.copies > 0;
        let before = || self.points[..to].iter();
        let (open, never) = (
            before().filter(open).count() as u64,
            before().filter(|point| point.copies == 0).count(),
        );
        let owed = before().filter(|point| point.owed.is_some()).count() as u64;
        // Those the client gave up when it ended have that for a verdict.
        let given_up = ledger.settled.dropped.total();
        let dropped = ledger.dropped_by_callers.total() + given_up;
        if open > given_up {
            self.fail(format!(
                "promise 6: flush to {to} returned before the verdict of {open} points"
            ));
        } else if never as u64 > dropped {
            self.fail(format!(
                "promise 6: flush returned with {never} never written, {dropped} dropped"
            ));
        } else if !silent && owed > ledger.settled.released_early + ledger.settled.unsettled {
            self.fail(format!(
                "promise 6: flush to {to} returned while a re-send of {owed} points is owed"
            ));
        }
    }

    /// The laws that hold at every instant.
    pub(in crate::simulation) fn check(&mut self, now: Duration, ledger: &Ledger) {
        let told = &ledger.settled;
        let dropped = ledger.dropped_by_callers.total();
        if ledger.accepted != self.calls
            || ledger.accepted != told.verdicts() + dropped + ledger.queued + ledger.in_flight
        {
            self.fail(format!("promise 2: the ledger does not balance at {now:?}: {ledger:?}"));
        }
        let seen = std::mem::replace(
            &mut self.seen,
            Seen {
                unconfirmed: told.unconfirmed,
                all_doors: self.doors.iter().all(|door| *door),
            },
        );
        let (good, bad) = self.answered;
        if told.unconfirmed + told.released_early == 0 && self.asks && (told.acknowledged, told.rejected) != (good, bad)
        {
            self.fail(format!(
                "promise 2: {} acknowledged and {} rejected, but {good} and {bad} were answered",
                told.acknowledged, told.rejected
            ));
        }
        if told.acknowledged > good || told.rejected > bad {
            self.fail(format!("promise 2: verdicts at {now:?} that no answer was heard for"));
        }
        if told.unconfirmed > seen.unconfirmed && seen.all_doors && self.asks {
            self.fail(format!(
                "promise 3: unconfirmed at {now:?} though every endpoint has answered"
            ));
        }
        let arrived = || self.points.iter().filter(|point| point.arrived).count() as u64;
        if told.unconfirmed > seen.unconfirmed && self.kernel_tells && told.unconfirmed > arrived() {
            self.fail("promise 3: more points are unconfirmed than ever arrived");
        }
        if told.torn != self.torn {
            self.fail(format!("promise 4: {} lines torn, {} counted", self.torn, told.torn));
        }
        if ledger.queued > self.limit || ledger.in_flight > self.in_flight_limit {
            self.fail(format!(
                "promise 9: {} queued, {} in flight",
                ledger.queued, ledger.in_flight
            ));
        }
        if told.panics > 0 || told.connects != self.connects {
            self.fail(format!("connects: {} counted, {} made", told.connects, self.connects));
        }
    }

    /// The laws of the end, when what was on its way has arrived.
    pub(in crate::simulation) fn judge(&mut self, ledger: &Ledger, rested: bool) {
        let told = &ledger.settled;
        let mut dropped = told.dropped.total() + ledger.dropped_by_callers.total();
        let count = |law: &dyn Fn(&Point) -> bool| self.points.iter().filter(|point| law(point)).count() as u64;
        let nowhere = count(&|point| !point.arrived);
        let missing = count(&|point| !point.bad && !point.durable);
        let owed = count(&|point| point.owed.is_some());
        let again: u64 = self.points.iter().map(|point| point.copies.saturating_sub(1)).sum();
        // Points refused at once were dropped too, and have no line.
        dropped -= self.calls - self.points.len() as u64;
        let loose = told.unsettled + told.released_early;
        let untold = if self.kernel_tells { 0 } else { told.unconfirmed };
        if ledger.queued + ledger.in_flight > 0 {
            self.fail("promise 7: points are pending after the end");
        } else if nowhere > dropped + untold {
            self.fail(format!(
                "promise 3: {nowhere} points arrived nowhere, {dropped} dropped"
            ));
        } else if !self.settle.is_zero() && missing > dropped + told.unconfirmed + loose {
            self.fail(format!("promise 3: {missing} points are not on disk: {ledger:?}"));
        } else if owed > loose + told.unconfirmed {
            self.fail(format!("promise 3: {owed} points not settled, {loose} said to be"));
        } else if again > told.resent {
            self.fail(format!("resent: {again} points written again, {} counted", told.resent));
        } else if rested && (told.unsettled > 0 || told.dropped.total() > 0) {
            self.fail(format!("promise 3: not at rest after a long time: {ledger:?}"));
        }
    }
}
