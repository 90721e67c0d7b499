//! What `potsdb serve` says while it runs: which series two connections write at the same time with other values.
//!
//! Each series is told once, by name, at most one line each time it is looked. The receiver names a bounded number of
//! series, so what is remembered here is bounded, too.

use std::collections::HashSet;
use std::sync::Arc;

use potsdb_receiver::{Receiver, SeriesName};

use crate::output::Output;

/// The series that were told.
#[derive(Default)]
pub(super) struct Collided {
    told: HashSet<Arc<SeriesName>>,
    /// How many collisions there were when it was looked last.
    seen: u64,
}

/// The most series in a line.
const MOST: usize = 3;

impl Collided {
    /// Says which series are new since the last time, if any are.
    pub(super) fn tell(&mut self, receiver: &Receiver, output: &Output) {
        let count = receiver.counts().collisions;
        if std::mem::replace(&mut self.seen, count) == count {
            return;
        }
        let mut collisions = receiver.collisions();
        collisions.retain(|collision| self.told.insert(Arc::clone(&collision.series)));
        let named: Vec<String> = collisions.iter().take(MOST).map(ToString::to_string).collect();
        let more = match collisions.len().saturating_sub(MOST) {
            0 => String::new(),
            more => format!(", and {more} more"),
        };
        if !named.is_empty() {
            output.note(format_args!(
                "written by two connections at the same time, the last value stays: {}{more}",
                named.join(", ")
            ));
        }
    }
}
