//! The oracle: judges a run by what went over the wires, with bookkeeping of its own.
//!
//! It sees which bytes the client wrote, which arrived, what the servers said and what the client
//! heard of it, and works out for each point what the client may say of it.
//!
//! A point is *answered*, over telnet, when the client has heard the answer to a `version` behind it on the same
//! connection and no error that sends the interval again; over HTTP, when it has heard the last byte of an answer that
//! took the point, or refused it by name or alone in its body. It is *loose* when the client was told that the kernel
//! of a server that does not answer has it: telnet only. The laws, by promise, and where they are checked:
//!
//! - **2, the ledger**, after every post (`laws.rs`): accepted = acknowledged + unconfirmed + rejected + dropped +
//!   queued + in flight. Acknowledged and rejected are exactly the good and the bad points answered; where a connection
//!   was silent for a while, no more than those and no fewer than were answered elsewhere. Unconfirmed are no
//!   more than are loose, and exactly those where nobody is ever asked. Once every endpoint has answered,
//!   nothing becomes unconfirmed any more. A point expires between `max_age` and a sixteenth more.
//! - **3, nothing is lost**, at the end (`laws.rs`). Telnet: an answered point is *owed* again when its connection
//!   ends, or says that something was lost, before a `version` asked a settle period after the answer is answered. The
//!   good points not on disk are no more than those dropped, unconfirmed, unsettled and released early
//!   together; those that arrived nowhere no more than those dropped; those owed or not settled no more than
//!   those the client calls unsettled or released early. A run that had time to rest leaves none
//!   unsettled and drops none at its close. HTTP: a good point is on disk, or answered, or dropped; with
//!   `ack=stored` on disk or dropped. Whatever body a point is in, its bytes are the same.
//! - **4, 5, whole lines and nothing else** (`telnet.rs`): every line written is, byte for byte, the line of a point
//!   or `version`; no connection begins with `version`; the client ends its side between lines, or counts
//!   `torn`. Over HTTP (`http.rs`) every request is a put of points or a question for the configuration, with a length.
//! - **6, flush** (`laws.rs`): when it returns, each point before it is answered or loose, or was dropped; none is owed.
//! - **7, close** (`mod.rs`): by its deadline, with nothing pending; without one, in bounded time; no hot loop.
//! - **9, bounds** (`laws.rs`): points and bytes in the queue, in flight and settling, points per second; written
//!   twice means counted resent. A run in which nothing goes wrong connects once and writes nothing twice, but for what each
//!   of several endpoints is asked with where none answers.
//! - **11, each turn is bounded** (`network.rs`): it reads a connection 16 times and writes to it 32 times at most,
//!   however much the server says.
//! - **11, nothing stops the rest** (`laws.rs`): where nothing goes wrong but with names, a point has its verdict within
//!   5 s, or 5 s after the first name can be resolved: a slow or hanging name costs no other endpoint anything. Each endpoint
//!   that takes connections and never answers costs one second more, while one answers; then nothing is unconfirmed, and an
//!   answer over HTTP is waited for as long as the option says, not longer. *No
//!   starvation*: once all faults are over, a good point has its verdict within 20 s, whatever the storage does to points
//!   of a series that it never takes; where each answer comes late, within some 40 answers, none of them 20 s after the last.
//!   No good point is given up for want of room or time. It may take longer where bad points are looked for by halves, where
//!   lines are long, and where a server says 503, which asks for rest.
//! - **11, rates** (`rates.rs`): attempts to connect, requests in vain, questions for a name, reports; good points written
//!   because of sick ones, and later points of a series that is known to be sick.
//! - **Manners**: a connection is ended by the client only at its end, or when no byte moved for a timeout. Over
//!   HTTP no request comes before the last one's answer, none to a server that asked for rest, none behind the announced
//!   end of a connection; no body is as long as one that was too long in the last 5 minutes, or longer than the server's configuration allows;
//!   401, 403, 404 and 405 leave the server alone until the back-off's cap, and so does, over telnet, something that speaks
//!   another protocol. *No wrong address*: from the first byte the client has heard of such, nothing becomes unconfirmed on
//!   that connection, and on later ones to the same endpoint only once silence was found out anew.
//!
//! Where the platform does not tell what the peer's kernel has, unconfirmed points may be lost
//! with their connection: that is what the option's documentation says.

use std::collections::VecDeque;
use std::time::Duration;

