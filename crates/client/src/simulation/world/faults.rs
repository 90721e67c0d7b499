//! What goes wrong in the world: processes die, networks reset, and whose bytes are lost then.

use std::time::Duration;

use super::{Event, World};
use crate::simulation::callers::{Action, Protocol};
use crate::simulation::server::answer::Front;

/// What a client listens to before an answer at least.
const LISTENS: usize = 60 << 10;

impl World {
    /// A fault.
    pub(in crate::simulation) fn strike(&mut self, action: &Action) {
        let now = self.now;
        match *action {
            Action::Kill { server, down } => self.kill(server, down),
            Action::Restart { server, down } => self.restart(server, down),
            Action::StallReading { server, lasts } => {
                self.servers[server].deaf_until = now + lasts;
                self.schedule(lasts, Event::Resume(server));
            }
            Action::StallAnswering { server, lasts } => {
                self.servers[server].dumb_until = now + lasts;
                self.schedule(lasts, Event::Resume(server));
            }
            Action::Throttle { server, lasts, percent } => {
                self.servers[server].throttled = (now + lasts, percent);
            }
            Action::Fail { server, lasts, late } => self.servers[server].fails = (now + lasts, late),
            Action::ReadOnly { server, lasts } => self.servers[server].read_only_until = now + lasts,
            Action::Unreachable { server, lasts } => self.servers[server].unreachable_until = now + lasts,
            Action::Front {
                server,
                lasts,
                status,
                percent,
                retry_after,
            } => {
                self.servers[server].front = Some(Front {
                    until: now + lasts,
                    status,
                    retry_after,
                    percent,
                });
            }
            Action::Narrow { server, lasts, bytes } => self.servers[server].narrow = (now + lasts, bytes),
            Action::CutAnswers { server, lasts, percent } => self.servers[server].cuts = (now + lasts, percent),
            Action::Linger {
                server,
                lasts,
                percent,
                gap,
            } => self.servers[server].lingers = (now + lasts, percent, gap),
            Action::Foreign { server, lasts, foreign } => {
                self.kill(server, Duration::ZERO);
                self.servers[server].give_way(now + lasts, foreign);
                self.schedule(lasts, Event::Back(server));
            }
            Action::Chatter { server, lasts } => {
                self.servers[server].chatty_until = now + lasts;
                self.schedule(Duration::ZERO, Event::Chatter(server));
            }
            Action::Reset { server } => {
                for flow in self.live(server) {
                    self.reset(flow);
                }
            }
            Action::HangUp { server } => {
                for flow in self.live(server) {
                    self.close(flow);
                }
            }
            _ => {}
        }
    }

    /// So many lines that are no answers, and the next of them soon. Over HTTP a server says only what belongs to a request.
    pub(super) fn chatter(&mut self, server: usize) {
        let until = self.servers[server].chatty_until;
        if until <= self.now {
            return;
        }
        let live = match self.servers[server].foreign(self.now) {
            Some(_) => Vec::new(),
            None => self.live(server),
        };
        for id in live {
            let flow = &mut self.flows[id];
            let line = match (
                self.protocol,
                flow.pending.as_ref().is_some_and(|answer| answer.dripped == 0),
            ) {
                (Protocol::Telnet, _) => self.servers[server].chatter(),
                (Protocol::Http, true) => Some(&b"HTTP/1.1 100 Continue\r\n\r\n"[..]),
                (Protocol::Http, false) => None,
            };
            if let Some(line) = line {
                let lines = self.dice.size(10, 300);
                flow.replies.extend(line.repeat(lines));
                flow.in_pieces = flow.replies.len();
                flow.chatter += line.len() * lines;
                if self.protocol == Protocol::Http && flow.chatter > LISTENS {
                    self.oracle.babbles(id);
                }
                self.wake(id);
            }
        }
        let after = (until - self.now) / 2;
        self.schedule(after.max(Duration::from_millis(1)), Event::Chatter(server));
    }

    /// Every server dies, with what it holds in memory.
    pub(in crate::simulation) fn kill_all(&mut self) {
        for server in 0..self.servers.len() {
            self.kill(server, Duration::ZERO);
        }
    }

    pub(super) fn kill(&mut self, server: usize, down: Duration) {
        let live = self.live(server);
        self.servers[server].die();
        self.schedule(down, Event::Up(server));
        for flow in live {
            self.close(flow);
        }
    }

    /// The server ends in good order: reads what it has, most of the time, and forgets nothing.
    fn restart(&mut self, server: usize, down: Duration) {
        let live = self.live(server);
        for flow in &live {
            if self.dice.chance(70) {
                let left = self.flows[*flow].arrived - self.flows[*flow].read;
                self.hear(*flow, left);
            }
        }
        for (point, ..) in self.servers[server].flush().into_iter().filter(|(.., sick)| !sick) {
            self.oracle.durable(point);
        }
        self.servers[server].die();
        self.schedule(down, Event::Up(server));
        for flow in live {
            self.close(flow);
        }
    }

    /// The server's end is closed: a reset if bytes were left unread, else its end of stream.
    pub(super) fn close(&mut self, id: usize) {
        let flow = &mut self.flows[id];
        flow.closed = true;
        if flow.arrived > flow.read {
            self.break_off(id);
        } else {
            self.wake(id);
        }
    }

    /// The network resets a connection: both ends lose what was on its way.
    pub(super) fn reset(&mut self, id: usize) {
        let flow = &self.flows[id];
        if self.servers[flow.server].deaf_until <= self.now {
            let moves = self.dice.portion(flow.arrived - flow.read);
            self.hear(id, moves);
        }
        self.tear(id, true);
        self.break_off(id);
    }

    fn break_off(&mut self, id: usize) {
        let flow = &mut self.flows[id];
        flow.closed = true;
        flow.dead = true;
        let latency = flow.latency;
        self.schedule(latency, Event::Reset(id));
    }

    /// The client's kernel resets what the server still has of this connection.
    pub(super) fn lose(&mut self, id: usize) {
        self.tear(id, true);
        let flow = &mut self.flows[id];
        flow.closed = true;
        flow.dead = true;
    }

    /// The server sees the end: some take a line without its end for a whole one.
    pub(super) fn tear(&mut self, id: usize, reset: bool) {
        if self.protocol == Protocol::Http {
            // Half a body is no body.
            return;
        }
        let flow = &self.flows[id];
        let tail = &flow.sent[flow.line..flow.read];
        if !tail.is_empty() && self.servers[flow.server].stores_torn() {
            self.oracle.torn(id, reset, tail);
        }
    }
}
