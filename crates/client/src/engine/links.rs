//! What becomes of links and doors: connecting, losing, trying again, ending.
//!
//! A door that was lost is on trial once it is connected again: one connection, with one block of lines at a time,
//! until the server has shown by an answer that it works. So a door that only looks open costs the others nothing.
//! `engine.rs` calls what is here; it writes no lines.
//!
//! A connection that has reached its age hands over first: another one to the same door is made while it still takes
//! lines, and only then it retires, and lives on until everything it was given is answered and settled. So there may
//! be more connections to a door than the option says, for as long as that takes.

use std::time::Duration;

use super::door::{Link, State};
use super::{Engine, Output, STAGGER, Stage};
use crate::config::credentials::Credentials;
use crate::delivery::verdicts::Reason;
use crate::exchange::{Cut, Exchange, Knowledge, Terms, Wire};
use crate::report::Report;

/// A connection that was given nothing for so long is not in use.
const RESTS_AFTER: Duration = Duration::from_secs(1);

/// A door with so many connections that are about to end gets no further one: the next waits for its turn.
const MOST_RETIRING: usize = 4;

/// Nobody can interrupt either.
const UNRESOLVED: &str = "looking up its name, or reading its secrets, takes longer than the connect timeout";

impl Engine {
    /// A link's name is resolved.
    pub(super) fn dialling(&mut self, link: usize) {
        if !matches!(self.links[link].state, State::Resolving { .. }) {
            return;
        }
        if self.doors[self.links[link].door].not_before > self.now {
            // Another connection has learned meanwhile that the server is to be left alone.
            self.outputs.push_back(Output::Disconnect { link });
            return self.leave(link);
        }
        self.links[link].state = State::Connecting { since: self.now };
    }

    /// A name that takes too long is told of, and waited for: a late answer is as good as an early one, and costs nobody
    /// anything meanwhile.
    fn resolving(&mut self, link: usize, since: Duration) {
        let door = &mut self.doors[self.links[link].door];
        if self.now >= since + self.connect_timeout && !std::mem::replace(&mut door.lost, true) {
            door.last_error = Some(UNRESOLVED.to_owned());
            self.verdicts.reports.push(Report::ServerLost {
                endpoint: door.name.clone(),
                why: UNRESOLVED.to_owned(),
            });
        }
    }

    pub(super) fn connected(&mut self, link: usize, credentials: Credentials) {
        let index = self.links[link].door;
        let door = &self.doors[index];
        if !matches!(
            self.links[link].state,
            State::Resolving { .. } | State::Connecting { .. }
        ) {
            return;
        }
        self.verdicts.tally.connects += 1;
        let mut knowledge = match door.wire {
            Wire::Telnet => self.fixed.unwrap_or(door.knowledge),
            #[cfg(feature = "http")]
            Wire::Http(_) => door.knowledge,
        };
        let doubted = self.terms.must_answer || door.was_foreign;
        if doubted && matches!(knowledge, Knowledge::Silent { .. }) {
            knowledge = Knowledge::Unknown;
        }
        let terms = Terms {
            first_window_bytes: door.window_bytes,
            ..self.terms
        };
        let exchange = door.wire.open(terms, knowledge, credentials, self.now);
        let wanted = self.waiting().is_some() || self.hands_over(index) || self.is_hope(index);
        self.links[link] = Link {
            state: State::Live(exchange),
            since: self.now,
            given_at: self.now,
            ..Link::new(index)
        };
        if !wanted {
            // What it was made for has gone elsewhere. VictoriaMetrics serves nobody else while one says nothing.
            self.outputs.push_back(Output::Disconnect { link });
            self.links[link].state = State::Idle;
        }
    }

    /// Whether lines wait for a link, and then whether they have their verdict already.
    fn waiting(&self) -> Option<bool> {
        if self.queued || !self.verdicts.again.is_empty() {
            return Some(false);
        }
        self.retry_waits()
    }

    pub(super) fn kernel_has(&mut self, link: usize, bytes: u64) {
        if let Some(exchange) = self.links[link].exchange_mut() {
            exchange.kernel_has(self.now, bytes, &mut self.verdicts);
        }
    }

