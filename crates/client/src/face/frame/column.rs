//! Columns of values, read where they lie.
//!
//! An Arrow array is a run of numbers and a run of bits that says which are null. Chunks of rows are read by loops that know
//! which kind of number it is. They leave out whatever is no value and do not ask why: that is [`Numbers::get`]'s to say, for
//! the few rows it is wanted of. `times.rs` does the same.

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, PrimitiveArray};
use arrow_buffer::NullBuffer;
use arrow_schema::DataType;
use potsdb_wire::{InvalidPoint, Value};

use super::FrameError;
use super::value_text::ValueText;

/// A column of values.
pub(super) enum Numbers<'a> {
    I8(&'a PrimitiveArray<Int8Type>),
    I16(&'a PrimitiveArray<Int16Type>),
    I32(&'a PrimitiveArray<Int32Type>),
    I64(&'a PrimitiveArray<Int64Type>),
    U8(&'a PrimitiveArray<UInt8Type>),
    U16(&'a PrimitiveArray<UInt16Type>),
    U32(&'a PrimitiveArray<UInt32Type>),
    U64(&'a PrimitiveArray<UInt64Type>),
    F32(&'a PrimitiveArray<Float32Type>),
    F64(&'a PrimitiveArray<Float64Type>),
    /// A column of nothing but nulls has no other type.
    Nulls,
}

impl<'a> Numbers<'a> {
    pub(super) fn of(column: &str, array: &'a dyn Array) -> Result<Numbers<'a>, FrameError> {
        Ok(match array.data_type() {
            DataType::Int8 => Numbers::I8(array.as_primitive()),
            DataType::Int16 => Numbers::I16(array.as_primitive()),
            DataType::Int32 => Numbers::I32(array.as_primitive()),
            DataType::Int64 => Numbers::I64(array.as_primitive()),
            DataType::UInt8 => Numbers::U8(array.as_primitive()),
            DataType::UInt16 => Numbers::U16(array.as_primitive()),
            DataType::UInt32 => Numbers::U32(array.as_primitive()),
            DataType::UInt64 => Numbers::U64(array.as_primitive()),
            DataType::Float32 => Numbers::F32(array.as_primitive()),
            DataType::Float64 => Numbers::F64(array.as_primitive()),
            DataType::Null => Numbers::Nulls,
            found => return Err(wrong(column, found, "integers or floats")),
        })
    }

    /// Puts the texts of the values of the rows from `from` on into `cells`; none where [`get`](Numbers::get) has none.
    pub(super) fn read(&self, from: usize, cells: &mut [ValueText]) {
        macro_rules! each {
            ($array:expr, $value:expr) => {
                put(
                    &$array.values()[from..],
                    $array.nulls(),
                    from,
                    cells,
                    |cell, number| cell.set($value(number)),
                )
            };
        }
        match self {
            Numbers::I8(array) => each!(array, |number| Some(Value::from(number))),
            Numbers::I16(array) => each!(array, |number| Some(Value::from(number))),
            Numbers::I32(array) => each!(array, |number| Some(Value::from(number))),
            Numbers::I64(array) => each!(array, |number| Some(Value::from(number))),
            Numbers::U8(array) => each!(array, |number| Some(Value::from(number))),
            Numbers::U16(array) => each!(array, |number| Some(Value::from(number))),
            Numbers::U32(array) => each!(array, |number| Some(Value::from(number))),
            Numbers::U64(array) => each!(array, |number| i64::try_from(number).ok().map(Value::from)),
            Numbers::F32(array) => each!(array, |float| finite(f64::from(float))),
            Numbers::F64(array) => each!(array, finite),
            Numbers::Nulls => cells.fill(ValueText::default()),
        }
    }

    /// The value of a row; `None` for null and for NaN.
    pub(super) fn get(&self, row: usize) -> Result<Option<Value>, InvalidPoint> {
        macro_rules! whole {
            ($array:expr) => {
                if $array.is_null(row) {
                    Ok(None)
                } else {
                    Ok(Some(Value::from($array.value(row))))
                }
            };
        }
        let float = match self {
            Numbers::I8(array) => return whole!(array),
            Numbers::I16(array) => return whole!(array),
            Numbers::I32(array) => return whole!(array),
            Numbers::I64(array) => return whole!(array),
            Numbers::U8(array) => return whole!(array),
            Numbers::U16(array) => return whole!(array),
            Numbers::U32(array) => return whole!(array),
            Numbers::U64(array) if array.is_null(row) => return Ok(None),
            Numbers::U64(array) => return Value::try_from(array.value(row)).map(Some),
            Numbers::F32(array) if array.is_null(row) => return Ok(None),
            Numbers::F32(array) => f64::from(array.value(row)),
            Numbers::F64(array) if array.is_null(row) => return Ok(None),
            Numbers::F64(array) => array.value(row),
            Numbers::Nulls => return Ok(None),
        };
        if float.is_nan() {
            return Ok(None);
        }
        Value::try_from(float).map(Some)
    }
}

/// Puts what becomes of numbers into `cells`, and nothing where they are null.
#[inline]
pub(super) fn put<N: Copy, C: Default>(
    numbers: &[N],
    nulls: Option<&NullBuffer>,
    from: usize,
    cells: &mut [C],
    set: impl Fn(&mut C, N),
) {
    for (cell, number) in cells.iter_mut().zip(numbers) {
        set(cell, *number);
    }
    if let Some(nulls) = nulls.filter(|nulls| nulls.null_count() > 0) {
        for (row, cell) in (from..).zip(cells) {
            if nulls.is_null(row) {
                *cell = C::default();
            }
        }
    }
}

/// Asked first, for what is not finite has an error with a text in it.
#[inline]
fn finite(float: f64) -> Option<Value> {
    if float.is_finite() {
        Value::try_from(float).ok()
    } else {
        None
    }
}

pub(super) fn wrong(column: &str, found: &DataType, needed: &'static str) -> FrameError {
    FrameError::Type {
        column: column.to_owned(),
        found: found.to_string(),
        needed,
    }
}
