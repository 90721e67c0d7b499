//! What an HTTP answer to `/api/put` means.
//!
//! ```text
//! 204                                                    every point was taken
//! 200 {"success":9,"failed":0}                           the same; only OpenTSDB counts
//! 200 {"success":8,"failed":1,"errors":[{...}]}          with `sync`: one was not stored
//! 400 {"success":8,"failed":1,"errors":[{...}]}          with `details`: one is refused, and named
//! 400 {"error":{"message":"One or more data points had errors"}}      some are refused: ask for details
//! 400 Chunked request not supported.                     the body is longer than 8 192 bytes on the wire
//! 400 anything else                                      no point of the body was taken
//! ```
//!
//! Texts as measured on OpenTSDB 2.4.1, VictoriaMetrics 1.79 and InfluxDB 1.6. The status alone tells little: OpenTSDB
//! answers 200 for points it lost, and 400 for bodies of which it stored all but one. An error has no index; it repeats
//! its point, which is how it is found again.

use std::borrow::Cow;

use memchr::memmem;

use crate::json::{self, Json};
use crate::line::Line;
use crate::reply::ErrorKind;

/// What an answer to `/api/put` means for the points of its request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PutReply<'a> {
    /// Every point was taken. `counted`: the server knows the flags and says how many, as only OpenTSDB does.
    Taken {
        /// Whether the answer holds counts.
        counted: bool,
    },
    /// All but some points were taken.
    Partly {
        /// How many were not.
        failed: u64,
        /// Those the answer names.
        errors: Vec<PointError<'a>>,
    },
    /// Some points were refused, the others taken; the same request with `details` names them.
    Unnamed,
    /// The body was refused as it stands; which of its points is to blame, the answer does not say.
    Refused {
        /// The server's words.
        words: String,
        /// How many of its points were not taken, where the server says so.
        dropped: Option<u64>,
    },
    /// The body is too long for this server.
    TooLong {
        /// The server's words.
        words: String,
    },
    /// Not now: the same again later.
    Later {
        /// The server's words.
        words: String,
    },
    /// The credentials are missing, wrong or not enough.
    Unauthorized {
        /// The server's words.
        words: String,
    },
    /// No points are taken here: the URL, the method or the server is not the right one.
    Misplaced {
        /// The server's words.
        words: String,
    },
}

/// A point a server did not take, as its answer repeats it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PointError<'a> {
    /// The server's words.
    pub words: Cow<'a, str>,
    /// The storage failed, not the point: it goes again.
    pub again: bool,
    point: Json<'a>,
}

/// OpenTSDB's words for failures that are not the point's.
const STORAGE: [&str; 5] = [
    "Please throttle",
    "Timeout exception",
    "Unexpected exception",
    "Storage exception",
    "Write timedout",
];

impl PointError<'_> {
    /// Returns the kind of error, as telnet would report it.
    pub fn kind(&self) -> ErrorKind {
        match &*self.words {
            "Unknown metric" => ErrorKind::UnknownMetric,
            "Unable to parse value to a number" | "Empty value" | "Invalid timestamp" => ErrorKind::InvalidValue,
            _ if self.again => ErrorKind::PleaseThrottle,
            _ => ErrorKind::IllegalArgument,
        }
    }

    /// Returns the metric of its point.
    pub fn metric(&self) -> &str {
        self.point.field("metric").and_then(Json::as_str).unwrap_or_default()
    }

    /// Returns whether this is about the point of that line.
    pub fn is_about(&self, line: &Line<'_>) -> bool {
        let same = |name: &str, text: &[u8]| {
            self.point
                .field(name)
                .and_then(scalar)
                .is_some_and(|told| told.as_bytes() == text)
        };
        let tags = self.point.field("tags").and_then(Json::as_object).unwrap_or_default();
        same("metric", line.metric.as_bytes())
            && same("timestamp", line.timestamp.text(&mut [0; 13]))
            && same("value", line.value.as_bytes())
            && tags.len() == line.tags.clone().count()
            && line.tags.clone().all(|(name, value)| {
                tags.iter()
                    .any(|(key, told)| key == name && told.as_str() == Some(value))
            })
    }
}