    /// A live connection is gone.
    pub(super) fn end(&mut self, link: usize, clean: bool, why: String) {
        let Some(exchange) = self.links[link].exchange_mut() else {
            return self.lost(link, why);
        };
        if clean && !exchange.is_welcome() {
            return self.over(link, clean, &Cut::Unauthorized(why));
        }
        let idle = exchange.is_idle();
        exchange.ended(clean, &mut self.verdicts);
        // The reason may be in the data received just before the end of the stream.
        let cut = exchange.tick(self.now, false, &mut self.verdicts);
        self.heed(link);
        match cut.filter(Cut::is_lasting) {
            Some(cut) => self.lost_for_long(link, &cut),
            None if idle => self.leave(link),
            None => self.lost(link, why),
        }
    }

    /// A connection of no more use, and nothing wrong with the endpoint.
    fn leave(&mut self, link: usize) {
        let fresh = Link::new(self.links[link].door);
        let state = std::mem::replace(&mut self.links[link], fresh).state;
        let door = &mut self.doors[self.links[link].door];
        if let State::Live(exchange) = state {
            door.learn(exchange.knowledge());
            if matches!(door.wire, Wire::Telnet) {
                door.window_bytes = exchange.window_bytes();
            }
            if exchange.has_proved(self.now) {
                door.backoff.reset();
            }
        }
    }

    /// A link is without a connection from now on, and its endpoint not doing well.
    pub(super) fn lost(&mut self, link: usize, why: String) {
        self.lose(link, why, |endpoint, why| Report::ServerLost { endpoint, why });
    }

    fn lose(&mut self, link: usize, why: String, report: impl FnOnce(String, String) -> Report) {
        let was_idle = self.links[link].is_idle();
        let had_worked = self.links[link].exchange().map(Exchange::has_worked);
        let tried = self.links[link].tried;
        self.leave(link);
        if was_idle || self.is_finishing() {
            return;
        }
        let index = self.links[link].door;
        let works = |link: &Link| link.door == index && link.exchange().is_some_and(Exchange::has_worked);
        let others_work = self.links.iter().any(works);
        let door = &mut self.doors[index];
        if let Some(had_worked) = had_worked {
            door.lost_connection(had_worked);
        }
        // While the lines are looked for that end connections, their end says little about the endpoint.
        if tried && self.retries.is_getting_on() {
            door.backoff.reset();
        }
        let wait = self.now + door.backoff.failed(&mut self.random);
        // Another of its connections may have learned that it takes longer.
        door.not_before = door.not_before.max(wait);
        door.last_error = Some(why.clone());
        // One connection of several that work is no endpoint.
        if !others_work && !std::mem::replace(&mut door.lost, true) {
            self.verdicts.reports.push(report(door.name.clone(), why));
        }
    }

    /// What an endpoint asked for counts for all its connections.
    pub(super) fn heed(&mut self, link: usize) {
        let index = self.links[link].door;
        let door = &mut self.doors[index];
        let worked = std::mem::take(&mut self.verdicts.worked);
        if worked {
            door.last_success = self.verdicts.successes;
        }
        let here = door.last_success;
        door.judge(self.now, worked, !self.verdicts.heard.failed.is_empty());
        match self.verdicts.complaint.take() {
            Some(complaint) => {
                door.overload.complained(self.now, complaint);
                let until = door.overload.asked_until();
                for link in self.links.iter_mut().filter(|link| link.door == index) {
                    if let Some(exchange) = link.exchange_mut() {
                        exchange.rest(until);
                    }
                }
            }
            None if worked => door.overload.worked(self.now),
            None => {}
        }
        self.collect(here);
    }

    /// When a link's connection is to end because of its age.
    pub(super) fn retires_at(&self, link: &Link) -> Option<Duration> {
        Some(link.since + self.connection_max_age?).filter(|_| !link.retiring)
    }

    /// From when on nothing more is expected for a link: it may retire without another to take over.
    pub(super) fn rests_at(&self, link: &Link) -> Duration {
        link.given_at + RESTS_AFTER
    }

    pub(super) fn is_due(&self, link: &Link) -> bool {
        link.exchange().is_some() && self.retires_at(link).is_some_and(|at| at <= self.now)
    }

