//! A connection: one socket, non-blocking, from the first attempt to the last byte.
//!
//! Addresses are tried in turn, IPv6 and IPv4 alternating, each [`STAGGER`] after the one before or
//! at once when that one failed; the first to connect wins (RFC 8305). So a dead IPv6 route costs a
//! quarter of a second, not a timeout. Called by the worker only; decides nothing else.

use std::io::{self, IoSlice, Read};
use std::net::{Shutdown, SocketAddr};
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use rustix::net::{SendAncillaryBuffer, SendFlags, sendmsg};

use crate::kernel;

/// The head start of an address over the next one.
const STAGGER: Duration = Duration::from_millis(250);

/// Apple's sockets are told once, by mio, when they are made.
const NO_SIGNAL: SendFlags = if cfg!(target_vendor = "apple") {
    SendFlags::empty()
} else {
    SendFlags::from_bits_retain(libc::MSG_NOSIGNAL as _)
};

/// Attempts to connect, until one succeeds.
pub(crate) struct Dial {
    /// Still to be tried, the next one last.
    addresses: Vec<SocketAddr>,
    attempts: Vec<(Token, TcpStream)>,
    next_at: Instant,
    last_error: io::Error,
}

/// What became of the attempts.
pub(crate) enum Dialled {
    Waiting,
    Connected(Connection),
    Failed(io::Error),
}

impl Dial {
    pub(crate) fn new(addresses: Vec<SocketAddr>, now: Instant) -> Dial {
        let last_error = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        let mut addresses = alternating(addresses);
        addresses.reverse();
        Dial {
            addresses,
            attempts: Vec::new(),
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
            match outcome(&self.attempts[index].1) {
                Ok(false) => index += 1,
                Ok(true) => {
                    let (token, stream) = self.attempts.swap_remove(index);
                    let _ = stream.set_nodelay(true);
                    return Dialled::Connected(Connection { token, stream });
                }
                Err(error) => {
                    self.attempts.swap_remove(index);
                    self.last_error = error;
                }
            }
        }
        while let Some(address) = self.addresses.last()
            && (self.attempts.is_empty() || now >= self.next_at)
        {
            let token = token();
            let attempt = TcpStream::connect(*address).and_then(|mut stream| {
                registry.register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
                Ok(stream)
            });
            self.addresses.pop();
            self.next_at = now + STAGGER;
            match attempt {
                Ok(stream) => self.attempts.push((token, stream)),
                Err(error) => self.last_error = error,
            }
        }
        match self.attempts.is_empty() {
            true => Dialled::Failed(std::mem::replace(&mut self.last_error, io::ErrorKind::Other.into())),
            false => Dialled::Waiting,
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

/// A connected socket.
pub(crate) struct Connection {
    token: Token,
    stream: TcpStream,
}

/// What a read brought.
pub(crate) enum Incoming {
    Bytes(usize),
    /// Nothing for now.
    Nothing,
    /// The peer ended its side.
    End,
}

impl Connection {
    pub(crate) fn token(&self) -> Token {
        self.token
    }

    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> io::Result<Incoming> {
        loop {
            match self.stream.read(buffer) {
                Ok(0) => return Ok(Incoming::End),
                Ok(bytes) => return Ok(Incoming::Bytes(bytes)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Incoming::Nothing),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Writes what the kernel takes; 0: nothing for now. Never raises SIGPIPE, which std's vectored
    /// write would in a program that wants the signal for its own pipes.
    pub(crate) fn write(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        loop {
            // Through mio, so that a write that would block is waited for.
            let sent = self.stream.try_io(|| {
                Ok(sendmsg(
                    &self.stream,
                    slices,
                    &mut SendAncillaryBuffer::default(),
                    NO_SIGNAL,
                )?)
            });
            match sent {
                Ok(bytes) => return Ok(bytes),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(0),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Ends the sending side. That it was gone already shows at the next read.
    pub(crate) fn half_close(&self) {
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// What the peer's kernel has of the bytes written.
    pub(crate) fn acknowledged(&self) -> Option<u64> {
        kernel::bytes_acknowledged(&self.stream)
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
}
