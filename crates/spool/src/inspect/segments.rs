//! The segments of a slot: which files are some, where each ends, and which are strays.
//!
//! As in `store/open.rs`: a name is believed if the header bears it out, or the records if the header is damaged. A
//! segment ends where the next one begins. Of two that begin at one position the one with the higher number counts.

use std::io;

use crate::acked;
use crate::disk::Kind;
use crate::disk::unix::looking::{File, Folder};
use crate::format::scan::{Found, Scan, Source as _};
use crate::format::{NotOurs, SEGMENT_HEADER, SegmentHeader, parse_segment_name};
use crate::inspect::{Stray, adopt, repair};
use crate::slots::{ABOUT, LOCK};

/// Names in a slot that are no segments and no strays. Those in the middle of being written anew are among them.
const KNOWN: [&str; 6] = [LOCK, ABOUT, "about.new", "acked", "acked.new", "rejected"];

/// A segment.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) name: String,
    pub(super) first: u64,
    again: u32,
    /// Its records at or above that are another segment's. None: it is the last.
    pub(super) end: Option<u64>,
    pub(super) created: u64,
    /// The segment before is known to lack positions.
    pub(super) after_torn: bool,
    pub(super) header: Header,
    /// It begins where its name says. If not, nothing in it counts.
    pub(super) is_certain: bool,
}

/// A segment's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Header {
    Sound,
    /// All zeros: a power cut leaves that.
    Blank,
    /// So many bytes of it.
    Damaged(u64),
}

/// The files of a slot.
#[derive(Debug, Default)]
pub(super) struct Files {
    /// In the order of their positions.
    pub(super) segments: Vec<Segment>,
    pub(super) strays: Vec<Stray>,
    /// A segment that a newer version wrote, and that version.
    pub(super) newer: Option<(String, u8)>,
}

/// The last of them whose records count.
pub(super) fn last(segments: &[Segment]) -> Option<&Segment> {
    segments.iter().rfind(|segment| segment.is_certain)
}

/// Finds the files of a slot. `id` is its store's.
pub(super) fn find(folder: &Folder, id: u64) -> io::Result<Files> {
    let mut files = Files::default();
    for entry in folder.list()? {
        if KNOWN.contains(&entry.name.as_str()) {
            continue;
        }
        let Some((first, again)) = parse_segment_name(&entry.name) else {
            let why = match entry.name.as_str() {
                repair::NEW | adopt::NEW => "left by a potsdb spool that was cut off",
                _ => "not of the spool",
            };
            files.strays.push(Stray::new(&entry.name, why));
            continue;
        };
        if entry.kind != Kind::File {
            let why = "named like a segment, and no file";
            files.strays.push(Stray::new(&entry.name, why));
            continue;
        }
        let file = match folder.open(&entry.name) {
            Ok(file) => file,
            // It went meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(named(&entry.name, &error)),
        };
        match look(file, first, id)? {
            Look::Segment(looked) => files.segments.push(Segment {
                name: entry.name,
                again,
                ..looked
            }),
            Look::Stray(why) => files.strays.push(Stray::new(&entry.name, why)),
            Look::Newer(version) => files.newer = Some((entry.name, version)),
        }
    }
    files.segments.sort_by_key(|segment| (segment.first, segment.again));
    let mut next = None;
    for segment in files.segments.iter_mut().rev().filter(|segment| segment.is_certain) {
        segment.end = next;
        next = Some(segment.first);
    }
    Ok(files)
}

enum Look {
    Segment(Segment),
    Stray(&'static str),
    Newer(u8),
}

fn look(mut file: File, first: u64, id: u64) -> io::Result<Look> {
    let mut bytes = [0; SEGMENT_HEADER];
    let n = file.read_at(0, &mut bytes)?;
    let mut segment = Segment {
        name: String::new(),
        first,
        again: 0,
        end: None,
        created: 0,
        after_torn: false,
        header: Header::Sound,
        is_certain: true,
    };
    match SegmentHeader::decode(&bytes[..n]) {
        Ok(header) if header.store != id => return Ok(Look::Stray("a segment of another store")),
        Ok(header) if header.first != first => return Ok(Look::Stray("a segment under another's name")),
        Ok(header) => (segment.created, segment.after_torn) = (header.created, header.after_torn),
        Err(NotOurs::Newer(version)) => return Ok(Look::Newer(version)),
        Err(NotOurs::Damaged) => {
            segment.header = match bytes.iter().all(|byte| *byte == 0) {
                true => Header::Blank,
                false => Header::Damaged(n as u64),
            };
            segment.is_certain = match bears_out(&mut file, first)? {
                Ok(certain) => certain,
                Err(version) => return Ok(Look::Newer(version)),
            };
        }
    }
    Ok(Look::Segment(segment))
}

/// Whether a file has a record at or above a position; or the newer version that wrote in it.
fn bears_out(file: &mut File, first: u64) -> io::Result<Result<bool, u8>> {
    let (mut scan, mut certain) = (Scan::new(SEGMENT_HEADER as u64), false);
    while let Some(found) = scan.next(file, true)? {
        match found {
            Found::Record(_, record) => certain = certain || record.first >= first,
            Found::Newer(version) => return Ok(Err(version)),
            Found::Spoilt(..) | Found::Damage(_) => {}
        }
    }
    Ok(Ok(certain))
}

/// What `acked` says, and bytes of it that are no entries: where they begin, and how many.
pub(super) fn acked(folder: &Folder) -> (Option<u64>, Option<(u64, u64)>) {
    let bytes = folder
        .open("acked")
        .and_then(|file| file.start(2 * acked::LONGEST as usize));
    let bytes = bytes.unwrap_or_default();
    let (entries, rest) = bytes.as_chunks::<{ acked::ENTRY }>();
    let spoilt =
        |entry: &[u8; acked::ENTRY]| acked::Entry::decode(entry).is_none() && entry.iter().any(|byte| *byte != 0);
    let all = entries.iter().filter(|entry| spoilt(entry)).count() * acked::ENTRY + rest.len();
    let first = entries.iter().position(spoilt).unwrap_or(entries.len()) * acked::ENTRY;
    let damage = (all > 0).then_some((first as u64, all as u64));
    (acked::last(&bytes).map(|entry| entry.position), damage)
}

/// An error with the name of the file.
pub(super) fn named(name: &str, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{name}: {error}"))
}
