//! HTTP responses, found in the bytes of a connection.
//!
//! ```text
//! HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}        the length is announced
//! HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n
//! HTTP/1.0 200 OK\r\n\r\n{}                             the end of the stream is the body's
//!
//!   .---.            .--> Length ---- so many bytes ------.
//!   |   | 1xx        |                                     v
//!   '-> Head --------+--> Chunks ---- the last one -----> a response, and Head again
//!                    |                                     ^
//!                    '--> ToTheEnd -- end of the stream ---'
//! ```
//!
//! A server says what it likes for as long as it likes. So each byte is looked at once, or twice in a head; no more is
//! kept than one response that keeps to the bounds; and what no server of `/api/put` says is refused. [`Responses`]
//! takes bytes as they come and gives a [`Response`] once its last byte is there. What follows from it is the
//! exchange's.

use core::time::Duration;

use memchr::memchr;

use super::chunks::Chunks;
use super::error::ResponseError;
use super::head::{self, Framing, Head};
use crate::reply::{self, PutReply};

/// A whole response.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Response {
    /// The status, 200 or above.
    pub status: u16,
    /// The body, its chunks put together.
    pub body: Vec<u8>,
    /// When the server sent it, in whole seconds since 1970 by its own clock.
    pub date: Option<i64>,
    /// How long the server wants to be left alone, at most [`MAX_RETRY_AFTER`](super::MAX_RETRY_AFTER). A date counts from the server's own.
    pub retry_after: Option<Duration>,
    /// Where a redirection leads: host and port. Only to be told; nobody goes there.
    pub location: Option<String>,
    /// Whether the server keeps the connection for another request.
    pub keeps: bool,
}

impl Response {
    /// Returns what this means as the answer to a put: [`reply::put`], with where a redirection leads in its words.
    pub fn put(&self) -> PutReply<'_> {
        match (&self.location, reply::put(self.status, &self.body)) {
            (Some(host), PutReply::WrongUrl { .. }) if (300..400).contains(&self.status) => {
                let mut words = format!("HTTP {}", self.status);
                crate::words::append(&mut words, format!("leads to {host}").as_bytes());
                PutReply::WrongUrl { words }
            }
            (_, reply) => reply,
        }
    }
}

/// The responses of one connection, read as they come.
///
/// However the bytes are split into reads, the responses are the same. Each byte costs a bounded time. What is
/// [held](Self::held) is at most a head and a body, each within its bound.
///
/// ```
/// use potsdb_wire::http::Responses;
///
/// let mut responses = Responses::new();
/// let mut bytes = &b"HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 4"[..];
/// let response = responses.read(&mut bytes)?.expect("it is whole");
/// assert_eq!((response.status, response.keeps), (204, true));
/// assert_eq!(responses.read(&mut bytes)?, None);
/// # Ok::<(), potsdb_wire::http::ResponseError>(())
/// ```
#[derive(Debug)]
pub struct Responses {
    at: At,
    /// The head as far as it came.
    bytes: Vec<u8>,
    /// The head of the body that comes.
    head: Option<Head>,
    body: Vec<u8>,
    /// The bytes of heads and empty lines since the last response.
    heads: usize,
    /// The longest body that is taken.
    limit: usize,
}

#[derive(Debug, PartialEq, Eq)]
enum At {
    /// In a head, or before one, with the place where the line begins that the next byte belongs to.
    Head {
        line: usize,
    },
    /// In a body, so many bytes before its end.
    Length(usize),
    Chunks(Chunks),
    ToTheEnd,
    Failed(ResponseError),
}

impl Default for Responses {
    fn default() -> Self {
        Self::new()
    }
}

impl Responses {
    /// The longest head, with the interim responses and empty lines before it.
    pub const MAX_HEAD: usize = 64 << 10;

    /// The longest body of an answer that is about no point.
    pub const MAX_BODY: usize = 64 << 10;

    /// Makes the reader of a new connection's responses.
    pub fn new() -> Self {
        Self {
            at: At::Head { line: 0 },
            bytes: Vec::new(),
            head: None,
            body: Vec::new(),
            heads: 0,
            limit: Self::MAX_BODY,
        }
    }

