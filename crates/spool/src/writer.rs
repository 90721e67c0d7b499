//! The writer: the thread that owns the disk. Whoever uses it sends commands and collects what it tells, and never waits.
//!
//! ```text
//!   the client's worker                            the writer's thread
//!     send(Append, Sync, Read, Done ..) --queue-->  Spool --> disk
//!     poll() <------------ what it tells -- waker --'  may hang, and holds up nobody
//! ```
//!
//! The queue is bounded by the bytes of the lines in it. A command that does not fit comes back, and its lines stay where
//! they were. While a call of the disk takes longer than [`STALLED`], [`Told::Stalled`] says so, which the caller's
//! own `poll` finds out: the writer's thread cannot.
//!
//! All commands that wait are carried out before a sync, so whoever comes while one is under way shares the next.
//!
//! A forked child has no such thread: its commands come back, and there is nothing to collect. It opens a spool of its own,
//! which gets another slot. The queue's lock is not touched there: the thread may have held it when the process forked.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};
use std::{io, thread};

mod command;
mod executor;
mod told;

use crate::disk::Folder;
use crate::spool::{SlotId, Spool};
use crate::store::{Moment, OpenError, Stats};

pub use command::Command;
pub use executor::Executor;
pub use told::Told;

/// How long a call of the disk may take before it is told.
pub const STALLED: Duration = Duration::from_secs(5);

/// Bytes of lines that may wait for the writer. One command more is taken, however long.
pub const MOST_QUEUED: usize = 4 * 1024 * 1024;

/// Commands that may wait for the writer.
const MOST_COMMANDS: usize = 65_536;

/// The name of the thread.
const NAME: &str = "potsdb-spool";

/// The caller's end. Dropped without [`Command::Close`], it leaves the closing to the thread, and waits for nothing.
pub struct Writer {
    shared: Arc<Shared>,
    process: u32,
    stalled: bool,
}

type Waker = Arc<dyn Fn() + Send + Sync>;

struct Shared {
    mailbox: Mutex<Mailbox>,
    wake: Condvar,
    waker: Waker,
}

/// What lies between the two. Nothing is done under its lock but moving things.
#[derive(Default)]
struct Mailbox {
    commands: VecDeque<Command>,
    bytes: usize,
    told: Vec<Told>,
    /// What the disk is asked for now, it was asked for then.
    busy_since: Option<Instant>,
    stats: Vec<(SlotId, Stats)>,
    /// The writer's end, or the caller's, is gone.
    ended: bool,
}

impl Writer {
    /// Starts the thread, which opens the spool. `waker` is called on it, with no lock held, when there is something to
    /// collect with [`poll`](Writer::poll).
    ///
    /// # Errors
    ///
    /// The system has no thread to give.
    pub fn start<D: Folder>(
        open: impl FnMut(Moment) -> Result<Spool<D>, OpenError> + Send + 'static,
        waker: Waker,
    ) -> io::Result<Writer> {
        let shared = Arc::new(Shared {
            mailbox: Mutex::default(),
            wake: Condvar::new(),
            waker,
        });
        let mailbox = shared.clone();
        thread::Builder::new().name(NAME.to_owned()).spawn(move || {
            // The caller is not left waiting for a thread that has panicked.
            let _ended = Ended(mailbox.clone());
            Thread::new(mailbox, open).run();
        })?;
        Ok(Writer {
            shared,
            process: std::process::id(),
            stalled: false,
        })
    }

    /// Hands a command over. Never waits.
    ///
    /// # Errors
    ///
    /// It was not taken, and is given back: too much waits for the disk, the thread has ended, or this is a forked child.
    pub fn send(&self, command: Command) -> Result<(), Command> {
        if self.is_forked() {
            return Err(command);
        }
        let mut mailbox = self.shared.mailbox();
        let is_full = mailbox.bytes > MOST_QUEUED || mailbox.commands.len() >= MOST_COMMANDS;
        // What frees something is always let in.
        let frees = !matches!(command, Command::Append { .. } | Command::Reject { .. });
        if mailbox.ended || (is_full && !frees) {
            return Err(command);
        }
        mailbox.bytes += command.bytes();
        mailbox.commands.push_back(command);
        drop(mailbox);
        self.shared.wake.notify_one();
        Ok(())
    }

