//! The end of the program: every client that still has something drains, within its `close_grace`.
//!
//! The registry holds each [`Core`] from its opening until it has ended, so that a client Python
//! has deleted is drained as well. What ended on its own leaves its undelivered points in a sum,
//! for the one line that the exit hook prints. `potsdb/_exit.py` decides when the hook runs.
//!
//! Only threads that are attached to the interpreter come here, and none detaches or runs Python code while it holds
//! `REGISTRY`. A fork needs the interpreter lock, or without one stops all attached threads where they would detach: it
//! always finds the registry free.

use std::process;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use potsdb::binding::ClientBinding as _;
use potsdb::{EndpointState, EndpointStats};
use pyo3::prelude::*;

use crate::core::Core;
use crate::waits;

static REGISTRY: Mutex<Registry> = Mutex::new(Registry {
    cores: Vec::new(),
    past: Undelivered::NOTHING,
    process: 0,
});

struct Registry {
    cores: Vec<Arc<Core>>,
    /// Of clients that are gone; a forked child starts afresh.
    past: Undelivered,
    process: u32,
}

/// Points that nobody was told about, and of how many.
#[derive(Clone, Copy, PartialEq)]
struct Undelivered {
    /// By `send`, and from the spool.
    taken: u64,
    pending: u64,
    rejected: u64,
    dropped: u64,
    /// In the spool: not delivered, and not lost.
    kept: u64,
}

/// Makes a client known to the exit hook; forgets those that have ended.
pub(crate) fn register(core: &Arc<Core>) {
    let mut registry = REGISTRY.lock().unwrap_or_else(PoisonError::into_inner);
    registry.tidy();
    registry.cores.push(Arc::clone(core));
}

/// Drains every client within its `close_grace`; the line to print, if something was not delivered.
///
/// All drain at once, so the longest grace is the longest wait, and the others may use it too. It does not close them:
/// daemon threads and later hooks go on sending without an exception. It abandons them, so that their points are
/// counted dropped and no connection ends inside a line. With a spool they are on disk by then.
#[pyfunction]
pub(crate) fn drain_all(py: Python<'_>) -> PyResult<Option<String>> {
    let began = Instant::now();
    let (cores, mut sum) = {
        let mut registry = REGISTRY.lock().unwrap_or_else(PoisonError::into_inner);
        registry.tidy();
        (registry.cores.clone(), registry.past)
    };
    for core in cores.iter().filter(|core| !core.is_told() && !core.is_silent()) {
        if drain(py, core, began).is_err() {
            // Ctrl-C, or whatever a signal handler raised: the program is to end now.
            cores.iter().for_each(|core| core.hurry());
            // A spool is soon done, and a second Ctrl-C ends that as well.
            let _ = drain(py, core, began);
        }
        // The last records: nobody calls this client again. A broken handler changes nothing.
        let _ = core.report(py);
    }
    let before: Vec<_> = cores.iter().map(|core| Undelivered::of(core)).collect();
    cores.iter().for_each(|core| core.client.abandon());
    let mut left = Vec::new();
    let ended = Instant::now();
    for (core, before) in cores.iter().zip(before) {
        let end = if core.has_spool() { SAVING } else { LINE_END };
        py.detach(|| core.client.wait_closed(end.saturating_sub(ended.elapsed())));
        // What is on disk is known at the worker's end.
        let undelivered = if core.has_spool() {
            Undelivered::of(core)
        } else {
            before
        };
        if undelivered.points() > 0 {
            left.extend(core.client.endpoints().iter().map(ToString::to_string));
        }
        sum = sum.and(undelivered);
    }
    Ok(sum.line(&left))
}

