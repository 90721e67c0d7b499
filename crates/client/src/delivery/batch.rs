//! A batch: lines that are written and judged together.
//!
//! An HTTP request is made of one, and so is what goes again apart from everything else (`retries.rs`). A server that
//! refuses or fails a batch without saying which line is to blame gets its halves, down to the one line.

use crate::delivery::outstanding::Outstanding;

#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) lines: Vec<Outstanding>,
}

impl Batch {
    pub(crate) fn points(&self) -> u64 {
        self.lines.iter().map(|held| held.lines.points()).sum()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.lines.iter().map(|held| held.lines.len()).sum()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Whether its lines have their verdict. A batch holds lines of one kind.
    pub(crate) fn is_posted(&self) -> bool {
        self.lines.first().is_some_and(|held| held.verdict_posted)
    }

    /// Whether its lines are being found out about.
    pub(crate) fn is_apart(&self) -> bool {
        self.lines.iter().any(Outstanding::is_apart)
    }

    /// How often a server has failed the line of it that was failed most.
    pub(crate) fn failures(&self) -> u8 {
        self.lines.iter().map(|held| held.failures).max().unwrap_or(0)
    }

    /// Cuts off the lines within the first `bytes` and `points`, at least one.
    pub(crate) fn split_front(&mut self, mut bytes: usize, mut points: u64) -> Batch {
        let mut front = Vec::new();
        let mut whole = 0;
        for held in &mut self.lines {
            let least = front.is_empty();
            let cut = held.split_front(bytes, points);
            let Some(cut) = cut.or_else(|| least.then(|| held.split_front(usize::MAX, 1))?) else {
                break;
            };
            bytes = bytes.saturating_sub(cut.lines.len());
            points = points.saturating_sub(cut.lines.points());
            front.push(cut);
            if held.lines.points() > 0 {
                break;
            }
            whole += 1;
        }
        self.lines.drain(..whole);
        Batch { lines: front }
    }

    /// Cuts off the first half of the points.
    #[cfg(feature = "http")]
    pub(crate) fn halve(&mut self) -> Batch {
        let points = self.points();
        self.split_front(usize::MAX, points / 2)
    }
}
