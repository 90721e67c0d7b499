//! Waiting, so that Ctrl-C works.
//!
//! The crate's waits know nothing of Python's signals. So each wait is cut into slices of at most
//! 50 ms with the interpreter lock released, and between two slices the signals get their turn:
//! their handlers run here, and what they raise ends the wait.

use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

/// The longest a signal has to wait for its handler.
pub(crate) const SLICE: Duration = Duration::from_millis(50);

/// Waits until `reached` says so, or at most for `timeout` (`None`: as long as it takes).
///
/// `reached` waits itself, for as long as it is told.
pub(crate) fn until(
    py: Python<'_>,
    timeout: Option<Duration>,
    reached: impl Fn(Duration) -> bool + Sync,
) -> PyResult<bool> {
    let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    loop {
        let left = deadline.map_or(SLICE, |deadline| deadline.saturating_duration_since(Instant::now()));
        if py.detach(|| reached(left.min(SLICE))) {
            return Ok(true);
        }
        py.check_signals()?;
        if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
            return Ok(false);
        }
    }
}

/// Runs `work`, which may block for seconds, where Ctrl-C can abandon it.
pub(crate) fn interruptible<T: Send + 'static>(
    py: Python<'_>,
    work: impl FnOnce() -> T + Send + 'static,
) -> PyResult<T> {
    let (sender, mut receiver) = mpsc::sync_channel(1);
    thread::Builder::new().name("potsdb-check".to_owned()).spawn(move || {
        // Nobody listens any more when the wait was interrupted.
        let _ = sender.send(work());
    })?;
    loop {
        // A receiver may move to another thread but not be shared: a closure that has it alone may run.
        let only = &mut receiver;
        match py.detach(move || only.recv_timeout(SLICE)) {
            Ok(answer) => return Ok(answer),
            Err(mpsc::RecvTimeoutError::Timeout) => py.check_signals()?,
            Err(mpsc::RecvTimeoutError::Disconnected) => unreachable!("the thread sends before it ends"),
        }
    }
}

/// Seconds as Python gives them; `None` and infinity are no limit, and less than nothing is nothing.
pub(crate) fn seconds(given: Option<f64>) -> PyResult<Option<Duration>> {
    match given {
        None => Ok(None),
        Some(seconds) if seconds.is_nan() => Err(PyValueError::new_err("timeout nan is illegal: seconds are wanted")),
        Some(seconds) => Ok(Duration::try_from_secs_f64(seconds.max(0.0)).ok()),
    }
}

/// A place in the order of sending, to be asked whether it is reached: what `aflush` and `async_sync` wait with.
#[pyclass(frozen, module = "potsdb._potsdb")]
pub(crate) struct Barrier(pub(crate) potsdb::Barrier);

#[pymethods]
impl Barrier {
    /// Whether every point sent before the barrier has its verdict; of a sync, whether every one is safe.
    fn is_reached(&self) -> bool {
        self.0.is_reached()
    }

    /// Whether there is nothing more to wait for: it is reached, or the client has ended and left points in its spool.
    fn is_over(&self) -> bool {
        self.0.is_over()
    }
}
