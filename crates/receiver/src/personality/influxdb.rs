//! InfluxDB 1.x, its OpenTSDB listener: `version` is answered by nineteen bytes without a newline, over HTTP one bad
//! point costs the whole body.
//!
//! As recorded from 1.6.7. Times are cut to seconds on both wires. Its database is there once a put has come over
//! telnet, or if `Config::database_exists`; until then HTTP is answered by 500.

use std::borrow::Cow;
use std::sync::atomic::{AtomicBool, Ordering};

use potsdb_front::{Inflated, Opening, Overlong, Reply, first_line, is_request_line};
use potsdb_wire::json::{Json, Tolerance, parse_with};

use super::{Outcome, Voice, go};
use crate::counts::Counts;
use crate::point::put::{Put, Refusal, Rules, Tags};
use crate::point::reading::{Reading, Take};
use crate::point::sink::Points;
use crate::request::Asked;

pub(crate) struct InfluxDb {
    /// Whether there is anything to write to.
    database: AtomicBool,
}

impl InfluxDb {
    pub(crate) fn new(database_exists: bool) -> InfluxDb {
        InfluxDb {
            database: AtomicBool::new(database_exists),
        }
    }
}

impl Reading for InfluxDb {
    fn is_put(&self, line: &[u8]) -> bool {
        let line = line.trim_ascii_start();
        line.starts_with(b"put") && line.get(3).is_none_or(u8::is_ascii_whitespace)
    }

    fn read(&self, line: &str, _rules: &Rules, take: Take<'_>) -> Result<(), Refusal> {
        let refused = || Refusal::IllegalArgument(String::new());
        let words = go::words(line, char::is_whitespace);
        let [_, metric, timestamp, value, tags @ ..] = words.as_slice() else {
            return Err(refused());
        };
        // A text that is no number is time 0, if it only has the length of one.
        let number: i64 = timestamp.parse().unwrap_or(0);
        let timestamp = match timestamp.len() {
            10 => number,
            13 => number / 1000,
            _ => return Err(refused()),
        };
        go::float(value).ok_or_else(refused)?;
        let mut read = Tags::default();
        for tag in tags {
            // A tag that is none is left out.
            if let Some((name, value)) = tag.split_once('=') {
                go::put_tag(&mut read, name, value);
            }
        }
        let put = Put {
            metric,
            timestamp,
            value,
            tags: read.last_of_each(),
        };
        take(&put);
        Ok(())
    }
}

impl Voice for InfluxDb {
    /// It tries to read an HTTP request first, and takes everything else for telnet.
    fn opening(&self, bytes: &[u8]) -> Opening {
        match first_line(bytes) {
            None => Opening::Undecided,
            Some(line) if is_request_line(line) => Opening::Http,
            Some(_) => Opening::Telnet,
        }
    }

    /// None was found; something has to bound the memory.
    fn longest(&self) -> (usize, Overlong) {
        (16 << 20, Overlong::Ends)
    }

    fn takes_torn_lines(&self) -> bool {
        true
    }

    fn came(&self) {
        self.database.store(true, Ordering::Relaxed);
    }

    fn command(&self, line: &str, _counts: &Counts, replies: &mut Vec<u8>) -> Outcome {
        if line.split_whitespace().eq(["version"]) {
            replies.extend_from_slice(b"InfluxDB TSDB proxy");
            return Outcome::Known;
        }
        Outcome::Unknown
    }

    fn answer(&self, asked: &Asked<'_>, points: &dyn Points) -> Option<Reply> {
        Some(match asked.path.as_str() {
            "/api/metadata/put" => go::nothing(),
            "/api/put" if asked.head.method != "POST" => go::error(405, "Method Not Allowed"),
            "/api/put" => match self.put(asked, points) {
                Ok(()) => go::nothing(),
                Err((status, text)) => go::error(status, &text),
            },
            _ => go::error(404, "404 page not found"),
        })
    }
}

impl InfluxDb {
    fn put(&self, asked: &Asked<'_>, points: &dyn Points) -> Result<(), (u16, Cow<'static, str>)> {
        let refused = |text| (400, Cow::Borrowed(text));
        let inflated;
        let mut body = &asked.body[..];
        if go::is_gzip(asked) {
            inflated = match go::gunzip(asked) {
                Ok(Inflated::Whole(body)) => body.into_owned(),
                Ok(Inflated::Torn(body)) => body,
                Ok(Inflated::TooLarge | Inflated::Corrupt) => Vec::new(),
                Err(error) => return Err((400, format!("could not read gzip, {error}").into())),
            };
            body = &inflated;
        }
        let (shape, wrong) = match body.first() {
            None => return Err(refused("peek error: EOF")),
            Some(b'[') => (Shape::Array, "json array decode error"),
            Some(b'{') => (Shape::Object, "json object decode error"),
            Some(_) => return Err(refused("expected JSON array or hash")),
        };
        // Go's decoder reads one value and looks no further.
        let tolerance = Tolerance {
            non_numbers: false,
            trailing: true,
            lone_surrogates: true,
        };
        let json = parse_with(body, tolerance).map_err(|_| refused(wrong))?;
        let given = match shape {
            Shape::Array => json.as_array().unwrap_or_default(),
            Shape::Object => std::slice::from_ref(&json),
        };
        let read: Option<Vec<Point<'_>>> = given.iter().map(Point::read).collect();
        let mut taking = points.open();
        let Some(read) = read else {
            // None of a body with one bad point is stored.
            taking.refused("a body of which nothing is stored", wrong);
            return Err(refused(wrong));
        };
        if !self.database.load(Ordering::Relaxed) {
            return Err((500, "write series error: database not found: opentsdb".into()));
        }
        for point in read {
            match point.put() {
                Some(put) => drop(taking.offer(&put)),
                None => taking.refused("a point without a metric", ""),
            }
        }
        Ok(())
    }
}

#[derive(Clone, Copy)]
enum Shape {
    Array,
    Object,
}

/// A point as Go reads it: what is missing or null is zero or empty.
#[derive(Default)]
struct Point<'a> {
    metric: &'a str,
    timestamp: i64,
    value: &'a str,
    tags: Tags<'a>,
}

impl<'a> Point<'a> {
    /// `None` where a type is wrong.
    fn read(json: &'a Json<'_>) -> Option<Point<'a>> {
        let mut point = Point {
            value: "0",
            ..Point::default()
        };
        if *json == Json::Null {
            return Some(point);
        }
        for (name, value) in json.as_object()? {
            match (name.as_ref(), value) {
                ("metric" | "timestamp" | "value" | "tags", Json::Null) => {}
                ("metric", value) => point.metric = value.as_str()?,
                ("timestamp", value) => point.timestamp = value.as_number()?.parse().ok()?,
                ("value", value) => {
                    point.value = value.as_number()?;
                    go::float(point.value)?;
                }
                ("tags", value) => {
                    for (name, value) in value.as_object()? {
                        go::put_tag(&mut point.tags, name, value.as_str()?);
                    }
                    point.tags = point.tags.last_of_each();
                }
                _ => {}
            }
        }
        Some(point)
    }

    /// The point that is written; one without a metric is none.
    fn put(&self) -> Option<Put<'_>> {
        let timestamp = match self.timestamp {
            seconds if seconds < 10_000_000_000 => seconds,
            millis => millis / 1000,
        };
        let put = Put {
            metric: self.metric,
            timestamp,
            value: self.value,
            tags: self.tags.clone(),
        };
        (!self.metric.is_empty()).then_some(put)
    }
}
