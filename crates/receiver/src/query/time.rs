//! Points in time as OpenTSDB's `DateTime` reads them, in milliseconds since 1970.
//!
//! Relative (`1h-ago`, `now`), a number (10 digits and fewer are seconds, more are milliseconds, of `1364410924.25` the
//! dot is taken out; `1364410924250ms`), or a date of exactly 10, 16 or 19 characters (`2012/10/08`,
//! `2012/10/08-13:35`, `2012/10/08-13:35:00`, or with a blank for the dash) in a time zone. Months are 30 days there,
//! years 365. Dates are read as leniently as Java reads them: the 31st of February is the 3rd of March.
//!
//! Called by `mod.rs` and `notes.rs`; the clock is an argument. Those of stored points are `point/number.rs`.

use jiff::SignedDuration;
use jiff::civil;
use jiff::tz::TimeZone;

use crate::point::number;

/// Reads a time in a zone, by name; without one it is UTC. The error says which rule it broke.
pub(crate) fn millis(text: &str, zone: Option<&str>, now: i64) -> Result<i64, String> {
    if let Some(digits) = text.strip_suffix("ms").filter(|digits| is_digits(digits)) {
        return number::integer(digits);
    }
    let lower = text.to_lowercase();
    if lower == "now" {
        return Ok(now);
    }
    if lower.ends_with("-ago") {
        return Ok(now - duration(&text[..text.len() - 4])?);
    }
    if text.contains(['/', ':']) {
        return date(text, zone);
    }
    timestamp(text)
}

/// Reads `1m`, `500ms`, `2D`: a number, anything, and at its end the unit.
pub(crate) fn duration(text: &str) -> Result<i64, String> {
    if text.is_empty() {
        return Err("Cannot parse null or empty duration".into());
    }
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    if digits == text.len() {
        return Err(format!("Invalid duration, must have an integer and unit: {text}"));
    }
    let count: i64 = text[..digits]
        .parse()
        .map_err(|_| format!("Invalid duration (number): {text}"))?;
    if count <= 0 {
        return Err(format!("Zero or negative duration: {text}"));
    }
    let seconds = match text.chars().next_back().map(|unit| unit.to_ascii_lowercase()) {
        Some('s') if text[..text.len() - 1].ends_with('m') => return Ok(count),
        Some('s') => 1,
        Some('m') => 60,
        Some('h') => 3600,
        Some('d') => 86_400,
        Some('w') => 7 * 86_400,
        Some('n') => 30 * 86_400,
        Some('y') => 365 * 86_400,
        _ => return Err(format!("Invalid duration (suffix): {text}")),
    };
    count
        .checked_mul(seconds * SECOND)
        .ok_or_else(|| format!("Duration must be < Long.MAX_VALUE ms: {text}"))
}

/// A time zone by one of Java's names for it.
pub(crate) fn zone(name: &str) -> Option<TimeZone> {
    let name = SHORT_NAMES
        .iter()
        .find(|(short, _)| *short == name)
        .map_or(name, |(_, long)| long);
    // Names are matched in any case there, and letter by letter here.
    let found = jiff::tz::db().get(name).ok()?;
    (found.iana_name() == Some(name)).then_some(found)
}

/// Java's own short names.
const SHORT_NAMES: [(&str, &str); 25] = [
    ("ACT", "Australia/Darwin"),
    ("AET", "Australia/Sydney"),
    ("AGT", "America/Argentina/Buenos_Aires"),
    ("ART", "Africa/Cairo"),
    ("AST", "America/Anchorage"),
    ("BET", "America/Sao_Paulo"),
    ("BST", "Asia/Dhaka"),
    ("CAT", "Africa/Harare"),
    ("CNT", "America/St_Johns"),
    ("CST", "America/Chicago"),
    ("CTT", "Asia/Shanghai"),
    ("EAT", "Africa/Addis_Ababa"),
    ("ECT", "Europe/Paris"),
    ("IET", "America/Indiana/Indianapolis"),
    ("IST", "Asia/Kolkata"),
    ("JST", "Asia/Tokyo"),
    ("MIT", "Pacific/Apia"),
    ("NET", "Asia/Yerevan"),
    ("NST", "Pacific/Auckland"),
    ("PLT", "Asia/Karachi"),
    ("PNT", "America/Phoenix"),
    ("PRT", "America/Puerto_Rico"),
    ("PST", "America/Los_Angeles"),
    ("SST", "Pacific/Guadalcanal"),
    ("VST", "Asia/Ho_Chi_Minh"),
];

const SECOND: i64 = 1000;

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn timestamp(text: &str) -> Result<i64, String> {
    let invalid = |rule: String| format!("Invalid time: {text}. {rule}");
    let number = match text.split_once('.') {
        Some((seconds, millis))
            if seconds.len() == 10 && is_digits(seconds) && is_digits(millis) && millis.len() <= 3 =>
        {
            number::integer(&format!("{seconds}{millis}"))
        }
        Some(_) => {
            let rule = "Millisecond timestamps must be in the format <seconds>.<ms> where the milliseconds are limited to 3 digits";
            return Err(invalid(rule.into()));
        }
        None => number::integer(text),
    };
    let number = number.map_err(&invalid)?;
    if number < 0 {
        return Err(invalid("Negative timestamps are not supported.".into()));
    }
    Ok(if text.len() <= 10 { number * SECOND } else { number })
}

