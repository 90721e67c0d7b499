//! Which characters a metric, a tag's name and a tag's value may hold.
//!
//! One table says for each byte where it may stand. What is not ASCII is looked at as a character, and only under
//! `names=utf8`: OpenTSDB's telnet reads Latin-1, so no byte above 0x7f means the same everywhere.
//! Called by `series.rs` and `line.rs`; nobody else decides about names.

use std::{error::Error, fmt, str::FromStr};

use crate::error::{Field, InvalidPoint};

/// Which characters names may hold.
///
/// ```
/// use potsdb_wire::Names;
///
/// assert_eq!("utf8".parse(), Ok(Names::Utf8));
/// assert_eq!(Names::OpenTsdb.to_string(), "opentsdb");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Names {
    /// `A-Z`, `a-z`, `0-9`, `-`, `_`, `.` and `/`, everywhere: what every server takes.
    #[default]
    OpenTsdb,
    /// As `OpenTsdb`, but tag values are any printable ASCII except space and `=`.
    Ascii,
    /// As `Ascii`, and everything may also hold non-ASCII characters that are neither control characters nor blanks.
    Utf8,
}

/// What makes a point legal.
///
/// ```
/// use potsdb_wire::{Names, Rules, SeriesText};
///
/// let rules = Rules::new(Names::Utf8, 0);
/// SeriesText::new().metric(&rules, "", "température")?;
/// assert!(SeriesText::new().metric(&Rules::default(), "", "température").is_err());
/// # Ok::<(), potsdb_wire::InvalidPoint>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rules {
    /// Which characters names may hold.
    pub names: Names,
    /// How many tags a point may have; 0 for no limit.
    pub max_tags: usize,
    /// Whether illegal names are repaired (option `invalid=replace`) instead of refused.
    pub repair: bool,
}

impl Rules {
    /// Makes rules that repair nothing; 0 tags are no limit.
    pub const fn new(names: Names, max_tags: usize) -> Self {
        Self {
            names,
            max_tags,
            repair: false,
        }
    }

    /// Says whether illegal names are repaired.
    #[must_use]
    pub const fn repairing(self, repair: bool) -> Self {
        Self { repair, ..self }
    }
}

impl Default for Rules {
    /// What a default OpenTSDB takes: its characters, at most 8 tags, nothing repaired.
    fn default() -> Self {
        Self::new(Names::OpenTsdb, 8)
    }
}

/// The three places a name can stand.
#[derive(Clone, Copy)]
pub(crate) enum Place {
    Metric,
    TagName,
    TagValue,
}

/// Finds the first byte of `text` that may not stand there.
#[inline]
pub(crate) fn find_illegal(names: Names, place: Place, text: &[u8]) -> Option<usize> {
    let allowed = allowed(names, place);
    // Nearly every text is legal. Asking that of all bytes at once, without a branch for each, is twice as fast.
    let everywhere = text
        .iter()
        .fold(allowed, |classes, &byte| classes & CLASS[usize::from(byte)]);
    if everywhere != 0 {
        None
    } else {
        locate_illegal(names, allowed, text)
    }
}

#[cold]
fn locate_illegal(names: Names, allowed: u8, text: &[u8]) -> Option<usize> {
    let first = text.iter().position(|&byte| CLASS[usize::from(byte)] & allowed == 0)?;
    if names != Names::Utf8 || text[first] < 0x80 {
        return Some(first);
    }
    find_illegal_utf8(allowed, text, first)
}

/// Measures how far `text` goes on with characters that may stand there; 0 when what is not ASCII among them is illegal.
#[inline]
pub(crate) fn legal_len(names: Names, place: Place, text: &[u8]) -> usize {
    let allowed = allowed(names, place);
    let accepted = if names == Names::Utf8 { allowed | HIGH } else { allowed };
    let len = text
        .iter()
        .position(|&byte| CLASS[usize::from(byte)] & accepted == 0)
        .unwrap_or(text.len());
    if names == Names::Utf8 && !text[..len].is_ascii() && find_illegal_utf8(allowed, &text[..len], 0).is_some() {
        return 0;
    }
    len
}

