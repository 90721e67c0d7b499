//! Verdicts: the one place where the worker says what became of a line.
//!
//! ```text
//!                    .-- post ----> acknowledged, unconfirmed, rejected, dropped: counted once
//!  Outstanding lines +-- done ----> settled, released early, unsettled: their memory is free again
//!                    +-- again ---> another connection writes the same bytes, before any new line; precautions later
//!                    '-- failed --> the same bytes again, but apart and later (`retries.rs`)
//! ```
//!
//! Exchanges and the engine hold [`Outstanding`] lines and end each of them here. A line whose verdict is posted may
//! still be held, to be written again as a precaution (settling); it gets no second verdict. The worker posts the
//! [`Tally`] under the queue's lock.

use std::sync::Arc;
use std::time::Duration;

use potsdb_wire::reply::ErrorKind;

use crate::delivery::again::Again;
use crate::delivery::batch::Batch;
use crate::delivery::outstanding::{Outstanding, Twin};
use crate::delivery::overload::Complaint;
use crate::delivery::retries::{Blame, Heard};
use crate::delivery::spooled::ForSpool;
use crate::queue::block::{Lines, Memory};
use crate::queue::ledger::Tally;
use crate::report::Report;

/// The server's words for refused points that are kept.
const WORDS: usize = 16;

/// Reports kept between two turns of the worker, at most.
const REPORTS: usize = 64;

/// What became of points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Acknowledged,
    Unconfirmed,
    Rejected,
    Dropped(Reason),
}

/// Why points were given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    Closed,
    Expired,
    QueueFull,
    Stopped,
    TestMode,
}

/// Why lines with a verdict need not be written again any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Done {
    /// Nothing can be lost any more, as far as the server tells.
    Settled,
    /// Let go before that, to keep a bound or because nobody can tell.
    ReleasedEarly,
    /// The client ends before that.
    Unsettled,
}

/// Where exchanges write what they learned. The engine owns it; the worker posts it.
#[derive(Debug, Default)]
pub(crate) struct Verdicts {
    pub(crate) tally: Tally,
    /// Lines whose connection ended, to be written again.
    pub(crate) again: Again,
    pub(crate) reports: Vec<Report>,
    /// The server's newest words for what it refused, newest last.
    pub(crate) words: Vec<String>,
    /// Its newest words for a refusal that no report tells of yet.
    refusal: Option<String>,
    pub(crate) last_answer: Option<Duration>,
    /// What the spool is to hear.
    pub(crate) for_spool: ForSpool,
    /// Blocks nothing refers to any more.
    pub(crate) spare: Vec<Memory>,
    /// What goes again apart from others, since the engine last looked.
    pub(crate) heard: Heard,
    /// What other connections are to know of lines that they hold, too: they are void, or their copy was tried.
    pub(crate) twins: Vec<(Lines, Twin)>,
    /// Originals that came back: another connection holds a copy, which takes their place.
    pub(crate) orphans: Vec<Outstanding>,
    /// How often a server has taken lines.
    pub(crate) successes: u64,
    /// The endpoint failed points, or asked for less, since the engine last looked.
    pub(crate) complaint: Option<Complaint>,
    /// It took points.
    pub(crate) worked: bool,
    /// Each position gets one verdict: the positions that have theirs.
    #[cfg(test)]
    posted: Positions,
    /// How many there are to be.
    #[cfg(test)]
    owed: u64,
}

impl Verdicts {
    /// The engine took these lines from the queue.
    #[cfg_attr(not(test), expect(clippy::unused_self, reason = "only tests look"))]
    pub(crate) fn took(&mut self, _held: &Outstanding) {
        #[cfg(test)]
        {
            self.owed += _held.lines.points();
        }
    }

    /// The spool has these lines now, which have no verdict: it, or the next process, is to see to them.
    #[cfg_attr(not(test), expect(clippy::unused_self, reason = "only tests look"))]
    pub(crate) fn handed_over(&mut self, _held: &Outstanding) {
        #[cfg(test)]
        {
            self.owed -= _held.lines.points();
        }
    }

    /// At the end every position that was taken has its verdict, and, as `post` sees to, one only.
    #[cfg_attr(not(test), expect(clippy::unused_self, reason = "only tests look"))]
    pub(crate) fn check_complete(&self) {
        #[cfg(test)]
        assert_eq!(self.posted.count(), self.owed, "points with a verdict, points taken");
    }

