//! An HTTP answer, found in the bytes of a connection.
//!
//! ```text
//! HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}        the length is announced
//! HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n
//! HTTP/1.0 200 OK\r\n\r\n{}                             the end of the stream is the body's
//! ```
//!
//! [`Answers`] takes bytes as they come and gives an [`Answer`] once its last byte is there. What it means is
//! [`put`](crate::reply::put())'s; what follows from it is the exchange's.

use core::time::Duration;

use httparse::{EMPTY_HEADER, Status};

/// The longest head and the longest body taken. OpenTSDB answers each refused point with some
/// hundred bytes, and a body holds some ten thousand points at most.
const MOST: (usize, usize) = (64 << 10, 64 << 20);

/// Headers of an answer that are looked at, at most.
const HEADERS: usize = 64;

/// A whole answer.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
    /// How long the server wants to be left alone.
    pub retry_after: Option<Duration>,
    /// The server keeps the connection for another request.
    pub keeps: bool,
}

/// How a body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    Length(usize),
    Chunked,
    ToTheEnd,
}

#[derive(Debug)]
struct Head {
    status: u16,
    framing: Framing,
    retry_after: Option<Duration>,
    keeps: bool,
}

/// What came on a connection, and how far it is understood.
#[derive(Debug, Default)]
pub struct Answers {
    bytes: Vec<u8>,
    head: Option<Head>,
    /// The chunks read so far.
    body: Vec<u8>,
}

impl Answers {
    /// Takes in what the server wrote.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Whether bytes of an answer are there.
    pub fn is_begun(&self) -> bool {
        self.head.is_some() || !self.bytes.is_empty()
    }

    /// Takes out an answer that is complete. An error: this is not HTTP, or longer than anyone needs.
    #[expect(
        clippy::should_implement_trait,
        reason = "named as in the reader of telnet's replies"
    )]
    pub fn next(&mut self) -> Result<Option<Answer>, &'static str> {
        let head = match &self.head {
            Some(head) => head,
            None => match self.read_head()? {
                Some(head) => self.head.insert(head),
                None => return Ok(None),
            },
        };
        let whole = match head.framing {
            Framing::Length(length) if length > MOST.1 => return Err("the answer is too long"),
            Framing::Length(length) => match self.bytes.len() >= length {
                true => {
                    self.body.extend(self.bytes.drain(..length));
                    true
                }
                false => false,
            },
            Framing::Chunked => self.read_chunks()?,
            Framing::ToTheEnd if self.bytes.len() > MOST.1 => return Err("the answer is too long"),
            Framing::ToTheEnd => false,
        };
        Ok(whole.then(|| self.finish()))
    }

    /// The stream has ended: an answer without a length is complete.
    pub fn end(&mut self) -> Option<Answer> {
        (self.head.as_ref()?.framing == Framing::ToTheEnd).then(|| {
            self.body.append(&mut self.bytes);
            self.finish()
        })
    }

    fn finish(&mut self) -> Answer {
        let head = self.head.take().expect("a body follows its head");
        Answer {
            status: head.status,
            body: std::mem::take(&mut self.body),
            retry_after: head.retry_after,
            keeps: head.keeps,
        }
    }

    fn read_head(&mut self) -> Result<Option<Head>, &'static str> {
        loop {
            let mut headers = [EMPTY_HEADER; HEADERS];
            let mut response = httparse::Response::new(&mut headers);
            let length = match response.parse(&self.bytes) {
                Ok(Status::Complete(length)) => length,
                Ok(Status::Partial) if self.bytes.len() > MOST.0 => return Err("the answer's head is too long"),
                Ok(Status::Partial) => return Ok(None),
                Err(_) => return Err("the answer is not HTTP"),
            };
            let head = Head::of(&response)?;
            self.bytes.drain(..length);
            // 100 Continue and its like are not the answer.
            if head.status >= 200 {
                return Ok(Some(head));
            }
        }
    }

    /// Moves whole chunks to the body; returns whether the last one was there.
    fn read_chunks(&mut self) -> Result<bool, &'static str> {
        loop {
            let (start, size) = match httparse::parse_chunk_size(&self.bytes) {
                Ok(Status::Complete(found)) => found,
                Ok(Status::Partial) => return Ok(false),
                Err(_) => return Err("a chunk of the answer has no size"),
            };
            let size = usize::try_from(size).unwrap_or(usize::MAX);
            if size > MOST.1 - self.body.len() {
                return Err("the answer is too long");
            }
            let end = match size {
                // After the last chunk: perhaps trailers, then an empty line.
                0 if self.bytes[start..].starts_with(b"\r\n") => Some(start + 2),
                0 => memchr::memmem::find(&self.bytes[start..], b"\r\n\r\n").map(|at| start + at + 4),
                size => Some(start + size + 2).filter(|end| *end <= self.bytes.len()),
            };
            let Some(end) = end else { return Ok(false) };
            self.body.extend_from_slice(&self.bytes[start..start + size]);
            self.bytes.drain(..end);
            if size == 0 {
                return Ok(true);
            }
        }
    }
}