    /// Says how many points the next response is about, and how many bytes their lines have.
    ///
    /// A server may repeat each point that it refuses, and its words may repeat it once more; both take more room in JSON
    /// than on the line. So its body may have
    /// 512 bytes a point and three times its line beyond [`MAX_BODY`](Self::MAX_BODY). A longer one is an error.
    pub fn expect(&mut self, points: u64, bytes: usize) {
        let points = usize::try_from(points).unwrap_or(usize::MAX);
        let told = points.saturating_mul(512).saturating_add(bytes.saturating_mul(3));
        self.limit = Self::MAX_BODY.saturating_add(told);
    }

    /// Returns whether something of the next response is there.
    pub fn is_begun(&self) -> bool {
        !self.bytes.is_empty() || self.head.is_some()
    }

    /// Returns how many bytes are held of a response that is not complete: at most [`MAX_HEAD`](Self::MAX_HEAD) and what
    /// [`expect`](Self::expect) allows.
    pub fn held(&self) -> usize {
        self.bytes.len() + self.body.len()
    }

    /// Takes what the server wrote off the front of `bytes`, up to the end of a response, which it returns. `None`: all of
    /// it is taken, and the next response is not complete.
    ///
    /// After an error it is always the same error.
    pub fn read(&mut self, bytes: &mut &[u8]) -> Result<Option<Response>, ResponseError> {
        let read = self.advance(bytes);
        if let Err(error) = &read {
            *bytes = &[];
            *self = Self {
                at: At::Failed(error.clone()),
                ..Self::new()
            };
        }
        read
    }

    /// Returns the response that the end of the stream completes: one that does not say how long it is.
    pub fn end(&mut self) -> Option<Response> {
        (self.at == At::ToTheEnd).then(|| self.finish())
    }

    fn advance(&mut self, bytes: &mut &[u8]) -> Result<Option<Response>, ResponseError> {
        while let At::Head { line } = self.at {
            if bytes.is_empty() {
                return Ok(None);
            }
            self.read_line(line, bytes)?;
        }
        let whole = match &mut self.at {
            At::Failed(error) => return Err(error.clone()),
            At::Length(left) => {
                let content = bytes.split_off(..bytes.len().min(*left)).expect("no longer than it is");
                self.body.extend_from_slice(content);
                *left -= content.len();
                *left == 0
            }
            At::Chunks(chunks) => chunks.read(bytes, &mut self.body, self.limit)?,
            At::ToTheEnd => {
                if bytes.len() > self.limit.saturating_sub(self.body.len()) {
                    return Err(ResponseError::BodyTooLong(self.limit));
                }
                self.body.extend_from_slice(std::mem::take(bytes));
                false
            }
            At::Head { .. } => unreachable!("a head was read above"),
        };
        Ok(whole.then(|| self.finish()))
    }

    /// Takes the rest of the line that begins at `line` of the head, or as much of it as there is. An empty line ends
    /// the head.
    fn read_line(&mut self, line: usize, bytes: &mut &[u8]) -> Result<(), ResponseError> {
        let room = Self::MAX_HEAD - self.heads;
        let newline = memchr(b'\n', bytes);
        let len = newline.map_or(bytes.len(), |at| at + 1);
        let part = bytes.split_off(..len.min(room)).expect("no longer than it is");
        self.heads += part.len();
        self.bytes.extend_from_slice(part);
        // Whoever speaks something else may never come to an empty line.
        let start = &self.bytes[..self.bytes.len().min(START.len())];
        if !START.starts_with(start) && !EMPTY.contains(&start) && start != b"\r" {
            return Err(ResponseError::NotHttp(head::NO_STATUS_LINE));
        }
        if len > room {
            return Err(ResponseError::HeadTooLong(Self::MAX_HEAD));
        }
        if newline.is_none() {
            return Ok(());
        }
        if !EMPTY.contains(&&self.bytes[line..]) {
            let line = self.bytes.len();
            self.at = At::Head { line };
            return Ok(());
        }
        self.at = At::Head { line: 0 };
        if line > 0 {
            let head = Head::read(&self.bytes)?;
            // 100 Continue and its like are not the response.
            if head.status >= 200 {
                self.at = self.begin(head.framing)?;
                self.head = Some(head);
            }
        }
        self.bytes.clear();
        Ok(())
    }

    fn begin(&self, framing: Framing) -> Result<At, ResponseError> {
        Ok(match framing {
            Framing::Chunked => At::Chunks(Chunks::new()),
            Framing::ToTheEnd => At::ToTheEnd,
            Framing::Length(length) => match usize::try_from(length) {
                Ok(length) if length <= self.limit => At::Length(length),
                _ => return Err(ResponseError::BodyTooLong(self.limit)),
            },
        })
    }

