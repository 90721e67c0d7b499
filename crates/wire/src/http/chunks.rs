//! A chunked body, put together as it comes.
//!
//! ```text
//!  4;x=y\r\n  data\r\n  0\r\n  X: y\r\n  \r\n
//!  Size   \   Data  \   Size   Trailer   the end
//!          SizeEnd   DataEnd, DataFeed
//! ```
//!
//! Extensions and trailers are read over: they end when the server pleases, so what is not content has a bound too.

use super::error::ResponseError;

/// What may stand beside the content, and how much more for each byte of it. A chunk of one byte takes five beside it.
const BESIDE: usize = 64 << 10;
const BESIDE_EACH: usize = 8;

/// How far a body is read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Chunks {
    at: At,
    /// The bytes that are not content.
    beside: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// In a chunk's size, with what is read of it.
    Size(Option<usize>),
    /// After a chunk's size, up to the end of the line: blanks, or an extension.
    Extension(usize),
    /// Before the line feed that ends the size's line.
    SizeEnd(usize),
    /// So many bytes before the end of a chunk's content.
    Data(usize),
    /// Before the carriage return and before the line feed after it.
    DataEnd,
    DataFeed,
    /// After the last chunk, with so many bytes of a line read.
    Trailer(usize),
}

impl Chunks {
    pub(super) fn new() -> Self {
        Self {
            at: At::Size(None),
            beside: 0,
        }
    }

    /// Moves content from the front of `bytes` to `body`, which may grow to `limit`. Returns whether the body is whole; if
    /// not, it took all bytes.
    pub(super) fn read(&mut self, bytes: &mut &[u8], body: &mut Vec<u8>, limit: usize) -> Result<bool, ResponseError> {
        loop {
            if let At::Data(left) = self.at {
                let content = bytes.split_off(..left.min(bytes.len())).expect("no longer than it is");
                body.extend_from_slice(content);
                self.at = match left - content.len() {
                    0 => At::DataEnd,
                    left => At::Data(left),
                };
            }
            let Some(&byte) = bytes.split_off_first() else {
                return Ok(false);
            };
            self.beside += 1;
            if self.beside > BESIDE + BESIDE_EACH * body.len() {
                return Err(ResponseError::TooManyChunks);
            }
            self.at = match (self.at, byte) {
                (At::Size(size), b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
                    let digit = char::from(byte).to_digit(16).expect("a digit") as usize;
                    At::Size(Some(size.unwrap_or(0).saturating_mul(16).saturating_add(digit)))
                }
                (At::Size(Some(size)), b' ' | b'\t' | b';') => At::Extension(size),
                (At::Size(Some(size)) | At::Extension(size), b'\r') => At::SizeEnd(size),
                (At::Extension(size), byte) if byte != b'\n' => At::Extension(size),
                (At::SizeEnd(0), b'\n') => At::Trailer(0),
                (At::SizeEnd(size), b'\n') if size <= limit.saturating_sub(body.len()) => At::Data(size),
                (At::SizeEnd(_), b'\n') => return Err(ResponseError::BodyTooLong(limit)),
                (At::DataEnd, b'\r') => At::DataFeed,
                (At::DataFeed, b'\n') => At::Size(None),
                (At::Trailer(0), b'\n') => return Ok(true),
                (At::Trailer(_), b'\n') => At::Trailer(0),
                (At::Trailer(len), b'\r') => At::Trailer(len),
                (At::Trailer(len), _) => At::Trailer(len + 1),
                (At::DataEnd | At::DataFeed, _) => {
                    return Err(ResponseError::NotHttp("a chunk does not end where its size says"));
                }
                _ => return Err(ResponseError::NotHttp("a chunk has no size")),
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(stream: &[u8], limit: usize) -> Result<(bool, Vec<u8>), ResponseError> {
        let (mut body, mut bytes) = (Vec::new(), stream);
        let whole = Chunks::new().read(&mut bytes, &mut body, limit)?;
        assert!(whole || bytes.is_empty());
        Ok((whole, body))
    }

    #[test]
    fn content_is_put_together() {
        for (stream, body) in [
            ("0\r\n\r\n", ""),
            ("3\r\nabc\r\n0\r\n\r\n", "abc"),
            (
                "3\r\nabc\r\n00A;x=\"y\"\r\nd\r\ne\r\nfghi\r\n0 ; z\r\nX: y\r\nZ:\r\n\r\n",
                "abcd\r\ne\r\nfghi",
            ),
        ] {
            assert_eq!(read(stream.as_bytes(), 100).unwrap(), (true, body.into()), "{stream}");
            assert!(
                !read(&stream.as_bytes()[..stream.len() - 1], 100).unwrap().0,
                "{stream}"
            );
        }
    }

    #[test]
    fn a_chunk_that_is_none_is_refused() {
        for (stream, rule) in [
            ("\r\n", "no size"),
            (";x\r\n", "no size"),
            (" 1\r\n", "no size"),
            ("1\n", "no size"),
            ("1;x\n", "no size"),
            ("1\rx", "no size"),
            ("-1\r\n", "no size"),
            ("zz\r\n", "no size"),
            ("1\r\nab", "its size says"),
            ("1\r\na\rb", "its size says"),
            ("1\r\na\n", "its size says"),
        ] {
            let error = read(stream.as_bytes(), 100).unwrap_err().to_string();
            assert!(error.contains(rule), "{stream:?}: {error}");
        }
    }

    #[test]
    fn a_body_has_its_bound_and_what_stands_beside_it_too() {
        assert!(read(b"64\r\n", 100).is_ok() && read(b"32\r\n", 50).is_ok());
        for stream in [&b"65\r\n"[..], b"fffffffffffffffff\r\n", b"ffffffffffffffff\r\n"] {
            assert_eq!(read(stream, 100), Err(ResponseError::BodyTooLong(100)));
        }
        let mut bytes = &b"5\r\n12345\r\n5\r\n"[..];
        let told = Chunks::new().read(&mut bytes, &mut Vec::new(), 9);
        assert_eq!(told, Err(ResponseError::BodyTooLong(9)));
        for stream in ["5;", "5 ", "0", "0\r\nX: ", "0\r\nX\r\n"] {
            let stream = stream.to_owned() + &"y".repeat(BESIDE);
            let stream = stream.replace("0y", "00").replace("0y", "00");
            assert!(read(stream.as_bytes(), 100).is_err(), "{}", &stream[..10]);
        }
        // A server that sends byte for byte is odd, not hostile.
        let odd = "1\r\nx\r\n".repeat(100_000) + "0\r\n\r\n";
        assert!(read(odd.as_bytes(), 100_000).unwrap().0);
        let hostile = "1;xxxxxxxx\r\nx\r\n".repeat(100_000);
        assert_eq!(read(hostile.as_bytes(), 100_000), Err(ResponseError::TooManyChunks));
    }
}
