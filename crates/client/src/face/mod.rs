//! What programs hold: clients, series, barriers, and tables. Runs on the caller's thread and does no
//! I/O, except that building with `check_host` connects once.

pub(crate) mod barrier;
pub mod binding;
mod build;
pub(crate) mod client;
#[cfg(feature = "frame")]
pub mod frame;
pub(crate) mod series;
pub(crate) mod tags;
