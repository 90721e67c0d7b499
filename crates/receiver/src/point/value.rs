//! A value as tests compare it: integers stay exact, and `3` equals `3.0`.

use std::fmt::{self, Display, Formatter};

use crate::point::number::Number;

/// A value, or a sum of values.
#[derive(Clone, Copy, Debug)]
pub enum Value {
    /// What has no fraction and no exponent.
    Integer(i64),
    /// Everything else, and sums beyond 64 bits.
    Float(f64),
}

impl Value {
    /// Reads a stored value's text, of whichever server.
    pub(crate) fn of(text: &str) -> Value {
        match Number::parse(text) {
            Ok(Number::Integer(integer)) => Value::Integer(integer),
            Ok(Number::Float(float)) => Value::Float(float),
            Err(_) => Value::Float(text.parse().unwrap_or(f64::NAN)),
        }
    }

    /// As a float; integers beyond 2^53 lose their last digits.
    #[must_use]
    pub fn as_f64(self) -> f64 {
        match self {
            Value::Integer(integer) => integer as f64,
            Value::Float(float) => float,
        }
    }

    pub(crate) fn plus(self, other: Value) -> Value {
        self.with(other, i64::checked_add, |a, b| a + b)
    }

    pub(crate) fn minus(self, other: Value) -> Value {
        self.with(other, i64::checked_sub, |a, b| a - b)
    }

    fn with(self, other: Value, integers: fn(i64, i64) -> Option<i64>, floats: fn(f64, f64) -> f64) -> Value {
        if let (Value::Integer(a), Value::Integer(b)) = (self, other)
            && let Some(exact) = integers(a, b)
        {
            return Value::Integer(exact);
        }
        Value::Float(floats(self.as_f64(), other.as_f64()))
    }

    /// Whether it is as good as equal: floats that were added up in another order may differ in their last digits.
    pub(crate) fn is_about(self, other: Value) -> bool {
        let (a, b) = (self.as_f64(), other.as_f64());
        self == other || (self.is_float() || other.is_float()) && (a - b).abs() <= 1e-9 * a.abs().max(b.abs())
    }

    fn is_float(self) -> bool {
        matches!(self, Value::Float(_))
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Value) -> bool {
        match (self, other) {
            (Value::Integer(a), Value::Integer(b)) => a == b,
            _ => self.as_f64() == other.as_f64(),
        }
    }
}

impl PartialEq<i32> for Value {
    fn eq(&self, other: &i32) -> bool {
        *self == Value::from(*other)
    }
}

impl PartialEq<i64> for Value {
    fn eq(&self, other: &i64) -> bool {
        *self == Value::Integer(*other)
    }
}

impl PartialEq<f64> for Value {
    fn eq(&self, other: &f64) -> bool {
        self.as_f64() == *other
    }
}

impl From<Value> for Number {
    fn from(value: Value) -> Number {
        match value {
            Value::Integer(integer) => Number::Integer(integer),
            Value::Float(float) => Number::Float(float),
        }
    }
}

impl From<i32> for Value {
    fn from(integer: i32) -> Value {
        Value::Integer(i64::from(integer))
    }
}

impl From<i64> for Value {
    fn from(integer: i64) -> Value {
        Value::Integer(integer)
    }
}

impl From<f64> for Value {
    fn from(float: f64) -> Value {
        Value::Float(float)
    }
}

impl Display for Value {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Value::Integer(integer) => write!(f, "{integer}"),
            Value::Float(float) => write!(f, "{float:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Value;

    #[test]
    fn integers_stay_exact_and_equal_floats_of_the_same_value() {
        let largest = Value::of("9007199254740993");
        assert_eq!(largest.plus(Value::Integer(0)), 9_007_199_254_740_993_i64);
        assert_eq!(Value::of("3"), 3.0);
        assert_eq!(Value::of("3.0"), 3);
        assert_eq!(
            Value::Integer(i64::MAX).plus(Value::Integer(1)),
            9_223_372_036_854_775_808.0
        );
        assert_eq!(Value::of("+1e3"), 1000);
    }

    #[test]
    fn sums_of_floats_need_not_be_equal_to_the_last_digit() {
        let sum = Value::Float(0.1).plus(Value::Float(0.2));
        assert!(sum != Value::Float(0.3) && sum.is_about(Value::Float(0.3)));
        assert!(!Value::Float(0.3).is_about(Value::Float(0.300_001)));
        assert!(!Value::Integer(1_000_000_000_000).is_about(Value::Integer(1_000_000_000_001)));
        assert!(!Value::Float(f64::NAN).is_about(Value::Float(f64::NAN)));
    }
}
