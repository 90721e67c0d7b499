//! The faults of a disk, one by one: what the simulation does at random, with the outcome that is wanted.
//!
//! The numbers are those of the design's list of faults. Others of it are tested where they belong: `format`, `acked`,
//! `store/age.rs`, `slots`, `writer`, `disk/unix`, and `tests/kill.rs`.

use std::io::IoSlice;
use std::sync::Arc;
use std::time::Duration;

use crate::disk::simulated::{Call, Disk, EIO, ENOSPC, EROFS, Folder};
use crate::disk::{File as _, Folder as _};
use crate::format::{RECORD_HEADER, SEGMENT_HEADER, Tried, segment_name};
use crate::store::{Event, Full, Lines, Moment, Options, RETRY, Refused, Store};

const STORE: &str = "store";
const LINE: &[u8] = b"put m 1767225600 1 a=b\n";

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
        let lines = Lines {
            payload: Arc::new(LINE.repeat(points as usize)),
            points,
            accepted: self.now().wall,
            tried: Tried::Nothing,
        };
        self.store.append(self.now(), lines)
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
        Event::Missing { from, to, points } => Some((*from, *to, *points)),
        _ => None,
    };
    events.iter().filter_map(missing).collect()
}

fn damaged(events: &[Event]) -> (u64, u64) {
    let damaged = |event: &Event| match event {
        Event::Damaged { bytes, points } => Some((*bytes, *points)),
        _ => None,
    };
    events
        .iter()
        .filter_map(damaged)
        .fold((0, 0), |sum, more| (sum.0 + more.0, sum.1 + more.1))
}

#[test]
fn e6_01_a_kill_at_any_call_leaves_what_was_safe() {
    for calls in 0..40 {
        let mut bench = Bench::new();
        bench.append(3).unwrap();
        bench.sync();
        bench.store.done(0, 1);
        bench.disk.end_after(calls);
        let _ = bench.append(2);
        bench.pass(2);
        let (low, safe) = (bench.store.low(), bench.store.safe());
        bench.restart();
        let read = bench.read();
        assert!(read[0].0 <= low, "killed at call {calls}: {read:?}");
        let end = read.last().map_or(0, |(first, points)| first + u64::from(*points));
        assert!((safe..=5).contains(&end), "killed at call {calls}: {read:?}");
    }
}

#[test]
fn e6_02_a_power_cut_leaves_what_was_safe_and_whole_lines() {
    for seed in 0..200 {
        let mut bench = Bench::new();
        bench.disk = Disk::new(seed, if seed % 2 == 0 { 512 } else { 4096 });
        bench.store = open(&bench.disk, &bench.options);
        bench.append(300).unwrap();
        bench.sync();
        bench.append(200).unwrap();
        bench.append(100).unwrap();
        bench.disk.cut_power();
        bench.store = open(&bench.disk, &bench.options);
        let read = bench.read();
        assert_eq!(read[0], (0, 300));
        assert!(
            read[1..].iter().all(|run| [(300, 200), (500, 100)].contains(run)),
            "{read:?}"
        );
        // Positions that were lost are given to others, which are read.
        let first = bench.append(50).unwrap();
        bench.sync();
        bench.restart();
        assert_eq!(bench.read().last(), Some(&(first, 50)));
    }
}

#[test]
fn e6_03_04_a_torn_end_is_counted_and_what_follows_starts_clean() {
    let mut bench = Bench::new();
    bench.append(3).unwrap();
    bench.append(2).unwrap();
    bench.sync();
    let name = segment_name(0, 0);
    let record = (RECORD_HEADER + 2 * LINE.len()) as u64;
    bench.tamper(&name, |bytes| bytes.truncate(bytes.len() - 1));
    bench.restart();
    assert_eq!(damaged(&bench.store.events()), (record, 0));
    assert_eq!(bench.store.stats().damaged_bytes, record);
    assert_eq!(bench.read(), [(0, 3)]);
    bench.append(4).unwrap();
    bench.sync();
    bench.tamper(&segment_name(3, 0), |bytes| bytes.extend([0; 9_000]));
    bench.restart();
    assert_eq!(bench.read(), [(0, 3), (3, 4)]);
    assert_eq!(damaged(&bench.store.events()).1, 0);
}

