//! The refusal of a point: which field, which byte, which rule.
//!
//! One error type for the whole crate, one pointer wide, so that the `Result` of a hot call stays in registers. Its
//! `Display` is the message: thing, value, rule.

use std::{convert::Infallible, error::Error, fmt};

/// A point, or a part of one, that may not go on the wire.
///
/// ```
/// use potsdb_wire::{Field, Names, Rules, SeriesText};
///
/// let rules = Rules::new(Names::Ascii, 8);
/// let mut series = SeriesText::new();
/// series.metric(&rules, "", "web.requests")?;
/// let error = series.tag(&rules, "user", "ann lee").unwrap_err();
/// assert_eq!(error.field(), &Field::TagValue("user".into()));
/// assert_eq!((error.offset(), error.byte()), (Some(3), Some(b' ')));
/// assert_eq!(
///     error.to_string(),
///     r#"tag value of user: space (0x20) at offset 3 of "ann lee" is illegal: printable ASCII but space and "=" is allowed"#,
/// );
/// # Ok::<(), potsdb_wire::InvalidPoint>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidPoint(Box<Refusal>);

/// The part of a point that was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Field {
    /// The metric's name.
    Metric,
    /// A tag's name.
    TagName,
    /// The value of the tag of this name.
    TagValue(Box<str>),
    /// The tags as a whole: none, or too many.
    Tags,
    /// The value.
    Value,
    /// The timestamp.
    Timestamp,
    /// The line as a whole: its length or its shape.
    Line,
    /// The line's first word: a command other than `put`.
    Command,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Refusal {
    field: Field,
    fault: Fault,
    rule: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Fault {
    /// A character that may not be where it is.
    Illegal {
        character: Box<str>,
        byte: u8,
        offset: usize,
        shown: Box<str>,
    },
    /// Anything else, in words.
    Other(Box<str>),
}

impl InvalidPoint {
    /// Returns the part of the point that was refused.
    pub fn field(&self) -> &Field {
        &self.0.field
    }

    /// Returns what is wrong with the field and the rule it breaks: the message without the field's name.
    pub fn reason(&self) -> String {
        let Refusal { fault, rule, .. } = &*self.0;
        format!("{fault}: {rule}")
    }

    /// Returns where in the field the illegal byte is, counted in bytes from 0; `None` when no single byte is to blame.
    pub fn offset(&self) -> Option<usize> {
        match self.0.fault {
            Fault::Illegal { offset, .. } => Some(offset),
            Fault::Other(_) => None,
        }
    }

    /// Returns the illegal byte: of a character of several bytes, the first.
    pub fn byte(&self) -> Option<u8> {
        match self.0.fault {
            Fault::Illegal { byte, .. } => Some(byte),
            Fault::Other(_) => None,
        }
    }

    /// Makes the refusal of the character at `offset` of `text`.
    #[cold]
    pub(crate) fn illegal(field: Field, text: &[u8], offset: usize, rule: &'static str) -> Self {
        let fault = Fault::Illegal {
            character: describe(&text[offset..]),
            byte: text[offset],
            offset,
            shown: excerpt(text, offset),
        };
        Self(Box::new(Refusal { field, fault, rule }))
    }

    /// Makes a refusal for which no single byte is to blame; `fault` reads on after the field: "is empty".
    #[cold]
    pub(crate) fn new(field: Field, fault: impl Into<Box<str>>, rule: &'static str) -> Self {
        let fault = Fault::Other(fault.into());
        Self(Box::new(Refusal { field, fault, rule }))
    }

    /// Makes the refusal of an empty field.
    #[cold]
    pub(crate) fn empty(field: Field) -> Self {
        Self::new(field, "is empty", "at least one character is needed")
    }
}

impl fmt::Display for InvalidPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field(), self.reason())
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Illegal {
                character,
                offset,
                shown,
                ..
            } => write!(f, "{character} at offset {offset} of {shown} is illegal"),
            Self::Other(words) => f.write_str(words),
        }
    }
}

impl Error for InvalidPoint {}

