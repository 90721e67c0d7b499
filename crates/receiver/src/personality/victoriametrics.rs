//! VictoriaMetrics, single node: takes puts and never says a word; answers over HTTP, 204 for almost anything.
//!
//! The wire as recorded from 1.79.5; what becomes of a point as in today's versions, which keep milliseconds that come
//! over telnet. The words of its JSON parser are not imitated. Points of one series and time are all kept there; here
//! the count of copies says how many there would be.

use std::time::Duration;

use potsdb_front::{Inflated, Opening, Overlong, Reply, first_line, is_request_line};
use potsdb_wire::json::{Json, Tolerance, parse_with};

use super::{Outcome, Voice, go};
use crate::counts::Counts;
use crate::point::put::{Put, Refusal, Rules, Tags};
use crate::point::reading::{Reading, Take};
use crate::point::sink::Points;
use crate::request::Asked;

pub(crate) struct VictoriaMetrics;

/// `-opentsdbhttp.maxInsertRequestSize`, of the body as it was before compression.
const MAX_BODY: usize = 32 << 20;

/// How far ahead of the clock a point may be (`-futureRetention`), in milliseconds.
const FUTURE: i64 = 2 * 24 * 3600 * 1000;

/// What Go's HTTP server says to what is no HTTP.
const BAD_REQUEST: &[u8] =
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n\
    400 Bad Request";

impl Reading for VictoriaMetrics {
    fn is_put(&self, line: &[u8]) -> bool {
        line.trim_ascii_start().starts_with(b"put ")
    }

    fn read(&self, line: &str, _rules: &Rules, take: Take<'_>) -> Result<(), Refusal> {
        let refused = || Refusal::IllegalArgument(String::new());
        let words = go::words(line, |c| c == ' ');
        let [_, metric, timestamp, value, tags @ ..] = words.as_slice() else {
            return Err(refused());
        };
        let timestamp = number(timestamp).and_then(kept).ok_or_else(refused)?;
        number(value).ok_or_else(refused)?;
        let mut read = Tags::default();
        for tag in tags {
            let (name, value) = tag.split_once('=').ok_or_else(refused)?;
            go::put_tag(&mut read, name, value);
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

impl Voice for VictoriaMetrics {
    /// Only `p` is a put: a connection that begins with `version`, a space or an empty line ends up in HTTP, and fails.
    fn opening(&self, bytes: &[u8]) -> Opening {
        match (bytes, first_line(bytes)) {
            ([], _) => Opening::Undecided,
            ([b'p', ..], _) => Opening::Telnet,
            (_, None) => Opening::Undecided,
            // One empty line is allowed before a request, says its HTTP server, and waits for the second.
            (b"\n" | b"\r\n", _) => Opening::Undecided,
            (_, Some(line)) if is_request_line(line) => Opening::Http,
            _ => Opening::Broken(BAD_REQUEST),
        }
    }

    fn longest(&self) -> (usize, Overlong) {
        (256 * 1024, Overlong::Ends)
    }

    fn takes_torn_lines(&self) -> bool {
        true
    }

    fn waits_for_first_byte(&self) -> Option<Duration> {
        Some(Duration::from_secs(5))
    }

    fn command(&self, _line: &str, _counts: &Counts, _replies: &mut Vec<u8>) -> Outcome {
        Outcome::Unknown
    }

    fn answer(&self, asked: &Asked<'_>, points: &dyn Points) -> Option<Reply> {
        Some(match put(asked, points) {
            Ok(()) => go::nothing(),
            Err(words) => {
                let text = format!(
                    "remoteAddr: \"{}\"; requestURI: {}; {words}",
                    asked.peer, asked.head.target
                );
                go::error(400, &text)
            }
        })
    }
}

/// `/api/put` of the single node and of a cluster's vminsert, whatever the method.
fn is_put_path(path: &str) -> bool {
    let of_tenant = path.strip_prefix("/insert/").and_then(|rest| rest.split_once('/'));
    let path = of_tenant.map_or(path.trim_start_matches('/'), |(_, rest)| rest);
    matches!(path, "api/put" | "opentsdb/api/put")
}

fn put(asked: &Asked<'_>, points: &dyn Points) -> Result<(), String> {
    if !is_put_path(&asked.path) {
        let path = asked.head.path();
        return Err(format!("unexpected path requested on HTTP OpenTSDB server: {path:?}"));
    }
    let inflated;
    let mut body = &asked.body[..];
    let mut is_too_large = false;
    if go::is_gzip(asked) {
        match go::gunzip(asked) {
            Ok(Inflated::Whole(whole)) => {
                inflated = whole;
                body = &inflated;
            }
            Ok(Inflated::TooLarge) => is_too_large = true,
            Ok(Inflated::Torn(_) | Inflated::Corrupt) => {
                return Err("cannot read HTTP OpenTSDB request: unexpected EOF".into());
            }
            Err(error) => return Err(format!("cannot read gzipped http protocol data: {error}")),
        }
    }
    if is_too_large || body.len() > MAX_BODY {
        return Err(format!(
            "too big HTTP OpenTSDB request; mustn't exceed `-opentsdbhttp.maxInsertRequestSize={MAX_BODY}` bytes"
        ));
    }
    let tolerance = Tolerance {
        non_numbers: true,
        trailing: false,
        lone_surrogates: true,
    };
    let json = parse_with(body, tolerance)
        .map_err(|error| format!("cannot parse HTTP OpenTSDB json: cannot parse JSON: {error}"))?;
    let given = match &json {
        Json::Array(given) => given.as_slice(),
        Json::Object(_) => std::slice::from_ref(&json),
        _ => &[],
    };
    let mut taking = points.open();
    for json in given {
        match point(json) {
            Some(put) => drop(taking.offer(&put)),
            None => taking.refused("a point that is none", ""),
        }
    }
    Ok(())
}

fn point<'a>(json: &'a Json<'_>) -> Option<Put<'a>> {
    let text = |name| match json.field(name)? {
        Json::Number(text) => Some(*text),
        Json::String(text) => Some(text.as_ref()),
        _ => None,
    };
    let metric = json.field("metric")?.as_str().filter(|metric| !metric.is_empty())?;
    let value = text("value").filter(|value| number(value).is_some())?;
    let timestamp = match json.field("timestamp") {
        None => 0.0,
        Some(_) => number(text("timestamp")?)?,
    };
    let mut tags = Tags::default();
    if let Some(given) = json.field("tags") {
        for (name, value) in given.as_object()? {
            go::put_tag(&mut tags, name, value.as_str()?);
        }
    }
    Some(Put {
        metric,
        timestamp: kept(timestamp)?,
        value,
        tags: tags.last_of_each(),
    })
}

/// Its floats have no plus sign, and may be infinite.
fn number(text: &str) -> Option<f64> {
    match text.strip_prefix('-').unwrap_or(text) {
        "inf" | "Inf" | "infinity" | "Infinity" => Some(f64::INFINITY),
        rest if rest.starts_with('+') => None,
        _ => go::float(text),
    }
}

/// When a point of that timestamp is kept: its fraction is cut, none is now, and too far ahead is never.
fn kept(timestamp: f64) -> Option<i64> {
    let now = go::now();
    match timestamp as i64 {
        0 => Some(now),
        seconds if (0..=i64::from(u32::MAX)).contains(&seconds) => Some(seconds),
        millis if (0..=now + FUTURE).contains(&millis) => Some(millis),
        _ => None,
    }
}
