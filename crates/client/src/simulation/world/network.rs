//! The world as the driver's network: what the client does to its ends of the connections.
//!
//! The oracle watches here what it may know of the driver's inside.

use std::io::{self, IoSlice};
use std::time::Duration;

use super::{Dial, Event, Flow, Near, World};
use crate::config::credentials::Credentials;
use crate::net::connection::Incoming;
use crate::net::driver::{Network, Observer, Progress};
use crate::net::resolver::Wait;
use crate::queue::{Queue, State};
use crate::simulation::callers::{NameTemper, Protocol};

/// Reads of a connection, and writes to it, in one turn of the driver at most.
const TURN: (u32, u32) = (16, 32);

/// What is read at once of what comes in small pieces.
const PIECE: usize = 300;

impl Observer for World {
    fn expired(&mut self, queued: u64, expired: u64) {
        self.oracle.expired(self.now, queued, expired);
    }

    fn taken(&mut self, queue: &Queue, first: u64, points: u64) {
        // Callers may look between any two critical sections.
        if queue.is_reached(first + 1) {
            self.oracle
                .fail("promise 6: a barrier slips through between the queue and the worker");
        }
        self.oracle.taken(first, points);
    }

    fn posted(&mut self, state: &State) {
        self.oracle.check(self.now, &state.ledger());
    }
}

/// An attempt to connect.
pub(in crate::simulation) enum Attempt {
    /// To a server, whose name has to be resolved.
    Resolving(usize, Wait),
    /// To a server whose address is known.
    Resolved(usize),
    /// As a flow.
    Dialling(usize),
}

/// Connections are numbers of flows.
impl Network for World {
    type Attempt = Attempt;
    type Connection = usize;

    fn now(&self) -> Duration {
        self.now
    }

    fn connect(&mut self, server: usize) -> Attempt {
        let (temper, name) = &mut self.names[server];
        let (wait, asks) = name.wait(self.now);
        self.oracle.attempts(self.now, server, asks);
        self.trace
            .note(self.now, || format!("server {server} is looked up, asked for: {asks}"));
        match *temper {
            _ if !asks => {}
            NameTemper::Known => self.answer_name(server),
            NameTemper::Slow(takes) => self.schedule(takes, Event::Named(server)),
            NameTemper::Hangs => {}
        }
        Attempt::Resolving(server, wait)
    }

    fn advance(&mut self, attempt: &mut Attempt) -> Progress<usize> {
        let flow = match attempt {
            Attempt::Dialling(flow) => *flow,
            Attempt::Resolved(server) => {
                *attempt = Attempt::Dialling(self.dial(*server));
                return Progress::Waiting;
            }
            Attempt::Resolving(server, wait) => {
                return match self.names[*server].1.addresses(self.now, wait) {
                    None => Progress::Waiting,
                    Some(Err(why)) => Progress::Refused(why),
                    Some(Ok(_)) => {
                        *attempt = Attempt::Resolved(*server);
                        Progress::Dialling
                    }
                };
            }
        };
        match self.flows[flow].dial {
            Dial::Waiting => Progress::Waiting,
            Dial::Connected => {
                self.oracle.connected(self.now, flow);
                Progress::Connected(flow, Credentials::default())
            }
            Dial::Refused => Progress::Refused("connection refused".to_owned()),
        }
    }

    fn deadline(&self, attempt: &Attempt) -> Option<Duration> {
        match attempt {
            Attempt::Resolving(server, wait) => self.names[*server].1.deadline(wait),
            Attempt::Resolved(_) | Attempt::Dialling(_) => None,
        }
    }

    fn abandon(&mut self, attempt: Attempt) {
        if let Attempt::Dialling(flow) = attempt {
            self.drop_flow(flow);
        }
    }

    fn read(&mut self, id: &mut usize, buffer: &mut [u8]) -> io::Result<Incoming> {
        let id = *id;
        if !self.has_turn(id, (1, 0)) {
            return Ok(Incoming::Nothing);
        }
        let flow = &mut self.flows[id];
        if flow.heard < flow.said {
            let from = flow.heard;
            let most = if from < flow.in_pieces { PIECE } else { buffer.len() };
            let bytes = self.dice.portion((flow.said - from).min(most));
            flow.heard += bytes;
            buffer[..bytes].copy_from_slice(&flow.replies[from..flow.heard]);
            match self.protocol {
                Protocol::Telnet => self.oracle.heard(self.now, id, flow.heard),
                Protocol::Http => self.oracle.heard_http(self.now, id, flow.heard, false),
            }
            self.trace.note(self.now, || {
                format!("flow {id} said {:?}", String::from_utf8_lossy(&buffer[..bytes]))
            });
            return Ok(Incoming::Bytes(bytes));
        }
        flow.gone = flow.reset || flow.eof;
        match (flow.reset, flow.eof) {
            (true, _) => Err(io::ErrorKind::ConnectionReset.into()),
            (false, true) => {
                if self.protocol == Protocol::Http {
                    self.oracle.heard_http(self.now, id, flow.heard, true);
                }
                Ok(Incoming::End)
            }
            (false, false) => Ok(Incoming::Nothing),
        }
    }

