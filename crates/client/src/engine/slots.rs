//! What becomes of slots and peers: connecting, losing, trying again, ending.
//!
//! An endpoint that was lost is on trial once it is connected again: one connection, with one block of lines at a time,
//! until the server has shown by an answer that it works. So an endpoint that only looks open costs the others nothing.
//! `engine.rs` calls what is here; it writes no lines.
//!
//! A connection that has reached its age hands over first: another one to the same endpoint is made while it still takes
//! lines, and only then it retires, and lives on until everything it was given is answered and settled. So there may
//! be more connections to an endpoint than the option says, for as long as that takes.

use std::time::Duration;

use super::peer::{Peer, Slot, State};
use super::{Engine, Output, Stage};
use crate::config::credentials::Credentials;
use crate::delivery::verdicts::Reason;
use crate::exchange::{CloseReason, Exchange, Protocol, ServerProfile, Terms};
use crate::report::Report;

/// A connection that was given nothing for so long is not in use.
const RESTS_AFTER: Duration = Duration::from_secs(1);

/// An endpoint with so many connections that are about to end gets no further one: the next waits for its turn.
const MOST_RETIRING: usize = 4;

/// Nobody can interrupt either.
const UNRESOLVED: &str = "looking up its name, or reading its secrets, takes longer than the connect timeout";

impl Engine {
    /// A slot's name is resolved.
    pub(super) fn dialling(&mut self, slot: usize) {
        if !matches!(self.slots[slot].state, State::Resolving { .. }) {
            return;
        }
        if self.peers[self.slots[slot].peer].not_before > self.now {
            // Another connection has learned meanwhile that the server is to be left alone.
            self.outputs.push_back(Output::Disconnect { slot });
            return self.release(slot);
        }
        self.slots[slot].state = State::Connecting { since: self.now };
    }

    /// A name that takes too long is told of, and waited for: a late answer is as good as an early one, and costs nobody
    /// anything meanwhile.
    fn resolving(&mut self, slot: usize, since: Duration) {
        let peer = &mut self.peers[self.slots[slot].peer];
        if self.now >= since + self.connect_timeout && !std::mem::replace(&mut peer.lost, true) {
            peer.last_error = Some(UNRESOLVED.to_owned());
            self.verdicts.reports.push(Report::ServerLost {
                endpoint: peer.name.clone(),
                why: UNRESOLVED.to_owned(),
            });
        }
    }

    pub(super) fn connected(&mut self, slot: usize, credentials: Credentials) {
        let index = self.slots[slot].peer;
        let peer = &self.peers[index];
        if !matches!(
            self.slots[slot].state,
            State::Resolving { .. } | State::Connecting { .. }
        ) {
            return;
        }
        self.verdicts.tally.connects += 1;
        let mut profile = match peer.protocol {
            Protocol::Telnet => self.fixed.unwrap_or(peer.profile),
            #[cfg(feature = "http")]
            Protocol::Http(_) => peer.profile,
        };
        let others_answer = |other: &Peer| matches!(other.profile, ServerProfile::Answers(_));
        let fixed = self.fixed.is_some();
        let doubted = self.terms.must_answer || peer.was_foreign || (!fixed && self.peers.iter().any(others_answer));
        if doubted && matches!(profile, ServerProfile::Silent { .. }) {
            profile = ServerProfile::Unknown;
        }
        let terms = Terms {
            first_window_bytes: peer.window_bytes,
            ..self.terms
        };
        let exchange = peer.protocol.open(terms, profile, credentials, self.now);
        let wanted = self.waiting().is_some() || self.hands_over(index) || self.is_hope(index);
        let wanted = wanted || self.waits_for_copies(index);
        self.slots[slot] = Slot {
            state: State::Live(exchange),
            since: self.now,
            given_at: self.now,
            ..Slot::new(index)
        };
        if !wanted {
            // What it was made for has gone elsewhere. VictoriaMetrics serves nobody else while one says nothing.
            self.outputs.push_back(Output::Disconnect { slot });
            self.slots[slot].state = State::Idle;
        }
    }

    /// Whether lines wait for a slot, and then whether they have their verdict already.
    fn waiting(&self) -> Option<bool> {
        if self.queued || !self.verdicts.again.is_empty() {
            return Some(false);
        }
        self.retry_waits()
    }

    pub(super) fn kernel_has(&mut self, slot: usize, bytes: u64) {
        if let Some(exchange) = self.slots[slot].exchange_mut() {
            exchange.kernel_has(self.now, bytes, &mut self.verdicts);
            self.part_twins(slot);
        }
    }

