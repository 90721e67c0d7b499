//! A body's fields as Jackson reads them into Java's types, which is what OpenTSDB does: scalars of another type are
//! converted where that can be, structures are not, and nothing is taken for what is not there.
//!
//! ```text
//!             null    true    1       1.5       "1"             "true"   ""      [] {}
//! text        none    "true"  "1"     "1.5"     "1"             "true"   ""      -
//! flag        false   true    true    -         -               true     false   -
//! whole       0       -       1       1         1               -        0       -
//! ```
//!
//! A dash is a [`Mismatch`], which fails the whole body. Fields are set in the order in which they come, so that of a
//! name that comes twice, or of two that mean the same, the later one counts. Read by every question that has a body.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use potsdb_wire::json::{Json, Tolerance, parse_with};

use crate::answers::Complaint;

/// What cannot be converted, in a parser's words.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Mismatch(pub(crate) String);

impl From<Mismatch> for Complaint {
    fn from(Mismatch(words): Mismatch) -> Complaint {
        Complaint::unparsable(words)
    }
}

impl Mismatch {
    /// As it is complained of where OpenTSDB does not say that it could not parse it.
    pub(crate) fn bare(self) -> Complaint {
        Complaint::internal(self.0)
    }

    /// As it is complained of where many are written at once.
    pub(crate) fn twice(self) -> Complaint {
        Complaint::bad_twice(self.0)
    }
}

pub(crate) type Read<T> = Result<T, Mismatch>;

/// The body as JSON; `null` is what Java stumbles over, and `wrong` what is said of one that is none.
pub(crate) fn body(bytes: &[u8], wrong: impl Fn(Mismatch) -> Complaint) -> Result<Json<'_>, Complaint> {
    if bytes.is_empty() {
        let details = "Supply valid JSON formatted data in the body of your request";
        return Err(Complaint::bad("Missing message content").with(details));
    }
    match parse(bytes).map_err(wrong)? {
        Json::Null => Err(Complaint::null_pointer()),
        json => Ok(json),
    }
}

/// Bytes as JSON; what follows the value is not looked at.
pub(crate) fn parse(bytes: &[u8]) -> Read<Json<'_>> {
    let tolerance = Tolerance {
        non_numbers: true,
        trailing: true,
        lone_surrogates: true,
    };
    parse_with(bytes, tolerance)
        .map_err(|error| Mismatch(format!("com.fasterxml.jackson.core.JsonParseException: {error}")))
}

/// The fields of an object, in order; `class` is what it is to become.
pub(crate) fn object<'j, 'a>(json: &'j Json<'a>, class: &str) -> Read<&'j [(std::borrow::Cow<'a, str>, Json<'a>)]> {
    json.as_object().ok_or_else(|| mismatch(class, json))
}

pub(crate) fn text(json: &Json<'_>) -> Read<Option<String>> {
    Ok(Some(match json {
        Json::Null => return Ok(None),
        Json::Bool(bool) => bool.to_string(),
        Json::Number(digits) => (*digits).to_owned(),
        Json::String(text) => text.to_string(),
        Json::Array(_) | Json::Object(_) => return Err(mismatch("java.lang.String", json)),
    }))
}

pub(crate) fn flag(json: &Json<'_>) -> Read<bool> {
    match json {
        Json::Null => Ok(false),
        Json::Bool(bool) => Ok(*bool),
        // Any but zero is true.
        Json::Number(digits) if is_integer(digits) => Ok(digits.bytes().any(|byte| matches!(byte, b'1'..=b'9'))),
        Json::String(text) => match text.trim() {
            "true" | "True" => Ok(true),
            "false" | "False" | "null" | "" => Ok(false),
            other => Err(Mismatch(format!(
                "com.fasterxml.jackson.databind.exc.InvalidFormatException: Cannot deserialize value of type `boolean` from \
                 String \"{other}\": only \"true\" or \"false\" recognized"
            ))),
        },
        _ => Err(mismatch("boolean", json)),
    }
}

pub(crate) fn whole(json: &Json<'_>) -> Read<i64> {
    match json {
        Json::Null => Ok(0),
        Json::Number(digits) if is_integer(digits) => digits.parse().map_err(|_| out_of_range(digits)),
        Json::Number(digits) => {
            let float: f64 = digits.parse().map_err(|_| out_of_range(digits))?;
            // 2^63 is too large by one, but Java's comparison does not see that.
            if float.is_nan() || float.abs() > 9_223_372_036_854_775_808.0 {
                return Err(out_of_range(digits));
            }
            Ok(float as i64)
        }
        Json::String(text) => match text.trim() {
            "" | "null" => Ok(0),
            digits => digits.parse().map_err(|_| {
                Mismatch(format!(
                    "com.fasterxml.jackson.databind.exc.InvalidFormatException: Cannot deserialize value of type `long` from \
                     String \"{text}\": not a valid Long value"
                ))
            }),
        },
        _ => Err(mismatch("long", json)),
    }
}

