use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use proptest::prelude::{ProptestConfig, any, proptest};
use proptest::{collection, prop_assert, prop_assert_eq};

use super::{Holder, Seen, Slot, Summary, look};
use crate::disk::unix::Folder;
use crate::format::segment_name;
use crate::slots::Place;
use crate::store::{Lines, Moment, Options};

/// A folder of a test's own, which goes with it.
struct Temp(PathBuf);

impl Temp {
    fn new() -> Temp {
        static NEXT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let next = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("potsdb-inspect-{}-{next}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Temp(path.join("spool"))
    }
}

impl Drop for Temp {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(self.0.parent().unwrap());
    }
}

const STORE: &str = "tsdb-localhost-4242";

fn options() -> Options {
    Options {
        spool_free: Some(0),
        ..Options::default()
    }
}

fn place(path: &Path) -> Place<Folder> {
    let path = path.to_owned();
    Place::open(Box::new(move || Folder::at(&path)), STORE).unwrap()
}

fn line(position: u64) -> String {
    format!(
        "put m 1767225600 {position} a={:x<width$}\n",
        "b",
        width = position as usize % 30
    )
}

/// A slot with segments of records of so many points each, of which the first `done` are done with.
fn fill(path: &Path, segments: &[Vec<u64>], done: u64) {
    let now = Moment {
        wall: 1_767_225_600_000,
        ..Moment::default()
    };
    let mut position = 0;
    for records in segments {
        let (mut slot, _) = place(path).claim(&options(), "program: test", now).unwrap();
        for points in records {
            let text: String = (position..position + points).map(line).collect();
            slot.store.append(now, Lines::new(text, now.wall + position)).unwrap();
            position += points;
        }
        slot.store.close(now);
    }
    let (mut slot, _) = place(path).claim(&options(), "program: test", now).unwrap();
    slot.store.done(0, done);
    slot.store.close(now);
}

fn the_slot(path: &Path) -> Slot {
    let Seen { stores, .. } = look(path).unwrap();
    let store = stores.into_iter().find(|store| store.name == STORE);
    store.unwrap().slots.remove(0)
}

/// What a walk hands over, as positions and lines; and the summary.
fn walked(path: &Path) -> (Vec<(u64, String)>, Summary) {
    let mut all = Vec::new();
    let summary = the_slot(path)
        .walk(true, |record| {
            let lines = std::str::from_utf8(record.lines).unwrap().split_inclusive('\n');
            all.extend(record.positions.zip(lines.map(str::to_owned)));
            Ok(ControlFlow::Continue(()))
        })
        .unwrap();
    (all, summary)
}

/// The lines of all slots of all stores.
fn everywhere(path: &Path) -> Vec<(u64, String)> {
    let mut all = Vec::new();
    for slot in look(path).unwrap().stores.iter().flat_map(|store| &store.slots) {
        slot.walk(true, |record| {
            let lines = std::str::from_utf8(record.lines).unwrap().split_inclusive('\n');
            all.extend(record.positions.zip(lines.map(str::to_owned)));
            Ok(ControlFlow::Continue(()))
        })
        .unwrap();
    }
    all
}

/// What the store itself reads.
fn read(path: &Path) -> Vec<(u64, String)> {
    let now = Moment::default();
    let (mut slot, _) = place(path).claim(&options(), "program: test", now).unwrap();
    let (mut all, mut from) = (Vec::new(), 0);
    while let Some((first, lines)) = slot.store.read(now, from).unwrap() {
        let text = std::str::from_utf8((*lines.payload).as_ref())
            .unwrap()
            .split_inclusive('\n');
        from = first + u64::from(lines.points);
        all.extend((first..from).zip(text.map(str::to_owned)));
    }
    all
}

fn segment(path: &Path, first: u64) -> PathBuf {
    path.join(STORE).join("0").join(segment_name(first, 0))
}

