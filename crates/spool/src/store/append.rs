//! Writing: lines into the segment that is written, syncs, and what happens when the disk does not take them.
//!
//! ```text
//!           error                     error again
//!   on  ----------> a new segment ----------------> off --30 s--> a new segment ---> on
//!                        '--- what was not safe is written to it again
//! ```
//!
//! While the spool is off, the lines it has taken stay in memory, can be read, and are written when the disk comes back.
//! Nothing more is taken, and nothing is called safe.

use std::io;
use std::ops::Range;
use std::time::Duration;

use crate::disk::{File, Folder, Kind, write_all};
use crate::format::{RECORD_HEADER, RecordHeader, SEGMENT_HEADER, SegmentHeader, parse_segment_name, segment_name};
use crate::ranges::Ranges;
use crate::store::clear::ACKED_ROOM;
use crate::store::{Event, GATHERING, Lines, MOST_UNSYNCED, Moment, RETRY, Refused, SYNC_BYTES, Segment, Store};

/// The segment that is written: the last.
pub(crate) struct Current<F> {
    pub(super) file: F,
    /// Where the next record goes.
    pub(super) at: u64,
    /// Its name is on disk.
    is_named: bool,
}

/// Lines that are not known to be on disk.
pub(super) struct Block {
    pub(super) first: u64,
    pub(super) lines: Lines,
    taken_at: Duration,
}

/// Why there is no segment to write to.
enum Stop {
    Full,
    Disk(io::Error),
}

impl Block {
    pub(super) fn range(&self) -> Range<u64> {
        self.first..self.first + u64::from(self.lines.points)
    }

    pub(super) fn payload(&self) -> &[u8] {
        (*self.lines.payload).as_ref()
    }

    fn size(&self) -> u64 {
        (RECORD_HEADER + self.payload().len()) as u64
    }

    fn header(&self) -> [u8; RECORD_HEADER] {
        let header = RecordHeader {
            tried: self.lines.tried,
            length: self.payload().len() as u32,
            points: self.lines.points,
            first: self.first,
            accepted: self.lines.accepted,
        };
        header.encode(self.payload())
    }
}

impl<D: Folder> Store<D> {
    /// Takes lines, and writes them. They are safe when [`Store::safe`] is above their last position. Returns the position
    /// of the first.
    ///
    /// # Errors
    ///
    /// They were not taken: whoever has them keeps them.
    pub fn append(&mut self, now: Moment, lines: Lines) -> Result<u64, Refused> {
        if !lines.is_record() {
            return Err(Refused::NoRecord);
        }
        if let Some((why, _)) = &self.off {
            return Err(Refused::Off(why.clone()));
        }
        if self.unsynced_bytes + (*lines.payload).as_ref().len() as u64 > MOST_UNSYNCED {
            self.sync(now);
            if !self.unsynced.is_empty() {
                return Err(self
                    .off
                    .as_ref()
                    .map_or(Refused::Busy, |(why, _)| Refused::Off(why.clone())));
            }
        }
        let block = Block {
            first: self.next,
            lines,
            taken_at: now.mono,
        };
        let range = block.range();
        self.next = range.end;
        self.pending.insert(range.clone());
        self.unsynced_bytes += block.size();
        self.unsynced.push_back(block);
        let Err(stop) = self.write(now) else {
            return Ok(range.start);
        };
        // It was the last to come, so it can go again: its positions are the next lines'.
        self.drop_newest();
        self.pending.remove(range.clone());
        self.next = range.start;
        match stop {
            Stop::Full => Err(Refused::Full),
            Stop::Disk(error) => Err(Refused::Off(self.turn_off(now, &error))),
        }
    }

    /// Somebody waits until all that was appended is safe.
    pub fn hurry(&mut self, now: Moment) {
        if !self.unsynced.is_empty() {
            self.waiting.get_or_insert(now.mono);
        }
    }

    /// Makes everything safe that was appended, if the disk does.
    pub fn sync(&mut self, now: Moment) {
        if self.unsynced.is_empty() || self.off.is_some() {
            return;
        }
        let mut result = Ok(());
        // A disk that fails a sync may take it in another file.
        for _ in 0..2 {
            result = self.write(now).and_then(|()| self.sync_current().map_err(Stop::Disk));
            match &result {
                Ok(()) => break,
                Err(Stop::Full) => break,
                Err(Stop::Disk(_)) => self.suspect(),
            }
        }
        match result {
            Ok(()) => {}
            Err(Stop::Full) => {
                self.turn_off(
                    now,
                    &io::Error::other("no room to write lines again that could not be synced"),
                );
            }
            Err(Stop::Disk(error)) => {
                self.turn_off(now, &error);
            }
        }
    }

