//! An adoption by hand: the lines of a slot become another store's, because its servers have another name now.
//!
//! The segments are written anew for the other store, one after the other, into a slot of their own. Each goes from the
//! old slot when it is whole in the new one. So every line is in one of the two slots at every moment. If the adoption
//! is killed in between, some are in both, and are sent twice. The newest segments go first, so that what is left has
//! no gap. The old slot's folder stays, because a process may be about to lock it.

use std::io;
use std::ops::ControlFlow;
use std::path::Path;

use crate::acked::Entry;
use crate::disk::unix::{Folder, Lock};
use crate::disk::{File as _, Folder as _, write_all};
use crate::format::scan::Source as _;
use crate::format::{SEGMENT_HEADER, SegmentHeader, store_id};
use crate::inspect::segments::{self, Segment};
use crate::inspect::{Slot, Summary};
use crate::slots::{ABOUT, LOCK, MOST};

/// What an adoption did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Adopted {
    /// What was in the slot.
    pub summary: Summary,
    /// The slot that it is in now; none: nothing was in it, or a newer version wrote in it.
    pub slot: Option<u32>,
}

/// A segment that is not whole yet.
pub(super) const NEW: &str = "adopt.new";

/// How much of a segment is copied at once.
const CHUNK: usize = 256 * 1024;

/// Gives what is in a slot to the store of that name, in a slot of its own; whoever has that store delivers it. `root`
/// is the spool's folder, `now` wall time in milliseconds since 1970. None: a process holds the slot.
///
/// # Errors
///
/// What the file system says. Every line is in the old slot or in the new one then.
pub fn adopt(root: &Path, slot: &Slot, into: &str, now: u64) -> io::Result<Option<Adopted>> {
    adopt_by_step(root, slot, into, now, &mut || Ok(()))
}

/// The same. `step` is called before each change, which does not happen if it fails.
pub(super) fn adopt_by_step(
    root: &Path,
    slot: &Slot,
    into: &str,
    now: u64,
    step: &mut dyn FnMut() -> io::Result<()>,
) -> io::Result<Option<Adopted>> {
    if slot.store == into {
        let why = format!("{into} has it already");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
    }
    if slot.is_held() {
        return Ok(None);
    }
    let root = Folder::at(root)?;
    let old = root.folder(&slot.store)?.folder(&slot.number.to_string())?;
    let Some(_lock) = old.lock(LOCK)? else {
        return Ok(None);
    };
    let summary = slot.walk(false, |_| Ok(ControlFlow::Continue(())))?;
    let segments = segments::find(&slot.folder, store_id(&slot.store))?.segments;
    if summary.newer.is_some() || !segments.iter().any(|segment| segment.is_certain) {
        return Ok(Some(Adopted { summary, slot: None }));
    }
    let (number, new, _new_lock) = free_slot(&root.folder(into)?)?;
    let about = format!("store: {into}\nadopted: from {}/{}\n", slot.store, slot.number);
    write_all(&new.create(ABOUT)?, 0, &[about.as_bytes()])?;
    // What is in no position stays where it is.
    for segment in segments.iter().rev().filter(|segment| segment.is_certain) {
        copy(slot, segment, store_id(into), &new, step)?;
        step()?;
        old.unlink(&segment.name)?;
        old.sync()?;
    }
    if summary.acked > 0 {
        step()?;
        let file = new.create(NEW)?;
        let entry = Entry {
            position: summary.acked,
            time: now,
        };
        write_all(&file, 0, &[&entry.encode()])?;
        file.sync()?;
        new.rename(NEW, "acked")?;
        new.sync()?;
    }
    Ok(Some(Adopted {
        summary,
        slot: Some(number),
    }))
}

/// Makes a slot that nothing is in, and takes it.
fn free_slot(above: &Folder) -> io::Result<(u32, Folder, Lock)> {
    for number in 0..MOST {
        let name = number.to_string();
        if above.list()?.iter().any(|entry| entry.name == name) {
            continue;
        }
        let folder = above.folder(&name)?;
        if let Some(lock) = folder.lock(LOCK)?
            && folder.list()?.iter().all(|entry| entry.name == LOCK)
        {
            above.sync()?;
            return Ok((number, folder, lock));
        }
    }
    Err(io::Error::other(format!("{MOST} slots are there, which is the most")))
}

fn copy(
    slot: &Slot,
    segment: &Segment,
    id: u64,
    new: &Folder,
    step: &mut dyn FnMut() -> io::Result<()>,
) -> io::Result<()> {
    let mut from = slot.folder.open(&segment.name)?;
    step()?;
    let to = new.create(NEW)?;
    let header = SegmentHeader {
        store: id,
        first: segment.first,
        created: segment.created,
        after_torn: segment.after_torn,
    };
    write_all(&to, 0, &[&header.encode()])?;
    let (mut at, mut chunk) = (SEGMENT_HEADER as u64, vec![0; CHUNK]);
    loop {
        let n = from.read_at(at, &mut chunk)?;
        if n == 0 {
            break;
        }
        write_all(&to, at, &[&chunk[..n]])?;
        at += n as u64;
    }
    if from.unread() > 0 {
        return Err(io::Error::other(format!(
            "{}: the disk does not give all of it: repair it first",
            segment.name
        )));
    }
    to.sync()?;
    step()?;
    new.rename(NEW, &segment.name)?;
    new.sync()
}
