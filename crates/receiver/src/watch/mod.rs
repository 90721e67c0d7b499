//! What connections do, remembered for whoever looks on: the page, and `serve -v`.
//!
//! ```text
//! backend.rs --opened, lines, requests, ended--> Watch: the connections, the latest lines, what happened --> page/, receiver.rs
//! ```
//!
//! Bounded whatever comes: so many ended connections, lines and happenings are kept, the oldest go. Lines are for the
//! page: without one none are kept. The connections of the page itself are left out. It has a lock of its own, taken
//! once for a read's worth of lines and never together with the store's.

mod connection;
mod happening;

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::store;
use crate::store::series::Writer;

pub(crate) use connection::{Connection, End, Watched, Wire};
pub use happening::{Happened, Happening, Happenings, Seen};

/// How many ended connections are kept.
const MOST_ENDED: usize = 200;

/// How many lines are kept, of all connections.
const MOST_LINES: usize = 1000;

/// How many lines are kept of one read, and how many bytes of each.
const MOST_OF_READ: usize = 8;
const LONGEST: usize = 512;

/// How many happenings are kept.
const MOST_HAPPENINGS: usize = 1000;

/// What is remembered.
pub(crate) struct Watch {
    inner: Mutex<Inner>,
    keeps_lines: bool,
}

#[derive(Default)]
struct Inner {
    /// Open and ended ones, by who they are in a cell. Of two whose numbers are 32 767 apart the later one is known.
    known: HashMap<Writer, Arc<Connection>>,
    ended: VecDeque<Arc<Connection>>,
    lines: VecDeque<Line>,
    /// How many lines there were.
    all_lines: u64,
    happened: VecDeque<Noted>,
    /// How many happenings there were.
    all_happened: u64,
}

/// A line as it came, or the first of a request.
#[derive(Clone)]
pub(crate) struct Line {
    pub(crate) connection: Arc<Connection>,
    pub(crate) text: Box<[u8]>,
    /// How many lines before it, of the same read, are not kept.
    pub(crate) left_out: usize,
}

/// A connection was opened, or has ended.
struct Noted {
    at: u64,
    connection: Arc<Connection>,
    is_end: bool,
}

impl Watch {
    pub(crate) fn new(keeps_lines: bool) -> Watch {
        Watch {
            inner: Mutex::default(),
            keeps_lines,
        }
    }

    /// A connection was opened; what is given back ends it when it is dropped.
    pub(crate) fn opened(self: &Arc<Watch>, number: u64, peer: SocketAddr) -> Watched {
        let connection = Arc::new(Connection::new(number, peer, store::now()));
        let mut inner = self.lock();
        inner.known.insert(Writer::connection(number), Arc::clone(&connection));
        inner.note(&connection, connection.opened, false);
        drop(inner);
        Watched::new(connection, Arc::clone(self))
    }

    /// Keeps the last of some lines, each with its newline.
    pub(crate) fn lines(&self, connection: &Arc<Connection>, lines: &[u8], count: u64) {
        let lines = lines.strip_suffix(b"\n").unwrap_or(lines);
        let last: Vec<&[u8]> = lines.rsplit(|&byte| byte == b'\n').take(MOST_OF_READ).collect();
        let mut left_out = usize::try_from(count).unwrap_or(usize::MAX).saturating_sub(last.len());
        let mut inner = self.lock();
        for line in last.into_iter().rev() {
            inner.keep(Line {
                connection: Arc::clone(connection),
                text: line[..line.len().min(LONGEST)].into(),
                left_out: std::mem::take(&mut left_out),
            });
        }
    }

    /// The connection that wrote a cell, if it is still known.
    pub(crate) fn connection(&self, writer: Writer) -> Option<Arc<Connection>> {
        self.lock().known.get(&writer.over_telnet()).cloned()
    }

    /// All that are known, those of the page left out, the latest first.
    pub(crate) fn connections(&self) -> Vec<Arc<Connection>> {
        let inner = self.lock();
        let known = inner.known.values().filter(|connection| !connection.is_of_page());
        let mut known: Vec<_> = known.cloned().collect();
        drop(inner);
        known.sort_by_key(|connection| std::cmp::Reverse(connection.number));
        known
    }

    /// How many of them are open.
    pub(crate) fn open(&self) -> usize {
        let inner = self.lock();
        let others = inner.known.values().filter(|connection| !connection.is_of_page());
        others.filter(|connection| connection.ended().is_none()).count()
    }

    /// The lines after the first so many there were, at most so many of the latest, and how many there were.
    pub(crate) fn lines_after(&self, seen: u64, most: usize) -> (Vec<Line>, u64) {
        let inner = self.lock();
        let new = usize::try_from(inner.all_lines - seen.min(inner.all_lines)).unwrap_or(usize::MAX);
        let kept = inner.lines.len().saturating_sub(new.min(most));
        (inner.lines.iter().skip(kept).cloned().collect(), inner.all_lines)
    }

