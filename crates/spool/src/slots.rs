//! The slots of a store: one folder for each process that has lines for it, held by a lock.
//!
//! ```text
//! <spool>/<store name>/<slot>/{lock, about, acked, *.spool, rejected}
//!
//! tsdb-localhost-4242/0   held by process 71
//! tsdb-localhost-4242/1   an orphan: its process was killed. Adopted by whoever finds it first
//! tsdb-localhost-4242/2   held by process 73
//! ```
//!
//! A process takes the first slot that is free, with what is in it: one that is started, killed and started again goes on
//! where it was, and makes no new slot. Folders of slots are never deleted, because a process may be about to lock one.
//! The store's folder is named by its endpoints without what may change while the store stays the same: passwords, paths,
//! queries and the order of the hosts. A folder of other endpoints is left alone.

use std::io;

use crate::disk::File as _;
use crate::disk::{Folder, Kind, write_all};
use crate::format::{SEGMENT_HEADER, SegmentHeader, parse_segment_name, store_id};
use crate::store::{Event, Moment, OpenError, Options, Store};

/// More slots than that are not looked at.
pub(crate) const MOST: u32 = 1_000;

/// The longest name of a store, in bytes.
const LONGEST_NAME: usize = 120;

pub(crate) const LOCK: &str = "lock";
pub(crate) const ABOUT: &str = "about";

/// Opens the spool's own folder: at the start, and when it was removed.
pub type Root<D> = Box<dyn Fn() -> io::Result<D> + Send>;

/// The folder of a store's slots.
pub struct Place<D: Folder> {
    reopen: Root<D>,
    root: D,
    above: D,
    name: String,
}

/// A slot whose lock is held.
pub struct Slot<D: Folder> {
    /// The name of its folder.
    pub number: u32,
    /// What is in it.
    pub store: Store<D>,
    _lock: D::Lock,
}

impl<D: Folder> Place<D> {
    /// The folder of the store of that name, in the spool's folder.
    ///
    /// # Errors
    ///
    /// What the file system says.
    pub fn open(reopen: Root<D>, name: &str) -> io::Result<Place<D>> {
        let root = reopen()?;
        Ok(Place {
            above: root.folder(name)?,
            root,
            reopen,
            name: name.to_owned(),
        })
    }

    /// Takes the first slot that is free. `about` is text for people: the endpoints, the program. Slots in which a newer
    /// version wrote are passed over, and told.
    ///
    /// # Errors
    ///
    /// What the file system says, or all slots are held.
    pub fn claim(&self, options: &Options, about: &str, now: Moment) -> Result<(Slot<D>, Vec<Event>), OpenError> {
        let mut passed = Vec::new();
        for number in 0..MOST {
            match self.take(number, options, now) {
                Ok(Some(slot)) => {
                    // It is for people alone: without it nothing is lost.
                    let _ = self.write_about(number, about);
                    return Ok((slot, passed));
                }
                Ok(None) => {}
                Err(newer @ OpenError::Newer { .. }) => passed.push(Event::Stray {
                    name: number.to_string(),
                    why: newer.to_string(),
                }),
                Err(error) => return Err(error),
            }
        }
        Err(OpenError::Disk(io::Error::other(format!(
            "{MOST} slots are held, which is the most"
        ))))
    }

