//! What the writer tells.

use crate::spool::{News, SlotId};
use crate::store::{Lines, Refused, Stats};

/// What the writer tells.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Told {
    /// The spool is open. What is in the slot already is to be read, and counts as adopted.
    Opened {
        /// The own slot.
        slot: SlotId,
        /// What it holds.
        stats: Stats,
    },
    /// The spool could not be opened, and is tried again after [`RETRY`](crate::store::RETRY).
    NotOpened {
        /// Why.
        why: String,
    },
    /// Lines were taken.
    Appended {
        /// The caller's.
        tag: u64,
        /// The slot.
        slot: SlotId,
        /// The position of their first point.
        first: u64,
    },
    /// Lines were not taken, and are the caller's again.
    Refused {
        /// The caller's.
        tag: u64,
        /// The lines.
        lines: Lines,
        /// Why.
        why: Refused,
    },
    /// Every point of a slot below a position is on disk and synced, or done with. Told when it changes; of a slot that is
    /// new, at once.
    Safe {
        /// The slot.
        slot: SlotId,
        /// The position.
        upto: u64,
    },
    /// All that was appended before the question is safe.
    Synced {
        /// The caller's.
        tag: u64,
    },
    /// Lines that are not done with, oldest first, each run with the position of its first point.
    Read {
        /// The slot.
        slot: SlotId,
        /// The lines.
        runs: Vec<(u64, Lines)>,
        /// There are none behind them now; or the disk did not give them, and is to be asked again later.
        is_end: bool,
    },
    /// No slot of the store is without a process.
    NoOrphan,
    /// What a slot tells.
    News(News),
    /// A call of the disk takes long: nothing gets safe meanwhile. `false`: it has returned.
    Stalled(bool),
    /// All slots were let go. The thread ends.
    Closed,
}
