//! Lines not yet appended, and what is noted of the rows they are of: it counts when they are appended.
//!
//! What there was no room for is given again, from the first row that was not appended as a whole.

use std::time::Instant;

use potsdb_wire::{InvalidPoint, SeriesText, Timestamp, Value, line};

use super::series_table::{LONGEST, Short};
use super::timestamp_cache::TimestampCache;
use super::value_text::ValueText;
use super::{BAD_CELLS, BadCell, FrameError, SentFrame};
use crate::error::SendError;
use crate::face::client::Client;

/// What is appended at once, at most.
pub(super) const BUFFER: usize = 8 * 1024;

pub(super) struct LineBuffer<'a> {
    client: &'a Client,
    buffer: &'a mut [u8; BUFFER],
    deadline: Option<Instant>,
    len: usize,
    /// How much may be written already for the longest lines of a row to fit; more than the page has, and no row does.
    row_fits: usize,
    points: u32,
    /// The most points the queue takes at once.
    most: u32,
    stamp: TimestampCache,
    noted: Noted,
    sent: SentFrame,
}

#[derive(Default)]
struct Noted {
    skipped: u64,
    invalid: u64,
    replaced: u32,
    bad: Vec<BadCell>,
}

impl<'a> LineBuffer<'a> {
    /// An empty page for the rows from `from` on, of so many values each.
    pub(super) fn new(
        client: &'a Client,
        buffer: &'a mut [u8; BUFFER],
        values: usize,
        from: usize,
        deadline: Option<Instant>,
    ) -> LineBuffer<'a> {
        let most = client.instance().queue().limit_points();
        LineBuffer {
            client,
            buffer,
            deadline,
            len: 0,
            row_fits: BUFFER.saturating_sub(values * LONGEST),
            points: 0,
            most: u32::try_from(most).unwrap_or(u32::MAX),
            stamp: TimestampCache::new(),
            noted: Noted::default(),
            sent: SentFrame {
                rows: from,
                ..SentFrame::default()
            },
        }
    }

    /// Whether the lines of a row fit for certain.
    #[inline]
    pub(super) fn fits_row(&self) -> bool {
        self.len <= self.row_fits
    }

    /// Whether a line fits for certain.
    #[inline]
    pub(super) fn fits(&self) -> bool {
        self.len <= BUFFER - LONGEST
    }

    /// Whether the queue takes no more lines at once.
    #[inline]
    pub(super) fn is_full(&self) -> bool {
        self.points >= self.most
    }

    /// Writes the line of a point, which [`fits`](LineBuffer::fits).
    #[inline]
    pub(super) fn write(&mut self, series: &Short, timestamp: Timestamp, value: &ValueText) {
        let free = self.buffer[self.len..].first_chunk_mut();
        let free = free.expect("it was asked whether a longer line fits");
        self.len += series.write(&mut self.stamp, timestamp, value, free);
        self.points += 1;
        self.noted.replaced += series.replaced;
    }

    /// The same of a series longer than usual; refused where the line is too long.
    #[cold]
    pub(super) fn write_long(
        &mut self,
        series: &SeriesText,
        timestamp: Timestamp,
        value: Value,
    ) -> Result<(), InvalidPoint> {
        self.len += line::write(series, timestamp, value, &mut self.buffer[self.len..])?.len();
        self.points += 1;
        self.noted.replaced += series.replaced();
        Ok(())
    }

    #[cold]
    pub(super) fn skip(&mut self, cells: usize) {
        self.noted.skipped += cells as u64;
    }

    #[cold]
    pub(super) fn note(&mut self, row: usize, column: &str, error: InvalidPoint, cells: usize) {
        self.noted.invalid += cells as u64;
        if self.sent.bad.len() + self.noted.bad.len() < BAD_CELLS {
            self.noted.bad.push(BadCell {
                row,
                column: column.to_owned(),
                error,
            });
        }
    }

    /// Appends what was gathered of the rows before `rows`.
    pub(super) fn append(&mut self, rows: usize) -> Result<(), SendError> {
        self.append_part()?;
        self.sent.rows = rows;
        Ok(())
    }

    /// Appends what was gathered, also in the middle of a row of very many values.
    pub(super) fn append_part(&mut self) -> Result<(), SendError> {
        let queue = self.client.instance().queue();
        if self.points > 0 {
            queue.append_lines(&self.buffer[..self.len], self.points, None, self.deadline)?;
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

    /// What became of the batch.
    pub(super) fn end(self) -> Result<SentFrame, FrameError> {
        let nothing = self.sent.queued == 0 && self.sent.skipped == 0 && self.sent.invalid == 0;
        if nothing && self.client.is_closed() {
            return Err(FrameError::Closed);
        }
        Ok(self.sent)
    }
}
