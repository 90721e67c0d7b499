//! Values and times as Python has them, to values and times as the wire has them.
//!
//! The law is potsdb 1.0.3's: a value is what `float()` takes, a time is what `int()` takes, and
//! what these refuse is raised as they raise it. Beyond it, whole numbers keep every digit, and
//! what no server could store is refused. Called by `send`, with the interpreter lock held.

use potsdb::{Timestamp, Value};
use pyo3::prelude::*;
use pyo3::types::{PyFloat, PyInt};

use crate::errors::{self, Refusal};

/// A point's value and its time, if it was given one.
#[inline]
pub(crate) fn point(
    given: &Bound<'_, PyAny>,
    time: Option<&Bound<'_, PyAny>>,
) -> Result<(Value, Option<Timestamp>), Refusal> {
    if let Some(value) = plain(given) {
        match time {
            None => return Ok((value, None)),
            Some(time) => {
                if let Some(time) = plain_time(time) {
                    return Ok((value, Some(time)));
                }
            }
        }
    }
    // Both are converted before either is refused: what float() and int() raise comes first.
    let value = match value(given) {
        Err(Refusal::Raised(error)) => return Err(Refusal::Raised(error)),
        outcome => outcome,
    };
    let time = time.map(timestamp).transpose()?;
    Ok((value?, time))
}

/// The value of a point, where it is exactly a float or an int that needs no second look: no Python code runs.
#[inline]
pub(crate) fn plain(given: &Bound<'_, PyAny>) -> Option<Value> {
    if given.is_exact_instance_of::<PyFloat>() {
        return Value::try_from(given.extract::<f64>().ok()?).ok();
    }
    if given.is_exact_instance_of::<PyInt>() {
        return given.extract::<i64>().ok().map(Value::from);
    }
    None
}

/// The time of a point, where it is exactly an int and legal.
#[inline]
pub(crate) fn plain_time(given: &Bound<'_, PyAny>) -> Option<Timestamp> {
    if given.is_exact_instance_of::<PyInt>() {
        return Timestamp::from_number(given.extract::<i64>().ok()?).ok();
    }
    None
}

/// The value of a point.
#[cold]
fn value(given: &Bound<'_, PyAny>) -> Result<Value, Refusal> {
    match plain(given) {
        Some(value) => Ok(value),
        None => other_value(given),
    }
}

/// Everything else: whatever `float()` makes of it, unless a whole number would lose digits.
fn other_value(given: &Bound<'_, PyAny>) -> Result<Value, Refusal> {
    let py = given.py();
    let number: f64 = py.get_type::<PyFloat>().call1((given,))?.extract()?;
    if number.abs() >= EXACT && number.is_finite() && given.hasattr("__index__")? {
        let whole = given.call_method0("__index__")?;
        return match whole.extract::<i64>() {
            Ok(number) => Ok(Value::from(number)),
            Err(_) => Err(Refusal::Invalid(format!(
                "value {} is illegal: whole numbers go from -9223372036854775808 to 9223372036854775807",
                shortened(&whole)
            ))),
        };
    }
    decimal(given, number)
}

fn decimal(given: &Bound<'_, PyAny>, number: f64) -> Result<Value, Refusal> {
    Value::try_from(number).map_err(|error| {
        let py = given.py();
        // potsdb 1.0.3 raised for both, of two types; who catches either goes on catching it.
        Refusal::Raised(if number.is_infinite() {
            errors::invalid_overflow(py, error.to_string())
        } else {
            errors::invalid_point(py, error.to_string())
        })
    })
}

/// The time of a point: seconds (10 digits) or milliseconds (13 digits).
fn timestamp(given: &Bound<'_, PyAny>) -> Result<Timestamp, Refusal> {
    let whole = if given.is_exact_instance_of::<PyInt>() {
        given.clone()
    } else {
        given.py().get_type::<PyInt>().call1((given,))?
    };
    match whole.extract::<i64>() {
        Ok(number) => Timestamp::from_number(number).map_err(|error| Refusal::Invalid(error.to_string())),
        Err(_) => Err(Refusal::Invalid(format!(
            "timestamp {} is illegal: seconds of 10 digits or milliseconds of 13",
            shortened(&whole)
        ))),
    }
}

/// A number too long for i64 may be too long for a message, too.
fn shortened(whole: &Bound<'_, PyAny>) -> String {
    // str() of an int refuses above sys.set_int_max_str_digits().
    let Ok(text) = whole.str() else {
        return "of thousands of digits".to_owned();
    };
    let text = text.to_string_lossy().into_owned();
    if text.len() <= 40 {
        text
    } else {
        format!("{}... of {} digits", &text[..20], text.trim_start_matches('-').len())
    }
}

/// From here on a float may not hold the whole number it was made from.
const EXACT: f64 = 9_007_199_254_740_992.0;
