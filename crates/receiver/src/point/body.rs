//! The body of `POST /api/put`: read as OpenTSDB 2.4.1 reads it, stored point by point, answered as it answers.
//!
//! ```text
//! flags     all accepted                                 one or more refused (the others are stored all the same)
//! none      204                                          400 "One or more data points had errors"
//! summary   200 {"success":3,"failed":0}                 400 {"success":2,"failed":1}
//! details   200 {"success":3,"failed":0,"errors":[]}     400 {"success":2,"failed":1,"errors":[{"datapoint":..,"error":..}]}
//! ```
//!
//! What is dropped behind the server is a failure only with `sync`, and then the status is 200 if that is all; without it
//! nobody is told. One object or an array of them. A value may be a number or a string; its text is kept as it came. A field of an
//! impossible type fails the whole body, before anything is stored. `personality/opentsdb_http.rs` calls this.

use std::borrow::Cow;
use std::collections::HashMap;

use potsdb_wire::json::{Json, Tolerance, parse_with, write_string};

use crate::point::put::{Put, Refusal, Tags, last_of_each};
use crate::point::sink::{Offered, Points};

/// What the URL asks to be told.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Flags {
    pub(crate) summary: bool,
    pub(crate) details: bool,
    pub(crate) sync: bool,
    pub(crate) timeouts: bool,
}

/// What to answer.
#[derive(Debug)]
pub(crate) enum Answer {
    /// 204, without a body.
    Nothing,
    /// 200 or 400, with this body.
    Counted { accepted: bool, body: Vec<u8> },
    /// 400, with the usual error body: message and details.
    Error(&'static str, Option<String>),
}

/// Stores a body's points; `throttled` is what is said of one that a fault drops.
pub(crate) fn put(body: &[u8], flags: Flags, to: &dyn Points, throttled: &str) -> Answer {
    let json = match read(body) {
        Ok(json) => json,
        Err((message, details)) => return Answer::Error(message, details),
    };
    let points: Option<Vec<Option<Point<'_>>>> = match &json {
        Json::Array(elements) => elements.iter().map(Point::read).collect(),
        object => Point::read(object).map(|point| vec![point]),
    };
    let Some(points) = points else {
        return Answer::Error(UNPARSABLE, None);
    };
    if points.is_empty() {
        return Answer::Error("No datapoints found in content", None);
    }
    let (mut errors, mut dropped) = (Vec::new(), 0);
    let mut taking = to.open();
    for point in &points {
        let Some(point) = point else {
            let reason = "Unexpected null datapoint encountered in set.";
            taking.refused("null", reason);
            errors.push((None, reason.to_owned()));
            continue;
        };
        let put = match point.put() {
            Ok(put) => put,
            Err(reason) => {
                taking.refused(&point.text(), &reason);
                errors.push((Some(point), reason));
                continue;
            }
        };
        if let Err(refusal) = taking.check(&put) {
            let reason = reason(refusal);
            taking.refused(&put.line_text(), &reason);
            errors.push((Some(point), reason));
            continue;
        }
        if taking.offer(&put.trimmed()) == Offered::Throttled && flags.sync {
            dropped += 1;
            errors.push((Some(point), format!("Storage exception: {throttled}")));
        }
    }
    drop(taking);
    answer(points.len(), &errors, errors.len() == dropped, flags)
}

const UNPARSABLE: &str = "Unable to parse the given JSON";

fn read(body: &[u8]) -> Result<Json<'_>, (&'static str, Option<String>)> {
    let start = body
        .iter()
        .find(|byte| !byte.is_ascii_whitespace())
        .ok_or(("Missing request content", None))?;
    if !matches!(start, b'{' | b'[') {
        return Err(("The JSON must start as an object or an array", None));
    }
    parse_with(
        body,
        Tolerance {
            non_numbers: true,
            trailing: true,
        },
    )
    .map_err(|error| {
        let details = format!("com.fasterxml.jackson.databind.JsonMappingException: {error}");
        (UNPARSABLE, Some(details))
    })
}

fn reason(refusal: Refusal) -> String {
    match refusal {
        Refusal::InvalidValue(_) => "Unable to parse value to a number".into(),
        Refusal::UnknownMetric(_) => "Unknown metric".into(),
        Refusal::IllegalArgument(text) => text,
    }
}

/// One data point of a body, its fields as they came; nothing where a field is missing or null.
struct Point<'a> {
    metric: Option<Cow<'a, str>>,
    timestamp: i64,
    value: Option<Cow<'a, str>>,
    tags: Option<Vec<Tag<'a>>>,
}

/// A tag's name, and its value unless that is null.
type Tag<'a> = (&'a str, Option<Cow<'a, str>>);