    fn finish(&mut self) -> Response {
        let head = self.head.take().expect("a body follows its head");
        self.at = At::Head { line: 0 };
        self.heads = 0;
        Response {
            status: head.status,
            body: std::mem::take(&mut self.body),
            date: head.date,
            retry_after: head.retry_after,
            location: head.location,
            keeps: head.keeps,
        }
    }
}

/// How every head begins.
const START: &[u8] = b"HTTP/1.";

const EMPTY: [&[u8]; 2] = [b"\n", b"\r\n"];

#[cfg(test)]
mod tests {
    use super::*;

    fn all(stream: &[u8], piece: usize) -> Result<Vec<(u16, String, bool)>, ResponseError> {
        let mut responses = Responses::new();
        let mut found = Vec::new();
        let show = |response: Response| {
            let body = String::from_utf8(response.body).unwrap();
            (response.status, body, response.keeps)
        };
        for mut bytes in stream.chunks(piece) {
            while let Some(response) = responses.read(&mut bytes)? {
                found.push(show(response));
            }
            assert!(bytes.is_empty());
        }
        found.extend(responses.end().map(show));
        Ok(found)
    }

    #[test]
    fn responses_are_found_wherever_the_stream_is_cut() {
        let stream = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n\
            HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabc\
            \r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n\
            HTTP/1.1 400 Bad Request\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4;x=y\r\nd\r\nf\r\n0\r\n\r\n\
            HTTP/1.1 400 Bad Request\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n1\r\na\r\n0\r\nX: y\r\n\r\n\
            HTTP/1.0 500 Oh\n\nthe rest";
        let expected = [
            (204, "".to_owned(), true),
            (200, "abc".to_owned(), true),
            (200, "".to_owned(), true),
            (400, "abcd\r\nf".to_owned(), true),
            (400, "a".to_owned(), false),
            (500, "the rest".to_owned(), false),
        ];
        for piece in [1, 2, 3, 7, 20, 1000] {
            assert_eq!(all(stream, piece).unwrap(), expected, "in pieces of {piece}");
        }
    }

    #[test]
    fn half_a_response_is_none() {
        for stream in [
            &b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nab"[..],
            b"HTTP/1.1 204 No",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
            b"HTTP/1.1 100 Continue\r\n\r\n",
            b"\r\n\r\n",
        ] {
            assert_eq!(all(stream, 1).unwrap(), []);
        }
    }

    #[test]
    fn it_is_told_when_something_has_come() {
        let mut responses = Responses::new();
        let mut begun = |bytes: &str| {
            responses.read(&mut bytes.as_bytes()).unwrap();
            responses.is_begun()
        };
        assert!(!begun("") && !begun("HTTP/1.1 100 Continue\r\n\r\n\r\n"));
        assert!(begun("H") && begun("TTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n"));
        assert!(!begun("x"));
    }

    #[test]
    fn what_is_not_http_is_an_error_and_stays_one() {
        for said in ["net.opentsdb.tools", "SSH-2.0-x\r\n", "\r\r", "HTTP/2", "\x15\x03\x01"] {
            assert!(
                all(said.as_bytes(), 100).is_err() && all(said.as_bytes(), 1).is_err(),
                "{said:?}"
            );
        }
        let mut responses = Responses::new();
        let mut bytes = &b"net.opentsdb.tools built at revision\n\nHTTP/1.1 204 No Content\r\n\r\n"[..];
        let error = responses.read(&mut bytes).unwrap_err();
        assert!(bytes.is_empty() && matches!(error, ResponseError::NotHttp(_)));
        assert_eq!(responses.read(&mut &b"HTTP/1.1 204 No Content\r\n\r\n"[..]), Err(error));
        assert_eq!((responses.end(), responses.held()), (None, 0));
    }