    /// A live connection is gone.
    pub(super) fn disconnected(&mut self, slot: usize, clean: bool, why: String) {
        let Some(exchange) = self.slots[slot].exchange_mut() else {
            return self.fail_for_now(slot, why);
        };
        if clean && !exchange.is_welcome() {
            return self.closed(slot, clean, &CloseReason::Unauthorized(why));
        }
        let idle = exchange.is_idle();
        exchange.ended(clean, &mut self.verdicts);
        // The reason may be in the data received just before the end of the stream.
        let reason = exchange.tick(self.now, false, &mut self.verdicts);
        self.apply_feedback(slot);
        match reason.filter(CloseReason::is_lasting) {
            Some(reason) => self.fail_for_long(slot, &reason),
            None if idle => self.release(slot),
            None => self.fail_for_now(slot, why),
        }
    }

    /// A connection of no more use, and nothing wrong with the endpoint.
    fn release(&mut self, slot: usize) {
        let fresh = Slot::new(self.slots[slot].peer);
        let state = std::mem::replace(&mut self.slots[slot], fresh).state;
        let peer = &mut self.peers[self.slots[slot].peer];
        if let State::Live(exchange) = state {
            peer.learn(exchange.profile());
            if matches!(peer.protocol, Protocol::Telnet) {
                peer.window_bytes = exchange.window_bytes();
            }
            if exchange.has_proved(self.now) {
                peer.backoff.reset();
            }
        }
    }

    /// A slot is without a connection from now on, and its endpoint not doing well.
    pub(super) fn fail_for_now(&mut self, slot: usize, why: String) {
        self.fail(slot, why, |endpoint, why| Report::ServerLost { endpoint, why });
    }

    fn fail(&mut self, slot: usize, why: String, report: impl FnOnce(String, String) -> Report) {
        let was_idle = self.slots[slot].is_idle();
        let had_worked = self.slots[slot].exchange().map(Exchange::has_worked);
        let tried = self.slots[slot].tried;
        self.release(slot);
        if was_idle {
            return;
        }
        let finishing = self.is_finishing();
        let index = self.slots[slot].peer;
        let works = |slot: &Slot| slot.peer == index && slot.exchange().is_some_and(Exchange::has_worked);
        let others_work = self.slots.iter().any(works);
        let peer = &mut self.peers[index];
        if let Some(had_worked) = had_worked {
            peer.lost_connection(had_worked);
        }
        // While the lines are looked for that end connections, their end says little about the endpoint.
        if tried && self.retries.is_getting_on() {
            peer.backoff.reset();
        }
        let wait = self.now + peer.backoff.failed(&mut self.random);
        // Another of its connections may have learned that it takes longer.
        peer.not_before = peer.not_before.max(wait);
        peer.last_error = Some(why.clone());
        // One connection of several that work is no endpoint.
        if !finishing && !others_work && !std::mem::replace(&mut peer.lost, true) {
            self.verdicts.reports.push(report(peer.name.clone(), why));
        }
    }

    /// What an endpoint asked for counts for all its connections.
    pub(super) fn apply_feedback(&mut self, slot: usize) {
        let index = self.slots[slot].peer;
        let peer = &mut self.peers[index];
        let worked = std::mem::take(&mut self.verdicts.worked);
        if worked {
            peer.last_success = self.verdicts.successes;
        }
        let here = peer.last_success;
        peer.judge(self.now, worked, !self.verdicts.heard.failed.is_empty());
        match self.verdicts.complaint.take() {
            Some(complaint) => {
                peer.overload.complained(self.now, complaint);
                let until = peer.overload.asked_until();
                for slot in self.slots.iter_mut().filter(|slot| slot.peer == index) {
                    if let Some(exchange) = slot.exchange_mut() {
                        exchange.rest(until);
                    }
                }
            }
            None if worked => peer.overload.worked(self.now),
            None => {}
        }
        self.part_twins(slot);
        self.collect(here);
    }

    /// When a slot's connection is to end because of its age.
    pub(super) fn retires_at(&self, slot: &Slot) -> Option<Duration> {
        Some(slot.since + self.connection_max_age?).filter(|_| !slot.retiring)
    }

    /// From when on nothing more is expected for a slot: it may retire without another to take over.
    pub(super) fn rests_at(&self, slot: &Slot) -> Duration {
        slot.given_at + RESTS_AFTER
    }

    pub(super) fn is_due(&self, slot: &Slot) -> bool {
        slot.exchange().is_some() && self.retires_at(slot).is_some_and(|at| at <= self.now)
    }

