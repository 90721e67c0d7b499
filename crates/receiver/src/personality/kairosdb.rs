//! KairosDB 1.3.0, its telnet server: answers `version` in one line and nothing else, has no HTTP on this port.
//!
//! A float needs a `.`: `1e3` is dropped without a word, as is a line beyond 1024 bytes. Only for reading back, which
//! is the development tool's own, is a connection taken for HTTP.

use std::borrow::Cow;

use potsdb_front::{Opening, Overlong, Reply, first_line, is_request_line};

use super::{Outcome, Voice};
use crate::counts::Counts;
use crate::point::number::{Number, integer};
use crate::point::put::{Put, Refusal, Rules, Tags};
use crate::point::reading::{Reading, Take, latin1};
use crate::point::sink::Points;
use crate::query::paths;
use crate::request::Asked;

pub(crate) struct KairosDb;

/// Up to here a timestamp is in seconds.
const SECONDS: i64 = 3_000_000_000;

/// The last millisecond it keeps.
const LAST: i64 = 9_999_999_999_999;

impl Reading for KairosDb {
    fn is_put(&self, line: &[u8]) -> bool {
        let line = line.trim_ascii_start();
        let word = line.split(u8::is_ascii_whitespace).next();
        matches!(word, Some(b"put" | b"putm"))
    }

    fn text<'a>(&self, line: &'a [u8]) -> Cow<'a, str> {
        latin1(line.strip_suffix(b"\r").unwrap_or(line)).into()
    }

    fn read(&self, line: &str, _rules: &Rules, take: Take<'_>) -> Result<(), Refusal> {
        let refused = || Refusal::IllegalArgument(String::new());
        let words: Vec<&str> = line.split_whitespace().collect();
        let [command, metric, timestamp, value, tags @ ..] = words.as_slice() else {
            return Err(refused());
        };
        let timestamp = plain_integer(timestamp).ok_or_else(refused)?;
        let timestamp = match timestamp {
            seconds if (1..SECONDS).contains(&seconds) && *command == "put" => seconds,
            millis if (1..=LAST).contains(&millis) => millis,
            _ => return Err(refused()),
        };
        let is_number = if value.contains('.') {
            matches!(Number::parse(value), Ok(Number::Float(float)) if float.is_finite())
        } else {
            plain_integer(value).is_some()
        };
        if !is_number {
            return Err(refused());
        }
        let mut read = Tags::default();
        for tag in tags {
            let (name, rest) = tag.split_once('=').ok_or_else(refused)?;
            // What follows a second `=` is cut off.
            let value = rest.split('=').next().unwrap_or_default();
            if name.is_empty() || value.is_empty() || read.0.iter().any(|(known, _)| *known == name) {
                return Err(refused());
            }
            read.0.push((name, value));
        }
        if read.0.is_empty() {
            read.0.push(("add", "tag"));
        }
        let put = Put {
            metric,
            timestamp,
            value,
            tags: read,
        };
        take(&put);
        Ok(())
    }
}

impl Voice for KairosDb {
    fn opening(&self, bytes: &[u8]) -> Opening {
        if !bytes.first().is_some_and(u8::is_ascii_uppercase) {
            return if bytes.is_empty() {
                Opening::Undecided
            } else {
                Opening::Telnet
            };
        }
        match first_line(bytes) {
            None => Opening::Undecided,
            Some(line) if is_request_line(line) && paths::is_asked_for(line) => Opening::Http,
            Some(_) => Opening::Telnet,
        }
    }

    fn longest(&self) -> (usize, Overlong) {
        (1024, Overlong::LeftOut)
    }

    fn command(&self, line: &str, _counts: &Counts, replies: &mut Vec<u8>) -> Outcome {
        if line.split_whitespace().next() == Some("version") {
            replies.extend_from_slice(b"KairosDB 1.3.0-1.20210808223203\n");
            return Outcome::Known;
        }
        Outcome::Unknown
    }

    /// Nothing but reading back gets here.
    fn answer(&self, _asked: &Asked<'_>, _points: &dyn Points) -> Option<Reply> {
        None
    }
}

/// It has no plus sign.
fn plain_integer(text: &str) -> Option<i64> {
    (!text.starts_with('+')).then(|| integer(text).ok()).flatten()
}
