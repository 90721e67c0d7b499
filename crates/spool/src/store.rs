//! The store: one slot's lines on disk, as a state machine. It owns no thread and reads no clock: time is an argument.
//!
//! ```text
//!             append                 sync                      read                 done
//!   lines ----------> written ----------------> safe  ------------------> taken ----------> gone, once `acked` says so
//!                     (kept in memory as well)   '--- dropped: the spool was full, the lines too old
//! ```
//!
//! Positions count the points of a slot. `pending` holds those that are on disk, or about to be, and not done with.
//! **Segments are the only truth**: what is pending after a start is what they hold, less what `acked` says. So nothing
//! that is said about lines needs a second file to be right.
//!
//! **What makes lines safe.** A record is safe when its file was synced after the write, and its file's name too. Lines stay in
//! memory until then. A file whose sync failed is never synced again, because the kernel may have thrown its pages away
//! and would say that all is well: what was not safe is written again to a new segment.
//!
//! **Two segments that hold the same positions.** Then the one with the higher first position counts from there on. So lines
//! that are written again are never read twice, and a position that a power cut freed can be given to other lines.
//!
//! Files: `open` finds what is there, `append` writes and syncs, `read` gives back, `clear` saves `acked`, deletes and drops.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

mod age;
mod append;
mod clear;
mod open;
mod read;
mod rejected;

use crate::disk::Folder;
use crate::format::{LONGEST_PAYLOAD, RECORD_HEADER, SEGMENT_HEADER, Tried};
use crate::ranges::Ranges;
use age::Ages;
use append::{Block, Current};
use clear::Acked;
use rejected::Rejected;

pub use open::OpenError;

/// Bytes of whole telnet lines. Shared, not copied: a block of the client's queue can be one.
pub type Payload = Arc<dyn AsRef<[u8]> + Send + Sync>;

/// How long the store waits for more once somebody waits for a sync.
pub const GATHERING: Duration = Duration::from_millis(2);

/// Bytes written and not synced above which it syncs.
pub const SYNC_BYTES: u64 = 4 * 1024 * 1024;

/// Bytes that it keeps in memory for a disk that does not take them; above, nothing more is taken.
pub const MOST_UNSYNCED: u64 = 2 * SYNC_BYTES;

/// How long it leaves the disk alone after an error.
pub const RETRY: Duration = Duration::from_secs(30);

/// The least [`Options::spool_bytes`].
pub const LEAST_BYTES: u64 = 2 * 1024 * 1024;

/// The least bytes of a segment: the longest record fits.
const LEAST_SEGMENT: u64 = 128 * 1024;
const _: () = assert!(LEAST_SEGMENT as usize > SEGMENT_HEADER + RECORD_HEADER + LONGEST_PAYLOAD);

/// A moment, as both clocks tell it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Moment {
    /// Since any fixed instant of this process: never goes back.
    pub mono: Duration,
    /// Milliseconds since 1970: may do anything.
    pub wall: u64,
}

/// What a spool is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The most bytes of everything under the store's folder. 1 GiB unless said; at least [`LEAST_BYTES`].
    pub spool_bytes: u64,
    /// The most bytes of one segment. 8 MiB unless said; a sixteenth of `spool_bytes` if that is less.
    pub segment_bytes: u64,
    /// Bytes of the file system that stay free. 5 % of it and at least 256 MiB unless said.
    pub spool_free: Option<u64>,
    /// How long written lines may wait for a sync that nobody waits for. 1 s unless said.
    pub spool_sync: Duration,
    /// What happens when the spool is full.
    pub full: Full,
    /// Lines older than that are dropped when their turn comes. None unless said.
    pub max_age: Option<Duration>,
}

/// What happens when the spool is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Full {
    /// The oldest lines go, a segment at a time, and are counted.
    #[default]
    DropOldest,
    /// New lines are refused: whoever has them keeps them.
    Refuse,
}

/// Lines to be kept, or given back.
#[derive(Clone)]
pub struct Lines {
    /// Whole telnet lines, 1 byte to 64 KiB of them.
    pub payload: Payload,
    /// How many lines there are, which are points.
    pub points: u32,
    /// Wall time at which they were accepted, in milliseconds since 1970.
    pub accepted: u64,
    /// By which wire they have been tried.
    pub tried: Tried,
}

/// Why lines were not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refused {
    /// The spool is full, or the file system nearly so.
    Full,
    /// The disk failed and is left alone for now; why, in words.
    Off(String),
    /// More waits for the disk than is kept in memory.
    Busy,
    /// They are no record: empty, longer than 64 KiB, or without points.
    NoRecord,
}

