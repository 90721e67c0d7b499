//! Retries: lines that a server failed, apart from everything else.
//!
//! ```text
//!   failed --> resting --pause--> the same again --failed a third time--> halves --failed--> ... --> one line
//!                 ^                    |                                                              |
//!                 '---- failed --------'                                             sick: its series rests apart
//! ```
//!
//! A storage that never takes one series must not stop the others, so what a server failed never stands in front of new
//! lines: it rests, each time twice as long, while they pass. What fails three times is parted, each half by itself,
//! until the line that fails is alone. Once the endpoint has taken others between that line's failures, its *series* is
//! sick: later lines of it come here at once instead of failing a batch of good ones, and one of them is tried now and
//! then. When it is taken, all of them go again.
//!
//! Lines whose connection ended are not here: nothing was said of them, and they go again first ([`Again`]).
//!
//! Everything is bounded: tries in rate by the pauses and [`TRY_EVERY`], memory by the engine, which ends what
//! [`give_way`](Retries::give_way) returns. Time is an argument.
//!
//! [`Again`]: crate::verdicts::Again

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::batch::Batch;
use crate::outstanding::Outstanding;

/// The first pause; it doubles up to the second, and for a line that is known to be sick up to the third.
const PAUSE: (Duration, Duration, Duration) = (
    Duration::from_millis(100),
    Duration::from_secs(5),
    Duration::from_secs(60),
);

/// What failed so often is parted.
pub(crate) const PART_AT: u8 = 3;

/// The shortest time between two tries of parted or sick lines, and between two while nothing at all is taken: it doubles
/// after so many tries in vain.
const TRY_EVERY: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(1));
const TRIES_IN_VAIN: u32 = 16;

/// More sick series than that are not told apart: their lines rest one by one.
const SICK_SERIES: usize = 1024;

/// What a line costs that waits by itself, beside its bytes.
const OVERHEAD: usize = 128;

/// Whose fault a failure is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Blame {
    /// Each of these lines failed: the server named it.
    #[cfg_attr(
        not(any(feature = "http", test)),
        expect(dead_code, reason = "only HTTP names points")
    )]
    Each,
    /// One of these lines at least.
    Some,
    /// Perhaps one of these, perhaps another: the error named none and came after their answer.
    Unknown,
}

/// A batch that waits, and what the server said of it last.
#[derive(Debug)]
struct Resting {
    batch: Batch,
    words: Arc<str>,
    /// The lowest position in it that somebody waits for.
    low: Option<(u64, Instant)>,
}

impl Resting {
    fn new(mut batch: Batch, words: Arc<str>) -> Resting {
        for held in &mut batch.lines {
            held.lines.detach();
        }
        let mut resting = Resting {
            batch,
            words,
            low: None,
        };
        resting.find_low();
        resting
    }

    fn find_low(&mut self) {
        // A precaution that is parted settles by itself, after as many others as there may be: its line has its verdict, and
        // neither flush nor close waits for that.
        let waited_for = |held: &&Outstanding| !held.verdict_posted || held.failures < PART_AT;
        let lines = self.batch.lines.iter().filter(waited_for);
        self.low = lines.map(|held| (held.lines.first(), held.lines.since())).min();
    }
}

/// A series of which the server takes no point.
#[derive(Debug)]
struct SickSeries {
    points: VecDeque<Outstanding>,
    words: Arc<str>,
    pause: Duration,
    ready_at: Duration,
    /// A point of it is being tried.
    tried: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Retries {
    /// Halves of what failed, the next one last.
    parted: Vec<Resting>,
    /// Of precautions. Each is alone on its connection until it has settled, and nothing without a verdict waits for that.
    parted_posted: Vec<Resting>,
    /// By when they are ready, and a number to tell them apart.
    resting: BTreeMap<(Duration, u64), Resting>,
    resting_posted: BTreeMap<(Duration, u64), Resting>,
    number: u64,
    /// By metric and tags.
    sick: BTreeMap<Vec<u8>, SickSeries>,
    /// The earliest of theirs.
    sick_ready_at: Option<Duration>,
    /// No parted or sick line is tried before that.
    not_before: Duration,
    /// Tries of parted or sick lines since a server last took anything.
    tries: u32,
    /// How often servers had taken lines when `tries` was last set to 0.
    taken: u64,
    bytes: usize,
    /// Of these, bytes of lines without a verdict, and their points.
    unposted: usize,
    points: u64,
    /// The lowest position that somebody waits for, and since when its point does.
    low: Option<(u64, Instant)>,
}

impl Retries {
    /// Bytes held here.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Bytes of lines without a verdict.
    pub(crate) fn unposted(&self) -> usize {
        self.unposted
    }

