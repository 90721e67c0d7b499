//! A file system in memory that does what file systems do on their worst day.
//!
//! - What was not synced is lost in any order, page by page, in a power cut; names that were not synced are lost one by one.
//! - A call fails with any error, writes less than it was given, or ends the process at any byte of a write.
//! - After a sync that failed the pages count as clean: a later sync says that all is well and writes nothing. That is what
//!   Linux does.
//! - A call hangs until it is let go on.
//!
//! Several processes can be on one disk: each [`Folder`] belongs to one, and so does each lock.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

mod calls;
mod content;

use content::{Change, Content, Names};

/// The kinds of calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Call {
    /// Making a file or a folder.
    Create,
    /// Opening one.
    Open,
    /// Listing a folder.
    List,
    /// Reading a file.
    Read,
    /// Writing a file.
    Write,
    /// Syncing a file.
    Sync,
    /// Syncing a folder.
    SyncFolder,
    /// Renaming.
    Rename,
    /// Unlinking.
    Unlink,
    /// Setting space aside, and giving it back.
    Reserve,
}

/// "No space left on device".
pub const ENOSPC: i32 = 28;
/// "Input/output error".
pub const EIO: i32 = 5;
/// "Read-only file system".
pub const EROFS: i32 = 30;

/// A disk. Clones are the same disk.
#[derive(Clone, Debug)]
pub struct Disk(Arc<(Mutex<State>, Condvar)>);

/// An open folder of a disk.
#[derive(Debug)]
pub struct Folder {
    disk: Disk,
    process: u32,
    node: usize,
}

/// An open file of a disk.
#[derive(Debug)]
pub struct File {
    disk: Disk,
    process: u32,
    node: usize,
}

/// A lock that is held.
#[derive(Debug)]
pub struct Lock {
    disk: Disk,
    process: u32,
    node: usize,
}

#[derive(Debug)]
struct State {
    nodes: Vec<Node>,
    locks: BTreeMap<usize, u32>,
    /// Files and folders that have no name any more.
    gone: BTreeSet<usize>,
    processes: u32,
    dead: BTreeSet<u32>,
    dice: Dice,
    page: usize,
    capacity: u64,
    used: u64,
    peak: u64,
    calls: u64,
    /// The call that ends the process, counted from the first.
    end_at: Option<u64>,
    /// Calls of a kind that fail: how many are let through first, how many fail then, with what.
    failing: Vec<(Call, u64, u64, i32)>,
    /// Of a hundred calls, so many fail.
    failures: u64,
    hanging: Option<Call>,
    /// Calls that hang.
    hung: u32,
}

#[derive(Clone, Debug)]
enum Node {
    Folder(Names),
    File(Content),
}

impl Disk {
    /// An empty disk whose pages have that many bytes, with randomness drawn from a seed.
    #[must_use]
    pub fn new(seed: u64, page: usize) -> Disk {
        let state = State {
            nodes: vec![Node::Folder(Names::default())],
            locks: BTreeMap::new(),
            gone: BTreeSet::new(),
            processes: 0,
            dead: BTreeSet::new(),
            dice: Dice::new(seed),
            page,
            capacity: u64::MAX / 4,
            used: 0,
            peak: 0,
            calls: 0,
            end_at: None,
            failing: Vec::new(),
            failures: 0,
            hanging: None,
            hung: 0,
        };
        Disk(Arc::new((Mutex::new(state), Condvar::new())))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The disk's root, for a new process.
    #[must_use]
    pub fn process(&self) -> Folder {
        let mut state = self.state();
        state.processes += 1;
        Folder {
            disk: self.clone(),
            process: state.processes,
            node: 0,
        }
    }

    /// Ends all processes; what they wrote is there.
    pub fn kill(&self) {
        let mut state = self.state();
        state.dead = (0..=state.processes).collect();
        state.locks.clear();
        state.end_at = None;
    }

    /// Ends all processes, and the power: what was not synced is lost in any order.
    pub fn cut_power(&self) {
        self.kill();
        let mut state = self.state();
        let State {
            nodes,
            dice,
            page,
            gone,
            ..
        } = &mut *state;
        let mut named = BTreeSet::new();
        for node in &mut *nodes {
            if let Node::Folder(names) = node {
                names.cut_power(dice);
                named.extend(names.now.values().copied());
            }
        }
        gone.clear();
        for (number, node) in nodes.iter_mut().enumerate() {
            match node {
                Node::File(content) if named.contains(&number) => content.cut_power(dice, *page),
                // Whoever had it open has ended.
                Node::File(content) => *content = Content::default(),
                Node::Folder(_) => {}
            }
        }
        state.count();
    }

    /// Ends the process at its `calls`th call from now, in the middle of it if it is a write.
    pub fn end_after(&self, calls: u64) {
        let mut state = self.state();
        state.end_at = Some(state.calls + calls);
    }

    /// Lets `after` calls of a kind through, and fails the next `times` with that error.
    pub fn fail(&self, call: Call, after: u64, times: u64, error: i32) {
        self.state().failing.push((call, after, times, error));
    }

    /// Of a hundred calls but reads, so many fail, or write less than they could.
    pub fn fail_sometimes(&self, percent: u64) {
        self.state().failures = percent;
    }

    /// No call fails any more, and none hangs.
    pub fn mend(&self) {
        let mut state = self.state();
        state.failing.clear();
        (state.failures, state.hanging, state.capacity) = (0, None, u64::MAX / 4);
        self.0.1.notify_all();
    }

    /// Calls of that kind hang until the disk is mended.
    pub fn hang(&self, call: Call) {
        self.state().hanging = Some(call);
    }

    /// Returns when a call hangs.
    pub fn until_hung(&self) {
        let state = self.state();
        let hung = |state: &mut State| state.hung == 0;
        drop(self.0.1.wait_while(state, hung).unwrap_or_else(PoisonError::into_inner));
    }

    /// The disk holds so many bytes.
    pub fn resize(&self, bytes: u64) {
        self.state().capacity = bytes;
    }

    /// Bytes of its files, with those set aside for them.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.state().used
    }

