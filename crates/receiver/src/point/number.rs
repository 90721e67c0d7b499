//! OpenTSDB's numbers: which texts it takes for a timestamp or a value, and its words when it does not.
//!
//! An integer is what has no `.`, `e` or `E`: optional sign, at most 19 digits, within i64. Everything else is a float
//! in Java's syntax, so `.5`, `5.`, `1.5f` and `0x1.8p1` are legal and `1d` is not (measured on OpenTSDB 2.4.1).
//!
//! Called by `put.rs` and `table.rs` for each point that arrives, and by `query/mod.rs` to read stored texts back. The
//! error is the tail of OpenTSDB's own message; `put.rs` puts the head before it.

/// A value as OpenTSDB tells them apart: integers stay exact, everything else is a double.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Number {
    Integer(i64),
    Float(f64),
}

impl Number {
    /// Reads a value's text.
    #[inline]
    pub(crate) fn parse(text: &str) -> Result<Number, String> {
        if looks_like_integer(text) {
            integer(text).map(Number::Integer)
        } else {
            float(text).map(Number::Float)
        }
    }

    /// The value as a double; integers beyond 2^53 lose their last digits, as they do there.
    pub(crate) fn as_f64(self) -> f64 {
        match self {
            Number::Integer(integer) => integer as f64,
            Number::Float(float) => float,
        }
    }

    /// The bytes OpenTSDB would store over telnet, signed as Java prints them, and its qualifier flags.
    ///
    /// One of its error messages shows both. An integer takes 1, 2, 4 or 8 bytes; a float 4 when that is exact, else 8.
    pub(crate) fn stored(self) -> (Vec<i8>, u8) {
        let bytes = match self {
            Number::Integer(n) => match (i8::try_from(n), i16::try_from(n), i32::try_from(n)) {
                (Ok(n), _, _) => n.to_be_bytes().to_vec(),
                (_, Ok(n), _) => n.to_be_bytes().to_vec(),
                (_, _, Ok(n)) => n.to_be_bytes().to_vec(),
                _ => n.to_be_bytes().to_vec(),
            },
            Number::Float(f) if f64::from(f as f32) == f => (f as f32).to_be_bytes().to_vec(),
            Number::Float(f) => f.to_be_bytes().to_vec(),
        };
        let float_flag = if matches!(self, Number::Float(_)) { 8 } else { 0 };
        let flags = float_flag | (bytes.len() as u8 - 1);
        (bytes.into_iter().map(u8::cast_signed).collect(), flags)
    }
}

/// A timestamp's milliseconds, whether it is one of seconds or of milliseconds: by its size, as OpenTSDB tells them
/// apart.
pub(crate) fn millis(timestamp: i64) -> i64 {
    if timestamp > i64::from(u32::MAX) {
        timestamp
    } else {
        timestamp.saturating_mul(1000)
    }
}

/// True unless the text holds a `.`, `e` or `E`: `NaN` is therefore a broken integer.
#[inline]
fn looks_like_integer(text: &str) -> bool {
    !text.bytes().any(|byte| matches!(byte, b'.' | b'e' | b'E'))
}

/// Reads an integer as OpenTSDB does; also a timestamp's text.
#[inline]
pub(crate) fn integer(text: &str) -> Result<i64, String> {
    let bytes = text.as_bytes();
    if (1..=18).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_digit) {
        return Ok(bytes.iter().fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0')));
    }
    signed_integer(text)
}

fn signed_integer(text: &str) -> Result<i64, String> {
    // Lengths are in characters: a Latin-1 byte is one of them.
    let length = text.chars().count();
    let digits = match text.as_bytes().first() {
        None => return Err("Empty string".into()),
        Some(b'+' | b'-') if length == 1 => return Err(format!("Just a sign, no value: {text}")),
        Some(b'+' | b'-') if length > 20 => return Err(format!("Value too long: {text}")),
        Some(b'+' | b'-') => &text[1..],
        Some(_) if length > 19 => return Err(format!("Value too long: {text}")),
        Some(_) => text,
    };
    if let Some(stranger) = digits.chars().find(|c| !c.is_ascii_digit()) {
        return Err(format!("Invalid character '{stranger}' in {text}"));
    }
    text.parse().map_err(|_| format!("Overflow in {text}"))
}

/// Reads a float in Java's syntax; infinity, which `1e400` is, is for the caller to refuse.
fn float(text: &str) -> Result<f64, String> {
    // Java trims everything up to the space, so a stray carriage return or tab does no harm here.
    let text = text.trim_matches(|c| c <= ' ');
    if let Some(plain) = plain_float(text) {
        return Ok(plain);
    }
    if has_two_points(text) {
        return Err("multiple points".into());
    }
    hex_float(text).ok_or_else(|| format!("For input string: \"{text}\""))
}

/// Digits, at most one point, an exponent, one of Java's type suffixes.
fn plain_float(text: &str) -> Option<f64> {
    let digits = text.strip_suffix(['f', 'F', 'd', 'D']).unwrap_or(text);
    // Rust's own grammar is the same but for the words inf, infinity and nan.
    let numeric = digits
        .bytes()
        .all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-'));
    if numeric { digits.parse().ok() } else { None }
}

/// Java complains of a second point before it looks at anything that follows.
fn has_two_points(text: &str) -> bool {
    text.strip_prefix(['+', '-'])
        .unwrap_or(text)
        .bytes()
        .take_while(|byte| byte.is_ascii_digit() || *byte == b'.')
        .filter(|byte| *byte == b'.')
        .count()
        > 1
}

