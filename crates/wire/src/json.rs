//! The body of `/api/put`, written from lines and read into a tree.
//!
//! ```text
//! put web.latency 1767225600 0.0123 path=/login\n
//! {"metric":"web.latency","timestamp":1767225600,"value":0.0123,"tags":{"path":"/login"}}
//! ```
//!
//! A value keeps the digits of its line, in both directions: OpenTSDB stores `5` and `5.0` in different cells, and a `f64`
//! in between would lose integers beyond 2^53. So the tree holds numbers as text, and is written by hand.
//! The client writes bodies and reads `details`; the receiver reads bodies and queries. Reading knows nothing of points:
//! fields of any type and any number come through, for the receiver to answer as OpenTSDB would.

use std::borrow::Cow;

pub use self::read::{JsonError, MAX_DEPTH, Reader, Tolerance, parse, parse_with};
use crate::{
    error::InvalidPoint,
    line::{self, Line},
};

mod read;

/// A JSON value that borrows from the text it was read from where it can. A seventh kind will not come, so a `match` may
/// name them all.
///
/// ```
/// use potsdb_wire::{Json, json};
///
/// let json = json::parse(br#"{"metric": "m", "value": 5.0}"#)?;
/// assert_eq!(json.field("value"), Some(&Json::Number("5.0")), "a number keeps its digits");
/// # Ok::<(), json::JsonError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Json<'a> {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number, as it was written; with [`Tolerance::non_numbers`] also `NaN`, `Infinity` and `-Infinity`.
    Number(&'a str),
    /// A string, its escapes resolved.
    String(Cow<'a, str>),
    /// An array.
    Array(Vec<Json<'a>>),
    /// An object, its fields in order; a name that came twice is there twice.
    Object(Vec<(Cow<'a, str>, Json<'a>)>),
}

impl<'a> Json<'a> {
    /// Returns the object's field of this name, the last of several; `None` for anything but an object.
    pub fn field(&self, name: &str) -> Option<&Json<'a>> {
        let (_, value) = self.as_object()?.iter().rev().find(|(field, _)| field == name)?;
        Some(value)
    }

    /// Returns the fields of an object.
    pub fn as_object(&self) -> Option<&[(Cow<'a, str>, Json<'a>)]> {
        match self {
            Self::Object(fields) => Some(fields),
            _ => None,
        }
    }

    /// Returns the elements of an array.
    pub fn as_array(&self) -> Option<&[Json<'a>]> {
        match self {
            Self::Array(elements) => Some(elements),
            _ => None,
        }
    }

    /// Returns the text of a string.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// Returns the text of a number.
    pub fn as_number(&self) -> Option<&'a str> {
        match self {
            Self::Number(text) => Some(text),
            _ => None,
        }
    }

    /// Returns whether it is true or false.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(bool) => Some(*bool),
            _ => None,
        }
    }

    /// Appends the value as JSON, without blanks.
    pub fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Null => out.extend_from_slice(b"null"),
            Self::Bool(true) => out.extend_from_slice(b"true"),
            Self::Bool(false) => out.extend_from_slice(b"false"),
            Self::Number(text) => out.extend_from_slice(text.as_bytes()),
            Self::String(text) => write_string(text, out),
            Self::Array(elements) => {
                out.push(b'[');
                for (index, element) in elements.iter().enumerate() {
                    separate(index, out);
                    element.write(out);
                }
                out.push(b']');
            }
            Self::Object(fields) => {
                out.push(b'{');
                for (index, (name, value)) in fields.iter().enumerate() {
                    separate(index, out);
                    write_string(name, out);
                    out.push(b':');
                    value.write(out);
                }
                out.push(b'}');
            }
        }
    }
}

