//! The receiver of `potsdb serve`, in the process: what `potsdb/testing.py` is made of.
//!
//! Results are plain tuples; the package makes its values of them. Each call works with the receiver of the process that made it:
//! a forked child has none of its threads, and may have its locks taken, so there every call raises and the end of
//! the object does nothing.

use std::mem::ManuallyDrop;
use std::process;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use potsdb_receiver as crates;
use potsdb_receiver::{Config, Found, Missing, Occasions, SeriesName, Value, Wanted};
use pyo3::exceptions::{PyAssertionError, PyRuntimeError, PyTimeoutError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::waits;

/// A server for tests, in the process. Use it through `potsdb.testing`.
#[pyclass(frozen, weakref, module = "potsdb._potsdb")]
pub(crate) struct Receiver {
    /// Not there any more once it is closed. Locked by attached threads alone, which run no Python code meanwhile.
    running: Mutex<Option<Arc<crates::Receiver>>>,
    process: u32,
    #[pyo3(get)]
    port: u16,
}

/// Metric, tags, timestamp, value, copies.
type Point = (String, Vec<(String, String)>, i64, Number, u32);
/// Metric, tags.
type Name = (String, Vec<(String, String)>);
/// A line, count, sum, last, increase, values, points, series.
type Everything = (
    String,
    usize,
    Number,
    Option<Number>,
    Number,
    Vec<Number>,
    Vec<Point>,
    Vec<Name>,
);
/// Metric, tags, times, timestamp, before, after.
type Collision = (String, Tags, u64, i64, String, String);
type Tags = Vec<(String, String)>;

/// A value: `int` or `float`.
#[derive(FromPyObject, IntoPyObject)]
enum Number {
    Integer(i64),
    Float(f64),
}

#[pymethods]
#[expect(clippy::needless_pass_by_value, reason = "PyO3 hands over what it made of Python's")]
impl Receiver {
    #[new]
    #[pyo3(signature = (*, port, server, known_metrics, forget))]
    fn new(
        py: Python<'_>,
        port: u16,
        server: &str,
        known_metrics: Option<Vec<String>>,
        forget: Option<f64>,
    ) -> PyResult<Receiver> {
        let mut config = Config {
            personality: server.parse().map_err(PyValueError::new_err)?,
            known_metrics: known_metrics.map(|names| names.into_iter().collect()),
            forget: waits::seconds(forget)?,
            database_exists: true,
            ..Config::default()
        };
        config.listen.set_port(port);
        let receiver = py.detach(|| crates::Receiver::start(config))?;
        Ok(Receiver {
            port: receiver.address().port(),
            running: Mutex::new(Some(Arc::new(receiver))),
            process: process::id(),
        })
    }

    /// Ends it, and its port. Later calls raise; a second close does nothing, nor does one in a forked child.
    fn close(&self, py: Python<'_>) {
        if process::id() == self.process {
            let running = self.running.lock().unwrap_or_else(PoisonError::into_inner).take();
            py.detach(|| drop(running));
        }
    }

    fn points(&self, py: Python<'_>, metric: Option<&str>, tags: Tags) -> PyResult<Vec<Point>> {
        let points = self.with(py, |receiver| receiver.points_of(metric, &borrowed(&tags)))?;
        Ok(points.iter().map(point).collect())
    }

    fn series(&self, py: Python<'_>, metric: Option<&str>, tags: Tags) -> PyResult<Vec<Name>> {
        let series = self.with(py, |receiver| receiver.series_of(metric, &borrowed(&tags)))?;
        Ok(series.iter().map(|series| name(series)).collect())
    }

    fn has(&self, py: Python<'_>, metric: &str, tags: Tags) -> PyResult<Everything> {
        self.with(py, |receiver| everything(&receiver.has(metric, &borrowed(&tags))))
    }

    /// Waits until what is wanted is there; raises `AssertionError` after `timeout` seconds.
    #[expect(clippy::too_many_arguments, reason = "Python's keywords, each with a name there")]
    fn wait_for(
        &self,
        py: Python<'_>,
        metric: &str,
        tags: Tags,
        count: Option<usize>,
        sum: Option<Number>,
        last: Option<Number>,
        increase: Option<Number>,
        timeout: Option<f64>,
    ) -> PyResult<Everything> {
        let timeout = waits::seconds(timeout)?;
        let mut wanted = Wanted::new(metric, &borrowed(&tags));
        if let Some(count) = count {
            wanted = wanted.count(count);
        }
        if let Some(sum) = sum {
            wanted = wanted.sum(sum);
        }
        if let Some(last) = last {
            wanted = wanted.last(last);
        }
        if let Some(increase) = increase {
            wanted = wanted.increase(increase);
        }
        let latest: Mutex<Option<Result<Found, Missing>>> = Mutex::new(None);
        let closed = waits::until(py, timeout, |slice| {
            let Ok(receiver) = self.receiver() else {
                return true;
            };
            let outcome = receiver.wait_to_have(&wanted, slice);
            let is_there = outcome.is_ok();
            *latest.lock().unwrap_or_else(PoisonError::into_inner) = Some(outcome);
            is_there
        });
        closed?;
        // Says that it is closed, if that ended the wait.
        self.receiver()?;
        match latest.into_inner().unwrap_or_else(PoisonError::into_inner) {
            Some(Ok(found)) => Ok(everything(&found)),
            Some(Err(missing)) => {
                let waited = timeout.unwrap_or(Duration::MAX);
                Err(PyAssertionError::new_err(missing.after(waited).to_string()))
            }
            None => Err(closed_error()),
        }
    }

    /// Line and reason of each.
    fn refused(&self, py: Python<'_>) -> PyResult<Vec<(String, String)>> {
        let refused = self.with(py, crates::Receiver::refused)?;
        Ok(refused
            .into_iter()
            .map(|refused| (refused.line, refused.reason))
            .collect())
    }

    /// Metric, tags, times, timestamp, before, after.
    fn collisions(&self, py: Python<'_>) -> PyResult<Vec<Collision>> {
        let collisions = self.with(py, crates::Receiver::collisions)?;
        let each = collisions.into_iter().map(|collision| {
            let (metric, tags) = name(&collision.series);
            let (before, after) = (collision.before, collision.after);
            (metric, tags, collision.times, collision.timestamp, before, after)
        });
        Ok(each.collect())
    }

    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let counts = self.with(py, crates::Receiver::counts)?;
        let all = PyDict::new(py);
        for (name, count) in counts.named() {
            all.set_item(name, count)?;
        }
        Ok(all)
    }

    fn clear(&self, py: Python<'_>) -> PyResult<()> {
        self.with(py, crates::Receiver::clear)
    }

    /// Dies and comes back; returns when it listens again.
    fn restart(&self, py: Python<'_>) -> PyResult<()> {
        let before = self.receiver()?.counts().restarts;
        self.with(py, |receiver| receiver.faults().restart())?;
        let again = waits::until(py, Some(LONG), |slice| match self.receiver() {
            Ok(receiver) => receiver.wait_until(slice, |counts| counts.restarts > before),
            Err(_) => true,
        })?;
        self.receiver()?;
        match again {
            true => Ok(()),
            false => Err(PyTimeoutError::new_err(format!(
                "port {} cannot be listened on again: somebody else has it",
                self.port
            ))),
        }
    }

    fn die(&self, py: Python<'_>) -> PyResult<()> {
        self.with(py, |receiver| receiver.faults().die())
    }

    fn reset(&self, py: Python<'_>) -> PyResult<()> {
        self.with(py, |receiver| receiver.faults().reset_all(0))
    }

    fn stall(&self, py: Python<'_>, answers_only: bool) -> PyResult<()> {
        self.with(py, |receiver| match answers_only {
            true => receiver.faults().stall_answers(true),
            false => receiver.faults().stall_reading(true),
        })
    }

    fn refuse(&self, py: Python<'_>, metrics: Vec<String>) -> PyResult<()> {
        self.with(py, |receiver| receiver.faults().refuse_points(metrics))
    }

    fn fail(&self, py: Python<'_>, status: u16, times: Option<u64>, retry_after: Option<u64>) -> PyResult<()> {
        if !(100..600).contains(&status) {
            return Err(PyValueError::new_err(format!("status {status} is illegal: 100 to 599")));
        }
        let requests = occasions(times);
        self.with(py, |receiver| receiver.faults().fail(status, retry_after, requests))
    }

    fn throttle(&self, py: Python<'_>, times: Option<u64>) -> PyResult<()> {
        self.with(py, |receiver| receiver.faults().throttle(occasions(times)))
    }

    fn lose_answers(&self, py: Python<'_>, times: Option<u64>) -> PyResult<()> {
        self.with(py, |receiver| receiver.faults().lose_answers(occasions(times)))
    }

    fn resume(&self, py: Python<'_>) -> PyResult<()> {
        self.with(py, |receiver| receiver.faults().resume())
    }

    fn __reduce_ex__(&self, _protocol: i32) -> PyResult<()> {
        Err(PyTypeError::new_err(
            "a Receiver cannot be pickled: hand its url to the other process",
        ))
    }
}