/// `0x1.8p1`: hexadecimal digits, a binary exponent that must be there.
fn hex_float(text: &str) -> Option<f64> {
    let (sign, text) = match text.as_bytes().first()? {
        b'-' => (-1.0, &text[1..]),
        b'+' => (1.0, &text[1..]),
        _ => (1.0, text),
    };
    let text = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"))?;
    let text = text.strip_suffix(['f', 'F', 'd', 'D']).unwrap_or(text);
    let (mantissa, exponent) = text.split_once(['p', 'P'])?;
    let exponent = exponent_of(exponent)?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let mut sum = 0.0_f64;
    for digit in whole.chars().chain(fraction.chars()) {
        sum = sum * 16.0 + f64::from(digit.to_digit(16)?);
    }
    let scale = exponent.saturating_sub(4 * i32::try_from(fraction.len()).ok()?);
    Some(sign * sum * 2.0_f64.powi(scale))
}

/// An exponent of any length; beyond the range of doubles one is as good as another.
fn exponent_of(text: &str) -> Option<i32> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let limit = if text.starts_with('-') { i32::MIN } else { i32::MAX };
    Some(text.parse().unwrap_or(limit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_what_opentsdb_takes() {
        let cases = [
            ("7", Number::Integer(7)),
            ("+7", Number::Integer(7)),
            ("-0", Number::Integer(0)),
            ("007", Number::Integer(7)),
            ("9223372036854775807", Number::Integer(i64::MAX)),
            ("-9223372036854775808", Number::Integer(i64::MIN)),
            (".5", Number::Float(0.5)),
            ("5.", Number::Float(5.0)),
            ("1e3", Number::Float(1000.0)),
            ("1.5f", Number::Float(1.5)),
            ("1.5D", Number::Float(1.5)),
            ("1.5E-7", Number::Float(1.5e-7)),
            ("0x1.8p1", Number::Float(3.0)),
            ("1.5\t", Number::Float(1.5)),
            ("1e400", Number::Float(f64::INFINITY)),
        ];
        for (text, number) in cases {
            assert_eq!(Number::parse(text), Ok(number), "{text}");
        }
    }

    #[test]
    fn refuses_in_opentsdbs_words() {
        let cases = [
            ("", "Empty string"),
            ("-", "Just a sign, no value: -"),
            ("abc", "Invalid character 'a' in abc"),
            ("NaN", "Invalid character 'N' in NaN"),
            ("Infinity", "Invalid character 'I' in Infinity"),
            ("1d", "Invalid character 'd' in 1d"),
            ("0x10", "Invalid character 'x' in 0x10"),
            ("1_0", "Invalid character '_' in 1_0"),
            ("1\r", "Invalid character '\r' in 1\r"),
            ("1é", "Invalid character 'é' in 1é"),
            ("9223372036854775808", "Overflow in 9223372036854775808"),
            ("-9223372036854775809", "Overflow in -9223372036854775809"),
            ("99999999999999999999", "Value too long: 99999999999999999999"),
            ("-999999999999999999999", "Value too long: -999999999999999999999"),
            ("1e", "For input string: \"1e\""),
            (".", "For input string: \".\""),
            ("1.2.3", "multiple points"),
            ("0x1.8", "For input string: \"0x1.8\""),
            ("1e5x", "For input string: \"1e5x\""),
        ];
        for (text, words) in cases {
            assert_eq!(Number::parse(text), Err(words.into()), "{text}");
        }
    }

    /// Golden: what JDK 17's `Double.parseDouble` makes of each text.
    #[test]
    fn floats_are_javas() {
        let taken = [
            ("-.5", -0.5),
            ("1.e5", 100_000.0),
            ("0x.8p1", 1.0),
            ("0x1.8P-2d", 0.375),
            ("1e+5", 100_000.0),
            ("1.5e5d", 150_000.0),
            ("0x1.p1", 2.0),
            ("0X1.8p+3f", 12.0),
            ("1e99999999999", f64::INFINITY),
            ("0x1.8p99999999999", f64::INFINITY),
        ];
        for (text, value) in taken {
            assert_eq!(float(text), Ok(value), "{text}");
        }
        for text in ["..", "1.2.3", "1..", "1.2.x"] {
            assert_eq!(float(text), Err("multiple points".into()), "{text}");
        }
        let refused = [
            "+.",
            "0x1p1.",
            "0x.p1",
            "1.5ff",
            "e5",
            "-e",
            "1.2e3.4",
            "Infinitye",
            "1.0e",
            "1e-",
            "++1.5",
            "++1..",
            "1_0.5",
            "1,5.0",
            "1.5 2",
            "1.e",
            ".e1",
            "0x1.8p",
        ];
        for text in refused {
            assert_eq!(float(text), Err(format!("For input string: \"{text}\"")), "{text}");
        }
    }

    #[test]
    fn shows_the_bytes_opentsdb_would_store() {
        assert_eq!(Number::Integer(1).stored(), (vec![1], 0));
        assert_eq!(Number::Integer(300).stored(), (vec![1, 44], 1));
        assert_eq!(Number::Integer(-1).stored(), (vec![-1], 0));
        assert_eq!(Number::Float(1.5).stored(), (vec![63, -64, 0, 0], 11));
        assert_eq!(
            Number::Float(0.1).stored(),
            (vec![63, -71, -103, -103, -103, -103, -103, -102], 15)
        );
    }
}
