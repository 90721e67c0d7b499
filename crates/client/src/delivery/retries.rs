//! Retries: lines that a server failed, apart from everything else.
//!
//! ```text
//!   failed --> resting --pause--> the same again --failed again--> quarters --failed--> ... --> one line
//!                 ^                    |                           or line by line              |
//!                 '---- failed --------'                                       sick: its series rests apart
//! ```
//!
//! A storage that never takes one series must not stop the others. So what a server failed never stands in front of new
//! lines: it rests while they pass, each time twice as long, but no longer than it has waited already.
//!
//! What fails three times, or twice while others were taken, is parted into quarters. Each is tried by itself, and parted
//! again, until the line that fails is alone. Where the server says of each line whether it fails, they go together. Once a
//! quarter has failed, those beside it go together, too: that one explains why the whole failed. Quarters take no more tries
//! than halves, and half as many of them fail, which matters when a failure is slow to come.
//!
//! Once that endpoint has taken others between that line's failures, its *series* is sick: later lines of it come here at
//! once instead of failing a batch of good ones, and one of them is tried now and then, the oldest and the newest in turn.
//! When one is taken, all of them go again; a line that had failed by itself goes on alone from then on, as it is that line
//! and not its series.
//!
//! Lines that may be why their connection ended count as failed. Other lines without a verdict whose connection ended are
//! not here: they go again at once ([`Again`]). Precautions, which have their verdict, are: they go again together, each
//! time after twice as long.
//!
//! Everything is bounded: tries in rate by the pauses and [`TRY_EVERY`], memory by the engine, which ends what
//! [`pop_failing`](Retries::pop_failing) and [`pop_precaution`](Retries::pop_precaution) return. Time is an argument.
//!
//! [`Again`]: crate::delivery::verdicts::Again

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::delivery::batch::Batch;
use crate::delivery::outstanding::{Outstanding, PART_AT, Takes};
use crate::queue::block::Lines;

mod resting;
mod sick;

use resting::{Resting, RestingBatches};
use sick::Sick;

/// The first pause; it doubles up to the second, and for a line that is known to be sick up to the third.
const PAUSE: (Duration, Duration, Duration) = (
    Duration::from_millis(100),
    Duration::from_secs(5),
    Duration::from_secs(60),
);

/// What has no verdict and failed [`PART_AT`] times is parted, into so many parts.
const PARTS: u64 = 4;

/// A line is given up when the client closes if it failed so often by itself and was taken from the queue so long ago; one
/// that is known to fail alone, whose pauses are longer, is given twice as long.
const HOPELESS: (u8, Duration) = (8, Duration::from_secs(60));

/// When the client closes, a sick series is given up if its pause has grown so long: after five tries in vain.
const HOPELESS_AFTER: Duration = Duration::from_millis(3_200);

/// `flush` and `close` do not wait for a precaution that a server failed so often. Its line has its verdict, and in a
/// storage that never takes one series no precaution ever settles.
const NOT_WAITED_FOR: u8 = 4;

/// The shortest time between two tries of parted or sick lines, and between two while nothing at all is taken: it doubles
/// after so many tries in vain.
const TRY_EVERY: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));
const TRIES_IN_VAIN: u32 = 16;

/// So many lines are tried at once where the server says of each whether it fails.
const EACH: u64 = 64;

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

/// What exchanges said of lines that go again apart from others.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    /// A server failed these lines: whose fault it is, and its words.
    pub(crate) failed: Vec<(Batch, Blame, Arc<str>)>,
    /// The connection of these ended, and nothing was said of them: precautions, and lines that had failed before and were
    /// being tried.
    pub(crate) interrupted: Vec<Outstanding>,
    /// Points that had failed again and again, and have their verdict now.
    pub(crate) recovered: Vec<Lines>,
}

/// What is to go again, the most urgent first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Lines that are tried to find out which of them fail.
    Tries,
    /// Lines that failed once or twice.
    Failed,
    /// Lines that have their verdict.
    Precautions,
}

/// The shortest time until the next try, after so many in vain.
pub(crate) fn pause_after(in_vain: u32) -> Duration {
    (TRY_EVERY.0 * (1 << (in_vain / TRIES_IN_VAIN).min(7))).min(TRY_EVERY.1)
}

