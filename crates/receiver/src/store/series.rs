//! One stored series: its name and its cells, a sorted run of (timestamp, value text) bounded by the table.
//!
//! A cell is what OpenTSDB overwrites when a point comes again, so it also counts how often that happened and whether
//! every copy was the same bytes: the client promises at least once, and identical copies. Values stay the text that
//! arrived; 22 bytes fit into the cell itself, which makes a cell 40 bytes.
//!
//! Used by `table.rs` under the store's lock.

use std::collections::VecDeque;
use std::fmt::{self, Display, Formatter};
use std::sync::Arc;

use crate::point::number::Number;
use crate::store::Point;
use crate::store::names::Tsuid;

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

    /// How many bytes it has, names and values.
    pub(crate) fn length(&self) -> usize {
        let tags = self.tags.iter().map(|(name, value)| name.len() + value.len());
        self.metric.len() + tags.sum::<usize>()
    }
}

/// As OpenTSDB's queries have it: `web.requests{host=a,path=/login}`.
impl Display for SeriesName {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.metric)?;
        f.write_str("{")?;
        for (index, (name, value)) in self.tags.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{name}={value}")?;
        }
        f.write_str("}")
    }
}

pub(crate) struct Series {
    pub(crate) name: Arc<SeriesName>,
    /// The numbers of its names.
    pub(crate) tsuid: Tsuid,
    /// Every way its metric and tags were written so far; a cell remembers which one it came in.
    pub(crate) spellings: Vec<Spelling>,
    /// Its last value before the store was cleared.
    pub(crate) before: Option<Text>,
    pub(crate) cells: VecDeque<Cell>,
    /// Bytes of memory: its cells, its names, and the ways they were written.
    pub(crate) bytes: usize,
    /// How many points came, copies included; after the largest number comes 0.
    pub(crate) came: u32,
    /// When the last one came, in seconds since 1970; 0 if from a journal.
    pub(crate) seen: u32,
    /// It is on the list of those that changed.
    pub(crate) is_listed: bool,
}

/// Who wrote a cell: a connection by its number, which fits into the cell, and over which wire. Two whose numbers are
/// 32 767 apart are taken for one, so a collision may be missed, and none is made up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Writer(u16);

/// Set in the number of one that writes over HTTP.
const OVER_HTTP: u16 = 1 << 15;

impl Writer {
    /// None that is known: the journal.
    pub(crate) const UNKNOWN: Writer = Writer(0);

    /// The connection of that number.
    pub(crate) fn connection(number: u64) -> Writer {
        Writer((number % u64::from(OVER_HTTP - 1)) as u16 + 1)
    }

    /// The same connection, which speaks HTTP.
    pub(crate) fn over_http(self) -> Writer {
        Writer(self.0 | OVER_HTTP)
    }

    /// The same connection, whatever it speaks.
    pub(crate) fn over_telnet(self) -> Writer {
        Writer(self.0 & !OVER_HTTP)
    }

    fn is_http(self) -> bool {
        self.0 & OVER_HTTP != 0
    }
}

