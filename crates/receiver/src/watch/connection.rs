//! A connection as whoever looks on sees it: who, since when, how much came, how it ended.
//!
//! Counted by its task without a lock, read from other threads.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

use crate::store;
use crate::watch::Watch;

pub(crate) struct Connection {
    /// From 1 on, in the order of being accepted.
    pub(crate) number: u64,
    pub(crate) peer: SocketAddr,
    /// In milliseconds since 1970, as all times here.
    pub(crate) opened: u64,
    bytes: AtomicU64,
    lines: AtomicU64,
    requests: AtomicU64,
    /// When something came last.
    heard: AtomicU64,
    wire: AtomicU8,
    is_of_page: AtomicBool,
    end: OnceLock<End>,
}

/// What a connection speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wire {
    /// It has not said anything yet.
    Unknown,
    Telnet,
    Http,
}

/// When and how a connection ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct End {
    pub(crate) at: u64,
    pub(crate) how: &'static str,
}

impl Connection {
    pub(super) fn new(number: u64, peer: SocketAddr, opened: u64) -> Connection {
        Connection {
            number,
            peer,
            opened,
            bytes: AtomicU64::new(0),
            lines: AtomicU64::new(0),
            requests: AtomicU64::new(0),
            heard: AtomicU64::new(opened),
            wire: AtomicU8::new(Wire::Unknown as u8),
            is_of_page: AtomicBool::new(false),
            end: OnceLock::new(),
        }
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Relaxed)
    }

    pub(crate) fn lines(&self) -> u64 {
        self.lines.load(Relaxed)
    }

    pub(crate) fn requests(&self) -> u64 {
        self.requests.load(Relaxed)
    }

    pub(crate) fn heard(&self) -> u64 {
        self.heard.load(Relaxed)
    }

    pub(crate) fn wire(&self) -> Wire {
        match self.wire.load(Relaxed) {
            telnet if telnet == Wire::Telnet as u8 => Wire::Telnet,
            http if http == Wire::Http as u8 => Wire::Http,
            _ => Wire::Unknown,
        }
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&self) -> Option<End> {
        self.end.get().copied()
    }

    pub(crate) fn received(&self, bytes: usize) {
        self.bytes.fetch_add(bytes as u64, Relaxed);
    }

    /// The page asked something over it: it is nobody's who sends points.
    pub(crate) fn is_the_pages(&self) {
        self.is_of_page.store(true, Relaxed);
    }

    pub(super) fn is_of_page(&self) -> bool {
        self.is_of_page.load(Relaxed)
    }

    pub(super) fn end(&self, end: End) {
        let _ = self.end.set(end);
    }
}

/// A connection that is open; it ends when this is dropped.
pub(crate) struct Watched {
    connection: Arc<Connection>,
    watch: Arc<Watch>,
    /// How it ends, if not by its peer.
    how: Option<&'static str>,
}

impl Watched {
    pub(super) fn new(connection: Arc<Connection>, watch: Arc<Watch>) -> Watched {
        Watched {
            connection,
            watch,
            how: None,
        }
    }

    pub(crate) fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }

    /// Lines came over telnet at that time, each with its newline.
    pub(crate) fn lines(&self, lines: &[u8], count: u64, now: u64) {
        self.heard(Wire::Telnet, now);
        self.connection.lines.fetch_add(count, Relaxed);
        if count > 0 && self.watch.keeps_lines {
            self.watch.lines(&self.connection, lines, count);
        }
    }

    /// A request came.
    pub(crate) fn request(&self, method: &str, target: &str, bytes: usize) {
        if self.connection.is_of_page() {
            return;
        }
        self.heard(Wire::Http, store::now());
        self.connection.requests.fetch_add(1, Relaxed);
        if self.watch.keeps_lines {
            let line = format!("{method} {target} ({bytes} bytes)");
            self.watch.lines(&self.connection, line.as_bytes(), 1);
        }
    }

    /// Says how it ends, unless that was said.
    pub(crate) fn ends(&mut self, how: &'static str) {
        self.how.get_or_insert(how);
    }

    fn heard(&self, wire: Wire, now: u64) {
        self.connection.wire.store(wire as u8, Relaxed);
        self.connection.heard.store(now, Relaxed);
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let end = End {
            at: store::now(),
            how: self.how.unwrap_or("closed"),
        };
        self.watch.ended(&self.connection, end);
    }
}
