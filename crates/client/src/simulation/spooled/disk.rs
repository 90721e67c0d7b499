//! The thread that owns the disk, without the thread.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use potsdb_spool::disk::simulated;
use potsdb_spool::store::{Moment, OpenError};
use potsdb_spool::writer::Executor;
use potsdb_spool::{Command, SlotId, Spool, Told};

use crate::spooling::Disk;

/// Wall time at the virtual clock's zero, in milliseconds since 1970.
const WALL: u64 = 1_767_225_600_000;

/// Commands that may wait for it: few, so that it is often full.
const MOST_COMMANDS: usize = 4;

pub(super) type Open = Box<dyn FnMut(Moment) -> Result<Spool<simulated::Folder>, OpenError> + Send>;

/// What carries commands out, and what it was asked for.
pub(super) struct Writer {
    pub(super) executor: Executor<simulated::Folder, Open>,
    pub(super) commands: Vec<Command>,
    pub(super) told: Vec<Told>,
    pub(super) now: Duration,
    /// It carries out nothing before that.
    pub(super) busy_until: Duration,
    pub(super) is_closed: bool,
}

impl Writer {
    fn moment(&self) -> Moment {
        Moment {
            mono: self.now,
            wall: WALL + self.now.as_millis() as u64,
        }
    }

    /// Carries out what was asked for.
    pub(super) fn run(&mut self, now: Duration) {
        self.now = now;
        if now < self.busy_until || self.is_closed {
            return;
        }
        let moment = self.moment();
        self.executor.open(moment);
        for command in std::mem::take(&mut self.commands) {
            if matches!(command, Command::Close) {
                self.executor.sync(moment);
                self.told.extend(self.executor.told());
                self.executor.close(moment);
                self.told.extend(self.executor.told());
                self.told.push(Told::Closed);
                self.is_closed = true;
                return;
            }
            self.executor.carry_out(moment, command);
        }
        self.executor.tick(moment);
        self.told.extend(self.executor.told());
    }

    /// What each slot holds.
    pub(super) fn stats(&self) -> impl Iterator<Item = potsdb_spool::Stats> {
        self.executor.stats().into_iter().map(|(_, stats)| stats)
    }

    pub(super) fn next(&self) -> Option<Duration> {
        if self.is_closed {
            return None;
        }
        let due = match self.commands.is_empty() {
            true => self.executor.deadline()?,
            false => Duration::ZERO,
        };
        Some(due.max(self.busy_until))
    }
}

pub(super) struct Handle(pub(super) Arc<Mutex<Writer>>);

impl Handle {
    fn writer(&self) -> MutexGuard<'_, Writer> {
        self.0.lock().expect("nobody panics with it")
    }
}

impl Disk for Handle {
    fn send(&mut self, command: Command) -> Result<(), Command> {
        let mut writer = self.writer();
        let is_full = writer.commands.len() >= MOST_COMMANDS
            && matches!(command, Command::Append { .. } | Command::Reject { .. });
        if is_full || writer.is_closed {
            return Err(command);
        }
        writer.commands.push(command);
        Ok(())
    }

    fn poll(&mut self, _now: Duration) -> Vec<Told> {
        std::mem::take(&mut self.writer().told)
    }

    fn stats(&self) -> Vec<(SlotId, potsdb_spool::Stats)> {
        self.writer().executor.stats()
    }

    fn wall(&self) -> u64 {
        self.writer().moment().wall
    }
}