#[derive(Debug, Default)]
pub(crate) struct Retries {
    /// Parts of what failed, the next one last.
    parted: Vec<Resting>,
    /// How often a batch was parted, and of which of those the part was that was tried last.
    splits: u64,
    tried_of: u64,
    /// Lines between two tries, but those of sick series.
    trying: RestingBatches,
    failed: RestingBatches,
    /// Precautions. They are not parted: an error that names none comes so late that another may be to blame.
    precautions: RestingBatches,
    sick: Sick,
    /// No parted or sick line is tried before that.
    not_before: Duration,
    /// Tries of parted or sick lines since a server last took anything.
    tries: u32,
    /// How often servers had taken lines when `tries` was last set to 0.
    taken: u64,
    /// Bytes of precautions.
    posted: usize,
    /// Bytes of lines without a verdict, but those of sick series, and their points.
    unposted: usize,
    points: u64,
    /// The lowest position that somebody waits for, and since when its point does.
    low: Option<(u64, Instant)>,
}

impl Retries {
    /// Bytes of precautions.
    pub(crate) fn posted(&self) -> usize {
        self.posted
    }

    /// Bytes of lines without a verdict.
    pub(crate) fn unposted(&self) -> usize {
        self.unposted + self.sick.bytes()
    }

    /// Points without a verdict.
    pub(crate) fn points(&self) -> u64 {
        self.points + self.sick.points()
    }

    /// Takes over what the exchange with one server said.
    pub(crate) fn hear(&mut self, now: Duration, heard: Heard, takes: Takes) {
        if self.taken != takes.ever {
            (self.taken, self.tries) = (takes.ever, 0);
        }
        let Heard {
            failed,
            interrupted,
            recovered,
        } = heard;
        if failed.is_empty() && interrupted.is_empty() && recovered.is_empty() {
            return;
        }
        for (batch, blame, words) in failed {
            self.failed(now, batch, blame, &words, takes);
        }
        self.interrupted(now, interrupted, takes);
        for lines in recovered {
            self.recovered(now, lines.bytes());
        }
        self.look();
    }

    fn failed(&mut self, now: Duration, mut batch: Batch, blame: Blame, words: &Arc<str>, takes: Takes) {
        for held in &mut batch.lines {
            held.count_failure(takes);
            let others_were_taken = held.failures > 1 && held.blamed;
            // The end of a connection may have had nothing to do with its lines.
            if others_were_taken && blame == Blame::Some {
                held.failures = held.failures.max(PART_AT);
            }
        }
        let ends = blame == Blame::Ended;
        let batch = self.without_sick(now, batch, words, ends);
        if batch.is_empty() {
            return;
        }
        let sick = |held: &Outstanding| held.failures >= PART_AT && held.blamed && !held.verdict_posted;
        match blame {
            Blame::Each => self.rest_each(now, batch, words, sick),
            _ if batch.failures() < PART_AT || batch.is_posted() => self.rest(now, batch, words, ends),
            _ if batch.points() > 1 => self.part(batch, words, ends),
            Blame::Some | Blame::Ended if batch.lines.iter().all(|held| sick(held) && !held.alone) => {
                for held in batch.lines {
                    self.fall_sick(now, held, words, ends);
                }
            }
            _ => self.rest(now, batch, words, ends),
        }
    }

    fn interrupted(&mut self, now: Duration, lines: Vec<Outstanding>, takes: Takes) {
        let words: Arc<str> = Arc::from("the connection ended");
        let mut precautions: BTreeMap<u8, Batch> = BTreeMap::new();
        for mut held in lines {
            if held.verdict_posted {
                held.count_interruption(takes);
                precautions.entry(held.failures).or_default().lines.push(held);
                continue;
            }
            let batch = self.without_sick(now, Batch { lines: vec![held] }, &words, false);
            if !batch.is_empty() {
                self.rest_until(now, Resting::new(batch, words.clone(), false));
            }
        }
        for batch in precautions.into_values() {
            self.rest(now, batch, &words, false);
        }
    }

