//! Inflating a request's body: gzip and deflate, bounded.
//!
//! As Netty does it: an encoding it does not know passes through raw, corrupt data ends the connection without a reply, a
//! truncated stream gives what there is of it, and only the first member of a gzip file is read. `http.rs` calls this.

use std::io::{self, Read};

use bytes::Bytes;
use flate2::read::{GzDecoder, ZlibDecoder};

/// The largest body once inflated: a bomb ends its connection.
const MAX_INFLATED: u64 = 256 << 20;

/// Returns the body as it was before its encoding; an error ends the connection.
pub(crate) fn body(encoding: Option<&[u8]>, body: Bytes) -> io::Result<Bytes> {
    match encoding.map(<[u8]>::to_ascii_lowercase).as_deref() {
        Some(b"gzip" | b"x-gzip") => all(GzDecoder::new(&*body)),
        Some(b"deflate" | b"x-deflate") => all(ZlibDecoder::new(&*body)),
        _ => Ok(body),
    }
}

fn all(decoder: impl Read) -> io::Result<Bytes> {
    let mut inflated = Vec::new();
    match decoder.take(MAX_INFLATED + 1).read_to_end(&mut inflated) {
        Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => Err(error),
        _ if inflated.len() as u64 > MAX_INFLATED => Err(io::ErrorKind::FileTooLarge.into()),
        _ => Ok(inflated.into()),
    }
}
