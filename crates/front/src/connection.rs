//! One accepted connection: its first bytes decide telnet or HTTP, its conduct and the limits how long it lives.
//!
//! A telnet peer that never reads holds up nobody: replies are written only as far as the socket takes them, and reading
//! goes on until they reach their bound. What is read goes through a buffer all connections of the thread share, so an
//! idle one costs next to nothing.
//!
//! `listener.rs` starts one task each; `telnet.rs` is the framing, `http/` the other conversation.

use std::cell::RefCell;
use std::io;
use std::sync::Arc;
use std::time::Duration;

#[cfg(feature = "tls")]
use tokio::time::timeout;
use tokio::time::{Instant, sleep_until};

use crate::admission::{Place, Share};
use crate::backend::{Backend, Event, Peer};
use crate::conduct::{Conduct, Ending};
use crate::front::Served;
use crate::http;
use crate::limits::Deadline;
use crate::opening::Opening;
use crate::socket::Socket;
use crate::telnet::Telnet;
use crate::transport::{self, Ready, Transport};

/// How much is read at once: a few hundred microseconds of work, so that connections take turns.
const CHUNK: usize = 256 * 1024;

thread_local! {
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; CHUNK]);
}

/// Serves a connection to its end.
pub(crate) async fn serve<B: Backend>(
    socket: Socket,
    peer: Peer,
    place: Place,
    mut session: B::Session,
    served: Arc<Served<B>>,
) {
    let ending = match opened(socket, &peer, &served).await {
        Ok(mut transport) => {
            let ending = Box::pin(converse(&mut transport, peer, &place, &mut session, &served)).await;
            match ending {
                Ok(Some(ending)) => {
                    if ending == Ending::Reset {
                        transport.reset();
                    }
                    Some(ending)
                }
                _ => {
                    transport.finish();
                    None
                }
            }
        }
        Err(_) => None,
    };
    if ending.is_some() {
        served.backend.note(Event::Cut);
    }
    drop(place);
    served.backend.note(Event::Closed);
}

/// The transport, after its handshake where there is one.
async fn opened<B: Backend>(socket: Socket, peer: &Peer, served: &Served<B>) -> io::Result<Transport> {
    let socket = match socket {
        Socket::Tcp(socket) => socket,
        Socket::Unix(socket) => return Ok(Transport::Unix(socket)),
    };
    transport::set_up(&socket, served.options.limits.keepalive);
    #[cfg(feature = "tls")]
    if let (true, Some(tls)) = (peer.is_encrypted, &served.options.tls) {
        return match timeout(served.options.limits.handshake, tls.accept(socket)).await {
            Ok(accepted) => accepted,
            Err(_) => Err(late(served, Deadline::Handshake)),
        };
    }
    let _ = peer;
    Ok(Transport::Tcp(socket))
}

/// Notes that a peer was too slow.
fn late<B: Backend>(served: &Served<B>, deadline: Deadline) -> io::Error {
    served.backend.note(Event::Late(deadline));
    io::ErrorKind::TimedOut.into()
}

/// What there is of a connection before it is clear that it is HTTP.
struct Conversation<'a, B: Backend> {
    telnet: Telnet,
    /// What came so far, while it is not clear what it is.
    opening: Option<Vec<u8>>,
    /// What was read, and waits until there is room for replies.
    rest: Vec<u8>,
    share: Share,
    /// The peer takes nothing any more: what it sent before that is still read.
    is_deaf: bool,
    session: &'a mut B::Session,
    served: &'a Served<B>,
    /// When it began, when its first byte came, when its last line ended, when the peer last took a reply.
    since: Since,
}

struct Since {
    accepted: Instant,
    begun: Option<Instant>,
    line: Instant,
    written: Instant,
}

