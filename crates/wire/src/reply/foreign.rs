//! Servers of other protocols, by the first bytes they say.
//!
//! ```text
//! SSH-2.0-OpenSSH_9.6\r\n               SSH, at once
//! HTTP/1.1 400 Bad Request\r\n          a web server, to a line that is no request
//! 15 03 01 00 02 02 46                  TLS's alert, to bytes that are no handshake
//! 220 mail.example.org ESMTP\r\n        mail; -ERR unknown command: Redis; and so on: something else
//! ```
//!
//! What every server of this protocol may say first is in [`KNOWN`], and [`Replies`](super::Replies) reads it. Anything else
//! is foreign, even if only a part of it has come.

use std::fmt;

/// What listens where a server of this protocol should.
///
/// ```
/// use potsdb_wire::reply::Foreign;
///
/// assert_eq!(Foreign::of(b"SSH-2.0-OpenSSH_9.6\r\n"), Some(Foreign::Ssh));
/// assert_eq!(Foreign::of(b"put: unknown metric: m\n"), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Foreign {
    /// A web server, or one behind a proxy for HTTP.
    Http,
    /// A server that wants a TLS handshake first.
    Tls,
    /// An SSH server.
    Ssh,
    /// Something else.
    Unknown,
}

/// How what servers of this protocol say begins, errors that go on over a second line included.
const KNOWN: [&[u8]; 9] = [
    b"put: ",
    b"rollup: ",
    b"histogram: ",
    b"unknown command: ",
    b"net.opentsdb.",
    b"Built on ",
    b"Caused by",
    b"KairosDB ",
    b"InfluxDB TSDB proxy",
];

/// How web servers begin. Some answer with a page alone to what is no request.
const HTTP: [&[u8]; 5] = [b"HTTP/", b"<html", b"<HTML", b"<!doctype", b"<!DOCTYPE"];

impl Foreign {
    /// Tells by the first bytes of a connection whether the server speaks another protocol.
    ///
    /// `None`: nothing was said yet, or it may be one of the servers of this protocol.
    pub fn of(said: &[u8]) -> Option<Self> {
        let said = said.trim_ascii_start();
        let begins = |known: &[u8]| said.starts_with(known) || known.starts_with(said);
        let version = memchr::memmem::find(said, b" built at revision ").is_some();
        if said.is_empty() || version || KNOWN.into_iter().any(begins) {
            return None;
        }
        Some(match said {
            _ if HTTP.iter().any(|http| said.starts_with(http)) => Self::Http,
            // An alert or a handshake, of SSL 3 to TLS 1.3.
            [0x15 | 0x16, 3, 0..=4, ..] => Self::Tls,
            _ if said.starts_with(b"SSH-") => Self::Ssh,
            _ => Self::Unknown,
        })
    }

    /// Returns the first line of what a server said as it is quoted: escaped, between quotation marks, and cut if it is long.
    pub fn quoted(said: &[u8]) -> Box<str> {
        let said = said.trim_ascii_start();
        let line = said.split(|byte| *byte == b'\n').next().unwrap_or_default();
        crate::error::excerpt(line.trim_ascii_end(), 0)
    }
}

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http => "an HTTP server",
            Self::Tls => "a TLS server",
            Self::Ssh => "an SSH server",
            Self::Unknown => "something else",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_server_of_the_protocol_says_is_foreign_and_named_where_it_is_obvious() {
        for (said, foreign) in [
            (&b"HTTP/1.1 400 Bad Request\r\nServer: nginx\r\n"[..], Foreign::Http),
            (b"<html>\r\n<head><title>400", Foreign::Http),
            (b"\r\nHTTP/1.0 408 Request Time-out", Foreign::Http),
            (b"SSH-2.0-OpenSSH_9.6\r\n", Foreign::Ssh),
            (b"\x15\x03\x01\x00\x02\x02\x46", Foreign::Tls),
            (b"\x16\x03\x03\x00\x7a", Foreign::Tls),
            (b"\x15", Foreign::Unknown),
            (b"220 mail.example.org ESMTP\r\n", Foreign::Unknown),
            (b"-ERR unknown command 'put'\r\n", Foreign::Unknown),
            (b"\xff\xfd\x18", Foreign::Unknown),
            (b"put m 1 1 a=b\n", Foreign::Unknown),
            (b"ERROR\r\n", Foreign::Unknown),
        ] {
            assert_eq!(Foreign::of(said), Some(foreign), "{:?}", Foreign::quoted(said));
        }
    }

    #[test]
    fn what_a_server_of_the_protocol_says_is_not_foreign_however_little_of_it_came() {
        for said in [
            "net.opentsdb.tools 2.4.1 built at revision eb12 (MINT)\n",
            "com.example.tsdb 2.4.1 built at revision eb12 (MINT)\n",
            "Built on 2021/09/08\n",
            "put: illegal argument: x\n",
            "put: something new\n",
            "unknown command: put.  Try `help'.\n",
            "Caused by RPC: PutRequest(x\n",
            "KairosDB 1.3.0\n",
            "InfluxDB TSDB proxyInfluxDB TSDB proxy",
            "\n\n",
        ] {
            assert_eq!(Foreign::of(said.as_bytes()), None, "{said:?}");
        }
        for said in ["n", "net.open", "put", "put:", "unknown comm", "Influ", "K", ""] {
            assert_eq!(Foreign::of(said.as_bytes()), None, "{said:?}");
        }
    }

    #[test]
    fn what_is_quoted_is_escaped_and_cut() {
        assert_eq!(
            &*Foreign::quoted(b"\x15\x03\x01\x00\x02"),
            r#""\u{15}\u{3}\u{1}\0\u{2}""#
        );
        assert_eq!(&*Foreign::quoted(b"SSH-2.0-x\r\n"), r#""SSH-2.0-x""#);
        assert_eq!(
            &*Foreign::quoted(b"\r\nHTTP/1.1 400 Bad\r\nServer: x"),
            r#""HTTP/1.1 400 Bad""#
        );
        assert!(Foreign::quoted(&[0xff; 100_000]).len() < 200);
    }
}
