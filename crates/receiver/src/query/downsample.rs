//! Downsampling and rates: what happens to one series before it meets the others.
//!
//! `1m-avg`: the values of each whole minute become one, at the minute's beginning; `-nan`, `-null` or `-zero` also makes
//! one where there is none. `0all-avg` makes one of everything. Times are UTC, so that a day is 86 400 s.
//!
//! Pure; read by `mod.rs`, applied by `result.rs`.

use std::ops::Range;

use crate::point::number::Number;
use crate::query::aggregate::Aggregator;
use crate::query::merge::Run;
use crate::query::time;

/// `interval-aggregator[-fill]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Downsample {
    interval: Interval,
    aggregator: Aggregator,
    pub(crate) fill: Fill,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Interval {
    Millis(i64),
    All,
}

/// What an interval without values becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fill {
    None,
    Nan,
    Null,
    Zero,
}

impl Downsample {
    /// Reads `1m-avg`, `1m-avg-zero`, `0all-sum`.
    pub(crate) fn parse(text: &str) -> Result<Downsample, String> {
        let mut words = text.split('-');
        let (interval, aggregator, fill) = (words.next().unwrap_or_default(), words.next(), words.next());
        let (Some(aggregator), None) = (aggregator, words.next()) else {
            return Err(format!("Invalid downsampling specifier: {text}"));
        };
        let interval = if interval.ends_with("all") {
            Interval::All
        } else {
            // A trailing c asks for calendar boundaries; in UTC they are those of the interval, but for months.
            Interval::Millis(time::duration(interval.strip_suffix('c').unwrap_or(interval))?)
        };
        let aggregator = match Aggregator::named(aggregator) {
            Some(Aggregator::None) => {
                return Err("cannot use the NONE aggregator for downsampling".into());
            }
            Some(aggregator) => aggregator,
            None => return Err(format!("No such downsampling function: {aggregator}")),
        };
        let fill = match fill {
            None | Some("none") => Fill::None,
            Some("nan") => Fill::Nan,
            Some("null") => Fill::Null,
            Some("zero") => Fill::Zero,
            Some(other) => return Err(format!("Unrecognized fill policy: {other}")),
        };
        Ok(Downsample {
            interval,
            aggregator,
            fill,
        })
    }

    /// The interval in milliseconds; none when there is only one.
    pub(crate) fn interval(self) -> Option<i64> {
        match self.interval {
            Interval::Millis(millis) => Some(millis),
            Interval::All => None,
        }
    }

    /// How many values its fill makes of a series at most: `1ms-sum-zero` over a year would not fit into memory.
    pub(crate) fn filled(self, scan: &Range<i64>) -> usize {
        match (self.fill, self.interval()) {
            (Fill::None, _) | (_, None) => 0,
            (_, Some(interval)) => usize::try_from((scan.end - scan.start) / interval).unwrap_or(usize::MAX),
        }
    }

    /// Downsamples the values of a scan; `query` is the range asked for, which only an interval of everything looks at.
    pub(crate) fn apply(self, run: &Run, scan: Range<i64>, query: Range<i64>) -> Run {
        let Some(interval) = self.interval() else {
            let inside = run.iter().filter(|(time, _)| query.contains(time));
            let inside: Vec<f64> = inside.map(|(_, number)| number.as_f64()).collect();
            let one = (query.start, Number::Float(self.aggregator.of(&inside)));
            return if inside.is_empty() { Run::new() } else { vec![one] };
        };
        let bucket_of = |time: i64| time - time.rem_euclid(interval);
        let mut buckets = Run::new();
        let mut expected = bucket_of(scan.start);
        for same in run.chunk_by(|(a, _), (b, _)| bucket_of(*a) == bucket_of(*b)) {
            let bucket = bucket_of(same[0].0);
            // A bucket that begins before the scan does is not whole.
            if bucket < scan.start {
                continue;
            }
            self.fill_up(&mut buckets, &mut expected, bucket, interval);
            let values: Vec<f64> = same.iter().map(|(_, number)| number.as_f64()).collect();
            buckets.push((bucket, Number::Float(self.aggregator.of(&values))));
            expected = bucket + interval;
        }
        self.fill_up(&mut buckets, &mut expected, bucket_of(scan.end), interval);
        buckets
    }

    fn fill_up(self, buckets: &mut Run, expected: &mut i64, until: i64, interval: i64) {
        let filling = match self.fill {
            Fill::None => return,
            Fill::Nan | Fill::Null => f64::NAN,
            Fill::Zero => 0.0,
        };
        while *expected < until {
            buckets.push((*expected, Number::Float(filling)));
            *expected += interval;
        }
    }
}

/// `rate`, `rate{counter,max,reset}`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Rate {
    pub(crate) counter: bool,
    pub(crate) counter_max: f64,
    /// Rates above it, after the counter went back, are resets: 0, or no value at all. 0 is off.
    pub(crate) reset_value: f64,
    pub(crate) drop_resets: bool,
}

