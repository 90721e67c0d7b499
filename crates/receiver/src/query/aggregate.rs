//! An aggregator: many values into one.
//!
//! OpenTSDB's arithmetic: integers stay integers, an average of them is cut; missing values (NaN, from a fill) are left
//! out, but by `mult`, `first`, `last` and at the end of `diff`. Which values meet is not decided here: `merge.rs`
//! brings those of several series together, `downsample.rs` those of one interval. Pure.

use crate::query::percentile::Estimation;

/// A function of many values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Aggregator {
    Sum,
    /// A sum in which a series keeps its value until its next one.
    Pfsum,
    Zimsum,
    SquareSum,
    Avg,
    Median,
    Min,
    Mimmin,
    Max,
    Mimmax,
    Count,
    Dev,
    /// The last less the first.
    Diff,
    Mult,
    First,
    Last,
    /// Of a thousand parts.
    Percentile(u16, Estimation),
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
    /// Its value before.
    Previous,
}

const fn legacy(part: u16) -> Aggregator {
    Aggregator::Percentile(part, Estimation::Legacy)
}

const fn r3(part: u16) -> Aggregator {
    Aggregator::Percentile(part, Estimation::R3)
}

const fn r7(part: u16) -> Aggregator {
    Aggregator::Percentile(part, Estimation::R7)
}

