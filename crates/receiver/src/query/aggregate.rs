//! An aggregator: many values into one.
//!
//! OpenTSDB's arithmetic: integers stay integers, an average of them is cut; missing values (NaN, from a fill) are left out.
//! Which values meet is not decided here: `merge.rs` brings those of several series together, `downsample.rs` those of one
//! interval. Pure.

/// A function of many values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Aggregator {
    Sum,
    Zimsum,
    Avg,
    Min,
    Mimmin,
    Max,
    Mimmax,
    Count,
    Dev,
    First,
    Last,
    /// No aggregation: each series by itself.
    None,
}

/// What a series without a value at some time counts as.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Interpolation {
    Linear,
    Zero,
    Largest,
    Smallest,
}

impl Aggregator {
    /// Every aggregator by its name.
    pub(crate) const ALL: [(&'static str, Aggregator); 12] = [
        ("sum", Aggregator::Sum),
        ("zimsum", Aggregator::Zimsum),
        ("avg", Aggregator::Avg),
        ("min", Aggregator::Min),
        ("mimmin", Aggregator::Mimmin),
        ("max", Aggregator::Max),
        ("mimmax", Aggregator::Mimmax),
        ("count", Aggregator::Count),
        ("dev", Aggregator::Dev),
        ("first", Aggregator::First),
        ("last", Aggregator::Last),
        ("none", Aggregator::None),
    ];

    /// Finds an aggregator by name.
    pub(crate) fn named(name: &str) -> Option<Aggregator> {
        let found = Aggregator::ALL.iter().find(|(known, _)| *known == name);
        found.map(|&(_, aggregator)| aggregator)
    }

    pub(crate) fn interpolation(self) -> Interpolation {
        match self {
            Aggregator::Sum | Aggregator::Avg | Aggregator::Min | Aggregator::Max | Aggregator::Dev => {
                Interpolation::Linear
            }
            Aggregator::Mimmin => Interpolation::Largest,
            Aggregator::Mimmax => Interpolation::Smallest,
            _ => Interpolation::Zero,
        }
    }

    /// The aggregate; missing values (NaN, from a fill) are left out, but may be the first or the last.
    pub(crate) fn of(self, values: &[f64]) -> f64 {
        let present = || values.iter().copied().filter(|value| !value.is_nan());
        let count = present().count();
        if count == 0 {
            return if self == Aggregator::Count { 0.0 } else { f64::NAN };
        }
        let sum = || present().sum::<f64>();
        match self {
            Aggregator::Sum | Aggregator::Zimsum => sum(),
            Aggregator::Avg => sum() / count as f64,
            Aggregator::Min | Aggregator::Mimmin => present().fold(f64::INFINITY, f64::min),
            Aggregator::Max | Aggregator::Mimmax => present().fold(f64::NEG_INFINITY, f64::max),
            Aggregator::Count => count as f64,
            Aggregator::Dev => deviation(present()),
            Aggregator::First | Aggregator::None => values.first().copied().unwrap_or(f64::NAN),
            Aggregator::Last => values.last().copied().unwrap_or(f64::NAN),
        }
    }

    /// The aggregate of integers, in integers: an average is cut, a sum wraps.
    pub(crate) fn of_integers(self, values: &[i64]) -> i64 {
        let sum = || values.iter().fold(0_i64, |sum, value| sum.wrapping_add(*value));
        match self {
            Aggregator::Sum | Aggregator::Zimsum => sum(),
            Aggregator::Avg => sum() / values.len().max(1) as i64,
            Aggregator::Min | Aggregator::Mimmin => values.iter().copied().min().unwrap_or_default(),
            Aggregator::Max | Aggregator::Mimmax => values.iter().copied().max().unwrap_or_default(),
            Aggregator::Count => values.len() as i64,
            Aggregator::Dev => deviation(values.iter().map(|&value| value as f64)) as i64,
            Aggregator::First | Aggregator::None => values.first().copied().unwrap_or_default(),
            Aggregator::Last => values.last().copied().unwrap_or_default(),
        }
    }
}

/// The standard deviation of a whole population, by Welford's method: one pass, no cancellation.
fn deviation(values: impl Iterator<Item = f64>) -> f64 {
    let (mut count, mut mean, mut squares) = (0.0, 0.0, 0.0);
    for value in values {
        count += 1.0;
        let before = value - mean;
        mean += before / count;
        squares += before * (value - mean);
    }
    if count < 2.0 { 0.0 } else { f64::sqrt(squares / count) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_aggregator_of_the_same_values() {
        let values = [4.0, f64::NAN, 1.0, 7.0];
        let expected = [
            ("sum", 12.0),
            ("zimsum", 12.0),
            ("avg", 4.0),
            ("min", 1.0),
            ("mimmin", 1.0),
            ("max", 7.0),
            ("mimmax", 7.0),
            ("count", 3.0),
            ("dev", f64::sqrt(6.0)),
            ("first", 4.0),
            ("last", 7.0),
        ];
        for (name, value) in expected {
            assert_eq!(
                Aggregator::named(name).map(|aggregator| aggregator.of(&values)),
                Some(value),
                "{name}"
            );
        }
        assert!(Aggregator::First.of(&[f64::NAN, 1.0]).is_nan() && Aggregator::Last.of(&[1.0, f64::NAN]).is_nan());
        assert!(Aggregator::Sum.of(&[f64::NAN]).is_nan() && Aggregator::Count.of(&[f64::NAN]) == 0.0);
        assert_eq!(Aggregator::named("median"), None);
    }
}
