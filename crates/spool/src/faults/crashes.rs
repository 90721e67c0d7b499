//! Kills and power cuts: what was safe is there, and nothing is reported that did not happen.

use crate::disk::simulated::Disk;
use crate::faults::{Bench, LINE, missing, open};
use crate::format::{RECORD_HEADER, SEGMENT_HEADER, segment_name};

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
            assert_eq!(
                bench.read().last(),
                Some(&(5, 1)),
                "seed {seed}, killed at call {calls}"
            );
            assert_eq!(
                missing(&bench.store.events()),
                [],
                "seed {seed}, killed at call {calls}"
            );
        }
    }
}