    /// Whether a slot that has reached its age can retire: another has taken over, or nothing is to be taken over.
    fn may_retire(&self, slot: &Slot) -> bool {
        let takes_over = |other: &Slot| {
            let welcome = other.exchange().is_some_and(Exchange::is_welcome);
            other.peer == slot.peer && other.since > slot.since && !other.retiring && welcome && !self.is_due(other)
        };
        let rests = self.waiting().is_none() && self.now >= self.rests_at(slot);
        self.few_retire(slot.peer) && (rests || self.slots.iter().any(takes_over))
    }

    /// Whether one of an endpoint's connections is to retire as soon as another has taken over.
    fn hands_over(&self, peer: usize) -> bool {
        self.few_retire(peer) && self.slots.iter().any(|slot| slot.peer == peer && self.is_due(slot))
    }

    /// Whether an endpoint may have one more connection that is about to end.
    fn few_retire(&self, peer: usize) -> bool {
        let retiring = |slot: &&Slot| slot.peer == peer && slot.retiring;
        self.slots.iter().filter(retiring).count() < MOST_RETIRING
    }

    pub(super) fn tick(&mut self, slot: usize) {
        let retires = self.is_due(&self.slots[slot]) && self.may_retire(&self.slots[slot]);
        let urgent = self.urgent && !self.queued && self.verdicts.again.is_empty();
        let peer = &self.peers[self.slots[slot].peer];
        let Slot { state, retiring, .. } = &mut self.slots[slot];
        let reason = match state {
            State::Idle => return,
            State::Resolving { since } => {
                let since = *since;
                return self.resolving(slot, since);
            }
            State::Connecting { since } if self.now < *since + self.connect_timeout => return,
            State::Connecting { .. } => {
                self.outputs.push_back(Output::Disconnect { slot });
                return self.fail_for_now(slot, "connect timeout".to_owned());
            }
            State::Live(exchange) => {
                exchange.learn(peer.profile);
                *retiring |= retires;
                if *retiring {
                    exchange.retire(self.now);
                }
                exchange.tick(self.now, urgent, &mut self.verdicts)
            }
        };
        self.apply_feedback(slot);
        self.learn_silence(slot);
        if let Some(reason) = reason {
            self.close(slot, &reason);
        }
        let Slot {
            peer,
            state: State::Live(exchange),
            ..
        } = &mut self.slots[slot]
        else {
            return;
        };
        if exchange.take_half_close() {
            self.outputs.push_back(Output::HalfClose { slot });
        }
        let peer = &mut self.peers[*peer];
        if exchange.has_worked() && peer.found() {
            self.verdicts.reports.push(Report::ServerFound {
                endpoint: peer.name.clone(),
            });
        }
    }

    /// Ends a connection on the client's own account.
    fn close(&mut self, slot: usize, reason: &CloseReason) {
        self.outputs.push_back(Output::Disconnect { slot });
        if let Some(exchange) = self.slots[slot].exchange() {
            exchange.count_torn(&mut self.verdicts);
        }
        self.closed(slot, *reason == CloseReason::Finished, reason);
    }

    /// A connection is over, and it is known why.
    fn closed(&mut self, slot: usize, clean: bool, reason: &CloseReason) {
        if let Some(exchange) = self.slots[slot].exchange_mut() {
            exchange.ended(clean, &mut self.verdicts);
            self.apply_feedback(slot);
        }
        match reason {
            CloseReason::Finished => self.release(slot),
            _ if reason.is_lasting() => self.fail_for_long(slot, reason),
            _ => self.fail_for_now(slot, reason.to_string()),
        }
    }

    /// As [`fail_for_now`](Engine::fail_for_now), and it takes somebody's doing to mend.
    fn fail_for_long(&mut self, slot: usize, reason: &CloseReason) {
        self.fail(slot, reason.to_string(), |endpoint, why| match reason {
            CloseReason::Unauthorized(_) => Report::Unauthorized { endpoint, why },
            _ => Report::ServerLost { endpoint, why },
        });
        let peer = &mut self.peers[self.slots[slot].peer];
        peer.not_before = self.now + peer.backoff.cap();
        peer.was_foreign |= matches!(reason, CloseReason::Foreign(..));
    }

