//! Reading: lines that are not done with, from a position on, oldest first.
//!
//! Lines that are not yet safe come from memory, the rest from their segments, where the reader goes on from where it was.
//! What is damaged or not there is told once, with the points that were in it, and reading goes on behind it.
//! No more is held than one record, and the kernel keeps the pages of a backlog no longer than it wants to.

use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use crate::disk::{File, Folder};
use crate::format::scan::{Found, Scan, Source};
use crate::format::{RecordHeader, SEGMENT_HEADER};
use crate::store::{Event, Lines, Moment, RETRY, Store};

/// Times a segment may fail to be read before its unreadable pages count as damaged.
const PATIENCE: u32 = 3;

/// Where the reader is: in which segment, and behind which position.
#[derive(Default)]
pub(super) struct Reader {
    place: Option<(String, u64, u64)>,
    failures: u32,
    /// Reading failed, and is tried again then.
    rests: Duration,
}

impl Reader {
    /// The segments have changed.
    pub(super) fn forget(&mut self) {
        self.place = None;
    }
}

/// What was found in a segment.
enum Next {
    /// Lines, their position, and the one behind them.
    Lines(u64, Lines),
    /// None: look again.
    Again,
}

impl<D: Folder> Store<D> {
    /// The first lines at or above a position that are not done with, and their first position. They count as taken until
    /// [`done`](Store::done) or [`give_back`](Store::give_back). None: there are no more.
    ///
    /// # Errors
    ///
    /// What the file system says. It is asked again after [`RETRY`]; after some tries, the pages that it does not give are
    /// damage, and reading goes on.
    pub fn read(&mut self, now: Moment, from: u64) -> io::Result<Option<(u64, Lines)>> {
        loop {
            let Some(run) = self.pending.first_within(from..self.next) else {
                return Ok(None);
            };
            match self.read_run(now, run)? {
                Next::Lines(first, lines) => {
                    self.taken.insert(first..first + u64::from(lines.points));
                    return Ok(Some((first, lines)));
                }
                Next::Again => {}
            }
        }
    }

    fn read_run(&mut self, now: Moment, run: Range<u64>) -> io::Result<Next> {
        let block = self.unsynced.partition_point(|block| block.range().end <= run.start);
        if let Some(block) = self.unsynced.get(block)
            && block.first <= run.start
        {
            let header = (block.first, block.lines.points, block.lines.accepted);
            if let Some(over) = self.expire(now, header) {
                return Ok(over);
            }
            let block = &self.unsynced[self.unsynced.partition_point(|block| block.range().end <= run.start)];
            return Ok(part(&block.lines, block.first, block.payload(), run));
        }
        // The last that begins there or before, of those that have anything of their own.
        let holds = self
            .segments
            .iter()
            .rposition(|segment| segment.first <= run.start && run.start < segment.end);
        let Some(segment) = holds else {
            let behind = self
                .segments
                .iter()
                .map(|segment| segment.first)
                .filter(|first| *first > run.start);
            let memory = self
                .unsynced
                .iter()
                .map(|block| block.first)
                .find(|first| *first > run.start);
            let end = behind.chain(memory).min().unwrap_or(run.end);
            self.miss(run.start..run.end.min(end));
            return Ok(Next::Again);
        };
        if now.mono < self.reader.rests {
            return Err(io::Error::other(
                "the disk did not give what is on it, and is asked again later",
            ));
        }
        let result = self.read_segment(now, segment, run);
        match result {
            Ok(_) => self.reader.failures = 0,
            Err(_) => {
                self.reader.failures += 1;
                self.reader.rests = now.mono + RETRY;
            }
        }
        result
    }

