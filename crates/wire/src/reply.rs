//! What a server's answer means.
//!
//! A good put is never answered. What comes is an answer to `version`, which tells servers apart and that everything before
//! it was read, or an error, which seldom says of which point. Texts as measured on OpenTSDB 2.4.1, InfluxDB 1.6 and
//! KairosDB 1.3; TDengine's from its source:
//!
//! ```text
//! put: illegal argument: invalid tag: host=a=b\n          error; may go on over several lines
//! net.opentsdb.tools 2.4.1 built at revision eb125a342 (MINT)\n
//! Built on 2021/09/08 03:26:53 +0000 by user@host:/dir\n  one answer in two lines
//! KairosDB 1.3.0-1.20210808223203\n
//! InfluxDB TSDB proxy                                     no newline, three answers are 57 bytes
//! 1                                                       no newline either
//! ```
//!
//! Here is what each means; [`Replies`] finds them in the bytes of a connection. An HTTP answer's meaning is [`put`](fn@put)'s.
//! What a reply means for which lines is the exchange's to decide.

use std::{error::Error, fmt, str::FromStr};

pub use self::foreign::Foreign;
pub use self::put::{Failures, PointError, PutReply, put};
pub use self::read::Replies;

mod body;
mod foreign;
mod put;
mod read;

/// A server, as its answer to `version` or the option `server=` names it.
///
/// ```
/// use potsdb_wire::Server;
///
/// assert_eq!("victoriametrics".parse(), Ok(Server::VictoriaMetrics));
/// assert!(!Server::VictoriaMetrics.answers_version());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Server {
    /// OpenTSDB.
    OpenTsdb,
    /// KairosDB.
    KairosDb,
    /// InfluxDB 1.x.
    InfluxDb,
    /// VictoriaMetrics.
    VictoriaMetrics,
    /// TDengine's taosAdapter.
    TDengine,
}

impl Server {
    /// Every server, in the order of docs/guarantees.md.
    pub const ALL: [Self; 5] = [
        Self::OpenTsdb,
        Self::KairosDb,
        Self::InfluxDb,
        Self::VictoriaMetrics,
        Self::TDengine,
    ];

    /// Returns whether the server answers `version` over telnet.
    ///
    /// VictoriaMetrics does not, and takes it for HTTP when a connection begins with it.
    pub fn answers_version(self) -> bool {
        self != Self::VictoriaMetrics
    }

    fn name(self) -> &'static str {
        match self {
            Self::OpenTsdb => "opentsdb",
            Self::KairosDb => "kairosdb",
            Self::InfluxDb => "influxdb",
            Self::VictoriaMetrics => "victoriametrics",
            Self::TDengine => "tdengine",
        }
    }
}

/// What kind of error a server reports.
///
/// ```
/// use potsdb_wire::{Class, ErrorKind};
///
/// assert_eq!(ErrorKind::UnknownMetric.name(), "unknown metric");
/// assert_eq!(ErrorKind::UnknownMetric.class(), Class::Rejected);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The value or the timestamp is not a number OpenTSDB takes.
    InvalidValue,
    /// A name, the tags or the timestamp break a rule of the server's.
    IllegalArgument,
    /// The metric, or a tag's name or value, is unknown and is not created by sending.
    UnknownMetric,
    /// No such rollup is configured.
    NoSuchRollup,
    /// The server has too much to do, and says so before it took the point.
    ThrottlingException,
    /// The server waited too long for its storage.
    RequestTimedOut,
    /// The server had too much to do, and dropped a point it had taken.
    PleaseThrottle,
    /// The storage refused a point the server had taken.
    HBaseError,
    /// Something went wrong with a point, in words that are not known here: what becomes of it is found out by sending it
    /// again.
    Unknown,
    /// The server knows no `put`: it only reads.
    ReadOnly,
    /// The server does not know some other command.
    UnknownCommand,
}

/// What is to be done about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Class {
    /// The server refuses the point, and always will.
    Rejected,
    /// The lines since the last answer go again.
    Again,
    /// A point taken earlier is gone; nobody knows which, and the report may follow a later `version`'s answer.
    Late,
    /// This endpoint takes no points.
    ReadOnly,
    /// Nothing about a point.
    Other,
}

