//! The head of an HTTP request: method, target, fields, and how long the body is.
//!
//! `stream.rs` reads one, backends ask it. Parsed by httparse; names are compared in any case.

use crate::http::Parameters;

/// A request without its body.
#[derive(Clone, Debug, Default)]
pub struct Head {
    /// As it came: `GET`, `POST`.
    pub method: String,
    /// As it came, if it was UTF-8: path and parameters.
    pub target: String,
    /// The second number of its version: 0 or 1.
    pub minor: u8,
    fields: Vec<(String, String)>,
}

/// The most fields a head may have.
const MOST_FIELDS: usize = 100;

impl Head {
    /// A head of HTTP/1.1 with these fields.
    #[must_use]
    pub fn new(method: &str, target: &str, fields: &[(&str, &str)]) -> Head {
        let fields = fields
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Head {
            method: method.to_owned(),
            target: target.to_owned(),
            minor: 1,
            fields: fields.collect(),
        }
    }

    /// Reads a head and returns it with its length; `None` while there is more to come, an error if it is none. A target that
    /// is not UTF-8 is read as if it had been percent-encoded.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Option<(Head, usize)>, httparse::Error> {
        let line = bytes.split_inclusive(|byte| *byte == b'\n').next().unwrap_or_default();
        if str::from_utf8(line).is_ok() {
            return Head::parse_utf8(bytes);
        }
        let mut encoded = Vec::with_capacity(bytes.len() + 2 * line.len());
        for byte in line {
            match byte {
                0x80.. => encoded.extend_from_slice(format!("%{byte:02X}").as_bytes()),
                _ => encoded.push(*byte),
            }
        }
        let longer = encoded.len() - line.len();
        encoded.extend_from_slice(&bytes[line.len()..]);
        let head = Head::parse_utf8(&encoded)?;
        Ok(head.map(|(head, length)| (head, length - longer)))
    }

    fn parse_utf8(bytes: &[u8]) -> Result<Option<(Head, usize)>, httparse::Error> {
        let mut fields = [httparse::EMPTY_HEADER; MOST_FIELDS];
        let mut request = httparse::Request::new(&mut fields);
        let httparse::Status::Complete(length) = request.parse(bytes)? else {
            return Ok(None);
        };
        let fields = request.headers.iter().map(|field| {
            let value = String::from_utf8_lossy(field.value);
            (field.name.to_owned(), value.into_owned())
        });
        let head = Head {
            method: request.method.unwrap_or_default().to_owned(),
            target: request.path.unwrap_or_default().to_owned(),
            minor: request.version.unwrap_or(1),
            fields: fields.collect(),
        };
        Ok(Some((head, length)))
    }

    /// A field's value, the first if there are more.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        let (_, value) = self.fields.iter().find(|(known, _)| known.eq_ignore_ascii_case(name))?;
        Some(value)
    }

    /// The path, as it came.
    #[must_use]
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// What follows the path, decoded.
    #[must_use]
    pub fn parameters(&self) -> Parameters {
        Parameters::parse(self.target.split_once('?').map_or("", |(_, query)| query))
    }

    /// Whether the body comes in chunks.
    #[must_use]
    pub fn is_chunked(&self) -> bool {
        self.field("Transfer-Encoding").is_some()
    }

    /// Whether the peer waits for a word before it sends the body.
    #[must_use]
    pub fn expects(&self) -> bool {
        self.field("Expect")
            .is_some_and(|what| what.eq_ignore_ascii_case("100-continue"))
    }

    /// The body's length, if it does not come in chunks; what is no number is none.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.field("Content-Length")
            .and_then(|length| length.trim().parse().ok())
            .unwrap_or(0)
    }

    /// Whether the connection stands when this is answered.
    #[must_use]
    pub fn keeps_alive(&self) -> bool {
        self.minor == 1
            && !self
                .field("Connection")
                .is_some_and(|how| how.eq_ignore_ascii_case("close"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_when_it_is_whole() {
        let bytes = b"POST /api/put?details&x=1 HTTP/1.1\r\ncontent-LENGTH: 12\r\nConnection: Close\r\nExpect: 100-continue\r\n\r\nbody";
        for end in 0..bytes.len() - 4 {
            assert!(matches!(Head::parse(&bytes[..end]), Ok(None)), "{end}");
        }
        let (head, length) = Head::parse(bytes).expect("a head").expect("a whole one");
        assert_eq!(&bytes[length..], b"body");
        assert_eq!(
            (head.method.as_str(), head.path(), head.length()),
            ("POST", "/api/put", 12)
        );
        assert!(head.parameters().given("details") && head.expects());
        assert!(!head.keeps_alive() && !head.is_chunked());
        assert!(Head::parse(b"hello\r\n\r\n").is_err());
    }

    #[test]
    fn a_target_that_is_not_utf8_is_a_target() {
        let bytes = b"GET /api/\xC3x?m=s\xC3\xA4\x80 HTTP/1.1\r\nHost: \xFF\r\n\r\nbody";
        for end in 0..bytes.len() - 4 {
            assert!(matches!(Head::parse(&bytes[..end]), Ok(None)), "{end}");
        }
        let (head, length) = Head::parse(bytes).expect("a head").expect("a whole one");
        assert_eq!((&bytes[length..], head.path()), (&b"body"[..], "/api/%C3x"));
        assert_eq!(head.parameters().value("m"), Some("s\u{E4}\u{FFFD}"));
    }
}
