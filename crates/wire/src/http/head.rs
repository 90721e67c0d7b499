//! The head of an HTTP response: its status, and the headers that matter to a client of `/api/put`.
//!
//! What says where the body ends is read strictly (RFC 9112, section 6.3). A server and a proxy that understand an unclear
//! head in two ways answer for each other's requests, and points would be acknowledged that nobody has.

use core::time::Duration;

use httparse::{EMPTY_HEADER, Header, ParserConfig, Status};

use super::date;
use super::error::ResponseError;

/// The longest time a server can ask to be left alone: it may be mended sooner than it thought.
pub const MAX_RETRY_AFTER: Duration = Duration::from_secs(600);

/// How many headers are read. A server's answer has ten, behind a content delivery network forty.
const HEADERS: usize = 128;

pub(super) const NO_STATUS_LINE: &str = "it does not begin with a status line of HTTP/1.0 or HTTP/1.1";

#[derive(Debug)]
pub(super) struct Head {
    pub(super) status: u16,
    pub(super) framing: Framing,
    pub(super) date: Option<i64>,
    pub(super) retry_after: Option<Duration>,
    pub(super) location: Option<String>,
    pub(super) keeps: bool,
}

/// How a body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    Length(u64),
    Chunked,
    ToTheEnd,
}

impl Head {
    /// Reads a whole head, its empty line included.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, ResponseError> {
        let mut headers = [EMPTY_HEADER; HEADERS];
        let mut response = httparse::Response::new(&mut headers);
        let parsed = ParserConfig::default().parse_response(&mut response, bytes);
        match parsed {
            Ok(Status::Complete(_)) => {}
            Ok(Status::Partial) => return Err(not_http("its head breaks off")),
            Err(httparse::Error::TooManyHeaders) => return Err(not_http("it has more than 128 headers")),
            Err(httparse::Error::HeaderName | httparse::Error::HeaderValue) => {
                return Err(not_http("a header is malformed, or goes on over a second line"));
            }
            Err(_) => return Err(not_http(NO_STATUS_LINE)),
        }
        let status = response.code.unwrap_or_default();
        let headers = &*response.headers;
        let is_1_1 = response.version == Some(1);
        let framing = framing(status, headers)?;
        Ok(Self {
            status,
            framing,
            date: sent(headers),
            retry_after: retry_after(headers),
            location: value(headers, "location").and_then(host),
            // A connection whose end is the body's is over, and one of HTTP/1.0 with chunks is not to be trusted.
            keeps: keeps(headers, is_1_1) && framing != Framing::ToTheEnd && (is_1_1 || framing != Framing::Chunked),
        })
    }
}

fn not_http(rule: &'static str) -> ResponseError {
    ResponseError::NotHttp(rule)
}

/// The values of all headers of that name. None of those that are looked for has characters beyond ASCII.
fn values<'a>(headers: &'a [Header<'_>], name: &'a str) -> impl Iterator<Item = &'a str> {
    let named = headers
        .iter()
        .filter(move |header| header.name.eq_ignore_ascii_case(name));
    named.map(|header| {
        str::from_utf8(header.value)
            .unwrap_or("\u{fffd}")
            .trim_matches([' ', '\t'])
    })
}

fn value<'a>(headers: &'a [Header<'_>], name: &'a str) -> Option<&'a str> {
    values(headers, name).next()
}

