//! What a relay is told: where it listens, which stores it has, how long and how much.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use potsdb_front::Limits;

use crate::door::{Keys, Network};
use crate::rules::Rule;
use crate::stores::Role;

/// What a relay is told.
#[derive(Clone, Debug)]
pub struct Config {
    /// What operators know it as: the tag `relay` of its own figures. Default: `relay`.
    pub name: String,
    /// Where it listens. Default: port 4242 of the loopback addresses.
    pub listen: Vec<Listen>,
    /// Where points go.
    pub stores: Vec<StoreUrl>,
    /// The folder of the stores' spools, one below it for each store.
    pub spool: Option<PathBuf>,
    /// From `version`, or the end of a body, to the answer at the latest. Default: 5 s: tcollector forgets everything after
    /// 15 s of silence, and potsdb's clients wait for 10.
    pub answer_timeout: Duration,
    /// How long `?sync` waits for the stores beyond that. Default: 10 s.
    pub sync_timeout: Duration,
    /// What it takes from its peers.
    pub limits: Limits,
    /// What both sides prove themselves with.
    pub keys: Keys,
    /// Who may come in; empty: whoever reaches it. This machine always may.
    pub allow: Vec<Network>,
    /// What is forwarded, and as what.
    pub rules: Vec<Rule>,
    /// Points a second that are read of each peer; 0: no limit. A peer is an IPv4 address, an IPv6 network of 64 bits, or a
    /// user of a Unix socket.
    pub peer_points: f64,
    /// The same in bytes.
    pub peer_bytes: f64,
    /// Threads that serve connections. Default: 1: a core takes millions of points a second.
    pub threads: usize,
    /// How long connections may take to end when it stops, spread over the fleet. Default: 10 s.
    pub drain: Duration,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            name: "relay".into(),
            listen: vec![Listen::Tcp(([127, 0, 0, 1], 4242).into(), false)],
            stores: Vec::new(),
            spool: None,
            answer_timeout: Duration::from_secs(5),
            sync_timeout: Duration::from_secs(10),
            limits: Limits {
                body: 32 << 20,
                inflated: 32 << 20,
                idle: None,
                ..Limits::default()
            },
            keys: Keys::default(),
            allow: Vec::new(),
            rules: Vec::new(),
            peer_points: 0.0,
            peer_bytes: 0.0,
            threads: 1,
            drain: Duration::from_secs(10),
        }
    }
}

/// A store's URL, and what it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreUrl {
    /// As of any client, options in its query included.
    pub url: String,
    /// Whether it is waited for.
    pub role: Role,
}

/// A place to listen at: `127.0.0.1:4242`, `tsdbs://0.0.0.0:4243`, `unix:/run/potsdb/relay.sock`.
///
/// ```
/// use potsdb_relay::Listen;
///
/// assert_eq!("127.0.0.1:4242".parse(), Ok(Listen::Tcp(([127, 0, 0, 1], 4242).into(), false)));
/// assert_eq!("unix:/run/a.sock".parse(), Ok(Listen::Unix("/run/a.sock".into())));
/// assert!("somewhere".parse::<Listen>().is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    /// An address, telnet and HTTP, over TLS or not. Port 0 takes a free one.
    Tcp(SocketAddr, bool),
    /// A Unix socket.
    Unix(PathBuf),
}

/// What a text is not: a place to listen at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoPlace(String);

impl fmt::Display for NoPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rule = "ADDRESS:PORT, tsdbs://ADDRESS:PORT or unix:PATH is expected, the address as a number or localhost";
        write!(f, "{:?} is no place to listen at: {rule}", self.0)
    }
}

impl std::error::Error for NoPlace {}

impl FromStr for Listen {
    type Err = NoPlace;

    fn from_str(text: &str) -> Result<Listen, NoPlace> {
        let wrong = || NoPlace(text.to_owned());
        if let Some(path) = text.strip_prefix("unix:") {
            return match path {
                "" => Err(wrong()),
                path => Ok(Listen::Unix(path.into())),
            };
        }
        let (scheme, place) = text.split_once("://").unwrap_or(("tsdb", text));
        let is_encrypted = match scheme {
            "tsdb" | "http" => false,
            "tsdbs" | "https" => true,
            _ => return Err(wrong()),
        };
        let place = place.trim_end_matches('/').replacen("localhost:", "127.0.0.1:", 1);
        let address = place.parse().map_err(|_| wrong())?;
        Ok(Listen::Tcp(address, is_encrypted))
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Listen::Tcp(address, false) => write!(f, "{address}"),
            Listen::Tcp(address, true) => write!(f, "tsdbs://{address}"),
            Listen::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}
