//! What is under the store's lock: the table, the counts, and the two ways of a line into the table.
//!
//! A line goes the short way, by its known spelling, or the long way, word by word. Nothing here locks: `intake.rs` and
//! the store hold the lock already.

use crate::counts::Counts;
use crate::point::put::{Refusal, Rules};
use crate::point::reading::Reading;
use crate::store::refusals::Refusals;
use crate::store::series::{Parts, Stored, Writer};
use crate::store::table::Table;

/// The most bytes of lines kept for tests.
const MAX_KEPT: usize = 1 << 30;

/// Everything under the lock.
pub(crate) struct Inner {
    pub(crate) table: Table,
    pub(crate) counts: Counts,
    /// Put lines as they came, newline-ended, in order of arrival.
    pub(crate) lines: Vec<u8>,
    pub(crate) refusals: Refusals,
}

impl Inner {
    /// Puts one line: by its known spelling, or read and checked word by word. Notes it in UTF-8, if it is
    /// taken; a journal's line is UTF-8 already.
    #[inline]
    pub(crate) fn put_line(
        &mut self,
        line: &[u8],
        rules: &Rules,
        reading: &dyn Reading,
        writer: Writer,
        utf8: bool,
        note: Option<&mut Vec<u8>>,
    ) -> Result<Stored, Refusal> {
        // Spellings are UTF-8, and a telnet line need not be: the short way is for ASCII, which is the same everywhere.
        if line.is_ascii()
            && let Some(words) = Words::split(line)
            && reading.takes_as_it_is(words.timestamp, words.value)
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
            reading.text(line)
        };
        let words = Words::split(text.as_bytes()).filter(|words| reading.takes_as_it_is(words.timestamp, words.value));
        let (mut stored, mut noted, noting) = (None, String::new(), note.is_some());
        reading.read(&text, rules, &mut |put| {
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
    pub(crate) fn take_back(&mut self, line: &str, rules: &Rules, reading: &dyn Reading) {
        let _ = reading.read(line, rules, &mut |put| {
            if self.table.take_back(put) {
                self.counts.forgotten += 1;
            }
        });
    }

    pub(super) fn count<E>(&mut self, outcome: &Result<Stored, E>) {
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

    pub(super) fn keep(&mut self, line: &[u8]) {
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::personality::{OpenTsdb, Setup};
    use crate::store::refusals::Refusals;
    use crate::store::table::{Bounds, Table};

    fn inner() -> Inner {
        let limits = Bounds {
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
        let reading = OpenTsdb::new(&Setup::default());
        inner.put_line(line, rules, &reading, Writer::UNKNOWN, false, None)
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