    /// Whether a link that has reached its age can retire: another has taken over, or nothing is to be taken over.
    fn may_retire(&self, link: &Link) -> bool {
        let takes_over = |other: &Link| {
            let welcome = other.exchange().is_some_and(Exchange::is_welcome);
            other.door == link.door && other.since > link.since && !other.retiring && welcome && !self.is_due(other)
        };
        let rests = self.waiting().is_none() && self.now >= self.rests_at(link);
        self.few_retire(link.door) && (rests || self.links.iter().any(takes_over))
    }

    /// Whether one of a door's connections is to retire as soon as another has taken over.
    fn hands_over(&self, door: usize) -> bool {
        self.few_retire(door) && self.links.iter().any(|link| link.door == door && self.is_due(link))
    }

    /// Whether a door may have one more connection that is about to end.
    fn few_retire(&self, door: usize) -> bool {
        let retiring = |link: &&Link| link.door == door && link.retiring;
        self.links.iter().filter(retiring).count() < MOST_RETIRING
    }

    pub(super) fn tick(&mut self, link: usize) {
        let retires = self.is_due(&self.links[link]) && self.may_retire(&self.links[link]);
        let urgent = self.urgent && !self.queued && self.verdicts.again.is_empty();
        let door = &self.doors[self.links[link].door];
        let Link { state, retiring, .. } = &mut self.links[link];
        let cut = match state {
            State::Idle => return,
            State::Resolving { since } => {
                let since = *since;
                return self.resolving(link, since);
            }
            State::Connecting { since } if self.now < *since + self.connect_timeout => return,
            State::Connecting { .. } => {
                self.outputs.push_back(Output::Disconnect { link });
                return self.lost(link, "connect timeout".to_owned());
            }
            State::Live(exchange) => {
                exchange.learn(door.knowledge);
                *retiring |= retires;
                if *retiring {
                    exchange.retire(self.now);
                }
                exchange.tick(self.now, urgent, &mut self.verdicts)
            }
        };
        self.heed(link);
        if let Some(cut) = cut {
            self.cut(link, &cut);
        }
        let Link {
            door,
            state: State::Live(exchange),
            ..
        } = &mut self.links[link]
        else {
            return;
        };
        if exchange.take_half_close() {
            self.outputs.push_back(Output::HalfClose { link });
        }
        let door = &mut self.doors[*door];
        if exchange.has_worked() && door.found() {
            self.verdicts.reports.push(Report::ServerFound {
                endpoint: door.name.clone(),
            });
        }
    }

    /// Ends a connection on the client's own account.
    fn cut(&mut self, link: usize, cut: &Cut) {
        self.outputs.push_back(Output::Disconnect { link });
        if let Some(exchange) = self.links[link].exchange() {
            exchange.count_torn(&mut self.verdicts);
        }
        self.over(link, *cut == Cut::Finished, cut);
    }

    /// A connection is over, and it is known why.
    fn over(&mut self, link: usize, clean: bool, cut: &Cut) {
        if let Some(exchange) = self.links[link].exchange_mut() {
            exchange.ended(clean, &mut self.verdicts);
            self.heed(link);
        }
        match cut {
            Cut::Finished => self.leave(link),
            _ if cut.is_lasting() => self.lost_for_long(link, cut),
            _ => self.lost(link, cut.to_string()),
        }
    }

    /// As [`lost`](Engine::lost), and it takes somebody's doing to mend.
    fn lost_for_long(&mut self, link: usize, cut: &Cut) {
        self.lose(link, cut.to_string(), |endpoint, why| match cut {
            Cut::Unauthorized(_) => Report::Unauthorized { endpoint, why },
            _ => Report::ServerLost { endpoint, why },
        });
        let door = &mut self.doors[self.links[link].door];
        door.not_before = self.now + door.backoff.cap();
        door.was_foreign |= matches!(cut, Cut::Foreign(..));
    }

