//! Putting lines on disk.

use std::sync::Arc;
use std::time::Duration;

use potsdb_spool::ranges::Ranges;
use potsdb_spool::{Command, Payload, Tried};

use super::{RESTS, Spooling};
use crate::delivery::verdicts::Verdicts;
use crate::engine::Engine;
use crate::queue::block::Lines;
use crate::queue::ledger::Tally;
use crate::queue::{Queue, State};

/// What lines on disk are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Nothing else has them.
    Only,
    /// The engine has them, too.
    Copy,
    /// They have their verdict, and memory let go of them.
    Kept,
}

/// Lines that the disk was asked to keep.
#[derive(Debug)]
pub(super) struct Appending {
    pub(super) tag: u64,
    pub(super) lines: Lines,
    pub(super) kind: Kind,
}

/// Lines as a payload: shared, not copied.
struct Shared(Lines);

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        self.0.bytes()
    }
}

pub(super) fn payload(lines: Lines) -> Payload {
    Arc::new(Shared(lines))
}

impl Spooling {
    /// Whether what waits in the queue is to go to disk: from half a queue on, until it is nearly empty.
    pub(crate) fn drains(&mut self, queue: &Queue, state: &State) -> bool {
        self.is_draining = match self.is_draining {
            true => !queue.is_nearly_empty(state),
            false => queue.is_half_full(state),
        };
        self.is_draining
    }

    /// Takes lines that nothing else has. The caller took them from the queue.
    pub(crate) fn take(&mut self, now: Duration, lines: Lines, tally: &mut Tally) {
        self.backlog.hold(lines.range());
        self.not_safe.insert(lines.range());
        if let Err(lines) = self.append(now, lines, Kind::Only, Tried::Nothing, tally) {
            self.unsaved.push_back(lines);
        }
    }

    /// Puts what it could not put on disk there now, oldest first. Whether no point without a verdict is left.
    pub(crate) fn save_rest(&mut self, now: Duration, tally: &mut Tally) -> bool {
        while self.takes(now)
            && let Some(lines) = self.unsaved.pop_front()
        {
            let tried = self.wire;
            if let Err(lines) = self.append(now, lines, Kind::Only, tried, tally) {
                self.unsaved.push_front(lines);
                break;
            }
        }
        while self.takes(now)
            && let Some(lines) = self.unkept.pop_front()
        {
            let tried = self.wire;
            if let Err(lines) = self.append(now, lines, Kind::Kept, tried, tally) {
                self.unkept.push_front(lines);
                break;
            }
        }
        self.unsaved.is_empty()
    }

    /// Puts a copy of everything that the engine holds below a position on disk. Whether everything below it is on its way
    /// there now.
    pub(crate) fn copy(&mut self, now: Duration, upto: u64, engine: &mut Engine) -> bool {
        let mut lines = Vec::new();
        engine.each(|held| {
            let range = held.lines.range();
            // Whoever waits for a sync does not wait for what has its verdict.
            let wanted = (self.always || !held.verdict_posted) && range.end > self.secured;
            if wanted && range.start < upto && self.first_uncovered(range).is_some() && !held.lines.is_on_disk() {
                lines.push(held.lines.clone());
            }
        });
        let mut all = self.unsaved.is_empty();
        for lines in lines {
            for (part, is_covered) in parts(lines, &self.covered) {
                if is_covered {
                    continue;
                }
                let range = part.range();
                let tried = self.wire;
                match self.append(now, part, Kind::Copy, tried, &mut engine.verdicts().tally) {
                    Ok(()) => _ = self.not_safe.insert(range),
                    Err(_) => all = false,
                }
            }
        }
        all
    }

    /// Lines that have their verdict, and that memory let go of.
    pub(super) fn keep(&mut self, now: Duration, lines: Lines) {
        for (part, is_covered) in parts(lines, &self.covered) {
            let tried = self.wire;
            // The tally tells of points without a verdict alone.
            if !is_covered && let Err(part) = self.append(now, part, Kind::Kept, tried, &mut Tally::default()) {
                self.unkept.push_back(part);
            }
        }
    }