    /// Connections opened and ended since the first so many of that.
    fn happened_after(&self, seen: &mut u64) -> (Vec<(u64, Happening)>, u64) {
        let inner = self.lock();
        let gone = inner.all_happened - inner.happened.len() as u64;
        let missed = gone.saturating_sub(*seen);
        let known = usize::try_from(seen.saturating_sub(gone)).unwrap_or(usize::MAX);
        let new = inner
            .happened
            .iter()
            .skip(known)
            .filter(|noted| !noted.connection.is_of_page());
        let happened = new
            .map(|noted| (noted.at, Happening::of(&noted.connection, noted.is_end)))
            .collect();
        *seen = inner.all_happened;
        (happened, missed)
    }

    fn ended(&self, connection: &Arc<Connection>, end: End) {
        connection.end(end);
        let mut inner = self.lock();
        inner.note(connection, end.at, true);
        inner.ended.push_back(Arc::clone(connection));
        if inner.ended.len() > MOST_ENDED
            && let Some(oldest) = inner.ended.pop_front()
        {
            inner.forget(&oldest);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn note(&mut self, connection: &Arc<Connection>, at: u64, is_end: bool) {
        if self.happened.len() == MOST_HAPPENINGS {
            self.happened.pop_front();
        }
        self.all_happened += 1;
        self.happened.push_back(Noted {
            at,
            connection: Arc::clone(connection),
            is_end,
        });
    }

    fn keep(&mut self, line: Line) {
        if self.lines.len() == MOST_LINES {
            self.lines.pop_front();
        }
        self.all_lines += 1;
        self.lines.push_back(line);
    }

    fn forget(&mut self, connection: &Arc<Connection>) {
        let writer = Writer::connection(connection.number);
        if self
            .known
            .get(&writer)
            .is_some_and(|known| Arc::ptr_eq(known, connection))
        {
            self.known.remove(&writer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened(watch: &Arc<Watch>, number: u64) -> Watched {
        watch.opened(number, ([127, 0, 0, 1], 1).into())
    }

    #[test]
    fn the_last_lines_of_a_read_are_kept_and_the_others_counted() {
        let watch = Arc::new(Watch::new(true));
        let connection = opened(&watch, 1);
        watch.lines(connection.connection(), b"a\nb\n", 2);
        watch.lines(connection.connection(), &b"c\n".repeat(20), 20);
        let (lines, all) = watch.lines_after(0, 100);
        let kept: Vec<_> = lines.iter().map(|line| (&line.text[..], line.left_out)).collect();
        assert_eq!((kept.len(), all), (2 + MOST_OF_READ, 10));
        assert_eq!(kept[..3], [(&b"a"[..], 0), (b"b", 0), (b"c", 20 - MOST_OF_READ)]);
        assert_eq!(watch.lines_after(all - 1, 100).0.len(), 1);
        assert_eq!(watch.lines_after(0, 3).0.len(), 3);
    }

    #[test]
    fn lines_are_kept_for_the_page_alone() {
        for (keeps_lines, kept) in [(true, 2), (false, 0)] {
            let watch = Arc::new(Watch::new(keeps_lines));
            let connection = opened(&watch, 1);
            connection.lines(b"a\n", 1, 7);
            connection.request("GET", "/", 0);
            assert_eq!(watch.lines_after(0, 100).1, kept);
            let connection = connection.connection();
            assert_eq!(
                (connection.lines(), connection.requests()),
                (1, 1),
                "they are counted all the same"
            );
        }
    }

    #[test]
    fn memory_is_bounded_and_what_was_missed_is_counted() {
        let watch = Arc::new(Watch::new(true));
        let connections = (1..=2 * MOST_HAPPENINGS as u64).map(|number| opened(&watch, number));
        let first = connections.collect::<Vec<_>>().into_iter().next();
        watch.lines(first.as_ref().expect("one").connection(), &vec![b'x'; 10_000], 1);
        assert_eq!(watch.lines_after(0, 9).0[0].text.len(), LONGEST);
        let mut seen = 0;
        let (happened, missed) = watch.happened_after(&mut seen);
        assert_eq!(
            (happened.len(), missed),
            (MOST_HAPPENINGS, 4 * MOST_HAPPENINGS as u64 - 1 - 1000)
        );
        assert_eq!(watch.happened_after(&mut seen), (Vec::new(), 0));
        assert_eq!(watch.connections().len(), MOST_ENDED + 1, "and the one that is open");
    }

    #[test]
    fn the_connections_of_the_page_are_left_out() {
        let watch = Arc::new(Watch::new(true));
        let (page, other) = (opened(&watch, 1), opened(&watch, 2));
        page.connection().is_the_pages();
        let numbers: Vec<_> = watch.connections().iter().map(|connection| connection.number).collect();
        assert_eq!(numbers, [2]);
        drop((page, other));
        assert_eq!(watch.happened_after(&mut 0).0.len(), 2);
    }
}
