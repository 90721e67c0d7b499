//! Spooling: points that memory cannot hold, or must not lose, on their way to the disk and back.
//!
//! ```text
//!   queue --beyond half of it, or a sync waits--> appending --> on disk --read--> ready --> the engine
//!   engine: what it holds, for a sync or always --> a copy on disk ------------ done: deleted
//!   engine: what settles beyond settle_bytes -----> on disk alone --again-----> ready, as a precaution
//! ```
//!
//! Every point keeps its position, wherever it is: the [`Journal`] knows where on disk a position lies. Points that another
//! process left get positions above all others, so that no flush waits for them.
//!
//! Nothing here waits: commands go to a [`Disk`], and what it tells is collected. It decides nothing about connections; the
//! driver moves lines between the queue, the engine and this.
//!
//! `append` puts lines on disk, `told` hears of it, `backlog` brings them back, `close` ends it all.

use std::collections::VecDeque;
use std::ops::Range;
use std::time::{Duration, Instant};

use potsdb_spool::ranges::Ranges;
use potsdb_spool::{Command, SlotId, Tried};

use crate::config::options::{Options, SpoolMode};
use crate::delivery::verdicts::Verdicts;
use crate::engine::Engine;
use crate::queue::block::Lines;
use crate::report::Report;
use crate::stats::SpoolStats;

mod append;
mod backlog;
mod close;
mod disk;
mod growth;
mod journal;
mod open;
mod told;

use append::Appending;
use backlog::Backlog;
use close::Closing;
pub(crate) use disk::Disk;
use growth::Growth;
use journal::{Journal, Place};
pub(crate) use open::open;
#[cfg(test)]
pub(crate) use open::spool_options;

/// How often everything goes to disk that was there the last time and is not done with, under `spool_mode=always`: twice
/// that is what a point waits at most.
const ALWAYS_EVERY: Duration = Duration::from_millis(25);

/// How long a sync waits for answers while a server is there: what is answered for needs no disk.
const PATIENCE: Duration = Duration::from_millis(10);

/// How often orphans are looked for.
const ADOPT_EVERY: Duration = Duration::from_secs(60);

/// How long lines are kept from a disk that has refused some.
const RESTS: Duration = Duration::from_millis(500);

/// The first position of points that another process left. No client accepts so many.
const ADOPTED: u64 = 1 << 62;

pub(crate) struct Spooling {
    disk: Box<dyn Disk>,
    /// The worker's zero.
    started: Instant,
    /// The wire that lines are written to.
    wire: Tried,
    always: bool,
    /// The slot that lines go to; none: the spool is not open.
    own: Option<SlotId>,
    /// Why the disk is left alone.
    off: Option<String>,
    stalled: bool,
    /// So much waits for the disk that it takes no more before it has told of some of it.
    is_busy: bool,
    /// Nothing is appended before that.
    rests_until: Duration,
    adopt_at: Option<Duration>,
    journal: Journal,
    /// Positions with a copy on disk, or on its way there.
    covered: Ranges,
    /// What the disk was asked to keep, and has not answered for.
    appending: VecDeque<Appending>,
    tags: u64,
    /// Done with while they were being appended.
    over: Ranges,
    /// What the disk did not take, and nothing else has. It goes to a connection or, later, to the disk.
    unsaved: VecDeque<Lines>,
    /// The same, of what has its verdict.
    unkept: VecDeque<Lines>,
    /// Written, but not known to be synced: the disk has them in memory, too.
    unsynced: Vec<(Appending, Place)>,
    /// Positions of points without a verdict that somebody might take for safe too early.
    not_safe: Ranges,
    backlog: Backlog,
    /// Beyond half a queue, until it is nearly empty.
    is_draining: bool,
    /// What somebody waits for to be safe, and since when.
    wanted: Option<(u64, Duration)>,
    /// Everything below has a copy, or its verdict.
    secured: u64,
    /// Up to where the disk was asked to sync soon.
    hurried: u64,
    /// The position that the next point was to get, and when that was looked at.
    mark: (u64, Duration),
    /// When the client began to close, and when the engine is to hand over what it has.
    closing_since: Option<Duration>,
    due_at: Option<Duration>,
    closing: Closing,
    /// How the disk was left at the end.
    left: SpoolStats,
    growth: Growth,
    /// When it last had a turn.
    looked_at: Duration,
}

