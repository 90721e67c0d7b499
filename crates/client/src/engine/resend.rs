//! What is written again: lines whose connection ended before new lines, lines that a server failed beside them.
//!
//! `verdicts.rs` says which are which and keeps the former, `retries.rs` the latter. Here they are given to slots, within
//! every bound there is: pace, room, age and memory.

use std::time::Duration;

use super::peer::Slot;
use super::{Engine, Stage};
use crate::delivery::batch::Batch;
use crate::delivery::outstanding::{Outstanding, Takes};
use crate::delivery::retries::Kind;
use crate::delivery::settling::Settling;
use crate::delivery::verdicts::{Done, Reason};
use crate::exchange::{Credit, Exchange};
use crate::queue::block::BLOCK_BYTES;

/// What failed and has no verdict may take at least so many bytes, however little `settle_bytes` allows: it is what a few
/// requests hold.
const LEAST_FAILED: usize = 1 << 20;

/// After a batch that had failed, a slot waits so long for new lines. It is left to them for at least as long as the batch took.
const GIVES_WAY: Duration = Duration::from_millis(10);

/// Into how many looks at least a `max_age` is parted.
const LOOKS: u32 = 16;

impl Engine {
    /// Gives what goes again to slots that have room, what failed before first. Otherwise, with enough lines that end
    /// connections, no connection would live long enough to find out which they are.
    pub(super) fn resend(&mut self) {
        self.give_way();
        self.retry();
        self.write_again();
    }

    /// Gives lines that lost their connection.
    fn write_again(&mut self) {
        while !self.verdicts.again.is_empty() {
            let allowance = self.pace.allowance(self.now);
            let Some((slot, credit)) = self.most_credit(false) else {
                return;
            };
            let points = credit.points.min(allowance);
            let Some(held) = self.verdicts.again.split_front(credit.bytes, points) else {
                return;
            };
            self.slots[slot].takes_new_lines(self.now);
            for held in self.retries.sift(held) {
                self.count_given(slot, &held, None);
                if let Some(exchange) = self.slots[slot].exchange_mut() {
                    exchange.give(self.now, held);
                }
            }
        }
    }

    /// Gives batches that failed before to slots, and precautions: one at a time, and new lines in between.
    fn retry(&mut self) {
        for kind in [Kind::Tries, Kind::Failed, Kind::Precautions] {
            while self.retries.is_ready(self.now, kind) && self.retry_one(kind) {}
        }
    }

    /// Whether something is ready to go again, and then whether it has its verdict.
    pub(super) fn retry_waits(&self) -> Option<bool> {
        let ready = |kind| self.retries.is_ready(self.now, kind);
        let unposted = ready(Kind::Tries) || ready(Kind::Failed);
        (unposted || ready(Kind::Precautions) || self.precautions_on_disk).then_some(!unposted)
    }

    /// Whether a slot took a batch of that kind.
    fn retry_one(&mut self, kind: Kind) -> bool {
        let Some((slot, credit)) = self.slot_for(kind) else {
            return false;
        };
        let each = self.slots[slot].exchange().is_some_and(Exchange::judges_each);
        let Some(batch) = (self.retries).take(self.now, kind, credit.bytes, credit.points, each) else {
            return false;
        };
        self.give_batch(slot, kind, batch);
        true
    }

    /// Which slot takes a batch of that kind now, and how much of it.
    pub(super) fn slot_for(&mut self, kind: Kind) -> Option<(usize, Credit)> {
        let posted = kind == Kind::Precautions;
        // A precaution must not take all of a way that carries little.
        let new_wait = self.new_lines_wait() && self.precautions_ahead > 0;
        if posted && (new_wait || !self.verdicts.again.is_empty()) {
            return None;
        }
        let allowance = self.pace.allowance(self.now);
        let free = |slot: &Slot| {
            let free = slot.exchange().is_some_and(Exchange::takes_batch);
            free && !self.gives_way(slot, !posted) && self.peers[slot.peer].retry_not_before <= self.now
        };
        let (slot, credit) = self.most_credit_of(posted, !posted, free).filter(|_| allowance > 0)?;
        if self.hopes(slot) {
            return None;
        }
        let most = if posted { BLOCK_BYTES } else { usize::MAX };
        Some((
            slot,
            Credit {
                bytes: credit.bytes.min(most),
                points: credit.points.min(allowance),
            },
        ))
    }

