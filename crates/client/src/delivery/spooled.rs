//! What the spool is to hear of lines: `verdicts.rs` and the engine's bounds note it, the driver passes it on.

use std::ops::Range;

use crate::queue::block::Lines;

/// Notes for the spool. Nothing is noted while there is none that takes lines.
#[derive(Debug, Default)]
pub(crate) struct ForSpool {
    /// There is a spool.
    pub(crate) is_there: bool,
    /// It takes lines now.
    pub(crate) takes: bool,
    /// These points are done with: their copies on disk are of no more use.
    pub(crate) done: Vec<Range<u64>>,
    /// Lines that memory let go of. They have their verdict, and may have to be written again.
    pub(crate) kept: Vec<Lines>,
    /// Points of such lines that are to be written again.
    pub(crate) again: Vec<Range<u64>>,
    /// Lines that the server refused for ever, and its words.
    pub(crate) rejected: Vec<(Lines, String)>,
}

impl ForSpool {
    pub(crate) fn done(&mut self, positions: Range<u64>) {
        if self.is_there {
            self.done.push(positions);
        }
    }

    pub(crate) fn rejected(&mut self, lines: &Lines, words: Option<&String>) {
        if self.is_there && !lines.is_on_disk() {
            self.rejected.push((lines.clone(), words.cloned().unwrap_or_default()));
        }
    }
}
