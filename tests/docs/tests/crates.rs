//! The Rust examples of the crates' READMEs, each a test against a server in the process. `build.rs` makes the tests.

#[path = "../src/server.rs"]
mod server;

#[allow(
    unused,
    unused_qualifications,
    missing_docs,
    clippy::all,
    clippy::print_stdout,
    reason = "examples show, and are not always used"
)]
mod examples {
    include!(concat!(env!("OUT_DIR"), "/crates.rs"));
}