    /// Points without a verdict.
    pub(crate) fn points(&self) -> u64 {
        self.points
    }

    /// A server failed these lines, in these words. `taken` counts how often any server has taken lines of this client.
    pub(crate) fn failed(&mut self, now: Duration, mut batch: Batch, blame: Blame, words: &Arc<str>, taken: u64) {
        for held in &mut batch.lines {
            held.failures = held.failures.saturating_add(1);
            if held.failures == 1 {
                held.taken_then = taken;
            }
        }
        let batch = self.without_sick(now, batch, words);
        if batch.is_empty() {
            return self.look();
        }
        let sick = |held: &Outstanding| held.failures >= PART_AT && taken > held.taken_then && !held.verdict_posted;
        match blame {
            Blame::Each => self.rest_each(now, batch, words, sick),
            _ if batch.failures() < PART_AT => self.rest(now, batch, words),
            _ if batch.points() > 1 => self.part(batch, words),
            Blame::Some if batch.lines.iter().all(sick) => self.fall_sick(now, batch, words),
            _ => self.rest(now, batch, words),
        }
        self.look();
    }

    /// These lines had failed before, and were being tried when their connection ended: nothing was said of them.
    pub(crate) fn interrupted(&mut self, now: Duration, held: Outstanding) {
        let words: Arc<str> = Arc::from("the connection ended");
        let batch = self.without_sick(now, Batch { lines: vec![held] }, &words);
        if !batch.is_empty() {
            self.rest_until(now, Resting::new(batch, words));
        }
        self.look();
    }

    /// Lines of which the server named each: those that go on failing are sick one by one, the others go again together.
    fn rest_each(&mut self, now: Duration, batch: Batch, words: &Arc<str>, sick: impl Fn(&Outstanding) -> bool) {
        let mut others = Batch::default();
        for mut held in batch.lines {
            if !sick(&held) {
                others.lines.push(held);
                continue;
            }
            while let Some(point) = held.split_front(usize::MAX, 1) {
                self.fall_sick(now, Batch { lines: vec![point] }, words);
                if held.lines.points() == 0 {
                    break;
                }
            }
        }
        if !others.is_empty() {
            self.rest(now, others, words);
        }
    }

    fn rest(&mut self, now: Duration, batch: Batch, words: &Arc<str>) {
        let alone = batch.points() == 1 && batch.is_posted();
        let most = if alone { PAUSE.2 } else { PAUSE.1 };
        let failures = u32::from(batch.failures()).clamp(1, 16);
        let ready_at = now + (PAUSE.0 * (1 << (failures - 1))).min(most);
        self.rest_until(ready_at, Resting::new(batch, words.clone()));
    }

    fn rest_until(&mut self, ready_at: Duration, resting: Resting) {
        self.count(&resting.batch);
        self.number += 1;
        let key = (ready_at, self.number);
        match resting.batch.is_posted() {
            true => self.resting_posted.insert(key, resting),
            false => self.resting.insert(key, resting),
        };
    }

    fn part(&mut self, mut batch: Batch, words: &Arc<str>) {
        self.count(&batch);
        let front = batch.halve();
        let parted = match batch.is_posted() {
            true => &mut self.parted_posted,
            false => &mut self.parted,
        };
        parted.push(Resting::new(batch, words.clone()));
        parted.push(Resting::new(front, words.clone()));
    }

    /// One line is to blame: what comes of its series from now on waits with it.
    fn fall_sick(&mut self, now: Duration, batch: Batch, words: &Arc<str>) {
        let Some(key) = batch.lines.first().map(|held| series_of(held.lines.bytes())) else {
            return;
        };
        if self.sick.len() >= SICK_SERIES && !self.sick.contains_key(&key) {
            return self.rest(now, batch, words);
        }
        let is_new = !self.sick.contains_key(&key);
        let series = self.sick.entry(key).or_insert_with(|| SickSeries {
            points: VecDeque::new(),
            words: words.clone(),
            pause: PAUSE.0,
            ready_at: now + PAUSE.0,
            tried: false,
        });
        for held in batch.lines {
            let cost = series.insert(held);
            self.bytes += cost;
            self.unposted += cost;
            self.points += 1;
        }
        if is_new {
            self.sift_waiting();
        }
    }

