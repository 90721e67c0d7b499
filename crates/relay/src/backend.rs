//! The relay behind the front: a session for each connection, the gate that closes when it drains, what is counted.

use std::sync::Arc;
use std::time::Duration;

use potsdb_front::{AtHead, Backend, Event, Gate, Head, Order, Peer, Replies, Request, Response, Taken};
use tokio::sync::watch;
use tokio::time::sleep;

use crate::counts::add;
use crate::session::Session;
use crate::shared::{Life, Shared};
use crate::{door, http, peers, telnet};

/// What the front serves.
pub(crate) struct Relaying(pub(crate) Arc<Shared>);

impl Backend for Relaying {
    type Session = Session;
    type Gate = Port;

    fn gate(&self) -> Port {
        Port {
            life: self.0.life.subscribe(),
            shared: Arc::clone(&self.0),
        }
    }

    fn turns_away(&self, peer: &Peer) -> Option<&'static [u8]> {
        let may_come_in = door::allows(&self.0.settings.now().allow, peer);
        (!may_come_in).then_some(&b"put: illegal argument: this address may not come in\n"[..])
    }

    fn open(&self, peer: &Peer, _: &Port) -> Session {
        add(&self.0.counts.connections, 1);
        Session::new(Arc::clone(&self.0), peers::Peer::of(peer))
    }

    fn lines(&self, session: &mut Session, lines: &[u8], replies: &mut Replies) -> Taken {
        telnet::lines(session, lines, replies)
    }

    /// A torn tail may be a whole point by chance, with half of its value.
    fn torn(&self, _: &mut Session, _: Option<&[u8]>, _: &mut Replies) {
        add(&self.0.counts.torn, 1);
    }

    fn overlong(&self, _: &mut Session, _ends: bool, replies: &mut Replies) {
        add(&self.0.counts.overlong, 1);
        let most = self.0.limits.line;
        replies.refusal(format!("put: illegal argument: the line has more than {most} bytes\n").as_bytes());
    }

    fn at_head(&self, _: &mut Session, head: &Head) -> AtHead {
        http::at_head(&self.0, head).map_or(AtHead::ReadOn, AtHead::Answer)
    }

    async fn request(&self, session: &mut Session, request: Request) -> Response {
        Response::Reply(http::reply(session, request).await)
    }

    fn note(&self, event: Event) {
        let counts = &self.0.counts;
        match event {
            Event::TurnedAway => add(&counts.turned_away, 1),
            Event::Request => add(&counts.requests, 1),
            Event::Unauthorised => add(&counts.unauthorised, 1),
            Event::Late(_) => add(&counts.late, 1),
            Event::NoRoom => add(&counts.no_room, 1),
            Event::Unread(replies) => add(&counts.unread, replies),
            _ => {}
        }
    }
}

/// A port of the relay: open until it drains.
pub(crate) struct Port {
    life: watch::Receiver<Life>,
    shared: Arc<Shared>,
}

/// How often the port says that the loop it is part of turns.
const TURN: Duration = Duration::from_millis(500);

impl Gate for Port {
    fn order(&mut self) -> Order {
        self.shared.turns();
        match *self.life.borrow_and_update() {
            Life::Serving => Order::Accept,
            Life::Draining { .. } | Life::Ending => Order::Close { all: false },
        }
    }

    async fn changed(&mut self) {
        loop {
            tokio::select! {
                changed = self.life.changed() => match changed {
                    Ok(()) => return,
                    Err(_) => std::future::pending().await,
                },
                () = sleep(TURN) => self.shared.turns(),
            }
        }
    }
}
