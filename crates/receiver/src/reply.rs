//! An HTTP answer before it is written: status, head in the server's order, body.
//!
//! The servers' ways of writing one: OpenTSDB's JSON, Go's `http.Error` for VictoriaMetrics and InfluxDB, which write a
//! date. Made by `personality/` and `api.rs`; `http.rs` writes it, with a wrong length if a fault says so.

use std::fmt::Write as _;
use std::time::SystemTime;

use potsdb_wire::json::write_string;

/// One answer; its Content-Length is part of the head where the server writes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
}

pub(crate) const JSON: &str = "application/json; charset=UTF-8";

impl Reply {
    /// OpenTSDB's: type and length, no date.
    pub(crate) fn new(status: u16, kind: &str, body: impl Into<Vec<u8>>) -> Reply {
        let body = body.into();
        let head = vec![
            ("Content-Type", kind.to_owned()),
            ("Content-Length", body.len().to_string()),
        ];
        Reply { status, head, body }
    }

    /// A JSON body and 200.
    pub(crate) fn json(body: impl Into<Vec<u8>>) -> Reply {
        Reply::new(200, JSON, body)
    }

    /// OpenTSDB's error object.
    pub(crate) fn error(status: u16, message: &str, details: Option<&str>, trace: Option<&str>) -> Reply {
        let mut body = format!("{{\"error\":{{\"code\":{status},\"message\":").into_bytes();
        write_string(message, &mut body);
        for (name, text) in [("details", details), ("trace", trace)] {
            if let Some(text) = text {
                body.extend_from_slice(format!(",\"{name}\":").as_bytes());
                write_string(text, &mut body);
            }
        }
        body.extend_from_slice(b"}}");
        Reply::new(status, JSON, body)
    }

    /// OpenTSDB's error object with the trace it shows unless told not to. The real one's is six thousand bytes of its own
    /// code.
    pub(crate) fn exception(status: u16, message: &str, details: Option<&str>) -> Reply {
        let trace = format!("net.opentsdb.tsd.BadRequestException: {message}\n\tat potsdb.Receiver\n");
        Reply::error(status, message, details, Some(&trace))
    }

    /// As OpenTSDB refuses a method.
    pub(crate) fn not_allowed(method: &str) -> Reply {
        let details = format!("The HTTP method [{method}] is not permitted for this endpoint");
        Reply::exception(405, "Method not allowed", Some(&details))
    }

    /// A query's answer, or its complaint.
    pub(crate) fn json_or_400(answer: Result<Vec<u8>, String>) -> Reply {
        answer.map_or_else(|message| Reply::exception(400, &message, None), Reply::json)
    }

    /// Go's 204.
    pub(crate) fn go_nothing() -> Reply {
        Reply {
            status: 204,
            head: vec![("Date", date())],
            body: Vec::new(),
        }
    }

    /// Go's `http.Error`: the text, and a newline.
    pub(crate) fn go_error(status: u16, text: &str) -> Reply {
        let body = format!("{text}\n").into_bytes();
        let head = vec![
            ("Content-Type", "text/plain; charset=utf-8".to_owned()),
            ("X-Content-Type-Options", "nosniff".to_owned()),
            ("Date", date()),
            ("Content-Length", body.len().to_string()),
        ];
        Reply { status, head, body }
    }

    /// What goes over the wire, to a request of HTTP/1.`minor`.
    pub(crate) fn bytes(&self, minor: u8) -> Vec<u8> {
        let minor = if self.echoes_version() { minor } else { 1 };
        let mut head = format!("HTTP/1.{minor} {} {}\r\n", self.status, reason(self.status));
        for (name, value) in &self.head {
            let _ = write!(head, "{name}: {value}\r\n");
        }
        head.push_str("\r\n");
        [head.as_bytes(), &self.body].concat()
    }

    /// The bytes of an answer that announces `error` bytes more than it has; what has no body gets one.
    pub(crate) fn with_wrong_length(mut self, error: i64) -> Vec<u8> {
        if self.body.is_empty() {
            self.body = b"{\"success\":1,\"failed\":0}".to_vec();
        }
        if self.status == 204 {
            self.status = 200;
        }
        let announced = (self.body.len() as i64).saturating_add(error).max(0);
        self.head.retain(|(name, _)| *name != "Content-Length");
        self.head.push(("Content-Length", announced.to_string()));
        self.bytes(1)
    }

    /// Go answers in the version it was asked in; it is also who writes a date.
    fn echoes_version(&self) -> bool {
        self.head.iter().any(|(name, _)| *name == "Date")
    }
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        204 => "No Content",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        413 => "Request Entity Too Large",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "Other",
    }
}

fn date() -> String {
    httpdate::fmt_http_date(SystemTime::now())
}