    /// Lines of which the server named each: those that go on failing are sick one by one, the others go again together.
    fn rest_each(&mut self, now: Duration, batch: Batch, words: &Arc<str>, sick: impl Fn(&Outstanding) -> bool) {
        let mut others = Batch::default();
        for held in batch.lines {
            if !sick(&held) || held.alone {
                others.lines.push(held);
                continue;
            }
            for point in held.into_points() {
                self.fall_sick(now, point, words, false);
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
        // What failed often within seconds need not rest for a minute: the server may be well by then.
        let since = batch.lines.iter().map(|held| held.taken_at).min();
        let most = most.min(now.saturating_sub(since.unwrap_or(now)).max(PAUSE.0));
        let ready_at = now + (PAUSE.0 * (1 << (failures - 1))).min(most);
        self.rest_until(ready_at, Resting::new(batch, words.clone(), ends));
    }

    fn rest_until(&mut self, ready_at: Duration, resting: Resting) {
        self.count(&resting.batch);
        let batches = if resting.batch.is_posted() {
            &mut self.precautions
        } else if resting.batch.is_apart() {
            &mut self.trying
        } else {
            &mut self.failed
        };
        batches.insert(ready_at, resting);
    }

    /// Parts a batch. One is looked into after the other: a new one comes last.
    fn part(&mut self, mut batch: Batch, words: &Arc<str>, ends: bool) {
        self.count(&batch);
        let share = batch.points().div_ceil(PARTS);
        // Siblings go before parts of a part: most of them are taken, and then it is known that the server takes something.
        // But if each failure costs a connection, the first line to blame is looked for before anything else.
        let others = self.parted.iter().rposition(|part| part.siblings != self.tried_of);
        let place = match batch.failures() {
            PART_AT => 0,
            _ if ends => self.parted.len(),
            _ => others.map_or(0, |at| at + 1),
        };
        self.explain();
        self.splits += 1;
        while !batch.is_empty() {
            let mut part = Resting::new(batch.split_front(usize::MAX, share), words.clone(), ends);
            part.siblings = self.splits;
            self.parted.insert(place, part);
        }
    }

    /// One line is to blame: what comes of its series from now on waits with it.
    fn fall_sick(&mut self, now: Duration, held: Outstanding, words: &Arc<str>, ends: bool) {
        if !self.sick.has_room(&held) {
            return self.rest(now, Batch { lines: vec![held] }, words, ends);
        }
        self.explain();
        if self.sick.fall(now, held, words, ends) {
            self.sift_waiting();
        }
    }

    /// A part has failed that was tried: nothing says that any of its siblings would.
    fn explain(&mut self) {
        for part in &mut self.parted {
            part.explained |= part.siblings == self.tried_of;
        }
    }

    /// Takes a new sick series out of everything that waits: what is left may well be taken.
    fn sift_waiting(&mut self) {
        let Retries {
            parted,
            trying,
            failed,
            sick,
            unposted,
            points,
            ..
        } = self;
        let mut sifted = |mut waiting: Resting| {
            let before = (waiting.batch.bytes(), waiting.batch.points());
            let lines = std::mem::take(&mut waiting.batch.lines).into_iter();
            let lines = lines.flat_map(|held| sick.sift(held)).collect();
            waiting.replace(Batch { lines });
            *unposted -= before.0 - waiting.batch.bytes();
            *points -= before.1 - waiting.batch.points();
            (!waiting.batch.is_empty()).then_some(waiting)
        };
        *parted = std::mem::take(parted).into_iter().filter_map(&mut sifted).collect();
        trying.replace(&mut sifted);
        failed.replace(sifted);
    }

    /// Takes out what is of sick series: it waits with them.
    fn without_sick(&mut self, now: Duration, batch: Batch, words: &Arc<str>, ends: bool) -> Batch {
        if self.sick.is_empty() || batch.is_posted() {
            return batch;
        }
        for held in batch.lines.iter().filter(|held| held.lines.points() == 1) {
            self.sick.tried_in_vain(now, held, words, ends);
        }
        let lines = batch.lines.into_iter();
        Batch {
            lines: lines.flat_map(|held| self.sift(held)).collect(),
        }
    }

    /// Keeps the lines of sick series, and returns the others.
    pub(crate) fn sift(&mut self, held: Outstanding) -> Vec<Outstanding> {
        if self.sick.is_empty() {
            return vec![held];
        }
        let others = self.sick.sift(held);
        self.low = self.low.into_iter().chain(self.sick.low()).min();
        others
    }

    /// A line of a sick series has its verdict: the series is well.
    fn recovered(&mut self, now: Duration, line: &[u8]) {
        let Some(series) = self.sick.recovered(line) else {
            return;
        };
        let (mut well, mut failed) = (Batch::default(), Batch::default());
        for mut held in series.points {
            held.alone = held.failures >= PART_AT;
            if held.alone { &mut failed } else { &mut well }.lines.push(held);
        }
        if !well.is_empty() {
            self.rest_until(now, Resting::new(well, series.words.clone(), false));
        }
        if !failed.is_empty() {
            self.rest(now, failed, &series.words, series.ends);
        }
    }

    /// Whether lines of that kind are ready.
    pub(crate) fn is_ready(&self, now: Duration, kind: Kind) -> bool {
        let sick = || self.sick.ready_at().is_some_and(|at| at <= now);
        match kind {
            Kind::Tries => {
                let may_try = now >= self.not_before;
                may_try && (!self.parted.is_empty() || sick()) || self.trying.is_due(now)
            }
            Kind::Failed => self.failed.is_due(now) && !self.is_searching(),
            Kind::Precautions => self.precautions.is_due(now),
        }
    }

    /// Whether a line is looked for that fails. What failed once waits for it: most likely it failed for the same line. For lines
    /// that may have ended a connection nothing waits, as that is a guess.
    fn is_searching(&self) -> bool {
        self.parted.last().is_some_and(|part| !part.ends)
    }

    /// When something that waits will be ready that is not now, though something else may be.
    pub(crate) fn ready_after(&self, now: Duration) -> Option<Duration> {
        self.ready_times().filter(|at| *at > now).min()
    }

    fn ready_times(&self) -> impl Iterator<Item = Duration> {
        let parted = (!self.parted.is_empty()).then_some(self.not_before);
        let sick = self.sick.ready_at().map(|at| at.max(self.not_before));
        let failed = self.failed.ready_at().filter(|_| !self.is_searching());
        let resting = [self.trying.ready_at(), failed, self.precautions.ready_at()];
        [parted, sick].into_iter().chain(resting).flatten()
    }

    /// Takes a batch that is ready, or as much of it as fits. `each`: the server will say of each line whether it fails, so
    /// that those which fail again and again can go together.
    pub(crate) fn take(&mut self, now: Duration, kind: Kind, bytes: usize, points: u64, each: bool) -> Option<Batch> {
        let batch = match kind {
            Kind::Tries => self.take_tries(now, bytes, points, each),
            Kind::Failed => self.failed.take(now, bytes, points, |_| false),
            Kind::Precautions => self.precautions.take(now, bytes, points, |_| false),
        };
        if kind != Kind::Tries {
            self.uncount(&batch.lines);
        }
        self.look();
        (!batch.is_empty()).then_some(batch)
    }

    fn take_tries(&mut self, now: Duration, bytes: usize, points: u64, each: bool) -> Batch {
        let points = if each { points.min(EACH) } else { points };
        let batch = if now >= self.not_before && !self.parted.is_empty() {
            self.tried(now);
            self.take_parted(bytes, points, each)
        } else if self.trying.is_due(now) {
            self.trying.take(now, bytes, points, |resting| !each || resting.ends)
        } else {
            self.tried(now);
            return Batch {
                lines: self.sick.take(now, points, each),
            };
        };
        self.uncount(&batch.lines);
        batch
    }

    fn take_parted(&mut self, bytes: usize, points: u64, each: bool) -> Batch {
        let mut batch = Batch::default();
        while let Some(resting) = self.parted.last_mut() {
            let left = points.saturating_sub(batch.points());
            let bytes = bytes.saturating_sub(batch.bytes());
            let together = resting.explained || each && !resting.ends;
            if left == 0 || !batch.is_empty() && (!together || bytes < resting.batch.bytes()) {
                break;
            }
            self.tried_of = resting.siblings;
            batch.lines.append(&mut resting.split_front(bytes, left).lines);
            if resting.batch.is_empty() {
                self.parted.pop();
            }
            if !together {
                break;
            }
        }
        batch
    }

    /// Parted or sick lines are about to be tried.
    fn tried(&mut self, now: Duration) {
        self.not_before = now + pause_after(self.tries);
        self.tries = self.tries.saturating_add(1);
    }

    /// Whether looking for the lines to blame is worth it: a server took some not so many tries ago.
    pub(crate) fn is_getting_on(&self) -> bool {
        self.tries < 4 * TRIES_IN_VAIN
    }

    /// The lowest position that somebody may wait for, and since when its point does.
    pub(crate) fn low(&self) -> Option<(u64, Instant)> {
        self.low
    }

    /// All lines here.
    pub(crate) fn lines(&self) -> impl Iterator<Item = &Outstanding> {
        let resting = self.parted.iter().chain(self.trying.iter()).chain(self.failed.iter());
        let resting = resting.chain(self.precautions.iter());
        resting
            .flat_map(|resting| &resting.batch.lines)
            .chain(self.sick.lines())
    }

    /// Whether the client's end is to wait for anything here.
    pub(crate) fn is_waited_for(&self) -> bool {
        self.low.is_some()
    }

    /// The client closes: nothing rests any longer, and each sick series is tried once more.
    pub(crate) fn hurry(&mut self, now: Duration) {
        self.trying.hurry(now);
        self.failed.hurry(now);
        self.precautions.hurry(now);
        self.sick.hurry(now);
        self.look();
    }

    /// A precaution that may be given up for want of memory, and what was said of it.
    pub(crate) fn pop_precaution(&mut self) -> Option<(Outstanding, Arc<str>)> {
        let given = self.precautions.pop_line()?;
        self.uncount(std::slice::from_ref(&given.0));
        self.look();
        Some(given)
    }

    /// A line that may be given up for want of memory, and what was said of it: the oldest of a sick series, or one that fails
    /// by itself while others are taken.
    pub(crate) fn pop_failing(&mut self) -> Option<(Outstanding, Arc<str>)> {
        let given = self.sick.pop().or_else(|| self.pop_alone())?;
        self.look();
        Some(given)
    }

    fn pop_alone(&mut self) -> Option<(Outstanding, Arc<str>)> {
        let alone =
            |resting: &Resting| resting.batch.points() == 1 && resting.batch.lines.iter().all(|held| held.blamed);
        let given = self.trying.pop_where(alone)?.into_lines().next()?;
        self.uncount(std::slice::from_ref(&given.0));
        Some(given)
    }

    /// Takes out what was taken from the queue before then: it is too old.
    pub(crate) fn expire(&mut self, before: Duration) -> Vec<(Outstanding, Arc<str>)> {
        let is_old = |held: &Outstanding| held.taken_at <= before;
        let parted = self.parted.iter_mut();
        let mut old: Vec<_> = parted.flat_map(|resting| resting.expire(is_old)).collect();
        self.parted.retain(|resting| !resting.batch.is_empty());
        old.append(&mut self.trying.expire(is_old));
        old.append(&mut self.failed.expire(is_old));
        old.iter()
            .for_each(|(held, _)| self.uncount(std::slice::from_ref(held)));
        old.append(&mut self.sick.expire(is_old));
        self.look();
        old
    }

    /// Takes everything out.
    pub(crate) fn drain(&mut self) -> Vec<(Outstanding, Arc<str>)> {
        let Retries {
            parted,
            mut trying,
            mut failed,
            mut precautions,
            mut sick,
            ..
        } = std::mem::take(self);
        let resting = parted.into_iter().chain(trying.drain()).chain(failed.drain());
        let resting = resting.chain(precautions.drain());
        let lines = resting.flat_map(Resting::into_lines);
        lines.chain(sick.drain()).collect()
    }

    /// Takes out the points of series that were tried in vain for long, and since [`hurry`](Retries::hurry), and those that
    /// failed by themselves for a minute or two, though it may be that the server takes nothing at all.
    pub(crate) fn drain_failing(&mut self, now: Duration) -> Vec<(Outstanding, Arc<str>)> {
        let hopeless = |held: &Outstanding| {
            let longest = HOPELESS.1 * if held.alone { 2 } else { 1 };
            held.failures >= HOPELESS.0 && now >= held.taken_at + longest
        };
        // Several lines that failed so often together were named, each of them.
        let hopeless = |resting: &Resting| resting.batch.lines.iter().all(hopeless);
        let mut drained = Vec::new();
        while let Some(resting) = self.trying.pop_where(hopeless) {
            self.uncount(&resting.batch.lines);
            drained.extend(resting.into_lines());
        }
        drained.append(&mut self.sick.drain_tried(now));
        self.look();
        drained
    }

    fn count(&mut self, batch: &Batch) {
        if batch.is_posted() {
            self.posted += batch.bytes();
        } else {
            self.unposted += batch.bytes();
            self.points += batch.points();
        }
    }

    fn uncount(&mut self, lines: &[Outstanding]) {
        for held in lines {
            if held.verdict_posted {
                self.posted -= held.lines.len();
            } else {
                self.unposted -= held.lines.len();
                self.points -= held.lines.points();
            }
        }
    }

    /// Works out what is asked for often.
    fn look(&mut self) {
        self.sick.look();
        let resting = self.parted.iter().chain(self.trying.iter()).chain(self.failed.iter());
        let resting = resting.chain(self.precautions.iter());
        self.low = resting.filter_map(Resting::low).chain(self.sick.low()).min();
    }
}

#[cfg(test)]
mod tests;