/// What a store has to tell. Points that it names are no longer spooled.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The oldest lines were dropped because the spool was full.
    DroppedFull {
        /// The positions of them that were not taken.
        points: Ranges,
    },
    /// Lines were dropped because they were older than `max_age`.
    Expired {
        /// The positions of them that were not taken.
        points: Ranges,
    },
    /// Bytes that cannot be read as records.
    Damaged {
        /// Bytes that were not told of before.
        bytes: u64,
        /// The positions known to have been in them, of those that were not taken.
        points: Ranges,
    },
    /// A gap: these positions are in no segment.
    Missing {
        /// The first of them.
        from: u64,
        /// The one behind the last.
        to: u64,
        /// Those of them that were taken for spooled.
        points: Ranges,
    },
    /// The disk failed and is left alone; points go on from memory.
    Off {
        /// What failed, and how.
        why: String,
    },
    /// The disk takes lines again.
    On,
    /// Something failed that costs no lines: it is tried again.
    Trouble {
        /// What failed, and how.
        what: String,
    },
    /// Something that is not the spool's lies in its folder. It is left alone, and its bytes count.
    Stray {
        /// Its name.
        name: String,
        /// What is wrong with it.
        why: String,
    },
}

/// What a store holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Points on disk, or about to be, that are not done with; those taken are among them.
    pub points: u64,
    /// Points of them that were taken by [`Store::read`] and not yet done with.
    pub taken: u64,
    /// Segments.
    pub segments: u64,
    /// Bytes in them.
    pub bytes: u64,
    /// Bytes that are only in memory, or not yet synced.
    pub unsynced: u64,
    /// When the oldest segment was made: wall time, in milliseconds since 1970.
    pub oldest: Option<u64>,
    /// Bytes that could not be read as records.
    pub damaged_bytes: u64,
    /// Syncs of segments so far.
    pub syncs: u64,
}

/// One slot's lines on disk.
pub struct Store<D: Folder> {
    folder: D,
    /// The folder of all slots of this store, which the cap is for.
    above: D,
    options: Options,
    id: u64,
    ages: Ages,
    /// In the order of their names, which is that of their positions. The one that is written is the last.
    pub(crate) segments: VecDeque<Segment>,
    pub(crate) current: Option<Current<D::File>>,
    /// Not known to be on disk; the first `written` of them are in the current segment.
    unsynced: VecDeque<Block>,
    written: usize,
    /// The last segment lacks positions: the next one says so.
    torn: bool,
    unsynced_bytes: u64,
    pub(crate) pending: Ranges,
    taken: Ranges,
    /// The position of the next point.
    next: u64,
    /// Somebody waits for a sync, since then.
    waiting: Option<Duration>,
    /// Why the disk is left alone, and until when.
    off: Option<(String, Duration)>,
    is_told_off: bool,
    acked: Acked<D::File>,
    rejected: Rejected,
    reader: read::Reader,
    damaged_bytes: u64,
    syncs: u64,
    events: Vec<Event>,
}

/// What is known of a segment.
#[derive(Debug)]
pub(crate) struct Segment {
    name: String,
    first: u64,
    /// Its records at or above that are another segment's, or not there.
    end: u64,
    /// Bytes of the file.
    bytes: u64,
    created: u64,
    /// Written by a newer version in part: not to be deleted.
    keep: bool,
    /// Bytes of it that were found to be damaged.
    damage: Ranges,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            spool_bytes: 1 << 30,
            segment_bytes: 8 * 1024 * 1024,
            spool_free: None,
            spool_sync: Duration::from_secs(1),
            full: Full::default(),
            max_age: None,
        }
    }
}

impl Options {
    /// The most bytes of a segment under these options.
    #[must_use]
    pub fn segment(&self) -> u64 {
        self.segment_bytes.min(self.spool_bytes / 16).max(LEAST_SEGMENT)
    }

    /// The most bytes of the rejected lines that are kept.
    fn rejected(&self) -> u64 {
        rejected::MOST.min(self.spool_bytes / 64)
    }
}

impl<D: Folder> Store<D> {
    /// What it holds.
    #[must_use]
    pub fn stats(&self) -> Stats {
        Stats {
            points: self.pending.len(),
            taken: self.taken.len(),
            segments: self.segments.len() as u64,
            bytes: self.segments.iter().map(|segment| segment.bytes).sum(),
            unsynced: self.unsynced_bytes,
            oldest: self.segments.front().map(|segment| segment.created),
            damaged_bytes: self.damaged_bytes,
            syncs: self.syncs,
        }
    }