    /// Takes a new sick series out of everything that waits: what is left may well be taken.
    fn sift_waiting(&mut self) {
        let parted = std::mem::take(&mut self.parted);
        for resting in parted {
            if let Some(resting) = self.sifted(resting) {
                self.parted.push(resting);
            }
        }
        for (key, resting) in std::mem::take(&mut self.resting) {
            if let Some(resting) = self.sifted(resting) {
                self.resting.insert(key, resting);
            }
        }
    }

    fn sifted(&mut self, resting: Resting) -> Option<Resting> {
        self.uncount(&resting.batch.lines);
        let lines = resting.batch.lines.into_iter();
        let lines: Vec<Outstanding> = lines.flat_map(|held| self.sift(held)).collect();
        let batch = Batch { lines };
        self.count(&batch);
        (!batch.is_empty()).then(|| Resting::new(batch, resting.words))
    }

    /// Takes out what is of sick series: it waits with them.
    fn without_sick(&mut self, now: Duration, batch: Batch, words: &Arc<str>) -> Batch {
        if self.sick.is_empty() || batch.is_posted() {
            return batch;
        }
        if batch.points() == 1
            && let Some(held) = batch.lines.first()
            && let Some(series) = self.sick.get_mut(&series_of(held.lines.bytes()))
        {
            series.tried_in_vain(now, words);
        }
        let lines = batch.lines.into_iter();
        Batch {
            lines: lines.flat_map(|held| self.sift(held)).collect(),
        }
    }

    /// Keeps the lines of sick series, and returns the others.
    pub(crate) fn sift(&mut self, mut held: Outstanding) -> Vec<Outstanding> {
        let mut others = Vec::new();
        let mut key = Vec::new();
        while !self.sick.is_empty() && held.lines.points() > 0 {
            let (mut well, mut bytes) = (0, 0);
            for line in held.lines.bytes().split_inclusive(|byte| *byte == b'\n') {
                key.clear();
                write_series(line, &mut key);
                if self.sick.contains_key(&key) {
                    break;
                }
                (well, bytes) = (well + 1, bytes + line.len());
            }
            if well > 0 {
                others.extend(held.split_front(bytes, well));
            }
            // What comes next is of the series that ended the run, if anything does.
            if let Some(series) = self.sick.get_mut(&key)
                && held.lines.points() > 0
                && let Some(point) = held.split_front(usize::MAX, 1)
            {
                self.low = self
                    .low
                    .into_iter()
                    .chain(Some((point.lines.first(), point.lines.since())))
                    .min();
                let cost = series.insert(point);
                self.bytes += cost;
                self.unposted += cost;
                self.points += 1;
            }
        }
        if held.lines.points() > 0 {
            others.push(held);
        }
        others
    }

    /// A line of a sick series has its verdict: the series is well.
    pub(crate) fn recovered(&mut self, now: Duration, line: &[u8]) {
        let Some(series) = self.sick.remove(&series_of(line)) else {
            return;
        };
        let mut lines: Vec<Outstanding> = series.points.into();
        for held in &mut lines {
            self.uncount_sick(held);
            held.failures = 0;
        }
        if !lines.is_empty() {
            self.rest_until(now, Resting::new(Batch { lines }, series.words));
        }
        self.look();
    }

    /// Whether a batch is ready; and then whether its lines have their verdict.
    pub(crate) fn is_ready(&self, now: Duration) -> Option<bool> {
        let may_try = now >= self.not_before;
        let sick = self.sick_ready_at.is_some_and(|at| at <= now);
        if may_try && (sick || !self.parted.is_empty()) || is_due(&self.resting, now) {
            return Some(false);
        }
        (may_try && !self.parted_posted.is_empty() || is_due(&self.resting_posted, now)).then_some(true)
    }

    /// When the next batch is ready, at the latest.
    pub(crate) fn ready_at(&self) -> Option<Duration> {
        let parted = !(self.parted.is_empty() && self.parted_posted.is_empty());
        let parted = parted.then_some(self.not_before);
        let resting = [&self.resting, &self.resting_posted];
        let resting = resting.into_iter().filter_map(|resting| resting.first_key_value());
        let resting = resting.map(|((at, _), _)| *at);
        let sick = self.sick_ready_at.map(|at| at.max(self.not_before));
        parted.into_iter().chain(resting).chain(sick).min()
    }

