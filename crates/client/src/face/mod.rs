//! What programs hold: clients, series, barriers, and tables. Runs on the caller's thread and does no I/O.

pub(crate) mod barrier;
mod build;
pub(crate) mod client;
#[cfg(feature = "frames")]
pub mod frame;
pub(crate) mod series;