    /// What it has to tell since it was last asked.
    pub fn events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    /// Every point below it is on disk or done with. What was there at the start is as safe as it was then.
    #[must_use]
    pub fn safe(&self) -> u64 {
        self.unsynced.front().map_or(self.next, |block| block.first)
    }

    /// The position of the next point.
    #[must_use]
    pub fn next(&self) -> u64 {
        self.next
    }

    /// The lowest position that is not done with.
    #[must_use]
    pub fn low(&self) -> u64 {
        self.pending.first().unwrap_or(self.next)
    }

    /// Why the disk is left alone, if it is.
    #[must_use]
    pub fn off(&self) -> Option<&str> {
        self.off.as_ref().map(|(why, _)| why.as_str())
    }

    /// Does what is due: syncs, saves `acked`, deletes, and tries the disk again.
    pub fn tick(&mut self, now: Moment) {
        if self.off.as_ref().is_some_and(|(_, retry)| *retry <= now.mono) {
            self.revive(now);
        }
        if self.sync_at().is_some_and(|at| at <= now.mono) {
            self.sync(now);
        }
        self.clear(now);
    }

    /// When [`tick`](Store::tick) has something to do; none: when something else was done.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        let retry = self.off.as_ref().map(|(_, retry)| *retry);
        [retry, self.sync_at(), self.clear_at()].into_iter().flatten().min()
    }

    /// These points have their verdict and go nowhere again. Points that are not pending are passed over.
    /// Returns how many were.
    pub fn done(&mut self, first: u64, points: u64) -> u64 {
        let range = first..first.saturating_add(points);
        self.taken.remove(range.clone());
        let done = self.pending.remove(range);
        // What is done with need not wait in memory for a disk that is off.
        while self.off.is_some()
            && let Some(block) = self.unsynced.back()
            && self.pending.count(block.range()) == 0
        {
            self.drop_newest();
        }
        done
    }

    /// Points that were taken and go nowhere now: they are read again.
    pub fn give_back(&mut self, first: u64, points: u64) {
        self.taken.remove(first..first.saturating_add(points));
    }

    /// Keeps lines that the server refused for ever, with its words, for people to look at, as far as there is room.
    pub fn reject(&mut self, now: Moment, lines: &[u8], words: &str) {
        if let Err(error) = self.rejected.add(&self.folder, now.wall, lines, words) {
            let what = format!("rejected lines could not be kept: {error}");
            self.events.push(Event::Trouble { what });
        }
    }

    /// Takes points out of everything. Returns those of them that were pending and not taken.
    fn forget(&mut self, range: std::ops::Range<u64>) -> Ranges {
        let mut waiting: Ranges = self.pending.runs(range.clone()).collect();
        for run in self.taken.runs(range.clone()) {
            waiting.remove(run);
        }
        self.taken.remove(range.clone());
        self.pending.remove(range);
        waiting
    }

    /// These positions are nowhere.
    fn miss(&mut self, range: std::ops::Range<u64>) {
        let points = self.forget(range.clone());
        self.events.push(Event::Missing {
            from: range.start,
            to: range.end,
            points,
        });
    }

    /// These bytes of a segment are damaged, and these points are in them.
    fn spoil(&mut self, segment: usize, bytes: std::ops::Range<u64>, points: std::ops::Range<u64>) {
        let bytes = self.segments[segment].damage.insert(bytes);
        self.damaged_bytes += bytes;
        let points = self.forget(points);
        if bytes > 0 || !points.is_empty() {
            self.events.push(Event::Damaged { bytes, points });
        }
    }
}

impl Lines {
    /// Whole lines that have been tried by no wire; their points are counted. `accepted` is wall time, in milliseconds
    /// since 1970.
    pub fn new(payload: impl AsRef<[u8]> + Send + Sync + 'static, accepted: u64) -> Lines {
        let points = payload.as_ref().iter().filter(|byte| **byte == b'\n').count();
        Lines {
            payload: Arc::new(payload),
            points: points as u32,
            accepted,
            tried: Tried::Nothing,
        }
    }

    /// Whether they can be a record.
    fn is_record(&self) -> bool {
        let length = (*self.payload).as_ref().len();
        (1..=LONGEST_PAYLOAD).contains(&length) && (1..=length).contains(&(self.points as usize))
    }
}

impl std::fmt::Debug for Lines {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Lines({} points, {} bytes)",
            self.points,
            (*self.payload).as_ref().len()
        )
    }
}
