//! A sketch: how often values of each size came, in buckets whose width grows with the value.
//!
//! ```text
//! bits of a float     0 10000000001 100110 0110011001...
//!                       '- octave -''-sub-'
//! an octave           [4, 8) is 64 buckets of 1/16, [8, 16) is 64 buckets of 1/8, ...
//! ```
//!
//! A bucket is an exponent and the first six bits of a mantissa, so finding it is a shift. A quantile is told as the middle
//! of its bucket, which is wrong by at most half a bucket: [`RELATIVE_ERROR`], below 0.8 % of the value. The buckets are the
//! same in every sketch, so merging adds counts up and is exact: the sketch of a union is the union of the sketches.
//!
//! What DDSketch and OpenTelemetry's exponential histograms do with a logarithm. That needs half as many buckets for the
//! same error, and a logarithm per value, which costs more than everything else an update does.
//!
//! Values nearer to 0 than 2^-64 count as 0. Values of 2^64 and more share the last bucket. So a sketch has at most
//! 2 x 128 octaves. [`Sketch`] is what quantiles are asked of; a [`SharedSketch`] is what updates fill, quickly, until it is
//! emptied into one.

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// How far a quantile may be from the exact one, relative to it: half a bucket in the narrowest place of an octave.
pub const RELATIVE_ERROR: f64 = 1.0 / (2.0 * SUBS as f64);

/// Buckets of an octave.
const SUBS: usize = 1 << SUB_BITS;
const SUB_BITS: u32 = 6;
const MANTISSA_BITS: u32 = 52;

/// The exponent, as a float has it, of 2^-64, and how many octaves begin there.
const FIRST_OCTAVE: u64 = 1023 - 64;
const OCTAVES: usize = 128;

/// Where a value is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Zero,
    Positive(usize),
    Negative(usize),
}

/// Finds the bucket of a finite value.
#[inline]
fn place(value: f64) -> Place {
    let magnitude = value.abs().to_bits() >> (MANTISSA_BITS - SUB_BITS);
    let first = FIRST_OCTAVE << SUB_BITS;
    match magnitude.checked_sub(first) {
        None => Place::Zero,
        Some(index) => {
            let index = (index as usize).min(OCTAVES * SUBS - 1);
            if value < 0.0 {
                Place::Negative(index)
            } else {
                Place::Positive(index)
            }
        }
    }
}

/// The middle of a bucket.
fn middle(index: usize) -> f64 {
    let lower = (index as u64 + (FIRST_OCTAVE << SUB_BITS)) << (MANTISSA_BITS - SUB_BITS);
    let half = 1 << (MANTISSA_BITS - SUB_BITS - 1);
    f64::from_bits(lower + half)
}

/// How often values of each size came.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sketch {
    zeros: u64,
    positive: Octaves,
    negative: Octaves,
}

/// The octaves that hold something.
type Octaves = BTreeMap<u8, [u64; SUBS]>;

impl Sketch {
    /// Counts a finite value. Others are passed over.
    pub fn record(&mut self, value: f64) {
        self.record_many(value, 1);
    }

    /// Counts a finite value so many times.
    pub fn record_many(&mut self, value: f64, times: u64) {
        if value.is_finite() && times > 0 {
            self.add(place(value), times);
        }
    }

    /// Adds what another sketch has counted.
    pub fn merge(&mut self, other: &Sketch) {
        self.zeros += other.zeros;
        for (mine, theirs) in [
            (&mut self.positive, &other.positive),
            (&mut self.negative, &other.negative),
        ] {
            for (octave, counts) in theirs {
                let sums = mine.entry(*octave).or_insert([0; SUBS]);
                sums.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
            }
        }
    }

