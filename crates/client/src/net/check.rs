//! The check of an endpoint: connects, over TLS with the handshake, and hangs up.
//!
//! The one thing a client does on the network before it has a worker. It runs on the caller's thread, which waits for at
//! most the time it gave: for the name, for the addresses, of which each gets its share of what is left, and for the
//! handshake, however slowly the server speaks.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::clock;
use crate::config::endpoint::Endpoint;
use crate::net::resolver;
use crate::net::tls::{Encrypted, TlsTarget};

impl Endpoint {
    /// Connects to the first of its addresses that accepts, and closes the connection again; without TLS, which needs
    /// a client's options (`check_host` does the handshake). Takes at most `timeout`, the look-up of the name included.
    ///
    /// # Errors
    ///
    /// The socket layer's own error: of the name's resolution, or of the last address tried.
    pub fn check(&self, timeout: Duration) -> io::Result<SocketAddr> {
        check(self, None, timeout)
    }

    /// The addresses of its host. Takes at most `timeout`.
    ///
    /// # Errors
    ///
    /// The resolver's, or that it took too long.
    pub fn resolve(&self, timeout: Duration) -> io::Result<Vec<SocketAddr>> {
        match self.literal() {
            Some(address) => Ok(vec![address]),
            None => resolver::lookup_within(self.host(), self.port(), timeout),
        }
    }
}

/// Connects to the first address of an endpoint that accepts.
pub(crate) fn check(endpoint: &Endpoint, tls_target: Option<&TlsTarget>, timeout: Duration) -> io::Result<SocketAddr> {
    let until = Until::new(timeout);
    let addresses = endpoint.resolve(timeout)?;
    let mut last = None;
    for (index, address) in addresses.iter().enumerate() {
        let share = until.left() / u32::try_from(addresses.len() - index).unwrap_or(u32::MAX);
        if share.is_zero() {
            break;
        }
        let connected = TcpStream::connect_timeout(address, share);
        match connected.and_then(|stream| shake_hands(&stream, tls_target, Until::new(share))) {
            Ok(_) => return Ok(*address),
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(|| io::Error::new(io::ErrorKind::TimedOut, "no address answered in time")))
}

/// Begins TLS, if there is to be any.
pub(crate) fn shake_hands(
    stream: &TcpStream,
    tls_target: Option<&TlsTarget>,
    until: Until,
) -> io::Result<Option<Encrypted>> {
    let Some(tls_target) = tls_target else { return Ok(None) };
    let mut encrypted = Encrypted::new(tls_target)?;
    match encrypted.handshake(&mut Bounded::new(stream, until))? {
        true => Ok(Some(encrypted)),
        false => Err(io::Error::new(io::ErrorKind::TimedOut, "no TLS handshake in time")),
    }
}

/// A deadline; `None`, where no clock goes that far, is none.
#[derive(Clone, Copy)]
pub(crate) struct Until(Option<Instant>);

impl Until {
    pub(crate) fn new(timeout: Duration) -> Until {
        Until(clock::deadline(timeout))
    }

    fn left(self) -> Duration {
        match self.0 {
            Some(deadline) => deadline.saturating_duration_since(Instant::now()),
            None => Duration::MAX,
        }
    }
}

/// A stream that blocks until a deadline, over all its reads and writes; `WouldBlock` after it.
pub(crate) struct Bounded<'a> {
    stream: &'a TcpStream,
    until: Until,
}

impl Bounded<'_> {
    pub(crate) fn new(stream: &TcpStream, until: Until) -> Bounded<'_> {
        Bounded { stream, until }
    }

    /// What is left for the next read or write.
    fn left(&self) -> io::Result<Option<Duration>> {
        match self.until.left() {
            Duration::ZERO => Err(io::ErrorKind::WouldBlock.into()),
            Duration::MAX => Ok(None),
            left => Ok(Some(left)),
        }
    }
}

impl Read for Bounded<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(self.left()?)?;
        self.stream.read(buffer)
    }
}

impl Write for Bounded<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(self.left()?)?;
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_none_is_told_in_the_resolvers_words() {
        let endpoint = Endpoint::new("name.invalid", 1);
        let error = check(&endpoint, None, Duration::from_secs(600)).unwrap_err();
        assert!(error.to_string().starts_with("failed to lookup address"), "{error}");
    }

    #[test]
    fn who_is_late_finds_no_time_left() {
        let error = check(&Endpoint::new("127.0.0.1", 1), None, Duration::ZERO).unwrap_err();
        assert_eq!(error.to_string(), "no address answered in time");
    }
}
