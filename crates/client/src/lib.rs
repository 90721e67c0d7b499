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
//! - [`Client`] sends, flushes, closes; [`Series`] is a metric with its tags, for many points; [`Barrier`] is a place in
//!   the order of sending.
//! - [`Tags`] and [`IntoValue`] are what tags and values may be given as, [`Timestamp`] is a time.
//! - [`Builder`] and [`Options`] set what can be set; [`ConfigError`] says what was wrong.
//! - [`Stats`] says where every point is: `accepted = acknowledged + unconfirmed + rejected + dropped
//!   + pending`, always.
//! - [`InvalidPoint`], [`SendError`] and [`FlushError`] are what calls return; trouble with the server
//!   is never among them. It is a [`Report`], which goes to the [`log`] facade.
//!
//! Features: `http` (on by default) for `http://` and `https://`, `tls` for `tsdbs://` and `https://`, `spool` for the option
//! of that name, and `frame` for Arrow's record batches.
//!
//! Every `timeout` is a [`Duration`](std::time::Duration). [`Duration::MAX`](std::time::Duration::MAX) waits without end.
//!
//! OpenTSDB keeps one value per series and second. Count with the counters of `potsdb-instruments`, which send totals.
//!
//! Not here: aggregation, queries, an async runtime. One background thread per client does everything
//! that can block.

#![cfg_attr(docsrs, feature(doc_cfg))]
#![deny(unsafe_code)]
#![cfg_attr(
    not(feature = "spool"),
    allow(dead_code, reason = "what only the spool asks of other modules")
)]

#[cfg(not(unix))]
compile_error!("potsdb needs Unix: fork, and the kernel's word on what a connection has delivered");

mod clock;
mod config;
mod delivery;
mod engine;
mod error;
mod exchange;
mod face;
#[cfg(all(test, potsdb_loom))]
mod models;
mod net;
mod process;
mod queue;
mod report;
#[cfg(feature = "spool")]
mod spooling;
#[cfg(not(feature = "spool"))]
#[path = "spooling/without.rs"]
mod spooling;
mod stats;
// It plays both wires.
#[cfg(all(test, feature = "http"))]
mod simulation;

// In public signatures: a program needs the version that this crate has.
#[cfg(feature = "frame")]
pub use arrow_array;
pub use log;
pub use potsdb_wire::{InvalidPoint, Names, Server, Timestamp, Value};

pub use crate::config::auth::{Auth, AuthScheme};
pub use crate::config::builder::Builder;
pub use crate::config::endpoint::{DEFAULT_PORT, Endpoint, Scheme};
pub use crate::config::options::{
    Ack, HostTag, Invalid, OPTIONS, OptionSpec, Options, Overflow, Precision, Repeats, SpoolMode,
};
pub use crate::config::secret::Secret;
pub use crate::error::{ConfigError, FlushError, SendError};
pub use crate::face::barrier::Barrier;
#[doc(hidden)]
pub use crate::face::binding;
pub use crate::face::client::Client;
#[cfg(feature = "frame")]
pub use crate::face::frame;
pub use crate::face::series::{IntoValue, Series};
pub use crate::face::tags::{TagIter, Tags};
pub use crate::queue::bulk::{BadLine, SentLines};
pub use crate::queue::{Progress, Sent};
pub use crate::report::Report;
pub use crate::stats::{Dropped, EndpointState, EndpointStats, MetricCount, SpoolStats, Stats};