    /// Posts the verdict of lines that have none yet. They are still to be ended with [`done`](Verdicts::done), or kept.
    pub(crate) fn post(&mut self, held: &mut Outstanding, verdict: Verdict) {
        // What is given up says nothing about its series.
        if !matches!(verdict, Verdict::Dropped(_)) {
            self.note_recovery(held);
        }
        let points = self.mark_posted(held);
        *self.count_of(verdict) += points;
        if verdict == Verdict::Rejected && points > 0 {
            self.for_spool.rejected(&held.lines, self.words.last());
        }
    }

    /// Posts the verdicts of lines of which the server refused `refused` and did not say which.
    pub(crate) fn post_some_rejected(&mut self, lines: &mut [Outstanding], refused: u64) {
        let mut left = refused;
        for held in lines {
            self.note_recovery(held);
            let points = self.mark_posted(held);
            let rejected = left.min(points);
            left -= rejected;
            *self.count_of(Verdict::Rejected) += rejected;
            *self.count_of(Verdict::Acknowledged) += points - rejected;
        }
        if left < refused {
            self.report_refusal();
        }
    }

    /// The server judges a point that had failed again and again: it is well, and its series.
    fn note_recovery(&mut self, held: &Outstanding) {
        if held.is_apart() && held.lines.points() == 1 {
            self.heard.recovered.push(held.lines.clone());
        }
    }

    /// How many points get their verdict now: none, where it is posted already.
    fn mark_posted(&mut self, held: &mut Outstanding) -> u64 {
        if std::mem::replace(&mut held.verdict_posted, true) {
            return 0;
        }
        self.part_twins(held);
        #[cfg(test)]
        self.posted.insert(held.lines.first(), held.lines.points());
        // What happens to a precaution is counted anew.
        (held.failures, held.interruptions) = (0, 0);
        held.lines.points()
    }

    /// What other connections hold of the same lines is void from now on.
    fn part_twins(&mut self, held: &mut Outstanding) {
        if std::mem::replace(&mut held.twin, Twin::None) != Twin::None {
            self.twins.push((held.lines.clone(), Twin::Void));
        }
    }

    /// Lines that come back without a verdict, unless another connection sees to them, or may do so.
    fn returned(&mut self, held: Outstanding) -> Option<Outstanding> {
        match held.twin {
            Twin::None => return Some(held),
            Twin::Original | Twin::Tried => self.orphans.push(held),
            Twin::Copy | Twin::Void => self.spare.extend(held.lines.into_spare()),
        }
        None
    }

    /// Ends lines that have their verdict: their memory can be used again.
    pub(crate) fn done(&mut self, held: Outstanding, how: Done) {
        debug_assert!(
            held.verdict_posted,
            "lines without a verdict are not done with: {held:?}"
        );
        // Their twin has the verdict, and may have to settle.
        if held.is_void() {
            return self.spare.extend(held.lines.into_spare());
        }
        let points = held.lines.points();
        match how {
            Done::Settled => {}
            Done::ReleasedEarly => self.tally.released_early += points,
            Done::Unsettled => self.tally.unsettled += points,
        }
        // What has not settled stays on disk, for the next process to write once more.
        if how != Done::Unsettled {
            self.for_spool.done(held.lines.range());
        }
        self.spare.extend(held.lines.into_spare());
    }

    /// Posts a verdict after which nothing can be said of the lines any more.
    pub(crate) fn end(&mut self, mut held: Outstanding, verdict: Verdict) {
        self.post(&mut held, verdict);
        self.done(held, Done::Settled);
    }

    /// The same, for all lines of a batch.
    #[cfg(feature = "http")]
    pub(crate) fn end_all(&mut self, batch: Batch, verdict: Verdict) {
        batch.lines.into_iter().for_each(|held| self.end(held, verdict));
    }

    /// Gives points up for good, for this reason, and with what the server said of them last.
    pub(crate) fn give_up(&mut self, held: Outstanding, reason: Reason, words: &str) {
        self.report_once(Report::GivenUp {
            words: words.to_owned(),
        });
        if self.words.last().is_none_or(|last| last != words) {
            self.keep_words(words.to_owned());
        }
        self.end(held, Verdict::Dropped(reason));
    }

    /// These lines go again: their connection ended without an answer for them. Precautions, and what has failed before,
    /// go apart from others.
    pub(crate) fn again(&mut self, held: Outstanding) {
        let Some(held) = self.returned(held) else { return };
        if held.lines.is_on_disk() {
            return self.for_spool.again.push(held.lines.range());
        }
        match held.verdict_posted || held.failures > 0 {
            true => self.heard.interrupted.push(held),
            false => self.again.insert(held),
        }
    }

