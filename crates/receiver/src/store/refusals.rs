//! Refused points, in the words of the server: the latest thousand.
//!
//! Kept in the store beside the points (`intake.rs` notes them), handed out by `receiver.rs`. Long lines and words are cut.

use std::collections::VecDeque;
use std::fmt::{self, Display, Formatter};

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

#[derive(Default)]
pub(crate) struct Refusals(VecDeque<Refused>);

impl Refusals {
    pub(crate) fn note(&mut self, line: &str, reason: &str) {
        if self.0.len() == MOST {
            self.0.pop_front();
        }
        let reason = match reason.trim_end() {
            "" => SILENCE,
            words => words,
        };
        self.0.push_back(Refused {
            line: cut(line),
            reason: cut(reason),
        });
    }

    /// Oldest first.
    pub(crate) fn all(&self) -> Vec<Refused> {
        self.0.iter().cloned().collect()
    }

    pub(crate) fn latest(&self) -> Option<Refused> {
        self.0.back().cloned()
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
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
            refusals.note(&format!("put {number}"), "");
        }
        let last = "ü".repeat(LONGEST);
        refusals.note(&last, "put: no\n");
        let all = refusals.all();
        assert_eq!((all.len(), all[0].line.as_str()), (MOST, "put 1001"));
        assert_eq!(all[0].reason, SILENCE);
        let newest = &all[MOST - 1];
        assert_eq!((newest.line.len(), newest.reason.as_str()), (LONGEST, "put: no"));
    }
}
