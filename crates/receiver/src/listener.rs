//! The listener: accepts connections, or does not, as the faults and the personality have it.
//!
//! ```text
//! listens --slow start--> accepts --refuse--> a task each, connection.rs
//!    ^                       |
//!    '-- again, same port ---+-- deaf, stopping: the port is closed         restart: closed, young points forgotten, down
//! ```
//!
//! VictoriaMetrics looks at a connection's first byte before it accepts the next: one that says nothing keeps all others
//! waiting. `receiver.rs` runs this on the receiver's thread.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use crate::connection;
use crate::state::Shared;

pub(crate) struct Listener {
    /// Not there while the port is closed.
    socket: Option<TcpListener>,
    address: SocketAddr,
    /// Accepted, and nothing came from it yet that somebody waits for.
    waiting: Option<TcpStream>,
}

/// Connections the kernel may hold for us: thousands may come at once.
const BACKLOG: u32 = 4096;

/// How long it waits before it tries again what the kernel did not let it do.
const AGAIN: Duration = Duration::from_millis(10);

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
    pub(crate) async fn serve(mut self, shared: Arc<Shared>, stopped: oneshot::Receiver<()>) {
        tokio::select! {
            () = self.accept_for_ever(&shared) => {}
            _ = stopped => {}
        }
        self.close();
    }

    async fn accept_for_ever(&mut self, shared: &Arc<Shared>) {
        let mut orders = shared.faults.listener();
        sleep(shared.faults.pauses().1).await;
        loop {
            orders.look();
            if orders.restarts() {
                self.close();
                self.waiting = None;
                // The connections saw the same order, and read nothing any more.
                shared.store.forget(shared.voice.as_ref());
                let (down, slow_start) = shared.faults.pauses();
                sleep(down).await;
                self.listen_again().await;
                shared.store.count(|counts| counts.restarts += 1);
                sleep(slow_start).await;
            } else if !orders.is_open() {
                // Before the port is closed: whoever sees that may at once end the outage.
                if orders.is_down() {
                    self.waiting = None;
                    shared.store.forget(shared.voice.as_ref());
                }
                self.close();
                orders.changed().await;
            } else if self.socket.is_none() {
                self.listen_again().await;
            } else {
                let begun = tokio::select! {
                    () = orders.changed() => continue,
                    begun = self.accept(shared) => begun,
                };
                if let Some(stream) = begun {
                    let fate = shared.faults.fate_of_accepted(&orders);
                    tokio::spawn(connection::serve(stream, fate, Arc::clone(shared)));
                }
            }
        }
    }

    /// Accepts one connection, and returns it if it is to be served. May be given up at any time without losing one.
    async fn accept(&mut self, shared: &Arc<Shared>) -> Option<TcpStream> {
        if let (None, Some(socket)) = (&self.waiting, &self.socket) {
            match socket.accept().await {
                Ok((stream, _)) => self.waiting = Some(stream),
                // Out of descriptors, or the peer is gone already: the connections that end make room.
                Err(_) => {
                    sleep(AGAIN).await;
                    return None;
                }
            }
        }
        let begun = match &self.waiting {
            Some(stream) => has_begun(stream, shared).await,
            None => return None,
        };
        let stream = self.waiting.take()?;
        if shared.faults.refuses() {
            connection::reset(&stream);
            shared.store.count(|counts| {
                counts.connections += 1;
                counts.refused_connections += 1;
            });
        } else if begun {
            return Some(stream);
        } else {
            shared.store.count(|counts| {
                counts.connections += 1;
                counts.mute += 1;
            });
        }
        None
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

/// Whether the connection says something, or ends, within the time that the personality waits for that.
async fn has_begun(stream: &TcpStream, shared: &Shared) -> bool {
    match shared.voice.waits_for_first_byte() {
        // Not `readable`, which may say so without a byte.
        Some(patience) => timeout(patience, stream.peek(&mut [0])).await.is_ok(),
        None => true,
    }
}