impl ErrorKind {
    /// Every kind of error.
    pub const ALL: [Self; 11] = [
        Self::InvalidValue,
        Self::IllegalArgument,
        Self::UnknownMetric,
        Self::NoSuchRollup,
        Self::ThrottlingException,
        Self::RequestTimedOut,
        Self::PleaseThrottle,
        Self::HBaseError,
        Self::Unknown,
        Self::ReadOnly,
        Self::UnknownCommand,
    ];

    /// Returns what is to be done about it.
    pub fn class(self) -> Class {
        match self {
            Self::InvalidValue | Self::IllegalArgument | Self::UnknownMetric | Self::NoSuchRollup => Class::Rejected,
            Self::ThrottlingException | Self::RequestTimedOut | Self::Unknown => Class::Again,
            Self::PleaseThrottle | Self::HBaseError => Class::Late,
            Self::ReadOnly => Class::ReadOnly,
            Self::UnknownCommand => Class::Other,
        }
    }

    /// Returns the kind in words, as a counter's key.
    pub fn name(self) -> &'static str {
        match self {
            Self::InvalidValue => "invalid value",
            Self::IllegalArgument => "illegal argument",
            Self::UnknownMetric => "unknown metric",
            Self::NoSuchRollup => "no such rollup",
            Self::ThrottlingException => "throttling exception",
            Self::RequestTimedOut => "request timed out",
            Self::PleaseThrottle => "please throttle",
            Self::HBaseError => "hbase error",
            Self::Unknown => "unknown error",
            Self::ReadOnly => "read only",
            Self::UnknownCommand => "unknown command",
        }
    }

    /// Reads the kind of error a line reports, if it reports one.
    fn of(line: &[u8]) -> Option<Self> {
        if let Some(command) = line.strip_prefix(b"unknown command: ") {
            // OpenTSDB says `put.  Try ...`, others what they like: a server without this word takes no points.
            let word = command.split(u8::is_ascii_whitespace).next();
            let read_only = word.is_some_and(|word| word == b"put" || word == b"put.");
            return Some(if read_only {
                Self::ReadOnly
            } else {
                Self::UnknownCommand
            });
        }
        let colon = memchr::memchr(b':', line)?;
        if !matches!(&line[..colon], b"put" | b"rollup" | b"histogram") {
            return None;
        }
        let text = line[colon + 1..].strip_prefix(b" ").unwrap_or(&line[colon + 1..]);
        let known = ERRORS.iter().find(|(words, _)| text.starts_with(words.as_bytes()));
        // Whatever it says of a put, it is no good news.
        Some(known.map_or(Self::Unknown, |(_, kind)| *kind))
    }
}

/// One reply of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reply<'a> {
    /// The answer to `version`.
    Version(Server),
    /// An error about a line, or about points taken earlier.
    Error {
        /// What kind of error.
        kind: ErrorKind,
        /// The server's words: the whole line without its newline.
        text: &'a [u8],
    },
    /// Anything else: an error going on over a second line, a banner, another command's answer.
    Other(&'a [u8]),
}

/// OpenTSDB's errors, by the words after `put: `.
const ERRORS: [(&str, ErrorKind); 8] = [
    ("invalid value: ", ErrorKind::InvalidValue),
    ("illegal argument: ", ErrorKind::IllegalArgument),
    ("unknown metric: ", ErrorKind::UnknownMetric),
    ("No such rollup: ", ErrorKind::NoSuchRollup),
    ("Throttling exception: ", ErrorKind::ThrottlingException),
    ("Request timed out: ", ErrorKind::RequestTimedOut),
    ("Please throttle writes: ", ErrorKind::PleaseThrottle),
    ("HBase error: ", ErrorKind::HBaseError),
];

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Server {
    type Err = UnknownServer;

    fn from_str(text: &str) -> Result<Self, UnknownServer> {
        let known = Self::ALL.into_iter().find(|server| server.name() == text);
        known.ok_or_else(|| UnknownServer(text.into()))
    }
}

/// A word that names none of the [`Server`]s.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownServer(Box<str>);

impl fmt::Display for UnknownServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = crate::error::excerpt(self.0.as_bytes(), 0);
        write!(
            f,
            "server: {shown} is unknown: opentsdb, kairosdb, influxdb, victoriametrics or tdengine is allowed"
        )
    }
}

impl Error for UnknownServer {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_print_as_they_parse() {
        for server in Server::ALL {
            assert_eq!(server.to_string().parse(), Ok(server));
        }
        let error = "oracle".parse::<Server>().unwrap_err().to_string();
        for server in Server::ALL {
            assert!(error.contains(server.name()), "{error}");
        }
    }
}
