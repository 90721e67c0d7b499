//! The start: what a slot holds, found by its segments.
//!
//! Each segment's header is read, and the last segment whole. Where a segment ends is where the next one begins; what of
//! that is not there, or damaged, is found when it is read or dropped. So a start takes as long for ten gigabytes as for
//! one segment. A segment with a damaged header is read whole as well: its name alone proves nothing.
//!
//! Nothing is written to a segment of before: the next lines begin a new one, whatever follows the end of the last.

use std::collections::VecDeque;
use std::fmt;
use std::io;

use crate::acked::{self, Entry};
use crate::disk::{self, File, Folder, Kind, read_all};
use crate::format::scan::{Found, Scan};
use crate::format::{NotOurs, POSITIONS, SEGMENT_HEADER, SegmentHeader, parse_segment_name, store_id};
use crate::ranges::Ranges;
use crate::store::age::Ages;
use crate::store::clear::{Acked, NAME, NEW};
use crate::store::read::{Patient, Reader};
use crate::store::rejected::{self, Rejected};
use crate::store::{Event, LEAST_BYTES, Moment, Options, Segment, Store};

/// Names in a slot that are no segments and no strays.
const KNOWN: [&str; 4] = ["lock", "about", NAME, rejected::FOLDER];

/// Why a slot was not opened.
#[derive(Debug)]
#[non_exhaustive]
pub enum OpenError {
    /// A newer version wrote in it: left as it is. Another slot will do.
    Newer {
        /// The segment.
        name: String,
        /// Its version.
        version: u8,
    },
    /// `spool_bytes` is less than [`LEAST_BYTES`].
    TooSmall,
    /// What the file system said.
    Disk(io::Error),
}

/// A segment, as it was found.
struct Seen {
    segment: Segment,
    again: u32,
    /// It is known to begin where it says.
    is_certain: bool,
    /// Its records, if it was read.
    records: Option<Vec<(u64, u64)>>,
    newest: u64,
    /// The segment before lacks positions.
    after_torn: bool,
    /// It could not be read, and ends where no segment of its size can end later.
    is_guessed: bool,
}

impl<D: Folder> Store<D> {
    /// Opens a slot's folder, whose lock the caller holds. `above` is the folder of all slots of the store, and `name` the
    /// store's.
    ///
    /// # Errors
    ///
    /// A newer version wrote in it; or the file system does not let the folder be listed. Damage is no error.
    pub fn open(folder: D, above: D, name: &str, options: Options, now: Moment) -> Result<Store<D>, OpenError> {
        if options.spool_bytes < LEAST_BYTES {
            return Err(OpenError::TooSmall);
        }
        let id = store_id(name);
        let mut entries = folder.list().map_err(OpenError::Disk)?;
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        let mut found = Vec::new();
        let mut events = Vec::new();
        for entry in &entries {
            match look(&folder, entry, id)? {
                Look::Segment(segment) => found.push(segment),
                Look::Stray(why) => events.push(Event::Stray {
                    name: entry.name.clone(),
                    why: why.to_owned(),
                }),
                Look::Known => {}
            }
        }
        found.sort_by_key(|found| (found.segment.first, found.again));
        read_last(&folder, &mut found)?;
        read_torn(&folder, &mut found)?;
        bound(&mut found);
        let acked = folder.open(NAME).and_then(|file| read_all(&file, 2 * acked::LONGEST));
        // One that cannot be read now may say that positions are done with which are given out again. It is replaced
        // before.
        let is_unread = acked
            .as_ref()
            .is_err_and(|error| error.kind() != io::ErrorKind::NotFound);
        let acked = acked.unwrap_or_default();
        let acked = acked::last(&acked);
        let kept = folder
            .folder(rejected::FOLDER)
            .and_then(|folder| folder.list())
            .unwrap_or_default();
        let newest = found
            .iter()
            .map(|found| found.newest)
            .chain(acked.map(|entry| entry.time))
            .max();
        let mut store = Store {
            folder,
            above,
            id,
            ages: Ages::new(options.max_age, now, newest),
            segments: VecDeque::new(),
            current: None,
            unsynced: VecDeque::new(),
            written: 0,
            torn: found.iter().rfind(|found| found.is_certain).is_some_and(Seen::lacks),
            unsynced_bytes: 0,
            pending: Ranges::default(),
            taken: Ranges::default(),
            next: 0,
            waiting: None,
            off: None,
            is_told_off: false,
            acked: Acked::new(now),
            rejected: Rejected::new(options.rejected(), &kept),
            reader: Reader::default(),
            damaged_bytes: 0,
            syncs: 0,
            events,
            options,
        };
        store.acked.is_wrong = is_unread;
        store.take_over(found, acked);
        Ok(store)
    }

