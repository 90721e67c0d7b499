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
use std::io::{self, IoSlice};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::disk::{self, Entry, Free, Kind};

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

/// The names of a folder: as they are, as they are on the disk, and what has changed since.
#[derive(Clone, Debug, Default)]
struct Names {
    now: BTreeMap<String, usize>,
    stable: BTreeMap<String, usize>,
    changes: Vec<Change>,
}

#[derive(Clone, Debug)]
enum Change {
    Set(String, usize),
    Remove(String),
    Rename(String, String, usize),
}

/// The bytes of a file: as they are, as they are on the disk, and the pages that a sync would write.
#[derive(Clone, Debug, Default)]
struct Content {
    now: Vec<u8>,
    stable: Vec<u8>,
    dirty: BTreeSet<usize>,
    /// The length is yet to be written, which a sync does.
    is_longer: bool,
    reserved: u64,
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

/// What becomes of a call: it goes through, or does a part of its work first.
enum Fate {
    Through,
    /// Does a part of it, and then succeeds with that or ends the process.
    Part {
        end: bool,
    },
}

/// Lets a call begin: counts it, and says what becomes of it.
fn enter(disk: &Disk, process: u32, call: Call) -> io::Result<(MutexGuard<'_, State>, Fate)> {
    let mut state = disk.state();
    while state.hanging == Some(call) && !state.dead.contains(&process) {
        state.hung += 1;
        disk.0.1.notify_all();
        state = disk.0.1.wait(state).unwrap_or_else(PoisonError::into_inner);
        state.hung -= 1;
    }
    if state.dead.contains(&process) {
        return Err(io::Error::other("the process has ended"));
    }
    state.calls += 1;
    if state.end_at.is_some_and(|end| state.calls >= end) {
        state.end_at = None;
        state.dead.insert(process);
        state.locks.retain(|_, holder| *holder != process);
        return match call {
            Call::Write => Ok((state, Fate::Part { end: true })),
            _ => Err(io::Error::other("the process ends here")),
        };
    }
    if let Some(failing) = state.failing.iter_mut().find(|(kind, ..)| *kind == call) {
        if failing.1 > 0 {
            failing.1 -= 1;
        } else if failing.2 > 0 {
            failing.2 -= 1;
            let error = failing.3;
            if call == Call::Sync && error == EIO {
                return Ok((state, Fate::Part { end: false }));
            }
            return Err(io::Error::from_raw_os_error(error));
        }
    }
    let percent = state.failures;
    // What is read fails by `fail` alone: after some failures it counts as lost, and should.
    if call != Call::Read && state.dice.chance(percent) {
        return match call {
            Call::Write if state.dice.chance(50) => Ok((state, Fate::Part { end: false })),
            Call::Sync => Ok((state, Fate::Part { end: false })),
            _ if state.dice.chance(50) => Err(io::Error::from_raw_os_error(ENOSPC)),
            _ => Err(io::Error::from_raw_os_error(EIO)),
        };
    }
    Ok((state, Fate::Through))
}

impl Folder {
    /// The disk's root again, for the same process.
    ///
    /// # Errors
    ///
    /// None: it is what opens a folder.
    pub fn again(&self) -> io::Result<Folder> {
        Ok(Folder {
            disk: self.disk.clone(),
            process: self.process,
            node: 0,
        })
    }

    fn enter(&self, call: Call) -> io::Result<MutexGuard<'_, State>> {
        Ok(enter(&self.disk, self.process, call)?.0)
    }

