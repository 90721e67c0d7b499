//! The conversation on one connection, without the socket.
//!
//! The engine gives an [`Exchange`] lines and tells it what came in; the exchange says which bytes
//! to write next and posts verdicts into a [`Verdicts`]. Time is an argument. One exchange lives as
//! long as its connection; what it found out about the server ([`ServerProfile`]) outlives it.

use std::fmt;
use std::io::IoSlice;
use std::time::Duration;

use potsdb_wire::Server;
use potsdb_wire::reply::Foreign;

use crate::delivery::batch::Batch;
use crate::delivery::outstanding::{Outstanding, Twin};
use crate::delivery::settling::Settling;
use crate::delivery::verdicts::Verdicts;
use crate::queue::block::Lines;

mod greeting;
#[cfg(feature = "http")]
mod http;
mod protocol;
mod secrets;
mod telnet;
mod timer;

pub(crate) use protocol::Protocol;
pub(crate) use timer::{Due, Timer};

/// What the options say about every exchange.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    pub(crate) window_bytes: usize,
    pub(crate) window_points: u64,
    /// What of `window_bytes` a new connection begins with.
    pub(crate) first_window_bytes: usize,
    pub(crate) settle: Duration,
    pub(crate) write_timeout: Duration,
    pub(crate) answer_timeout: Duration,
    /// `ack=accepted`: a silent server is of no use.
    pub(crate) must_answer: bool,
    /// `ack=stored`: an answer that does not say what is stored is of no use.
    #[cfg_attr(not(feature = "http"), expect(dead_code, reason = "only HTTP can"))]
    pub(crate) stored: bool,
    /// HTTP bodies are compressed.
    #[cfg_attr(not(feature = "http"), expect(dead_code, reason = "only HTTP has it"))]
    pub(crate) gzip: bool,
}

#[cfg(test)]
impl Terms {
    /// Those of the default options.
    pub(crate) fn of_tests() -> Terms {
        let second = Duration::from_secs(1);
        Terms {
            window_bytes: 4 << 20,
            window_points: 100_000,
            first_window_bytes: 4 << 20,
            settle: 2 * second,
            write_timeout: 10 * second,
            answer_timeout: 10 * second,
            must_answer: false,
            stored: false,
            gzip: true,
        }
    }
}

/// What was found out about a server: over telnet, whether it answers the question in-band.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ServerProfile {
    /// Not found out yet.
    Unknown,
    /// It did at least once: from then on silence is a dead connection.
    Answers(Server),
    /// It did not; it is asked again after that.
    Silent { until: Duration },
    /// It speaks HTTP.
    #[cfg(feature = "http")]
    Http(http::HttpProfile),
}

impl ServerProfile {
    /// What one connection knows and another one found out. An endpoint that ever answered is never
    /// taken for a silent one again.
    pub(crate) fn merged(self, other: ServerProfile) -> ServerProfile {
        match (self, other) {
            #[cfg(feature = "http")]
            (ServerProfile::Http(one), ServerProfile::Http(other)) => ServerProfile::Http(one.merged(other)),
            (ServerProfile::Answers(_), other) if !matches!(other, ServerProfile::Answers(_)) => self,
            (_, other) => other,
        }
    }

    /// Which server it is, where that is known.
    pub(crate) fn server(self) -> Option<Server> {
        match self {
            ServerProfile::Answers(server) => Some(server),
            #[cfg(feature = "http")]
            ServerProfile::Http(profile) => profile.server,
            _ => None,
        }
    }

    /// How many seconds its clock is ahead at least, where it tells its time: see `Clock::ahead`.
    pub(crate) fn clock_ahead(self, _zero: i64) -> Option<i64> {
        match self {
            #[cfg(feature = "http")]
            ServerProfile::Http(profile) => profile.clock.map(|clock| clock.ahead(_zero)),
            _ => None,
        }
    }

    /// Whether it answers for points, as far as that is known.
    pub(crate) fn answers(self) -> Option<bool> {
        match self {
            ServerProfile::Answers(_) => Some(true),
            ServerProfile::Silent { .. } => Some(false),
            _ => None,
        }
    }
}

