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
    accepted: u64,
    pending: u64,
    rejected: u64,
    dropped: u64,
}

/// Makes a client known to the exit hook; forgets those that have ended.
pub(crate) fn register(core: &Arc<Core>) {
    let mut registry = REGISTRY.lock().unwrap_or_else(PoisonError::into_inner);
    registry.tidy();
    registry.cores.push(Arc::clone(core));
}

/// Drains every client within its `close_grace`; the line to print, if something was not delivered.
///
/// All drain at once, so the longest grace is the longest wait, and the others may use it too. It does not close them: daemon threads and later hooks go on sending without an exception. It
/// abandons them, so that their points are counted dropped and no connection ends inside a line.
#[pyfunction]
pub(crate) fn drain_all(py: Python<'_>) -> PyResult<Option<String>> {
    let began = Instant::now();
    let (cores, mut sum) = {
        let mut registry = REGISTRY.lock().unwrap_or_else(PoisonError::into_inner);
        registry.tidy();
        (registry.cores.clone(), registry.past)
    };
    let mut left = Vec::new();
    for core in cores.iter().filter(|core| !core.is_told()) {
        if !core.is_hurried() && !core.is_silent() && drain(py, core, began).is_err() {
            // Ctrl-C, or whatever a signal handler raised: the program is to end now.
            cores.iter().for_each(|core| core.hurry());
        }
        // The last records: nobody calls this client again. A broken handler changes nothing.
        let _ = core.report(py);
    }
    for core in &cores {
        let undelivered = Undelivered::of(core);
        if undelivered.points() > 0 {
            left.extend(core.client.endpoints().iter().map(ToString::to_string));
        }
        sum = sum.and(undelivered);
        core.client.abandon();
    }
    let ended = Instant::now() + LINE_END;
    for core in &cores {
        py.detach(|| core.client.wait_closed(ended.saturating_duration_since(Instant::now())));
    }
    Ok((sum.points() > 0).then(|| sum.line(&left)))
}

fn drain(py: Python<'_>, core: &Core, began: Instant) -> PyResult<()> {
    let left = core.client.options().close_grace.saturating_sub(began.elapsed());
    if core.client.is_closed() {
        // The end of the worker is later than the last verdict: it says good-bye to the server.
        waits::until(py, Some(left), |slice| core.client.wait_closed(slice))?;
    } else {
        let barrier = core.client.exit_barrier();
        waits::until(py, Some(left), |slice| barrier.wait(slice))?;
    }
    Ok(())
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
        accepted: 0,
        pending: 0,
        rejected: 0,
        dropped: 0,
    };

    fn of(core: &Core) -> Undelivered {
        if core.is_silent() || core.is_told() {
            return Undelivered::NOTHING;
        }
        let stats = core.client.stats();
        Undelivered {
            accepted: stats.accepted,
            pending: stats.pending(),
            rejected: stats.rejected,
            // Who calls stop() gives points up on purpose.
            dropped: stats.dropped.total() - stats.dropped.stopped - stats.dropped.test_mode,
        }
    }

    fn and(self, other: Undelivered) -> Undelivered {
        Undelivered {
            accepted: self.accepted + other.accepted,
            pending: self.pending + other.pending,
            rejected: self.rejected + other.rejected,
            dropped: self.dropped + other.dropped,
        }
    }

    fn points(self) -> u64 {
        self.pending + self.rejected + self.dropped
    }

    fn line(self, endpoints: &[String]) -> String {
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
        let mut line = format!(
            "potsdb: {} of {} points not delivered: {}",
            self.points(),
            self.accepted,
            parts.join(", ")
        );
        if let Some(first) = endpoints.first() {
            line.push_str(&format!(
                " ({first}{})",
                if endpoints.len() > 1 { " and others" } else { "" }
            ));
        }
        line
    }
}

/// For an abandoned worker to come to the end of the line it is writing.
const LINE_END: Duration = Duration::from_millis(50);