    #[test]
    fn a_head_and_what_comes_before_it_has_a_bound() {
        let start = "HTTP/1.1 200 OK\r\n";
        for (start, piece) in [
            (start, "X: yyyyyyyy\r\n"),
            (start, "y"),
            (start, "\0"),
            ("HTTP/1.", "1"),
            ("", "\r\n\r\n"),
            ("", "HTTP/1.1 100 Continue\r\n\r\n"),
        ] {
            let mut responses = Responses::new();
            let stream = start.to_owned() + &piece.repeat(Responses::MAX_HEAD);
            let mut failed = None;
            for mut bytes in stream.as_bytes().chunks(997) {
                failed = responses.read(&mut bytes).err();
                assert!(responses.held() <= Responses::MAX_HEAD);
            }
            assert_eq!(
                failed,
                Some(ResponseError::HeadTooLong(Responses::MAX_HEAD)),
                "{start:?} {piece:?}"
            );
        }
        let head = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX: ";
        let long = |len: usize| head.to_owned() + &"y".repeat(len - head.len() - 4) + "\r\n\r\n";
        let twice = long(Responses::MAX_HEAD).repeat(2);
        assert_eq!(all(twice.as_bytes(), 1000).unwrap().len(), 2);
        let error = all(long(Responses::MAX_HEAD + 1).as_bytes(), 1000).unwrap_err();
        assert_eq!(error, ResponseError::HeadTooLong(Responses::MAX_HEAD));
    }

    #[test]
    fn a_body_is_as_long_as_the_points_asked_about_allow() {
        let read = |points: u64, bytes: usize, len: usize, framing: usize| {
            let mut responses = Responses::new();
            responses.expect(points, bytes);
            let body = "x".repeat(len);
            let stream = match framing {
                0 => format!("HTTP/1.1 200 OK\r\nContent-Length: {len}\r\n\r\n{body}"),
                1 => format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{len:x}\r\n{body}\r\n0\r\n\r\n"),
                _ => format!("HTTP/1.1 200 OK\r\n\r\n{body}"),
            };
            let mut stream = stream.as_bytes();
            let read = responses.read(&mut stream)?;
            Ok::<_, ResponseError>(read.or_else(|| responses.end()).map(|response| response.body.len()))
        };
        for framing in 0..3 {
            for (points, bytes, limit) in [(0, 0, 65_536), (10, 300, 65_536 + 5120 + 900)] {
                assert_eq!(read(points, bytes, limit, framing), Ok(Some(limit)));
                let error = read(points, bytes, limit + 1, framing).unwrap_err();
                assert_eq!(error, ResponseError::BodyTooLong(limit));
                assert!(
                    error
                        .to_string()
                        .contains(&format!("longer than {limit} bytes: 64 KiB"))
                );
            }
        }
        let mut responses = Responses::new();
        responses.expect(u64::MAX, usize::MAX);
        assert_eq!(responses.limit, usize::MAX);
    }

    #[test]
    fn a_refusal_that_repeats_every_longest_point_is_no_longer_than_it_may_be() {
        // Many short tags make the most of their line in JSON, and OpenTSDB's words for too many of them repeat them.
        let tags: Vec<_> = (100..260).map(|number| format!("{number}")).collect();
        let line = format!("put m 1700000000123 1.0 {}=b\n", tags.join("=b "));
        let mut json = Vec::new();
        crate::json::write_point(&crate::line::parse(line.as_bytes()).unwrap(), &mut json);
        let told = format!(
            "Too many tags: 160 maximum allowed: 8, tags: {{{}=b}}",
            tags.join("=b, ")
        );
        let error = format!(
            r#"{{"datapoint":{},"error":"{told}"}},"#,
            String::from_utf8(json).unwrap()
        );
        assert!(line.len() > 970 && error.len() > 2 * line.len());
        let mut responses = Responses::new();
        responses.expect(1000, 1000 * line.len());
        assert!(
            1000 * error.len() < responses.limit,
            "{} of {}",
            error.len(),
            line.len()
        );
    }

    #[test]
    fn a_redirection_tells_where_it_leads() {
        let read = |status: &str| {
            let head =
                format!("HTTP/1.1 {status}\r\nLocation: https://a:b@sso.example/x\r\nContent-Length: 4\r\n\r\ngone");
            Responses::new().read(&mut head.as_bytes()).unwrap().unwrap()
        };
        for (status, words) in [
            ("302 Found", "HTTP 302 leads to sso.example"),
            ("404 Not Found", "HTTP 404 gone"),
        ] {
            assert_eq!(
                read(status).put(),
                PutReply::WrongUrl {
                    words: words.to_owned()
                }
            );
        }
        assert_eq!(
            read("201 Created").put(),
            PutReply::WrongUrl {
                words: "HTTP 201 gone".to_owned()
            }
        );
    }
}
