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
use crate::answers;
use crate::json;
use crate::point::body::{self, Answer, Flags};
use crate::point::sink::Points;
use crate::request::Asked;

/// What Netty hands on in one piece.
const WHOLE: u64 = 8192;

/// A page, though everything else is JSON; the real one's has a picture beside the words.
const CHUNKED: &str = "<!DOCTYPE html><html><body><h1>Bad Request</h1>\
    <blockquote>Chunked request not supported.</blockquote></body></html>";

impl OpenTsdb {
    /// The largest body it reads. Without chunks larger ones are read and refused.
    pub(super) fn limit(&self) -> usize {
        self.setup.max_chunk.map_or(64 << 20, |max| max.max(WHOLE) as usize)
    }

    pub(super) fn judge_size(&self, head: &Head) -> AtHead {
        match self.setup.max_chunk {
            None if head.is_chunked() || head.expects() || head.length() > WHOLE => {
                AtHead::Answer(Reply::new(400, "text/html; charset=UTF-8", CHUNKED))
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
    let path = asked.path.trim_end_matches('/').strip_prefix("/api/");
    let path = path.map(|path| path.strip_prefix("v1/").unwrap_or(path));
    Some(match (path, asked.head.method.as_str()) {
        (Some("put"), _) if tsd.setup.read_only => not_found(),
        (Some("put"), "POST") => {
            let body = match asked.inflated() {
                Inflated::Whole(body) => body,
                Inflated::Torn(body) => body.into(),
                // It ends the connection.
                Inflated::TooLarge | Inflated::Corrupt => return None,
            };
            put(&body, asked, points)
        }
        (Some("put"), method) => answers::not_allowed(method),
        (Some("version"), _) => Reply::json(json::object(VERSION.into_iter())),
        (Some("config"), _) => Reply::json(tsd.config()),
        _ => not_found(),
    })
}

fn put(body: &[u8], asked: &Asked<'_>, points: &dyn Points) -> Reply {
    let parameters = &asked.parameters;
    let flags = Flags {
        summary: parameters.given("summary"),
        details: parameters.given("details"),
        sync: parameters.given("sync"),
        timeouts: parameters.value("sync_timeout").is_some_and(|millis| millis != "0"),
    };
    match body::put(body, flags, points, THROTTLED) {
        Answer::Nothing => Reply::new(204, JSON, ""),
        Answer::Counted { accepted, body } => Reply::new(if accepted { 200 } else { 400 }, JSON, body),
        Answer::Error(message, details) => answers::exception(400, message, details.as_deref()),
    }
}

fn not_found() -> Reply {
    Reply::error(404, "Endpoint not found")
}

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
