//! What the body of an answer to `/api/put` says, if it is JSON that speaks of points.
//!
//! ```text
//! {"success":8,"failed":1,"errors":[{"error":"Unknown metric","datapoint":{"metric":"m",...}}]}    counts
//! {"error":{"code":400,"message":"Unable to parse the given JSON","trace":"..."}}                  OpenTSDB's error
//! {"error":"Invalid OpenTSDB Json request: ..."}  {"code":500,"message":"..."}                     another's words
//! ```
//!
//! Read in one pass that keeps counts, errors and words, and no tree: a server decides what it answers, and a tree takes
//! twenty times the memory of its text. What it all means beside the status is `put.rs`'s part.

use std::borrow::Cow;

use crate::json::{Json, JsonError, Reader, Tolerance};

use super::put::PointError;

#[derive(Debug, Default)]
pub(super) struct Body<'a> {
    /// How many points were taken, if the body says so in a number.
    success: Option<u64>,
    failed: Count,
    timeouts: Count,
    /// The points that are named with what is wrong with them.
    pub(super) errors: Vec<PointError<'a>>,
    /// The message of an error.
    pub(super) message: Option<Cow<'a, str>>,
    /// It is the object in which OpenTSDB words its errors.
    pub(super) is_opentsdb_error: bool,
}

/// A count, which servers name in more than one way.
#[derive(Clone, Copy, Debug, Default)]
enum Count {
    #[default]
    Untold,
    Told(u64),
    /// It is there, and no number that counts.
    Unclear,
}

/// Points that were not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Counts {
    /// All of them.
    pub(super) failed: u64,
    /// Those of which the server does not know whether they will be.
    pub(super) timeouts: u64,
}

impl<'a> Body<'a> {
    /// Reads a body; `None` if it is no JSON object.
    pub(super) fn read(body: &'a [u8]) -> Option<Self> {
        let mut reader = Reader::new(body, Tolerance::default()).ok()?;
        if !reader.is_object() {
            return None;
        }
        let mut read = Self::default();
        reader.fields(|reader, name| read.field(reader, &name)).ok()?;
        reader.end().ok()?;
        Some(read)
    }

    /// Returns the points that were not taken, if the body counts them.
    ///
    /// To say that none failed takes both counts: some other service's `{"failed":0}` is no word about points.
    pub(super) fn counts(&self) -> Option<Counts> {
        let Count::Told(failed) = self.failed else { return None };
        let timeouts = match self.timeouts {
            Count::Unclear => return None,
            Count::Untold => 0,
            Count::Told(count) => count,
        };
        let timed_out = self.errors.iter().filter(|error| error.is_write_timeout()).count();
        // A point that is named was not taken, whatever the counts say.
        let failed = failed.saturating_add(timeouts).max(self.errors.len() as u64);
        let counts = Counts {
            failed,
            timeouts: timeouts.max(timed_out as u64),
        };
        (failed > 0 || self.success.is_some()).then_some(counts)
    }

    fn field(&mut self, reader: &mut Reader<'a>, name: &str) -> Result<(), JsonError> {
        match name {
            "success" | "succ" => self.success = count(&reader.scalar()?),
            // A server that says both has twice as much to say.
            "failed" | "fail" => self.failed.add(count(&reader.scalar()?)),
            "timeouts" => self.timeouts.add(count(&reader.scalar()?)),
            "errors" => {
                let errors = &mut self.errors;
                reader.elements(|reader| {
                    errors.extend(error(reader)?);
                    Ok(())
                })?;
            }
            "error" if reader.is_object() => self.error_object(reader)?,
            "error" | "message" => {
                if let Json::String(words) = reader.scalar()? {
                    self.message = Some(words);
                }
            }
            _ => reader.skip_value()?,
        }
        Ok(())
    }