    /// Opens a connection when there is something to write and no live one takes it, or the one that does is to retire.
    /// One at a time, [`STAGGER`] apart: a silent connection would block VictoriaMetrics' port.
    pub(super) fn connect(&mut self) {
        let Some(posted) = self.waiting() else { return };
        let trying = |link: &Link| match link.state {
            State::Resolving { since } | State::Connecting { since } => self.now < since + STAGGER,
            State::Idle | State::Live(_) => false,
        };
        if self.test_mode || self.links.iter().any(trying) {
            return;
        }
        let due = |door: usize| self.hands_over(door);
        let taken = self.roomiest(posted);
        let taken = taken.is_some_and(|(link, _)| !self.stands_still(&self.links[link]));
        let wanted = |door: &usize| {
            let wanted = !taken || due(*door) || self.is_hope(*door);
            wanted && self.may_connect(*door, usize::from(due(*door)))
        };
        // The endpoint that has been left alone the longest, so that a dead one does not go first for ever.
        let turn = |door: usize| (door + self.doors.len() - self.first_door) % self.doors.len();
        let candidates = (0..self.doors.len()).filter(wanted);
        let Some(door) = candidates.min_by_key(|index| {
            let door = &self.doors[*index];
            let failures = self.is_hope(*index).then_some(door.failures);
            (
                failures.is_none(),
                failures,
                door.not_before,
                self.active(*index),
                turn(*index),
            )
        }) else {
            return;
        };
        let idle = |link: &Link| link.door == door && link.is_idle();
        let link = self.links.iter().position(idle).unwrap_or_else(|| {
            self.links.push(Link::new(door));
            self.links.len() - 1
        });
        self.links[link].state = State::Resolving { since: self.now };
        self.outputs.push_back(Output::Connect { link, endpoint: door });
    }

    /// Whether one more connection to a door may be tried now, `more` beyond the number that the option says.
    fn may_connect(&self, door: usize, more: usize) -> bool {
        let ready = self.doors[door].is_ready(self.now) && !self.is_on_trial(door);
        ready && self.active(door) < self.connections + more
    }

    /// Whether lines that failed may fare better with a door that takes nothing yet than with any that does.
    fn is_hope(&self, door: usize) -> bool {
        let failures = self.doors[door].failures;
        let worse = |link: &Link| link.exchange().is_none() || self.doors[link.door].failures > failures;
        let some = self.retries.unposted() + self.retries.posted() > 0;
        some && self.links.iter().all(worse)
    }

    /// Whether such a door is being connected to, or is about to be: lines that failed wait for it rather than go to this
    /// link, but no longer than any attempt to connect has for itself.
    pub(super) fn hopes(&self, link: usize) -> bool {
        let failures = self.doors[self.links[link].door].failures;
        let young = |link: &Link| match link.state {
            State::Resolving { since } | State::Connecting { since } => self.now < since + STAGGER,
            State::Idle | State::Live(_) => false,
        };
        let coming = |link: &Link| young(link) && self.doors[link.door].failures < failures;
        let may_come = |door: usize| self.is_hope(door) && self.may_connect(door, 0) && self.active(door) == 0;
        !self.is_finishing() && (self.links.iter().any(coming) || (0..self.doors.len()).any(may_come))
    }

    /// How many connections of a door take lines, or are about to.
    fn active(&self, door: usize) -> usize {
        self.links
            .iter()
            .filter(|link| link.door == door && link.is_active())
            .count()
    }

    /// Whether one connection is finding out already if the endpoint works again.
    fn is_on_trial(&self, door: usize) -> bool {
        let sibling = |other: &Link| other.door == door && !other.is_idle();
        self.doors[door].lost && self.links.iter().any(sibling)
    }

    /// Closing, and nothing is left to be given: ends every connection in good order.
    pub(super) fn finish(&mut self) {
        self.stage = Stage::Finishing;
        for link in 0..self.links.len() {
            if let Some(exchange) = self.links[link].exchange_mut() {
                exchange.finish(self.now);
                self.tick(link);
            }
        }
        // Until then an attempt to connect may be for what the last answers leave.
        if self.links.iter().all(|link| link.exchange().is_none()) {
            self.stage = Stage::Done;
            for link in (0..self.links.len()).filter(|link| !self.links[*link].is_idle()) {
                self.outputs.push_back(Output::Disconnect { link });
            }
            self.give_up_retries(Reason::Closed);
        }
    }
}
