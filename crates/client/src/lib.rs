//! A client for OpenTSDB, and everything that speaks its write protocol, that never makes the sender
//! wait and accounts for every point.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! let client = potsdb::Client::open("tsdb://localhost:4242")?;
//! client.send("host.load", 0.7, [("core", "1")])?;
//!
//! let latency = client.series("web.latency", [("path", "/login")])?; // checked and rendered once
//! latency.send(0.0123)?;
//!
//! client.flush(Duration::from_secs(5))?;
//! let stats = client.close(Duration::from_secs(5));
//! println!("{stats}");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! - [`Client`] sends, flushes, closes; [`Series`] is a metric with its tags, for many points.
//! - [`Builder`] and [`Options`] set what can be set; [`ConfigError`] says what was wrong.
//! - [`Stats`] says where every point is: `accepted = acknowledged + unconfirmed + rejected + dropped
//!   + pending`, always.
//! - [`InvalidPoint`], [`SendError`] and [`FlushError`] are what calls return; trouble with the server
//!   is never among them.
//!
//! OpenTSDB keeps one value per series and second. Count with the counters of `potsdb-instruments`, which send totals.
//!
//! Not here: aggregation, queries, an async runtime. One background thread per client does everything
//! that can block.

#![deny(unsafe_code)]

mod again;
mod auth;
mod backoff;
mod barrier;
mod batch;
mod block;
mod builder;
mod bulk;
mod census;
mod check;
mod client;
mod clock;
mod connection;
mod credentials;
mod dial;
mod driver;
mod endpoint;
mod engine;
mod error;
mod exchange;
mod files;
#[cfg(feature = "frames")]
pub mod frame;
mod home;
mod kernel;
mod ledger;
mod linger;
#[cfg(all(test, potsdb_loom))]
mod models;
mod options;
mod outstanding;
mod overload;
mod pace;
mod process;
mod publish;
mod queue;
mod repeat;
mod report;
mod resolver;
mod retries;
mod secret;
mod self_metrics;
mod series;
mod settling;
mod sibling;
// It plays both wires.
#[cfg(all(test, feature = "http"))]
mod simulation;
pub mod source;
mod sync;
#[cfg(feature = "tls")]
mod tls;
#[cfg(not(feature = "tls"))]
#[path = "without_tls.rs"]
mod tls;
mod url;
mod verdicts;
mod visit;
mod window;
mod worker;

pub use potsdb_wire::{InvalidPoint, Names, Rules, Server, Timestamp, Value};

pub use crate::auth::Auth;
pub use crate::barrier::Barrier;
pub use crate::builder::Builder;
pub use crate::bulk::{BadLine, SentLines};
pub use crate::census::MetricCount;
pub use crate::client::{Client, DETACHED_GRACE, NO_TAGS};
pub use crate::endpoint::{DEFAULT_PORT, Endpoint, Scheme};
pub use crate::error::{ConfigError, FlushError, SendError};
pub use crate::ledger::{Dropped, EndpointState, Stats};
pub use crate::options::{Ack, HostTag, Invalid, OPTIONS, OptionSpec, Options, Overflow, Precision, Repeats};
pub use crate::queue::{Sent, Wait};
pub use crate::report::Report;
pub use crate::secret::Secret;
pub use crate::series::{IntoValue, Series};
pub use crate::visit::Visit;
