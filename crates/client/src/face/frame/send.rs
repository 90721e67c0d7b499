//! Tables on their way: rows to lines, in chunks.
//!
//! ```text
//!            time column --> times  --.
//!   rows     tag columns --> series --+--> a line for each cell --> page --> queue
//!            each value  --> values --'
//! ```
//!
//! A chunk is read column by column, by loops that know the column's type, into arrays that stay in the processor's nearest
//! cache; then written row by row. What has no time, series or value there is looked at again, alone: it is null, or illegal.

use std::fmt;
use std::time::Duration;

use arrow_array::RecordBatch;
use potsdb_wire::Timestamp;

use super::column::Numbers;
use super::line_buffer::{BUFFER, LineBuffer};
use super::number::NULL;
use super::series_keys::{Rows, SeriesKeys};
use super::series_table::Series;
use super::times::Times;
use super::value_text::ValueText;
use super::{Columns, FrameError, SentFrame, find};
use crate::clock;
use crate::error::SendError;
use crate::face::client::Client;

/// A table on its way: columns, and the series seen in them so far. From [`Client::frame`].
pub struct Frame {
    client: Client,
    columns: Columns,
    keys: SeriesKeys,
    chunk: Chunk,
    buffer: Box<[u8; BUFFER]>,
}

/// Rows that are read at once.
const CHUNK: usize = 128;

impl Frame {
    pub(super) fn new(client: Client, columns: Columns) -> Frame {
        Frame {
            client,
            keys: SeriesKeys::new(&columns),
            chunk: Chunk {
                times: [None; CHUNK].into(),
                numbers: [NULL; CHUNK].into(),
                values: vec![[ValueText::default(); CHUNK]; columns.values.len()],
            },
            columns,
            buffer: Box::new([0; BUFFER]),
        }
    }

    /// Sends the points of one batch from the row `from` on, as [`Client::send_frame`] does.
    ///
    /// # Errors
    ///
    /// As [`Client::send_frame`].
    pub fn send(&mut self, batch: &RecordBatch, from: usize, timeout: Duration) -> Result<SentFrame, FrameError> {
        let deadline = clock::deadline(timeout);
        let Frame {
            client,
            columns,
            keys,
            chunk,
            buffer,
        } = self;
        let mut table = Table::of(client, columns, keys, chunk, batch)?;
        let mut page = LineBuffer::new(client, buffer, columns.values.len(), from, deadline);
        // Whatever ends it, the page knows what was taken.
        let _ = table.send(&mut page, from, batch.num_rows());
        page.end()
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Frame")
            .field("client", &self.client)
            .field("columns", &self.columns)
            .finish_non_exhaustive()
    }
}

/// The columns of one batch, and a chunk of its rows.
struct Table<'a> {
    client: &'a Client,
    columns: &'a Columns,
    times: Times<'a>,
    rows: Rows<'a>,
    values: Vec<Numbers<'a>>,
    chunk: &'a mut Chunk,
}

/// Rows as their columns say, but for the reasons why something is missing.
struct Chunk {
    times: Box<[Option<Timestamp>; CHUNK]>,
    numbers: Box<[u32; CHUNK]>,
    /// By column of values.
    values: Vec<[ValueText; CHUNK]>,
}

impl<'a> Table<'a> {
    fn of(
        client: &'a Client,
        columns: &'a Columns,
        keys: &'a mut SeriesKeys,
        chunk: &'a mut Chunk,
        batch: &'a RecordBatch,
    ) -> Result<Table<'a>, FrameError> {
        let values = columns
            .values
            .iter()
            .map(|(column, _)| Numbers::of(column, find(batch, column)?))
            .collect::<Result<Vec<_>, _>>()?;
        if values.is_empty() {
            return Err(FrameError::NoValues);
        }
        let times = match &columns.timestamp {
            Some(column) => Times::of(column, find(batch, column)?, client.writes_millis())?,
            None => Times::Now(client.now()),
        };
        Ok(Table {
            client,
            columns,
            times,
            rows: keys.rows(batch)?,
            values,
            chunk,
        })
    }

    fn send(&mut self, page: &mut LineBuffer<'_>, from: usize, to: usize) -> Result<(), SendError> {
        for first in (from..to).step_by(CHUNK) {
            let len = CHUNK.min(to - first);
            self.times.read(first, &mut self.chunk.times[..len]);
            self.rows.read(first, &mut self.chunk.numbers[..len]);
            for (numbers, values) in self.values.iter().zip(&mut self.chunk.values) {
                numbers.read(first, &mut values[..len]);
            }
            for n in 0..len {
                self.send_row(page, first + n, n)?;
            }
        }
        page.append(to)
    }

    /// Writes the lines of a row, the n-th of the chunk.
    #[inline]
    fn send_row(&mut self, page: &mut LineBuffer<'_>, row: usize, n: usize) -> Result<(), SendError> {
        // Lines of a row are appended together, as far as they fit: what is cut between rows can be given again.
        if !page.fits_row() {
            page.append(row)?;
        }
        let number = self.chunk.numbers[n];
        let Some(timestamp) = self.chunk.times[n].filter(|_| number != NULL) else {
            self.leave_out(page, row, n);
            return Ok(());
        };
        for (index, values) in self.chunk.values.iter().enumerate() {
            let value = &values[n];
            if value.is_none() {
                leave_out_cell(page, row, &self.values[index], &self.columns.values[index].0);
                continue;
            }
            if !page.fits() {
                page.append_part()?;
            }
            let (column, metric) = &self.columns.values[index];
            let series = match self.rows.series(number, index) {
                Some(series) => series,
                None => self.rows.render(row, number, index, metric.as_deref(), self.client),
            };
            match series {
                Series::Short(short) => page.write(short, timestamp, value),
                Series::Long(series) => {
                    if let Ok(Some(value)) = self.values[index].get(row)
                        && let Err(error) = page.write_long(series, timestamp, value)
                    {
                        page.note(row, column, error, 1);
                    }
                }
                Series::Bad(bad) => page.note(row, bad.0.as_ref().unwrap_or(column), bad.1.clone(), 1),
            }
        }
        if page.is_full() {
            page.append(row + 1)?;
        }
        Ok(())
    }

    /// Notes a row without a time, or without a series: its metric is null.
    #[cold]
    fn leave_out(&self, page: &mut LineBuffer<'_>, row: usize, n: usize) {
        let cells = self.values.len();
        match self.times.get(row) {
            Err(error) if self.chunk.times[n].is_none() => {
                page.note(row, self.columns.timestamp.as_deref().unwrap_or_default(), error, cells);
            }
            _ => page.skip(cells),
        }
    }
}

/// Notes a cell without a value.
#[cold]
fn leave_out_cell(page: &mut LineBuffer<'_>, row: usize, values: &Numbers<'_>, column: &str) {
    match values.get(row) {
        Err(error) => page.note(row, column, error, 1),
        Ok(_) => page.skip(1),
    }
}