    /// Reads `{"code":400,"message":"...","details":"...","trace":"..."}`. One with other fields is not OpenTSDB's.
    fn error_object(&mut self, reader: &mut Reader<'a>) -> Result<(), JsonError> {
        let (mut code, mut other, mut message) = (false, false, None);
        reader.fields(|reader, name| {
            match (&*name, reader.scalar()?) {
                ("code", Json::Number(_)) => code = true,
                ("message", Json::String(words)) => message = Some(words),
                ("details" | "trace", Json::String(_)) => {}
                _ => other = true,
            }
            Ok(())
        })?;
        self.is_opentsdb_error = code && message.is_some() && !other;
        self.message = message.or(self.message.take());
        Ok(())
    }
}

impl Count {
    fn add(&mut self, count: Option<u64>) {
        *self = match (*self, count) {
            (Self::Unclear, _) | (_, None) => Self::Unclear,
            (Self::Untold, Some(count)) => Self::Told(count),
            (Self::Told(before), Some(count)) => Self::Told(before.saturating_add(count)),
        };
    }
}

/// Reads a count. Half a point that failed has failed; less than none is nonsense.
fn count(json: &Json<'_>) -> Option<u64> {
    let text = json.as_number()?;
    text.parse().ok().or_else(|| {
        let number: f64 = text.parse().ok()?;
        // The conversion ends at the greatest count there is.
        (number >= 0.0).then_some(number.ceil() as u64)
    })
}

/// Reads `{"error":"Unknown metric","datapoint":{...}}`; `None` if it is not of that shape.
fn error<'a>(reader: &mut Reader<'a>) -> Result<Option<PointError<'a>>, JsonError> {
    let (mut words, mut point) = (None, None);
    reader.fields(|reader, name| {
        match &*name {
            "error" => {
                words = match reader.scalar()? {
                    Json::String(text) => Some(text),
                    _ => None,
                }
            }
            "datapoint" => point = Some(datapoint(reader)?),
            _ => reader.skip_value()?,
        }
        Ok(())
    })?;
    Ok(words.zip(point).map(|(words, point)| PointError::new(words, point)))
}

/// A point as an answer repeats it; of `null` and the like nothing is there.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(super) struct Told<'a> {
    pub(super) metric: Option<Cow<'a, str>>,
    pub(super) timestamp: Option<Json<'a>>,
    pub(super) value: Option<Json<'a>>,
    pub(super) tags: Vec<(Cow<'a, str>, Json<'a>)>,
}