    /// How many values it counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        let of = |octaves: &Octaves| octaves.values().flatten().sum::<u64>();
        self.zeros + of(&self.positive) + of(&self.negative)
    }

    /// Whether it counted none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count() == 0
    }

    /// The value that a share `quantile` of all values does not exceed, to within [`RELATIVE_ERROR`]; `None` without values.
    #[must_use]
    pub fn quantile(&self, quantile: f64) -> Option<f64> {
        let count = self.count();
        if count == 0 {
            return None;
        }
        // The nearest rank: of 10 values the 5th is the median, the 10th every quantile above 0.9.
        let rank = ((quantile.clamp(0.0, 1.0) * count as f64).ceil() as u64).clamp(1, count);
        let mut left = rank;
        self.ascending()
            .find(|(_, count)| {
                let found = left <= *count;
                left = left.saturating_sub(*count);
                found
            })
            .map(|(value, _)| value)
    }

    /// The buckets that hold something, as their middle and count, from the least value up.
    fn ascending(&self) -> impl Iterator<Item = (f64, u64)> {
        let below = buckets(&self.negative)
            .rev()
            .map(|(index, count)| (-middle(index), count));
        let above = buckets(&self.positive).map(|(index, count)| (middle(index), count));
        below
            .chain([(0.0, self.zeros)])
            .chain(above)
            .filter(|(_, count)| *count > 0)
    }

    fn add(&mut self, place: Place, count: u64) {
        let (octaves, index) = match place {
            Place::Zero => {
                self.zeros += count;
                return;
            }
            Place::Positive(index) => (&mut self.positive, index),
            Place::Negative(index) => (&mut self.negative, index),
        };
        octaves.entry((index / SUBS) as u8).or_insert([0; SUBS])[index % SUBS] += count;
    }
}

fn buckets(octaves: &Octaves) -> impl DoubleEndedIterator<Item = (usize, u64)> {
    octaves.iter().flat_map(|(octave, counts)| {
        (usize::from(*octave) * SUBS..)
            .zip(*counts)
            .take(SUBS)
            .collect::<Vec<_>>()
    })
}

/// A sketch in places that are found without a search. Of its users one at a time writes, which is theirs to see to: its
/// numbers are atomics for want of anything else that may be shared, and are loaded and stored like plain ones.
#[derive(Debug, Default)]
pub(crate) struct SharedSketch {
    zeros: AtomicU64,
    positive: SharedOctaves,
    /// Most histograms never see a negative value.
    negative: OnceLock<Box<SharedOctaves>>,
}

/// An octave has memory from its first value on.
#[derive(Debug)]
struct SharedOctaves([OnceLock<Box<[AtomicU64; SUBS]>>; OCTAVES]);

impl Default for SharedOctaves {
    fn default() -> SharedOctaves {
        SharedOctaves(std::array::from_fn(|_| OnceLock::new()))
    }
}

impl SharedOctaves {
    #[inline]
    fn bucket(&self, index: usize) -> &AtomicU64 {
        let octave = self.0[index / SUBS].get_or_init(|| Box::new(std::array::from_fn(|_| AtomicU64::new(0))));
        &octave[index % SUBS]
    }

    fn take(&self, mut counted: impl FnMut(usize, u64)) {
        for (octave, counts) in self.0.iter().enumerate() {
            for (sub, count) in counts.get().into_iter().flat_map(|counts| counts.iter()).enumerate() {
                let taken = take(count);
                if taken > 0 {
                    counted(octave * SUBS + sub, taken);
                }
            }
        }
    }
}

impl SharedSketch {
    /// Counts a finite value so many times.
    #[inline]
    pub(crate) fn record_many(&self, value: f64, times: u64) {
        let bucket = match place(value) {
            Place::Zero => &self.zeros,
            Place::Positive(index) => self.positive.bucket(index),
            Place::Negative(index) => self.negative.get_or_init(Box::default).bucket(index),
        };
        bucket.store(bucket.load(Ordering::Relaxed) + times, Ordering::Relaxed);
    }

    /// Moves what was counted so far into a sketch.
    pub(crate) fn take(&self) -> Sketch {
        let mut sketch = Sketch {
            zeros: take(&self.zeros),
            ..Sketch::default()
        };
        self.positive
            .take(|index, count| sketch.add(Place::Positive(index), count));
        if let Some(negative) = self.negative.get() {
            negative.take(|index, count| sketch.add(Place::Negative(index), count));
        }
        sketch
    }
}

fn take(count: &AtomicU64) -> u64 {
    let taken = count.load(Ordering::Relaxed);
    if taken > 0 {
        count.store(0, Ordering::Relaxed);
    }
    taken
}

#[cfg(test)]
mod tests {
    use std::f64::consts::TAU;

    use proptest::prelude::*;

    use super::*;

    const QUANTILES: [f64; 8] = [0.0, 0.01, 0.25, 0.5, 0.9, 0.99, 0.999, 1.0];

    /// Numbers between 0 and 1, the same in every run.
    struct Random(u64);

