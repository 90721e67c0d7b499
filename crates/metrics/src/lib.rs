//! A recorder for the [`metrics`] facade that sends to OpenTSDB, and to everything that speaks its write protocol.
//!
//! ```
//! use std::time::Duration;
//! use metrics_exporter_opentsdb::Builder;
//!
//! # let url = "tsdb://localhost:4242?test_mode=true";
//! let client = potsdb::Client::open(url)?;
//! let exporter = Builder::new(&client).install()?;
//!
//! metrics::counter!("web.requests", "path" => "/login").increment(1);
//! metrics::gauge!("web.busy", "pool" => "main").set(7.0);
//! metrics::histogram!("web.latency", "path" => "/login").record(0.012);
//!
//! exporter.shutdown(Duration::from_secs(5)); // sends the last state, and waits for it
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! - [`Builder`] sets what can be set and makes the recorder: [`install`](Builder::install) for the whole program, or
//!   [`build_recorder`](Builder::build_recorder) for a layer around it.
//! - [`Exporter`] flushes and ends it. Dropping it sends the last state too, so keep it until the program's end.
//! - A prefix, tags for every series, and the host tag are options of the client: `prefix`, `tags`, `host_tag`.
//!
//! What arrives is what `potsdb-instruments` sends: counters as totals, after a zero; gauges as they are; histograms as
//! `.count .sum .min .max .p50 .p90 .p99 .p999`, or with the names of Prometheus ([`Style::Prometheus`]), and with buckets by
//! name ([`Builder::buckets_for`]). Everything goes out at multiples of the interval (10 s), with one timestamp.
//!
//! **A macro never waits, panics or fails.** What cannot be had, an illegal name or a counter that is a gauge already, is
//! reported once in the client's log; its updates are counted ([`Stats::refused`]) and go nowhere. Characters that OpenTSDB does not
//! allow become `_` unless [`Builder::names`] says otherwise: a macro has no error to return, and names come from many
//! libraries.
//!
//! **`absolute`** raises a counter and never lowers it, as the facade asks. Units and descriptions are kept for
//! [`Exporter::instruments`] to tell: OpenTSDB's `put` has no place for them.

#![forbid(unsafe_code)]

mod builder;
mod cache;
mod exporter;
mod recorder;
mod updates;

pub use potsdb_instruments::{Kind, Matcher, Names, SettingError, Style};

pub use crate::builder::{Builder, InstallError};
pub use crate::exporter::{Exporter, Stats};
pub use crate::recorder::Recorder;
