//! What the server said before anything that a server of this protocol says: kept to tell what else may be speaking.

use potsdb_wire::reply::Foreign;

/// What is kept of it.
const MOST: usize = 256;

/// The first bytes of a connection's server, until it has said something known.
#[derive(Debug)]
pub(super) struct Opening(Option<Vec<u8>>);

impl Opening {
    pub(super) fn new() -> Opening {
        Opening(Some(Vec::new()))
    }

    pub(super) fn hear(&mut self, bytes: &[u8]) {
        if let Opening(Some(said)) = self {
            let left = MOST - said.len();
            said.extend_from_slice(&bytes[..bytes.len().min(left)]);
        }
    }

    /// It has said something known: whatever else it says, it is a server of this protocol.
    pub(super) fn understood(&mut self) {
        self.0 = None;
    }

    /// What else than a server of this protocol speaks here, as far as can be told.
    pub(super) fn foreign(&self) -> Option<Foreign> {
        self.0.as_deref().and_then(Foreign::of)
    }

    /// What it said, for a message.
    pub(super) fn quoted(&self) -> String {
        Foreign::quoted(self.0.as_deref().unwrap_or_default()).into()
    }

    /// Whether it said `1` and nothing else, as TDengine does; any server that is understood passes.
    pub(super) fn may_be_ones(&self) -> bool {
        self.0
            .as_deref()
            .is_none_or(|said| said.iter().all(|byte| *byte == b'1'))
    }
}
