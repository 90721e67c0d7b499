//! Batches that rest, in the order in which they are ready.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::NOT_WAITED_FOR;
use crate::delivery::batch::Batch;
use crate::delivery::outstanding::Outstanding;

/// A batch that waits, and what the server said of it last.
#[derive(Debug)]
pub(super) struct Resting {
    pub(super) batch: Batch,
    pub(super) words: Arc<str>,
    /// Connections end because of one of them, perhaps: no other lines go with them.
    pub(super) ends: bool,
    /// Parts of one batch have this in common.
    pub(super) siblings: u64,
    /// Another part of that batch has failed, which explains why the whole did.
    pub(super) explained: bool,
    /// The lowest position in it that somebody waits for.
    low: Option<(u64, Instant)>,
}

impl Resting {
    pub(super) fn new(mut batch: Batch, words: Arc<str>, ends: bool) -> Resting {
        for held in &mut batch.lines {
            held.lines.detach();
        }
        let mut resting = Resting {
            batch,
            words,
            ends,
            siblings: 0,
            explained: false,
            low: None,
        };
        resting.find_low();
        resting
    }

    /// What is left of it.
    pub(super) fn replace(&mut self, batch: Batch) {
        let (siblings, explained) = (self.siblings, self.explained);
        *self = Resting::new(batch, self.words.clone(), self.ends);
        (self.siblings, self.explained) = (siblings, explained);
    }

    /// The lowest position in it that somebody waits for, and since when its point does.
    pub(super) fn low(&self) -> Option<(u64, Instant)> {
        self.low
    }

    fn find_low(&mut self) {
        let waited_for = |held: &&Outstanding| !held.verdict_posted || held.failures_told() < NOT_WAITED_FOR;
        let lines = self.batch.lines.iter().filter(waited_for);
        self.low = lines.map(|held| (held.lines.first(), held.lines.since())).min();
    }

    /// Cuts off the lines within the first `bytes` and `points`, at least one.
    pub(super) fn split_front(&mut self, bytes: usize, points: u64) -> Batch {
        let front = self.batch.split_front(bytes, points);
        self.find_low();
        front
    }

    /// Takes out the lines that are too old.
    pub(super) fn expire(&mut self, is_old: impl Fn(&Outstanding) -> bool) -> Vec<(Outstanding, Arc<str>)> {
        let words = self.words.clone();
        let lines = self.batch.lines.extract_if(.., |held| is_old(held));
        let old = lines.map(|held| (held, words.clone())).collect();
        self.find_low();
        old
    }

    pub(super) fn into_lines(self) -> impl Iterator<Item = (Outstanding, Arc<str>)> {
        self.batch.lines.into_iter().zip(std::iter::repeat(self.words))
    }
}

/// By when they are ready, and a number to tell them apart.
#[derive(Debug, Default)]
pub(super) struct RestingBatches {
    batches: BTreeMap<(Duration, u64), Resting>,
    number: u64,
}

impl RestingBatches {
    pub(super) fn insert(&mut self, ready_at: Duration, resting: Resting) {
        self.number += 1;
        self.batches.insert((ready_at, self.number), resting);
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Resting> {
        self.batches.values()
    }

    pub(super) fn ready_at(&self) -> Option<Duration> {
        self.batches.first_key_value().map(|((at, _), _)| *at)
    }

    pub(super) fn is_due(&self, now: Duration) -> bool {
        self.ready_at().is_some_and(|at| at <= now)
    }

    /// What is ready goes together, as much as fits, but for batches that go alone.
    pub(super) fn take(&mut self, now: Duration, bytes: usize, points: u64, alone: impl Fn(&Resting) -> bool) -> Batch {
        let mut batch = Batch::default();
        while let Some(mut entry) = self.batches.first_entry()
            && entry.key().0 <= now
        {
            let resting = entry.get_mut();
            let alone = alone(resting);
            let bytes = bytes.saturating_sub(batch.bytes());
            let points = points.saturating_sub(batch.points());
            let next = resting.batch.lines.first();
            let fits = points > 0 && next.is_some_and(|held| held.lines.len() <= bytes);
            if !batch.is_empty() && (alone || !fits) {
                break;
            }
            batch.lines.append(&mut resting.split_front(bytes, points).lines);
            if !resting.batch.is_empty() {
                break;
            }
            entry.remove();
            if alone {
                break;
            }
        }
        batch
    }

    /// Takes out the oldest line of what is ready first.
    pub(super) fn pop_line(&mut self) -> Option<(Outstanding, Arc<str>)> {
        let mut entry = self.batches.first_entry()?;
        let words = entry.get().words.clone();
        let held = entry.get_mut().batch.lines.remove(0);
        entry.get_mut().find_low();
        if entry.get().batch.is_empty() {
            entry.remove();
        }
        Some((held, words))
    }

    /// Takes out the first batch of which that is true.
    pub(super) fn pop_where(&mut self, is_it: impl Fn(&Resting) -> bool) -> Option<Resting> {
        let (key, _) = self.batches.iter().find(|(_, resting)| is_it(resting))?;
        let key = *key;
        self.batches.remove(&key)
    }

    /// Takes out the lines that are too old.
    pub(super) fn expire(&mut self, is_old: impl Fn(&Outstanding) -> bool) -> Vec<(Outstanding, Arc<str>)> {
        let batches = self.batches.values_mut();
        let old = batches.flat_map(|resting| resting.expire(&is_old)).collect();
        self.batches.retain(|_, resting| !resting.batch.is_empty());
        old
    }

    /// All of them are ready now.
    pub(super) fn hurry(&mut self, now: Duration) {
        let all = std::mem::take(&mut self.batches).into_iter();
        self.batches
            .extend(all.map(|((_, number), resting)| ((now, number), resting)));
    }

    /// Replaces each batch, or takes it out.
    pub(super) fn replace(&mut self, mut with: impl FnMut(Resting) -> Option<Resting>) {
        let all = std::mem::take(&mut self.batches).into_iter();
        self.batches
            .extend(all.filter_map(|(key, resting)| Some((key, with(resting)?))));
    }

    pub(super) fn drain(&mut self) -> impl Iterator<Item = Resting> {
        std::mem::take(&mut self.batches).into_values()
    }
}
