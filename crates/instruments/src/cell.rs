//! Cells: where updates go, of any number of threads at once.
//!
//! A cell belongs to one process and is never seen in a forked child (`slot.rs`). The ticker reads it (`live.rs`), which takes a
//! histogram's interval out of it.
//!
//! A counter and a gauge are one atomic number. An update of a histogram changes several, under a flag that stands for a
//! lock: taking it is the one expensive operation, where an atomic operation for each number, or a `Mutex` to let go of, would be
//! two or more, each as dear as all the rest. It is held for some nanoseconds, and while the ticker empties it for a microsecond;
//! nothing is called under it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use crate::sketch::{SharedSketch, Sketch};

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

    #[inline]
    pub(crate) fn raise_to(&self, total: u64) {
        self.whole.fetch_max(total, Ordering::Relaxed);
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
    busy: AtomicBool,
    sketch: SharedSketch,
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
    pub(crate) sum: f64,
    pub(crate) min: Option<f64>,
    pub(crate) max: Option<f64>,
    pub(crate) within: Vec<u64>,
}

impl HistogramCell {
    pub(crate) fn new(bounds: Arc<[f64]>) -> HistogramCell {
        HistogramCell {
            busy: AtomicBool::new(false),
            sketch: SharedSketch::default(),
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
        let _alone = self.alone();
        self.extend(place, place);
        self.sum_up(value);
        self.count(value, 1);
    }

    /// Counts a finite value so many times.
    pub(crate) fn record_many(&self, value: f64, times: u64) {
        let place = ordered(value);
        let _alone = self.alone();
        self.extend(place, place);
        self.sum_up(value * times as f64);
        self.count(value, times);
    }

    /// Counts values that were counted elsewhere, whose sum and extremes are known better than their values.
    pub(crate) fn merge(&self, values: &[(f64, u64)], sum: f64, min: f64, max: f64) {
        let _alone = self.alone();
        self.extend(ordered(min), ordered(max));
        self.sum_up(sum);
        values.iter().for_each(|(value, times)| self.count(*value, *times));
    }

    #[inline]
    fn extend(&self, min: i64, max: i64) {
        if min < self.min.load(Ordering::Relaxed) {
            self.min.store(min, Ordering::Relaxed);
        }
        if max > self.max.load(Ordering::Relaxed) {
            self.max.store(max, Ordering::Relaxed);
        }
    }

    #[inline]
    fn sum_up(&self, more: f64) {
        let sum = (float(&self.sum) + more).to_bits();
        self.sum.store(sum, Ordering::Relaxed);
    }

    #[inline]
    fn count(&self, value: f64, times: u64) {
        if !self.bounds.is_empty()
            && let Some(within) = self.within.get(self.bounds.partition_point(|bound| *bound < value))
        {
            within.store(within.load(Ordering::Relaxed) + times, Ordering::Relaxed);
        }
        self.sketch.record_many(value, times);
    }

    /// Takes out what was recorded since the last time.
    pub(crate) fn take(&self) -> Part {
        let _alone = self.alone();
        let sketch = self.sketch.take();
        let (min, max) = (
            self.min.swap(NO_MIN, Ordering::Relaxed),
            self.max.swap(NO_MAX, Ordering::Relaxed),
        );
        Part {
            sketch,
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

    #[inline]
    fn alone(&self) -> Alone<'_> {
        if self.busy.swap(true, Ordering::Acquire) {
            self.wait();
        }
        Alone(&self.busy)
    }

    /// Whoever is in there is out in a moment, unless it is given no processor: then it gets this thread's.
    #[cold]
    fn wait(&self) {
        let mut tries = 0;
        while self.busy.load(Ordering::Relaxed) || self.busy.swap(true, Ordering::Acquire) {
            tries += 1;
            if tries % 64 == 0 {
                std::thread::yield_now();
            } else {
                std::hint::spin_loop();
            }
        }
    }
}

/// Held while a thread is alone with a histogram's numbers.
struct Alone<'a>(&'a AtomicBool);

impl Drop for Alone<'_> {
    #[inline]
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
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
        assert_eq!((part.sum, part.min, part.max), (75.5, Some(-3.0), Some(70.0)));
        assert_eq!(part.within, [3, 1]);
        assert_eq!(part.sketch.count(), 5);
        let nothing = cell.take();
        assert_eq!((nothing.sum, nothing.min, nothing.max), (0.0, None, None));
        assert!(nothing.sketch.is_empty());
    }

    #[test]
    fn many_values_at_once_are_what_each_of_them_would_be() {
        let (cell, one_by_one) = (HistogramCell::new([1.0].into()), HistogramCell::new([1.0].into()));
        cell.record_many(0.5, 3);
        cell.merge(&[(1.0, 2), (8.0, 1)], 10.0, 1.0, 8.0);
        [0.5, 0.5, 0.5, 1.0, 1.0, 8.0]
            .into_iter()
            .for_each(|value| one_by_one.record(value));
        assert_eq!(
            cell.take(),
            Part {
                sum: 11.5,
                ..one_by_one.take()
            }
        );
    }

    #[test]
    fn threads_that_record_at_once_lose_nothing() {
        let cell = HistogramCell::new([1.0].into());
        let mut parts = Vec::new();
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let cell = &cell;
                scope.spawn(move || (0..10_000).for_each(|n| cell.record(f64::from(n * 4 + thread))));
            }
            parts.extend((0..100).map(|_| cell.take()));
        });
        parts.push(cell.take());
        let mut all = Sketch::default();
        parts.iter().for_each(|part| all.merge(&part.sketch));
        let mut wanted = Sketch::default();
        (0..40_000).for_each(|n| wanted.record(f64::from(n)));
        assert_eq!(all, wanted);
        assert_eq!(parts.iter().map(|part| part.sum).sum::<f64>(), 799_980_000.0);
        assert_eq!(parts.iter().map(|part| part.within[0]).sum::<u64>(), 2);
        assert_eq!(parts.iter().filter_map(|part| part.max).fold(0.0, f64::max), 39_999.0);
    }
}