/// The same as [`find_illegal`], from the first byte that is not ASCII on.
fn find_illegal_utf8(allowed: u8, text: &[u8], first: usize) -> Option<usize> {
    let mut offset = first;
    for chunk in text[first..].utf8_chunks() {
        for character in chunk.valid().chars() {
            let legal = match u8::try_from(character) {
                Ok(byte) if byte < 0x80 => CLASS[usize::from(byte)] & allowed != 0,
                _ => !character.is_control() && !character.is_whitespace(),
            };
            if !legal {
                return Some(offset);
            }
            offset += character.len_utf8();
        }
        if !chunk.invalid().is_empty() {
            return Some(offset);
        }
    }
    None
}

/// Appends `text` with every character that may not stand there replaced by `_`, and counts them.
pub(crate) fn repair(names: Names, place: Place, text: &[u8], out: &mut Vec<u8>) -> u32 {
    if text.is_empty() {
        out.push(b'_');
        return 1;
    }
    let mut replaced = 0;
    let mut rest = text;
    while let Some(offset) = find_illegal(names, place, rest) {
        out.extend_from_slice(&rest[..offset]);
        out.push(b'_');
        replaced += 1;
        let chunk = rest[offset..].utf8_chunks().next().expect("the illegal byte is there");
        let len = match chunk.valid().chars().next() {
            Some(character) => character.len_utf8(),
            None => chunk.invalid().len(),
        };
        rest = &rest[offset + len..];
    }
    out.extend_from_slice(rest);
    replaced
}

/// Makes the refusal of the byte at `offset` of `text`.
#[cold]
pub(crate) fn refuse(names: Names, place: Place, field: Field, text: &[u8], offset: usize) -> InvalidPoint {
    let rule = match (names, place) {
        (Names::Ascii, Place::TagValue) => r#"printable ASCII but space and "=" is allowed"#,
        (Names::Utf8, Place::TagValue) => {
            r#"UTF-8 without control characters and blanks, and printable ASCII but space and "=" is allowed"#
        }
        (Names::Utf8, _) => {
            r#"UTF-8 without control characters and blanks, and of ASCII A-Z, a-z, 0-9, "-", "_", "." and "/" is allowed"#
        }
        _ => r#"A-Z, a-z, 0-9, "-", "_", "." and "/" are allowed"#,
    };
    InvalidPoint::illegal(field, text, offset, rule)
}

/// Returns the classes of bytes that may stand at `place`.
#[inline]
fn allowed(names: Names, place: Place) -> u8 {
    match (names, place) {
        (Names::OpenTsdb, _) | (_, Place::Metric | Place::TagName) => STRICT,
        (Names::Ascii | Names::Utf8, Place::TagValue) => PRINTABLE,
    }
}

const STRICT: u8 = 1;
const PRINTABLE: u8 = 2;
const HIGH: u8 = 4;

/// For each byte, where it may stand.
static CLASS: [u8; 256] = {
    let mut class = [0; 256];
    let mut byte = 0x21_u8;
    while byte <= 0x7e {
        if byte != b'=' {
            class[byte as usize] = PRINTABLE;
        }
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'/') {
            class[byte as usize] |= STRICT;
        }
        byte += 1;
    }
    let mut byte = 0x80;
    while byte <= 0xff {
        class[byte] = HIGH;
        byte += 1;
    }
    class
};

impl fmt::Display for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OpenTsdb => "opentsdb",
            Self::Ascii => "ascii",
            Self::Utf8 => "utf8",
        })
    }
}

impl FromStr for Names {
    type Err = UnknownNames;

    fn from_str(text: &str) -> Result<Self, UnknownNames> {
        match text {
            "opentsdb" => Ok(Self::OpenTsdb),
            "ascii" => Ok(Self::Ascii),
            "utf8" => Ok(Self::Utf8),
            _ => Err(UnknownNames(text.into())),
        }
    }
}