impl<'a> Point<'a> {
    /// `None`: a type that cannot be, which fails the body. `Some(None)`: a null in the array, which fails itself.
    fn read(json: &'a Json<'a>) -> Option<Option<Point<'a>>> {
        if *json == Json::Null {
            return Some(None);
        }
        json.as_object()?;
        let timestamp = match json.field("timestamp") {
            None | Some(Json::Null) => 0,
            Some(Json::Number(text)) => whole(text)?,
            // Jackson takes an empty string for no number.
            Some(Json::String(text)) if text.is_empty() => 0,
            Some(Json::String(text)) => whole(text)?,
            Some(_) => return None,
        };
        let tags = match json.field("tags") {
            None | Some(Json::Null) => None,
            Some(tags) => {
                let mut read: Vec<Tag<'_>> = Vec::new();
                for (name, value) in tags.as_object()? {
                    read.push((name, text(value)?));
                }
                Some(last_of_each(read))
            }
        };
        let metric = json.field("metric").map_or(Some(None), text)?;
        let value = json.field("value").map_or(Some(None), text)?;
        Some(Some(Point {
            metric,
            timestamp,
            value,
            tags,
        }))
    }

    /// The put it stands for, or the reason why it stands for none.
    fn put(&self) -> Result<Put<'_>, String> {
        let metric = self
            .metric
            .as_deref()
            .filter(|metric| !metric.is_empty())
            .ok_or("Metric name was empty")?;
        if self.timestamp <= 0 {
            return Err("Invalid timestamp".into());
        }
        let value = self
            .value
            .as_deref()
            .filter(|value| !value.is_empty())
            .ok_or("Empty value")?;
        let tags = self
            .tags
            .as_deref()
            .filter(|tags| !tags.is_empty())
            .ok_or("Missing tags")?;
        let tags = tags.iter().map(|(name, value)| match value {
            Some(value) => Ok((*name, value.as_ref())),
            None => Err(format!("Invalid tag value with key [{name}]: null")),
        });
        let tags = Tags(tags.collect::<Result<_, _>>()?);
        Ok(Put {
            metric,
            timestamp: self.timestamp,
            value,
            tags,
        })
    }

    /// The point as it came, as a text.
    fn text(&self) -> String {
        let mut out = Vec::new();
        self.write(&mut out);
        String::from_utf8_lossy(&out).into_owned()
    }

    /// The point as it came, without what it lacks.
    fn write(&self, out: &mut Vec<u8>) {
        out.push(b'{');
        if let Some(metric) = &self.metric {
            field("metric", Some(metric), out);
            out.push(b',');
        }
        out.extend_from_slice(format!("\"timestamp\":{}", self.timestamp).as_bytes());
        if let Some(value) = &self.value {
            out.push(b',');
            field("value", Some(value), out);
        }
        if let Some(tags) = &self.tags {
            out.extend_from_slice(b",\"tags\":{");
            let values: HashMap<&str, Option<&str>> =
                tags.iter().map(|(name, value)| (*name, value.as_deref())).collect();
            let order = Tags(tags.iter().map(|(name, _)| (*name, "")).collect()).java_order();
            for (index, (name, _)) in order.into_iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                field(name, values.get(name).copied().flatten(), out);
            }
            out.push(b'}');
        }
        out.push(b'}');
    }
}

/// `"name":"text"`, or `"name":null`.
fn field(name: &str, text: Option<&str>, out: &mut Vec<u8>) {
    write_string(name, out);
    out.push(b':');
    match text {
        Some(text) => write_string(text, out),
        None => out.extend_from_slice(b"null"),
    }
}

/// A scalar as text, numbers digit by digit; `None` for an object or an array.
fn text<'a>(json: &'a Json<'_>) -> Option<Option<Cow<'a, str>>> {
    match json {
        Json::Null => Some(None),
        Json::Bool(bool) => Some(Some(Cow::Borrowed(if *bool { "true" } else { "false" }))),
        Json::Number(text) => Some(Some(Cow::Borrowed(*text))),
        Json::String(text) => Some(Some(Cow::Borrowed(text.as_ref()))),
        Json::Array(_) | Json::Object(_) => None,
    }
}

/// A whole number; the fraction of one that is not is cut off.
fn whole(text: &str) -> Option<i64> {
    text.trim().parse().ok().or_else(|| {
        text.trim()
            .parse::<f64>()
            .ok()
            .filter(|n| n.is_finite())
            .map(|n| n as i64)
    })
}

fn answer(points: usize, errors: &[(Option<&Point<'_>>, String)], accepted: bool, flags: Flags) -> Answer {
    if !flags.details && !flags.summary {
        return match errors.is_empty() {
            true => Answer::Nothing,
            false => Answer::Error("One or more data points had errors", Some(SEE_DETAILS.to_owned())),
        };
    }
    let timeouts = if flags.timeouts { "\"timeouts\":0," } else { "" };
    let mut body = format!(
        "{{\"success\":{},{timeouts}\"failed\":{}",
        points - errors.len(),
        errors.len()
    )
    .into_bytes();
    if flags.details {
        body.extend_from_slice(b",\"errors\":[");
        for (index, (point, reason)) in errors.iter().enumerate() {
            if index > 0 {
                body.push(b',');
            }
            body.extend_from_slice(b"{\"datapoint\":");
            match point {
                Some(point) => point.write(&mut body),
                None => body.extend_from_slice(b"null"),
            }
            body.extend_from_slice(b",\"error\":");
            write_string(reason, &mut body);
            body.push(b'}');
        }
        body.push(b']');
    }
    body.push(b'}');
    Answer::Counted { accepted, body }
}

const SEE_DETAILS: &str = "Please see the TSD logs or append \"details\" to the put request";
