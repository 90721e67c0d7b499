//! Peers and slots: what is known of an endpoint over all its connections, and the place of one connection.

use std::time::Duration;

use super::STAGGER;
use crate::delivery::backoff::Backoff;
use crate::delivery::overload::Overload;
use crate::delivery::retries::pause_after;
use crate::exchange::{Credit, Exchange, Others, Protocol, ServerProfile};
use crate::queue::block::BLOCK_BYTES;
use crate::stats::{EndpointState, EndpointStats};

/// A connection on trial gets this many bytes at least: two of the longest lines.
const LEAST_TRIAL: usize = 2048;

/// What is known of an endpoint: one way to the store.
pub(super) struct Peer {
    pub(super) name: String,
    pub(super) protocol: Protocol,
    pub(super) profile: ServerProfile,
    pub(super) backoff: Backoff,
    pub(super) overload: Overload,
    /// No attempt to connect before that.
    pub(super) not_before: Duration,
    /// The last attempt failed, or the last connection was ended from the other side; and no
    /// connection has shown since that the server works.
    pub(super) lost: bool,
    /// How many bytes of lines a connection on trial gets: half as many each time one is lost without an answer, so
    /// that some get through however little a connection carries.
    pub(super) trial: usize,
    /// Bytes without an answer that its last connection allowed itself.
    pub(super) window_bytes: usize,
    pub(super) last_error: Option<String>,
    /// The client's count of successes when it last had one; 0: never.
    pub(super) last_success: u64,
    /// How often it has failed lines since it last took some. The less often, the likelier it takes what failed here or
    /// elsewhere: it may be the other server that fails everything.
    pub(super) failures: u32,
    /// Nothing that failed goes to it before that.
    pub(super) retry_not_before: Duration,
    /// Something else than a server of this protocol was there once: silence is found out about anew on each connection.
    pub(super) was_foreign: bool,
}

impl Peer {
    pub(super) fn new(
        name: String,
        protocol: Protocol,
        profile: ServerProfile,
        backoff: Backoff,
        window_bytes: usize,
    ) -> Peer {
        Peer {
            name,
            protocol,
            profile,
            backoff,
            overload: Overload::new(),
            not_before: Duration::ZERO,
            lost: false,
            trial: BLOCK_BYTES,
            window_bytes,
            last_error: None,
            was_foreign: false,
            last_success: 0,
            failures: 0,
            retry_not_before: Duration::ZERO,
        }
    }

    pub(super) fn learn(&mut self, profile: ServerProfile) {
        self.profile = self.profile.merged(profile);
    }

    /// A connection ended.
    pub(super) fn lost_connection(&mut self, had_worked: bool) {
        if !had_worked {
            self.trial = (self.trial / 2).max(LEAST_TRIAL);
        }
    }

    /// The server has shown that it works; whether it was lost before.
    pub(super) fn found(&mut self) -> bool {
        let lost = std::mem::take(&mut self.lost);
        if lost {
            self.trial = (self.trial * 2).min(BLOCK_BYTES);
        }
        lost
    }

    /// It has taken some lines, or failed some.
    pub(super) fn judge(&mut self, now: Duration, worked: bool, failed: bool) {
        if worked {
            (self.failures, self.retry_not_before) = (0, Duration::ZERO);
        } else if failed {
            self.retry_not_before = now + pause_after(self.failures);
            self.failures = self.failures.saturating_add(1);
        }
    }

    /// Whether a connection may be tried now.
    pub(super) fn is_ready(&self, now: Duration) -> bool {
        self.not_before <= now && self.overload.allowance(now) > 0
    }

    /// How much a slot of this endpoint takes now. `again`: of lines that failed before.
    pub(super) fn credit(&self, slot: &Slot, posted: bool, again: bool, now: Duration) -> Option<Credit> {
        let exchange = slot.exchange()?;
        let allowance = match again {
            true => self.overload.allowance_again(now),
            false => self.overload.allowance(now),
        };
        if allowance == 0 || (self.lost && exchange.low().is_some()) {
            return None;
        }
        let credit = exchange.credit(posted)?;
        Some(Credit {
            bytes: credit
                .bytes
                .min(if self.lost { self.trial } else { usize::MAX })
                .min(self.overload.bytes()),
            points: credit.points.min(allowance),
        })
    }

