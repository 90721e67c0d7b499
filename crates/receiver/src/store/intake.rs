//! Taking points in: the store, locked for a read's worth of lines.
//!
//! Each line goes the short way, by its known spelling, or the long way, word by word; either is counted, kept if lines are
//! kept, and noted for the journal, which is written when the lock has been given back.
//!
//! `telnet.rs` and `body.rs` hold an [`Intake`]; `store` makes it and loads the journal by the same ways.

use std::sync::MutexGuard;

use crate::counts::Counts;
use crate::personality::Manners;
use crate::point::put::{Put, Refusal, Rules};
use crate::store::series::{Parts, Stored, Writer};
use crate::store::{Inner, Store};

/// The most bytes of lines kept for tests.
const MAX_KEPT: usize = 1 << 30;

/// The store, locked for a read's worth of points.
pub(crate) struct Intake<'a> {
    /// Taken when the intake ends; the journal is written after the lock.
    pub(crate) inner: Option<MutexGuard<'a, Inner>>,
    pub(crate) store: &'a Store,
    /// Whose points these are.
    pub(crate) writer: Writer,
    pub(crate) journal: Vec<u8>,
}

impl Intake<'_> {
    /// Takes a telnet put line, without its newline, as this server reads it.
    #[inline]
    pub(crate) fn line(&mut self, line: &[u8], manners: &dyn Manners) -> Result<(), Refusal> {
        self.keep(line);
        let note = self.store.journal.is_some().then_some(&mut self.journal);
        let inner = self.inner.as_mut().expect("the lock is held until drop");
        let outcome = inner.put_line(line, &self.store.rules, manners, self.writer, false, note);
        inner.count(&outcome);
        outcome.map(drop)
    }

    /// The metric of this line, if it would be taken.
    pub(crate) fn metric(&self, line: &[u8], manners: &dyn Manners) -> Option<String> {
        let mut metric = None;
        let read = manners.read(&manners.text(line), &self.store.rules, &mut |put| {
            metric = Some(put.metric.to_owned());
        });
        read.ok().and(metric)
    }

    /// OpenTSDB's checks.
    pub(crate) fn check(&self, put: &Put<'_>) -> Result<(), Refusal> {
        put.check(&self.store.rules).map(drop)
    }

    /// Takes a point whose value may have blanks around it: Java takes those, newlines even; a line has no room for them.
    pub(crate) fn taken_trimmed(&mut self, put: &Put<'_>) {
        let put = Put {
            value: put.value.trim_matches(|c| c <= ' '),
            ..put.clone()
        };
        self.taken(&put);
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
        let inner = self.inner.as_mut().expect("the lock is held until drop");
        inner.refusals.note(line, reason);
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

impl Inner {
    /// Puts one line: by its known spelling, or read and checked word by word. Notes it in UTF-8, if it is
    /// taken; a journal's line is UTF-8 already.
    #[inline]
    pub(crate) fn put_line(
        &mut self,
        line: &[u8],
        rules: &Rules,
        manners: &dyn Manners,
        writer: Writer,
        utf8: bool,
        note: Option<&mut Vec<u8>>,
    ) -> Result<Stored, Refusal> {
        // Spellings are UTF-8, and a telnet line need not be: the short way is for ASCII, which is the same everywhere.
        if line.is_ascii()
            && let Some(words) = Words::split(line)
            && manners.takes_as_it_is(words.timestamp, words.value)
            && let Some(stored) = self.table.put_known(words.parts, words.timestamp, words.value, writer)
        {
            if let Some(note) = note {
                note.extend_from_slice(line);
                note.push(b'\n');
            }
            return Ok(stored);
        }
        let text = if utf8 {
            String::from_utf8_lossy(line)
        } else {
            manners.text(line)
        };
        let words = Words::split(text.as_bytes()).filter(|words| manners.takes_as_it_is(words.timestamp, words.value));
        let (mut stored, mut noted, noting) = (None, String::new(), note.is_some());
        manners.read(&text, rules, &mut |put| {
            let tags = put.tags.line_text();
            let own = Parts {
                metric: put.metric.as_bytes(),
                tags: tags.as_bytes(),
            };
            let parts = words.as_ref().map_or(own, |words| words.parts);
            stored = Some(self.table.put(put, parts, writer));
            if noting {
                noted = if words.is_some() {
                    text.to_string()
                } else {
                    put.line_text()
                };
                noted.push('\n');
            }
        })?;
        if let Some(note) = note {
            note.extend_from_slice(noted.as_bytes());
        }
        stored.ok_or_else(|| Refusal::IllegalArgument("no point".into()))
    }

    /// Takes back what a line once put.
    pub(crate) fn take_back(&mut self, line: &str, rules: &Rules, manners: &dyn Manners) {
        let _ = manners.read(line, rules, &mut |put| {
            if self.table.take_back(put) {
                self.counts.forgotten += 1;
            }
        });
    }

    fn count<E>(&mut self, outcome: &Result<Stored, E>) {
        self.counts.puts += 1;
        match outcome {
            Err(_) => self.counts.refused += 1,
            Ok(stored) => {
                self.counts.accepted += 1;
                match stored {
                    Stored::New => {}
                    Stored::Duplicate => self.counts.duplicates += 1,
                    Stored::Respelled => self.counts.respelled += 1,
                    Stored::Conflict => self.counts.conflicts += 1,
                }
            }
        }
    }

    pub(crate) fn counts(&self) -> Counts {
        let (evicted_points, evicted_series) = (self.table.evicted_points, self.table.evicted_series);
        Counts {
            evicted_points,
            evicted_series,
            collisions: self.table.collisions.all,
            ..self.counts
        }
    }

    fn keep(&mut self, line: &[u8]) {
        if self.lines.len() + line.len() < MAX_KEPT {
            self.lines.extend_from_slice(line);
            self.lines.push(b'\n');
        } else {
            self.counts.unkept += 1;
        }
    }
}

/// `put metric timestamp value tags`, cut at the first four spaces.
struct Words<'a> {
    parts: Parts<'a>,
    timestamp: &'a [u8],
    value: &'a [u8],
}