    /// Opens a connection when there is something to write and no live one takes it, or the one that does is to retire.
    /// One at a time, [`STAGGER`] apart: a silent connection would block VictoriaMetrics' port.
    pub(super) fn connect(&mut self) {
        let waiting = self.waiting().filter(|_| !self.is_finishing());
        if waiting.is_none() && !self.copies_wait() {
            return;
        }
        if self.test_mode || self.slots.iter().any(|slot| slot.is_trying(self.now)) {
            return;
        }
        let due = |peer: usize| self.hands_over(peer);
        let taken = waiting.is_none_or(|posted| {
            let taken = self.most_credit(posted);
            taken.is_some_and(|(slot, _)| !self.stands_still(&self.slots[slot]))
        });
        let wanted = |peer: &usize| {
            let wanted = !taken || (waiting.is_some() && (due(*peer) || self.is_hope(*peer)));
            let waited_for = || self.active(*peer) == 0 && self.waits_for_copies(*peer);
            (wanted || waited_for()) && self.may_connect(*peer, usize::from(due(*peer)))
        };
        // The endpoint that has been left alone the longest, so that a dead one does not go first for ever.
        let turn = |peer: usize| (peer + self.peers.len() - self.first_peer) % self.peers.len();
        let candidates = (0..self.peers.len()).filter(wanted);
        let Some(peer) = candidates.min_by_key(|index| {
            let peer = &self.peers[*index];
            let failures = self.is_hope(*index).then_some(peer.failures);
            (
                failures.is_none(),
                failures,
                peer.not_before,
                self.active(*index),
                turn(*index),
            )
        }) else {
            return;
        };
        let idle = |slot: &Slot| slot.peer == peer && slot.is_idle();
        let slot = self.slots.iter().position(idle).unwrap_or_else(|| {
            self.slots.push(Slot::new(peer));
            self.slots.len() - 1
        });
        self.slots[slot].state = State::Resolving { since: self.now };
        self.outputs.push_back(Output::Connect { slot, endpoint: peer });
    }

    /// Whether one more connection to an endpoint may be tried now, `more` beyond the number that the option says.
    fn may_connect(&self, peer: usize, more: usize) -> bool {
        let ready = self.peers[peer].is_ready(self.now) && !self.is_on_trial(peer);
        ready && self.active(peer) < self.connections + more
    }

    /// Whether an endpoint without a connection is a better hope for lines that failed than every one that has one.
    fn is_hope(&self, peer: usize) -> bool {
        let failures = self.peers[peer].failures;
        let worse = |slot: &Slot| slot.exchange().is_none() || self.peers[slot.peer].failures > failures;
        let some = self.retries.unposted() + self.retries.posted() > 0;
        some && self.slots.iter().all(worse)
    }

    /// Whether lines that failed wait for a better endpoint than this slot's: one that is being connected, or can be at
    /// once. They wait for [`STAGGER`](super::STAGGER) at most.
    pub(super) fn hopes(&self, slot: usize) -> bool {
        let failures = self.peers[self.slots[slot].peer].failures;
        let coming = |slot: &Slot| slot.is_trying(self.now) && self.peers[slot.peer].failures < failures;
        let may_come = |peer: usize| self.is_hope(peer) && self.may_connect(peer, 0) && self.active(peer) == 0;
        !self.is_finishing() && (self.slots.iter().any(coming) || (0..self.peers.len()).any(may_come))
    }

    /// How many connections of an endpoint take lines, or are about to.
    pub(super) fn active(&self, peer: usize) -> usize {
        self.slots
            .iter()
            .filter(|slot| slot.peer == peer && slot.is_active())
            .count()
    }

    /// Whether one connection is finding out already if the endpoint works again.
    fn is_on_trial(&self, peer: usize) -> bool {
        let sibling = |other: &Slot| other.peer == peer && !other.is_idle();
        self.peers[peer].lost && self.slots.iter().any(sibling)
    }

    /// Closing, and nothing is left to be given: ends every connection in good order.
    pub(super) fn finish(&mut self) {
        self.stage = Stage::Finishing;
        for slot in 0..self.slots.len() {
            if self.is_kept_for_copies(slot) {
                continue;
            }
            if let Some(exchange) = self.slots[slot].exchange_mut() {
                exchange.finish(self.now);
                self.tick(slot);
            }
        }
        // Until then an attempt to connect may be for what the last answers leave.
        if self.slots.iter().all(|slot| slot.exchange().is_none()) {
            self.stage = Stage::Done;
            for slot in (0..self.slots.len()).filter(|slot| !self.slots[*slot].is_idle()) {
                self.outputs.push_back(Output::Disconnect { slot });
            }
            self.give_up_retries(Reason::Closed);
        }
    }
}
