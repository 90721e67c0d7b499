//! Columns of values and of times, read where they lie.
//!
//! An Arrow array is a run of numbers and a run of bits that says which are null. Which kind of number it is, is decided
//! once per batch; the branch in [`Numbers::get`] goes the same way for each row of it.

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, TimestampMicrosecondType,
    TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType, UInt8Type, UInt16Type, UInt32Type,
    UInt64Type,
};
use arrow_array::{Array, PrimitiveArray};
use arrow_buffer::NullBuffer;
use arrow_schema::{DataType, TimeUnit};
use potsdb_wire::{InvalidPoint, Timestamp, Value};

use super::BatchError;

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
    pub(super) fn of(column: &str, array: &'a dyn Array) -> Result<Numbers<'a>, BatchError> {
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

    /// The value of a row; `None` for null and for NaN.
    #[inline]
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

/// A column of times, or the time of the call.
pub(super) enum Times<'a> {
    Now(Result<Timestamp, InvalidPoint>),
    /// Whole numbers: seconds of 10 digits, milliseconds of 13.
    Numbers(Numbers<'a>),
    Instants {
        values: &'a [i64],
        nulls: Option<&'a NullBuffer>,
        unit: TimeUnit,
        millis: bool,
    },
}

impl<'a> Times<'a> {
    pub(super) fn of(column: &str, array: &'a dyn Array, millis: bool) -> Result<Times<'a>, BatchError> {
        const NEEDED: &str = "timestamps, or integers of 10 or 13 digits,";
        let values: &[i64] = match array.data_type() {
            // Instants are counted from 1970 in UTC, whichever zone they are shown in.
            DataType::Timestamp(TimeUnit::Second, _) => array.as_primitive::<TimestampSecondType>().values(),
            DataType::Timestamp(TimeUnit::Millisecond, _) => array.as_primitive::<TimestampMillisecondType>().values(),
            DataType::Timestamp(TimeUnit::Microsecond, _) => array.as_primitive::<TimestampMicrosecondType>().values(),
            DataType::Timestamp(TimeUnit::Nanosecond, _) => array.as_primitive::<TimestampNanosecondType>().values(),
            kind if kind.is_integer() || *kind == DataType::Null => {
                return Numbers::of(column, array).map(Times::Numbers);
            }
            found => return Err(wrong(column, found, NEEDED)),
        };
        let DataType::Timestamp(unit, _) = array.data_type() else {
            return Err(wrong(column, array.data_type(), NEEDED));
        };
        Ok(Times::Instants {
            values,
            nulls: array.nulls(),
            unit: *unit,
            millis,
        })
    }

    /// The time of a row; `None` for null.
    #[inline]
    pub(super) fn get(&self, row: usize) -> Result<Option<Timestamp>, InvalidPoint> {
        match self {
            Times::Now(now) => now.clone().map(Some),
            Times::Numbers(numbers) => match numbers.get(row)?.and_then(Value::as_i64) {
                Some(number) => Timestamp::from_number(number).map(Some),
                None => Ok(None),
            },
            Times::Instants { nulls: Some(nulls), .. } if nulls.is_null(row) => Ok(None),
            Times::Instants {
                values, unit, millis, ..
            } => instant(values[row], *unit, *millis).map(Some),
        }
    }
}

/// Cuts to the second or millisecond, downwards. What is out of range is refused by what it would be.
#[inline]
fn instant(count: i64, unit: TimeUnit, millis: bool) -> Result<Timestamp, InvalidPoint> {
    let cut = match (unit, millis) {
        (TimeUnit::Second, false) => count,
        (TimeUnit::Millisecond, false) => count.div_euclid(1_000),
        (TimeUnit::Microsecond, false) => count.div_euclid(1_000_000),
        (TimeUnit::Nanosecond, false) => count.div_euclid(1_000_000_000),
        (TimeUnit::Second, true) => count.saturating_mul(1_000),
        (TimeUnit::Millisecond, true) => count,
        (TimeUnit::Microsecond, true) => count.div_euclid(1_000),
        (TimeUnit::Nanosecond, true) => count.div_euclid(1_000_000),
    };
    match u64::try_from(cut) {
        Ok(seconds) if !millis => Timestamp::from_secs(seconds),
        Ok(millis) => Timestamp::from_millis(millis),
        // Before 1970: no timestamp has a sign, and the rule says which are allowed.
        Err(_) => Timestamp::from_number(cut),
    }
}

pub(super) fn wrong(column: &str, found: &DataType, needed: &'static str) -> BatchError {
    BatchError::Type {
        column: column.to_owned(),
        found: found.to_string(),
        needed,
    }
}
