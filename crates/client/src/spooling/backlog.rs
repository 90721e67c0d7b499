//! The backlog: what is on disk and is to come back, oldest first, beside what comes from the queue.

use std::collections::VecDeque;
use std::ops::Range;
use std::time::Duration;

use potsdb_spool::ranges::Ranges;
use potsdb_spool::{Command, SlotId, Tried};

use super::append::parts;
use super::{Place, Spooling, report};
use crate::delivery::verdicts::Verdicts;
use crate::queue::block::{BLOCK_BYTES, Lines};
use crate::queue::ledger::Tally;
use crate::report::Report;

/// Bytes that are read ahead.
const READ_AHEAD: usize = 512 * 1024;

/// How long a disk that gave nothing is left alone.
const READ_RESTS: Duration = Duration::from_secs(1);

/// Lines that are to come back, or have: those without a verdict, or those with one.
#[derive(Debug, Default)]
struct Lane {
    /// Their positions, until they are given to a connection.
    waits: Ranges,
    /// Those of them that are to be read.
    unread: Ranges,
    ready: VecDeque<Lines>,
    bytes: usize,
}

impl Lane {
    fn push(&mut self, lines: Lines) {
        self.unread.remove(lines.range());
        self.bytes += lines.len();
        self.ready.push_back(lines);
    }

    fn wants_more(&self) -> bool {
        self.bytes <= READ_AHEAD / 2
    }

    fn split_front(&mut self, bytes: usize, points: u64) -> Option<Lines> {
        let front = self.ready.front_mut()?;
        let lines = front.split_front(bytes, points)?;
        if front.points() == 0 {
            self.ready.pop_front();
        }
        self.bytes -= lines.len();
        self.waits.remove(lines.range());
        Some(lines)
    }

    /// Lines are not to come from here, whether they have been read or not.
    fn forgo(&mut self, positions: Range<u64>) {
        self.unread.remove(positions.clone());
        let mut those = Ranges::default();
        those.insert(positions);
        for lines in std::mem::take(&mut self.ready) {
            for (part, is_of_those) in parts(lines, &those) {
                if is_of_those {
                    self.bytes -= part.len();
                } else {
                    self.ready.push_back(part);
                }
            }
        }
    }

    /// Lines that were to be read are gone; how many.
    fn lose(&mut self, positions: Range<u64>) -> u64 {
        let lost: Vec<_> = self.unread.runs(positions).collect();
        lost.into_iter()
            .map(|run| {
                self.unread.remove(run.clone());
                self.waits.remove(run)
            })
            .sum()
    }
}

/// A slot with points of another process, or of this one's last run.
#[derive(Debug)]
pub(super) struct Adopted {
    pub(super) slot: SlotId,
    /// Where to read on.
    from: u64,
    /// Where the lines of this process begin, in its own slot.
    pub(super) upto: u64,
    /// Points that were not read so far.
    left: u64,
}

#[derive(Debug)]
pub(super) struct Backlog {
    /// Points without a verdict that are on disk, or about to be, and nowhere else.
    points: Lane,
    /// Points with a verdict that are to be written again.
    precautions: Lane,
    adopted: VecDeque<Adopted>,
    /// The position of the next point of another process.
    next_adopted: u64,
    /// A slot was asked for lines.
    is_asked: bool,
    rests_until: Option<Duration>,
    /// Bytes given from the queue beyond those from here, while both waited.
    behind: i64,
}

impl Backlog {
    pub(super) fn new(next_adopted: u64) -> Backlog {
        Backlog {
            points: Lane::default(),
            precautions: Lane::default(),
            adopted: VecDeque::new(),
            next_adopted,
            is_asked: false,
            rests_until: None,
            behind: 0,
        }
    }

    /// The lowest position without a verdict.
    pub(super) fn first(&self) -> Option<u64> {
        self.points.waits.first()
    }

    pub(super) fn low(&self) -> Option<u64> {
        let lanes = [&self.points, &self.precautions];
        lanes.into_iter().filter_map(|lane| lane.waits.first()).min()
    }

    pub(super) fn hold(&mut self, positions: Range<u64>) {
        self.points.waits.insert(positions);
    }

    pub(super) fn expect(&mut self, positions: Range<u64>) {
        self.points.unread.insert(positions);
    }

    /// Points without a verdict that no connection has.
    pub(super) fn waits(&self) -> &Ranges {
        &self.points.waits
    }

    /// Points do not come back from disk: the caller has those without a verdict. Returns how many with one there were.
    pub(super) fn forgo(&mut self, positions: Range<u64>) -> u64 {
        self.points.forgo(positions.clone());
        self.precautions.lose(positions)
    }

    pub(super) fn rests_until(&self) -> Option<Duration> {
        self.rests_until
    }

