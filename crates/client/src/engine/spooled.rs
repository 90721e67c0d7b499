//! What the engine and the spool ask of each other.

use super::{Engine, Stage};
use crate::delivery::batch::Batch;
use crate::delivery::outstanding::{Outstanding, Twin};
use crate::delivery::retries::Kind;
use crate::delivery::verdicts::Done;
use crate::exchange::{Credit, Exchange};
use crate::queue::block::Lines;

impl Engine {
    /// Shows all lines that it holds, with a verdict or without; those that it holds twice once.
    pub(crate) fn each(&self, mut look: impl FnMut(&Outstanding)) {
        let mut look = |held: &Outstanding| {
            if !matches!(held.twin, Twin::Copy | Twin::Void) {
                look(held);
            }
        };
        for exchange in self.slots.iter().filter_map(|slot| slot.exchange()) {
            exchange.each(&mut look);
        }
        self.verdicts.again.iter().for_each(&mut look);
        self.retries.lines().for_each(look);
    }

    /// Whether a connection is there that takes points, as far as is known.
    pub(crate) fn is_connected(&self) -> bool {
        let welcome = |exchange: &dyn Exchange| exchange.is_welcome();
        self.slots.iter().any(|slot| slot.exchange().is_some_and(welcome))
    }

    /// Whether no endpoint is to be had: each was tried, and lost.
    pub(crate) fn has_lost_all(&self) -> bool {
        !self.is_connected() && self.peers.iter().all(|peer| peer.lost)
    }

    /// Which slot takes lines that have their verdict and come back from the spool, to be written once more.
    pub(crate) fn wants_precautions(&mut self) -> Option<(usize, Credit)> {
        match self.retries.is_ready(self.now, Kind::Precautions) || self.stage != Stage::Running {
            true => None,
            false => self.slot_for(Kind::Precautions),
        }
    }

    /// Gives a slot such lines.
    pub(crate) fn give_precautions(&mut self, slot: usize, lines: Lines) {
        let mut held = Outstanding::new(lines, self.now);
        (held.verdict_posted, held.was_written) = (true, true);
        self.give_batch(slot, Kind::Precautions, Batch { lines: vec![held] });
    }

    /// Ends everything; what has no verdict is the spool's from now on.
    pub(crate) fn hand_over(&mut self) -> Vec<Lines> {
        self.abandon_all();
        self.collect(0);
        let again = self.verdicts.again.drain().into_iter();
        let retries = self.retries.drain().into_iter().map(|(held, _)| held);
        let (posted, unposted): (Vec<_>, Vec<_>) = again.chain(retries).partition(|held| held.verdict_posted);
        for held in posted {
            self.verdicts.done(held, Done::Unsettled);
        }
        self.stage = Stage::Done;
        let lines = unposted.into_iter().inspect(|held| self.verdicts.handed_over(held));
        let mut lines: Vec<_> = lines.map(|held| held.lines).collect();
        lines.sort_by_key(Lines::first);
        lines
    }
}
