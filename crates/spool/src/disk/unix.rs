//! The file systems of Unix.
//!
//! Nothing follows a link: a name in the spool's folder leads to what is in the folder. A folder that others can write is
//! refused, because what is in it would be theirs to say.
//!
//! **The lock** is a POSIX record lock, which belongs to the process: a forked child does not have it, and the child's end
//! does not release it. `flock` and locks of open file descriptions, the alternatives, are inherited. What POSIX locks lack
//! is done here: two of one process do not exclude each other, and closing any descriptor of the file releases them. So
//! a register in the process says what is held, and is asked before the file is opened.

use std::io::{self, IoSlice};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use rustix::fs::{AtFlags, FileType, FlockOperation, Mode, OFlags, Stat};

use crate::disk::{self, Entry, Free, Kind};

pub mod looking;

/// An open folder.
#[derive(Debug)]
pub struct Folder(OwnedFd);

/// An open file.
#[derive(Debug)]
pub struct File(OwnedFd);

/// A lock that is held.
#[derive(Debug)]
pub struct Lock {
    held: Held,
    /// Closing it releases the lock.
    _file: OwnedFd,
}

/// A lock's process, and its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Held {
    process: u32,
    device: u64,
    file: u64,
}

/// What this process holds. A forked child finds its parent's entries in it, and passes over them by their process.
static HELD: Mutex<Vec<Held>> = Mutex::new(Vec::new());

const FOR_US: Mode = Mode::RWXU;
const FILES: OFlags = OFlags::RDWR.union(OFlags::CLOEXEC).union(OFlags::NOFOLLOW);
const FOLDERS: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::CLOEXEC)
    .union(OFlags::NOFOLLOW);

impl Held {
    #[allow(clippy::unnecessary_cast, reason = "the numbers are of other types on other systems")]
    fn of(status: &Stat) -> Held {
        Held {
            process: std::process::id(),
            device: status.st_dev as u64,
            file: status.st_ino as u64,
        }
    }
}

impl Folder {
    /// Opens the spool's own folder; makes it and those above it if they are not there.
    ///
    /// # Errors
    ///
    /// The path, and what the file system says; or the path is a link, or other users can write in the folder.
    pub fn at(path: &Path) -> io::Result<Folder> {
        let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
        Folder::made_at(path).map_err(named)
    }

