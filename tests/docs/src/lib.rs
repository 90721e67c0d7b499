//! The Rust examples of README.md and docs/, each a test against a server in the process. `build.rs` makes the tests.
//!
//! Those of the crates' READMEs are in `tests/crates.rs`, another process: each has one recorder of metrics.

#![forbid(unsafe_code)]

#[cfg(test)]
mod server;

#[cfg(test)]
#[allow(
    unused,
    unused_qualifications,
    missing_docs,
    clippy::all,
    clippy::print_stdout,
    reason = "examples show, and are not always used"
)]
mod examples {
    include!(concat!(env!("OUT_DIR"), "/pages.rs"));
}
