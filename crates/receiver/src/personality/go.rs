//! What the two servers written in Go have in common: floats as they read them, gzip as they complain about it, answers
//! with a date.
//!
//! Called by `victoriametrics.rs` and `influxdb.rs`.

use std::time::SystemTime;

use flate2::read::MultiGzDecoder;
use potsdb_front::{Inflated, Reply, inflate_all};

use crate::point::put::Tags;
use crate::request::Asked;

/// Inflates gzip as far as it goes; the error, in Go's words, is about its head.
pub(super) fn gunzip(asked: &Asked<'_>) -> Result<Inflated<'static>, &'static str> {
    match &asked.body[..] {
        body @ [0x1f, 0x8b, ..] if body.len() >= 10 => {
            Ok(inflate_all(MultiGzDecoder::new(body), body.len(), asked.limits))
        }
        body if body.len() < 10 => Err("unexpected EOF"),
        _ => Err("gzip: invalid header"),
    }
}

/// Whether the body is said to be gzip.
pub(super) fn is_gzip(asked: &Asked<'_>) -> bool {
    asked.head.field("Content-Encoding") == Some("gzip")
}

/// A finite number, in the texts that Rust and Go both read, and nothing else.
pub(super) fn float(text: &str) -> Option<f64> {
    text.parse().ok().filter(|value: &f64| value.is_finite())
}

/// Words between blanks: how both cut a line.
pub(super) fn words(line: &str, is_blank: fn(char) -> bool) -> Vec<&str> {
    line.split(is_blank).filter(|word| !word.is_empty()).collect()
}

/// The server's clock, in milliseconds.
pub(super) fn now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| since.as_millis() as i64)
}

/// A tag without a name or a value is left out.
pub(super) fn put_tag<'a>(tags: &mut Tags<'a>, name: &'a str, value: &'a str) {
    if !name.is_empty() && !value.is_empty() {
        tags.0.push((name, value));
    }
}

/// Go's 204.
pub(super) fn nothing() -> Reply {
    Reply {
        status: 204,
        head: vec![("Date", date())],
        body: Vec::new(),
        echoes_version: true,
    }
}

/// Go's `http.Error`: the text, and a newline.
pub(super) fn error(status: u16, text: &str) -> Reply {
    let body = format!("{text}\n").into_bytes();
    let head = vec![
        ("Content-Type", "text/plain; charset=utf-8".to_owned()),
        ("X-Content-Type-Options", "nosniff".to_owned()),
        ("Date", date()),
        ("Content-Length", body.len().to_string()),
    ];
    Reply {
        status,
        head,
        body,
        echoes_version: true,
    }
}

fn date() -> String {
    httpdate::fmt_http_date(SystemTime::now())
}
