//! The oracle: judges a run by what went over the wires, with bookkeeping of its own.
//!
//! It sees which bytes the client wrote, which arrived, what the servers said and what the client
//! heard of it, and works out for each point what the client may say of it. The laws, by promise:
//!
//! - **2, the ledger**, after every post: accepted = acknowledged + unconfirmed + rejected + dropped +
//!   queued + in flight. A point is *answered* when the client has heard the answer to a `version`
//!   behind it on the same connection and no error that sends the interval again. While nothing is
//!   unconfirmed or released early, acknowledged and rejected are exactly the good and the bad points answered; later
//!   they are never more than those. Once every endpoint has answered, nothing
//!   becomes unconfirmed any more.
//! - **3, nothing is lost**: an answered point is *owed* again when its connection ends, or says that
//!   something was lost, before a `version` asked a settle period after the answer is answered. At the
//!   end the good points not on disk are no more than those dropped, unconfirmed, unsettled and
//!   released early together; those that arrived nowhere no more than those dropped; those owed or
//!   not settled no more than those the client calls unsettled or released early. A run that
//!   had time to rest leaves none unsettled and drops none at its close.
//! - **4, 5, whole lines**: every line written is, byte for byte, the line of a point or `version`;
//!   no connection begins with `version`; the client ends its side between lines, or counts `torn`.
//! - **6, flush**: when it returns, each point before it is answered, or has arrived where the server
//!   is silent, or was dropped from the queue; none is owed.
//! - **7, close**: by its deadline, with nothing pending; without one, in bounded time.
//! - **9, bounds**: queue, points in flight, points per second; written twice means counted resent.
//!
//! Where the platform does not tell what the peer's kernel has, unconfirmed points may be lost
//! with their connection: that is what the option's documentation says.

use std::collections::VecDeque;
use std::time::Duration;

mod laws;

use super::callers::History;
use super::server::{Kind, Says, point_of};
use crate::options::Ack;

/// What is known of a point.
struct Point {
    line: Vec<u8>,
    bad: bool,
    copies: u64,
    /// The number of its newest line: what becomes of an older one does not matter any more.
    newest: u64,
    arrived: bool,
    answered: bool,
    durable: bool,
    /// It has to be written again, and since which line.
    owed: Option<u64>,
}

/// A line that the client's kernel took whole.
struct Item {
    end: usize,
    /// `None`: the question.
    point: Option<usize>,
    number: u64,
    at: Duration,
}

/// What is known of a connection.
struct Stream {
    server: usize,
    items: Vec<Item>,
    bytes: usize,
    /// Of a line that is not whole yet.
    tail: Vec<u8>,
    arrived: usize,
    answered: usize,
    replies: VecDeque<(usize, Says)>,
    again: bool,
    read_only: bool,
    /// Lines answered and not settled, with the time of the answer and their points.
    settling: VecDeque<(Duration, u64, usize)>,
    /// Intervals that begin before this item are owed even when answered.
    suspect: usize,
    /// Dropped by the client in the middle of a line.
    torn: bool,
    dropped: bool,
}

pub(super) struct Oracle {
    /// The first law that did not hold.
    pub(super) broken: Option<String>,
    points: Vec<Point>,
    streams: Vec<Stream>,
    /// Calls that were accepted.
    calls: u64,
    lines: u64,
    copies: u64,
    connects: u64,
    torn: u64,
    /// Answered so far: good, bad.
    answered: (u64, u64),
    doors: Vec<bool>,
    seen: Seen,
    settle: Duration,
    kind: Kind,
    kernel_tells: bool,
    asks: bool,
    mps: f64,
    limit: u64,
    in_flight_limit: u64,
}

/// What the client said when it was last looked at, beside what it could know.
#[derive(Clone, Copy, Default)]
struct Seen {
    unconfirmed: u64,
    all_doors: bool,
}

impl Oracle {
    pub(super) fn new(history: &History) -> Oracle {
        let options = &history.options;
        let unlimited = |points: usize| if points == 0 { u64::MAX } else { points as u64 };
        let links = (history.endpoints * options.connections()) as u64;
        Oracle {
            broken: None,
            points: Vec::new(),
            streams: Vec::new(),
            calls: 0,
            lines: 0,
            copies: 0,
            connects: 0,
            torn: 0,
            answered: (0, 0),
            doors: vec![false; history.endpoints],
            seen: Seen::default(),
            settle: options.settle,
            kind: history.kind,
            kernel_tells: history.kernel_tells,
            asks: options.ack != Ack::None,
            mps: options.mps,
            limit: unlimited(options.queue_points),
            in_flight_limit: unlimited(options.queue_points).saturating_mul(links),
        }
    }

    pub(super) fn fail(&mut self, law: impl Into<String>) {
        self.broken.get_or_insert(law.into());
    }

    /// A call was accepted; with the line if it was queued.
    pub(super) fn accepted(&mut self, line: Option<Vec<u8>>) {
        self.calls += 1;
        self.points.extend(line.map(|line| Point {
            bad: line.starts_with(b"put bad"),
            line,
            copies: 0,
            newest: 0,
            arrived: false,
            answered: false,
            durable: false,
            owed: None,
        }));
    }

    pub(super) fn queued_points(&self) -> usize {
        self.points.len()
    }

    pub(super) fn dialled(&mut self, server: usize) {
        self.streams.push(Stream {
            server,
            items: Vec::new(),
            bytes: 0,
            tail: Vec::new(),
            arrived: 0,
            answered: 0,
            replies: VecDeque::new(),
            again: false,
            read_only: false,
            settling: VecDeque::new(),
            suspect: 0,
            torn: false,
            dropped: false,
        });
    }

