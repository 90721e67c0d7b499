//! Points in time as `/api/query` takes them, in milliseconds since 1970.
//!
//! Relative (`1h-ago`, `now`), a number (10 digits and fewer are seconds, more are milliseconds, `1364410924.250` is both)
//! or a date in UTC (`2012/10/08-13:35:00`, shorter down to the day). Months are 30 days, years 365, as OpenTSDB has them.
//!
//! Called by `mod.rs`, and by `result.rs` for stored points; the clock is an argument.

/// Reads a time; the error says which rule it broke.
pub(crate) fn millis(text: &str, now: i64) -> Result<i64, String> {
    if text == "now" {
        return Ok(now);
    }
    if let Some(span) = text.strip_suffix("-ago") {
        return Ok(now - duration(span)?);
    }
    if text.contains(['/', ':']) {
        return date(text).ok_or_else(|| format!("Invalid date: {text}"));
    }
    number(text).ok_or_else(|| format!("Invalid time: {text}"))
}

/// Reads `1m`, `500ms`, `2d`.
pub(crate) fn duration(text: &str) -> Result<i64, String> {
    let invalid = || format!("Invalid duration (number): {text}");
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (count, unit) = text.split_at(digits);
    let count: i64 = count.parse().map_err(|_| invalid())?;
    let unit = match unit {
        "ms" => 1,
        "s" => SECOND,
        "m" => 60 * SECOND,
        "h" => 3600 * SECOND,
        "d" => DAY,
        "w" => 7 * DAY,
        "n" => 30 * DAY,
        "y" => 365 * DAY,
        _ => return Err(format!("Invalid duration (suffix): {text}")),
    };
    match count.checked_mul(unit) {
        Some(0) => Err(format!("Zero or negative duration: {text}")),
        Some(millis) => Ok(millis),
        None => Err(invalid()),
    }
}

/// A timestamp's milliseconds, whether it is one of seconds or of milliseconds: by its size, as OpenTSDB tells them apart.
pub(crate) fn of_point(timestamp: i64) -> i64 {
    if timestamp > i64::from(u32::MAX) {
        timestamp
    } else {
        timestamp * SECOND
    }
}

const SECOND: i64 = 1000;
const DAY: i64 = 86_400 * SECOND;

fn number(text: &str) -> Option<i64> {
    if let Some((seconds, millis)) = text.split_once('.') {
        let exact = millis.len() == 3;
        let millis: i64 = millis.parse().ok()?;
        return if exact {
            seconds.parse::<i64>().ok()?.checked_mul(SECOND)?.checked_add(millis)
        } else {
            None
        };
    }
    let number: i64 = text.parse().ok()?;
    if text.len() <= 10 {
        Some(number * SECOND)
    } else {
        Some(number)
    }
}

fn date(text: &str) -> Option<i64> {
    let (day, clock) = match text.split_once(['-', ' ']) {
        Some((day, clock)) => (day, clock),
        None => (text, "0:0:0"),
    };
    let [year, month, day] = numbers(day, '/')?[..] else {
        return None;
    };
    let (hour, minute, second) = match numbers(clock, ':')?[..] {
        [hour, minute, second] => (hour, minute, second),
        [hour, minute] => (hour, minute, 0),
        _ => return None,
    };
    let in_range = (1..=9999).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day);
    let on_the_clock = hour < 24 && minute < 60 && second < 60;
    if !in_range || !on_the_clock {
        return None;
    }
    Some(days(year, month, day) * DAY + (hour * 3600 + minute * 60 + second) * SECOND)
}

fn numbers(text: &str, separator: char) -> Option<Vec<i64>> {
    text.split(separator)
        .map(|number| number.parse::<u32>().ok().map(i64::from))
        .collect()
}

/// Days from 1970/01/01, by counting years from March, so that the leap day is the last one.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let leap_days = year / 4 - year / 100 + year / 400;
    let since_march = (153 * month + 2) / 5 + day - 1;
    const DAYS_TO_1970: i64 = 719_468;
    year * 365 + leap_days + since_march - DAYS_TO_1970
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_form() {
        let now = 1_700_000_000_000;
        let cases = [
            ("now", now),
            ("1h-ago", now - 3_600_000),
            ("500ms-ago", now - 500),
            ("1n-ago", now - 30 * 86_400_000),
            ("1356998400", 1_356_998_400_000),
            ("1356998400123", 1_356_998_400_123),
            ("1356998400.123", 1_356_998_400_123),
            ("0", 0),
            ("1970/01/02-00:00:00", 86_400_000),
            ("2013/01/01-00:00:00", 1_356_998_400_000),
            ("2013/01/01 00:00", 1_356_998_400_000),
            ("2013/01/01", 1_356_998_400_000),
            ("2024/02/29-12:34:56", 1_709_210_096_000),
            ("2099/01/01-00:00:00", 4_070_908_800_000),
        ];
        for (text, millis) in cases {
            assert_eq!(super::millis(text, now), Ok(millis), "{text}");
        }
    }

    #[test]
    fn refuses_what_is_no_time() {
        for text in [
            "",
            "yesterday",
            "1x-ago",
            "-ago",
            "0s-ago",
            "2013/13/01",
            "2013/01/01-25:00:00",
            "12.5",
            "1/2",
        ] {
            assert!(millis(text, 0).is_err(), "{text}");
        }
    }
}
