//! Refused points, in the words of the server: the latest thousand.
//!
//! Kept in the store beside the points (`intake.rs` notes them), handed out by `receiver.rs`. Long lines and words are
//! cut.

use std::collections::VecDeque;
use std::fmt::{self, Display, Formatter};

use crate::store::series::Writer;

/// A point that was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refused {
    /// The line as it came; a point that came over HTTP as the line it stands for, or as its JSON.
    pub line: String,
    /// What the server said to it, or would have if it said anything.
    pub reason: String,
}

impl Display for Refused {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.line, self.reason)
    }
}

/// How many are kept.
const MOST: usize = 1000;

/// How many bytes are kept of a line, and of what was said to it.
const LONGEST: usize = 1024;

/// What stands for the words of a server that says nothing.
const SILENCE: &str = "refused without a word";

/// A refusal and what is known about it.
#[derive(Clone, Debug)]
pub(crate) struct Noted {
    pub(crate) refused: Refused,
    /// Whose point it was.
    pub(crate) writer: Writer,
    /// When it was refused, in milliseconds since 1970.
    pub(crate) at: u64,
}

#[derive(Default)]
pub(crate) struct Refusals {
    latest: VecDeque<Noted>,
    /// How many there were, those that are kept no more included.
    pub(crate) all: u64,
}

impl Refusals {
    pub(crate) fn note(&mut self, line: &str, reason: &str, writer: Writer, at: u64) {
        self.all += 1;
        if self.latest.len() == MOST {
            self.latest.pop_front();
        }
        let reason = match reason.trim_end() {
            "" => SILENCE,
            words => words,
        };
        let refused = Refused {
            line: cut(line),
            reason: cut(reason),
        };
        self.latest.push_back(Noted { refused, writer, at });
    }

    /// Oldest first.
    pub(crate) fn all(&self) -> Vec<Refused> {
        self.latest.iter().map(|noted| noted.refused.clone()).collect()
    }

    pub(crate) fn latest(&self) -> Option<Refused> {
        self.latest.back().map(|noted| noted.refused.clone())
    }

    pub(crate) fn clear(&mut self) {
        self.latest.clear();
    }

    /// Those after the first so many there ever were, each with its number from 1 on; the oldest may be gone.
    pub(crate) fn after(&self, seen: u64) -> impl Iterator<Item = (u64, &Noted)> {
        let gone = self.all - self.latest.len() as u64;
        let known = usize::try_from(seen.saturating_sub(gone)).unwrap_or(usize::MAX);
        (gone + 1..).zip(&self.latest).skip(known)
    }
}

fn cut(text: &str) -> String {
    let mut end = LONGEST.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_are_kept_and_long_ones_are_cut() {
        let mut refusals = Refusals::default();
        for number in 0..2 * MOST {
            refusals.note(&format!("put {number}"), "", Writer::UNKNOWN, 0);
        }
        let last = "ü".repeat(LONGEST);
        refusals.note(&last, "put: no\n", Writer::UNKNOWN, 0);
        let all = refusals.all();
        assert_eq!((all.len(), all[0].line.as_str()), (MOST, "put 1001"));
        assert_eq!(all[0].reason, SILENCE);
        let newest = &all[MOST - 1];
        assert_eq!((newest.line.len(), newest.reason.as_str()), (LONGEST, "put: no"));
    }

    #[test]
    fn whoever_looks_again_gets_what_is_new() {
        let mut refusals = Refusals::default();
        for number in 1..=MOST + 5 {
            refusals.note(&format!("put {number}"), "", Writer::UNKNOWN, 0);
        }
        let numbers = |seen| {
            refusals
                .after(seen)
                .map(|(number, noted)| (number, noted.refused.line.clone()))
        };
        assert_eq!(numbers(0).next(), Some((6, "put 6".to_owned())), "five are gone");
        let last: Vec<_> = numbers(MOST as u64 + 4).collect();
        assert_eq!(last, [(MOST as u64 + 5, format!("put {}", MOST + 5))]);
        assert_eq!(numbers(MOST as u64 + 5).count(), 0);
    }
}
