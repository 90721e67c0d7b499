//! Counters, gauges, histograms and timers as Python sees them: the crate `potsdb-instruments`, translated.
//!
//! ```python
//! requests = metrics.counter("web.requests", path="/login");  requests.add()
//! busy = metrics.gauge("web.busy");                           busy.set(7)
//! render = metrics.timer("web.render", path="/login")
//! with render: ...        # or: async with render, with render.time() as block, @render
//! ```
//!
//! An update never raises for what the server, the queue or a close does, so it never replaces an exception of the program's:
//! it raises for what is no number alone. It calls no Python code but a log handler, with no lock held.
//!
//! `with timer:` has no place of its own for the time it began. It lies in a context variable, as a stack: each thread, task and
//! greenlet has its own, so that blocks that overlap are told apart. `timer.time()` makes a token that holds the time itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use potsdb::binding::ClientBinding as _;
use potsdb_instruments as crates;
use potsdb_instruments::{InstrumentError, Names, Style};
use pyo3::exceptions::{PyOverflowError, PyStopIteration, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyFloat, PyInt};

use crate::client::Client;
use crate::core::{Handle, Origin};
use crate::errors::{self, Refusal};
use crate::package;
use crate::records;
use crate::tags::{Tags, Text};

/// Counters, gauges, histograms and timers of one client, which are sent together.
#[pyclass(frozen, weakref, module = "potsdb")]
#[derive(Clone)]
pub(crate) struct Instruments {
    // Before the handle, which closes the client: the last state is sent first.
    instruments: crates::Instruments,
    handle: Arc<Handle>,
}

