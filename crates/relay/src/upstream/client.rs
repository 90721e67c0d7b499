//! A client of one store as an upstream: positions, safety and its spool are the client's.

use std::io::Read as _;
use std::sync::Arc;
use std::time::Duration;

use potsdb::binding::ClientBinding as _;
use potsdb::{Client, Endpoint, Report, Stats};

use super::{Progress, Taken, Upstream};

/// A client that waits for nothing.
pub(crate) struct ClientUpstream(pub(crate) Client);

/// How long an endpoint may take to say what it is, and how much it may say.
const PATIENCE: Duration = Duration::from_secs(3);
const LONGEST: u64 = 64 * 1024;

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

    fn versions(&self) -> Vec<Vec<u8>> {
        let of = |endpoint: &Endpoint| {
            let address = self.0.check(endpoint, PATIENCE).ok()?;
            let mut visit = self.0.visit(endpoint, address, PATIENCE).ok()?;
            visit.request("GET", "/api/version", b"").ok()?;
            let mut answer = Vec::new();
            // One that goes on talking is no relay.
            let _ = visit.take(LONGEST).read_to_end(&mut answer);
            let body = memchr::memmem::find(&answer, b"\r\n\r\n")? + 4;
            Some(answer.split_off(body))
        };
        self.0.endpoints().iter().filter_map(of).collect()
    }

    fn close(&self, timeout: Duration) -> Stats {
        self.0.close(timeout)
    }
}
