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
        let Some(mut answer) = flow.pending.take().filter(|_| !flow.closed && !flow.dead) else {
            return;
        };
        let said = answer.cut.unwrap_or(answer.bytes.len());
        let until = answer.dripped + self.dice.between(1, 4) as usize;
        if let Some(gap) = answer.drips
            && until < said
        {
            flow.replies.extend_from_slice(&answer.bytes[answer.dripped..until]);
            answer.dripped = until;
            flow.pending = Some(answer);
            self.schedule(gap, Event::Answer(id));
            return self.wake(id);
        }
        for point in &answer.stored {
            self.oracle.durable(*point);
        }
        flow.replies.extend_from_slice(&answer.bytes[answer.dripped..said]);
        flow.answers += 1;
        flow.chatter = 0;
        if answer.endless {
            self.oracle.babbles(id);
            return self.wake(id);
        }
        if answer.cut.is_none() {
            self.oracle.answered_http(id, &answer, flow.replies.len());
        }
        if answer.closes || answer.cut.is_some() {
            return self.close(id);
        }
        self.keep_idle(id);
        self.wake(id);
        self.hear_request(id);
    }

    /// A connection has nothing to do: it is kept for some time.
    pub(super) fn keep_idle(&mut self, id: usize) {
        let (server, answers) = (self.flows[id].server, self.flows[id].answers);
        if let Some(keeps) = self.servers[server].keeps {
            self.schedule(keeps, Event::Idle(id, answers));
        }
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
