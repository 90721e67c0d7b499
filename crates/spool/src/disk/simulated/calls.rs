//! The calls on a simulated disk, and what becomes of each.

use std::io::{self, IoSlice};
use std::sync::{MutexGuard, PoisonError};

use crate::disk::simulated::content::{Change, Content, Names};
use crate::disk::simulated::{Call, Disk, EIO, ENOSPC, File, Folder, Lock, Node, State};
use crate::disk::{self, Entry, Free, Kind};
use crate::format::scan::Source;

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
        Source::read_at(&mut bytes, at, into)
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