    /// Ends writing: syncs, gives back what was set aside, and saves what is done with. Nothing is written afterwards.
    pub fn close(&mut self, now: Moment) {
        if self.off.is_some() && !self.unsynced.is_empty() {
            // The last try.
            self.revive(now);
        }
        self.sync(now);
        self.seal();
        self.clear_all(now);
    }

    /// Whether the next lines begin a segment, for which there must be room.
    #[must_use]
    pub fn wants_segment(&self, lines: &Lines) -> bool {
        let size = (RECORD_HEADER + (*lines.payload).as_ref().len()) as u64;
        self.current
            .as_ref()
            .is_none_or(|current| current.at + size > self.options.segment())
    }

    /// Whether there is room for another segment: under the cap, and on the file system.
    ///
    /// # Errors
    ///
    /// What the file system says.
    pub fn has_room(&self) -> io::Result<bool> {
        let segment = self.options.segment();
        // What `acked` and the rejected lines may still take is theirs.
        let kept = ACKED_ROOM + self.options.rejected().saturating_sub(self.rejected.bytes());
        if self.measure()? + segment + kept > self.options.spool_bytes {
            return Ok(false);
        }
        let on_disk = self.folder.free()?;
        let floor = self.options.spool_free.unwrap_or((on_disk.total / 20).max(256 << 20));
        Ok(on_disk.free >= floor.saturating_add(segment))
    }

    /// Bytes of everything under the store's folder: every slot, and whatever else lies there.
    fn measure(&self) -> io::Result<u64> {
        let mut bytes = 0;
        for entry in self.above.list()? {
            bytes += match entry.kind {
                Kind::Folder => self
                    .above
                    .folder(&entry.name)
                    .and_then(|slot| measure_below(&slot, 2))
                    .unwrap_or(0),
                _ => entry.bytes,
            };
        }
        Ok(bytes)
    }

    /// Takes the block that came last out of what is to be written.
    pub(super) fn drop_newest(&mut self) {
        if let Some(block) = self.unsynced.pop_back() {
            self.unsynced_bytes -= block.size();
        }
    }

    pub(super) fn sync_at(&self) -> Option<Duration> {
        let oldest = self.unsynced.front().filter(|_| self.off.is_none())?;
        if self.unsynced_bytes >= SYNC_BYTES {
            return Some(Duration::ZERO);
        }
        let gathered = self.waiting.map(|since| since + GATHERING);
        let late = oldest.taken_at + self.options.spool_sync;
        Some(gathered.map_or(late, |gathered| gathered.min(late)))
    }

    /// Tries the disk again.
    pub(super) fn revive(&mut self, now: Moment) {
        self.off = None;
        if self.unsynced.is_empty() {
            let tried = self
                .begin_segment(now)
                .and_then(|()| self.sync_current().map_err(Stop::Disk));
            if let Err(Stop::Disk(error)) = tried {
                self.suspect();
                self.turn_off(now, &error);
            }
        } else {
            self.sync(now);
        }
        if self.off.is_none() && std::mem::take(&mut self.is_told_off) {
            self.events.push(Event::On);
        }
    }

    /// Leaves the disk alone for a while. Returns why.
    fn turn_off(&mut self, now: Moment, error: &io::Error) -> String {
        let why = format!("the spool's disk failed: {error}");
        // Once for an outage.
        if !std::mem::replace(&mut self.is_told_off, true) {
            self.events.push(Event::Off { why: why.clone() });
        }
        self.off = Some((why.clone(), now.mono + RETRY));
        why
    }

    /// Writes what is not written, into a new segment if need be.
    fn write(&mut self, now: Moment) -> Result<(), Stop> {
        let mut failed = false;
        while let Some(block) = self.unsynced.get(self.written) {
            let size = block.size();
            let fits = self
                .current
                .as_ref()
                .is_some_and(|current| current.at + size <= self.options.segment());
            let result = if !fits {
                self.change_segment(now)
            } else {
                self.write_block().map_err(Stop::Disk)
            };
            match result {
                Err(Stop::Disk(_)) if !failed => {
                    failed = true;
                    self.suspect();
                }
                Err(stop) => {
                    if let Stop::Disk(_) = stop {
                        self.suspect();
                    }
                    return Err(stop);
                }
                Ok(()) => {}
            }
        }
        Ok(())
    }

    /// Syncs the segment that is full, and begins the next.
    fn change_segment(&mut self, now: Moment) -> Result<(), Stop> {
        // What it has is synced before another one is begun, so that only the last segment can have a torn end.
        self.sync_current().map_err(Stop::Disk)?;
        self.begin_segment(now)?;
        Ok(())
    }