fn framing(status: u16, headers: &[Header<'_>]) -> Result<Framing, ResponseError> {
    let mut lengths = values(headers, "content-length");
    let length = match (lengths.next(), lengths.next()) {
        (None, _) => None,
        (Some(_), Some(_)) => return Err(not_http("its length is told twice")),
        (Some(text), None) => {
            let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            let length = text.parse().ok().filter(|_| is_number);
            Some(length.ok_or(not_http("its length is no number"))?)
        }
    };
    let mut codings = values(headers, "transfer-encoding");
    let chunked = match (codings.next(), codings.next()) {
        (None, _) => false,
        (Some(coding), None) if coding.eq_ignore_ascii_case("chunked") => true,
        _ => return Err(not_http("its transfer coding is not chunked alone")),
    };
    match (status, length) {
        (101, _) => Err(not_http("it switches to another protocol")),
        (..200 | 204 | 304, _) => Ok(Framing::Length(0)),
        (_, Some(_)) if chunked => Err(not_http("it has both a length and a transfer coding")),
        (_, Some(length)) => Ok(Framing::Length(length)),
        (_, None) if chunked => Ok(Framing::Chunked),
        (_, None) => Ok(Framing::ToTheEnd),
    }
}

fn keeps(headers: &[Header<'_>], is_1_1: bool) -> bool {
    let tokens = || {
        values(headers, "connection")
            .flat_map(|value| value.split(','))
            .map(str::trim)
    };
    let says = |word: &str| tokens().any(|token| token.eq_ignore_ascii_case(word));
    !says("close") && (is_1_1 || says("keep-alive"))
}

/// When the server sent it, in seconds since 1970 by its own clock.
fn sent(headers: &[Header<'_>]) -> Option<i64> {
    value(headers, "date").and_then(date::seconds)
}

/// Reads seconds, or a date, which only says something beside the server's own.
fn retry_after(headers: &[Header<'_>]) -> Option<Duration> {
    let text = value(headers, "retry-after")?;
    let seconds = if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        text.parse().unwrap_or(u64::MAX)
    } else {
        let wait = date::seconds(text)? - sent(headers)?;
        u64::try_from(wait).unwrap_or(0)
    };
    Some(Duration::from_secs(seconds).min(MAX_RETRY_AFTER))
}

/// The host and port of a URL; neither the name and password before it nor what follows.
fn host(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("//")?;
    let is_scheme = scheme.is_empty() || scheme.ends_with(':') && !scheme.contains(['/', '?', '#']);
    let authority = rest.split(['/', '?', '#', '\\']).next()?;
    let host = authority.rsplit('@').next()?;
    (is_scheme && !host.is_empty()).then(|| host.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(headers: &str) -> Result<Head, ResponseError> {
        Head::read(format!("HTTP/1.1 200 OK\r\n{headers}\r\n\r\n").as_bytes())
    }

    #[test]
    fn an_unclear_length_is_refused() {
        for (headers, rule) in [
            ("Content-Length: 1\r\nContent-Length: 1", "told twice"),
            ("Content-Length: 1\r\nContent-Length: 2", "told twice"),
            ("Content-Length: 1, 1", "no number"),
            ("Content-Length: +1", "no number"),
            ("Content-Length: -1", "no number"),
            ("Content-Length: 0x1", "no number"),
            ("Content-Length:", "no number"),
            ("Content-Length: 18446744073709551616", "no number"),
            ("Content-Length: 1\r\nTransfer-Encoding: chunked", "both a length"),
            ("Transfer-Encoding: chunked, gzip", "not chunked alone"),
            ("Transfer-Encoding: gzip, chunked", "not chunked alone"),
            ("Transfer-Encoding: xchunked", "not chunked alone"),
            ("Transfer-Encoding: identity", "not chunked alone"),
            (
                "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
                "not chunked alone",
            ),
            ("X: a\r\n b", "second line"),
            ("X : a", "malformed"),
        ] {
            let error = read(headers).unwrap_err().to_string();
            assert!(error.contains(rule), "{headers}: {error}");
        }
        let many = "X: y\r\n".repeat(129) + "X: y";
        assert!(read(&many).unwrap_err().to_string().contains("128 headers"));
    }

    #[test]
    fn what_is_not_http_1_is_refused() {
        for head in [
            "net.opentsdb.tools built at revision\n\n",
            "HTTP/2 200 OK\r\n\r\n",
            "HTTP/1.1 OK\r\n\r\n",
            "HTTP/1.1 20 OK\r\n\r\n",
            "GET / HTTP/1.1\r\n\r\n",
            "\x15\x03\x01\0\x02\x02\r\n\r\n",
        ] {
            let error = Head::read(head.as_bytes()).unwrap_err().to_string();
            assert!(error.contains("status line"), "{head:?}: {error}");
        }
        let error = Head::read(b"HTTP/1.1 101 Switching\r\nUpgrade: h2c\r\n\r\n").unwrap_err();
        assert!(error.to_string().contains("another protocol"), "{error}");
    }

    #[test]
    fn a_connection_is_kept_as_both_sides_understand_it() {
        for (version, headers, keeps) in [
            (1, "Content-Length: 1", true),
            (0, "Content-Length: 1", false),
            (0, "Content-Length: 1\r\nConnection: Keep-Alive", true),
            (1, "Content-Length: 1\r\nConnection: close", false),
            (1, "Content-Length: 1\r\nConnection: x, CLOSE", false),
            (
                1,
                "Content-Length: 1\r\nConnection: keep-alive\r\nConnection: close",
                false,
            ),
            (1, "Transfer-Encoding: Chunked", true),
            (0, "Transfer-Encoding: chunked\r\nConnection: keep-alive", false),
            (1, "X: to the end", false),
        ] {
            let head = format!("HTTP/1.{version} 200 OK\r\n{headers}\r\n\r\n");
            assert_eq!(Head::read(head.as_bytes()).unwrap().keeps, keeps, "{head}");
        }
    }

    #[test]
    fn the_time_to_wait_is_read_in_both_forms_and_never_long() {
        let date = "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n";
        for (headers, seconds) in [
            ("Retry-After: 120".to_owned(), Some(120)),
            ("Retry-After: 0".to_owned(), Some(0)),
            ("Retry-After: 31536000".to_owned(), Some(600)),
            ("Retry-After: 99999999999999999999999".to_owned(), Some(600)),
            (format!("{date}Retry-After: Sun, 06 Nov 1994 08:50:37 GMT"), Some(60)),
            (format!("{date}Retry-After: Sun, 06 Nov 1994 08:40:37 GMT"), Some(0)),
            (format!("{date}Retry-After: Sun, 06 Nov 2094 08:40:37 GMT"), Some(600)),
            ("Retry-After: Sun, 06 Nov 1994 08:50:37 GMT".to_owned(), None),
            ("Retry-After: soon".to_owned(), None),
            ("Retry-After: -1".to_owned(), None),
            ("Retry-After: +1".to_owned(), None),
            ("Retry-After:".to_owned(), None),
            ("X: y".to_owned(), None),
        ] {
            let head = read(&headers).unwrap();
            assert_eq!(head.retry_after, seconds.map(Duration::from_secs), "{headers}");
        }
    }

    #[test]
    fn of_a_redirection_only_the_host_is_told() {
        for (location, host) in [
            ("https://tsd.example:8443/login?next=%2Fapi", Some("tsd.example:8443")),
            ("https://alice:hunter22@tsd.example", Some("tsd.example")),
            ("//tsd.example/x", Some("tsd.example")),
            ("http://[::1]:4242/", Some("[::1]:4242")),
            ("/login?next=//x", None),
            ("login", None),
            ("https://", None),
        ] {
            let head = read(&format!("Location: {location}")).unwrap();
            assert_eq!(head.location.as_deref(), host, "{location}");
        }
    }
}
