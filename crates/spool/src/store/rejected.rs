//! The lines that a server refused for ever, for people: `rejected/lines`, and `rejected/lines.old` before it.
//!
//! ```text
//! # 1767225600 unknown metric: web.requets
//! put web.requets 1767225600 1 path=/login
//! ```
//!
//! It is text that `potsdb import` takes once the cause is mended. At half of its room the file becomes the old one, which
//! goes. It is not synced: the verdict was given, and this is only what became of it.

use std::io;

use crate::disk::{Entry, Folder, write_all};

/// The most bytes of both files.
pub(super) const MOST: u64 = 16 * 1024 * 1024;

pub(super) const FOLDER: &str = "rejected";
const NAME: &str = "lines";
const OLD: &str = "lines.old";

/// Where the next line goes.
#[derive(Debug)]
pub(super) struct Rejected {
    most: u64,
    now: u64,
    old: u64,
}

impl Rejected {
    pub(super) fn new(most: u64, entries: &[Entry]) -> Rejected {
        let bytes = |name| {
            entries
                .iter()
                .find(|entry| entry.name == name)
                .map_or(0, |entry| entry.bytes)
        };
        Rejected {
            most,
            now: bytes(NAME),
            old: bytes(OLD),
        }
    }

    /// What both files take, at most.
    pub(super) fn bytes(&self) -> u64 {
        self.now + self.old
    }

    /// Adds lines, with the time in milliseconds since 1970 and what the server said.
    pub(super) fn add<D: Folder>(&mut self, slot: &D, wall: u64, lines: &[u8], words: &str) -> io::Result<()> {
        let words: String = words
            .chars()
            .take(512)
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect();
        let head = format!("# {} {words}\n", wall / 1000);
        let bytes = (head.len() + lines.len()) as u64;
        if bytes > self.most / 2 {
            return Err(io::Error::other("there is no room for so many"));
        }
        let folder = slot.folder(FOLDER)?;
        if self.now + bytes > self.most / 2 {
            match folder.rename(NAME, OLD) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => (self.old, self.now) = (self.now, 0),
            }
        }
        let file = match folder.open(NAME) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => folder.create(NAME)?,
            file => file?,
        };
        write_all(&file, self.now, &[head.as_bytes(), lines])?;
        self.now += bytes;
        Ok(())
    }
}