    /// Gives a slot a batch.
    pub(super) fn give_batch(&mut self, slot: usize, kind: Kind, batch: Batch) {
        for held in &batch.lines {
            self.count_given(slot, held, Some(kind));
        }
        self.slots[slot].batch_since = Some(self.now);
        self.slots[slot].tried |= kind != Kind::Precautions;
        if let Some(exchange) = self.slots[slot].exchange_mut() {
            exchange.give_batch(self.now, batch);
        }
    }

    /// Whether new lines are to go first. While their endpoint rests, what has no verdict goes meanwhile.
    fn gives_way(&self, slot: &Slot, unposted: bool) -> bool {
        let others_wait = self.new_lines_wait() || !self.verdicts.again.is_empty();
        let rests = self.peers[slot.peer].overload.allowance(self.now) == 0;
        others_wait && !(unposted && rests) && slot.gives_way_until > self.now
    }

    fn new_lines_wait(&self) -> bool {
        self.queued && !self.is_full_of_failures()
    }

    /// Leaves slots that have come to the end of a batch to new lines, which may be gathered still.
    fn give_way(&mut self) {
        for slot in &mut self.slots {
            let free = slot.exchange().is_some_and(|exchange| exchange.credit(false).is_some());
            if let Some(since) = slot.batch_since.take_if(|_| free) {
                let took = self.now.saturating_sub(since);
                slot.fair_until = self.now + took;
                slot.gives_way_until = self.now + took.max(GIVES_WAY);
            }
        }
    }

    fn count_given(&mut self, slot: usize, held: &Outstanding, kind: Option<Kind>) {
        let points = held.lines.points();
        if held.verdict_posted {
            self.precautions_ahead += held.lines.len() as i64;
        }
        self.slots[slot].given_at = self.now;
        self.pace.take(self.now, points);
        let overload = &mut self.peers[self.slots[slot].peer].overload;
        match kind {
            Some(Kind::Tries) => overload.take_to_try(self.now, points),
            Some(Kind::Failed) => overload.take_again(self.now, points),
            Some(Kind::Precautions) | None => overload.take(self.now, points),
        }
        if held.was_written {
            self.verdicts.tally.resent += points;
        }
    }

    /// Takes over what a server said of lines that failed. `here` is the count of successes when it last had one.
    pub(super) fn collect(&mut self, here: u64) {
        let heard = std::mem::take(&mut self.verdicts.heard);
        let ever = self.verdicts.successes;
        self.retries.hear(self.now, heard, Takes { ever, here });
        self.keep_bounds();
    }

    /// Whether so much failed that nothing new is taken before some of it has its verdict.
    pub(super) fn is_full_of_failures(&self) -> bool {
        self.retries.unposted() >= self.most_failed() || self.retries.points() >= self.terms.window_points
    }

    fn most_failed(&self) -> usize {
        (self.settle_bytes / 2).max(LEAST_FAILED)
    }