impl<'a> Words<'a> {
    #[inline]
    fn split(line: &'a [u8]) -> Option<Words<'a>> {
        let (metric, line) = cut(line.strip_prefix(b"put ")?)?;
        let (timestamp, line) = cut(line)?;
        let (value, tags) = cut(line)?;
        Some(Words {
            parts: Parts { metric, tags },
            timestamp,
            value,
        })
    }
}

#[inline]
fn cut(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let space = memchr::memchr(b' ', bytes)?;
    Some((&bytes[..space], &bytes[space + 1..]))
}

/// Each byte is the character of its number.
pub(crate) fn latin1(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::config::Config;
    use crate::personality::OpenTsdb;
    use crate::store::refusals::Refusals;
    use crate::store::table::{Limits, Table};

    fn inner() -> Inner {
        let limits = Limits {
            points_per_series: 1000,
            series: 1000,
            points: 1000,
            bytes: usize::MAX,
        };
        Inner {
            table: Table::new(limits),
            counts: Counts::default(),
            lines: Vec::new(),
            refusals: Refusals::default(),
        }
    }

    fn put(inner: &mut Inner, line: &[u8], rules: &Rules) -> Result<Stored, Refusal> {
        let manners = OpenTsdb::new(&Config::default());
        inner.put_line(line, rules, &manners, Writer::UNKNOWN, false, None)
    }

    fn token() -> impl Strategy<Value = String> {
        prop_oneof![
            "[a-z0-9.+-]{0,4}",
            "[0-9]{1,14}",
            "-?[0-9]{0,20}(\\.[0-9]{0,3})?(e[0-9]{0,3})?[fdx]?",
            "\\PC{0,3}",
            Just("1700000000".to_owned()),
            Just("NaN".to_owned()),
        ]
    }

    proptest! {
        /// A line of a known spelling takes a way of its own: it must end where the long way ends.
        #[test]
        fn the_short_way_and_the_long_way_agree(timestamp in token(), value in token()) {
            let rules = Rules { known_metrics: None, max_tags: 8 };
            let line = format!("put m {timestamp} {value} b=1 a=2");
            let mut fresh = inner();
            let long = put(&mut fresh, line.as_bytes(), &rules);
            let mut knowing = inner();
            prop_assert!(put(&mut knowing, b"put m 1 1 b=1 a=2", &rules).is_ok());
            prop_assert_eq!(put(&mut knowing, line.as_bytes(), &rules).map(drop), long.clone().map(drop));
            if long.is_ok() {
                // And once more the point is there already, however it was stored.
                prop_assert_eq!(put(&mut fresh, line.as_bytes(), &rules), Ok(Stored::Duplicate));
                let stored: Vec<_> = fresh.table.series().flat_map(|series| &series.cells).map(|cell| cell.copies).collect();
                prop_assert_eq!(stored, [2]);
            }
        }

        #[test]
        fn no_bytes_are_too_strange_to_be_refused(line in prop::collection::vec(any::<u8>(), 0..80)) {
            let rules = Rules { known_metrics: None, max_tags: 8 };
            let _ = put(&mut inner(), &[b"put ".as_slice(), &line].concat(), &rules);
        }
    }
}
