//! What goes again: lines whose connection ended, in the order of their positions.
//!
//! Nothing was said of them, so they go before anything new, byte for byte the same: those without a verdict first, then
//! precautions, which on a connection that carries little must not take all of it.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::outstanding::Outstanding;

#[derive(Debug, Default)]
pub(crate) struct Again {
    unposted: VecDeque<Outstanding>,
    posted: VecDeque<Outstanding>,
}

impl Again {
    pub(crate) fn insert(&mut self, held: Outstanding) {
        let lines = match held.verdict_posted {
            true => &mut self.posted,
            false => &mut self.unposted,
        };
        // A connection gives its lines back in their order: the search is for where they go among another's.
        let first = held.lines.first();
        let place = match lines.back() {
            Some(last) if last.lines.first() > first => lines.partition_point(|other| other.lines.first() < first),
            _ => lines.len(),
        };
        lines.insert(place, held);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.unposted.is_empty() && self.posted.is_empty()
    }

    /// Whether lines without a verdict wait.
    pub(crate) fn has_unposted(&self) -> bool {
        !self.unposted.is_empty()
    }

    /// Takes out what was taken from the queue before then, and has no verdict.
    pub(crate) fn expire(&mut self, before: Duration) -> VecDeque<Outstanding> {
        let (old, young) = std::mem::take(&mut self.unposted)
            .into_iter()
            .partition(|held| held.taken_at <= before);
        self.unposted = young;
        old
    }

    /// The lines that go next, if any wait: those without a verdict first.
    pub(crate) fn front_mut(&mut self) -> Option<&mut Outstanding> {
        let lines = match self.unposted.is_empty() {
            true => &mut self.posted,
            false => &mut self.unposted,
        };
        lines.front_mut()
    }

    /// Whether what goes next are precautions.
    pub(crate) fn is_posted(&self) -> Option<bool> {
        match (self.unposted.is_empty(), self.posted.is_empty()) {
            (true, true) => None,
            (unposted_empty, _) => Some(unposted_empty),
        }
    }

    /// Cuts off the front what fits in `bytes` and `points`; `None` when not even one line does.
    pub(crate) fn split_front(&mut self, bytes: usize, points: u64) -> Option<Outstanding> {
        let front = self.front_mut()?.split_front(bytes, points);
        for lines in [&mut self.unposted, &mut self.posted] {
            if lines.front().is_some_and(|front| front.lines.points() == 0) {
                lines.pop_front();
            }
        }
        front
    }

    /// Takes everything out.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = Outstanding> {
        let unposted = std::mem::take(&mut self.unposted);
        unposted.into_iter().chain(std::mem::take(&mut self.posted))
    }

    /// The lowest position that waits here, and since when its point does.
    pub(crate) fn low(&self) -> Option<(u64, Instant)> {
        let fronts = self.unposted.front().into_iter().chain(self.posted.front());
        fronts.map(|held| (held.lines.first(), held.lines.since())).min()
    }

    #[cfg(test)]
    pub(crate) fn points(&self) -> u64 {
        self.iter().map(|held| held.lines.points()).sum()
    }

    #[cfg(test)]
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Outstanding> {
        self.unposted.iter().chain(&self.posted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::block::{BLOCK_BYTES, Block};

    fn held(first: u64, points: u64) -> Outstanding {
        let mut block = Block::new(Vec::with_capacity(BLOCK_BYTES));
        for _ in 0..points {
            block.append(&[b"a\n"], 1);
        }
        Outstanding::new(block.into_lines(first, &mut Vec::new()), Duration::ZERO)
    }

    #[test]
    fn lines_that_go_again_go_in_their_order_whichever_connection_gave_them_back() {
        let mut again = Again::default();
        for first in [10, 12, 4, 6, 14, 2] {
            again.insert(held(first, 2));
        }
        again.insert(Outstanding {
            verdict_posted: true,
            ..held(0, 2)
        });
        assert_eq!(again.low().map(|(first, _)| first), Some(0));
        let mut order = Vec::new();
        while let Some(front) = again.split_front(2, 9) {
            order.push(front.lines.first());
        }
        assert_eq!(order, [2, 3, 4, 5, 6, 7, 10, 11, 12, 13, 14, 15, 0, 1]);
        assert!(again.is_empty());
    }
}
