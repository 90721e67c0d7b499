//! The format of the spool's files: headers to bytes and back. `docs/spool-format.md` is this file for people.
//!
//! ```text
//! segment   <first position, 20 digits>.spool
//!   header  64 bytes   magic, version, store, first position, created, CRC
//!   record  40 bytes   magic, version, wire, flags, length, points, first position, accepted, CRC, CRC
//!           payload    `length` bytes: whole telnet lines, as they are
//!   record  ...
//! ```
//!
//! All numbers are little-endian. A record has two checksums. The first is over its header alone: it makes the length
//! trustworthy before the payload is read, so that a reader can hop from header to header and a flipped bit in a length
//! leads nowhere. The second is over header and payload. One checksum over both, the alternative, would cost the start a
//! read of everything.
//!
//! Every function here is pure. Where records are in a file, and what to do about bytes that are none, is [`scan`]'s.

use std::fmt;

pub mod scan;

/// The version that is written, of segments and of records.
pub const VERSION: u8 = 1;

/// Bytes of a segment's header.
pub const SEGMENT_HEADER: usize = 64;

/// Bytes of a record's header.
pub const RECORD_HEADER: usize = 40;

/// The longest payload, in bytes: a block of the client's queue.
pub const LONGEST_PAYLOAD: usize = 64 * 1024;

/// No position is at or above this one, so that sums of positions and points never overflow.
pub const POSITIONS: u64 = 1 << 62;

const SEGMENT_MAGIC: [u8; 8] = *b"\xF5potsdb\n";

/// Begins with a byte that is in no UTF-8 text, so that a search for it passes over lines quickly.
pub(crate) const RECORD_MAGIC: [u8; 4] = *b"\xF5rec";

/// How a segment's name ends.
const SUFFIX: &str = ".spool";

/// By which wire lines have been tried already: what was written by telnet must not go again as JSON.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tried {
    /// By none.
    #[default]
    Nothing,
    /// By telnet.
    Telnet,
    /// By HTTP.
    Http,
}

/// The first 64 bytes of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentHeader {
    /// Of which store the lines are: [`store_id`].
    pub store: u64,
    /// No record of the segment begins before it.
    pub first: u64,
    /// Wall time of its creation, in milliseconds since 1970.
    pub created: u64,
    /// The segment before lacks positions below `first`: to know which, it is read.
    pub after_torn: bool,
}

/// The 40 bytes before a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordHeader {
    /// By which wire the lines have been tried.
    pub tried: Tried,
    /// Bytes of the payload: 1 to [`LONGEST_PAYLOAD`].
    pub length: u32,
    /// Points in the payload, which are its lines: 1 to `length`.
    pub points: u32,
    /// The position of the first point.
    pub first: u64,
    /// Wall time at which the points were accepted, in milliseconds since 1970.
    pub accepted: u64,
}

/// Why bytes are no header of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotOurs {
    /// Written by a newer version: to be left alone.
    Newer(u8),
    /// No header, or a damaged one.
    Damaged,
}

