//! How a server reads a line about a point: which lines are, in which encoding, and what each comes to.
//!
//! Pure. `personality/` has one for each server; the store reads lines, a journal's too, through it.

use std::borrow::Cow;

use crate::point::put::{Put, Refusal, Rules};

/// One server's reading of lines.
pub(crate) trait Reading: Send + Sync {
    /// Whether a line is about a point; any other is a command.
    fn is_put(&self, line: &[u8]) -> bool {
        line.starts_with(b"put ")
    }

    /// Whether a line in the usual form is taken with these as they are, once its series is known.
    fn takes_as_it_is(&self, timestamp: &[u8], value: &[u8]) -> bool {
        is_usual(timestamp, value)
    }

    /// A line's text, without a carriage return at its end; bytes that are not UTF-8 are replaced.
    fn text<'a>(&self, line: &'a [u8]) -> Cow<'a, str> {
        String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(line))
    }

    /// Reads a line that is about a point and hands that on; the refusal is its own.
    fn read(&self, line: &str, rules: &Rules, take: Take<'_>) -> Result<(), Refusal>;
}

/// What takes a point.
pub(crate) type Take<'a> = &'a mut dyn FnMut(&Put<'_>);

/// Ten digits and a plain number: what every server reads alike.
#[inline]
pub(crate) fn is_usual(timestamp: &[u8], value: &[u8]) -> bool {
    let digits = |bytes: &[u8]| !bytes.is_empty() && bytes.iter().all(u8::is_ascii_digit);
    let plain = |value: &[u8]| match memchr::memchr(b'.', value) {
        Some(point) => digits(&value[..point]) && digits(&value[point + 1..]),
        None => digits(value),
    };
    timestamp.len() == 10
        && timestamp[0] != b'0'
        && digits(timestamp)
        && plain(value.strip_prefix(b"-").unwrap_or(value))
}

/// Each byte is the character of its number.
pub(crate) fn latin1(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}
