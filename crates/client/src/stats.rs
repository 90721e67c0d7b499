//! The statistics: what a program sees of where its points are, at one instant.
//!
//! ```text
//! accepted + adopted = acknowledged + unconfirmed + rejected + dropped + pending
//! pending            = queued + in_flight + spooled
//! ```
//!
//! Copies of what the ledger, the worker and the census say (`queue/ledger.rs`, `net/publish.rs`, `queue/census.rs`). The
//! ledger is one under a lock, so the equation holds in every copy.

use std::fmt;
use std::time::Duration;

use potsdb_wire::Server;

/// Everything a client counts, at one instant. From [`Client::stats`](crate::Client::stats) and
/// [`Client::close`](crate::Client::close).
///
/// Points, unless said otherwise. [`is_balanced`](Stats::is_balanced) is the law that ties the
/// first block of fields together.
///
/// ```
/// use std::time::Duration;
///
/// let client = potsdb::Client::open("tsdb://localhost?test_mode=true")?;
/// client.send("jobs.done", 1, ())?;
/// let stats = client.close(Duration::from_secs(5));
/// assert_eq!(
///     stats.accepted,
///     stats.acknowledged + stats.unconfirmed + stats.rejected + stats.dropped.total() + stats.pending(),
/// );
/// for (name, count) in stats.pairs() {
///     println!("{name} {count}");
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Stats {
    /// Taken by `send`: each has, or will have, exactly one verdict.
    pub accepted: u64,
    /// Taken over from a spool that another process left, or this one's last run.
    pub adopted: u64,
    /// The server answered for them (what that is worth depends on the server: docs/guarantees.md).
    pub acknowledged: u64,
    /// Written to a server that cannot answer, and received by its kernel.
    pub unconfirmed: u64,
    /// Refused by the server; its words are in `last_rejections`.
    pub rejected: u64,
    /// Given up, by reason.
    pub dropped: Dropped,
    /// In the queue, not yet taken by the worker.
    pub queued: u64,
    /// Taken by the worker, without a verdict so far.
    pub in_flight: u64,
    /// In the spool on disk, or on their way there, and nowhere else.
    pub spooled: u64,

    /// Calls refused because of their content; never became points.
    pub invalid: u64,
    /// Calls refused for want of room under `overflow=block`; never became points.
    pub full: u64,
    /// Characters and cuts that `invalid=replace` repaired.
    pub replaced: u64,
    /// Calls not queued because their series already had a point at that time.
    pub repeated: u64,
    /// Points written once more: after a connection died, or because the server asked for it.
    pub resent: u64,
    /// Errors that named no point and may have come after the answer (throttling, storage).
    pub late_errors: u64,
    /// Answered points let go before they had settled: `settle_bytes` was reached, or they could be
    /// written again only to a server that cannot answer.
    pub released_early: u64,
    /// Answered points that were still settling, or on their way again, when the client closed.
    pub unsettled: u64,
    /// Connections ended in the middle of a line: by a deadline, a write timeout or `stop`.
    pub torn: u64,
    /// Bytes in the spool that cannot be read as points.
    pub spool_damaged_bytes: u64,
    /// Bytes handed to the kernel.
    pub bytes_written: u64,
    /// Connections established.
    pub connects: u64,
    /// Panics of the worker. Not zero is a defect of potsdb: please report it.
    pub panics: u64,

    /// Error replies by kind (`invalid value`, `unknown metric`, ...).
    pub rejections: Vec<(&'static str, u64)>,
    /// The server's own words, newest last, at most 16.
    pub last_rejections: Vec<String>,
    /// How each endpoint is doing.
    pub endpoints: Vec<EndpointStats>,
    /// How long the oldest point without a verdict has been waiting.
    pub oldest_pending: Option<Duration>,
    /// How long the last answer took.
    pub last_answer: Option<Duration>,
    /// Points written in the last second.
    pub rate: f64,
    /// How the spool is doing, where there is one.
    pub spool: Option<SpoolStats>,
    /// What was sent of each metric, that with most points first, where [`by_metric`](field@crate::Options::by_metric) asks
    /// for it.
    pub by_metric: Vec<MetricCount>,
}

impl Stats {
    /// Points without a verdict so far.
    #[must_use]
    pub fn pending(&self) -> u64 {
        self.queued + self.in_flight + self.spooled
    }

    /// Points that arrived as far as anybody can tell: acknowledged or unconfirmed.
    #[must_use]
    pub fn delivered(&self) -> u64 {
        self.acknowledged + self.unconfirmed
    }

    /// Whether every point is accounted for. Always true.
    #[must_use]
    pub fn is_balanced(&self) -> bool {
        self.accepted + self.adopted == self.delivered() + self.rejected + self.dropped.total() + self.pending()
    }

    /// Every counter by its name, in the order of the documentation.
    #[must_use]
    pub fn pairs(&self) -> Vec<(&'static str, u64)> {
        vec![
            ("accepted", self.accepted),
            ("adopted", self.adopted),
            ("acknowledged", self.acknowledged),
            ("unconfirmed", self.unconfirmed),
            ("rejected", self.rejected),
            ("dropped_queue_full", self.dropped.queue_full),
            ("dropped_expired", self.dropped.expired),
            ("dropped_closed", self.dropped.closed),
            ("dropped_stopped", self.dropped.stopped),
            ("dropped_spool_full", self.dropped.spool_full),
            ("dropped_spool_damaged", self.dropped.spool_damaged),
            ("dropped_test_mode", self.dropped.test_mode),
            ("queued", self.queued),
            ("in_flight", self.in_flight),
            ("spooled", self.spooled),
            ("invalid", self.invalid),
            ("full", self.full),
            ("replaced", self.replaced),
            ("repeated", self.repeated),
            ("resent", self.resent),
            ("late_errors", self.late_errors),
            ("released_early", self.released_early),
            ("unsettled", self.unsettled),
            ("torn", self.torn),
            ("spool_damaged_bytes", self.spool_damaged_bytes),
            ("bytes_written", self.bytes_written),
            ("connects", self.connects),
            ("panics", self.panics),
        ]
    }
}

impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} accepted: {} acknowledged",
            self.accepted + self.adopted,
            self.acknowledged
        )?;
        for (count, word) in [
            (self.unconfirmed, "unconfirmed"),
            (self.rejected, "rejected"),
            (self.dropped.total(), "dropped"),
            (self.pending(), "pending"),
        ] {
            if count > 0 {
                write!(f, ", {count} {word}")?;
            }
        }
        // What never became a point, or no second one: outside the sum before it.
        let others = [
            (self.invalid, "invalid"),
            (self.repeated, "repeated"),
            (self.full, "full"),
        ];
        let others: Vec<String> = others
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, word)| format!("{count} {word}"))
            .collect();
        match others.is_empty() {
            true => Ok(()),
            false => write!(f, "; {} not sent", others.join(", ")),
        }
    }
}

