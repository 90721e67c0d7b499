//! What touches sockets and files, and what turns around them: the worker, its loop, names, TLS, probes.
//!
//! `worker` is the thread, `driver` the loop over a trait `Network`, which the simulation drives too. What may hang has threads of
//! its own: `resolver` and `files`. `check` and `visit` ask a server on the caller's thread.

pub(crate) mod check;
pub(crate) mod connection;
pub(crate) mod dial;
pub(crate) mod driver;
pub(crate) mod files;
pub(crate) mod kernel;
pub(crate) mod linger;
pub(crate) mod progress;
pub(crate) mod publish;
pub(crate) mod resolver;
#[cfg(feature = "tls")]
pub(crate) mod tls;
#[cfg(not(feature = "tls"))]
#[path = "without_tls.rs"]
pub(crate) mod tls;
pub(crate) mod visit;
pub(crate) mod worker;