impl Aggregator {
    /// Every aggregator by its name, in the order in which OpenTSDB 2.4.1 lists them.
    pub(crate) const ALL: [(&'static str, Aggregator); 35] = [
        ("mult", Aggregator::Mult),
        ("p90", legacy(900)),
        ("zimsum", Aggregator::Zimsum),
        ("mimmax", Aggregator::Mimmax),
        ("sum", Aggregator::Sum),
        ("p50", legacy(500)),
        ("none", Aggregator::None),
        ("p95", legacy(950)),
        ("ep99r7", r7(990)),
        ("pfsum", Aggregator::Pfsum),
        ("p75", legacy(750)),
        ("p99", legacy(990)),
        ("ep99r3", r3(990)),
        ("ep95r7", r7(950)),
        ("min", Aggregator::Min),
        ("avg", Aggregator::Avg),
        ("ep75r7", r7(750)),
        ("dev", Aggregator::Dev),
        ("ep95r3", r3(950)),
        ("ep75r3", r3(750)),
        ("ep50r7", r7(500)),
        ("ep90r7", r7(900)),
        ("mimmin", Aggregator::Mimmin),
        ("p999", legacy(999)),
        ("ep50r3", r3(500)),
        ("ep90r3", r3(900)),
        ("ep999r7", r7(999)),
        ("last", Aggregator::Last),
        ("max", Aggregator::Max),
        ("count", Aggregator::Count),
        ("diff", Aggregator::Diff),
        ("median", Aggregator::Median),
        ("squareSum", Aggregator::SquareSum),
        ("ep999r3", r3(999)),
        ("first", Aggregator::First),
    ];

    /// Finds an aggregator by name.
    pub(crate) fn named(name: &str) -> Option<Aggregator> {
        let found = Aggregator::ALL.iter().find(|(known, _)| *known == name);
        found.map(|&(_, aggregator)| aggregator)
    }

    pub(crate) fn interpolation(self) -> Interpolation {
        match self {
            Aggregator::Pfsum => Interpolation::Previous,
            Aggregator::Mimmin => Interpolation::Largest,
            Aggregator::Mimmax => Interpolation::Smallest,
            Aggregator::Zimsum
            | Aggregator::SquareSum
            | Aggregator::Count
            | Aggregator::First
            | Aggregator::Last
            | Aggregator::None => Interpolation::Zero,
            _ => Interpolation::Linear,
        }
    }

    /// The aggregate of floats; what is missing is NaN.
    pub(crate) fn of(self, values: &[f64]) -> f64 {
        let present: Vec<f64> = values.iter().copied().filter(|value| !value.is_nan()).collect();
        match self {
            Aggregator::First | Aggregator::None => return values.first().copied().unwrap_or(f64::NAN),
            Aggregator::Last => return values.last().copied().unwrap_or(f64::NAN),
            Aggregator::Mult => return values.iter().copied().reduce(|a, b| a * b).unwrap_or(f64::NAN),
            Aggregator::Diff => return difference(values),
            Aggregator::Count => return present.len() as f64,
            _ => {}
        }
        if present.is_empty() {
            return f64::NAN;
        }
        let sum = || present.iter().fold(0.0, |sum, value| sum + value);
        match self {
            Aggregator::SquareSum => present.iter().fold(0.0, |sum, value| sum + value * value),
            Aggregator::Avg => sum() / present.len() as f64,
            Aggregator::Median => middle(present.clone(), f64::total_cmp),
            Aggregator::Min | Aggregator::Mimmin => present.iter().copied().fold(f64::INFINITY, f64::min),
            Aggregator::Max | Aggregator::Mimmax => present.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            Aggregator::Dev => deviation(present.iter().copied()),
            // Of floats it does not ask which estimation was asked for.
            Aggregator::Percentile(part, _) => Estimation::Legacy.of(part, &present),
            _ => sum(),
        }
    }

    /// The aggregate of integers, in integers: an average is cut, a sum wraps.
    pub(crate) fn of_integers(self, values: &[i64]) -> i64 {
        let sum = || values.iter().fold(0_i64, |sum, value| sum.wrapping_add(*value));
        let floats = || values.iter().map(|&value| value as f64);
        match self {
            Aggregator::Sum | Aggregator::Pfsum | Aggregator::Zimsum => sum(),
            Aggregator::SquareSum => values
                .iter()
                .fold(0, |sum: i64, value| sum.wrapping_add(value.wrapping_mul(*value))),
            Aggregator::Avg => sum() / values.len().max(1) as i64,
            Aggregator::Median => middle(values.to_vec(), i64::cmp),
            Aggregator::Min | Aggregator::Mimmin => values.iter().copied().min().unwrap_or_default(),
            Aggregator::Max | Aggregator::Mimmax => values.iter().copied().max().unwrap_or_default(),
            Aggregator::Count => values.len() as i64,
            Aggregator::Dev => deviation(floats()) as i64,
            Aggregator::Diff => match values {
                [first, .., last] => last.wrapping_sub(*first),
                _ => 0,
            },
            Aggregator::Mult => values
                .iter()
                .fold(1, |product: i64, value| product.wrapping_mul(*value)),
            Aggregator::First | Aggregator::None => values.first().copied().unwrap_or_default(),
            Aggregator::Last => values.last().copied().unwrap_or_default(),
            Aggregator::Percentile(part, estimation) => estimation.of(part, &floats().collect::<Vec<_>>()) as i64,
        }
    }
}

/// Of an even number the upper one.
fn middle<T: Copy + Default>(mut values: Vec<T>, order: impl Fn(&T, &T) -> std::cmp::Ordering) -> T {
    values.sort_by(order);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// The last value less the first that is not missing; zero when that is the last one.
fn difference(values: &[f64]) -> f64 {
    match values.iter().position(|value| !value.is_nan()) {
        None => f64::NAN,
        Some(first) => match values[first..] {
            [first, .., last] => last - first,
            _ => 0.0,
        },
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
            ("pfsum", 12.0),
            ("zimsum", 12.0),
            ("squareSum", 66.0),
            ("avg", 4.0),
            ("median", 4.0),
            ("min", 1.0),
            ("mimmin", 1.0),
            ("max", 7.0),
            ("mimmax", 7.0),
            ("count", 3.0),
            ("dev", f64::sqrt(6.0)),
            ("diff", 3.0),
            ("first", 4.0),
            ("last", 7.0),
            ("p50", 4.0),
            ("p999", 7.0),
            // As p50 does of floats.
            ("ep50r7", 4.0),
        ];
        for (name, value) in expected {
            assert_eq!(
                Aggregator::named(name).map(|aggregator| aggregator.of(&values)),
                Some(value),
                "{name}"
            );
        }
        assert!(Aggregator::Mult.of(&values).is_nan() && Aggregator::Mult.of(&[2.0, 3.0]) == 6.0);
        assert!(Aggregator::First.of(&[f64::NAN, 1.0]).is_nan() && Aggregator::Last.of(&[1.0, f64::NAN]).is_nan());
        assert!(Aggregator::Sum.of(&[f64::NAN]).is_nan() && Aggregator::Count.of(&[f64::NAN]) == 0.0);
        assert_eq!(Aggregator::named("SUM"), None);
    }

    #[test]
    fn integers_stay_integers() {
        let values = [4, 1, 7, 2];
        let expected = [
            ("sum", 14),
            ("squareSum", 70),
            ("avg", 3),
            ("median", 4),
            ("dev", 2),
            ("diff", -2),
            ("mult", 56),
            // Position 2.5 is 3, the even integer nearest to 2 is 2, and 2.5 again.
            ("p50", 3),
            ("ep50r3", 2),
            ("ep50r7", 3),
        ];
        for (name, value) in expected {
            let aggregator = Aggregator::named(name).expect("it is known");
            assert_eq!(aggregator.of_integers(&values), value, "{name}");
        }
    }
}