/// Points that were accepted and given up, by reason.
///
/// ```
/// use std::time::Duration;
///
/// let client = potsdb::Client::open("tsdb://localhost:1")?; // no server
/// client.send("jobs.done", 1, ())?;
/// let stats = client.close(Duration::ZERO);
/// assert_eq!((stats.dropped.closed, stats.dropped.total()), (1, 1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Dropped {
    /// Pushed out of a full queue, or not let in under `overflow=drop_newest`.
    pub queue_full: u64,
    /// Older than `max_age` when their turn came.
    pub expired: u64,
    /// Still queued or in flight when `close` reached its deadline.
    pub closed: u64,
    /// Given up by `stop`.
    pub stopped: u64,
    /// Pushed out of a full spool.
    pub spool_full: u64,
    /// Lost in a damaged spool: cut off, overwritten, or deleted by somebody else.
    pub spool_damaged: u64,
    /// Consumed by `test_mode`, which writes nothing.
    pub test_mode: u64,
}

impl Dropped {
    /// All of them.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.queue_full
            + self.expired
            + self.closed
            + self.stopped
            + self.spool_full
            + self.spool_damaged
            + self.test_mode
    }
}

/// What there is between the client and an endpoint.
///
/// ```
/// assert_eq!(potsdb::EndpointState::Connected.to_string(), "connected");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EndpointState {
    /// No connection, and none is needed.
    #[default]
    Idle,
    /// A connection is being made.
    Connecting,
    /// At least one connection.
    Connected,
    /// The last connection ended, or could not be made; it is tried again.
    Lost,
}

impl fmt::Display for EndpointState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            EndpointState::Idle => "idle",
            EndpointState::Connecting => "connecting",
            EndpointState::Connected => "connected",
            EndpointState::Lost => "lost",
        })
    }
}