mod http;
mod laws;
mod rates;
mod telnet;

use super::callers::{History, Protocol};
use http::Conversation;
use rates::Rates;

use super::server::{Kind, Says, is_bad, is_sick};
use crate::config::options::Ack;

/// How long a server that has read the question may leave it unanswered (design: discovery).
const SILENT_AFTER: Duration = Duration::from_secs(2);

/// An answer may take so many answer timeouts, if something of it comes within each.
const PATIENCE: u32 = 10;

/// Where answers come late, the next one comes within that: a client that hears nothing is not waiting for its turn.
const SILENCE: Duration = Duration::from_secs(20);

/// So long after a body was too long, longer ones may be tried again.
const FORGET: Duration = Duration::from_secs(300);

/// How many connections to a server may be about to end because of their age.
const MOST_RETIRING: u64 = 4;

/// A precaution that was in vain more often than that, or whose connection ended, is waited for by nobody.
const WAITED_FOR: u64 = 2;

/// How long the client waits for the end of a stream that has nothing more to say.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// What is known of a point.
struct Point {
    line: Vec<u8>,
    accepted: Duration,
    /// Bytes of all lines up to its end.
    end: usize,
    bad: bool,
    /// Of the series that the storage never takes.
    sick: bool,
    /// As the JSON it was first written as.
    object: Option<Vec<u8>>,
    copies: u64,
    /// Copies of which a server said that they go again in another body.
    excused: u64,
    /// The number of its newest line: what becomes of an older one does not matter any more.
    newest: u64,
    arrived: bool,
    answered: bool,
    /// Only on connections that were silent once, where an answer may not be believed.
    doubted: bool,
    /// The client was told that the peer's kernel has it, on a server that does not answer.
    loose: bool,
    durable: bool,
    /// It has settled on one connection.
    settled: bool,
    /// A server failed it, and it was not written since.
    rests: bool,
    /// How often an error that named nobody came after it was answered and before it had settled.
    shaken: u64,
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
    connected: Option<Duration>,
    dialled: Duration,
    /// When a byte moved last, as far as the client can tell.
    progress: Duration,
    /// When the client's kernel last took bytes, and whether it took less than there were.
    wrote: (Duration, bool),
    half_closed: Option<Duration>,
    /// What the client was told that the peer's kernel has.
    told: usize,
    /// When it was told so of the first question.
    question_told: Option<Duration>,
    /// When it was told so of the oldest question without an answer, or a byte came that may be the answer's.
    oldest_told: Option<Duration>,
    first_question: Option<usize>,
    /// Something speaks on it that is no server of this protocol; and the client has heard some of that.
    foreign: bool,
    foreign_heard: bool,
    /// Nothing is asked on it; and whether that ever was so.
    silent: bool,
    murky: bool,
    loosened: usize,
    http: Conversation,
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

impl Stream {
    /// What it was made for went another way while it was made.
    fn is_unused(&self, now: Duration) -> bool {
        self.connected == Some(now) && self.bytes == 0 && self.tail.is_empty() && self.http.is_unused()
    }
}

pub(super) struct Oracle {
    /// The first law that did not hold.
    pub(super) broken: Option<String>,
    points: Vec<Point>,
    streams: Vec<Stream>,
    /// Those that have not ended.
    live: Vec<usize>,
    /// Calls that were accepted.
    calls: u64,
    lines: u64,
    copies: u64,
    connects: u64,
    /// Connections for which there was nothing to write any more.
    unused: u64,
    torn: u64,
    /// Answered so far: good, bad; and those of them on connections that were asked from beginning to end.
    answered: (u64, u64),
    sure: (u64, u64),
    /// Points received by the kernel of a server that does not answer; and those, or answered.
    loose: u64,
    told: u64,
    /// Bytes the worker has taken of points that are neither; and of points that settle.
    open_bytes: usize,
    settling_bytes: usize,
    /// Bytes of points that rest because a server failed them. Others of their series, which rest unseen, may be as many
    /// as `apart` says, once any do.
    resting: usize,
    apart: usize,
    longest: usize,
    peers: Vec<Peer>,
    seen: Seen,
    /// From when on the client may end connections as it likes.
    end: Option<Duration>,
    settle: Duration,
    /// The oldest good point that has no verdict is none before this one.
    hungry: usize,
    /// Answers heard, and connections that ended, since all is well: how many, and when the last.
    heard_since: (u64, Duration),
    rates: Rates,
    /// Nothing fails but points of a series that the storage never takes.
    only_sick: bool,
    protocol: Protocol,
    stored: bool,
    kind: Kind,
    /// Nobody is asked: by option, or because the server is known not to answer.
    never_asks: bool,
    must_answer: bool,
    /// The options say that the server answers: it is not taken for a silent one.
    answers: bool,
    mps: f64,
    calm: bool,
    /// Some endpoints take connections and never answer; nothing else goes wrong.
    hung: bool,
    limits: Limits,
}

/// What is known of a server over all connections.
#[derive(Clone, Copy)]
struct Peer {
    answered: bool,
    /// It took a body: points go there.
    took: bool,
    silent: bool,
    /// Something else was there once: from then on nothing but an answer, or new silence, counts.
    foreign: bool,
    /// It asked to be left alone.
    rests_until: Duration,
    /// It needs somebody's doing: no new connection before that.
    lasting_until: Duration,
    /// The shortest body it called too long, when it last did, and the longest its configuration allows.
    too_long: usize,
    too_long_at: Duration,
    longest_body: usize,
}

impl Peer {
    fn new() -> Peer {
        Peer {
            answered: false,
            took: false,
            silent: false,
            foreign: false,
            rests_until: Duration::ZERO,
            lasting_until: Duration::ZERO,
            too_long: usize::MAX,
            too_long_at: Duration::ZERO,
            longest_body: usize::MAX,
        }
    }

