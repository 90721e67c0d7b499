//! The disk, as the worker sees it: commands go there, what it tells is collected, and nobody waits.

use std::time::{Duration, Instant};

use potsdb_spool::{Command, SlotId, Stats, Told, Writer};

use crate::clock;

/// What owns the disk. A thread's mailbox; in the simulation a spool on a simulated disk.
pub(crate) trait Disk: Send {
    /// Hands a command over. It comes back where it cannot be taken now.
    fn send(&mut self, command: Command) -> Result<(), Command>;

    /// What was told since it was last asked.
    fn poll(&mut self, now: Duration) -> Vec<Told>;

    /// What the slots hold: the oldest first, the own one last.
    fn stats(&self) -> Vec<(SlotId, Stats)>;

    /// Wall time, in milliseconds since 1970.
    fn wall(&self) -> u64;
}

/// The thread that owns a real disk.
pub(crate) struct Thread {
    pub(crate) writer: Writer,
    /// The worker's zero.
    pub(crate) started: Instant,
}

impl Disk for Thread {
    fn send(&mut self, command: Command) -> Result<(), Command> {
        self.writer.send(command)
    }

    fn poll(&mut self, now: Duration) -> Vec<Told> {
        self.writer.poll(self.started + now)
    }

    fn stats(&self) -> Vec<(SlotId, Stats)> {
        self.writer.stats()
    }

    fn wall(&self) -> u64 {
        clock::millis()
    }
}