    /// What the engine gave up at the client's end: the spool's from now on.
    pub(super) fn inherit(&mut self, lines: Lines, tally: &mut Tally) {
        for (part, is_covered) in parts(lines, &self.covered) {
            self.backlog.hold(part.range());
            if is_covered {
                tally.spooled += part.points();
            } else {
                self.not_safe.insert(part.range());
                self.unsaved.push_back(part);
            }
        }
    }

    /// The slot is another one: what was not safe in the old one is to be kept anew.
    pub(super) fn save_again(&mut self, verdicts: &mut Verdicts) {
        for (Appending { lines, .. }, _) in std::mem::take(&mut self.unsynced) {
            self.unsecure(lines.first());
            self.covered.remove(lines.range());
            self.forget(lines.range());
            for (part, waits) in parts(lines, self.backlog.waits()) {
                verdicts.tally.released_early += self.backlog.forgo(part.range());
                if waits {
                    verdicts.tally.unspooled += part.points();
                    self.unsaved.push_back(part);
                } else {
                    // The engine has it, or nobody needs it; the next pass finds what is without a copy.
                    self.not_safe.remove(part.range());
                }
            }
        }
    }

    /// The disk did not take lines.
    pub(super) fn refused(&mut self, now: Duration, appending: Appending, verdicts: &mut Verdicts) {
        let Appending { lines, kind, .. } = appending;
        self.rests_until = now + RESTS;
        self.covered.remove(lines.range());
        self.unsecure(lines.first());
        match kind {
            Kind::Only => {
                verdicts.tally.unspooled += lines.points();
                verdicts.tally.released_early += self.backlog.forgo(lines.range());
                self.unsaved.push_back(lines);
            }
            // The engine has it; the next pass finds it without a copy.
            Kind::Copy => {
                self.over.remove(lines.range());
                self.not_safe.remove(lines.range());
            }
            Kind::Kept => {
                if self.over.remove(lines.range()) == 0 {
                    self.unkept.push_back(lines);
                }
            }
        }
    }

    /// Hands lines to the disk. They come back where it takes none now.
    fn append(
        &mut self,
        now: Duration,
        lines: Lines,
        kind: Kind,
        tried: Tried,
        tally: &mut Tally,
    ) -> Result<(), Lines> {
        if !self.takes(now) {
            return Err(lines);
        }
        let waited = (self.started + now).saturating_duration_since(lines.since());
        let record = potsdb_spool::Lines {
            payload: payload(lines.clone()),
            points: u32::try_from(lines.points()).expect("a block has fewer lines than bytes"),
            accepted: self
                .disk
                .wall()
                .saturating_sub(u64::try_from(waited.as_millis()).unwrap_or(u64::MAX)),
            tried,
        };
        self.tags += 1;
        let tag = self.tags;
        if self.disk.send(Command::Append { tag, lines: record }).is_err() {
            // Nothing of ours may be among what waits: then time helps.
            match self.appending.is_empty() {
                true => self.rests_until = now + RESTS,
                false => self.is_busy = true,
            }
            return Err(lines);
        }
        self.covered.insert(lines.range());
        if kind == Kind::Only {
            tally.spooled += lines.points();
            self.backlog.expect(lines.range());
        }
        self.appending.push_back(Appending { tag, lines, kind });
        Ok(())
    }
}

/// Lines cut where they begin or cease to be among those positions; with each part, whether it is.
pub(super) fn parts(mut lines: Lines, among: &Ranges) -> Vec<(Lines, bool)> {
    let mut parts = Vec::new();
    while lines.points() > 0 {
        let range = lines.range();
        let (end, is_among) = match among.first_within(range.clone()) {
            Some(run) if run.start > range.start => (run.start, false),
            Some(run) => (run.end, true),
            None => (range.end, false),
        };
        let Some(part) = lines.split_front(usize::MAX, end - range.start) else {
            break;
        };
        parts.push((part, is_among));
    }
    parts
}
