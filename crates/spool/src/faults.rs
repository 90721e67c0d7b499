//! The faults of a disk, one by one: what the simulation does at random, with the outcome that is wanted.
//!
//! The numbers are those of the design's list of faults. Others of it are tested where they belong: `format`, `acked`,
//! `store/age.rs`, `slots`, `writer`, `disk/unix`, `tests/kill.rs` and `tests/fork.rs`.

use std::time::Duration;

mod crashes;
mod damage;
mod refusals;

use crate::disk::Folder as _;
use crate::disk::simulated::{Disk, Folder};
use crate::store::{Event, Full, Lines, Moment, Options, Refused, Store};

const STORE: &str = "store";
const LINE: &[u8] = b"put m 1767225600 1 a=b\n";

/// As many lines as wanted, all the same: what the tests of this crate spool where it does not matter which.
pub(crate) fn lines(points: u32) -> Lines {
    Lines::new(LINE.repeat(points as usize), 1_767_225_600_000)
}

/// A store on a simulated disk, and a clock of seconds.
struct Bench {
    disk: Disk,
    options: Options,
    store: Store<Folder>,
    seconds: u64,
}

impl Bench {
    fn new() -> Bench {
        Bench::with(Options {
            spool_bytes: 16 << 20,
            spool_free: Some(0),
            full: Full::Refuse,
            ..Options::default()
        })
    }

    fn with(options: Options) -> Bench {
        let disk = Disk::new(1, 4096);
        Bench {
            store: open(&disk, &options),
            disk,
            options,
            seconds: 0,
        }
    }

    fn now(&self) -> Moment {
        Moment {
            mono: Duration::from_secs(self.seconds),
            wall: 1_767_225_600_000 + self.seconds * 1_000,
        }
    }

    fn append(&mut self, points: u32) -> Result<u64, Refused> {
        let accepted = self.now().wall;
        self.store.append(
            self.now(),
            Lines {
                accepted,
                ..lines(points)
            },
        )
    }

    /// Segments of so many points each, all safe.
    fn segments(&mut self, counts: &[u32]) {
        for points in counts {
            self.append(*points).unwrap();
            self.sync();
            self.restart();
        }
    }

    fn sync(&mut self) {
        self.store.sync(self.now());
    }

    fn pass(&mut self, seconds: u64) {
        self.seconds += seconds;
        self.store.tick(self.now());
    }

    fn restart(&mut self) {
        self.disk.kill();
        self.store = open(&self.disk, &self.options);
    }

    /// All that can be read, as ranges of positions.
    fn read(&mut self) -> Vec<(u64, u32)> {
        let (mut from, mut read) = (0, Vec::new());
        while let Ok(Some((first, lines))) = self.store.read(self.now(), from) {
            assert_eq!((*lines.payload).as_ref(), LINE.repeat(lines.points as usize));
            read.push((first, lines.points));
            from = first + u64::from(lines.points);
        }
        self.store.give_back(0, u64::MAX);
        read
    }

    fn tamper(&self, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
        self.disk.tamper(&format!("{STORE}/0/{name}"), change);
    }

    /// The slot's folder, as somebody else sees it.
    fn folder(&self) -> Folder {
        self.disk.process().folder(STORE).unwrap().folder("0").unwrap()
    }
}

fn open(disk: &Disk, options: &Options) -> Store<Folder> {
    let above = disk.process().folder(STORE).unwrap();
    let folder = above.folder("0").unwrap();
    let now = Moment {
        mono: Duration::ZERO,
        wall: 1_767_225_600_000,
    };
    Store::open(folder, above, STORE, options.clone(), now).unwrap()
}

fn missing(events: &[Event]) -> Vec<(u64, u64, u64)> {
    let missing = |event: &Event| match event {
        Event::Missing { from, to, points } => Some((*from, *to, points.len())),
        _ => None,
    };
    events.iter().filter_map(missing).collect()
}

fn damaged(events: &[Event]) -> (u64, u64) {
    let damaged = |event: &Event| match event {
        Event::Damaged { bytes, points } => Some((*bytes, points.len())),
        _ => None,
    };
    events
        .iter()
        .filter_map(damaged)
        .fold((0, 0), |sum, more| (sum.0 + more.0, sum.1 + more.1))
}