#[pymethods]
impl Instruments {
    #[new]
    #[pyo3(
        signature = (client, /, *, interval = 10.0, style = "dotted", names = "refuse",
            max_series = crates::DEFAULT_MAX_SERIES, idle_timeout = None,
            quantiles = crates::DEFAULT_QUANTILES.to_vec(), buckets = Vec::new()),
        text_signature = "(client, /, *, interval=10.0, style='dotted', names='refuse', max_series=10000, \
            idle_timeout=None, quantiles=(0.5, 0.9, 0.99, 0.999), buckets=())"
    )]
    #[expect(clippy::too_many_arguments, reason = "Python's keywords, each with a name there")]
    fn new(
        client: &Bound<'_, Client>,
        interval: f64,
        style: &str,
        names: &str,
        max_series: usize,
        idle_timeout: Option<f64>,
        quantiles: Vec<f64>,
        buckets: Vec<f64>,
    ) -> PyResult<Instruments> {
        let py = client.py();
        let config = |message: String| errors::config(py, message);
        let handle = client.get().handle()?;
        let seconds = |name: &str, seconds: f64| {
            Duration::try_from_secs_f64(seconds)
                .map_err(|_| config(format!("{name}: {seconds} is no number of seconds")))
        };
        let names = match names {
            "refuse" => Names::Refuse,
            "replace" => Names::Replace,
            "escape" => Names::Escape,
            _ => {
                let rule = "refuse, replace or escape is allowed";
                return Err(config(format!("names: {names:?} is unknown: {rule}")));
            }
        };
        let mut builder = crates::Instruments::builder(&handle.client)
            .interval(seconds("interval", interval)?)
            .style(style.parse::<Style>().map_err(config)?)
            .names(names)
            .max_series(max_series)
            .quantiles(quantiles)
            .buckets(buckets);
        if let Some(timeout) = idle_timeout {
            builder = builder.idle_timeout(seconds("idle_timeout", timeout)?);
        }
        let instruments = builder.build().map_err(|error| config(error.to_string()))?;
        Ok(Instruments {
            instruments,
            handle: Arc::clone(handle),
        })
    }

    /// Hands out a counter: a total that grows, sent at each tick and at the end.
    #[pyo3(signature = (name, /, **tags))]
    pub(crate) fn counter(
        &self,
        py: Python<'_>,
        name: &Bound<'_, PyAny>,
        tags: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Counter> {
        let held = self.hand_out(py, name, tags, |of, metric, tags| of.counter(metric, tags))?;
        Ok(Counter(held))
    }

    /// Hands out a gauge: a value that goes up and down, sent at each tick and at the end.
    #[pyo3(signature = (name, /, **tags))]
    pub(crate) fn gauge(
        &self,
        py: Python<'_>,
        name: &Bound<'_, PyAny>,
        tags: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Gauge> {
        let held = self.hand_out(py, name, tags, |of, metric, tags| of.gauge(metric, tags))?;
        Ok(Gauge(held))
    }

    /// Hands out a histogram: a distribution of values, sent as count, sum, extremes and percentiles.
    #[pyo3(signature = (name, /, **tags))]
    pub(crate) fn histogram(
        &self,
        py: Python<'_>,
        name: &Bound<'_, PyAny>,
        tags: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Histogram> {
        let held = self.hand_out(py, name, tags, |of, metric, tags| of.histogram(metric, tags))?;
        Ok(Histogram(held))
    }

    /// Hands out a timer: a histogram of the seconds that blocks and functions take.
    #[pyo3(signature = (name, /, **tags))]
    pub(crate) fn timer(
        &self,
        py: Python<'_>,
        name: &Bound<'_, PyAny>,
        tags: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Timer> {
        static TIMERS: AtomicU64 = AtomicU64::new(0);
        let held = self.hand_out(py, name, tags, |of, metric, tags| of.timer(metric, tags))?;
        Ok(Timer {
            held: Arc::new(held),
            id: TIMERS.fetch_add(1, Ordering::Relaxed),
        })
    }

    /// Says what a metric is measured in and means; kept for `descriptions`, as OpenTSDB's `put` has no place for it.
    #[pyo3(signature = (name, /, unit = "", text = ""))]
    fn describe(&self, name: &str, unit: &str, text: &str) {
        self.instruments.describe(name, unit, text);
    }

    /// What was said about metrics: a dict of kind, unit and text for each.
    fn descriptions<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let all = PyDict::new(py);
        for description in self.instruments.descriptions() {
            let one = PyDict::new(py);
            one.set_item("kind", description.kind.map(|kind| kind.to_string()))?;
            one.set_item("unit", description.unit)?;
            one.set_item("text", description.text)?;
            all.set_item(description.metric, one)?;
        }
        Ok(all)
    }

    /// What was not sent, as a dict: instruments, refused, beyond_limit, merged.
    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let stats = self.instruments.stats();
        let all = PyDict::new(py);
        all.set_item("instruments", stats.instruments)?;
        all.set_item("refused", stats.refused)?;
        all.set_item("beyond_limit", stats.beyond_limit)?;
        all.set_item("merged", stats.merged)?;
        Ok(all)
    }

    fn __repr__(&self) -> String {
        let endpoints: Vec<String> = self.handle.client.endpoints().iter().map(ToString::to_string).collect();
        format!("<potsdb.Instruments {}>", endpoints.join(","))
    }

    fn __reduce_ex__(&self, _protocol: i32) -> PyResult<()> {
        Err(unpicklable("Instruments"))
    }
}

impl Instruments {
    /// A client's own.
    pub(crate) fn of(handle: &Arc<Handle>) -> Instruments {
        Instruments {
            instruments: crates::Instruments::new(&handle.client),
            handle: Arc::clone(handle),
        }
    }

    /// Illegal names are refused as those of a series are: by the exception that potsdb 1.0.3 raised, or as the option
    /// `invalid` has it. Then updates count as invalid, one by one.
    fn hand_out<T>(
        &self,
        py: Python<'_>,
        name: &Bound<'_, PyAny>,
        tags: Option<&Bound<'_, PyDict>>,
        ask: impl FnOnce(&crates::Instruments, &str, &Tags<'_>) -> Result<T, InstrumentError>,
    ) -> PyResult<Held<T>> {
        let name = Text::name(name)?;
        let tags = Tags::of_series(tags)?;
        let origin = Origin {
            metric: name.as_str(),
            tagged: !tags.is_empty(),
        };
        self.handle.check_origin(py, origin)?;
        let instrument = match ask(&self.instruments, origin.metric, &tags) {
            Ok(instrument) => Ok(instrument),
            Err(InstrumentError::Invalid(error)) => {
                self.handle.refuse(py, origin, Refusal::Invalid(error.to_string()))?;
                Err(error.to_string())
            }
            Err(error) => return Err(PyValueError::new_err(error.to_string())),
        };
        let mut series = origin.metric.to_owned();
        for (name, value) in tags.iter() {
            series.extend([" ", name, "=", value]);
        }
        let held = Held {
            instrument,
            metric_len: origin.metric.len(),
            series,
            handle: Arc::clone(&self.handle),
        };
        self.handle.report(py)?;
        Ok(held)
    }
}

/// An instrument, and what goes with every one.
struct Held<T> {
    /// Why there is none: then each update counts as invalid.
    instrument: Result<T, String>,
    /// Metric and tags, for people.
    series: String,
    metric_len: usize,
    // The last to go: it closes the client.
    handle: Arc<Handle>,
}

impl<T> Held<T> {
    /// Updates the instrument, and passes on what there is to report.
    #[inline]
    fn update(&self, py: Python<'_>, update: impl FnOnce(&T)) -> PyResult<()> {
        match &self.instrument {
            Ok(instrument) => {
                update(instrument);
                self.handle.report(py)
            }
            Err(message) => self.refused(py, message),
        }
    }

    #[cold]
    fn refused(&self, py: Python<'_>, message: &str) -> PyResult<()> {
        self.handle.client.count_invalid();
        if self.handle.is_silent() || self.handle.client.is_closed() {
            return Ok(());
        }
        records::invalid(py, &self.series[..self.metric_len], message)
    }

    fn repr(&self, class: &str, state: impl std::fmt::Display) -> String {
        format!("<potsdb.{class} {}{state}>", self.series)
    }
}

/// A number, as `float()` takes it from a number.
#[inline]
fn number(given: &Bound<'_, PyAny>) -> PyResult<f64> {
    given.extract()
}

#[cold]
fn unpicklable(class: &str) -> PyErr {
    PyTypeError::new_err(format!(
        "a potsdb.{class} cannot be pickled: make it in each process, or let a forked child use its parent's"
    ))
}

/// A total that grows. What is sent is the total in this process, at each tick and at the end.
#[pyclass(frozen, weakref, module = "potsdb")]
pub(crate) struct Counter(Held<crates::Counter>);

#[pymethods]
impl Counter {
    /// Adds to the total. Adding 0 makes the counter known to the server.
    #[pyo3(signature = (n = None), text_signature = "($self, n=1)")]
    fn add(&self, py: Python<'_>, n: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        match n {
            None => self.0.update(py, |counter| counter.add(1)),
            Some(n) if n.is_instance_of::<PyInt>() => {
                let n = n.extract::<u64>().map_err(|_| no_addition(n))?;
                self.0.update(py, |counter| counter.add(n))
            }
            Some(given) => {
                let n = number(given)?;
                if n < 0.0 {
                    return Err(no_addition(given));
                }
                self.0.update(py, |counter| counter.add_float(n))
            }
        }
    }

    /// What was added in this process.
    #[getter]
    fn total<'py>(&self, py: Python<'py>) -> Bound<'py, PyAny> {
        let (whole, all) = match &self.0.instrument {
            Ok(counter) => (counter.total(), counter.total_float()),
            Err(_) => (0, 0.0),
        };
        if all == whole as f64 {
            PyInt::new(py, whole).into_any()
        } else {
            PyFloat::new(py, all).into_any()
        }
    }

    fn __repr__(&self, py: Python<'_>) -> String {
        self.0.repr("Counter", format_args!(": {}", self.total(py)))
    }

    fn __reduce_ex__(&self, _protocol: i32) -> PyResult<()> {
        Err(unpicklable("Counter"))
    }
}

