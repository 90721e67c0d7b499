//! Positions as ranges: which points are on disk and not done with.
//!
//! Points come in order and get their verdicts nearly in order, so a set of millions is a handful of ranges.

use std::collections::BTreeMap;
use std::ops::Range;

/// A set of positions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ranges {
    /// First position to the one behind the last; neither empty, nor touching one another.
    ranges: BTreeMap<u64, u64>,
    len: u64,
}

impl Ranges {
    /// How many positions there are.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The lowest position.
    #[must_use]
    pub fn first(&self) -> Option<u64> {
        self.ranges.keys().next().copied()
    }

    /// The first run of positions within `range`.
    #[must_use]
    pub fn first_within(&self, range: Range<u64>) -> Option<Range<u64>> {
        let before = self
            .ranges
            .range(..=range.start)
            .next_back()
            .filter(|(_, end)| **end > range.start);
        let (first, end) = before.or_else(|| self.ranges.range(range.start..).next())?;
        let run = range.start.max(*first)..range.end.min(*end);
        (!run.is_empty()).then_some(run)
    }

    /// How many positions of `range` are in the set.
    #[must_use]
    pub fn count(&self, range: Range<u64>) -> u64 {
        self.runs(range).map(|run| run.end - run.start).sum()
    }

    /// The runs of positions within `range`, in order.
    pub fn runs(&self, mut range: Range<u64>) -> impl Iterator<Item = Range<u64>> + '_ {
        std::iter::from_fn(move || {
            let run = self.first_within(range.clone())?;
            range.start = run.end;
            Some(run)
        })
    }

    /// All runs of positions, in order.
    pub fn all(&self) -> impl Iterator<Item = Range<u64>> + '_ {
        self.ranges.iter().map(|(first, end)| *first..*end)
    }

    /// Adds positions; returns how many of them were not there.
    pub fn insert(&mut self, range: Range<u64>) -> u64 {
        if range.is_empty() {
            return 0;
        }
        let new = range.end - range.start - self.remove(range.clone());
        let (mut first, mut end) = (range.start, range.end);
        if let Some((&before, _)) = self.ranges.range(..first).next_back().filter(|(_, end)| **end == first) {
            self.ranges.remove(&before);
            first = before;
        }
        if let Some(behind) = self.ranges.remove(&end) {
            end = behind;
        }
        self.ranges.insert(first, end);
        self.len += range.end - range.start;
        new
    }

    /// Takes positions out; returns how many of them were there.
    pub fn remove(&mut self, range: Range<u64>) -> u64 {
        let mut removed = 0;
        while let Some(run) = self.first_within(range.clone()) {
            let (&first, &end) = self
                .ranges
                .range(..=run.start)
                .next_back()
                .expect("the run is part of a range");
            self.ranges.remove(&first);
            if first < run.start {
                self.ranges.insert(first, run.start);
            }
            if run.end < end {
                self.ranges.insert(run.end, end);
            }
            removed += run.end - run.start;
        }
        self.len -= removed;
        removed
    }
}

impl Extend<Range<u64>> for Ranges {
    fn extend<I: IntoIterator<Item = Range<u64>>>(&mut self, runs: I) {
        for run in runs {
            self.insert(run);
        }
    }
}

impl FromIterator<Range<u64>> for Ranges {
    fn from_iter<I: IntoIterator<Item = Range<u64>>>(runs: I) -> Ranges {
        let mut ranges = Ranges::default();
        ranges.extend(runs);
        ranges
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::{any, proptest};
    use proptest::{collection, prop_assert_eq};

    use super::Ranges;

    proptest! {
        #[test]
        fn ranges_are_a_set_of_positions(steps in collection::vec((any::<bool>(), 0_u64..60, 0_u64..20), 0..40)) {
            let (mut ranges, mut set) = (Ranges::default(), BTreeSet::new());
            for (insert, first, length) in steps {
                let range = first..first + length;
                let inside = set.range(range.clone()).count() as u64;
                prop_assert_eq!(ranges.count(range.clone()), inside);
                if insert {
                    prop_assert_eq!(ranges.insert(range.clone()), length - inside);
                    set.extend(range);
                } else {
                    prop_assert_eq!(ranges.remove(range.clone()), inside);
                    set.retain(|position| !range.contains(position));
                }
                prop_assert_eq!(ranges.len(), set.len() as u64);
                prop_assert_eq!(ranges.first(), set.first().copied());
                let all: Vec<_> = ranges.all().collect();
                prop_assert_eq!(ranges.runs(0..u64::MAX).collect::<Vec<_>>(), all.clone());
                prop_assert_eq!(all.iter().cloned().collect::<Ranges>(), ranges.clone());
                prop_assert_eq!(all.iter().cloned().flatten().collect::<Vec<_>>(), set.iter().copied().collect::<Vec<_>>());
                // No two runs touch.
                assert!(all.windows(2).all(|pair| pair[0].end < pair[1].start));
            }
        }
    }
}