impl Receiver {
    /// Runs `what` with the receiver, the interpreter lock released.
    fn with<T: Send>(&self, py: Python<'_>, what: impl FnOnce(&crates::Receiver) -> T + Send) -> PyResult<T> {
        let receiver = self.receiver()?;
        Ok(py.detach(|| what(&receiver)))
    }

    fn receiver(&self) -> PyResult<Arc<crates::Receiver>> {
        if process::id() != self.process {
            return Err(PyRuntimeError::new_err(format!(
                "this Receiver belongs to process {}, which made it: a child sends to its url, and asks it nothing",
                self.process
            )));
        }
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner).clone();
        running.ok_or_else(closed_error)
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        let running = self.running.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        if process::id() != self.process {
            // Its end would wait for a thread that this process does not have.
            let _ = ManuallyDrop::new(running);
        }
    }
}

/// How long a restart may take.
const LONG: Duration = Duration::from_secs(10);

fn closed_error() -> PyErr {
    PyRuntimeError::new_err("the receiver is closed")
}

fn occasions(times: Option<u64>) -> Occasions {
    times.map_or(Occasions::Always, Occasions::first)
}

fn borrowed(tags: &[(String, String)]) -> Vec<(&str, &str)> {
    tags.iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect()
}

fn name(series: &SeriesName) -> Name {
    (series.metric.clone(), series.tags.clone())
}

fn point(point: &crates::Point) -> Point {
    let (metric, tags) = name(&point.series);
    (metric, tags, point.timestamp, point.number().into(), point.copies)
}

fn everything(found: &Found) -> Everything {
    (
        found.to_string(),
        found.count(),
        found.sum().into(),
        found.last().map(Number::from),
        found.increase().into(),
        found.values().into_iter().map(Number::from).collect(),
        found.points().iter().map(point).collect(),
        found.series().map(|series| name(series)).collect(),
    )
}

impl From<Value> for Number {
    fn from(value: Value) -> Number {
        match value {
            Value::Integer(integer) => Number::Integer(integer),
            Value::Float(float) => Number::Float(float),
        }
    }
}

impl From<Number> for Value {
    fn from(number: Number) -> Value {
        match number {
            Number::Integer(integer) => Value::Integer(integer),
            Number::Float(float) => Value::Float(float),
        }
    }
}
