//! HTTP in the world: a server reads one request at a time, works on its answer, gives it, or closes.

use super::{Event, World};
use crate::simulation::server::request;

impl World {
    /// Reads the next request, if it is whole and the last one answered.
    pub(super) fn hear_request(&mut self, id: usize) {
        let flow = &mut self.flows[id];
        if flow.pending.is_some() || flow.closed || flow.dead {
            return;
        }
        let request = match request::read(&flow.sent[flow.line..flow.read]) {
            Ok(Some(request)) => request,
            Ok(None) => return,
            Err(why) => return self.oracle.fail(format!("promise 5: {why}")),
        };
        flow.line += request.length;
        let server = flow.server;
        match self.servers[server].answer(self.now, id, &request, &mut self.dice) {
            Some(answer) => {
                let after = answer.after;
                self.flows[id].pending = Some(answer);
                self.schedule(after, Event::Answer(id));
            }
            None => self.close(id),
        }
    }

    /// The server's process has made its answer, if it still lives.
    pub(super) fn give_answer(&mut self, id: usize) {
        let flow = &mut self.flows[id];
        let Some(answer) = flow.pending.take().filter(|_| !flow.closed && !flow.dead) else {
            return;
        };
        for point in &answer.stored {
            self.oracle.durable(*point);
        }
        let said = answer.cut.unwrap_or(answer.bytes.len());
        flow.replies.extend_from_slice(&answer.bytes[..said]);
        flow.answers += 1;
        flow.chatter = 0;
        if answer.cut.is_none() {
            self.oracle.answered_http(id, &answer, flow.replies.len());
        }
        let (server, answers) = (flow.server, flow.answers);
        if answer.closes || answer.cut.is_some() {
            return self.close(id);
        }
        if let Some(keeps) = self.servers[server].keeps {
            self.schedule(keeps, Event::Idle(id, answers));
        }
        self.wake(id);
        self.hear_request(id);
    }

    /// Nothing was asked for a while: the server closes, whatever may be on its way.
    pub(super) fn hang_up_idle(&mut self, id: usize, answers: u32) {
        let flow = &self.flows[id];
        let idle = flow.answers == answers && flow.pending.is_none() && flow.line == flow.read;
        if idle && !flow.closed && !flow.dead {
            self.close(id);
        }
    }
}
