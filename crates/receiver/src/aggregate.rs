//! Aggregation: many values into one, and many series into one by interpolation.
//!
//! OpenTSDB's rules: the result has a value at each time any series has one. A series without a value there takes part by
//! the line between its neighbours (or as zero, or as the extreme that cannot win), but only between its first and its last
//! point. While every value in play is an integer so is the result, division and interpolation included; one float,
//! current or next, makes it a float.
//!
//! Rates are not interpolated: the last one counts. A series' first rate, its change since 1970, is never a point of the
//! result, but stands for the series until its second one. That skews the beginning of an aggregated rate; it is what
//! OpenTSDB 2.4.1 answers.
//!
//! Pure; `result.rs` calls it with series that are sorted by time. `downsample.rs` uses [`Aggregator::of`] for its buckets.

use crate::number::Number;

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
enum Interpolation {
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

    fn interpolation(self) -> Interpolation {
        match self {
            Aggregator::Sum
            | Aggregator::Avg
            | Aggregator::Min
            | Aggregator::Max
            | Aggregator::Dev => Interpolation::Linear,
            Aggregator::Mimmin => Interpolation::Largest,
            Aggregator::Mimmax => Interpolation::Smallest,
            _ => Interpolation::Zero,
        }
    }

    /// The aggregate of values that are not all missing; missing ones (NaN, from a fill) are left out.
    pub(crate) fn of(self, values: &[f64]) -> f64 {
        let present = || values.iter().copied().filter(|value| !value.is_nan());
        let count = present().count();
        if count == 0 {
            return if self == Aggregator::Count {
                0.0
            } else {
                f64::NAN
            };
        }
        let sum = || present().sum::<f64>();
        match self {
            Aggregator::Sum | Aggregator::Zimsum => sum(),
            Aggregator::Avg => sum() / count as f64,
            Aggregator::Min | Aggregator::Mimmin => present().fold(f64::INFINITY, f64::min),
            Aggregator::Max | Aggregator::Mimmax => present().fold(f64::NEG_INFINITY, f64::max),
            Aggregator::Count => count as f64,
            Aggregator::Dev => deviation(present()),
            Aggregator::First | Aggregator::None => present().next().unwrap_or(f64::NAN),
            Aggregator::Last => present().next_back().unwrap_or(f64::NAN),
        }
    }

    /// The aggregate of integers, in integers: an average is cut, a sum wraps.
    fn of_integers(self, values: &[i64]) -> i64 {
        let sum = || {
            values
                .iter()
                .fold(0_i64, |sum, value| sum.wrapping_add(*value))
        };
        match self {
            Aggregator::Sum | Aggregator::Zimsum => sum(),
            Aggregator::Avg => sum() / values.len().max(1) as i64,
            Aggregator::Min | Aggregator::Mimmin => {
                values.iter().copied().min().unwrap_or_default()
            }
            Aggregator::Max | Aggregator::Mimmax => {
                values.iter().copied().max().unwrap_or_default()
            }
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
    if count < 2.0 {
        0.0
    } else {
        f64::sqrt(squares / count)
    }
}

/// A value at its time, in milliseconds.
pub(crate) type Timed = (i64, Number);

/// Values by time, times strictly rising.
pub(crate) type Run = Vec<Timed>;

/// Makes one run of many. `rates` says that each begins with its change since 1970.
pub(crate) fn merge(runs: &[Run], aggregator: Aggregator, rates: bool) -> Run {
    let whole = runs.iter().filter(|run| !rates || run.len() > 1);
    let mut cursors: Vec<Cursor<'_>> = whole
        .map(|run| Cursor {
            run,
            next: usize::from(rates),
        })
        .collect();
    let mut merged = Run::new();
    while let Some(now) = cursors.iter().filter_map(Cursor::next_time).min() {
        for cursor in &mut cursors {
            cursor.advance(now);
        }
        let number = match rates || cursors.iter().any(|cursor| cursor.in_floats(now)) {
            true => Number::Float(float_at(&cursors, now, aggregator, rates)),
            false => Number::Integer(integer_at(&cursors, now, aggregator)),
        };
        merged.push((now, number));
    }
    merged
}

/// A place in a run: `next` is the first point after the current time.
struct Cursor<'a> {
    run: &'a [Timed],
    next: usize,
}

impl Cursor<'_> {
    fn next_time(&self) -> Option<i64> {
        self.run.get(self.next).map(|(time, _)| *time)
    }

    fn advance(&mut self, now: i64) {
        if self.next_time() == Some(now) {
            self.next += 1;
        }
    }

    /// The points at or before the current time and after it.
    fn around(&self) -> (Option<Timed>, Option<Timed>) {
        (
            self.next.checked_sub(1).map(|last| self.run[last]),
            self.run.get(self.next).copied(),
        )
    }

    /// True when a float takes part now; a run that has ended takes none.
    fn in_floats(&self, now: i64) -> bool {
        let float = |point: Option<Timed>| matches!(point, Some((_, Number::Float(_))));
        match self.around() {
            (Some((time, _)), None) if time < now => false,
            (current, next) => float(current) || float(next),
        }
    }
}

