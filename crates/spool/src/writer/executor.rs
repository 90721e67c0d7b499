//! What carries commands out on a spool. Time is an argument: the writer's thread gives it, or a simulation.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::disk::Folder;
use crate::spool::{SlotId, Spool};
use crate::store::{Moment, OpenError, RETRY, Stats};
use crate::writer::{Command, Told};

/// Carries commands out, and gathers what there is to tell.
pub struct Executor<D: Folder, O> {
    open: O,
    spool: Option<Spool<D>>,
    /// When to try to open the spool again.
    retry: Duration,
    /// Who waits for a sync, and up to where.
    waiting: VecDeque<(u64, SlotId, u64)>,
    /// The last [`Told::Safe`] of each slot.
    safe: BTreeMap<SlotId, u64>,
    told: Vec<Told>,
}

impl<D: Folder, O: FnMut(Moment) -> Result<Spool<D>, OpenError>> Executor<D, O> {
    /// With what opens the spool; nothing is opened yet.
    pub fn new(open: O) -> Executor<D, O> {
        Executor {
            open,
            spool: None,
            retry: Duration::ZERO,
            waiting: VecDeque::new(),
            safe: BTreeMap::new(),
            told: Vec::new(),
        }
    }

    /// Opens the spool, if it is not open and it is time to try.
    pub fn open(&mut self, now: Moment) {
        if self.spool.is_some() || now.mono < self.retry {
            return;
        }
        match (self.open)(now) {
            Ok(spool) => {
                let slot = spool.own();
                let stats = spool.stats(slot).unwrap_or_default();
                self.told.push(Told::Opened { slot, stats });
                self.spool = Some(spool);
            }
            Err(error) => {
                self.told.push(Told::NotOpened { why: error.to_string() });
                self.retry = now.mono + RETRY;
            }
        }
    }

    /// Carries a command out. [`Command::Close`] is [`close`](Executor::close)'s.
    pub fn carry_out(&mut self, now: Moment, command: Command) {
        let Some(spool) = &mut self.spool else {
            return self.told.extend(command.without_spool());
        };
        match command {
            Command::Append { tag, lines } => self.told.push(match spool.append(now, lines.clone()) {
                Ok((slot, first)) => Told::Appended { tag, slot, first },
                Err(why) => Told::Refused { tag, lines, why },
            }),
            Command::Sync { tag } => {
                spool.hurry(now);
                self.waiting.push_back((tag, spool.own(), spool.next()));
            }
            Command::Read { slot, from, bytes } => {
                let (mut from, mut size, mut runs) = (from, 0, Vec::new());
                let is_end = loop {
                    if size >= bytes {
                        break false;
                    }
                    let Ok(Some((first, lines))) = spool.read(now, slot, from) else {
                        break true;
                    };
                    size += (*lines.payload).as_ref().len();
                    from = first + u64::from(lines.points);
                    runs.push((first, lines));
                };
                self.told.push(Told::Read { slot, runs, is_end });
            }
            Command::Done { slot, first, points } => spool.done(slot, first, points),
            Command::GiveBack { slot, first, points } => spool.give_back(slot, first, points),
            Command::Reject { slot, lines, words } => spool.reject(now, slot, (*lines).as_ref(), &words),
            Command::Adopt => {
                if spool.adopt(now).is_none() {
                    self.told.push(Told::NoOrphan);
                }
            }
            Command::Close => {}
        }
    }

    /// Does what is due.
    pub fn tick(&mut self, now: Moment) {
        if let Some(spool) = &mut self.spool {
            spool.tick(now);
        }
    }

    /// When [`tick`](Executor::tick) or [`open`](Executor::open) has something to do.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        match &self.spool {
            Some(spool) => spool.deadline(),
            None => Some(self.retry),
        }
    }

    /// What there is to tell since it was last asked.
    pub fn told(&mut self) -> Vec<Told> {
        if let Some(spool) = &mut self.spool {
            self.told.extend(spool.news().into_iter().map(Told::News));
            let ids = spool.ids();
            self.safe.retain(|slot, _| ids.contains(slot));
            for slot in ids {
                let upto = spool.safe(slot).unwrap_or(0);
                if self.safe.insert(slot, upto) != Some(upto) {
                    self.told.push(Told::Safe { slot, upto });
                }
            }
            let told = &mut self.told;
            self.waiting.retain(|(tag, slot, upto)| {
                let is_safe = spool.safe(*slot).is_none_or(|safe| *upto <= safe);
                if is_safe {
                    told.push(Told::Synced { tag: *tag });
                }
                !is_safe
            });
        }
        std::mem::take(&mut self.told)
    }

    /// What the slots hold: the oldest first, the own one last.
    #[must_use]
    pub fn stats(&self) -> Vec<(SlotId, Stats)> {
        let Some(spool) = &self.spool else { return Vec::new() };
        let ids = spool.ids().into_iter();
        ids.filter_map(|id| Some((id, spool.stats(id)?))).collect()
    }

    /// Makes everything safe that was appended, if the disk does.
    pub fn sync(&mut self, now: Moment) {
        if let Some(spool) = &mut self.spool {
            spool.sync(now);
        }
    }

    /// Syncs, and lets all slots go.
    pub fn close(&mut self, now: Moment) {
        if let Some(spool) = self.spool.take() {
            self.told.extend(spool.close(now).into_iter().map(Told::News));
        }
    }
}
