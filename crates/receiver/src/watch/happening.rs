//! Happenings: connections and refusals, one after the other, for a log.
//!
//! [`Receiver::happenings`](crate::Receiver::happenings) hands them out from where its caller stopped reading.

use std::fmt::{self, Display, Formatter};
use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use super::{Connection, Watch, Wire};
use crate::store::Store;
use crate::store::refusals::Refused;

/// Something that happened to a receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Happening {
    /// A connection was opened.
    Opened {
        /// Its number, from 1 on.
        connection: u64,
        /// Where it comes from.
        peer: SocketAddr,
    },
    /// A point was refused.
    Refused {
        /// The number of the connection it came over, if that is still known.
        connection: Option<u64>,
        /// The point and what was said to it.
        refused: Refused,
    },
    /// A connection has ended.
    Ended {
        /// Its number.
        connection: u64,
        /// Where it came from.
        peer: SocketAddr,
        /// How many lines it brought over telnet.
        lines: u64,
        /// How many requests it brought over HTTP.
        requests: u64,
        /// How many bytes came over it.
        bytes: u64,
        /// How long it stood.
        lasted: Duration,
        /// How it ended: `closed` is by its peer.
        how: &'static str,
    },
}

/// A happening and its time.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Happened {
    /// When.
    pub at: SystemTime,
    /// What.
    pub what: Happening,
}

/// How far somebody has read.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    connections: u64,
    refusals: u64,
}

/// What happened since somebody last read.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Happenings {
    /// In the order of its time.
    pub list: Vec<Happened>,
    /// How much more there was, which is kept no more.
    pub missed: u64,
}

impl Happening {
    pub(super) fn of(connection: &Connection, is_end: bool) -> Happening {
        let (number, peer) = (connection.number, connection.peer);
        match connection.ended().filter(|_| is_end) {
            None => Happening::Opened {
                connection: number,
                peer,
            },
            Some(end) => Happening::Ended {
                connection: number,
                peer,
                lines: connection.lines(),
                requests: connection.requests(),
                bytes: connection.bytes(),
                lasted: Duration::from_millis(end.at.saturating_sub(connection.opened)),
                how: end.how,
            },
        }
    }
}

impl Happenings {
    /// What is new in the two, in order.
    pub(crate) fn since(seen: &mut Seen, watch: &Watch, store: &Store) -> Happenings {
        let (mut all, mut missed) = watch.happened_after(&mut seen.connections);
        let inner = store.lock();
        let refusals: Vec<_> = inner
            .refusals
            .after(seen.refusals)
            .map(|(_, noted)| noted.clone())
            .collect();
        missed += inner.refusals.all - seen.refusals - refusals.len() as u64;
        seen.refusals = inner.refusals.all;
        drop(inner);
        for noted in refusals {
            let connection = watch.connection(noted.writer).map(|connection| connection.number);
            let refused = noted.refused;
            all.push((noted.at, Happening::Refused { connection, refused }));
        }
        // A stable sort: a refusal stands behind the opening of its connection.
        all.sort_by_key(|(at, what)| (*at, matches!(what, Happening::Ended { .. })));
        let list = all.into_iter().map(|(at, what)| Happened {
            at: SystemTime::UNIX_EPOCH + Duration::from_millis(at),
            what,
        });
        Happenings {
            list: list.collect(),
            missed,
        }
    }
}

/// In one line: `#3 127.0.0.1:50312 opened`.
impl Display for Happening {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Happening::Opened { connection, peer } => write!(f, "#{connection} {peer} opened"),
            Happening::Refused { connection, refused } => {
                if let Some(connection) = connection {
                    write!(f, "#{connection} ")?;
                }
                write!(f, "refused {:?}: {:?}", refused.line, refused.reason)
            }
            Happening::Ended {
                connection,
                peer,
                lines,
                requests,
                bytes,
                lasted,
                how,
            } => {
                let (count, what) = match requests {
                    0 => (lines, "line"),
                    _ => (requests, "request"),
                };
                let plural = if *count == 1 { "" } else { "s" };
                let seconds = lasted.as_secs_f64();
                write!(
                    f,
                    "#{connection} {peer} {how}: {count} {what}{plural}, {bytes} bytes in {seconds:.1} s"
                )
            }
        }
    }
}

impl Display for Wire {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Wire::Unknown => "",
            Wire::Telnet => "telnet",
            Wire::Http => "http",
        })
    }
}
