//! Rows to series: strings become numbers, and a row's numbers one number.
//!
//! ```text
//! path  "/login" -> 0   "/home" -> 1          (0, 0) -> 0   (0, 1) -> 1        the number of the row's series
//! dc    "eu"     -> 0   "us"    -> 1          (1, 0) -> 2
//! ```
//!
//! A dictionary's strings are looked up once per batch. Of plain strings each row's is looked up by content, unless it is the
//! row before's. What is known is bounded: a table of ever new strings makes the page of known ones begin anew.

use arrow_array::cast::AsArray;
use arrow_array::{Array, LargeStringArray, RecordBatch, StringArray, StringViewArray};
use arrow_buffer::NullBuffer;
use arrow_schema::DataType;
use hashbrown::HashMap;
use potsdb_wire::{Field, InvalidPoint, SeriesText};

use super::column::wrong;
use super::{BatchError, Columns, Rendered, find};
use crate::client::Client;

/// Strings of one column, and series, that are known at once.
pub(super) const KNOWN: usize = 1 << 16;

/// The number of a null.
const NULL: u32 = u32::MAX;

/// What is known of the columns that make series.
pub(super) struct Keys {
    columns: Vec<Key>,
    /// Rendered, by the number of the series and then by column of values.
    series: Vec<Option<Rendered>>,
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

impl Keys {
    pub(super) fn new(columns: &Columns) -> Keys {
        let metric = columns.metric.iter().map(|column| (column, None));
        let tags = columns.tags.iter().map(|(column, name)| (column, Some(name.clone())));
        let key = |(column, tag): (&String, Option<String>)| Key {
            column: column.clone(),
            tag,
            numbers: HashMap::new(),
            joined: HashMap::new(),
            near: vec![NOWHERE; NEAR],
        };
        Keys {
            columns: metric.chain(tags).map(key).collect(),
            series: Vec::new(),
            values: columns.values.len(),
        }
    }

    /// The rows of one batch.
    pub(super) fn rows<'a>(&'a mut self, batch: &'a RecordBatch) -> Result<Rows<'a>, BatchError> {
        let texts = self
            .columns
            .iter()
            .map(|key| Texts::of(&key.column, find(batch, &key.column)?))
            .collect::<Result<_, _>>()?;
        Ok(Rows { keys: self, texts })
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

/// What no row has: no number is that of a null and comes after one.
const NOWHERE: ((u32, u32), u32) = ((NULL, NULL), NULL);

fn count(known: usize) -> u32 {
    u32::try_from(known).expect("far fewer than 2^32 are known at once")
}

/// The rows of one batch, by their series.
pub(super) struct Rows<'a> {
    keys: &'a mut Keys,
    texts: Vec<Texts<'a>>,
}

impl Rows<'_> {
    /// The number of a row's series; `None` where the metric is null.
    #[inline]
    pub(super) fn key(&mut self, row: usize) -> Option<usize> {
        if self.keys.columns.iter().any(Key::is_full) {
            self.begin_anew();
        }
        let mut joined = 0;
        for (key, texts) in self.keys.columns.iter_mut().zip(&mut self.texts) {
            let number = texts.number(row, key);
            if number == NULL && key.tag.is_none() {
                return None;
            }
            joined = key.join(joined, number);
        }
        Some(joined as usize)
    }

    /// The series of `row`, whose number is `key`, and a column of values: rendered when it is first asked for.
    #[inline]
    pub(super) fn series(
        &mut self,
        row: usize,
        key: usize,
        value: usize,
        metric: Option<&str>,
        client: &Client,
    ) -> &Rendered {
        let place = key * self.keys.values + value;
        if self.keys.series.get(place).is_none_or(Option::is_none) {
            if self.keys.series.len() <= place {
                self.keys.series.resize(place + 1, None);
            }
            self.keys.series[place] = Some(self.render(row, metric, client));
        }
        self.keys.series[place].as_ref().expect("it was rendered just now")
    }

    #[cold]
    fn render(&self, row: usize, metric: Option<&str>, client: &Client) -> Rendered {
        let columns = || self.keys.columns.iter().zip(&self.texts);
        let mut of_column = None;
        let mut tags = Vec::new();
        for (key, texts) in columns() {
            match (&key.tag, texts.text(row)) {
                (Some(name), Some(value)) => tags.push((name.as_str(), value)),
                (None, text) => of_column = text,
                // A null tag is left out.
                (Some(_), None) => {}
            }
        }
        let mut text = SeriesText::new();
        client
            .render(&mut text, metric.or(of_column).unwrap_or_default(), tags)
            .map_err(|error| (self.column_of(&error), error))?;
        Ok(text)
    }