    /// Takes the orphan with the oldest lines, if there is one.
    ///
    /// # Errors
    ///
    /// What the file system says.
    pub fn adopt(&self, options: &Options, now: Moment) -> Result<Option<Slot<D>>, OpenError> {
        let mut orphans = Vec::new();
        for entry in self.above.list().map_err(OpenError::Disk)? {
            if let (Kind::Folder, Ok(number)) = (entry.kind, entry.name.parse::<u32>())
                && let Ok(folder) = self.above.folder(&entry.name)
                && let Some(oldest) = oldest(&folder)
            {
                orphans.push((oldest, number));
            }
        }
        orphans.sort_unstable();
        for (_, number) in orphans {
            match self.take(number, options, now) {
                Ok(Some(slot)) => return Ok(Some(slot)),
                // Held, or not ours to read.
                Ok(None) | Err(OpenError::Newer { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// The names of other stores in the spool's folder, which stay as they are: endpoints may have changed.
    ///
    /// # Errors
    ///
    /// What the file system says.
    pub fn others(&self) -> io::Result<Vec<String>> {
        let folders = self.root.list()?.into_iter().filter(|entry| entry.kind == Kind::Folder);
        let mut names: Vec<_> = folders
            .map(|entry| entry.name)
            .filter(|name| *name != self.name)
            .collect();
        names.sort_unstable();
        Ok(names)
    }

    /// What the spool's file system is called, if it lies on another machine.
    pub(crate) fn network(&self) -> Option<&'static str> {
        self.root.network()
    }

    /// Opens the folders again, which may have been removed.
    pub(crate) fn renew(&mut self) -> io::Result<()> {
        self.root = (self.reopen)()?;
        self.above = self.root.folder(&self.name)?;
        Ok(())
    }

    /// Whether a slot's folder is where it was.
    pub(crate) fn holds(&self, number: u32) -> bool {
        let is_there = |folder: &D, name: &str| {
            folder
                .list()
                .is_ok_and(|all| all.iter().any(|entry| entry.name == name))
        };
        is_there(&self.root, &self.name)
            && is_there(&self.above, &number.to_string())
            && self
                .above
                .folder(&number.to_string())
                .is_ok_and(|slot| is_there(&slot, LOCK))
    }

    /// Takes a certain slot, with what is in it. None: it is held.
    ///
    /// # Errors
    ///
    /// What the file system says; or a newer version wrote in it.
    pub fn take(&self, number: u32, options: &Options, now: Moment) -> Result<Option<Slot<D>>, OpenError> {
        let folder = || self.above.folder(&number.to_string()).map_err(OpenError::Disk);
        let Some(lock) = folder()?.lock(LOCK).map_err(OpenError::Disk)? else {
            return Ok(None);
        };
        let above = self.root.folder(&self.name).map_err(OpenError::Disk)?;
        let store = Store::open(folder()?, above, &self.name, options.clone(), now)?;
        Ok(Some(Slot {
            number,
            store,
            _lock: lock,
        }))
    }

    fn write_about(&self, number: u32, about: &str) -> io::Result<()> {
        const NEW: &str = "about.new";
        let folder = self.above.folder(&number.to_string())?;
        let _ = folder.unlink(NEW);
        let text = format!("store: {}\n{about}\nprocess: {}\n", self.name, std::process::id());
        write_all(&folder.create(NEW)?, 0, &[text.as_bytes()])?;
        folder.rename(NEW, ABOUT)
    }
}

/// When the oldest segment of a slot was made; none: it has no segments. One that cannot be read is the oldest of all.
fn oldest<D: Folder>(folder: &D) -> Option<u64> {
    let names = folder.list().ok()?.into_iter().map(|entry| entry.name);
    let name = names.filter(|name| parse_segment_name(name).is_some()).min()?;
    let mut header = [0; SEGMENT_HEADER];
    let n = folder
        .open(&name)
        .and_then(|file| file.read_at(0, &mut header))
        .unwrap_or(0);
    Some(SegmentHeader::decode(&header[..n]).map_or(0, |header| header.created))
}

/// The name of the folder of a store: `spool_name`, or made of its endpoints, each as `scheme://[user:password@]host:port[/...]`.
///
/// ```
/// use potsdb_spool::slots::store_name;
///
/// let name = store_name(None, &["tsdb://b:4242", "tsdb://user:secret@a:4242/put?mps=1"]);
/// assert_eq!(name, "tsdb-a-4242_tsdb-b-4242");
/// ```
#[must_use]
pub fn store_name(spool_name: Option<&str>, endpoints: &[&str]) -> String {
    let plain = match spool_name {
        Some(name) => name.to_owned(),
        None => {
            let mut all: Vec<_> = endpoints.iter().map(|endpoint| bare(endpoint)).collect();
            all.sort_unstable();
            all.dedup();
            all.join("_")
        }
    };
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let mut name: String = plain.chars().map(|c| if is_plain(c) { c } else { '-' }).collect();
    if name != plain || name.len() > LONGEST_NAME || name.is_empty() || name.starts_with('.') {
        // Two names that look alike now are still two.
        name.truncate(LONGEST_NAME - 17);
        name = format!("{}-{:016x}", name.trim_start_matches('.'), store_id(&plain));
    }
    name
}

/// `scheme-host-port` of an endpoint.
fn bare(endpoint: &str) -> String {
    let (scheme, rest) = endpoint.split_once("://").unwrap_or(("tsdb", endpoint));
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    format!("{scheme}-{}", host.replace(':', "-")).to_ascii_lowercase()
}

#[cfg(test)]
mod tests;