/// A word that is none of the three [`Names`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownNames(Box<str>);

impl fmt::Display for UnknownNames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = crate::error::excerpt(self.0.as_bytes(), 0);
        write!(f, "names: {shown} is unknown: opentsdb, ascii or utf8 is allowed")
    }
}

impl Error for UnknownNames {}

#[cfg(test)]
mod tests {
    use super::*;

    const EVERY: [Names; 3] = [Names::OpenTsdb, Names::Ascii, Names::Utf8];

    #[test]
    fn strict_places_take_exactly_letters_digits_and_four_signs() {
        for byte in 0..=0x7f_u8 {
            let legal = byte.is_ascii_alphanumeric() || b"-_./".contains(&byte);
            for names in EVERY {
                for place in [Place::Metric, Place::TagName] {
                    assert_eq!(
                        find_illegal(names, place, &[byte]).is_none(),
                        legal,
                        "{byte:#x} {names}"
                    );
                }
            }
            assert_eq!(find_illegal(Names::OpenTsdb, Place::TagValue, &[byte]).is_none(), legal);
        }
    }

    #[test]
    fn ascii_tag_values_are_printable_but_space_and_equals() {
        for byte in 0..=0x7f_u8 {
            let legal = (0x21..=0x7e).contains(&byte) && byte != b'=';
            for names in [Names::Ascii, Names::Utf8] {
                assert_eq!(
                    find_illegal(names, Place::TagValue, &[byte]).is_none(),
                    legal,
                    "{byte:#x}"
                );
            }
        }
    }

    #[test]
    fn what_is_not_ascii_passes_only_as_utf8() {
        for text in ["zürich", "Ж", "日本", "\u{1f600}"] {
            for place in [Place::Metric, Place::TagName, Place::TagValue] {
                assert_eq!(find_illegal(Names::Utf8, place, text.as_bytes()), None, "{text}");
                for names in [Names::OpenTsdb, Names::Ascii] {
                    let first = text.bytes().position(|byte| byte >= 0x80);
                    assert_eq!(find_illegal(names, place, text.as_bytes()), first, "{text}");
                }
            }
        }
    }

    #[test]
    fn utf8_refuses_controls_blanks_and_what_is_not_utf8() {
        for bad in [
            "\u{80}", "\u{85}", "\u{a0}", "\u{2028}", "\u{2029}", "\u{3000}", "\u{9f}", " ", "\n", "\0", "=",
        ] {
            let text = format!("é{bad}é");
            for place in [Place::Metric, Place::TagName, Place::TagValue] {
                assert_eq!(find_illegal(Names::Utf8, place, text.as_bytes()), Some(2), "{text:?}");
            }
        }
        for bad in [&b"\xe9\x80\xff"[..], b"\xe9\x80\xed\xa0\x80"] {
            assert_eq!(find_illegal(Names::Utf8, Place::TagValue, bad), Some(0));
        }
        assert_eq!(find_illegal(Names::Utf8, Place::Metric, "aé:".as_bytes()), Some(3));
    }

    #[test]
    fn repair_replaces_one_character_by_one_underscore() {
        for (text, repaired, count) in [
            (&b"ann lee"[..], &b"ann_lee"[..], 1),
            (b"", b"_", 1),
            (b"a=b\nc", b"a_b_c", 2),
            ("zürich".as_bytes(), b"z_rich", 1),
            (b"\xff\xfe", b"__", 2),
            (b"fine", b"fine", 0),
        ] {
            let mut out = Vec::new();
            assert_eq!(repair(Names::Ascii, Place::TagValue, text, &mut out), count, "{text:?}");
            assert_eq!(out, repaired);
        }
    }

    #[test]
    fn names_print_as_they_parse() {
        for names in EVERY {
            assert_eq!(names.to_string().parse(), Ok(names));
        }
        let error = "latin1".parse::<Names>().unwrap_err();
        assert_eq!(
            error.to_string(),
            r#"names: "latin1" is unknown: opentsdb, ascii or utf8 is allowed"#
        );
    }
}
