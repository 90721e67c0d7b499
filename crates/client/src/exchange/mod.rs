//! The conversation on one connection, without the socket.
//!
//! The engine gives an [`Exchange`] lines and tells it what came in; the exchange says which bytes
//! to write next and posts verdicts into a [`Verdicts`]. Time is an argument. One exchange lives as
//! long as its connection; what it found out about the server ([`Knowledge`]) outlives it.

use std::fmt;
use std::io::IoSlice;
use std::time::Duration;

use potsdb_wire::Server;
use potsdb_wire::reply::ErrorKind;

use crate::block::Lines;
use crate::ledger::Tally;
use crate::overload::Slow;
use crate::report::Report;
use crate::window::Held;

mod greeting;
#[cfg(feature = "http")]
mod http;
mod telnet;
mod wire;

pub(crate) use wire::Wire;

/// The server's words for refused points that are kept.
const WORDS: usize = 16;

/// Reports kept between two turns of the worker, at most.
const REPORTS: usize = 64;

/// What the options say about every exchange.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    pub(crate) window_bytes: usize,
    pub(crate) window_points: u64,
    pub(crate) settle: Duration,
    pub(crate) settle_bytes: usize,
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
            settle: 2 * second,
            settle_bytes: 32 << 20,
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
pub(crate) enum Knowledge {
    /// Not found out yet.
    Unknown,
    /// It did at least once: from then on silence is a dead connection.
    Answers(Server),
    /// It did not; it is asked again after that.
    Silent { until: Duration },
    /// It speaks HTTP.
    #[cfg(feature = "http")]
    Http(http::Learned),
}

impl Knowledge {
    /// What one connection knows and another one found out. An endpoint that ever answered is never
    /// taken for a silent one again.
    pub(crate) fn merged(self, other: Knowledge) -> Knowledge {
        match (self, other) {
            #[cfg(feature = "http")]
            (Knowledge::Http(one), Knowledge::Http(other)) => Knowledge::Http(one.merged(other)),
            (Knowledge::Answers(_), other) if !matches!(other, Knowledge::Answers(_)) => self,
            (_, other) => other,
        }
    }

    /// Which server it is, where that is known.
    pub(crate) fn server(self) -> Option<Server> {
        match self {
            Knowledge::Answers(server) => Some(server),
            #[cfg(feature = "http")]
            Knowledge::Http(learned) => learned.server,
            _ => None,
        }
    }

    /// What it is like to talk to, in words.
    pub(crate) fn manner(self) -> &'static str {
        match self {
            Knowledge::Answers(_) => ", answers",
            Knowledge::Silent { .. } => ", silent",
            _ => "",
        }
    }
}

/// How much a connection takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Room {
    pub(crate) bytes: usize,
    pub(crate) points: u64,
}

/// Why the client ends a connection on its own account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
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
    /// No points are taken at this URL; in the server's words.
    #[cfg_attr(not(feature = "http"), expect(dead_code, reason = "only HTTP has URLs"))]
    Misplaced(String),
    /// Everything is answered, and the connection of no more use.
    Finished,
}

impl Cut {
    /// Whether it takes somebody's doing to mend: not a passing fault.
    pub(crate) fn is_lasting(&self) -> bool {
        matches!(
            self,
            Cut::ReadOnly | Cut::CannotAnswer | Cut::Unauthorized(_) | Cut::Misplaced(_)
        )
    }
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cut::WriteTimeout => f.write_str("write timeout: the server does not read"),
            Cut::AnswerTimeout => f.write_str("answer timeout: the server does not answer"),
            Cut::ReadOnly => f.write_str("the server takes no points (read-only mode)"),
            Cut::CannotAnswer => f.write_str("the server cannot answer what the option ack asks for"),
            Cut::Unauthorized(words) => write!(f, "the server refuses the credentials (option auth): {words}"),
            Cut::Misplaced(words) => write!(f, "the server takes no points at this URL: {words}"),
            Cut::Finished => f.write_str("closed"),
        }
    }
}

/// Where exchanges write what they learned. The engine owns it; the worker posts it.
#[derive(Debug, Default)]
pub(crate) struct Verdicts {
    pub(crate) tally: Tally,
    /// Lines to be written again: those without a verdict first, each kind in the order of positions. The others are a
    /// precaution: on a connection that carries little they must not take all of it.
    pub(crate) again: Vec<Held>,
    pub(crate) reports: Vec<Report>,
    /// The server's newest words for what it refused, newest last.
    pub(crate) words: Vec<String>,
    /// Its newest words for a refusal that no report tells of yet.
    refusal: Option<String>,
    pub(crate) last_answer: Option<Duration>,
    /// Blocks nothing refers to any more.
    pub(crate) spare: Vec<Vec<u8>>,
    /// The endpoint asked for less since the engine last looked.
    pub(crate) slow: Option<Slow>,
    /// It took points without asking for less.
    pub(crate) worked: bool,
}

