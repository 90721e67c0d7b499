//! The world: a virtual network between the client and its servers.
//!
//! ```text
//!  client's process | client's kernel |  the way  | server's kernel | server's process | disk
//!       write ----> sent ----------------------> arrived ---------> read --> volatile --> durable
//!                    acked <---- lags --------------'                |
//!       heard <----- said <------------------------------------- replies
//! ```
//!
//! A [`Flow`] is one connection: two streams and how far each byte has come. All positions differ,
//! because every move takes a random part of what there is. The clock is the time of the next
//! [`Event`]; nothing else moves it. What a server makes of a line is `server.rs`'s; whether any of
//! it is right is the oracle's, who watches each move.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

mod faults;
mod http;
mod network;

use super::callers::{Foreign, History, NameTemper, Protocol};
use super::oracle::Oracle;
use super::server::answer::Answer;
use super::server::{Says, Server};
use super::{Dice, Trace};
use crate::net::resolver::Name;

/// What happens by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Dialled(usize),
    Pump(usize),
    /// The client's kernel learns that the connection was reset.
    Reset(usize),
    Flush(usize, u32),
    /// An answer is ready.
    Answer(usize),
    /// A connection has been idle since so many answers.
    Idle(usize, u32),
    Up(usize),
    /// The name of a server is resolved.
    Named(usize),
    /// A server is back where something else has listened.
    Back(usize),
    /// A server that talks without end goes on.
    Chatter(usize),
    /// Something a server was kept from is allowed again.
    Resume(usize),
}

/// How far an attempt to connect has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dial {
    Waiting,
    Connected,
    Refused,
}

/// What the client did to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Near {
    Open,
    HalfClosed,
    Dropped,
}

struct Flow {
    server: usize,
    generation: u32,
    dial: Dial,
    sent: Vec<u8>,
    arrived: usize,
    read: usize,
    /// Where the first line begins that the server has not read whole.
    line: usize,
    acked: usize,
    replies: Vec<u8>,
    said: usize,
    heard: usize,
    near: Near,
    /// The server has closed its end.
    closed: bool,
    /// Nothing moves any more.
    dead: bool,
    /// What the client's kernel knows.
    eof: bool,
    reset: bool,
    /// The client knows that it has ended.
    gone: bool,
    /// Bytes said before the answer that are none.
    chatter: usize,
    /// What it says comes in small pieces up to here.
    in_pieces: usize,
    /// The last turn that touched it, and how often that read and wrote.
    touched: (u64, u32, u32),
    send_buffer: usize,
    receive_buffer: usize,
    latency: Duration,
    reset_at: Option<usize>,
    /// A write took less than it was offered: the client is told when there is room.
    full: bool,
    pumping: bool,
    /// Over HTTP: the answer a server is working on.
    pending: Option<Answer>,
    /// How many it gave; over telnet, how often it heard something.
    answers: u32,
}

pub(super) struct World {
    pub(super) now: Duration,
    pub(super) oracle: Oracle,
    pub(super) trace: Trace,
    /// Flows the client's poll would report.
    pub(super) ready: Vec<usize>,
    /// The resolver has woken the worker.
    pub(super) called: bool,
    /// The driver's turns so far.
    pub(super) turns: u64,
    dice: Dice,
    protocol: Protocol,
    kernel_tells: bool,
    /// Of a hundred connections, how many are reset at some byte.
    resets: u64,
    /// Every way is short and wide.
    calm: bool,
    servers: Vec<Server>,
    /// How their names behave, and what is known of them.
    names: Vec<(NameTemper, Name)>,
    flows: Vec<Flow>,
    events: BinaryHeap<Reverse<(Duration, u64, Event)>>,
    count: u64,
}

impl World {
    pub(super) fn new(servers: Vec<Server>, history: &History, oracle: Oracle, dice: Dice, trace: Trace) -> World {
        World {
            now: Duration::ZERO,
            oracle,
            trace,
            ready: Vec::new(),
            called: false,
            turns: 0,
            names: history.names.iter().map(|temper| (*temper, Name::default())).collect(),
            dice,
            protocol: history.protocol,
            kernel_tells: history.kernel_tells,
            resets: history.resets,
            calm: history.calm,
            servers,
            flows: Vec::new(),
            events: BinaryHeap::new(),
            count: 0,
        }
    }

    pub(super) fn next(&self) -> Option<Duration> {
        self.events.peek().map(|Reverse((at, ..))| *at)
    }