    /// Which column an error is about; `None` when it is about the line as a whole.
    fn column_of(&self, error: &InvalidPoint) -> Option<String> {
        let is_it = |key: &&Key| match (error.field(), &key.tag) {
            (Field::TagValue(name), Some(tag)) => **name == **tag,
            (Field::Metric, None) => true,
            _ => false,
        };
        let key = self.keys.columns.iter().find(is_it);
        key.map(|key| key.column.clone())
    }

    /// Forgets what is known, when it has become too much.
    #[cold]
    fn begin_anew(&mut self) {
        for key in &mut self.keys.columns {
            key.numbers.clear();
            key.joined.clear();
            key.near.fill(NOWHERE);
        }
        self.keys.series.clear();
        self.texts.iter_mut().for_each(Texts::forget);
    }
}

/// A column of strings, and the numbers found for them.
enum Texts<'a> {
    Plain {
        strings: Strings<'a>,
        /// A row and its number: the next row often has the same string.
        last: Option<(usize, u32)>,
    },
    Dictionary {
        keys: Vec<usize>,
        nulls: Option<NullBuffer>,
        strings: Strings<'a>,
        /// By key; null where it was not looked up yet.
        numbers: Vec<u32>,
    },
}

impl<'a> Texts<'a> {
    fn of(column: &str, array: &'a dyn Array) -> Result<Texts<'a>, BatchError> {
        let Some(dictionary) = array.as_any_dictionary_opt() else {
            let strings = Strings::of(column, array)?;
            return Ok(Texts::Plain { strings, last: None });
        };
        let values = dictionary.values();
        let strings = Strings::of(column, values.as_ref())?;
        let nulls = array.logical_nulls();
        // Keys of nulls are whatever they are, also where there is no string to have one.
        let keys = match values.is_empty() {
            true => vec![0; array.len()],
            false => dictionary.normalized_keys(),
        };
        Ok(Texts::Dictionary {
            keys,
            nulls,
            strings,
            numbers: vec![NULL; values.len()],
        })
    }

    #[inline]
    fn number(&mut self, row: usize, key: &mut Key) -> u32 {
        match self {
            Texts::Plain { strings, last } => {
                let Some(text) = strings.get(row) else { return NULL };
                if let Some((last, number)) = *last
                    && strings.get(last) == Some(text)
                {
                    return number;
                }
                let number = key.number(text);
                *last = Some((row, number));
                number
            }
            Texts::Dictionary {
                keys,
                nulls,
                strings,
                numbers,
            } => {
                if nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
                    return NULL;
                }
                let place = keys[row];
                if numbers[place] == NULL {
                    let Some(text) = strings.get(place) else { return NULL };
                    numbers[place] = key.number(text);
                }
                numbers[place]
            }
        }
    }

    fn text(&self, row: usize) -> Option<&str> {
        match self {
            Texts::Plain { strings, .. } => strings.get(row),
            Texts::Dictionary { nulls, .. } if nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) => None,
            Texts::Dictionary { keys, strings, .. } => strings.get(keys[row]),
        }
    }

    fn forget(&mut self) {
        match self {
            Texts::Plain { last, .. } => *last = None,
            Texts::Dictionary { numbers, .. } => numbers.fill(NULL),
        }
    }
}

/// Strings in any of the layouts Arrow has for them.
enum Strings<'a> {
    Small(&'a StringArray),
    Large(&'a LargeStringArray),
    View(&'a StringViewArray),
    Nulls,
}

impl<'a> Strings<'a> {
    fn of(column: &str, array: &'a dyn Array) -> Result<Strings<'a>, BatchError> {
        Ok(match array.data_type() {
            DataType::Utf8 => Strings::Small(array.as_string()),
            DataType::LargeUtf8 => Strings::Large(array.as_string()),
            DataType::Utf8View => Strings::View(array.as_string_view()),
            DataType::Null => Strings::Nulls,
            found => return Err(wrong(column, found, "strings, plain or in a dictionary,")),
        })
    }

    #[inline]
    fn get(&self, index: usize) -> Option<&'a str> {
        match self {
            Strings::Small(array) => array.is_valid(index).then(|| array.value(index)),
            Strings::Large(array) => array.is_valid(index).then(|| array.value(index)),
            Strings::View(array) => array.is_valid(index).then(|| array.value(index)),
            Strings::Nulls => None,
        }
    }
}