    /// A body of that length was taken: no refusal holds that was of a shorter one.
    fn took(&mut self, length: usize) {
        self.took = true;
        if length >= self.too_long {
            self.too_long = usize::MAX;
        }
    }

    /// A body of that length was called too long.
    fn refused(&mut self, now: Duration, length: usize) {
        self.too_long = self.too_long.min(length);
        self.too_long_at = now;
    }

    /// The shortest body that is known to be too long. That is forgotten after a while, and longer ones are tried.
    fn too_long(&self, now: Duration) -> usize {
        match now < self.too_long_at + FORGET {
            true => self.too_long,
            false => usize::MAX,
        }
    }
}

/// The bounds of promise 9, and how long the client is patient.
struct Limits {
    queue_points: u64,
    queue_bytes: usize,
    in_flight: u64,
    window_bytes: usize,
    settle_bytes: usize,
    apart: usize,
    slots: u64,
    connect: Duration,
    write: Duration,
    answer: Duration,
    connection_max_age: Option<Duration>,
    max_age: Option<Duration>,
    /// By when a point has its verdict.
    prompt: Option<Duration>,
    /// From when on a good point has its verdict, within how long, or within how many answers where each takes a second.
    fed: Option<(Duration, Duration, u64)>,
    /// The longest back-off.
    cap: Duration,
    backoff: (Duration, Duration),
}

/// What the client said when it was last looked at, beside what it could know.
#[derive(Clone, Copy, Default)]
struct Seen {
    unconfirmed: u64,
    all_peers: bool,
}

impl Oracle {
    pub(super) fn new(history: &History) -> Oracle {
        let options = &history.options;
        let unlimited = |points: usize| if points == 0 { u64::MAX } else { points as u64 };
        let slots = (history.endpoints * options.connections()) as u64;
        // A connection that has reached its age lives on until it has settled, and hands over first.
        let aged = options.connection_max_age.map_or(0, |_| MOST_RETIRING + 1);
        let most_links = slots + history.endpoints as u64 * aged;
        let known = options.server.is_some_and(|server| !server.answers_version());
        Oracle {
            broken: None,
            points: Vec::new(),
            streams: Vec::new(),
            live: Vec::new(),
            calls: 0,
            lines: 0,
            copies: 0,
            connects: 0,
            unused: 0,
            torn: 0,
            answered: (0, 0),
            sure: (0, 0),
            loose: 0,
            told: 0,
            open_bytes: 0,
            settling_bytes: 0,
            resting: 0,
            apart: 0,
            longest: 0,
            peers: vec![Peer::new(); history.endpoints],
            seen: Seen::default(),
            end: None,
            settle: options.settle,
            hungry: 0,
            heard_since: (0, Duration::ZERO),
            rates: Rates::default(),
            only_sick: history.only_sick(),
            protocol: history.protocol,
            stored: options.ack == Ack::Stored,
            kind: history.kind,
            never_asks: history.protocol == Protocol::Telnet
                && (options.ack == Ack::None || (known && options.ack != Ack::Accepted)),
            must_answer: options.ack == Ack::Accepted,
            answers: options.ack != Ack::None && options.server.is_some_and(potsdb_wire::Server::answers_version),
            mps: options.mps,
            calm: history.calm,
            hung: history.calm && history.hung > 0,
            limits: Limits {
                queue_points: unlimited(options.queue_points),
                queue_bytes: options.queue_bytes(),
                // As many as each connection may have, and once as many that rest.
                in_flight: unlimited(options.queue_points).saturating_mul(most_links + 1),
                window_bytes: options.window_bytes * most_links as usize,
                settle_bytes: options.settle_bytes,
                apart: (options.settle_bytes / 2).max(1 << 20),
                slots,
                connect: options.connect_timeout,
                write: options.write_timeout,
                answer: options.answer_timeout,
                connection_max_age: options.connection_max_age,
                max_age: options.max_age,
                prompt: history.prompt(),
                fed: history.fed(),
                cap: options.backoff.1,
                backoff: options.backoff,
            },
        }
    }

