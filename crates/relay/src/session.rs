//! One connection: what it gave and what that is worth, what it waits for, and how it ends.
//!
//! ```text
//!              no room                      its turn: all of it was taken
//!   reading ------------> owing, not reading -----------------------------> reading
//!      |                        | it asks for answers, and none may come later than `patience.answer`
//!      |                        '--> what is owed is refused, counted, and the interval is spoiled: its answer says so
//!      | the relay drains, and nothing came for 100 ms, or 5 s are over
//!      '--> leaving: every answer is still written
//! ```
//!
//! A peer that never asks is never refused: what it cannot write stays with it. `telnet.rs` and `http.rs` are what it says.

use std::sync::Arc;
use std::time::Duration;

use potsdb::InvalidPoint;
use potsdb_front::{Conduct, Ending};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::counts::add;
use crate::intake::Intake;
use crate::peers::{OfPeer, Peer};
use crate::rules::{self, Verdict};
use crate::settings::Settings;
use crate::shared::{Life, Shared};
use crate::telnet::asks;

/// What is read of a connection at once, and what of it is given to the stores at once, but for a single longer line: others
/// get their turn after it.
pub(crate) const TURN: usize = 64 * 1024;

/// How long nothing comes from a connection that has said all it wanted to say.
const QUIET: Duration = Duration::from_millis(100);

/// How long the first answer of a connection takes at most: potsdb's clients wait for 2 s before they take a server for one
/// that never answers, and other connections' for 10 s.
const FIRST: Duration = Duration::from_millis(1500);

/// How often it is looked whether a peer whose lines wait has asked something behind them.
const LOOK: Duration = Duration::from_millis(200);

/// How long a connection that never pauses is read while the relay drains.
const DRAIN: Duration = Duration::from_secs(5);

pub(crate) struct Session {
    pub(crate) shared: Arc<Shared>,
    pub(crate) intake: Intake,
    peer: Arc<OfPeer>,
    settings: Arc<Settings>,
    /// Until then nothing is read of the peer: it was too fast.
    paused_until: Option<Instant>,
    life: watch::Receiver<Life>,
    /// When it last sent something.
    last: Instant,
    owing_since: Option<Instant>,
    /// It asked for an answer, or is about to.
    pub(crate) asks: bool,
    /// Lines that are no points, found when they were given at last: the next words to the peer.
    pub(crate) unsaid: Vec<InvalidPoint>,
    /// Lines since the last answer were refused.
    pub(crate) is_spoiled: bool,
    /// It had an answer.
    pub(crate) has_answers: bool,
    /// When it is looked whether it asks in what it sent meanwhile.
    look_at: Instant,
    leaves: bool,
    /// Which part of the spread it waits before it leaves, of 1 024.
    share: u32,
}

impl Session {
    pub(crate) fn new(shared: Arc<Shared>, peer: Peer) -> Session {
        shared.opened();
        let number = shared.counts.connections.load(std::sync::atomic::Ordering::Relaxed);
        Session {
            intake: Intake::new(Arc::clone(&shared.stores), peer),
            peer: shared.peers.connected(peer),
            settings: shared.settings.now(),
            paused_until: None,
            life: shared.life.subscribe(),
            shared,
            last: Instant::now(),
            owing_since: None,
            asks: false,
            unsaid: Vec::new(),
            is_spoiled: false,
            has_answers: false,
            look_at: Instant::now(),
            leaves: false,
            // Neighbours end far from each other: a fleet reconnects over all of the time.
            share: (number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 54) as u32,
        }
    }

    /// Gives lines to the stores, as the rules have it. In a spoiled interval what finds no room is refused at once.
    pub(crate) fn give(&mut self, lines: &[u8]) -> Vec<InvalidPoint> {
        if self.shared.behind.is_wrong() {
            self.refuse_lines(lines);
            return Vec::new();
        }
        self.settings = self.shared.settings.now();
        self.shared.metrics.came(lines);
        let (mut bad, mut filtered) = (Vec::new(), Vec::new());
        let mut given = lines;
        if !self.settings.rules.is_empty() {
            self.filter(lines, &mut filtered, &mut bad);
            given = &filtered;
        }
        let before = self.intake.points;
        bad.extend(self.intake.give(given));
        let now = Instant::now();
        self.count(before, lines.len(), &bad, now);
        if self.intake.is_owing() {
            self.owing_since = Some(now);
            self.look_at = now + LOOK;
            if self.is_spoiled {
                self.refuse();
            }
        }
        bad
    }

