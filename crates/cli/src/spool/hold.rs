//! Slots taken from a spool to change something in them: `drop` and `replay`. Those that a process holds are passed
//! over, and standard error says so.

use std::fmt::Display;
use std::path::Path;
use std::time::Instant;

use anyhow::Context;
use potsdb_spool::disk::unix::Folder;
use potsdb_spool::inspect::Slot as Seen;
use potsdb_spool::slots::{Place, Slot};
use potsdb_spool::store::{Event, Moment, OpenError};
use potsdb_spool::{Full, Options};

use super::words;
use crate::output::Output;
use crate::statistics::points;

/// The time as the spool wants it.
#[derive(Clone, Copy)]
pub(super) struct Clock(Instant);

impl Clock {
    pub(super) fn start() -> Clock {
        Clock(Instant::now())
    }

    pub(super) fn now(self) -> Moment {
        Moment {
            mono: self.0.elapsed(),
            wall: words::now(),
        }
    }
}

/// Takes a slot of the spool in that folder, unless its process runs or a newer version wrote in it, which is told.
pub(super) fn take(root: &Path, seen: &Seen, now: Moment, output: &Output) -> anyhow::Result<Option<Slot<Folder>>> {
    let root = root.to_owned();
    let taken = Place::open(Box::new(move || Folder::at(&root)), &seen.store)
        .map_err(OpenError::Disk)
        .and_then(|place| place.take(seen.number, &options(), now));
    match taken {
        Ok(Some(slot)) => Ok(Some(slot)),
        Ok(None) => {
            output.note(format_args!("{seen}: left alone: {}", held(seen)));
            Ok(None)
        }
        Err(newer @ OpenError::Newer { .. }) => {
            output.note(format_args!("{seen}: left alone: {newer}"));
            Ok(None)
        }
        Err(error) => Err(error).with_context(|| format!("cannot take {seen}")),
    }
}

/// By whom, for a slot that is held, if only since now.
pub(super) fn held(seen: &Seen) -> String {
    match seen.is_held() {
        true => words::holder(seen),
        false => "held by a process that has just started".to_owned(),
    }
}

/// Nothing is added but what was there, so nothing is dropped either.
fn options() -> Options {
    Options {
        spool_bytes: 1 << 50,
        spool_free: Some(0),
        full: Full::Refuse,
        ..Options::default()
    }
}

/// Tells what a slot has to tell. Returns how many points of it are lost.
pub(super) fn tell(name: impl Display, events: Vec<Event>, output: &Output) -> u64 {
    let mut lost = 0;
    for event in events {
        match event {
            Event::Damaged { bytes, points: in_them } => {
                lost += in_them.len();
                let what = format_args!(
                    "{name}: {} are damaged, {} in them",
                    words::bytes(bytes),
                    points(in_them.len())
                );
                output.note(what);
            }
            Event::Missing { points: gone, .. } => {
                lost += gone.len();
                if !gone.is_empty() {
                    output.note(format_args!("{name}: {} are missing", points(gone.len())));
                }
            }
            Event::Trouble { what } | Event::Off { why: what } => output.note(format_args!("{name}: {what}")),
            _ => {}
        }
    }
    lost
}