    /// Lets everything happen that is due.
    pub(super) fn advance(&mut self, now: Duration) {
        self.now = now;
        while let Some(Reverse((at, _, event))) = self.events.peek().copied()
            && at <= now
        {
            self.events.pop();
            match event {
                Event::Dialled(flow) => self.dialled(flow),
                Event::Pump(flow) => self.pump(flow),
                Event::Reset(flow) => self.learn_reset(flow),
                Event::Flush(server, generation) => self.flush(server, generation),
                Event::Answer(flow) => self.give_answer(flow),
                Event::Idle(flow, answers) => self.hang_up_idle(flow, answers),
                Event::Named(server) => self.answer_name(server),
                Event::Back(server) => self.kill(server, Duration::ZERO),
                Event::Chatter(server) => self.chatter(server),
                Event::Up(server) => self.servers[server].up = true,
                Event::Resume(server) => self.pump_all(server),
            }
        }
    }

    fn schedule(&mut self, after: Duration, event: Event) {
        self.count += 1;
        self.events.push(Reverse((self.now + after, self.count, event)));
    }

    fn wake(&mut self, id: usize) {
        let flow = &mut self.flows[id];
        if !std::mem::replace(&mut flow.pumping, true) {
            let latency = flow.latency.mul_f64(self.dice.between(50, 150) as f64 / 100.0);
            self.schedule(latency, Event::Pump(id));
        }
    }

    /// The connections a server's process has.
    fn live(&self, server: usize) -> Vec<usize> {
        let live = |flow: &Flow| flow.server == server && flow.dial == Dial::Connected && !flow.closed && !flow.dead;
        (0..self.flows.len()).filter(|id| live(&self.flows[*id])).collect()
    }

    fn pump_all(&mut self, server: usize) {
        for flow in self.live(server) {
            self.wake(flow);
        }
    }

    fn dialled(&mut self, id: usize) {
        let flow = &mut self.flows[id];
        let server = &self.servers[flow.server];
        if flow.near == Near::Dropped {
            return;
        }
        flow.generation = server.generation;
        flow.dial = if server.up { Dial::Connected } else { Dial::Refused };
        self.trace.note(self.now, || {
            format!("flow {id} to server {}: {:?}", flow.server, flow.dial)
        });
        let connected = flow.dial == Dial::Connected;
        self.ready.push(id);
        if connected {
            self.keep_idle(id);
            if self.foreign(id).is_some_and(|foreign| foreign.first) {
                self.say_foreign(id);
            }
        }
    }

    fn learn_reset(&mut self, id: usize) {
        let flow = &mut self.flows[id];
        flow.dead = true;
        if flow.near != Near::Dropped {
            flow.reset = true;
            self.ready.push(id);
        }
    }

    /// Moves everything on a connection one bit further.
    fn pump(&mut self, id: usize) {
        let flow = &mut self.flows[id];
        flow.pumping = false;
        if flow.dead {
            return;
        }
        if flow.closed {
            return self.pump_closed(id);
        }
        let server = &self.servers[flow.server];
        let (listens, speaks) = (server.deaf_until <= self.now, server.dumb_until <= self.now);
        let room = flow.receive_buffer - (flow.arrived - flow.read);
        let mut moves = self.dice.portion(room.min(flow.sent.len() - flow.arrived));
        let resets = flow.reset_at.is_some_and(|at| at <= flow.arrived + moves);
        if let Some(at) = flow.reset_at.filter(|_| resets) {
            moves = at.saturating_sub(flow.arrived);
        }
        flow.arrived += moves;
        self.oracle.arrived(id, flow.arrived);
        if resets {
            return self.reset(id);
        }
        if listens {
            let moves = self.dice.portion(flow.arrived - flow.read);
            self.hear(id, moves);
        }
        let flow = &mut self.flows[id];
        flow.acked += self.dice.portion(flow.arrived - flow.acked);
        if speaks && flow.said < flow.replies.len() {
            if flow.near == Near::Dropped {
                // Nobody is there to take it: the client's kernel answers with a reset.
                return self.lose(id);
            }
            flow.said += self.dice.portion(flow.replies.len() - flow.said);
            self.ready.push(id);
        }
        if flow.full && flow.send_buffer > flow.sent.len() - flow.acked {
            flow.full = false;
            self.ready.push(id);
        }
        if flow.near != Near::Open && flow.read == flow.sent.len() && listens {
            self.tear(id, false);
            self.flows[id].closed = true;
        }
        let flow = &self.flows[id];
        let moving = flow.sent.len() > flow.arrived && flow.receive_buffer > flow.arrived - flow.read;
        let reading = flow.arrived > flow.read && listens;
        let saying = flow.replies.len() > flow.said && speaks;
        if moving || reading || saying || flow.acked < flow.arrived || flow.closed {
            self.wake(id);
        }
    }

