//! Series as rows need them: the texts of usual length lie close together, each in a place of its own size.
//!
//! ```text
//! |put web.latency ................| path=/login dc=eu\n...........................................|put web.latency ......
//!  32 bytes, and 64: what is behind the text is copied too, and overwritten by what comes next
//! ```
//!
//! A copy of a length that the compiler knows is a few instructions, without a branch or a call. Texts in vectors of their own
//! cost a look into memory far away, and copies of which only the run knows the length.

use potsdb_wire::{InvalidPoint, MAX_LINE, SeriesText, Timestamp, line};

use super::timestamp_cache::TimestampCache;
use super::value_text::ValueText;

/// A series rendered, or what is illegal in it.
pub(super) type Rendered = Result<SeriesText, Bad>;

/// What is illegal, and in which of the row's columns, if it is in one.
pub(super) type Bad = (Option<String>, InvalidPoint);

/// Room for the longest line.
pub(super) const LONGEST: usize = MAX_LINE + 1 + line::MIDDLE_LEN;

/// Series by number.
#[derive(Default)]
pub(super) struct SeriesTable(Vec<Option<Series>>);

pub(super) enum Series {
    Short(Short),
    Long(Box<SeriesText>),
    Bad(Box<Bad>),
}

impl SeriesTable {
    /// A series by its number; `None` where it was not added yet.
    #[inline]
    pub(super) fn get(&self, number: usize) -> Option<&Series> {
        self.0.get(number)?.as_ref()
    }

    /// Adds one, in the place of its number.
    pub(super) fn add(&mut self, number: usize, rendered: Rendered) -> &Series {
        if self.0.len() <= number {
            self.0.resize_with(number + 1, || None);
        }
        self.0[number].insert(match rendered {
            Ok(text) => match Short::of(&text) {
                Some(short) => Series::Short(short),
                None => Series::Long(text.into()),
            },
            Err(bad) => Series::Bad(bad.into()),
        })
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

/// A series of usual length.
pub(super) struct Short {
    head: [u8; HEAD],
    tail: [u8; TAIL],
    head_len: u8,
    tail_len: u8,
    /// Characters that were replaced in it.
    pub(super) replaced: u32,
}

const HEAD: usize = 32;
const TAIL: usize = 64;

/// Room for the longest line of a short series, whose value and tail are written as if they were as long as can be.
pub(super) const SHORT: usize = HEAD + line::MIDDLE_LEN + TAIL;

impl Short {
    fn of(text: &SeriesText) -> Option<Short> {
        let (head, tail) = (text.head(), text.tail());
        let mut short = Short {
            head: [0; HEAD],
            tail: [0; TAIL],
            head_len: u8::try_from(head.len()).ok()?,
            tail_len: u8::try_from(tail.len()).ok()?,
            replaced: text.replaced(),
        };
        short.head.get_mut(..head.len())?.copy_from_slice(head);
        short.tail.get_mut(..tail.len())?.copy_from_slice(tail);
        Some(short)
    }

    /// Writes the line of a point to the front of `buffer`, and returns its length.
    #[inline]
    pub(super) fn write(
        &self,
        stamp: &mut TimestampCache,
        timestamp: Timestamp,
        value: &ValueText,
        buffer: &mut [u8; SHORT],
    ) -> usize {
        let mut len = usize::from(self.head_len);
        *room(buffer, 0) = self.head;
        len += stamp.write(timestamp, room(buffer, len));
        buffer[len] = b' ';
        len += 1;
        *room(buffer, len) = value.bytes;
        len += value.len();
        *room(buffer, len) = self.tail;
        len + usize::from(self.tail_len)
    }
}

/// The part of the buffer that begins at `start`.
#[inline]
fn room<const LEN: usize>(buffer: &mut [u8; SHORT], start: usize) -> &mut [u8; LEN] {
    buffer[start..]
        .first_chunk_mut()
        .expect("the buffer holds the longest of each part")
}

#[cfg(test)]
mod tests {
    use potsdb_wire::{Rules, Value};

    use super::*;

    #[test]
    fn a_short_series_line_is_the_one_of_its_text() {
        let value = |float: f64| Value::try_from(float).unwrap();
        let time = |seconds| Timestamp::from_secs(seconds).unwrap();
        let mut stamp = TimestampCache::new();
        let (mut short, mut long) = (0, 0);
        for (metric, tag) in (1..41).map(|len| (len, 1)).chain((1..81).map(|len| (1, len))) {
            let mut text = SeriesText::new();
            let rules = Rules::default();
            text.metric(&rules, "", &"m".repeat(metric)).unwrap();
            text.tag(&rules, "t", &"v".repeat(tag)).unwrap();
            text.finish(&rules).unwrap();
            for (n, value) in (0..).zip([value(0.5), value(-2.225_073_858_507_201_4e-308), Value::from(7)]) {
                let (mut buffer, mut expected) = ([b'x'; SHORT], [0; LONGEST]);
                let timestamp = time(1_700_000_000 + n);
                let expected = line::write(&text, timestamp, value, &mut expected).unwrap();
                match Short::of(&text) {
                    Some(series) => {
                        let mut text = ValueText::default();
                        text.set(Some(value));
                        let len = series.write(&mut stamp, timestamp, &text, &mut buffer);
                        assert_eq!(buffer[..len], *expected);
                        short += 1;
                    }
                    None => long += 1,
                }
            }
        }
        // `put `, 27 letters and a space are the longest head, ` t=`, 60 letters and a newline the longest tail.
        assert_eq!((short, long), (3 * (27 + 60), 3 * (13 + 20)));
    }
}
