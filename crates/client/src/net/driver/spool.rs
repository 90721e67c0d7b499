//! The driver's dealings with the spool: what goes there, what comes back, and how it ends.

use super::{Driver, Network, post};
use crate::engine::Input;
use crate::exchange::Credit;
use crate::queue::Phase;
use crate::queue::block::BLOCK_BYTES;
use crate::spooling::Spooling;

impl<N: Network> Driver<N> {
    /// Hears what the disk tells, and passes on what the engine noted for it.
    pub(super) fn hear_spool(&mut self) {
        if let Some(spooling) = &mut self.spooling {
            if spooling.turn(self.now, self.engine.verdicts()) {
                self.publisher.changed();
            }
            self.publisher.spooled(spooling.low());
            if self.engine.is_connected() {
                spooling.read(self.now);
            }
        }
    }

    /// Gives a slot lines that come back from disk, if it is their turn.
    pub(super) fn fill_from_spool(&mut self, slot: usize, credit: Credit) -> bool {
        let Some(spooling) = &mut self.spooling else {
            return false;
        };
        spooling.read(self.now);
        if !spooling.is_next(|| self.queue.lock().queued() > 0) {
            return false;
        }
        let tally = &mut self.engine.verdicts().tally;
        let Some(lines) = spooling.give(credit.bytes, credit.points, tally) else {
            return false;
        };
        self.publisher.spooled(spooling.low());
        self.publisher.took(lines.points());
        self.moved = true;
        self.step(Input::Lines { slot, lines });
        true
    }

    /// Gives slots lines that have their verdict and come back from disk, as many as they take.
    pub(super) fn fill_precautions(&mut self) {
        while let Some(spooling) = self
            .spooling
            .as_mut()
            .filter(|spooling| spooling.precautions_are_ready())
            && let Some((slot, credit)) = self.engine.wants_precautions()
            && let Some(lines) = spooling.give_precautions(credit.bytes, credit.points)
        {
            self.moved = true;
            self.engine.give_precautions(slot, lines);
        }
    }

    /// Whether there is something to read from disk or to give, of which nothing else will remind.
    pub(super) fn goes_on_from_spool(&mut self, wants: bool) -> bool {
        let Some(spooling) = &self.spooling else { return false };
        let reads = self.engine.is_connected() && spooling.can_read(self.now);
        reads
            || (wants && spooling.is_next(|| false))
            || (spooling.precautions_are_ready() && self.engine.wants_precautions().is_some())
    }

    /// Puts on disk what is to be there: what waits beyond half a queue, what somebody wants to be safe, and what the disk
    /// did not take before.
    pub(super) fn spool(&mut self) {
        let Some(spooling) = &mut self.spooling else { return };
        if spooling.is_closing() {
            return;
        }
        let verdicts = self.engine.verdicts();
        spooling.pass_on(self.now, verdicts);
        let connected = self.engine.is_connected();
        let (wants, next) = {
            let state = self.queue.lock();
            (state.wants_safe(), state.next())
        };
        let secures = spooling.secures(self.now, wants, next, connected);
        self.spool_queue(secures.unwrap_or(0));
        if let (Some(upto), Some(spooling)) = (secures, &mut self.spooling) {
            let taken = self.queue.lock().first() >= upto;
            if taken && spooling.copy(self.now, upto, &mut self.engine) {
                spooling.has_secured(upto);
            }
        }
        if let Some(spooling) = &mut self.spooling {
            if let Some(to) = wants {
                spooling.hurry(to);
            }
            self.publisher.spooled(spooling.low());
        }
    }

    /// Takes from the queue what is beyond half of it, and what lies below `upto`.
    fn spool_queue(&mut self, upto: u64) {
        let is_closing = self.spooling.as_ref().is_some_and(Spooling::is_closing);
        loop {
            let Some(spooling) = &mut self.spooling else { return };
            if !spooling.takes(self.now) || !spooling.save_rest(self.now, &mut self.engine.verdicts().tally) {
                return;
            }
            let mut state = post(
                &mut self.publisher,
                self.now,
                &self.queue,
                &mut self.engine,
                &mut self.network,
            );
            let wanted = spooling.drains(&self.queue, &state) || is_closing || state.first() < upto;
            let lines = match wanted {
                true => state.take(BLOCK_BYTES, u64::MAX),
                false => None,
            };
            self.queue.announce_room(state);
            let Some(lines) = lines else { return };
            self.network.taken(&self.queue, lines.first(), lines.points());
            self.shared.census.count(lines.bytes());
            let lines = lines.compact(&mut self.engine.verdicts().spare);
            spooling.take(self.now, lines, &mut self.engine.verdicts().tally);
            self.publisher.spooled(spooling.low());
        }
    }

    /// Up to which position everything is safe, if somebody waits for that.
    pub(super) fn look_what_is_safe(&self) -> Option<u64> {
        let spooling = self.spooling.as_ref()?;
        self.queue.lock().wants_safe()?;
        Some(spooling.safe(&self.engine))
    }

    /// The lowest position that has no verdict and stays in the spool when the client ends.
    pub(crate) fn left_in_spool(&self) -> Option<u64> {
        self.spooling.as_ref().and_then(Spooling::left)
    }

    /// Moves the end of the spool along, once the client closes.
    pub(super) fn close_spool(&mut self, phase: Phase) {
        let Some(spooling) = &mut self.spooling else { return };
        let at = |instant: std::time::Instant| instant.saturating_duration_since(self.started);
        let deadline = match phase {
            Phase::Open => return,
            Phase::Closing(deadline) => deadline.map(at),
            Phase::Stopped | Phase::Abandoned => Some(self.now),
        };
        if !spooling.is_closing() {
            let late = spooling.closes_by(self.now, deadline);
            if self.engine.is_done() {
                spooling.finish(self.now, deadline);
            } else if late || self.engine.has_lost_all() {
                spooling.take_over(self.now, deadline, &mut self.engine);
                self.put_out();
            }
        }
        if self.spooling.as_ref().is_some_and(Spooling::is_closing) {
            self.spool_queue(0);
        }
        let queue_is_empty = self.queue.lock().queued() == 0;
        if let Some(spooling) = &mut self.spooling
            && spooling.is_closing()
        {
            let verdicts = self.engine.verdicts();
            spooling.pass_on(self.now, verdicts);
            spooling.close(self.now, deadline, queue_is_empty, &mut verdicts.tally);
            self.publisher.spooled(spooling.low());
        }
    }
}
