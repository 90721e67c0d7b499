//! Columns of times, read where they lie, and cut to what a line has.

use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_array::types::{
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
};
use arrow_buffer::NullBuffer;
use arrow_schema::{DataType, TimeUnit};
use potsdb_wire::{InvalidPoint, Timestamp, Value};

use super::FrameError;
use super::column::{Numbers, put, wrong};

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
    pub(super) fn of(column: &str, array: &'a dyn Array, millis: bool) -> Result<Times<'a>, FrameError> {
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

    /// Puts the times of the rows from `from` on into `cells`; `None` where [`get`](Times::get) has none.
    pub(super) fn read(&self, from: usize, cells: &mut [Option<Timestamp>]) {
        match self {
            Times::Now(now) => cells.fill(now.as_ref().ok().copied()),
            Times::Numbers(Numbers::I64(array)) => {
                put(&array.values()[from..], array.nulls(), from, cells, |cell, number| {
                    *cell = whole(number);
                });
            }
            Times::Numbers(_) => {
                for (row, cell) in (from..).zip(cells) {
                    *cell = self.get(row).ok().flatten();
                }
            }
            Times::Instants {
                values,
                nulls,
                unit,
                millis,
            } => {
                use TimeUnit::{Microsecond, Millisecond, Nanosecond, Second};
                let (values, nulls, millis) = (&values[from..], *nulls, *millis);
                // Within each loop the unit is a constant, and so is what is divided by.
                match unit {
                    Second => put(values, nulls, from, cells, |cell, count| {
                        *cell = legal(count, Second, millis);
                    }),
                    Millisecond => put(values, nulls, from, cells, |cell, count| {
                        *cell = legal(count, Millisecond, millis);
                    }),
                    Microsecond => put(values, nulls, from, cells, |cell, count| {
                        *cell = legal(count, Microsecond, millis);
                    }),
                    Nanosecond => put(values, nulls, from, cells, |cell, count| {
                        *cell = legal(count, Nanosecond, millis);
                    }),
                }
            }
        }
    }

    /// The time of a row; `None` for null.
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

/// Cuts to the second or millisecond, downwards.
#[inline]
fn cut(count: i64, unit: TimeUnit, millis: bool) -> i64 {
    match (unit, millis) {
        (TimeUnit::Second, false) => count,
        (TimeUnit::Millisecond, false) => count.div_euclid(1_000),
        (TimeUnit::Microsecond, false) => count.div_euclid(1_000_000),
        (TimeUnit::Nanosecond, false) => count.div_euclid(1_000_000_000),
        (TimeUnit::Second, true) => count.saturating_mul(1_000),
        (TimeUnit::Millisecond, true) => count,
        (TimeUnit::Microsecond, true) => count.div_euclid(1_000),
        (TimeUnit::Nanosecond, true) => count.div_euclid(1_000_000),
    }
}

/// What is out of range is not worth the text of an error here.
#[inline]
fn whole(number: i64) -> Option<Timestamp> {
    let number = u64::try_from(number).ok()?;
    let legal = within(number, Timestamp::SECONDS) || within(number, Timestamp::MILLIS);
    if legal {
        Timestamp::from_number(number).ok()
    } else {
        None
    }
}

#[inline]
fn legal(count: i64, unit: TimeUnit, millis: bool) -> Option<Timestamp> {
    let number = u64::try_from(cut(count, unit, millis)).ok()?;
    match millis {
        false if within(number, Timestamp::SECONDS) => Timestamp::from_secs(number).ok(),
        true if within(number, Timestamp::MILLIS) => Timestamp::from_millis(number).ok(),
        _ => None,
    }
}

#[inline]
fn within(number: u64, (least, greatest): (u64, u64)) -> bool {
    (least..=greatest).contains(&number)
}

/// The same as `legal`, with what is out of range refused by what it would be.
fn instant(count: i64, unit: TimeUnit, millis: bool) -> Result<Timestamp, InvalidPoint> {
    let cut = cut(count, unit, millis);
    match u64::try_from(cut) {
        Ok(seconds) if !millis => Timestamp::from_secs(seconds),
        Ok(millis) => Timestamp::from_millis(millis),
        // Before 1970: no timestamp has a sign, and the rule says which are allowed.
        Err(_) => Timestamp::from_number(cut),
    }
}
