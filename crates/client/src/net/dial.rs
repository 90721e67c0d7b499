//! Dialling: attempts to connect, until one succeeds.
//!
//! Addresses are tried in turn, IPv6 and IPv4 alternating, each [`STAGGER`] after the one before or
//! at once when that one failed; the first to connect wins (RFC 8305), over TLS the first to end its
//! handshake. So a dead IPv6 route costs a quarter of a second, not a timeout. Called by the worker
//! only; the engine says when to give up.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Interest, Registry, Token};

use crate::net::connection::{Connection, Socket};
use crate::net::tls::{Encrypted, TlsTarget};

/// The head start of an address over the next one.
const STAGGER: Duration = Duration::from_millis(250);

/// Addresses tried at once: without a route each fails at once, and a name may have many.
const STARTS: usize = 8;

/// Attempts to connect, until one succeeds.
pub(crate) struct Dial {
    /// Still to be tried, the next one last.
    addresses: Vec<SocketAddr>,
    attempts: Vec<Attempt>,
    tls_target: Option<TlsTarget>,
    next_at: Instant,
    last_error: io::Error,
}

/// One address that is tried.
struct Attempt {
    token: Token,
    socket: Socket,
    /// From when it is connected.
    encrypted: Option<Box<Encrypted>>,
}

/// What became of the attempts.
pub(crate) enum Dialled {
    Waiting,
    Connected(Connection),
    Failed(io::Error),
}

impl Dial {
    /// With `tls_target`, connected means that the TLS handshake is over, too.
    pub(crate) fn new(addresses: Vec<SocketAddr>, tls_target: Option<TlsTarget>, now: Instant) -> Dial {
        let last_error = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        let mut addresses = alternating(addresses);
        addresses.reverse();
        Dial {
            addresses,
            attempts: Vec::new(),
            tls_target,
            next_at: now,
            last_error,
        }
    }

    /// When to look again, whatever the sockets say.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        (!self.addresses.is_empty()).then_some(self.next_at)
    }

    /// Looks at the attempts under way, and starts the next one where it is time.
    pub(crate) fn advance(&mut self, now: Instant, registry: &Registry, mut token: impl FnMut() -> Token) -> Dialled {
        let mut index = 0;
        while index < self.attempts.len() {
            match self.attempts[index].advance(self.tls_target.as_ref()) {
                Ok(false) => index += 1,
                Ok(true) => {
                    let Attempt {
                        token,
                        socket,
                        encrypted,
                    } = self.attempts.swap_remove(index);
                    return Dialled::Connected(Connection::new(token, socket, encrypted));
                }
                Err(error) => {
                    self.attempts.swap_remove(index);
                    self.last_error = error;
                }
            }
        }
        for _ in 0..STARTS {
            let Some(address) = self.addresses.last() else { break };
            if !self.attempts.is_empty() && now < self.next_at {
                break;
            }
            let token = token();
            let attempt = TcpStream::connect(*address).and_then(|mut stream| {
                registry.register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
                Ok(stream)
            });
            self.addresses.pop();
            match attempt {
                Ok(stream) => {
                    self.next_at = now + STAGGER;
                    self.attempts.push(Attempt {
                        token,
                        socket: Socket(stream),
                        encrypted: None,
                    });
                }
                Err(error) => (self.next_at, self.last_error) = (now, error),
            }
        }
        match self.attempts.is_empty() && self.addresses.is_empty() {
            true => Dialled::Failed(std::mem::replace(&mut self.last_error, io::ErrorKind::Other.into())),
            false => Dialled::Waiting,
        }
    }
}

impl Attempt {
    /// Moves it along; true when it is ready to be written to.
    fn advance(&mut self, tls_target: Option<&TlsTarget>) -> io::Result<bool> {
        if self.encrypted.is_none() {
            if !outcome(&self.socket.0)? {
                return Ok(false);
            }
            let _ = self.socket.0.set_nodelay(true);
            let Some(tls_target) = tls_target else { return Ok(true) };
            self.encrypted = Some(Box::new(Encrypted::new(tls_target)?));
        }
        match &mut self.encrypted {
            Some(encrypted) => encrypted.handshake(&mut self.socket),
            None => Ok(true),
        }
    }
}

/// Whether a socket has connected, as far as is known.
fn outcome(stream: &TcpStream) -> io::Result<bool> {
    if let Some(error) = stream.take_error()? {
        return Err(error);
    }
    match stream.peer_addr() {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(false),
        Err(error) => Err(error),
    }
}

/// The addresses with their families alternating, each family in its own order, the first one first.
fn alternating(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let Some(first) = addresses.first().map(SocketAddr::is_ipv6) else {
        return addresses;
    };
    let (one, other): (Vec<_>, Vec<_>) = addresses.into_iter().partition(|address| address.is_ipv6() == first);
    let (mut one, mut other) = (one.into_iter(), other.into_iter());
    let mut mixed = Vec::new();
    loop {
        let before = mixed.len();
        mixed.extend(one.next());
        mixed.extend(other.next());
        if mixed.len() == before {
            return mixed;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_alternate_and_keep_their_order() {
        let all = ["[::1]:1", "[::2]:1", "[::3]:1", "1.1.1.1:1", "2.2.2.2:1"].map(|a| a.parse::<SocketAddr>().unwrap());
        let shown: Vec<String> = alternating(all.to_vec()).iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["[::1]:1", "1.1.1.1:1", "[::2]:1", "2.2.2.2:1", "[::3]:1"]);
        assert!(alternating(Vec::new()).is_empty());
    }

    #[test]
    fn a_name_with_many_addresses_without_a_route_takes_many_turns() {
        let poll = mio::Poll::new().unwrap();
        // No socket connects to everybody: it fails in the call.
        let mut dial = Dial::new(
            vec!["255.255.255.255:1".parse().unwrap(); 2 * STARTS + 1],
            None,
            Instant::now(),
        );
        for tried in [STARTS, STARTS, 1] {
            let mut tokens = 0;
            let token = || {
                tokens += 1;
                Token(tokens)
            };
            assert!(
                dial.deadline().is_some_and(|at| at <= Instant::now()),
                "it goes on at once"
            );
            match dial.advance(Instant::now(), poll.registry(), token) {
                Dialled::Waiting => assert_ne!(tried, 1),
                Dialled::Failed(_) => assert_eq!(tried, 1),
                Dialled::Connected(_) => panic!("connected to everybody"),
            }
            assert_eq!(tokens, tried);
        }
    }
}
