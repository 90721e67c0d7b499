//! The body of `/api/put`: one data point or an array of them, as lines, and what is wrong with the others.
//!
//! ```text
//! flags     all good                                     one of three is bad
//! none      204                                          400 {"error":{"code":400,"message":"One or more data points had errors"
//! summary   200 {"success":3,"failed":0}                 400 {"success":2,"failed":1}
//! details   200 {"success":3,"failed":0,"errors":[]}     400 {"success":2,"failed":1,"errors":[{"datapoint":..,"error":..}]}
//! ```
//!
//! As OpenTSDB has it, so that its clients find what they look for. A body is gone through once and no tree is made of it:
//! what it takes is its lines. A field of an impossible type fails the whole body, before anything of it is given to a store.

use std::borrow::Cow;

use potsdb_front::{JSON, Reply};
use potsdb_wire::json::{Json, JsonError, Reader, Tolerance, write_string};
use potsdb_wire::{Field, InvalidPoint, Rules, SeriesText, line};

/// What the URL asks to be told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Flags {
    pub(crate) summary: bool,
    pub(crate) details: bool,
    pub(crate) sync: bool,
}

/// A body that could be read.
#[derive(Debug, Default)]
pub(crate) struct Body {
    /// The good points, as canonical lines.
    pub(crate) lines: Vec<u8>,
    pub(crate) good: u64,
    pub(crate) bad: u64,
    /// Of each bad point what is said of it, as JSON, with a comma before it but for the first; only if it is asked for.
    details: Vec<u8>,
}

/// Why a body could not be read: what is said, and more about it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unreadable(pub(crate) &'static str, pub(crate) Option<String>);

/// The most points of a body.
pub(crate) const MOST_POINTS: u64 = 100_000;

/// Reads a body. `details` keeps what was wrong with each bad point.
pub(crate) fn read(body: &[u8], rules: &Rules, details: bool) -> Result<Body, Unreadable> {
    match body.trim_ascii_start().first() {
        None => return Err(Unreadable("Missing request content", None)),
        Some(b'{' | b'[') => {}
        Some(_) => return Err(Unreadable("The JSON must start as an object or an array", None)),
    }
    let tolerance = Tolerance {
        non_numbers: true,
        trailing: true,
        ..Tolerance::default()
    };
    let mut reading = Reading {
        rules,
        details,
        raw: Vec::new(),
        scratch: SeriesText::new(),
        body: Body::default(),
        is_impossible: false,
    };
    let read = Reader::new(body, tolerance).and_then(|mut reader| match reader.is_array() {
        true => reader.elements(|reader| reading.point(reader)),
        false => reading.point(&mut reader),
    });
    if reading.body.good + reading.body.bad > MOST_POINTS {
        let most = format!("more than {MOST_POINTS} data points in one body");
        return Err(Unreadable("Too many data points", Some(most)));
    }
    if let Err(error) = read {
        return Err(Unreadable("Unable to parse the given JSON", Some(error.to_string())));
    }
    if reading.is_impossible {
        return Err(Unreadable("Unable to parse the given JSON", None));
    }
    if reading.body.good + reading.body.bad == 0 {
        return Err(Unreadable("No datapoints found in content", None));
    }
    Ok(reading.body)
}

impl Body {
    /// The same without points that rules made illegal: which they were is not known any more.
    pub(crate) fn without(mut self, bad: &[InvalidPoint]) -> Body {
        for error in bad {
            self.good -= 1;
            self.bad += 1;
            error_entry(None, &error.to_string(), &mut self.details);
        }
        self
    }

    /// What is answered once its good points are safe.
    pub(crate) fn reply(&self, flags: Flags) -> Reply {
        let Body { good, bad, .. } = self;
        let status = if *bad == 0 { 200 } else { 400 };
        if !flags.details && !flags.summary {
            return match bad {
                0 => Reply::new(204, JSON, ""),
                _ => {
                    let see = "Please append \"details\" to the put request";
                    Reply::error_with(400, "One or more data points had errors", &[("details", see)])
                }
            };
        }
        let mut text = format!("{{\"success\":{good},\"failed\":{bad}").into_bytes();
        if flags.details {
            text.extend_from_slice(b",\"errors\":[");
            text.extend_from_slice(&self.details);
            text.push(b']');
        }
        text.push(b'}');
        Reply::new(status, JSON, text)
    }
}

struct Reading<'r> {
    rules: &'r Rules,
    details: bool,
    /// The point at hand, as a line nobody has checked yet.
    raw: Vec<u8>,
    scratch: SeriesText,
    body: Body,
    is_impossible: bool,
}

/// One data point, its fields as they came.
#[derive(Default)]
struct Point<'a> {
    metric: Option<Cow<'a, str>>,
    timestamp: Option<Cow<'a, str>>,
    value: Option<Cow<'a, str>>,
    tags: Vec<(Cow<'a, str>, Option<Cow<'a, str>>)>,
}

