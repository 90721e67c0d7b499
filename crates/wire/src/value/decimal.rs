//! The text of a number, as lines and people bring it.
//!
//! A text is split once into sign, digits, fraction and exponent; portable is the one every server reads, and the rest is
//! rewritten digit for digit, without a float in between, so that no precision is lost and a float stays a float.
//! `line.rs` asks for texts, [`Value::parse`] for numbers.

use super::{Number, RULE_FINITE, Value, beyond_i64};
use crate::error::{Field, InvalidPoint, excerpt};

/// Appends a text of the same number that every server reads; a text that already is one is copied byte for byte.
pub(crate) fn portable(text: &[u8], out: &mut Vec<u8>) -> Result<(), InvalidPoint> {
    let decimal = Decimal::split(text)?;
    decimal.value(text)?;
    if decimal.negative {
        out.push(b'-');
    }
    // JSON has no leading zeros either, and a body's number has the line's digits.
    let zeros = decimal.whole.iter().take_while(|&&byte| byte == b'0').count();
    match &decimal.whole[zeros..] {
        [] => out.push(b'0'),
        digits => out.extend_from_slice(digits),
    }
    if !decimal.is_integer() {
        out.push(b'.');
        match decimal.fraction {
            Some(digits @ [_, ..]) => out.extend_from_slice(digits),
            _ => out.push(b'0'),
        }
    }
    out.extend_from_slice(decimal.exponent);
    Ok(())
}

/// Measures the portable number `text` begins with: 0 when it begins with none.
///
/// Says nothing about the bounds; [`Value::parse`] does.
pub(crate) fn portable_len(text: &[u8]) -> usize {
    let sign = usize::from(text.first() == Some(&b'-'));
    let whole = digits(&text[sign..]);
    if whole.is_empty() || (whole.len() > 1 && whole[0] == b'0') {
        return 0;
    }
    let mut len = sign + whole.len();
    if text.get(len) != Some(&b'.') {
        return len;
    }
    let fraction = digits(&text[len + 1..]).len();
    if fraction == 0 {
        return 0;
    }
    len += 1 + fraction;
    len + exponent_len(&text[len..])
}

/// Says whether a portable text is within bounds; reads the number only where a look at the text does not tell.
#[inline]
pub(crate) fn is_within_bounds(portable: &[u8]) -> bool {
    // 18 digits are below 10^18 and fit i64, and no decimal of them is infinite without an exponent.
    portable.len() <= 18 && !portable.iter().any(|byte| matches!(byte, b'e' | b'E'))
        || portable_value(portable).is_some()
}

/// Reads the value of a portable text; `None` when it is out of bounds.
#[inline]
pub(crate) fn portable_value(text: &[u8]) -> Option<Value> {
    if text.contains(&b'.') {
        let float: f64 = str::from_utf8(text).ok()?.parse().ok()?;
        return float.is_finite().then(|| Value::from_finite(float));
    }
    integer(text).map(|integer| Value(Number::Integer(integer)))
}

/// The parts of a number's text.
pub(super) struct Decimal<'a> {
    negative: bool,
    whole: &'a [u8],
    /// The digits after the point, if there is a point.
    fraction: Option<&'a [u8]>,
    /// From the `e` on, or empty.
    exponent: &'a [u8],
}

impl<'a> Decimal<'a> {
    pub(super) fn split(text: &'a [u8]) -> Result<Self, InvalidPoint> {
        if text.is_empty() {
            return Err(InvalidPoint::empty(Field::Value));
        }
        let sign = usize::from(matches!(text[0], b'+' | b'-'));
        let whole = digits(&text[sign..]);
        let mut end = sign + whole.len();
        let mut fraction = None;
        if text.get(end) == Some(&b'.') {
            let digits = digits(&text[end + 1..]);
            end += 1 + digits.len();
            fraction = Some(digits);
        }
        let mut exponent = &text[end..end];
        if !whole.is_empty() || fraction.is_some_and(|digits| !digits.is_empty()) {
            exponent = &text[end..end + exponent_len(&text[end..])];
            end += exponent.len();
        } else if end == text.len() {
            return Err(not_a_number(text));
        }
        if end < text.len() {
            return Err(InvalidPoint::illegal(Field::Value, text, end, RULE_DECIMAL));
        }
        Ok(Self {
            negative: text[0] == b'-',
            whole,
            fraction,
            exponent,
        })
    }

