//! Intervals of a calendar: days that begin at midnight in a time zone, weeks on Sunday, months and years on their
//! first day.
//!
//! An interval of several units is counted from a beginning of its own: 5 days from New Year, 13 hours from the first
//! of the month, 30 minutes from the hour. Those rules are OpenTSDB's; `downsample.rs` asks for one boundary after the
//! other.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _, Zoned};

/// A number of units of a calendar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) count: i64,
    pub(crate) unit: Unit,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    Millisecond,
    Second,
    Minute,
    Hour,
    Day,
    Week,
    Month,
    Year,
}

impl Step {
    /// Reads `1d`, `30m`; the error is OpenTSDB's.
    pub(crate) fn parse(text: &str) -> Result<Step, String> {
        if text.contains('.') {
            return Err("Floating point intervals are not supported".into());
        }
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (count, unit) = text.split_at(digits);
        let unit = match unit.to_lowercase().as_str() {
            "ms" => Unit::Millisecond,
            "s" => Unit::Second,
            "m" => Unit::Minute,
            "h" => Unit::Hour,
            "d" => Unit::Day,
            "w" => Unit::Week,
            "n" => Unit::Month,
            "y" => Unit::Year,
            other => return Err(format!("Invalid units in the duration: {other}")),
        };
        match count.parse::<i32>() {
            Ok(count) if count > 0 => Ok(Step {
                count: i64::from(count),
                unit,
            }),
            _ => Err(format!("Invalid duration (number): {text}")),
        }
    }

    /// The milliseconds of one, where they are always the same.
    fn fixed(&self) -> Option<i64> {
        let millis = match self.unit {
            Unit::Millisecond => 1,
            Unit::Second => 1000,
            Unit::Minute => 60_000,
            Unit::Hour => 3_600_000,
            _ => return None,
        };
        self.count.checked_mul(millis)
    }

    /// The boundary that is `steps` further; times beyond the calendar's end stay where they are.
    pub(crate) fn after(&self, from: i64, steps: i64, zone: &TimeZone) -> i64 {
        if let Some(millis) = self.fixed() {
            return from.saturating_add(millis.saturating_mul(steps));
        }
        let count = self.count.saturating_mul(steps);
        let span = match self.unit {
            Unit::Week => 0.days().try_days(count.saturating_mul(7)),
            Unit::Month => 0.days().try_months(count),
            Unit::Year => 0.days().try_years(count),
            _ => 0.days().try_days(count),
        };
        let moved = span.ok().and_then(|span| local(from, zone)?.checked_add(span).ok());
        moved.map_or(from, |moved| moved.timestamp().as_millisecond())
    }

    /// The last boundary at or before a time.
    pub(crate) fn before(&self, time: i64, zone: &TimeZone) -> i64 {
        let Some(now) = local(time, zone) else {
            return time;
        };
        let divides = |whole: i64| whole % self.count == 0;
        let (hour, minute, second) = (now.hour(), now.minute(), now.second());
        let (month, day) = (now.month(), now.day());
        let date = |month, day| now.date().with().month(month).day(day).build().unwrap_or(now.date());
        let start: DateTime = match self.unit {
            Unit::Millisecond if divides(1000) => now.date().at(hour, minute, second, 0),
            Unit::Millisecond => now.date().at(hour, minute, 0, 0),
            Unit::Second if divides(60) => now.date().at(hour, minute, 0, 0),
            Unit::Second => now.date().at(hour, 0, 0, 0),
            Unit::Minute if divides(60) => now.date().at(hour, 0, 0, 0),
            Unit::Minute => now.date().at(0, 0, 0, 0),
            Unit::Hour if divides(24) => now.date().at(0, 0, 0, 0),
            Unit::Hour => date(month, 1).at(0, 0, 0, 0),
            Unit::Day if self.count == 1 => date(month, day).at(0, 0, 0, 0),
            Unit::Day | Unit::Month | Unit::Year => date(1, 1).at(0, 0, 0, 0),
            Unit::Week => {
                // However many there are in an interval, the last Sunday begins the first one.
                let days = i64::from(now.weekday().to_sunday_zero_offset());
                now.date().saturating_sub(days.days()).at(0, 0, 0, 0)
            }
        };
        let Ok(start) = zone.to_zoned(start) else {
            return time;
        };
        let start = start.timestamp().as_millisecond();
        if self.unit == Unit::Week || (self.unit == Unit::Day && self.count == 1) {
            return start;
        }
        self.containing(start, time, zone)
    }

    /// The last boundary at or before a time, counted from an earlier one.
    pub(crate) fn containing(&self, earlier: i64, time: i64, zone: &TimeZone) -> i64 {
        if let Some(millis) = self.fixed() {
            return earlier + (time - earlier).max(0) / millis * millis;
        }
        let mut boundary = earlier;
        loop {
            let next = self.after(boundary, 1, zone);
            if next > time || next <= boundary {
                return boundary;
            }
            boundary = next;
        }
    }
}

fn local(time: i64, zone: &TimeZone) -> Option<Zoned> {
    Some(Timestamp::from_millisecond(time).ok()?.to_zoned(zone.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn before(step: &str, time: &str, zone: &str) -> String {
        let zone = TimeZone::get(zone).expect("a zone");
        let time: DateTime = time.parse().expect("a time");
        let time = zone.to_zoned(time).expect("in the zone").timestamp().as_millisecond();
        let boundary = Step::parse(step).expect("a step").before(time, &zone);
        local(boundary, &zone).expect("a time").datetime().to_string()
    }

    #[test]
    fn an_interval_begins_where_the_calendar_has_it() {
        let cases = [
            ("1d", "2023-11-05T12:30", "2023-11-05T00:00:00"),
            ("1w", "2023-11-08T12:30", "2023-11-05T00:00:00"),
            ("1n", "2023-11-08T12:30", "2023-11-01T00:00:00"),
            ("3n", "2023-11-08T12:30", "2023-10-01T00:00:00"),
            ("1y", "2023-11-08T12:30", "2023-01-01T00:00:00"),
            ("6h", "2023-11-08T13:30", "2023-11-08T12:00:00"),
            ("13h", "2023-12-01T14:30", "2023-12-01T13:00:00"),
            ("30m", "2023-11-08T13:45", "2023-11-08T13:30:00"),
            ("5d", "2023-01-12T13:45", "2023-01-11T00:00:00"),
        ];
        for (step, time, boundary) in cases {
            assert_eq!(before(step, time, "America/New_York"), boundary, "{step} {time}");
        }
    }

    #[test]
    fn a_day_with_a_change_of_clocks_is_longer() {
        let zone = TimeZone::get("America/New_York").expect("a zone");
        let day = Step::parse("1d").expect("a step");
        let fifth = day.before(1_699_200_000_000, &zone);
        assert_eq!((day.after(fifth, 1, &zone) - fifth) / 3_600_000, 25);
    }

    #[test]
    fn what_is_no_step_is_refused() {
        for text in ["1.5m", "0d", "d", "1x", "99999999999s"] {
            assert!(Step::parse(text).is_err(), "{text}");
        }
    }
}
