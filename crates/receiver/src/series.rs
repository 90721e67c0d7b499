//! One stored series: its name and its cells, a sorted run of (timestamp, value text) bounded by the table.
//!
//! A cell is what OpenTSDB overwrites when a point comes again, so it also counts how often that happened and whether
//! every copy was the same bytes: the client promises at least once, and identical copies. Values stay the text that
//! arrived; 22 bytes fit into the cell itself, which makes a cell 40 bytes.
//!
//! Used by `table.rs` under the store's lock.

use std::collections::VecDeque;
use std::sync::Arc;

/// A series as the outside sees it: metric and tags, the tags sorted by name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SeriesName {
    /// The metric.
    pub metric: String,
    /// Tag names and values, sorted by name.
    pub tags: Vec<(String, String)>,
}

impl SeriesName {
    /// The value of one tag.
    pub fn tag(&self, name: &str) -> Option<&str> {
        self.tags
            .iter()
            .find(|(tag, _)| tag == name)
            .map(|(_, value)| value.as_str())
    }
}

pub(crate) struct Series {
    pub(crate) name: Arc<SeriesName>,
    /// Every way its metric and tags were written so far; a cell remembers which one it came in.
    pub(crate) spellings: Vec<Spelling>,
    pub(crate) cells: VecDeque<Cell>,
}

/// What happened to a point that was put into its series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stored {
    New,
    /// The same bytes as every copy before.
    Duplicate,
    /// The same value, but the line was written differently: tags in another order.
    Respelled,
    /// Another value text for the same timestamp; the last one stays.
    Conflict,
}

impl Series {
    /// Puts one value; cells stay sorted by timestamp.
    #[inline]
    pub(crate) fn put(&mut self, timestamp: i64, value: &[u8], spelling: u8) -> Stored {
        let cell = || Cell {
            timestamp,
            value: Text::new(value),
            copies: 1,
            spelling,
            identical: true,
        };
        if self.cells.back().is_none_or(|last| last.timestamp < timestamp) {
            self.cells.push_back(cell());
            return Stored::New;
        }
        match self.cells.binary_search_by_key(&timestamp, |cell| cell.timestamp) {
            Ok(index) => self.cells[index].again(value, spelling),
            Err(index) => {
                self.cells.insert(index, cell());
                Stored::New
            }
        }
    }
}

/// One stored point within its series.
pub(crate) struct Cell {
    /// As it was sent: seconds or milliseconds.
    pub(crate) timestamp: i64,
    pub(crate) value: Text,
    pub(crate) copies: u32,
    pub(crate) spelling: u8,
    pub(crate) identical: bool,
}

impl Cell {
    fn again(&mut self, value: &[u8], spelling: u8) -> Stored {
        self.copies = self.copies.saturating_add(1);
        let stored = match (
            self.value.bytes() == value,
            self.spelling == spelling && spelling != UNSPELLED,
        ) {
            (true, true) => Stored::Duplicate,
            (true, false) => Stored::Respelled,
            (false, _) => Stored::Conflict,
        };
        self.identical &= stored == Stored::Duplicate;
        self.spelling = spelling;
        if stored == Stored::Conflict {
            self.value = Text::new(value);
        }
        stored
    }
}

/// The spelling of a line that no table entry holds, being one of too many.
pub(crate) const UNSPELLED: u8 = u8::MAX;

/// A value's text, inline when short.
pub(crate) enum Text {
    Short(u8, [u8; Text::INLINE]),
    Long(Box<[u8]>),
}

impl Text {
    const INLINE: usize = 22;

    #[inline]
    fn new(text: &[u8]) -> Text {
        let mut bytes = [0; Text::INLINE];
        match bytes.get_mut(..text.len()) {
            Some(room) => {
                room.copy_from_slice(text);
                Text::Short(text.len() as u8, bytes)
            }
            None => Text::Long(text.into()),
        }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Text::Short(length, bytes) => &bytes[..usize::from(*length)],
            Text::Long(bytes) => bytes,
        }
    }
}

/// The bytes of a line that name its series: before the timestamp (`metric`), and after the value (`k=v k2=v2`).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Parts<'a> {
    pub(crate) metric: &'a [u8],
    pub(crate) tags: &'a [u8],
}

/// [`Parts`] kept: shared between the series and the table that finds it by them.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Spelling {
    bytes: Arc<[u8]>,
    metric_length: usize,
}

impl Spelling {
    pub(crate) fn new(parts: Parts<'_>) -> Spelling {
        Spelling {
            bytes: [parts.metric, parts.tags].concat().into(),
            metric_length: parts.metric.len(),
        }
    }

    pub(crate) fn parts(&self) -> Parts<'_> {
        let (metric, tags) = self.bytes.split_at(self.metric_length);
        Parts { metric, tags }
    }
}

impl std::hash::Hash for Spelling {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.parts().hash(state);
    }
}

impl hashbrown::Equivalent<Spelling> for Parts<'_> {
    fn equivalent(&self, spelling: &Spelling) -> bool {
        *self == spelling.parts()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series() -> Series {
        let name = SeriesName {
            metric: "m".into(),
            tags: vec![("h".into(), "a".into())],
        };
        Series {
            name: Arc::new(name),
            spellings: Vec::new(),
            cells: VecDeque::new(),
        }
    }

    #[test]
    fn a_cell_is_forty_bytes() {
        assert_eq!(size_of::<Cell>(), 40);
    }

    #[test]
    fn late_points_are_put_in_their_place() {
        let mut series = series();
        for timestamp in [5, 1, 3, 9, 4] {
            assert_eq!(series.put(timestamp, b"1", 0), Stored::New);
        }
        let order: Vec<i64> = series.cells.iter().map(|cell| cell.timestamp).collect();
        assert_eq!(order, [1, 3, 4, 5, 9]);
    }

    #[test]
    fn a_copy_is_told_from_a_respelling_and_a_conflict() {
        let mut series = series();
        series.put(1, b"1", 0);
        assert_eq!(series.put(1, b"1", 0), Stored::Duplicate);
        assert!(series.cells[0].identical);
        assert_eq!(series.put(1, b"1", 1), Stored::Respelled);
        assert!(!series.cells[0].identical);
        assert_eq!(series.put(1, b"1.0", 1), Stored::Conflict);
        assert_eq!(series.cells[0].value.bytes(), b"1.0");
        assert_eq!(series.cells[0].copies, 4);
    }

    #[test]
    fn long_values_are_kept_whole() {
        let text = [b'9'; 400];
        let mut series = series();
        series.put(1, &text, 0);
        assert_eq!(series.cells[0].value.bytes(), text);
    }
}
