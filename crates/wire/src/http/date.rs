//! An HTTP date, as seconds: `Sun, 06 Nov 1994 08:49:37 GMT`.
//!
//! To tell how far apart two dates are, or two clocks. The two obsolete forms of RFC 9110 are not read.

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// The days from the calendar's first to 1970.
const EPOCH: i64 = 719_469;

/// Returns the seconds since 1970.
pub(super) fn seconds(text: &str) -> Option<i64> {
    // The day of the week says nothing that the rest does not.
    let (_, text) = text.split_once(", ")?;
    let [day, month, year, time, "GMT"] = text.split(' ').collect::<Vec<_>>()[..] else {
        return None;
    };
    let [hour, minute, second] = time.split(':').collect::<Vec<_>>()[..] else {
        return None;
    };
    let month = MONTHS.iter().position(|name| *name == month)? as i64 + 1;
    let (day, year) = (digits(day, 2, 1..=31)?, digits(year, 4, 1..=9999)?);
    // 60 is a leap second.
    let (hour, minute, second) = (
        digits(hour, 2, 0..=23)?,
        digits(minute, 2, 0..=59)?,
        digits(second, 2, 0..=60)?,
    );
    // Years that begin in March have their leap day at the end, and months of 31, 30, 31, 30, 31 days, again and again.
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day - EPOCH;
    Some(((days * 24 + hour) * 60 + minute) * 60 + second)
}

fn digits(text: &str, len: usize, within: std::ops::RangeInclusive<i64>) -> Option<i64> {
    let is_number = text.len() == len && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|number| is_number && within.contains(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_as_far_apart_as_the_calendar_has_them() {
        let day = 24 * 60 * 60;
        for (from, to, apart) in [
            ("06 Nov 1994 08:49:37", "06 Nov 1994 08:49:38", 1),
            ("06 Nov 1994 08:49:37", "06 Nov 1994 10:50:37", 7260),
            ("31 Dec 2025 23:59:59", "01 Jan 2026 00:00:00", 1),
            ("28 Feb 2024 00:00:00", "01 Mar 2024 00:00:00", 2 * day),
            ("28 Feb 2025 00:00:00", "01 Mar 2025 00:00:00", day),
            ("28 Feb 1900 00:00:00", "01 Mar 1900 00:00:00", day),
            ("28 Feb 2000 00:00:00", "01 Mar 2000 00:00:00", 2 * day),
            ("31 Jul 2025 00:00:00", "31 Aug 2025 00:00:00", 31 * day),
            ("01 Jan 1970 00:00:00", "01 Jan 2026 00:00:00", 1_767_225_600),
        ] {
            let at = |text: &str| seconds(&format!("Sun, {text} GMT")).unwrap();
            assert_eq!(at(to) - at(from), apart, "{from} to {to}");
        }
        assert_eq!(seconds("Thu, 01 Jan 1970 00:00:01 GMT"), Some(1));
    }

    #[test]
    fn what_is_no_date_is_none() {
        for text in [
            "",
            "120",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
            "Sun, 06 Nov 1994 08:49:37",
            "Sun, 06 Nov 1994 08:49:37 CET",
            "Sun, 06 Nov 1994 08:49 GMT",
            "Sun, 32 Nov 1994 08:49:37 GMT",
            "Sun, 00 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 0000 08:49:37 GMT",
            "Sun, 06 nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 24:49:37 GMT",
            "Sun, +6 Nov 1994 08:49:37 GMT",
        ] {
            assert_eq!(seconds(text), None, "{text}");
        }
    }
}
