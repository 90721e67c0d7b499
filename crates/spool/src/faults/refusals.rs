//! A disk that takes nothing, or no more: a state that ends; and what the cap and the age let go, counted.

use std::time::Duration;

use crate::disk::simulated::{Call, Disk, EIO, ENOSPC, EROFS};
use crate::disk::{File as _, Folder as _};
use crate::faults::{Bench, LINE, open};
use crate::store::{Event, Full, Options, RETRY, Refused};

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
fn e6_12_what_is_written_again_counts_over_all_files_before() {
    for seed in 0..20 {
        let mut bench = Bench::new();
        bench.disk = Disk::new(seed, 4096);
        bench.store = open(&bench.disk, &bench.options);
        // More than one page, so that a half of it may be on disk.
        bench.append(400).unwrap();
        // Two files cannot be synced. The first is deleted, the second cannot be; what is written next has neither's name.
        bench.disk.fail(Call::Sync, 0, 2, EIO);
        bench.disk.fail(Call::Unlink, 1, u64::MAX, EIO);
        bench.sync();
        bench.pass(2);
        bench.pass(RETRY.as_secs());
        assert_eq!(bench.store.safe(), 400);
        bench.disk.mend();
        bench.disk.cut_power();
        bench.store = open(&bench.disk, &bench.options);
        assert_eq!(bench.read(), [(0, 400)], "seed {seed}");
    }
}

#[test]
fn e6_11_a_file_that_could_not_be_begun_is_deleted_later() {
    let mut bench = Bench::new();
    bench.disk.fail(Call::Reserve, 0, 2, ENOSPC);
    bench.disk.fail(Call::Unlink, 0, 2, EIO);
    assert!(matches!(bench.append(3), Err(Refused::Off(_))));
    bench.disk.mend();
    bench.pass(RETRY.as_secs());
    assert_eq!(bench.store.off(), None);
    bench.pass(RETRY.as_secs());
    assert_eq!(bench.store.stats().segments, 1);
    assert_eq!(
        bench.folder().list().unwrap().len(),
        2,
        "the segment, and the folder of what was rejected"
    );
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
                    Event::DroppedFull { points } => dropped += points.len(),
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
            Event::DroppedFull { points } => points.len(),
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
    assert_eq!(
        bench.store.events(),
        [Event::Expired {
            points: std::iter::once(0..3).collect()
        }]
    );
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
