//! The end: what has no verdict goes to disk, is synced, and stays for the next process.
//!
//! ```text
//!   not --the server is gone, or time is nearly up--> saving --all appended--> syncing --> ending --> over
//!    '----------------- everything has its verdict ------------------------------------------^
//! ```

use std::time::Duration;

use potsdb_spool::Command;

use super::Spooling;
use crate::engine::Engine;
use crate::queue::ledger::Tally;

/// The longest time for putting on disk what is left.
const SAVES: Duration = Duration::from_secs(1);

/// How long a client that has nothing to save, and no deadline, waits for its disk.
const ENDS: Duration = Duration::from_secs(10);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Closing {
    Not,
    Saving { until: Duration },
    Syncing { until: Duration, tag: u64, synced: bool },
    Ending { until: Duration },
    Over,
}

impl Closing {
    pub(super) fn is_open(self) -> bool {
        self == Closing::Not
    }

    pub(super) fn deadline(self) -> Option<Duration> {
        match self {
            Closing::Not | Closing::Over => None,
            Closing::Saving { until } | Closing::Syncing { until, .. } | Closing::Ending { until } => Some(until),
        }
    }

    /// The client's deadline may have moved since.
    fn hurry(&mut self, now: Duration, deadline: Duration) {
        match self {
            Closing::Not | Closing::Over => {}
            Closing::Saving { until } | Closing::Syncing { until, .. } => *until = deadline.min(*until),
            // The disk has a moment to end, whatever the deadline.
            Closing::Ending { until } => *until = deadline.max(now + SAVES / 4).min(*until),
        }
    }

    pub(super) fn synced(&mut self, answered: u64) {
        if let Closing::Syncing { tag, synced, .. } = self {
            *synced |= *tag == answered;
        }
    }

    /// The disk's thread has ended.
    pub(super) fn ended(&mut self) {
        match self {
            Closing::Not => {}
            _ => *self = Closing::Over,
        }
    }
}

impl Spooling {
    /// Whether the client's end need not wait for it any longer.
    pub(crate) fn is_over(&self) -> bool {
        self.closing == Closing::Over
    }

    /// Whether it has taken over what the engine had.
    pub(crate) fn is_closing(&self) -> bool {
        !self.closing.is_open()
    }

    /// The client closes, at the deadline at the latest. Returns whether so little time is left that the engine is to hand over
    /// what it has.
    pub(crate) fn closes_by(&mut self, now: Duration, deadline: Option<Duration>) -> bool {
        let since = *self.closing_since.get_or_insert(now);
        self.due_at = deadline.map(|deadline| {
            let time = deadline.saturating_sub(since);
            deadline.saturating_sub(SAVES.min(time / 2))
        });
        self.due_at.is_some_and(|at| at <= now)
    }

    /// The engine is to do no more: takes over what has no verdict. Everything is to be over at the deadline.
    pub(crate) fn take_over(&mut self, now: Duration, deadline: Option<Duration>, engine: &mut Engine) {
        let until = deadline.unwrap_or(now + ENDS);
        for lines in engine.hand_over() {
            self.inherit(lines, &mut engine.verdicts().tally);
        }
        self.closing = Closing::Saving { until };
    }

    /// Everything has its verdict.
    pub(crate) fn finish(&mut self, now: Duration, deadline: Option<Duration>) {
        let until = deadline.map_or(now + ENDS, |deadline| deadline.max(now + SAVES / 4));
        self.end(now, until);
    }

    /// Goes on closing, until the deadline at the latest, which may be another one than before. `queue_is_empty`: nothing more
    /// comes from there.
    pub(crate) fn close(&mut self, now: Duration, deadline: Option<Duration>, queue_is_empty: bool, tally: &mut Tally) {
        if let Some(deadline) = deadline {
            self.closing.hurry(now, deadline);
        }
        if let Closing::Saving { until } = self.closing {
            let all = self.save_rest(now, tally) && queue_is_empty && self.appending.is_empty();
            if all || now >= until {
                let tag = self.ask_for_sync();
                self.closing = Closing::Syncing {
                    until,
                    tag,
                    synced: false,
                };
            }
        }
        if let Closing::Syncing { until, synced, .. } = self.closing
            && (synced || now >= until)
        {
            self.give_up_rest(tally);
            self.end(now, until.max(now));
        }
        if let Closing::Ending { until } = self.closing
            && now >= until
        {
            self.closing = Closing::Over;
        }
    }

    /// What is not known to be on disk is counted as lost with the program; it may be there nevertheless.
    fn give_up_rest(&mut self, tally: &mut Tally) {
        for lines in std::mem::take(&mut self.unsaved) {
            tally.dropped.closed += lines.points();
            self.not_safe.remove(lines.range());
        }
        let lost: u64 = self.not_safe.all().map(|run| self.backlog.lose(run).0).sum();
        tally.unspooled += lost;
        tally.dropped.closed += lost;
    }

    fn end(&mut self, now: Duration, until: Duration) {
        self.left = self.stats(now);
        self.send(Command::Close);
        self.closing = Closing::Ending { until };
    }
}