#[test]
fn e6_05_a_bit_flipped_in_the_middle_costs_its_record() {
    let mut bench = Bench::new();
    for _ in 0..3 {
        bench.append(2).unwrap();
    }
    bench.sync();
    bench.restart();
    bench.append(1).unwrap();
    let record = RECORD_HEADER + 2 * LINE.len();
    // In the header, and in a line.
    for at in [SEGMENT_HEADER + record + 9, SEGMENT_HEADER + record + RECORD_HEADER + 5] {
        bench.tamper(&segment_name(0, 0), |bytes| bytes[at] ^= 4);
        bench.restart();
        assert_eq!(bench.store.stats().points, 7, "an unread segment holds what it held");
        assert_eq!(bench.read(), [(0, 2), (4, 2), (6, 1)]);
        let events = bench.store.events();
        let (bytes, points) = damaged(&events);
        assert_eq!(
            (bytes, points + missing(&events).iter().map(|gap| gap.2).sum::<u64>()),
            (record as u64, 2)
        );
        assert_eq!(bench.store.stats().points, 5);
        bench.tamper(&segment_name(0, 0), |bytes| bytes[at] ^= 4);
    }
}

#[test]
fn e6_02_a_hole_that_a_crash_left_is_known_at_every_start() {
    let mut bench = Bench::new();
    for points in [3, 2, 4] {
        bench.append(points).unwrap();
    }
    bench.sync();
    let hole = SEGMENT_HEADER + RECORD_HEADER + 3 * LINE.len();
    bench.tamper(&segment_name(0, 0), |bytes| bytes[hole..hole + RECORD_HEADER].fill(0));
    for points in 7..10 {
        bench.restart();
        assert_eq!(bench.store.stats().points, points);
        bench.append(1).unwrap();
        bench.sync();
    }
    bench.read();
    assert_eq!(missing(&bench.store.events()), []);
}

#[test]
fn e6_05_a_segment_whose_header_is_damaged_is_read_all_the_same() {
    let mut bench = Bench::new();
    bench.segments(&[3, 2, 1]);
    bench.tamper(&segment_name(3, 0), |bytes| bytes[20] ^= 1);
    bench.restart();
    assert_eq!(bench.read(), [(0, 3), (3, 2), (5, 1)]);
    assert_eq!(damaged(&bench.store.events()), (SEGMENT_HEADER as u64, 0));
}

#[test]
fn e6_07_without_acked_lines_come_twice_and_none_is_lost() {
    for change in [
        (|bytes: &mut Vec<u8>| bytes.clear()) as fn(&mut Vec<u8>),
        |bytes| bytes.truncate(31),
        |bytes| bytes[9] ^= 1,
        |bytes| {
            *bytes = crate::acked::Entry {
                position: 1 << 40,
                time: 0,
            }
            .encode()
            .to_vec();
        },
    ] {
        let mut bench = Bench::new();
        bench.segments(&[3, 2]);
        bench.store.done(0, 4);
        bench.pass(2);
        assert_eq!(bench.store.stats().segments, 1);
        bench.tamper("acked", change);
        bench.restart();
        assert_eq!(bench.read(), [(3, 2)]);
        // Positions go on above all that were there.
        let first = bench.append(1).unwrap();
        assert!(first >= 5);
        bench.sync();
        bench.restart();
        assert_eq!(bench.read(), [(3, 2), (first, 1)]);
    }
}

#[test]
fn e6_08_acked_ahead_of_the_data_starts_at_the_first_record_and_is_told() {
    let mut bench = Bench::new();
    bench.segments(&[3, 2]);
    bench.store.done(0, 4);
    bench.pass(2);
    bench.tamper("acked", |bytes| {
        *bytes = crate::acked::Entry { position: 900, time: 0 }.encode().to_vec();
    });
    bench.restart();
    assert_eq!(missing(&bench.store.events()), [(5, 900, 0)]);
    assert_eq!(bench.read(), [(3, 2)]);
    assert_eq!(bench.append(1), Ok(900));
}