    /// Takes the batch that is ready, or as much of it as fits.
    pub(crate) fn take(&mut self, now: Duration, bytes: usize, points: u64) -> Option<Batch> {
        let may_try = now >= self.not_before;
        let mut batch = Batch::default();
        let posted = self.is_ready(now)?;
        let (parted, resting) = match posted {
            true => (&mut self.parted_posted, &mut self.resting_posted),
            false => (&mut self.parted, &mut self.resting),
        };
        if may_try && let Some(resting) = parted.last_mut() {
            batch = resting.batch.split_front(bytes, points);
            resting.find_low();
            if resting.batch.is_empty() {
                parted.pop();
            }
            self.uncount(&batch.lines);
            self.tried(now);
        } else if is_due(resting, now) {
            batch = take_resting(resting, now, bytes, points);
            self.uncount(&batch.lines);
        } else if may_try && let Some(series) = self.sick.values_mut().find(|series| series.is_ready(now)) {
            series.tried = true;
            batch.lines.extend(series.points.pop_front());
            batch.lines.iter().for_each(|held| self.uncount_sick(held));
            self.tried(now);
        }
        self.look();
        (!batch.is_empty()).then_some(batch)
    }

    /// Parted or sick lines are about to be tried.
    fn tried(&mut self, now: Duration) {
        let doublings = (self.tries / TRIES_IN_VAIN).min(6);
        self.tries = self.tries.saturating_add(1);
        self.not_before = now + (TRY_EVERY.0 * (1 << doublings)).min(TRY_EVERY.1);
    }

    /// A server has taken lines so many times.
    pub(crate) fn taken(&mut self, taken: u64) {
        if self.taken != taken {
            (self.taken, self.tries) = (taken, 0);
        }
    }

    /// The lowest position that somebody may wait for, and since when its point does.
    pub(crate) fn low(&self) -> Option<(u64, Instant)> {
        self.low
    }

    /// Whether the client's end is to wait for anything here.
    pub(crate) fn is_waited_for(&self) -> bool {
        self.low.is_some()
    }

    /// The client closes: nothing rests any longer, and each sick series is tried once more.
    pub(crate) fn hurry(&mut self, now: Duration) {
        for resting in [&mut self.resting, &mut self.resting_posted] {
            let all = std::mem::take(resting).into_iter();
            resting.extend(all.map(|((_, number), resting)| ((now, number), resting)));
        }
        for series in self.sick.values_mut() {
            series.ready_at = now;
        }
        self.look();
    }

    /// A line that may be given up for want of memory, and what was said of it: a precaution, or the oldest of a sick
    /// series.
    pub(crate) fn give_way(&mut self, posted: bool) -> Option<(Outstanding, Arc<str>)> {
        let given = match posted {
            true => {
                let (key, mut resting) = self.resting_posted.pop_first()?;
                let held = resting.batch.lines.remove(0);
                self.uncount(std::slice::from_ref(&held));
                let words = resting.words.clone();
                if !resting.batch.is_empty() {
                    resting.find_low();
                    self.resting_posted.insert(key, resting);
                }
                (held, words)
            }
            false => {
                let series = self.sick.values_mut().max_by_key(|series| series.points.len())?;
                let (held, words) = (series.points.pop_front()?, series.words.clone());
                self.uncount_sick(&held);
                (held, words)
            }
        };
        self.look();
        Some(given)
    }

    /// Takes out what was taken from the queue before then: it is too old.
    pub(crate) fn expire(&mut self, before: Duration) -> Vec<(Outstanding, Arc<str>)> {
        let is_old = |held: &mut Outstanding| !held.verdict_posted && held.taken_at <= before;
        let mut old = Vec::new();
        for resting in self.parted.iter_mut().chain(self.resting.values_mut()) {
            let lines = resting.batch.lines.extract_if(.., is_old);
            old.extend(lines.map(|held| (held, resting.words.clone())));
            resting.find_low();
        }
        self.parted.retain(|resting| !resting.batch.is_empty());
        self.resting.retain(|_, resting| !resting.batch.is_empty());
        old.iter()
            .for_each(|(held, _)| self.uncount(std::slice::from_ref(held)));
        let mut sick = Vec::new();
        for series in self.sick.values_mut() {
            while series.points.front_mut().is_some_and(is_old) {
                sick.extend(series.points.pop_front().map(|held| (held, series.words.clone())));
            }
        }
        sick.iter().for_each(|(held, _)| self.uncount_sick(held));
        self.look();
        old.append(&mut sick);
        old
    }