fn datapoint<'a>(reader: &mut Reader<'a>) -> Result<Told<'a>, JsonError> {
    let mut told = Told::default();
    reader.fields(|reader, name| {
        match &*name {
            "metric" => {
                told.metric = match reader.scalar()? {
                    Json::String(metric) => Some(metric),
                    _ => None,
                }
            }
            "timestamp" => told.timestamp = Some(reader.scalar()?),
            "value" => told.value = Some(reader.scalar()?),
            "tags" => {
                let tags = &mut told.tags;
                tags.clear();
                reader.fields(|reader, name| {
                    tags.push((name, reader.scalar()?));
                    Ok(())
                })?;
            }
            _ => reader.skip_value()?,
        }
        Ok(())
    })?;
    Ok(told)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(body: &str) -> Option<(u64, u64)> {
        let counts = Body::read(body.as_bytes())?.counts()?;
        Some((counts.failed, counts.timeouts))
    }

    #[test]
    fn counts_are_read_under_every_name() {
        for (body, failed_and_timeouts) in [
            (r#"{"success":3,"failed":0}"#, Some((0, 0))),
            (r#"{"success":3,"failed":2,"timeouts":1}"#, Some((3, 1))),
            (r#"{"succ":3,"fail":1}"#, Some((1, 0))),
            (r#"{"failed":1,"errors":[]}"#, Some((1, 0))),
            (r#"{"failed":1,"fail":2}"#, Some((3, 0))),
            // A count that is no count.
            (r#"{"success":3,"failed":0.0}"#, Some((0, 0))),
            (r#"{"success":3,"failed":-0}"#, Some((0, 0))),
            (r#"{"success":3,"failed":0.5}"#, Some((1, 0))),
            (r#"{"success":3,"failed":1e0}"#, Some((1, 0))),
            (r#"{"success":3,"failed":-1}"#, None),
            (r#"{"success":3,"failed":"0"}"#, None),
            (r#"{"success":3,"failed":null}"#, None),
            (r#"{"success":3,"failed":[0]}"#, None),
            (r#"{"success":3,"failed":0,"timeouts":-1}"#, None),
            (r#"{"success":3,"failed":0,"fail":false}"#, None),
            // The greatest there is, and one more.
            (r#"{"failed":18446744073709551615,"timeouts":1}"#, Some((u64::MAX, 1))),
            (r#"{"failed":18446744073709551616,"fail":9}"#, Some((u64::MAX, 0))),
            (r#"{"failed":1e999}"#, Some((u64::MAX, 0))),
            // Nothing about points.
            (r#"{"failed":0}"#, None),
            (r#"{"success":true,"failed":0}"#, None),
            (r#"{"success":3}"#, None),
            (r#"{"status":{"success":3,"failed":0}}"#, None),
            ("{}", None),
        ] {
            assert_eq!(counts(body), failed_and_timeouts, "{body}");
        }
        for body in [
            "",
            "null",
            "[]",
            "3",
            "<html>",
            r#"{"success":3,"failed":0} x"#,
            r#"{"success":3,"failed":0"#,
        ] {
            assert!(Body::read(body.as_bytes()).is_none(), "{body}");
        }
    }

    #[test]
    fn a_named_point_has_failed_whatever_the_counts_say() {
        let error = r#"{"error":"Write timedout","datapoint":{}}"#;
        let body = format!(r#"{{"success":3,"failed":0,"errors":[{error},{error}]}}"#);
        assert_eq!(counts(&body), Some((2, 2)));
    }

    #[test]
    fn errors_of_another_shape_are_unnamed() {
        let body = r#"{"failed":9,"errors":[7,[],{},{"error":"x"},{"datapoint":{}},{"error":7,"datapoint":{}},{"error":"x","datapoint":null}]}"#;
        assert_eq!(Body::read(body.as_bytes()).unwrap().errors.len(), 1);
    }

    #[test]
    fn opentsdbs_error_is_told_from_others() {
        let is_opentsdbs = |body: &str| Body::read(body.as_bytes()).unwrap().is_opentsdb_error;
        assert!(is_opentsdbs(r#"{"error":{"code":400,"message":"x"}}"#));
        assert!(is_opentsdbs(
            r#"{"error":{"code":400,"message":"x","details":"y","trace":"z"}}"#
        ));
        for body in [
            r#"{"error":{"code":400,"message":"API key not valid","status":"INVALID_ARGUMENT"}}"#,
            r#"{"error":{"code":"400","message":"x"}}"#,
            r#"{"error":{"message":"x"}}"#,
            r#"{"error":{"code":400}}"#,
            r#"{"error":"x"}"#,
            r#"{"code":400,"message":"x"}"#,
        ] {
            assert!(!is_opentsdbs(body), "{body}");
        }
    }

    #[test]
    fn a_body_of_nothing_but_values_costs_no_memory() {
        let body = format!(
            r#"{{"x":[{}0],"success":1,"failed":0}}"#,
            "[[0],{\"a\":0}],".repeat(10_000)
        );
        assert_eq!(counts(&body), Some((0, 0)));
        let body = format!(r#"{{"failed":2,"errors":[{}0]}}"#, "{\"x\":[0,0]},".repeat(10_000));
        let read = Body::read(body.as_bytes()).unwrap();
        assert_eq!((read.errors.len(), read.errors.capacity()), (0, 0));
    }
}
