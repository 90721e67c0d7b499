//! What a handle of `metrics` does: the update of an instrument, and nothing else.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use metrics::{CounterFn, GaugeFn, HistogramFn};
use potsdb_instruments::{Counter, Gauge, Histogram};

pub(crate) struct Count(pub(crate) Counter);

impl CounterFn for Count {
    fn increment(&self, value: u64) {
        self.0.add(value);
    }

    fn absolute(&self, value: u64) {
        self.0.raise_to(value);
    }
}

pub(crate) struct Level(pub(crate) Gauge);

impl GaugeFn for Level {
    fn increment(&self, value: f64) {
        self.0.add(value);
    }

    fn decrement(&self, value: f64) {
        self.0.sub(value);
    }

    fn set(&self, value: f64) {
        self.0.set(value);
    }
}

pub(crate) struct Values(pub(crate) Histogram);

impl HistogramFn for Values {
    fn record(&self, value: f64) {
        self.0.record(value);
    }

    fn record_many(&self, value: f64, count: usize) {
        self.0.record_many(value, count as u64);
    }
}

/// In place of a metric that cannot be had: counts its updates.
pub(crate) struct Refused(pub(crate) Arc<AtomicU64>);

impl Refused {
    fn count(&self, updates: u64) {
        self.0.fetch_add(updates, Ordering::Relaxed);
    }
}

impl CounterFn for Refused {
    fn increment(&self, _value: u64) {
        self.count(1);
    }

    fn absolute(&self, _value: u64) {
        self.count(1);
    }
}

impl GaugeFn for Refused {
    fn increment(&self, _value: f64) {
        self.count(1);
    }

    fn decrement(&self, _value: f64) {
        self.count(1);
    }

    fn set(&self, _value: f64) {
        self.count(1);
    }
}

impl HistogramFn for Refused {
    fn record(&self, _value: f64) {
        self.count(1);
    }

    fn record_many(&self, _value: f64, count: usize) {
        self.count(count as u64);
    }
}
