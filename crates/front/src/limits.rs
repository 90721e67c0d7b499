//! Limits: what a server on an open port takes from its peers, in memory, time and connections.
//!
//! Each has a default that no ordinary sender meets. What is beyond one is refused, left out or closed, never kept.

use std::time::Duration;

/// The bounds of a server; see each field for what happens beyond it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at one time, those in a TLS handshake included. One more is told so in a line, and closed. An idle
    /// one takes a descriptor and a few kilobytes. Default: 10 000.
    pub connections: usize,
    /// Connections of one peer at one time: an IPv4 address, or an IPv6 network of 64 bits, which is what one customer
    /// has. One peer cannot take all connections. Default: 1 000.
    pub connections_per_peer: usize,
    /// Whether peers on this machine have that limit too. Default: no.
    pub limits_loopback: bool,
    /// How long a TLS handshake may take. Default: 10 s.
    pub handshake: Duration,
    /// From the first byte of an HTTP head to its end, and from a connection's first byte until it is clear what it
    /// speaks: a head that drips is closed. Default: 10 s.
    pub head: Duration,
    /// How long a peer has to log in over telnet. Default: 30 s.
    pub login: Duration,
    /// How long a body may take however slow it is. Default: 10 s.
    pub body_grace: Duration,
    /// Bytes a second that a body has to bring after that: one that drips is closed. Default: 1 024.
    pub body_rate: u32,
    /// How long a connection stands without a whole line or request. A line that drips does not count. `None`: for
    /// ever. Default: an hour.
    pub idle: Option<Duration>,
    /// How long a peer may leave an answer unread that nothing else can be done without: one over HTTP, the last ones
    /// of a connection, or more than may wait for it. Default: a minute.
    pub unread: Duration,
    /// How often the kernel asks whether a silent peer is still there; `None`: never. Default: every minute.
    pub keepalive: Option<Duration>,
    /// Bytes of a line that has no end yet. Default: 1 024.
    pub line: usize,
    /// What happens to a longer one. Default: it is left out.
    pub overlong: Overlong,
    /// Bytes of an HTTP head. Default: 16 KiB.
    pub head_bytes: usize,
    /// Bytes of a body as it is sent. A larger one is answered by 413. Default: 32 MiB.
    pub body: usize,
    /// Bytes of all bodies and long lines that are being read, of all connections. What finds no room is answered by
    /// 503, a line by the end of its connection. Default: 256 MiB.
    pub unfinished: usize,
    /// Bytes that are read of a body that was refused, so that its connection can stand. None of them is kept. Default:
    /// 256 MiB.
    pub refused_body: u64,
    /// Bytes of a body once inflated. Default: 64 MiB.
    pub inflated: usize,
    /// How many times larger a body may get by that, once it has a mebibyte. Default: 200.
    pub inflated_ratio: usize,
    /// Bytes of unread replies beyond which refusals are left out: what was not read is not kept. Default: 64 KiB.
    pub unread_refusals: usize,
    /// Bytes of unread replies beyond which nothing more is read from a peer, and other replies are left out. Default:
    /// 1 MiB.
    pub unread_replies: usize,
    /// Answers of one connection that the backend has yet to give. Beyond them nothing more is read from the peer.
    /// Default: 1 024.
    pub waiting_answers: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            connections: 10_000,
            connections_per_peer: 1_000,
            limits_loopback: false,
            handshake: Duration::from_secs(10),
            head: Duration::from_secs(10),
            login: Duration::from_secs(30),
            body_grace: Duration::from_secs(10),
            body_rate: 1024,
            idle: Some(Duration::from_secs(3600)),
            unread: Duration::from_secs(60),
            keepalive: Some(Duration::from_secs(60)),
            line: 1024,
            overlong: Overlong::LeftOut,
            head_bytes: 16 << 10,
            body: 32 << 20,
            unfinished: 256 << 20,
            refused_body: 256 << 20,
            inflated: 64 << 20,
            inflated_ratio: 200,
            // Netty's high-water mark, which OpenTSDB obeys.
            unread_refusals: 64 << 10,
            unread_replies: 1 << 20,
            waiting_answers: 1024,
        }
    }
}

/// What happens to a line beyond its limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overlong {
    /// It is left out up to its end, also if it came whole, and the connection stands.
    LeftOut,
    /// The connection ends as soon as more bytes than that are there without an end. A line that came whole is taken, as
    /// OpenTSDB does.
    Ends,
}

/// A deadline that a peer did not meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deadline {
    /// [`Limits::handshake`]
    Handshake,
    /// [`Limits::head`]
    Head,
    /// [`Limits::login`]
    Login,
    /// [`Limits::body_grace`] and [`Limits::body_rate`]
    Body,
    /// [`Limits::idle`]
    Idle,
    /// [`Limits::unread`]
    Unread,
}
