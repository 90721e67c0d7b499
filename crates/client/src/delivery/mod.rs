//! Lines that were taken from the queue and are not done with: where they wait, when they go again, and how they end.
//!
//! ```text
//! queue --take--> outstanding --written--> window --answered--> settling --> done
//!                      ^                      |
//!                      '--- again, retries <--'          verdicts: the one place where points end
//! ```
//!
//! Pure: time is an argument. `exchange/` and `engine/` stand on it.

pub(crate) mod again;
pub(crate) mod backoff;
pub(crate) mod batch;
pub(crate) mod copies;
pub(crate) mod outstanding;
pub(crate) mod overload;
pub(crate) mod pace;
pub(crate) mod retries;
pub(crate) mod settling;
pub(crate) mod spooled;
pub(crate) mod verdicts;
pub(crate) mod window;
