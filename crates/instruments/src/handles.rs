//! What a program holds: counter, gauge, histogram, timer. Cheap to clone, usable from any number of threads.
//!
//! Updates never wait, never allocate but for a histogram's new octave, and never fail: what is no number is counted
//! ([`Stats`](crate::Stats)) and reported. The handles keep the client open, as a `Series` does.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::cell::Cell;
use crate::instruments::Instruments;
use crate::slot::Slot;

/// A slot, and what keeps it alive.
#[derive(Clone)]
struct Handle {
    slot: Arc<Slot>,
    instruments: Instruments,
}

impl Handle {
    #[inline]
    fn cell(&self) -> &Cell {
        self.slot.cell(&self.instruments)
    }

    /// Whether a value is a number; counts it if not.
    #[inline]
    fn is_number(&self, value: f64) -> bool {
        if value.is_finite() {
            return true;
        }
        self.instruments.refuse(&self.slot.key, value);
        false
    }

    fn fmt(&self, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = &self.slot.key;
        write!(f, "{name}({}", key.metric)?;
        key.tags
            .iter()
            .try_for_each(|(name, value)| write!(f, " {name}={value}"))?;
        f.write_str(")")
    }
}

/// The cell is of a series beyond the limit: the update is counted.
#[cold]
fn beyond(cell: &Cell) {
    if let Cell::Beyond(updates) = cell {
        updates.fetch_add(1, Ordering::Relaxed);
    }
}

macro_rules! handle {
    ($($name:ident)*) => {$(
        impl $name {
            pub(crate) fn new(slot: Arc<Slot>, instruments: Instruments) -> $name {
                $name(Handle { slot, instruments })
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(stringify!($name), f)
            }
        }
    )*};
}

handle!(Counter Gauge Histogram);

/// A total that grows. What is sent is the total since the first update in this process, never an increment, after a zero
/// in the second of that update. From [`Instruments::counter`].
#[derive(Clone)]
pub struct Counter(Handle);

impl Counter {
    /// Adds to the total. Adding 0 makes the counter known to the server.
    #[inline]
    pub fn add(&self, more: u64) {
        match self.0.cell() {
            Cell::Counter(cell) => cell.add(more),
            other => beyond(other),
        }
    }

    /// Adds a fraction to the total. What is negative or no number is refused and counted: a total grows.
    pub fn add_float(&self, more: f64) {
        match self.0.cell() {
            _ if more < 0.0 => self.0.instruments.refuse(&self.0.slot.key, more),
            Cell::Counter(cell) if self.0.is_number(more) => cell.add_float(more),
            other => beyond(other),
        }
    }

    /// Raises the total to what was counted elsewhere. A total that is not larger changes nothing.
    #[inline]
    pub fn raise_to(&self, total: u64) {
        match self.0.cell() {
            Cell::Counter(cell) => cell.raise_to(total),
            other => beyond(other),
        }
    }

    /// What was added in this process.
    #[must_use]
    pub fn total(&self) -> u64 {
        match self.0.slot.existing() {
            Some(Cell::Counter(cell)) => cell.total().whole,
            _ => 0,
        }
    }

    /// What was added in this process, fractions included.
    #[must_use]
    pub fn total_float(&self) -> f64 {
        match self.0.slot.existing() {
            Some(Cell::Counter(cell)) => cell.total().as_f64(),
            _ => 0.0,
        }
    }
}

/// A value that goes up and down. From [`Instruments::gauge`].
#[derive(Clone)]
pub struct Gauge(Handle);

impl Gauge {
    /// Sets the value.
    #[inline]
    pub fn set(&self, value: impl Into<f64>) {
        let value = value.into();
        match self.0.cell() {
            Cell::Gauge(cell) if self.0.is_number(value) => cell.set(value),
            other => beyond(other),
        }
    }

    /// Adds to the value, which is 0 at first.
    #[inline]
    pub fn add(&self, more: impl Into<f64>) {
        let more = more.into();
        match self.0.cell() {
            Cell::Gauge(cell) if self.0.is_number(more) => cell.add(more),
            other => beyond(other),
        }
    }

