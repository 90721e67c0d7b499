//! A timestamp that every server reads as the same instant.
//!
//! 10 digits are seconds, 13 are milliseconds, since 1970. The bounds are OpenTSDB's: a number above `u32::MAX` is read as
//! milliseconds whatever its length, and milliseconds whose seconds exceed `u32::MAX` wrap its row time without a word.
//! Everything between and beyond means something else to one server or another, so it does not exist here.

use std::{
    fmt,
    str::FromStr,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use crate::{
    digits,
    error::{Field, InvalidPoint, excerpt},
};

/// A point's time: seconds or milliseconds since 1970.
///
/// ```
/// use std::time::{Duration, SystemTime};
///
/// use potsdb_wire::Timestamp;
///
/// let seconds = Timestamp::from_secs(1_767_225_600)?;
/// let millis = Timestamp::try_from(SystemTime::UNIX_EPOCH + Duration::from_millis(1_767_225_600_123))?;
/// assert_eq!(millis.to_string(), "1767225600123");
/// assert!(!seconds.is_millis() && millis.is_millis());
/// # Ok::<(), potsdb_wire::InvalidPoint>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The least and the greatest number of seconds.
    pub const SECONDS: (u64, u64) = (1_000_000_000, 4_294_967_295);

    /// The least and the greatest number of milliseconds.
    pub const MILLIS: (u64, u64) = (1_000_000_000_000, 4_294_967_295_999);

    /// Makes a timestamp from seconds: 1000000000 (2001) to 4294967295 (2106).
    #[inline]
    pub fn from_secs(seconds: u64) -> Result<Self, InvalidPoint> {
        if seconds >= Self::SECONDS.0 && seconds <= Self::SECONDS.1 {
            Ok(Self(seconds))
        } else {
            Err(refuse(seconds, RULE_SECONDS))
        }
    }

    /// Makes a timestamp from milliseconds: 1000000000000 (2001) to 4294967295999 (2106).
    #[inline]
    pub fn from_millis(millis: u64) -> Result<Self, InvalidPoint> {
        if millis >= Self::MILLIS.0 && millis <= Self::MILLIS.1 {
            Ok(Self(millis))
        } else {
            Err(refuse(millis, RULE_MILLIS))
        }
    }

    /// Makes a timestamp from the seconds that this machine's clock shows. A refusal says that it is the clock.
    #[inline]
    pub fn from_clock_secs(seconds: i64) -> Result<Self, InvalidPoint> {
        let checked = u64::try_from(seconds)
            .ok()
            .and_then(|seconds| Self::from_secs(seconds).ok());
        checked.ok_or_else(|| refuse_clock(seconds, RULE_SECONDS))
    }

    /// Makes a timestamp from the milliseconds that this machine's clock shows. A refusal says that it is the clock.
    #[inline]
    pub fn from_clock_millis(millis: i64) -> Result<Self, InvalidPoint> {
        let checked = u64::try_from(millis)
            .ok()
            .and_then(|millis| Self::from_millis(millis).ok());
        checked.ok_or_else(|| refuse_clock(millis, RULE_MILLIS))
    }

    /// Makes a timestamp from a number whose length tells its unit: 10 digits are seconds, 13 are milliseconds.
    #[inline]
    pub fn from_number(number: impl Into<i128>) -> Result<Self, InvalidPoint> {
        let number = number.into();
        match u64::try_from(number) {
            Ok(number) => Self::checked(number).ok_or_else(|| refuse(number, RULE)),
            Err(_) => Err(refuse(number, RULE)),
        }
    }

    /// Reads the digits of a timestamp, or seconds with up to three decimals: `1356998400.123`, which is how OpenTSDB
    /// writes milliseconds, is 1356998400123.
    pub fn parse(text: &[u8]) -> Result<Self, InvalidPoint> {
        match Self::from_digits(text) {
            Some(timestamp) => Ok(timestamp),
            None => Self::parse_slowly(text),
        }
    }

    /// What is not plain digits within the bounds.
    #[cold]
    fn parse_slowly(text: &[u8]) -> Result<Self, InvalidPoint> {
        if text.is_empty() {
            return Err(InvalidPoint::empty(Field::Timestamp));
        }
        if let Some((seconds, decimals)) = split_decimals(text) {
            return Self::from_decimals(seconds, decimals)
                .ok_or_else(|| InvalidPoint::new(Field::Timestamp, excerpt(text, 0), RULE_DECIMALS));
        }
        if let Some(offset) = text.iter().position(|byte| !byte.is_ascii_digit()) {
            return Err(InvalidPoint::illegal(Field::Timestamp, text, offset, RULE));
        }
        Err(InvalidPoint::new(Field::Timestamp, excerpt(text, 0), RULE))
    }

    /// Returns the number as it stands on the wire.
    #[inline]
    pub fn as_u64(self) -> u64 {
        self.0
    }

    /// Returns whether the number counts milliseconds.
    #[inline]
    pub fn is_millis(self) -> bool {
        self.0 >= Self::MILLIS.0
    }

    /// Returns the instant in milliseconds, whichever unit it was given in.
    #[inline]
    pub fn as_millis(self) -> u64 {
        if self.is_millis() { self.0 } else { self.0 * 1000 }
    }

    /// Writes the digits into `buffer` and returns them.
    #[inline]
    pub fn text(self, buffer: &mut [u8; 13]) -> &[u8] {
        let (high, low) = ((self.0 / 100_000_000) as u32, (self.0 % 100_000_000) as u32);
        let len = if self.is_millis() {
            buffer[..8].copy_from_slice(&(digits::eight(high) >> 24).to_le_bytes());
            13
        } else {
            buffer[..2].copy_from_slice(&[b'0' + (high / 10) as u8, b'0' + (high % 10) as u8]);
            10
        };
        buffer[len - 8..len].copy_from_slice(&digits::eight(low).to_le_bytes());
        &buffer[..len]
    }

    /// Reads 10 digits of seconds and their decimals, of which all beyond the third are 0: anything finer than a
    /// millisecond would be another instant. OpenTSDB itself leaves the dot out, so it misreads fewer than three.
    fn from_decimals(seconds: &[u8], decimals: &[u8]) -> Option<Self> {
        let (kept, beyond) = decimals.split_at(decimals.len().min(3));
        if seconds.len() != 10 || beyond.iter().any(|&byte| byte != b'0') {
            return None;
        }
        let mut digits = [b'0'; 13];
        digits[..10].copy_from_slice(seconds);
        digits[10..10 + kept.len()].copy_from_slice(kept);
        Self::from_digits(&digits)
    }

    /// Reads exactly 10 or 13 digits.
    #[inline]
    pub(crate) fn from_digits(text: &[u8]) -> Option<Self> {
        // A zero in front would make 13 digits of seconds: InfluxDB goes by the length, the others by the number.
        if !matches!(text.len(), 10 | 13) || text[0] == b'0' {
            return None;
        }
        let mut number = 0;
        for &byte in text {
            if !byte.is_ascii_digit() {
                return None;
            }
            number = number * 10 + u64::from(byte - b'0');
        }
        Self::checked(number)
    }

    #[inline]
    fn checked(number: u64) -> Option<Self> {
        let seconds = number >= Self::SECONDS.0 && number <= Self::SECONDS.1;
        let millis = number >= Self::MILLIS.0 && number <= Self::MILLIS.1;
        (seconds || millis).then_some(Self(number))
    }
}

