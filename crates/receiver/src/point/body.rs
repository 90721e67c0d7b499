//! The body of `POST /api/put`: read as OpenTSDB 2.4.1 reads it, stored point by point, answered as it answers.
//!
//! ```text
//! flags     all accepted                                 one or more refused (the others are stored all the same)
//! none      204                                          400 "One or more data points had errors"
//! summary   200 {"success":3,"failed":0}                 400 {"success":2,"failed":1}
//! details   200 {"success":3,"failed":0,"errors":[]}     400 {"success":2,"failed":1,"errors":[{"datapoint":..,"error":..}]}
//! ```
//!
//! What is dropped behind the server is a failure only with `sync`, and then the status is 200 if that is all; without
//! it nobody is told. One object or an array of them. A value may be a number or a string; its text is kept as it came.
//! A field of an impossible type fails the whole body, before anything is stored. `personality/opentsdb_http.rs` calls
//! this.

use std::borrow::Cow;
use std::collections::HashMap;

use potsdb_wire::json::{Json, Tolerance, parse_with, write_string};

use crate::answers::Complaint;
use crate::fields::{self, Read};
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
    /// The usual error body.
    Error(Complaint),
}

/// Stores a body's points; `throttled` is what is said of one that a fault drops.
pub(crate) fn put(body: &[u8], flags: Flags, to: &dyn Points, throttled: &str) -> Answer {
    let json = match read(body) {
        Ok(json) => json,
        Err(complaint) => return Answer::Error(complaint),
    };
    let points: Read<Vec<Option<Point<'_>>>> = match &json {
        Json::Array(elements) => elements.iter().map(Point::read).collect(),
        object => Point::read(object).map(|point| vec![point]),
    };
    let points = match points {
        Ok(points) if points.is_empty() => return Answer::Error(Complaint::bad("No datapoints found in content")),
        Ok(points) => points,
        Err(mismatch) => return Answer::Error(mismatch.into()),
    };
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

fn read(body: &[u8]) -> Result<Json<'_>, Complaint> {
    if body.is_empty() {
        return Err(Complaint::bad("Missing request content"));
    }
    let start = body.iter().find(|byte| !byte.is_ascii_whitespace());
    // It looks at the first character without asking whether there is one.
    let start = start.ok_or_else(|| Complaint::internal("String index out of range: 0"))?;
    if !matches!(start, b'{' | b'[') {
        return Err(Complaint::bad("The JSON must start as an object or an array"));
    }
    parse_with(
        body,
        Tolerance {
            non_numbers: true,
            trailing: true,
            lone_surrogates: true,
        },
    )
    .map_err(|error| Complaint::unparsable(format!("com.fasterxml.jackson.databind.JsonMappingException: {error}")))
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
    /// A mismatch fails the body; nothing is a null in the array, which fails itself.
    fn read(json: &'a Json<'a>) -> Read<Option<Point<'a>>> {
        if *json == Json::Null {
            return Ok(None);
        }
        fields::object(json, "net.opentsdb.core.IncomingDataPoint")?;
        let field = |name| json.field(name).unwrap_or(&Json::Null);
        let tags = match field("tags") {
            Json::Null => None,
            tags => {
                let mut read: Vec<Tag<'_>> = Vec::new();
                for (name, value) in fields::object(tags, "java.util.HashMap")? {
                    read.push((name, text(value)?));
                }
                Some(last_of_each(read))
            }
        };
        Ok(Some(Point {
            metric: text(field("metric"))?,
            timestamp: fields::whole(field("timestamp"))?,
            value: text(field("value"))?,
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

/// A scalar as text, numbers digit by digit; not copied, since a body has many.
fn text<'a>(json: &'a Json<'_>) -> Read<Option<Cow<'a, str>>> {
    Ok(Some(Cow::Borrowed(match json {
        Json::Null => return Ok(None),
        Json::Bool(true) => "true",
        Json::Bool(false) => "false",
        Json::Number(text) => text,
        Json::String(text) => text.as_ref(),
        Json::Array(_) | Json::Object(_) => return Err(fields::mismatch("java.lang.String", json)),
    })))
}

fn answer(points: usize, errors: &[(Option<&Point<'_>>, String)], accepted: bool, flags: Flags) -> Answer {
    if !flags.details && !flags.summary {
        return match errors.is_empty() {
            true => Answer::Nothing,
            false => Answer::Error(Complaint::bad("One or more data points had errors").with(SEE_DETAILS)),
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