impl Spooling {
    pub(crate) fn new(options: &Options, wire: Tried, disk: Box<dyn Disk>, started: Instant) -> Spooling {
        Spooling {
            disk,
            started,
            wire,
            always: options.spool_mode == SpoolMode::Always,
            own: None,
            off: None,
            stalled: false,
            is_busy: false,
            rests_until: Duration::ZERO,
            adopt_at: None,
            journal: Journal::default(),
            covered: Ranges::default(),
            appending: VecDeque::new(),
            tags: 0,
            over: Ranges::default(),
            unsaved: VecDeque::new(),
            unkept: VecDeque::new(),
            unsynced: Vec::new(),
            not_safe: Ranges::default(),
            backlog: Backlog::new(ADOPTED),
            is_draining: false,
            wanted: None,
            secured: 0,
            hurried: 0,
            mark: (0, Duration::ZERO),
            closing_since: None,
            due_at: None,
            closing: Closing::Not,
            left: SpoolStats::default(),
            growth: Growth::new(options.spool_bytes as u64),
            looked_at: Duration::ZERO,
        }
    }

    /// A turn begins: hears what the disk tells, and passes on what was noted for it. Whether it told anything.
    pub(crate) fn turn(&mut self, now: Duration, verdicts: &mut Verdicts) -> bool {
        let told = self.disk.poll(now);
        let has_news = !told.is_empty();
        for told in told {
            self.hear(now, told, verdicts);
        }
        if self.adopt_at.is_some_and(|at| at <= now) && self.closing.is_open() {
            self.adopt_at = None;
            self.send(Command::Adopt);
        }
        self.pass_on(now, verdicts);
        has_news
    }

    /// Passes on what the engine noted.
    pub(crate) fn pass_on(&mut self, now: Duration, verdicts: &mut Verdicts) {
        self.looked_at = now;
        let notes = &mut verdicts.for_spool;
        (notes.is_there, notes.takes) = (true, self.takes(now));
        let done = std::mem::take(&mut notes.done);
        for positions in &done {
            self.done(positions.clone());
        }
        for lines in std::mem::take(&mut notes.kept) {
            self.keep(now, lines);
        }
        for positions in std::mem::take(&mut notes.again) {
            self.again(positions, verdicts);
        }
        let rejected = std::mem::take(&mut verdicts.for_spool.rejected);
        for (lines, words) in rejected {
            self.set_aside(lines, words);
        }
        // Kept for its memory.
        verdicts.for_spool.done = done;
        verdicts.for_spool.done.clear();
    }

    /// Whether it takes lines now.
    pub(crate) fn takes(&self, now: Duration) -> bool {
        self.own.is_some() && self.off.is_none() && !self.is_busy && self.rests_until <= now
    }

    /// Whether it is not known yet what it holds.
    pub(crate) fn is_opening(&self) -> bool {
        self.own.is_none() && self.off.is_none() && !self.stalled
    }

    /// The lowest position that it answers for.
    pub(crate) fn low(&self) -> Option<u64> {
        self.backlog.low()
    }

    /// The lowest position that has no verdict and is here.
    pub(crate) fn left(&self) -> Option<u64> {
        self.backlog.first()
    }

    /// Up to where everything is to have a copy on disk now, if it has none.
    ///
    /// `wants`: somebody waits for what lies below to be safe. `next`: the position the next point will get.
    pub(crate) fn secures(&mut self, now: Duration, wants: Option<u64>, next: u64, connected: bool) -> Option<u64> {
        if self.wanted.is_some_and(|(to, _)| to <= self.secured) || wants.is_none() {
            self.wanted = None;
        }
        if let Some(to) = wants.filter(|to| *to > self.secured) {
            self.wanted.get_or_insert((to, now));
        }
        let patience = if connected { PATIENCE } else { Duration::ZERO };
        let wanted = self.wanted.filter(|(_, since)| now >= *since + patience);
        let mut upto = wanted.map(|(to, _)| to);
        if self.always && now >= self.mark.1 + ALWAYS_EVERY {
            upto = upto.max(Some(self.mark.0));
            self.mark = (next, now);
        }
        upto.filter(|to| *to > self.secured)
    }

    /// Everything below has a copy now, or is being appended.
    pub(crate) fn has_secured(&mut self, upto: u64) {
        self.secured = self.secured.max(upto);
    }

    /// From here on not everything has a copy, after all.
    fn unsecure(&mut self, from: u64) {
        self.secured = self.secured.min(from);
        self.hurried = self.hurried.min(from);
    }

    /// Somebody waits for everything below to be safe: what has been appended of it is synced soon.
    pub(crate) fn hurry(&mut self, to: u64) {
        let to = to.min(self.secured);
        if to > self.hurried && !self.not_safe.is_empty() {
            self.hurried = to;
            self.ask_for_sync();
        }
    }

