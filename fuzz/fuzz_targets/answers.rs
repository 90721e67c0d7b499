//! Answers to `/api/put`: whatever a server says has a meaning, and words that fit on a line of a log.

#![no_main]

use libfuzzer_sys::fuzz_target;
use potsdb_wire::reply::{PutReply, put};

fuzz_target!(|input: (u16, &[u8])| {
    let (status, body) = input;
    let words = match put(status % 600, body) {
        PutReply::Partly { errors, .. } => {
            let line = potsdb_wire::line::parse(b"put m 1700000000 1 h=a\n").expect("canonical");
            let about = errors.iter().filter(|error| error.is_about(&line)).count();
            assert!(about <= errors.len());
            return;
        }
        PutReply::Refused { words, .. }
        | PutReply::TooLong { words }
        | PutReply::Later { words }
        | PutReply::Unauthorized { words }
        | PutReply::Misplaced { words } => words,
        _ => return,
    };
    assert!(words.len() < 1500 && !words.contains(|char: char| char.is_control()), "{words:?}");
});