fn date(text: &str, zone_name: Option<&str>) -> Result<i64, String> {
    let separator = if text.contains('-') { '-' } else { ' ' };
    let pattern: &[char] = match text.chars().count() {
        10 => &['/', '/'],
        16 => &['/', '/', separator, ':'],
        19 => &['/', '/', separator, ':', ':'],
        _ => return Err(format!("Invalid absolute date: {text}")),
    };
    let zone = match zone_name.filter(|name| !name.is_empty()) {
        Some(name) => zone(name).ok_or_else(|| format!("Invalid timezone name: {name}"))?,
        None => TimeZone::UTC,
    };
    let invalid = || format!("Invalid date: {text}. Unparseable date: \"{text}\"");
    let mut rest = text;
    let mut numbers = [0_i64; 6];
    for (index, number) in numbers.iter_mut().enumerate().take(pattern.len() + 1) {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        *number = rest[..digits].parse().map_err(|_| invalid())?;
        rest = &rest[digits..];
        if let Some(separator) = pattern.get(index) {
            rest = rest.strip_prefix(*separator).ok_or_else(invalid)?;
        }
    }
    lenient(numbers, &zone).ok_or_else(invalid)
}

/// Year, month, day, hour, minute, second: what is too large runs over into the next.
fn lenient([year, month, day, hour, minute, second]: [i64; 6], zone: &TimeZone) -> Option<i64> {
    let months = year * 12 + month - 1;
    let (year, month) = (months.div_euclid(12), months.rem_euclid(12) + 1);
    let beyond = SignedDuration::from_secs((day - 1) * 86_400 + hour * 3600 + minute * 60 + second);
    // A calendar of four digits ends there; what is later is an error further on.
    let known = i16::try_from(year).ok().filter(|year| *year <= 9999);
    let Some(first) = known.map(|year| civil::date(year, month as i8, 1)) else {
        return Some(year.saturating_mul(31_556_952 * SECOND));
    };
    let clock = first.at(0, 0, 0, 0).checked_add(beyond).ok()?;
    // Of an hour that comes twice Java takes the second one.
    let timestamp = zone.to_ambiguous_timestamp(clock).later().ok()?;
    Some(timestamp.as_millisecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_form() {
        let now = 1_700_000_000_000;
        let cases = [
            ("now", now),
            ("NOW", now),
            ("1h-ago", now - 3_600_000),
            ("1H-AGO", now - 3_600_000),
            ("1.5h-ago", now - 3_600_000),
            ("500ms-ago", now - 500),
            ("1n-ago", now - 30 * 86_400_000),
            ("1356998400", 1_356_998_400_000),
            ("1356998400123", 1_356_998_400_123),
            ("1356998400.123", 1_356_998_400_123),
            // The dot is taken out, and what is left is milliseconds: 1970.
            ("1356998400.5", 13_569_984_005),
            ("1356998400000ms", 1_356_998_400_000),
            ("0", 0),
            ("1970/01/02-00:00:00", 86_400_000),
            ("2013/01/01-00:00:00", 1_356_998_400_000),
            ("2013/01/01 00:00", 1_356_998_400_000),
            ("2013/01/01", 1_356_998_400_000),
            ("2012/13/01", 1_356_998_400_000),
            ("2012/12/31-24:00", 1_356_998_400_000),
            ("2013/02/00-22:00", 1_359_669_600_000),
            ("2024/02/29-12:34:56", 1_709_210_096_000),
        ];
        for (text, millis) in cases {
            assert_eq!(super::millis(text, None, now), Ok(millis), "{text}");
        }
    }

    #[test]
    fn a_date_is_in_its_zone() {
        let at = |zone, text| millis(text, Some(zone), 0);
        assert_eq!(at("Asia/Shanghai", "2023/11/15-06:13:20"), Ok(1_700_000_000_000));
        assert_eq!(at("PST", "2023/11/14-14:13:20"), Ok(1_700_000_000_000));
        assert_eq!(at("", "2023/11/14-22:13:20"), Ok(1_700_000_000_000));
        // The hour that comes twice, and the one that does not come.
        assert_eq!(at("America/New_York", "2023/11/05-01:30"), Ok(1_699_165_800_000));
        assert_eq!(at("America/New_York", "2023/03/12-02:30"), Ok(1_678_606_200_000));
        for zone in ["No/Where", "asia/shanghai", "GMT+1"] {
            assert_eq!(at(zone, "2023/11/15"), Err(format!("Invalid timezone name: {zone}")));
            assert_eq!(at(zone, "1700000000"), Ok(1_700_000_000_000), "no date, no zone");
        }
    }

    #[test]
    fn a_year_beyond_all_calendars_is_late() {
        for text in ["10000/1/01", "999999999/1/1-1:1:1"] {
            assert!(millis(text, None, 0).is_ok_and(|at| at > 253_402_300_000_000), "{text}");
        }
    }

    #[test]
    fn refuses_what_is_no_time() {
        for text in [
            "yesterday",
            "1x-ago",
            "-ago",
            "0s-ago",
            "5-ago",
            "2013/1/1",
            "2013/01/01-5",
            "2013-01-01",
            "12.5",
            "-5",
            "1e9",
            "1/2",
        ] {
            assert!(millis(text, None, 0).is_err(), "{text}");
        }
    }
}
