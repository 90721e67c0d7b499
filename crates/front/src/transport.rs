//! The transport of one connection: TCP, TLS over it, or a Unix socket, read and written without waiting.
//!
//! A caller waits with [`Transport::ready`] and then tries: between the two it asks the connection's conduct, so that
//! nothing is read that must not be.

use std::future::pending;
use std::io;
use std::net::Shutdown;
use std::time::Duration;

use rustix::net::{RecvFlags, recv};
use socket2::{SockRef, TcpKeepalive};
use tokio::io::Interest;
use tokio::net::{TcpStream, UnixStream};

#[cfg(feature = "tls")]
use crate::tls::Encrypted;

pub(crate) enum Transport {
    Tcp(TcpStream),
    Unix(UnixStream),
    #[cfg(feature = "tls")]
    Tls(Box<Encrypted>),
}

/// What can be tried.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Ready {
    pub(crate) reads: bool,
    pub(crate) writes: bool,
}

impl Transport {
    /// Waits until what is wanted of reading and writing can be tried; for ever if that is nothing.
    pub(crate) async fn ready(&self, wanted: Ready) -> io::Result<Ready> {
        let interest = match (wanted.reads, wanted.writes) {
            (true, true) => Interest::READABLE | Interest::WRITABLE,
            (true, false) => Interest::READABLE,
            (false, true) => Interest::WRITABLE,
            (false, false) => return pending().await,
        };
        #[cfg(feature = "tls")]
        if let (Transport::Tls(encrypted), true) = (self, wanted.reads)
            && encrypted.has_plaintext()
        {
            return Ok(Ready {
                reads: true,
                writes: false,
            });
        }
        let ready = match self {
            Transport::Tcp(socket) => socket.ready(interest).await?,
            Transport::Unix(socket) => socket.ready(interest).await?,
            #[cfg(feature = "tls")]
            Transport::Tls(encrypted) => encrypted.socket().ready(interest).await?,
        };
        Ok(Ready {
            reads: wanted.reads && (ready.is_readable() || ready.is_read_closed()),
            writes: wanted.writes && (ready.is_writable() || ready.is_write_closed()),
        })
    }

    /// Reads what is there; 0 at the end of the stream.
    pub(crate) fn try_read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Transport::Tcp(socket) => socket.try_read(buffer),
            Transport::Unix(socket) => socket.try_read(buffer),
            #[cfg(feature = "tls")]
            Transport::Tls(encrypted) => encrypted.try_read(buffer),
        }
    }

    /// Copies what the kernel holds, and leaves it there.
    pub(crate) fn peek(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
        let (length, _) = match self {
            Transport::Tcp(socket) => recv(socket, buffer, flags)?,
            Transport::Unix(socket) => recv(socket, buffer, flags)?,
            #[cfg(feature = "tls")]
            Transport::Tls(_) => return Err(io::ErrorKind::Unsupported.into()),
        };
        Ok(length)
    }

    /// Writes what is taken of `bytes`, which may be none where TLS still has something to write.
    pub(crate) fn try_write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Transport::Tcp(socket) => socket.try_write(bytes),
            Transport::Unix(socket) => socket.try_write(bytes),
            #[cfg(feature = "tls")]
            Transport::Tls(encrypted) => encrypted.try_write(bytes),
        }
    }

    /// Whether something taken is not with the kernel yet.
    pub(crate) fn is_behind(&self) -> bool {
        match self {
            Transport::Tcp(_) | Transport::Unix(_) => false,
            #[cfg(feature = "tls")]
            Transport::Tls(encrypted) => encrypted.is_behind(),
        }
    }

    /// Says that nothing more comes, as far as the kernel takes it at once.
    pub(crate) fn finish(&mut self) {
        match self {
            Transport::Tcp(_) | Transport::Unix(_) => {}
            #[cfg(feature = "tls")]
            Transport::Tls(encrypted) => encrypted.finish(),
        }
    }

    /// Ends this side of the stream, while the other is still read.
    pub(crate) fn shut_writing(&self) -> io::Result<()> {
        self.socket().shutdown(Shutdown::Write)
    }

    /// Resets the connection, where it can be; a Unix socket is closed.
    pub(crate) fn reset(&self) {
        match self {
            Transport::Tcp(socket) => reset(socket),
            Transport::Unix(_) => {}
            #[cfg(feature = "tls")]
            Transport::Tls(encrypted) => reset(encrypted.socket()),
        }
    }

    fn socket(&self) -> SockRef<'_> {
        match self {
            Transport::Tcp(socket) => socket.into(),
            Transport::Unix(socket) => socket.into(),
            #[cfg(feature = "tls")]
            Transport::Tls(encrypted) => encrypted.socket().into(),
        }
    }
}

/// Sets up an accepted socket.
pub(crate) fn set_up(socket: &TcpStream, keepalive: Option<Duration>) {
    let _ = socket.set_nodelay(true);
    if let Some(every) = keepalive {
        let keepalive = TcpKeepalive::new().with_time(every).with_interval(every);
        let _ = SockRef::from(socket).set_tcp_keepalive(&keepalive);
    }
}

/// Resets a connection: sends RST and throws away what was not delivered, both ways.
pub(crate) fn reset(socket: &TcpStream) {
    // With no linger time a close does that, but only the last one: a forked child may have a copy of the socket.
    let _ = SockRef::from(socket).set_linger(Some(Duration::ZERO));
    let _ = rustix::net::connect_unspec(socket);
}