#[test]
fn e6_09_a_middle_segment_that_is_deleted_is_a_gap() {
    for running in [true, false] {
        let mut bench = Bench::new();
        bench.segments(&[3, 2, 4]);
        bench.folder().unlink(&segment_name(3, 0)).unwrap();
        if !running {
            bench.restart();
        }
        assert_eq!(bench.store.stats().points, 9);
        assert_eq!(bench.read(), [(0, 3), (5, 4)], "running: {running}");
        assert_eq!(missing(&bench.store.events()), [(3, 5, 2)]);
        assert_eq!(bench.store.stats().points, 7);
        bench.store.done(0, 9);
        bench.pass(2);
        assert_eq!(bench.store.stats().points, 0);
    }
}

#[test]
fn e6_09_lines_written_to_a_segment_that_is_deleted_are_not_safe_there() {
    let mut bench = Bench::new();
    bench.append(3).unwrap();
    bench.folder().unlink(&segment_name(0, 0)).unwrap();
    bench.sync();
    assert_eq!(bench.store.safe(), 3, "written again, to a segment with a name");
    bench.disk.cut_power();
    bench.store = open(&bench.disk, &bench.options);
    assert_eq!(bench.read(), [(0, 3)]);
}

#[test]
fn e6_10_strays_are_named_and_left() {
    let mut bench = Bench::new();
    bench.segments(&[2]);
    let folder = bench.folder();
    let copy = folder.create(".00000000000000000000.spool.swp").unwrap();
    copy.write_at(0, &[IoSlice::new(b"x")]).unwrap();
    folder.create("00000000000000000000.repair").unwrap();
    folder.folder("00000000000000000009.spool").unwrap();
    bench.restart();
    let folder = bench.folder();
    let strays: Vec<_> = bench
        .store
        .events()
        .into_iter()
        .filter(|event| matches!(event, Event::Stray { .. }))
        .collect();
    assert_eq!(strays.len(), 3, "{strays:?}");
    assert_eq!(bench.read(), [(0, 2)]);
    assert_eq!(
        folder.list().unwrap().len(),
        5,
        "those, the segment, and the folder of what was rejected"
    );
}

#[test]
fn e6_11_13_a_disk_that_takes_nothing_is_a_state_that_ends() {
    let calls = [Call::Write, Call::Sync, Call::Create, Call::SyncFolder, Call::Reserve];
    for error in [ENOSPC, EIO, EROFS] {
        for call in calls {
            let mut bench = Bench::new();
            bench.segments(&[3]);
            bench.disk.fail(call, 0, u64::MAX, error);
            // Whether it notices at once depends on the call.
            let taken = [bench.append(1), bench.append(1)].into_iter().flatten().count() as u32;
            bench.sync();
            assert!(bench.store.off().is_some(), "{call:?} {error}");
            assert!(matches!(bench.append(1), Err(Refused::Off(_))));
            assert_eq!(bench.store.safe(), 3, "nothing is called safe");
            let read: u32 = bench.read().iter().map(|run| run.1).sum();
            assert_eq!(read, 3 + taken, "what it has taken is given back from memory");
            // One report, however long it lasts.
            for _ in 0..5 {
                bench.pass(31);
            }
            let offs = bench
                .store
                .events()
                .into_iter()
                .filter(|event| matches!(event, Event::Off { .. }))
                .count();
            assert_eq!(offs, 1);
            bench.disk.mend();
            bench.pass(RETRY.as_secs() + 1);
            assert_eq!((bench.store.off(), bench.store.safe()), (None, u64::from(3 + taken)));
            assert!(bench.store.events().contains(&Event::On));
            bench.disk.cut_power();
            bench.store = open(&bench.disk, &bench.options);
            assert_eq!(bench.read().iter().map(|run| run.1).sum::<u32>(), 3 + taken);
        }
    }
}

