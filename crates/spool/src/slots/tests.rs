use std::time::Duration;

use super::{Place, store_name};
use crate::disk::File as _;
use crate::disk::Folder as _;
use crate::disk::simulated::{Disk, Folder};
use crate::faults::lines;
use crate::format::{SegmentHeader, Tried, segment_name, store_id};
use crate::spool::{News, Spool};
use crate::store::{Event, Full, Lines, Moment, Options, Refused};

const STORE: &str = "tsdb-localhost-4242";

fn options() -> Options {
    Options {
        spool_free: Some(0),
        ..Options::default()
    }
}

/// Another process on the disk, with its spool.
fn process(disk: &Disk, wall: u64) -> Spool<Folder> {
    spool(disk, disk.process(), options(), wall)
}

fn spool(disk: &Disk, process: Folder, options: Options, wall: u64) -> Spool<Folder> {
    // All folders are of one process: its end ends them all.
    let _ = disk;
    let root = Box::new(move || process.again());
    Spool::open(root, STORE, "program: test", options, at(0, wall)).unwrap()
}

fn at(seconds: u64, wall: u64) -> Moment {
    Moment {
        mono: Duration::from_secs(seconds),
        wall,
    }
}

fn points(spool: &Spool<Folder>) -> u64 {
    spool
        .ids()
        .iter()
        .filter_map(|id| spool.stats(*id))
        .map(|stats| stats.points)
        .sum()
}

fn slots(disk: &Disk) -> usize {
    disk.process().folder(STORE).unwrap().list().unwrap().len()
}

#[test]
fn e6_21_a_store_is_its_endpoints_without_what_changes() {
    let name = store_name(None, &["tsdb://a:4242", "tsdb://b:4242"]);
    assert_eq!(name, "tsdb-a-4242_tsdb-b-4242");
    assert_eq!(
        store_name(None, &["tsdb://b:4242", "tsdb://A:4242"]),
        name,
        "order and case"
    );
    assert_eq!(
        store_name(None, &["tsdb://u:p@b:4242/api?x=1", "tsdb://u:new@a:4242"]),
        name,
        "secrets and paths"
    );
    assert_ne!(store_name(None, &["tsdb://a:4242"]), name);
    assert_ne!(
        store_name(None, &["http://a:4242", "http://b:4242"]),
        name,
        "another wire"
    );
    assert_eq!(store_name(Some("metrics"), &["tsdb://a:4242"]), "metrics");
    for odd in ["../../etc", "a/b", "a b", "", ".", "é", &"x".repeat(300)] {
        let name = store_name(Some(odd), &[]);
        assert!(
            !name.contains('/') && !name.starts_with('.') && name.len() <= 120,
            "{name}"
        );
    }
    assert_ne!(store_name(Some("a/b"), &[]), store_name(Some("a b"), &[]));

    // A folder of other endpoints is kept and told.
    let disk = Disk::new(1, 512);
    disk.process().folder("tsdb-old-4242").unwrap();
    let told = process(&disk, 0).news();
    assert!(
        matches!(&told[..], [News::Slot(_, Event::Stray { name, .. })] if name == "tsdb-old-4242"),
        "{told:?}"
    );
}

#[test]
fn e6_18_fifty_kills_make_no_new_slot_and_lose_nothing() {
    let disk = Disk::new(1, 512);
    for n in 0..50 {
        let mut spool = process(&disk, n);
        assert_eq!(points(&spool), 3 * n);
        spool.append(at(0, n), lines(3)).unwrap();
        spool.sync(at(0, n));
        disk.cut_power();
    }
    assert_eq!(slots(&disk), 1);
    assert_eq!(points(&process(&disk, 50)), 150);
}

#[test]
fn e6_19_two_processes_have_a_slot_each_and_an_orphan_is_adopted_once() {
    let disk = Disk::new(1, 512);
    let mut first = process(&disk, 1);
    let tried = Tried::Telnet;
    first.append(at(0, 1), Lines { tried, ..lines(2) }).unwrap();
    first.sync(at(0, 1));
    let mut second = process(&disk, 2);
    second.append(at(0, 2), lines(5)).unwrap();
    second.sync(at(0, 2));
    assert_eq!((slots(&disk), points(&second)), (2, 5));
    assert_eq!(second.adopt(at(0, 2)), None, "its process lives");
    // The first is killed: its lock goes with it.
    drop(first);
    let adopted = second.adopt(at(1, 2)).unwrap();
    let third = process(&disk, 3);
    assert_eq!((slots(&disk), points(&third)), (3, 0), "a slot that is adopted is held");
    assert_eq!(second.adopt(at(1, 2)), None);
    // It is read where it is, and let go when it is empty.
    let (first, lines) = second.read(at(1, 2), adopted, 0).unwrap().unwrap();
    assert_eq!((first, lines.points, lines.tried), (0, 2, Tried::Telnet));
    second.done(adopted, 0, 2);
    second.tick(at(2, 2));
    assert!(second.news().contains(&News::Drained(adopted)));
    assert_eq!(points(&second), 5);
}

#[test]
fn the_oldest_orphan_is_adopted_first() {
    let disk = Disk::new(1, 512);
    let (mut a, mut b) = (process(&disk, 0), process(&disk, 0));
    a.append(at(0, 2_000), lines(1)).unwrap();
    b.append(at(0, 1_000), lines(2)).unwrap();
    // It takes the third slot, and they end.
    let mut c = process(&disk, 0);
    (a, b) = (a, b);
    drop((a, b));
    let first = c.adopt(at(1, 3_000)).unwrap();
    assert_eq!(c.stats(first).unwrap().points, 2);
    assert!(c.adopt(at(1, 3_000)).is_some());
}