/// One endpoint, as [`Stats`] reports it. Prints as what it is doing: `connected, answers`.
///
/// ```
/// use potsdb::EndpointState;
///
/// let client = potsdb::Client::open("tsdb://localhost?test_mode=true")?;
/// let stats = client.close(std::time::Duration::from_secs(5));
/// for endpoint in &stats.endpoints {
///     println!("{}: {endpoint}", endpoint.name);
///     assert_eq!(endpoint.state, EndpointState::Idle);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct EndpointStats {
    /// Its URL.
    pub name: String,
    /// What there is between the client and it.
    pub state: EndpointState,
    /// Whether it answers for points; `None`: not known so far.
    pub answers: Option<bool>,
    /// How long it is left alone, in whole seconds, since it asked for that or is overloaded; `None`: it is not.
    pub rests: Option<Duration>,
    /// What it answered to `version`, when it did.
    pub server: Option<Server>,
    /// Why the last connection ended or was not made.
    pub last_error: Option<String>,
    /// Points per second it is held to, since it asked for less; `None`: it did not.
    pub limit: Option<f64>,
    /// Bytes of lines its connections may have without an answer, now.
    pub window_bytes: usize,
    /// How many seconds its clock is ahead of this machine's at least, less than 0 if it is behind. From the `Date` of its last
    /// answer over HTTP; `None`: none had one.
    pub clock_skew: Option<i64>,
}

impl fmt::Display for EndpointStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.state.fmt(f)?;
        match self.answers {
            Some(true) => f.write_str(", answers")?,
            Some(false) => f.write_str(", silent")?,
            None => {}
        }
        match self.rests {
            Some(rests) => write!(f, ", rests for {} s", rests.as_secs()),
            None => Ok(()),
        }
    }
}

/// A spool, as [`Stats`] reports it.
///
/// ```no_run
/// let client = potsdb::Client::open("tsdb://localhost?spool=/var/spool/potsdb")?;
/// if let Some(spool) = client.stats().spool {
///     println!("{} bytes on disk, full in {:?}", spool.bytes, spool.full_in);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct SpoolStats {
    /// Bytes of its segments on disk, in all slots of this process.
    pub bytes: u64,
    /// Segments on disk.
    pub segments: u64,
    /// Slots of this process: its own, and those it has adopted.
    pub slots: usize,
    /// Bytes that are not yet known to survive the machine's end.
    pub unsynced: u64,
    /// How long ago the oldest segment was begun; `None`: there is none.
    pub oldest: Option<Duration>,
    /// How long it takes until `spool_bytes` are reached at the pace of the last minute; `None`: it does not grow.
    pub full_in: Option<Duration>,
    /// Syncs since the client was opened.
    pub syncs: u64,
    /// A call of the disk has taken more than 5 s and not returned: nothing gets safe meanwhile, and points go on.
    pub stalled: bool,
    /// Why the disk is left alone for now; `None`: it is not.
    pub off: Option<String>,
}

/// What a client sent of one metric, as [`Stats::by_metric`] says it.
///
/// ```
/// use std::time::Duration;
///
/// let client = potsdb::Client::open("tsdb://localhost?by_metric=100&test_mode=true")?;
/// client.send("jobs.done", 1, ())?;
/// let stats = client.close(Duration::from_secs(5));
/// assert_eq!((stats.by_metric[0].metric.as_str(), stats.by_metric[0].points), ("jobs.done", 1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MetricCount {
    /// The metric, with the client's prefix; empty: all those beyond [`by_metric`](field@crate::Options::by_metric) of them.
    pub metric: String,
    /// Points taken from the queue.
    pub points: u64,
    /// Bytes of their lines.
    pub bytes: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_prints_as_what_it_is_doing() {
        let mut endpoint = EndpointStats::default();
        assert_eq!(endpoint.to_string(), "idle");
        (endpoint.state, endpoint.answers) = (EndpointState::Connected, Some(true));
        assert_eq!(endpoint.to_string(), "connected, answers");
        endpoint.rests = Some(Duration::from_secs(7));
        (endpoint.state, endpoint.answers) = (EndpointState::Lost, Some(false));
        assert_eq!(endpoint.to_string(), "lost, silent, rests for 7 s");
    }

    #[test]
    fn what_was_not_accepted_is_shown_after_what_was() {
        let mut stats = Stats {
            accepted: 7,
            acknowledged: 7,
            invalid: 3,
            repeated: 49,
            ..Stats::default()
        };
        assert_eq!(
            stats.to_string(),
            "7 accepted: 7 acknowledged; 3 invalid, 49 repeated not sent"
        );
        (stats.invalid, stats.repeated, stats.full) = (0, 0, 2);
        assert_eq!(stats.to_string(), "7 accepted: 7 acknowledged; 2 full not sent");
    }
}
