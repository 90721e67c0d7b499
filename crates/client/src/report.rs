//! Reports: what a program's log should hear.
//!
//! The engine notes what happened; the worker passes it on with no lock held: to the `log` facade,
//! and to a bounded list from which the Python face feeds its own logger on a caller's thread.
//! At most one report per kind and [`QUIET`], so that a broken server cannot flood a log.

use std::collections::HashMap;
use std::fmt;
use std::mem::Discriminant;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::sync::{Mutex, lock};

/// The shortest time between two reports of one kind.
pub(crate) const QUIET: Duration = Duration::from_secs(10);

/// The shortest time between two reports of one unknown metric...
const QUIET_UNKNOWN: Duration = Duration::from_secs(60);

/// ... of so many metrics; whoever sends more of them has read of enough.
const UNKNOWN: usize = 256;

/// Reports kept for [`Client::take_reports`](crate::Client::take_reports).
const KEPT: usize = 64;

/// A change of state a program's operator wants to know of. Its `Display` is the log message.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Report {
    /// No connection to an endpoint can be made, or the one there was ended.
    ServerLost {
        /// The endpoint's URL.
        endpoint: String,
        /// The socket layer's words, or the timeout that fired.
        why: String,
    },
    /// An endpoint that was lost is connected again.
    ServerFound {
        /// The endpoint's URL.
        endpoint: String,
    },
    /// An endpoint does not accept the login. It is tried again at the back-off's cap.
    Unauthorized {
        /// The endpoint's URL.
        endpoint: String,
        /// What the server did, without the secret.
        why: String,
    },
    /// The queue is full and points are given up.
    Dropping {
        /// How many since the last such report.
        points: u64,
    },
    /// The server refused points.
    Rejected {
        /// How many since the last such report; 0 where the server can refuse but not answer.
        points: u64,
        /// The newest error, in the server's words.
        words: String,
    },
    /// The server does not know a metric, or a tag, and does not create it.
    UnknownMetric {
        /// The server's words.
        words: String,
    },
    /// Calls repeat a series and timestamp that was already sent.
    Repeating {
        /// How many since the last such report.
        points: u64,
        /// The series of the newest one, as its line shows it.
        series: String,
    },
    /// The server asked to be written to more slowly, or its storage failed.
    Throttled {
        /// The server's words.
        words: String,
    },
    /// The server failed to take points, which go again.
    Failing {
        /// The server's words.
        words: String,
    },
    /// Points were given up that a server had failed again and again: `dropped` says how many, and why.
    GivenUp {
        /// What the server said of them last.
        words: String,
    },
    /// The worker panicked; the client is closed. A defect of potsdb.
    Panicked {
        /// The panic's message.
        why: String,
    },
}

impl Report {
    /// How grave it is.
    #[must_use]
    pub fn level(&self) -> log::Level {
        match self {
            Report::ServerFound { .. } => log::Level::Info,
            Report::Panicked { .. } => log::Level::Error,
            _ => log::Level::Warn,
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Report::ServerLost { endpoint, why } => write!(f, "lost {endpoint}: {why}; trying again"),
            Report::ServerFound { endpoint } => write!(f, "connected to {endpoint} again"),
            Report::Unauthorized { endpoint, why } => write!(f, "{endpoint}: {why}; trying again"),
            Report::Dropping { points } => write!(f, "the queue is full: {points} points dropped"),
            Report::Rejected { points: 0, words } => write!(f, "the server refuses points: {words}"),
            Report::Rejected { points, words } => write!(f, "the server refused {points} points: {words}"),
            Report::UnknownMetric { words } => write!(f, "the server refuses points: {words}"),
            Report::Repeating { points, series } => {
                write!(
                    f,
                    "{points} points not sent: there is one already at that time, as for {series}"
                )
            }
            Report::Throttled { words } => write!(f, "the server asks to slow down: {words}"),
            Report::Failing { words } => write!(f, "the server fails, trying again: {words}"),
            Report::GivenUp { words } => write!(f, "points are given up that the server did not take: {words}"),
            Report::Panicked { why } => write!(f, "the worker panicked, the client is closed: {why}"),
        }
    }
}

