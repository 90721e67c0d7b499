//! Doors and links: what is known of an endpoint over all its connections, and the place of one.

use std::time::Duration;

use crate::backoff::Backoff;
use crate::exchange::{Exchange, Knowledge, Verdicts};
use crate::ledger::EndpointState;
use crate::report::Report;

/// An endpoint, as one door to the store.
pub(super) struct Door {
    pub(super) name: String,
    pub(super) knowledge: Knowledge,
    pub(super) backoff: Backoff,
    /// No attempt to connect before that.
    pub(super) not_before: Duration,
    /// The last attempt failed, or the last connection was ended from the other side.
    pub(super) lost: bool,
    /// It did not accept the login: being connected is no news until it does.
    pub(super) unauthorized: bool,
    pub(super) last_error: Option<String>,
}

impl Door {
    pub(super) fn new(name: String, knowledge: Knowledge, backoff: Backoff) -> Door {
        Door {
            name,
            knowledge,
            backoff,
            not_before: Duration::ZERO,
            lost: false,
            unauthorized: false,
            last_error: None,
        }
    }

    /// An endpoint that ever answered is never taken for a silent one again.
    pub(super) fn learn(&mut self, knowledge: Knowledge) {
        if !matches!(self.knowledge, Knowledge::Answers(_)) || matches!(knowledge, Knowledge::Answers(_)) {
            self.knowledge = knowledge;
        }
    }

    /// It is connected, or lets the client in, again.
    pub(super) fn found(&mut self, verdicts: &mut Verdicts) {
        if std::mem::take(&mut self.lost) {
            let endpoint = self.name.clone();
            verdicts.reports.push(Report::ServerFound { endpoint });
        }
    }

    /// How it is doing, in words, given its links.
    pub(super) fn state<'a>(&self, links: impl Iterator<Item = &'a Link>) -> EndpointState {
        let mut doing = if self.lost { "lost" } else { "idle" };
        let mut knowledge = self.knowledge;
        for link in links {
            match &link.state {
                State::Idle => {}
                State::Connecting { .. } => doing = "connecting",
                State::Live(exchange) => {
                    doing = "connected";
                    knowledge = exchange.knowledge();
                    break;
                }
            }
        }
        let (manner, server) = match knowledge {
            Knowledge::Unknown => ("", None),
            Knowledge::Answers(server) => (", answers", Some(server)),
            Knowledge::Silent { .. } => (", silent", None),
        };
        EndpointState {
            name: self.name.clone(),
            state: format!("{doing}{manner}"),
            server,
            last_error: self.last_error.clone(),
        }
    }
}

/// The place of one connection to a door.
pub(super) struct Link {
    pub(super) door: usize,
    pub(super) state: State,
}

pub(super) enum State {
    Idle,
    Connecting { since: Duration },
    Live(Box<dyn Exchange>),
}

impl Link {
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
