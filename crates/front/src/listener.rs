//! The listener: accepts connections within the limits, or does not, as its gate has it.
//!
//! ```text
//! listens --pause--> accepts --no place, not admitted--> a task each, connection.rs
//!    ^                  |
//!    '-- again, same ---+-- told to: the port is closed         told to restart: closed, and opened again after a while
//!        port
//! ```
//!
//! `front.rs` runs this. Without a gate of its own a server accepts until it stops.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{sleep, timeout};

use crate::backend::{Backend, Event, Peer};
use crate::conduct::{Gate, Order};
use crate::connection;
use crate::front::Served;
use crate::socket::{Door, Listening, Socket, Where, listen};

pub(crate) struct Listener {
    /// Not there while the port is closed.
    socket: Option<Listening>,
    place: Where,
    is_encrypted: bool,
    /// Opened by somebody else, who goes on listening.
    is_inherited: bool,
    /// Accepted, and nothing came from it yet that somebody waits for.
    waiting: Option<(Socket, Peer)>,
}

/// How long it waits before it tries again what the kernel did not let it do.
const AGAIN: Duration = Duration::from_millis(10);

/// What a connection hears that finds no place: a line that says what it is in telnet, and that no HTTP client takes for an
/// answer.
const FULL: &[u8] = b"put: Throttling exception: too many connections\n";

impl Listener {
    /// Listens; inside a runtime.
    pub(crate) fn bind(door: Door) -> io::Result<Listener> {
        let is_inherited = door.is_inherited();
        let (socket, place, is_encrypted) = door.open()?;
        Ok(Listener {
            place,
            socket: Some(socket),
            is_encrypted,
            is_inherited,
            waiting: None,
        })
    }

    /// Where it listens, also while it does not.
    pub(crate) fn place(&self) -> &Where {
        &self.place
    }

    /// Speaks TLS from now on, or not.
    pub(crate) fn encrypt(&mut self, is_encrypted: bool) {
        self.is_encrypted = is_encrypted && matches!(self.place, Where::Tcp(_));
    }

    /// Accepts for ever; given up, it closes its port.
    pub(crate) async fn serve<B: Backend>(mut self, served: Arc<Served<B>>) {
        self.accept_for_ever(&served).await;
    }

    async fn accept_for_ever<B: Backend>(&mut self, served: &Arc<Served<B>>) {
        let mut gate = served.backend.gate();
        sleep(gate.listens(false)).await;
        loop {
            match gate.order() {
                Order::Restart(down) => {
                    self.close();
                    self.waiting = None;
                    sleep(down).await;
                    self.listen_again().await;
                    sleep(gate.listens(true)).await;
                }
                Order::Close { all } => {
                    if all {
                        self.waiting = None;
                    }
                    self.close();
                    gate.changed().await;
                }
                Order::Accept if self.socket.is_none() => self.listen_again().await,
                Order::Accept => {
                    if self.wait(&mut gate).await
                        && let Some((socket, peer)) = self.waiting.take()
                    {
                        admit(socket, peer, &mut gate, served);
                    }
                }
            }
        }
    }

    /// Waits for a connection that is to be served; false when the gate has changed, or there is none for now. May be given
    /// up at any time without losing one.
    async fn wait<G: Gate>(&mut self, gate: &mut G) -> bool {
        if let (None, Some(socket)) = (&self.waiting, &self.socket) {
            let accepted = tokio::select! {
                () = gate.changed() => return false,
                accepted = socket.accept(self.is_encrypted) => accepted,
            };
            match accepted {
                Ok(accepted) => self.waiting = Some(accepted),
                // Out of descriptors, or the peer is gone already: the connections that end make room.
                Err(_) => {
                    sleep(AGAIN).await;
                    return false;
                }
            }
        }
        let (Some(patience), Some((socket, _))) = (gate.first_byte(), &self.waiting) else {
            return true;
        };
        let begun = tokio::select! {
            () = gate.changed() => return false,
            begun = timeout(patience, socket.begins()) => begun.is_ok(),
        };
        if !begun {
            self.waiting = None;
            gate.mute();
        }
        begun
    }

    /// Closes the port. What the kernel holds for us is reset, unless the socket is somebody else's.
    fn close(&mut self) {
        if let Some(socket) = self.socket.take()
            && !self.is_inherited
        {
            socket.shut(&self.place);
        }
    }

    /// The port is ours, but for a moment the kernel may not think so. What is no port is not opened again.
    async fn listen_again(&mut self) {
        let Where::Tcp(address) = self.place else {
            return std::future::pending().await;
        };
        loop {
            match listen(address) {
                Ok(socket) => {
                    self.socket = Some(Listening::Tcp(socket));
                    return;
                }
                Err(_) => sleep(AGAIN).await,
            }
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.close();
    }
}

fn admit<B: Backend>(socket: Socket, peer: Peer, gate: &mut B::Gate, served: &Arc<Served<B>>) {
    if !gate.admits() {
        socket.reset();
        return;
    }
    let turned_away = served.backend.turns_away(&peer);
    let place = match turned_away {
        Some(_) => None,
        None => served.admission.place(peer.address.ip(), &served.options.limits),
    };
    let Some(place) = place else {
        served.backend.note(Event::TurnedAway);
        if !peer.is_encrypted {
            // It is not waited for: a peer that is one too many gets no more than this.
            socket.say(turned_away.unwrap_or(FULL));
        }
        return;
    };
    let session = served.backend.open(&peer, gate);
    tokio::spawn(connection::serve(socket, peer, place, session, Arc::clone(served)));
}
