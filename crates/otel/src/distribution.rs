//! Values that are taken to be what a histogram's buckets counted since the export before.
//!
//! ```text
//! bounds           10        20        30            count 1, 4, 0, 2
//! values      .  |  . . . . |         | . .          of (min, 10], (10, 20], (30, max]
//! ```
//!
//! Within a bucket they lie evenly, which is the usual estimate. The outermost buckets end at the least and greatest value.

use opentelemetry_sdk::metrics::Temporality;

/// What a histogram counted in an interval: values and how often each, and their exact sum.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Distribution {
    pub(crate) values: Vec<(f64, u64)>,
    pub(crate) sum: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

/// A histogram as it was exported last.
#[derive(Clone, Debug, Default)]
pub(crate) struct Histogram {
    counts: Vec<u64>,
    extremes: Extremes,
}

/// A histogram as it is exported.
pub(crate) struct Exported {
    pub(crate) bounds: Vec<f64>,
    pub(crate) counts: Vec<u64>,
    pub(crate) sum: f64,
    /// Least and greatest, if they were recorded.
    pub(crate) range: Option<(f64, f64)>,
}

/// So many values stand for those of a bucket.
const SPREAD: u64 = 16;

impl Histogram {
    /// What was counted since the export before; `None`: nothing.
    pub(crate) fn since(&mut self, now: &Exported, temporality: Temporality) -> Option<Distribution> {
        if temporality == Temporality::Delta {
            *self = Histogram::default();
        }
        let counts = grown(&self.counts, &now.counts);
        let is_new = counts == now.counts;
        if is_new {
            self.extremes = Extremes::default();
        }
        let filled = |index: &usize| counts[*index] > 0;
        let first = (0..counts.len()).find(filled);
        let last = (0..counts.len()).rfind(filled);
        let ends = first.zip(last).map(|(first, last)| {
            let bound = |index: usize| now.bounds.get(index).copied();
            let (lower, upper) = (first.checked_sub(1).and_then(bound), bound(last));
            // Of a bucket without an end the other end is all that is known.
            match now.range {
                Some(_) => (lower, upper),
                None => (lower.or(bound(first)), upper.or(last.checked_sub(1).and_then(bound))),
            }
        });
        self.counts.clone_from(&now.counts);
        let sum = self.extremes.growth(now.sum);
        let (min, max) = self.extremes.of_interval(now.range, ends?);
        let values = counts.iter().enumerate().filter(|(_, count)| **count > 0);
        let values = values.flat_map(|(index, count)| {
            // A bound belongs to the bucket that it ends.
            let lower = index.checked_sub(1).map_or(min, |below| now.bounds[below].next_up());
            let lower = lower.max(min);
            let upper = now.bounds.get(index).copied().unwrap_or(max).min(max);
            spread(lower, upper.max(lower), *count)
        });
        Some(Distribution {
            values: values.collect(),
            sum,
            min,
            max,
        })
    }
}

/// What counts have grown by. If one fell, or there are more or fewer than before, they began anew.
pub(crate) fn grown(before: &[u64], now: &[u64]) -> Vec<u64> {
    let differences = before.iter().zip(now).map(|(before, now)| now.checked_sub(*before));
    match differences.collect() {
        Some(grown) if before.len() == now.len() => grown,
        _ => now.to_vec(),
    }
}

/// Values that lie evenly in a bucket, the highest at most at its end.
fn spread(lower: f64, upper: f64, count: u64) -> impl Iterator<Item = (f64, u64)> {
    let pieces = count.min(SPREAD);
    let width = (upper - lower) / pieces.max(1) as f64;
    (0..pieces).map(move |piece| {
        // So that they are `count` together.
        let times = count * (piece + 1) / pieces - count * piece / pieces;
        (lower + width * (piece as f64 + 0.5), times)
    })
}

/// Sum, least and greatest value as they were exported last.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Extremes {
    sum: f64,
    range: Option<(f64, f64)>,
}

impl Extremes {
    pub(crate) fn growth(&mut self, sum: f64) -> f64 {
        sum - std::mem::replace(&mut self.sum, sum)
    }