impl From<Infallible> for InvalidPoint {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // Programs written for potsdb 1.0.3 look for these three words.
            Self::Metric => f.write_str("invalid metric name"),
            Self::TagName => f.write_str("tag name"),
            Self::TagValue(name) => {
                let shown = excerpt(name.as_bytes(), 0);
                write!(f, "tag value of {}", &shown[1..shown.len() - 1])
            }
            Self::Tags => f.write_str("tags"),
            Self::Value => f.write_str("value"),
            Self::Timestamp => f.write_str("timestamp"),
            Self::Line => f.write_str("line"),
            Self::Command => f.write_str("command"),
        }
    }
}

/// Writes `text` in quotes, escaped, and shortened so that the character at `offset` stays in sight.
pub(crate) fn excerpt(text: &[u8], offset: usize) -> Box<str> {
    let start = if offset < SHOWN { 0 } else { offset - SHOWN / 2 };
    let mut shown = String::from("\"");
    let mut cut = false;
    if start > 0 {
        shown.push_str("...");
    }
    // A start in the middle of a character leaves at most three stray bytes, shown as such.
    'text: for chunk in text[start..].utf8_chunks() {
        for character in chunk.valid().chars() {
            cut = shown.len() >= SHOWN_ESCAPED;
            if cut {
                break 'text;
            }
            match character {
                '\'' => shown.push(character),
                _ => shown.extend(character.escape_debug()),
            }
        }
        for byte in chunk.invalid() {
            cut = shown.len() >= SHOWN_ESCAPED;
            if cut {
                break 'text;
            }
            shown.push_str(&format!("\\x{byte:02x}"));
        }
    }
    if cut {
        shown.push_str("...");
    }
    shown.push('"');
    shown.into()
}

/// Names the character that `text` begins with.
fn describe(text: &[u8]) -> Box<str> {
    let word = match text[0] {
        0 => "NUL",
        b'\t' => "tab",
        b'\n' => "newline",
        b'\r' => "carriage return",
        b' ' => "space",
        0x7f => "delete",
        byte if byte.is_ascii_graphic() => {
            return format!("\"{}\" ({byte:#04x})", byte as char).into();
        }
        byte if byte.is_ascii() => "control character",
        byte => {
            return match text.utf8_chunks().next().and_then(|chunk| chunk.valid().chars().next()) {
                Some(character) => format!("\"{}\" (U+{:04X})", character.escape_debug(), character as u32).into(),
                None => format!("byte {byte:#04x}, which is not UTF-8,").into(),
            };
        }
    };
    format!("{word} ({:#04x})", text[0]).into()
}

/// How many bytes of a refused text are kept before the illegal one.
const SHOWN: usize = 40;

/// How long the escaped text may grow before it is cut; one more escape and the dots end it below 80.
const SHOWN_ESCAPED: usize = 62;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_value_is_shown_short_with_the_illegal_byte_in_sight() {
        let text = [&[b'a'; 500][..], b"\n", &[0xff; 500]].concat();
        let error = InvalidPoint::illegal(Field::Line, &text, 500, "no");
        assert_eq!((error.offset(), error.byte()), (Some(500), Some(b'\n')));
        let Fault::Illegal { shown, .. } = &error.0.fault else {
            panic!("not illegal");
        };
        assert!(shown.len() <= 80, "{} bytes: {shown}", shown.len());
        assert!(shown.contains(r"aaa\n\xff"), "{shown}");
    }

    #[test]
    fn the_shown_text_never_exceeds_80_bytes() {
        for unit in ["a", "\u{0}", "\u{10ffff}", "é", "\"", "\u{202e}"] {
            for count in 0..200 {
                for offset in [0, count * unit.len() / 2] {
                    let shown = excerpt(unit.repeat(count).as_bytes(), offset);
                    assert!(shown.len() <= 80, "{} bytes: {shown}", shown.len());
                }
            }
        }
    }

    #[test]
    fn the_error_is_one_pointer() {
        assert_eq!(size_of::<Result<(), InvalidPoint>>(), size_of::<usize>());
    }
}