/// How much a connection takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Credit {
    pub(crate) bytes: usize,
    pub(crate) points: u64,
}

/// What there is to hope for from other endpoints, while this one does not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Others {
    /// There are none, or none that answers.
    Silent,
    /// One has not had its chance to answer.
    Untried,
    /// One answers: all are ways to one store, so silence is no server's nature.
    Answer,
}

/// Lines without an answer for so long are overdue: another endpoint is given them, too.
pub(crate) const OVERDUE: Duration = Duration::from_secs(1);

/// Why the client ends a connection on its own account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CloseReason {
    /// Nothing could be written for the write timeout.
    WriteTimeout,
    /// No answer and no progress for the answer timeout.
    AnswerTimeout,
    /// The server answered that it takes no points.
    ReadOnly,
    /// It cannot answer what `ack` wants to know.
    CannotAnswer,
    /// The credentials are missing, wrong or not enough; in the server's words.
    Unauthorized(String),
    /// No server of this protocol is there; what it is, and what it said, quoted.
    Foreign(Foreign, String),
    /// No points are taken at this URL; in the server's words.
    #[cfg_attr(not(feature = "http"), expect(dead_code, reason = "only HTTP has URLs"))]
    Misplaced(String),
    /// Everything is answered, and the connection of no more use.
    Finished,
}

impl CloseReason {
    /// Whether it takes somebody's doing to mend: not a passing fault.
    pub(crate) fn is_lasting(&self) -> bool {
        matches!(
            self,
            CloseReason::ReadOnly
                | CloseReason::CannotAnswer
                | CloseReason::Foreign(..)
                | CloseReason::Unauthorized(_)
                | CloseReason::Misplaced(_)
        )
    }
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CloseReason::WriteTimeout => f.write_str("write timeout: the server does not read"),
            CloseReason::AnswerTimeout => f.write_str("answer timeout: the server does not answer"),
            CloseReason::ReadOnly => f.write_str("the server takes no points (read-only mode)"),
            CloseReason::CannotAnswer => f.write_str("the server cannot answer what the option ack asks for"),
            CloseReason::Unauthorized(words) => write!(f, "the server refuses the credentials (option auth): {words}"),
            CloseReason::Foreign(foreign, said) => {
                write!(f, "{foreign} answers there, not OpenTSDB over telnet: it says {said}")?;
                match foreign {
                    Foreign::Http => f.write_str(" (is http:// meant?)"),
                    Foreign::Tls => f.write_str(" (is tsdbs:// meant?)"),
                    _ => Ok(()),
                }
            }
            CloseReason::Misplaced(words) => write!(f, "the server takes no points at this URL: {words}"),
            CloseReason::Finished => f.write_str("closed"),
        }
    }
}

/// One connection's conversation.
pub(crate) trait Exchange: Send {
    /// How much it takes now of lines whose verdict is, or is not, posted already.
    fn credit(&self, posted: bool) -> Option<Credit>;

    /// Takes lines that [`credit`](Exchange::credit) allowed.
    fn give(&mut self, now: Duration, held: Outstanding);

    /// Whether it takes a batch of lines that failed before, of which it can tell whether they fail again. Asked with
    /// [`credit`](Exchange::credit), which says how many.
    fn takes_batch(&self) -> bool;

    /// Whether it can tell of each line of such a batch by itself whether it fails.
    fn judges_each(&self) -> bool {
        false
    }

    /// Takes a batch that is to be judged by itself.
    fn give_batch(&mut self, now: Duration, batch: Batch);

    /// The bytes to write next. Asked once all there was has been given: what makes a batch of it
    /// can do so now. What was shown is shown again, as it was, until it is written: over TLS it
    /// may be encrypted already.
    fn unwritten<'a>(&'a mut self, now: Duration, slices: &mut Vec<IoSlice<'a>>);

    /// The kernel took so many of them.
    fn wrote(&mut self, now: Duration, bytes: u64);

    /// Bytes the server sent.
    fn received(&mut self, now: Duration, bytes: &[u8], verdicts: &mut Verdicts);

