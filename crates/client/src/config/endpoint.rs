//! An endpoint: where a server is to be found, and how it is spoken to.
//!
//! ```text
//! tsdb    telnet                     4242      tsdbs   telnet over TLS    4242
//! http    POST /api/put              80        https   HTTP over TLS      443
//! ```
//!
//! Read by `url.rs` from text.

use std::fmt;
use std::net::SocketAddr;

/// OpenTSDB's port.
pub const DEFAULT_PORT: u16 = 4242;

/// The path OpenTSDB takes points at, which is where a path of the URL's leads to.
pub(crate) const PUT: &str = "/api/put";

/// The wire an endpoint speaks, and whether it is encrypted.
///
/// ```
/// use potsdb::Scheme;
///
/// let scheme: Scheme = "tsdbs".parse()?;
/// assert!(scheme.is_tls() && !scheme.is_http());
/// assert_eq!((scheme.to_string().as_str(), scheme.default_port()), ("tsdbs", 4242));
/// # Ok::<(), potsdb::ConfigError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Scheme {
    /// Telnet.
    Tsdb,
    /// Telnet over TLS.
    Tsdbs,
    /// HTTP.
    Http,
    /// HTTP over TLS.
    Https,
}

impl Scheme {
    /// Every one.
    pub(crate) const ALL: [Scheme; 4] = [Scheme::Tsdb, Scheme::Tsdbs, Scheme::Http, Scheme::Https];

    /// Its name, as a URL begins.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Scheme::Tsdb => "tsdb",
            Scheme::Tsdbs => "tsdbs",
            Scheme::Http => "http",
            Scheme::Https => "https",
        }
    }

    /// Whether points go as HTTP requests.
    #[must_use]
    pub fn is_http(self) -> bool {
        matches!(self, Scheme::Http | Scheme::Https)
    }

    /// Whether the connection is encrypted.
    #[must_use]
    pub fn is_tls(self) -> bool {
        matches!(self, Scheme::Tsdbs | Scheme::Https)
    }

    /// The port where none is named.
    #[must_use]
    pub fn default_port(self) -> u16 {
        match self {
            Scheme::Tsdb | Scheme::Tsdbs => DEFAULT_PORT,
            Scheme::Http => 80,
            Scheme::Https => 443,
        }
    }

    /// The feature of this crate that it needs and that was not built in.
    pub(crate) fn missing_feature(self) -> Option<&'static str> {
        match self {
            _ if self.is_http() && cfg!(not(feature = "http")) => Some("http"),
            _ if self.is_tls() && cfg!(not(feature = "tls")) => Some("tls"),
            _ => None,
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One way to the store: scheme, host and port; over HTTP also the request's target.
///
/// It prints as its URL without the query, which may hold a secret of the server's, and is read from one.
///
/// ```
/// use potsdb::{Endpoint, Scheme};
///
/// let endpoint: Endpoint = "http://tsd1/insert/0/opentsdb".parse()?;
/// assert_eq!((endpoint.scheme(), endpoint.host(), endpoint.port()), (Scheme::Http, "tsd1", 80));
/// assert_eq!(endpoint.target(), "/insert/0/opentsdb/api/put");
/// assert_eq!(Endpoint::new("::1", 4242).to_string(), "tsdb://[::1]:4242");
/// # Ok::<(), potsdb::ConfigError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Endpoint {
    scheme: Scheme,
    host: String,
    port: u16,
    target: String,
}

impl Endpoint {
    /// Makes an endpoint of the telnet wire (`tsdb://`).
    #[must_use]
    pub fn new(host: &str, port: u16) -> Endpoint {
        Endpoint::of(Scheme::Tsdb, host, port)
    }

    /// Makes an endpoint of any scheme; over HTTP its target is `/api/put`.
    #[must_use]
    pub fn of(scheme: Scheme, host: &str, port: u16) -> Endpoint {
        Endpoint {
            scheme,
            host: host.to_owned(),
            port,
            target: if scheme.is_http() {
                PUT.to_owned()
            } else {
                String::new()
            },
        }
    }

    pub(crate) fn with_target(self, target: &str) -> Endpoint {
        Endpoint {
            target: target.to_owned(),
            ..self
        }
    }

    /// The scheme.
    #[must_use]
    pub fn scheme(&self) -> Scheme {
        self.scheme
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

    /// The target of the requests that carry points: path and the server's own query, as the URL has them. Empty over
    /// telnet.
    #[must_use]
    pub fn target(&self) -> &str {
        &self.target
    }

    /// What the header `Host` says: the scheme's own port is left out, as everybody does.
    pub(crate) fn host_header(&self) -> String {
        match self.scheme.is_http() && self.port == self.scheme.default_port() {
            true => self.bracketed(),
            false => self.authority(),
        }
    }

    fn authority(&self) -> String {
        format!("{}:{}", self.bracketed(), self.port)
    }

    fn bracketed(&self) -> String {
        match self.host.contains(':') {
            true => format!("[{}]", self.host),
            false => self.host.clone(),
        }
    }

    /// The address, where the host is one: nothing to resolve then.
    pub(crate) fn literal(&self) -> Option<SocketAddr> {
        Some(SocketAddr::new(self.host.parse().ok()?, self.port))
    }

    /// The rule its host breaks, if it breaks one. Names are put into requests, so nothing that ends a header is one.
    pub(crate) fn check_host(&self) -> Result<(), &'static str> {
        let illegal = |byte: u8| byte <= b' ' || byte == 0x7f || b"@/?#\\".contains(&byte);
        if self.host.is_empty() || self.host.bytes().any(illegal) {
            return Err("a host is a name or an address");
        }
        // Headers and certificates know ASCII alone; the resolver behind telnet may know more.
        if self.scheme != Scheme::Tsdb && !self.host.is_ascii() {
            return Err("a host's name is ASCII (xn--...)");
        }
        Ok(())
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.authority())?;
        match self.target.split('?').next() {
            None | Some(PUT) => Ok(()),
            Some(path) => f.write_str(path),
        }
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Endpoint({self})")
    }
}