    fn node(&self, state: &mut State, name: &str) -> io::Result<usize> {
        let node = state.names(self.node).now.get(name).copied();
        node.ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl disk::Folder for Folder {
    type File = File;
    type Lock = Lock;

    fn folder(&self, name: &str) -> io::Result<Folder> {
        let mut state = self.enter(Call::Create)?;
        if state.gone.contains(&self.node) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let node = match state.names(self.node).now.get(name) {
            Some(node) => *node,
            None => {
                state.nodes.push(Node::Folder(Names::default()));
                let node = state.nodes.len() - 1;
                state.change(self.node, Change::Set(name.to_owned(), node));
                // Folders are made once and outlive the tests' power cuts: what is in them is what is tested.
                let names = state.names(self.node);
                names.changes.pop();
                names.stable.insert(name.to_owned(), node);
                node
            }
        };
        Ok(Folder {
            disk: self.disk.clone(),
            process: self.process,
            node,
        })
    }

    fn create(&self, name: &str) -> io::Result<File> {
        let mut state = self.enter(Call::Create)?;
        if state.gone.contains(&self.node) {
            return Err(io::ErrorKind::NotFound.into());
        }
        if state.names(self.node).now.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        if state.used >= state.capacity {
            return Err(io::Error::from_raw_os_error(ENOSPC));
        }
        state.nodes.push(Node::File(Content::default()));
        let node = state.nodes.len() - 1;
        state.change(self.node, Change::Set(name.to_owned(), node));
        Ok(File {
            disk: self.disk.clone(),
            process: self.process,
            node,
        })
    }

    fn open(&self, name: &str) -> io::Result<File> {
        let mut state = self.enter(Call::Open)?;
        let node = self.node(&mut state, name)?;
        Ok(File {
            disk: self.disk.clone(),
            process: self.process,
            node,
        })
    }

    fn list(&self) -> io::Result<Vec<Entry>> {
        let mut state = self.enter(Call::List)?;
        let names: Vec<_> = state.names(self.node).now.clone().into_iter().collect();
        let entry = |(name, node): (String, usize)| {
            let (kind, bytes) = match &state.nodes[node] {
                Node::File(content) => (Kind::File, content.bytes()),
                Node::Folder(_) => (Kind::Folder, 0),
            };
            Entry { name, kind, bytes }
        };
        Ok(names.into_iter().map(entry).collect())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.enter(Call::Rename)?;
        let node = self.node(&mut state, from)?;
        state.change(self.node, Change::Rename(from.to_owned(), to.to_owned(), node));
        Ok(())
    }

    fn unlink(&self, name: &str) -> io::Result<()> {
        let mut state = self.enter(Call::Unlink)?;
        let node = self.node(&mut state, name)?;
        state.gone.insert(node);
        state.change(self.node, Change::Remove(name.to_owned()));
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.enter(Call::SyncFolder)?;
        let names = state.names(self.node);
        names.stable.clone_from(&names.now);
        names.changes.clear();
        Ok(())
    }

    fn free(&self) -> io::Result<Free> {
        let state = self.disk.state();
        Ok(Free {
            free: state.capacity.saturating_sub(state.used),
            total: state.capacity,
        })
    }

    fn lock(&self, name: &str) -> io::Result<Option<Lock>> {
        let made = self.create(name);
        if let Err(error) = made
            && error.kind() != io::ErrorKind::AlreadyExists
        {
            return Err(error);
        }
        let mut state = self.enter(Call::Open)?;
        let node = self.node(&mut state, name)?;
        if state.locks.contains_key(&node) {
            return Ok(None);
        }
        state.locks.insert(node, self.process);
        Ok(Some(Lock {
            disk: self.disk.clone(),
            process: self.process,
            node,
        }))
    }
}

impl disk::File for File {
    fn read_at(&self, at: u64, into: &mut [u8]) -> io::Result<usize> {
        let (mut state, _) = enter(&self.disk, self.process, Call::Read)?;
        let mut bytes = &state.content(self.node).now[..];
        crate::format::scan::Source::read_at(&mut bytes, at, into)
    }

    fn write_at(&self, at: u64, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        let (mut state, fate) = enter(&self.disk, self.process, Call::Write)?;
        let mut bytes: Vec<u8> = parts.iter().flat_map(|part| part.iter().copied()).collect();
        if let Fate::Part { .. } = fate {
            let part = state.dice.below(bytes.len() as u64 + 1);
            bytes.truncate(part as usize);
        }
        let (at, page) = (at as usize, state.page);
        while !bytes.is_empty() && !state.has_room(self.node, (at + bytes.len()) as u64) {
            // As many as there is room for, as a file system does it: by the page.
            bytes.truncate((bytes.len() - 1) / page * page);
            if bytes.is_empty() {
                return Err(io::Error::from_raw_os_error(ENOSPC));
            }
        }
        let content = state.content(self.node);
        let before = content.bytes();
        content.write(at, &bytes, page);
        if content.bytes() != before {
            state.count();
        }
        match fate {
            Fate::Part { end: true } => Err(io::Error::other("the process ends here")),
            Fate::Part { end: false } if bytes.is_empty() => Err(io::Error::from_raw_os_error(EIO)),
            _ => Ok(bytes.len()),
        }
    }

    fn sync(&self) -> io::Result<()> {
        let (mut state, fate) = enter(&self.disk, self.process, Call::Sync)?;
        let page = state.page;
        if let Fate::Part { .. } = fate {
            // Some pages got there; all of them count as clean.
            let State { nodes, dice, .. } = &mut *state;
            let Node::File(content) = &mut nodes[self.node] else {
                panic!("a folder is no file")
            };
            content.dirty.retain(|_| dice.chance(50));
            content.write_back(page);
            return Err(io::Error::from_raw_os_error(EIO));
        }
        let content = state.content(self.node);
        content.write_back(page);
        Ok(())
    }

    fn has_name(&self) -> bool {
        !self.disk.state().gone.contains(&self.node)
    }

    fn reserve(&self, length: u64) -> io::Result<()> {
        let (mut state, _) = enter(&self.disk, self.process, Call::Reserve)?;
        if !state.has_room(self.node, length) {
            return Err(io::Error::from_raw_os_error(ENOSPC));
        }
        let content = state.content(self.node);
        content.reserved = content.reserved.max(length);
        state.count();
        Ok(())
    }

    fn cut(&self, length: u64) -> io::Result<()> {
        let (mut state, _) = enter(&self.disk, self.process, Call::Reserve)?;
        let page = state.page;
        let content = state.content(self.node);
        content.dirty.retain(|number| ((*number * page) as u64) < length);
        content.now.truncate(length as usize);
        content.stable.truncate(length as usize);
        content.reserved = 0;
        state.count();
        Ok(())
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        let mut state = self.disk.state();
        if state.locks.get(&self.node) == Some(&self.process) {
            state.locks.remove(&self.node);
        }
    }
}

impl Content {
    fn bytes(&self) -> u64 {
        self.reserved.max(self.now.len() as u64)
    }

    fn write(&mut self, at: usize, bytes: &[u8], page: usize) {
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
    fn write_back(&mut self, page: usize) {
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

    fn cut_power(&mut self, dice: &mut Dice, page: usize) {
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
    fn cut_power(&mut self, dice: &mut Dice) {
        for change in std::mem::take(&mut self.changes) {
            if dice.chance(50) {
                change.apply(&mut self.stable);
            }
        }
        self.now.clone_from(&self.stable);
    }
}

impl Change {
    fn apply(&self, names: &mut BTreeMap<String, usize>) {
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