fn tamper(path: &Path, first: u64, change: impl FnOnce(&mut Vec<u8>)) {
    let path = segment(path, first);
    let mut bytes = std::fs::read(&path).unwrap();
    change(&mut bytes);
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn a_sound_slot_is_told_in_figures() {
    let temp = Temp::new();
    fill(&temp.0, &[vec![3, 4], vec![5]], 2);
    let (lines, summary) = walked(&temp.0);
    assert_eq!(
        lines,
        (2..12).map(|position| (position, line(position))).collect::<Vec<_>>()
    );
    assert_eq!(
        (
            summary.segments,
            summary.records,
            summary.points,
            summary.acked,
            summary.next
        ),
        (2, 3, 10, 2, 12)
    );
    assert_eq!(
        (summary.oldest, summary.newest),
        (Some(1_767_225_600_000), Some(1_767_225_600_007))
    );
    assert_eq!(
        (&summary.damage[..], &summary.gaps[..], &summary.strays[..]),
        (&[][..], &[][..], &[][..])
    );
    let slot = the_slot(&temp.0);
    assert!(!slot.is_held() && slot.about.contains("program: test"), "{slot:?}");
}

#[test]
fn a_slot_that_is_held_is_named_with_its_holder_and_left_so() {
    let temp = Temp::new();
    fill(&temp.0, &[vec![3]], 0);
    let now = Moment::default();
    let (slot, _) = place(&temp.0).claim(&options(), "program: test", now).unwrap();
    for _ in 0..2 {
        assert_eq!(the_slot(&temp.0).holder, Holder::Process(Some(std::process::id())));
    }
    drop(slot);
    assert_eq!(the_slot(&temp.0).holder, Holder::Nobody);
}

#[test]
fn a_segment_that_is_just_begun_is_no_damage_while_its_process_runs() {
    let temp = Temp::new();
    fill(&temp.0, &[vec![3]], 0);
    let (slot, _) = place(&temp.0)
        .claim(&options(), "program: test", Moment::default())
        .unwrap();
    std::fs::write(segment(&temp.0, 3), &std::fs::read(segment(&temp.0, 0)).unwrap()[..10]).unwrap();
    assert_eq!((walked(&temp.0).0.len(), walked(&temp.0).1.damage), (3, vec![]));
    drop(slot);
    let damage = walked(&temp.0).1.damage;
    assert_eq!((damage.len(), damage[0].bytes), (1, 10));
}

#[test]
fn damage_is_named_with_file_offset_bytes_and_points() {
    let temp = Temp::new();
    fill(&temp.0, &[vec![2, 3, 4], vec![1]], 0);
    let record = |first: u64, points: u64| 40 + (first..first + points).map(|p| line(p).len() as u64).sum::<u64>();
    let second = 64 + record(0, 2);
    let whole = std::fs::read(segment(&temp.0, 0)).unwrap();
    // In a line; in the record's header; in the segment's header; and the end cut off.
    for (at, offset, bytes, points) in [
        (second + 45, second, record(2, 3), 3),
        (second + 9, second, record(2, 3), 3),
        (20, 0, 64, 0),
        (whole.len() as u64, second + record(2, 3), record(5, 4) - 1, 4),
    ] {
        tamper(&temp.0, 0, |bytes| {
            *bytes = whole.clone();
            match bytes.get_mut(at as usize) {
                Some(byte) => *byte ^= 1,
                None => bytes.truncate(at as usize - 1),
            }
        });
        let (lines, summary) = walked(&temp.0);
        let damage = &summary.damage[..];
        let [found] = damage else { panic!("{at}: {summary:?}") };
        assert_eq!(
            (found.file.as_str(), found.offset, found.bytes, found.points),
            (segment_name(0, 0).as_str(), offset, bytes, Some(points)),
            "{at}"
        );
        assert_eq!((lines.len() as u64, summary.gaps.len()), (10 - points, 0));
    }
}

#[test]
fn e6_09_a_segment_that_was_deleted_is_a_gap_of_so_many_points() {
    let temp = Temp::new();
    fill(&temp.0, &[vec![2], vec![3], vec![4]], 0);
    std::fs::remove_file(segment(&temp.0, 2)).unwrap();
    let (lines, summary) = walked(&temp.0);
    assert_eq!(lines.len(), 6);
    let [gap] = &summary.gaps[..] else {
        panic!("{summary:?}")
    };
    assert_eq!((gap.positions.clone(), gap.is_known), (2..5, false));
    assert_eq!(summary.damage, []);
}

#[test]
fn e6_08_an_acked_that_says_more_than_there_is_is_not_believed_and_named() {
    let temp = Temp::new();
    fill(&temp.0, &[vec![2], vec![1, 3]], 4);
    assert_eq!(walked(&temp.0).1.acked, 4);
    tamper(&temp.0, 2, |bytes| bytes.truncate(64 + 40 + line(2).len()));
    let (lines, summary) = walked(&temp.0);
    assert_eq!(lines, [(2, line(2))]);
    assert_eq!(lines, read(&temp.0));
    assert_eq!((summary.acked, summary.gaps[0].positions.clone()), (0, 3..4));
}

#[test]
fn a_repair_that_is_cut_off_again_and_again_takes_up_what_was_done() {
    let temp = Temp::new();
    fill(&temp.0, &[vec![5], vec![5, 2, 2], vec![2]], 0);
    // The first of the middle segment's records, and the end of the last segment.
    tamper(&temp.0, 5, |bytes| bytes[70] ^= 1);
    tamper(&temp.0, 14, |bytes| bytes.truncate(67));
    let (before, _) = walked(&temp.0);
    assert_eq!(before.len(), 9);
    for cut in 0..12 {
        let mut left = cut;
        let mut step = || {
            left = usize::checked_sub(left, 1).ok_or_else(|| std::io::Error::other("cut off"))?;
            Ok(())
        };
        let _ = super::repair::repair_by_step(&temp.0, &the_slot(&temp.0), 1, &mut step);
        assert_eq!(walked(&temp.0).0, before, "cut off at {cut}");
    }
    assert!(walked(&temp.0).1.is_sound());
}

/// Harm at random: which file, where in it, and how.
type Harm = (usize, usize, u32);

fn harm(path: &Path, (which, at, how): Harm) {
    let slot = path.join(STORE).join("0");
    let mut names: Vec<_> = std::fs::read_dir(&slot)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    names.retain(|path| path.to_string_lossy().ends_with(".spool") || path.ends_with("acked"));
    names.sort();
    let Some(path) = names.get(which % names.len().max(1)) else {
        return;
    };
    let mut bytes = std::fs::read(path).unwrap();
    let at = at % bytes.len().max(1);
    match how {
        _ if bytes.is_empty() => {}
        0 => bytes[at] ^= 1 << (at % 8),
        1 => bytes.truncate(at),
        2 => bytes[at..].fill(0),
        3 => bytes.extend_from_within(at..),
        _ => return std::fs::remove_file(path).unwrap(),
    }
    std::fs::write(path, bytes).unwrap();
}

proptest! {
    // Each case syncs files by the dozen.
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases / 4, ..ProptestConfig::default() })]

    /// Whatever is done to the files: the walk finds the lines that the store finds, at the same positions.
    #[test]
    fn the_walk_sees_what_the_store_reads(
        segments in collection::vec(collection::vec(1_u64..6, 1..4), 1..5),
        done in 0_u64..12,
        harms in collection::vec((any::<usize>(), any::<usize>(), 0_u32..5), 0..4),
    ) {
        let temp = Temp::new();
        fill(&temp.0, &segments, done);
        harms.into_iter().for_each(|done| harm(&temp.0, done));
        let (walked, summary) = walked(&temp.0);
        prop_assert_eq!(summary.points, walked.len() as u64);
        prop_assert_eq!(walked, read(&temp.0), "{:?}", summary);
    }

    /// Wherever an adoption is cut off, every line is in the old slot or in a new one; in the end in the new ones
    /// alone.
    #[test]
    fn an_adoption_loses_nothing_wherever_it_is_cut_off(
        segments in collection::vec(collection::vec(1_u64..6, 1..4), 1..5),
        done in 0_u64..12,
        cuts in collection::vec(0_usize..20, 0..3),
    ) {
        const NOW: &str = "tsdb-new-4242";
        let temp = Temp::new();
        fill(&temp.0, &segments, done);
        let (before, _) = walked(&temp.0);
        for cut in &cuts {
            let mut left = *cut;
            let mut step = || {
                left = left.checked_sub(1).ok_or_else(|| std::io::Error::other("cut off"))?;
                Ok(())
            };
            let _ = super::adopt::adopt_by_step(&temp.0, &the_slot(&temp.0), NOW, 1, &mut step);
            let all = everywhere(&temp.0);
            prop_assert!(before.iter().all(|line| all.contains(line)), "cut off at {}", cut);
            prop_assert!(all.iter().all(|(position, text)| *text == line(*position)));
        }
        super::adopt(&temp.0, &the_slot(&temp.0), NOW, 1).unwrap().unwrap();
        let left = the_slot(&temp.0).walk(true, |_| Ok(ControlFlow::Continue(()))).unwrap();
        prop_assert_eq!(left.points, 0);
        let all = everywhere(&temp.0);
        if cuts.is_empty() {
            prop_assert_eq!(all, before);
        } else {
            prop_assert!(before.iter().all(|line| all.contains(line)));
        }
    }

    /// Whatever was done to the files, and wherever the repair is cut off: no line goes that could be read before.
    /// Afterwards nothing is wrong any more, and the store knows exactly how much there is.
    #[test]
    fn a_repair_loses_nothing_and_leaves_nothing_wrong(
        segments in collection::vec(collection::vec(1_u64..6, 1..4), 1..5),
        done in 0_u64..12,
        harms in collection::vec((any::<usize>(), any::<usize>(), 0_u32..5), 0..4),
        cuts in collection::vec(0_usize..20, 0..3),
    ) {
        let temp = Temp::new();
        fill(&temp.0, &segments, done);
        harms.into_iter().for_each(|done| harm(&temp.0, done));
        let (before, _) = walked(&temp.0);
        for cut in cuts {
            let mut left = cut;
            let mut step = || {
                left = left.checked_sub(1).ok_or_else(|| std::io::Error::other("cut off"))?;
                Ok(())
            };
            let _ = super::repair::repair_by_step(&temp.0, &the_slot(&temp.0), 1, &mut step);
            prop_assert_eq!(&walked(&temp.0).0, &before, "cut off at {}", cut);
        }
        let repaired = super::repair(&temp.0, &the_slot(&temp.0), 1).unwrap().unwrap();
        let (lines, summary) = walked(&temp.0);
        prop_assert_eq!(&lines, &before);
        prop_assert!(summary.is_sound(), "{:?}", summary);
        prop_assert_eq!(&repaired.after, &summary);
        let (mut slot, _) = place(&temp.0).claim(&options(), "program: test", Moment::default()).unwrap();
        prop_assert_eq!(slot.store.stats().points, before.len() as u64);
        prop_assert_eq!(slot.store.stats().damaged_bytes, 0);
        drop(slot.store.events());
        drop(slot);
        prop_assert_eq!(read(&temp.0), before);
    }
}
