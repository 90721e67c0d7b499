//! Sick series: those of which a server takes no point, while it takes others.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{EACH, HOPELESS_AFTER, PAUSE};
use crate::delivery::outstanding::{Outstanding, PART_AT};

/// More sick series than that are not told apart: their lines rest one by one.
pub(super) const MOST: usize = 4096;

/// What a line costs that waits by itself, beside its bytes.
const OVERHEAD: usize = 128;

/// A series of which the server takes no point.
#[derive(Debug)]
pub(super) struct SickSeries {
    pub(super) points: VecDeque<Outstanding>,
    pub(super) words: Arc<str>,
    pause: Duration,
    ready_at: Duration,
    /// A point of it is being tried.
    tried: bool,
    /// Connections end because of it, perhaps: it is tried by itself.
    pub(super) ends: bool,
    /// The newest is tried next.
    newest: bool,
}

impl SickSeries {
    pub(super) fn new(ready_at: Duration, words: &Arc<str>) -> SickSeries {
        SickSeries {
            points: VecDeque::new(),
            words: words.clone(),
            pause: PAUSE.0,
            ready_at,
            tried: false,
            ends: false,
            newest: true,
        }
    }

    fn is_ready(&self, now: Duration) -> bool {
        !self.tried && self.ready_at <= now
    }

    /// Keeps a point, in the order of positions.
    fn insert(&mut self, mut held: Outstanding) {
        held.lines.detach();
        let first = held.lines.first();
        let place = match self.points.back() {
            Some(last) if last.lines.first() > first => {
                self.points.partition_point(|other| other.lines.first() < first)
            }
            _ => self.points.len(),
        };
        self.points.insert(place, held);
    }

    /// The point that is to be tried now.
    fn next_point(&mut self) -> Option<Outstanding> {
        let point = match self.newest {
            true => self.points.pop_back(),
            false => self.points.pop_front(),
        };
        (self.newest, self.tried) = (!self.newest, true);
        let mut point = point?;
        point.failures = point.failures.max(PART_AT);
        Some(point)
    }