    pub(super) fn connected(&mut self) {
        self.connects += 1;
    }

    /// The client's kernel took these bytes.
    pub(super) fn wrote(&mut self, now: Duration, id: usize, mut bytes: &[u8]) {
        while let Some(newline) = memchr::memchr(b'\n', bytes) {
            let stream = &mut self.streams[id];
            let mut line = std::mem::take(&mut stream.tail);
            line.extend_from_slice(&bytes[..=newline]);
            bytes = &bytes[newline + 1..];
            stream.bytes += line.len();
            self.lines += 1;
            let item = Item {
                end: stream.bytes,
                point: point_of(&line),
                number: self.lines,
                at: now,
            };
            if line == b"version\n" {
                if stream.items.is_empty() {
                    self.fail("promise 5: a connection begins with version");
                }
            } else if let Some(point) = item.point
                && self.points.get(point).is_some_and(|known| known.line == line)
            {
                self.points[point].copies += 1;
                self.points[point].newest = self.lines;
                self.copies += 1;
            } else {
                self.fail(format!(
                    "promise 5: {:?} was never sent",
                    String::from_utf8_lossy(&line)
                ));
                return;
            }
            self.streams[id].items.push(item);
        }
        self.streams[id].tail.extend_from_slice(bytes);
        let allowed = self.mps * now.as_secs_f64() + (self.mps * 0.05).max(1.0) + 1e-3;
        if self.mps > 0.0 && self.copies as f64 > allowed {
            self.fail(format!("mps: {} points were written by {now:?}", self.copies));
        }
    }

    /// The server's kernel has so many bytes.
    pub(super) fn arrived(&mut self, id: usize, bytes: usize) {
        let stream = &mut self.streams[id];
        while let Some(item) = stream.items.get(stream.arrived).filter(|item| item.end <= bytes) {
            stream.arrived += 1;
            if let Some(point) = item.point {
                self.points[point].arrived = true;
            }
        }
    }

    /// The server said something; its reply ends here in the stream of replies.
    pub(super) fn said(&mut self, id: usize, says: Says, end: usize) {
        self.streams[id].replies.push_back((end, says));
    }

    /// The client has read so many bytes of the replies.
    pub(super) fn heard(&mut self, now: Duration, id: usize, bytes: usize) {
        while let Some((_, says)) = self.streams[id]
            .replies
            .front()
            .copied()
            .filter(|(end, _)| *end <= bytes)
        {
            let stream = &mut self.streams[id];
            stream.replies.pop_front();
            match says {
                Says::Answer => self.answer(now, id),
                Says::Again => stream.again = true,
                Says::ReadOnly => stream.read_only = true,
                Says::Late => {
                    stream.suspect = stream.items.len() + usize::from(!stream.tail.is_empty());
                    self.owe(id);
                }
                Says::Refused | Says::Nothing => {}
            }
        }
    }

    fn answer(&mut self, now: Duration, id: usize) {
        let stream = &mut self.streams[id];
        let from = stream.answered;
        let Some(length) = stream.items[from..].iter().position(|item| item.point.is_none()) else {
            return self.fail("the simulation: an answer without a question");
        };
        let asked_at = stream.items[from + length].at;
        stream.answered = from + length + 1;
        self.doors[stream.server] = true;
        let repeat = std::mem::take(&mut stream.again) || stream.read_only;
        for index in from..from + length {
            let (Some(number), false) = (stream.items[index].point, repeat) else {
                continue;
            };
            let point = &mut self.points[number];
            if !std::mem::replace(&mut point.answered, true) {
                let refused = point.bad && self.kind == Kind::OpenTsdb;
                self.answered.0 += u64::from(!refused);
                self.answered.1 += u64::from(refused);
            }
            let line = stream.items[index].number;
            point.owed = point.owed.filter(|since| line <= *since);
            if !self.settle.is_zero() && from < stream.suspect {
                point.owed = Some(self.lines).filter(|_| point.newest == line).or(point.owed);
            } else if !self.settle.is_zero() {
                stream.settling.push_back((now, line, number));
            }
        }
        while stream
            .settling
            .front()
            .is_some_and(|(at, ..)| *at + self.settle <= asked_at)
        {
            stream.settling.pop_front();
        }
    }

    fn owe(&mut self, id: usize) {
        for (_, line, point) in self.streams[id].settling.drain(..) {
            let point = &mut self.points[point];
            point.owed = Some(self.lines).filter(|_| point.newest == line).or(point.owed);
        }
    }

    pub(super) fn half_closed(&mut self, id: usize) {
        if !self.streams[id].tail.is_empty() {
            self.fail("promise 4: the sending side was ended within a line");
        }
    }

    /// The connection is gone; or the client ended it on its own account.
    pub(super) fn dropped(&mut self, id: usize, by_client: bool) {
        let stream = &mut self.streams[id];
        let torn = by_client && !stream.tail.is_empty() && !b"version\n".starts_with(&stream.tail);
        (stream.torn, stream.dropped) = (torn, by_client);
        self.torn += u64::from(torn);
        self.owe(id);
    }

    /// A server took a line without its end for a whole one.
    pub(super) fn torn(&mut self, id: usize, reset: bool, tail: &[u8]) {
        let stream = &self.streams[id];
        let question = b"version".starts_with(tail);
        if !stream.torn && !question && (!reset && stream.dropped) {
            self.fail("promise 4: a torn line was stored and not counted");
        }
    }

    pub(super) fn durable(&mut self, point: usize) {
        self.points[point].durable = true;
    }
}
