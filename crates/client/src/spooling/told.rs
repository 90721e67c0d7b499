//! What the disk tells.

use std::time::Duration;

use potsdb_spool::ranges::Ranges;
use potsdb_spool::{Command, Event, News, Refused, SlotId, Told};

use super::append::Kind;
use super::{ADOPT_EVERY, Spooling, report};
use crate::delivery::verdicts::Verdicts;
use crate::report::Report;

/// Why points on disk are no longer there.
#[derive(Clone, Copy)]
enum Lost {
    Full,
    Expired,
    Damaged,
}

impl Spooling {
    pub(super) fn hear(&mut self, now: Duration, told: Told, verdicts: &mut Verdicts) {
        match told {
            Told::Opened { slot, stats } => {
                self.own = Some(slot);
                self.off = None;
                self.adopt(slot, stats.points, verdicts);
                self.adopt_at = Some(now);
            }
            Told::NotOpened { why } => {
                let why = format!("it cannot be opened: {why}");
                self.off = Some(why.clone());
                report(verdicts, Report::SpoolOff { why });
            }
            Told::Appended { tag, slot, first } => self.appended(tag, (slot, first)),
            Told::Refused { tag, why, .. } => {
                if why == Refused::Full {
                    let why = "it is full, or its file system has no room for another segment".to_owned();
                    report(verdicts, Report::SpoolOff { why });
                }
                let place = self.appending.iter().position(|appending| appending.tag == tag);
                self.is_busy = false;
                if let Some(appending) = place.and_then(|place| self.appending.remove(place)) {
                    self.refused(now, appending, verdicts);
                }
            }
            Told::Safe { slot, upto } => self.is_safe(slot, upto),
            Told::Synced { tag } => self.closing.synced(tag),
            Told::Read { slot, runs, .. } => self.has_read(now, slot, runs, verdicts),
            Told::NoOrphan => self.adopt_at = Some(now + ADOPT_EVERY),
            Told::News(news) => self.news(news, verdicts),
            Told::Stalled(stalled) => {
                self.stalled = stalled;
                if stalled {
                    report(verdicts, Report::SpoolStalled);
                }
            }
            Told::Closed => {
                if self.closing.is_open() {
                    // A defect of ours: it does not end by itself.
                    self.has_died(now, verdicts);
                }
                self.closing.ended();
            }
            _ => {}
        }
    }

    /// The thread that owns the disk has ended, and answers no more.
    fn has_died(&mut self, now: Duration, verdicts: &mut Verdicts) {
        let why = "its thread has ended".to_owned();
        (self.own, self.off) = (None, Some(why.clone()));
        report(verdicts, Report::SpoolOff { why });
        for appending in std::mem::take(&mut self.appending) {
            self.refused(now, appending, verdicts);
        }
    }

    fn appended(&mut self, tag: u64, place: (SlotId, u64)) {
        let found = self.appending.iter().position(|appending| appending.tag == tag);
        let Some(appending) = found.and_then(|found| self.appending.remove(found)) else {
            return;
        };
        self.is_busy = false;
        let positions = appending.lines.range();
        if let Some(adopted) = self.backlog.adopted(place.0) {
            adopted.upto = adopted.upto.min(place.1);
        }
        self.journal.insert(positions.clone(), place);
        if appending.kind != Kind::Kept {
            self.unsynced.push((appending, place));
        }
        // Done with meanwhile.
        let over: Vec<_> = self.over.runs(positions.clone()).collect();
        self.over.remove(positions);
        for positions in over {
            self.forget(positions);
        }
    }

    fn is_safe(&mut self, slot: SlotId, upto: u64) {
        let not_safe = &mut self.not_safe;
        self.unsynced.retain(|(appending, (of, at))| {
            let is_safe = *of == slot && at + appending.lines.points() <= upto;
            if is_safe {
                not_safe.remove(appending.lines.range());
            }
            !is_safe
        });
    }

    fn adopt(&mut self, slot: SlotId, points: u64, verdicts: &mut Verdicts) {
        if points > 0 {
            self.backlog.adopt(slot, points);
            verdicts.tally.adopted += points;
            report(verdicts, Report::Adopted { points });
        }
    }

    fn news(&mut self, news: News, verdicts: &mut Verdicts) {
        match news {
            News::Adopted(slot, points) => {
                self.adopt(slot, points, verdicts);
                self.send(Command::Adopt);
            }
            News::Drained(slot) => {
                let lost = self.backlog.drained(slot);
                verdicts.tally.unspooled += lost;
                verdicts.tally.dropped.spool_damaged += lost;
            }
            News::Moved(slot) => {
                // Whatever was wrong with the old one.
                (self.own, self.off) = (Some(slot), None);
                self.save_again(verdicts);
            }
            News::Slot(slot, event) => self.event(slot, event, verdicts),
            _ => {}
        }
    }

    fn event(&mut self, slot: SlotId, event: Event, verdicts: &mut Verdicts) {
        match event {
            Event::DroppedFull { points } => {
                let points = self.lost(slot, &points, Lost::Full, verdicts);
                if points > 0 {
                    report(verdicts, Report::SpoolFull { points: 0 });
                }
            }
            Event::Expired { points } => _ = self.lost(slot, &points, Lost::Expired, verdicts),
            Event::Damaged { bytes, points } => {
                verdicts.tally.spool_damaged_bytes += bytes;
                let points = self.lost(slot, &points, Lost::Damaged, verdicts);
                report(verdicts, Report::SpoolDamaged { bytes, points });
            }
            Event::Missing { points, .. } => {
                let points = self.lost(slot, &points, Lost::Damaged, verdicts);
                if points > 0 {
                    report(verdicts, Report::SpoolDamaged { bytes: 0, points });
                }
            }
            // One of an adopted slot says nothing of where lines go.
            Event::Off { .. } | Event::On if self.own != Some(slot) => {}
            Event::Off { why } => {
                self.off = Some(why.clone());
                report(verdicts, Report::SpoolOff { why });
            }
            Event::On => {
                self.off = None;
                report(verdicts, Report::SpoolOn);
            }
            Event::Trouble { what } => report(verdicts, Report::SpoolTrouble { what }),
            Event::Stray { name, why } => {
                let what = format!("{name} in it is {why}");
                report(verdicts, Report::SpoolTrouble { what });
            }
            _ => {}
        }
    }

    /// Points are no longer on disk. Returns how many were nowhere else and had no verdict.
    fn lost(&mut self, slot: SlotId, points: &Ranges, lost: Lost, verdicts: &mut Verdicts) -> u64 {
        let mut given_up = 0;
        for run in points.all() {
            given_up += self.backlog.lose_adopted(slot, run.clone());
            let mut from = run.start;
            while let Some((at, positions)) = self.journal.find_place((slot, from), run.end - from) {
                from = at + (positions.end - positions.start);
                let (held, posted) = self.backlog.lose(positions.clone());
                given_up += held;
                verdicts.tally.released_early += posted;
                self.journal.remove(positions.clone());
                self.covered.remove(positions.clone());
                // The engine may have them, without a copy from now on.
                self.unsecure(positions.start);
                if held > 0 {
                    self.not_safe.remove(positions);
                }
            }
        }
        let tally = &mut verdicts.tally;
        tally.unspooled += given_up;
        let dropped = &mut tally.dropped;
        *match lost {
            Lost::Full => &mut dropped.spool_full,
            Lost::Expired => &mut dropped.expired,
            Lost::Damaged => &mut dropped.spool_damaged,
        } += given_up;
        given_up
    }
}
