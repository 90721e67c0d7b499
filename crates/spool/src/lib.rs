//! The spool of potsdb: lines on disk, oldest first, that survive kills, power cuts, damage and full disks.
//!
//! [`Writer`] is what a client's worker holds. It sends a [`Command`] and goes on; a thread owns the disk, and what it has to
//! tell is collected with [`Writer::poll`]. What was told to be safe is there after any crash, or is named and counted.
//!
//! ```no_run
//! use std::path::Path;
//! use std::sync::Arc;
//! use std::time::Instant;
//!
//! use potsdb_spool::{Command, Lines, Options, Spool, Told, Writer, disk::unix::Folder, store_name};
//!
//! let name = store_name(None, &["tsdb://localhost:4242"]);
//! let open = move |now| {
//!     let root = Box::new(|| Folder::at(Path::new("/var/spool/potsdb")));
//!     Spool::open(root, &name, "program: example", Options::default(), now)
//! };
//! let mut writer = Writer::start(open, Arc::new(|| ()))?;
//! let lines = Lines::new("put web.requests 1767225600 1 path=/login\n", 1_767_225_600_000);
//! let taken = writer.send(Command::Append { tag: 1, lines }).is_ok() && writer.send(Command::Sync { tag: 1 }).is_ok();
//! for told in writer.poll(Instant::now()) {
//!     if let Told::Synced { tag } = told {
//!         assert_eq!(tag, 1);
//!     }
//! }
//! # std::io::Result::Ok(())
//! ```
//!
//! ```text
//!   writer   the thread that owns the disk          threads and clocks: here alone
//!   spool    a process's slots under one cap        time is an argument from here on
//!   slots    folders, locks, orphans
//!   store    one slot: append, sync, read, done     segments are the only truth
//!   format, acked, ranges                           pure: bytes and positions
//!   inspect  a spool from outside: looked at, repaired, given to another store
//!   disk     what is asked of a file system         the disk: in `disk::unix` alone
//! ```
//!
//! Not here: sockets, the meaning of lines, and when to spool, which is the client's to say.

#![forbid(unsafe_code)]

pub mod acked;
pub mod disk;
#[cfg(test)]
mod faults;
pub mod format;
#[cfg(unix)]
pub mod inspect;
pub mod ranges;
#[cfg(test)]
mod simulation;
pub mod slots;
pub mod spool;
pub mod store;
pub mod writer;

pub use crate::format::Tried;
pub use crate::slots::store_name;
pub use crate::spool::{News, SlotId, Spool};
pub use crate::store::{Event, Full, Lines, Options, Payload, Refused, Stats};
pub use crate::writer::{Command, Told, Writer};