impl TryFrom<SystemTime> for Timestamp {
    type Error = InvalidPoint;

    /// Makes a timestamp in milliseconds, as precise as the protocol gets. What is finer is cut off.
    fn try_from(time: SystemTime) -> Result<Self, InvalidPoint> {
        match time.duration_since(UNIX_EPOCH) {
            Ok(since) => match u64::try_from(since.as_millis()) {
                Ok(millis) => Self::from_millis(millis),
                Err(_) => Err(refuse(since.as_millis(), RULE_MILLIS)),
            },
            Err(before) => Err(refuse(format_args!("-{}", before.duration().as_millis()), RULE_MILLIS)),
        }
    }
}

impl From<Timestamp> for SystemTime {
    fn from(timestamp: Timestamp) -> Self {
        UNIX_EPOCH + Duration::from_millis(timestamp.as_millis())
    }
}

impl FromStr for Timestamp {
    type Err = InvalidPoint;

    /// Reads what [`parse`](Timestamp::parse) reads.
    fn from_str(text: &str) -> Result<Self, InvalidPoint> {
        Self::parse(text.as_bytes())
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Splits digits, a dot and digits at the dot.
fn split_decimals(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let dot = text.iter().position(|&byte| byte == b'.')?;
    let (whole, decimals) = (&text[..dot], &text[dot + 1..]);
    let are_digits = |digits: &[u8]| !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    (are_digits(whole) && are_digits(decimals)).then_some((whole, decimals))
}

#[cold]
fn refuse(number: impl fmt::Display, rule: &'static str) -> InvalidPoint {
    InvalidPoint::new(Field::Timestamp, number.to_string(), rule)
}

#[cold]
fn refuse_clock(number: i64, rule: &'static str) -> InvalidPoint {
    InvalidPoint::new(Field::Timestamp, format!("this machine's clock shows {number}"), rule)
}

const RULE: &str =
    "seconds (1000000000 to 4294967295) or milliseconds (1000000000000 to 4294967295999) since 1970 are allowed";
const RULE_DECIMALS: &str = "10 digits of seconds with at most three decimals are allowed";
const RULE_SECONDS: &str = "seconds from 1000000000 to 4294967295 are allowed";
const RULE_MILLIS: &str = "milliseconds from 1000000000000 to 4294967295999 are allowed";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bounds_are_where_every_server_agrees() {
        for good in [1_000_000_000_u64, 4_294_967_295, 1_000_000_000_000, 4_294_967_295_999] {
            let timestamp = Timestamp::from_number(good).unwrap();
            assert_eq!(timestamp.as_u64(), good);
            assert_eq!(timestamp.text(&mut [0; 13]), good.to_string().as_bytes());
            assert_eq!(Timestamp::parse(good.to_string().as_bytes()), Ok(timestamp));
        }
        for bad in [
            0,
            1,
            999_999_999,
            4_294_967_296,
            9_999_999_999,
            999_999_999_999,
            4_294_967_296_000,
            u64::MAX,
        ] {
            assert!(Timestamp::from_number(bad).is_err(), "{bad}");
            assert!(Timestamp::from_secs(bad).is_err(), "{bad}");
            assert!(Timestamp::from_millis(bad).is_err(), "{bad}");
            assert!(Timestamp::parse(bad.to_string().as_bytes()).is_err(), "{bad}");
        }
        assert!(Timestamp::from_number(-1_700_000_000).is_err());
        assert!(Timestamp::from_number(i128::MAX).is_err());
    }

    #[test]
    fn a_system_time_is_its_milliseconds() {
        let time = UNIX_EPOCH + Duration::from_nanos(1_700_000_000_123_999_999);
        let timestamp = Timestamp::try_from(time).unwrap();
        assert_eq!(timestamp.as_u64(), 1_700_000_000_123);
        assert_eq!(
            SystemTime::from(timestamp),
            UNIX_EPOCH + Duration::from_millis(1_700_000_000_123)
        );
        let seconds = Timestamp::from_secs(1_700_000_000).unwrap();
        assert_eq!(
            SystemTime::from(seconds),
            UNIX_EPOCH + Duration::from_secs(1_700_000_000)
        );
        assert_eq!(seconds.to_string().parse(), Ok(seconds));
        for (wrong, shown) in [
            (UNIX_EPOCH, "timestamp: 0: "),
            (UNIX_EPOCH - Duration::from_secs(1), "timestamp: -1000: "),
            (
                UNIX_EPOCH + Duration::from_secs(4_294_967_296),
                "timestamp: 4294967296000: ",
            ),
        ] {
            let error = Timestamp::try_from(wrong).unwrap_err().to_string();
            assert!(error.starts_with(shown), "{error}");
        }
    }

    #[test]
    fn units_do_not_mix() {
        assert!(Timestamp::from_secs(1_700_000_000_000).is_err());
        assert!(Timestamp::from_millis(1_700_000_000).is_err());
        assert_eq!(
            Timestamp::from_secs(1_700_000_000).unwrap().as_millis(),
            1_700_000_000_000
        );
        assert_eq!(
            Timestamp::from_millis(1_700_000_000_123).unwrap().as_millis(),
            1_700_000_000_123
        );
    }

    #[test]
    fn a_clock_that_is_wrong_is_what_the_refusal_names() {
        assert_eq!(
            Timestamp::from_clock_secs(1_700_000_000),
            Timestamp::from_secs(1_700_000_000)
        );
        assert_eq!(
            Timestamp::from_clock_millis(1_700_000_000_123),
            Timestamp::from_millis(1_700_000_000_123)
        );
        for wrong in [i64::MIN, -1, 0, 86_400, i64::MAX] {
            let errors = [Timestamp::from_clock_secs(wrong), Timestamp::from_clock_millis(wrong)];
            for error in errors.map(Result::unwrap_err) {
                assert!(error.to_string().contains(&format!("clock shows {wrong}: ")), "{error}");
            }
        }
    }

    #[test]
    fn decimals_of_a_second_are_milliseconds() {
        for (text, millis) in [
            ("1356998400.123", 1_356_998_400_123),
            ("1356998400.5", 1_356_998_400_500),
            ("1356998400.0", 1_356_998_400_000),
            ("1356998400.0123", 0),
            ("1356998400.012000000", 1_356_998_400_012),
            ("4294967295.999", 4_294_967_295_999),
        ] {
            let read = Timestamp::parse(text.as_bytes()).map_or(0, Timestamp::as_u64);
            assert_eq!(read, millis, "{text}");
        }
    }

    #[test]
    fn only_plain_digits_are_read() {
        for bad in [
            "",
            "+1700000000",
            "-1700000000",
            "1700000000.",
            "1700000000.1234",
            "1700000000.1.2",
            "1700000000.-5",
            "17000000000.5",
            "170000000.123",
            "0700000000.123",
            ".5",
            "01700000000",
            "0001700000000",
            "1.7e9",
            "now",
        ] {
            assert!(Timestamp::parse(bad.as_bytes()).is_err(), "{bad}");
        }
        let error = Timestamp::parse(b"1700000000,5").unwrap_err();
        assert_eq!((error.offset(), error.byte()), (Some(10), Some(b',')));
        assert_eq!(
            Timestamp::parse(b"1700000000.123456").unwrap_err().to_string(),
            "timestamp: \"1700000000.123456\": 10 digits of seconds with at most three decimals are allowed"
        );
        assert_eq!(
            Timestamp::parse(b"17000000001").unwrap_err().to_string(),
            "timestamp: \"17000000001\": seconds (1000000000 to 4294967295) or milliseconds (1000000000000 to \
             4294967295999) since 1970 are allowed"
        );
    }
}
