//! The delivery of a batch: what became of each of its lines.
//!
//! The client counts verdicts and does not name lines. It has one batch at a time, so the counts are that batch's. If
//! some of its lines are refused, it goes again in parts, each by itself, and so does each part. A line that goes twice
//! is the same point.
//!
//! The counts say how long the parts are to be. Halves would do if one line is refused. If every tenth is, the halves
//! have several verdicts again and again, and a good line goes ten times before its part is short enough.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use potsdb::{Barrier, Client, Stats};

use super::{Held, later};
use crate::signals;
use crate::spool::hold::Clock;
use crate::statistics::{is_silent_as_said, words_of_the_server};

/// Lines of a slot, with their positions.
pub(super) struct Batch {
    slot: usize,
    text: Vec<u8>,
    /// The position of each, and where it is in the text.
    lines: Vec<(u64, Range<usize>)>,
}

/// Points so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) delivered: u64,
    pub(super) refused: u64,
    /// Written to a server that does not answer, and may or may not have arrived.
    pub(super) unconfirmed: u64,
}

/// Positions that were answered for, and have to settle.
struct Answered {
    at: Instant,
    barrier: Barrier,
    slot: usize,
    positions: Range<u64>,
}

/// A client, and what it has of a spool.
pub(super) struct Delivery {
    client: Client,
    settle: Duration,
    counts: Counts,
    answered: VecDeque<Answered>,
    timeout: Duration,
    /// The points that had a verdict when one came last, and when that was.
    progress: (u64, Instant),
    signalled: Arc<AtomicUsize>,
    /// When a signal came, and what is on its way gets no more time.
    deadline: Option<Instant>,
    ended: Option<String>,
}

/// What became of some lines that were sent.
struct Verdicts {
    /// Whether each was taken by the client; if not, why.
    bad: Vec<(usize, String)>,
    delivered: u64,
    unconfirmed: u64,
    rejected: u64,
    words: String,
}

/// How often a wait looks at signals and times.
const SLICE: Duration = Duration::from_millis(50);

const LEAST: Duration = Duration::from_millis(1);