/// Returns what an answer with this status and body means.
pub fn put(status: u16, body: &[u8]) -> PutReply<'_> {
    let words = || words(status, body);
    match status {
        200..=299 => counts(body).unwrap_or(PutReply::Taken { counted: false }),
        400 if holds(body, "Chunked request not supported") || holds(body, "maxInsertRequestSize") => {
            PutReply::TooLong { words: words() }
        }
        400 if holds(body, "Unable to check Authentication") => PutReply::Unauthorized { words: words() },
        400 if holds(body, "unexpected path requested") || holds(body, "unsupported path") => {
            PutReply::Misplaced { words: words() }
        }
        400 if holds(body, "One or more data points had errors") => PutReply::Unnamed,
        400 if holds(body, "The put call has timedout") => PutReply::Later { words: words() },
        400 | 422 => match counts(body) {
            Some(partly @ PutReply::Partly { .. }) => partly,
            _ => PutReply::Refused {
                words: words(),
                dropped: None,
            },
        },
        401 | 403 | 407 => PutReply::Unauthorized { words: words() },
        413 => PutReply::TooLong { words: words() },
        // InfluxDB's status for points that it will never take: of another type than their metric, or too old to be kept.
        500 if holds(body, "partial write: ") => PutReply::Refused {
            words: words(),
            dropped: dropped(body),
        },
        408 | 425 | 429 | 500 | 502..=504 | 506..=599 => PutReply::Later { words: words() },
        _ => PutReply::Misplaced { words: words() },
    }
}

fn holds(body: &[u8], text: &str) -> bool {
    memmem::find(body, text.as_bytes()).is_some()
}

/// Reads `... dropped=N`, with which InfluxDB's words end.
fn dropped(body: &[u8]) -> Option<u64> {
    let text = str::from_utf8(body).ok()?;
    text.rsplit_once("dropped=")?.1.trim_end().parse().ok()
}

/// Reads `{"success":n,"failed":m,"timeouts":k,"errors":[...]}`.
fn counts(body: &[u8]) -> Option<PutReply<'_>> {
    let body = json::parse(body).ok()?;
    let number = |name| body.field(name).and_then(Json::as_number)?.parse::<u64>().ok();
    let failed = number("failed")? + number("timeouts").unwrap_or(0);
    if failed == 0 {
        return Some(PutReply::Taken { counted: true });
    }
    let errors = body.field("errors").and_then(Json::as_array).unwrap_or_default();
    let errors = errors.iter().filter_map(|error| {
        let words = match error.field("error")? {
            Json::String(words) => words.clone(),
            _ => return None,
        };
        Some(PointError {
            again: STORAGE.iter().any(|storage| words.starts_with(storage)),
            words,
            point: error.field("datapoint")?.clone(),
        })
    });
    Some(PutReply::Partly {
        failed,
        errors: errors.collect(),
    })
}

fn scalar<'a>(value: &'a Json<'_>) -> Option<&'a str> {
    value.as_str().or_else(|| value.as_number())
}

/// The longest words taken from an answer, in bytes.
const MAX_WORDS: usize = 300;