/// Appends one point as an object.
pub fn write_point(line: &Line<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"metric\":");
    write_string(line.metric, out);
    out.extend_from_slice(b",\"timestamp\":");
    out.extend_from_slice(line.timestamp.text(&mut [0; 13]));
    out.extend_from_slice(b",\"value\":");
    // A portable value is a JSON number as it stands.
    out.extend_from_slice(line.value.as_bytes());
    out.extend_from_slice(b",\"tags\":{");
    for (index, (name, value)) in line.tags.clone().enumerate() {
        separate(index, out);
        write_string(name, out);
        out.push(b':');
        write_string(value, out);
    }
    out.extend_from_slice(b"}}");
}

/// Appends canonical lines as an array of points, and returns how many; at a line that is not canonical appends nothing.
pub fn write_body<'a>(lines: impl IntoIterator<Item = &'a [u8]>, out: &mut Vec<u8>) -> Result<usize, InvalidPoint> {
    let start = out.len();
    let mut count = 0;
    out.push(b'[');
    for text in lines {
        match line::parse(text) {
            Ok(line) => {
                separate(count, out);
                write_point(&line, out);
                count += 1;
            }
            Err(error) => {
                out.truncate(start);
                return Err(error);
            }
        }
    }
    out.push(b']');
    Ok(count)
}

/// Appends a string in quotes, with the escapes JSON demands and no others.
pub fn write_string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    let bytes = text.as_bytes();
    let mut start = 0;
    for (offset, &byte) in bytes.iter().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.extend_from_slice(&bytes[start..offset]);
        start = offset + 1;
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            _ => out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
        }
    }
    out.extend_from_slice(&bytes[start..]);
    out.push(b'"');
}

#[inline]
fn separate(index: usize, out: &mut Vec<u8>) {
    if index > 0 {
        out.push(b',');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(lines: &[&str]) -> String {
        let mut out = Vec::new();
        let count = write_body(lines.iter().map(|line| line.as_bytes()), &mut out).unwrap();
        assert_eq!(count, lines.len());
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_body_has_the_digits_of_its_lines() {
        assert_eq!(body(&[]), "[]");
        assert_eq!(
            body(&[
                "put m 1700000000 9223372036854775807 a=b\n",
                "put m 1700000000123 1.50E-7 a=b c=d\n"
            ]),
            "[{\"metric\":\"m\",\"timestamp\":1700000000,\"value\":9223372036854775807,\"tags\":{\"a\":\"b\"}},\
             {\"metric\":\"m\",\"timestamp\":1700000000123,\"value\":1.50E-7,\"tags\":{\"a\":\"b\",\"c\":\"d\"}}]"
        );
    }

    #[test]
    fn quotes_and_backslashes_in_tag_values_are_escaped() {
        assert_eq!(
            body(&[r#"put m 1700000000 1 a="b\c"#]),
            r#"[{"metric":"m","timestamp":1700000000,"value":1,"tags":{"a":"\"b\\c"}}]"#
        );
    }

    #[test]
    fn a_line_that_is_not_canonical_leaves_no_half_body() {
        let mut out = b"kept".to_vec();
        write_body([&b"put m 1700000000 1 a=b\n"[..], b"put m\n"], &mut out).unwrap_err();
        assert_eq!(out, b"kept");
    }

    #[test]
    fn the_last_of_several_fields_is_found_and_all_are_kept() {
        let json = parse(br#"{"a":1,"b":true,"a":[null]}"#).unwrap();
        assert_eq!(json.as_object().unwrap().len(), 3);
        assert_eq!(json.field("a").and_then(Json::as_array), Some(&[Json::Null][..]));
        assert_eq!(json.field("b").and_then(Json::as_bool), Some(true));
        assert_eq!(json.field("c"), None);
        assert_eq!(Json::Null.field("a"), None);
    }

    #[test]
    fn control_characters_are_escaped() {
        let mut out = Vec::new();
        write_string("a\0\n\r\t\u{1f}\u{7f}é", &mut out);
        assert_eq!(out, "\"a\\u0000\\n\\r\\t\\u001f\u{7f}é\"".as_bytes());
    }
}
