//! Parts: lines that go together in a request, and which of them an answer is about.
//!
//! A server that refuses some of them names them by repeating them, or not at all. [`Payload::attribute`] finds the lines that
//! errors are about. What follows is decided in `http.rs`.

use std::collections::VecDeque;

use potsdb_wire::line;
use potsdb_wire::reply::{ErrorKind, PointError};

use crate::delivery::batch::Batch;
use crate::delivery::outstanding::Outstanding;
use crate::delivery::verdicts::{Verdict, Verdicts};

/// The most errors that are looked for out of their order.
const DISORDER: usize = 256;

/// Lines that go together in a request.
#[derive(Debug)]
pub(super) struct Payload {
    pub(super) batch: Batch,
    /// The server is asked to name what it refuses.
    pub(super) details: bool,
    /// Its lines were in a request of this connection before.
    pub(super) repeats: bool,
}

impl Payload {
    pub(super) fn new(batch: Batch) -> Payload {
        Payload {
            batch,
            details: false,
            repeats: false,
        }
    }

    /// The same lines, to be put once more.
    pub(super) fn again(self) -> Payload {
        Payload { repeats: true, ..self }
    }

    /// A part of other lines, otherwise the same.
    pub(super) fn with(&self, batch: Batch) -> Payload {
        Payload { batch, ..*self }
    }

    /// Which points the errors are about, by their number in the part; `None` when that is not certain.
    pub(super) fn attribute<'a, 'b>(
        &self,
        errors: impl Iterator<Item = &'a PointError<'b>>,
    ) -> Option<Vec<(usize, &'a PointError<'b>)>>
    where
        'b: 'a,
    {
        let texts = self
            .batch
            .lines
            .iter()
            .flat_map(|held| held.lines.bytes().split_inclusive(|byte| *byte == b'\n'));
        let lines: Vec<_> = texts
            .map(|text| line::parse(text).expect("a queued line is canonical"))
            .collect();
        let mut faults: Vec<(usize, &PointError<'_>)> = Vec::new();
        // Refusals come in the order of the points, failures of the storage in any.
        let mut left: VecDeque<&PointError<'_>> = errors.collect();
        for (number, line) in lines.iter().enumerate() {
            if left.front().is_some_and(|error| error.is_about(line)) {
                faults.push((number, left.pop_front()?));
            }
        }
        if left.len() > DISORDER {
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

    /// All of them are refused.
    pub(super) fn reject(self, words: &str, verdicts: &mut Verdicts) {
        for held in self.batch.lines {
            reject(held, ErrorKind::IllegalArgument, words.to_owned(), verdicts);
        }
    }
}

/// These points are refused, in these words.
pub(super) fn reject(held: Outstanding, kind: ErrorKind, words: String, verdicts: &mut Verdicts) {
    if held.is_void() {
        return verdicts.end(held, Verdict::Rejected);
    }
    verdicts.refused(kind, words);
    verdicts.report_refusal();
    verdicts.end(held, Verdict::Rejected);
}
