//! The laws, as the head of `oracle.rs` words them: at every instant, when a flush returns, at the end.

use std::time::Duration;

use super::{Oracle, Point, Protocol, SILENCE, Seen, WAITED_FOR};
use crate::queue::ledger::Ledger;
use crate::simulation::server::Kind;

impl Oracle {
    /// A flush of everything before `to` has returned.
    pub(in crate::simulation) fn flushed(&mut self, to: usize, ledger: &Ledger) {
        let told = |point: &Point| point.answered || point.loose;
        let open = |point: &&Point| !told(point) && point.copies > 0;
        let before = || self.points[..to].iter();
        let (open, never) = (
            before().filter(open).count() as u64,
            before().filter(|point| point.copies == 0).count(),
        );
        let owed = |point: &&Point| point.owed.is_some() && point.shaken <= WAITED_FOR;
        let owed = before().filter(owed).count() as u64;
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
        } else if owed > ledger.settled.released_early + ledger.settled.unsettled {
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
        for index in 0..self.live.len() {
            self.loosen(now, self.live[index]);
        }
        let seen = std::mem::replace(
            &mut self.seen,
            Seen {
                unconfirmed: told.unconfirmed,
                all_peers: self.peers.iter().all(|peer| peer.answered),
            },
        );
        let ((good, bad), sure) = (self.answered, self.sure);
        if told.acknowledged > good || told.rejected > bad || told.acknowledged < sure.0 || told.rejected < sure.1 {
            self.fail(format!(
                "promise 2: at {now:?} {} acknowledged and {} rejected, but {good} and {bad} were answered, {sure:?} \
                 of them where every answer was heard",
                told.acknowledged, told.rejected
            ));
        }
        if told.unconfirmed > self.loose
            || (self.never_asks && !self.peers.iter().any(|peer| peer.foreign) && told.unconfirmed < self.loose)
        {
            self.fail(format!(
                "promise 3: {} unconfirmed at {now:?}, {} received by servers that do not answer",
                told.unconfirmed, self.loose
            ));
        }
        if told.verdicts() - told.dropped.total() > self.told {
            self.fail(format!(
                "promise 2: {} points with a verdict at {now:?}, {} that can have one",
                told.verdicts(),
                self.told
            ));
        }
        if told.unconfirmed > seen.unconfirmed && seen.all_peers && !self.never_asks {
            self.fail(format!(
                "promise 3: unconfirmed at {now:?} though every endpoint has answered"
            ));
        }
        if told.unconfirmed > 0 && self.hung && self.kind != Kind::VictoriaMetrics && !self.never_asks {
            self.fail(format!(
                "promise 11: unconfirmed at {now:?} though another endpoint answers"
            ));
        }
        self.check_patience(now);
        if told.torn != self.torn {
            self.fail(format!("promise 4: {} lines torn, {} counted", self.torn, told.torn));
        }
        self.check_bounds(now, ledger);
        let oldest = self.points.len() - ledger.queued as usize;
        if let (Some(point), Some(age)) = (self.points.get(oldest), self.limits.max_age)
            && now > point.accepted + age + age / 16 + Duration::from_millis(1)
        {
            let accepted = point.accepted;
            self.fail(format!("max_age: a point of {accepted:?} is still queued at {now:?}"));
        }
        self.check_prompt(now, ledger);
        self.check_fed(now, ledger);
        if told.panics > 0 || told.connects != self.connects {
            self.fail(format!("connects: {} counted, {} made", told.connects, self.connects));
        }
    }

    /// Where nothing else goes wrong, an answer over HTTP that never comes is waited for as long as the option says, not longer.
    fn check_patience(&mut self, now: Duration) {
        let limit = self.limits.answer + self.limits.answer / 4;
        let waits = |id: &&usize| {
            let stream = &self.streams[**id];
            stream.http.waits() && stream.dialled < stream.wrote.0 && now > stream.wrote.0 + limit
        };
        if self.hung && self.live.iter().any(|id| waits(&id)) {
            self.fail(format!(
                "answer_timeout: an answer is waited for at {now:?}, after more than {limit:?}"
            ));
        }
    }

    /// Promise 11: the oldest point without a verdict is at least as old as the one that would be if none had overtaken it.
    fn check_prompt(&mut self, now: Duration, ledger: &Ledger) {
        let oldest = self.points.len() - (ledger.queued + ledger.in_flight) as usize;
        if let (Some(point), Some(prompt)) = (self.points.get(oldest), self.limits.prompt)
            && now > point.accepted + prompt
        {
            let accepted = point.accepted;
            self.fail(format!(
                "promise 11: a point of {accepted:?} has no verdict at {now:?}, though a server works"
            ));
        }
    }

    /// Promise 11: no good point starves, whatever becomes of others. Those the client gave up have that for a verdict.
    fn check_fed(&mut self, now: Duration, ledger: &Ledger) {
        let Some((from, within, answers)) = self.limits.fed else {
            return;
        };
        let has_verdict = |point: &Point| point.answered || point.loose || point.bad || point.sick;
        while self.points.get(self.hungry).is_some_and(has_verdict) {
            self.hungry += 1;
        }
        let given_up = ledger.settled.dropped.total() + ledger.dropped_by_callers.total();
        if let Some(point) = self.points.get(self.hungry)
            && now > point.accepted.max(from) + within
            && (self.heard_since.0 > answers || now > self.heard_since.1.max(point.accepted).max(from) + SILENCE)
            && given_up == 0
        {
            let accepted = point.accepted;
            self.fail(format!(
                "promise 11: a good point of {accepted:?} starves: no verdict at {now:?} and after {} answers, all well \
                 since {from:?}",
                self.heard_since.0
            ));
        }
    }

