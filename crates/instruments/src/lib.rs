//! Counters, gauges, timers and histograms for OpenTSDB: added up in the process, sent at aligned ticks.
//!
//! OpenTSDB keeps one value per series and second. A program that sends a point for each request therefore keeps one
//! request a second. It should count instead:
//!
//! ```
//! use potsdb_instruments::Instruments;
//!
//! # let url = "tsdb://localhost:4242?test_mode=true";
//! let client = potsdb::Client::open(url)?;
//! let instruments = Instruments::new(&client);
//!
//! let requests = instruments.counter("web.requests", [("path", "/login")])?;
//! let busy = instruments.gauge("web.busy", [("pool", "main")])?;
//! let render = instruments.timer("web.render", [("path", "/login")])?;
//!
//! requests.add(1); // a few nanoseconds, from any thread
//! busy.set(7);
//! render.time(|| { /* the work */ });
//!
//! client.close(std::time::Duration::from_secs(5)); // sends the last state, and waits for it
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! - [`Instruments`] makes them by name; [`Builder`] sets what can be set.
//! - [`Counter`] sends its total, after a zero, so that `rate` sees what was counted first.
//! - [`Gauge`] sends its value.
//! - [`Histogram`] and [`Timer`] send `.count` and `.sum`, which only grow, and `.min .max .p50 .p90 .p99 .p999` of the
//!   interval, within [`RELATIVE_ERROR`]. [`Style::Prometheus`] has the names of Prometheus. [`Sketch`] is what they are made of.
//!
//! **When.** Every interval (10 s), at times that are multiples of it, all instruments with one timestamp: OpenTSDB
//! interpolates between series whose times differ, so only aligned ones add up exactly. [`potsdb::Client::flush`] and
//! `close` send what changed since, and so does dropping the last handle. A series never has two values for one second: the
//! second of two flushes within one second has the next one. A program that flushes much more often than that is five seconds ahead
//! at most; then a flush leaves the newest state to a later one, a tick or the close.
//!
//! **Fork.** A child starts at zero, with what it updates itself. It sends the same series as its parent unless
//! a tag tells them apart: the client's option `worker_tag`.
//!
//! **Bridges.** What is counted elsewhere comes in by [`Counter::raise_to`], [`Histogram::record_many`] and
//! [`Histogram::merge`], and a library with intervals of its own makes the ticks: [`Builder::ticks_by_program`].
//!
//! Not here: queries, and functions that are called at each tick. One thread, `potsdb-ticker`, sends; it starts with
//! the first update.

#![forbid(unsafe_code)]

mod cell;
mod error;
mod handles;
mod instance;
mod instruments;
mod live;
mod names;
mod registry;
mod settings;
mod sketch;
mod slot;
mod style;
mod ticker;

pub use crate::error::{InstrumentError, SettingError};
pub use crate::handles::{Counter, Gauge, Histogram, Running, Timer};
pub use crate::instance::Ticked;
pub use crate::instruments::{Description, Instruments, Stats};
pub use crate::names::{Names, unescape};
pub use crate::settings::{Builder, DEFAULT_INTERVAL, DEFAULT_MAX_SERIES, DEFAULT_QUANTILES, Matcher};
pub use crate::sketch::{RELATIVE_ERROR, Sketch};
pub use crate::slot::Kind;
pub use crate::style::Style;
