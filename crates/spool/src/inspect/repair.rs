//! The repair of a slot: what can be read is written to fresh segments, and the damaged ones are set aside.
//!
//! ```text
//!   0..40  ##damage##  60..90    | 90..
//!   0..40                        | 60..90 (after a gap)   | 90..
//!
//!   and <slot>-<segment>.damaged in the store's folder
//! ```
//!
//! **At every moment the slot holds all lines that can be read**, whenever the repair is killed. A fresh segment gets
//! its name when it is whole and synced, the last one first. A segment ends where the next one begins, and of two that
//! begin at one position the one with the higher number counts. So each takes over from the damaged one exactly what it
//! has. The damaged one goes last.
//!
//! What is missing is marked in the header of the segment behind it, as after a power cut. So the next start counts
//! exactly what is there.

use std::collections::BTreeSet;
use std::io;
use std::ops::{ControlFlow, Range};
use std::path::Path;

use crate::acked::Entry;
use crate::disk::unix::Folder;
use crate::disk::{File as _, Folder as _, write_all};
use crate::format::scan::{Found, Scan};
use crate::format::{
    POSITIONS, RecordHeader, SEGMENT_HEADER, SegmentHeader, parse_segment_name, segment_name, store_id,
};
use crate::inspect::segments::{self, Header, Segment, named};
use crate::inspect::{DAMAGED, Slot, Summary};
use crate::slots::LOCK;

/// What a repair did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Repair {
    /// What was wrong before.
    pub before: Summary,
    /// The damaged segments, by their names in the store's folder, and their bytes.
    pub set_aside: Vec<(String, u64)>,
    /// The fresh segments.
    pub written: Vec<String>,
    /// What is there now.
    pub after: Summary,
}

/// Records that follow one another without a gap.
struct Part {
    positions: Range<u64>,
    /// Where each begins in the damaged segment.
    records: Vec<(u64, RecordHeader)>,
}

/// A repair under way.
struct Repairer<'a> {
    slot: &'a Slot,
    folder: Folder,
    above: Folder,
    /// Called before each change, which does not happen if it fails.
    step: &'a mut dyn FnMut() -> io::Result<()>,
    /// The segment behind, and its header.
    behind: Option<(String, SegmentHeader)>,
    repair: Repair,
}

/// A segment that is not whole yet.
pub(super) const NEW: &str = "repair.new";

/// Repairs a slot, and holds its lock meanwhile. `root` is the spool's folder, `now` wall time in milliseconds since
/// 1970. None: a process holds it. A slot in which a newer version wrote is left as it is, which `before` says.
///
/// # Errors
///
/// What the file system says. Everything that could be read before can be read then.
pub fn repair(root: &Path, slot: &Slot, now: u64) -> io::Result<Option<Repair>> {
    repair_by_step(root, slot, now, &mut || Ok(()))
}

pub(super) fn repair_by_step(
    root: &Path,
    slot: &Slot,
    now: u64,
    step: &mut dyn FnMut() -> io::Result<()>,
) -> io::Result<Option<Repair>> {
    if slot.is_held() {
        return Ok(None);
    }
    let above = Folder::at(root)?.folder(&slot.store)?;
    let folder = above.folder(&slot.number.to_string())?;
    let Some(_lock) = folder.lock(LOCK)? else {
        return Ok(None);
    };
    let before = slot.walk(true, |_| Ok(ControlFlow::Continue(())))?;
    let mut repairer = Repairer {
        slot,
        folder,
        above,
        step,
        behind: None,
        repair: Repair {
            after: before.clone(),
            before,
            ..Repair::default()
        },
    };
    if repairer.repair.before.is_harmed() && repairer.repair.before.newer.is_none() {
        repairer.run(now)?;
        repairer.repair.after = slot.walk(true, |_| Ok(ControlFlow::Continue(())))?;
    }
    Ok(Some(repairer.repair))
}