    fn write(&mut self, id: &mut usize, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let id = *id;
        if !self.has_turn(id, (0, 1)) {
            return Ok(0);
        }
        let flow = &mut self.flows[id];
        if flow.reset {
            flow.gone = true;
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        if flow.near != Near::Open {
            self.oracle
                .fail("promise 4: written to after its sending side was ended");
            return Ok(0);
        }
        let offered: usize = slices.iter().map(|slice| slice.len()).sum();
        let room = flow.send_buffer.saturating_sub(flow.sent.len() - flow.acked);
        let takes = self.dice.portion(offered.min(room));
        flow.full = takes < offered;
        let from = flow.sent.len();
        for slice in slices {
            let left = takes - (flow.sent.len() - from);
            flow.sent.extend_from_slice(&slice[..left.min(slice.len())]);
        }
        match self.protocol {
            Protocol::Telnet => self.oracle.wrote(self.now, id, &flow.sent[from..], flow.full),
            Protocol::Http => self.oracle.wrote_http(self.now, id, &flow.sent[from..], flow.full),
        }
        self.trace.note(self.now, || format!("flow {id} took {takes} bytes"));
        self.wake(id);
        Ok(takes)
    }

    fn half_close(&mut self, flow: &mut usize) {
        let id = *flow;
        self.trace.note(self.now, || format!("flow {id} half-closed"));
        self.flows[id].near = Near::HalfClosed;
        self.oracle.half_closed(self.now, id);
        self.wake(id);
    }

    /// As the client's kernel knows it and tells now.
    fn acknowledged(&mut self, flow: &usize) -> Option<u64> {
        let id = *flow;
        let bytes = self.kernel_tells.then_some(self.flows[id].acked as u64);
        self.trace
            .note(self.now, || format!("flow {id}: the peer has {bytes:?}"));
        self.oracle.kernel_told(self.now, id, bytes);
        bytes
    }

    fn close(&mut self, flow: usize) {
        self.drop_flow(flow);
    }
}

impl World {
    /// Begins to connect to a server whose address is known.
    fn dial(&mut self, server: usize) -> usize {
        let dice = &mut self.dice;
        let flow = self.flows.len();
        let latency = match dice.below(20) {
            0 if !self.calm => dice.time(20_000, 400_000),
            1..4 if !self.calm => dice.time(1_000, 20_000),
            _ if self.servers[server].far => dice.time(20_000, 200_000),
            _ => dice.time(30, 500),
        };
        // A long way with small buffers would be slower than any patience.
        let least = latency.as_millis() as usize * 50;
        self.flows.push(Flow {
            server,
            generation: 0,
            dial: Dial::Waiting,
            sent: Vec::new(),
            arrived: 0,
            read: 0,
            line: 0,
            acked: 0,
            replies: Vec::new(),
            said: 0,
            heard: 0,
            near: Near::Open,
            closed: false,
            dead: false,
            eof: false,
            reset: false,
            gone: false,
            chatter: 0,
            in_pieces: 0,
            touched: (0, 0, 0),
            send_buffer: dice.size(200, 1_000_000).max(least),
            receive_buffer: dice.size(200, 1_000_000).max(least),
            latency,
            reset_at: dice.chance(self.resets).then(|| dice.size(1, 30_000)),
            full: false,
            pumping: false,
            pending: None,
            answers: 0,
        });
        self.oracle.dialled(self.now, server);
        let slow = (dice.chance(2) && !self.calm).then(|| dice.time(500_000, 5_000_000));
        if self.servers[server].unreachable_until <= self.now {
            self.schedule(slow.unwrap_or(latency), Event::Dialled(flow));
        }
        flow
    }

    /// Some answers are failures, unless all is calm.
    pub(super) fn answer_name(&mut self, server: usize) {
        self.oracle.name_answered(server);
        let (temper, name) = &mut self.names[server];
        let fails = *temper != NameTemper::Known && !self.calm && self.dice.chance(20);
        name.answered(match fails {
            true => Err("no such name, for now".to_owned()),
            false => Ok(vec![([10, 0, 0, 1], 4242).into()]),
        });
        self.called = true;
        self.trace
            .note(self.now, || format!("server {server} is resolved, failing: {fails}"));
    }

    /// Whether the turn may still read a connection, or write to it, so often: each turn is bounded.
    fn has_turn(&mut self, id: usize, (reads, writes): (u32, u32)) -> bool {
        let touched = &mut self.flows[id].touched;
        if touched.0 != self.turns {
            *touched = (self.turns, 0, 0);
        }
        *touched = (touched.0, touched.1 + reads, touched.2 + writes);
        let has = touched.1 <= TURN.0 && touched.2 <= TURN.1;
        if !has {
            let now = self.now;
            self.oracle.fail(format!(
                "promise 11: a turn at {now:?} does not end with connection {id}"
            ));
        }
        has
    }

    /// The client's process closes the socket, or gives up connecting.
    fn drop_flow(&mut self, id: usize) {
        let flow = &mut self.flows[id];
        let of_own_accord = !flow.gone;
        self.trace.note(self.now, || match of_own_accord {
            true => format!("flow {id} dropped by the client"),
            false => format!("flow {id} ended"),
        });
        let unread = flow.heard < flow.said;
        flow.near = Near::Dropped;
        self.oracle.dropped(self.now, id, of_own_accord);
        if unread {
            self.lose(id);
        }
        self.wake(id);
    }
}