impl SegmentHeader {
    /// The header's bytes.
    #[must_use]
    pub fn encode(&self) -> [u8; SEGMENT_HEADER] {
        let mut bytes = [0; SEGMENT_HEADER];
        bytes[..8].copy_from_slice(&SEGMENT_MAGIC);
        bytes[8] = VERSION;
        bytes[10] = self.after_torn.into();
        bytes[16..24].copy_from_slice(&self.store.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.first.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.created.to_le_bytes());
        let crc = crc32fast::hash(&bytes[..60]);
        bytes[60..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Reads a header.
    ///
    /// # Errors
    ///
    /// The bytes are none, are damaged, or were written by a newer version.
    pub fn decode(bytes: &[u8]) -> Result<SegmentHeader, NotOurs> {
        let bytes = bytes.first_chunk::<SEGMENT_HEADER>().ok_or(NotOurs::Damaged)?;
        if bytes[..8] != SEGMENT_MAGIC || crc32fast::hash(&bytes[..60]) != number(&bytes[60..64]) as u32 {
            return Err(NotOurs::Damaged);
        }
        let (VERSION, 0, after_torn @ 0..=1, 0) = (bytes[8], bytes[9], bytes[10], bytes[11]) else {
            // A flag that this version does not know is a newer version's too.
            return Err(NotOurs::Newer(bytes[8]));
        };
        let header = SegmentHeader {
            store: number(&bytes[16..24]),
            first: number(&bytes[24..32]),
            created: number(&bytes[32..40]),
            after_torn: after_torn == 1,
        };
        (header.first < POSITIONS).then_some(header).ok_or(NotOurs::Damaged)
    }
}

impl RecordHeader {
    /// The header's bytes; `payload` goes behind them.
    #[must_use]
    pub fn encode(&self, payload: &[u8]) -> [u8; RECORD_HEADER] {
        let mut bytes = [0; RECORD_HEADER];
        bytes[..4].copy_from_slice(&RECORD_MAGIC);
        bytes[4] = VERSION;
        bytes[5] = self.tried as u8;
        // 6..8: flags. There is room for compression.
        bytes[8..12].copy_from_slice(&self.length.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.points.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.first.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.accepted.to_le_bytes());
        let crc = crc32fast::hash(&bytes[..32]);
        bytes[32..36].copy_from_slice(&crc.to_le_bytes());
        let crc = whole(&bytes[..36], payload);
        bytes[36..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Reads a header; says nothing about the payload. Allocates nothing, whatever the bytes say.
    ///
    /// # Errors
    ///
    /// The bytes are none, are damaged, or were written by a newer version.
    pub fn decode(bytes: &[u8]) -> Result<RecordHeader, NotOurs> {
        let bytes = bytes.first_chunk::<RECORD_HEADER>().ok_or(NotOurs::Damaged)?;
        if bytes[..4] != RECORD_MAGIC || crc32fast::hash(&bytes[..32]) != number(&bytes[32..36]) as u32 {
            return Err(NotOurs::Damaged);
        }
        let tried = match bytes[5] {
            0 => Some(Tried::Nothing),
            1 => Some(Tried::Telnet),
            2 => Some(Tried::Http),
            _ => None,
        };
        let (Some(tried), VERSION, [0, 0]) = (tried, bytes[4], [bytes[6], bytes[7]]) else {
            // A flag or a wire that this version does not know is a newer version's too.
            return Err(NotOurs::Newer(bytes[4]));
        };
        let header = RecordHeader {
            tried,
            length: number(&bytes[8..12]) as u32,
            points: number(&bytes[12..16]) as u32,
            first: number(&bytes[16..24]),
            accepted: number(&bytes[24..32]),
        };
        let sound = (1..=LONGEST_PAYLOAD as u32).contains(&header.length)
            && (1..=header.length).contains(&header.points)
            && header.first < POSITIONS;
        sound.then_some(header).ok_or(NotOurs::Damaged)
    }

    /// Whether `header`, of which this was read, and `payload` are as they were written.
    #[must_use]
    pub fn verifies(header: &[u8; RECORD_HEADER], payload: &[u8]) -> bool {
        whole(&header[..36], payload) == number(&header[36..]) as u32
    }

    /// The position behind the last point.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.first + u64::from(self.points)
    }

    /// Bytes of header and payload.
    #[must_use]
    pub fn size(&self) -> u64 {
        RECORD_HEADER as u64 + u64::from(self.length)
    }
}

/// The name of a segment. `again` counts those of one first position: a segment that could not be synced keeps its name,
/// and what was in it is written again beside it.
#[must_use]
pub fn segment_name(first: u64, again: u32) -> String {
    match again {
        0 => format!("{first:020}{SUFFIX}"),
        _ => format!("{first:020}-{again}{SUFFIX}"),
    }
}

/// What [`segment_name`] made the name of, if it did.
#[must_use]
pub fn parse_segment_name(name: &str) -> Option<(u64, u32)> {
    let (first, again) = match name.strip_suffix(SUFFIX)?.split_once('-') {
        Some((first, again)) => (first.parse().ok()?, again.parse().ok()?),
        None => (name.strip_suffix(SUFFIX)?.parse().ok()?, 0),
    };
    (first < POSITIONS && segment_name(first, again) == name).then_some((first, again))
}

/// The number of a store in its segments' headers: FNV-1a over its name, 64 bits.
#[must_use]
pub fn store_id(name: &str) -> u64 {
    let mix = |id: u64, byte| (id ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3);
    name.bytes().fold(0xCBF2_9CE4_8422_2325, mix)
}

impl fmt::Display for NotOurs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NotOurs::Newer(version) => write!(f, "version {version} of the format, which is newer than {VERSION}"),
            NotOurs::Damaged => f.write_str("no header, or a damaged one"),
        }
    }
}

fn whole(header: &[u8], payload: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(header);
    crc.update(payload);
    crc.finalize()
}

/// A little-endian number of at most eight bytes.
pub(crate) fn number(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .rev()
        .fold(0, |number, byte| number << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests;