impl Reading<'_> {
    fn point(&mut self, reader: &mut Reader<'_>) -> Result<(), JsonError> {
        let mut point = Point::default();
        if !reader.is_object() {
            match reader.is_array() {
                true => self.is_impossible = true,
                false => self.bad(None, "Unexpected null datapoint encountered in set."),
            }
            return reader.skip_value();
        }
        reader.fields(|reader, name| {
            match &*name {
                "metric" => point.metric = self.text(reader)?,
                "timestamp" => point.timestamp = self.text(reader)?,
                "value" => point.value = self.text(reader)?,
                "tags" => self.tags(reader, &mut point)?,
                _ => reader.skip_value()?,
            }
            Ok(())
        })?;
        if self.body.good + self.body.bad > MOST_POINTS {
            // The rest is only looked at.
            self.body.bad += 1;
            return Ok(());
        }
        match self.line(&point) {
            Ok(()) => self.body.good += 1,
            Err(words) => self.bad(Some(&point), &words),
        }
        Ok(())
    }

    fn tags<'a>(&mut self, reader: &mut Reader<'a>, point: &mut Point<'a>) -> Result<(), JsonError> {
        self.is_impossible |= reader.is_array();
        reader.fields(|reader, name| {
            let value = self.text(reader)?;
            // The last of one name counts, as in every reader of JSON.
            match point.tags.iter_mut().find(|(known, _)| *known == name) {
                Some((_, before)) => *before = value,
                None => point.tags.push((name, value)),
            }
            Ok(())
        })
    }

    /// A scalar as text, numbers digit by digit.
    fn text<'a>(&mut self, reader: &mut Reader<'a>) -> Result<Option<Cow<'a, str>>, JsonError> {
        self.is_impossible |= reader.is_array() || reader.is_object();
        Ok(match reader.scalar()? {
            Json::Bool(true) => Some("true".into()),
            Json::Bool(false) => Some("false".into()),
            Json::Number(text) => Some(text.into()),
            Json::String(text) => Some(text),
            _ => None,
        })
    }

    /// Appends the line of a point, or says why there is none.
    fn line(&mut self, point: &Point<'_>) -> Result<(), Cow<'static, str>> {
        let given = |text: &Option<Cow<'_, str>>| text.as_deref().is_some_and(|text| !text.is_empty());
        for (is_given, words) in [
            (given(&point.metric), "Metric name was empty"),
            (given(&point.timestamp), "Invalid timestamp"),
            (given(&point.value), "Empty value"),
            (!point.tags.is_empty(), "Missing tags"),
        ] {
            if !is_given {
                return Err(words.into());
            }
        }
        self.raw.clear();
        self.raw.extend_from_slice(b"put");
        for part in [&point.metric, &point.timestamp, &point.value] {
            self.raw.push(b' ');
            self.part(part.as_deref().unwrap_or_default())?;
        }
        for (name, value) in &point.tags {
            let Some(value) = value else {
                return Err(format!("Invalid tag value with key [{name}]: null").into());
            };
            self.raw.push(b' ');
            self.part(name)?;
            self.raw.push(b'=');
            self.part(value)?;
        }
        let lines = &mut self.body.lines;
        line::canonical_with(&mut self.scratch, self.rules, &self.raw, lines).map_err(|error| reason(&error))
    }

    /// Appends a part of a line: with a blank in it, it would be two.
    fn part(&mut self, text: &str) -> Result<(), Cow<'static, str>> {
        if let Some(character) = text
            .chars()
            .find(|&character| character == ' ' || character.is_control())
        {
            return Err(format!("{character:?} in {text:?} is illegal").into());
        }
        self.raw.extend_from_slice(text.as_bytes());
        Ok(())
    }

    fn bad(&mut self, point: Option<&Point<'_>>, words: &str) {
        self.body.bad += 1;
        if !self.details {
            return;
        }
        error_entry(point, words, &mut self.body.details);
    }
}

/// Says what is wrong with a point, behind what is wrong with others.
fn error_entry(point: Option<&Point<'_>>, words: &str, out: &mut Vec<u8>) {
    if !out.is_empty() {
        out.push(b',');
    }
    out.extend_from_slice(b"{\"datapoint\":");
    match point {
        Some(point) => point.write(out),
        None => out.extend_from_slice(b"null"),
    }
    out.extend_from_slice(b",\"error\":");
    write_string(words, out);
    out.push(b'}');
}

fn reason(error: &InvalidPoint) -> Cow<'static, str> {
    match error.field() {
        Field::Value => "Unable to parse value to a number".into(),
        _ => error.to_string().into(),
    }
}

