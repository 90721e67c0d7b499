//! An embedded OpenTSDB receiver for development and tests: takes points, remembers them, misbehaves on request.
//!
//! ```
//! use std::io::Write as _;
//! use std::time::Duration;
//! use potsdb_receiver::{Config, Receiver};
//!
//! let receiver = Receiver::start(Config::default())?;
//! let mut connection = std::net::TcpStream::connect(receiver.address())?;
//! connection.write_all(b"put web.latency 1767225600 0.0123 path=/login\n")?;
//!
//! assert!(receiver.wait_for(1, Duration::from_secs(5)));
//! let point = &receiver.points()[0];
//! assert_eq!((point.series.metric.as_str(), point.value.as_str()), ("web.latency", "0.0123"));
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! - [`Receiver`] is the server, [`Config`] everything that can be chosen about it.
//! - [`Point`] is what it stored, with how often it came; [`Counts`] is everything it counted.
//! - [`Collision`] names a series that two connections write at the same time with other values.
//! - [`Faults`] and [`FaultSwitch`] make it reset connections, lose answers, throttle, restart; [`Offsets`] and
//!   [`Occasions`] say when.
//!
//! On the wire it is OpenTSDB 2.4.1, or another [`Personality`], replies byte for byte. It keeps its points in memory,
//! bounded; a journal brings them back after a restart. It is no time series database: no disk format, no cluster.

#![forbid(unsafe_code)]

mod aggregate;
mod body;
mod collisions;
mod config;
mod connection;
mod counts;
mod downsample;
mod faults;
mod filter;
mod head;
mod http;
mod inflate;
mod intake;
mod java;
mod journal;
mod listener;
mod merge;
mod names;
mod number;
mod parameters;
mod personality;
mod put;
mod query;
mod reading;
mod receiver;
mod reply;
mod result;
mod series;
mod store;
mod stream;
mod table;
mod telnet;
mod time;

pub use collisions::Collision;
pub use config::Config;
pub use counts::Counts;
pub use faults::{FaultSwitch, Faults, Occasions, Offsets};
pub use personality::Personality;
pub use receiver::{Receiver, Stored};
pub use series::SeriesName;
pub use store::Point;
