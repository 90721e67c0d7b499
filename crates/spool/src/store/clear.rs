//! Making room: what is done with is written to `acked`, and then its segments go; when the spool is full, the oldest go.
//!
//! **`acked` is synced before a segment is unlinked.** In the other order a crash between the two leaves an `acked` that
//! is behind the segments: a gap would be reported that is none. Only a disk so full that not even `acked` can be written
//! gets its room first: a false gap costs less than a spool that cannot delete.

use std::io;
use std::time::Duration;

use crate::acked::{ENTRY, Entry, LONGEST};
use crate::disk::{File, Folder, write_all};
use crate::format::SEGMENT_HEADER;
use crate::format::scan::{Found, Scan};
use crate::ranges::Ranges;
use crate::store::read::Patient;
use crate::store::{Event, Full, Moment, RETRY, Segment, Store};

/// The file's name.
pub(super) const NAME: &str = "acked";

/// Its name while it is written anew.
pub(super) const NEW: &str = "acked.new";

/// What the two may take together, each rounded up to the blocks of a file system.
pub(super) const ACKED_ROOM: u64 = 2 * (LONGEST + 4096);

/// The file `acked`, as this store writes it.
pub(super) struct Acked<F> {
    /// None: to be written anew, because it is another process's, too long, or failed.
    file: Option<F>,
    at: u64,
    /// The position that this process has put on disk. What it found at the start may be in the kernel's memory alone,
    /// written by a process that was killed before it synced; so that is written again before anything goes on its word.
    saved: u64,
    /// What is on disk is not to be believed: it is replaced before there are new lines that it could be believed of.
    pub(super) is_wrong: bool,
    /// When it was saved, or tried to be.
    tried_at: Duration,
    /// It failed, and rests until then.
    rests: Option<Duration>,
}

impl<F: File> Acked<F> {
    pub(super) fn new(now: Moment) -> Acked<F> {
        Acked {
            file: None,
            at: 0,
            saved: 0,
            is_wrong: false,
            tried_at: now.mono,
            rests: None,
        }
    }

    fn save<D: Folder<File = F>>(&mut self, folder: &D, entry: Entry) -> io::Result<()> {
        if let Some(file) = self.file.take()
            && self.at < LONGEST
        {
            let saved = write_all(&file, self.at, &[&entry.encode()]).and_then(|()| file.sync());
            if saved.is_ok() {
                self.at += ENTRY as u64;
                self.saved = entry.position;
                self.file = Some(file);
                return Ok(());
            }
            // A file that fails once is not written to again.
        }
        match folder.unlink(NEW) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let file = folder.create(NEW)?;
        // All that it will ever need, so that a full disk cannot keep it from being written.
        file.reserve(LONGEST)?;
        write_all(&file, 0, &[&entry.encode()])?;
        file.sync()?;
        folder.rename(NEW, NAME)?;
        folder.sync()?;
        (self.file, self.at, self.saved) = (Some(file), ENTRY as u64, entry.position);
        self.is_wrong = false;
        Ok(())
    }
}

impl<D: Folder> Store<D> {
    /// Makes room for a segment by dropping the oldest ones, if that is what the options say. Returns whether there is
    /// room.
    pub fn make_room(&mut self, now: Moment) -> bool {
        while !self.has_room().unwrap_or(true) {
            if self.options.full == Full::Refuse || !self.drop_oldest(now) {
                return false;
            }
        }
        true
    }

    /// Drops the oldest segment, and counts what was lost with it. False: there is none, or it cannot be deleted.
    pub fn drop_oldest(&mut self, now: Moment) -> bool {
        let is_written = self.segments.len() == 1 && self.current.is_some();
        let Some(front) = self.segments.front().filter(|front| !front.keep && !is_written) else {
            return false;
        };
        // Nothing is given up for room that cannot be made.
        if self.acked.rests.is_some_and(|rests| rests > now.mono) {
            return false;
        }
        let range = 0..front.end;
        // What is in it, by its headers; what else was taken to be in it is missing.
        let mut points = Ranges::default();
        if self.pending.count(range.clone()) > 0 {
            for found in self.ranges_of(0) {
                points.extend(self.forget(found).all());
            }
            if !points.is_empty() {
                self.events.push(Event::DroppedFull { points });
            }
            if self.pending.count(range.clone()) > 0 {
                self.miss(self.low()..range.end);
            }
        }
        self.save(now) && self.delete(now)
    }