    /// Subtracts from the value.
    #[inline]
    pub fn sub(&self, less: impl Into<f64>) {
        self.add(-less.into());
    }

    /// The value in this process; `None` before the first update.
    #[must_use]
    pub fn value(&self) -> Option<f64> {
        match self.0.slot.existing() {
            Some(Cell::Gauge(cell)) => Some(cell.value()),
            _ => None,
        }
    }
}

/// A distribution of values. From [`Instruments::histogram`].
#[derive(Clone)]
pub struct Histogram(Handle);

impl Histogram {
    /// Records a value.
    #[inline]
    pub fn record(&self, value: impl Into<f64>) {
        let value = value.into();
        match self.0.cell() {
            Cell::Histogram(cell) if self.0.is_number(value) => cell.record(value),
            other => beyond(other),
        }
    }

    /// Records the same value so many times, for the price of one.
    pub fn record_many(&self, value: impl Into<f64>, times: u64) {
        let value = value.into();
        match self.0.cell() {
            _ if times == 0 => {}
            Cell::Histogram(cell) if self.0.is_number(value) => cell.record_many(value, times),
            other => beyond(other),
        }
    }

    /// Adds values that were counted elsewhere, in buckets. Each value stands for so many of its bucket, and quantiles are as
    /// exact as that. The sum, the least and the greatest value are usually known better: they are taken as given.
    pub fn merge(&self, values: &[(f64, u64)], sum: f64, min: f64, max: f64) {
        let numbers = values.iter().map(|(value, _)| value).chain([&sum, &min, &max]);
        match self.0.cell() {
            _ if values.iter().all(|(_, times)| *times == 0) => {}
            Cell::Histogram(cell) => {
                if numbers.into_iter().all(|number| self.0.is_number(*number)) {
                    cell.merge(values, sum, min, max);
                }
            }
            other => beyond(other),
        }
    }
}

/// A histogram of seconds. From [`Instruments::timer`].
///
/// ```
/// # let client = potsdb::Client::open("tsdb://127.0.0.1:1?test_mode=true").unwrap();
/// # let instruments = potsdb_instruments::Instruments::new(&client);
/// let render = instruments.timer("web.render", [("path", "/login")])?;
/// let page = render.time(|| "<html>");
/// let block = render.start();
/// block.stop(); // or when it goes out of scope
/// # Ok::<(), potsdb_instruments::InstrumentError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Timer(Histogram);

impl Timer {
    pub(crate) fn new(slot: Arc<Slot>, instruments: Instruments) -> Timer {
        Timer(Histogram::new(slot, instruments))
    }

    /// Starts to measure a block. Any number of blocks may be measured at once, each with a token of its own.
    #[inline]
    pub fn start(&self) -> Running {
        Running {
            timer: Some(self.clone()),
            since: Instant::now(),
        }
    }

    /// Measures a call.
    #[inline]
    pub fn time<T>(&self, call: impl FnOnce() -> T) -> T {
        /// Records also when the call panics.
        struct Call<'a>(&'a Timer, Instant);
        impl Drop for Call<'_> {
            #[inline]
            fn drop(&mut self) {
                self.0.record(self.1.elapsed());
            }
        }
        let _call = Call(self, Instant::now());
        call()
    }

    /// Records a duration that was measured elsewhere.
    #[inline]
    pub fn record(&self, took: Duration) {
        self.0.record(took.as_secs_f64());
    }
}

/// A block that is being measured. Dropping it records the time since it was started, also in a panic.
#[derive(Debug)]
#[must_use = "dropped at once, it measures nothing"]
pub struct Running {
    timer: Option<Timer>,
    since: Instant,
}

impl Running {
    /// Records how long the block took, and returns it.
    #[inline]
    pub fn stop(mut self) -> Duration {
        self.record()
    }

    /// Records nothing.
    pub fn discard(mut self) {
        self.timer = None;
    }

    #[inline]
    fn record(&mut self) -> Duration {
        let took = self.since.elapsed();
        if let Some(timer) = self.timer.take() {
            timer.record(took);
        }
        took
    }
}

impl Drop for Running {
    #[inline]
    fn drop(&mut self) {
        self.record();
    }
}