    impl Random {
        fn next(&mut self) -> f64 {
            // SplitMix64.
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut bits = self.0;
            bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            ((bits ^ (bits >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
        }

        fn exponential(&mut self) -> f64 {
            -(1.0 - self.next()).ln()
        }

        fn normal(&mut self) -> f64 {
            (2.0 * self.exponential()).sqrt() * (TAU * self.next()).cos()
        }
    }

    fn sketch(values: &[f64]) -> Sketch {
        let mut sketch = Sketch::default();
        values.iter().for_each(|value| sketch.record(*value));
        sketch
    }

    fn exact(values: &[f64], quantile: f64) -> f64 {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let rank = (quantile * sorted.len() as f64).ceil() as usize;
        sorted[rank.clamp(1, sorted.len()) - 1]
    }

    /// Asserts the stated error, and returns the largest that was seen.
    fn measured(values: &[f64]) -> f64 {
        let sketch = sketch(values);
        let errors = QUANTILES.map(|quantile| {
            let (told, exact) = (sketch.quantile(quantile).unwrap(), exact(values, quantile));
            let error = (told - exact).abs() / exact.abs().max(f64::MIN_POSITIVE);
            assert!(error <= RELATIVE_ERROR, "quantile {quantile}: {told} for {exact}");
            error
        });
        errors.into_iter().fold(0.0, f64::max)
    }

    #[test]
    fn quantiles_of_five_distributions_are_within_the_stated_error() {
        let mut random = Random(1);
        let mut draw = |make: &dyn Fn(&mut Random) -> f64| (0..100_000).map(|_| make(&mut random)).collect::<Vec<_>>();
        let worst = [
            draw(&|random| random.next()),
            draw(&|random| 0.02 * random.exponential()),
            draw(&|random| (random.normal() * 2.0 - 4.0).exp()),
            draw(&|random| {
                if random.next() < 0.9 {
                    0.001 + 1e-4 * random.next()
                } else {
                    2.0 + random.next()
                }
            }),
            draw(&|random| {
                if random.next() < 0.999 {
                    0.25
                } else {
                    1e6 * random.exponential()
                }
            }),
        ]
        .map(|values| measured(&values));
        assert!(
            worst.iter().all(|error| *error > 0.0),
            "a sketch that is exact measures nothing: {worst:?}"
        );
    }

    #[test]
    fn the_middle_of_a_bucket_is_in_it() {
        for index in 0..OCTAVES * SUBS {
            assert_eq!(place(middle(index)), Place::Positive(index));
            assert_eq!(place(-middle(index)), Place::Negative(index));
        }
    }

    #[test]
    fn what_is_too_small_is_zero_and_what_is_too_large_is_in_the_last_bucket() {
        for zero in [0.0, -0.0, 5e-324, -1e-30] {
            assert_eq!(place(zero), Place::Zero);
        }
        assert_eq!(place(2_f64.powi(-64)), Place::Positive(0));
        for large in [2_f64.powi(64), 1e300, f64::MAX] {
            assert_eq!(place(large), Place::Positive(OCTAVES * SUBS - 1));
        }
        let mut sketch = sketch(&[f64::NAN, f64::INFINITY, f64::NEG_INFINITY]);
        assert!(sketch.is_empty() && sketch.quantile(0.5).is_none());
        sketch.record(f64::MAX);
        assert_eq!(sketch.count(), 1);
    }

    #[test]
    fn a_shared_sketch_is_emptied_into_what_it_was_given() {
        let shared = SharedSketch::default();
        let values: Vec<f64> = (0..40_000).map(|n| f64::from(n - 20_000)).collect();
        values.iter().for_each(|value| shared.record_many(*value, 1));
        assert_eq!(shared.take(), sketch(&values));
        assert!(shared.take().is_empty());
    }

    proptest! {
        #[test]
        fn merging_is_the_sketch_of_the_union(
            left in prop::collection::vec(any::<f64>(), 0..200),
            right in prop::collection::vec(any::<f64>(), 0..200),
        ) {
            let mut merged = sketch(&left);
            merged.merge(&sketch(&right));
            prop_assert_eq!(merged, sketch(&[left, right].concat()));
        }

        #[test]
        fn every_quantile_of_every_value_in_range_is_within_the_stated_error(
            values in prop::collection::vec((-60_i32..60, 1.0..2.0_f64, any::<bool>()), 1..100),
        ) {
            let value = |(exponent, mantissa, negative): &(i32, f64, bool)| {
                let value = mantissa * 2_f64.powi(*exponent);
                if *negative { -value } else { value }
            };
            measured(&values.iter().map(value).collect::<Vec<_>>());
        }
    }
}
