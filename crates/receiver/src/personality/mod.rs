//! A personality: which server the receiver is, on both wires.
//!
//! ```text
//!                     telnet                                 HTTP                             last line without its end
//! opentsdb            refusals, version in two lines         /api/put with flags, 8192 bytes  nothing
//! victoriametrics     never a word                           204, bad points skipped          stored
//! influxdb            version without a newline              204, or 400 and nothing stored   stored
//! kairosdb            version in one line                    none                             nothing
//! ```
//!
//! The front, `telnet.rs` and `http.rs` do what is the same for all; everything a peer gets to read, and which points
//! become stored as what, goes through [`Voice`] and
//! [`Reading`]. That each does as the real server is shown by transcripts recorded from
//! those (`tests/servers`). Reading back is OpenTSDB's in every personality: `api.rs`.

mod go;
mod influxdb;
mod kairosdb;
mod opentsdb;
mod opentsdb_http;
mod origins;
mod victoriametrics;

use std::fmt::{self, Display, Formatter};
use std::str::FromStr;
use std::time::Duration;

use potsdb_front::{AtHead, Head, Opening, Overlong, Reply};

use crate::counts::Counts;
use crate::point::put::Refusal;
use crate::point::reading::Reading;
use crate::point::sink::Points;
use crate::request::Asked;

pub(crate) use opentsdb::OpenTsdb;

/// Which server a receiver is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Personality {
    /// OpenTSDB 2.4.1: answers.
    #[default]
    OpenTsdb,
    /// VictoriaMetrics, single node: silent over telnet, one silent connection blocks its port.
    VictoriaMetrics,
    /// InfluxDB 1.x: answers `version` without a newline, refuses whole bodies.
    InfluxDb,
    /// KairosDB 1.3.0: telnet alone.
    KairosDb,
}

impl Personality {
    /// All there are.
    pub const ALL: [Personality; 4] = [
        Personality::OpenTsdb,
        Personality::VictoriaMetrics,
        Personality::InfluxDb,
        Personality::KairosDb,
    ];

    /// Its name in options: that of the client's `server`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Personality::OpenTsdb => "opentsdb",
            Personality::VictoriaMetrics => "victoriametrics",
            Personality::InfluxDb => "influxdb",
            Personality::KairosDb => "kairosdb",
        }
    }

    pub(crate) fn voice(self, setup: &Setup) -> Box<dyn Voice> {
        match self {
            Personality::OpenTsdb => Box::new(OpenTsdb::new(setup)),
            Personality::VictoriaMetrics => Box::new(victoriametrics::VictoriaMetrics),
            Personality::InfluxDb => Box::new(influxdb::InfluxDb::new(setup.database_exists)),
            Personality::KairosDb => Box::new(kairosdb::KairosDb),
        }
    }
}

/// What can be chosen about a server.
#[derive(Clone, Debug, Default)]
pub(crate) struct Setup {
    /// `tsd.http.request.max_chunk`, if `tsd.http.request.enable_chunked`.
    pub(crate) max_chunk: Option<u64>,
    /// `tsd.mode=ro`: `put` is unknown.
    pub(crate) read_only: bool,
    /// `tsd.core.auto_create_metrics`.
    pub(crate) creates_metrics: bool,
    /// Whether there is anything to write to (InfluxDB).
    pub(crate) database_exists: bool,
    /// `tsd.http.request.cors_domains`.
    pub(crate) cors_domains: Vec<String>,
}

impl Display for Personality {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Personality {
    type Err = String;

    fn from_str(text: &str) -> Result<Personality, String> {
        let found = Personality::ALL.into_iter().find(|known| known.name() == text);
        found.ok_or_else(|| {
            let names = Personality::ALL.map(Personality::name).join(", ");
            format!("{text:?} is none of {names}")
        })
    }
}

/// What one server says, and when; replies over telnet are appended, newline and all.
pub(crate) trait Voice: Reading {
    /// What a connection is that begins so.
    fn opening(&self, bytes: &[u8]) -> Opening;

    /// How long a line may be, without its newline, and what a longer one comes to.
    fn longest(&self) -> (usize, Overlong);

    /// Whether a last line without its end is a line.
    fn takes_torn_lines(&self) -> bool {
        false
    }

    /// For how long a connection that has not said anything yet keeps all others waiting.
    fn waits_for_first_byte(&self) -> Option<Duration> {
        None
    }

    /// Whether values of two encodings stand beside each other, so that neither can be read.
    fn keeps_both(&self) -> bool {
        false
    }

    /// A put was refused.
    fn refused(&self, _refusal: &Refusal, _replies: &mut Vec<u8>) {}

    /// A put came whose point was then dropped for want of room behind the server.
    fn throttled(&self, _replies: &mut Vec<u8>) {}

    /// A put came over telnet, whatever became of it.
    fn came(&self) {}

    /// A line that is no put; its first word is the command.
    fn command(&self, line: &str, counts: &Counts, replies: &mut Vec<u8>) -> Outcome;

    /// Judges a request by its head alone.
    fn at_head(&self, _head: &Head) -> AtHead {
        AtHead::ReadOn
    }

    /// Words the last answer of a connection, to a request of HTTP/1.`minor`: as Go does.
    fn at_the_last(&self, reply: &mut Reply, minor: u8) {
        reply.say_it_is_the_last(minor);
    }

    /// The largest body it reads, as sent; a larger one ends the connection.
    fn largest_body(&self) -> usize {
        64 << 20
    }

    /// What it says of the origin of the page that a request comes from.
    fn origin(&self, _head: &Head) -> Origin {
        Origin::Any
    }

    /// Answers a request; no answer ends the connection.
    fn answer(&self, asked: &Asked<'_>, points: &dyn Points) -> Option<Reply>;
}

/// Where a request comes from, as far as a server asks.
#[derive(Debug)]
pub(crate) enum Origin {
    /// It is not asked.
    Any,
    /// From a page that may, which is told so in these fields of the answer.
    Allowed(Vec<(&'static str, String)>),
    /// That is all there is to answer.
    Answer(Reply),
}

/// What became of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Known,
    Unknown,
    /// The connection ends, what was answered before is still written.
    Leave,
}
