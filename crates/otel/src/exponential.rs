//! Exponential histograms: what their buckets counted since the export before.
//!
//! ```text
//! base = 2 ^ (2 ^ -scale)      bucket n is (base^n, base^(n+1)]; negative values likewise, by their magnitude
//! scale 1, n = 2               (2, 2.83]                  at scale 0, n = 2 >> 1 = 1 is (2, 4]
//! ```
//!
//! The SDK lowers the scale when values spread, by which two buckets become one. So what was counted before is put into the
//! buckets of the present scale first. A bucket's values are taken to be in its middle, which is wrong by at most
//! (base - 1) / (base + 1) of the value.

use std::collections::BTreeMap;

use opentelemetry_sdk::metrics::Temporality;

use crate::distribution::{Distribution, Extremes};

/// How often values of each bucket came.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Buckets {
    pub(crate) scale: i8,
    pub(crate) zeros: u64,
    pub(crate) positive: BTreeMap<i32, u64>,
    pub(crate) negative: BTreeMap<i32, u64>,
}

/// An exponential histogram as it was exported last.
#[derive(Clone, Debug, Default)]
pub(crate) struct Exponential {
    before: Buckets,
    extremes: Extremes,
}

impl Exponential {
    /// What was counted since the export before; `None`: nothing.
    pub(crate) fn since(
        &mut self,
        now: Buckets,
        sum: f64,
        range: Option<(f64, f64)>,
        temporality: Temporality,
    ) -> Option<Distribution> {
        let grown = match temporality {
            Temporality::Delta => None,
            _ => now.grown_from(&self.before),
        };
        let grown = grown.unwrap_or_else(|| {
            self.extremes = Extremes::default();
            now.clone()
        });
        self.before = now;
        let sum = self.extremes.growth(sum);
        let filled = grown.ascending();
        let ends = filled.first().zip(filled.last());
        let ends = ends.map(|((lower, ..), (_, upper, _))| (Some(*lower), Some(*upper)));
        let (min, max) = self.extremes.of_interval(range, ends?);
        let middle = |(lower, upper, count): (f64, f64, u64)| (middle(lower, upper).clamp(min, max), count);
        Some(Distribution {
            values: filled.into_iter().map(middle).collect(),
            sum,
            min,
            max,
        })
    }
}

impl Buckets {
    /// What they grew by; `None`: they began anew.
    fn grown_from(&self, before: &Buckets) -> Option<Buckets> {
        let shift = u32::try_from(i32::from(before.scale) - i32::from(self.scale)).ok()?;
        let grown = |now: &BTreeMap<i32, u64>, before: &BTreeMap<i32, u64>| {
            let mut grown = now.clone();
            for (index, count) in before {
                // Beyond 31 nothing is left of an index but its sign.
                let now = grown.get_mut(&(index >> shift.min(31)))?;
                *now = now.checked_sub(*count)?;
            }
            Some(grown)
        };
        Some(Buckets {
            scale: self.scale,
            zeros: self.zeros.checked_sub(before.zeros)?,
            positive: grown(&self.positive, &before.positive)?,
            negative: grown(&self.negative, &before.negative)?,
        })
    }

    /// The buckets that hold something, from the least up: their ends, and how much.
    fn ascending(&self) -> Vec<(f64, f64, u64)> {
        let width = f64::from(-i32::from(self.scale)).exp2();
        let end = |index: f64| (index * width).exp2().clamp(f64::MIN_POSITIVE, f64::MAX);
        let ends = |index: i32| (end(f64::from(index)), end(f64::from(index) + 1.0));
        let below = self.negative.iter().rev().map(|(index, count)| {
            let (near, far) = ends(*index);
            (-far, -near, *count)
        });
        let above = self.positive.iter().map(|(index, count)| {
            let (near, far) = ends(*index);
            (near, far, *count)
        });
        let all = below.chain([(0.0, 0.0, self.zeros)]).chain(above);
        all.filter(|(.., count)| *count > 0).collect()
    }
}

/// The value from which both ends are equally far, relative to them.
fn middle(lower: f64, upper: f64) -> f64 {
    let share = lower / (lower + upper);
    // Of the bucket of zeros.
    if share.is_nan() { 0.0 } else { 2.0 * share * upper }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buckets(scale: i8, positive: &[(i32, u64)]) -> Buckets {
        Buckets {
            scale,
            positive: positive.iter().copied().collect(),
            ..Buckets::default()
        }
    }

    #[test]
    fn a_value_is_told_within_the_error_of_its_scale() {
        for scale in -3..=8_i8 {
            let base = f64::from(-i32::from(scale)).exp2().exp2();
            for value in [0.001, 0.7, 1.5, 3.0, 1e9_f64] {
                let index = value.log(base).ceil() as i32 - 1;
                let now = buckets(scale, &[(index, 1)]);
                let told = Exponential::default()
                    .since(now, value, None, Temporality::Cumulative)
                    .unwrap();
                let error = (told.values[0].0 - value).abs() / value;
                assert!(
                    error <= (base - 1.0) / (base + 1.0) + 1e-9,
                    "scale {scale}: {told:?} for {value}"
                );
            }
        }
    }

    #[test]
    fn counts_are_compared_at_the_scale_that_is_now() {
        let mut histogram = Exponential::default();
        histogram.since(
            buckets(1, &[(2, 3), (3, 1), (-1, 1)]),
            11.0,
            Some((0.9, 3.0)),
            Temporality::Cumulative,
        );
        let now = buckets(0, &[(1, 6), (-1, 1)]);
        let told = histogram
            .since(now, 17.0, Some((0.9, 3.0)), Temporality::Cumulative)
            .unwrap();
        assert_eq!(told.values.len(), 1);
        assert_eq!((told.values[0].1, told.sum), (2, 6.0));
        assert_eq!((told.min, told.max), (2.0, 3.0));
    }

    #[test]
    fn negative_values_and_zeros_stand_in_order() {
        let now = Buckets {
            scale: 0,
            zeros: 2,
            positive: [(0, 1)].into(),
            negative: [(0, 1), (1, 1)].into(),
        };
        let told = Exponential::default()
            .since(now, -4.0, Some((-3.5, 1.5)), Temporality::Cumulative)
            .unwrap();
        let values: Vec<f64> = told.values.iter().map(|(value, _)| *value).collect();
        assert_eq!(values.len(), 4);
        assert!(values.is_sorted() && values[2] == 0.0, "{values:?}");
    }

    #[test]
    fn what_began_anew_or_is_a_delta_stands_for_itself() {
        for temporality in [Temporality::Delta, Temporality::Cumulative] {
            let mut histogram = Exponential::default();
            histogram.since(buckets(0, &[(1, 6)]), 18.0, None, temporality);
            let told = histogram.since(buckets(0, &[(1, 2)]), 6.0, None, temporality).unwrap();
            assert_eq!((told.values[0].1, told.sum), (2, 6.0));
        }
    }
}
