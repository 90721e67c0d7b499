//! Columns of strings, in any of the layouts Arrow has for them.

use arrow_array::cast::AsArray;
use arrow_array::types::{Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type, UInt64Type};
use arrow_array::{Array, LargeStringArray, StringArray, StringViewArray};
use arrow_buffer::{ArrowNativeType, NullBuffer};
use arrow_schema::DataType;

use super::FrameError;
use super::column::wrong;

/// Strings, each where its row is; or each once, and their places in the rows.
pub(super) enum Texts<'a> {
    Plain(Strings<'a>),
    Dictionary(Dictionary<'a>),
}

pub(super) struct Dictionary<'a> {
    codes: Codes<'a>,
    nulls: Option<&'a NullBuffer>,
    pub(super) strings: Strings<'a>,
    /// How many strings there are.
    pub(super) len: usize,
}

impl<'a> Texts<'a> {
    pub(super) fn of(column: &str, array: &'a dyn Array) -> Result<Texts<'a>, FrameError> {
        let Some(dictionary) = array.as_any_dictionary_opt() else {
            return Strings::of(column, array).map(Texts::Plain);
        };
        let strings = dictionary.values();
        Ok(Texts::Dictionary(Dictionary {
            codes: Codes::of(dictionary.keys()),
            nulls: array.nulls().filter(|nulls| nulls.null_count() > 0),
            strings: Strings::of(column, strings.as_ref())?,
            len: strings.len(),
        }))
    }

    /// The string of a row; `None` for null.
    pub(super) fn text(&self, row: usize) -> Option<&'a str> {
        match self {
            Texts::Plain(strings) => strings.get(row),
            Texts::Dictionary(dictionary) => dictionary.strings.get(dictionary.place(row)?),
        }
    }
}

impl Dictionary<'_> {
    /// Where the string of a row is; `None` for null. What is there may be null, too.
    #[inline]
    pub(super) fn place(&self, row: usize) -> Option<usize> {
        if self.len == 0 || self.nulls.is_some_and(|nulls| nulls.is_null(row)) {
            return None;
        }
        Some(self.codes.place(row, self.len - 1))
    }

    /// Adds to each of `sums`, the first of which is the row `from`'s, the place of the row's string times `stride`. Null is
    /// the place behind the last.
    pub(super) fn add_places(&self, from: usize, stride: u32, sums: &mut [u32]) {
        if self.len > 0 && self.nulls.is_none() {
            return self.codes.add_places(from, self.len as u32 - 1, stride, sums);
        }
        for (row, sum) in (from..).zip(sums) {
            *sum += self.place(row).unwrap_or(self.len) as u32 * stride;
        }
    }
}

/// A dictionary's numbers: in which of its places each row's string is.
enum Codes<'a> {
    I8(&'a [i8]),
    I16(&'a [i16]),
    I32(&'a [i32]),
    I64(&'a [i64]),
    U8(&'a [u8]),
    U16(&'a [u16]),
    U32(&'a [u32]),
    U64(&'a [u64]),
}

impl<'a> Codes<'a> {
    fn of(keys: &'a dyn Array) -> Codes<'a> {
        match keys.data_type() {
            DataType::Int8 => Codes::I8(keys.as_primitive::<Int8Type>().values()),
            DataType::Int16 => Codes::I16(keys.as_primitive::<Int16Type>().values()),
            DataType::Int32 => Codes::I32(keys.as_primitive::<Int32Type>().values()),
            DataType::Int64 => Codes::I64(keys.as_primitive::<Int64Type>().values()),
            DataType::UInt8 => Codes::U8(keys.as_primitive::<UInt8Type>().values()),
            DataType::UInt16 => Codes::U16(keys.as_primitive::<UInt16Type>().values()),
            DataType::UInt32 => Codes::U32(keys.as_primitive::<UInt32Type>().values()),
            DataType::UInt64 => Codes::U64(keys.as_primitive::<UInt64Type>().values()),
            other => unreachable!("Arrow's dictionaries have integers as keys, not {other}"),
        }
    }

    /// The place of a row's string. Beyond `last` there is none, whatever a producer says.
    #[inline]
    fn place(&self, row: usize, last: usize) -> usize {
        each!(self, codes => codes[row].as_usize()).min(last)
    }

    fn add_places(&self, from: usize, last: u32, stride: u32, sums: &mut [u32]) {
        fn add(codes: &[impl ArrowNativeType], last: u32, stride: u32, sums: &mut [u32]) {
            for (sum, code) in sums.iter_mut().zip(codes) {
                *sum += (code.as_usize() as u32).min(last) * stride;
            }
        }
        each!(self, codes => add(&codes[from..], last, stride, sums));
    }
}

/// Does the same with the numbers of whichever type.
macro_rules! each {
    ($codes:expr, $numbers:ident => $do:expr) => {
        match $codes {
            Codes::I8($numbers) => $do,
            Codes::I16($numbers) => $do,
            Codes::I32($numbers) => $do,
            Codes::I64($numbers) => $do,
            Codes::U8($numbers) => $do,
            Codes::U16($numbers) => $do,
            Codes::U32($numbers) => $do,
            Codes::U64($numbers) => $do,
        }
    };
}
use each;

/// Strings one behind the other.
pub(super) enum Strings<'a> {
    Small(&'a StringArray),
    Large(&'a LargeStringArray),
    View(&'a StringViewArray),
    Nulls,
}

impl<'a> Strings<'a> {
    fn of(column: &str, array: &'a dyn Array) -> Result<Strings<'a>, FrameError> {
        Ok(match array.data_type() {
            DataType::Utf8 => Strings::Small(array.as_string()),
            DataType::LargeUtf8 => Strings::Large(array.as_string()),
            DataType::Utf8View => Strings::View(array.as_string_view()),
            DataType::Null => Strings::Nulls,
            found => return Err(wrong(column, found, "strings, plain or in a dictionary,")),
        })
    }

    #[inline]
    pub(super) fn get(&self, index: usize) -> Option<&'a str> {
        match self {
            Strings::Small(array) => array.is_valid(index).then(|| array.value(index)),
            Strings::Large(array) => array.is_valid(index).then(|| array.value(index)),
            Strings::View(array) => array.is_valid(index).then(|| array.value(index)),
            Strings::Nulls => None,
        }
    }
}
