//! Questions to a server, each on a visit of its own, with a deadline: one HTTP request, or some lines of telnet.
//!
//! `check` asks what a server is, `demo` and `compare` read points back. All need a status and a body from a server that may
//! be anything. The connection is the client's (`potsdb::Visit`), so TLS, login and headers are those of the points. What
//! is not an HTTP answer is told apart, because it too tells what the server is.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use potsdb::binding::{ClientBinding as _, Visit};
use potsdb::{Client, Endpoint};
use potsdb_wire::reply::Foreign;

/// Whom to ask, and how long it may take.
#[derive(Clone)]
pub(crate) struct Asked {
    pub(crate) client: Client,
    pub(crate) endpoint: Endpoint,
    pub(crate) address: SocketAddr,
    pub(crate) timeout: Duration,
}

/// An HTTP answer.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// The server's clock, from its `Date`.
    pub(crate) date: Option<SystemTime>,
    /// Where it sends the client.
    pub(crate) location: Option<String>,
    pub(crate) body: Vec<u8>,
}

/// Why there is no HTTP answer.
#[derive(Debug)]
pub(crate) enum NoAnswer {
    /// No connection.
    Connect(io::Error),
    /// The connection stands, and nothing came back in time.
    Silence(Duration),
    /// The connection ended before an answer came.
    Ended(io::Error),
    /// Something else than HTTP came back.
    Foreign(Vec<u8>),
}

impl Asked {
    /// Asks for a path, which begins where the URL's path does before its part `put`.
    pub(crate) fn get(&self, path: &str) -> Result<Answer, NoAnswer> {
        let (base, query) = base(self.endpoint.target());
        let (joint, query) = match query {
            "" => ("", ""),
            query if path.contains('?') => ("&", query),
            query => ("?", query),
        };
        self.ask("GET", &format!("{base}{path}{joint}{query}"), b"")
    }

    /// Posts a body to where points go.
    pub(crate) fn put(&self, body: &[u8]) -> Result<Answer, NoAnswer> {
        self.ask("POST", self.endpoint.target(), body)
    }

    fn ask(&self, method: &str, target: &str, body: &[u8]) -> Result<Answer, NoAnswer> {
        let mut visit = self.visit().map_err(NoAnswer::Connect)?;
        // At once after connecting: VictoriaMetrics accepts nobody else until a connection's first byte has come.
        visit.request(method, target, body).map_err(|error| self.none(error))?;
        let (received, end) = read_to_end(&mut visit);
        if let Some(answer) = parse(&received, end.is_none()) {
            return Ok(answer);
        }
        match end {
            _ if is_foreign(&received) => Err(NoAnswer::Foreign(received)),
            Some(error) => Err(self.none(error)),
            None => Err(NoAnswer::Ended(io::Error::other("the server closed it"))),
        }
    }

    /// Logs in, if that takes a line, and asks `version`. Returns what came back until `enough` says so, the end, or the
    /// deadline.
    pub(crate) fn version(&self, enough: impl Fn(&[u8]) -> bool) -> Result<Vec<u8>, NoAnswer> {
        let mut visit = self.visit().map_err(NoAnswer::Connect)?;
        let mut received = Vec::new();
        let asked = visit.log_in().and_then(|has_line| {
            if has_line {
                // A server drops what follows the line before it has let the connection in.
                read_until(&mut visit, &mut received, |text| text.contains(&b'\n'))?;
            }
            visit.write_all(b"version\n")?;
            read_until(&mut visit, &mut received, enough)
        });
        match asked {
            Ok(()) => Ok(received),
            Err(_) if !received.is_empty() => Ok(received),
            Err(error) => Err(self.none(error)),
        }
    }

    fn visit(&self) -> io::Result<Visit> {
        self.client.visit(&self.endpoint, self.address, self.timeout)
    }

    fn none(&self, error: io::Error) -> NoAnswer {
        match is_timeout(&error) {
            true => NoAnswer::Silence(self.timeout),
            false => NoAnswer::Ended(error),
        }
    }
}

/// A target without its part `put`, and its query: `/insert/0/opentsdb` and `x=y` of `/insert/0/opentsdb/api/put?x=y`.
fn base(target: &str) -> (&str, &str) {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let end = match path.find("/put") {
        Some(end) => path[..end].strip_suffix("/api").map_or(end, str::len),
        None => 0,
    };
    (&path[..end], query)
}

