//! A folder that is only looked at: nothing in it is made, written or locked. So a spool can be looked at while its
//! process runs, on a disk that is read-only, and by whoever may read it.
//!
//! Nothing follows a link here either. The kernel is asked who holds a lock. To try the lock would keep a process that
//! starts at that moment from its slot.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{Mode, OFlags};
use rustix::process::{Flock, FlockType};

use crate::disk::unix::{FOLDERS, HELD, Held, list, network, status};
use crate::disk::{Entry, File as _};
use crate::format::scan::Source;
use crate::ranges::Ranges;

/// An open folder.
#[derive(Debug)]
pub struct Folder(OwnedFd);

/// An open file. What cannot be read in it reads as zeros, and is counted.
#[derive(Debug)]
pub struct File {
    file: super::File,
    bytes: u64,
    unread: Ranges,
}

/// Who holds a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder {
    /// Nobody does.
    Nobody,
    /// A process does: its number, unless it lives in a container that hides it.
    Process(Option<u32>),
}

const FILES: OFlags = OFlags::RDONLY
    .union(OFlags::CLOEXEC)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::NONBLOCK);

impl Folder {
    /// Opens the spool's own folder.
    ///
    /// # Errors
    ///
    /// What the file system says.
    pub fn at(path: &Path) -> io::Result<Folder> {
        // The spool's own folder may be reached by a link, which whoever names it knows; what is in it may not.
        let flags = FOLDERS.difference(OFlags::NOFOLLOW);
        Ok(Folder(rustix::fs::open(path, flags, Mode::empty())?))
    }

    /// Opens a folder in it.
    ///
    /// # Errors
    ///
    /// What the file system says.
    pub fn folder(&self, name: &str) -> io::Result<Folder> {
        Ok(Folder(rustix::fs::openat(&self.0, name, FOLDERS, Mode::empty())?))
    }

    /// Opens a file in it.
    ///
    /// # Errors
    ///
    /// What the file system says.
    pub fn open(&self, name: &str) -> io::Result<File> {
        let file = rustix::fs::openat(&self.0, name, FILES, Mode::empty())?;
        Ok(File {
            bytes: u64::try_from(rustix::fs::fstat(&file)?.st_size).unwrap_or(0),
            file: super::File(file),
            unread: Ranges::default(),
        })
    }

    /// What is in it, in the order of the names.
    ///
    /// # Errors
    ///
    /// What the file system says.
    pub fn list(&self) -> io::Result<Vec<Entry>> {
        let mut entries = list(&self.0)?;
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    /// Who holds the lock of that name.
    ///
    /// # Errors
    ///
    /// What the file system says; that there is no such lock is no error.
    pub fn holder(&self, name: &str) -> io::Result<Holder> {
        let held = match status(&self.0, name) {
            Ok(status) => Held::of(&status),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Holder::Nobody),
            Err(error) => return Err(error),
        };
        // A lock of this process's own is not asked for: to close the file would release it.
        let all = HELD.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if all.contains(&held) {
            return Ok(Holder::Process(Some(held.process)));
        }
        let file = rustix::fs::openat(&self.0, name, FILES, Mode::empty())?;
        let holder = rustix::process::fcntl_getlk(&file, &Flock::from(FlockType::WriteLock))?;
        Ok(holder.map_or(Holder::Nobody, |lock| {
            Holder::Process(lock.pid.map(|pid| pid.as_raw_nonzero().get().unsigned_abs()))
        }))
    }

    /// What its file system is called, if it lies on another machine.
    #[must_use]
    pub fn network(&self) -> Option<&'static str> {
        network(&self.0)
    }
}

impl File {
    /// Its bytes when it was opened.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Bytes that the disk did not give.
    #[must_use]
    pub fn unread(&self) -> u64 {
        self.unread.len()
    }

    /// Its first bytes, at most so many.
    ///
    /// # Errors
    ///
    /// What the file system says.
    pub fn start(&self, most: usize) -> io::Result<Vec<u8>> {
        crate::disk::read_all(&self.file, most as u64)
    }
}

impl Source for File {
    fn read_at(&mut self, at: u64, into: &mut [u8]) -> io::Result<usize> {
        const PAGE: usize = 4096;
        if let Ok(n) = self.file.read_at(at, into) {
            return Ok(n);
        }
        let rest = usize::try_from(self.bytes.saturating_sub(at)).unwrap_or(usize::MAX);
        let most = rest.min(into.len());
        let mut n = 0;
        while n < most {
            // Up to the end of the page.
            let page = (PAGE - (at as usize + n) % PAGE).min(most - n);
            if self.file.read_at(at + n as u64, &mut into[n..n + page]).is_err() {
                into[n..n + page].fill(0);
                let from = at + n as u64;
                self.unread.insert(from..from + page as u64);
            }
            n += page;
        }
        Ok(n)
    }
}