    /// The same, for all lines of a batch.
    #[cfg(feature = "http")]
    pub(crate) fn all_again(&mut self, batch: Batch) {
        batch.lines.into_iter().for_each(|held| self.again(held));
    }

    /// The connection of these lines ended, and one of them may be why.
    pub(crate) fn again_suspects(&mut self, mut lines: Vec<Outstanding>) {
        let others = lines.extract_if(.., |held| !held.was_written || held.verdict_posted);
        for held in others.collect::<Vec<_>>() {
            self.again(held);
        }
        self.failed(Batch { lines }, Blame::Ended, "the connection ends without an answer");
    }

    /// The server failed these lines, in these words: they go again, apart from others.
    pub(crate) fn failed(&mut self, mut batch: Batch, blame: Blame, words: impl Into<Arc<str>>) {
        let lines = std::mem::take(&mut batch.lines).into_iter();
        let returned = lines.filter_map(|held| {
            if held.twin == Twin::Copy {
                self.twins.push((held.lines.clone(), Twin::Tried));
            }
            self.returned(held)
        });
        batch.lines = returned.collect();
        let on_disk = batch.lines.extract_if(.., |held| held.lines.is_on_disk());
        self.for_spool.again.extend(on_disk.map(|held| held.lines.range()));
        if !batch.is_empty() {
            self.heard.failed.push((batch, blame, words.into()));
        }
    }

    /// A server has taken lines.
    pub(crate) fn took_some(&mut self) {
        self.worked = true;
        self.successes += 1;
    }

    /// Points that go again, soon or apart.
    #[cfg(test)]
    pub(crate) fn waiting(&self) -> u64 {
        let failed: u64 = self.heard.failed.iter().map(|(batch, ..)| batch.points()).sum();
        let interrupted: u64 = self.heard.interrupted.iter().map(|held| held.lines.points()).sum();
        let again: u64 = self.again.iter().map(|held| held.lines.points()).sum();
        again + failed + interrupted
    }

    fn count_of(&mut self, verdict: Verdict) -> &mut u64 {
        let tally = &mut self.tally;
        match verdict {
            Verdict::Acknowledged => &mut tally.acknowledged,
            Verdict::Unconfirmed => &mut tally.unconfirmed,
            Verdict::Rejected => &mut tally.rejected,
            Verdict::Dropped(Reason::Closed) => &mut tally.dropped.closed,
            Verdict::Dropped(Reason::Expired) => &mut tally.dropped.expired,
            Verdict::Dropped(Reason::QueueFull) => &mut tally.dropped.queue_full,
            Verdict::Dropped(Reason::Stopped) => &mut tally.dropped.stopped,
            Verdict::Dropped(Reason::TestMode) => &mut tally.dropped.test_mode,
        }
    }

    /// The server refused a point, in these words. Thousands may come between two turns of the worker: the newest are
    /// kept.
    pub(crate) fn refused(&mut self, kind: ErrorKind, words: String) {
        self.count_error(kind);
        match kind {
            ErrorKind::UnknownMetric => {
                let report = Report::UnknownMetric { words: words.clone() };
                if self.reports.len() < REPORTS && !self.reports.contains(&report) {
                    self.reports.push(report);
                }
            }
            _ => self.refusal = Some(words.clone()),
        }
        self.keep_words(words);
    }

    /// Keeps a server's newest words.
    pub(crate) fn keep_words(&mut self, words: String) {
        if self.words.len() >= WORDS {
            self.words.remove(0);
        }
        self.words.push(words);
    }

    /// The server reported an error of that kind.
    pub(crate) fn count_error(&mut self, kind: ErrorKind) {
        let place = ErrorKind::ALL.iter().position(|other| *other == kind);
        self.tally.errors[place.expect("ALL holds every kind")] += 1;
    }

    /// Points were rejected, or refused where no verdict can tell: one report, with the newest words.
    pub(crate) fn report_refusal(&mut self) {
        if let Some(words) = self.refusal.take() {
            self.report_once(Report::Rejected { points: 0, words });
        }
    }

    /// The server asked for less because of so many points, in these words; and perhaps to be left alone for some time.
    pub(crate) fn slow_down(&mut self, complaint: Complaint, words: String) {
        self.complain(Complaint {
            less: true,
            ..complaint
        });
        self.report_once(Report::Throttled { words });
    }