    fn take_over(&mut self, found: Vec<Seen>, acked: Option<Entry>) {
        let mut certain = None;
        for Seen {
            segment,
            records,
            is_certain,
            ..
        } in found
        {
            let (first, end) = (segment.first, segment.end);
            self.next = self.next.max(end);
            match records {
                None => {
                    self.pending.insert(first..end);
                }
                Some(records) => {
                    for record in records {
                        self.pending
                            .insert(record.0.clamp(first, end)..record.1.clamp(first, end));
                    }
                }
            }
            for damage in segment.damage.runs(0..u64::MAX) {
                let bytes = damage.end - damage.start;
                self.damaged_bytes += bytes;
                self.events.push(Event::Damaged {
                    bytes,
                    points: Ranges::default(),
                });
            }
            certain = certain.or(is_certain.then_some(first));
            self.segments.push_back(segment);
        }
        let Some(Entry { position, .. }) = acked else { return };
        match certain {
            // It says more than is there: it is not believed, but its positions are not given out again.
            Some(_) if position > self.next => {
                self.events.push(Event::Missing {
                    from: self.next,
                    to: position,
                    points: Ranges::default(),
                });
                self.next = position;
                self.acked.is_wrong = true;
            }
            Some(to) if position < to => {
                self.events.push(Event::Missing {
                    from: position,
                    to,
                    points: Ranges::default(),
                });
            }
            Some(_) => {
                self.pending.remove(0..position);
            }
            None => self.next = position,
        }
    }
}

