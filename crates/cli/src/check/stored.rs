//! Whether the test point came back: OpenTSDB is asked for it until it has it.
//!
//! A point that was answered for is in the store up to a second later.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::request::{Asked, encoded};

/// Whether a query finds the point.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Stored {
    Yes,
    /// Why not.
    No(String),
    /// Nobody answers queries there, a proxy for telnet for one: and why it is not known.
    Unknown(String),
}

/// Asks for the point of a line until it is there, as long as the server is asked at all.
pub(super) fn look_for(line: &str, asked: &Asked) -> Stored {
    let mut fields = line.split_whitespace().skip(1);
    let (Some(metric), Some(time)) = (fields.next(), fields.next()) else {
        return Stored::No("there is no line".into());
    };
    let tags: Vec<String> = fields.skip(1).map(encoded).collect();
    let metric = encoded(metric);
    // The end of a query is after its start.
    let end = time.parse::<u64>().unwrap_or_default() + 1;
    let path = format!(
        "/api/query?start={time}&end={end}&m=sum:{metric}%7B{}%7D",
        tags.join(",")
    );
    let deadline = Instant::now() + asked.timeout;
    loop {
        let stored = match asked.get(&path) {
            Ok(answer) if answer.status == 200 && holds(&answer.body, time) => return Stored::Yes,
            Ok(answer) if answer.status == 200 || answer.status == 400 => {
                Stored::No(format!("a query does not find it within {:?}", asked.timeout))
            }
            Ok(answer) => Stored::No(format!("a query is answered with status {}", answer.status)),
            Err(error) => Stored::Unknown(format!("a query is not answered: {error}")),
        };
        if Instant::now() + AGAIN > deadline {
            return stored;
        }
        thread::sleep(AGAIN);
    }
}

/// Whether an answer to a query has a point at that time.
fn holds(body: &[u8], time: &str) -> bool {
    let answer: Value = serde_json::from_slice(body).unwrap_or_default();
    let series = answer.as_array().map(Vec::as_slice).unwrap_or_default();
    series.iter().any(|series| series["dps"].get(time).is_some())
}

/// Between two questions.
const AGAIN: Duration = Duration::from_millis(200);

#[cfg(test)]
mod tests {
    use super::holds;

    #[test]
    fn a_point_is_found_by_its_time() {
        let body = br#"[{"metric":"m","tags":{},"dps":{"1767225600":1}}]"#;
        assert!(holds(body, "1767225600"));
        assert!(!holds(body, "1767225601") && !holds(b"[]", "1767225600") && !holds(b"<html>", "1"));
    }
}
