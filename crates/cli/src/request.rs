//! One HTTP GET over a plain socket, with a deadline.
//!
//! `check` asks what a server is, `demo` reads its points back. Both need a status and a small body from a server
//! that may be anything, so this is HTTP/1.0, which every one of them answers without chunks and ends by closing.
//! What is not an HTTP answer is told apart, because it too tells what the server is.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// An HTTP answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
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

/// Asks the server at `address` for `path`; `host` is what its `Host` header says.
pub(crate) fn get(address: SocketAddr, host: &str, path: &str, timeout: Duration) -> Result<Answer, NoAnswer> {
    let deadline = Instant::now() + timeout;
    let mut stream = TcpStream::connect_timeout(&address, timeout).map_err(NoAnswer::Connect)?;
    // At once after connecting: VictoriaMetrics accepts nobody else until a connection's first byte has come.
    let head = format!("GET {path} HTTP/1.0\r\nHost: {host}\r\nAccept: application/json, text/plain\r\n\r\n");
    stream.set_write_timeout(Some(timeout)).map_err(NoAnswer::Ended)?;
    stream.write_all(head.as_bytes()).map_err(NoAnswer::Ended)?;

    let received = read_to_end(&mut stream, deadline);
    let (received, end) = match received {
        Ok(received) => (received, None),
        Err((received, error)) => (received, Some(error)),
    };
    if let Some(answer) = parse(&received, end.is_none()) {
        return Ok(answer);
    }
    match end {
        _ if is_foreign(&received) => Err(NoAnswer::Foreign(received)),
        Some(error) if is_timeout(&error) => Err(NoAnswer::Silence(timeout)),
        Some(error) => Err(NoAnswer::Ended(error)),
        None => Err(NoAnswer::Ended(io::ErrorKind::UnexpectedEof.into())),
    }
}

/// Writes `text` to a telnet port and returns what comes back until `enough` says so, the end, or the deadline.
pub(crate) fn ask(
    address: SocketAddr,
    text: &str,
    timeout: Duration,
    enough: impl Fn(&[u8]) -> bool,
) -> io::Result<Vec<u8>> {
    let deadline = Instant::now() + timeout;
    let mut stream = TcpStream::connect_timeout(&address, timeout)?;
    stream.set_write_timeout(Some(timeout))?;
    stream.write_all(text.as_bytes())?;
    let mut received = Vec::new();
    let mut piece = [0; 4096];
    while !enough(&received) && received.len() < LONGEST_ANSWER {
        match read_some(&mut stream, &mut piece, deadline) {
            Ok(0) => break,
            Ok(count) => received.extend_from_slice(&piece[..count]),
            Err(error) if is_timeout(&error) => break,
            Err(error) => return Err(error),
        }
    }
    Ok(received)
}

fn read_to_end(stream: &mut TcpStream, deadline: Instant) -> Result<Vec<u8>, (Vec<u8>, io::Error)> {
    let mut received = Vec::new();
    let mut piece = vec![0; 64 * 1024];
    loop {
        match read_some(stream, &mut piece, deadline) {
            Ok(0) => return Ok(received),
            Ok(count) => received.extend_from_slice(&piece[..count]),
            Err(error) => return Err((received, error)),
        }
        if received.len() > LONGEST_ANSWER {
            let error = io::Error::other(format!("the answer is longer than {LONGEST_ANSWER} bytes"));
            return Err((received, error));
        }
        // What is not HTTP will not become HTTP, and a server that keeps the connection open all the same has said how
        // long its answer is.
        if is_foreign(&received) || parse(&received, false).is_some() {
            return Ok(received);
        }
    }
}

fn read_some(stream: &mut TcpStream, piece: &mut [u8], deadline: Instant) -> io::Result<usize> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(io::ErrorKind::TimedOut.into());
    }
    stream.set_read_timeout(Some(left))?;
    stream.read(piece)
}

/// Reads an answer; without a `Content-Length` its body goes to the end of the stream, which must have come.
fn parse(received: &[u8], ended: bool) -> Option<Answer> {
    let head_end = memchr::memmem::find(received, b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&received[..head_end]);
    let mut lines = head.split("\r\n");
    let status = lines.next()?.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok()?;
    let length = lines
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .and_then(|(_, length)| length.trim().parse::<usize>().ok());
    let body = &received[head_end + 4..];
    match length {
        Some(length) if body.len() >= length => Some(Answer {
            status,
            body: body[..length].to_vec(),
        }),
        None if ended => Some(Answer {
            status,
            body: body.to_vec(),
        }),
        _ => None,
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
            NoAnswer::Silence(waited) => write!(f, "connected, and no answer within {waited:?}"),
            NoAnswer::Ended(error) => write!(f, "connected, and no whole answer: {error}"),
            NoAnswer::Foreign(bytes) => {
                let start = String::from_utf8_lossy(&bytes[..bytes.len().min(60)]);
                write!(f, "answers, but not HTTP: {start:?}")
            }
        }
    }
}

impl std::error::Error for NoAnswer {}

/// Far above what any question asked here is answered with, far below what would hurt.
const LONGEST_ANSWER: usize = 64 << 20;

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn an_answer_with_a_length_is_whole_before_the_stream_ends() {
        let answer = parse(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}x", false).expect("a whole answer");
        assert_eq!((answer.status, answer.body.as_slice()), (200, b"{}".as_slice()));
        assert!(parse(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{}", true).is_none());
    }

    #[test]
    fn an_answer_without_a_length_goes_to_the_end_of_the_stream() {
        let bytes = b"HTTP/1.0 404 Not Found\r\nServer: x\r\n\r\n404 page";
        assert!(parse(bytes, false).is_none());
        assert_eq!(parse(bytes, true).expect("a whole answer").body, b"404 page");
    }

    #[test]
    fn what_is_not_http_is_no_answer() {
        assert!(parse(b"KairosDB 1.3.0\n\r\n\r\n", true).is_none());
    }
}