enum Look {
    Segment(Seen),
    Stray(&'static str),
    Known,
}

/// What a name in the slot is.
fn look<D: Folder>(folder: &D, entry: &disk::Entry, id: u64) -> Result<Look, OpenError> {
    if entry.name == NEW {
        // Left by a crash before it was renamed.
        let _ = folder.unlink(NEW);
        return Ok(Look::Known);
    }
    if KNOWN.contains(&entry.name.as_str()) {
        return Ok(Look::Known);
    }
    let Some((first, again)) = parse_segment_name(&entry.name) else {
        return Ok(Look::Stray("not of the spool"));
    };
    if entry.kind != Kind::File {
        return Ok(Look::Stray("named like a segment, and no file"));
    }
    let mut found = Seen {
        segment: Segment {
            name: entry.name.clone(),
            first,
            end: first,
            bytes: entry.bytes,
            created: 0,
            keep: false,
            damage: Ranges::default(),
        },
        again,
        is_certain: true,
        records: None,
        newest: 0,
        after_torn: false,
        is_guessed: false,
    };
    let mut header = [0; SEGMENT_HEADER];
    // A file that cannot be read now is believed by its name, and read again when its turn comes.
    let Ok(n) = folder.open(&entry.name).and_then(|file| file.read_at(0, &mut header)) else {
        return Ok(Look::Segment(found));
    };
    match SegmentHeader::decode(&header[..n]) {
        Ok(header) if header.store != id => return Ok(Look::Stray("a segment of another store")),
        Ok(header) if header.first != first => return Ok(Look::Stray("a segment under another's name")),
        Ok(header) => {
            (found.segment.created, found.newest) = (header.created, header.created);
            found.after_torn = header.after_torn;
        }
        Err(NotOurs::Newer(version)) => {
            return Err(OpenError::Newer {
                name: entry.name.clone(),
                version,
            });
        }
        Err(NotOurs::Damaged) => {
            found.is_certain = false;
            if header.iter().any(|byte| *byte != 0) {
                found.segment.damage.insert(0..n as u64);
            }
            read_whole(folder, &mut found)?;
            // Its name is believed as far as its records bear it out.
            found.is_certain = found
                .records
                .as_ref()
                .is_some_and(|records| records.first().is_some_and(|(begin, _)| *begin >= first));
        }
    }
    Ok(Look::Segment(found))
}

/// Reads the last segment that is one whole.
fn read_last<D: Folder>(folder: &D, found: &mut [Seen]) -> Result<(), OpenError> {
    let Some(last) = found
        .iter_mut()
        .rfind(|found| found.is_certain && found.records.is_none())
    else {
        return Ok(());
    };
    match read_whole(folder, last) {
        Err(OpenError::Disk(_)) => {
            // No segment has more points than bytes: positions above are free for certain.
            last.segment.end = (last.segment.first + last.segment.bytes).min(POSITIONS - 1);
            last.is_guessed = true;
            Ok(())
        }
        read => read,
    }
}

/// Reads the segments that are known to lack positions.
fn read_torn<D: Folder>(folder: &D, found: &mut [Seen]) -> Result<(), OpenError> {
    for at in 1..found.len() {
        let (before, behind) = found.split_at_mut(at);
        if let Some(torn) = before.iter_mut().rfind(|found| found.is_certain)
            && behind[0].after_torn
            && torn.records.is_none()
            && let Err(newer @ OpenError::Newer { .. }) = read_whole(folder, torn)
        {
            return Err(newer);
        }
    }
    Ok(())
}

/// A segment ends where the next one begins, and the last with its last record.
fn bound(found: &mut [Seen]) {
    let mut next = None;
    for found in found.iter_mut().rev() {
        if !found.is_certain {
            // Nothing is in it. It goes when it is the oldest.
            (found.segment.first, found.segment.end) = (0, 0);
            continue;
        }
        let segment = &mut found.segment;
        let records = found
            .records
            .as_ref()
            .and_then(|records| records.iter().map(|(_, end)| *end).max());
        segment.end = match (next, records) {
            (Some(next), Some(end)) => end.min(next),
            (Some(next), None) => next,
            (None, Some(end)) => end,
            (None, None) => segment.end,
        };
        segment.end = segment.end.max(segment.first);
        next = Some(segment.first);
    }
}

impl Seen {
    /// Whether positions between its ends are not in it, as far as it was read.
    fn lacks(&self) -> bool {
        let mut at = self.segment.first;
        let mut records = self.records.iter().flatten();
        let whole = records.all(|(first, end)| *first <= std::mem::replace(&mut at, *end));
        self.is_guessed || !whole || (self.records.is_some() && at < self.segment.end)
    }
}

fn read_whole<D: Folder>(folder: &D, found: &mut Seen) -> Result<(), OpenError> {
    let file = folder.open(&found.segment.name).map_err(OpenError::Disk)?;
    let mut source = Patient::new(&file, found.segment.bytes);
    source.gives_up = false;
    let (mut scan, mut records) = (Scan::new(SEGMENT_HEADER as u64), Vec::new());
    loop {
        let at = scan.at();
        match scan.next(&mut source, true).map_err(OpenError::Disk)? {
            Some(Found::Record(_, record)) => {
                if record.first >= found.segment.first {
                    records.push((record.first, record.end()));
                    found.newest = found.newest.max(record.accepted);
                }
            }
            Some(Found::Spoilt(..) | Found::Damage(_)) => {
                found.segment.damage.insert(at..scan.at());
            }
            Some(Found::Newer(version)) => {
                let name = found.segment.name.clone();
                return Err(OpenError::Newer { name, version });
            }
            None => break,
        }
    }
    // What is still in the kernel's memory, and the name, are to be on disk before anything is built on them. If they
    // cannot be, the lines are as safe as they were.
    let _ = file.sync().and_then(|()| folder.sync());
    if scan.at() < found.segment.bytes {
        // Set aside for more, by a process that ended in the middle.
        let _ = file.cut(scan.at());
    }
    found.segment.bytes = scan.at();
    found.records = Some(records);
    Ok(())
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OpenError::Newer { name, version } => {
                write!(
                    f,
                    "{name} is of version {version} of the format: a newer potsdb wrote it"
                )
            }
            OpenError::TooSmall => write!(f, "spool_bytes is less than {LEAST_BYTES}, the least"),
            OpenError::Disk(error) => write!(f, "the spool's folder: {error}"),
        }
    }
}

impl std::error::Error for OpenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            OpenError::Disk(error) => Some(error),
            _ => None,
        }
    }
}
