//! What the two servers written in Go have in common: floats as they read them, gzip as they complain about it.
//!
//! Called by `victoriametrics.rs` and `influxdb.rs`.

use std::io::Read as _;
use std::time::SystemTime;

use flate2::read::MultiGzDecoder;

use crate::point::put::Tags;
use crate::request::Asked;

/// The largest body once inflated: a bomb is cut there.
const MAX_INFLATED: u64 = 256 << 20;

/// Inflates gzip as far as it goes, and says whether that was to its end; the error, in Go's words, is about its head.
pub(super) fn gunzip(body: &[u8]) -> Result<(Vec<u8>, bool), &'static str> {
    match body {
        [0x1f, 0x8b, ..] if body.len() >= 10 => {
            let mut inflated = Vec::new();
            let whole = MultiGzDecoder::new(body).take(MAX_INFLATED).read_to_end(&mut inflated);
            Ok((inflated, whole.is_ok()))
        }
        _ if body.len() < 10 => Err("unexpected EOF"),
        _ => Err("gzip: invalid header"),
    }
}

/// Whether the body is said to be gzip.
pub(super) fn is_gzip(asked: &Asked) -> bool {
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

/// A tag without a name or a value is left out; of a name that comes twice the last value counts.
pub(super) fn put_tag<'a>(tags: &mut Tags<'a>, name: &'a str, value: &'a str) {
    if !name.is_empty() && !value.is_empty() {
        tags.0.retain(|(known, _)| *known != name);
        tags.0.push((name, value));
    }
}