    /// Takes everything out.
    pub(crate) fn drain(&mut self) -> Vec<(Outstanding, Arc<str>)> {
        let Retries {
            parted,
            parted_posted,
            resting,
            resting_posted,
            sick,
            ..
        } = std::mem::take(self);
        let parted = parted.into_iter().chain(parted_posted);
        let resting = parted.chain(resting.into_values()).chain(resting_posted.into_values());
        let resting = resting.flat_map(|resting| resting.batch.lines.into_iter().zip(std::iter::repeat(resting.words)));
        let sick = sick.into_values();
        let sick = sick.flat_map(|series| series.points.into_iter().zip(std::iter::repeat(series.words)));
        resting.chain(sick).collect()
    }

    /// Takes out the points of series that were tried once more in vain since [`hurry`](Retries::hurry).
    pub(crate) fn drain_sick(&mut self, now: Duration) -> Vec<(Outstanding, Arc<str>)> {
        let mut drained = Vec::new();
        for series in self
            .sick
            .values_mut()
            .filter(|series| !series.tried && series.ready_at > now)
        {
            let words = series.words.clone();
            drained.extend(series.points.drain(..).zip(std::iter::repeat(words)));
        }
        drained.iter().for_each(|(held, _)| self.uncount_sick(held));
        self.look();
        drained
    }

    fn count(&mut self, batch: &Batch) {
        self.bytes += batch.bytes();
        if !batch.is_posted() {
            self.unposted += batch.bytes();
            self.points += batch.points();
        }
    }

    fn uncount(&mut self, lines: &[Outstanding]) {
        for held in lines {
            self.bytes -= held.lines.len();
            if !held.verdict_posted {
                self.unposted -= held.lines.len();
                self.points -= held.lines.points();
            }
        }
    }

    fn uncount_sick(&mut self, held: &Outstanding) {
        self.bytes -= held.lines.len() + OVERHEAD;
        self.unposted -= held.lines.len() + OVERHEAD;
        self.points -= 1;
    }

    /// Works out what is asked for often. A series without points is forgotten, but while one of its points is tried.
    fn look(&mut self) {
        self.sick.retain(|_, series| series.tried || !series.points.is_empty());
        let waiting = self.sick.values().filter(|series| !series.tried);
        self.sick_ready_at = waiting.map(|series| series.ready_at).min();
        let resting = self.parted.iter().chain(&self.parted_posted);
        let resting = resting.chain(self.resting.values()).chain(self.resting_posted.values());
        let resting = resting.filter_map(|resting| resting.low);
        let sick = self.sick.values().filter_map(|series| series.points.front());
        let sick = sick.map(|held| (held.lines.first(), held.lines.since()));
        self.low = resting.chain(sick).min();
    }
}

fn is_due(resting: &BTreeMap<(Duration, u64), Resting>, now: Duration) -> bool {
    resting.first_key_value().is_some_and(|((at, _), _)| *at <= now)
}

/// What is not parted yet goes together, as much as is ready and fits.
fn take_resting(resting: &mut BTreeMap<(Duration, u64), Resting>, now: Duration, bytes: usize, points: u64) -> Batch {
    let mut batch = Batch::default();
    while let Some(mut entry) = resting.first_entry()
        && entry.key().0 <= now
    {
        let resting = entry.get_mut();
        let next = &mut resting.batch;
        let (bytes, points) = (
            bytes.saturating_sub(batch.bytes()),
            points.saturating_sub(batch.points()),
        );
        if !batch.is_empty() {
            let alike = next.failures().max(batch.failures()) < PART_AT;
            let fits = next.lines.first().is_some_and(|held| held.lines.len() <= bytes) && points > 0;
            if !alike || !fits {
                break;
            }
        }
        batch.lines.append(&mut next.split_front(bytes, points).lines);
        resting.find_low();
        if !resting.batch.is_empty() {
            break;
        }
        entry.remove();
    }
    batch
}

impl SickSeries {
    fn is_ready(&self, now: Duration) -> bool {
        !self.tried && self.ready_at <= now
    }

    /// Keeps a point, in the order of positions; returns what it costs.
    fn insert(&mut self, mut held: Outstanding) -> usize {
        held.lines.detach();
        held.failures = held.failures.max(PART_AT);
        let first = held.lines.first();
        let cost = held.lines.len() + OVERHEAD;
        let place = match self.points.back() {
            Some(last) if last.lines.first() > first => {
                self.points.partition_point(|other| other.lines.first() < first)
            }
            _ => self.points.len(),
        };
        self.points.insert(place, held);
        cost
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

#[cfg(test)]
mod tests;