    pub(super) fn adopt(&mut self, slot: SlotId, points: u64) {
        self.adopted.push_back(Adopted {
            slot,
            from: 0,
            upto: u64::MAX,
            left: points,
        });
    }

    pub(super) fn adopted(&mut self, slot: SlotId) -> Option<&mut Adopted> {
        self.adopted.iter_mut().find(|adopted| adopted.slot == slot)
    }

    /// Points of a slot that were adopted and never read are gone; returns how many.
    pub(super) fn lose_adopted(&mut self, slot: SlotId, positions: Range<u64>) -> u64 {
        let Some(adopted) = self.adopted(slot) else { return 0 };
        // What was read is not lost, so all of it is among what is left, wherever reading has got to.
        let end = positions.end.min(adopted.upto);
        let lost = end.saturating_sub(positions.start).min(adopted.left);
        adopted.left -= lost;
        self.let_go();
        lost
    }

    /// A slot was let go of: what was expected of it is not there. Returns how many points.
    pub(super) fn drained(&mut self, slot: SlotId) -> u64 {
        let left = self
            .adopted(slot)
            .map_or(0, |adopted| std::mem::take(&mut adopted.left));
        self.let_go();
        left
    }

    /// Points on disk alone are gone; how many without a verdict, and with one.
    pub(super) fn lose(&mut self, positions: Range<u64>) -> (u64, u64) {
        (self.points.lose(positions.clone()), self.precautions.lose(positions))
    }

    fn let_go(&mut self) {
        self.adopted.retain(|adopted| adopted.left > 0);
    }
}

impl Spooling {
    /// Whether points wait here that are to be sent.
    pub(crate) fn has_backlog(&self) -> bool {
        let backlog = &self.backlog;
        self.closing.is_open() && (!backlog.points.waits.is_empty() || !backlog.adopted.is_empty())
    }

    /// Whether points with a verdict wait here that are to be written again.
    pub(crate) fn has_precautions(&self) -> bool {
        self.closing.is_open() && !self.backlog.precautions.waits.is_empty()
    }

    /// Points with a verdict are to be written again.
    pub(super) fn again(&mut self, positions: Range<u64>, verdicts: &mut Verdicts) {
        let lane = &mut self.backlog.precautions;
        let unkept = self.unkept.iter().position(|lines| lines.range() == positions);
        if let Some(lines) = unkept.and_then(|unkept| self.unkept.remove(unkept)) {
            lane.waits.insert(positions);
            lane.push(lines);
        } else if self.covered.count(positions.clone()) == positions.end - positions.start {
            lane.waits.insert(positions.clone());
            lane.unread.insert(positions);
        } else {
            // The disk lost them meanwhile.
            verdicts.tally.released_early += positions.end - positions.start;
            self.done(positions);
        }
    }

    /// Reads on, if there is something on disk that is wanted.
    pub(crate) fn read(&mut self, now: Duration) {
        let Some((slot, from)) = self.next_place(now) else {
            return;
        };
        self.backlog.rests_until = None;
        let bytes = READ_AHEAD;
        self.backlog.is_asked = self.disk.send(Command::Read { slot, from, bytes }).is_ok();
    }

    /// Where to read on, if that is of use now.
    fn next_place(&self, now: Duration) -> Option<Place> {
        let backlog = &self.backlog;
        let rests = backlog.rests_until.is_some_and(|until| until > now);
        if rests || backlog.is_asked || !self.closing.is_open() {
            return None;
        }
        if let Some(adopted) = backlog.adopted.front().filter(|_| backlog.points.wants_more()) {
            return Some((adopted.slot, adopted.from));
        }
        let lanes = [&backlog.points, &backlog.precautions];
        lanes.into_iter().filter(|lane| lane.wants_more()).find_map(|lane| {
            let (place, _) = self.journal.find(lane.unread.first()?)?;
            Some(place)
        })
    }

    /// Lines came back.
    pub(super) fn has_read(
        &mut self,
        now: Duration,
        slot: SlotId,
        runs: Vec<(u64, potsdb_spool::Lines)>,
        verdicts: &mut Verdicts,
    ) {
        self.backlog.is_asked = false;
        if runs.is_empty() {
            self.backlog.rests_until = Some(now + READ_RESTS);
        }
        let wall = self.disk.wall();
        for (at, record) in runs {
            if record.tried != Tried::Nothing && record.tried != self.wire {
                self.strand(slot, at, u64::from(record.points), verdicts);
                continue;
            }
            let waited = Duration::from_millis(wall.saturating_sub(record.accepted));
            let since = (self.started + now).checked_sub(waited).unwrap_or(self.started);
            let lines = move |first| {
                let bytes = (*record.payload).as_ref().to_vec();
                Lines::from_spool(bytes, first, record.points, since)
            };
            let points = u64::from(record.points);
            let is_adopted = self
                .backlog
                .adopted(slot)
                .is_some_and(|adopted| (adopted.from..adopted.upto).contains(&at));
            match is_adopted {
                true => self.has_read_adopted(slot, at, points, lines),
                false => self.has_read_own(slot, at, points, lines),
            }
        }
        self.backlog.let_go();
    }