/// Why a number cannot be added to a counter.
#[cold]
fn no_addition(n: &Bound<'_, PyAny>) -> PyErr {
    match n.lt(0) {
        Ok(false) => PyOverflowError::new_err("a counter adds at most 18446744073709551615 at once"),
        _ => PyValueError::new_err(format!("a counter only grows: {n} is for a gauge")),
    }
}

/// A value that goes up and down. What is sent is the value, at each tick and at the end.
#[pyclass(frozen, weakref, module = "potsdb")]
pub(crate) struct Gauge(Held<crates::Gauge>);

#[pymethods]
impl Gauge {
    /// Sets the value.
    fn set(&self, py: Python<'_>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        let value = number(value)?;
        self.0.update(py, |gauge| gauge.set(value))
    }

    /// Adds to the value, which is 0 at first.
    #[pyo3(signature = (n = None), text_signature = "($self, n=1)")]
    fn add(&self, py: Python<'_>, n: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        let n = n.map_or(Ok(1.0), number)?;
        self.0.update(py, |gauge| gauge.add(n))
    }

    /// Subtracts from the value.
    #[pyo3(signature = (n = None), text_signature = "($self, n=1)")]
    fn sub(&self, py: Python<'_>, n: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        let n = n.map_or(Ok(1.0), number)?;
        self.0.update(py, |gauge| gauge.sub(n))
    }

    /// The value in this process; None before it was set.
    #[getter]
    fn value(&self) -> Option<f64> {
        self.0.instrument.as_ref().ok().and_then(crates::Gauge::value)
    }

