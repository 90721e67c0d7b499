//! A point: what a put is, in which words OpenTSDB refuses one, and what its value is.

pub(crate) mod body;
pub(crate) mod number;
pub(crate) mod put;
pub(crate) mod value;