impl Default for Rate {
    fn default() -> Rate {
        Rate {
            counter: false,
            counter_max: i64::MAX as f64,
            reset_value: 0.0,
            drop_resets: false,
        }
    }
}

impl Rate {
    /// The change per second between neighbours, and before them the first point's change since 1970.
    pub(crate) fn apply(self, run: &Run) -> Run {
        let first = run.first().map(|&point| [(0, Number::Integer(0)), point]);
        let neighbours = run.windows(2).map(|pair| [pair[0], pair[1]]);
        first
            .into_iter()
            .chain(neighbours)
            .filter_map(|[from, to]| self.between(from, to))
            .collect()
    }

    fn between(self, (t0, v0): (i64, Number), (t1, v1): (i64, Number)) -> Option<(i64, Number)> {
        let seconds = (t1 - t0) as f64 / 1000.0;
        let mut difference = match (v0, v1) {
            (Number::Integer(v0), Number::Integer(v1)) => v1.wrapping_sub(v0) as f64,
            _ => v1.as_f64() - v0.as_f64(),
        };
        if self.counter && difference < 0.0 {
            if self.drop_resets {
                return None;
            }
            difference = self.counter_max - v0.as_f64() + v1.as_f64();
            if self.reset_value > 0.0 && difference / seconds > self.reset_value {
                return Some((t1, Number::Float(0.0)));
            }
        }
        Some((t1, Number::Float(difference / seconds)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn floats(points: &[(i64, f64)]) -> Run {
        points
            .iter()
            .map(|&(time, value)| (time, Number::Float(value)))
            .collect()
    }

    fn down(text: &str, points: &[(i64, f64)], scan: Range<i64>) -> Vec<(i64, String)> {
        let downsample = Downsample::parse(text).expect("a downsample");
        let run = downsample.apply(&floats(points), scan, 0..4_999);
        run.iter()
            .map(|(time, number)| (*time, number.as_f64().to_string()))
            .collect()
    }

    #[test]
    fn values_of_an_interval_become_one_at_its_beginning() {
        let points = [(1_000, 1.0), (1_500, 3.0), (2_000, 5.0), (4_999, 7.0)];
        let avg = down("1s-avg", &points, 0..5_000);
        assert_eq!(avg, [(1_000, "2".into()), (2_000, "5".into()), (4_000, "7".into())]);
        let sum = down("2s-sum", &points, 0..5_000);
        assert_eq!(sum, [(0, "4".into()), (2_000, "5".into()), (4_000, "7".into())]);
        let count = down("1s-count", &points, 1_200..5_000);
        assert_eq!(count, [(2_000, "1".into()), (4_000, "1".into())], "not whole: left out");
        let all = down("0all-max", &points, 0..5_000);
        assert_eq!(all, [(0, "5".into())], "the query's end itself is outside");
    }

    #[test]
    fn a_fill_stands_in_for_intervals_without_values() {
        let points = [(1_000, 1.0), (3_000, 3.0)];
        let filled = |text| {
            let run = down(text, &points, 0..5_000);
            run.into_iter().map(|(_, value)| value).collect::<Vec<_>>()
        };
        assert_eq!(filled("1s-sum-zero"), ["0", "1", "0", "3", "0"]);
        assert_eq!(filled("1s-sum-nan"), ["NaN", "1", "NaN", "3", "NaN"]);
        assert_eq!(filled("1s-sum-none"), ["1", "3"]);
    }

    #[test]
    fn what_is_no_downsample_is_refused() {
        for text in [
            "",
            "1m",
            "1m-none",
            "1m-avg-full",
            "1x-avg",
            "1m-avg-zero-more",
            "1m-median",
        ] {
            assert!(Downsample::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_rate_is_the_change_per_second() {
        let run = floats(&[(2_000, 10.0), (4_000, 14.0), (6_000, 4.0)]);
        // First the change since 1970: 10 in two seconds.
        assert_eq!(
            Rate::default().apply(&run),
            floats(&[(2_000, 5.0), (4_000, 2.0), (6_000, -5.0)])
        );
        let counter = Rate {
            counter: true,
            counter_max: 100.0,
            ..Rate::default()
        };
        // 100 - 14 + 4, in two seconds.
        assert_eq!(
            counter.apply(&run),
            floats(&[(2_000, 5.0), (4_000, 2.0), (6_000, 45.0)])
        );
        let reset = Rate {
            reset_value: 40.0,
            ..counter
        };
        assert_eq!(reset.apply(&run), floats(&[(2_000, 5.0), (4_000, 2.0), (6_000, 0.0)]));
        let dropped = Rate {
            drop_resets: true,
            ..counter
        };
        assert_eq!(dropped.apply(&run), floats(&[(2_000, 5.0), (4_000, 2.0)]));
    }
}
