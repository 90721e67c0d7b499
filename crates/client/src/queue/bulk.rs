//! Bulk: many lines at once, checked and brought into canonical form.
//!
//! Lines are gathered in small batches, so that the queue's lock is taken once per batch and a
//! batch fits the open block most of the time. A bad line is noted with its number and stops
//! nothing. The client's prefix, tags and host go into every line as they go into a call's point;
//! a client without them takes legal lines as they are, which costs nothing but the check.

use std::sync::Arc;
use std::time::Instant;

use potsdb_wire::{Additions, InvalidPoint, MAX_LINE, Rules, SeriesText, Timestamp, line};

use crate::error::SendError;
use crate::queue::repeat::{CachedSeries, Registry};
use crate::queue::{Queue, Sent};

/// What became of lines handed to [`Client::send_lines`](crate::Client::send_lines).
///
/// ```
/// use std::time::Duration;
///
/// let client = potsdb::Client::open("tsdb://localhost?test_mode=true")?;
/// let mut rest: &[u8] = b"a 1767225600 1 h=x\nb 1767225600 2 h=x\n";
/// while !rest.is_empty() {
///     let sent = client.send_lines(rest, Duration::from_secs(1))?;
///     rest = &rest[sent.consumed..]; // what the timeout left is given again
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct SentLines {
    /// Lines accepted: queued, or, after `stop`, dropped at once.
    pub queued: u64,
    /// Lines not queued, as the series had a point at that time: [`send_lines_once`](crate::Client::send_lines_once).
    pub repeated: u64,
    /// Lines refused, in their order.
    pub bad: Vec<BadLine>,
    /// Bytes of the input that were dealt with. Less than all of them when the timeout came, or the
    /// client was closed: the rest can be given again.
    pub consumed: usize,
    /// How many lines, blank ones and comments included, those bytes were.
    pub lines: u64,
    /// How many of those were blank, or comments: they begin with `#`.
    pub passed_over: u64,
    /// The position behind them: each lies below it. See [`Client::progress`](crate::Client::progress).
    pub upto: u64,
}

/// A line that was refused.
///
/// ```
/// use std::time::Duration;
///
/// let client = potsdb::Client::open("tsdb://localhost?test_mode=true")?;
/// let sent = client.send_lines(b"\nm now 1 h=x\n", Duration::from_secs(1))?;
/// let bad = &sent.bad[0];
/// assert_eq!(bad.number, 2);
/// assert!(bad.error.to_string().starts_with("timestamp: "), "{}", bad.error);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct BadLine {
    /// Its number in the input of the call, from 1, blank lines and comments included.
    pub number: u64,
    /// What is illegal, and the rule.
    pub error: InvalidPoint,
}

/// What is appended at once, at most.
const BATCH_BYTES: usize = 8 * 1024;

/// What becomes of a line before it is queued.
#[derive(Clone, Copy)]
pub(crate) struct Treatment<'a> {
    pub(crate) rules: &'a Rules,
    pub(crate) additions: &'a Additions,
    /// The series whose repeats are looked for, if they are, and whose they are.
    pub(crate) repeats: Option<(&'a Registry, u64)>,
}

pub(crate) fn send(
    queue: &Queue,
    treatment: Treatment<'_>,
    input: &[u8],
    deadline: Option<Instant>,
) -> Result<SentLines, SendError> {
    // A repeat is found under the queue's lock, a line at a time.
    let most = if treatment.repeats.is_some() {
        1
    } else {
        queue.limit_points()
    };
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
        if text.is_empty() || text[0] == b'#' {
            batch.passed_over += 1;
        } else {
            match batch.add(&mut scratch, treatment, text) {
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
            let passed_over = batch.passed_over;
            match batch.append(queue, deadline) {
                Ok((points, false)) => sent.queued += points,
                Ok((points, true)) => sent.repeated += points,
                Err(SendError::Closed) if sent.consumed == 0 => return Err(SendError::Closed),
                // What was not taken can be given again: the bad lines of this batch with it.
                Err(_) => {
                    sent.bad.retain(|bad| bad.number <= sent.lines);
                    sent.upto = queue.next();
                    return Ok(sent);
                }
            }
            sent.consumed = input.len() - rest.len();
            sent.lines = number;
            sent.passed_over += passed_over;
        }
    }
    sent.upto = queue.next();
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
    passed_over: u64,
    /// Of the one line of a batch whose repeats are looked for.
    repeat: Option<OwnedRepeat>,
}

impl Batch {
    fn add(&mut self, scratch: &mut SeriesText, treatment: Treatment<'_>, text: &[u8]) -> Result<(), InvalidPoint> {
        let Treatment { rules, additions, .. } = treatment;
        if let Some((registry, home)) = treatment.repeats {
            let timestamp = line::extended_series(scratch, rules, additions, text, &mut self.bytes)?;
            self.repeat = Some((registry.intern(scratch), home, timestamp));
            return Ok(());
        }
        match additions.is_empty() {
            true => line::canonical_with(scratch, rules, text, &mut self.bytes),
            false => line::extended_with(scratch, rules, additions, text, &mut self.bytes),
        }
    }

    /// Returns how many points there were, and whether they are repeats.
    fn append(&mut self, queue: &Queue, deadline: Option<Instant>) -> Result<(u64, bool), SendError> {
        let mut is_repeat = false;
        if self.points > 0 {
            let repeat = self.repeat.take();
            let repeat = repeat.as_ref().map(|(known, home, time)| (known, *home, *time));
            let sent = queue.append_lines(&self.bytes, self.points, repeat, deadline)?;
            is_repeat = sent == Sent::Repeated;
        }
        if self.bad > 0 || self.replaced > 0 {
            queue.count_bulk(std::mem::take(&mut self.bad), std::mem::take(&mut self.replaced));
        }
        self.bytes.clear();
        self.passed_over = 0;
        Ok((u64::from(std::mem::take(&mut self.points)), is_repeat))
    }
}

/// The series' memory, whose it is, and the time of the line.
type OwnedRepeat = (Arc<CachedSeries>, u64, Timestamp);
