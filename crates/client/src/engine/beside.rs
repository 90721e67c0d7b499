//! Another endpoint beside one that does not answer: it is given the same lines.
//!
//! A server that takes bytes and says nothing may be slow, or stopped, or of a kind that never answers. Nobody can tell for
//! seconds, and its lines need not wait for that where another endpoint answers at once. So lines that are overdue are copied
//! (`delivery/copies.rs`), a block at a time, to an endpoint that is not; one that has no connection is connected. A copy that
//! gets no answer either goes to the next endpoint. Nor is a silent server taken for one that never answers while another
//! endpoint has not had its chance, or does answer.

use std::time::Duration;

use super::Engine;
use super::peer::{Slot, State};
use crate::delivery::outstanding::{Outstanding, Twin};
use crate::exchange::{Credit, Exchange, OVERDUE, Others, ServerProfile};
use crate::queue::block::BLOCK_BYTES;

impl Engine {
    /// Gives copies of overdue lines to other endpoints.
    pub(super) fn copy_overdue(&mut self) {
        if self.peers.len() > 1 {
            for slot in 0..self.slots.len() {
                self.copy_from(slot);
            }
        }
    }

    fn copy_from(&mut self, from: usize) {
        let points = self.pace.allowance(self.now);
        if points == 0 || !self.has_overdue(from) {
            return;
        }
        let takes =
            |slot: &Slot| self.may_take_copies(from, slot) && !slot.exchange().is_some_and(Exchange::holds_copies);
        let Some((to, credit)) = self.most_credit_of(false, true, takes) else {
            return;
        };
        let credit = Credit {
            bytes: credit.bytes.min(BLOCK_BYTES),
            points: credit.points.min(points),
        };
        let again = self.are_copies_overdue(from);
        let copies = self.slots[from]
            .exchange_mut()
            .map(|exchange| exchange.copies(credit, again));
        self.slots[from].copied_at = self.now;
        for copy in copies.unwrap_or_default() {
            let points = copy.lines.points();
            self.pace.take(self.now, points);
            self.peers[self.slots[to].peer].overload.take_again(self.now, points);
            self.verdicts.tally.resent += points;
            self.slots[to].given_at = self.now;
            if let Some(exchange) = self.slots[to].exchange_mut() {
                exchange.give(self.now, copy);
            }
        }
    }

    /// Whether a slot holds overdue lines that no other one is about to answer for.
    fn has_overdue(&self, slot: usize) -> bool {
        let overdue = |exchange: &dyn Exchange| exchange.has_uncopied(self.are_copies_overdue(slot));
        self.is_overdue(&self.slots[slot]) && self.slots[slot].exchange().is_some_and(overdue)
    }

    fn is_overdue(&self, slot: &Slot) -> bool {
        let from = slot.exchange().and_then(Exchange::overdue_from);
        from.is_some_and(|from| from <= self.now)
    }

    /// Whether the copies of a slot's lines got no answer either.
    fn are_copies_overdue(&self, from: usize) -> bool {
        let holds = |slot: &Slot| slot.exchange().is_some_and(Exchange::holds_copies) && !self.is_overdue(slot);
        self.copied_until(&self.slots[from]) <= self.now && !self.slots.iter().any(holds)
    }

    /// Until when the last copies of a slot's lines are waited for.
    fn copied_until(&self, slot: &Slot) -> Duration {
        slot.copied_at + OVERDUE
    }

    /// Whether a slot may answer for what another one does not.
    fn may_take_copies(&self, from: usize, slot: &Slot) -> bool {
        let from = self.slots[from].peer;
        let welcome = slot.exchange().is_some_and(Exchange::is_welcome);
        welcome && !slot.retiring && self.is_beside(from, slot.peer) && !self.is_overdue(slot)
    }

    /// Whether an endpoint can say more of lines than another one that does not answer.
    fn is_beside(&self, from: usize, peer: usize) -> bool {
        let silent = |peer: usize| matches!(self.peers[peer].profile, ServerProfile::Silent { .. });
        peer != from && (!silent(peer) || silent(from))
    }

    /// Whether overdue lines wait for a connection to this endpoint.
    pub(super) fn waits_for_copies(&self, peer: usize) -> bool {
        let waits = |from: usize| {
            let taken = || self.slots.iter().any(|slot| self.may_take_copies(from, slot));
            self.is_beside(self.slots[from].peer, peer) && self.has_overdue(from) && !taken()
        };
        self.peers.len() > 1 && (0..self.slots.len()).any(waits)
    }