#[test]
fn e6_15_adopted_slots_count_and_lose_their_oldest_first() {
    let disk = Disk::new(1, 4096);
    let cap = 2 << 20;
    let small = || Options {
        spool_bytes: cap,
        ..options()
    };
    let fat = || lines(2_800);
    let mut old = spool(&disk, disk.process(), small(), 1);
    for _ in 0..8 {
        old.append(at(0, 1), fat()).unwrap();
    }
    old.sync(at(0, 1));
    let mut spool = spool(&disk, disk.process(), small(), 2);
    drop(old);
    spool.adopt(at(0, 2)).unwrap();
    let (mut dropped, mut appended) = (0, 8 * 2_800);
    for _ in 0..60 {
        spool.append(at(0, 2), fat()).unwrap();
        appended += 2_800;
        spool.tick(at(0, 2));
        assert!(disk.used() <= cap, "{} bytes", disk.used());
        for news in spool.news() {
            if let News::Slot(_, Event::DroppedFull { points }) = news {
                dropped += points.len();
            }
        }
        assert_eq!(points(&spool) + dropped, appended);
    }
    assert!(disk.peak() <= cap && dropped > 0);
    assert_eq!(spool.ids().len(), 1, "the adopted slot went first");
}

#[test]
fn e6_15_where_new_lines_are_refused_those_of_adopted_slots_stay() {
    let disk = Disk::new(1, 4096);
    let small = || Options {
        spool_bytes: 2 << 20,
        full: Full::Refuse,
        ..options()
    };
    let mut old = spool(&disk, disk.process(), small(), 1);
    for _ in 0..8 {
        old.append(at(0, 1), lines(2_800)).unwrap();
    }
    old.sync(at(0, 1));
    let mut spool = spool(&disk, disk.process(), small(), 2);
    drop(old);
    spool.adopt(at(0, 2)).unwrap();
    let mut kept = 8 * 2_800;
    let refused = loop {
        match spool.append(at(0, 2), lines(2_800)) {
            Ok(_) => kept += 2_800,
            Err(refused) => break refused,
        }
    };
    assert_eq!(refused, Refused::Full);
    assert_eq!(points(&spool), kept);
}

#[test]
fn e6_13_a_folder_that_is_removed_is_made_anew_and_lines_in_memory_stay() {
    let disk = Disk::new(1, 512);
    let mut spool = process(&disk, 1);
    let old = spool.own();
    spool.append(at(0, 1), lines(2)).unwrap();
    disk.remove(STORE);
    spool.sync(at(1, 1));
    assert_eq!(
        spool.safe(old),
        Some(0),
        "what is synced into a file without a name is not safe"
    );
    assert!(matches!(spool.append(at(1, 1), lines(3)), Err(Refused::Off(_))));
    spool.tick(at(40, 1));
    let own = spool.own();
    assert!(spool.news().contains(&News::Moved(own)));
    assert_ne!(own, old);
    assert_eq!(spool.append(at(40, 1), lines(4)).unwrap().0, own);
    assert_eq!(
        spool.read(at(40, 1), old, 0).unwrap().unwrap().1.points,
        2,
        "from memory"
    );
    spool.sync(at(40, 1));
    assert_eq!(spool.safe(own), Some(4));
}

#[test]
fn e6_28_a_slot_of_a_newer_version_is_left_and_told() {
    let disk = Disk::new(1, 512);
    let slot = disk.process().folder(STORE).unwrap().folder("0").unwrap();
    let header = SegmentHeader {
        store: store_id(STORE),
        first: 0,
        created: 1,
        after_torn: false,
    };
    let mut bytes = header.encode();
    bytes[8] = 2;
    let crc = crc32fast::hash(&bytes[..60]);
    bytes[60..].copy_from_slice(&crc.to_le_bytes());
    let file = slot.create(&segment_name(0, 0)).unwrap();
    file.write_at(0, &[std::io::IoSlice::new(&bytes)]).unwrap();
    let mut spool = process(&disk, 1);
    let told = spool.news();
    assert!(
        matches!(&told[..], [News::Slot(_, Event::Stray { name, .. })] if name == "0"),
        "{told:?}"
    );
    spool.append(at(0, 1), lines(1)).unwrap();
    assert_eq!(spool.adopt(at(0, 1)), None);
    assert_eq!(slots(&disk), 2);
    assert!(
        slot.list()
            .unwrap()
            .iter()
            .any(|entry| entry.name == segment_name(0, 0)),
        "nothing destroyed"
    );
}

#[test]
fn e6_27_a_folder_that_was_copied_is_read_elsewhere() {
    let disk = Disk::new(1, 512);
    let mut spool = process(&disk, 1);
    spool.append(at(0, 1), lines(7)).unwrap();
    spool.close(at(0, 1));
    let elsewhere = Disk::new(2, 512);
    disk.copy_to(&elsewhere);
    let mut spool = process(&elsewhere, 2);
    assert_eq!(points(&spool), 7);
    let own = spool.own();
    assert_eq!(spool.read(at(0, 2), own, 0).unwrap().unwrap().1.points, 7);
}

#[test]
fn about_is_text_for_people() {
    let disk = Disk::new(1, 512);
    let _spool = process(&disk, 1);
    let slot = disk.process().folder(STORE).unwrap().folder("0").unwrap();
    let mut text = [0; 200];
    let n = slot.open("about").unwrap().read_at(0, &mut text).unwrap();
    let text = std::str::from_utf8(&text[..n]).unwrap();
    assert!(
        text.starts_with("store: tsdb-localhost-4242\nprogram: test\nprocess: "),
        "{text}"
    );
    let _ = Place::open(Box::new(move || Ok(disk.process())), STORE).unwrap();
}
