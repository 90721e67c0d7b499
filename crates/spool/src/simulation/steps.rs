//! What happens in a history: lines come and go, time passes, the disk fails, the process ends.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::disk::simulated::{Call, EIO, ENOSPC, EROFS};
use crate::simulation::laws::text;
use crate::simulation::{Run, at, open};
use crate::store::Lines;

impl Run {
    pub(super) fn step(&mut self) -> Result<(), String> {
        match self.dice.below(100) {
            0..45 => self.append(),
            45..60 => {
                self.now += Duration::from_millis([1, 3, 700, 2_000, 31_000][self.dice.below(5) as usize]);
                self.note(|| "time passes".to_owned());
            }
            60..66 => {
                self.note(|| "sync".to_owned());
                self.store.sync(at(self.now));
            }
            66..69 => self.store.hurry(at(self.now)),
            69..84 => self.read(),
            84..88 => self.fault(),
            88..92 => {
                self.note(|| "mended".to_owned());
                self.disk.mend();
            }
            92..97 => self.crash()?,
            _ => {
                let calls = self.dice.below(30);
                self.note(|| format!("ends after {calls} calls"));
                self.ends = true;
                self.disk.end_after(calls);
            }
        }
        self.store.tick(at(self.now));
        Ok(())
    }

    fn append(&mut self) {
        let points = 1 + self.dice.below(self.fat);
        let first_line = self.line;
        let mut payload = String::new();
        let mut count = 0;
        while count < points && payload.len() < 60_000 {
            payload += &text(self.line);
            self.line += 1;
            count += 1;
        }
        let lines = Lines::new(payload, at(self.now).wall);
        match self.store.append(at(self.now), lines) {
            Ok(first) => {
                self.note(|| format!("appended {count} at {first}"));
                self.came += count;
                self.live.extend((0..count).map(|n| (first + n, first_line + n)));
            }
            Err(refused) => self.note(|| format!("refused {count}: {refused:?}")),
        }
    }

    fn read(&mut self) {
        let from = if self.dice.chance(70) {
            0
        } else {
            self.dice.below(self.store.next() + 1)
        };
        let done = self.dice.chance(80);
        let mut from = from;
        for _ in 0..1 + self.dice.below(10) {
            let Ok(Some((first, lines))) = self.store.read(at(self.now), from) else {
                break;
            };
            let points = u64::from(lines.points);
            self.taken.extend(first..first + points);
            from = first + points;
            if done && self.dice.chance(85) {
                // Sometimes only some of them.
                let skip = if self.dice.chance(20) {
                    self.dice.below(points)
                } else {
                    0
                };
                let first = first + skip;
                let points = points - skip;
                self.note(|| format!("done {points} at {first}"));
                self.store.done(first, points);
                for position in first..first + points {
                    self.went += u64::from(self.taken.remove(&position));
                    if let Some(line) = self.live.remove(&position) {
                        self.must.remove(&line);
                    }
                }
            } else {
                self.note(|| format!("taken {points} at {first}"));
                if self.dice.chance(30) {
                    self.store.give_back(first, points);
                    (first..first + points).for_each(|position| {
                        self.taken.remove(&position);
                    });
                }
            }
        }
    }

    fn fault(&mut self) {
        self.failed = true;
        let calls = [
            Call::Create,
            Call::Write,
            Call::Sync,
            Call::SyncFolder,
            Call::Rename,
            Call::Unlink,
            Call::Reserve,
        ];
        let call = calls[self.dice.below(calls.len() as u64) as usize];
        let error = [ENOSPC, EIO, EROFS][self.dice.below(3) as usize];
        match self.dice.below(4) {
            0 => {
                let percent = 1 + self.dice.below(30);
                self.note(|| format!("{percent} % of calls fail"));
                self.disk.fail_sometimes(percent);
            }
            1 => {
                let room = self.disk.used() + self.dice.below(200_000);
                self.note(|| format!("the disk holds {room} bytes"));
                self.disk.resize(room);
            }
            _ => {
                let (after, times) = (self.dice.below(4), 1 + self.dice.below(4));
                self.note(|| format!("{call:?} fails {times} times after {after}, {error}"));
                self.disk.fail(call, after, times, error);
            }
        }
    }

    /// Ends the process, or the power, and starts again on a disk that works.
    pub(super) fn crash(&mut self) -> Result<(), String> {
        let clean = self.dice.chance(15);
        if clean {
            self.store.close(at(self.now));
            self.look()?;
        }
        let power = self.dice.chance(60);
        self.note(|| {
            format!(
                "{}{}",
                if clean { "closed, " } else { "" },
                if power { "power cut" } else { "killed" }
            )
        });
        self.disk.mend();
        if power {
            self.disk.cut_power();
        } else {
            self.disk.kill();
        }
        if self.dice.chance(10) {
            self.options.spool_bytes = (2 << 20) + self.dice.below(2) * (2 << 20);
        }
        self.ends = false;
        self.store = open(&self.disk, &self.options, self.now).map_err(|error| format!("4, a start: {error}"))?;
        self.opened = self.store.next();
        self.taken.clear();
        (self.came, self.went) = (self.store.stats().points, 0);
        self.hear()?;
        let found = self.read_all()?;
        // What was taken to be there and is not: it was never safe.
        let (dropped, lost) = self.hear()?;
        self.went += dropped + lost;
        let lines: BTreeSet<_> = found.values().copied().collect();
        if let Some(line) = self.must.iter().find(|line| !lines.contains(line)) {
            return Err(format!(
                "1, line {line} was safe and is not there: {} of {}",
                self.must.len(),
                lines.len()
            ));
        }
        self.live = found;
        // What is there now was there: it stays.
        if self.store.stats().points != self.live.len() as u64 {
            return Err(format!(
                "5, adopted {}, and {} come out",
                self.store.stats().points,
                self.live.len()
            ));
        }
        let segments = format!("{:?}", self.store.segments);
        self.note(|| format!("started: {segments}"));
        Ok(())
    }
}
