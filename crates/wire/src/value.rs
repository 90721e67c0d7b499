//! A value that every server reads as the same number, and its text.
//!
//! The text is the intersection of what five servers read: an integer within `i64`, or a decimal with a digit on both
//! sides of its point; an exponent only after such a decimal (KairosDB drops `1e3`, VictoriaMetrics `.5`). A float
//! without a fraction is an integer where it fits, so that `100.0` and `100` are the same bytes: OpenTSDB cannot hold both
//! at one timestamp. The text is rendered into a buffer on the caller's stack, before any lock is taken.

use std::fmt;

use self::decimal::Decimal;
use crate::{
    copy, digits,
    error::{Field, InvalidPoint, excerpt},
};

pub(crate) mod decimal;

/// A point's value: an integer within `i64`, or a finite float.
///
/// An `f32` becomes the `f64` of the same number, which OpenTSDB stores in four bytes again.
///
/// ```
/// use potsdb_wire::Value;
///
/// assert_eq!(Value::try_from(0.0123)?.text(&mut [0; Value::MAX_LEN]), b"0.0123");
/// assert_eq!(Value::parse(b"42")?.as_i64(), Some(42));
/// assert!(Value::try_from(f64::NAN).is_err());
/// # Ok::<(), potsdb_wire::InvalidPoint>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Value(Number);

/// Room for the text of any value.
pub type ValueBuffer = [u8; Value::MAX_LEN];

#[derive(Clone, Copy, Debug, PartialEq)]
enum Number {
    Integer(i64),
    /// Finite, and not an integer within `i64`.
    Float(f64),
}

impl Value {
    /// The length of the longest text: `-2.2250738585072014e-308`.
    pub const MAX_LEN: usize = digits::ROOM;

    /// Writes the shortest text that reads back as the same value into `buffer` and returns it.
    #[inline]
    pub fn text(self, buffer: &mut ValueBuffer) -> &[u8] {
        match self.0 {
            Number::Integer(integer) => {
                let len = digits::integer(integer, buffer);
                &buffer[..len]
            }
            Number::Float(float) => match digits::decimal(float, buffer) {
                0 => float_text(float, buffer),
                len => &buffer[..len],
            },
        }
    }

    /// Returns the value as a float; integers beyond 2^53 are rounded.
    #[inline]
    pub fn as_f64(self) -> f64 {
        match self.0 {
            Number::Integer(integer) => integer as f64,
            Number::Float(float) => float,
        }
    }

    /// Returns the value as an integer, if it is one within `i64`.
    #[inline]
    pub fn as_i64(self) -> Option<i64> {
        match self.0 {
            Number::Integer(integer) => Some(integer),
            Number::Float(_) => None,
        }
    }

    /// Reads a number as people and programs write it: `7`, `+7`, `.5`, `5.`, `1e3`, `-2.5E-7`.
    ///
    /// Refuses what is not finite, integers beyond `i64`, and everything else `float` parsers of one language or another
    /// take: `NaN`, `0x10`, `1_000`, `1.5f`.
    pub fn parse(text: &[u8]) -> Result<Self, InvalidPoint> {
        Decimal::split(text)?.value(text)
    }

    /// Makes a value from a float known to be finite.
    #[inline]
    fn from_finite(float: f64) -> Self {
        // The upper bound, 2^63, is the first float beyond i64; -2^63 is the last within.
        let within = (-I64_LIMIT..I64_LIMIT).contains(&float);
        if within && float as i64 as f64 == float {
            Self(Number::Integer(float as i64))
        } else {
            Self(Number::Float(float))
        }
    }
}

/// Writes the shortest decimal that reads back as `float`.
fn float_text(float: f64, buffer: &mut ValueBuffer) -> &[u8] {
    let mut shortest = zmij::Buffer::new();
    let shortest = shortest.format_finite(float).as_bytes();
    // Far from where exponents begin, nothing has to be looked for.
    let plain = (1e-4..1e15).contains(&float.abs());
    let Some(e) = (!plain).then(|| memchr::memchr(b'e', shortest)).flatten() else {
        copy::short(shortest, buffer);
        return &buffer[..shortest.len()];
    };
    // `1e+22` becomes `1.0e22`: KairosDB drops an exponent without a point before it.
    let (mantissa, exponent) = shortest.split_at(e);
    let exponent = exponent.strip_prefix(b"e+").unwrap_or(&exponent[1..]);
    let point: &[u8] = if mantissa.contains(&b'.') { b"e" } else { b".0e" };
    let mut len = 0;
    for part in [mantissa, point, exponent] {
        buffer[len..len + part.len()].copy_from_slice(part);
        len += part.len();
    }
    &buffer[..len]
}

