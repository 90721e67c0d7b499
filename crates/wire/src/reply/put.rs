//! What an HTTP answer to `/api/put` means.
//!
//! ```text
//! 204                                                    every point was taken
//! 200 {"success":9,"failed":0}                           the same, counted
//! 200 {"success":8,"failed":1,"errors":[{...}]}          with `sync`: one was not stored
//! 200 <html>Please log in                                this is not where points go
//! 400 {"success":8,"failed":1,"errors":[{...}]}          with `details`: one is refused, and named
//! 400 {"error":{"message":"One or more data points had errors"}}      some are refused: ask for details
//! 400 Chunked request not supported.                     the body is longer than 8 192 bytes on the wire
//! 400 json array decode error                            no point of the body was taken
//! 400 anything else                                      the same, or this is not where points go
//! ```
//!
//! Texts as measured on OpenTSDB 2.4.1, VictoriaMetrics 1.79 and InfluxDB 1.6; GreptimeDB's, vmauth's and taosAdapter's from
//! their sources. KairosDB has no `/api/put`. The status alone tells little: OpenTSDB answers 200 for points it lost, and
//! 400 for bodies of which it stored all but one. An error has no index; it repeats its point, which is how it is found
//! again.

use std::borrow::Cow;

use memchr::memmem;

use super::body::{Body, Counts, Told};
use crate::json::Json;
use crate::line::Line;
use crate::reply::ErrorKind;
use crate::words;

/// What an answer to `/api/put` means for the points of its request.
///
/// Words are one line of at most [`words::MAX`] bytes, status included; see [`words::clean`].
///
/// ```
/// use potsdb_wire::reply::{self, PutReply};
///
/// assert_eq!(reply::put(204, b""), PutReply::Accepted { counted: false });
/// assert!(matches!(reply::put(503, b"busy"), PutReply::RetryLater { less: true, .. }));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PutReply<'a> {
    /// Every point was taken: 204, an empty body, or counts of which none says that a point failed.
    Accepted {
        /// Whether the answer holds counts: the server knows the flags.
        counted: bool,
    },
    /// All but some points were taken.
    PartiallyAccepted(Failures<'a>),
    /// Some points were refused, the others taken; the same request with `details` names them.
    RejectedUnnamed,
    /// The body was refused as it stands; which of its points is to blame, the answer does not say.
    Refused {
        /// The server's words.
        words: String,
        /// How many of its points were not taken, if the server says so.
        dropped: Option<u64>,
        /// Whether this is how a server that takes points refuses a body. If not, a proxy or another service may have
        /// spoken: until the endpoint has ever taken a body, the URL is as likely to be wrong as a point.
        known: bool,
    },
    /// The body is too long for this server.
    TooLong {
        /// The server's words.
        words: String,
    },
    /// Not now: the same again later.
    RetryLater {
        /// The server's words.
        words: String,
        /// Whether the server asks for less (429, 503), which goes for every point. If not, it failed, and a point of
        /// this body may be why.
        less: bool,
    },
    /// The credentials are missing, wrong or not enough.
    Unauthorized {
        /// The server's words.
        words: String,
    },
    /// No points are taken here: the URL, the method or the server is not the right one.
    WrongUrl {
        /// The server's words.
        words: String,
    },
}

/// The points of a body that were not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Failures<'a> {
    /// How many, those that timed out included; never 0. Nothing says that it is at most the number of points asked.
    pub count: u64,
    /// How many of them timed out: the server does not know whether they will be stored.
    pub timeouts: u64,
    /// Those the answer names: [`count`](Self::count) or fewer.
    pub errors: Vec<PointError<'a>>,
    /// Whether the storage failed for all of them, named or not, because the status is 2xx: they go again, and none is
    /// refused. If not, points that are not named may be either.
    pub storage_failed: bool,
}

impl<'a> Failures<'a> {
    /// Returns how many points were not taken and are not named.
    pub fn unnamed(&self) -> u64 {
        self.count.saturating_sub(self.errors.len() as u64)
    }

    /// Returns the errors of points that are refused for good.
    pub fn refusals(&self) -> impl Iterator<Item = &PointError<'a>> {
        self.errors.iter().filter(|error| !error.again)
    }

    /// Returns whether only the refusals may be believed.
    ///
    /// OpenTSDB finds the point that timed out by its number among the points it tried to write, in a list that still
    /// holds those it refused before. So beside a refusal the error names another point, one that may well be stored, and
    /// the point that timed out is not named at all: every point but the refused ones goes again.
    pub fn names_wrong_points(&self) -> bool {
        self.timeouts > 0 && self.refusals().next().is_some()
    }
}