/// A part of a query: whatever has a meaning in one, and what is not ASCII, as `%41`.
pub(crate) fn encoded(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'/' | b'=' => {
                encoded.push(char::from(byte));
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

fn read_until(visit: &mut Visit, received: &mut Vec<u8>, enough: impl Fn(&[u8]) -> bool) -> io::Result<()> {
    let mut piece = [0; 4096];
    while !enough(received) && received.len() < LONGEST_ANSWER {
        match visit.read(&mut piece) {
            Ok(0) => break,
            Ok(count) => received.extend_from_slice(&piece[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// What came, and what ended it but the end of the stream.
fn read_to_end(visit: &mut Visit) -> (Vec<u8>, Option<io::Error>) {
    let mut received = Vec::new();
    // What is not HTTP will not become HTTP, and a server that keeps the connection open all the same has said how long
    // its answer is.
    let enough = |received: &[u8]| is_foreign(received) || parse(received, false).is_some();
    let ended = read_until(visit, &mut received, enough);
    let too_long = || io::Error::other(format!("the answer is longer than {LONGEST_ANSWER} bytes"));
    let end = match ended {
        Ok(()) => (received.len() >= LONGEST_ANSWER).then(too_long),
        Err(error) => Some(error),
    };
    (received, end)
}

/// Reads an answer; without a `Content-Length` its body goes to the end of the stream, which must have come.
fn parse(received: &[u8], ended: bool) -> Option<Answer> {
    let head_end = memchr::memmem::find(received, b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&received[..head_end]);
    let mut lines = head.split("\r\n");
    let status = lines.next()?.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok()?;
    let headers: Vec<_> = lines.filter_map(|line| line.split_once(':')).collect();
    let header = |wanted: &str| {
        let found = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted));
        found.map(|(_, value)| value.trim())
    };
    let length = header("content-length").and_then(|length| length.parse::<usize>().ok());
    let length = if status == 204 { Some(0) } else { length };
    let is_chunked = header("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked"));
    let body = &received[head_end + 4..];
    let body = match length {
        None if is_chunked => joined(body)?,
        Some(length) => body.get(..length)?.to_vec(),
        None if ended => body.to_vec(),
        None => return None,
    };
    Some(Answer {
        status,
        date: header("date").and_then(|date| httpdate::parse_http_date(date).ok()),
        location: header("location").map(str::to_owned),
        body,
    })
}

/// The chunks of a body in one piece, once the last one has come. Asked after every read, it copies nothing before.
fn joined(mut chunks: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = memchr::memmem::find(chunks, b"\r\n")?;
        let size = str::from_utf8(&chunks[..end]).ok()?.split(';').next()?;
        let size = usize::from_str_radix(size.trim(), 16).ok()?;
        if size == 0 {
            return Some(body.concat());
        }
        let chunk = chunks.get(end + 2..)?;
        body.push(chunk.get(..size)?);
        chunks = chunk.get(size..)?.strip_prefix(b"\r\n")?;
    }
}

fn is_foreign(received: &[u8]) -> bool {
    let start = b"HTTP/1.";
    !start.starts_with(&received[..received.len().min(start.len())])
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock)
}

impl fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NoAnswer::Connect(error) => write!(f, "no connection: {error}"),
            NoAnswer::Silence(waited) => write!(f, "no answer within {waited:?}"),
            NoAnswer::Ended(error) => write!(f, "no whole answer: {error}"),
            // The question may have a secret in it.
            NoAnswer::Foreign(bytes) if bytes.starts_with(b"GET ") || bytes.starts_with(b"POST ") => {
                f.write_str("what answers there sends back what it is sent")
            }
            NoAnswer::Foreign(bytes) => {
                let foreign = Foreign::of(bytes).unwrap_or(Foreign::Unknown);
                write!(f, "{foreign} answers there: {}", Foreign::quoted(bytes))
            }
        }
    }
}

impl std::error::Error for NoAnswer {}

/// Far above what any question asked here is answered with, far below what would hurt.
const LONGEST_ANSWER: usize = 64 << 20;

#[cfg(test)]
mod tests {
    use super::{base, encoded, parse};

    #[test]
    fn an_answer_with_a_length_is_whole_before_the_stream_ends() {
        let answer = parse(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}x", false).expect("a whole answer");
        assert_eq!((answer.status, answer.body.as_slice()), (200, b"{}".as_slice()));
        assert!(parse(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{}", true).is_none());
        assert!(parse(b"HTTP/1.1 204 No Content\r\n\r\n", false).is_some());
    }

    #[test]
    fn an_answer_without_a_length_goes_to_the_end_of_the_stream() {
        let bytes = b"HTTP/1.0 404 Not Found\r\nServer: x\r\n\r\n404 page";
        assert!(parse(bytes, false).is_none());
        assert_eq!(parse(bytes, true).expect("a whole answer").body, b"404 page");
    }

    #[test]
    fn a_body_in_chunks_is_whole_with_its_last_one() {
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        let whole = format!("{head}3;x=y\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n");
        assert_eq!(
            parse(whole.as_bytes(), false).expect("a whole answer").body,
            b"abc0123456789"
        );
        for end in head.len()..whole.len() - 4 {
            assert!(parse(&whole.as_bytes()[..end], true).is_none(), "{end}");
        }
    }

    #[test]
    fn what_is_not_http_is_no_answer() {
        assert!(parse(b"KairosDB 1.3.0\n\r\n\r\n", true).is_none());
    }

    #[test]
    fn the_head_tells_the_servers_clock_and_where_else_to_go() {
        let bytes = b"HTTP/1.1 302 Found\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nLocation: /login\r\n\r\n";
        let answer = parse(bytes, true).expect("a whole answer");
        let seconds = answer
            .date
            .map(|date| date.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs());
        assert_eq!(
            (seconds, answer.location.as_deref()),
            (Some(784_111_777), Some("/login"))
        );
    }

    #[test]
    fn what_has_a_meaning_in_a_query_is_encoded() {
        assert_eq!(encoded("dc=eu/1"), "dc=eu/1");
        assert_eq!(encoded("z\u{fc}&{}"), "z%C3%BC%26%7B%7D");
    }

    #[test]
    fn questions_are_asked_below_the_path_that_points_go_to() {
        assert_eq!(base(""), ("", ""));
        assert_eq!(base("/api/put"), ("", ""));
        assert_eq!(base("/insert/0/opentsdb/api/put?x=y"), ("/insert/0/opentsdb", "x=y"));
        assert_eq!(base("/gate/put"), ("/gate", ""));
    }
}
