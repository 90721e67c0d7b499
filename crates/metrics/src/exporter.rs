//! What the program keeps of an installed recorder: the way to flush and end it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use potsdb::FlushError;
use potsdb_instruments::Instruments;

/// The way to flush and to end a recorder. Dropping it sends the last state, and waits for it as long as the client's
/// `close_grace` says; the recorder goes on.
#[must_use = "dropped at once, it cannot send the last state at the program's end"]
pub struct Exporter {
    instruments: Instruments,
    refused: Arc<AtomicU64>,
    grace: Duration,
}

/// What a recorder did not send, in this process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Updates of metrics that could not be had: an illegal name, or another kind of the same name.
    pub refused: u64,
    /// What its instruments did not send.
    pub instruments: potsdb_instruments::Stats,
}

impl Exporter {
    pub(crate) fn new(instruments: Instruments, refused: Arc<AtomicU64>, grace: Duration) -> Exporter {
        Exporter {
            instruments,
            refused,
            grace,
        }
    }

    /// Sends what changed, and waits until every point has its verdict, at most `timeout`.
    ///
    /// # Errors
    ///
    /// The deadline came first; says how many points were without a verdict.
    pub fn flush(&self, timeout: Duration) -> Result<(), FlushError> {
        self.client().flush(timeout)
    }

    /// Sends the last state and closes the client, which takes at most `timeout`; returns the client's last statistics. Macros
    /// go on working, and what they say goes nowhere.
    pub fn shutdown(mut self, timeout: Duration) -> potsdb::Stats {
        self.grace = Duration::ZERO;
        self.client().close(timeout)
    }

    /// What was not sent, and why. What became of points is in the client's statistics.
    #[must_use]
    pub fn stats(&self) -> Stats {
        Stats {
            refused: self.refused.load(Ordering::Relaxed),
            instruments: self.instruments.stats(),
        }
    }

    /// The client that is sent through.
    #[must_use]
    pub fn client(&self) -> &potsdb::Client {
        self.instruments.client()
    }

    /// The instruments behind the recorder, which know units and descriptions.
    #[must_use]
    pub fn instruments(&self) -> &Instruments {
        &self.instruments
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        if !self.client().is_closed() && self.client().is_running() {
            // What is not delivered by then is in the statistics, and the client goes on with it.
            let _ = self.client().flush(self.grace);
        }
    }
}

impl fmt::Debug for Exporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Exporter({:?})", self.client())
    }
}
