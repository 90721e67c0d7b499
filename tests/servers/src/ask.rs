//! Asking a foreign server: one HTTP request, and asking again until the answer is the one wanted.

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// How often is asked.
const EVERY: Duration = Duration::from_millis(25);

/// Asks until the answer is there, at most `patience`. A foreign server tells nobody when it is ready or has stored
/// something, so this is the one place that waits by the clock.
pub fn until<T>(patience: Duration, mut answer: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(answer) = answer() {
            return Some(answer);
        }
        if Instant::now() >= deadline {
            return None;
        }
        std::thread::sleep(EVERY);
    }
}

/// One request over HTTP 1.0, which no server answers in chunks: the status and the body.
///
/// # Errors
///
/// Nobody listens, or nothing comes within 60 s.
pub fn http(port: u16, method: &str, path: &str, body: &[u8]) -> io::Result<(u16, String)> {
    let mut connection = TcpStream::connect(("127.0.0.1", port))?;
    connection.set_read_timeout(Some(Duration::from_secs(60)))?;
    let length = body.len();
    let mut request =
        format!("{method} {path} HTTP/1.0\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n").into_bytes();
    request.extend_from_slice(body);
    connection.write_all(&request)?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer)?;
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    let (_, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
    Ok((status.unwrap_or(0), body.to_owned()))
}

/// What an answer that has to be a success says.
pub(crate) fn get(port: u16, path: &str) -> String {
    success(port, "GET", path, b"")
}

/// The same, of a request with a body.
pub(crate) fn success(port: u16, method: &str, path: &str, body: &[u8]) -> String {
    let (status, said) = http(port, method, path, body).expect("the server answers");
    let start = &said[..said.len().min(500)];
    assert!((200..300).contains(&status), "{method} {path}: {status} {start}");
    said
}
