//! The server that the examples send to.

use std::sync::OnceLock;

use potsdb_receiver::{Config, Receiver};

/// The URL of a server that lives as long as the tests.
pub(crate) fn url() -> String {
    static SERVER: OnceLock<Receiver> = OnceLock::new();
    let server = SERVER.get_or_init(|| Receiver::start(Config::default()).expect("a port is free"));
    server.url()
}
