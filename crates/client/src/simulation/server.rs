//! A server's process: what it makes of a line, and what it holds in memory only.
//!
//! Three kinds, as measured on the real ones: OpenTSDB answers `version`, reports bad points at once
//! and lost ones later; InfluxDB answers without a newline and reports nothing; VictoriaMetrics
//! never says a word. All of them hold accepted points in memory for up to a second. What they say over
//! HTTP is `answer.rs`'s.

use std::time::Duration;

use super::Dice;
use super::callers::{Foreign, Poison};

pub(super) mod answer;
pub(super) mod request;

use answer::Front;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    OpenTsdb,
    InfluxDb,
    VictoriaMetrics,
}

/// What a server says to a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Says {
    Nothing,
    Answer,
    /// This point is refused.
    Refused,
    /// Too much to do; this point was not taken.
    Again,
    /// A point taken before is lost.
    Late,
    ReadOnly,
}

pub(super) struct Server {
    kind: Kind,
    pub(super) up: bool,
    /// The way to it is long.
    pub(super) far: bool,
    /// Which process this is, counted.
    pub(super) generation: u32,
    /// Accepted points, the connections they came by, and whether the storage will not take them.
    volatile: Vec<(usize, usize, bool)>,
    flush_due: bool,
    pub(super) deaf_until: Duration,
    pub(super) dumb_until: Duration,
    /// Until when, and how many of a hundred points.
    pub(super) throttled: (Duration, u64),
    pub(super) read_only_until: Duration,
    /// Until when its storage takes nothing, and whether it says so late.
    pub(super) fails: (Duration, bool),
    pub(super) unreachable_until: Duration,
    /// Over HTTP: chunks are taken, up to this length in all.
    pub(super) chunks: Option<usize>,
    /// InfluxDB's database is there.
    created: bool,
    /// Of a hundred answers with details, how many do not name all they refuse.
    pub(super) forgets: u64,
    /// Its answers come in many shapes.
    pub(super) odd: bool,
    /// How long it keeps an idle connection.
    pub(super) keeps: Option<Duration>,
    pub(super) front: Option<Front>,
    /// It counts the points it takes, as TDengine's adapter does.
    counts: bool,
    /// Until when, how many of a hundred answers have no end, or come slowly, a few bytes each so often.
    pub(super) lingers: (Duration, u64, Option<Duration>),
    /// Until when something else listens in its place.
    foreign: Option<(Duration, Foreign)>,
    /// Until when it talks without end.
    pub(super) chatty_until: Duration,
    /// Until when what stands before it takes bodies up to this length.
    pub(super) narrow: (Duration, usize),
    /// Until when, and how many of a hundred answers are cut.
    pub(super) cuts: (Duration, u64),
    /// What it says of the points its storage never takes.
    pub(super) poison: Option<Poison>,
}

impl Server {
    pub(super) fn new(kind: Kind, far: bool) -> Server {
        Server {
            kind,
            up: true,
            far,
            generation: 1,
            volatile: Vec::new(),
            flush_due: false,
            deaf_until: Duration::ZERO,
            dumb_until: Duration::ZERO,
            throttled: (Duration::ZERO, 0),
            read_only_until: Duration::ZERO,
            fails: (Duration::ZERO, false),
            unreachable_until: Duration::ZERO,
            chunks: None,
            created: false,
            forgets: 0,
            odd: false,
            keeps: None,
            front: None,
            counts: false,
            lingers: (Duration::ZERO, 0, None),
            foreign: None,
            chatty_until: Duration::ZERO,
            narrow: (Duration::ZERO, 0),
            cuts: (Duration::ZERO, 0),
            poison: None,
        }
    }

    /// Whether it closes the connection at this line.
    pub(super) fn hangs_up_at(&self, line: &[u8]) -> bool {
        self.poison == Some(Poison::HangUp) && is_sick(line)
    }

    /// Something else listens in its place for a while.
    pub(super) fn give_way(&mut self, until: Duration, foreign: Foreign) {
        self.foreign = Some((until, foreign));
    }

    pub(super) fn foreign(&self, now: Duration) -> Option<Foreign> {
        let there = self.foreign.filter(|(until, _)| now < *until);
        there.map(|(_, foreign)| foreign)
    }

