//! Downsampling: the values of an interval become one, at the interval's beginning.
//!
//! ```text
//! 1m-avg   every whole minute        1m-avg-zero   also where there is nothing: -nan, -null, -zero
//! 0all-sum one of everything         1dc-avg       every day of a calendar, in the query's time zone
//! ```
//!
//! Pure; read by `mod.rs`, applied by `result.rs`.

use std::ops::Range;

use jiff::tz::TimeZone;

use crate::point::number::Number;
use crate::query::aggregate::Aggregator;
use crate::query::calendar::Step;
use crate::query::merge::Run;
use crate::query::time;

/// `interval-aggregator[-fill]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Downsample {
    interval: Interval,
    aggregator: Aggregator,
    pub(crate) fill: Fill,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Interval {
    Millis(i64),
    /// How long it would be if no two were of different length.
    Calendar(i64, Step, TimeZone),
    All,
}

/// What an interval without values becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fill {
    None,
    Nan,
    Null,
    Zero,
    /// A value that comes from elsewhere, which a query has no room for.
    Scalar,
}

impl Downsample {
    /// Reads `1m-avg`, `1m-avg-zero`, `0all-sum`, `1dc-sum`. With `calendar` every interval is one of the calendar.
    pub(crate) fn parse(text: &str, zone: &TimeZone, calendar: bool) -> Result<Downsample, String> {
        let words: Vec<&str> = text.trim_end_matches('-').split('-').collect();
        let invalid = |rule: &str| Err(format!("Invalid downsampling specifier '{text}': {rule}"));
        let (interval, aggregator, fill) = match words[..] {
            [interval, aggregator] => (interval, aggregator, None),
            [interval, aggregator, fill] => (interval, aggregator, Some(fill)),
            [_] | [] => return invalid("must provide at least interval and function"),
            _ => return invalid("must consist of interval, function, and optional fill policy"),
        };
        let interval = if interval.contains("all") {
            Interval::All
        } else {
            let (length, is_calendar) = match interval.strip_suffix('c') {
                Some(length) => (length, true),
                None => (interval, calendar),
            };
            let millis = time::duration(length)?;
            match is_calendar {
                true => Interval::Calendar(millis, Step::parse(length)?, zone.clone()),
                false => Interval::Millis(millis),
            }
        };
        let aggregator = match Aggregator::named(aggregator) {
            Some(Aggregator::None) => {
                return Err("cannot use the NONE aggregator for downsampling".into());
            }
            Some(aggregator) => aggregator,
            None => return Err(format!("No such downsampling function: {aggregator}")),
        };
        let fill = match fill.map(str::to_lowercase).as_deref() {
            None | Some("none") => Fill::None,
            Some("nan") => Fill::Nan,
            Some("null") => Fill::Null,
            Some("zero") => Fill::Zero,
            Some("scalar") => Fill::Scalar,
            Some(_) => return Err(format!("Unrecognized fill policy: {}", fill.unwrap_or_default())),
        };
        Ok(Downsample {
            interval,
            aggregator,
            fill,
        })
    }

    /// The interval in milliseconds, in a calendar about; none when there is only one.
    pub(crate) fn interval(&self) -> Option<i64> {
        match self.interval {
            Interval::Millis(millis) | Interval::Calendar(millis, ..) => Some(millis),
            Interval::All => None,
        }
    }

    /// How many values its fill makes of a series at most: `1ms-sum-zero` over a year would not fit into memory.
    pub(crate) fn filled(&self, scan: &Range<i64>) -> usize {
        match (self.fill, self.interval()) {
            (Fill::None, _) | (_, None) => 0,
            (_, Some(interval)) => usize::try_from((scan.end - scan.start) / interval).unwrap_or(usize::MAX),
        }
    }

    /// Downsamples the values of a scan; `query` is the range asked for, which only an interval of everything looks at.
    pub(crate) fn apply(&self, run: &Run, scan: Range<i64>, query: Range<i64>) -> Result<Run, String> {
        if self.interval == Interval::All {
            let inside = run.iter().filter(|(time, _)| query.contains(time));
            let inside: Vec<f64> = inside.map(|(_, number)| number.as_f64()).collect();
            let one = (query.start, Number::Float(self.aggregator.of(&inside)));
            return Ok(if inside.is_empty() { Run::new() } else { vec![one] });
        }
        // An interval that begins before the scan does is not whole.
        let mut first = self.beginning(scan.start);
        if first < scan.start {
            first = self.next(first);
        }
        let mut buckets = Run::new();
        let mut start = None;
        let whole = run.iter().position(|(time, _)| *time >= first).unwrap_or(run.len());
        let mut rest = &run[whole..];
        while let Some((time, _)) = rest.first() {
            let begun = match start {
                None => self.beginning(*time),
                Some(before) => self.containing(before, *time),
            };
            start = Some(begun);
            let end = self.next(begun).max(*time + 1);
            let count = rest.iter().take_while(|(time, _)| *time < end).count();
            let values: Vec<f64> = rest[..count].iter().map(|(_, number)| number.as_f64()).collect();
            buckets.push((begun, Number::Float(self.aggregator.of(&values))));
            rest = &rest[count..];
        }
        self.fill_up(buckets, &scan)
    }

