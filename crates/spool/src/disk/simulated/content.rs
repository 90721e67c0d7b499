//! What a simulated disk holds: names and bytes, each as they are and as they are on the disk.

use std::collections::{BTreeMap, BTreeSet};

use crate::disk::simulated::Dice;

/// The names of a folder: as they are, as they are on the disk, and what has changed since.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    pub(super) now: BTreeMap<String, usize>,
    pub(super) stable: BTreeMap<String, usize>,
    pub(super) changes: Vec<Change>,
}

#[derive(Clone, Debug)]
pub(super) enum Change {
    Set(String, usize),
    Remove(String),
    Rename(String, String, usize),
}

/// The bytes of a file: as they are, as they are on the disk, and the pages that a sync would write.
#[derive(Clone, Debug, Default)]
pub(super) struct Content {
    pub(super) now: Vec<u8>,
    pub(super) stable: Vec<u8>,
    pub(super) dirty: BTreeSet<usize>,
    /// The length is yet to be written, which a sync does.
    pub(super) is_longer: bool,
    pub(super) reserved: u64,
}

impl Content {
    pub(super) fn bytes(&self) -> u64 {
        self.reserved.max(self.now.len() as u64)
    }

    pub(super) fn write(&mut self, at: usize, bytes: &[u8], page: usize) {
        if bytes.is_empty() {
            return;
        }
        let end = at + bytes.len();
        if self.now.len() < end {
            self.now.resize(end, 0);
            self.is_longer = true;
        }
        self.now[at..end].copy_from_slice(bytes);
        self.dirty.extend(at / page..=(end - 1) / page);
    }

    /// Puts the dirty pages, and the length, on the disk.
    pub(super) fn write_back(&mut self, page: usize) {
        for number in std::mem::take(&mut self.dirty) {
            self.put(number, page);
        }
        if std::mem::take(&mut self.is_longer) {
            self.stable.resize(self.now.len(), 0);
        }
    }

    fn put(&mut self, number: usize, page: usize) {
        let range = number * page..((number + 1) * page).min(self.now.len());
        if self.stable.len() < range.end {
            self.stable.resize(range.end, 0);
        }
        self.stable[range.clone()].copy_from_slice(&self.now[range]);
    }

    pub(super) fn cut_power(&mut self, dice: &mut Dice, page: usize) {
        let before = self.stable.len();
        for number in std::mem::take(&mut self.dirty) {
            if dice.chance(50) {
                self.put(number, page);
            }
        }
        let longest = self.now.len().max(before);
        let length = match dice.below(3) {
            0 => before,
            1 => longest,
            _ => before + dice.below((longest - before) as u64 + 1) as usize,
        };
        self.stable.resize(length, 0);
        self.is_longer = false;
        self.now.clone_from(&self.stable);
    }
}

impl Names {
    pub(super) fn cut_power(&mut self, dice: &mut Dice) {
        for change in std::mem::take(&mut self.changes) {
            if dice.chance(50) {
                change.apply(&mut self.stable);
            }
        }
        self.now.clone_from(&self.stable);
    }
}

impl Change {
    pub(super) fn apply(&self, names: &mut BTreeMap<String, usize>) {
        match self {
            Change::Set(name, node) => {
                names.insert(name.clone(), *node);
            }
            Change::Remove(name) => {
                names.remove(name);
            }
            Change::Rename(from, to, node) => {
                names.remove(from);
                names.insert(to.clone(), *node);
            }
        }
    }
}
