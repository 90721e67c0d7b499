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
//! Each cell of a value column is a point. Columns are read where they lie, in the layout they came in (`column.rs`). Strings
//! become numbers, a row's numbers the number of its series (`key.rs`), and a series is checked and rendered when
//! it is first seen; after that a point is two look-ups and the digits. Lines are gathered and appended some hundred at a
//! time, waiting for room, as `bulk.rs` does with lines that are lines already.
//!
//! A cell without a value makes no point and is counted as skipped: null, NaN (which is pandas' null), and every cell of a
//! row without a time. An illegal cell is counted as invalid and named by row and column. A null tag is left out.

use std::fmt;
use std::time::{Duration, Instant};

use arrow_array::{Array, RecordBatch};
use potsdb_wire::{InvalidPoint, MAX_LINE, SeriesText, line};

use crate::client::Client;
use crate::clock;
use crate::error::SendError;

mod column;
mod key;

use column::{Numbers, Times};
use key::Keys;

/// Which columns of a table make points, and how.
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
}

/// What became of a table's cells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SentBatch {
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
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BatchError {
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

impl fmt::Display for BatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BatchError::Closed => SendError::Closed.fmt(f),
            BatchError::NoValues => f.write_str("no column of values is named: one is needed"),
            BatchError::Missing(column) => write!(f, "column {column:?} is not in the table"),
            BatchError::Type { column, found, needed } => {
                write!(f, "column {column:?} is of type {found}: {needed} are needed")
            }
        }
    }
}

impl std::error::Error for BatchError {}

/// A table on its way: columns, and the series seen in them so far.
pub struct Frame {
    client: Client,
    columns: Columns,
    keys: Keys,
    buffer: Box<[u8]>,
}

impl Client {
    /// Sends the points of an Arrow record batch. Waits for room when the queue is full, until `timeout` if given.
    ///
    /// Prefix, own tags and host are added as by [`send`](Client::send); repeats are not looked for. Times are
    /// written as the option `precision` says, cut to the whole second or millisecond.
    ///
    /// # Errors
    ///
    /// What keeps the batch from being read; and when nothing at all was taken because the client is closed.
    pub fn send_batch(
        &self,
        batch: &RecordBatch,
        columns: &Columns,
        timeout: Option<Duration>,
    ) -> Result<SentBatch, BatchError> {
        self.frame(columns.clone()).send(batch, 0, timeout)
    }

    /// Begins a table of several batches, whose series are looked up once for all of them.
    #[must_use]
    pub fn frame(&self, columns: Columns) -> Frame {
        Frame {
            client: self.clone(),
            keys: Keys::new(&columns),
            columns,
            buffer: vec![0; BUFFER].into(),
        }
    }
}

/// What is appended at once, at most; and from where on another line might not fit.
const BUFFER: usize = 8 * 1024;
const LONGEST: usize = MAX_LINE + 1 + line::MIDDLE_LEN;