    /// Reads one line of a connection.
    pub(super) fn hear(&mut self, now: Duration, flow: usize, line: &[u8], dice: &mut Dice) -> Says {
        let answers = self.kind != Kind::VictoriaMetrics;
        if line == b"version" {
            return if answers { Says::Answer } else { Says::Nothing };
        }
        let speaks = self.kind == Kind::OpenTsdb;
        if speaks && now < self.read_only_until {
            return Says::ReadOnly;
        }
        if is_bad(line) {
            return if speaks { Says::Refused } else { Says::Nothing };
        }
        let fails = speaks && now < self.fails.0;
        if (self.poison == Some(Poison::AtOnce) && is_sick(line)) || (fails && !self.fails.1) {
            return Says::Again;
        }
        if speaks && self.throttles(now, dice) && dice.chance(50) {
            return Says::Again;
        }
        let sick = is_sick(line) || fails;
        self.volatile.extend(point_of(line).map(|point| (point, flow, sick)));
        Says::Nothing
    }

    pub(super) fn words(&self, says: Says) -> &'static [u8] {
        match says {
            Says::Nothing => b"",
            Says::Answer if self.kind == Kind::InfluxDb => b"InfluxDB TSDB proxy",
            Says::Answer => b"net.opentsdb.tools 2.4.1 built at revision eb12 (MINT)\nBuilt on 2021/09/08 by u@h:/d\n",
            Says::Refused => b"put: invalid value: Invalid character '.' in 1.5\n",
            Says::Again => b"put: Throttling exception: 1000 RPCs waiting\n",
            Says::Late if self.poison.is_some() => {
                b"put: HBase error: 1000 RPCs waiting on region sick\nCaused by: x\n"
            }
            Says::Late => b"put: Please throttle writes: 10000 RPCs waiting\nCaused by RPC: PutRequest(x\n",
            Says::ReadOnly => b"unknown command: put.  Try `help'.\n",
        }
    }

    /// A line that is no answer, if it says such lines at all: of InfluxDB's answers only the end of the stream is an end.
    pub(super) fn chatter(&self) -> Option<&'static [u8]> {
        (self.kind == Kind::OpenTsdb).then_some(b"Caused by RPC: PutRequest(table=\"tsdb\", key=[0])\n")
    }

    pub(super) fn throttles(&self, now: Duration, dice: &mut Dice) -> bool {
        self.kind == Kind::OpenTsdb && now < self.throttled.0 && dice.chance(self.throttled.1)
    }

    /// Whether there is something to flush and nobody has been told. True once.
    pub(super) fn wants_flush(&mut self) -> bool {
        !self.volatile.is_empty() && !std::mem::replace(&mut self.flush_due, true)
    }

    pub(super) fn flush(&mut self) -> Vec<(usize, usize, bool)> {
        self.flush_due = false;
        std::mem::take(&mut self.volatile)
    }

    /// The process is gone, and with it what it held.
    pub(super) fn die(&mut self) {
        self.volatile.clear();
        self.flush_due = false;
        self.up = false;
        self.generation += 1;
    }

    /// Whether a line without its newline is stored all the same at the end of the stream.
    pub(super) fn stores_torn(&self) -> bool {
        self.kind != Kind::OpenTsdb
    }
}

/// Which point a line is: its value says so.
pub(super) fn point_of(line: &[u8]) -> Option<usize> {
    let value = value_of(line)?;
    let whole = value.split(|byte| *byte == b'.').next()?;
    std::str::from_utf8(whole).ok()?.parse().ok()
}

/// Whether a server that looks at points refuses this one. Nothing but its value tells.
pub(super) fn is_bad(line: &[u8]) -> bool {
    value_of(line).is_some_and(|value| value.ends_with(b".5"))
}

/// Whether it is of the series that a sick storage never takes.
pub(super) fn is_sick(line: &[u8]) -> bool {
    memchr::memmem::find(line, b"h=sick").is_some()
}

fn value_of(line: &[u8]) -> Option<&[u8]> {
    line.split(|byte| *byte == b' ').nth(3)
}
