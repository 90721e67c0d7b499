//! OpenTSDB 2.4.1's telnet voice: silent on success, one line per refusal, `version` answered in two lines.
//!
//! The texts are those of the real server, byte for byte, but for the name in `version` and for commands this one does not
//! have: `rollup` and `histogram` are unknown, and so is `diediedie`, which would end the receiver for anybody who asks.

use std::io::Write as _;
use std::time::SystemTime;

use super::{Outcome, Personality};
use crate::counts::Counts;
use crate::put::Refusal;

pub(crate) struct OpenTsdb;

impl Personality for OpenTsdb {
    fn is_http(&self, first: u8) -> bool {
        first.is_ascii_uppercase()
    }

    fn refused(&self, refusal: &Refusal, replies: &mut Vec<u8>) {
        let (kind, text) = match refusal {
            Refusal::InvalidValue(text) => ("invalid value", text),
            Refusal::IllegalArgument(text) => ("illegal argument", text),
            Refusal::UnknownMetric(text) => ("unknown metric", text),
        };
        let _ = writeln!(replies, "put: {kind}: {text}");
    }

    fn command(&self, command: &str, counts: &Counts, replies: &mut Vec<u8>) -> Outcome {
        match command {
            "version" => replies.extend_from_slice(VERSION),
            "help" => replies.extend_from_slice(b"available commands: stats dropcaches version exit help put \n"),
            "dropcaches" => replies.extend_from_slice(b"Caches dropped.\n"),
            "stats" => stats(counts, replies),
            "exit" => return Outcome::Leave,
            _ => {
                let _ = writeln!(replies, "unknown command: {command}.  Try `help'.");
                return Outcome::Unknown;
            }
        }
        Outcome::Known
    }
}

/// The shape clients look for, `... built at revision ...` and `Built on ...`, with this server's own name in it.
const VERSION: &[u8] = b"net.opentsdb.tools 2.4.1 built at revision potsdb (RECEIVER)\n\
    Built on 2026/01/01 00:00:00 +0000 by potsdb@localhost:potsdb-receiver\n";

fn stats(counts: &Counts, replies: &mut Vec<u8>) {
    let seconds = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    for (name, value, tag) in counts.as_stats() {
        let _ = writeln!(replies, "{name} {seconds} {value} {tag} host=localhost");
    }
}
