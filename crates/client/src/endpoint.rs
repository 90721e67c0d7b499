//! An endpoint: where a server is to be found.
//!
//! ```text
//! tsdb://tsd1,tsd2:4243,[::1]:4242?mps=500&overflow=block
//! scheme  hosts, each with its own port or 4242    options
//! ```

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use crate::clock;
use crate::error::ConfigError;

/// OpenTSDB's port.
pub const DEFAULT_PORT: u16 = 4242;

/// One door to the store: scheme, host and port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint {
    host: String,
    port: u16,
}

impl Endpoint {
    /// Makes an endpoint of the telnet wire (`tsdb://`).
    #[must_use]
    pub fn new(host: &str, port: u16) -> Endpoint {
        Endpoint {
            host: host.to_owned(),
            port,
        }
    }

    /// The host's name or address, without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Connects to the first of its addresses that accepts, and closes the connection again.
    ///
    /// # Errors
    ///
    /// The socket layer's own error: of the name's resolution, or of the last address tried.
    pub fn check(&self, timeout: Duration) -> io::Result<SocketAddr> {
        let deadline = clock::deadline(timeout);
        let mut last = None;
        for address in (self.host.as_str(), self.port).to_socket_addrs()? {
            let left = deadline.map_or(timeout, |deadline| deadline.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                break;
            }
            match TcpStream::connect_timeout(&address, left) {
                Ok(_) => return Ok(address),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| io::Error::new(io::ErrorKind::TimedOut, "no address answered in time")))
    }

    /// The address, where the host is one: nothing to resolve then.
    pub(crate) fn literal(&self) -> Option<SocketAddr> {
        Some(SocketAddr::new(self.host.parse().ok()?, self.port))
    }

    fn parse(host: &str) -> Result<Endpoint, ConfigError> {
        let refuse = |rule| Err(ConfigError::url(host, rule));
        let (name, port) = match host.strip_prefix('[') {
            Some(rest) => match rest.split_once(']') {
                Some((name, "")) => (name, None),
                Some((name, port)) => (name, Some(port.strip_prefix(':').unwrap_or(port))),
                None => return refuse("an IPv6 address ends in `]`"),
            },
            None => match host.rsplit_once(':') {
                Some((name, _)) if name.contains(':') => {
                    return refuse("an IPv6 address stands in brackets: [::1]:4242");
                }
                Some((name, port)) => (name, Some(port)),
                None => (host, None),
            },
        };
        if name.is_empty() || name.bytes().any(|byte| byte <= b' ' || byte == b'@' || byte == 0x7f) {
            return refuse("a host is a name or an address");
        }
        match port.map(str::parse) {
            None => Ok(Endpoint::new(name, DEFAULT_PORT)),
            Some(Ok(port)) if port > 0 => Ok(Endpoint::new(name, port)),
            Some(_) => refuse("a port is a number from 1 to 65535"),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "tsdb://[{}]:{}", self.host, self.port),
            false => write!(f, "tsdb://{}:{}", self.host, self.port),
        }
    }
}

/// Options by name, as a URL's query gives them.
pub(crate) type Pairs = Vec<(String, String)>;

/// A URL's endpoints, and its options as written.
pub(crate) fn parse_url(url: &str) -> Result<(Vec<Endpoint>, Pairs), ConfigError> {
    let Some((scheme, rest)) = url.split_once("://") else {
        return Err(ConfigError::url(url, "a URL starts with its scheme: tsdb://host:4242"));
    };
    match scheme {
        "tsdb" => {}
        "tsdbs" | "http" | "https" => {
            return Err(ConfigError::url(
                url,
                "this version speaks the telnet wire only: tsdb://host:4242",
            ));
        }
        _ => return Err(ConfigError::url(url, "the scheme is tsdb")),
    }
    let (hosts, query) = rest.split_once('?').unwrap_or((rest, ""));
    let hosts = hosts.strip_suffix('/').unwrap_or(hosts);
    let endpoints = hosts.split(',').map(Endpoint::parse).collect::<Result<Vec<_>, _>>()?;
    let mut options = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair
            .split_once('=')
            .ok_or_else(|| ConfigError::url(pair, "an option is written name=value"))?;
        options.push((percent_decoded(name)?, percent_decoded(value)?));
    }
    Ok((endpoints, options))
}

fn percent_decoded(text: &str) -> Result<String, ConfigError> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
        match (digit(bytes.next()), digit(bytes.next())) {
            (Some(high), Some(low)) => out.push((high * 16 + low) as u8),
            _ => return Err(ConfigError::url(text, "`%` is followed by two hexadecimal digits")),
        }
    }
    String::from_utf8(out).map_err(|_| ConfigError::url(text, "an option is UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_host_form_is_read() {
        let (endpoints, options) = parse_url("tsdb://tsd1,tsd2:4243,[::1]:4244,[fe80::1]?mps=500&tags=a%3Db").unwrap();
        let shown: Vec<String> = endpoints.iter().map(ToString::to_string).collect();
        assert_eq!(
            shown,
            [
                "tsdb://tsd1:4242",
                "tsdb://tsd2:4243",
                "tsdb://[::1]:4244",
                "tsdb://[fe80::1]:4242"
            ]
        );
        assert_eq!(
            options,
            [
                ("mps".to_owned(), "500".to_owned()),
                ("tags".to_owned(), "a=b".to_owned())
            ]
        );
    }

    #[test]
    fn what_is_no_url_is_refused_with_the_rule() {
        for (url, rule) in [
            ("localhost", "starts with its scheme"),
            ("ftp://x", "the scheme is tsdb"),
            ("http://x", "telnet wire only"),
            ("tsdb://", "a host is a name"),
            ("tsdb://a,,b", "a host is a name"),
            ("tsdb://a:0", "a port is a number"),
            ("tsdb://a:99999", "a port is a number"),
            ("tsdb://::1", "in brackets"),
            ("tsdb://[::1", "ends in `]`"),
            ("tsdb://a b", "a host is a name"),
            ("tsdb://a?mps", "name=value"),
            ("tsdb://a?mps=%zz", "two hexadecimal digits"),
        ] {
            let error = parse_url(url).unwrap_err().to_string();
            assert!(error.contains(rule), "{url}: {error}");
        }
    }
}
