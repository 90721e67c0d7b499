//! Taking points in: the store, locked for a read's worth of lines.
//!
//! Each line goes the short way, by its known spelling, or the long way, word by word; either is counted, kept if lines are
//! kept, and noted for the journal, which is written when the lock has been given back.
//!
//! `telnet.rs` and `body.rs` hold an [`Intake`]; `store.rs` makes it and loads the journal by the same ways.

use std::sync::MutexGuard;

use crate::counts::Counts;
use crate::put::{Put, Refusal, Rules};
use crate::series::{Parts, Stored};
use crate::store::{Inner, Store};

/// The most bytes of lines kept for tests.
const MAX_KEPT: usize = 1 << 30;

/// The store, locked for a read's worth of points.
pub(crate) struct Intake<'a> {
    /// Taken when the intake ends; the journal is written after the lock.
    pub(crate) inner: Option<MutexGuard<'a, Inner>>,
    pub(crate) store: &'a Store,
    pub(crate) journal: Vec<u8>,
}

impl Intake<'_> {
    /// Takes a telnet put line, without its line end: Latin-1, as OpenTSDB reads it.
    #[inline]
    pub(crate) fn line(&mut self, line: &[u8]) -> Result<(), Refusal> {
        let keep = self.store.keep_lines;
        let inner = self.inner.as_mut().expect("the lock is held until drop");
        if keep {
            inner.keep(line);
        }
        let outcome = inner.put_line(line, &self.store.rules, latin1);
        inner.count(&outcome);
        if outcome.is_ok() && self.store.journal.is_some() {
            self.note(line);
        }
        outcome.map(drop)
    }

    /// Takes a point that came over HTTP; it is kept and journalled as the line it stands for.
    pub(crate) fn point(&mut self, put: &Put<'_>) -> Result<(), Refusal> {
        let outcome = put.check(&self.store.rules);
        let inner = self.inner.as_mut().expect("the lock is held until drop");
        if let Err(refusal) = outcome {
            inner.count(&Err(()));
            return Err(refusal);
        }
        // Java takes blanks around a float, newlines even; a line has no room for them.
        let put = Put {
            value: put.value.trim_matches(|c| c <= ' '),
            ..put.clone()
        };
        let tags = put.tags.line_text();
        let parts = Parts {
            metric: put.metric.as_bytes(),
            tags: tags.as_bytes(),
        };
        let stored = inner.table.put(&put, parts);
        inner.count(&Ok::<_, ()>(stored));
        if self.store.keep_lines || self.store.journal.is_some() {
            let line = format!("put {} {} {} {tags}", put.metric, put.timestamp, put.value);
            if self.store.keep_lines {
                inner.keep(line.as_bytes());
            }
            if self.store.journal.is_some() {
                self.journal.extend_from_slice(line.as_bytes());
                self.journal.push(b'\n');
            }
        }
        Ok(())
    }

    /// The counts, to add what is not a point.
    pub(crate) fn counts(&mut self) -> &mut Counts {
        &mut self.inner.as_mut().expect("the lock is held until drop").counts
    }

    /// Journals are UTF-8; all but a rare line is ASCII already.
    fn note(&mut self, line: &[u8]) {
        if line.is_ascii() {
            self.journal.extend_from_slice(line);
        } else {
            self.journal.extend_from_slice(latin1(line).as_bytes());
        }
        self.journal.push(b'\n');
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
    /// Puts one line: by its known spelling, or read and checked word by word.
    #[inline]
    pub(crate) fn put_line(
        &mut self,
        line: &[u8],
        rules: &Rules,
        decode: fn(&[u8]) -> String,
    ) -> Result<Stored, Refusal> {
        // Spellings are UTF-8 and telnet lines Latin-1: the short way is for ASCII, where both are the same.
        if line.is_ascii()
            && let Some(words) = Words::split(line)
            && let Some(stored) = self.table.put_known(words.parts, words.timestamp, words.value)
        {
            return Ok(stored);
        }
        let text = decode(line);
        let put = Put::from_line(&text)?;
        put.check(rules)?;
        let words = Words::split(text.as_bytes()).expect("a put has all its words");
        Ok(self.table.put(&put, words.parts))
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
    use crate::table::{Limits, Table};

    fn inner() -> Inner {
        let limits = Limits {
            points_per_series: 1000,
            series: 1000,
            points: 1000,
        };
        Inner {
            table: Table::new(limits),
            counts: Counts::default(),
            lines: Vec::new(),
        }
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
            let long = fresh.put_line(line.as_bytes(), &rules, latin1);
            let mut knowing = inner();
            prop_assert!(knowing.put_line(b"put m 1 1 b=1 a=2", &rules, latin1).is_ok());
            prop_assert_eq!(knowing.put_line(line.as_bytes(), &rules, latin1).map(drop), long.clone().map(drop));
            if long.is_ok() {
                // And once more the point is there already, however it was stored.
                prop_assert_eq!(fresh.put_line(line.as_bytes(), &rules, latin1), Ok(Stored::Duplicate));
                let stored: Vec<_> = fresh.table.series().flat_map(|series| &series.cells).map(|cell| cell.copies).collect();
                prop_assert_eq!(stored, [2]);
            }
        }

        #[test]
        fn no_bytes_are_too_strange_to_be_refused(line in prop::collection::vec(any::<u8>(), 0..80)) {
            let rules = Rules { known_metrics: None, max_tags: 8 };
            let _ = inner().put_line(&[b"put ".as_slice(), &line].concat(), &rules, latin1);
        }
    }
}
