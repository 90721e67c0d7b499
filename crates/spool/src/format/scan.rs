//! The scan: the records of a segment in their order, and the bytes between them that are none.
//!
//! ```text
//!   header, record, record, ###damage###, record, zeros
//!                           '-- searched for the next record that verifies, header and payload
//! ```
//!
//! Behind a record that was sound, a sound header is believed and its payload may be passed over. Behind damage nothing
//! is believed without its payload: a header of an old file may lie anywhere. Zeros up to the end of the file are the pages
//! that a power cut left unwritten, not damage.
//!
//! One buffer of 64 KiB serves a whole scan, whatever the file says about itself.

use std::io;

use crate::format::{LONGEST_PAYLOAD, NotOurs, RECORD_HEADER, RECORD_MAGIC, RecordHeader};

/// Bytes that can be read at any place: a file, or a slice.
pub trait Source {
    /// Reads at `at` until `into` is full or the bytes end; returns how many there were.
    ///
    /// # Errors
    ///
    /// What the file system says.
    fn read_at(&mut self, at: u64, into: &mut [u8]) -> io::Result<usize>;
}

impl Source for &[u8] {
    fn read_at(&mut self, at: u64, into: &mut [u8]) -> io::Result<usize> {
        let rest = usize::try_from(at)
            .ok()
            .and_then(|at| self.get(at..))
            .unwrap_or_default();
        let n = rest.len().min(into.len());
        into[..n].copy_from_slice(&rest[..n]);
        Ok(n)
    }
}

/// What is at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// A record, and where its header begins. Its payload is in [`Scan::payload`] if it was read.
    Record(u64, RecordHeader),
    /// A record whose header is sound and whose payload is not.
    Spoilt(u64, RecordHeader),
    /// So many bytes that are no record.
    Damage(u64),
    /// A record of a newer version, which only that version can pass over.
    Newer(u8),
}

/// A walk through the records of a segment.
#[derive(Debug)]
pub struct Scan {
    at: u64,
    /// Whether what ends at `at` was a record, so that a header found there can be believed.
    sound: bool,
    /// Nothing behind this can be told apart.
    ended: bool,
    buffer: Vec<u8>,
    length: usize,
}

impl Scan {
    /// A walk that begins at a record, or at the end.
    #[must_use]
    pub fn new(at: u64) -> Scan {
        Scan {
            at,
            sound: true,
            ended: false,
            buffer: Vec::new(),
            length: 0,
        }
    }

    /// Where the next record is looked for.
    #[must_use]
    pub fn at(&self) -> u64 {
        self.at
    }

    /// The payload of the record that was found last, if it was read; empty otherwise.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.buffer[..self.length]
    }

    /// The next record or damage; none at the end. Without `payloads` those of sound headers are passed over.
    ///
    /// # Errors
    ///
    /// What the source says.
    pub fn next(&mut self, source: &mut impl Source, payloads: bool) -> io::Result<Option<Found>> {
        self.length = 0;
        let from = self.at;
        let mut header = [0; RECORD_HEADER];
        let n = source.read_at(from, &mut header)?;
        if n == 0 || self.ended {
            return Ok(None);
        }
        match RecordHeader::decode(&header[..n]) {
            Ok(record) if self.sound && !payloads => {
                // The end of the file may be in the middle of it.
                if self.ends_within(source, from, &record)? {
                    return Ok(Some(self.pass(Found::Spoilt(from, record))));
                }
                Ok(Some(self.pass(Found::Record(from, record))))
            }
            Ok(record) if self.verify(source, from, &header, &record)? => {
                Ok(Some(self.pass(Found::Record(from, record))))
            }
            Ok(record) if self.sound => Ok(Some(self.pass(Found::Spoilt(from, record)))),
            Err(NotOurs::Newer(version)) if self.sound => {
                self.ended = true;
                Ok(Some(Found::Newer(version)))
            }
            _ => {
                self.sound = false;
                let blank = self.search(source)?;
                Ok((!blank).then_some(Found::Damage(self.at - from)))
            }
        }
    }

    fn pass(&mut self, found: Found) -> Found {
        if let Found::Record(at, record) | Found::Spoilt(at, record) = found {
            self.at = at + record.size();
            self.sound = true;
        }
        found
    }

    fn ends_within(&self, source: &mut impl Source, at: u64, record: &RecordHeader) -> io::Result<bool> {
        Ok(source.read_at(at + record.size() - 1, &mut [0])? == 0)
    }

    /// Reads the payload into the buffer, and whether it is as it was written.
    fn verify(
        &mut self,
        source: &mut impl Source,
        at: u64,
        header: &[u8; RECORD_HEADER],
        record: &RecordHeader,
    ) -> io::Result<bool> {
        let length = record.length as usize;
        self.buffer.resize(self.buffer.len().max(length), 0);
        let n = source.read_at(at + RECORD_HEADER as u64, &mut self.buffer[..length])?;
        let sound = n == length && RecordHeader::verifies(header, &self.buffer[..length]);
        self.length = if sound { length } else { 0 };
        Ok(sound)
    }

    /// Moves on to the next record that verifies whole, or to the end. True: there were only zeros up to there.
    fn search(&mut self, source: &mut impl Source) -> io::Result<bool> {
        let mut chunk = vec![0; LONGEST_PAYLOAD];
        let mut at = self.at;
        let mut blank = true;
        loop {
            let n = source.read_at(at, &mut chunk)?;
            // A magic may lie across two chunks: what could be its beginning is looked at again.
            let kept = if n == chunk.len() { RECORD_MAGIC.len() - 1 } else { 0 };
            for offset in 0..n - kept {
                blank = blank && chunk[offset] == 0;
                let here = at + offset as u64;
                if here > self.at && chunk[offset..n].starts_with(&RECORD_MAGIC) && self.is_record(source, here)? {
                    self.at = here;
                    return Ok(false);
                }
            }
            at += (n - kept) as u64;
            if n < chunk.len() {
                self.at = at;
                return Ok(blank);
            }
        }
    }

    fn is_record(&mut self, source: &mut impl Source, at: u64) -> io::Result<bool> {
        let mut header = [0; RECORD_HEADER];
        let n = source.read_at(at, &mut header)?;
        match RecordHeader::decode(&header[..n]) {
            Ok(record) => self.verify(source, at, &header, &record),
            Err(_) => Ok(false),
        }
    }
}
