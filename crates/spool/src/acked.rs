//! The entries of the file `acked`: up to which position all points are done with.
//!
//! ```text
//! 0..4    magic
//! 4..8    0
//! 8..16   position
//! 16..24  wall time, milliseconds since 1970
//! 24..28  0
//! 28..32  CRC of bytes 0..28
//! ```
//!
//! The last entry that verifies counts. It is a hint: lost, old or damaged, it costs duplicates and never a point, because
//! what is in the segments decides. Entries are only added; at [`LONGEST`] bytes the file is written anew beside itself and
//! renamed.

use crate::format::{POSITIONS, number};

/// Bytes of an entry.
pub const ENTRY: usize = 32;

/// Bytes at which the file is written anew.
pub const LONGEST: u64 = 64 * 1024;

const MAGIC: [u8; 4] = *b"\xF5ack";

/// One entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// All points below it are done with.
    pub position: u64,
    /// When it was written: wall time, in milliseconds since 1970.
    pub time: u64,
}

impl Entry {
    /// The entry's bytes.
    #[must_use]
    pub fn encode(&self) -> [u8; ENTRY] {
        let mut bytes = [0; ENTRY];
        bytes[..4].copy_from_slice(&MAGIC);
        bytes[8..16].copy_from_slice(&self.position.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.time.to_le_bytes());
        let crc = crc32fast::hash(&bytes[..28]);
        bytes[28..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Reads an entry, if the bytes are one.
    #[must_use]
    pub fn decode(bytes: &[u8; ENTRY]) -> Option<Entry> {
        let entry = Entry {
            position: number(&bytes[8..16]),
            time: number(&bytes[16..24]),
        };
        let sound = bytes[..4] == MAGIC
            && crc32fast::hash(&bytes[..28]) == number(&bytes[28..]) as u32
            && entry.position < POSITIONS;
        sound.then_some(entry)
    }
}

/// The last entry of a file that verifies.
#[must_use]
pub fn last(file: &[u8]) -> Option<Entry> {
    file.as_chunks::<ENTRY>().0.iter().rev().find_map(Entry::decode)
}

#[cfg(test)]
mod tests {
    use super::{ENTRY, Entry, last};

    fn entries(positions: &[u64]) -> Vec<u8> {
        let entry = |&position| Entry { position, time: 7 }.encode();
        positions.iter().flat_map(entry).collect()
    }

    #[test]
    fn e6_07_the_last_entry_that_verifies_counts() {
        let file = entries(&[10, 20, 30]);
        let position = |file: &[u8]| last(file).map(|entry| entry.position);
        assert_eq!(position(&file), Some(30));
        assert_eq!(position(&[]), None);
        for cut in 2 * ENTRY..3 * ENTRY {
            assert_eq!(position(&file[..cut]), Some(20), "cut at {cut}");
        }
        for at in 2 * ENTRY..3 * ENTRY {
            for bit in 0..8 {
                let mut flipped = file.clone();
                flipped[at] ^= 1 << bit;
                assert_eq!(position(&flipped), Some(20), "bit {bit} of byte {at}");
            }
        }
        assert_eq!(position(&entries(&[u64::MAX])), None);
    }
}
