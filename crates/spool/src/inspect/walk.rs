//! The walk through a slot: every record that counts, oldest first, and what is wrong between them.
//!
//! ```text
//!   positions   0 ... 40 | 40 ... 90 | .. ?? .. | 110 ... 150      ?? is damage, and 20 points were in it
//!                        '-- acked                                 without damage it is a gap
//! ```

use std::io;
use std::ops::{ControlFlow, Range};

use crate::disk::unix::looking::File;
use crate::format::scan::{Found, Scan};
use crate::format::{POSITIONS, RecordHeader, SEGMENT_HEADER, store_id};
use crate::inspect::segments::{self, Files, Header, Segment, named};
use crate::inspect::{Damage, Gap, Slot, Stray};

/// A record that has points that are not done with.
#[derive(Debug)]
pub struct Record<'a> {
    /// Its segment.
    pub segment: &'a str,
    /// Its header.
    pub header: RecordHeader,
    /// The positions of those points.
    pub positions: Range<u64>,
    /// Their lines; empty if they were not asked for.
    pub lines: &'a [u8],
}

/// What a slot holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Segments.
    pub segments: u64,
    /// Records with points that are not done with.
    pub records: u64,
    /// Points that are not done with.
    pub points: u64,
    /// Bytes of those records.
    pub bytes: u64,
    /// Wall time at which the oldest of those points were accepted, in milliseconds since 1970.
    pub oldest: Option<u64>,
    /// The same of the newest.
    pub newest: Option<u64>,
    /// All points below this position are done with.
    pub acked: u64,
    /// The position behind the last point.
    pub next: u64,
    /// Bytes that cannot be read, in the order of the positions.
    pub damage: Vec<Damage>,
    /// Positions that are in no segment.
    pub gaps: Vec<Gap>,
    /// What is not the spool's.
    pub strays: Vec<Stray>,
    /// A segment that a newer version wrote, and that version: then nothing in the slot was looked through.
    pub newer: Option<(String, u8)>,
}

/// What is known in the middle of a walk.
struct Walk<'a, V> {
    visit: V,
    payloads: bool,
    is_held: bool,
    /// Positions below are done with.
    low: u64,
    /// Positions below have been seen, or missed.
    cursor: u64,
    /// Damage since the cursor moved: what is missing next was in it.
    open: Vec<usize>,
    summary: &'a mut Summary,
}

impl Summary {
    /// Whether everything could be read, and nothing is missing that is not known to be.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        !self.is_harmed() && self.newer.is_none()
    }

    /// Whether something is damaged, or missing and not known to be.
    #[must_use]
    pub fn is_harmed(&self) -> bool {
        !self.damage.is_empty() || self.gaps.iter().any(|gap| !gap.is_known)
    }
}