    fn __repr__(&self) -> String {
        match self.value() {
            Some(value) => self.0.repr("Gauge", format_args!(": {value}")),
            None => self.0.repr("Gauge", ""),
        }
    }

    fn __reduce_ex__(&self, _protocol: i32) -> PyResult<()> {
        Err(unpicklable("Gauge"))
    }
}

/// A distribution of values: `.count` and `.sum`, which only grow, and `.min .max .p50 .p90 .p99 .p999` of the interval.
#[pyclass(frozen, weakref, module = "potsdb")]
pub(crate) struct Histogram(Held<crates::Histogram>);

#[pymethods]
impl Histogram {
    /// Records a value.
    fn record(&self, py: Python<'_>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        let value = number(value)?;
        self.0.update(py, |histogram| histogram.record(value))
    }

    fn __repr__(&self) -> String {
        self.0.repr("Histogram", "")
    }

    fn __reduce_ex__(&self, _protocol: i32) -> PyResult<()> {
        Err(unpicklable("Histogram"))
    }
}

/// A histogram of the seconds that blocks and functions take.
///
/// `with timer:` and `async with timer:` measure a block, `with timer.time() as block:` one with a token of its own, and
/// `@timer` every call of a function or coroutine. Blocks may overlap in any number of threads, tasks and greenlets.
/// Generators that take turns within one of them want `timer.time()`.
#[pyclass(frozen, weakref, module = "potsdb")]
pub(crate) struct Timer {
    held: Arc<Held<crates::Timer>>,
    /// What tells its blocks from other timers'.
    id: u64,
}

#[pymethods]
impl Timer {
    /// Begins to measure, and returns the token: `with timer.time() as block:`, or `block.stop()`.
    fn time(&self) -> Running {
        Running {
            held: Arc::clone(&self.held),
            since: Instant::now(),
            done: AtomicBool::new(false),
        }
    }

    /// Records seconds that were measured elsewhere.
    fn record(&self, py: Python<'_>, seconds: &Bound<'_, PyAny>) -> PyResult<()> {
        let seconds = number(seconds)?;
        self.held.record(py, seconds)
    }

    fn __enter__(this: Bound<'_, Self>) -> PyResult<Bound<'_, Self>> {
        let py = this.py();
        let stack = Stack::of(py)?;
        let block = Entered {
            timer: this.get().id,
            under: stack.top(py)?.unbind(),
            since: Instant::now(),
        };
        stack.set(py, block)?;
        Ok(this)
    }

    /// Records the seconds since the block was entered, also when it ended in an exception, which goes on.
    fn __exit__(
        &self,
        py: Python<'_>,
        _kind: &Bound<'_, PyAny>,
        _error: &Bound<'_, PyAny>,
        _traceback: &Bound<'_, PyAny>,
    ) -> bool {
        let now = Instant::now();
        let left = leave(py, self.id).and_then(|since| match since {
            Some(since) => self.held.took(py, now.saturating_duration_since(since)),
            None => {
                let message = "the timer was not entered in this task or thread: use `with timer.time()`";
                self.held.refused(py, message)
            }
        });
        // It must not replace an exception of the program's.
        if let Err(error) = left {
            error.write_unraisable(py, None);
        }
        false
    }

    fn __aenter__(this: Bound<'_, Self>) -> PyResult<Ready> {
        Timer::__enter__(this).map(|timer| Ready(timer.into_any().unbind()))
    }

    fn __aexit__(
        &self,
        py: Python<'_>,
        kind: &Bound<'_, PyAny>,
        error: &Bound<'_, PyAny>,
        traceback: &Bound<'_, PyAny>,
    ) -> Ready {
        self.__exit__(py, kind, error, traceback);
        Ready(py.None())
    }

    /// Makes a function, or a coroutine, that measures each of its calls.
    fn __call__<'py>(this: &Bound<'py, Self>, function: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let py = this.py();
        package::get(py)?.measured.bind(py).call1((this, function))
    }

    fn __repr__(&self) -> String {
        self.held.repr("Timer", "")
    }

    fn __reduce_ex__(&self, _protocol: i32) -> PyResult<()> {
        Err(unpicklable("Timer"))
    }
}

impl Held<crates::Timer> {
    fn took(&self, py: Python<'_>, took: Duration) -> PyResult<()> {
        self.update(py, |timer| timer.record(took))
    }

    /// Seconds of somebody else's clock, which may go back.
    fn record(&self, py: Python<'_>, seconds: f64) -> PyResult<()> {
        match Duration::try_from_secs_f64(seconds) {
            Ok(took) => self.took(py, took),
            Err(_) => Err(PyValueError::new_err(format!("{seconds} is no number of seconds"))),
        }
    }
}