    pub(super) fn fail(&mut self, law: impl Into<String>) {
        self.broken.get_or_insert(law.into());
    }

    /// A call was accepted; with the line if it was queued.
    pub(super) fn accepted(&mut self, now: Duration, line: Option<Vec<u8>>) {
        self.calls += 1;
        let end = self.points.last().map_or(0, |last| last.end);
        self.points.extend(line.map(|line| Point {
            accepted: now,
            bad: is_bad(&line),
            sick: is_sick(&line),
            end: end + line.len(),
            line,
            object: None,
            copies: 0,
            excused: 0,
            newest: 0,
            arrived: false,
            answered: false,
            doubted: false,
            loose: false,
            durable: false,
            settled: false,
            rests: false,
            shaken: 0,
            owed: None,
        }));
        self.longest = self.longest.max(self.points.last().map_or(0, |last| last.line.len()));
    }

    /// The worker took points from the queue.
    pub(super) fn taken(&mut self, first: u64, points: u64) {
        let points = &self.points[first as usize..(first + points) as usize];
        self.open_bytes += points.iter().map(|point| point.line.len()).sum::<usize>();
    }

    /// A server failed these points, and they have no verdict: they rest.
    fn rest(&mut self, points: impl IntoIterator<Item = usize>) {
        for point in points {
            let point = &mut self.points[point];
            if !point.answered && !point.loose && !std::mem::replace(&mut point.rests, true) {
                self.resting += point.line.len();
                self.apart = self.limits.apart;
            }
        }
    }

    /// A point is written again, or has its verdict.
    fn stir(&mut self, point: usize) {
        let point = &mut self.points[point];
        if std::mem::take(&mut point.rests) {
            self.resting -= point.line.len();
        }
    }

    /// The callers want the end by then.
    pub(super) fn ends_by(&mut self, at: Duration) {
        self.end.get_or_insert(at);
    }

    /// The oldest of so many queued points were given up because of their age.
    pub(super) fn expired(&mut self, now: Duration, queued: u64, expired: u64) {
        let first = self.points.len() - queued as usize;
        let young = |point: &Point| self.limits.max_age.is_none_or(|age| now < point.accepted + age);
        if self.points[first..first + expired as usize].iter().any(young) {
            self.fail(format!(
                "promise 2: a point expired at {now:?} that is younger than max_age"
            ));
        }
    }

    pub(super) fn queued_points(&self) -> usize {
        self.points.len()
    }

