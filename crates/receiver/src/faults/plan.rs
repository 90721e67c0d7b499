//! The plan: which faults there are, when each is to strike, and how often each could have.
//!
//! [`Faults`] is what a library and the command's flags fill in; [`Plan`] counts the occasions behind the switch's
//! lock.

use std::time::Duration;

use super::{Occasions, Offsets};

/// How a receiver misbehaves; the default is not at all.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Faults {
    /// A connection is reset (RST) after that many received bytes.
    pub reset_after: Offsets,
    /// A connection is closed after that many received bytes.
    pub close_after: Offsets,
    /// After that many received bytes a connection is neither read nor answered nor ended: a peer gone without a FIN.
    pub half_open_after: Offsets,
    /// A connection is closed at that line, counted from 1, which is not taken.
    pub close_at_line: Offsets,
    /// A connection is closed at a line of more than 1024 bytes, however it arrives.
    pub close_overlong: bool,
    /// Connections are accepted, and nothing is read from them.
    pub stall_reading: bool,
    /// Points are read and stored, and no reply is ever written.
    pub stall_answers: bool,
    /// Connections that are reset as soon as they stand.
    pub refuse: Occasions,
    /// Answers (to `version`, or to an HTTP request) that are never sent, though what they answer for is stored.
    pub lose_answers: Occasions,
    /// Answers in whose place the connection is reset, though what they answer for is stored.
    pub cut_answers: Occasions,
    /// Points of these metrics are refused, as OpenTSDB refuses metrics that it does not know; `web.*` stands for all
    /// that begin so.
    pub refuse_points: Vec<String>,
    /// Points dropped as OpenTSDB drops what HBase does not take: a telnet line says so, HTTP only to `sync`.
    pub throttle: Occasions,
    /// That telnet line comes after the next answer to `version`, as it may.
    pub throttle_late: bool,
    /// HTTP requests that are answered with `status`; nothing of them is stored.
    pub status_on: Occasions,
    /// Which status: 401, 404, 429, 500, 503...
    pub status: u16,
    /// `Retry-After` beside it, in seconds.
    pub retry_after: Option<u64>,
    /// HTTP answers whose Content-Length is wrong, after which the connection ends.
    pub wrong_length: Occasions,
    /// By how much: more was announced than is sent, or, if negative, less.
    pub length_error: i64,
    /// At which points, counted as they arrive, the receiver restarts, as
    /// [`FaultSwitch::restart`](crate::FaultSwitch::restart) says.
    pub restart: Occasions,
    /// How long it does not listen when it restarts: connections are refused.
    pub down: Duration,
    /// How long it accepts nobody after it began to listen: connections stand, and nobody serves them.
    pub slow_start: Duration,
    /// As InfluxDB for 30 s after SIGTERM: no new connections, those there are answered, and every point is thrown
    /// away.
    pub stopping: bool,
}

/// What a fault can strike again and again.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Refuse,
    Lose,
    Cut,
    Throttle,
    Status,
    Length,
}

/// What connections, answers and points yet to come are dealt.
pub(super) struct Plan {
    pub(super) faults: Faults,
    pub(super) connections: u64,
    /// How often each kind could have struck.
    occasions: [u64; 6],
    /// How many points were looked at for a restart.
    pub(super) points: u64,
}

impl Plan {
    pub(super) fn of(faults: Faults) -> Plan {
        Plan {
            faults,
            connections: 0,
            occasions: [0; 6],
            points: 0,
        }
    }

    /// Whether this kind strikes now; each time it is asked is an occasion.
    pub(super) fn strikes(&mut self, kind: Kind) -> bool {
        let faults = &self.faults;
        let occasions = match kind {
            Kind::Refuse => &faults.refuse,
            Kind::Lose => &faults.lose_answers,
            Kind::Cut => &faults.cut_answers,
            Kind::Throttle => &faults.throttle,
            Kind::Status => &faults.status_on,
            Kind::Length => &faults.wrong_length,
        };
        let number = &mut self.occasions[kind as usize];
        *number += 1;
        occasions.include(*number)
    }

    /// Counts the occasions of a kind from now on.
    pub(super) fn begin(&mut self, kind: Kind) {
        self.occasions[kind as usize] = 0;
    }

    /// Whether points of a metric are refused.
    pub(super) fn refuses_points(&self, metric: &str) -> bool {
        let patterns = self.faults.refuse_points.iter();
        let mut matching = patterns.filter(|pattern| match pattern.strip_suffix('*') {
            Some(beginning) => metric.starts_with(beginning),
            None => pattern.as_str() == metric,
        });
        matching.next().is_some()
    }
}