/// A block that is being measured: what `timer.time()` returns. It is measured once.
#[pyclass(frozen, module = "potsdb.instruments")]
pub(crate) struct Running {
    held: Arc<Held<crates::Timer>>,
    since: Instant,
    done: AtomicBool,
}

#[pymethods]
impl Running {
    /// Records how many seconds it took, and returns them.
    fn stop(&self, py: Python<'_>) -> PyResult<f64> {
        let took = self.since.elapsed();
        if !self.done.swap(true, Ordering::Relaxed) {
            self.held.took(py, took)?;
        }
        Ok(took.as_secs_f64())
    }

    /// Records nothing.
    fn discard(&self) {
        self.done.store(true, Ordering::Relaxed);
    }

    fn __enter__(this: Bound<'_, Self>) -> Bound<'_, Self> {
        this
    }

    fn __exit__(
        &self,
        py: Python<'_>,
        _kind: &Bound<'_, PyAny>,
        _error: &Bound<'_, PyAny>,
        _traceback: &Bound<'_, PyAny>,
    ) -> bool {
        if let Err(error) = self.stop(py) {
            error.write_unraisable(py, None);
        }
        false
    }

    fn __aenter__(this: Bound<'_, Self>) -> Ready {
        Ready(this.into_any().unbind())
    }

    fn __aexit__(
        &self,
        py: Python<'_>,
        kind: &Bound<'_, PyAny>,
        error: &Bound<'_, PyAny>,
        traceback: &Bound<'_, PyAny>,
    ) -> Ready {
        self.__exit__(py, kind, error, traceback);
        Ready(py.None())
    }

    fn __repr__(&self) -> String {
        self.held.repr("Running", "")
    }

    fn __reduce_ex__(&self, _protocol: i32) -> PyResult<()> {
        Err(unpicklable("Running"))
    }
}

/// A block that `with timer:` entered and has not left, on the stack of its context.
#[pyclass(frozen)]
struct Entered {
    timer: u64,
    since: Instant,
    under: Py<PyAny>,
}

/// The context variable where the stack lies: its methods, bound. One for all timers, because a context keeps every variable
/// that was ever set in it.
struct Stack {
    get: Py<PyAny>,
    set: Py<PyAny>,
}

impl Stack {
    fn of(py: Python<'_>) -> PyResult<&Stack> {
        static STACK: PyOnceLock<Stack> = PyOnceLock::new();
        STACK.get_or_try_init(py, || {
            let keywords = PyDict::new(py);
            keywords.set_item("default", py.None())?;
            // Part of every interpreter: nothing is loaded for it.
            let class = py.import("_contextvars")?.getattr("ContextVar")?;
            let variable = class.call(("potsdb.timers",), Some(&keywords))?;
            Ok(Stack {
                get: variable.getattr("get")?.unbind(),
                set: variable.getattr("set")?.unbind(),
            })
        })
    }

    fn top<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.get.bind(py).call0()
    }

    fn set(&self, py: Python<'_>, top: impl for<'py> IntoPyObject<'py>) -> PyResult<()> {
        self.set.bind(py).call1((top,)).map(drop)
    }
}

/// Takes the newest block of a timer off the stack; returns since when it runs.
fn leave(py: Python<'_>, timer: u64) -> PyResult<Option<Instant>> {
    let stack = Stack::of(py)?;
    let mut above = Vec::new();
    let mut top = stack.top(py)?;
    let since = loop {
        let Ok(block) = top.cast_into::<Entered>() else {
            return Ok(None);
        };
        let block = block.get();
        top = block.under.bind(py).clone();
        if block.timer == timer {
            break block.since;
        }
        above.push((block.timer, block.since));
    };
    // Blocks of other timers that were entered later and are not left yet go on.
    for (timer, since) in above.into_iter().rev() {
        let under = top.unbind();
        top = Bound::new(py, Entered { timer, since, under })?.into_any();
    }
    stack.set(py, top.unbind())?;
    Ok(Some(since))
}

/// An awaitable whose answer is there: `async with` of what never waits.
#[pyclass(frozen)]
struct Ready(Py<PyAny>);

#[pymethods]
impl Ready {
    fn __await__(this: Bound<'_, Self>) -> Bound<'_, Self> {
        this
    }

    fn __iter__(this: Bound<'_, Self>) -> Bound<'_, Self> {
        this
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<()> {
        Err(PyStopIteration::new_err((self.0.clone_ref(py),)))
    }
}