impl Verdicts {
    /// The server refused a point, in these words. Thousands may come between two turns of the
    /// worker: the newest are kept.
    pub(crate) fn refused(&mut self, kind: ErrorKind, words: String) {
        self.count(kind);
        if self.words.len() >= WORDS {
            self.words.remove(0);
        }
        match kind {
            ErrorKind::UnknownMetric => {
                let report = Report::UnknownMetric { words: words.clone() };
                if self.reports.len() < REPORTS && !self.reports.contains(&report) {
                    self.reports.push(report);
                }
            }
            _ => self.refusal = Some(words.clone()),
        }
        self.words.push(words);
    }

    /// The server reported an error of that kind.
    pub(crate) fn count(&mut self, kind: ErrorKind) {
        let place = ErrorKind::ALL.iter().position(|other| *other == kind);
        self.tally.errors[place.expect("ALL holds every kind")] += 1;
    }

    /// Points were rejected, or refused where no verdict can tell: one report, with the newest words.
    pub(crate) fn report_refusal(&mut self) {
        if let Some(words) = self.refusal.take() {
            self.report_once(Report::Rejected { points: 0, words });
        }
    }

    /// The server asked for less, in these words; and perhaps to be left alone for some time.
    pub(crate) fn slow_down(&mut self, rest: Option<Duration>, words: String) {
        self.slow = Some(Slow { rest, less: true });
        self.report_once(Report::Throttled { words });
    }

    /// It failed, in these words, and is tried again.
    #[cfg(feature = "http")]
    pub(crate) fn pause(&mut self, rest: Option<Duration>, words: String) {
        let less = self.slow.is_some_and(|slow| slow.less);
        self.slow = Some(Slow { rest, less });
        self.report_once(Report::Failing { words });
    }

    /// Reports, unless a report of that kind waits already.
    fn report_once(&mut self, report: Report) {
        let kind = std::mem::discriminant(&report);
        if !self.reports.iter().any(|other| std::mem::discriminant(other) == kind) {
            self.reports.push(report);
        }
    }

    /// These lines are done with: their memory can be used again.
    pub(crate) fn release(&mut self, lines: Lines) {
        self.spare.extend(lines.into_spare());
    }

    /// These lines go again.
    pub(crate) fn send_again(&mut self, held: impl IntoIterator<Item = Held>) {
        self.again.extend(held);
        self.again.sort_by_key(|held| (held.posted, held.lines.first()));
    }
}

/// One connection's conversation.
pub(crate) trait Exchange: Send {
    /// How much it takes now of lines whose verdict is, or is not, posted already.
    fn room(&self, posted: bool) -> Option<Room>;

    /// Takes lines that [`room`](Exchange::room) allowed.
    fn give(&mut self, now: Duration, held: Held);

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
    fn tick(&mut self, now: Duration, urgent: bool, verdicts: &mut Verdicts) -> Option<Cut>;

    /// When [`tick`](Exchange::tick) is due next, whatever else happens.
    fn deadline(&self) -> Option<Duration>;

    /// Nothing more will be given: ask what is left to ask, then end the sending side.
    fn finish(&mut self, now: Duration);

    /// Nothing more is to be given because of the connection's age: it ends as [`finish`](Exchange::finish) says, once
    /// everything is answered and has settled.
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
    fn knowledge(&self) -> Knowledge;

    /// What other connections to the same endpoint found out.
    fn learn(&mut self, knowledge: Knowledge);

    /// The endpoint asked to be left alone until then, on whatever connection.
    fn rest(&mut self, _until: Duration) {}

    /// Whether the server may end the connection now without anything being wrong with it.
    fn is_idle(&self) -> bool;

    /// Whether the connection has shown that the server works: an answer, or acknowledged bytes
    /// for long enough.
    fn has_proved(&self, now: Duration) -> bool;

    /// How many bytes of lines may be without an answer now.
    fn window_bytes(&self) -> usize;

    /// Whether the server has shown on this connection that it does something with points.
    fn has_worked(&self) -> bool;

    /// The lowest position without a verdict, or held for a re-send.
    fn low(&self) -> Option<(u64, std::time::Instant)>;
}
