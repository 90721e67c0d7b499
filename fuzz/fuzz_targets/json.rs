//! JSON: read as `serde_json` reads it, and written so that it reads back.

#![no_main]

use judge::to_serde;
use libfuzzer_sys::fuzz_target;
use potsdb_wire::json::{self, MAX_DEPTH, Tolerance};

#[path = "../../crates/wire/tests/judge/mod.rs"]
#[expect(dead_code, reason = "each target asks for a part")]
mod judge;

fuzz_target!(|text: &[u8]| {
    let tolerance = Tolerance {
        non_numbers: true,
        trailing: true,
        lone_surrogates: true,
    };
    let tolerant = json::parse_with(text, tolerance);
    let ours = json::parse(text);
    if let Ok(ours) = &ours {
        assert_eq!(tolerant.as_ref(), Ok(ours));
        let mut written = Vec::new();
        ours.write(&mut written);
        assert_eq!(json::parse(&written).as_ref(), Ok(ours));
    }
    // The other reader goes deeper, and gives this name a meaning of its own.
    let brackets = text.iter().filter(|byte| matches!(byte, b'[' | b'{')).count();
    if brackets > MAX_DEPTH || text.windows(10).any(|name| name == b"serde_json") {
        return;
    }
    let theirs = serde_json::from_slice::<serde_json::Value>(text);
    assert_eq!(ours.is_ok(), theirs.is_ok(), "{ours:?} but {theirs:?}");
    if let (Ok(ours), Ok(theirs)) = (ours, theirs) {
        assert_eq!(to_serde(&ours), theirs);
    }
});