    /// The least and greatest value of an interval whose outermost buckets that are filled end there. What is exported is since the
    /// start: if it is the same as before it says no more than that nothing is outside.
    pub(crate) fn of_interval(
        &mut self,
        range: Option<(f64, f64)>,
        (lower, upper): (Option<f64>, Option<f64>),
    ) -> (f64, f64) {
        let before = std::mem::replace(&mut self.range, range);
        let Some((least, greatest)) = range else {
            let min = lower.unwrap_or(0.0);
            return (min, upper.unwrap_or(min));
        };
        let is_old =
            |which: fn((f64, f64)) -> f64| before.is_some_and(|before| which(before) == which((least, greatest)));
        let min = if is_old(|(least, _)| least) {
            lower.unwrap_or(least).max(least)
        } else {
            least
        };
        let max = if is_old(|(_, greatest)| greatest) {
            upper.unwrap_or(greatest).min(greatest)
        } else {
            greatest
        };
        (min, max.max(min))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exported(counts: [u64; 4], sum: f64, range: (f64, f64)) -> Exported {
        Exported {
            bounds: vec![10.0, 20.0, 30.0],
            counts: counts.into(),
            sum,
            range: Some(range),
        }
    }

    #[test]
    fn values_lie_evenly_in_their_buckets_and_are_as_many() {
        let mut histogram = Histogram::default();
        let now = exported([1, 4, 0, 2], 140.0, (2.0, 38.0));
        let told = histogram.since(&now, Temporality::Cumulative).unwrap();
        let values: Vec<_> = told
            .values
            .iter()
            .map(|(value, times)| (value.round(), *times))
            .collect();
        assert_eq!(
            values,
            [
                (6.0, 1),
                (11.0, 1),
                (14.0, 1),
                (16.0, 1),
                (19.0, 1),
                (32.0, 1),
                (36.0, 1)
            ]
        );
        assert_eq!((told.sum, told.min, told.max), (140.0, 2.0, 38.0));
        assert_eq!(histogram.since(&now, Temporality::Cumulative), None, "nothing new");
        let many: u64 = spread(1.0, 2.0, 1_000_003).map(|(_, times)| times).sum();
        assert_eq!(many, 1_000_003);
    }

    #[test]
    fn an_interval_is_what_was_counted_in_it() {
        let mut histogram = Histogram::default();
        histogram.since(&exported([1, 0, 0, 1], 40.0, (2.0, 38.0)), Temporality::Cumulative);
        let told = histogram.since(&exported([1, 1, 0, 1], 55.0, (2.0, 38.0)), Temporality::Cumulative);
        let told = told.unwrap();
        assert!(
            (told.values[0].0 - 15.0).abs() < 1e-9 && told.values.len() == 1,
            "{told:?}"
        );
        assert_eq!((told.sum, told.min, told.max), (15.0, 10.0, 20.0));
        let told = histogram.since(&exported([2, 1, 0, 2], 96.0, (1.0, 40.0)), Temporality::Cumulative);
        let told = told.unwrap();
        assert_eq!(
            (told.sum, told.min, told.max),
            (41.0, 1.0, 40.0),
            "both are new, so they are exact"
        );
    }

    #[test]
    fn deltas_stand_for_themselves_and_a_histogram_that_began_anew_too() {
        for temporality in [Temporality::Delta, Temporality::Cumulative] {
            let mut histogram = Histogram::default();
            histogram.since(&exported([5, 0, 0, 0], 25.0, (5.0, 5.0)), temporality);
            let told = histogram
                .since(&exported([1, 0, 0, 0], 5.0, (5.0, 5.0)), temporality)
                .unwrap();
            assert_eq!(
                (told.values, told.sum, told.min, told.max),
                (vec![(5.0, 1)], 5.0, 5.0, 5.0)
            );
        }
    }

    #[test]
    fn without_extremes_the_ends_of_the_buckets_are_all_that_is_known() {
        let mut now = exported([0, 1, 0, 1], 60.0, (0.0, 0.0));
        now.range = None;
        let told = Histogram::default().since(&now, Temporality::Cumulative).unwrap();
        assert_eq!((told.min, told.max), (10.0, 30.0));
        assert!(
            told.values.last().unwrap().0 > 30.0,
            "not in the bucket that ends at 30: {told:?}"
        );
    }
}
