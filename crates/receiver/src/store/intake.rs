//! Taking points in: the store, locked for a read's worth of lines.
//!
//! Each line is counted, kept if lines are kept, and noted for the journal, which is written when the lock has been
//! given back. How it gets into the table is `inner.rs`.
//!
//! `telnet.rs` and `offers.rs` hold an [`Intake`]; `store` makes it and loads the journal by the same ways.

use std::sync::MutexGuard;

use crate::counts::Counts;
use crate::point::put::{Put, Refusal};
use crate::point::reading::Reading;
use crate::store::Store;
use crate::store::inner::Inner;
use crate::store::series::{Parts, Writer};

/// The store, locked for a read's worth of points.
pub(crate) struct Intake<'a> {
    /// Taken when the intake ends; the journal is written after the lock.
    pub(super) inner: Option<MutexGuard<'a, Inner>>,
    pub(super) store: &'a Store,
    /// Whose points these are.
    pub(super) writer: Writer,
    pub(super) journal: Vec<u8>,
}

impl Intake<'_> {
    /// Takes a telnet put line, without its newline, as this server reads it.
    #[inline]
    pub(crate) fn line(&mut self, line: &[u8], reading: &dyn Reading) -> Result<(), Refusal> {
        self.keep(line);
        let note = self.store.journal.is_some().then_some(&mut self.journal);
        let inner = self.inner.as_mut().expect("the lock is held until drop");
        let outcome = inner.put_line(line, &self.store.rules, reading, self.writer, false, note);
        inner.count(&outcome);
        outcome.map(drop)
    }

    /// The metric of this line, if it would be taken.
    pub(crate) fn metric(&self, line: &[u8], reading: &dyn Reading) -> Option<String> {
        let mut metric = None;
        let read = reading.read(&reading.text(line), &self.store.rules, &mut |put| {
            metric = Some(put.metric.to_owned());
        });
        read.ok().and(metric)
    }

    /// OpenTSDB's checks.
    pub(crate) fn check(&self, put: &Put<'_>) -> Result<(), Refusal> {
        put.check(&self.store.rules).map(drop)
    }

    /// Takes a point that came over HTTP and was checked; it is kept and journalled as the line it stands for.
    pub(crate) fn taken(&mut self, put: &Put<'_>) {
        let tags = put.tags.line_text();
        let parts = Parts {
            metric: put.metric.as_bytes(),
            tags: tags.as_bytes(),
        };
        let inner = self.inner.as_mut().expect("the lock is held until drop");
        let stored = inner.table.put(put, parts, self.writer);
        inner.count(&Ok::<_, ()>(stored));
        if self.store.keep_lines || self.store.journal.is_some() {
            let line = put.line_text();
            self.keep(line.as_bytes());
            if self.store.journal.is_some() {
                self.journal.extend_from_slice(line.as_bytes());
                self.journal.push(b'\n');
            }
        }
    }

    /// Counts a point that was refused, and keeps what was said to it.
    pub(crate) fn refused(&mut self, line: &str, reason: &str) {
        let counts = self.counts();
        counts.puts += 1;
        counts.refused += 1;
        self.keep_refusal(line, reason);
    }

    /// Keeps what was said to a point whose refusal is counted already.
    pub(crate) fn keep_refusal(&mut self, line: &str, reason: &str) {
        let now = self.now();
        let inner = self.inner.as_mut().expect("the lock is held until drop");
        inner.refusals.note(line, reason, self.writer, now);
    }

    /// When these points came, in milliseconds since 1970.
    pub(crate) fn now(&self) -> u64 {
        let inner = self.inner.as_ref().expect("the lock is held until drop");
        inner.table.changes.now
    }

    /// Counts a point that was dropped as if there were no room behind the server.
    pub(crate) fn throttled(&mut self) {
        let counts = self.counts();
        counts.puts += 1;
        counts.throttled += 1;
    }

    /// Counts a point that a stopping server threw away.
    pub(crate) fn discarded(&mut self) {
        let counts = self.counts();
        counts.puts += 1;
        counts.discarded += 1;
    }

    /// Keeps a put line as it came, if lines are kept.
    pub(crate) fn keep(&mut self, line: &[u8]) {
        if self.store.keep_lines {
            let inner = self.inner.as_mut().expect("the lock is held until drop");
            inner.keep(line);
        }
    }

    /// The counts, to add what is not a point.
    pub(crate) fn counts(&mut self) -> &mut Counts {
        &mut self.inner.as_mut().expect("the lock is held until drop").counts
    }
}

impl Drop for Intake<'_> {
    fn drop(&mut self) {
        self.inner = None;
        if let Some(journal) = &self.store.journal
            && !self.journal.is_empty()
            && journal.append(std::mem::take(&mut self.journal)).is_err()
        {
            self.store.lock().counts.journal_errors += 1;
        }
        self.store.changed.notify_all();
    }
}
