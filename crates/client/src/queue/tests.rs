//! The queue's laws, over random histories of callers and a worker, beside a queue of single lines.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::allocator::Watched;
use super::{Queue, Sent, Wait};
use crate::config::options::Overflow;
use crate::delivery::backoff::Random;
use crate::error::SendError;
use crate::queue::block::{BLOCK_BYTES, Lines, Memory};
use crate::queue::ledger::Tally;

const LONGEST: u64 = 1025;
const AGE: Duration = Duration::from_secs(16);

fn queue(points: usize, bytes: usize, overflow: Overflow) -> &'static Queue {
    Box::leak(Box::new(Queue::new(points, bytes, overflow, Box::new(|| {}))))
}

/// A line that tells its number, so many bytes long where that is long enough.
fn line(number: u64, length: u64) -> Vec<u8> {
    let mut line = format!("put m {number} 1 h=").into_bytes();
    line.resize((length as usize).max(line.len() + 2) - 1, b'a');
    line.push(b'\n');
    line
}

/// What the queue holds as it should be, and what the worker does with what it takes.
struct History {
    random: Random,
    queue: &'static Queue,
    /// The lines with their positions.
    queued: VecDeque<(u64, Vec<u8>)>,
    next: u64,
    numbers: u64,
    held: Vec<Lines>,
    spare: Vec<Memory>,
    acknowledged: u64,
    now: Instant,
}

impl History {
    fn new(seed: u64) -> History {
        let mut random = Random::new(seed);
        // Few points or many; bytes of two blocks or of sixteen.
        let points = [5, 3000, 0][random.next() as usize % 3];
        let bytes = BLOCK_BYTES * [2, 16][random.next() as usize % 2];
        History {
            queue: queue(points, bytes, Overflow::DropOldest),
            random,
            queued: VecDeque::new(),
            next: 0,
            numbers: 0,
            held: Vec::new(),
            spare: Vec::with_capacity(1000),
            acknowledged: 0,
            now: Instant::now(),
        }
    }

    /// Uniform below `bound`, or below a part of it: small numbers are as likely as large ones.
    fn dice(&mut self, bound: u64) -> u64 {
        let bound = (bound >> (self.random.next() % 12)).max(1);
        self.random.next() % bound
    }

    fn line(&mut self) -> Vec<u8> {
        let length = self.dice(LONGEST);
        self.numbers += 1;
        line(self.numbers, length)
    }

    fn send(&mut self) {
        let line = self.line();
        assert_eq!(self.queue.append(&line, None, Wait::Configured), Ok(Sent::Queued));
        self.queued.push_back((self.next, line));
        self.next += 1;
        self.forget_dropped();
    }

    fn send_lines(&mut self) {
        let mut lines = Vec::new();
        let mut bytes = Vec::new();
        for _ in 0..=self.dice(100) {
            let line = self.line();
            if bytes.len() + line.len() <= 8 * 1024 && (lines.len() as u64) < self.queue.limit_points() {
                bytes.extend_from_slice(&line);
                lines.push(line);
            }
        }
        match self
            .queue
            .append_lines(&bytes, lines.len() as u32, None, Some(Instant::now()))
        {
            Ok(Sent::Queued) => {
                for line in lines {
                    self.queued.push_back((self.next, line));
                    self.next += 1;
                }
            }
            other => assert_eq!(other, Err(SendError::Full)),
        }
    }

    /// The oldest went, as many as the queue says; what is left is looked at when it is taken.
    fn forget_dropped(&mut self) {
        let left = self.queue.lock().queued() as usize;
        self.queued.drain(..self.queued.len() - left);
    }

    fn take(&mut self) {
        let bytes = match self.dice(4) {
            0 => usize::MAX,
            _ => self.dice(2 * BLOCK_BYTES as u64) as usize,
        };
        let points = match self.dice(2) {
            0 => u64::MAX,
            _ => self.dice(2000),
        };
        let taken = self.queue.lock().take(bytes, points);
        let Some(lines) = taken else {
            let fits = |(_, line): &(u64, Vec<u8>)| line.len() <= bytes && points > 0;
            assert!(!self.queued.front().is_some_and(fits), "the first line has room");
            return;
        };
        assert!((1..=points).contains(&lines.points()) && lines.len() <= bytes);
        let expected: Vec<_> = self.queued.drain(..lines.points() as usize).collect();
        assert_eq!(lines.first(), expected[0].0);
        let bytes: Vec<u8> = expected.into_iter().flat_map(|(_, line)| line).collect();
        let lines = lines.compact(&mut self.spare);
        assert!(lines.bytes() == bytes, "whole lines, the oldest, and each once");
        self.held.push(lines);
    }

