//! Inflating a request's body: gzip and deflate, bounded.
//!
//! As Netty does it: an encoding it does not know passes through raw, corrupt data ends the connection without a reply, a
//! truncated stream gives what there is of it, and only the first member of a gzip file is read. `http.rs` calls this.

use std::borrow::Cow;
use std::io::{self, Read};

use flate2::read::{GzDecoder, ZlibDecoder};

/// The largest body once inflated: a bomb ends its connection.
const MAX_INFLATED: u64 = 256 << 20;

/// Returns the body as it was before its encoding; none ends the connection.
pub(crate) fn body<'a>(encoding: Option<&str>, body: &'a [u8]) -> Option<Cow<'a, [u8]>> {
    match encoding.map(str::to_ascii_lowercase).as_deref() {
        Some("gzip" | "x-gzip") => all(GzDecoder::new(body)),
        Some("deflate" | "x-deflate") => all(ZlibDecoder::new(body)),
        _ => Some(Cow::Borrowed(body)),
    }
}

fn all(decoder: impl Read) -> Option<Cow<'static, [u8]>> {
    let mut inflated = Vec::new();
    match decoder.take(MAX_INFLATED + 1).read_to_end(&mut inflated) {
        Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => None,
        _ if inflated.len() as u64 > MAX_INFLATED => None,
        _ => Some(Cow::Owned(inflated)),
    }
}