impl Slot {
    /// Goes through all points that are not done with. With `payloads`, lines are read and verified; without, headers
    /// are believed. The last segment is always verified.
    ///
    /// # Errors
    ///
    /// What the file system says. Damage is no error.
    pub fn walk(
        &self,
        payloads: bool,
        visit: impl FnMut(Record<'_>) -> io::Result<ControlFlow<()>>,
    ) -> io::Result<Summary> {
        let Files {
            segments,
            strays,
            newer,
        } = segments::find(&self.folder, store_id(&self.store))?;
        // Read behind the segments: what of them went meanwhile is done with then.
        let (acked, damage) = segments::acked(&self.folder);
        let mut summary = Summary {
            segments: segments.len() as u64,
            strays,
            newer,
            ..Summary::default()
        };
        if summary.newer.is_some() {
            return Ok(summary);
        }
        if let Some((offset, bytes)) = damage.filter(|_| !self.is_held()) {
            summary.damage.push(Damage {
                file: "acked".to_owned(),
                offset,
                bytes,
                points: Some(0),
                what: "no entries: points may be sent twice",
            });
        }
        let end = self.end(&segments)?;
        summary.next = end.max(acked.unwrap_or(0));
        let begin = segments
            .iter()
            .find(|segment| segment.is_certain)
            .map(|segment| segment.first);
        summary.acked = acked.unwrap_or(0);
        if let (Some(position), Some(begin)) = (acked, begin) {
            // Of a slot that is held the end has moved since.
            let is_ahead = position > end && !self.is_held();
            let gap = if is_ahead { end..position } else { position..begin };
            if !gap.is_empty() {
                summary.gaps.push(Gap {
                    positions: gap,
                    file: is_ahead.then(|| "acked".to_owned()),
                    is_known: false,
                });
            }
            if is_ahead {
                summary.acked = 0;
            }
        }
        let mut walk = Walk {
            visit,
            payloads,
            is_held: self.is_held(),
            low: summary.acked,
            cursor: 0,
            open: Vec::new(),
            summary: &mut summary,
        };
        for (at, segment) in segments.iter().enumerate() {
            let file = match self.folder.open(&segment.name) {
                Ok(file) => file,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(named(&segment.name, &error)),
            };
            if !segment.is_certain && self.is_held() && at + 1 == segments.len() {
                // It has just been begun: its header was not written when it was found.
                continue;
            }
            let behind = segments[at + 1..].iter().find(|segment| segment.is_certain);
            let is_known = behind.is_some_and(|behind| behind.after_torn);
            if walk.segment(segment, file, is_known)?.is_break() {
                break;
            }
        }
        Ok(summary)
    }

    /// The position behind the last record.
    fn end(&self, segments: &[Segment]) -> io::Result<u64> {
        let Some(last) = segments::last(segments) else {
            return Ok(0);
        };
        let mut end = last.first;
        let Ok(mut file) = self.folder.open(&last.name) else {
            return Ok(end);
        };
        let mut scan = Scan::new(SEGMENT_HEADER as u64);
        while let Some(found) = scan.next(&mut file, true)? {
            if let Found::Record(_, record) = found
                && record.first >= last.first
            {
                end = end.max(record.end());
            }
        }
        Ok(end)
    }
}

impl<V: FnMut(Record<'_>) -> io::Result<ControlFlow<()>>> Walk<'_, V> {
    fn segment(&mut self, segment: &Segment, mut file: File, is_known: bool) -> io::Result<ControlFlow<()>> {
        if let Header::Damaged(bytes) = segment.header {
            self.damage(segment, 0..bytes, Some(0), "no header");
        }
        if !segment.is_certain {
            return self.uncertain(segment, file).map(|()| ControlFlow::Continue(()));
        }
        let is_last = segment.end.is_none();
        let end = segment.end.unwrap_or(POSITIONS);
        self.cursor = self.cursor.max(segment.first);
        let mut scan = Scan::new(SEGMENT_HEADER as u64);
        // The first damage that nothing sound follows.
        let mut unfinished = None;
        loop {
            let (at, unread) = (scan.at(), file.unread());
            let Some(found) = scan.next(&mut file, self.payloads || is_last)? else {
                break;
            };
            match found {
                Found::Record(_, record) => {
                    unfinished = None;
                    if record.first < segment.first {
                        continue;
                    }
                    self.miss(segment, record.first.min(end), is_known);
                    let positions = self.pass(record.end().min(end));
                    if self.record(segment, &record, positions, scan.payload())?.is_break() {
                        return Ok(ControlFlow::Break(()));
                    }
                }
                Found::Spoilt(_, record) => {
                    self.miss(segment, record.first.min(end), is_known);
                    let positions = self.pass(record.end().min(end));
                    let points = Some(positions.end - positions.start);
                    let bytes = at..scan.at().min(file.bytes());
                    let index = self.damage(segment, bytes, points, what(&file, unread, SPOILT));
                    unfinished.get_or_insert(index);
                }
                Found::Damage(_) => {
                    let index = self.damage(segment, at..scan.at(), None, what(&file, unread, NO_RECORD));
                    unfinished.get_or_insert(index);
                    self.open.push(index);
                }
                Found::Newer(version) => {
                    self.summary.newer = Some((segment.name.clone(), version));
                    self.pass(end);
                    return Ok(ControlFlow::Continue(()));
                }
            }
        }
        if !is_last {
            self.miss(segment, end, is_known);
        } else if let Some(first) = unfinished.filter(|_| self.is_held) {
            // It is being written.
            self.summary.damage.truncate(first);
        }
        self.open.clear();
        Ok(ControlFlow::Continue(()))
    }

    /// A segment in which nothing counts: whatever is in it has no position.
    fn uncertain(&mut self, segment: &Segment, mut file: File) -> io::Result<()> {
        let mut scan = Scan::new(SEGMENT_HEADER as u64);
        loop {
            let (at, unread) = (scan.at(), file.unread());
            match scan.next(&mut file, true)? {
                None => return Ok(()),
                Some(Found::Spoilt(..) | Found::Damage(_)) => {
                    let bytes = at..scan.at().min(file.bytes());
                    self.damage(segment, bytes, None, what(&file, unread, NO_RECORD));
                }
                Some(Found::Record(_, record)) => {
                    let points = Some(u64::from(record.points));
                    self.damage(
                        segment,
                        at..scan.at(),
                        points,
                        "a record of positions that are not this segment's",
                    );
                }
                Some(Found::Newer(_)) => {}
            }
        }
    }

    /// Hands a record over, as far as it is not done with.
    fn record(
        &mut self,
        segment: &Segment,
        record: &RecordHeader,
        positions: Range<u64>,
        payload: &[u8],
    ) -> io::Result<ControlFlow<()>> {
        if positions.is_empty() {
            return Ok(ControlFlow::Continue(()));
        }
        let summary = &mut *self.summary;
        summary.records += 1;
        summary.points += positions.end - positions.start;
        summary.bytes += record.size();
        summary.oldest = Some(
            summary
                .oldest
                .map_or(record.accepted, |oldest| oldest.min(record.accepted)),
        );
        summary.newest = summary.newest.max(Some(record.accepted));
        (self.visit)(Record {
            segment: &segment.name,
            header: *record,
            lines: cut(payload, record, &positions),
            positions,
        })
    }

    /// Moves the cursor up to there; returns what of it was passed and is not done with.
    fn pass(&mut self, to: u64) -> Range<u64> {
        let from = self.cursor.max(self.low);
        self.cursor = self.cursor.max(to);
        self.open.clear();
        from..to.max(from)
    }

    /// The cursor is to be there: what is missing before was in the damage since it moved, or is a gap.
    fn miss(&mut self, segment: &Segment, to: u64, is_known: bool) {
        let open = std::mem::take(&mut self.open);
        for index in &open {
            self.summary.damage[*index].points = Some(0);
        }
        let missing = if to > self.cursor { self.pass(to) } else { 0..0 };
        match open.first() {
            _ if missing.is_empty() => {}
            Some(index) => self.summary.damage[*index].points = Some(missing.end - missing.start),
            None => self.summary.gaps.push(Gap {
                positions: missing,
                file: Some(segment.name.clone()),
                is_known,
            }),
        }
    }

    fn damage(&mut self, segment: &Segment, bytes: Range<u64>, points: Option<u64>, what: &'static str) -> usize {
        self.summary.damage.push(Damage {
            file: segment.name.clone(),
            offset: bytes.start,
            bytes: bytes.end - bytes.start,
            points,
            what,
        });
        self.summary.damage.len() - 1
    }
}

const NO_RECORD: &str = "no record";
const SPOILT: &str = "a record whose lines are not as they were written";

/// What is wrong with bytes of which the disk may not have given all.
fn what(file: &File, unread: u64, otherwise: &'static str) -> &'static str {
    if file.unread() > unread {
        "the disk does not give them"
    } else {
        otherwise
    }
}

/// Those lines of a record that are at these positions.
fn cut<'a>(payload: &'a [u8], record: &RecordHeader, positions: &Range<u64>) -> &'a [u8] {
    let skip = (positions.start - record.first) as usize;
    let points = (positions.end - positions.start) as usize;
    if skip == 0 && points == record.points as usize {
        return payload;
    }
    let mut lines = payload.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::len);
    let from: usize = lines.by_ref().take(skip).sum();
    let length: usize = lines.take(points).sum();
    &payload[from..from + length]
}
