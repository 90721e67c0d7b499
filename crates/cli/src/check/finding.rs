//! A finding: what is known of one endpoint, told to a person and to a script.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use potsdb::{Client, Endpoint, Server};
use serde_json::{Value, json};

use super::collision::Collision;
use super::probe::Found;
use crate::request::{Asked, NoAnswer};

/// What was found at each address of a host.
type Addresses = Vec<(SocketAddr, Result<Found, NoAnswer>)>;

/// What was found out about one endpoint.
pub(super) struct Finding {
    pub(super) endpoint: Endpoint,
    pub(super) resolved: io::Result<Addresses>,
    pub(super) resolving: Duration,
    /// Whether the client logs in.
    pub(super) logs_in: bool,
    /// What the option `server` says it is.
    pub(super) expected: Option<Server>,
}

impl Finding {
    /// Whether at least one address accepts connections.
    pub(super) fn is_reachable(&self) -> bool {
        self.found().next().is_some()
    }

    /// Whether points can be sent there, as far as is known.
    pub(super) fn is_fit(&self) -> bool {
        self.problem().is_none()
    }

    pub(super) fn server(&self) -> Option<Server> {
        self.found().find_map(|(_, found)| found.server)
    }

    /// Whom to ask more, if there is such a server.
    pub(super) fn asked(&self, client: &Client, server: Server, timeout: Duration) -> Option<Asked> {
        let (address, _) = self.found().find(|(_, found)| found.server == Some(server))?;
        Some(Asked {
            client: client.clone(),
            endpoint: self.endpoint.clone(),
            address,
            timeout,
        })
    }

    /// Why no points can be sent there: one address that takes them is enough, which is all the client needs.
    pub(super) fn problem(&self) -> Option<String> {
        let endpoint = &self.endpoint;
        let addresses = match &self.resolved {
            Ok(addresses) => addresses,
            Err(error) => return Some(format!("{endpoint}: the name does not resolve: {error}")),
        };
        let problems: Vec<String> = addresses
            .iter()
            .filter_map(|(_, found)| self.problem_at(found))
            .collect();
        if problems.len() < addresses.len() {
            return None;
        }
        // Several addresses mostly have one and the same.
        let mut all = problems;
        all.dedup();
        Some(format!("{endpoint}: {}", all.join("; ")))
    }

    fn problem_at(&self, found: &Result<Found, NoAnswer>) -> Option<String> {
        match found {
            Err(error) => Some(error.to_string()),
            Ok(found) => match (found.server, self.expected) {
                _ if found.problem.is_some() => found.problem.clone(),
                (Some(server), Some(expected)) if server != expected => {
                    Some(format!("it is {server}, and the option server says {expected}"))
                }
                _ => None,
            },
        }
    }

    /// What is worth changing there.
    pub(super) fn advice(&self) -> Vec<String> {
        let endpoint = &self.endpoint;
        let mut advice = Vec::new();
        for (_, found) in self.found() {
            if let Some(ahead) = found.ahead.filter(|ahead| ahead.unsigned_abs() > CLOCKS_APART) {
                let (seconds, way) = (ahead.unsigned_abs(), if ahead > 0 { "ahead of" } else { "behind" });
                advice.push(format!("{endpoint}: its clock is {seconds} s {way} this machine's"));
            }
        }
        advice.dedup();
        if self.found().any(|(_, found)| !found.collisions.is_empty()) {
            advice.push(format!(
                "{endpoint}: processes that send the same series overwrite each other: give each a tag of its own (worker_tag)"
            ));
        }
        advice
    }

