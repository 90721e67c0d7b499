//! The receiver behind the front: a session for each connection, what its faults have the front do, what is counted.
//!
//! ```text
//! front --lines--> telnet.rs --> the store, at once        front --requests--> http.rs
//!   ^---- Conduct: the connection's fate                     ^---- Gate: the listener's
//! ```
//!
//! Every answer is there when the call returns: what is stored is as safe as it gets.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use potsdb_front::{
    AtHead, Backend, Conduct, Ending, Event, Gate, Head, Opening, Order, Peer, Replies, Reply, Request, Response, Taken,
};

use crate::faults::{Fate, Listening};
use crate::http;
use crate::state::Shared;
use crate::store::series::Writer;
use crate::telnet::Telnet;
use crate::watch::Watched;

/// What the front serves.
pub(crate) struct Receiving(pub(crate) Arc<Shared>);

/// One connection.
pub(crate) struct Session {
    shared: Arc<Shared>,
    fate: Fate,
    writer: Writer,
    telnet: Telnet,
    watched: Option<Watched>,
    peer: SocketAddr,
}

impl Backend for Receiving {
    type Session = Session;
    type Gate = Port;

    fn gate(&self) -> Port {
        Port {
            listening: self.0.faults.listener(),
            shared: Arc::clone(&self.0),
        }
    }

    fn open(&self, peer: &Peer, port: &Port) -> Session {
        let mut number = 0;
        self.0.store.count(|counts| {
            counts.connections += 1;
            counts.open += 1;
            number = counts.connections;
        });
        let watch = self.0.watch.as_ref();
        let mut session = Session {
            fate: self.0.faults.fate_of_accepted(&port.listening),
            shared: Arc::clone(&self.0),
            writer: Writer::connection(number),
            telnet: Telnet::default(),
            watched: watch.map(|watch| watch.opened(number, peer.address)),
            peer: peer.address,
        };
        session.count_half_open();
        session
    }

    fn opening(&self, bytes: &[u8]) -> Opening {
        self.0.voice.opening(bytes)
    }

    fn lines(&self, session: &mut Session, lines: &[u8], replies: &mut Replies) -> Taken {
        let shared = &*self.0;
        let counted = shared.faults.strikes_points();
        let before = if counted { shared.store.counts().puts } else { 0 };
        let lines_before = session.telnet.lines();
        let mut intake = shared.store.intake(session.writer);
        let taken = session.telnet.take(lines, replies, &mut intake, shared, &session.fate);
        let now = intake.now();
        drop(intake);
        if let Some(watched) = &session.watched {
            watched.lines(&lines[..taken.bytes], session.telnet.lines() - lines_before, now);
        }
        if counted {
            shared.faults.arrived(shared.store.counts().puts - before);
        }
        taken
    }

    fn torn(&self, session: &mut Session, line: Option<&[u8]>, replies: &mut Replies) {
        let mut intake = self.0.store.intake(session.writer);
        intake.counts().torn += 1;
        if let Some(line) = line.filter(|_| self.0.voice.takes_torn_lines()) {
            session.telnet.line(line, replies, &mut intake, &self.0, &session.fate);
        }
    }

    fn overlong(&self, session: &mut Session, ends: bool, _replies: &mut Replies) {
        session.telnet.left_out();
        self.0.store.count(|counts| match ends {
            true => counts.closed_overlong += 1,
            false => counts.overlong += 1,
        });
    }

    fn at_head(&self, session: &mut Session, head: &Head) -> AtHead {
        if http::asks_for_page(head, session.peer, &self.0) {
            session.fate.spare();
            if let Some(watched) = &session.watched {
                watched.connection().is_the_pages();
            }
            return AtHead::ReadOn;
        }
        self.0.voice.at_head(head)
    }

    /// None of the servers says anything to that.
    fn too_large(&self, _most: usize) -> Option<Reply> {
        None
    }

