//! A connection: one socket, non-blocking, encrypted or not, from when it stands to the last byte.
//!
//! Called by the worker only. `dial.rs` makes it, `tls/stream.rs` does the encrypting. Written and
//! acknowledged are counted in plaintext, whatever goes over the wire.

use std::io::{self, IoSlice, Read, Write};
use std::net::Shutdown;

use mio::Token;
use mio::net::TcpStream;
use rustix::net::{SendAncillaryBuffer, SendFlags, sendmsg};

use crate::net::kernel;
use crate::net::tls::Encrypted;

/// Apple's sockets are told once, by mio, when they are made.
const NO_SIGNAL: SendFlags = if cfg!(target_vendor = "apple") {
    SendFlags::empty()
} else {
    SendFlags::from_bits_retain(libc::MSG_NOSIGNAL as _)
};

/// A connected socket.
pub(crate) struct Connection {
    token: Token,
    socket: Socket,
    encrypted: Option<Box<Encrypted>>,
}

/// What a read brought.
pub(crate) enum Incoming {
    Bytes(usize),
    /// Nothing that says anything, as TLS's own records. There may be more.
    More,
    /// Nothing for now.
    Nothing,
    /// The peer ended its side.
    End,
}

impl Connection {
    pub(crate) fn new(token: Token, socket: Socket, encrypted: Option<Box<Encrypted>>) -> Connection {
        Connection {
            token,
            socket,
            encrypted,
        }
    }

    pub(crate) fn token(&self) -> Token {
        self.token
    }

    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> io::Result<Incoming> {
        self.end_socket();
        let read = match &mut self.encrypted {
            Some(encrypted) => encrypted.read(&mut self.socket, buffer),
            None => self.socket.read(buffer),
        };
        match read {
            Ok(0) => Ok(Incoming::End),
            Ok(bytes) => Ok(Incoming::Bytes(bytes)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Incoming::Nothing),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(Incoming::More),
            Err(error) => Err(error),
        }
    }

    /// Writes what the kernel takes; 0: nothing for now. What was not written is to be shown again, as it was.
    pub(crate) fn write(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let Some(encrypted) = &mut self.encrypted else {
            return match self.socket.write_vectored(slices) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
                written => written,
            };
        };
        if encrypted.forgets() {
            // Where the platform cannot tell, nobody will ask.
            encrypted.forget(kernel::bytes_acknowledged(&self.socket.0).unwrap_or(u64::MAX));
        }
        encrypted.write(&mut self.socket, slices)
    }

    /// Ends the sending side. That it was gone already shows at the next read.
    pub(crate) fn half_close(&mut self) {
        match &mut self.encrypted {
            Some(encrypted) => {
                encrypted.end(&mut self.socket);
                self.end_socket();
            }
            None => self.socket.end(),
        }
    }

    /// What the peer's kernel has of the bytes written.
    pub(crate) fn acknowledged(&self) -> Option<u64> {
        let bytes = kernel::bytes_acknowledged(&self.socket.0)?;
        Some(match &self.encrypted {
            Some(encrypted) => encrypted.plain_of(bytes),
            None => bytes,
        })
    }

    /// Ends the socket's sending side after the last of what is encrypted.
    fn end_socket(&mut self) {
        if let Some(encrypted) = &mut self.encrypted
            && encrypted.has_ended(&mut self.socket)
        {
            self.socket.end();
        }
    }
}

/// The socket itself, as something to read from and write to.
pub(crate) struct Socket(pub(crate) TcpStream);

impl Socket {
    fn end(&self) {
        let _ = self.0.shutdown(Shutdown::Write);
    }
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

/// The peer sees the end although a forked child has a copy of the descriptor.
impl Drop for Socket {
    fn drop(&mut self) {
        let _ = self.0.shutdown(Shutdown::Both);
    }
}

/// Never raises SIGPIPE, which std's own write would in a program that wants the signal for its own pipes.
impl Write for Socket {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(buffer)])
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        loop {
            // Through mio, so that a write that would block is waited for.
            let sent = self.0.try_io(|| {
                Ok(sendmsg(
                    &self.0,
                    slices,
                    &mut SendAncillaryBuffer::default(),
                    NO_SIGNAL,
                )?)
            });
            match sent {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                sent => return sent,
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_peer_sees_the_end_though_a_forked_child_has_a_copy_of_the_descriptor() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut server, _) = listener.accept().unwrap();
        // As a fork would copy it.
        let copy = stream.try_clone().unwrap();
        let connection = Connection::new(Token(1), Socket(TcpStream::from_std(stream)), None);
        drop(connection);
        // No wait where all is well: the end has arrived on the loopback.
        server.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        assert_eq!(server.read(&mut [0; 1]).unwrap(), 0);
        drop(copy);
    }
}
