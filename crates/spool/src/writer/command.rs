//! What the writer is asked for.

use crate::spool::SlotId;
use crate::store::{Lines, Payload, Refused};
use crate::writer::Told;

/// What the writer is asked for. A `tag` is the caller's, and comes back with the answer.
#[derive(Clone)]
#[non_exhaustive]
pub enum Command {
    /// To keep lines: [`Told::Appended`] or [`Told::Refused`].
    Append {
        /// The caller's.
        tag: u64,
        /// The lines.
        lines: Lines,
    },
    /// To say when all that was appended before is safe: [`Told::Synced`].
    Sync {
        /// The caller's.
        tag: u64,
    },
    /// To give lines back that are not done with: [`Told::Read`]. They count as taken until they are done with or given back.
    Read {
        /// The slot.
        slot: SlotId,
        /// From this position on.
        from: u64,
        /// About so many bytes.
        bytes: usize,
    },
    /// These points have their verdict, and go nowhere again.
    Done {
        /// The slot.
        slot: SlotId,
        /// The position of the first.
        first: u64,
        /// How many.
        points: u64,
    },
    /// These points were read, and go nowhere now.
    GiveBack {
        /// The slot.
        slot: SlotId,
        /// The position of the first.
        first: u64,
        /// How many.
        points: u64,
    },
    /// To keep lines that the server refused for ever, for people. They are to be done with as well.
    Reject {
        /// The slot.
        slot: SlotId,
        /// The lines.
        lines: Payload,
        /// What the server said.
        words: String,
    },
    /// To adopt an orphan: a slot of [`Told::News`], or [`Told::NoOrphan`].
    Adopt,
    /// To sync, and to let all slots go: [`Told::Closed`]. Nothing is carried out afterwards.
    Close,
}

impl Command {
    /// Bytes of the lines in it.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Command::Append { lines, .. } => (*lines.payload).as_ref().len(),
            Command::Reject { lines, .. } => (**lines).as_ref().len(),
            _ => 0,
        }
    }

    /// The answer when there is no spool: as little as can be said.
    pub(super) fn without_spool(self) -> Option<Told> {
        match self {
            Command::Append { tag, lines } => {
                let why = Refused::Off("the spool is not open".to_owned());
                Some(Told::Refused { tag, lines, why })
            }
            // Nothing was appended.
            Command::Sync { tag } => Some(Told::Synced { tag }),
            Command::Read { slot, .. } => Some(Told::Read {
                slot,
                runs: Vec::new(),
                is_end: true,
            }),
            Command::Adopt => Some(Told::NoOrphan),
            _ => None,
        }
    }
}