/// A point a server did not take, as its answer repeats it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PointError<'a> {
    /// The storage failed, not the point: it goes again. If not, the point is refused for good.
    pub again: bool,
    error: Cow<'a, str>,
    point: Told<'a>,
}

/// OpenTSDB's words for failures that are not the point's.
const STORAGE: [&str; 5] = [
    THROTTLE,
    TIMEOUT,
    "Unexpected exception",
    "Storage exception",
    WRITE_TIMEOUT,
];
const THROTTLE: &str = "Please throttle";
const TIMEOUT: &str = "Timeout exception";
const WRITE_TIMEOUT: &str = "Write timedout";

impl<'a> PointError<'a> {
    pub(super) fn new(error: Cow<'a, str>, point: Told<'a>) -> Self {
        Self {
            again: STORAGE.iter().any(|storage| error.starts_with(storage)),
            error,
            point,
        }
    }

    /// Returns the kind of error, as telnet would report it. Of those that go again, only
    /// [`PleaseThrottle`](ErrorKind::PleaseThrottle) asks for less.
    pub fn kind(&self) -> ErrorKind {
        match &*self.error {
            error if error.starts_with(THROTTLE) => ErrorKind::PleaseThrottle,
            error if error.starts_with(TIMEOUT) => ErrorKind::RequestTimedOut,
            _ if self.is_write_timeout() => ErrorKind::RequestTimedOut,
            _ if self.again => ErrorKind::HBaseError,
            "Unknown metric" => ErrorKind::UnknownMetric,
            "Unable to parse value to a number" | "Empty value" | "Invalid timestamp" => ErrorKind::InvalidValue,
            _ => ErrorKind::IllegalArgument,
        }
    }

    /// Returns the server's words and the metric, as one line of at most [`words::MAX`] bytes.
    pub fn words(&self) -> String {
        // What is longer than that is cut in any case.
        let most = words::MAX;
        let words = match &self.point.metric {
            Some(metric) => format!("{:.most$}: {metric:.most$}", self.error),
            None => format!("{:.most$}", self.error),
        };
        words::clean(words.as_bytes())
    }

    pub(super) fn is_write_timeout(&self) -> bool {
        self.error.starts_with(WRITE_TIMEOUT)
    }

    /// Returns whether this is about the point of that line.
    pub fn is_about(&self, line: &Line<'_>) -> bool {
        let same = |told: &Option<Json<'_>>, text: &[u8]| match told {
            Some(Json::String(told)) => told.as_bytes() == text,
            // OpenTSDB repeats a value as text, GreptimeDB as the number it took it for.
            Some(Json::Number(told)) => told.as_bytes() == text || is_same_number(told, text),
            _ => false,
        };
        let tags = &self.point.tags;
        self.point.metric.as_deref() == Some(line.metric)
            && same(&self.point.timestamp, line.timestamp.text(&mut [0; 13]))
            && same(&self.point.value, line.value.as_bytes())
            && tags.len() == line.tags.clone().count()
            && line.tags.clone().all(|(name, value)| {
                tags.iter()
                    .any(|(key, told)| key == name && told.as_str() == Some(value))
            })
    }
}

fn is_same_number(told: &str, text: &[u8]) -> bool {
    let number = |text: &str| text.parse::<f64>().ok();
    str::from_utf8(text).is_ok_and(|text| number(text).is_some() && number(text) == number(told))
}

/// Returns what an answer with this status and body means.
///
/// Takes time and memory by the length of the body alone, whatever is in it.
pub fn put(status: u16, body: &[u8]) -> PutReply<'_> {
    let words = || words(status, body, Body::read(body).as_ref());
    match status {
        204 => PutReply::Accepted { counted: false },
        200..=299 => taken(status, body),
        400 | 422 => refused(status, body),
        401 | 403 | 407 => PutReply::Unauthorized { words: words() },
        413 => PutReply::TooLong { words: words() },
        // InfluxDB's status for points that it will never take: of another type than their metric, or too old to be kept.
        500 if holds(body, PARTIAL_WRITE) => PutReply::Refused {
            words: words(),
            dropped: dropped(body),
            known: true,
        },
        408 | 425 | 429 | 500 | 502..=504 | 506..=599 => PutReply::RetryLater {
            words: words(),
            less: matches!(status, 429 | 503),
        },
        _ => PutReply::WrongUrl { words: words() },
    }
}

