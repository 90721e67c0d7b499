//! An HTTP answer before it is written: status, head in the order of its fields, body.
//!
//! Made by a backend, or here in OpenTSDB's JSON; `http/mod.rs` writes it.

use std::fmt::Write as _;

use potsdb_wire::json::write_string;

/// One answer; its Content-Length is part of the head where the server writes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// Fields, in order.
    pub head: Vec<(&'static str, String)>,
    /// The body, as it is sent.
    pub body: Vec<u8>,
    /// Whether it is written in the version of HTTP it was asked in, as Go does, and not in 1.1.
    pub echoes_version: bool,
}

/// OpenTSDB's type of a JSON body.
pub const JSON: &str = "application/json; charset=UTF-8";

impl Reply {
    /// OpenTSDB's: type and length, no date.
    #[must_use]
    pub fn new(status: u16, kind: &str, body: impl Into<Vec<u8>>) -> Reply {
        let body = body.into();
        let head = vec![
            ("Content-Type", kind.to_owned()),
            ("Content-Length", body.len().to_string()),
        ];
        Reply {
            status,
            head,
            body,
            echoes_version: false,
        }
    }

    /// A JSON body and 200.
    #[must_use]
    pub fn json(body: impl Into<Vec<u8>>) -> Reply {
        Reply::new(200, JSON, body)
    }

    /// OpenTSDB's error object.
    #[must_use]
    pub fn error(status: u16, message: &str) -> Reply {
        Reply::error_with(status, message, &[])
    }

    /// The same with more texts in it, by name.
    #[must_use]
    pub fn error_with(status: u16, message: &str, more: &[(&str, &str)]) -> Reply {
        let mut body = format!("{{\"error\":{{\"code\":{status},\"message\":").into_bytes();
        write_string(message, &mut body);
        for (name, text) in more {
            body.extend_from_slice(format!(",\"{name}\":").as_bytes());
            write_string(text, &mut body);
        }
        body.extend_from_slice(b"}}");
        Reply::new(status, JSON, body)
    }

    /// What is said to a peer that did not log in.
    #[must_use]
    pub fn unauthorised() -> Reply {
        let mut reply = Reply::error(401, "Unauthorized");
        reply
            .head
            .push(("WWW-Authenticate", "Basic realm=\"potsdb\"".to_owned()));
        reply
    }

    /// Says that the connection ends with it, to a request of HTTP/1.`minor`.
    pub fn say_it_is_the_last(&mut self, minor: u8) {
        // In 1.0 a connection ends unless somebody says otherwise.
        if minor > 0 {
            self.head.push(("Connection", "close".to_owned()));
        }
    }

    /// What goes over the wire, to a request of HTTP/1.`minor`.
    #[must_use]
    pub fn bytes(&self, minor: u8) -> Vec<u8> {
        let minor = if self.echoes_version { minor } else { 1 };
        let mut head = format!("HTTP/1.{minor} {} {}\r\n", self.status, reason(self.status));
        for (name, value) in &self.head {
            let _ = write!(head, "{name}: {value}\r\n");
        }
        head.push_str("\r\n");
        [head.as_bytes(), &self.body].concat()
    }
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        204 => "No Content",
        304 => "Not Modified",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        413 => "Request Entity Too Large",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "Other",
    }
}
