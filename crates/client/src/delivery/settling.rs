//! Settling: lines that were answered for and are kept re-sendable for a while.
//!
//! OpenTSDB answers `version` up to a second before HBase has the points, and forgets them if it
//! is killed in between. So answered lines stay here until a question asked a whole settle period
//! after their answer is answered too. They have their verdict; nothing here is in the ledger's sum.
//! The bound in bytes is one for all connections of a client, so the engine keeps it: beyond it the
//! oldest are let go early and counted, never slowing anyone.

use std::collections::VecDeque;
use std::time::Duration;

use crate::delivery::outstanding::Outstanding;
use crate::queue::block::Lines;

#[derive(Debug)]
pub(crate) struct Settling {
    period: Duration,
    groups: VecDeque<(Duration, Outstanding)>,
    /// The first of them, whose lines the spool alone has.
    on_disk: usize,
    /// Bytes of the others.
    bytes: usize,
}

impl Settling {
    pub(crate) fn new(period: Duration) -> Settling {
        Settling {
            period,
            groups: VecDeque::new(),
            on_disk: 0,
            bytes: 0,
        }
    }

    /// Keeps lines answered at `now`.
    pub(crate) fn hold(&mut self, now: Duration, held: Outstanding) {
        self.bytes += held.lines.len();
        self.groups.push_back((now, held));
    }

    /// A question asked at `asked_at` was answered: returns the lines that have settled.
    pub(crate) fn release(&mut self, asked_at: Duration) -> Vec<Outstanding> {
        let mut settled = Vec::new();
        while self.due().is_some_and(|due| due <= asked_at) {
            settled.extend(self.pop());
        }
        settled
    }

    /// When a question about the oldest lines is worth asking.
    pub(crate) fn due(&self) -> Option<Duration> {
        self.groups.front().map(|(answered_at, _)| *answered_at + self.period)
    }

    /// Whether anything is kept at all, or let go at once.
    pub(crate) fn is_off(&self) -> bool {
        self.period.is_zero()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes everything out, oldest first.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = Outstanding> {
        (self.on_disk, self.bytes) = (0, 0);
        std::mem::take(&mut self.groups).into_iter().map(|(_, held)| held)
    }

    /// Takes the oldest lines out.
    pub(crate) fn pop(&mut self) -> Option<Outstanding> {
        let (_, held) = self.groups.pop_front()?;
        self.on_disk = self.on_disk.saturating_sub(1);
        self.bytes -= held.lines.len();
        Some(held)
    }

    /// When the oldest lines that are in memory are due.
    pub(crate) fn in_memory_due(&self) -> Option<Duration> {
        self.groups
            .get(self.on_disk)
            .map(|(answered_at, _)| *answered_at + self.period)
    }

    /// Takes the oldest lines that are in memory out of it, and leaves their positions: the spool has them.
    pub(crate) fn leave_to_spool(&mut self) -> Option<Lines> {
        let (_, held) = self.groups.get_mut(self.on_disk)?;
        self.on_disk += 1;
        self.bytes -= held.lines.len();
        Some(held.lines.leave_to_spool())
    }

    /// All lines in it.
    pub(crate) fn lines(&self) -> impl Iterator<Item = &Outstanding> {
        self.groups.iter().map(|(_, held)| held)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::block::{BLOCK_BYTES, Block};

    fn lines(text: &str) -> Outstanding {
        let mut block = Block::new(Vec::with_capacity(BLOCK_BYTES));
        block.append(&[text.as_bytes()], 1);
        Outstanding::new(block.into_lines(0, &mut Vec::new()), Duration::ZERO)
    }

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn lines_settle_when_a_question_asked_a_period_later_is_answered() {
        let mut settling = Settling::new(2 * SECOND);
        settling.hold(SECOND, lines("a\n"));
        settling.hold(2 * SECOND, lines("b\n"));
        assert_eq!(settling.due(), Some(3 * SECOND));
        assert!(settling.release(3 * SECOND - Duration::from_millis(1)).is_empty());
        assert_eq!(settling.release(3 * SECOND).len(), 1);
        assert_eq!(settling.drain().count(), 1);
    }

    #[test]
    fn the_oldest_lines_can_be_let_go_early() {
        let mut settling = Settling::new(2 * SECOND);
        settling.hold(SECOND, lines("a1\n"));
        settling.hold(SECOND, lines("b2\n"));
        assert_eq!(settling.bytes(), 6);
        assert_eq!(
            settling.pop().map(|held| held.lines.bytes().to_vec()),
            Some(b"a1\n".to_vec())
        );
        assert_eq!(settling.bytes(), 3);
    }
}
