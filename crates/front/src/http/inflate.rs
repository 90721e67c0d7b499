//! Inflating a request's body: gzip and deflate, bounded in bytes and in how many times larger it gets.
//!
//! An encoding that is not known passes through raw, as with Netty. Only a backend knows whether it wants the body at all,
//! so it calls this.

use std::borrow::Cow;
use std::io::{self, Read};

use flate2::read::{DeflateDecoder, GzDecoder, ZlibDecoder};

use crate::limits::Limits;

/// What became of a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Inflated<'a> {
    /// It is this.
    Whole(Cow<'a, [u8]>),
    /// Its end is missing; this is what there is.
    Torn(Vec<u8>),
    /// It would be larger than the limits allow.
    TooLarge,
    /// It is not what its encoding says.
    Corrupt,
}

/// Inflates a body by the name of its encoding. Of gzip only the first member is read, as Netty does.
#[must_use]
pub fn inflate<'a>(encoding: Option<&str>, body: &'a [u8], limits: &Limits) -> Inflated<'a> {
    match encoding.map(str::to_ascii_lowercase).as_deref() {
        Some("gzip" | "x-gzip") => all(GzDecoder::new(body), body.len(), limits),
        // What many call so is without zlib's head.
        Some("deflate" | "x-deflate") if !is_zlib(body) => all(DeflateDecoder::new(body), body.len(), limits),
        Some("deflate" | "x-deflate") => all(ZlibDecoder::new(body), body.len(), limits),
        _ => Inflated::Whole(Cow::Borrowed(body)),
    }
}

/// Whether it begins as zlib does: the method is deflate, and the first two bytes are a multiple of 31.
fn is_zlib(body: &[u8]) -> bool {
    matches!(body, [first, second, ..] if first & 15 == 8 && u16::from_be_bytes([*first, *second]) % 31 == 0)
}

/// Reads what a decoder makes of `length` bytes.
pub fn all(decoder: impl Read, length: usize, limits: &Limits) -> Inflated<'static> {
    let most = limits
        .inflated
        .min(length.saturating_mul(limits.inflated_ratio).max(FREE));
    let mut inflated = Vec::new();
    match decoder.take(most as u64 + 1).read_to_end(&mut inflated) {
        _ if inflated.len() > most => Inflated::TooLarge,
        Ok(_) => Inflated::Whole(Cow::Owned(inflated)),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Inflated::Torn(inflated),
        Err(_) => Inflated::Corrupt,
    }
}

/// What a body may have however small it was: a few bytes of blanks are no bomb.
const FREE: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).expect("memory");
        encoder.finish().expect("memory")
    }

    #[test]
    fn what_is_inflated_is_bounded_in_bytes_and_in_ratio() {
        let limits = Limits {
            inflated: 4 << 20,
            ..Limits::default()
        };
        let of = |bytes: &[u8]| {
            let gzip = gzip(bytes);
            all(GzDecoder::new(&gzip[..]), gzip.len(), &limits)
        };
        assert_eq!(of(&[b' '; FREE]), Inflated::Whole(vec![b' '; FREE].into()));
        assert_eq!(of(&[b' '; FREE + 1]), Inflated::TooLarge, "a thousand times");
        let noise: Vec<u8> = (0..=4 << 20)
            .map(|n: u32| (n.wrapping_mul(2_654_435_761).rotate_left(n) >> 24) as u8)
            .collect();
        assert_eq!(of(&noise), Inflated::TooLarge, "beyond the bytes");
        assert_eq!(of(&noise[..4 << 20]), Inflated::Whole(noise[..4 << 20].into()));
    }

    #[test]
    fn what_is_torn_or_corrupt_is_told_apart() {
        let (limits, whole) = (Limits::default(), gzip(b"some text, some text"));
        assert_eq!(
            inflate(None, b"as it is", &limits),
            Inflated::Whole(b"as it is"[..].into())
        );
        assert!(
            matches!(inflate(Some("gzip"), &whole[..whole.len() - 4], &limits), Inflated::Torn(text) if text == b"some text, some text")
        );
        assert_eq!(inflate(Some("deflate"), &whole, &limits), Inflated::Corrupt);
    }

    #[test]
    fn deflate_is_read_with_zlibs_head_and_without() {
        use flate2::write::{DeflateEncoder, ZlibEncoder};
        let text = b"some text, some text";
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::best());
        zlib.write_all(text).expect("memory");
        let mut raw = DeflateEncoder::new(Vec::new(), Compression::best());
        raw.write_all(text).expect("memory");
        for body in [zlib.finish().expect("memory"), raw.finish().expect("memory")] {
            let inflated = inflate(Some("deflate"), &body, &Limits::default());
            assert_eq!(inflated, Inflated::Whole(text[..].into()));
        }
    }
}
