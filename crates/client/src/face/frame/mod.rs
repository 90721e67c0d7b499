//! Tables as points: Arrow record batches, sent on the caller's thread.
//!
//! ```text
//!   time                 | path (dictionary) | dc | latency | bytes          Columns::new()
//!   2026-01-01T00:00:00Z | /login            | eu | 0.0123  | 512              .value("latency", "web.latency")
//!                                                                              .value("bytes", "web.bytes")
//!   put web.latency 1767225600 0.0123 path=/login dc=eu                        .timestamp("time").tag("path").tag("dc")
//!   put web.bytes 1767225600 512 path=/login dc=eu
//! ```
//!
//! Each cell of a value column is a point. Columns are read where they lie, in the layout they came in, some rows at a time
//! (`column.rs`, `times.rs`, `strings.rs`). Strings become numbers, a row's numbers the number of its series (`series_keys.rs`), and a
//! series is checked and rendered when it is first seen (`series_table.rs`); after that a point is three copies and the digits. Lines are
//! gathered (`line_buffer.rs`) and appended some hundred at a time, waiting for room, as `bulk.rs` does with lines that are lines
//! already.
//!
//! A cell without a value makes no point and is counted as skipped: null, NaN (which is pandas' null), and every cell of a
//! row without a time. An illegal cell is counted as invalid and named by row and column. A null tag is left out.

use std::fmt;
use std::time::Duration;

use arrow_array::{Array, RecordBatch};
use potsdb_wire::InvalidPoint;

use crate::error::SendError;
use crate::face::client::Client;

mod column;
mod dictionary_index;
mod line_buffer;
mod number;
mod send;
mod series_keys;
mod series_table;
mod strings;
mod times;
mod timestamp_cache;
mod value_text;

pub use send::Frame;

/// Which columns of a table make points, and how.
///
/// ```
/// use potsdb::frame::Columns;
///
/// let columns = Columns::new().value("latency", "web.latency").timestamp("time").tag("path");
/// assert_eq!(columns.names().collect::<Vec<_>>(), ["latency", "time", "path"]);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Columns {
    values: Vec<(String, Option<String>)>,
    metric: Option<String>,
    timestamp: Option<String>,
    tags: Vec<(String, String)>,
}

impl Columns {
    /// Begins with none.
    #[must_use]
    pub fn new() -> Columns {
        Columns::default()
    }

    /// Adds a column of values: each cell is a point of this metric.
    #[must_use]
    pub fn value(mut self, column: impl Into<String>, metric: impl Into<String>) -> Columns {
        self.values.push((column.into(), Some(metric.into())));
        self
    }

    /// Adds a column of values whose metric stands in a column of its own.
    #[must_use]
    pub fn value_of(mut self, column: impl Into<String>, metric_column: impl Into<String>) -> Columns {
        self.values.push((column.into(), None));
        self.metric = Some(metric_column.into());
        self
    }

    /// Says which column holds the time. Without one it is the time of the call.
    #[must_use]
    pub fn timestamp(mut self, column: impl Into<String>) -> Columns {
        self.timestamp = Some(column.into());
        self
    }

    /// Adds a tag named as its column.
    #[must_use]
    pub fn tag(self, column: impl Into<String> + Clone) -> Columns {
        self.tag_as(column.clone(), column)
    }

    /// Adds a tag whose name is not the column's.
    #[must_use]
    pub fn tag_as(mut self, column: impl Into<String>, name: impl Into<String>) -> Columns {
        self.tags.push((column.into(), name.into()));
        self
    }

    /// The table's columns that are read: all others may be missing.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let values = self.values.iter().map(|(column, _)| column);
        let tags = self.tags.iter().map(|(column, _)| column);
        let names = values.chain(&self.metric).chain(&self.timestamp).chain(tags);
        names.map(String::as_str)
    }
}

