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
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use crate::backend::{Backend, Event, Peer};
use crate::conduct::{Gate, Order};
use crate::connection;
use crate::front::Served;
use crate::transport::reset;

pub(crate) struct Listener {
    /// Not there while the port is closed.
    socket: Option<TcpListener>,
    address: SocketAddr,
    /// Accepted, and nothing came from it yet that somebody waits for.
    waiting: Option<(TcpStream, SocketAddr)>,
}

/// Connections the kernel may hold for us: thousands may come at once.
const BACKLOG: u32 = 4096;

/// How long it waits before it tries again what the kernel did not let it do.
const AGAIN: Duration = Duration::from_millis(10);

/// What a connection hears that finds no place: a line that says what it is in telnet, and that no HTTP client takes for an
/// answer.
const FULL: &[u8] = b"put: Throttling exception: too many connections\n";

impl Listener {
    /// Listens; inside a runtime.
    pub(crate) fn bind(address: SocketAddr) -> io::Result<Listener> {
        let socket = listen(address)?;
        Ok(Listener {
            address: socket.local_addr()?,
            socket: Some(socket),
            waiting: None,
        })
    }

    /// Where it listens, also while it does not.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Accepts until it is told to stop.
    pub(crate) async fn serve<B: Backend>(mut self, served: Arc<Served<B>>, stopped: oneshot::Receiver<()>) {
        tokio::select! {
            () = self.accept_for_ever(&served) => {}
            _ = stopped => {}
        }
        self.close();
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
                        && let Some((socket, address)) = self.waiting.take()
                    {
                        self.admit(socket, address, &mut gate, served);
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
                accepted = socket.accept() => accepted,
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
        // Not `readable`, which may say so without a byte.
        let mut first = [0];
        let begun = tokio::select! {
            () = gate.changed() => return false,
            begun = timeout(patience, socket.peek(&mut first)) => begun.is_ok(),
        };
        if !begun {
            self.waiting = None;
            gate.mute();
        }
        begun
    }

    fn admit<B: Backend>(&self, socket: TcpStream, address: SocketAddr, gate: &mut B::Gate, served: &Arc<Served<B>>) {
        if !gate.admits() {
            reset(&socket);
            return;
        }
        let Some(place) = served.admission.place(address.ip(), &served.options.limits) else {
            served.backend.note(Event::TurnedAway);
            if !served.options.is_encrypted() {
                // It is not waited for: a peer that is one too many gets no more than this.
                let _ = socket.try_write(FULL);
            }
            return;
        };
        let peer = Peer::new(address, served.options.is_encrypted());
        let session = served.backend.open(&peer, gate);
        tokio::spawn(connection::serve(socket, peer, place, session, Arc::clone(served)));
    }

    /// Closes the port. What the kernel holds for us is reset.
    fn close(&mut self) {
        if let Some(socket) = self.socket.take() {
            // A forked child may have a copy of the socket, and would keep the port open and taken.
            let _ = rustix::net::connect_unspec(&socket);
        }
    }

    /// The port is ours, but for a moment the kernel may not think so.
    async fn listen_again(&mut self) {
        loop {
            match listen(self.address) {
                Ok(socket) => {
                    self.socket = Some(socket);
                    return;
                }
                Err(_) => sleep(AGAIN).await,
            }
        }
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    // A restart finds its port again while old connections are still being forgotten.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}
