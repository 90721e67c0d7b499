//! Backend: what is behind the front, and what the two say to each other.
//!
//! ```text
//!            open                      lines: whole ones, many at once ---> Replies: now, or later, in the order of the lines
//! accepted ------> Session (a Conduct) request: head and body          ---> Response
//!                                      torn, overlong: what is no line
//! ```
//!
//! The front calls a backend on the thread of the connection: `lines` must not wait. What an answer waits for is a future,
//! given to [`Replies::later`]; a request's answer is one anyway. One connection's calls come one after the other.

use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};

use tokio::sync::mpsc;

use crate::conduct::{Conduct, Ending, Gate};
use crate::http::{Head, Reply};
use crate::limits::Deadline;
use crate::opening::Opening;
use crate::replies::Replies;

/// What takes lines and requests, and answers them.
pub trait Backend: Send + Sync + 'static {
    /// What there is of each connection.
    type Session: Conduct;

    /// What the listener obeys; `()` for a server that behaves.
    type Gate: Gate;

    /// Called once for each door, before its first connection.
    fn gate(&self) -> Self::Gate;

    /// Why a peer is not served at all: these words are said, and the connection is closed before anything is read of it.
    fn turns_away(&self, _peer: &Peer) -> Option<&'static [u8]> {
        None
    }

    /// A connection was accepted.
    fn open(&self, peer: &Peer, gate: &Self::Gate) -> Self::Session;

    /// What a connection is that begins so.
    fn opening(&self, bytes: &[u8]) -> Opening {
        Opening::of(bytes)
    }

    /// Takes whole lines, each with its newline, at most what one read brought.
    ///
    /// It may stop after any line, and should when [`Replies::is_full`]: the rest is given again, as soon as there is room
    /// for replies and [`Conduct::reads`] allows it. One that stops for another reason has the session say that it does
    /// not read.
    fn lines(&self, session: &mut Self::Session, lines: &[u8], replies: &mut Replies) -> Taken;

    /// The connection ended inside a line, which begins so; nothing where its beginning was left out.
    fn torn(&self, _session: &mut Self::Session, _line: Option<&[u8]>, _replies: &mut Replies) {}

    /// A line was longer than [`Limits::line`](crate::Limits::line), and `ends` the connection or is left out.
    fn overlong(&self, _session: &mut Self::Session, _ends: bool, _replies: &mut Replies) {}

    /// Judges a request by its head, once its peer has logged in.
    fn at_head(&self, _session: &mut Self::Session, _head: &Head) -> AtHead {
        AtHead::ReadOn
    }

    /// Says that a body is larger than [`Limits::body`](crate::Limits::body); nothing ends the connection without a word.
    fn too_large(&self, most: usize) -> Option<Reply> {
        Some(Reply::error(413, &format!("the body has more than {most} bytes")))
    }

    /// Answers a request.
    fn request(&self, session: &mut Self::Session, request: Request) -> impl Future<Output = Response> + Send;

    /// Words the last answer of a connection, to a request of HTTP/1.`minor`.
    fn last(&self, reply: &mut Reply, minor: u8) {
        reply.say_it_is_the_last(minor);
    }

    /// Something happened that a server counts.
    fn note(&self, _event: Event) {}
}

/// The other end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Peer {
    /// Where it comes from; over a Unix socket, port 0 of this machine.
    pub address: SocketAddr,
    /// Whether it came over TLS.
    pub is_encrypted: bool,
    /// The number of the user whose process it is, if it came over a Unix socket and the kernel says so.
    pub user: Option<u32>,
}

impl Peer {
    /// A peer that came without TLS.
    #[must_use]
    pub fn plain(address: SocketAddr) -> Peer {
        Peer::new(address, false)
    }

    pub(crate) fn new(address: SocketAddr, is_encrypted: bool) -> Peer {
        Peer {
            address,
            is_encrypted,
            user: None,
        }
    }

    pub(crate) fn local(user: Option<u32>) -> Peer {
        Peer {
            user,
            ..Peer::plain((Ipv4Addr::LOCALHOST, 0).into())
        }
    }
}

/// How far a backend took lines, and what comes after them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Bytes of whole lines that were taken.
    pub bytes: usize,
    /// Whether the conversation goes on.
    pub flow: Flow,
}

/// Whether a telnet conversation goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// It does.
    On,
    /// Nothing more is read, what there is to write still is.
    Leaves,
    /// A fault ends it: at once by a reset, otherwise once what there is to write is written.
    Ends(Ending),
}

/// An HTTP request, read to its end.
#[derive(Clone, Debug)]
pub struct Request {
    /// Method, target and fields.
    pub head: Head,
    /// As it came, still compressed if it was.
    pub body: Vec<u8>,
    /// Who asks.
    pub peer: Peer,
}

/// What becomes of a request before its body is read.
pub enum AtHead {
    /// Its body is read.
    ReadOn,
    /// This is the answer, whatever the body is.
    Answer(Reply),
    /// The connection ends without one.
    End,
}

/// What becomes of a request.
pub enum Response {
    /// It is answered.
    Reply(Reply),
    /// It is answered part by part: the head of this, its body, then each part as it comes. The connection ends with them,
    /// and the channel closes when the peer leaves. Whoever makes the parts is not waited for, and waits for a peer that
    /// reads slowly as the channel has it.
    Stream(Reply, mpsc::Receiver<Vec<u8>>),
    /// The connection ends without an answer.
    End,
    /// A fault: nothing is said until the peer leaves.
    Silence,
    /// A fault: the connection is reset instead of an answer.
    Reset,
    /// A fault: these bytes are written, and the connection ends.
    Bytes(Vec<u8>),
}

/// What a server counts, beside points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A connection found no place, or was not wanted: see [`Limits::connections`](crate::Limits::connections) and
    /// [`Backend::turns_away`].
    TurnedAway,
    /// A request came.
    Request,
    /// A peer did not log in as it should: a request, or a line.
    Unauthorised,
    /// A connection was closed because it was too slow.
    Late(Deadline),
    /// There was no room for a body or a long line: see [`Limits::unfinished`](crate::Limits::unfinished).
    NoRoom,
    /// So many replies were left out because the peer does not read.
    Unread(u64),
    /// A fault ended a connection.
    Cut,
    /// A connection is over.
    Closed,
}
