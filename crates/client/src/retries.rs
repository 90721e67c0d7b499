//! Retries: lines that a server failed, apart from everything else.
//!
//! ```text
//!   failed --> resting --pause--> the same again --failed a third time--> halves --failed--> ... --> one line
//!                 ^                    |                                  or line by line             |
//!                 '---- failed --------'                                             sick: its series rests apart
//! ```
//!
//! A storage that never takes one series must not stop the others, so what a server failed never stands in front of new
//! lines: it rests, each time twice as long, while they pass. What fails three times is parted, each half by itself,
//! until the line that fails is alone; where the server can say of each line whether it fails, all of them at once. Once the endpoint has taken others between that line's failures, its *series* is
//! sick: later lines of it come here at once instead of failing a batch of good ones, and one of them is tried now and
//! then, the oldest and the newest in turn. When one is taken, all of them go again; a line that had failed by itself goes
//! on alone from then on, as it is that line and not its series.
//!
//! Lines whose connection ended are not here: nothing was said of them, and they go again first ([`Again`]). Precautions,
//! which have their verdict, are: they go again together, each time after twice as long.
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

/// What has no verdict and failed so often is parted.
pub(crate) const PART_AT: u8 = 3;

/// A line that failed so often by itself is given up when the client closes.
const HOPELESS: u8 = 16;

/// A precaution that failed so often, which takes three seconds at least, is waited for by nobody. Its line has its
/// verdict, and in a storage that never takes one series no precaution ever settles.
const NOT_WAITED_FOR: u8 = 6;

/// The shortest time between two tries of parted or sick lines, and between two while nothing at all is taken: it doubles
/// after so many tries in vain.
const TRY_EVERY: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));
const TRIES_IN_VAIN: u32 = 16;

/// So many lines are tried at once where the server says of each whether it fails.
const EACH: u64 = 64;

/// More sick series than that are not told apart: their lines rest one by one.
const SICK_SERIES: usize = 4096;

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
    /// One of these lines perhaps: the connection ended, so that the server said of none what becomes of it.
    Ended,
    /// Perhaps one of these, perhaps another: the error named none and came after their answer.
    Unknown,
}

