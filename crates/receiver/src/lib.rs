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
//! A test asks for what it expects, and a failure says what is there instead:
//!
//! ```
//! use std::io::Write as _;
//! use std::time::Duration;
//! use potsdb_receiver::{Config, Receiver, Wanted};
//!
//! let receiver = Receiver::start(Config::default())?;
//! let mut connection = std::net::TcpStream::connect(receiver.address())?;
//! connection.write_all(b"put web.requests 1767225600 3 path=/login host=a\n")?;
//!
//! // Tags that are not asked for may be there.
//! let logins = Wanted::new("web.requests", &[("path", "/login")]).sum(3);
//! receiver.wait_to_have(&logins, Duration::from_secs(5))?;
//! assert_eq!(receiver.has("web.requests", &[("path", "/login")]).sum(), 3);
//!
//! let missing = Wanted::new("web.request", &[("path", "/login")]);
//! let error = receiver.wait_to_have(&missing, Duration::ZERO).unwrap_err();
//! assert!(error.to_string().contains("web.requests{host=a,path=/login}"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! - [`Receiver`] is the server, [`Config`] everything that can be chosen about it.
//! - [`Receiver::has`] gives the points of some series as [`Found`], [`Receiver::wait_to_have`] waits for those that are
//!   [`Wanted`]; [`Refused`] is a point that was not taken, in the server's words.
//! - [`Point`] is what it stored, with how often it came; [`Counts`] is everything it counted.
//! - [`Collision`] names a series that two connections write at the same time with other values.
//! - [`Visitors`] may see the page that shows all this in a browser.
//! - [`Happening`] is a connection or a refusal, for a log: [`Receiver::happenings`].
//! - [`Faults`] and [`FaultSwitch`] make it reset connections, lose answers, throttle, restart; [`Offsets`] and
//!   [`Occasions`] say when.
//!
//! On the wire it is OpenTSDB 2.4.1, or another [`Personality`], replies byte for byte. It keeps its points in memory,
//! bounded; a journal brings them back after a restart. It is no time series database: no disk format, no cluster.

#![forbid(unsafe_code)]

mod answers;
mod backend;
mod config;
mod counts;
mod faults;
mod fields;
mod found;
mod http;
mod json;
mod offers;
mod page;
mod personality;
mod point;
mod query;
mod receiver;
mod request;
mod state;
mod store;
mod telnet;
mod watch;

pub use config::Config;
pub use counts::Counts;
pub use faults::{FaultSwitch, Faults, Occasions, Offsets};
pub use found::Found;
pub use found::wanted::{Missing, Wanted};
pub use page::Visitors;
pub use personality::Personality;
pub use point::value::Value;
#[cfg(feature = "tls")]
pub use potsdb_front::Tls;
pub use potsdb_front::{Limits, Overlong};
pub use receiver::{Receiver, Stored};
pub use store::Point;
pub use store::collisions::Collision;
pub use store::refusals::Refused;
pub use store::series::SeriesName;
pub use watch::{Happened, Happening, Happenings, Seen};