impl Head {
    fn of(response: &httparse::Response<'_, '_>) -> Result<Head, &'static str> {
        let status = response.code.unwrap_or_default();
        let mut head = Head {
            status,
            framing: Framing::ToTheEnd,
            retry_after: None,
            keeps: response.version == Some(1),
        };
        let (mut length, mut chunked) = (None, false);
        for header in &*response.headers {
            let value = String::from_utf8_lossy(header.value);
            let value = value.trim();
            if header.name.eq_ignore_ascii_case("content-length") {
                length = Some(value.parse().map_err(|_| "the answer's length is no number")?);
            } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
                chunked = value.to_ascii_lowercase().ends_with("chunked");
            } else if header.name.eq_ignore_ascii_case("connection") {
                head.keeps = match value.to_ascii_lowercase().as_str() {
                    "close" => false,
                    "keep-alive" => true,
                    _ => head.keeps,
                };
            } else if header.name.eq_ignore_ascii_case("retry-after") {
                // The other form is a date: then the own pause has to do.
                head.retry_after = value.parse().map(Duration::from_secs).ok();
            }
        }
        head.framing = match (status, length) {
            (..200 | 204 | 304, _) => Framing::Length(0),
            _ if chunked => Framing::Chunked,
            (_, Some(length)) => Framing::Length(length),
            _ => Framing::ToTheEnd,
        };
        head.keeps &= head.framing != Framing::ToTheEnd;
        Ok(head)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(stream: &[u8], piece: usize) -> Result<Vec<(u16, String, bool)>, &'static str> {
        let mut answers = Answers::default();
        let mut found = Vec::new();
        let show = |answer: Answer| {
            let body = String::from_utf8(answer.body).unwrap();
            (answer.status, body, answer.keeps)
        };
        for bytes in stream.chunks(piece) {
            answers.push(bytes);
            while let Some(answer) = answers.next()? {
                found.push(show(answer));
            }
        }
        found.extend(answers.end().map(show));
        Ok(found)
    }

    #[test]
    fn answers_are_found_wherever_the_stream_is_cut() {
        let stream = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n\
            HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabc\
            HTTP/1.1 400 Bad Request\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4;x=y\r\nd\r\nf\r\n0\r\n\r\n\
            HTTP/1.1 400 Bad Request\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n1\r\na\r\n0\r\nX: y\r\n\r\n\
            HTTP/1.0 500 Oh\r\n\r\nthe rest";
        let expected = [
            (204, "".to_owned(), true),
            (200, "abc".to_owned(), true),
            (400, "abcd\r\nf".to_owned(), true),
            (400, "a".to_owned(), false),
            (500, "the rest".to_owned(), false),
        ];
        for piece in [1, 2, 3, 7, 20, 1000] {
            assert_eq!(all(stream, piece).unwrap(), expected, "in pieces of {piece}");
        }
    }

    #[test]
    fn half_an_answer_is_none() {
        for stream in [
            &b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nab"[..],
            b"HTTP/1.1 204 No",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
        ] {
            assert_eq!(all(stream, 1).unwrap(), []);
        }
    }

    #[test]
    fn what_is_not_http_is_an_error() {
        for stream in [
            &b"net.opentsdb.tools built at revision\n"[..],
            b"HTTP/1.1 200 OK\r\ncontent-length: many\r\n\r\n",
            b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffff\r\n",
        ] {
            assert!(all(stream, 1000).is_err());
        }
        assert!(all(&[b"HTTP/1.1 200 OK\r\nx: ", &[b'a'; 70_000][..]].concat(), 1000).is_err());
    }

    #[test]
    fn the_time_to_wait_is_read() {
        let mut answers = Answers::default();
        answers.push(b"HTTP/1.1 503 No\r\nRetry-After: 120\r\nContent-Length: 0\r\n\r\n");
        assert_eq!(
            answers.next().unwrap().unwrap().retry_after,
            Some(Duration::from_secs(120))
        );
    }
}