    /// It failed so many points, in these words, and did not ask for less.
    pub(crate) fn failing(&mut self, complaint: Complaint, words: String) {
        self.complain(complaint);
        self.report_once(Report::Failing { words });
    }

    /// It failed lines that had failed again and again: that says nothing about the others, unless it wants to be left alone.
    pub(crate) fn failing_still(&mut self, rest: Option<Duration>, words: String) {
        match rest {
            Some(_) => self.failing(Complaint::of(0, rest), words),
            None => self.report_once(Report::Failing { words }),
        }
    }

    /// The server could not take a point, as this kind of error says.
    pub(crate) fn complain_of(&mut self, kind: ErrorKind, words: String) {
        match kind {
            ErrorKind::PleaseThrottle | ErrorKind::ThrottlingException => self.slow_down(Complaint::of(1, None), words),
            _ => self.failing(Complaint::of(1, None), words),
        }
    }

    /// It refused a point that was alone in its request, without a word about which.
    #[cfg(feature = "http")]
    pub(crate) fn refused_alone(&mut self) {
        self.complain(Complaint {
            refused: 1,
            ..Complaint::default()
        });
    }

    fn complain(&mut self, more: Complaint) {
        let complaint = self.complaint.get_or_insert_default();
        complaint.points += more.points;
        complaint.refused += more.refused;
        complaint.rest = complaint.rest.max(more.rest);
        complaint.less |= more.less;
        complaint.fresh |= more.fresh;
    }

    /// Reports, unless a report of that kind waits already.
    fn report_once(&mut self, report: Report) {
        let kind = std::mem::discriminant(&report);
        if !self.reports.iter().any(|other| std::mem::discriminant(other) == kind) {
            self.reports.push(report);
        }
    }
}

/// Positions with a verdict, as ranges that do not touch: to see in tests that none gets a second one.
#[cfg(test)]
#[derive(Debug, Default)]
pub(crate) struct Positions(std::collections::BTreeMap<u64, u64>);

#[cfg(test)]
impl Positions {
    fn insert(&mut self, first: u64, points: u64) {
        let (mut start, mut end) = (first, first + points);
        if let Some((before, until)) = self.0.range(..end).next_back().map(|(a, b)| (*a, *b)) {
            assert!(
                until <= start,
                "positions {start}..{end} get a second verdict: {before}..{until} have one"
            );
            if until == start {
                start = before;
            }
        }
        if let Some(until) = self.0.remove(&end) {
            end = until;
        }
        self.0.insert(start, end);
    }

    /// How many there are.
    pub(crate) fn count(&self) -> u64 {
        self.0.iter().map(|(start, end)| end - start).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::outstanding::PART_AT;

    #[test]
    fn of_anonymous_refusals_each_takes_one_point_and_none_that_has_its_verdict() {
        let mut verdicts = Verdicts::default();
        let mut lines = [
            Outstanding::of_tests(0, 2),
            Outstanding {
                verdict_posted: true,
                ..Outstanding::of_tests(2, 5)
            },
            Outstanding::of_tests(7, 3),
        ];
        verdicts.post_some_rejected(&mut lines, 4);
        assert_eq!((verdicts.tally.acknowledged, verdicts.tally.rejected), (1, 4));
        assert_eq!(verdicts.posted.count(), 5);
        verdicts.post_some_rejected(&mut lines, 4);
        assert_eq!((verdicts.tally.acknowledged, verdicts.tally.rejected), (1, 4));
    }

    #[test]
    fn a_point_that_is_given_up_makes_no_series_well() {
        let mut verdicts = Verdicts::default();
        let sick = |first| Outstanding {
            failures: PART_AT,
            ..Outstanding::of_tests(first, 1)
        };
        verdicts.give_up(sick(0), Reason::QueueFull, "no");
        verdicts.give_up(sick(1), Reason::Expired, "no");
        assert!(verdicts.heard.recovered.is_empty());
        verdicts.end(sick(2), Verdict::Acknowledged);
        assert_eq!(verdicts.heard.recovered.len(), 1);
    }

    #[test]
    #[should_panic(expected = "positions 2..4 get a second verdict")]
    fn a_second_verdict_of_a_position_is_noticed() {
        let mut verdicts = Verdicts::default();
        verdicts.post(&mut Outstanding::of_tests(0, 3), Verdict::Acknowledged);
        verdicts.post(&mut Outstanding::of_tests(2, 2), Verdict::Rejected);
    }
}