    pub(super) fn dialled(&mut self, now: Duration, server: usize) {
        let until = self.peers[server].lasting_until;
        if now < until {
            self.fail(format!(
                "a connection at {now:?} to a server to be left alone until {until:?}"
            ));
        }
        self.live.push(self.streams.len());
        self.streams.push(Stream {
            server,
            connected: None,
            dialled: now,
            progress: now,
            wrote: (now, false),
            half_closed: None,
            told: 0,
            question_told: None,
            oldest_told: None,
            first_question: None,
            foreign: false,
            foreign_heard: false,
            silent: false,
            murky: false,
            loosened: 0,
            http: Conversation::default(),
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

    pub(super) fn connected(&mut self, now: Duration, id: usize) {
        self.connects += 1;
        let stream = &mut self.streams[id];
        (stream.connected, stream.progress) = (Some(now), now);
        let peer = &self.peers[stream.server];
        stream.silent = (self.never_asks || (peer.silent && !self.must_answer)) && !peer.foreign;
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

    pub(super) fn half_closed(&mut self, now: Duration, id: usize) {
        let stream = &mut self.streams[id];
        stream.half_closed = Some(now);
        if !stream.tail.is_empty() {
            self.fail("promise 4: the sending side was ended within a line");
        }
    }

    /// The connection is gone; or the client ended it on its own account.
    pub(super) fn dropped(&mut self, now: Duration, id: usize, by_client: bool) {
        if by_client {
            // What another connection shows at this moment may be why this one is of no use.
            for index in 0..self.live.len() {
                self.loosen(now, self.live[index]);
            }
            self.may_end(now, id);
        }
        if self.streams[id].foreign_heard {
            let peer = &mut self.peers[self.streams[id].server];
            peer.foreign = true;
            if self.end.is_none() {
                peer.lasting_until = now + self.limits.cap;
            }
        }
        self.silent_at_its_end(now, id);
        self.live.retain(|other| *other != id);
        if self.streams[id].bytes > 0 {
            self.count_answer(now);
            // Lines that end connections are looked for at the rate at which lines are tried, and the back-off waits.
            self.shows(self.streams[id].server);
            self.in_vain(now, self.streams[id].server);
            // Lines on which connections die again and again rest, too.
            self.apart = self.limits.apart;
        }
        if by_client && self.streams[id].connected.is_some() && self.streams[id].is_unused(now) {
            self.unused += 1;
            self.shows(self.streams[id].server);
        }
        let stream = &mut self.streams[id];
        let torn = by_client && !stream.tail.is_empty() && !b"version\n".starts_with(&stream.tail);
        (stream.torn, stream.dropped) = (torn, by_client);
        self.torn += u64::from(torn);
        let unanswered = stream.items[stream.answered..].iter();
        for point in unanswered.filter_map(|item| item.point) {
            self.points[point].shaken += u64::from(self.points[point].answered);
        }
        self.owe(id);
    }

    /// The client has heard what became of something, and all is well.
    fn count_answer(&mut self, now: Duration) {
        if self.limits.fed.is_some_and(|(from, ..)| from <= now) {
            self.heard_since = (self.heard_since.0 + 1, now);
        }
    }

    /// The client ends a connection: it must be at its end, or out of patience.
    fn may_end(&mut self, now: Duration, id: usize) {
        let stream = &self.streams[id];
        let given_up = self.end.is_some_and(|end| end <= now);
        let why = match stream.connected {
            None => self.end.is_some() || now >= stream.dialled + self.limits.connect,
            Some(at) => {
                let aged = self.limits.connection_max_age.is_some_and(|age| now >= at + age);
                stream.is_unused(now)
                    || (self.protocol == Protocol::Http && self.may_leave_http(id, aged))
                    || ((aged || self.end.is_some()) && self.is_void(id))
                    || stream.read_only
                    || stream.foreign_heard
                    || stream
                        .half_closed
                        .is_some_and(|at| now >= at.max(stream.progress) + LAST_WORDS)
                    || (stream.wrote.1 && now >= stream.wrote.0 + self.limits.write)
                    || now >= stream.progress + self.limits.answer
                    || stream.oldest_told.is_some_and(|at| now >= at + self.limits.answer)
                    || now >= stream.wrote.0 + self.limits.answer * PATIENCE
                    || (self.must_answer && stream.question_told.is_some_and(|at| now >= at + SILENT_AFTER))
            }
        };
        if !why && !given_up {
            let progress = stream.progress;
            self.fail(format!(
                "a connection is ended at {now:?} though bytes moved at {progress:?}"
            ));
        }
    }

    /// Everything that waits for an answer on a connection has its verdict from another one.
    fn is_void(&self, id: usize) -> bool {
        let stream = &self.streams[id];
        let told = |point: usize| self.points[point].answered || self.points[point].loose;
        let begun = !stream.tail.is_empty() || stream.http.has_begun();
        let unanswered = stream.items[stream.answered..].iter().filter_map(|item| item.point);
        let waits: Vec<usize> = match self.protocol {
            Protocol::Http => stream.http.waits_for().unwrap_or_default().to_vec(),
            Protocol::Telnet => unanswered.collect(),
        };
        let some = begun || !waits.is_empty() || stream.http.waits();
        some && waits.into_iter().all(told) && (!begun || self.open_bytes == 0)
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