/// Where reports go: written by the worker, read by whoever owns the client.
#[derive(Debug, Default)]
pub(crate) struct Reports {
    waiting: AtomicBool,
    kept: Mutex<Vec<Report>>,
}

impl Reports {
    pub(crate) fn publish(&self, report: Report) {
        log::log!(target: "potsdb", report.level(), "{report}");
        let mut kept = lock(&self.kept);
        if kept.len() < KEPT {
            kept.push(report);
        }
        self.waiting.store(true, Ordering::Relaxed);
    }

    pub(crate) fn has_any(&self) -> bool {
        self.waiting.load(Ordering::Relaxed)
    }

    pub(crate) fn take(&self) -> Vec<Report> {
        self.waiting.store(false, Ordering::Relaxed);
        std::mem::take(&mut lock(&self.kept))
    }
}

/// Lets one report of a kind pass per [`QUIET`], and one per unknown metric and [`QUIET_UNKNOWN`].
#[derive(Debug, Default)]
pub(crate) struct Limiter {
    last: HashMap<Discriminant<Report>, Duration>,
    unknown: HashMap<String, Duration>,
}

impl Limiter {
    pub(crate) fn passes(&mut self, report: &Report, now: Duration) -> bool {
        let (last, quiet) = match report {
            Report::UnknownMetric { words } => {
                self.unknown.retain(|_, last| now < *last + QUIET_UNKNOWN);
                if self.unknown.len() >= UNKNOWN && !self.unknown.contains_key(words) {
                    return false;
                }
                (
                    self.unknown.entry(words.clone()).or_insert(Duration::MAX),
                    QUIET_UNKNOWN,
                )
            }
            _ => {
                let kind = std::mem::discriminant(report);
                (self.last.entry(kind).or_insert(Duration::MAX), QUIET)
            }
        };
        let passes = *last == Duration::MAX || now >= *last + quiet;
        if passes {
            *last = now;
        }
        passes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_report_of_a_kind_passes_in_ten_seconds() {
        let mut limiter = Limiter::default();
        let dropping = Report::Dropping { points: 1 };
        let found = Report::ServerFound {
            endpoint: "tsdb://a:4242".to_owned(),
        };
        assert!(limiter.passes(&dropping, Duration::from_secs(1)));
        assert!(!limiter.passes(&dropping, Duration::from_secs(10)));
        assert!(limiter.passes(&found, Duration::from_secs(10)));
        assert!(limiter.passes(&dropping, Duration::from_secs(11)));
    }

    #[test]
    fn an_unknown_metric_is_reported_once_a_minute_beside_others() {
        let mut limiter = Limiter::default();
        let unknown = |metric: u32| Report::UnknownMetric {
            words: format!("No such name for 'metrics': 'm{metric}'"),
        };
        assert!(limiter.passes(&unknown(0), Duration::from_secs(1)));
        assert!(limiter.passes(&unknown(1), Duration::from_secs(1)));
        assert!(!limiter.passes(&unknown(0), Duration::from_secs(60)));
        assert!(limiter.passes(&unknown(0), Duration::from_secs(61)));
        let passed = (0..1000).filter(|metric| limiter.passes(&unknown(*metric), Duration::from_secs(62)));
        assert!(passed.count() < UNKNOWN);
    }

    #[test]
    fn reports_nobody_reads_stay_bounded() {
        let reports = Reports::default();
        for points in 0..1000 {
            reports.publish(Report::Dropping { points });
        }
        assert!(reports.has_any());
        assert_eq!(reports.take().len(), KEPT);
        assert!(!reports.has_any() && reports.take().is_empty());
    }
}
