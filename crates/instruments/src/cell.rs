//! Cells: where updates go. Any number of threads at once, without a lock.
//!
//! A cell belongs to one process and is never seen in a forked child (`slot.rs`). The ticker reads it (`live.rs`), which takes a
//! histogram's interval out of it.
//!
//! An update of a histogram touches several numbers, one after the other, the bucket last. Who takes the buckets first
//! therefore sees the rest of every value it counted, and at most that of a value or two it did not count yet.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use crate::sketch::{AtomicSketch, Sketch};

#[derive(Debug)]
pub(crate) enum Cell {
    Counter(CounterCell),
    Gauge(GaugeCell),
    Histogram(Box<HistogramCell>),
    /// Of a series beyond the limit: updates are counted and go nowhere.
    Beyond(Arc<AtomicU64>),
}

/// A total. Whole numbers stay exact beside fractions.
#[derive(Debug, Default)]
pub(crate) struct CounterCell {
    whole: AtomicU64,
    /// The bits of a float.
    part: AtomicU64,
}

/// What a counter has come to.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Total {
    pub(crate) whole: u64,
    pub(crate) part: f64,
}

impl Total {
    pub(crate) fn as_f64(self) -> f64 {
        self.whole as f64 + self.part
    }
}

impl CounterCell {
    #[inline]
    pub(crate) fn add(&self, more: u64) {
        self.whole.fetch_add(more, Ordering::Relaxed);
    }

    pub(crate) fn add_float(&self, more: f64) {
        add_float(&self.part, more);
    }

    pub(crate) fn total(&self) -> Total {
        Total {
            whole: self.whole.load(Ordering::Relaxed),
            part: float(&self.part),
        }
    }
}

/// A value that was set last, or moved by sums.
#[derive(Debug, Default)]
pub(crate) struct GaugeCell {
    value: AtomicU64,
    /// Whether it was updated since the ticker looked, be it to the same value.
    touched: AtomicBool,
}

impl GaugeCell {
    #[inline]
    pub(crate) fn set(&self, value: f64) {
        self.value.store(value.to_bits(), Ordering::Relaxed);
        self.touched.store(true, Ordering::Release);
    }

    #[inline]
    pub(crate) fn add(&self, more: f64) {
        add_float(&self.value, more);
        self.touched.store(true, Ordering::Release);
    }

    pub(crate) fn value(&self) -> f64 {
        float(&self.value)
    }

    pub(crate) fn take_touched(&self) -> bool {
        self.touched.swap(false, Ordering::Acquire)
    }
}

/// The values of an interval.
#[derive(Debug)]
pub(crate) struct HistogramCell {
    sketch: AtomicSketch,
    sum: AtomicU64,
    /// In the order of floats: see [`ordered`].
    min: AtomicI64,
    max: AtomicI64,
    bounds: Arc<[f64]>,
    /// How many values are at most as large as a bound and larger than the one before.
    within: Box<[AtomicU64]>,
}

/// What was taken out of a histogram's cell.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Part {
    pub(crate) sketch: Sketch,
    pub(crate) count: u64,
    pub(crate) sum: f64,
    pub(crate) min: Option<f64>,
    pub(crate) max: Option<f64>,
    pub(crate) within: Vec<u64>,
}

impl HistogramCell {
    pub(crate) fn new(bounds: Arc<[f64]>) -> HistogramCell {
        HistogramCell {
            sketch: AtomicSketch::default(),
            sum: AtomicU64::new(0),
            min: AtomicI64::new(NO_MIN),
            max: AtomicI64::new(NO_MAX),
            within: bounds.iter().map(|_| AtomicU64::new(0)).collect(),
            bounds,
        }
    }

    /// Counts a finite value.
    #[inline]
    pub(crate) fn record(&self, value: f64) {
        let place = ordered(value);
        if place < self.min.load(Ordering::Relaxed) {
            self.min.fetch_min(place, Ordering::Relaxed);
        }
        if place > self.max.load(Ordering::Relaxed) {
            self.max.fetch_max(place, Ordering::Relaxed);
        }
        add_float(&self.sum, value);
        if !self.bounds.is_empty()
            && let Some(within) = self.within.get(self.bounds.partition_point(|bound| *bound < value))
        {
            within.fetch_add(1, Ordering::Relaxed);
        }
        self.sketch.record(value);
    }

    /// Takes out what was recorded since the last time.
    pub(crate) fn take(&self) -> Part {
        let mut sketch = Sketch::default();
        let count = self.sketch.take_into(&mut sketch);
        let (min, max) = (
            self.min.swap(NO_MIN, Ordering::Relaxed),
            self.max.swap(NO_MAX, Ordering::Relaxed),
        );
        Part {
            sketch,
            count,
            sum: f64::from_bits(self.sum.swap(0, Ordering::Relaxed)),
            min: (min != NO_MIN).then(|| unordered(min)),
            max: (max != NO_MAX).then(|| unordered(max)),
            within: self
                .within
                .iter()
                .map(|count| count.swap(0, Ordering::Relaxed))
                .collect(),
        }
    }
}

const NO_MIN: i64 = i64::MAX;
const NO_MAX: i64 = i64::MIN;

/// A number that is ordered as the float is. No finite float becomes the first or last.
#[inline]
fn ordered(value: f64) -> i64 {
    let bits = value.to_bits().cast_signed();
    // Of a negative float all bits but the sign count the other way round.
    bits ^ ((bits >> 63) & i64::MAX)
}

fn unordered(place: i64) -> f64 {
    f64::from_bits((place ^ ((place >> 63) & i64::MAX)).cast_unsigned())
}

fn float(bits: &AtomicU64) -> f64 {
    f64::from_bits(bits.load(Ordering::Relaxed))
}

#[inline]
fn add_float(sum: &AtomicU64, more: f64) {
    let mut before = sum.load(Ordering::Relaxed);
    loop {
        let after = (f64::from_bits(before) + more).to_bits();
        match sum.compare_exchange_weak(before, after, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => return,
            Err(other) => before = other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_floats_is_kept() {
        let floats = [f64::MIN, -1.5, -5e-324, -0.0, 0.0, 5e-324, 1.5, f64::MAX];
        assert!(floats.windows(2).all(|pair| ordered(pair[0]) < ordered(pair[1])));
        assert!(
            floats
                .iter()
                .all(|float| unordered(ordered(*float)).to_bits() == float.to_bits())
        );
        assert!(
            floats
                .iter()
                .all(|float| (NO_MAX + 1..NO_MIN).contains(&ordered(*float)))
        );
    }

    #[test]
    fn a_histogram_is_taken_out_once() {
        let cell = HistogramCell::new([1.0, 10.0].into());
        [0.5, 1.0, 7.0, 70.0, -3.0]
            .into_iter()
            .for_each(|value| cell.record(value));
        let part = cell.take();
        assert_eq!(
            (part.count, part.sum, part.min, part.max),
            (5, 75.5, Some(-3.0), Some(70.0))
        );
        assert_eq!(part.within, [3, 1]);
        assert_eq!(part.sketch.count(), 5);
        let nothing = cell.take();
        assert_eq!(
            (nothing.count, nothing.sum, nothing.min, nothing.max),
            (0, 0.0, None, None)
        );
    }
}