    async fn request(&self, session: &mut Session, request: Request) -> Response {
        if let Some(watched) = &session.watched {
            watched.request(&request.head.method, &request.head.target, request.body.len());
        }
        let response = http::respond(request, session.writer, &self.0).await;
        if let (Response::Reset, Some(watched)) = (&response, &mut session.watched) {
            watched.ends("reset by a fault");
        }
        response
    }

    fn last(&self, reply: &mut Reply, minor: u8) {
        self.0.voice.at_the_last(reply, minor);
    }

    fn note(&self, event: Event) {
        self.0.store.count(|counts| match event {
            Event::TurnedAway => {
                counts.connections += 1;
                counts.turned_away += 1;
            }
            Event::Request => counts.requests += 1,
            Event::Unauthorised => counts.unauthorised += 1,
            Event::Late(_) => counts.late += 1,
            Event::NoRoom => counts.no_room += 1,
            Event::Unread(replies) => counts.suppressed += replies,
            Event::Cut => counts.cut += 1,
            Event::Closed => counts.open -= 1,
            _ => {}
        });
    }
}

/// Tells whoever looks on how it ended.
impl Drop for Session {
    fn drop(&mut self) {
        let ending = self.fate.ending().or(self.telnet.struck());
        if let (Some(ending), Some(watched)) = (ending, &mut self.watched) {
            watched.ends(match ending {
                Ending::Reset => "reset by a fault",
                Ending::Close | Ending::Written => "closed by a fault",
            });
        }
    }
}

impl Session {
    fn count_half_open(&mut self) {
        if self.fate.goes_half_open() {
            self.shared.store.count(|counts| counts.half_open += 1);
        }
    }
}

impl Conduct for Session {
    fn room(&self, wanted: usize) -> usize {
        self.fate.room(wanted)
    }

    fn received(&mut self, bytes: usize) {
        if let Some(watched) = &self.watched {
            watched.connection().received(bytes);
        }
        self.fate.received(bytes);
        self.count_half_open();
    }

    fn reads(&self) -> bool {
        self.fate.reads()
    }

    fn answers(&self) -> bool {
        self.fate.answers()
    }

    fn ending(&self) -> Option<Ending> {
        self.fate.ending()
    }

    fn refresh(&mut self) -> bool {
        self.fate.refresh()
    }

    fn changed(&mut self) -> impl Future<Output = ()> + Send {
        self.fate.changed()
    }
}

/// The receiver's port: restarts, outages, refusals; one silent connection blocks it where the personality has it so.
pub(crate) struct Port {
    listening: Listening,
    shared: Arc<Shared>,
}

impl Gate for Port {
    fn order(&mut self) -> Order {
        let shared = &self.shared;
        self.listening.look();
        if self.listening.restarts() {
            // The connections saw the same order, and read nothing any more.
            shared.store.forget(shared.voice.as_ref());
            Order::Restart(shared.faults.pauses().0)
        } else if !self.listening.is_open() {
            // Before the port is closed: whoever sees that may at once end the outage.
            let all = self.listening.is_down();
            if all {
                shared.store.forget(shared.voice.as_ref());
            }
            Order::Close { all }
        } else {
            Order::Accept
        }
    }

    fn changed(&mut self) -> impl Future<Output = ()> + Send {
        self.listening.changed()
    }

    fn listens(&mut self, again: bool) -> Duration {
        if again {
            self.shared.store.count(|counts| counts.restarts += 1);
        }
        self.shared.faults.pauses().1
    }

    fn admits(&mut self) -> bool {
        let refuses = self.shared.faults.refuses();
        if refuses {
            self.shared.store.count(|counts| {
                counts.connections += 1;
                counts.refused_connections += 1;
            });
        }
        !refuses
    }

    fn first_byte(&self) -> Option<Duration> {
        self.shared.voice.waits_for_first_byte()
    }

    fn mute(&mut self) {
        self.shared.store.count(|counts| {
            counts.connections += 1;
            counts.mute += 1;
        });
    }
}