    /// The peer's kernel has acknowledged so many bytes in all.
    fn kernel_has(&mut self, now: Duration, bytes: u64, verdicts: &mut Verdicts);

    /// When to ask the kernel for that, if at all.
    fn ask_kernel_at(&self) -> Option<Duration>;

    /// Time passed. `urgent`: a caller waits for verdicts.
    fn tick(&mut self, now: Duration, urgent: bool, verdicts: &mut Verdicts) -> Option<CloseReason>;

    /// When [`tick`](Exchange::tick) is due next, whatever else happens, and why.
    fn next_timer(&self) -> Option<Due>;

    /// Nothing more will be given: ask what is left to ask, then end the sending side.
    fn finish(&mut self, now: Duration);

    /// Stops accepting lines because the connection reached its maximum age. It closes, as by
    /// [`finish`](Exchange::finish), once everything is answered and settled.
    fn retire(&mut self, now: Duration);

    /// Whether the sending side is to be ended now. True once.
    fn take_half_close(&mut self) -> bool;

    /// The connection is gone: what was not answered for goes again. `clean`: the server ended its
    /// side, so it had read everything before.
    fn ended(&mut self, clean: bool, verdicts: &mut Verdicts);

    /// The client gives up: returns nothing for another try; counts a torn line and unsettled points.
    fn abandoned(&mut self, verdicts: &mut Verdicts);

    /// Counts a line torn by cutting the connection now.
    fn count_torn(&self, verdicts: &mut Verdicts);

    /// Whether the server lets the client in, as far as is known; one that does not is told of and left alone.
    fn is_welcome(&self) -> bool {
        true
    }

    /// What was found out about the server.
    fn profile(&self) -> ServerProfile;

    /// What other connections to the same endpoint found out.
    fn learn(&mut self, profile: ServerProfile);

    /// Lines that were answered and are kept for a while, on servers where that is of use.
    fn settling(&mut self) -> Option<&mut Settling> {
        None
    }

    /// How many points it has put once more, since asked last, without being given them again.
    fn take_repeated(&mut self) -> u64 {
        0
    }

    /// The endpoint asked to be left alone until then, on whatever connection.
    fn rest(&mut self, _until: Duration) {}

    /// From when on the connection stands still, if nothing moves: it holds lines, and the peer neither says anything nor
    /// acknowledges a byte.
    fn stands_still_from(&self) -> Option<Duration> {
        None
    }

    /// From when on its lines are overdue, if it holds any and nothing moves.
    fn overdue_from(&self) -> Option<Duration>;

    /// Copies lines that wait for a verdict, within a credit. `again`: even if they have been copied.
    fn copies(&mut self, credit: Credit, again: bool) -> Vec<Outstanding>;

    /// Whether there are such lines.
    fn has_uncopied(&self, again: bool) -> bool;

    /// Whether it holds copies that have no verdict.
    fn holds_copies(&self) -> bool;

    /// These lines are held elsewhere, too: now they are void here, or their copy was tried.
    fn mark(&mut self, lines: &Lines, twin: Twin);

    /// Takes the copies it holds of these lines for the originals, which it takes out.
    fn adopt(&mut self, originals: &mut Vec<Outstanding>);

    /// From when on a server of which nothing is known has been silent for so long that it may well never answer.
    fn in_doubt_from(&self) -> Option<Duration> {
        None
    }

    /// What there is to hope for from other endpoints.
    fn look_beside(&mut self, _others: Others) {}

    /// Whether the server may end the connection now without anything being wrong with it.
    fn is_idle(&self) -> bool;

    /// Whether the connection has shown that the server works: an answer, or acknowledged bytes
    /// for long enough.
    fn has_proved(&self, now: Duration) -> bool;

    /// How many bytes of lines may be without an answer now.
    fn window_bytes(&self) -> usize;

    /// Whether the server has shown on this connection that it does something with points.
    fn has_worked(&self) -> bool;

    /// Shows all lines it holds, also those that settle.
    fn each(&self, look: &mut dyn FnMut(&Outstanding));

    /// The lowest position without a verdict, or held for a re-send.
    fn low(&self) -> Option<(u64, std::time::Instant)>;
}
