//! A receiver's configuration: which server it is, where it listens, what it keeps, whom it lets in, how it misbehaves.
//!
//! Read by `receiver.rs` at the start; the faults alone can be changed later, with the switch.

use std::collections::HashSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use potsdb_front::Limits;
#[cfg(feature = "tls")]
use potsdb_front::Tls;

use crate::faults::Faults;
use crate::page::Visitors;
use crate::personality::Personality;

/// Which server a receiver is, how it listens, what it keeps and how it misbehaves.
#[derive(Clone, Debug)]
pub struct Config {
    /// Which server it is on the wire.
    pub personality: Personality,
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Accepted points reach the journal only when they are this old, so that `kill -9` loses younger ones, and a
    /// restart by fault forgets them.
    pub forget: Option<Duration>,
    /// A file of `put` lines: loaded at the start, appended to from then on.
    pub journal: Option<PathBuf>,
    /// Points kept per series; the oldest goes.
    pub max_points_per_series: usize,
    /// Series kept; the one touched longest ago goes, with its points.
    pub max_series: usize,
    /// Points kept in all; the oldest of the series touched longest ago goes.
    pub max_points: usize,
    /// Bytes of memory for what is kept, points and names; the oldest point of the series touched longest ago goes. A
    /// point takes 40, and what its value is longer than 22.
    pub max_bytes: usize,
    /// Tags a point may have (OpenTSDB).
    pub max_tags: usize,
    /// `None` creates metrics as they come; `Some` refuses all others with `unknown metric` (OpenTSDB).
    pub known_metrics: Option<HashSet<String>>,
    /// Takes no points: `put` is an unknown command, `/api/put` is not there (OpenTSDB's `tsd.mode=ro`).
    pub read_only: bool,
    /// `None` refuses HTTP bodies beyond 8192 bytes as OpenTSDB does unless told otherwise; `Some` is its
    /// `tsd.http.request.max_chunk`, with `enable_chunked`.
    pub max_chunk: Option<u64>,
    /// Whether the database is there from the start (InfluxDB); without it, the first put over telnet makes it.
    pub database_exists: bool,
    /// Pages of these origins may ask, `*` of all: OpenTSDB's `tsd.http.request.cors_domains`. None are listed by
    /// default, and then nothing is said of origins.
    pub cors_domains: Vec<String>,
    /// What the path of every HTTP request begins with, as behind a proxy; other requests are answered by 404.
    pub base_path: String,
    /// A telnet connection's first line has to be this: answered with `AUTH_SUCCESS`, anything else with `AUTH_FAIL`
    /// and asked again.
    pub auth_line: Option<String>,
    /// The `Authorization` that an HTTP request has to have, `Basic ...` or `Bearer ...`; without it the answer is 401.
    pub auth_header: Option<String>,
    /// What it takes from its peers, in connections, time and memory. How long a line and how large a body may be is
    /// the personality's, whatever this says.
    pub limits: Limits,
    /// Speaks TLS on both wires.
    #[cfg(feature = "tls")]
    pub tls: Option<Tls>,
    /// Keep each put line as it came, refused ones too, in order of arrival, at most 1 GiB. Points that come over HTTP
    /// and are accepted are kept as the lines they stand for.
    pub keep_lines: bool,
    /// Remember the latest connections and refusals, bounded, for
    /// [`Receiver::happenings`](crate::Receiver::happenings).
    pub watch: bool,
    /// Who may see the page that shows all this in a browser, at `/`. Default: nobody.
    pub page: Visitors,
    /// How to misbehave from the start.
    pub faults: Faults,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            personality: Personality::OpenTsdb,
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            forget: None,
            journal: None,
            max_points_per_series: 4_000_000,
            max_series: 1_000_000,
            max_points: 10_000_000,
            max_bytes: 1 << 30,
            max_tags: 8,
            known_metrics: None,
            read_only: false,
            max_chunk: None,
            database_exists: false,
            cors_domains: Vec::new(),
            base_path: String::new(),
            auth_line: None,
            auth_header: None,
            limits: Limits::default(),
            #[cfg(feature = "tls")]
            tls: None,
            keep_lines: false,
            watch: false,
            page: Visitors::default(),
            faults: Faults::default(),
        }
    }
}