    fn read_segment(&mut self, now: Moment, segment: usize, run: Range<u64>) -> io::Result<Next> {
        let (name, end) = (self.segments[segment].name.clone(), self.segments[segment].end);
        let file = match self.folder.open(&name) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.miss(run.start..run.end.min(end));
                return Ok(Next::Again);
            }
            Err(error) => return Err(error),
        };
        let mut source = Patient::new(&file, self.segments[segment].bytes);
        source.gives_up = self.reader.failures >= PATIENCE;
        let mut at = match self.reader.place.take() {
            Some((place, at, behind)) if place == name && behind <= run.start => at,
            _ => SEGMENT_HEADER as u64,
        };
        loop {
            let mut scan = Scan::new(at);
            let mut found = scan.next(&mut source, false)?;
            if let Some(Found::Record(_, record)) = found
                && record.end() > run.start
            {
                scan = Scan::new(at);
                found = scan.next(&mut source, true)?;
            }
            let from = at;
            at = scan.at();
            match found {
                Some(Found::Record(_, record)) if record.end() <= run.start => {}
                Some(Found::Record(_, record)) if record.first <= run.start => {
                    self.reader.place = Some((name, from, record.first));
                    let header = (
                        record.first,
                        u64::from(record.points).min(end - record.first) as u32,
                        record.accepted,
                    );
                    if let Some(over) = self.expire(now, header) {
                        return Ok(over);
                    }
                    let lines = Lines {
                        payload: Arc::new(Vec::new()),
                        points: record.points,
                        accepted: record.accepted,
                        tried: record.tried,
                    };
                    return Ok(part(&lines, record.first, scan.payload(), run.start..run.end.min(end)));
                }
                Some(Found::Record(_, RecordHeader { first, .. })) => {
                    self.miss(run.start..run.end.min(end).min(first));
                    return Ok(Next::Again);
                }
                Some(Found::Spoilt(_, record)) => {
                    let points = record.first.max(self.segments[segment].first)..record.end().min(end);
                    self.spoil(segment, from..at, points.clone());
                    if points.contains(&run.start) {
                        return Ok(Next::Again);
                    }
                }
                Some(Found::Damage(_)) => self.spoil(segment, from..at, 0..0),
                Some(Found::Newer(version)) => {
                    self.segments[segment].keep = true;
                    let points = self.forget(run.start..run.end.min(end)).len();
                    let why = format!("{points} points of it or more are in version {version} of the format");
                    self.events.push(Event::Stray { name, why });
                    return Ok(Next::Again);
                }
                None => {
                    self.miss(run.start..run.end.min(end));
                    return Ok(Next::Again);
                }
            }
        }
    }

    /// Drops a record that is too old.
    fn expire(&mut self, now: Moment, (first, points, accepted): (u64, u32, u64)) -> Option<Next> {
        if !self.ages.is_over(now, accepted) {
            return None;
        }
        let points = self.forget(first..first + u64::from(points));
        self.events.push(Event::Expired { points });
        Some(Next::Again)
    }
}

/// Those lines of a record that begin a run of positions.
fn part(record: &Lines, first: u64, payload: &[u8], run: Range<u64>) -> Next {
    let skip = (run.start - first) as usize;
    let most = u64::from(record.points) - skip as u64;
    let points = most.min(run.end - run.start);
    let whole = points == u64::from(record.points);
    let mut lines = payload.split_inclusive(|byte| *byte == b'\n');
    let before: usize = if skip == 0 {
        0
    } else {
        lines.by_ref().take(skip).map(<[u8]>::len).sum()
    };
    let length = if whole {
        payload.len()
    } else {
        lines.take(points as usize).map(<[u8]>::len).sum()
    };
    Next::Lines(
        run.start,
        Lines {
            payload: Arc::new(payload[before..before + length].to_vec()),
            points: points as u32,
            ..record.clone()
        },
    )
}

/// A file that is read page by page where it fails, if it is given up: pages that cannot be read are zeros then.
pub(super) struct Patient<'a, F> {
    file: &'a F,
    /// Where it ends, so that a file that gives nothing ends too.
    length: u64,
    pub(super) gives_up: bool,
}

impl<'a, F: File> Patient<'a, F> {
    pub(super) fn new(file: &'a F, length: u64) -> Patient<'a, F> {
        Patient {
            file,
            length,
            gives_up: true,
        }
    }
}

impl<F: File> Source for Patient<'_, F> {
    fn read_at(&mut self, at: u64, into: &mut [u8]) -> io::Result<usize> {
        const PAGE: usize = 4096;
        match self.file.read_at(at, into) {
            Err(_) if self.gives_up => {}
            result => return result,
        }
        let rest = usize::try_from(self.length.saturating_sub(at)).unwrap_or(usize::MAX);
        let most = rest.min(into.len());
        let into = &mut into[..most];
        let mut n = 0;
        while n < into.len() {
            // Up to the end of the page.
            let page = (PAGE - (at as usize + n) % PAGE).min(into.len() - n);
            match self.file.read_at(at + n as u64, &mut into[n..n + page]) {
                Ok(more) if more < page => return Ok(n + more),
                Ok(_) => {}
                Err(_) => into[n..n + page].fill(0),
            }
            n += page;
        }
        Ok(n)
    }
}