impl Point<'_> {
    /// Writes the point as it came, without what it lacks; a value is always a string, as OpenTSDB writes it.
    fn write(&self, out: &mut Vec<u8>) {
        out.push(b'{');
        for (name, text) in [("metric", &self.metric), ("value", &self.value)] {
            if let Some(text) = text {
                write_string(name, out);
                out.push(b':');
                write_string(text, out);
                out.push(b',');
            }
        }
        let timestamp: i64 = self
            .timestamp
            .as_deref()
            .and_then(|text| text.parse().ok())
            .unwrap_or(0);
        out.extend_from_slice(format!("\"timestamp\":{timestamp},\"tags\":{{").as_bytes());
        for (index, (name, value)) in self.tags.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            write_string(name, out);
            out.push(b':');
            match value {
                Some(value) => write_string(value, out),
                None => out.extend_from_slice(b"null"),
            }
        }
        out.extend_from_slice(b"}}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(body: &str) -> (String, u64, String) {
        let body = read(body.as_bytes(), &Rules::default(), true).expect("a body");
        assert_eq!(memchr::memchr_iter(b'\n', &body.lines).count() as u64, body.good);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (text(&body.lines), body.bad, text(&body.details))
    }

    #[test]
    fn points_become_lines_with_the_digits_they_came_with() {
        let (lines, bad, _) = lines(
            r#"[{"metric":"a","timestamp":1767225600,"value":5.0,"tags":{"h":"x"}},
                {"tags":{"h":"x","z":"1","h":"y"},"value":"12","timestamp":"1767225600123","metric":"b","more":[{}]}] x"#,
        );
        assert_eq!(lines, "put a 1767225600 5.0 h=x\nput b 1767225600123 12 h=y z=1\n");
        assert_eq!(bad, 0);
    }

    #[test]
    fn bad_points_are_named_and_good_ones_stay() {
        let good = r#"{"metric":"a","timestamp":1767225600,"value":1,"tags":{"h":"x"}}"#;
        for (point, words) in [
            ("null", "Unexpected null datapoint encountered in set."),
            (
                r#"{"timestamp":1767225600,"value":1,"tags":{"h":"x"}}"#,
                "Metric name was empty",
            ),
            (r#"{"metric":"a","value":1,"tags":{"h":"x"}}"#, "Invalid timestamp"),
            (
                r#"{"metric":"a","timestamp":1767225600,"value":"","tags":{"h":"x"}}"#,
                "Empty value",
            ),
            (r#"{"metric":"a","timestamp":1767225600,"value":1}"#, "Missing tags"),
            (
                r#"{"metric":"a","timestamp":1767225600,"value":NaN,"tags":{"h":"x"}}"#,
                "Unable to parse value to a number",
            ),
            (
                r#"{"metric":"a b","timestamp":1767225600,"value":1,"tags":{"h":"x"}}"#,
                "' ' in",
            ),
            (
                r#"{"metric":"a\nput b","timestamp":1767225600,"value":1,"tags":{"h":"x"}}"#,
                "is illegal",
            ),
            (
                r#"{"metric":"a","timestamp":1,"value":1,"tags":{"h":"x"}}"#,
                "timestamp: ",
            ),
            (
                r#"{"metric":"a","timestamp":1767225600,"value":1,"tags":{"h":null}}"#,
                "Invalid tag value with key [h]",
            ),
        ] {
            let (lines, bad, details) = lines(&format!("[{good},{point},{good}]"));
            assert_eq!((lines.lines().count(), bad), (2, 1), "{point}");
            assert!(details.contains(words), "{point}: {details}");
            let _ = potsdb_wire::json::parse(format!("[{details}]").as_bytes()).expect("JSON");
        }
    }

    #[test]
    fn what_is_no_body_is_refused_whole() {
        let unreadable = |body: &str| read(body.as_bytes(), &Rules::default(), true).expect_err(body).0;
        assert_eq!(unreadable(" "), "Missing request content");
        assert_eq!(unreadable("put a"), "The JSON must start as an object or an array");
        assert_eq!(unreadable("[]"), "No datapoints found in content");
        for impossible in [
            r#"[{"metric":["a"],"timestamp":1767225600,"value":1,"tags":{"h":"x"}}]"#,
            r#"[{"metric":"a","timestamp":1767225600,"value":{},"tags":{"h":"x"}}]"#,
            r#"[{"metric":"a","timestamp":1767225600,"value":1,"tags":["h"]}]"#,
            r#"[[]]"#,
            r#"[{"metric":"a""#,
        ] {
            assert_eq!(unreadable(impossible), "Unable to parse the given JSON", "{impossible}");
        }
        let many = vec!["null"; MOST_POINTS as usize + 1].join(",");
        assert_eq!(unreadable(&format!("[{many}]")), "Too many data points");
    }

    #[test]
    fn the_answer_is_opentsdbs() {
        let body = Body {
            good: 2,
            bad: 1,
            details: b"{}".to_vec(),
            ..Body::default()
        };
        let (summary, details) = (
            Flags {
                summary: true,
                ..Flags::default()
            },
            Flags {
                details: true,
                ..Flags::default()
            },
        );
        assert_eq!(
            body.reply(summary),
            Reply::new(400, JSON, r#"{"success":2,"failed":1}"#)
        );
        assert_eq!(
            body.reply(details),
            Reply::new(400, JSON, r#"{"success":2,"failed":1,"errors":[{}]}"#)
        );
        assert_eq!(body.reply(Flags::default()).status, 400);
        let good = Body {
            good: 2,
            ..Body::default()
        };
        assert_eq!(good.reply(Flags::default()), Reply::new(204, JSON, ""));
        assert_eq!(
            good.reply(details),
            Reply::new(200, JSON, r#"{"success":2,"failed":0,"errors":[]}"#)
        );
    }
}