/// What a 2xx with a body means.
fn taken(status: u16, body: &[u8]) -> PutReply<'_> {
    if body.trim_ascii().is_empty() {
        return PutReply::Accepted { counted: false };
    }
    let told = Body::read(body);
    match told.as_ref().and_then(Body::counts) {
        Some(Counts { failed: 0, .. }) => PutReply::Accepted { counted: true },
        Some(counts) => failures(counts, told, true),
        None => PutReply::WrongUrl {
            words: words(status, body, told.as_ref()),
        },
    }
}

/// What a 400 or 422 means.
fn refused(status: u16, body: &[u8]) -> PutReply<'_> {
    let told = Body::read(body);
    let words = || words(status, body, told.as_ref());
    let holds_one_of = |texts: &[&str]| texts.iter().any(|text| holds(body, text));
    if holds_one_of(&TOO_LONG) {
        return PutReply::TooLong { words: words() };
    }
    if holds(body, "Unable to check Authentication") {
        return PutReply::Unauthorized { words: words() };
    }
    if holds_one_of(&WRONG_URL) {
        return PutReply::WrongUrl { words: words() };
    }
    if holds(body, "One or more data points had errors") {
        return PutReply::RejectedUnnamed;
    }
    if holds(body, "The put call has timedout") {
        let words = words();
        return PutReply::RetryLater { words, less: false };
    }
    let counts = told.as_ref().and_then(Body::counts);
    if let Some(counts) = counts.filter(|counts| counts.failed > 0) {
        return failures(counts, told, false);
    }
    let is_opentsdb_error = told.as_ref().is_some_and(|told| told.is_opentsdb_error);
    PutReply::Refused {
        words: words(),
        dropped: dropped(body),
        known: counts.is_some() || is_opentsdb_error || holds_one_of(&ABOUT_THE_BODY),
    }
}

fn failures<'a>(counts: Counts, told: Option<Body<'a>>, storage_failed: bool) -> PutReply<'a> {
    let mut errors = told.map(|told| told.errors).unwrap_or_default();
    // OpenTSDB's status speaks of refusals alone: with 2xx there is none.
    errors.iter_mut().for_each(|error| error.again |= storage_failed);
    PutReply::PartiallyAccepted(Failures {
        count: counts.failed,
        timeouts: counts.timeouts,
        errors,
        storage_failed,
    })
}

fn holds(body: &[u8], text: &str) -> bool {
    memmem::find(body, text.as_bytes()).is_some()
}

/// Texts of a 400 for a body that is too long: OpenTSDB's, VictoriaMetrics'.
const TOO_LONG: [&str; 2] = ["Chunked request not supported", "maxInsertRequestSize"];

/// Texts of a 400 where no points are taken.
const WRONG_URL: [&str; 5] = [
    // VictoriaMetrics, on its port for OpenTSDB and on its own.
    "unexpected path requested",
    "unsupported path",
    // vmauth.
    "missing route",
    // nginx and Go's server, where https is spoken.
    "The plain HTTP request was sent to HTTPS port",
    "Client sent an HTTP request to an HTTPS server",
];

/// Texts of a 400 for a body that does not parse as points, beside OpenTSDB's own object. taosAdapter answers 500 to that,
/// and 400 only to a wrong URL.
const ABOUT_THE_BODY: [&str; 7] = [
    // VictoriaMetrics.
    "cannot parse HTTP OpenTSDB json",
    "cannot unmarshal HTTP OpenTSDB json",
    // InfluxDB.
    "json array decode error",
    "json object decode error",
    "expected JSON array or hash",
    PARTIAL_WRITE,
    // GreptimeDB.
    "Invalid OpenTSDB Json request",
];

const PARTIAL_WRITE: &str = "partial write: ";

/// Reads `... dropped=N`, with which InfluxDB's words end.
fn dropped(body: &[u8]) -> Option<u64> {
    let text = str::from_utf8(body).ok()?;
    text.rsplit_once("dropped=")?.1.trim_end().parse().ok()
}