/// A batch that waits, and what the server said of it last.
#[derive(Debug)]
struct Resting {
    batch: Batch,
    words: Arc<str>,
    /// Connections end because of one of them, perhaps: no other lines go with them.
    ends: bool,
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
            ends: false,
            low: None,
        };
        resting.find_low();
        resting
    }

    fn find_low(&mut self) {
        let waited_for = |held: &&Outstanding| !held.verdict_posted || held.failures < NOT_WAITED_FOR;
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
    /// Connections end because of it, perhaps: it is tried by itself.
    ends: bool,
    /// The newest is tried next.
    newest: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Retries {
    /// Halves of what failed, the next one last.
    parted: Vec<Resting>,
    /// By when they are ready, and a number to tell them apart.
    resting: BTreeMap<(Duration, u64), Resting>,
    /// Precautions. They are not parted: an error that names none comes so late that another may be to blame.
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
            held.count_failure(taken);
        }
        let ends = blame == Blame::Ended;
        let batch = self.without_sick(now, batch, words, ends);
        if batch.is_empty() {
            return self.look();
        }
        let sick = |held: &Outstanding| held.failures >= PART_AT && taken > held.taken_then && !held.verdict_posted;
        match blame {
            Blame::Each => self.rest_each(now, batch, words, sick),
            _ if batch.failures() < PART_AT || batch.is_posted() => self.rest(now, batch, words, ends),
            _ if batch.points() > 1 => self.part(batch, words, ends),
            Blame::Some | Blame::Ended if batch.lines.iter().all(|held| sick(held) && !held.alone) => {
                self.fall_sick(now, batch, words, ends);
            }
            _ => self.rest(now, batch, words, ends),
        }
        self.look();
    }

    /// The connection of these lines ended, and nothing was said of them: precautions, or lines that had failed before and
    /// were being tried.
    pub(crate) fn interrupted(&mut self, now: Duration, lines: Vec<Outstanding>, taken: u64) {
        if lines.is_empty() {
            return;
        }
        let words: Arc<str> = Arc::from("the connection ended");
        let mut precautions: BTreeMap<u8, Batch> = BTreeMap::new();
        for mut held in lines {
            if held.verdict_posted {
                held.count_failure(taken);
                precautions.entry(held.failures).or_default().lines.push(held);
                continue;
            }
            let batch = self.without_sick(now, Batch { lines: vec![held] }, &words, false);
            if !batch.is_empty() {
                self.rest_until(now, Resting::new(batch, words.clone()));
            }
        }
        for batch in precautions.into_values() {
            self.rest(now, batch, &words, false);
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
                self.fall_sick(now, Batch { lines: vec![point] }, words, false);
                if held.lines.points() == 0 {
                    break;
                }
            }
        }
        if !others.is_empty() {
            self.rest(now, others, words, false);
        }
    }

    fn rest(&mut self, now: Duration, batch: Batch, words: &Arc<str>, ends: bool) {
        let alone = batch.is_posted() || batch.lines.iter().all(|held| held.alone);
        let most = if alone { PAUSE.2 } else { PAUSE.1 };
        let failures = u32::from(batch.failures()).clamp(1, 16);
        let ready_at = now + (PAUSE.0 * (1 << (failures - 1))).min(most);
        let resting = Resting {
            ends,
            ..Resting::new(batch, words.clone())
        };
        self.rest_until(ready_at, resting);
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

    fn part(&mut self, mut batch: Batch, words: &Arc<str>, ends: bool) {
        self.count(&batch);
        let front = batch.halve();
        for half in [batch, front] {
            self.parted.push(Resting {
                ends,
                ..Resting::new(half, words.clone())
            });
        }
    }

    /// One line is to blame: what comes of its series from now on waits with it.
    fn fall_sick(&mut self, now: Duration, batch: Batch, words: &Arc<str>, ends: bool) {
        let Some(key) = batch.lines.first().map(|held| series_of(held.lines.bytes())) else {
            return;
        };
        if self.sick.len() >= SICK_SERIES && !self.sick.contains_key(&key) {
            return self.rest(now, batch, words, ends);
        }
        let is_new = !self.sick.contains_key(&key);
        let series = self.sick.entry(key);
        let series = series.or_insert_with(|| SickSeries::new(now + PAUSE.0, words));
        series.ends |= ends;
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
        (!batch.is_empty()).then(|| Resting {
            ends: resting.ends,
            ..Resting::new(batch, resting.words)
        })
    }

    /// Takes out what is of sick series: it waits with them.
    fn without_sick(&mut self, now: Duration, batch: Batch, words: &Arc<str>, ends: bool) -> Batch {
        if self.sick.is_empty() || batch.is_posted() {
            return batch;
        }
        for held in batch.lines.iter().filter(|held| held.lines.points() == 1) {
            if let Some(series) = self.sick.get_mut(&series_of(held.lines.bytes())) {
                series.ends |= ends;
                series.tried_in_vain(now, words);
            }
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
        let mut well = Batch::default();
        for mut held in series.points {
            self.uncount_sick(&held);
            if held.failures < PART_AT {
                well.lines.push(held);
                continue;
            }
            held.alone = true;
            self.rest(now, Batch { lines: vec![held] }, &series.words, series.ends);
        }
        if !well.is_empty() {
            self.rest_until(now, Resting::new(well, series.words));
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
        is_due(&self.resting_posted, now).then_some(true)
    }

    /// When the next batch is ready, at the latest.
    pub(crate) fn ready_at(&self) -> Option<Duration> {
        let parted = (!self.parted.is_empty()).then_some(self.not_before);
        let resting = [&self.resting, &self.resting_posted];
        let resting = resting.into_iter().filter_map(|resting| resting.first_key_value());
        let resting = resting.map(|((at, _), _)| *at);
        let sick = self.sick_ready_at.map(|at| at.max(self.not_before));
        parted.into_iter().chain(resting).chain(sick).min()
    }

    /// Takes the batch that is ready, or as much of it as fits. `each`: the server will say of each line whether it fails, so
    /// that those which fail again and again can go together.
    pub(crate) fn take(&mut self, now: Duration, bytes: usize, points: u64, each: bool) -> Option<Batch> {
        let may_try = now >= self.not_before;
        let mut batch = Batch::default();
        if self.is_ready(now)? {
            batch = take_resting(&mut self.resting_posted, now, bytes, points, each);
            self.uncount(&batch.lines);
        } else if may_try && !self.parted.is_empty() {
            batch = self.take_parted(bytes, points, each);
            self.uncount(&batch.lines);
            self.tried(now);
        } else if is_due(&self.resting, now) {
            batch = take_resting(&mut self.resting, now, bytes, points, each);
            self.uncount(&batch.lines);
        } else if may_try {
            batch.lines = self.take_sick(now, if each { EACH.min(points) } else { 1 });
            batch.lines.iter().for_each(|held| self.uncount_sick(held));
            self.tried(now);
        }
        self.look();
        (!batch.is_empty()).then_some(batch)
    }

    fn take_parted(&mut self, bytes: usize, points: u64, each: bool) -> Batch {
        let mut batch = Batch::default();
        while let Some(resting) = self.parted.last_mut() {
            let left = match each {
                true => points.min(EACH).saturating_sub(batch.points()),
                false => points,
            };
            if left == 0 || (resting.ends && !batch.is_empty()) {
                break;
            }
            let ends = resting.ends;
            batch.lines.append(&mut resting.batch.split_front(bytes, left).lines);
            resting.find_low();
            if resting.batch.is_empty() {
                self.parted.pop();
            }
            if !each || ends {
                break;
            }
        }
        batch
    }

    /// A point of each of so many series, or of one because of which connections end.
    fn take_sick(&mut self, now: Duration, most: u64) -> Vec<Outstanding> {
        let mut taken = Vec::new();
        for series in self.sick.values_mut().filter(|series| series.is_ready(now)) {
            if taken.len() as u64 >= most || (series.ends && !taken.is_empty()) {
                break;
            }
            taken.extend(series.next_point());
            if series.ends {
                break;
            }
        }
        taken
    }

    /// Parted or sick lines are about to be tried.
    fn tried(&mut self, now: Duration) {
        let doublings = (self.tries / TRIES_IN_VAIN).min(6);
        self.tries = self.tries.saturating_add(1);
        self.not_before = now + (TRY_EVERY.0 * (1 << doublings)).min(TRY_EVERY.1);
    }

    /// Whether looking for the lines to blame is worth it: a server took some not so many tries ago.
    pub(crate) fn is_getting_on(&self) -> bool {
        self.tries < 4 * TRIES_IN_VAIN
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
                let longest = self.sick.values_mut().max_by_key(|series| series.points.len());
                match longest.and_then(|series| Some((series.points.pop_front()?, series.words.clone()))) {
                    Some((held, words)) => {
                        self.uncount_sick(&held);
                        (held, words)
                    }
                    None => self.pop_alone()?,
                }
            }
        };
        self.look();
        Some(given)
    }

    /// A line that fails by itself while others are taken.
    fn pop_alone(&mut self) -> Option<(Outstanding, Arc<str>)> {
        let taken = self.taken;
        let alone = |resting: &Resting| {
            let fails = |held: &Outstanding| held.failures >= PART_AT && taken > held.taken_then;
            resting.batch.points() == 1 && resting.batch.lines.iter().all(fails)
        };
        let (key, _) = self.resting.iter().find(|(_, resting)| alone(resting))?;
        let key = *key;
        let mut resting = self.resting.remove(&key)?;
        let held = resting.batch.lines.pop()?;
        self.uncount(std::slice::from_ref(&held));
        Some((held, resting.words))
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
            resting,
            resting_posted,
            sick,
            ..
        } = std::mem::take(self);
        let resting = parted.into_iter().chain(resting.into_values());
        let resting = resting.chain(resting_posted.into_values());
        let resting = resting.flat_map(|resting| resting.batch.lines.into_iter().zip(std::iter::repeat(resting.words)));
        let sick = sick.into_values();
        let sick = sick.flat_map(|series| series.points.into_iter().zip(std::iter::repeat(series.words)));
        resting.chain(sick).collect()
    }

    /// Takes out the points of series that were tried once more in vain since [`hurry`](Retries::hurry), and those that
    /// failed by themselves for about a minute, though it may be that the server takes nothing at all.
    pub(crate) fn drain_sick(&mut self, now: Duration) -> Vec<(Outstanding, Arc<str>)> {
        let hopeless = |resting: &Resting| {
            let batch = &resting.batch;
            batch.points() == 1 && batch.failures() >= HOPELESS && !batch.is_posted()
        };
        let mut drained = Vec::new();
        let given_up = self.resting.iter().filter(|(_, resting)| hopeless(resting));
        for key in given_up.map(|(key, _)| *key).collect::<Vec<_>>() {
            let Some(resting) = self.resting.remove(&key) else {
                continue;
            };
            drained.extend(
                resting
                    .batch
                    .lines
                    .into_iter()
                    .map(|held| (held, resting.words.clone())),
            );
        }
        drained
            .iter()
            .for_each(|(held, _)| self.uncount(std::slice::from_ref(held)));
        drained.append(&mut self.drain_series(now));
        self.look();
        drained
    }

    fn drain_series(&mut self, now: Duration) -> Vec<(Outstanding, Arc<str>)> {
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
        let resting = self.parted.iter().chain(self.resting.values());
        let resting = resting.chain(self.resting_posted.values());
        let resting = resting.filter_map(|resting| resting.low);
        let sick = self.sick.values().filter_map(|series| series.points.front());
        let sick = sick.map(|held| (held.lines.first(), held.lines.since()));
        self.low = resting.chain(sick).min();
    }
}

