//! Rows to series: strings become numbers, and a row's numbers one number.
//!
//! ```text
//! path  "/login" -> 0   "/home" -> 1          (0, 0) -> 0   (0, 1) -> 1        the number of the row's series
//! dc    "eu"     -> 0   "us"    -> 1          (1, 0) -> 2
//! ```
//!
//! Where all columns are dictionaries of few strings, a row's places in them make an index into a table of series (`dictionary_index.rs`).
//! Of plain strings each row's is looked up by content, unless it is the row before's. What is known is bounded: a table of
//! ever new strings makes the page of known ones begin anew.

use arrow_array::RecordBatch;
use hashbrown::HashMap;
use potsdb_wire::{Field, InvalidPoint, SeriesText};

use super::dictionary_index::DictionaryIndex;
use super::number::NULL;
use super::series_table::{Rendered, Series, SeriesTable};
use super::strings::Texts;
use super::{Columns, FrameError, find};
use crate::face::client::Client;

/// Strings of one column, and series, that are known at once, but for those new in one chunk of rows.
pub(super) const KNOWN: usize = 1 << 16;

/// What is known of the columns that make series.
pub(super) struct SeriesKeys {
    columns: Vec<Key>,
    /// By the number of the series and then by column of values.
    ready: SeriesTable,
    values: usize,
}

/// One column: the metric's, or a tag's.
struct Key {
    column: String,
    /// The tag's name; none for the metric.
    tag: Option<String>,
    numbers: HashMap<Box<str>, u32>,
    /// The number of all columns up to this one, by the number of those before it and this one's.
    joined: HashMap<(u32, u32), u32>,
    /// Some of `joined`, each where its numbers say: found without hashing.
    near: Vec<((u32, u32), u32)>,
}

/// Places of [`Key::near`].
const NEAR: usize = 1024;

/// What no row has: no number is that of a null and comes after one.
const NOWHERE: ((u32, u32), u32) = ((NULL, NULL), NULL);

impl SeriesKeys {
    pub(super) fn new(columns: &Columns) -> SeriesKeys {
        let metric = columns.metric.iter().map(|column| (column, None));
        let tags = columns.tags.iter().map(|(column, name)| (column, Some(name.clone())));
        let key = |(column, tag): (&String, Option<String>)| Key {
            column: column.clone(),
            tag,
            numbers: HashMap::new(),
            joined: HashMap::new(),
            near: vec![NOWHERE; NEAR],
        };
        SeriesKeys {
            columns: metric.chain(tags).map(key).collect(),
            ready: SeriesTable::default(),
            values: columns.values.len(),
        }
    }

    /// The rows of one batch.
    pub(super) fn rows<'a>(&'a mut self, batch: &'a RecordBatch) -> Result<Rows<'a>, FrameError> {
        let texts = self
            .columns
            .iter()
            .map(|key| Texts::of(&key.column, find(batch, &key.column)?))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Rows {
            dense: DictionaryIndex::of(&texts, batch.num_rows()),
            keys: self,
            columns: texts.into_iter().map(Column::of).collect(),
        })
    }
}

impl Key {
    #[inline]
    fn number(&mut self, text: &str) -> u32 {
        match self.numbers.get(text) {
            Some(number) => *number,
            None => {
                let number = count(self.numbers.len());
                self.numbers.insert(text.into(), number);
                number
            }
        }
    }

    #[inline]
    fn join(&mut self, before: u32, number: u32) -> u32 {
        let both = (before, number);
        let place = &mut self.near[(before.wrapping_mul(31).wrapping_add(number)) as usize % NEAR];
        if place.0 != both {
            let new = count(self.joined.len());
            *place = (both, *self.joined.entry(both).or_insert(new));
        }
        place.1
    }

    fn is_full(&self) -> bool {
        self.numbers.len() >= KNOWN || self.joined.len() >= KNOWN
    }
}

fn count(known: usize) -> u32 {
    u32::try_from(known).expect("far fewer than 2^32 are known at once")
}

/// The rows of one batch, by their series.
pub(super) struct Rows<'a> {
    keys: &'a mut SeriesKeys,
    columns: Vec<Column<'a>>,
    dense: Option<DictionaryIndex>,
}