#[test]
fn e6_11_a_disk_too_full_for_acked_can_still_delete() {
    let mut bench = Bench::new();
    bench.segments(&[3, 2, 1]);
    bench.disk.fail(Call::Reserve, 0, u64::MAX, ENOSPC);
    bench.store.done(0, 6);
    for _ in 0..5 {
        bench.pass(31);
    }
    assert!(bench.store.stats().segments < 3);
    bench.disk.mend();
    bench.pass(31);
    bench.pass(31);
    assert_eq!(bench.store.stats().segments, 0);
    bench.restart();
    assert_eq!(bench.append(1), Ok(6), "no position is given out twice");
}

#[test]
fn e6_12_after_a_failed_sync_the_file_is_not_believed() {
    let mut bench = Bench::new();
    bench.append(3).unwrap();
    bench.disk.fail(Call::Sync, 0, 1, EIO);
    bench.sync();
    assert_eq!(
        (bench.store.safe(), bench.store.stats().segments),
        (3, 2),
        "written again elsewhere"
    );
    bench.disk.cut_power();
    bench.store = open(&bench.disk, &bench.options);
    assert_eq!(bench.read(), [(0, 3)]);
}

#[test]
fn e6_15_bytes_never_exceed_the_cap_and_drops_are_counted() {
    for (full, segment_bytes) in [
        (Full::DropOldest, 500_000),
        (Full::Refuse, 400_000),
        (Full::DropOldest, 450_000),
        (Full::Refuse, 350_000),
    ] {
        let mut bench = Bench::with(Options {
            spool_bytes: 8 << 20,
            segment_bytes,
            spool_free: Some(0),
            full,
            ..Options::default()
        });
        let (mut came, mut dropped, mut refused) = (0, 0, 0);
        for _ in 0..300 {
            match bench.append(2_500) {
                Ok(_) => came += 2_500,
                Err(Refused::Full) => refused += 1,
                Err(other) => panic!("{other:?}"),
            }
            bench.pass(1);
            for event in bench.store.events() {
                match event {
                    Event::DroppedFull { points } => dropped += points,
                    other => panic!("{other:?}"),
                }
            }
            assert_eq!(bench.store.stats().points + dropped, came);
            let (peak, used) = (bench.disk.peak(), bench.disk.used());
            assert!(peak <= 8 << 20, "{peak} bytes, now {used}, segments of {segment_bytes}");
        }
        assert_eq!(
            (full == Full::DropOldest, full == Full::Refuse),
            (dropped > 0, refused > 0)
        );
    }
}

#[test]
fn e6_15_below_the_floor_of_the_file_system_the_spool_is_full() {
    let mut bench = Bench::with(Options {
        spool_free: Some(4 << 20),
        full: Full::Refuse,
        ..Options::default()
    });
    bench.disk.resize(8 << 20);
    assert_eq!(bench.append(1), Err(Refused::Full));
    assert_eq!(bench.store.off(), None);
    bench.disk.resize(64 << 20);
    assert_eq!(bench.append(1), Ok(0));
}

#[test]
fn e6_16_a_cap_that_was_lowered_drops_the_oldest_and_starts() {
    let mut bench = Bench::with(Options {
        spool_bytes: 8 << 20,
        spool_free: Some(0),
        ..Options::default()
    });
    for _ in 0..100 {
        bench.append(2_500).unwrap();
    }
    bench.sync();
    bench.options.spool_bytes = 2 << 20;
    bench.restart();
    let before = bench.store.stats().points;
    assert_eq!(before, 250_000);
    bench.append(1).unwrap();
    bench.pass(1);
    assert!(bench.disk.used() <= 2 << 20);
    let dropped: u64 = bench
        .store
        .events()
        .iter()
        .map(|event| match event {
            Event::DroppedFull { points } => *points,
            other => panic!("{other:?}"),
        })
        .sum();
    assert_eq!(bench.store.stats().points + dropped, before + 1);
}

