//! Gauge, counter and timer: a series each, and what is between a program and its values.
//!
//! ```python
//! load = metrics.gauge("web.load", host="web1");      load.set(0.7)
//! hits = metrics.counter("web.hits", path="/login");  hits.add()         # sends the total: 1, 2, 3, ...
//! took = metrics.timer("web.latency", path="/login")
//! with took: ...                                                         # sends the seconds it took
//! ```
//!
//! All of them cost what `Series.send` costs, and a total or two. They send on the caller's thread as things happen, and
//! nothing on their own: a counter that rests is not repeated. One point per series and second is what a store holds;
//! of a counter's totals within one second the first is kept (`repeats`), and the next second's says what the others said.

use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, Ordering};
use std::thread::{self, ThreadId};
use std::time::Instant;

use pyo3::exceptions::{PyOverflowError, PyRuntimeError};
use pyo3::prelude::*;
use pyo3::types::{PyFloat, PyInt};

use crate::series::Series;

/// A value that goes up and down.
#[pyclass(frozen, module = "potsdb._potsdb")]
pub(crate) struct Gauge(pub(crate) Series);

#[pymethods]
impl Gauge {
    /// Sends the value; True when it was queued.
    #[pyo3(signature = (value, timestamp = None))]
    fn set(&self, py: Python<'_>, value: &Bound<'_, PyAny>, timestamp: Option<&Bound<'_, PyAny>>) -> PyResult<bool> {
        self.0.put(py, value, timestamp)
    }
}

/// A total that grows.
#[pyclass(frozen, module = "potsdb._potsdb")]
pub(crate) struct Counter {
    series: Series,
    total: AtomicI64,
}

impl Counter {
    pub(crate) fn new(series: Series) -> Counter {
        Counter {
            series,
            total: AtomicI64::new(0),
        }
    }
}

#[pymethods]
impl Counter {
    /// Adds to the total and sends it; True when it was queued. What is not sent is in the total all the same.
    #[pyo3(signature = (more = 1))]
    fn add(&self, py: Python<'_>, more: i64) -> PyResult<bool> {
        // The interpreter lock is held from here to the queue: totals are sent in their order.
        let total = self
            .total
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |total| total.checked_add(more))
            .map_err(|_| PyOverflowError::new_err("the counter's total would leave 64 bits"))?;
        self.series.put(py, &PyInt::new(py, total + more).into_any(), None)
    }

    /// What was added so far.
    #[getter]
    fn total(&self) -> i64 {
        self.total.load(Ordering::Relaxed)
    }
}

/// Measures how long a `with` block takes, on any number of threads at once and nested. Tasks of one event loop that are
/// to overlap need a timer each.
#[pyclass(frozen, module = "potsdb._potsdb")]
pub(crate) struct Timer {
    series: Series,
    /// Blocks that were entered and not left, in the order they were entered.
    running: Mutex<Vec<(ThreadId, Instant)>>,
}

impl Timer {
    pub(crate) fn new(series: Series) -> Timer {
        Timer {
            series,
            running: Mutex::default(),
        }
    }

    /// Where the running blocks are. No Python code runs while it is held, so nobody waits for it.
    fn running(&self) -> std::sync::MutexGuard<'_, Vec<(ThreadId, Instant)>> {
        self.running.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[pymethods]
impl Timer {
    fn __enter__(this: PyRef<'_, Self>) -> PyRef<'_, Self> {
        this.running().push((thread::current().id(), Instant::now()));
        this
    }

    /// Sends the seconds since the block was entered, also when it ended in an exception, which goes on.
    fn __exit__(
        &self,
        py: Python<'_>,
        _kind: &Bound<'_, PyAny>,
        _error: &Bound<'_, PyAny>,
        _traceback: &Bound<'_, PyAny>,
    ) -> PyResult<bool> {
        let now = Instant::now();
        let here = thread::current().id();
        let mut running = self.running();
        let Some(index) = running.iter().rposition(|(thread, _)| *thread == here) else {
            return Err(PyRuntimeError::new_err("the timer was not entered on this thread"));
        };
        let (_, started) = running.remove(index);
        drop(running);
        let took = now.saturating_duration_since(started).as_secs_f64();
        self.series.put(py, &PyFloat::new(py, took).into_any(), None)?;
        Ok(false)
    }
}
