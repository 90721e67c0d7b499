//! Files that are torn, flipped, missing or foreign, and pages that cannot be read: what is lost is named, and the rest comes out.

use std::io::IoSlice;

use crate::disk::simulated::{Call, EIO};
use crate::disk::{File as _, Folder as _};
use crate::faults::{Bench, LINE, damaged, missing, open};
use crate::format::{RECORD_HEADER, SEGMENT_HEADER, segment_name};
use crate::store::{Event, RETRY, Refused};

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
fn e6_07_an_acked_that_cannot_be_read_at_a_start_takes_nothing_from_what_comes_then() {
    let mut bench = Bench::new();
    bench.segments(&[3]);
    bench.store.done(0, 3);
    bench.pass(2);
    assert_eq!(bench.store.stats().segments, 0);
    bench.disk.fail(Call::Read, 0, 1, EIO);
    bench.restart();
    let first = bench.append(5).unwrap();
    bench.sync();
    bench.restart();
    assert_eq!(bench.read(), [(first, 5)]);
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
fn e6_10_a_stray_with_the_last_number_there_is_stops_nothing() {
    let mut bench = Bench::new();
    bench.folder().create(&segment_name(0, u32::MAX)).unwrap();
    bench.restart();
    assert!(matches!(bench.append(2), Err(Refused::Off(_))), "no number is left");
    bench.pass(1);
    bench.pass(RETRY.as_secs());
    assert_eq!(bench.append(2), Ok(0), "it held nothing, and is gone");
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