/// In which words, and over which connection, a point came.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin {
    pub(crate) spelling: u8,
    pub(crate) writer: Writer,
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
    /// A series without points.
    pub(crate) fn new(name: SeriesName, tsuid: Tsuid) -> Series {
        Series {
            bytes: size_of::<Series>() + name.length() + name.tags.len() * TAG_BYTES,
            name: Arc::new(name),
            tsuid,
            spellings: Vec::new(),
            before: None,
            cells: VecDeque::new(),
            came: 0,
            seen: 0,
            is_listed: false,
        }
    }

    /// One more way of writing it.
    pub(crate) fn spell(&mut self, spelling: Spelling) {
        // In the table, too, beside its number.
        self.bytes += spelling.bytes.len() + 2 * size_of::<Spelling>();
        self.spellings.push(spelling);
    }

    /// Takes a cell out.
    pub(crate) fn remove(&mut self, index: usize) -> Option<Cell> {
        let removed = self.cells.remove(index);
        self.bytes -= removed.as_ref().map_or(0, Cell::bytes);
        removed
    }

    /// Forgets its points, and remembers its last value.
    pub(crate) fn clear(&mut self) {
        let last = self.cells.len().checked_sub(1).and_then(|last| self.remove(last));
        if let Some(last) = last {
            self.before = Some(last.value);
        }
        self.bytes -= self.cells.iter().map(Cell::bytes).sum::<usize>();
        self.cells = VecDeque::new();
    }

    /// Its points as the outside sees them.
    pub(crate) fn points(&self) -> impl Iterator<Item = Point> {
        self.cells.iter().map(|cell| Point {
            series: Arc::clone(&self.name),
            timestamp: cell.timestamp,
            value: cell.value.to_text(),
            copies: cell.copies,
            identical: cell.is(IDENTICAL),
        })
    }

    /// Puts one value; cells stay sorted by timestamp. Gives back a value of another connection's that it overwrote,
    /// and whose.
    #[inline]
    pub(crate) fn put(&mut self, timestamp: i64, value: &[u8], origin: Origin) -> (Stored, Option<(Text, Writer)>) {
        let cell = || Cell {
            timestamp,
            value: Text::new(value),
            copies: 1,
            writer: origin.writer,
            spelling: origin.spelling,
            marks: IDENTICAL,
        };
        if self.cells.back().is_none_or(|last| last.timestamp < timestamp) {
            let cell = cell();
            self.bytes += cell.bytes();
            self.cells.push_back(cell);
            return (Stored::New, None);
        }
        match self.cells.binary_search_by_key(&timestamp, |cell| cell.timestamp) {
            Ok(index) => {
                let cell = &mut self.cells[index];
                let before = cell.bytes();
                let stored = cell.again(value, origin);
                self.bytes = self.bytes - before + cell.bytes();
                stored
            }
            Err(index) => {
                let cell = cell();
                self.bytes += cell.bytes();
                self.cells.insert(index, cell);
                (Stored::New, None)
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
    /// Who wrote it last.
    pub(crate) writer: Writer,
    pub(crate) spelling: u8,
    marks: u8,
}

/// Every copy of the cell was the same bytes.
const IDENTICAL: u8 = 1;

/// OpenTSDB has the cell twice: it was written in two encodings, which do not overwrite each other.
const TWICE: u8 = 2;

impl Cell {
    fn is(&self, mark: u8) -> bool {
        self.marks & mark != 0
    }

    /// Whether OpenTSDB has it twice, and can therefore not read it.
    pub(crate) fn is_twice(&self) -> bool {
        self.is(TWICE)
    }

    /// The bytes OpenTSDB would store for its value.
    pub(crate) fn encoding(&self) -> Option<Encoding> {
        encoding(self.value.bytes(), self.writer)
    }

    /// Bytes of memory.
    fn bytes(&self) -> usize {
        let beyond = match &self.value {
            Text::Short(..) => 0,
            Text::Long(text) => text.len(),
        };
        size_of::<Cell>() + beyond
    }

    fn again(&mut self, value: &[u8], Origin { spelling, writer }: Origin) -> (Stored, Option<(Text, Writer)>) {
        self.copies = self.copies.saturating_add(1);
        let stored = match (
            self.value.bytes() == value,
            self.spelling == spelling && spelling != UNSPELLED,
        ) {
            (true, true) => Stored::Duplicate,
            (true, false) => Stored::Respelled,
            (false, _) => Stored::Conflict,
        };
        if stored != Stored::Duplicate {
            self.marks &= !IDENTICAL;
        }
        self.spelling = spelling;
        let before = std::mem::replace(&mut self.writer, writer);
        // The same text over the same wire is the same encoding.
        if (stored == Stored::Conflict || before.is_http() != writer.is_http())
            && encoding(self.value.bytes(), before).map(|encoding| encoding.kind)
                != encoding(value, writer).map(|encoding| encoding.kind)
        {
            self.marks |= TWICE;
        }
        if stored != Stored::Conflict {
            return (stored, None);
        }
        let overwritten = std::mem::replace(&mut self.value, Text::new(value));
        let by_another = before != writer && before != Writer::UNKNOWN && writer != Writer::UNKNOWN;
        (stored, by_another.then_some((overwritten, before)))
    }
}

/// How OpenTSDB stores a value: its bytes, and which kind of number they are, which is part of the cell's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Encoding {
    kind: u8,
    pub(crate) bytes: Vec<i8>,
}

fn encoding(value: &[u8], writer: Writer) -> Option<Encoding> {
    let number = Number::parse(str::from_utf8(value).ok()?).ok()?;
    let (bytes, kind) = match number {
        // Over HTTP every float takes eight bytes.
        Number::Float(float) if writer.is_http() => (float.to_be_bytes().map(u8::cast_signed).to_vec(), FLOAT_OF_EIGHT),
        number => number.stored(),
    };
    Some(Encoding { kind, bytes })
}

/// A float's mark, and its length less one.
const FLOAT_OF_EIGHT: u8 = 8 | 7;

/// What a tag takes beside its text: two strings, and two numbers.
const TAG_BYTES: usize = 2 * size_of::<String>() + size_of::<(u32, u32)>();

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

    pub(crate) fn to_text(&self) -> String {
        String::from_utf8_lossy(self.bytes()).into_owned()
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
        Series::new(name, Tsuid::default())
    }

    fn put(series: &mut Series, timestamp: i64, value: &[u8], spelling: u8) -> Stored {
        let writer = Writer::UNKNOWN;
        series.put(timestamp, value, Origin { spelling, writer }).0
    }

    #[test]
    fn another_value_of_another_connection_is_a_collision() {
        let mut series = series();
        let mut put = |connection, value: &[u8]| {
            let writer = Writer::connection(connection);
            let (_, overwritten) = series.put(1, value, Origin { spelling: 0, writer });
            overwritten.map(|(text, writer)| (text.bytes().to_vec(), writer))
        };
        assert_eq!(put(1, b"1"), None);
        assert_eq!(put(1, b"2"), None, "a connection may correct itself");
        assert_eq!(put(2, b"2"), None, "a copy is what a client sends after an outage");
        assert_eq!(put(2, b"3"), None, "and that connection has written it since");
        assert_eq!(put(3, b"4"), Some((b"3".to_vec(), Writer::connection(2))));
        assert_eq!(put(1, b"5"), Some((b"4".to_vec(), Writer::connection(3))));
    }

    #[test]
    fn a_journal_is_no_connection() {
        let mut series = series();
        for (writer, value) in [(Writer::UNKNOWN, b"1"), (Writer::connection(1), b"2")] {
            let (_, overwritten) = series.put(1, value, Origin { spelling: 0, writer });
            assert!(overwritten.is_none());
        }
    }

    #[test]
    fn a_value_in_another_encoding_stands_beside_the_first() {
        let twice = |first: &[u8], second: &[u8], http: bool| {
            let mut series = series();
            let telnet = Writer::connection(1);
            let writer = if http {
                Writer::connection(2).over_http()
            } else {
                telnet
            };
            series.put(
                1,
                first,
                Origin {
                    spelling: 0,
                    writer: telnet,
                },
            );
            series.put(1, second, Origin { spelling: 0, writer });
            series.cells[0].is_twice()
        };
        assert!(twice(b"1", b"300", false) && twice(b"1", b"1.0", false) && twice(b"1.5", b"0.1", false));
        assert!(
            twice(b"0.5", b"0.5", true),
            "a float takes eight bytes over HTTP and four over telnet"
        );
        assert!(!twice(b"1", b"2", false) && !twice(b"1.5", b"2.5", false) && !twice(b"0.1", b"0.1", true));
        assert!(!twice(b"5", b"5", true));
    }

    #[test]
    fn a_cell_is_forty_bytes() {
        assert_eq!(size_of::<Cell>(), 40);
    }

    #[test]
    fn late_points_are_put_in_their_place() {
        let mut series = series();
        for timestamp in [5, 1, 3, 9, 4] {
            assert_eq!(put(&mut series, timestamp, b"1", 0), Stored::New);
        }
        let order: Vec<i64> = series.cells.iter().map(|cell| cell.timestamp).collect();
        assert_eq!(order, [1, 3, 4, 5, 9]);
    }

    #[test]
    fn a_copy_is_told_from_a_respelling_and_a_conflict() {
        let mut series = series();
        put(&mut series, 1, b"1", 0);
        assert_eq!(put(&mut series, 1, b"1", 0), Stored::Duplicate);
        assert!(series.cells[0].is(IDENTICAL));
        assert_eq!(put(&mut series, 1, b"1", 1), Stored::Respelled);
        assert!(!series.cells[0].is(IDENTICAL));
        assert_eq!(put(&mut series, 1, b"1.0", 1), Stored::Conflict);
        assert_eq!(series.cells[0].value.bytes(), b"1.0");
        assert_eq!(series.cells[0].copies, 4);
    }

    #[test]
    fn long_values_are_kept_whole() {
        let text = [b'9'; 400];
        let mut series = series();
        put(&mut series, 1, &text, 0);
        assert_eq!(series.cells[0].value.bytes(), text);
    }
}