impl Repairer<'_> {
    fn run(&mut self, now: u64) -> io::Result<()> {
        self.unlink_new()?;
        let segments = segments::find(&self.slot.folder, store_id(&self.slot.store))?.segments;
        let firsts: BTreeSet<_> = segments.iter().filter(|s| s.is_certain).map(|s| s.first).collect();
        let before = &self.repair.before;
        let damaged = before.damage.iter().map(|damage| damage.file.as_str());
        // A gap before the next segment is marked there. One in the middle parts the segment.
        let parted = before
            .gaps
            .iter()
            .filter(|gap| !gap.is_known && !firsts.contains(&gap.positions.end));
        let harmed: BTreeSet<String> = damaged
            .chain(parted.filter_map(|gap| gap.file.as_deref()))
            .map(str::to_owned)
            .collect();
        let gaps: BTreeSet<u64> = before
            .gaps
            .iter()
            .filter(|gap| !gap.is_known)
            .map(|gap| gap.positions.end)
            .collect();
        for segment in segments.iter().rev() {
            let is_harmed = harmed.contains(&segment.name);
            if is_harmed && segment.is_certain {
                self.write_anew(segment)?;
            }
            if is_harmed {
                self.set_aside(segment)?;
            } else if segment.is_certain {
                if self
                    .behind
                    .as_ref()
                    .is_some_and(|(_, behind)| gaps.contains(&behind.first))
                {
                    self.mark_behind()?;
                }
                self.behind = Some((segment.name.clone(), self.header(segment)));
            }
        }
        let begin = self.behind.as_ref().map_or(0, |(_, header)| header.first);
        self.save_acked(begin, now)
    }

    /// The header of a segment as it is, or as it should be.
    fn header(&self, segment: &Segment) -> SegmentHeader {
        SegmentHeader {
            store: store_id(&self.slot.store),
            first: segment.first,
            created: segment.created,
            after_torn: segment.after_torn,
        }
    }

    /// Writes what counts of a damaged segment to fresh ones.
    fn write_anew(&mut self, segment: &Segment) -> io::Result<()> {
        let mut parts = self.parts(segment)?;
        if parts.is_empty() && segment.end.is_none() {
            // It alone says how far the positions have come.
            parts.push(Part {
                positions: segment.first..segment.first,
                records: Vec::new(),
            });
        }
        let end = parts.last().map_or(segment.first, |part| part.positions.end);
        if segment.end.is_some_and(|next| end < next) {
            self.mark_behind()?;
        }
        for (at, part) in parts.iter().enumerate().rev() {
            let oldest = part.records.first().map_or(0, |(_, record)| record.accepted);
            let header = SegmentHeader {
                first: part.positions.start,
                created: if segment.header == Header::Sound {
                    segment.created
                } else {
                    oldest
                },
                after_torn: at > 0 || segment.after_torn || part.positions.start > segment.first,
                ..self.header(segment)
            };
            self.write(segment, part, header)?;
        }
        Ok(())
    }

    /// The records of a segment that count, in runs without a gap.
    fn parts(&self, segment: &Segment) -> io::Result<Vec<Part>> {
        let mut file = self.slot.folder.open(&segment.name)?;
        let end = segment.end.unwrap_or(POSITIONS);
        let (mut scan, mut parts, mut cursor) = (Scan::new(SEGMENT_HEADER as u64), Vec::<Part>::new(), segment.first);
        while let Some(found) = scan.next(&mut file, true)? {
            let (at, record) = match found {
                Found::Record(at, record) => (at, record),
                // Its points are told to be lost, and do not come back by an old copy.
                Found::Spoilt(_, record) => {
                    cursor = cursor.max(record.end().min(end));
                    continue;
                }
                Found::Damage(_) | Found::Newer(_) => continue,
            };
            let positions = record.first.max(cursor)..record.end().min(end);
            if record.first < segment.first || positions.is_empty() {
                continue;
            }
            cursor = positions.end;
            match parts.last_mut().filter(|part| part.positions.end == positions.start) {
                Some(part) => {
                    part.positions.end = positions.end;
                    part.records.push((at, record));
                }
                None => parts.push(Part {
                    positions,
                    records: vec![(at, record)],
                }),
            }
        }
        Ok(parts)
    }

    fn write(&mut self, segment: &Segment, part: &Part, header: SegmentHeader) -> io::Result<()> {
        let name = self.free_name(header.first)?;
        (self.step)()?;
        let new = self.folder.create(NEW)?;
        write_all(&new, 0, &[&header.encode()])?;
        let (mut file, mut to) = (self.slot.folder.open(&segment.name)?, SEGMENT_HEADER as u64);
        for (at, record) in &part.records {
            let mut scan = Scan::new(*at);
            if !matches!(scan.next(&mut file, true)?, Some(Found::Record(..))) {
                return Err(io::Error::other(format!(
                    "{}: what could be read cannot be read again",
                    segment.name
                )));
            }
            write_all(&new, to, &[&record.encode(scan.payload()), scan.payload()])?;
            to += record.size();
        }
        (self.step)()?;
        new.sync()?;
        (self.step)()?;
        self.folder.rename(NEW, &name)?;
        self.folder.sync()?;
        self.repair.written.push(name.clone());
        self.behind = Some((name, header));
        Ok(())
    }

    /// The name of a segment that counts over all of that position.
    fn free_name(&self, first: u64) -> io::Result<String> {
        let entries = self.folder.list()?;
        let names = entries.iter().filter_map(|entry| parse_segment_name(&entry.name));
        let numbers = names
            .filter(|(begin, _)| *begin == first)
            .map(|(_, again)| again.saturating_add(1));
        Ok(segment_name(first, numbers.max().unwrap_or(0)))
    }

    /// Marks that positions are missing before the segment behind. If the write is cut off, the header is damaged,
    /// which costs nothing but a look at the segment's records.
    fn mark_behind(&mut self) -> io::Result<()> {
        let Some((name, header)) = self.behind.as_mut().filter(|(_, header)| !header.after_torn) else {
            return Ok(());
        };
        header.after_torn = true;
        (self.step)()?;
        let file = self.folder.open(name)?;
        write_all(&file, 0, &[&header.encode()])?;
        file.sync()
    }

    /// Moves a damaged segment to the store's folder.
    fn set_aside(&mut self, segment: &Segment) -> io::Result<()> {
        let taken = self.above.list()?;
        let name = |again: u32| match again {
            0 => format!("{}-{}{DAMAGED}", self.slot.number, segment.name),
            _ => format!("{}-{}-{again}{DAMAGED}", self.slot.number, segment.name),
        };
        let free = |name: &String| !taken.iter().any(|entry| entry.name == *name);
        let name = (0..).map(name).find(free).unwrap_or_default();
        let bytes = self.slot.folder.open(&segment.name)?.bytes();
        (self.step)()?;
        self.folder
            .move_to(&segment.name, &self.above, &name)
            .map_err(|error| named(&segment.name, &error))?;
        self.above.sync()?;
        self.folder.sync()?;
        self.repair.set_aside.push((name, bytes));
        Ok(())
    }

    /// Writes `acked` anew, if it is damaged or says what cannot be. Nothing is below `begin`.
    fn save_acked(&mut self, begin: u64, now: u64) -> io::Result<()> {
        let (said, damage) = segments::acked(&self.slot.folder);
        let position = self.repair.before.acked.max(begin);
        if damage.is_none() && said.is_none_or(|said| said == position) {
            return Ok(());
        }
        self.unlink_new()?;
        (self.step)()?;
        let file = self.folder.create(NEW)?;
        let entry = Entry { position, time: now };
        write_all(&file, 0, &[&entry.encode()])?;
        file.sync()?;
        (self.step)()?;
        self.folder.rename(NEW, "acked")?;
        self.folder.sync()
    }

    fn unlink_new(&self) -> io::Result<()> {
        match self.folder.unlink(NEW) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}
