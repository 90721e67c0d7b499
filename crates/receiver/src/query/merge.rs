//! Merging: many series into one, by interpolation.
//!
//! OpenTSDB's rules: the result has a value at each time any series has one. A series without a value there takes part
//! by the line between its neighbours (or as zero, or as the extreme that cannot win), but only between its first and
//! its last point. While every value in play is an integer so is the result, interpolation included; one float, current
//! or next, makes it a float.
//!
//! Rates are not interpolated: the last one counts. A series' first rate, its change since 1970, is never a point of
//! the result, but stands for the series until its second one. That skews the beginning of an aggregated rate; it is
//! what OpenTSDB 2.4.1 answers.
//!
//! Pure; `result.rs` calls [`merge`] with runs sorted by time.

use crate::point::number::Number;
use crate::query::aggregate::{Aggregator, Interpolation};

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
                Interpolation::Previous => from.as_f64(),
                Interpolation::Largest => f64::MAX,
                Interpolation::Smallest => f64::MIN,
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
                    let rise = (now - before).wrapping_mul(to.wrapping_sub(from));
                    from.wrapping_add(rise / (after - before))
                }
                Interpolation::Zero => 0,
                Interpolation::Previous => integer(from),
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
        assert_eq!(avg, floats(&[(0, 1.0), (10, 51.0), (20, 76.5), (30, 102.0), (40, 5.0)]));
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
        let together = merge(&[run], Aggregator::Sum, false);
        assert_eq!(
            together,
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
        let together = merge(&[a, b], Aggregator::Sum, true);
        assert_eq!(together, floats(&[(10, 1.25), (15, 6.0), (20, 10.0)]));
        assert_eq!(merge(&[floats(&[(0, 0.5)])], Aggregator::Sum, true), Run::new());
    }
}