    /// Puts a value where there is none.
    fn fill_up(&self, buckets: Run, scan: &Range<i64>) -> Result<Run, String> {
        let filling = match self.fill {
            Fill::None => return Ok(buckets),
            Fill::Nan | Fill::Null => Some(f64::NAN),
            Fill::Zero => Some(0.0),
            Fill::Scalar => None,
        };
        let (mut expected, mut until) = (self.beginning(scan.start), self.beginning(scan.end));
        if until == expected {
            until = self.next(until);
        }
        let mut filled = Run::new();
        let mut buckets = buckets.into_iter().peekable();
        while expected < until {
            while buckets.next_if(|(time, _)| *time < expected).is_some() {}
            match (buckets.next_if(|(time, _)| *time == expected), filling) {
                (Some(bucket), _) => filled.push(bucket),
                (None, Some(filling)) => filled.push((expected, Number::Float(filling))),
                (None, None) => return Err("unhandled fill policy".into()),
            }
            let next = self.next(expected);
            if next <= expected {
                break;
            }
            expected = next;
        }
        Ok(filled)
    }

    /// The beginning of the interval that a time is in.
    fn beginning(&self, time: i64) -> i64 {
        match &self.interval {
            Interval::Millis(millis) => time - time.rem_euclid(*millis),
            Interval::Calendar(_, step, zone) => step.before(time, zone),
            Interval::All => time,
        }
    }

    /// The beginning of the interval after this one.
    fn next(&self, beginning: i64) -> i64 {
        match &self.interval {
            Interval::Millis(millis) => beginning.saturating_add(*millis),
            Interval::Calendar(_, step, zone) => step.after(beginning, 1, zone),
            Interval::All => beginning,
        }
    }

    /// The beginning of the interval that a later time is in, counted on from an earlier beginning: in a calendar
    /// intervals of several units are not the same from everywhere.
    fn containing(&self, earlier: i64, time: i64) -> i64 {
        match &self.interval {
            Interval::Calendar(_, step, zone) => step.containing(earlier, time, zone),
            _ => self.beginning(time),
        }
    }
}

/// `rate`, `rate{counter,max,reset}`, `rateOptions`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rate {
    pub(crate) counter: bool,
    pub(crate) counter_max: i64,
    /// Rates above it, after the counter went back, are 0. 0 is off.
    pub(crate) reset_value: i64,
    /// A counter that went back gives no value at all.
    pub(crate) drop_resets: bool,
}

impl Default for Rate {
    fn default() -> Rate {
        Rate {
            counter: false,
            counter_max: i64::MAX,
            reset_value: 0,
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
            difference = match (v0, v1) {
                (Number::Integer(v0), Number::Integer(v1)) => self.counter_max.wrapping_sub(v0).wrapping_add(v1) as f64,
                _ => self.counter_max as f64 - v0.as_f64() + v1.as_f64(),
            };
            if self.reset_value > 0 && difference / seconds > self.reset_value as f64 {
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
        let downsample = Downsample::parse(text, &TimeZone::UTC, false).expect("a downsample");
        let run = downsample.apply(&floats(points), scan, 0..4_999).expect("a fill");
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
    fn a_calendars_day_begins_at_midnight_of_its_zone() {
        let zone = TimeZone::get("America/New_York").expect("a zone");
        let day = Downsample::parse("1d-count-zero", &zone, true).expect("a downsample");
        // Every six hours from 2023/11/04-04:00 UTC, midnight there; the fifth of November has 25 hours.
        let points: Vec<(i64, f64)> = (0..13).map(|n| (1_699_070_400_000 + n * 21_600_000, 1.0)).collect();
        let scan = 1_699_070_400_000..1_699_333_200_000;
        let run = day.apply(&floats(&points), scan.clone(), scan).expect("a fill");
        let starts_and_counts: Vec<(i64, f64)> = run.iter().map(|(at, n)| (at / 1000, n.as_f64())).collect();
        assert_eq!(
            starts_and_counts,
            [(1_699_070_400, 4.0), (1_699_156_800, 5.0), (1_699_246_800, 4.0)]
        );
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
            "1m-mean",
            "0m-avg",
        ] {
            assert!(Downsample::parse(text, &TimeZone::UTC, false).is_err(), "{text}");
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
            counter_max: 100,
            ..Rate::default()
        };
        // 100 - 14 + 4, in two seconds.
        assert_eq!(
            counter.apply(&run),
            floats(&[(2_000, 5.0), (4_000, 2.0), (6_000, 45.0)])
        );
        let reset = Rate {
            reset_value: 40,
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
