//! What the spool asks of a file system, as a trait: the real one is in [`unix`], one that loses and refuses in `simulated`.
//!
//! Everything is asked of an open folder and by plain names, so that no name leads elsewhere while the spool runs. The
//! calls are those of the system and as weak: a write may be short, a file that is not synced may lose any of its pages,
//! and a name is only certain once its folder was synced.

use std::io::{self, IoSlice};

#[cfg(any(test, feature = "simulated"))]
pub mod simulated;
#[cfg(unix)]
pub mod unix;

/// An open folder.
///
/// Every method returns what the file system says as its error.
#[expect(clippy::missing_errors_doc, reason = "said once, above: what the file system says")]
pub trait Folder: Sized + Send + 'static {
    /// An open file of it.
    type File: File;
    /// Holds a lock until it is dropped.
    type Lock: Send + 'static;

    /// Opens a folder in it; makes it, for this user alone, if it is not there.
    fn folder(&self, name: &str) -> io::Result<Self>;
    /// Makes a file that is not there yet, for this user alone.
    fn create(&self, name: &str) -> io::Result<Self::File>;
    /// Opens a file, for reading and writing.
    fn open(&self, name: &str) -> io::Result<Self::File>;
    /// What is in it, in no order.
    fn list(&self) -> io::Result<Vec<Entry>>;
    /// Gives a file another name; one that had it is gone.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Takes a file's name away.
    fn unlink(&self, name: &str) -> io::Result<()>;
    /// Returns when the names in it are on the disk.
    fn sync(&self) -> io::Result<()>;
    /// What is free on its file system.
    fn free(&self) -> io::Result<Free>;
    /// Takes the lock of that name, unless it is held: by another process, or by this one.
    fn lock(&self, name: &str) -> io::Result<Option<Self::Lock>>;
    /// What its file system is called, if it lies on another machine: locks and syncs are worth less there.
    fn network(&self) -> Option<&'static str> {
        None
    }
}

/// An open file.
///
/// Every method returns what the file system says as its error.
#[expect(clippy::missing_errors_doc, reason = "said once, above: what the file system says")]
pub trait File: Send + 'static {
    /// Reads at `at` until `into` is full or the file ends; returns how many bytes there were.
    fn read_at(&self, at: u64, into: &mut [u8]) -> io::Result<usize>;
    /// Writes at `at`, in one call, perhaps less than all; returns how many bytes it were.
    fn write_at(&self, at: u64, parts: &[IoSlice<'_>]) -> io::Result<usize>;
    /// Returns when what was written is on the disk. After an error it may never be.
    fn sync(&self) -> io::Result<()>;
    /// Whether it still has a name: if not, it is gone when it is closed, whatever was synced.
    fn has_name(&self) -> bool;
    /// Sets disk space aside for a file of that length, which stays as long as it is. Does nothing where that cannot be done.
    fn reserve(&self, length: u64) -> io::Result<()>;
    /// Ends the file there, and gives back what was set aside behind.
    fn cut(&self, length: u64) -> io::Result<()>;
}

/// What a folder holds under one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// Whether it is a file, a folder, or anything else: a link, a device.
    pub kind: Kind,
    /// Bytes that it takes, with those set aside for it.
    pub bytes: u64,
}

/// What an [`Entry`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A file.
    File,
    /// A folder.
    Folder,
    /// Anything else.
    Other,
}

/// What is free on a file system, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Free {
    /// For this user.
    pub free: u64,
    /// In all, free or not.
    pub total: u64,
}

/// Writes all of it, in as many calls as that takes.
pub(crate) fn write_all<F: File>(file: &F, mut at: u64, parts: &[&[u8]]) -> io::Result<()> {
    let mut slices: Vec<_> = parts.iter().map(|part| IoSlice::new(part)).collect();
    let mut slices = &mut slices[..];
    while !slices.is_empty() {
        match file.write_at(at, slices)? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            n => {
                at += n as u64;
                IoSlice::advance_slices(&mut slices, n);
            }
        }
    }
    Ok(())
}

/// Reads a file of at most `most` bytes; of a longer one, its beginning.
pub(crate) fn read_all<F: File>(file: &F, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; most as usize];
    let n = file.read_at(0, &mut bytes)?;
    bytes.truncate(n);
    Ok(bytes)
}
