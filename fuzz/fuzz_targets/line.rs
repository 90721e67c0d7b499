//! Lines: whatever comes in, only one legal line goes out, and the scan agrees with the judge on what is legal.

#![no_main]

use arbitrary::Arbitrary;
use judge::is_legal;
use libfuzzer_sys::fuzz_target;
use potsdb_wire::{Names, Rules, line};

#[path = "../../crates/wire/tests/judge/mod.rs"]
#[expect(dead_code, reason = "each target asks for a part")]
mod judge;

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    names: u8,
    max_tags: u8,
    repair: bool,
    line: &'a [u8],
}

fuzz_target!(|input: Input<'_>| {
    let names = [Names::OpenTsdb, Names::Ascii, Names::Utf8][usize::from(input.names % 3)];
    let rules = Rules::new(names, usize::from(input.max_tags % 10)).repairing(input.repair);
    let whole = [input.line, b"\n"].concat();
    let mut out = Vec::new();
    match line::canonical(&rules, input.line, &mut out) {
        Ok(()) => {
            assert!(is_legal(&rules, &out));
            let line = line::parse(&out).unwrap();
            assert!(line.value().as_f64().is_finite());
            assert!(line.tags.count() > 0);
            let mut again = Vec::new();
            line::canonical(&rules, &out[..out.len() - 1], &mut again).unwrap();
            assert_eq!(again, out);
        }
        Err(error) => {
            assert!(out.is_empty());
            assert!(!is_legal(&rules, &whole), "{error}");
        }
    }
    let widest = Rules::new(Names::Utf8, 0);
    assert_eq!(line::parse(&whole).is_ok(), is_legal(&widest, &whole));
});