/// Waits until a client has delivered, or has on disk what nobody takes, as long as its grace lasts.
fn drain(py: Python<'_>, core: &Core, began: Instant) -> PyResult<()> {
    let (client, spools) = (&core.client, core.has_spool());
    if core.is_hurried() && !spools {
        return Ok(());
    }
    let left = client.options().close_grace.saturating_sub(began.elapsed());
    let saving = if spools { SAVING.min(left / 2) } else { Duration::ZERO };
    let delivering = if core.is_hurried() {
        Duration::ZERO
    } else {
        left - saving
    };
    if client.is_closed() {
        // The end of the worker is later than the last verdict: it says good-bye to the server.
        let left = delivering + saving;
        core.begin_close(Some(left));
        waits::until(py, Some(left), |slice| client.wait_closed(slice))?;
        return Ok(());
    }
    let barrier = client.exit_barrier();
    let is_over = || barrier.is_over() || (spools && is_cut_off(client));
    waits::until(py, Some(delivering), |slice| {
        is_over() || barrier.wait(slice) || is_over()
    })?;
    if spools && !barrier.is_reached() {
        let barrier = client.sync_barrier();
        waits::until(py, Some(saving), |slice| barrier.wait(slice) || barrier.is_over())?;
    }
    Ok(())
}

/// Whether no server is to be had: each was tried.
fn is_cut_off(client: &potsdb::Client) -> bool {
    let lost = |endpoint: &EndpointStats| endpoint.state != EndpointState::Connected && endpoint.last_error.is_some();
    client.stats().endpoints.iter().all(lost)
}

impl Registry {
    fn tidy(&mut self) {
        if self.process != process::id() {
            self.process = process::id();
            self.past = Undelivered::NOTHING;
        }
        let past = &mut self.past;
        self.cores.retain(|core| {
            // Closed first: a client that never sent has no worker, and is as alive as any.
            let ended = core.client.is_closed() && !core.client.is_running();
            if ended {
                *past = past.and(Undelivered::of(core));
            }
            !ended
        });
    }
}

impl Undelivered {
    const NOTHING: Undelivered = Undelivered {
        taken: 0,
        pending: 0,
        rejected: 0,
        dropped: 0,
        kept: 0,
    };

    fn of(core: &Core) -> Undelivered {
        if core.is_silent() || core.is_told() {
            return Undelivered::NOTHING;
        }
        let stats = core.client.stats();
        Undelivered {
            taken: stats.accepted + stats.adopted,
            pending: stats.queued + stats.in_flight,
            rejected: stats.rejected,
            // Who calls stop() gives points up on purpose.
            dropped: stats.dropped.total() - stats.dropped.stopped - stats.dropped.test_mode,
            kept: stats.spooled,
        }
    }

    fn and(self, other: Undelivered) -> Undelivered {
        Undelivered {
            taken: self.taken + other.taken,
            pending: self.pending + other.pending,
            rejected: self.rejected + other.rejected,
            dropped: self.dropped + other.dropped,
            kept: self.kept + other.kept,
        }
    }

    fn points(self) -> u64 {
        self.pending + self.rejected + self.dropped
    }

    /// The one line; `None`: all was delivered.
    fn line(self, endpoints: &[String]) -> Option<String> {
        let parts = [self.not_delivered(endpoints), self.in_the_spool()];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        (!parts.is_empty()).then(|| format!("potsdb: {}", parts.join("; ")))
    }

    fn not_delivered(self, endpoints: &[String]) -> Option<String> {
        let parts = [
            (self.pending, "still unanswered at exit"),
            (self.rejected, "rejected by the server"),
            (self.dropped, "dropped"),
        ];
        let parts: Vec<String> = parts
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, words)| format!("{count} {words}"))
            .collect();
        let place = match endpoints {
            [] => String::new(),
            [only] => format!(" ({only})"),
            [first, ..] => format!(" ({first} and others)"),
        };
        let (points, taken) = (self.points(), self.taken);
        (points > 0).then(|| format!("{points} of {taken} points not delivered: {}{place}", parts.join(", ")))
    }

    fn in_the_spool(self) -> Option<String> {
        match self.kept {
            0 => None,
            1 => Some("1 point is kept in the spool".to_owned()),
            kept => Some(format!("{kept} points are kept in the spool")),
        }
    }
}

/// For an abandoned worker to come to the end of the line it is writing.
const LINE_END: Duration = Duration::from_millis(50);

/// For what has no verdict to get into the spool: of the grace at most so much, and half of it.
const SAVING: Duration = Duration::from_secs(1);