    /// What the writer has told since it was last asked. Never waits.
    pub fn poll(&mut self, now: Instant) -> Vec<Told> {
        if self.is_forked() {
            return Vec::new();
        }
        let mut mailbox = self.shared.mailbox();
        let mut told = std::mem::take(&mut mailbox.told);
        let stalled = mailbox
            .busy_since
            .is_some_and(|since| now.saturating_duration_since(since) >= STALLED);
        drop(mailbox);
        if stalled != self.stalled {
            self.stalled = stalled;
            told.push(Told::Stalled(stalled));
        }
        told
    }

    /// What the slots held when the writer last looked: the oldest first, the own one last.
    #[must_use]
    pub fn stats(&self) -> Vec<(SlotId, Stats)> {
        if self.is_forked() {
            return Vec::new();
        }
        self.shared.mailbox().stats.clone()
    }

    /// Whether the thread has ended, or is another process's.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.is_forked() || self.shared.mailbox().ended
    }

    /// Whether this is a child that was forked from the process whose writer it is.
    fn is_forked(&self) -> bool {
        std::process::id() != self.process
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let _ = self.send(Command::Close);
    }
}

impl Shared {
    fn mailbox(&self) -> MutexGuard<'_, Mailbox> {
        self.mailbox.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Says that the thread has ended, however it does.
struct Ended(Arc<Shared>);

impl Drop for Ended {
    fn drop(&mut self) {
        let mut mailbox = self.0.mailbox();
        (mailbox.ended, mailbox.busy_since) = (true, None);
        mailbox.told.push(Told::Closed);
        drop(mailbox);
        (self.0.waker)();
    }
}

/// The writer's own side: what carries commands out, and when.
struct Thread<D: Folder, O> {
    shared: Arc<Shared>,
    executor: Executor<D, O>,
    started: Instant,
}

impl<D: Folder, O: FnMut(Moment) -> Result<Spool<D>, OpenError>> Thread<D, O> {
    fn new(shared: Arc<Shared>, open: O) -> Thread<D, O> {
        Thread {
            shared,
            executor: Executor::new(open),
            started: Instant::now(),
        }
    }

    fn run(&mut self) {
        loop {
            self.begin_call();
            self.executor.open(self.now());
            while let Some(command) = self.next() {
                if let Command::Close = command {
                    return self.close();
                }
                self.begin_call();
                self.executor.carry_out(self.now(), command);
            }
            self.begin_call();
            self.executor.tick(self.now());
            self.tell();
            self.rest();
        }
    }

    fn now(&self) -> Moment {
        let wall = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        Moment {
            mono: self.started.elapsed(),
            wall: wall.as_millis() as u64,
        }
    }

    fn next(&self) -> Option<Command> {
        let mut mailbox = self.shared.mailbox();
        let command = mailbox.commands.pop_front()?;
        mailbox.bytes -= command.bytes();
        Some(command)
    }

    /// The disk is asked for something, which may take for ever.
    fn begin_call(&self) {
        self.shared.mailbox().busy_since = Some(Instant::now());
    }

    /// Hands over what there is to tell.
    fn tell(&mut self) {
        let mut told = self.executor.told();
        let has_news = !told.is_empty();
        let stats = self.executor.stats();
        let mut mailbox = self.shared.mailbox();
        mailbox.told.append(&mut told);
        (mailbox.stats, mailbox.busy_since) = (stats, None);
        drop(mailbox);
        if has_news {
            (self.shared.waker)();
        }
    }

    /// Waits for a command, or until something is due.
    fn rest(&self) {
        let due = self.executor.deadline();
        let wait = due.map_or(Duration::MAX, |due| due.saturating_sub(self.started.elapsed()));
        let mailbox = self.shared.mailbox();
        if mailbox.commands.is_empty() && !wait.is_zero() {
            // Woken early, it looks and rests again. A day stands for ever.
            drop(
                self.shared
                    .wake
                    .wait_timeout(mailbox, wait.min(Duration::from_secs(86_400))),
            );
        }
    }

    fn close(&mut self) {
        // Those who wait are told before the slots go.
        self.executor.sync(self.now());
        self.tell();
        self.begin_call();
        self.executor.close(self.now());
        self.tell();
    }
}

#[cfg(test)]
mod tests;