    pub(super) fn words(&self) -> Vec<String> {
        let addresses = match &self.resolved {
            Ok(addresses) => addresses,
            Err(error) => {
                return vec![format!("{}: the name does not resolve: {error}", self.endpoint)];
            }
        };
        let mut lines = vec![format!(
            "{}: {} in {}",
            self.endpoint,
            match addresses.len() {
                1 => "1 address".to_string(),
                count => format!("{count} addresses"),
            },
            milliseconds(self.resolving)
        )];
        for (address, found) in addresses {
            let found = match found {
                Ok(found) => found,
                Err(error) => {
                    lines.push(format!("  {address}: {error}"));
                    continue;
                }
            };
            let words = match found.server {
                Some(server) => format!("{server} ({})", found.words),
                None => found.words.clone(),
            };
            let tls = if self.endpoint.scheme().is_tls() {
                " over TLS"
            } else {
                ""
            };
            let waited = milliseconds(found.waited);
            // How long a question took that found out nothing says nothing.
            let waited = match found.problem {
                None => format!(", in {waited}"),
                Some(_) => String::new(),
            };
            lines.push(format!("  {address}: connected{tls}: {words}{waited}"));
            lines.extend(self.details(found).into_iter().map(|words| format!("    {words}")));
        }
        lines
    }

    fn details(&self, found: &Found) -> Vec<String> {
        let mut lines = Vec::new();
        if self.logs_in && found.problem.is_none() {
            lines.push("login: not refused".into());
        }
        match found.ahead {
            Some(ahead) if ahead.unsigned_abs() <= CLOCKS_APART => lines.push("clock: as this machine's".into()),
            Some(ahead) => lines.push(format!("clock: {ahead:+} s to this machine's")),
            None => {}
        }
        match found.creates_metrics {
            Some(true) => lines.push("new metrics: created by themselves (tsd.core.auto_create_metrics)".into()),
            Some(false) => {
                lines.push("new metrics: refused until `tsdb mkmetric` (tsd.core.auto_create_metrics)".into());
            }
            None => {}
        }
        if let Some(longest) = found.longest_body.filter(|_| self.endpoint.scheme().is_http()) {
            lines.push(format!(
                "bodies: of at most {longest} bytes (tsd.http.request.max_chunk)"
            ));
        }
        let collisions = &found.collisions;
        lines.extend(collisions.iter().take(MOST_COLLISIONS).map(ToString::to_string));
        if let Some(more) = collisions.len().checked_sub(MOST_COLLISIONS).filter(|more| *more > 0) {
            lines.push(format!("and {more} more series of that kind"));
        }
        lines
    }

    pub(super) fn object(&self) -> Value {
        let (error, addresses) = match &self.resolved {
            Ok(addresses) => (None, addresses.as_slice()),
            Err(error) => (Some(error.to_string()), [].as_slice()),
        };
        let addresses = addresses.iter().map(|(address, outcome)| match outcome {
            Ok(found) => json!({
                "address": address.to_string(),
                "connected": true,
                "problem": self.problem_at(outcome),
                "server": found.server.map(|server| server.to_string()),
                "words": found.words,
                "seconds": found.waited.as_secs_f64(),
                "clock_ahead_seconds": found.ahead,
                "auto_create_metrics": found.creates_metrics,
                "longest_body": found.longest_body,
                "collisions": found.collisions.iter().map(Collision::object).collect::<Vec<_>>(),
            }),
            Err(error) => json!({
                "address": address.to_string(),
                "connected": false,
                "problem": error.to_string(),
                "error": error.to_string(),
            }),
        });
        json!({
            "endpoint": self.endpoint.to_string(),
            "problem": self.problem(),
            "error": error,
            "resolving_seconds": self.resolving.as_secs_f64(),
            "addresses": addresses.collect::<Vec<_>>(),
        })
    }

    fn found(&self) -> impl Iterator<Item = (SocketAddr, &Found)> {
        let addresses = self.resolved.iter().flatten();
        addresses.filter_map(|(address, found)| Some((*address, found.as_ref().ok()?)))
    }
}

pub(super) fn milliseconds(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}

/// How many series that overwrite each other are told to a person.
const MOST_COLLISIONS: usize = 10;

/// From how many seconds on a difference of clocks is worth a word: points of the future hide behind a query's `now`.
const CLOCKS_APART: u64 = 5;