    /// How it is doing, given its slots.
    pub(super) fn state<'a>(&self, now: Duration, zero: i64, slots: impl Iterator<Item = &'a Slot>) -> EndpointStats {
        use EndpointState::{Connected, Connecting, Idle, Lost};
        let mut doing = if self.lost { Lost } else { Idle };
        let mut profile = self.profile;
        let mut window_bytes = 0;
        for slot in slots {
            match &slot.state {
                State::Idle => {}
                State::Resolving { .. } | State::Connecting { .. } => {
                    doing = if doing == Connected { doing } else { Connecting }
                }
                State::Live(exchange) => {
                    doing = Connected;
                    profile = exchange.profile();
                    window_bytes += exchange.window_bytes();
                }
            }
        }
        let rests = self.overload.resting_until().saturating_sub(now).as_secs();
        EndpointStats {
            name: self.name.clone(),
            state: doing,
            answers: profile.answers(),
            rests: (rests > 0).then(|| Duration::from_secs(rests)),
            server: profile.server(),
            last_error: self.last_error.clone(),
            limit: self.overload.limit(),
            window_bytes,
            clock_skew: profile.clock_ahead(zero),
        }
    }
}

/// The place of one connection to an endpoint.
pub(super) struct Slot {
    pub(super) peer: usize,
    pub(super) state: State,
    /// When its connection was made.
    pub(super) since: Duration,
    /// When it was last given lines.
    pub(super) given_at: Duration,
    /// When it was given a batch that had failed before, until it is through with that.
    pub(super) batch_since: Option<Duration>,
    /// New lines go first until then, if some wait.
    pub(super) gives_way_until: Duration,
    /// They do so even after some went: they have as much time as the last batch took.
    pub(super) fair_until: Duration,
    /// Its connection was given lines that had failed before.
    pub(super) tried: bool,
    /// Its connection is about to end because of its age, and takes no more lines.
    pub(super) retiring: bool,
    /// When its overdue lines were last copied.
    pub(super) copied_at: Duration,
    /// What its connection was told of other endpoints.
    pub(super) others: Others,
}

pub(super) enum State {
    Idle,
    /// Its name is looked up, and its secrets are read.
    Resolving {
        since: Duration,
    },
    Connecting {
        since: Duration,
    },
    Live(Box<dyn Exchange>),
}

impl Slot {
    pub(super) fn new(peer: usize) -> Slot {
        Slot {
            peer,
            state: State::Idle,
            since: Duration::ZERO,
            given_at: Duration::ZERO,
            batch_since: None,
            gives_way_until: Duration::ZERO,
            fair_until: Duration::ZERO,
            tried: false,
            retiring: false,
            copied_at: Duration::ZERO,
            others: Others::Silent,
        }
    }

    /// It is given lines that did not fail before.
    pub(super) fn takes_new_lines(&mut self, now: Duration) {
        self.given_at = now;
        self.gives_way_until = self.fair_until;
    }

    /// Whether it is being connected, and has been for less than an attempt has for itself.
    pub(super) fn is_trying(&self, now: Duration) -> bool {
        match self.state {
            State::Resolving { since } | State::Connecting { since } => now < since + STAGGER,
            State::Idle | State::Live(_) => false,
        }
    }

    /// Whether it is a connection that lines may be given to, or is about to be one.
    pub(super) fn is_active(&self) -> bool {
        !self.is_idle() && !self.retiring
    }

    pub(super) fn exchange(&self) -> Option<&dyn Exchange> {
        match &self.state {
            State::Live(exchange) => Some(&**exchange),
            _ => None,
        }
    }

    pub(super) fn exchange_mut(&mut self) -> Option<&mut dyn Exchange> {
        match &mut self.state {
            State::Live(exchange) => Some(&mut **exchange),
            _ => None,
        }
    }

    pub(super) fn is_idle(&self) -> bool {
        matches!(self.state, State::Idle)
    }
}