impl Frame {
    /// Sends the points of one batch from the row `from` on, as [`Client::send_batch`] does.
    ///
    /// # Errors
    ///
    /// As [`Client::send_batch`].
    pub fn send(
        &mut self,
        batch: &RecordBatch,
        from: usize,
        timeout: Option<Duration>,
    ) -> Result<SentBatch, BatchError> {
        let deadline = timeout.and_then(clock::deadline);
        let values = self
            .columns
            .values
            .iter()
            .map(|(column, _)| Numbers::of(column, find(batch, column)?))
            .collect::<Result<Vec<_>, _>>()?;
        if values.is_empty() {
            return Err(BatchError::NoValues);
        }
        let millis = self.client.writes_millis();
        let times = match &self.columns.timestamp {
            Some(column) => Times::of(column, find(batch, column)?, millis)?,
            None => Times::Now(self.client.now()),
        };
        let Frame {
            client,
            columns,
            keys,
            buffer,
        } = self;
        let mut rows = keys.rows(batch)?;
        let mut page = Page {
            client,
            buffer,
            deadline,
            len: 0,
            points: 0,
            noted: Noted::default(),
            sent: SentBatch {
                rows: from,
                ..SentBatch::default()
            },
        };
        for row in from..batch.num_rows() {
            // Lines of a row are appended together, as far as they fit: what is cut between rows can be given again.
            if page.len + values.len() * LONGEST > BUFFER && page.append(row).is_err() {
                return page.end();
            }
            let timestamp = match times.get(row) {
                Ok(Some(timestamp)) => timestamp,
                Ok(None) => {
                    page.noted.skipped += values.len() as u64;
                    continue;
                }
                Err(error) => {
                    let column = columns.timestamp.as_deref().unwrap_or_default();
                    page.note(row, column, error, values.len() as u64);
                    continue;
                }
            };
            let Some(key) = rows.key(row) else {
                page.noted.skipped += values.len() as u64;
                continue;
            };
            for (index, ((column, metric), numbers)) in columns.values.iter().zip(&values).enumerate() {
                let value = match numbers.get(row) {
                    Ok(Some(value)) => value,
                    Ok(None) => {
                        page.noted.skipped += 1;
                        continue;
                    }
                    Err(error) => {
                        page.note(row, column, error, 1);
                        continue;
                    }
                };
                if page.len + LONGEST > BUFFER && page.append_part().is_err() {
                    return page.end();
                }
                let series = rows.series(row, key, index, metric.as_deref(), page.client);
                let line = match series {
                    Ok(series) => line::write(series, timestamp, value, &mut page.buffer[page.len..])
                        .map(|line| (line.len(), series.replaced()))
                        .map_err(|error| (None, error)),
                    Err(bad) => Err(bad.clone()),
                };
                match line {
                    Ok((len, replaced)) => {
                        page.len += len;
                        page.points += 1;
                        page.noted.replaced += replaced;
                    }
                    Err((bad, error)) => page.note(row, bad.as_ref().unwrap_or(column), error, 1),
                }
            }
            if page.points >= page.most() && page.append(row + 1).is_err() {
                return page.end();
            }
        }
        let _ = page.append(batch.num_rows());
        page.end()
    }
}

fn find<'a>(batch: &'a RecordBatch, column: &str) -> Result<&'a dyn Array, BatchError> {
    match batch.column_by_name(column) {
        Some(array) => Ok(array),
        None => Err(BatchError::Missing(column.to_owned())),
    }
}

/// A series as a row needs it, or what is illegal and in which of its columns, if it is in one.
type Rendered = Result<SeriesText, (Option<String>, InvalidPoint)>;

/// Lines not yet appended, and what is noted of the rows they are of: it counts when they are appended.
struct Page<'a> {
    client: &'a Client,
    buffer: &'a mut [u8],
    deadline: Option<Instant>,
    len: usize,
    points: u32,
    noted: Noted,
    sent: SentBatch,
}

#[derive(Default)]
struct Noted {
    skipped: u64,
    invalid: u64,
    replaced: u32,
    bad: Vec<BadCell>,
}

impl Page<'_> {
    fn most(&self) -> u32 {
        let most = self.client.home().queue().limit_points();
        u32::try_from(most).unwrap_or(u32::MAX)
    }

    #[cold]
    fn note(&mut self, row: usize, column: &str, error: InvalidPoint, cells: u64) {
        self.noted.invalid += cells;
        if self.sent.bad.len() + self.noted.bad.len() < BAD_CELLS {
            self.noted.bad.push(BadCell {
                row,
                column: column.to_owned(),
                error,
            });
        }
    }

    /// Appends what was gathered of the rows before `rows`.
    fn append(&mut self, rows: usize) -> Result<(), SendError> {
        self.append_part()?;
        self.sent.rows = rows;
        Ok(())
    }

    /// Appends what was gathered, also in the middle of a row of very many values.
    fn append_part(&mut self) -> Result<(), SendError> {
        let queue = self.client.home().queue();
        if self.points > 0 {
            queue.append_lines(&self.buffer[..self.len], self.points, self.deadline)?;
        }
        let noted = std::mem::take(&mut self.noted);
        if noted.invalid > 0 || noted.replaced > 0 {
            queue.count_bulk(noted.invalid, noted.replaced);
        }
        self.sent.queued += u64::from(std::mem::take(&mut self.points));
        self.len = 0;
        self.sent.skipped += noted.skipped;
        self.sent.invalid += noted.invalid;
        self.sent.bad.extend(noted.bad);
        Ok(())
    }

    fn end(self) -> Result<SentBatch, BatchError> {
        let nothing = self.sent.queued == 0 && self.sent.skipped == 0 && self.sent.invalid == 0;
        if nothing && self.client.is_closed() {
            return Err(BatchError::Closed);
        }
        Ok(self.sent)
    }
}