    fn write_block(&mut self) -> io::Result<()> {
        let (Some(current), Some(block)) = (&mut self.current, self.unsynced.get(self.written)) else {
            return Ok(());
        };
        write_all(&current.file, current.at, &[&block.header(), block.payload()])?;
        current.at += block.size();
        self.written += 1;
        let end = block.range().end;
        if let Some(segment) = self.segments.back_mut() {
            segment.end = end;
            segment.bytes = current.at;
        }
        Ok(())
    }

    /// Syncs what is written; then it is safe.
    fn sync_current(&mut self) -> io::Result<()> {
        let Some(current) = &mut self.current else {
            return Ok(());
        };
        if self.written > 0 || !current.is_named {
            current.file.sync()?;
            self.syncs += 1;
            if !current.file.has_name() {
                return Err(io::Error::new(
                    io::ErrorKind::NotFound,
                    "the segment that is written was deleted",
                ));
            }
        }
        if !current.is_named {
            self.folder.sync()?;
            // Only now is it certain that the segment says so.
            (current.is_named, self.torn) = (true, false);
        }
        self.unsynced_bytes -= self
            .unsynced
            .drain(..self.written)
            .map(|block| block.size())
            .sum::<u64>();
        self.written = 0;
        self.waiting = None;
        Ok(())
    }

    /// The segment is not to be trusted with more: what is not safe in it is written again, elsewhere.
    fn suspect(&mut self) {
        self.written = 0;
        if self.current.is_none() {
            return;
        }
        self.seal();
        let from = self.unsynced.front().map_or(self.next, |block| block.first);
        if let Some(segment) = self.segments.back_mut() {
            segment.end = from.max(segment.first);
        }
    }

    /// Writes no more to the segment, and gives back what was set aside for it.
    fn seal(&mut self) {
        if let Some(current) = self.current.take() {
            // If that fails the space comes back when the segment goes.
            let _ = current.file.cut(current.at);
        }
    }

    fn begin_segment(&mut self, now: Moment) -> Result<(), Stop> {
        self.seal();
        if self.acked.is_wrong && !self.save(now) {
            return Err(Stop::Disk(io::Error::other("acked could not be replaced")));
        }
        if !self.make_room(now) {
            return Err(Stop::Full);
        }
        let first = self.unsynced.get(self.written).map_or(self.next, |block| block.first);
        let (file, name) = self.create(first).map_err(Stop::Disk)?;
        let header = SegmentHeader {
            store: self.id,
            first,
            created: now.wall,
            after_torn: self.torn,
        };
        let prepared = file
            .reserve(self.options.segment())
            .and_then(|()| write_all(&file, 0, &[&header.encode()]));
        let segment = Segment {
            name,
            first,
            end: first,
            bytes: SEGMENT_HEADER as u64,
            created: now.wall,
            keep: false,
            damage: Ranges::default(),
        };
        if let Err(error) = prepared {
            // One that cannot be deleted stays, with nothing in it, and goes when it is the oldest.
            match self.folder.unlink(&segment.name) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => self.segments.push_back(segment),
                _ => {}
            }
            return Err(Stop::Disk(error));
        }
        self.segments.push_back(segment);
        self.current = Some(Current {
            file,
            at: SEGMENT_HEADER as u64,
            is_named: false,
        });
        Ok(())
    }

    /// Makes the file of a segment. Of two that begin at one position the one with the higher number counts, so it is above
    /// all that are there: a lower one may have become free.
    fn create(&self, first: u64) -> io::Result<(D::File, String)> {
        let names = self
            .segments
            .iter()
            .filter_map(|segment| parse_segment_name(&segment.name));
        let numbers = names
            .filter(|(begin, _)| *begin == first)
            .map(|(_, again)| again.saturating_add(1));
        let mut again = numbers.max().unwrap_or(0);
        loop {
            let name = segment_name(first, again);
            match self.folder.create(&name) {
                // A stray may have the last number there is. It goes when it is the oldest, if it is a segment.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    again = again.checked_add(1).ok_or(error)?;
                }
                made => return Ok((made?, name)),
            }
        }
    }
}

/// Bytes of a folder, so many levels deep.
pub(super) fn measure_below<D: Folder>(folder: &D, levels: u32) -> io::Result<u64> {
    let mut bytes = 0;
    for entry in folder.list()? {
        bytes += match entry.kind {
            Kind::Folder if levels > 0 => folder
                .folder(&entry.name)
                .and_then(|below| measure_below(&below, levels - 1))
                .unwrap_or(0),
            _ => entry.bytes,
        };
    }
    Ok(bytes)
}