    /// Saves and deletes what is due.
    pub(super) fn clear(&mut self, now: Moment) {
        if self.clear_at().is_some_and(|at| at <= now.mono) {
            self.clear_all(now);
        }
    }

    pub(super) fn clear_all(&mut self, now: Moment) {
        if self.acked.is_wrong || self.to_save() > self.acked.saved {
            self.save(now);
        }
        self.delete(now);
    }

    /// When there is something to save or to delete.
    pub(super) fn clear_at(&self) -> Option<Duration> {
        let deletable = self.to_save() > self.acked.saved && self.is_deletable(self.to_save());
        let moved = (self.to_save() > self.acked.saved).then(|| self.acked.tried_at + self.options.spool_sync);
        let at = if self.acked.is_wrong || deletable || self.is_deletable(self.acked.saved) {
            Some(Duration::ZERO)
        } else {
            moved
        };
        match (at, self.acked.rests) {
            (Some(at), Some(rests)) => Some(at.max(rests)),
            (at, _) => at,
        }
    }

    /// What `acked` may say: that what is below is done with, and was on disk.
    fn to_save(&self) -> u64 {
        self.low().min(self.safe())
    }

    fn is_deletable(&self, position: u64) -> bool {
        let is_written = self.segments.len() == 1 && self.current.is_some();
        self.segments
            .front()
            .is_some_and(|front| front.end <= position && !front.keep && !is_written)
    }

    /// Writes to `acked` what is done with. Returns whether it is on disk.
    pub(super) fn save(&mut self, now: Moment) -> bool {
        let entry = Entry {
            position: self.to_save(),
            time: now.wall,
        };
        self.acked.tried_at = now.mono;
        let Err(error) = self.acked.save(&self.folder, entry) else {
            self.acked.rests = None;
            return true;
        };
        if self.acked.rests.is_none() {
            let what = format!("{NAME} could not be written: {error}");
            self.events.push(Event::Trouble { what });
        }
        self.acked.rests = Some(now.mono + RETRY);
        if error.kind() == io::ErrorKind::StorageFull && self.is_deletable(self.to_save()) {
            // See above. Another segment holds the position.
            self.unlink_front(now);
        }
        false
    }

    /// Deletes the segments that are done with as far as `acked` says so. Returns whether any went.
    fn delete(&mut self, now: Moment) -> bool {
        let mut went = false;
        while self.is_deletable(self.acked.saved) && self.unlink_front(now) {
            went = true;
        }
        if went && let Err(error) = self.folder.sync() {
            // They may come back in a power cut, and are deleted again then.
            let what = format!("the spool's folder could not be synced: {error}");
            self.events.push(Event::Trouble { what });
        }
        went
    }

    fn unlink_front(&mut self, now: Moment) -> bool {
        let Some(front) = self.segments.front() else {
            return false;
        };
        match self.folder.unlink(&front.name) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                let what = format!("{} could not be deleted: {error}", front.name);
                self.events.push(Event::Trouble { what });
                self.acked.rests = Some(now.mono + RETRY);
                false
            }
            _ => {
                self.segments.pop_front();
                self.reader.forget();
                true
            }
        }
    }

    /// The positions that a segment's headers say are in it.
    fn ranges_of(&self, segment: usize) -> Vec<std::ops::Range<u64>> {
        let Segment {
            name,
            first,
            end,
            bytes,
            ..
        } = &self.segments[segment];
        let file = match self.folder.open(name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Vec::new(),
            // It is there. What cannot be counted is counted as what it was taken for.
            Err(_) => return std::iter::once(*first..*end).collect(),
            Ok(file) => file,
        };
        let (mut scan, mut ranges) = (Scan::new(SEGMENT_HEADER as u64), Vec::new());
        let mut source = Patient::new(&file, *bytes);
        source.gives_up = false;
        loop {
            match scan.next(&mut source, false) {
                Ok(Some(Found::Record(_, record))) => ranges.push(record.first.max(*first)..record.end().min(*end)),
                Ok(Some(Found::Damage(_) | Found::Spoilt(..))) => {}
                Ok(Some(Found::Newer(_)) | None) => break,
                Err(_) => return std::iter::once(*first..*end).collect(),
            }
        }
        ranges
    }
}