/// What became of a table's cells.
///
/// ```
/// # use std::sync::Arc;
/// # use potsdb::arrow_array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
/// # fn column(array: impl potsdb::arrow_array::Array + 'static) -> ArrayRef { Arc::new(array) }
/// # let batch = RecordBatch::try_from_iter([
/// #     ("time", column(Int64Array::from(vec![1_767_225_600, 1_767_225_601]))),
/// #     ("path", column(StringArray::from(vec!["/login", "/logout"]))),
/// #     ("latency", column(Float64Array::from(vec![0.0123, f64::NAN]))),
/// # ])?;
/// use std::time::Duration;
///
/// use potsdb::frame::Columns;
///
/// let client = potsdb::Client::open("tsdb://localhost?test_mode=true")?;
/// let columns = Columns::new().value("latency", "web.latency").timestamp("time").tag("path");
/// let sent = client.send_frame(&batch, &columns, Duration::from_secs(5))?;
/// assert_eq!((sent.queued, sent.skipped, sent.rows), (1, 1, 2)); // NaN is no value
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SentFrame {
    /// Points accepted: queued, or, after `stop`, dropped at once.
    pub queued: u64,
    /// Cells without a value or a time: no points were made of them.
    pub skipped: u64,
    /// Cells refused; the first few are in `bad`.
    pub invalid: u64,
    /// The first cells refused, [`BAD_CELLS`] at most.
    pub bad: Vec<BadCell>,
    /// Whole rows dealt with. Less than all of them when the timeout came, or the client was closed: the
    /// rest, `batch.slice(rows, ...)`, can be given again. (Of a row of very many values a part may have been taken.)
    pub rows: usize,
}

/// Refused cells that are told one by one.
pub const BAD_CELLS: usize = 10;

/// A cell that was refused.
///
/// ```
/// # use std::sync::Arc;
/// # use potsdb::arrow_array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
/// # fn column(array: impl potsdb::arrow_array::Array + 'static) -> ArrayRef { Arc::new(array) }
/// # let batch = RecordBatch::try_from_iter([
/// #     ("time", column(Int64Array::from(vec![1_767_225_600, 1_767_225_601]))),
/// #     ("path", column(StringArray::from(vec!["/login", "/log out"]))),
/// #     ("latency", column(Float64Array::from(vec![0.0123, f64::NAN]))),
/// # ])?;
/// use std::time::Duration;
///
/// use potsdb::frame::Columns;
///
/// let client = potsdb::Client::open("tsdb://localhost?test_mode=true")?;
/// let columns = Columns::new().value("time", "web.at").tag("path");
/// let sent = client.send_frame(&batch, &columns, Duration::from_secs(5))?;
/// assert_eq!((sent.invalid, sent.bad[0].row), (1, 1));
/// println!("{}", sent.bad[0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BadCell {
    /// Its row in the batch, from 0.
    pub row: usize,
    /// Its column.
    pub column: String,
    /// What is illegal, and the rule.
    pub error: InvalidPoint,
}

impl fmt::Display for BadCell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "row {}, column {:?}: {}", self.row, self.column, self.error)
    }
}