    /// Lets go of what is beyond the bound in memory: points of sick series, precautions that rest, then lines that settle.
    pub(super) fn keep_bounds(&mut self) {
        while self.is_full_of_failures()
            && let Some((held, words)) = self.retries.pop_failing()
        {
            self.verdicts.give_up(held, Reason::QueueFull, &words);
        }
        loop {
            let posted = self.retries.posted();
            let settling: usize = self.settling().map(|(_, bytes)| bytes).sum();
            if posted + settling <= self.settle_bytes {
                return;
            }
            let resting = posted > self.settle_bytes / 2 || settling == 0;
            if self.verdicts.for_spool.takes && self.leave_to_spool(resting) {
                continue;
            }
            let resting = resting.then(|| self.retries.pop_precaution()).flatten();
            let let_go = resting.map(|(held, _)| held).or_else(|| self.pop_settling());
            let Some(held) = let_go else { return };
            self.verdicts.done(held, Done::ReleasedEarly);
        }
    }

    /// Lets go of the bytes of lines that have their verdict: the spool keeps them. Whether there were any.
    fn leave_to_spool(&mut self, resting: bool) -> bool {
        let for_spool = &mut self.verdicts.for_spool;
        if resting && let Some((held, _)) = self.retries.pop_precaution() {
            for_spool.again.push(held.lines.range());
            for_spool.kept.push(held.lines);
            return true;
        }
        let slots = self.slots.iter_mut();
        let settling = slots.filter_map(|slot| slot.exchange_mut()?.settling());
        let in_memory = settling.filter(|settling| settling.in_memory_due().is_some());
        let oldest = in_memory.min_by_key(|settling| settling.in_memory_due());
        let lines = oldest.and_then(Settling::leave_to_spool);
        let found = lines.is_some();
        for_spool.kept.extend(lines);
        found
    }

    /// The bytes that settle, by slot.
    fn settling(&mut self) -> impl Iterator<Item = (usize, usize)> {
        let slots = self.slots.iter_mut().enumerate();
        slots.filter_map(|(index, slot)| Some((index, slot.exchange_mut()?.settling()?.bytes())))
    }

    /// The lines that have been settling for the longest.
    fn pop_settling(&mut self) -> Option<Outstanding> {
        let slots = self.slots.iter_mut();
        let settling = slots.filter_map(|slot| slot.exchange_mut()?.settling());
        let oldest = settling.filter(|settling| settling.due().is_some());
        oldest.min_by_key(|settling| settling.due())?.pop()
    }

    /// The client closes: what rests is tried once more, and sick series that fail again are given up.
    pub(super) fn hurry(&mut self) {
        if self.stage == Stage::Running {
            self.stage = Stage::Hurried;
            self.retries.hurry(self.now);
        }
        for (held, words) in self.retries.drain_failing(self.now) {
            self.verdicts.give_up(held, Reason::Closed, &words);
        }
    }

    /// The client ends: nothing is tried any more.
    pub(super) fn give_up_retries(&mut self, reason: Reason) {
        for (held, words) in self.retries.drain() {
            match held.verdict_posted {
                true => self.verdicts.done(held, Done::Unsettled),
                false => self.verdicts.give_up(held, reason, &words),
            }
        }
    }

    /// Gives up what waits here for longer than `max_age`. Its time counts from when it was taken from the queue, where it
    /// may have waited as long.
    pub(super) fn expire(&mut self) {
        let Some(age) = self.max_age.filter(|_| self.now >= self.expires_at) else {
            return;
        };
        self.expires_at = self.now + (age / LOOKS).max(Duration::from_millis(1));
        let Some(before) = self.now.checked_sub(age) else {
            return;
        };
        let why = self.peers.iter().find_map(|peer| peer.last_error.clone());
        let why = why.unwrap_or_else(|| "no connection takes them".to_owned());
        for held in self.verdicts.again.expire(before) {
            self.verdicts.give_up(held, Reason::Expired, &why);
        }
        for (held, words) in self.retries.expire(before) {
            self.verdicts.give_up(held, Reason::Expired, &words);
        }
    }

    pub(super) fn next_expiry(&self) -> Option<Duration> {
        let waits = !self.verdicts.again.is_empty() || self.retries.unposted() > 0;
        (self.max_age.is_some() && waits).then(|| self.expires_at.max(self.now + Duration::from_millis(1)))
    }
}