/// Returns the fault that ended it, if one did.
async fn converse<B: Backend>(
    transport: &mut Transport,
    peer: Peer,
    place: &Place,
    session: &mut B::Session,
    served: &Arc<Served<B>>,
) -> io::Result<Option<Ending>> {
    let now = Instant::now();
    let mut this = Conversation {
        telnet: Telnet::new(&served.options),
        opening: Some(Vec::new()),
        rest: Vec::new(),
        share: place.share(),
        is_deaf: false,
        session,
        served,
        since: Since {
            accepted: now,
            begun: None,
            line: now,
            written: now,
        },
    };
    let mut open = true;
    loop {
        // What was ordered before bytes came must hold for them.
        this.session.refresh();
        if let Some(ending) = this.session.ending() {
            return Ok(Some(ending));
        }
        if this.session.looks_ahead() {
            this.look_ahead(transport);
        }
        open &= !this.session.leaves();
        let struck = this.telnet.struck();
        let is_written = this.is_deaf || (this.telnet.replies.is_empty() && !transport.is_behind());
        if !open && this.rest.is_empty() && (is_written || struck.is_some_and(|ending| ending != Ending::Written)) {
            return Ok(struck);
        }
        if !this.rest.is_empty() && this.telnet.replies.has_room_again() && this.session.reads() {
            let rest = std::mem::take(&mut this.rest);
            let used = this.take(&rest, transport)?;
            this.rest = rest;
            this.rest.drain(..used);
            open &= !this.telnet.is_over();
            continue;
        }
        let wanted = Ready {
            reads: open && this.rest.is_empty() && this.session.reads() && !this.telnet.replies.stops_reading(),
            writes: !this.is_deaf
                && this.session.answers()
                && (!this.telnet.replies.ready().is_empty() || transport.is_behind()),
        };
        let (deadline, until) = this.deadline(wanted);
        let ready = tokio::select! {
            ready = transport.ready(wanted) => ready?,
            () = this.session.changed() => continue,
            () = this.telnet.replies.advance() => continue,
            () = sleep_until(until) => return Err(late(served, deadline)),
        };
        if this.session.refresh() {
            continue;
        }
        if ready.writes {
            this.write(transport);
        }
        if !ready.reads {
            continue;
        }
        match this.read(transport) {
            Ok(Taken::Nothing) => {
                this.telnet.end(&*served.backend, this.session);
                open = false;
            }
            Ok(Taken::Bytes) => {
                open = !this.telnet.is_over();
                // A peer that never pauses would keep the thread for dozens of chunks otherwise.
                tokio::task::yield_now().await;
            }
            Ok(Taken::Http(first)) => {
                let Conversation { share, session, .. } = this;
                return Ok(http::converse(transport, peer, share, first, session, served).await);
            }
            Ok(Taken::Broken(words)) => {
                this.telnet.replies.answer(words);
                open = false;
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => {
                this.telnet.end(&*served.backend, this.session);
                return Err(error);
            }
        }
    }
}

/// What a read brought.
enum Taken {
    /// The end of the stream.
    Nothing,
    /// Telnet bytes, worked through already; or too few to tell what they are.
    Bytes,
    /// The beginning of an HTTP connection.
    Http(Vec<u8>),
    /// HTTP that is none, and what is said to that.
    Broken(&'static [u8]),
}

impl<B: Backend> Conversation<'_, B> {
    /// The deadline that comes first, of those that the peer can meet now.
    fn deadline(&self, wanted: Ready) -> (Deadline, Instant) {
        let (limits, since) = (&self.served.options.limits, &self.since);
        let mut deadlines = [None; 4];
        if wanted.reads {
            deadlines[0] = limits.idle.map(|idle| (Deadline::Idle, since.line + idle));
            if !self.telnet.is_authorised() {
                deadlines[1] = Some((Deadline::Login, since.accepted + limits.login));
            }
            if let (Some(begun), Some(_)) = (since.begun, &self.opening) {
                deadlines[2] = Some((Deadline::Head, begun + limits.head));
            }
        } else if wanted.writes {
            deadlines[3] = Some((Deadline::Unread, since.written + limits.unread));
        }
        let first = deadlines.into_iter().flatten().min_by_key(|(_, until)| *until);
        first.unwrap_or((Deadline::Idle, Instant::now() + FOR_EVER))
    }

    /// Reads once and works through what came.
    fn read(&mut self, transport: &mut Transport) -> io::Result<Taken> {
        BUFFER.with_borrow_mut(|buffer| {
            let room = self.session.room(buffer.len());
            let length = transport.try_read(&mut buffer[..room])?;
            self.session.received(length);
            let bytes = &buffer[..length];
            let Some(mut first) = self.opening.take() else {
                self.take_or_keep(bytes, transport)?;
                return Ok(if length == 0 { Taken::Nothing } else { Taken::Bytes });
            };
            self.since.begun.get_or_insert_with(Instant::now);
            first.extend_from_slice(bytes);
            match self.served.backend.opening(&first) {
                Opening::Undecided if length > 0 && first.len() < self.served.options.limits.head_bytes => {
                    self.opening = Some(first);
                    Ok(Taken::Bytes)
                }
                Opening::Http => Ok(Taken::Http(first)),
                Opening::Broken(words) => Ok(Taken::Broken(words)),
                Opening::Telnet | Opening::Undecided => {
                    self.take_or_keep(&first, transport)?;
                    Ok(if length == 0 { Taken::Nothing } else { Taken::Bytes })
                }
            }
        })
    }

    /// Shows the session what the kernel holds; where that cannot be seen, nothing.
    fn look_ahead(&mut self, transport: &Transport) {
        BUFFER.with_borrow_mut(|buffer| {
            if let Ok(length) = transport.peek(buffer) {
                self.session.ahead(&buffer[..length]);
            }
        });
    }

    /// Takes what was read, and keeps the rest of it where answers have to come first.
    fn take_or_keep(&mut self, bytes: &[u8], transport: &mut Transport) -> io::Result<()> {
        // A session that does not read may have been given bytes with a connection's first ones.
        let used = self.take(bytes, transport)?;
        self.rest.extend_from_slice(&bytes[used..]);
        Ok(())
    }

    /// Works through telnet bytes, writing replies in between, and returns how many it used: fewer than all when it has to
    /// wait for answers, or for replies to be read.
    fn take(&mut self, bytes: &[u8], transport: &mut Transport) -> io::Result<usize> {
        let (mut used, mut congested) = (0, false);
        while used < bytes.len() {
            used += self.telnet.take(
                &bytes[used..],
                congested,
                &*self.served.backend,
                self.session,
                &self.served.options,
            );
            congested = !self.session.answers() || !self.write(transport);
            let replies = &self.telnet.replies;
            if replies.stops_reading() || replies.is_held_up() || !self.session.reads() {
                break;
            }
        }
        let left_out = self.telnet.left_out();
        if left_out > 0 {
            self.served.backend.note(Event::Unread(left_out));
        }
        if std::mem::take(&mut self.telnet.progressed) {
            self.since.line = Instant::now();
        }
        // What is not used is kept, and this is called again with it.
        if !self.share.set(self.telnet.unfinished() + bytes.len() - used) {
            self.served.backend.note(Event::NoRoom);
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        Ok(used)
    }

    /// Writes what the socket takes; true when that was all.
    ///
    /// A peer that closed its end answers with a reset, and what it sent before that is still with the kernel: the end comes
    /// when all of it is read.
    fn write(&mut self, transport: &mut Transport) -> bool {
        let replies = &mut self.telnet.replies;
        let mut written = 0;
        while !self.is_deaf && (written < replies.ready().len() || transport.is_behind()) {
            match transport.try_write(&replies.ready()[written..]) {
                Ok(length) => written += length,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(_) => self.is_deaf = true,
            }
            if written == replies.ready().len() {
                break;
            }
        }
        if written > 0 || replies.ready().is_empty() {
            self.since.written = Instant::now();
        }
        if self.is_deaf {
            written = replies.ready().len();
        }
        replies.written(written);
        replies.ready().is_empty() && (self.is_deaf || !transport.is_behind())
    }
}

/// Without a deadline. As far ahead as a timer goes without an overflow.
const FOR_EVER: Duration = Duration::from_secs(365 * 24 * 3600);

/// Reads once through the buffer that all connections of the thread share, and appends that.
pub(crate) fn read_into(transport: &mut Transport, room: usize, bytes: &mut Vec<u8>) -> io::Result<usize> {
    BUFFER.with_borrow_mut(|buffer| {
        let room = room.min(buffer.len());
        let length = transport.try_read(&mut buffer[..room])?;
        bytes.extend_from_slice(&buffer[..length]);
        Ok(length)
    })
}