    /// Asks to be told when all that was appended is safe; returns the tag of the answer.
    fn ask_for_sync(&mut self) -> u64 {
        self.tags += 1;
        let tag = self.tags;
        self.send(Command::Sync { tag });
        tag
    }

    /// Up to which position every point is safe, given what the engine holds.
    pub(crate) fn safe(&self, engine: &Engine) -> u64 {
        let mut low = self.not_safe.first().unwrap_or(u64::MAX);
        engine.each(|held| {
            if !held.verdict_posted {
                low = low.min(self.first_uncovered(held.lines.range()).unwrap_or(low));
            }
        });
        low
    }

    fn first_uncovered(&self, positions: Range<u64>) -> Option<u64> {
        match self.covered.first_within(positions.clone()) {
            Some(run) if run.start > positions.start => Some(positions.start),
            Some(run) => (run.end < positions.end).then_some(run.end),
            None => Some(positions.start),
        }
    }

    /// When to give it a turn, whatever else happens. `next`: the position the next point will get.
    pub(crate) fn deadline(&self, next: u64) -> Option<Duration> {
        let is_open = self.closing.is_open();
        let wanted = self.wanted.map(|(_, since)| since + PATIENCE);
        let always = (self.always && next > self.secured).then(|| self.mark.1 + ALWAYS_EVERY);
        let has_more = self.wanted.is_some() || self.is_draining || !self.unsaved.is_empty() || !self.unkept.is_empty();
        let refused = (has_more || always.is_some()).then_some(self.rests_until);
        let adopt = self.adopt_at.filter(|_| is_open);
        let read = self.backlog.rests_until().filter(|_| is_open);
        let hand_over = self.due_at.filter(|_| is_open);
        let timers = [wanted, always, refused, read, adopt, hand_over, self.closing.deadline()];
        // What was due in this turn and is not done waits for something else.
        timers.into_iter().flatten().filter(|at| *at > self.looked_at).min()
    }

    pub(crate) fn stats(&mut self, now: Duration) -> SpoolStats {
        let slots = self.disk.stats();
        if slots.is_empty() && !self.closing.is_open() {
            // The disk has been let go of; this is how it was left.
            return self.left.clone();
        }
        let sum = |part: fn(&potsdb_spool::Stats) -> u64| slots.iter().map(|(_, stats)| part(stats)).sum();
        let bytes = sum(|stats| stats.bytes);
        let wall = self.disk.wall();
        let oldest = slots.iter().filter_map(|(_, stats)| stats.oldest).min();
        SpoolStats {
            bytes,
            segments: sum(|stats| stats.segments),
            slots: slots.len(),
            unsynced: sum(|stats| stats.unsynced),
            oldest: oldest.map(|oldest| Duration::from_millis(wall.saturating_sub(oldest))),
            full_in: self.growth.full_in(now, bytes),
            syncs: sum(|stats| stats.syncs),
            stalled: self.stalled,
            off: self.off.clone(),
        }
    }

    /// Points are done with.
    fn done(&mut self, positions: Range<u64>) {
        if self.covered.is_empty() {
            return;
        }
        self.forget(positions.clone());
        for appending in &self.appending {
            let range = appending.lines.range();
            let both = range.start.max(positions.start)..range.end.min(positions.end);
            if !both.is_empty() {
                self.over.insert(both);
            }
        }
        self.covered.remove(positions.clone());
        self.not_safe.remove(positions);
    }

    /// What lies on disk of these points is of no more use.
    fn forget(&mut self, positions: Range<u64>) {
        for ((slot, first), points) in self.journal.remove(positions) {
            self.send(Command::Done { slot, first, points });
        }
    }

    /// Keeps lines that the server refused, for people.
    fn set_aside(&mut self, lines: Lines, words: String) {
        let Some(own) = self.own else { return };
        let lines = append::payload(lines);
        // There is room for so many of them only anyway.
        self.send(Command::Reject {
            slot: own,
            lines,
            words,
        });
    }

    /// Hands over a command that needs no answer, or gets it again.
    fn send(&mut self, command: Command) {
        // What frees something is always taken. Everything else is asked for again.
        drop(self.disk.send(command));
    }
}

/// Notes a report, unless the very same waits already.
fn report(verdicts: &mut Verdicts, report: Report) {
    if !verdicts.reports.contains(&report) {
        verdicts.reports.push(report);
    }
}
