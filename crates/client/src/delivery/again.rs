//! What goes again: lines whose connection ended, in the order of their positions.
//!
//! Nothing was said of them, so they go before anything new, byte for byte the same.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::delivery::outstanding::Outstanding;

#[derive(Debug, Default)]
pub(crate) struct Again {
    lines: VecDeque<Outstanding>,
}

impl Again {
    pub(crate) fn insert(&mut self, held: Outstanding) {
        debug_assert!(!held.verdict_posted, "a precaution is no hurry: {held:?}");
        let lines = &mut self.lines;
        // A connection gives its lines back in their order: the search is for where they go among another's.
        let first = held.lines.first();
        let place = match lines.back() {
            Some(last) if last.lines.first() > first => lines.partition_point(|other| other.lines.first() < first),
            _ => lines.len(),
        };
        lines.insert(place, held);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Takes out what was taken from the queue before then.
    pub(crate) fn expire(&mut self, before: Duration) -> VecDeque<Outstanding> {
        let lines = std::mem::take(&mut self.lines).into_iter();
        let (old, young) = lines.partition(|held| held.taken_at <= before);
        self.lines = young;
        old
    }

    /// Cuts off the front what fits in `bytes` and `points`; `None` when not even one line does.
    pub(crate) fn split_front(&mut self, bytes: usize, points: u64) -> Option<Outstanding> {
        let front = self.lines.front_mut()?;
        let cut = front.split_front(bytes, points);
        if front.lines.points() == 0 {
            self.lines.pop_front();
        }
        cut
    }

    /// Takes everything out.
    pub(crate) fn drain(&mut self) -> VecDeque<Outstanding> {
        std::mem::take(&mut self.lines)
    }

    /// The lowest position that waits here, and since when its point does.
    pub(crate) fn low(&self) -> Option<(u64, Instant)> {
        let front = self.lines.front();
        front.map(|held| (held.lines.first(), held.lines.since()))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Outstanding> {
        self.lines.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_go_again_go_in_their_order_whichever_connection_gave_them_back() {
        let mut again = Again::default();
        for first in [10, 12, 4, 6, 14, 2] {
            again.insert(Outstanding::of_tests(first, 2));
        }
        assert_eq!(again.low().map(|(first, _)| first), Some(2));
        let mut order = Vec::new();
        while let Some(front) = again.split_front(2, 9) {
            order.push(front.lines.first());
        }
        assert_eq!(order, [2, 3, 4, 5, 6, 7, 10, 11, 12, 13, 14, 15]);
        assert!(again.is_empty());
    }
}