    /// The most it ever [`used`](Disk::used).
    #[must_use]
    pub fn peak(&self) -> u64 {
        self.state().peak
    }

    /// Calls so far.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.state().calls
    }

    /// Removes a folder of the root, with everything in it, while it may be open.
    pub fn remove(&self, name: &str) {
        let mut state = self.state();
        let names = state.names(0);
        names.stable.remove(name);
        let mut going: Vec<_> = names.now.remove(name).into_iter().collect();
        while let Some(node) = going.pop() {
            state.gone.insert(node);
            if let Node::Folder(names) = &mut state.nodes[node] {
                going.extend(std::mem::take(&mut names.now).into_values());
            }
        }
        state.count();
    }

    /// Puts everything on another disk, in the place of what was there.
    pub fn copy_to(&self, other: &Disk) {
        let (from, mut to) = (self.state(), other.state());
        to.nodes.clone_from(&from.nodes);
        to.count();
    }

    /// A file's bytes, to be tampered with: what is done is on the disk.
    ///
    /// # Panics
    ///
    /// There is no file at that path.
    pub fn tamper(&self, path: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let mut state = self.state();
        let node = path.split('/').fold(0, |node, name| state.names(node).now[name]);
        let Node::File(content) = &mut state.nodes[node] else {
            panic!("{path} is a folder")
        };
        change(&mut content.now);
        content.stable.clone_from(&content.now);
        state.count();
    }
}

impl State {
    fn names(&mut self, node: usize) -> &mut Names {
        match &mut self.nodes[node] {
            Node::Folder(names) => names,
            Node::File(_) => panic!("a file is no folder"),
        }
    }

    fn content(&mut self, node: usize) -> &mut Content {
        match &mut self.nodes[node] {
            Node::File(content) => content,
            Node::Folder(_) => panic!("a folder is no file"),
        }
    }

    fn count(&mut self) {
        fn below(nodes: &[Node], node: usize) -> u64 {
            match &nodes[node] {
                Node::File(content) => content.bytes(),
                Node::Folder(names) => names.now.values().map(|node| below(nodes, *node)).sum(),
            }
        }
        self.used = below(&self.nodes, 0);
        self.peak = self.peak.max(self.used);
    }

    /// Whether a file may grow to that many bytes.
    fn has_room(&mut self, node: usize, bytes: u64) -> bool {
        self.used + bytes.saturating_sub(self.content(node).bytes()) <= self.capacity
    }

    fn change(&mut self, node: usize, change: Change) {
        let names = self.names(node);
        change.apply(&mut names.now);
        names.changes.push(change);
        self.count();
    }
}

/// Randomness from a seed.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// The same seed, the same throws.
    #[must_use]
    pub fn new(seed: u64) -> Dice {
        Dice(
            seed.wrapping_mul(0x9E37_79B9_7F4A_7C15)
                .wrapping_add(0xD1B5_4A32_D192_ED03)
                | 1,
        )
    }

    /// A number below `bound`, or 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 16) % bound.max(1)
    }

    /// True in so many of a hundred cases.
    pub fn chance(&mut self, percent: u64) -> bool {
        percent > 0 && self.below(100) < percent
    }
}