    /// The server has closed: its last words, its end of stream, and a reset for whatever comes now.
    fn pump_closed(&mut self, id: usize) {
        let flow = &mut self.flows[id];
        if flow.near == Near::Dropped {
            flow.dead = true;
        } else if flow.sent.len() > flow.arrived {
            self.learn_reset(id);
        } else if flow.said < flow.replies.len() && self.servers[flow.server].dumb_until <= self.now {
            flow.said += self.dice.portion(flow.replies.len() - flow.said);
            self.ready.push(id);
            self.wake(id);
        } else if flow.said == flow.replies.len() {
            flow.acked = flow.arrived;
            if !std::mem::replace(&mut flow.eof, true) {
                self.ready.push(id);
            }
        } else {
            let until = self.servers[flow.server].dumb_until;
            flow.pumping = true;
            self.schedule(until.saturating_sub(self.now), Event::Pump(id));
        }
    }

    /// The server's process reads so many bytes more.
    fn hear(&mut self, id: usize, bytes: usize) {
        let flow = &mut self.flows[id];
        let server = flow.server;
        flow.read += bytes;
        match self.protocol {
            Protocol::Telnet => self.hear_lines(id),
            Protocol::Http => self.hear_request(id),
        }
        if self.servers[server].wants_flush() {
            let after = self.dice.time(1_000, 1_000_000);
            let generation = self.servers[server].generation;
            self.schedule(after, Event::Flush(server, generation));
        }
    }

    /// What else than the server has this connection.
    fn foreign(&self, id: usize) -> Option<Foreign> {
        self.servers[self.flows[id].server].foreign(self.now)
    }

    /// Something else says what it has to say.
    fn say_foreign(&mut self, id: usize) {
        let Some(foreign) = self.foreign(id) else { return };
        let flow = &mut self.flows[id];
        if flow.replies.is_empty() {
            flow.replies.extend_from_slice(foreign.says);
            flow.in_pieces = if foreign.closes { 0 } else { flow.replies.len() };
            self.oracle.is_foreign(id);
            self.wake(id);
        }
        if foreign.closes {
            self.close(id);
        }
    }

    fn hear_lines(&mut self, id: usize) {
        let server = self.flows[id].server;
        if self.foreign(id).is_some() {
            // It takes nothing of what it reads.
            let flow = &mut self.flows[id];
            flow.line = flow.read;
            return self.say_foreign(id);
        }
        loop {
            let flow = &mut self.flows[id];
            let Some(length) = memchr::memchr(b'\n', &flow.sent[flow.line..flow.read]) else {
                break;
            };
            let line = &flow.sent[flow.line..flow.line + length];
            if self.servers[server].hangs_up_at(line) {
                // It reads nothing more.
                flow.line = flow.read;
                return self.close(id);
            }
            let said = self.servers[server].hear(self.now, id, line, &mut self.dice);
            flow.line += length + 1;
            self.say(id, said);
        }
        self.flows[id].answers += 1;
        self.keep_idle(id);
    }

    fn say(&mut self, id: usize, says: Says) {
        let flow = &mut self.flows[id];
        let from = flow.replies.len();
        flow.replies.extend_from_slice(self.servers[flow.server].words(says));
        let end = match says {
            Says::Nothing => return,
            // Its second line goes on about it; it is understood at the first.
            Says::Late => from + 1 + memchr::memchr(b'\n', &flow.replies[from..]).expect("an error is a line"),
            _ => flow.replies.len(),
        };
        self.oracle.said(id, says, end);
    }

    /// Points reach the disk, or their writer hears that they do not.
    fn flush(&mut self, server: usize, generation: u32) {
        if self.servers[server].generation != generation {
            return;
        }
        for (point, id, sick) in self.servers[server].flush() {
            if !sick && !self.servers[server].throttles(self.now, &mut self.dice) {
                self.oracle.durable(point);
            } else if self.protocol == Protocol::Telnet && !self.flows[id].closed && !self.flows[id].dead {
                self.say(id, Says::Late);
                self.wake(id);
            }
        }
    }
}
