//! The numbers that stand for strings and series while a table is sent: from 0 up, in the order in which they are met.

/// The number of a null; as a row's number: there is no series.
pub(super) const NULL: u32 = u32::MAX;