    /// Takes lines through the rules.
    fn filter(&self, lines: &[u8], filtered: &mut Vec<u8>, bad: &mut Vec<InvalidPoint>) {
        for line in lines.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
            match rules::apply(&self.settings.rules, &self.shared.legal, line.trim_ascii()) {
                Ok(Verdict::Forwarded(line)) => filtered.extend_from_slice(&line),
                Ok(Verdict::Dropped) => add(&self.shared.counts.filtered, 1),
                Err(error) => bad.push(error),
            }
        }
    }

    /// Gives what is owed.
    pub(crate) fn give_owed(&mut self) -> Vec<InvalidPoint> {
        let before = self.intake.points;
        let bad = self.intake.give_owed();
        self.count(before, 0, &bad, Instant::now());
        if !self.intake.is_owing() {
            self.owing_since = None;
        }
        bad
    }

    /// Refuses what is owed.
    pub(crate) fn refuse(&mut self) {
        let refused = self.intake.forget_owed();
        add(&self.shared.counts.refused, refused);
        add(&self.peer.refused, refused);
        self.owing_since = None;
        self.is_spoiled = true;
    }

    /// Refuses lines that no store is given.
    fn refuse_lines(&mut self, lines: &[u8]) {
        let refused = memchr::memchr_iter(b'\n', lines).count() as u64;
        add(&self.shared.counts.refused, refused);
        add(&self.peer.refused, refused);
        self.is_spoiled = true;
    }

    /// Counts the points that were taken since there were `before`, and the bytes that came. A peer that was too fast is not
    /// read for a while.
    fn count(&mut self, before: u64, bytes: usize, bad: &[InvalidPoint], now: Instant) {
        let points = self.intake.points - before;
        add(&self.shared.counts.points, points);
        self.count_invalid(bad.len() as u64);
        let until = self.peer.came(points, bytes, self.settings.pace, now);
        self.paused_until = self.paused_until.max(until);
    }

    /// Counts what came and is no point.
    pub(crate) fn count_invalid(&self, points: u64) {
        add(&self.shared.counts.invalid, points);
        add(&self.peer.invalid, points);
    }

    /// When what is owed is refused.
    fn refusal(&self) -> Option<Instant> {
        let since = self.owing_since.filter(|_| self.asks)?;
        Some(since + self.patience())
    }

    /// How long it may wait for an answer. A client that has not had one yet may take longer silence for a server that
    /// never answers.
    pub(crate) fn patience(&self) -> Duration {
        match self.has_answers {
            true => self.settings.patience.answer,
            false => self.settings.patience.answer.min(FIRST),
        }
    }

    /// When it leaves.
    fn departure(&self) -> Option<Instant> {
        match *self.life.borrow() {
            Life::Serving => None,
            Life::Draining { since, spread } => {
                let quiet = self.last.max(since) + QUIET + spread * self.share / 1024;
                Some(quiet.min(since + DRAIN.max(spread)))
            }
            Life::Ending => Some(self.last),
        }
    }
}

impl Conduct for Session {
    fn room(&self, wanted: usize) -> usize {
        wanted.min(TURN)
    }

    fn received(&mut self, _bytes: usize) {
        self.last = Instant::now();
    }

    fn reads(&self) -> bool {
        !self.intake.is_owing() && self.paused_until.is_none()
    }

    fn looks_ahead(&mut self) -> bool {
        let looks = self.intake.is_owing() && !self.asks && self.look_at <= Instant::now();
        if looks {
            self.look_at = Instant::now() + LOOK;
        }
        looks
    }

    fn ahead(&mut self, bytes: &[u8]) {
        self.asks = asks(bytes);
    }

    fn leaves(&self) -> bool {
        self.leaves
    }

    fn ending(&self) -> Option<Ending> {
        (*self.life.borrow() == Life::Ending).then_some(Ending::Close)
    }

    fn refresh(&mut self) -> bool {
        let mut changed = false;
        if self.intake.is_called() {
            let bad = self.give_owed();
            self.unsaid.extend(bad);
            changed = true;
        }
        let now = || Instant::now();
        if self.paused_until.is_some_and(|until| until <= now()) {
            self.paused_until = None;
            changed = true;
        }
        if self.refusal().is_some_and(|at| at <= now()) {
            self.refuse();
            changed = true;
        }
        if !self.leaves && self.departure().is_some_and(|at| at <= now()) {
            if self.intake.is_owing() {
                self.refuse();
            }
            self.leaves = true;
            changed = true;
        }
        changed
    }

    async fn changed(&mut self) {
        let departure = self.departure().filter(|_| !self.leaves);
        let look = (self.intake.is_owing() && !self.asks).then_some(self.look_at);
        let due = [departure, self.refusal(), look, self.paused_until];
        let due = due.into_iter().flatten().min();
        tokio::select! {
            // It is told of an end before the relay is gone.
            changed = self.life.changed() => if changed.is_err() {
                std::future::pending::<()>().await;
            },
            () = self.intake.turn() => {}
            () = sleep_until(due.unwrap_or(self.last)), if due.is_some() => {}
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.peer.disconnected();
        self.shared.closed();
    }
}