/// A whole number of 32 bits.
pub(crate) fn int(json: &Json<'_>) -> Read<i32> {
    let long = whole(json).map_err(|Mismatch(words)| {
        // It has a name of its own in Java.
        Mismatch(words.replace("`long`", "`int`").replace("valid Long", "valid Integer"))
    })?;
    i32::try_from(long).map_err(|_| out_of_range(&long.to_string()))
}

/// A list; null is none.
pub(crate) fn list<T>(json: &Json<'_>, each: impl Fn(&Json<'_>) -> Read<T>) -> Read<Option<Vec<T>>> {
    match json {
        Json::Null => Ok(None),
        Json::Array(elements) => elements.iter().map(each).collect::<Read<_>>().map(Some),
        _ => Err(mismatch("java.util.ArrayList", json)),
    }
}

/// Names and texts, in order.
pub(crate) type Map = Vec<(String, Option<String>)>;

/// A map of texts, of a name that comes twice the last value; null is none.
pub(crate) fn map(json: &Json<'_>) -> Read<Option<Map>> {
    if *json == Json::Null {
        return Ok(None);
    }
    let mut read = Map::new();
    let mut places: HashMap<_, usize> = HashMap::new();
    for (name, value) in object(json, "java.util.LinkedHashMap")? {
        let value = text(value)?;
        match places.entry(name) {
            Entry::Occupied(place) => read[*place.get()].1 = value,
            Entry::Vacant(place) => {
                place.insert(read.len());
                read.push((name.to_string(), value));
            }
        }
    }
    Ok(Some(read))
}

fn is_integer(digits: &str) -> bool {
    digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-')
}

fn out_of_range(digits: &str) -> Mismatch {
    Mismatch(format!(
        "com.fasterxml.jackson.databind.JsonMappingException: Numeric value ({digits}) out of range of long \
         (-9223372036854775808 - 9223372036854775807)"
    ))
}

/// A field that a class has no place for; most pass over it, some do not.
pub(crate) fn unrecognized<T>(class: &str, name: &str) -> Read<T> {
    Err(Mismatch(format!(
        "com.fasterxml.jackson.databind.exc.UnrecognizedPropertyException: Unrecognized field \"{name}\" (class {class}), not \
         marked as ignorable"
    )))
}

pub(crate) fn mismatch(class: &str, json: &Json<'_>) -> Mismatch {
    let token = match json {
        Json::Null => "VALUE_NULL",
        Json::Bool(true) => "VALUE_TRUE",
        Json::Bool(false) => "VALUE_FALSE",
        Json::Number(digits) if is_integer(digits) => "VALUE_NUMBER_INT",
        Json::Number(_) => "VALUE_NUMBER_FLOAT",
        Json::String(_) => "VALUE_STRING",
        Json::Array(_) => "START_ARRAY",
        Json::Object(_) => "START_OBJECT",
    };
    Mismatch(format!(
        "com.fasterxml.jackson.databind.exc.MismatchedInputException: Cannot deserialize instance of `{class}` out of {token} \
         token"
    ))
}

#[cfg(test)]
mod tests {
    use potsdb_wire::json::parse;

    use super::*;

    /// What each reader makes of a value: its text, or a dash.
    fn row(json: &str) -> [String; 3] {
        let json = parse(json.as_bytes()).expect("JSON");
        let shown = |read: Read<String>| read.unwrap_or_else(|_| "-".into());
        [
            shown(text(&json).map(|text| text.unwrap_or_else(|| "none".into()))),
            shown(flag(&json).map(|flag| flag.to_string())),
            shown(whole(&json).map(|whole| whole.to_string())),
        ]
    }

    #[test]
    fn scalars_are_converted_as_jackson_converts_them() {
        let cases = [
            ("null", ["none", "false", "0"]),
            ("true", ["true", "true", "-"]),
            ("1", ["1", "true", "1"]),
            ("0", ["0", "false", "0"]),
            ("1.5", ["1.5", "-", "1"]),
            ("1e30", ["1e30", "-", "-"]),
            ("\"1\"", ["1", "-", "1"]),
            ("\"True\"", ["True", "true", "-"]),
            ("\"\"", ["", "false", "0"]),
            ("\"yes\"", ["yes", "-", "-"]),
            ("[]", ["-", "-", "-"]),
            ("{}", ["-", "-", "-"]),
        ];
        for (json, expected) in cases {
            assert_eq!(row(json), expected, "{json}");
        }
    }

    #[test]
    fn of_a_name_that_comes_twice_in_a_map_the_last_value_counts() {
        let json = parse(br#"{"a":1,"b":null,"a":true}"#).expect("JSON");
        let expected = vec![("a".to_owned(), Some("true".to_owned())), ("b".to_owned(), None)];
        assert_eq!(map(&json), Ok(Some(expected)));
        assert!(map(&Json::Array(Vec::new())).is_err());
    }
}