impl Batch {
    pub(super) fn of(slot: usize) -> Batch {
        Batch {
            slot,
            text: Vec::new(),
            lines: Vec::new(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    pub(super) fn bytes(&self) -> usize {
        self.text.len()
    }

    pub(super) fn lines(&self) -> usize {
        self.lines.len()
    }

    /// Some of its lines.
    fn text(&self, lines: &[usize]) -> Vec<u8> {
        let texts = lines.iter().map(|line| &self.text[self.lines[*line].1.clone()]);
        texts.flatten().copied().collect()
    }

    /// Adds lines, the first of which is at that position.
    pub(super) fn add(&mut self, first: u64, lines: &[u8]) {
        let mut from = self.text.len();
        self.text.extend_from_slice(lines);
        for (position, line) in (first..).zip(lines.split_inclusive(|byte| *byte == b'\n')) {
            self.lines.push((position, from..from + line.len()));
            from += line.len();
        }
    }
}

impl Delivery {
    pub(super) fn start(client: Client, settle: Duration, timeout: Duration) -> anyhow::Result<Delivery> {
        Ok(Delivery {
            client,
            settle,
            counts: Counts::default(),
            answered: VecDeque::new(),
            timeout,
            progress: (0, Instant::now()),
            signalled: signals::watched()?,
            deadline: None,
            ended: None,
        })
    }

    /// Whether nothing more is to be sent.
    pub(super) fn has_ended(&self) -> bool {
        self.ended.is_some() || self.signal().is_some()
    }

    /// Why it ended before all was sent.
    pub(super) fn ended(&self) -> Option<String> {
        let interrupted = || self.signal().map(|_| "interrupted".to_owned());
        self.ended.clone().or_else(interrupted)
    }

    pub(super) fn signal(&self) -> Option<i32> {
        Some(self.signalled.load(Ordering::Relaxed) as i32).filter(|signal| *signal > 0)
    }

    pub(super) fn counts(&self) -> Counts {
        self.counts
    }

    /// Sends a batch, and waits for what becomes of its lines.
    pub(super) fn deliver(&mut self, batch: &Batch, held: &mut [Held], clock: Clock) -> anyhow::Result<()> {
        let all: Vec<usize> = (0..batch.lines.len()).collect();
        let mut parts = vec![all];
        while let Some(part) = parts.pop() {
            let Some(verdicts) = self.send(batch, &part)? else {
                return Ok(());
            };
            let mut good = part;
            for (line, why) in &verdicts.bad {
                self.refuse(batch, &[*line], why, held, clock);
            }
            // Both are in their order.
            good.retain(|line| verdicts.bad.binary_search_by_key(line, |(bad, _)| *bad).is_err());
            let count = good.len() as u64;
            if verdicts.delivered == count {
                self.answer(batch, &good);
            } else if verdicts.rejected == count {
                self.refuse(batch, &good, &verdicts.words, held, clock);
            } else if verdicts.rejected == 0 {
                // What is neither stays in the spool.
                self.counts.unconfirmed += verdicts.unconfirmed;
            } else {
                let most = alike(good.len(), verdicts.rejected);
                parts.extend(good.chunks(most).rev().map(<[usize]>::to_vec));
            }
        }
        Ok(())
    }

    /// Sends some lines, and waits until all have their verdict. None: it takes too long, or a signal came.
    fn send(&mut self, batch: &Batch, lines: &[usize]) -> anyhow::Result<Option<Verdicts>> {
        let text = batch.text(lines);
        let before = self.client.stats();
        self.progress.1 = Instant::now();
        let (mut at, mut number, mut bad) = (0, 0, Vec::new());
        while at < text.len() {
            let sent = self.client.send_lines(&text[at..], SLICE)?;
            for wrong in &sent.bad {
                let index = usize::try_from(number + wrong.number - 1)?;
                bad.push((lines[index], wrong.error.to_string()));
            }
            at += sent.consumed;
            number += sent.lines;
            if self.gives_up(&self.client.stats()) {
                return Ok(None);
            }
        }
        let barrier = self.client.barrier();
        while !barrier.wait(SLICE) {
            if self.gives_up(&self.client.stats()) {
                return Ok(None);
            }
        }
        let after = self.client.stats();
        let unconfirmed = after.unconfirmed - before.unconfirmed;
        let silent = if is_silent_as_said(&self.client) {
            unconfirmed
        } else {
            0
        };
        Ok(Some(Verdicts {
            bad,
            delivered: after.acknowledged - before.acknowledged + silent,
            unconfirmed,
            rejected: after.rejected - before.rejected,
            words: words_of_the_server(&after, |_| false).unwrap_or_default(),
        }))
    }

    /// Whether no verdict has come for too long, or a signal came some time ago.
    fn gives_up(&mut self, stats: &Stats) -> bool {
        let now = Instant::now();
        let verdicts = stats.delivered() + stats.rejected + stats.dropped.total();
        if verdicts != self.progress.0 {
            self.progress = (verdicts, now);
        }
        if self.signal().is_some() {
            let grace = self.client.options().close_grace;
            return now >= *self.deadline.get_or_insert(later(now, grace));
        }
        if now < later(self.progress.1, self.timeout) {
            return false;
        }
        self.ended = Some(format!("gave up after {:?} without an answer", self.timeout));
        true
    }

    /// These were answered for: they are done with once they have settled.
    fn answer(&mut self, batch: &Batch, lines: &[usize]) {
        let (at, barrier) = (Instant::now(), self.client.barrier());
        let mut runs: Vec<Range<u64>> = Vec::new();
        for line in lines {
            let position = batch.lines[*line].0;
            match runs.last_mut() {
                Some(run) if run.end == position => run.end += 1,
                _ => runs.push(position..position + 1),
            }
        }
        self.answered.extend(runs.into_iter().map(|positions| Answered {
            at,
            barrier: barrier.clone(),
            slot: batch.slot,
            positions,
        }));
    }

    /// These go nowhere again, and are kept for people.
    fn refuse(&mut self, batch: &Batch, lines: &[usize], why: &str, held: &mut [Held], clock: Clock) {
        let held = &mut held[batch.slot];
        held.slot.store.reject(clock.now(), &batch.text(lines), why);
        for line in lines {
            held.done(batch.lines[*line].0, 1);
        }
        self.counts.refused += lines.len() as u64;
    }

    /// Marks what has settled as done with. `all`: waits for it, unless it has ended.
    pub(super) fn settle(&mut self, held: &mut [Held], clock: Clock, all: bool) {
        self.progress.1 = Instant::now();
        loop {
            while let Some(first) = self.answered.front()
                && first.at.elapsed() >= self.settle
                && first.barrier.is_reached()
            {
                let Range { start, end } = first.positions.clone();
                held[first.slot].done(start, end - start);
                self.counts.delivered += end - start;
                self.answered.pop_front();
                self.progress.1 = Instant::now();
            }
            for held in &mut *held {
                held.slot.store.tick(clock.now());
            }
            let Some(first) = self.answered.front().filter(|_| all && self.ended.is_none()) else {
                return;
            };
            // What is sent again meanwhile has its barrier; otherwise there is only the time to pass.
            let wait = self.settle.saturating_sub(first.at.elapsed()).clamp(LEAST, SLICE);
            match first.barrier.clone() {
                reached if reached.is_reached() => std::thread::sleep(wait),
                barrier => drop(barrier.wait(wait)),
            }
            if self.gives_up(&self.client.stats()) {
                return;
            }
        }
    }
}

/// How long parts are to be of which most have one verdict, if so many of all were refused: every second part has one
/// line of the rarer verdict. At most half of all.
fn alike(all: usize, refused: u64) -> usize {
    let refused = usize::try_from(refused).unwrap_or(all);
    let rarer = refused.min(all.saturating_sub(refused)).max(1);
    (all / (2 * rarer)).max(1)
}
