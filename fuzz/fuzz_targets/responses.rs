//! HTTP responses, framing and meaning: the same for any split of the bytes, within the bounds, in words fit for a log.

#![no_main]

use arbitrary::Arbitrary;
use judge::{check_words, read_responses};
use libfuzzer_sys::fuzz_target;
use potsdb_wire::words;

#[path = "../../crates/wire/tests/judge/responses.rs"]
mod judge;

/// What a server writes: bytes as they are, or a response around them, so that its meaning is found as soon as its framing.
#[derive(Arbitrary, Debug)]
enum Part<'a> {
    Bytes(&'a [u8]),
    Length(u16, &'a [u8]),
    Chunks(u16, Vec<&'a [u8]>),
    ToTheEnd(u16, &'a [u8]),
}

impl Part<'_> {
    fn write(&self, stream: &mut Vec<u8>) {
        let mut head = |status: u16, framing: &str| {
            let head = format!("HTTP/1.1 {} So\r\n{framing}\r\n", 100 + status % 500);
            stream.extend_from_slice(head.as_bytes());
        };
        match self {
            Part::Bytes(bytes) => stream.extend_from_slice(bytes),
            Part::Length(status, body) => {
                head(*status, &format!("Content-Length: {}\r\n", body.len()));
                stream.extend_from_slice(body);
            }
            Part::Chunks(status, chunks) => {
                head(*status, "Transfer-Encoding: chunked\r\n");
                for chunk in chunks.iter().filter(|chunk| !chunk.is_empty()) {
                    stream.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
                    stream.extend_from_slice(chunk);
                    stream.extend_from_slice(b"\r\n");
                }
                stream.extend_from_slice(b"0\r\n\r\n");
            }
            Part::ToTheEnd(status, body) => {
                head(*status, "");
                stream.extend_from_slice(body);
            }
        }
    }
}

fuzz_target!(|input: (u16, u16, Vec<u16>, Vec<Part<'_>>)| {
    let (points, bytes, cuts, parts) = input;
    let mut stream = Vec::new();
    parts.iter().for_each(|part| part.write(&mut stream));
    let mut cuts: Vec<_> = cuts.iter().map(|&cut| usize::from(cut) % (stream.len() + 1)).collect();
    cuts.sort_unstable();
    let whole = read_responses(&stream, &[], points, bytes);
    assert_eq!(read_responses(&stream, &cuts, points, bytes), whole);
    let every: Vec<_> = (0..stream.len()).collect();
    assert_eq!(read_responses(&stream, &every, points, bytes), whole);
    check_words(&words::clean(&stream));
});