    /// Points that were tried by another wire stay where they are: written by this one, they might be another value.
    fn strand(&mut self, slot: SlotId, at: u64, points: u64, verdicts: &mut Verdicts) {
        if let Some(adopted) = self.backlog.adopted(slot) {
            adopted.from = at + points;
            adopted.left = adopted.left.saturating_sub(points);
        }
        let what = "points in it were written by another wire already, and stay there".to_owned();
        report(verdicts, Report::SpoolTrouble { what });
    }

    fn has_read_adopted(&mut self, slot: SlotId, at: u64, points: u64, lines: impl FnOnce(u64) -> Lines) {
        let backlog = &mut self.backlog;
        let first = backlog.next_adopted;
        let positions = first..first + points;
        backlog.next_adopted = positions.end;
        if let Some(adopted) = backlog.adopted(slot) {
            adopted.from = at + points;
            adopted.left = adopted.left.saturating_sub(points);
        }
        backlog.points.waits.insert(positions.clone());
        backlog.points.push(lines(first));
        self.covered.insert(positions.clone());
        self.journal.insert(positions, (slot, at));
    }

    /// Of a record of this process, those lines are wanted that nothing in memory has.
    fn has_read_own(&mut self, slot: SlotId, at: u64, points: u64, lines: impl FnOnce(u64) -> Lines) {
        let mut lines = lines(at);
        let end = at + points;
        while let Some((from, positions)) =
            (self.journal).find_place((slot, lines.first()), end.saturating_sub(lines.first()))
        {
            let skip = from - lines.first();
            if skip > 0 {
                lines.split_front(usize::MAX, skip);
            }
            let Some(mut run) = lines.split_front(usize::MAX, positions.end - positions.start) else {
                return;
            };
            run.renumber(positions.start);
            self.give_out(&run);
        }
    }

    fn give_out(&mut self, run: &Lines) {
        for lane in [&mut self.backlog.points, &mut self.backlog.precautions] {
            let mut rest = run.clone();
            while let Some(wanted) = lane.unread.first_within(rest.range()) {
                rest.split_front(usize::MAX, wanted.start - rest.first());
                let Some(lines) = rest.split_front(usize::MAX, wanted.end - wanted.start) else {
                    break;
                };
                lane.push(lines);
            }
        }
    }

    /// Whether there is something to read, of which nothing else will remind.
    pub(crate) fn can_read(&self, now: Duration) -> bool {
        self.next_place(now).is_some()
    }

    /// Whether the next lines are to come from here and not from the queue.
    pub(crate) fn is_next(&self, queue_waits: impl FnOnce() -> bool) -> bool {
        let ready = !self.backlog.points.ready.is_empty();
        let is_turn = || self.backlog.behind > 0 || !queue_waits();
        self.closing.is_open() && (!self.unsaved.is_empty() || (ready && is_turn()))
    }

    /// Gives the next lines within `bytes` and `points`: the engine has them from now on.
    pub(crate) fn give(&mut self, bytes: usize, points: u64, tally: &mut Tally) -> Option<Lines> {
        if let Some(lines) = self.unsaved.front_mut() {
            let given = lines.split_front(bytes, points)?;
            if lines.points() == 0 {
                self.unsaved.pop_front();
            }
            self.backlog.points.waits.remove(given.range());
            self.not_safe.remove(given.range());
            return Some(given);
        }
        let lines = self.backlog.points.split_front(bytes, points)?;
        tally.unspooled += lines.points();
        let behind = &mut self.backlog.behind;
        *behind = (*behind - lines.len() as i64).max(-(BLOCK_BYTES as i64));
        Some(lines)
    }

    /// Whether lines with a verdict have been read.
    pub(crate) fn precautions_are_ready(&self) -> bool {
        self.closing.is_open() && !self.backlog.precautions.ready.is_empty()
    }

    /// Gives the next of them.
    pub(crate) fn give_precautions(&mut self, bytes: usize, points: u64) -> Option<Lines> {
        self.backlog.precautions.split_front(bytes, points)
    }

    /// Lines were given from the queue.
    pub(crate) fn gave_from_queue(&mut self, bytes: usize) {
        let backlog = &mut self.backlog;
        backlog.behind = (backlog.behind + bytes as i64).min(BLOCK_BYTES as i64);
    }
}