#[cold]
fn not_finite(number: f64) -> InvalidPoint {
    InvalidPoint::new(Field::Value, format!("{number} is not a finite number"), RULE_FINITE)
}

#[cold]
fn beyond_i64(number: &str) -> InvalidPoint {
    let fault = format!("{} is beyond 64 bits", excerpt(number.as_bytes(), 0));
    InvalidPoint::new(
        Field::Value,
        fault,
        "integers from -9223372036854775808 to 9223372036854775807 are allowed",
    )
}

const I64_LIMIT: f64 = 9_223_372_036_854_775_808.0;
const RULE_FINITE: &str = "numbers from -1.7976931348623157e308 to 1.7976931348623157e308 are allowed";

macro_rules! from_small_integers {
    ($($integer:ty)*) => {$(
        impl From<$integer> for Value {
            #[inline]
            fn from(integer: $integer) -> Self {
                Self(Number::Integer(integer.into()))
            }
        }
    )*};
}

macro_rules! try_from_large_integers {
    ($($integer:ty)*) => {$(
        impl TryFrom<$integer> for Value {
            type Error = InvalidPoint;

            #[inline]
            fn try_from(integer: $integer) -> Result<Self, InvalidPoint> {
                match i64::try_from(integer) {
                    Ok(integer) => Ok(Self(Number::Integer(integer))),
                    Err(_) => Err(beyond_i64(&integer.to_string())),
                }
            }
        }
    )*};
}

from_small_integers!(i8 i16 i32 i64 u8 u16 u32);
try_from_large_integers!(u64 i128 u128 isize usize);

impl TryFrom<f64> for Value {
    type Error = InvalidPoint;

    #[inline]
    fn try_from(float: f64) -> Result<Self, InvalidPoint> {
        if float.is_finite() {
            Ok(Self::from_finite(float))
        } else {
            Err(not_finite(float))
        }
    }
}

impl TryFrom<f32> for Value {
    type Error = InvalidPoint;

    #[inline]
    fn try_from(float: f32) -> Result<Self, InvalidPoint> {
        f64::from(float).try_into()
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut buffer = [0; Self::MAX_LEN];
        f.write_str(&String::from_utf8_lossy(self.text(&mut buffer)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_print_as_every_server_reads_them() {
        for (float, text) in [
            (100.0, "100"),
            (-0.0, "0"),
            (0.1, "0.1"),
            (-7.25, "-7.25"),
            (1.5e-7, "1.5e-7"),
            (1e-7, "1.0e-7"),
            (1e22, "1.0e22"),
            (-1e22, "-1.0e22"),
            (1.25e300, "1.25e300"),
            (9_223_372_036_854_774_784.0, "9223372036854774784"),
            (9_223_372_036_854_775_808.0, "9.223372036854776e18"),
            (-9_223_372_036_854_775_808.0, "-9223372036854775808"),
            (f64::MAX, "1.7976931348623157e308"),
            (-f64::MIN_POSITIVE, "-2.2250738585072014e-308"),
            (5e-324, "5.0e-324"),
            (0.3, "0.3"),
            (1e16 + 0.0, "10000000000000000"),
            (123_456.789, "123456.789"),
        ] {
            assert_eq!(Value::try_from(float).unwrap().to_string(), text);
        }
        assert_eq!(Value::try_from(0.5_f32).unwrap().to_string(), "0.5");
        assert_eq!(Value::try_from(0.1_f32).unwrap().as_f64(), f64::from(0.1_f32));
    }

    #[test]
    fn integers_are_exact_to_the_ends_of_i64() {
        for integer in [0, -1, i64::MAX, i64::MIN, 9_007_199_254_740_993] {
            assert_eq!(Value::from(integer).to_string(), integer.to_string());
            assert_eq!(Value::from(integer).as_i64(), Some(integer));
        }
        assert_eq!(Value::try_from(7_u64), Ok(Value::from(7)));
        let error = Value::try_from(u64::MAX).unwrap_err();
        assert_eq!(
            error.to_string(),
            "value: \"18446744073709551615\" is beyond 64 bits: integers from -9223372036854775808 to \
             9223372036854775807 are allowed"
        );
        assert!(Value::try_from(i128::from(i64::MIN) - 1).is_err());
    }

    #[test]
    fn what_is_not_finite_is_refused() {
        for float in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(Value::try_from(float).unwrap_err().field(), &Field::Value);
            assert!(Value::try_from(float as f32).is_err());
        }
    }
}
