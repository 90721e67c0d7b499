//! Bad lines: told one by one at first, then only counted.
//!
//! A file in the wrong format is as many bad lines as it has lines; the first twenty say what is wrong with it.

use std::fmt::Display;

use crate::output::Output;
use crate::statistics::plural;

/// How many bad lines are told in full.
const TOLD: u64 = 20;

/// Tells bad lines, and at its end how many were not told.
pub(super) struct BadLines<'a> {
    output: &'a Output,
    count: u64,
}

impl<'a> BadLines<'a> {
    pub(super) fn new(output: &'a Output) -> BadLines<'a> {
        BadLines { output, count: 0 }
    }

    /// Tells one bad line: where it is, and which rule it breaks.
    pub(super) fn tell(&mut self, source: &str, number: u64, rule: impl Display) {
        self.count += 1;
        if self.count <= TOLD {
            self.output.note(format_args!("{source}:{number}: {rule}"));
        }
    }
}

impl Drop for BadLines<'_> {
    fn drop(&mut self) {
        if self.count > TOLD {
            self.output
                .note(format_args!("and {}", plural(self.count - TOLD, "more bad line")));
        }
    }
}
