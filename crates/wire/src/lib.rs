//! OpenTSDB's write protocol as pure functions: points to bytes, and bytes to points.
//!
//! ```
//! use potsdb_wire::{Rules, SeriesText, Timestamp, Value, line};
//!
//! let rules = Rules::default();
//! let mut series = SeriesText::new();
//! series.metric(&rules, "", "web.latency")?;
//! series.tag(&rules, "path", "/login")?;
//! series.finish(&rules)?;
//!
//! let mut out = Vec::new();
//! let timestamp = Timestamp::from_secs(1_767_225_600)?;
//! let value = Value::try_from(0.0123)?;
//! line::render(
//!     series.head(),
//!     timestamp.text(&mut [0; 13]),
//!     value.text(&mut [0; Value::MAX_LEN]),
//!     series.tail(),
//!     &mut out,
//! );
//! assert_eq!(out, b"put web.latency 1767225600 0.0123 path=/login\n");
//! # Ok::<(), potsdb_wire::InvalidPoint>(())
//! ```
//!
//! A type's existence is the proof: a [`Value`], a [`Timestamp`] and a finished [`SeriesText`] hold only what may go on
//! the wire, so nothing downstream checks again.
//!
//! - [`Rules`] and [`Names`] say which names are legal; [`InvalidPoint`] says which rule was broken, and where.
//! - [`SeriesText`] is the part of a line that a series repeats; [`Value`] and [`Timestamp`] are the part that changes.
//! - [`mod@line`] puts them together, reads lines back, and brings foreign lines into canonical form.
//! - [`json`] is the body of `/api/put`, both directions.
//! - [`reply`] is what a server's answer means; [`words`] are its words, made fit for a log.
//!
//! Not here: sockets, threads, files, clocks, and any decision about what to do next. Those are the client's and the
//! receiver's, which both stand on this crate.

#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]

mod copy;
mod digits;
mod error;
#[cfg(feature = "http")]
pub mod http;
pub mod json;
pub mod line;
mod misspelt;
mod name;
pub mod reply;
mod series;
mod timestamp;
mod value;
pub mod words;

pub use crate::{
    error::{Field, InvalidPoint},
    json::{Json, JsonError},
    line::{Additions, Line, Tags},
    misspelt::letters_amiss,
    name::{Names, Rules, UnknownNames},
    reply::{Class, ErrorKind, Replies, Reply, Server},
    series::{SeriesText, check_length},
    timestamp::Timestamp,
    value::{Value, ValueBuffer},
};

/// The longest line every server takes, in bytes, its newline not counted.
///
/// OpenTSDB closes the connection without a word once more than this much sits in its buffer without a newline.
pub const MAX_LINE: usize = 1024;
