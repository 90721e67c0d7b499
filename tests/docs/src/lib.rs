//! The Rust examples of README.md and docs/, each a test against a server in the process. `build.rs` makes the tests.

#![forbid(unsafe_code)]

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
    use std::time::Duration;

    use potsdb::Timestamp;

    fn render_page() -> String {
        String::new()
    }

    include!(concat!(env!("OUT_DIR"), "/examples.rs"));
}

/// The URL of a server that lives as long as the tests.
#[cfg(test)]
fn server_url() -> String {
    use std::sync::OnceLock;

    use potsdb_receiver::{Config, Receiver};

    static SERVER: OnceLock<Receiver> = OnceLock::new();
    let server = SERVER.get_or_init(|| Receiver::start(Config::default()).expect("a port is free"));
    server.url()
}
