//! A client of one store as an upstream: positions, safety and its spool are the client's.

use std::sync::Arc;
use std::time::Duration;

use potsdb::binding::ClientBinding as _;
use potsdb::{Client, Report, Stats};

use super::{Progress, Taken, Upstream};

/// A client that waits for nothing.
pub(crate) struct ClientUpstream(pub(crate) Client);

impl Upstream for ClientUpstream {
    fn take(&self, lines: &[u8]) -> Taken {
        // A client that is closed takes nothing.
        let Ok(sent) = self.0.send_lines(lines, Duration::ZERO) else {
            return Taken::default();
        };
        Taken {
            bytes: sent.consumed,
            points: sent.queued,
            bad: sent.bad,
            upto: sent.upto,
        }
    }

    fn progress(&self) -> Progress {
        let progress = self.0.progress();
        Progress {
            reached: progress.reached,
            safe: progress.safe,
            given_up: progress.given_up,
        }
    }

    fn secure(&self, upto: u64) {
        self.0.secure(upto);
    }

    fn watch(&self, changed: Arc<dyn Fn() + Send + Sync>) {
        self.0.on_progress(move |_| changed());
    }

    fn stats(&self) -> Stats {
        self.0.stats()
    }

    fn reports(&self) -> Vec<Report> {
        self.0.take_reports()
    }

    fn close(&self, timeout: Duration) -> Stats {
        self.0.close(timeout)
    }
}
