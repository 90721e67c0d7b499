//! What a client tells beyond the ledger: the status of its endpoints, and reports.
//!
//! The worker publishes with no lock held but the one of what it publishes; handles read at any time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::engine::Engine;
use crate::ledger::EndpointState;
use crate::queue::State;
use crate::repeat::Known;
use crate::report::{Limiter, Report, Reports};
use crate::sync::{Mutex, lock};

/// How often the status is brought up to date while the worker is busy.
pub(crate) const STATUS_EVERY: Duration = Duration::from_millis(20);

/// What [`Stats`](crate::Stats) says beyond the ledger.
#[derive(Clone, Debug, Default)]
pub(crate) struct Status {
    pub(crate) endpoints: Vec<EndpointState>,
    pub(crate) words: Vec<String>,
    pub(crate) last_answer: Option<Duration>,
    /// Points taken per second, and when that was last true.
    pub(crate) rate: f64,
    pub(crate) rated_at: Option<Instant>,
}

/// What the worker shares with the handles.
#[derive(Default)]
pub(crate) struct Shared {
    pub(crate) status: Mutex<Status>,
    pub(crate) reports: Reports,
}

/// What the queue has to report. Taken in the critical section that posts.
pub(crate) struct News {
    counts: Counts,
    repeated: Option<Arc<Known>>,
}

impl News {
    pub(crate) fn of(state: &mut State) -> News {
        let ledger = state.ledger();
        News {
            counts: Counts {
                queue_full: ledger.dropped_by_callers.queue_full,
                repeated: ledger.repeated,
                rejected: ledger.settled.rejected,
            },
            repeated: state.take_repeated(),
        }
    }
}

/// Counts of the ledger that reports tell of.
#[derive(Clone, Copy, Default)]
struct Counts {
    queue_full: u64,
    repeated: u64,
    rejected: u64,
}

/// The worker's side: what was published last, to tell what is new.
pub(crate) struct Publisher {
    status_at: Duration,
    limiter: Limiter,
    /// The counts as of the last report of each kind.
    reported: Counts,
    /// Points taken since then, and the rate of the second before.
    rate_since: Duration,
    points: u64,
    rate: f64,
}

impl Publisher {
    pub(crate) fn new() -> Publisher {
        Publisher {
            status_at: Duration::ZERO,
            limiter: Limiter::default(),
            reported: Counts::default(),
            rate_since: Duration::ZERO,
            points: 0,
            rate: 0.0,
        }
    }

    /// Counts points taken from the queue.
    pub(crate) fn took(&mut self, points: u32) {
        self.points += u64::from(points);
    }

    /// Whether the status is due although the worker is busy.
    pub(crate) fn is_due(&self, now: Duration) -> bool {
        now >= self.status_at + STATUS_EVERY
    }

    pub(crate) fn status(&mut self, now: Duration, engine: &mut Engine, shared: &Shared) {
        self.status_at = now;
        let elapsed = now.saturating_sub(self.rate_since).as_secs_f64();
        if elapsed >= 1.0 {
            self.rate = self.points as f64 / elapsed;
            self.rate_since = now;
            self.points = 0;
        }
        let endpoints = engine.endpoint_states();
        let verdicts = engine.verdicts();
        let mut status = lock(&shared.status);
        status.endpoints = endpoints;
        status.words.clone_from(&verdicts.words);
        status.last_answer = verdicts.last_answer;
        status.rate = self.rate;
        status.rated_at = Some(Instant::now());
    }

    /// Passes on what the engine and the queue have to report, at most one of a kind in a while;
    /// its number is of all since the last that passed.
    pub(crate) fn report(&mut self, now: Duration, news: News, engine: &mut Engine, shared: &Shared) {
        let News { counts, repeated } = news;
        let mut reports = std::mem::take(&mut engine.verdicts().reports);
        if counts.queue_full > self.reported.queue_full {
            reports.push(Report::Dropping { points: 0 });
        }
        if let Some(known) = repeated {
            let text = String::from_utf8_lossy(known.text.bytes());
            let series = text.trim_start_matches("put ").trim_end().to_owned();
            reports.push(Report::Repeating { points: 0, series });
        }
        for mut report in reports {
            if !self.limiter.passes(&report, now) {
                continue;
            }
            let reported = &mut self.reported;
            let since = |new: u64, old: &mut u64| new - std::mem::replace(old, new);
            match &mut report {
                Report::Dropping { points } => *points = since(counts.queue_full, &mut reported.queue_full),
                Report::Repeating { points, .. } => *points = since(counts.repeated, &mut reported.repeated),
                Report::Rejected { points, .. } => *points = since(counts.rejected, &mut reported.rejected),
                _ => {}
            }
            shared.reports.publish(report);
        }
    }
}
