//! Bulk: many lines at once, checked and brought into canonical form.
//!
//! Lines are gathered in small batches, so that the queue's lock is taken once per batch and a
//! batch fits the open block most of the time. A bad line is noted with its number and stops
//! nothing.

use std::time::Instant;

use potsdb_wire::{InvalidPoint, MAX_LINE, Rules, SeriesText, line};

use crate::error::SendError;
use crate::queue::Queue;

/// What became of lines handed to [`Client::send_lines`](crate::Client::send_lines).
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct SentLines {
    /// Lines accepted: queued, or, after `stop`, dropped at once.
    pub queued: u64,
    /// Lines refused, in their order.
    pub bad: Vec<BadLine>,
    /// Bytes of the input that were dealt with. Less than all of them when the timeout came, or the
    /// client was closed: the rest can be given again.
    pub consumed: usize,
    /// How many lines, blank ones included, those bytes were.
    pub lines: u64,
}

/// A line that was refused.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct BadLine {
    /// Its number in the input of the call, from 1, blank lines included.
    pub number: u64,
    /// What is illegal, and the rule.
    pub error: InvalidPoint,
}

/// What is appended at once, at most.
const BATCH_BYTES: usize = 8 * 1024;

pub(crate) fn send(
    queue: &Queue,
    rules: &Rules,
    input: &[u8],
    deadline: Option<Instant>,
) -> Result<SentLines, SendError> {
    let most = queue.limit_points();
    let mut sent = SentLines::default();
    let mut batch = Batch {
        bytes: Vec::with_capacity(BATCH_BYTES),
        ..Batch::default()
    };
    let mut scratch = SeriesText::new();
    let mut rest = input;
    let mut number = 0;
    while !rest.is_empty() {
        let length = memchr::memchr(b'\n', rest).map_or(rest.len(), |newline| newline + 1);
        let (text, after) = rest.split_at(length);
        rest = after;
        number += 1;
        let text = text.trim_ascii();
        if !text.is_empty() {
            match line::canonical_with(&mut scratch, rules, text, &mut batch.bytes) {
                Ok(()) => {
                    batch.points += 1;
                    batch.replaced += scratch.replaced();
                }
                Err(error) => {
                    batch.bad += 1;
                    sent.bad.push(BadLine { number, error });
                }
            }
        }
        if batch.bytes.len() + MAX_LINE >= BATCH_BYTES || u64::from(batch.points) >= most || rest.is_empty() {
            match batch.append(queue, deadline) {
                Ok(points) => sent.queued += points,
                Err(SendError::Closed) if sent.consumed == 0 => return Err(SendError::Closed),
                // What was not taken can be given again: the bad lines of this batch with it.
                Err(_) => {
                    sent.bad.retain(|bad| bad.number <= sent.lines);
                    return Ok(sent);
                }
            }
            sent.consumed = input.len() - rest.len();
            sent.lines = number;
        }
    }
    Ok(sent)
}

/// Lines not yet appended. What is wrong with them is counted when they are: a batch for which there
/// was no room is given again.
#[derive(Default)]
struct Batch {
    bytes: Vec<u8>,
    points: u32,
    bad: u64,
    replaced: u32,
}

impl Batch {
    fn append(&mut self, queue: &Queue, deadline: Option<Instant>) -> Result<u64, SendError> {
        if self.points > 0 {
            queue.append_lines(&self.bytes, self.points, deadline)?;
        }
        if self.bad > 0 || self.replaced > 0 {
            queue.count_bulk(std::mem::take(&mut self.bad), std::mem::take(&mut self.replaced));
        }
        self.bytes.clear();
        Ok(u64::from(std::mem::take(&mut self.points)))
    }
}
