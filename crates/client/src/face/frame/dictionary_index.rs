//! Series by the places of a row's strings, where there are few: an index instead of a look-up.
//!
//! ```text
//! path  0 "/login"  1 "/home"  2 null          place = path * 3 + dc       series  [0, 1, -, 2, -, -, -, -, -]
//! dc    0 "eu"      1 "us"     2 null
//! ```
//!
//! The table is of one batch: another's dictionary may have other strings, or the same in other places. It is filled from what
//! `series_keys.rs` knows by content, when a combination is first met, so it changes what a row costs and nothing else.

use super::number::NULL;
use super::strings::Texts;

pub(super) struct DictionaryIndex {
    strides: Vec<u32>,
    /// The number of the series, by place; null where it was not looked up yet.
    pub(super) series: Vec<u32>,
}

/// A table larger than this falls out of the processor's cache, and hashing is as fast.
const MOST: usize = 1 << 16;

/// A table no larger than this is worth while for the shortest batch.
const LITTLE: usize = 1 << 8;

impl DictionaryIndex {
    /// A table for a batch of so many rows, if all columns are dictionaries and it is worth while.
    pub(super) fn of(columns: &[Texts<'_>], rows: usize) -> Option<DictionaryIndex> {
        let mut places = 1_usize;
        let mut strides = Vec::with_capacity(columns.len());
        for column in columns {
            let Texts::Dictionary(dictionary) = column else {
                return None;
            };
            strides.push(places as u32);
            // The last place is null's.
            places = places
                .checked_mul(dictionary.len + 1)
                .filter(|&places| places <= MOST)?;
        }
        // No more places to clear than there are rows to be quick about.
        (places <= rows.max(LITTLE)).then(|| DictionaryIndex {
            strides,
            series: vec![NULL; places],
        })
    }

    /// Puts the places of the rows from `from` on into `places`, which are zeros.
    pub(super) fn places<'a>(&self, columns: impl Iterator<Item = &'a Texts<'a>>, from: usize, places: &mut [u32]) {
        for (column, stride) in columns.zip(&self.strides) {
            if let Texts::Dictionary(dictionary) = column {
                dictionary.add_places(from, *stride, places);
            }
        }
    }

    pub(super) fn forget(&mut self) {
        self.series.fill(NULL);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::types::{Int8Type, UInt16Type};
    use arrow_array::{ArrayRef, DictionaryArray, PrimitiveArray, RecordBatch, StringArray};

    use super::super::Columns;
    use super::super::series_keys::SeriesKeys;

    /// Whichever way is taken, rows of one series have one number, and those of another have others.
    #[test]
    fn an_index_finds_what_content_does() {
        let rows = 0..500_usize;
        let paths = StringArray::from(vec![Some("/a"), None, Some("/b"), Some("/c")]);
        let path =
            PrimitiveArray::<Int8Type>::from_iter(rows.clone().map(|n| (n % 5 > 0).then_some((n * 7 % 4) as i8)));
        let dc = PrimitiveArray::<UInt16Type>::from_iter_values(rows.clone().map(|n| (n * n % 3) as u16));
        let dcs = StringArray::from(vec!["eu", "us", "ap"]);
        let columns: [(&str, ArrayRef); 2] = [
            ("path", Arc::new(DictionaryArray::new(path, Arc::new(paths)))),
            ("dc", Arc::new(DictionaryArray::new(dc, Arc::new(dcs)))),
        ];
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        for columns in [
            Columns::new().value("v", "m").tag("path").tag("dc"),
            Columns::new().value_of("v", "path").tag("dc"),
        ] {
            let mut keys = SeriesKeys::new(&columns);
            let mut table = keys.rows(&batch).unwrap();
            assert!(table.is_dense());
            let (mut found, mut expected) = ([0; 500], [0; 500]);
            table.look_up(0, &mut expected);
            for from in rows.clone().step_by(100) {
                table.read(from, &mut found[from..from + 100]);
            }
            assert_eq!(found, expected);
        }
    }
}