    /// The worker posts verdicts, and gives memory back.
    fn post(&mut self) {
        let count = self.dice(1 + self.held.len() as u64) as usize;
        let mut tally = Tally::default();
        for lines in self.held.drain(..count) {
            tally.acknowledged += lines.points();
            self.spare.extend(lines.into_spare());
        }
        self.acknowledged += tally.acknowledged;
        let low = self.held.first().map_or(u64::MAX, Lines::first);
        let mut state = self.queue.lock();
        state.post(&tally, low, None, &mut self.spare);
        drop(state);
        self.spare.truncate(100);
    }

    fn expire(&mut self) {
        let parts = self.dice(64) as u32;
        self.now += AGE / 16 * parts;
        self.queue.expire(self.now, AGE);
        self.forget_dropped();
    }

    fn step(&mut self) {
        match self.random.next() % 32 {
            0..20 => self.send(),
            20..22 => self.send_lines(),
            22..28 => self.take(),
            28..31 => self.post(),
            _ => self.expire(),
        }
    }

    /// The laws that hold at every instant.
    fn check(&self) {
        let state = self.queue.lock();
        let bytes: usize = self.queued.iter().map(|(_, line)| line.len()).sum();
        assert_eq!((state.queued(), state.queued_bytes), (self.queued.len() as u64, bytes));
        let low = [
            self.held.first().map(Lines::first),
            self.queued.front().map(|(at, _)| *at),
        ];
        assert_eq!(state.low(), low.into_iter().flatten().min().unwrap_or(self.next));
        let stats = state.ledger().stats();
        assert!(stats.is_balanced());
        assert_eq!((stats.accepted, stats.acknowledged), (self.next, self.acknowledged));
    }
}

#[test]
fn any_history_conserves_lines_and_positions_and_allocates_nothing_under_the_lock() {
    for seed in 0..200 {
        let mut history = History::new(seed);
        let watched = Watched::new(history.queue);
        for _ in 0..600 {
            history.step();
            history.check();
        }
        match seed % 2 {
            0 => history.queue.stop(),
            _ => history.queue.end(&Tally::default(), None),
        }
        assert_eq!(watched.allocations(), 0, "seed {seed}");
    }
}

#[test]
fn what_is_allocated_or_freed_under_the_lock_is_seen() {
    let queue = queue(10, 1 << 20, Overflow::DropOldest);
    let watched = Watched::new(queue);
    drop(std::hint::black_box(vec![1]));
    assert_eq!(watched.allocations(), 0);
    let state = queue.lock();
    drop(std::hint::black_box(vec![1]));
    drop(state);
    assert_eq!(watched.allocations(), 2, "taken and freed");
}

#[test]
fn room_for_less_than_the_first_line_takes_nothing() {
    let queue = queue(10, 1 << 20, Overflow::DropOldest);
    let longest = line(1, LONGEST);
    assert_eq!(longest.len(), 1025);
    queue.append(&longest, None, Wait::Configured).unwrap();
    assert!(queue.lock().take(1024, 10).is_none());
    assert!(queue.lock().take(1025, 0).is_none());
    let taken = queue.lock().take(1025, 1).unwrap();
    assert_eq!((taken.bytes(), taken.points()), (&longest[..], 1));
    assert!(queue.lock().take(usize::MAX, 10).is_none());
}

#[test]
fn only_a_call_of_send_that_found_no_room_is_counted_as_full() {
    let queue = queue(1, 1 << 20, Overflow::Block(Some(Duration::ZERO)));
    let line = line(1, 30);
    queue.append(&line, None, Wait::Configured).unwrap();
    // A bulk call may wait in slices, and its lines can be given again.
    for _ in 0..3 {
        assert_eq!(
            queue.append_lines(&line, 1, None, Some(Instant::now())),
            Err(SendError::Full)
        );
    }
    let slice = Wait::Slice(Instant::now());
    assert_eq!(queue.append(&line, None, slice), Err(SendError::WouldBlock));
    assert_eq!(queue.lock().ledger().full, 0);
    assert_eq!(queue.append(&line, None, Wait::Configured), Err(SendError::Full));
    assert_eq!(queue.lock().ledger().full, 1);
}

#[test]
fn a_full_list_of_blocks_does_not_grow() {
    // As many sealed blocks as the bytes allow: each is sealed as early as can be, by a batch that does not fit.
    let bytes = 64 * BLOCK_BYTES;
    let queue = queue(0, bytes, Overflow::Block(Some(Duration::ZERO)));
    let places = queue.lock().full.capacity();
    let batch: Vec<u8> = (0..8).flat_map(|n| line(n, 1000)).collect();
    while queue.append_lines(&batch, 8, None, Some(Instant::now())).is_ok() {}
    let state = queue.lock();
    assert!(state.full.len() >= 60 && state.full.len() + 32 < places);
    assert_eq!(state.full.capacity(), places);
}