    fn is_integer(&self) -> bool {
        self.fraction.is_none() && self.exponent.is_empty()
    }

    /// Returns the number, if it is within bounds; `text` is what was split.
    pub(super) fn value(&self, text: &[u8]) -> Result<Value, InvalidPoint> {
        if self.is_integer() {
            return match integer(text) {
                Some(integer) => Ok(Value(Number::Integer(integer))),
                None => Err(beyond_i64(&String::from_utf8_lossy(text))),
            };
        }
        // Rust reads every decimal that was split, so only its size can be wrong.
        let float: f64 = str::from_utf8(text)
            .ok()
            .and_then(|text| text.parse().ok())
            .ok_or_else(|| not_a_number(text))?;
        if float.is_finite() {
            Ok(Value::from_finite(float))
        } else {
            let fault = format!("{} is beyond any float", excerpt(text, 0));
            Err(InvalidPoint::new(Field::Value, fault, RULE_FINITE))
        }
    }
}

/// Returns the digits `text` begins with.
fn digits(text: &[u8]) -> &[u8] {
    let len = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    &text[..len]
}

/// Measures the exponent `text` begins with: 0 when it begins with none.
fn exponent_len(text: &[u8]) -> usize {
    if !matches!(text.first(), Some(b'e' | b'E')) {
        return 0;
    }
    let sign = usize::from(matches!(text.get(1), Some(b'+' | b'-')));
    match digits(&text[1 + sign..]).len() {
        0 => 0,
        digits => 1 + sign + digits,
    }
}

/// Reads an integer with an optional sign; `None` beyond `i64`.
fn integer(text: &[u8]) -> Option<i64> {
    str::from_utf8(text).ok()?.parse().ok()
}

#[cold]
fn not_a_number(text: &[u8]) -> InvalidPoint {
    let fault = format!("{} is not a number", excerpt(text, 0));
    InvalidPoint::new(Field::Value, fault, RULE_DECIMAL)
}

const RULE_DECIMAL: &str = "decimal digits with an optional sign, point and exponent are allowed";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_kept_or_rewritten_to_the_same_number() {
        for (text, expected) in [
            ("7", "7"),
            ("-7", "-7"),
            ("-0", "-0"),
            ("1.50", "1.50"),
            ("100.0", "100.0"),
            ("1.5E-7", "1.5E-7"),
            ("1.5e+7", "1.5e+7"),
            ("9223372036854775807", "9223372036854775807"),
            ("+7", "7"),
            (".5", "0.5"),
            ("-.5", "-0.5"),
            ("5.", "5.0"),
            ("5.e2", "5.0e2"),
            ("1e3", "1.0e3"),
            ("1E-3", "1.0E-3"),
            ("007", "7"),
            ("-00.50", "-0.50"),
            ("000", "0"),
            ("1.0e-400", "1.0e-400"),
        ] {
            let mut out = Vec::new();
            portable(text.as_bytes(), &mut out).unwrap();
            assert_eq!(String::from_utf8(out.clone()).unwrap(), expected);
            assert_eq!(
                Value::parse(text.as_bytes()),
                Value::parse(expected.as_bytes()),
                "{text}"
            );
            assert_eq!(portable_len(&out), out.len(), "{text}");
            assert_eq!(portable_value(&out), Value::parse(text.as_bytes()).ok(), "{text}");
        }
    }

    #[test]
    fn text_that_is_no_number_everywhere_is_refused() {
        for text in [
            "",
            "+",
            "-",
            ".",
            "+.",
            "e3",
            ".e3",
            "1e",
            "1e+",
            "1.5f",
            "1.5d",
            "0x10",
            "0x1.8p1",
            "1_000",
            "1,5",
            "NaN",
            "nan",
            "Inf",
            "-Infinity",
            "inf",
            "true",
            "--1",
            "1.2.3",
            "1 ",
            " 1",
            "1\0",
            "9223372036854775808",
            "-9223372036854775809",
            "1e400",
            "-1.0e309",
            "\u{663}",
            "1e3.5",
        ] {
            let mut out = Vec::new();
            let error = portable(text.as_bytes(), &mut out).unwrap_err();
            assert_eq!(error.field(), &Field::Value, "{text:?}");
            assert!(out.is_empty());
            assert_eq!(Value::parse(text.as_bytes()), Err(error), "{text:?}");
            assert!(portable_len(text.as_bytes()) != text.len() || portable_value(text.as_bytes()).is_none());
        }
    }
}