fn float_at(cursors: &[Cursor<'_>], now: i64, aggregator: Aggregator, rates: bool) -> f64 {
    let values: Vec<f64> = cursors
        .iter()
        .filter_map(|cursor| match cursor.around() {
            (Some((time, number)), _) if time == now => Some(number.as_f64()),
            (Some((_, number)), Some(_)) if rates => Some(number.as_f64()),
            (Some((before, from)), Some((after, to))) => Some(match aggregator.interpolation() {
                Interpolation::Linear => {
                    let (from, to) = (from.as_f64(), to.as_f64());
                    from + (now - before) as f64 * (to - from) / (after - before) as f64
                }
                Interpolation::Zero => 0.0,
                Interpolation::Largest => f64::MAX,
                // Java's Double.MIN_VALUE, which OpenTSDB uses here, is the smallest positive double.
                Interpolation::Smallest => f64::from_bits(1),
            }),
            _ => None,
        })
        .collect();
    aggregator.of(&values)
}

fn integer_at(cursors: &[Cursor<'_>], now: i64, aggregator: Aggregator) -> i64 {
    let integer = |number| match number {
        Number::Integer(integer) => integer,
        Number::Float(float) => float as i64,
    };
    let values: Vec<i64> = cursors
        .iter()
        .filter_map(|cursor| match cursor.around() {
            (Some((time, number)), _) if time == now => Some(integer(number)),
            (Some((before, from)), Some((after, to))) => Some(match aggregator.interpolation() {
                Interpolation::Linear => {
                    let (from, to) = (integer(from), integer(to));
                    let rise = i128::from(now - before) * (i128::from(to) - i128::from(from));
                    from + (rise / i128::from(after - before)) as i64
                }
                Interpolation::Zero => 0,
                Interpolation::Largest => i64::MAX,
                Interpolation::Smallest => i64::MIN,
            }),
            _ => None,
        })
        .collect();
    aggregator.of_integers(&values)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn integers(points: &[(i64, i64)]) -> Run {
        points
            .iter()
            .map(|&(time, value)| (time, Number::Integer(value)))
            .collect()
    }

    fn floats(points: &[(i64, f64)]) -> Run {
        points
            .iter()
            .map(|&(time, value)| (time, Number::Float(value)))
            .collect()
    }

    #[test]
    fn series_meet_by_straight_lines_between_their_points() {
        // b at 20 lies halfway between 100 and 200; outside 10..30 it does not count.
        let a = floats(&[(0, 1.0), (20, 3.0), (40, 5.0)]);
        let b = floats(&[(10, 100.0), (30, 200.0)]);
        // a at 10 is 2, at 30 is 4.
        let sum = merge(&[a.clone(), b.clone()], Aggregator::Sum, false);
        assert_eq!(
            sum,
            floats(&[(0, 1.0), (10, 102.0), (20, 153.0), (30, 204.0), (40, 5.0)])
        );
        let avg = merge(&[a.clone(), b.clone()], Aggregator::Avg, false);
        assert_eq!(
            avg,
            floats(&[(0, 1.0), (10, 51.0), (20, 76.5), (30, 102.0), (40, 5.0)])
        );
        let max = merge(&[a.clone(), b.clone()], Aggregator::Max, false);
        assert_eq!(
            max,
            floats(&[(0, 1.0), (10, 100.0), (20, 150.0), (30, 200.0), (40, 5.0)])
        );
        let zimsum = merge(&[a.clone(), b.clone()], Aggregator::Zimsum, false);
        assert_eq!(
            zimsum,
            floats(&[(0, 1.0), (10, 100.0), (20, 3.0), (30, 200.0), (40, 5.0)])
        );
        let mimmin = merge(&[a, b], Aggregator::Mimmin, false);
        assert_eq!(
            mimmin,
            floats(&[(0, 1.0), (10, 100.0), (20, 3.0), (30, 200.0), (40, 5.0)])
        );
    }

    #[test]
    fn integers_stay_integers_and_are_cut() {
        let a = integers(&[(0, 1), (3, 2)]);
        let b = integers(&[(1, 10), (2, 10)]);
        // a at 1 is 1 + 1/3, cut to 1; at 2 it is 1 + 2/3, cut to 1.
        assert_eq!(
            merge(&[a.clone(), b.clone()], Aggregator::Sum, false),
            integers(&[(0, 1), (1, 11), (2, 11), (3, 2)])
        );
        assert_eq!(
            merge(&[a, b], Aggregator::Avg, false),
            integers(&[(0, 1), (1, 5), (2, 5), (3, 2)])
        );
    }

    #[test]
    fn one_float_ahead_makes_a_float() {
        let run = vec![
            (0, Number::Integer(7)),
            (1, Number::Integer(8)),
            (2, Number::Float(0.5)),
        ];
        let merged = merge(&[run], Aggregator::Sum, false);
        assert_eq!(
            merged,
            vec![
                (0, Number::Integer(7)),
                (1, Number::Float(8.0)),
                (2, Number::Float(0.5))
            ]
        );
    }

    #[test]
    fn rates_keep_their_last_value_and_begin_with_the_first() {
        let a = floats(&[(0, 0.5), (10, 1.0), (20, 3.0)]);
        let b = floats(&[(5, 0.25), (15, 5.0), (20, 7.0)]);
        // At 10 b still stands at its first rate, at 15 a at its second.
        let merged = merge(&[a, b], Aggregator::Sum, true);
        assert_eq!(merged, floats(&[(10, 1.25), (15, 6.0), (20, 10.0)]));
        assert_eq!(
            merge(&[floats(&[(0, 0.5)])], Aggregator::Sum, true),
            Run::new()
        );
    }

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
        assert_eq!(Aggregator::named("median"), None);
    }
}