impl Rows<'_> {
    /// Puts the numbers of the series of the rows from `from` on into `numbers`: [`NULL`] where the metric is null.
    pub(super) fn read(&mut self, from: usize, numbers: &mut [u32]) {
        // Not in the middle of a chunk: the numbers read so far would be those of other series then.
        if self.keys.columns.iter().any(Key::is_full) {
            self.begin_anew();
        }
        numbers.fill(0);
        let Some(mut dense) = self.dense.take() else {
            return self.look_up(from, numbers);
        };
        dense.places(self.columns.iter().map(|column| &column.texts), from, numbers);
        for (row, number) in (from..).zip(numbers) {
            let known = &mut dense.series[*number as usize];
            // Where the metric is null, every row comes here.
            if *known == NULL {
                let mut new = [0];
                self.look_up(row, &mut new);
                [*known] = new;
            }
            *number = *known;
        }
        self.dense = Some(dense);
    }

    /// The same by content, column by column; `joined` are zeros.
    pub(super) fn look_up(&mut self, from: usize, joined: &mut [u32]) {
        for (key, column) in self.keys.columns.iter_mut().zip(&mut self.columns) {
            for (row, joined) in (from..).zip(&mut *joined) {
                let number = column.number(row, key);
                *joined = match number {
                    NULL if key.tag.is_none() => NULL,
                    _ if *joined == NULL => NULL,
                    _ => key.join(*joined, number),
                };
            }
        }
    }

    /// The series of a row's number and a column of values, if it is known.
    #[inline]
    pub(super) fn series(&self, number: u32, value: usize) -> Option<&Series> {
        self.keys.ready.get(self.place(number, value))
    }

    #[inline]
    fn place(&self, number: u32, value: usize) -> usize {
        number as usize * self.keys.values + value
    }

    /// Makes that series known, from `row`, whose number it is.
    #[cold]
    pub(super) fn render(
        &mut self,
        row: usize,
        number: u32,
        value: usize,
        metric: Option<&str>,
        client: &Client,
    ) -> &Series {
        let rendered = render(&self.keys.columns, &self.columns, row, metric, client);
        let place = self.place(number, value);
        self.keys.ready.add(place, rendered)
    }

    #[cfg(test)]
    pub(super) fn is_dense(&self) -> bool {
        self.dense.is_some()
    }

    /// Forgets what is known, when it has become too much.
    #[cold]
    fn begin_anew(&mut self) {
        for key in &mut self.keys.columns {
            key.numbers.clear();
            key.joined.clear();
            key.near.fill(NOWHERE);
        }
        self.keys.ready.clear();
        self.columns.iter_mut().for_each(Column::forget);
        self.dense.iter_mut().for_each(DictionaryIndex::forget);
    }
}

fn render(keys: &[Key], columns: &[Column<'_>], row: usize, metric: Option<&str>, client: &Client) -> Rendered {
    let mut of_column = None;
    let mut tags = Vec::new();
    for (key, column) in keys.iter().zip(columns) {
        match (&key.tag, column.texts.text(row)) {
            (Some(name), Some(value)) => tags.push((name.as_str(), value)),
            (None, text) => of_column = text,
            // A null tag is left out.
            (Some(_), None) => {}
        }
    }
    let mut text = SeriesText::new();
    client
        .render(
            client.instance(),
            &mut text,
            metric.or(of_column).unwrap_or_default(),
            tags,
        )
        .map_err(|error| (column_of(&error, keys), error))?;
    Ok(text)
}

/// Which column an error is about; `None` when it is about the line as a whole.
fn column_of(error: &InvalidPoint, keys: &[Key]) -> Option<String> {
    let is_it = |key: &&Key| match (error.field(), &key.tag) {
        (Field::TagValue(name), Some(tag)) => **name == **tag,
        (Field::Metric, None) => true,
        _ => false,
    };
    keys.iter().find(is_it).map(|key| key.column.clone())
}

/// A column of strings, and the numbers found for them.
struct Column<'a> {
    texts: Texts<'a>,
    /// Of plain strings, a row and its number: the next row often has the same string.
    last: Option<(usize, u32)>,
    /// Of a dictionary, by place; null where it was not looked up yet.
    numbers: Vec<u32>,
}

impl<'a> Column<'a> {
    fn of(texts: Texts<'a>) -> Column<'a> {
        let strings = match &texts {
            Texts::Plain(_) => 0,
            Texts::Dictionary(dictionary) => dictionary.len,
        };
        Column {
            texts,
            last: None,
            numbers: vec![NULL; strings],
        }
    }

    #[inline]
    fn number(&mut self, row: usize, key: &mut Key) -> u32 {
        match &self.texts {
            Texts::Plain(strings) => {
                let Some(text) = strings.get(row) else { return NULL };
                if let Some((last, number)) = self.last
                    && strings.get(last) == Some(text)
                {
                    return number;
                }
                let number = key.number(text);
                self.last = Some((row, number));
                number
            }
            Texts::Dictionary(dictionary) => {
                let Some(place) = dictionary.place(row) else {
                    return NULL;
                };
                let number = &mut self.numbers[place];
                if *number == NULL {
                    let Some(text) = dictionary.strings.get(place) else {
                        return NULL;
                    };
                    *number = key.number(text);
                }
                *number
            }
        }
    }

    fn forget(&mut self) {
        self.last = None;
        self.numbers.fill(NULL);
    }
}
