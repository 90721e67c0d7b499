//! The conversation on one connection, without the socket.
//!
//! The engine gives an [`Exchange`] lines and tells it what came in; the exchange says which bytes
//! to write next and posts verdicts into a [`Verdicts`]. Time is an argument. One exchange lives as
//! long as its connection; what it found out about the server ([`Knowledge`]) outlives it.

use std::io::IoSlice;
use std::time::Duration;

use potsdb_wire::Server;

use crate::block::Lines;
use crate::ledger::Tally;
use crate::report::Report;
use crate::window::Held;

mod greeting;
mod telnet;
pub(crate) use greeting::Greeting;
pub(crate) use telnet::{Telnet, Terms};

/// The server's words for refused points that are kept.
const WORDS: usize = 16;

/// Whether a server answers the question in-band.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Knowledge {
    /// Not found out yet.
    Unknown,
    /// It did at least once: from then on silence is a dead connection.
    Answers(Server),
    /// It did not; it is asked again after that.
    Silent { until: Duration },
}

/// How much a connection takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Room {
    pub(crate) bytes: usize,
    pub(crate) points: u64,
}

/// Why the client ends a connection on its own account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// Nothing could be written for the write timeout.
    WriteTimeout,
    /// No answer and no progress for the answer timeout.
    AnswerTimeout,
    /// The server answered that it takes no points.
    ReadOnly,
    /// It cannot answer, and `ack=accepted` wants an answer.
    CannotAnswer,
    /// It did not accept the login.
    Unauthorized,
    /// Everything is answered and the server does not end its side.
    Finished,
}

impl Cut {
    pub(crate) fn words(self) -> &'static str {
        match self {
            Cut::WriteTimeout => "write timeout: the server does not read",
            Cut::AnswerTimeout => "answer timeout: the server does not answer",
            Cut::ReadOnly => "the server takes no points (read-only mode)",
            Cut::CannotAnswer => "the server cannot answer, and ack=accepted asks for answers",
            Cut::Unauthorized => "the server did not accept the login (option auth)",
            Cut::Finished => "closed",
        }
    }
}

/// Where exchanges write what they learned. The engine owns it; the worker posts it.
#[derive(Debug, Default)]
pub(crate) struct Verdicts {
    pub(crate) tally: Tally,
    /// Lines to be written again, in the order of their positions.
    pub(crate) again: Vec<Held>,
    pub(crate) reports: Vec<Report>,
    /// The server's newest words for what it refused, newest last.
    pub(crate) words: Vec<String>,
    pub(crate) last_answer: Option<Duration>,
    /// Blocks nothing refers to any more.
    pub(crate) spare: Vec<Vec<u8>>,
}

impl Verdicts {
    /// The server refused a point, in these words. Thousands may come between two turns of the
    /// worker: the newest are kept.
    pub(crate) fn refused(&mut self, words: String) {
        if self.words.len() >= WORDS {
            self.words.remove(0);
        }
        self.words.push(words);
    }

    /// Points were rejected, or refused where no verdict can tell: one report, with the newest words.
    pub(crate) fn report_refusal(&mut self) {
        let words = self.words.last().cloned().unwrap_or_default();
        if !self
            .reports
            .iter()
            .any(|report| matches!(report, Report::Rejected { .. }))
        {
            self.reports.push(Report::Rejected { points: 0, words });
        }
    }

    /// The server asked for less, in these words.
    pub(crate) fn throttled(&mut self, words: String) {
        if !self
            .reports
            .iter()
            .any(|report| matches!(report, Report::Throttled { .. }))
        {
            self.reports.push(Report::Throttled { words });
        }
    }

    /// These lines are done with: their memory can be used again.
    pub(crate) fn release(&mut self, lines: Lines) {
        self.spare.extend(lines.into_spare());
    }

    /// These lines go again.
    pub(crate) fn send_again(&mut self, held: impl IntoIterator<Item = Held>) {
        self.again.extend(held);
        self.again.sort_by_key(|held| held.lines.first());
    }
}

/// One connection's conversation.
pub(crate) trait Exchange: Send {
    /// How much it takes now of lines whose verdict is, or is not, posted already.
    fn room(&self, posted: bool) -> Option<Room>;

    /// Takes lines that [`room`](Exchange::room) allowed.
    fn give(&mut self, now: Duration, held: Held);

    /// The bytes to write next. What was shown is shown again, as it was, until it is written: over TLS it may be
    /// encrypted already.
    fn unwritten<'a>(&'a self, slices: &mut Vec<IoSlice<'a>>);

    /// The kernel took so many of them.
    fn wrote(&mut self, now: Duration, bytes: u64);

    /// Bytes the server sent.
    fn received(&mut self, now: Duration, bytes: &[u8], verdicts: &mut Verdicts);

    /// The peer's kernel has acknowledged so many bytes in all.
    fn kernel_has(&mut self, now: Duration, bytes: u64, verdicts: &mut Verdicts);

    /// When to ask the kernel for that, if at all.
    fn ask_kernel_at(&self) -> Option<Duration>;

    /// Time passed. `urgent`: a caller waits for verdicts.
    fn tick(&mut self, now: Duration, urgent: bool, verdicts: &mut Verdicts) -> Option<Cut>;

    /// When [`tick`](Exchange::tick) is due next, whatever else happens.
    fn deadline(&self) -> Option<Duration>;

    /// Nothing more will be given: ask what is left to ask, then end the sending side.
    fn finish(&mut self, now: Duration);

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
    fn knowledge(&self) -> Knowledge;

    /// The server answered on another connection: its silence on this one is no longer its nature.
    fn learn(&mut self, server: Server);

    /// Whether the connection has shown that the server works: an answer, or acknowledged bytes
    /// for long enough.
    fn has_proved(&self, now: Duration) -> bool;

    /// The lowest position without a verdict, or held for a re-send.
    fn low(&self) -> Option<(u64, std::time::Instant)>;
}
