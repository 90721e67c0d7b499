//! Where the points of a body go, as a personality sees it: neither the store nor the faults, only what became of a
//! point.
//!
//! `offers.rs` has the one there is.

use crate::point::put::{Put, Refusal};

/// Takes the points of bodies.
pub(crate) trait Points {
    /// Holds the store for the points of one body.
    fn open(&self) -> Box<dyn Sink + '_>;
}

/// Takes the points of one body, one after the other.
pub(crate) trait Sink {
    /// What OpenTSDB asks of a point beyond its syntax.
    fn check(&self, put: &Put<'_>) -> Result<(), Refusal>;

    /// Takes a point, unless a fault refuses or drops it.
    fn offer(&mut self, put: &Put<'_>) -> Offered;

    /// Counts a point that was refused, and keeps what was said to it.
    fn refused(&mut self, line: &str, reason: &str);
}

/// What became of a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Offered {
    Taken,
    /// A fault refused it.
    Refused,
    /// A fault dropped it as if there were no room behind the server.
    Throttled,
}
