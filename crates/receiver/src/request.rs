//! An HTTP request as a personality and the queries are asked it.

use std::borrow::Cow;
use std::net::SocketAddr;

use potsdb_front::{Head, Inflated, Limits, Parameters, inflate};

use crate::answers::Complaint;

pub(crate) struct Asked<'a> {
    pub(crate) head: Head,
    /// In lower case, without the base path.
    pub(crate) path: String,
    pub(crate) parameters: Parameters,
    /// As it came, still compressed if it was.
    pub(crate) body: Vec<u8>,
    pub(crate) peer: SocketAddr,
    /// How large the body may get.
    pub(crate) limits: &'a Limits,
}

impl Asked<'_> {
    /// The body without its compression.
    pub(crate) fn inflated(&self) -> Inflated<'_> {
        inflate(self.head.field("Content-Encoding"), &self.body, self.limits)
    }

    /// The body as UTF-8, for a question; what was cut off on its way is read as far as it goes.
    pub(crate) fn text(&self) -> Result<Vec<u8>, Complaint> {
        let body = match self.inflated() {
            Inflated::Whole(body) => body,
            Inflated::Torn(body) => body.into(),
            Inflated::TooLarge | Inflated::Corrupt => {
                return Err(Complaint::unparsable(
                    "the body is not compressed as its Content-Encoding says",
                ));
            }
        };
        self.decoded(&body).map(Cow::into_owned)
    }

    /// Bytes as UTF-8, from the charset that the request names; what is none there is replaced.
    pub(crate) fn decoded<'a>(&self, body: &'a [u8]) -> Result<Cow<'a, [u8]>, Complaint> {
        let kind = self.head.field("Content-Type").unwrap_or_default();
        let charset = kind.split(';').find_map(|part| {
            let (name, value) = part.split_once('=')?;
            name.trim()
                .eq_ignore_ascii_case("charset")
                .then(|| value.trim().trim_matches('"'))
        });
        let decoded = match charset.unwrap_or("UTF-8").to_ascii_uppercase().as_str() {
            "UTF-8" | "UTF8" => match String::from_utf8_lossy(body) {
                Cow::Borrowed(_) => return Ok(Cow::Borrowed(body)),
                Cow::Owned(text) => text,
            },
            "ISO-8859-1" | "ISO8859_1" | "LATIN1" | "L1" => body.iter().copied().map(char::from).collect(),
            "US-ASCII" | "ASCII" => {
                let ascii = |byte: u8| {
                    if byte.is_ascii() {
                        char::from(byte)
                    } else {
                        char::REPLACEMENT_CHARACTER
                    }
                };
                body.iter().copied().map(ascii).collect()
            }
            "UTF-16BE" => utf16(body, u16::from_be_bytes),
            "UTF-16LE" => utf16(body, u16::from_le_bytes),
            "UTF-32" if body.starts_with(&[0xff, 0xfe, 0, 0]) => utf32(&body[4..], u32::from_le_bytes),
            // In the order that its first character shows; without one the larger end comes first.
            "UTF-16" => match body {
                [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes),
                [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes),
                _ => utf16(body, u16::from_be_bytes),
            },
            _ => {
                return Err(Complaint::bad(format!(
                    "Unsupported charset: {}",
                    charset.unwrap_or_default()
                )));
            }
        };
        Ok(Cow::Owned(decoded.into_bytes()))
    }
}

fn utf16(body: &[u8], unit: fn([u8; 2]) -> u16) -> String {
    let units: Vec<u16> = body
        .chunks(2)
        .map(|pair| unit([pair[0], pair.get(1).copied().unwrap_or_default()]))
        .collect();
    String::from_utf16_lossy(&units)
}

fn utf32(body: &[u8], unit: fn([u8; 4]) -> u32) -> String {
    let (units, rest) = body.as_chunks::<4>();
    let read = units.iter().map(|unit_bytes| char::from_u32(unit(*unit_bytes)));
    let torn = (!rest.is_empty()).then_some(None);
    read.chain(torn)
        .map(|character| character.unwrap_or(char::REPLACEMENT_CHARACTER))
        .collect()
}
