//! Parts: lines that go together in a request, and which of them an answer is about.
//!
//! A server that refuses some of them names them by repeating them, or not at all. [`Part::attribute`] finds the lines that
//! errors are about, [`Part::split_front`] halves what cannot be attributed. What follows is decided in `http.rs`.

use std::collections::VecDeque;

use potsdb_wire::line;
use potsdb_wire::reply::{ErrorKind, PointError};

use crate::verdicts::{Outstanding, Verdict, Verdicts};

/// The most errors that are looked for out of their order.
const DISORDER: usize = 256;

/// Lines that go together in a request.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) lines: Vec<Outstanding>,
    /// The server is asked to name what it refuses.
    pub(super) details: bool,
}

impl Part {
    pub(super) fn points(&self) -> u64 {
        self.lines.iter().map(|held| held.lines.points()).sum()
    }

    pub(super) fn length(&self) -> usize {
        self.lines.iter().map(|held| held.lines.len()).sum()
    }

    /// Cuts off the lines within the first `bytes` and `points`, at least one.
    pub(super) fn split_front(&mut self, mut bytes: usize, mut points: u64) -> Part {
        let mut front = Vec::new();
        while let Some(held) = self.lines.first_mut() {
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
            self.lines.remove(0);
        }
        Part {
            lines: front,
            details: self.details,
        }
    }

    /// Which points the errors are about, by their number in the part; `None` when that is not certain.
    pub(super) fn attribute<'a, 'b>(
        &self,
        failed: u64,
        errors: &'a [PointError<'b>],
    ) -> Option<Vec<(usize, &'a PointError<'b>)>> {
        let texts = self
            .lines
            .iter()
            .flat_map(|held| held.lines.bytes().split_inclusive(|byte| *byte == b'\n'));
        let lines: Vec<_> = texts
            .map(|text| line::parse(text).expect("a queued line is canonical"))
            .collect();
        let mut faults: Vec<(usize, &PointError<'_>)> = Vec::new();
        // Refusals come in the order of the points, failures of the storage in any.
        let mut left: VecDeque<&PointError<'_>> = errors.iter().collect();
        for (number, line) in lines.iter().enumerate() {
            if left.front().is_some_and(|error| error.is_about(line)) {
                faults.push((number, left.pop_front()?));
            }
        }
        if left.len() > DISORDER || errors.len() as u64 != failed {
            return None;
        }
        for error in left {
            let taken = |number: &usize| faults.iter().any(|(at, _)| at == number);
            let number = (0..lines.len()).find(|number| error.is_about(&lines[*number]) && !taken(number))?;
            faults.push((number, error));
        }
        faults.sort_unstable_by_key(|(number, _)| *number);
        Some(faults)
    }

    /// All of them have this verdict, and nothing more is to be said of them.
    pub(super) fn end(self, verdict: Verdict, verdicts: &mut Verdicts) {
        for held in self.lines {
            verdicts.end(held, verdict);
        }
    }

    /// All of them go again.
    pub(super) fn again(self, verdicts: &mut Verdicts) {
        for held in self.lines {
            verdicts.again(held);
        }
    }

    /// All of them are refused.
    pub(super) fn reject(self, words: &str, verdicts: &mut Verdicts) {
        for held in self.lines {
            reject(held, ErrorKind::IllegalArgument, words.to_owned(), verdicts);
        }
    }
}

/// These points are refused, in these words.
pub(super) fn reject(held: Outstanding, kind: ErrorKind, words: String, verdicts: &mut Verdicts) {
    verdicts.refused(kind, words);
    verdicts.report_refusal();
    verdicts.end(held, Verdict::Rejected);
}