#[test]
fn e6_26_lines_that_are_too_old_are_dropped_when_their_turn_comes() {
    let mut bench = Bench::with(Options {
        max_age: Some(Duration::from_secs(3_600)),
        spool_free: Some(0),
        ..Options::default()
    });
    bench.append(3).unwrap();
    bench.pass(3_000);
    bench.append(2).unwrap();
    bench.pass(700);
    assert_eq!(bench.read(), [(3, 2)]);
    assert_eq!(bench.store.events(), [Event::Expired { points: 3 }]);
}

#[test]
fn e6_30_a_kill_between_unlink_and_acked_loses_and_reports_nothing() {
    for calls in 0..12 {
        let mut bench = Bench::new();
        bench.segments(&[3, 2, 1]);
        bench.store.done(0, 1);
        bench.pass(2);
        bench.store.done(1, 4);
        bench.disk.end_after(calls);
        bench.pass(2);
        bench.disk.cut_power();
        bench.store = open(&bench.disk, &bench.options);
        assert_eq!(bench.read().last(), Some(&(5, 1)), "killed at call {calls}");
        assert_eq!(missing(&bench.store.events()), [], "killed at call {calls}");
        bench.store.done(0, 6);
        bench.pass(2);
        assert_eq!(bench.store.stats().segments, 0);
    }
}

#[test]
fn e6_30_acked_that_a_killed_process_did_not_sync_deletes_nothing() {
    for seed in 0..8 {
        for calls in 0..12 {
            let mut bench = Bench::new();
            bench.disk = Disk::new(seed, 4096);
            bench.store = open(&bench.disk, &bench.options);
            bench.segments(&[3, 2, 1]);
            bench.store.done(0, 1);
            bench.pass(2);
            bench.store.done(1, 4);
            bench.disk.end_after(calls);
            bench.pass(2);
            // The kernel still has what was written: the next process reads it.
            bench.restart();
            bench.pass(2);
            bench.disk.cut_power();
            bench.store = open(&bench.disk, &bench.options);
            assert_eq!(bench.read().last(), Some(&(5, 1)), "seed {seed}, killed at call {calls}");
            assert_eq!(missing(&bench.store.events()), [], "seed {seed}, killed at call {calls}");
        }
    }
}

#[test]
fn a_page_that_cannot_be_read_is_asked_for_again_and_then_costs_its_record() {
    let mut bench = Bench::new();
    bench.segments(&[3]);
    bench.disk.fail(Call::Read, 0, 1, EIO);
    assert!(bench.store.read(bench.now(), 0).is_err());
    assert!(bench.store.read(bench.now(), 0).is_err(), "it rests");
    bench.pass(31);
    assert_eq!(bench.read(), [(0, 3)], "nothing was given up");
}

#[test]
fn a_segment_of_which_nothing_can_be_read_is_dropped_all_the_same() {
    let mut bench = Bench::new();
    bench.segments(&[3, 2]);
    bench.disk.fail(Call::Read, 0, u64::MAX, EIO);
    assert!(bench.store.drop_oldest(bench.now()));
    assert_eq!(bench.store.stats().points, 2);
}

#[test]
fn rejected_lines_are_kept_with_their_words_and_bounded() {
    let mut bench = Bench::new();
    for n in 0..2_000 {
        bench
            .store
            .reject(bench.now(), &LINE.repeat(10), &format!("unknown\nmetric {n}"));
    }
    assert_eq!(bench.store.events(), []);
    let folder = bench.folder().folder("rejected").unwrap();
    let bytes: u64 = folder.list().unwrap().iter().map(|entry| entry.bytes).sum();
    assert!(bytes <= (16 << 20) / 64, "{bytes} bytes");
    let mut text = vec![0; 60];
    folder.open("lines").unwrap().read_at(0, &mut text).unwrap();
    let text = String::from_utf8(text).unwrap();
    assert!(
        text.starts_with("# 1767225600 unknown metric ") && text.contains("\nput m "),
        "{text}"
    );
}