/// Why a table cannot be sent at all.
///
/// ```
/// # use std::sync::Arc;
/// # use potsdb::arrow_array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
/// # fn column(array: impl potsdb::arrow_array::Array + 'static) -> ArrayRef { Arc::new(array) }
/// # let batch = RecordBatch::try_from_iter([
/// #     ("time", column(Int64Array::from(vec![1_767_225_600, 1_767_225_601]))),
/// #     ("path", column(StringArray::from(vec!["/login", "/logout"]))),
/// #     ("latency", column(Float64Array::from(vec![0.0123, f64::NAN]))),
/// # ])?;
/// use std::time::Duration;
///
/// use potsdb::frame::{Columns, FrameError};
///
/// let client = potsdb::Client::open("tsdb://localhost?test_mode=true")?;
/// let error = client.send_frame(&batch, &Columns::new().value("size", "web.size"), Duration::ZERO);
/// assert_eq!(error, Err(FrameError::Missing("size".to_owned())));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FrameError {
    /// The client is closed, and nothing was taken.
    Closed,
    /// No column of values was named.
    NoValues,
    /// There is no column of this name.
    Missing(String),
    /// A column's type makes no values, times or tags.
    Type {
        /// The column.
        column: String,
        /// Its type, as Arrow names it.
        found: String,
        /// What is needed there.
        needed: &'static str,
    },
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FrameError::Closed => SendError::Closed.fmt(f),
            FrameError::NoValues => f.write_str("no column of values is named: one is needed"),
            FrameError::Missing(column) => write!(f, "column {column:?} is not in the table"),
            FrameError::Type { column, found, needed } => {
                write!(f, "column {column:?} is of type {found}: {needed} are needed")
            }
        }
    }
}

impl std::error::Error for FrameError {}

impl Client {
    /// Sends the points of an Arrow record batch. Waits for room when the queue is full, at most `timeout`.
    ///
    /// Prefix, own tags and host are added as by [`send`](Client::send); repeats are not looked for. Times are
    /// written as the option `precision` says, cut to the whole second or millisecond.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use std::time::Duration;
    ///
    /// use potsdb::arrow_array::{ArrayRef, Float64Array, Int64Array, RecordBatch};
    /// use potsdb::frame::Columns;
    ///
    /// let time: ArrayRef = Arc::new(Int64Array::from(vec![1_767_225_600, 1_767_225_601]));
    /// let latency: ArrayRef = Arc::new(Float64Array::from(vec![0.0123, 0.0098]));
    /// let batch = RecordBatch::try_from_iter([("time", time), ("latency", latency)])?;
    ///
    /// let client = potsdb::Client::open("tsdb://localhost?test_mode=true")?;
    /// let columns = Columns::new().value("latency", "web.latency").timestamp("time");
    /// assert_eq!(client.send_frame(&batch, &columns, Duration::from_secs(5))?.queued, 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// What keeps the batch from being read; and when nothing at all was taken because the client is closed.
    pub fn send_frame(
        &self,
        batch: &RecordBatch,
        columns: &Columns,
        timeout: Duration,
    ) -> Result<SentFrame, FrameError> {
        self.frame(columns.clone()).send(batch, 0, timeout)
    }

    /// Begins a table of several batches, whose series are looked up once for all of them.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use potsdb::arrow_array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
    /// # fn column(array: impl potsdb::arrow_array::Array + 'static) -> ArrayRef { Arc::new(array) }
    /// # let batch = RecordBatch::try_from_iter([
    /// #     ("time", column(Int64Array::from(vec![1_767_225_600, 1_767_225_601]))),
    /// #     ("path", column(StringArray::from(vec!["/login", "/logout"]))),
    /// #     ("latency", column(Float64Array::from(vec![0.0123, f64::NAN]))),
    /// # ])?;
    /// use std::time::Duration;
    ///
    /// use potsdb::frame::Columns;
    ///
    /// let client = potsdb::Client::open("tsdb://localhost?test_mode=true")?;
    /// let columns = Columns::new().value("latency", "web.latency").timestamp("time").tag("path");
    /// let mut frame = client.frame(columns);
    /// for batch in [batch.slice(0, 1), batch.slice(1, 1)] {
    ///     frame.send(&batch, 0, Duration::from_secs(5))?;
    /// }
    /// assert_eq!(client.stats().accepted, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn frame(&self, columns: Columns) -> Frame {
        Frame::new(self.clone(), columns)
    }
}

fn find<'a>(batch: &'a RecordBatch, column: &str) -> Result<&'a dyn Array, FrameError> {
    match batch.column_by_name(column) {
        Some(array) => Ok(array),
        None => Err(FrameError::Missing(column.to_owned())),
    }
}
