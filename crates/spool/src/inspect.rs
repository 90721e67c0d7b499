//! A spool from outside, for whoever only looks: stores, slots, who holds them, what is in them, and what is wrong.
//!
//! ```text
//!   look -----> stores -----> slots -----> walk: every record, oldest first, and a summary
//!               others'       held by whom       '-- repair, adopt: while the slot's lock is held
//!               strays        strays
//! ```
//!
//! Nothing is changed, so a spool can be looked at while its process runs. Then its end moves: a record that is being
//! written is no damage, and a segment that went was done with. The same records count as when
//! [`Store`](crate::store::Store) opens the slot; a test compares the two.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::disk::unix::looking::{Folder, Holder};
use crate::disk::{Entry, Kind};
use crate::slots::{ABOUT, LOCK};

mod adopt;
mod findings;
mod repair;
mod segments;
mod walk;

pub use adopt::{Adopted, adopt};
pub use findings::{Damage, Gap, Stray};
pub use repair::{Repair, repair};
pub use walk::{Record, Summary};

/// The spool's folder.
#[derive(Debug)]
pub struct Seen {
    /// How it was named.
    pub path: PathBuf,
    /// The stores, in the order of their names.
    pub stores: Vec<Store>,
    /// What is no store's folder.
    pub strays: Vec<Stray>,
    /// What its file system is called, if it lies on another machine.
    pub network: Option<&'static str>,
}

/// The folder of a store.
#[derive(Debug)]
pub struct Store {
    /// Its name.
    pub name: String,
    /// The slots, in the order of their numbers.
    pub slots: Vec<Slot>,
    /// Damaged segments that a repair has set aside.
    pub set_aside: Vec<Entry>,
    /// What is no slot's folder.
    pub strays: Vec<Stray>,
    /// Bytes of everything in it, as `spool_bytes` counts them.
    pub bytes: u64,
}

/// The folder of a slot.
#[derive(Debug)]
pub struct Slot {
    /// The store's name.
    pub store: String,
    /// Its own name.
    pub number: u32,
    /// Who holds it.
    pub holder: Holder,
    /// What its last process wrote about itself. Empty: nothing.
    pub about: String,
    /// Bytes of everything in it.
    pub bytes: u64,
    folder: Folder,
}

/// How the name of a segment ends that a repair has set aside.
pub const DAMAGED: &str = ".damaged";

/// The most bytes of `about` that are read.
const LONGEST_ABOUT: usize = 4096;

/// Looks at the spool's folder.
///
/// # Errors
///
/// What the file system says of that folder. What cannot be looked at below it is a stray.
pub fn look(path: &Path) -> io::Result<Seen> {
    let root = Folder::at(path)?;
    let mut seen = Seen {
        path: path.to_owned(),
        stores: Vec::new(),
        strays: Vec::new(),
        network: root.network(),
    };
    for entry in root.list()? {
        if entry.kind != Kind::Folder {
            seen.strays.push(Stray::new(&entry.name, "not of the spool"));
            continue;
        }
        match root.folder(&entry.name).and_then(|folder| store(&entry.name, &folder)) {
            Ok(store) if store.slots.is_empty() && store.bytes > 0 => {
                seen.strays.push(Stray::new(&entry.name, "a folder without slots"));
            }
            Ok(store) => seen.stores.push(store),
            Err(error) => seen.strays.push(Stray::new(&entry.name, &error.to_string())),
        }
    }
    Ok(seen)
}

fn store(name: &str, folder: &Folder) -> io::Result<Store> {
    let mut store = Store {
        name: name.to_owned(),
        slots: Vec::new(),
        set_aside: Vec::new(),
        strays: Vec::new(),
        bytes: 0,
    };
    for entry in folder.list()? {
        let number = slot_number(&entry.name);
        match (entry.kind, number) {
            (Kind::Folder, Some(number)) => match folder.folder(&entry.name).and_then(|f| slot(name, number, f)) {
                Ok(slot) => {
                    store.bytes += slot.bytes;
                    store.slots.push(slot);
                }
                Err(error) => store.strays.push(Stray::new(&entry.name, &error.to_string())),
            },
            (Kind::File, _) if entry.name.ends_with(DAMAGED) => {
                store.bytes += entry.bytes;
                store.set_aside.push(entry);
            }
            _ => {
                store.bytes += entry.bytes;
                store.strays.push(Stray::new(&entry.name, "not of the spool"));
            }
        }
    }
    store.slots.sort_by_key(|slot| slot.number);
    Ok(store)
}

/// The number of a slot, if that is the name of one.
fn slot_number(name: &str) -> Option<u32> {
    name.parse().ok().filter(|number: &u32| number.to_string() == name)
}

fn slot(store: &str, number: u32, folder: Folder) -> io::Result<Slot> {
    let about = folder.open(ABOUT).and_then(|file| file.start(LONGEST_ABOUT));
    let mut bytes = 0;
    for entry in folder.list()? {
        bytes += match entry.kind {
            Kind::Folder => folder
                .folder(&entry.name)
                .and_then(|below| below.list())
                .map_or(0, |below| below.iter().map(|entry| entry.bytes).sum()),
            _ => entry.bytes,
        };
    }
    Ok(Slot {
        store: store.to_owned(),
        number,
        holder: folder.holder(LOCK)?,
        about: String::from_utf8_lossy(&about.unwrap_or_default()).into_owned(),
        bytes,
        folder,
    })
}

impl Slot {
    /// Whether a process holds it.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.holder != Holder::Nobody
    }
}

/// `tsdb-tsd1-4242/0`: its store and its number.
impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.store, self.number)
    }
}

#[cfg(test)]
mod tests;
