//! Replies: the same for any split of the bytes.

#![no_main]

use judge::read_replies;
use libfuzzer_sys::fuzz_target;

#[path = "../../crates/wire/tests/judge/mod.rs"]
#[expect(dead_code, reason = "each target asks for a part")]
mod judge;

fuzz_target!(|input: (Vec<u16>, &[u8])| {
    let (cuts, stream) = input;
    let mut cuts: Vec<_> = cuts.iter().map(|&cut| usize::from(cut) % (stream.len() + 1)).collect();
    cuts.sort_unstable();
    let whole = read_replies(stream, &[]);
    assert_eq!(read_replies(stream, &cuts), whole);
    let every: Vec<_> = (0..stream.len()).collect();
    assert_eq!(read_replies(stream, &every), whole);
});