    /// How many points may be written again although nothing goes wrong: where no endpoint answers each is asked once, with
    /// what another one did not answer for.
    fn for_nothing(&self) -> u64 {
        let asks = self.peers.len() > 1 && self.protocol == Protocol::Telnet && self.kind == Kind::VictoriaMetrics;
        let others = self.peers.len() as u64 - 1;
        if asks && !self.never_asks {
            self.calls * others
        } else {
            0
        }
    }

    /// Points per second.
    pub(super) fn check_pace(&mut self, now: Duration) {
        if self.mps == 0.0 {
            return;
        }
        let allowed = self.mps * now.as_secs_f64() + (self.mps * 0.05).max(1.0) + 1e-3;
        // What a server asks for once more in other bodies is no new point.
        let excused: u64 = self.points.iter().map(|point| point.excused).sum();
        if (self.copies - excused) as f64 > allowed {
            self.fail(format!("mps: {} points were written by {now:?}", self.copies));
        }
    }

    /// Promise 9: points and bytes in the queue, in flight and settling.
    fn check_bounds(&mut self, now: Duration, ledger: &Ledger) {
        let limits = &self.limits;
        let ends = |points: usize| points.checked_sub(1).map_or(0, |last| self.points[last].end);
        let queued = ends(self.points.len()) - ends(self.points.len() - ledger.queued as usize);
        // Which points were released early nobody can tell: as if they were the longest.
        let early = ledger.settled.released_early as usize * self.longest;
        // An answer on a connection that was silent once may not be believed: its lines go again at once.
        let murky = self.streams.iter().filter(|stream| stream.murky);
        let murky = murky.flat_map(|stream| &stream.settling);
        let murky: usize = murky.map(|(_, _, point)| self.points[*point].line.len()).sum();
        let settling = self.settling_bytes.saturating_sub(early + murky);
        // Of those that were given up while they were held, nobody can tell which they were either.
        let given_up = ledger.settled.dropped.total();
        let open = self
            .open_bytes
            .saturating_sub(self.resting + given_up as usize * self.longest);
        if ledger.queued > limits.queue_points
            || ledger.in_flight > limits.in_flight
            || queued > limits.queue_bytes
            || open > limits.window_bytes + self.apart
            || settling > limits.settle_bytes
        {
            self.fail(format!(
                "promise 9: at {now:?} {} points of {queued} bytes queued, {} of {} in flight, {settling} bytes settling",
                ledger.queued, ledger.in_flight, self.open_bytes
            ));
        }
    }

    /// The laws of the end, when what was on its way has arrived.
    pub(in crate::simulation) fn judge(&mut self, ledger: &Ledger, rested: bool) {
        let told = &ledger.settled;
        let mut dropped = told.dropped.total() + ledger.dropped_by_callers.total();
        let count = |law: &dyn Fn(&Point) -> bool| self.points.iter().filter(|point| law(point)).count() as u64;
        let nowhere = count(&|point| !point.arrived);
        let missing = count(&|point| !point.bad && !point.durable);
        let sick = count(&|point| point.sick);
        // Given up at the end is a sick point that was never taken, and nothing else.
        let lost = count(&|point| !point.bad && !point.sick && !point.answered && !point.loose);
        let owed = count(&|point| point.owed.is_some());
        let again: u64 = self
            .points
            .iter()
            .map(|point| point.copies.saturating_sub(1 + point.excused))
            .sum();
        // Points refused at once were dropped too, and have no line.
        dropped -= self.calls - self.points.len() as u64;
        let loose = told.unsettled + told.released_early;
        // Where the kernel cannot tell, what was written is unconfirmed and may be lost with its connection.
        let untold = count(&|point| point.loose && !point.arrived);
        let unheard = count(&|point| !point.bad && !point.durable && !point.answered);
        self.judge_copies(ledger);
        if ledger.queued + ledger.in_flight > 0 {
            self.fail("promise 7: points are pending after the end");
        } else if nowhere > dropped + untold {
            self.fail(format!(
                "promise 3: {nowhere} points arrived nowhere, {dropped} dropped"
            ));
        } else if self.protocol == Protocol::Http && unheard > dropped {
            self.fail(format!(
                "promise 3: {unheard} points neither on disk nor answered for, {dropped} dropped"
            ));
        } else if self.stored && missing > dropped {
            self.fail(format!("promise 3: {missing} points not stored, {dropped} dropped"));
        } else if self.protocol == Protocol::Telnet
            && !self.settle.is_zero()
            && missing > dropped + told.unconfirmed + loose
        {
            self.fail(format!("promise 3: {missing} points are not on disk: {ledger:?}"));
        } else if owed > loose {
            self.fail(format!("promise 3: {owed} points not settled, {loose} said to be"));
        } else if again > told.resent {
            self.fail(format!("resent: {again} points written again, {} counted", told.resent));
        } else if self.calm
            && !self.hung
            && self.limits.connection_max_age.is_none()
            && (told.resent > self.for_nothing()
                || told.connects - self.unused > self.limits.slots
                || told.late_errors > 0)
        {
            self.fail(format!(
                "calm: written again, or connected again, without any need: {ledger:?}"
            ));
        } else if told.dropped.expired > 0 && self.limits.max_age.is_none() {
            self.fail(format!("max_age: expired without one: {ledger:?}"));
        } else if rested && sick > 0 && lost > 0 {
            self.fail(format!("promise 11: {lost} good points were given up: {ledger:?}"));
        } else if rested
            && ((told.unsettled > 0 && sick == 0)
                || told.dropped.total() > told.dropped.expired + told.dropped.queue_full + sick)
        {
            self.fail(format!("promise 3: not at rest after a long time: {ledger:?}"));
        }
    }
}