fn is_due(resting: &BTreeMap<(Duration, u64), Resting>, now: Duration) -> bool {
    resting.first_key_value().is_some_and(|((at, _), _)| *at <= now)
}

/// What is not parted yet goes together, as much as is ready and fits; what is, where the server says of `each` line
/// whether it fails.
fn take_resting(
    resting: &mut BTreeMap<(Duration, u64), Resting>,
    now: Duration,
    bytes: usize,
    points: u64,
    each: bool,
) -> Batch {
    let (mut batch, mut ends) = (Batch::default(), false);
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
            let apart = |batch: &Batch| batch.failures() >= PART_AT && !batch.is_posted();
            let alike = match (apart(&batch), apart(next)) {
                (false, false) => true,
                (true, true) => each && !ends && !resting.ends && batch.points() < EACH,
                _ => false,
            };
            let fits = next.lines.first().is_some_and(|held| held.lines.len() <= bytes) && points > 0;
            if !alike || !fits {
                break;
            }
        }
        batch.lines.append(&mut next.split_front(bytes, points).lines);
        ends |= resting.ends;
        resting.find_low();
        if !resting.batch.is_empty() {
            break;
        }
        entry.remove();
    }
    batch
}

impl SickSeries {
    fn new(ready_at: Duration, words: &Arc<str>) -> SickSeries {
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

    /// Keeps a point, in the order of positions; returns what it costs.
    fn insert(&mut self, mut held: Outstanding) -> usize {
        held.lines.detach();
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
