//! The journal: where on disk each position of this client lies.
//!
//! ```text
//!   positions of the client   0 ............ 900 ........ 1700         positions in slots
//!                             '-- 0, at 0 --'    '-- 0, at 900 --'
//! ```
//!
//! Records follow one another on disk as their points do in the queue, so an outage of hours is a single run here.

use std::collections::BTreeMap;
use std::ops::Range;

use potsdb_spool::SlotId;

/// A place on disk: a slot and a position in it.
pub(super) type Place = (SlotId, u64);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Run {
    end: u64,
    place: Place,
}

#[derive(Debug, Default)]
pub(super) struct Journal {
    /// By the first position; they do not overlap.
    runs: BTreeMap<u64, Run>,
    /// The same, by their place on disk.
    firsts: BTreeMap<Place, u64>,
}

impl Journal {
    /// These positions lie there, one after the other. None of them lay anywhere before.
    pub(super) fn insert(&mut self, positions: Range<u64>, place: Place) {
        let mut first = positions.start;
        let mut run = Run {
            end: positions.end,
            place,
        };
        if let Some((&before, &other)) = self.runs.range(..first).next_back()
            && other.end == first
            && behind(before, other, first) == place
        {
            self.take_run(before);
            (first, run.place) = (before, other.place);
        }
        self.put_run(first, run);
    }

    /// Where a position lies, and up to which position those behind it follow there.
    pub(super) fn find(&self, position: u64) -> Option<(Place, u64)> {
        let (&first, &run) = self.runs.range(..=position).next_back()?;
        (position < run.end).then(|| (behind(first, run, position), run.end))
    }

    /// The positions that lie at a place, as far as one run of them goes.
    pub(super) fn find_place(&self, place: Place, points: u64) -> Option<(u64, Range<u64>)> {
        let (slot, at) = place;
        let found = |(&(of, start), &first): (&Place, &u64)| {
            let run = self.runs[&first];
            let end = start + (run.end - first);
            (points > 0 && of == slot && end > at && start < at + points).then(|| {
                let from = at.max(start);
                let to = end.min(at + points);
                (from, first + (from - start)..first + (to - start))
            })
        };
        let before = self.firsts.range(..=place).next_back().and_then(found);
        before.or_else(|| self.firsts.range((slot, at)..).next().and_then(found))
    }

    /// Takes positions out; returns where they lay.
    pub(super) fn remove(&mut self, positions: Range<u64>) -> Vec<(Place, u64)> {
        let mut places = Vec::new();
        let mut from = positions.start;
        while from < positions.end {
            let before = self.runs.range(..=from).next_back().filter(|(_, run)| run.end > from);
            let Some((&first, &run)) = before.or_else(|| self.runs.range(from..positions.end).next()) else {
                break;
            };
            self.take_run(first);
            let cut = first.max(from)..run.end.min(positions.end);
            if first < cut.start {
                let end = cut.start;
                self.put_run(first, Run { end, ..run });
            }
            if cut.end < run.end {
                let place = behind(first, run, cut.end);
                self.put_run(cut.end, Run { end: run.end, place });
            }
            places.push((behind(first, run, cut.start), cut.end - cut.start));
            from = cut.end;
        }
        places
    }

    fn put_run(&mut self, first: u64, run: Run) {
        self.runs.insert(first, run);
        self.firsts.insert(run.place, first);
    }

    fn take_run(&mut self, first: u64) {
        if let Some(run) = self.runs.remove(&first) {
            self.firsts.remove(&run.place);
        }
    }
}

/// The place of a position of a run.
fn behind(first: u64, run: Run, position: u64) -> Place {
    (run.place.0, run.place.1 + (position - first))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// Positions one by one, as the journal has them.
    fn all(journal: &Journal, upto: u64) -> BTreeMap<u64, Place> {
        (0..upto)
            .filter_map(|position| Some((position, journal.find(position)?.0)))
            .collect()
    }

    #[test]
    fn positions_are_found_where_they_were_put_and_nowhere_once_they_were_taken_out() {
        let (mut journal, mut model) = (Journal::default(), BTreeMap::new());
        let mut seed = 1_u64;
        let mut random = |below: u64| {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) % below
        };
        let mut at = [0_u64; 3];
        for _ in 0..3_000 {
            let (first, points) = (random(200), 1 + random(20));
            if random(2) == 0 {
                let free = first..first + points;
                if free.clone().any(|position| model.contains_key(&position)) {
                    continue;
                }
                let slot = random(3) as usize;
                // What lies at a place keeps it, as in a store.
                at[slot] += random(2);
                journal.insert(free.clone(), (SlotId(slot as u32), at[slot]));
                for position in free {
                    model.insert(position, (SlotId(slot as u32), at[slot]));
                    at[slot] += 1;
                }
            } else {
                let mut places = Vec::new();
                for position in first..first + points {
                    places.extend(model.remove(&position));
                }
                let removed = journal.remove(first..first + points);
                let removed = removed
                    .into_iter()
                    .flat_map(|((slot, at), points)| (at..at + points).map(move |at| (slot, at)));
                assert_eq!(removed.collect::<Vec<_>>(), places);
            }
            assert_eq!(all(&journal, 220), model);
            for (&position, &(slot, at)) in &model {
                let (found, positions) = journal.find_place((slot, at), 1).unwrap();
                assert_eq!((found, positions), (at, position..position + 1));
            }
        }
        assert_eq!(journal.runs.len(), journal.firsts.len());
    }

    #[test]
    fn what_follows_on_disk_as_in_the_queue_is_one_run() {
        let mut journal = Journal::default();
        for n in 0..1_000 {
            journal.insert(n * 10..n * 10 + 10, (SlotId(0), 500 + n * 10));
        }
        assert_eq!(journal.runs.len(), 1);
        assert_eq!(journal.find(9_999), Some(((SlotId(0), 10_499), 10_000)));
        assert_eq!(journal.find_place((SlotId(0), 490), 20), Some((500, 0..10)));
        assert_eq!(journal.find_place((SlotId(1), 490), 20), None);
        assert_eq!(journal.find_place((SlotId(0), 505), 0), None);
    }
}
