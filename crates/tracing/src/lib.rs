//! A layer for [`tracing`](https://docs.rs/tracing) that makes counters, gauges and histograms for OpenTSDB of fields of events.
//!
//! ```
//! use potsdb_instruments::Instruments;
//! use potsdb_tracing::MetricsLayer;
//! use tracing_subscriber::prelude::*;
//!
//! # let url = "tsdb://localhost:4242?test_mode=true";
//! let client = potsdb::Client::open(url)?;
//! let layer = MetricsLayer::new(&Instruments::new(&client)).tags(["path"]);
//! tracing_subscriber::registry().with(layer).init();
//!
//! tracing::info!(monotonic_counter.web.requests = 1, histogram.web.latency = 0.012, path = "/login", user = "ann");
//!
//! client.close(std::time::Duration::from_secs(5)); // sends the last state, and waits for it
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The prefix of a field says what it is, as `tracing-opentelemetry` has it; the rest is the metric:
//!
//! | field | instrument | value |
//! |---|---|---|
//! | `monotonic_counter.` | counter | added; a negative one is refused |
//! | `counter.` | gauge | added |
//! | `gauge.` | gauge | set |
//! | `histogram.` | histogram | recorded |
//!
//! **Tags** are other fields of the event, those that [`MetricsLayer::tags`] names: none unless said. Each value of a tag makes a series,
//! for ever, and fields hold users, addresses and times. [`MetricsLayer::all_tags`] takes all fields but `message`; the limit of
//! series per metric (`max_series`) bounds what that costs. Fields of spans are not looked at.
//!
//! What is not a number, an illegal name, or a gauge that is a counter already, is reported once in the client's log and counted as
//! `invalid` in its statistics. The rest of the event counts.
//!
//! A filter of levels that is a layer of its own takes these events away, too. Give it to the layer that it is for: `with_filter`.
//!
//! **No loop.** Events of potsdb's own (target `potsdb`), and events that come while this thread is in the layer, are passed over.

#![forbid(unsafe_code)]

mod event;
mod handles;
mod layer;

pub use crate::layer::MetricsLayer;
