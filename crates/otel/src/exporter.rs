//! The exporter: what the SDK's reader calls.
//!
//! ```text
//! reader's thread --export--> changes since the export before --> instruments --tick--> client --> wait until delivered
//! ```
//!
//! The instruments keep the state that is sent, so series that fall together are added up, each begins with a zero, and none has
//! two values for one second. Their ticks are the exports. One lock holds an export together; nothing else takes it but other
//! exports, and a shutdown.

use std::fmt;
use std::future::{Future, ready};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::metrics::Temporality;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use potsdb::binding::ClientBinding as _;
use potsdb::{Barrier, Client, Stats};
use potsdb_instruments::Instruments;

use crate::builder::Builder;
use crate::clock::Clock;
use crate::export::{Export, Memory, Target};
use crate::series::Attributes;

/// An exporter of the SDK's metrics. From [`Exporter::builder`].
pub struct Exporter {
    target: Target,
    temporality: Temporality,
    deliver_within: Duration,
    state: Mutex<State>,
}

struct State {
    clock: Clock,
    memory: Memory,
    is_shut_down: bool,
}

impl Exporter {
    /// Begins an exporter that sends through that client. The client is the program's: a shutdown of the exporter leaves it
    /// open.
    pub fn builder(client: &Client) -> Builder {
        Builder::new(client)
    }

    pub(crate) fn new(
        instruments: Instruments,
        attributes: Attributes,
        temporality: Temporality,
        interval: u64,
        deliver_within: Duration,
        buckets: bool,
    ) -> Exporter {
        Exporter {
            target: Target {
                instruments,
                attributes,
                buckets,
            },
            temporality,
            deliver_within,
            state: Mutex::new(State {
                clock: Clock::new(interval, seconds(SystemTime::now())),
                memory: Memory::default(),
                is_shut_down: false,
            }),
        }
    }

    /// The instruments behind it, which know units and descriptions, and what was not sent.
    #[must_use]
    pub fn instruments(&self) -> &Instruments {
        &self.target.instruments
    }

    fn client(&self) -> &Client {
        self.target.instruments.client()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // What a panic left behind is numbers, each of which is right.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        let mut state = self.state();
        if state.is_shut_down {
            return Err(OTelSdkError::AlreadyShutdown);
        }
        let not_taken = self.not_taken();
        let (time, refused) = Export::take(&self.target, &mut state.memory, metrics);
        let not_taken = self.not_taken() - not_taken;
        let before = self.client().stats();
        // Deltas of nothing are no metrics at all: the totals are said again, so that sums over processes are right.
        let time = time.unwrap_or_else(|| seconds(SystemTime::now()));
        let ticked = match state.clock.next(time) {
            Some(at) => self.target.instruments.tick(at),
            None => {
                return failed(
                    "exports come more often than one a second: a later one has the newest state".to_owned(),
                );
            }
        };
        drop(state);
        if ticked.closed {
            return Err(OTelSdkError::AlreadyShutdown);
        }
        if ticked.refused > 0 {
            let points = ticked.points + ticked.refused;
            return failed(format!(
                "{} of {points} points were not accepted: the queue is full",
                ticked.refused
            ));
        }
        if !self.deliver_within.is_zero() {
            self.delivered(&self.client().barrier(), self.deliver_within, &before)?;
        }
        match refused.iter().min() {
            Some((metric, error)) => failed(format!("{} metrics cannot be sent: {metric:?}: {error}", refused.len())),
            None if not_taken > 0 => failed(format!(
                "{not_taken} values were not taken: of series beyond the limit, of counters that fell, or no numbers"
            )),
            None => Ok(()),
        }
    }

    /// Updates that the instruments did not take.
    fn not_taken(&self) -> u64 {
        let stats = self.instruments().stats();
        stats.refused + stats.beyond_limit
    }

    /// Waits until everything before the barrier was delivered. Of points that others send through the client
    /// it cannot tell its own.
    fn delivered(&self, barrier: &Barrier, timeout: Duration, before: &Stats) -> OTelSdkResult {
        let in_time = barrier.wait(timeout);
        let now = self.client().stats();
        let (rejected, dropped) = (now.rejected - before.rejected, lost(&now) - lost(before));
        let mut wrong = Vec::new();
        if !in_time {
            wrong.push(format!(
                "{} points are pending after {timeout:?}, and go on",
                now.pending()
            ));
        }
        if rejected > 0 {
            let words = now.last_rejections.last().map(|words| format!(": {words}"));
            wrong.push(format!(
                "the server rejected {rejected} points{}",
                words.unwrap_or_default()
            ));
        }
        if dropped > 0 {
            wrong.push(format!("{dropped} points were dropped"));
        }
        if wrong.is_empty() {
            return Ok(());
        }
        failed(wrong.join("; "))
    }
}

/// Points that were given up, but for those of a test mode, which delivers nothing.
fn lost(stats: &Stats) -> u64 {
    stats.dropped.total() - stats.dropped.test_mode
}

fn failed(words: String) -> OTelSdkResult {
    Err(OTelSdkError::InternalFailure(words))
}

pub(crate) fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

impl PushMetricExporter for Exporter {
    fn export(&self, metrics: &ResourceMetrics) -> impl Future<Output = OTelSdkResult> + Send {
        ready(self.take(metrics))
    }

    fn force_flush(&self) -> OTelSdkResult {
        if self.state().is_shut_down {
            return Err(OTelSdkError::AlreadyShutdown);
        }
        let before = self.client().stats();
        self.delivered(&self.client().barrier(), self.deliver_within, &before)
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        if std::mem::replace(&mut self.state().is_shut_down, true) {
            return Err(OTelSdkError::AlreadyShutdown);
        }
        let before = self.client().stats();
        self.delivered(&self.client().exit_barrier(), timeout, &before)
    }

    fn temporality(&self) -> Temporality {
        self.temporality
    }
}

impl fmt::Debug for Exporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Exporter({:?})", self.client())
    }
}
