//! A point: what a put is, in which words OpenTSDB refuses one, what its value is, and where it goes.

pub(crate) mod body;
pub(crate) mod number;
pub(crate) mod put;
pub(crate) mod reading;
pub(crate) mod sink;
pub(crate) mod value;