    /// The point that was tried has failed once more.
    fn tried_in_vain(&mut self, now: Duration, words: &Arc<str>) {
        if std::mem::take(&mut self.tried) {
            self.pause = (self.pause * 2).min(PAUSE.2);
            self.ready_at = now + self.pause;
            self.words = words.clone();
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Sick {
    /// By metric and tags.
    series: BTreeMap<Vec<u8>, SickSeries>,
    bytes: usize,
    points: u64,
    /// The earliest of theirs.
    ready_at: Option<Duration>,
    /// The lowest position of theirs, and since when its point waits.
    low: Option<(u64, Instant)>,
}

impl Sick {
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn points(&self) -> u64 {
        self.points
    }

    pub(super) fn ready_at(&self) -> Option<Duration> {
        self.ready_at
    }

    pub(super) fn low(&self) -> Option<(u64, Instant)> {
        self.low
    }

    pub(super) fn lines(&self) -> impl Iterator<Item = &Outstanding> {
        self.series.values().flat_map(|series| &series.points)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.series.is_empty()
    }

    /// Whether one more line may make its series sick.
    pub(super) fn has_room(&self, held: &Outstanding) -> bool {
        self.series.len() < MOST || self.series.contains_key(&series_of(held.lines.bytes()))
    }

    /// One line is to blame; whether its series was not sick before.
    pub(super) fn fall(&mut self, now: Duration, held: Outstanding, words: &Arc<str>, ends: bool) -> bool {
        let key = series_of(held.lines.bytes());
        let is_new = !self.series.contains_key(&key);
        self.count(&held);
        let series = self.series.entry(key);
        let series = series.or_insert_with(|| SickSeries::new(now + PAUSE.0, words));
        series.ends |= ends;
        series.insert(held);
        is_new
    }

    /// Keeps the lines of sick series, and returns the others.
    pub(super) fn sift(&mut self, mut held: Outstanding) -> Vec<Outstanding> {
        let mut others = Vec::new();
        let mut key = Vec::new();
        while !self.series.is_empty() && held.lines.points() > 0 {
            let (mut well, mut bytes) = (0, 0);
            for line in held.lines.bytes().split_inclusive(|byte| *byte == b'\n') {
                key.clear();
                write_series(line, &mut key);
                if self.series.contains_key(&key) {
                    break;
                }
                (well, bytes) = (well + 1, bytes + line.len());
            }
            if well > 0 {
                others.extend(held.split_front(bytes, well));
            }
            // What comes next is of the series that ended the run, if anything does.
            if held.lines.points() > 0
                && self.series.contains_key(&key)
                && let Some(point) = held.split_front(usize::MAX, 1)
            {
                let place = Some((point.lines.first(), point.lines.since()));
                self.low = self.low.into_iter().chain(place).min();
                self.count(&point);
                if let Some(series) = self.series.get_mut(&key) {
                    series.insert(point);
                }
            }
        }
        if held.lines.points() > 0 {
            others.push(held);
        }
        others
    }

    /// A line of a series failed, or its connection ended: it may be the one that was tried.
    pub(super) fn tried_in_vain(&mut self, now: Duration, held: &Outstanding, words: &Arc<str>, ends: bool) {
        if let Some(series) = self.series.get_mut(&series_of(held.lines.bytes())) {
            series.ends |= ends;
            series.tried_in_vain(now, words);
        }
    }

    /// A line of a series was taken: it is well.
    pub(super) fn recovered(&mut self, line: &[u8]) -> Option<SickSeries> {
        let series = self.series.remove(&series_of(line))?;
        series.points.iter().for_each(|held| self.uncount(held));
        Some(series)
    }

    /// A point of each series that is ready, but only one where connections may end because of it, or where the server does
    /// not say of `each` whether it fails.
    pub(super) fn take(&mut self, now: Duration, points: u64, each: bool) -> Vec<Outstanding> {
        let most = if each { EACH.min(points) } else { 1 };
        let mut taken = Vec::new();
        for series in self.series.values_mut().filter(|series| series.is_ready(now)) {
            if taken.len() as u64 >= most || (series.ends && !taken.is_empty()) {
                break;
            }
            taken.extend(series.next_point());
            if series.ends {
                break;
            }
        }
        taken.iter().for_each(|held| self.uncount(held));
        taken
    }

    /// Each is tried once more, now.
    pub(super) fn hurry(&mut self, now: Duration) {
        for series in self.series.values_mut() {
            series.ready_at = now;
        }
    }

    /// The oldest point of the series that has most.
    pub(super) fn pop(&mut self) -> Option<(Outstanding, Arc<str>)> {
        let longest = self.series.values_mut().max_by_key(|series| series.points.len())?;
        let (held, words) = (longest.points.pop_front()?, longest.words.clone());
        self.uncount(&held);
        Some((held, words))
    }

    /// Takes out the points that are too old.
    pub(super) fn expire(&mut self, is_old: impl Fn(&Outstanding) -> bool) -> Vec<(Outstanding, Arc<str>)> {
        let mut old = Vec::new();
        for series in self.series.values_mut() {
            while series.points.front().is_some_and(&is_old) {
                old.extend(series.points.pop_front().map(|held| (held, series.words.clone())));
            }
        }
        old.iter().for_each(|(held, _)| self.uncount(held));
        old
    }

    /// Takes out the points of series that were tried in vain for long, and not ready since. An innocent series may be here for a
    /// moment, if connections end for another reason.
    pub(super) fn drain_tried(&mut self, now: Duration) -> Vec<(Outstanding, Arc<str>)> {
        let mut drained = Vec::new();
        let resting =
            |series: &&mut SickSeries| !series.tried && series.ready_at > now && series.pause >= HOPELESS_AFTER;
        for series in self.series.values_mut().filter(resting) {
            let words = series.words.clone();
            drained.extend(series.points.drain(..).zip(std::iter::repeat(words)));
        }
        drained.iter().for_each(|(held, _)| self.uncount(held));
        drained
    }

    pub(super) fn drain(&mut self) -> impl Iterator<Item = (Outstanding, Arc<str>)> {
        let sick = std::mem::take(self).series.into_values();
        sick.flat_map(|series| series.points.into_iter().zip(std::iter::repeat(series.words)))
    }

    /// Works out what is asked for often. A series without points is forgotten, but while one of its points is tried.
    pub(super) fn look(&mut self) {
        self.series
            .retain(|_, series| series.tried || !series.points.is_empty());
        let waiting = self.series.values().filter(|series| !series.tried);
        self.ready_at = waiting.map(|series| series.ready_at).min();
        let fronts = self.series.values().filter_map(|series| series.points.front());
        self.low = fronts.map(|held| (held.lines.first(), held.lines.since())).min();
    }

    fn count(&mut self, held: &Outstanding) {
        self.bytes += held.lines.len() + OVERHEAD;
        self.points += 1;
    }

    fn uncount(&mut self, held: &Outstanding) {
        self.bytes -= held.lines.len() + OVERHEAD;
        self.points -= 1;
    }

    /// As full as it gets, with a point of each under way.
    #[cfg(test)]
    pub(super) fn full(words: &Arc<str>) -> Sick {
        let tried = || SickSeries {
            tried: true,
            ..SickSeries::new(Duration::MAX, words)
        };
        Sick {
            series: (0..MOST).map(|n| (n.to_be_bytes().to_vec(), tried())).collect(),
            ..Sick::default()
        }
    }
}

/// What of a line says which series it is: its metric and its tags.
fn write_series(line: &[u8], key: &mut Vec<u8>) {
    let mut fields = line.splitn(5, |byte| *byte == b' ');
    key.extend_from_slice(fields.nth(1).unwrap_or_default());
    key.push(b' ');
    key.extend_from_slice(fields.nth(2).unwrap_or_default().trim_ascii_end());
}

fn series_of(line: &[u8]) -> Vec<u8> {
    let mut key = Vec::new();
    write_series(line, &mut key);
    key
}