/// The answer in one line: the message of OpenTSDB's error object, or the beginning of the text.
fn words(status: u16, body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let error = json::parse(body).ok();
    let error = error.as_ref().and_then(|body| body.field("error"));
    let message = error.and_then(|error| error.field("message").and_then(Json::as_str).or_else(|| error.as_str()));
    let mut words = format!("HTTP {status}");
    for word in message.unwrap_or(&text).split_whitespace() {
        if words.len() + word.len() >= MAX_WORDS {
            words.push_str(" ...");
            break;
        }
        words.push(' ');
        words.extend(word.chars().map(|char| if char.is_control() { '?' } else { char }));
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    const ERROR: &str = r#"{"error":{"code":400,"message":"One or more data points had errors","details":"Please see the TSD logs or append \"details\" to the put request","trace":"..."}}"#;
    const DETAILS: &str = r#"{"success":2,"failed":1,"errors":[{"datapoint":{"metric":"m","timestamp":1701000035,"value":"1.50","tags":{"host":"a","dc":"x"}},"error":"Unknown metric"}]}"#;

    fn kind(status: u16, body: &str) -> &'static str {
        match put(status, body.as_bytes()) {
            PutReply::Taken { counted: true } => "taken, counted",
            PutReply::Taken { counted: false } => "taken",
            PutReply::Partly { .. } => "partly",
            PutReply::Unnamed => "unnamed",
            PutReply::Refused { .. } => "refused",
            PutReply::TooLong { .. } => "too long",
            PutReply::Later { .. } => "later",
            PutReply::Unauthorized { .. } => "unauthorized",
            PutReply::Misplaced { .. } => "misplaced",
        }
    }

    #[test]
    fn every_measured_answer_has_its_meaning() {
        for (status, body, meaning) in [
            (204, "", "taken"),
            (200, "", "taken"),
            (200, r#"{"success":3,"failed":0,"errors":[]}"#, "taken, counted"),
            (
                200,
                r#"{"success":3,"timeouts":0,"failed":0,"errors":[]}"#,
                "taken, counted",
            ),
            (200, DETAILS, "partly"),
            (400, DETAILS, "partly"),
            (400, r#"{"success":0,"timeouts":1,"failed":0,"errors":[]}"#, "partly"),
            (400, ERROR, "unnamed"),
            (
                400,
                "<html><title>400 Bad Request</title>Chunked request not supported.</html>",
                "too long",
            ),
            (
                400,
                "cannot read body: too big; mustn't exceed -opentsdbhttp.maxInsertRequestSize=33554432 bytes",
                "too long",
            ),
            (413, "", "too long"),
            (400, "json array decode error", "refused"),
            (
                400,
                r#"{"error":{"code":400,"message":"Unable to parse the given JSON"}}"#,
                "refused",
            ),
            (
                400,
                r#"{"error":{"code":400,"message":"Unable to check Authentication for/api/put"}}"#,
                "unauthorized",
            ),
            (
                400,
                r#"unexpected path requested on HTTP OpenTSDB server: "/x""#,
                "misplaced",
            ),
            (401, "", "unauthorized"),
            (403, "", "unauthorized"),
            (404, "404 page not found\n", "misplaced"),
            (405, "", "misplaced"),
            (301, "", "misplaced"),
            (501, "", "misplaced"),
            (429, "", "later"),
            (500, "write series error: database not found: \"opentsdb\"\n", "later"),
            (
                500,
                "write series error: partial write: points beyond retention policy dropped=1\n",
                "refused",
            ),
            (503, "", "later"),
            (504, "", "later"),
        ] {
            assert_eq!(kind(status, body), meaning, "{status} {body}");
        }
    }

    #[test]
    fn an_error_is_found_again_by_the_whole_of_its_point() {
        let PutReply::Partly { failed: 1, errors } = put(400, DETAILS.as_bytes()) else {
            panic!("one failed")
        };
        let is_about = |line: &str| errors[0].is_about(&crate::line::parse(line.as_bytes()).unwrap());
        assert!(is_about("put m 1701000035 1.50 dc=x host=a\n"));
        for other in [
            "put m 1701000035 1.5 dc=x host=a\n",
            "put m 1701000036 1.50 dc=x host=a\n",
            "put n 1701000035 1.50 dc=x host=a\n",
            "put m 1701000035 1.50 dc=x host=b\n",
            "put m 1701000035 1.50 host=a\n",
            "put m 1701000035 1.50 dc=x host=a more=1\n",
        ] {
            assert!(!is_about(other), "{other}");
        }
        assert!(!errors[0].again);
    }

    #[test]
    fn a_storage_failure_is_not_the_points_fault() {
        for (words, again) in [
            ("Storage exception: Too many attempts", true),
            ("Write timedout", true),
            ("Please throttle", true),
            ("Unable to parse value to a number", false),
            ("Unknown metric", false),
        ] {
            let body = format!(r#"{{"success":0,"failed":1,"errors":[{{"error":"{words}","datapoint":{{}}}}]}}"#);
            let PutReply::Partly { errors, .. } = put(200, body.as_bytes()) else {
                panic!("{body}")
            };
            assert_eq!(errors[0].again, again, "{words}");
        }
    }

    #[test]
    fn how_many_points_influxdb_dropped_is_read() {
        let dropped = |words: &str| match put(500, words.as_bytes()) {
            PutReply::Refused { dropped, .. } => dropped,
            other => panic!("{other:?}"),
        };
        let conflict = "write series error: partial write: field type conflict: input field \"value\" on measurement \
                        \"x.bad\" is type float, already exists as type integer dropped=12\n";
        assert_eq!(dropped(conflict), Some(12));
        assert_eq!(
            dropped("write series error: partial write: max-values-per-tag limit exceeded"),
            None
        );
    }

    #[test]
    fn words_are_one_short_line() {
        let PutReply::Later { words } = put(503, "a\nb\u{7}  c".as_bytes()) else {
            panic!("later")
        };
        assert_eq!(words, "HTTP 503 a b? c");
        let PutReply::Refused { words, .. } = put(400, "x ".repeat(10_000).as_bytes()) else {
            panic!("refused")
        };
        assert!(words.len() < MAX_WORDS + 10 && words.ends_with("..."));
    }
}