/// The status and the answer's message, or the beginning of its text.
fn words(status: u16, body: &[u8], told: Option<&Body<'_>>) -> String {
    let message = told.and_then(|told| told.message.as_deref());
    let mut words = format!("HTTP {status}");
    words::append(&mut words, message.map_or(body, str::as_bytes));
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    const ERROR: &str = r#"{"error":{"code":400,"message":"One or more data points had errors","details":"Please see the TSD logs or append \"details\" to the put request","trace":"..."}}"#;
    const DETAILS: &str = r#"{"success":2,"failed":1,"errors":[{"datapoint":{"metric":"m","timestamp":1701000035,"value":"1.50","tags":{"host":"a","dc":"x"}},"error":"Unknown metric"}]}"#;

    fn kind(status: u16, body: &str) -> &'static str {
        match put(status, body.as_bytes()) {
            PutReply::Accepted { counted: true } => "taken, counted",
            PutReply::Accepted { counted: false } => "taken",
            PutReply::PartiallyAccepted(_) => "partly",
            PutReply::RejectedUnnamed => "unnamed",
            PutReply::Refused { known: true, .. } => "refused",
            PutReply::Refused { known: false, .. } => "unclear",
            PutReply::TooLong { .. } => "too long",
            PutReply::RetryLater { less: true, .. } => "less",
            PutReply::RetryLater { less: false, .. } => "later",
            PutReply::Unauthorized { .. } => "unauthorized",
            PutReply::WrongUrl { .. } => "misplaced",
        }
    }

    fn opentsdb(message: &str) -> String {
        format!(r#"{{"error":{{"code":400,"message":"{message}","trace":"net.opentsdb..."}}}}"#)
    }

    #[test]
    fn every_measured_answer_has_its_meaning() {
        let too_big = "cannot read body: too big; mustn't exceed -opentsdbhttp.maxInsertRequestSize=33554432 bytes";
        let unexpected = r#"remoteAddr: "x"; requestURI: /x; unexpected path requested on HTTP OpenTSDB server: "/x""#;
        let timed_out = "The put call has timedout with 1 successful writes, 0 failed writes and 2 timed out writes.";
        for (status, body, meaning) in [
            (204, "", "taken"),
            (200, "", "taken"),
            (202, "\r\n", "taken"),
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
            (400, &opentsdb(timed_out), "later"),
            (
                400,
                "<html><title>400 Bad Request</title>Chunked request not supported.</html>",
                "too long",
            ),
            (400, too_big, "too long"),
            (413, "", "too long"),
            (
                400,
                &opentsdb("Unable to check Authentication for/api/put"),
                "unauthorized",
            ),
            (400, unexpected, "misplaced"),
            (401, "", "unauthorized"),
            (403, "", "unauthorized"),
            (404, "404 page not found\n", "misplaced"),
            (405, "", "misplaced"),
            (301, "", "misplaced"),
            (501, "", "misplaced"),
            (429, "", "less"),
            (503, r#""memory exceeds threshold""#, "less"),
            (500, "write series error: database not found: \"opentsdb\"\n", "later"),
            (
                500,
                "write series error: partial write: points beyond retention policy dropped=1\n",
                "refused",
            ),
            (500, r#"{"code":500,"message":"Invalid data format"}"#, "later"),
            (502, "", "later"),
            (504, "", "later"),
        ] {
            assert_eq!(kind(status, body), meaning, "{status} {body}");
        }
    }

    #[test]
    fn a_2xx_takes_the_points_only_if_it_says_nothing_or_counts_them() {
        for (body, meaning) in [
            ("<html><form>Please log in</form></html>", "misplaced"),
            ("OK", "misplaced"),
            ("null", "misplaced"),
            ("[]", "misplaced"),
            (r#"{"status":"ok"}"#, "misplaced"),
            (r#"{"success":true}"#, "misplaced"),
            (r#"{"failed":0}"#, "misplaced"),
            (r#"{"success":3,"failed":-1}"#, "misplaced"),
            (r#"{"success":3,"failed":0"#, "misplaced"),
            (r#"{"success":3,"failed":0} and more"#, "misplaced"),
            (r#"{"succ":3,"fail":0}"#, "taken, counted"),
            (r#"{"succ":3,"fail":1}"#, "partly"),
            (r#"{"success":3,"failed":0,"timeouts":1}"#, "partly"),
            (r#"{"success":3,"failed":0.5}"#, "partly"),
            (r#"{"failed":18446744073709551615,"timeouts":1}"#, "partly"),
        ] {
            assert_eq!(kind(200, body), meaning, "{body}");
            assert_eq!(kind(204, body), "taken");
        }
        let PutReply::WrongUrl { words } = put(200, b"<html>\n <b>Please\x1b[31m log in") else {
            panic!("misplaced")
        };
        assert_eq!(words, "HTTP 200 <html> <b>Please log in");
    }

    #[test]
    fn each_servers_refusal_of_a_body_is_known() {
        for body in [
            // OpenTSDB.
            &*opentsdb("Unable to parse the given JSON"),
            &opentsdb("The JSON must start as an object or an array"),
            &opentsdb("No datapoints found in content"),
            &opentsdb("Missing request content"),
            r#"{"success":3,"failed":0}"#,
            // VictoriaMetrics.
            r#"remoteAddr: "x"; requestURI: /api/put; cannot parse HTTP OpenTSDB json: unexpected end"#,
            r#"cannot unmarshal HTTP OpenTSDB json cannot parse "value""#,
            // InfluxDB.
            "json array decode error\n",
            "json object decode error\n",
            "expected JSON array or hash\n",
            "partial write: field type conflict dropped=3",
            // GreptimeDB.
            r#"{"error":"Invalid OpenTSDB Json request: invalid type: string \"x\", expected f64"}"#,
        ] {
            assert_eq!(kind(400, body), "refused", "{body}");
        }
    }

    #[test]
    fn a_400_of_nobody_known_is_unclear_or_a_wrong_url() {
        for (body, meaning) in [
            ("", "unclear"),
            ("<html><h1>400 Bad Request</h1></html>", "unclear"),
            ("no route", "unclear"),
            (r#"{"error":"Bad Request"}"#, "unclear"),
            (r#"{"message":"no Route matched with those values"}"#, "unclear"),
            (
                r#"{"error":{"code":400,"message":"API key not valid","status":"INVALID_ARGUMENT"}}"#,
                "unclear",
            ),
            // taosAdapter and KairosDB under a wrong URL.
            (r#"{"code":400,"message":"db required"}"#, "unclear"),
            (r#"{"errors":["metric[0].name may not be empty."]}"#, "unclear"),
            // InfluxDB and VictoriaMetrics to a body that was damaged on the way, which no point is to blame for.
            ("could not read gzip, unexpected EOF\n", "unclear"),
            ("cannot read gzipped http protocol data: unexpected EOF", "unclear"),
            ("remoteAddr: x; missing route for https://vmauth/api/put", "misplaced"),
            (
                "<center>The plain HTTP request was sent to HTTPS port</center>",
                "misplaced",
            ),
            ("Client sent an HTTP request to an HTTPS server.\n", "misplaced"),
            (r#"unsupported path requested: "/api/put""#, "misplaced"),
        ] {
            for status in [400, 422] {
                assert_eq!(kind(status, body), meaning, "{body}");
            }
        }
    }

    fn failures_of(status: u16, body: &str) -> Failures<'_> {
        match put(status, body.as_bytes()) {
            PutReply::PartiallyAccepted(failures) => failures,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_error_is_found_again_by_the_whole_of_its_point() {
        let failures = failures_of(400, DETAILS);
        let is_about = |line: &str| failures.errors[0].is_about(&crate::line::parse(line.as_bytes()).unwrap());
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
        assert_eq!((failures.count, failures.errors[0].again), (1, false));
        assert_eq!(failures.errors[0].kind(), ErrorKind::UnknownMetric);
        assert_eq!(failures.errors[0].words(), "Unknown metric: m");
    }

    #[test]
    fn a_value_told_as_a_number_is_found_by_what_it_is() {
        let body = r#"{"success":0,"failed":1,"errors":[{"error":"x","datapoint":{"metric":"m","timestamp":1701000035,"value":3.0,"tags":{"h":"a"}}}]}"#;
        let failures = failures_of(200, body);
        let is_about = |value: &str| {
            let line = format!("put m 1701000035 {value} h=a\n");
            failures.errors[0].is_about(&crate::line::parse(line.as_bytes()).unwrap())
        };
        assert!(is_about("3") && is_about("3.0"));
        assert!(!is_about("4") && !is_about("3.1"));
    }

    #[test]
    fn a_point_that_is_no_point_is_about_no_line() {
        let line = crate::line::parse(b"put m 1701000035 1 h=a\n").unwrap();
        for point in [
            "null",
            "[]",
            "{}",
            r#"{"metric":"m","timestamp":1701000035,"value":"1"}"#,
            r#"{"metric":"m","timestamp":1701000035,"value":"1","tags":{"h":["a"]}}"#,
            r#"{"metric":["m"],"timestamp":1701000035,"value":"1","tags":{"h":"a"}}"#,
            r#"{"metric":"m","timestamp":null,"value":"1","tags":{"h":"a"}}"#,
        ] {
            let body = format!(r#"{{"failed":1,"errors":[{{"error":"x","datapoint":{point}}}]}}"#);
            let failures = failures_of(400, &body);
            assert!(!failures.errors[0].is_about(&line), "{point}");
        }
    }

    #[test]
    fn a_storage_failure_is_not_the_points_fault() {
        for (words, again, kind) in [
            ("Storage exception: Too many attempts", true, ErrorKind::HBaseError),
            ("Unexpected exception", true, ErrorKind::HBaseError),
            ("Write timedout", true, ErrorKind::RequestTimedOut),
            ("Timeout exception", true, ErrorKind::RequestTimedOut),
            ("Please throttle", true, ErrorKind::PleaseThrottle),
            ("Unable to parse value to a number", false, ErrorKind::InvalidValue),
            ("Unknown metric", false, ErrorKind::UnknownMetric),
            ("Missing tags", false, ErrorKind::IllegalArgument),
        ] {
            let body = format!(r#"{{"success":0,"failed":1,"errors":[{{"error":"{words}","datapoint":{{}}}}]}}"#);
            let failures = failures_of(400, &body);
            assert_eq!(
                (failures.errors[0].again, failures.errors[0].kind()),
                (again, kind),
                "{words}"
            );
            assert_eq!(failures.refusals().count(), usize::from(!again));
            // With 2xx the storage failed, whatever a server calls it.
            let failures = failures_of(200, &body);
            assert!(failures.errors[0].again && failures.storage_failed, "{words}");
            assert_eq!(failures.refusals().count(), 0);
        }
    }

    #[test]
    fn points_that_failed_and_are_not_named_are_counted() {
        let named = r#"{"error":"Unknown metric","datapoint":{}}"#;
        for (body, unnamed) in [
            (format!(r#"{{"success":1,"failed":1,"errors":[{named}]}}"#), 0),
            (format!(r#"{{"success":1,"failed":3,"errors":[{named}]}}"#), 2),
            (
                format!(r#"{{"success":1,"failed":1,"timeouts":1,"errors":[{named}]}}"#),
                1,
            ),
            (format!(r#"{{"success":1,"failed":0,"errors":[{named},{named}]}}"#), 0),
            (r#"{"success":1,"failed":1}"#.to_owned(), 1),
        ] {
            assert_eq!(failures_of(400, &body).unnamed(), unnamed, "{body}");
        }
    }

    #[test]
    fn timeouts_beside_a_refusal_name_the_wrong_points() {
        let error = |words: &str| format!(r#"{{"error":"{words}","datapoint":{{}}}}"#);
        let (refused, timed_out) = (error("Unknown metric"), error("Write timedout"));
        for (counts, errors, wrong) in [
            ("\"timeouts\":1", format!("{refused},{timed_out}"), true),
            // The timeout may be one of the errors that got lost.
            ("\"timeouts\":1", refused.clone(), true),
            ("\"timeouts\":0", format!("{refused},{timed_out}"), true),
            ("\"timeouts\":1", timed_out.clone(), false),
            ("\"timeouts\":0", refused.clone(), false),
        ] {
            let body = format!(r#"{{"success":0,"failed":1,{counts},"errors":[{errors}]}}"#);
            assert_eq!(failures_of(400, &body).names_wrong_points(), wrong, "{body}");
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
        for (body, words) in [
            ("a\nb\u{7}  c", "HTTP 503 a b? c"),
            (
                r#"{"error":{"message":"from\u001b[2J OpenTSDB\n"}}"#,
                "HTTP 503 from OpenTSDB",
            ),
            (r#"{"error":"from GreptimeDB"}"#, "HTTP 503 from GreptimeDB"),
            (
                r#"{"code":503,"message":"from taosAdapter"}"#,
                "HTTP 503 from taosAdapter",
            ),
            ("", "HTTP 503"),
        ] {
            let less = true;
            assert_eq!(
                put(503, body.as_bytes()),
                PutReply::RetryLater {
                    words: words.to_owned(),
                    less
                },
                "{body}"
            );
        }
        let PutReply::Refused { words, .. } = put(400, "x ".repeat(10_000).as_bytes()) else {
            panic!("refused")
        };
        assert!(words.len() <= words::MAX && words.ends_with("..."));
        let long = format!(
            r#"{{"failed":1,"errors":[{{"error":"{}","datapoint":{{"metric":"{}"}}}}]}}"#,
            "x".repeat(400),
            "m".repeat(400)
        );
        assert!(failures_of(400, &long).errors[0].words().len() <= words::MAX);
    }
}
