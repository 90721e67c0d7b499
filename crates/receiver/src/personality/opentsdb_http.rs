//! OpenTSDB 2.4.1's HTTP: `/api/put` with its flags, what it says about itself, and the 8192 bytes.
//!
//! ```text
//!                          body <= 8192 bytes    larger                          chunked, or Expect: 100-continue
//! as it comes              taken                 400, and the connection stands  400
//! max_chunk=N              taken                 to max(8192, N), else it ends   to N, else it ends
//! ```
//!
//! Bytes are those on the wire: a compressed body may be larger. The body's points are `body.rs`, queries `api.rs`.

use potsdb_front::{AtHead, Head, Inflated, JSON, Reply};

use super::opentsdb::{OpenTsdb, THROTTLED};
use crate::answers::{self, Complaint};
use crate::json;
use crate::point::body::{self, Answer, Flags};
use crate::point::sink::Points;
use crate::query::paths::{self, Place};
use crate::request::Asked;

/// What Netty hands on in one piece.
const WHOLE: u64 = 8192;

impl OpenTsdb {
    /// The largest body it reads. Without chunks larger ones are read and refused.
    pub(super) fn limit(&self) -> usize {
        self.setup.max_chunk.map_or(64 << 20, |max| max.max(WHOLE) as usize)
    }

    pub(super) fn judge_size(&self, head: &Head) -> AtHead {
        match self.setup.max_chunk {
            None if head.is_chunked() || head.expects() || head.length() > WHOLE => {
                // A page, though everything else is JSON.
                AtHead::Answer(answers::page(400, "Bad Request", "Chunked request not supported."))
            }
            Some(max) if head.length() > max.max(WHOLE) => AtHead::End,
            _ => AtHead::ReadOn,
        }
    }

    fn config(&self) -> Vec<u8> {
        let flag = |on: bool| if on { "true" } else { "false" };
        let max_chunk = self.setup.max_chunk.unwrap_or(4096).to_string();
        json::object(
            [
                ("tsd.core.auto_create_metrics", flag(self.setup.creates_metrics)),
                ("tsd.http.request.enable_chunked", flag(self.setup.max_chunk.is_some())),
                ("tsd.http.request.max_chunk", &max_chunk),
                ("tsd.http.show_stack_trace", "true"),
                ("tsd.mode", if self.setup.read_only { "ro" } else { "rw" }),
                ("tsd.rpc.telnet.return_errors", "true"),
            ]
            .into_iter(),
        )
    }
}

pub(super) fn answer(tsd: &OpenTsdb, asked: &Asked<'_>, points: &dyn Points) -> Option<Reply> {
    let Some(place) = paths::place(&asked.path) else {
        return Some(outside(asked));
    };
    let reply = match place.version {
        0 | 1 => match answers::check_serializer(&asked.parameters) {
            Ok(()) => below_api(tsd, place, asked, points)?,
            Err(complaint) => Err(complaint),
        },
        version => Err(
            Complaint::new(501, "Requested API version is greater than the max implemented")
                .with(format!("API version [{version}] is greater than the max [1]")),
        ),
    };
    let reply = reply.unwrap_or_else(|complaint| complaint.reply());
    Some(answers::worded(reply, &asked.head.method, &asked.parameters))
}

/// No answer ends the connection.
fn below_api(
    tsd: &OpenTsdb,
    place: Place<'_>,
    asked: &Asked<'_>,
    points: &dyn Points,
) -> Option<Result<Reply, Complaint>> {
    let method = asked.head.method.as_str();
    let is_one_of = |methods: &[&str]| match methods.contains(&method) {
        true => Ok(()),
        false => Err(Complaint::method(method)),
    };
    Some(match place.endpoint {
        "put" | "rollup" | "histogram" if tsd.setup.read_only => Ok(not_found()),
        "put" if method == "POST" => {
            let body = match asked.inflated() {
                Inflated::Whole(body) => body,
                Inflated::Torn(body) => body.into(),
                // It ends the connection.
                Inflated::TooLarge | Inflated::Corrupt => return None,
            };
            asked.decoded(&body).and_then(|body| put(&body, asked, points))
        }
        "put" => Err(Complaint::method(method)),
        "version" => is_one_of(&["GET", "POST"]).map(|()| Reply::json(json::object(VERSION.into_iter()))),
        "config" => is_one_of(&["GET", "POST"]).map(|()| Reply::json(tsd.config())),
        "dropcaches" => is_one_of(&["GET", "DELETE"]).map(|()| Reply::json(DROPPED)),
        "rollup" => is_one_of(&["POST"]).and_then(|()| {
            Err(Complaint::bad("One or more data points had errors").with("Rollups are not enabled on this TSD"))
        }),
        "histogram" => Err(Complaint::new(503, NO_HISTOGRAMS)),
        // There are none.
        "tree" if place.below.is_empty() && method == "GET" => Ok(Reply::json("[]")),
        "tree" => Err(Complaint::left_out("/api/tree")),
        _ => Ok(not_found()),
    })
}

/// What was asked without `/api`, in the days of OpenTSDB 1.
fn outside(asked: &Asked<'_>) -> Reply {
    let as_json = asked.parameters.given("json");
    match asked.path.as_str() {
        "/api" => not_found(),
        path if path.starts_with("/s/") => Reply {
            head: Reply::new(404, "application/json", "").head,
            ..Reply::error(404, "Page not found")
        },
        "/version" if as_json => Reply::new(200, "application/json", json::object(VERSION.into_iter())),
        "/version" => Reply::new(200, "text/plain", super::opentsdb::VERSION),
        "/q" => answers::page(
            501,
            "Not here",
            "This development server draws no graphs: ask /api/query, or Grafana.",
        ),
        "/logs" => answers::page(501, "Not here", "This development server keeps no logs."),
        _ => answers::page(404, "Page Not Found", "This page was not found."),
    }
}

fn put(body: &[u8], asked: &Asked<'_>, points: &dyn Points) -> Result<Reply, Complaint> {
    let parameters = &asked.parameters;
    let timeout = parameters.value("sync_timeout").map_or(Ok(0), |text| {
        text.parse::<i32>()
            .map_err(|_| Complaint::internal(format!("For input string: \"{text}\"")))
    })?;
    let flags = Flags {
        summary: parameters.given("summary"),
        details: parameters.given("details"),
        sync: parameters.given("sync"),
        timeouts: timeout != 0,
    };
    match body::put(body, flags, points, THROTTLED) {
        Answer::Nothing => Ok(Reply::new(204, JSON, "")),
        Answer::Counted { accepted, body } => Ok(Reply::new(if accepted { 200 } else { 400 }, JSON, body)),
        Answer::Error(complaint) => Err(complaint),
    }
}

/// Without the trace that every other complaint shows.
fn not_found() -> Reply {
    Reply::error(404, "Endpoint not found")
}

const DROPPED: &str = "{\"message\":\"Caches dropped\",\"status\":\"200\"}";

const NO_HISTOGRAMS: &str =
    "Histogram storage has not been enabled. Check the 'tsd.core.histograms.config' configuration.";

const VERSION: [(&str, &str); 9] = [
    ("short_revision", "potsdb"),
    ("repo", "potsdb-receiver"),
    ("host", "localhost"),
    ("version", "2.4.1"),
    ("full_revision", "potsdb"),
    ("repo_status", "RECEIVER"),
    ("user", "potsdb"),
    ("branch", "receiver"),
    ("timestamp", "1767225600"),
];