    /// Whether overdue lines wait for any connection.
    pub(super) fn copies_wait(&self) -> bool {
        (0..self.peers.len()).any(|peer| self.active(peer) == 0 && self.waits_for_copies(peer))
    }

    /// Whether a connection is there to be given copies, though all else is at its end.
    pub(super) fn is_kept_for_copies(&self, slot: usize) -> bool {
        let gives = |from: usize| self.may_take_copies(from, &self.slots[slot]) && self.has_overdue(from);
        self.peers.len() > 1 && (0..self.slots.len()).any(gives)
    }

    /// When a slot's lines are overdue, or their copies are, or its silence is in doubt.
    pub(super) fn overdue_at(&self, slot: &Slot) -> Option<Duration> {
        let exchange = slot.exchange().filter(|_| self.peers.len() > 1)?;
        let from = exchange.overdue_from()?;
        let later = |at: &Duration| *at > self.now;
        let times = [
            Some(from),
            Some(self.copied_until(slot).max(from)),
            exchange.in_doubt_from(),
        ];
        times.into_iter().flatten().filter(later).min()
    }

    /// What a slot's lines may hope for from other endpoints.
    fn others(&self, slot: usize) -> Others {
        let own = self.slots[slot].peer;
        let mut others = Others::Silent;
        for peer in (0..self.peers.len()).filter(|peer| *peer != own) {
            match self.peers[peer].profile {
                ServerProfile::Answers(_) => return Others::Answer,
                ServerProfile::Unknown if self.may_answer(peer) => others = Others::Untried,
                _ => {}
            }
        }
        others
    }

    /// Whether an endpoint of which nothing is known may still answer, or be asked at once.
    fn may_answer(&self, peer: usize) -> bool {
        let mut slots = self
            .slots
            .iter()
            .filter(|slot| slot.peer == peer && !slot.is_idle())
            .peekable();
        if slots.peek().is_none() {
            return self.peers[peer].is_ready(self.now) && !self.peers[peer].lost;
        }
        slots.any(|slot| match &slot.state {
            State::Idle => false,
            State::Resolving { .. } | State::Connecting { .. } => !self.peers[peer].lost,
            State::Live(exchange) => exchange.in_doubt_from().is_none_or(|from| from > self.now),
        })
    }

    /// That an endpoint never answers is known from then on when one of its connections has found out.
    pub(super) fn learn_silence(&mut self, slot: usize) {
        let Slot { peer, state, .. } = &self.slots[slot];
        let peer = &mut self.peers[*peer];
        if let State::Live(exchange) = state
            && peer.profile == ServerProfile::Unknown
            && matches!(exchange.profile(), ServerProfile::Silent { .. })
        {
            peer.learn(exchange.profile());
        }
    }

    /// Tells a slot what other endpoints are like; whether that has changed.
    pub(super) fn look_beside(&mut self, slot: usize) -> bool {
        if self.peers.len() < 2 || self.slots[slot].exchange().is_none() {
            return false;
        }
        let others = self.others(slot);
        let changed = std::mem::replace(&mut self.slots[slot].others, others) != others;
        if let Some(exchange) = self.slots[slot].exchange_mut().filter(|_| changed) {
            exchange.look_beside(others);
        }
        changed
    }

    /// What other slots hold of lines that have their verdict is void, and takes the place of what comes back.
    pub(super) fn part_twins(&mut self, slot: usize) {
        if self.verdicts.twins.is_empty() && self.verdicts.orphans.is_empty() {
            return;
        }
        let twins = std::mem::take(&mut self.verdicts.twins);
        let mut orphans = std::mem::take(&mut self.verdicts.orphans);
        let others = self.slots.iter_mut().enumerate().filter(|(other, _)| *other != slot);
        for exchange in others.filter_map(|(_, slot)| slot.exchange_mut()) {
            twins.iter().for_each(|(lines, twin)| exchange.mark(lines, *twin));
            exchange.adopt(&mut orphans);
        }
        for held in orphans {
            let twin = Twin::None;
            self.verdicts.again(Outstanding { twin, ..held });
        }
    }
}