    fn made_at(path: &Path) -> io::Result<Folder> {
        if let Some(above) = path.parent() {
            std::fs::create_dir_all(above)?;
        }
        match rustix::fs::mkdir(path, FOR_US) {
            Ok(()) | Err(rustix::io::Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
        Folder::checked(rustix::fs::open(path, FOLDERS, Mode::empty())?)
    }

    /// Moves a file to another folder of the file system; one that had the name there is gone.
    ///
    /// # Errors
    ///
    /// What the file system says.
    pub fn move_to(&self, from: &str, folder: &Folder, to: &str) -> io::Result<()> {
        Ok(rustix::fs::renameat(&self.0, from, &folder.0, to)?)
    }

    fn checked(folder: OwnedFd) -> io::Result<Folder> {
        let status = rustix::fs::fstat(&folder)?;
        let others = Mode::from_raw_mode(status.st_mode).intersects(Mode::WGRP | Mode::WOTH);
        if others || status.st_uid != rustix::process::geteuid().as_raw() {
            let why = "it is another user's, or others can write in it: make it 0700";
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
        }
        Ok(Folder(folder))
    }

    fn status(&self, name: &str) -> io::Result<Stat> {
        status(&self.0, name)
    }
}

impl disk::Folder for Folder {
    type File = File;
    type Lock = Lock;

    fn folder(&self, name: &str) -> io::Result<Folder> {
        match rustix::fs::mkdirat(&self.0, name, FOR_US) {
            Ok(()) | Err(rustix::io::Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
        Folder::checked(rustix::fs::openat(&self.0, name, FOLDERS, Mode::empty())?)
    }

    fn create(&self, name: &str) -> io::Result<File> {
        let flags = FILES | OFlags::CREATE | OFlags::EXCL;
        Ok(File(rustix::fs::openat(&self.0, name, flags, Mode::RUSR | Mode::WUSR)?))
    }

    fn open(&self, name: &str) -> io::Result<File> {
        // A pipe of that name would make the opening wait.
        Ok(File(rustix::fs::openat(
            &self.0,
            name,
            FILES | OFlags::NONBLOCK,
            Mode::empty(),
        )?))
    }

    fn list(&self) -> io::Result<Vec<Entry>> {
        list(&self.0)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        Ok(rustix::fs::renameat(&self.0, from, &self.0, to)?)
    }

    fn unlink(&self, name: &str) -> io::Result<()> {
        Ok(rustix::fs::unlinkat(&self.0, name, AtFlags::empty())?)
    }

    fn sync(&self) -> io::Result<()> {
        Ok(rustix::fs::fsync(&self.0)?)
    }

    fn free(&self) -> io::Result<Free> {
        let status = rustix::fs::fstatvfs(&self.0)?;
        Ok(Free {
            free: status.f_bavail.saturating_mul(status.f_frsize),
            total: status.f_blocks.saturating_mul(status.f_frsize),
        })
    }

    fn lock(&self, name: &str) -> io::Result<Option<Lock>> {
        loop {
            let status = match self.status(name) {
                Ok(status) => status,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    // Nobody holds the lock of a file that was not there; one that comes meanwhile is found by the next turn.
                    match disk::Folder::create(self, name) {
                        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                        _ => continue,
                    }
                }
                Err(error) => return Err(error),
            };
            let held = Held::of(&status);
            // Entered before the file is opened: closing that descriptor would release what another thread holds.
            if !enter(held) {
                return Ok(None);
            }
            let locked = disk::Folder::open(self, name).and_then(|file| {
                match rustix::fs::fcntl_lock(&file.0, FlockOperation::NonBlockingLockExclusive) {
                    Ok(()) => Ok(Some(Lock { held, _file: file.0 })),
                    Err(rustix::io::Errno::AGAIN | rustix::io::Errno::ACCESS) => Ok(None),
                    Err(error) => Err(error.into()),
                }
            });
            if !matches!(locked, Ok(Some(_))) {
                leave(held);
            }
            return locked;
        }
    }

    fn network(&self) -> Option<&'static str> {
        network(&self.0)
    }
}

impl disk::File for File {
    fn read_at(&self, at: u64, into: &mut [u8]) -> io::Result<usize> {
        let mut n = 0;
        while n < into.len() {
            match rustix::io::pread(&self.0, &mut into[n..], at + n as u64) {
                Ok(0) => break,
                Ok(more) => n += more,
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(n)
    }

    fn write_at(&self, at: u64, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        Ok(rustix::io::retry_on_intr(|| rustix::io::pwritev(&self.0, parts, at))?)
    }

    fn sync(&self) -> io::Result<()> {
        #[cfg(target_vendor = "apple")]
        return Ok(rustix::fs::fcntl_fullfsync(&self.0)?);
        #[cfg(not(target_vendor = "apple"))]
        Ok(rustix::fs::fdatasync(&self.0)?)
    }

    fn has_name(&self) -> bool {
        rustix::fs::fstat(&self.0).is_ok_and(|status| status.st_nlink > 0)
    }

    fn reserve(&self, length: u64) -> io::Result<()> {
        #[cfg(target_os = "linux")]
        {
            use rustix::fs::FallocateFlags;
            use rustix::io::Errno;
            match rustix::fs::fallocate(&self.0, FallocateFlags::KEEP_SIZE, 0, length) {
                Ok(()) | Err(Errno::OPNOTSUPP | Errno::NOSYS) => Ok(()),
                Err(error) => Err(error.into()),
            }
        }
        #[cfg(not(target_os = "linux"))]
        {
            let _ = length;
            Ok(())
        }
    }

    fn cut(&self, length: u64) -> io::Result<()> {
        Ok(rustix::fs::ftruncate(&self.0, length)?)
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        leave(self.held);
    }
}

/// What is in a folder, in no order.
fn list(folder: &OwnedFd) -> io::Result<Vec<Entry>> {
    let mut entries = Vec::new();
    for entry in rustix::fs::Dir::read_from(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name == "." || name == ".." {
            continue;
        }
        // One that went meanwhile is not there.
        let Ok(status) = rustix::fs::statat(folder, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW) else {
            continue;
        };
        entries.push(Entry {
            name,
            kind: match FileType::from_raw_mode(status.st_mode) {
                FileType::RegularFile => Kind::File,
                FileType::Directory => Kind::Folder,
                _ => Kind::Other,
            },
            // Blocks are of 512 bytes, whatever the file system's own are.
            bytes: (status.st_size as u64).max(status.st_blocks as u64 * 512),
        });
    }
    Ok(entries)
}

/// What a name of a folder is; a link is a link.
fn status(folder: &OwnedFd, name: &str) -> io::Result<Stat> {
    Ok(rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)?)
}

/// What a folder's file system is called, if it lies on another machine.
#[cfg(target_os = "linux")]
fn network(folder: &OwnedFd) -> Option<&'static str> {
    // The numbers of statfs(2).
    match rustix::fs::fstatfs(folder).ok()?.f_type as u32 {
        0x6969 => Some("NFS"),
        0x517B | 0xFE53_4D42 | 0xFF53_4D42 => Some("SMB"),
        0x5346_414F | 0x6B41_4653 => Some("AFS"),
        0x00C3_6400 => Some("Ceph"),
        0x0102_1997 => Some("9P"),
        0x0BD0_0BD0 => Some("Lustre"),
        0x7461_636F => Some("OCFS2"),
        0x0116_1970 => Some("GFS2"),
        _ => None,
    }
}

#[cfg(not(target_os = "linux"))]
fn network(_: &OwnedFd) -> Option<&'static str> {
    None
}

/// Whether it was not held.
fn enter(lock: Held) -> bool {
    let mut all = HELD.lock().unwrap_or_else(PoisonError::into_inner);
    // Those of a process that this one was forked from.
    all.retain(|held| held.process == lock.process);
    let is_free = !all.contains(&lock);
    if is_free {
        all.push(lock);
    }
    is_free
}

fn leave(lock: Held) {
    let mut all = HELD.lock().unwrap_or_else(PoisonError::into_inner);
    all.retain(|held| *held != lock);
}

#[cfg(test)]
mod tests {
    use super::{Held, enter, leave};

    #[test]
    fn e6_20_what_a_parent_held_before_the_fork_is_not_held_here() {
        let file = |process| Held {
            process,
            device: u64::MAX,
            file: 1,
        };
        let (parent, child) = (u32::MAX, u32::MAX - 1);
        assert!(enter(file(parent)) && !enter(file(parent)));
        // The register as a child finds it: its parent's entry is nothing to it. That the parent holds the lock, the kernel says.
        assert!(enter(file(child)));
        leave(file(child));
    }
}
