//! The byte stream of an HTTP connection, as hyper reads and writes it.
//!
//! It begins with the bytes that told HTTP from telnet, and it asks the connection's fate before each read and write: it
//! reads no byte beyond a cut, and waits while the switch says so. The loop in `http.rs` polls it again when the switch is
//! turned, so no waiting here needs a waker for that.

use std::io;
use std::net::Shutdown;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::rt::{Read, ReadBufCursor, Write};
use tokio::net::TcpStream;

use crate::faults::Fate;

pub(crate) struct Stream<'a, 'b> {
    stream: &'a TcpStream,
    first: Bytes,
    fate: &'a Mutex<&'b mut Fate>,
}

impl<'a, 'b> Stream<'a, 'b> {
    /// A stream whose first bytes were read already.
    pub(crate) fn new(stream: &'a TcpStream, first: Vec<u8>, fate: &'a Mutex<&'b mut Fate>) -> Stream<'a, 'b> {
        Stream {
            stream,
            first: first.into(),
            fate,
        }
    }
}

/// The fate, shared by the connection's stream and its loop; both are one task, so it is never contended.
pub(crate) fn lock<'a, 'b>(fate: &'a Mutex<&'b mut Fate>) -> MutexGuard<'a, &'b mut Fate> {
    fate.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Read for Stream<'_, '_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.first.is_empty() {
            let length = self.first.len().min(buffer.remaining());
            buffer.put_slice(&self.first.split_to(length));
            return Poll::Ready(Ok(()));
        }
        let this = &*self;
        let mut fate = lock(this.fate);
        fate.refresh();
        if fate.ending().is_some() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        if !fate.reads() {
            // The switch wakes the task when that changes.
            return Poll::Pending;
        }
        let mut chunk = [0; 16 * 1024];
        let room = fate.room(chunk.len().min(buffer.remaining()));
        loop {
            ready!(this.stream.poll_read_ready(context))?;
            match this.stream.try_read(&mut chunk[..room]) {
                Ok(length) => {
                    fate.received(length);
                    buffer.put_slice(&chunk[..length]);
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl Write for Stream<'_, '_> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if !lock(self.fate).answers() {
            return Poll::Pending;
        }
        loop {
            ready!(self.stream.poll_write_ready(context))?;
            match self.stream.try_write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                written => return Poll::Ready(written),
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(socket2::SockRef::from(self.stream).shutdown(Shutdown::Write))
    }
}
