//! The client's statistics, for a script and for a person.
//!
//! Delivered means acknowledged or unconfirmed, everywhere; what was accepted and is neither is told with its reason
//! and what the server or the network said about it.

use potsdb::Stats;
use serde_json::{Map, Value, json};

/// Every counter by the client's own name, and what is known about each endpoint.
pub(crate) fn object(stats: &Stats) -> Map<String, Value> {
    let mut object: Map<String, Value> = stats
        .pairs()
        .into_iter()
        .map(|(name, count)| (name.to_string(), json!(count)))
        .collect();
    object.insert("delivered".into(), json!(stats.delivered()));
    object.insert("dropped".into(), json!(stats.dropped.total()));
    object.insert("pending".into(), json!(stats.pending()));
    let rejections = stats
        .rejections
        .iter()
        .map(|(kind, count)| (kind.to_string(), json!(count)));
    object.insert("rejections".into(), Value::Object(rejections.collect()));
    object.insert("last_rejections".into(), json!(stats.last_rejections));
    let endpoints = stats.endpoints.iter().map(|endpoint| {
        json!({
            "name": endpoint.name,
            "state": endpoint.state,
            "server": endpoint.server.map(|server| server.to_string()),
            "last_error": endpoint.last_error,
            "limit": endpoint.limit,
            "window_bytes": endpoint.window_bytes,
        })
    });
    object.insert("endpoints".into(), Value::Array(endpoints.collect()));
    object.insert(
        "last_answer_seconds".into(),
        json!(stats.last_answer.map(|latency| latency.as_secs_f64())),
    );
    object
}

/// Returns true when every point the client took has been delivered.
pub(crate) fn all_delivered(stats: &Stats) -> bool {
    stats.accepted + stats.adopted == stats.delivered()
}

/// The statistics in a sentence: `130 accepted: 130 acknowledged; 4052 bytes over 1 connection`.
pub(crate) fn words(stats: &Stats) -> String {
    let connections = plural(stats.connects, "connection");
    let mut words = format!("{stats}; {} bytes over {connections}", stats.bytes_written);
    for (count, what) in [(stats.resent, "written again"), (stats.repeated, "repeated")] {
        if count > 0 {
            words.push_str(&format!(", {} {what}", points(count)));
        }
    }
    if let Some(latency) = stats.last_answer {
        words.push_str(&format!(", last answer after {:.1} ms", latency.as_secs_f64() * 1000.0));
    }
    words
}

/// Says which points were not delivered and why, a line each; nothing when all were.
pub(crate) fn undelivered(stats: &Stats) -> Vec<String> {
    if all_delivered(stats) {
        return Vec::new();
    }
    let missing = stats.accepted + stats.adopted - stats.delivered();
    let mut reasons = Vec::new();
    if stats.rejected > 0 {
        reasons.push(format!("{} rejected by the server", stats.rejected));
    }
    for (name, count) in stats.pairs() {
        if let Some(reason) = name.strip_prefix("dropped_")
            && count > 0
        {
            reasons.push(format!("{count} dropped ({reason})"));
        }
    }
    if stats.pending() > 0 {
        reasons.push(format!("{} still pending", stats.pending()));
    }
    let mut lines = vec![format!("{} not delivered: {}", points(missing), reasons.join(", "))];
    lines.extend(
        stats
            .last_rejections
            .iter()
            .map(|words| format!("the server said: {words}")),
    );
    for endpoint in &stats.endpoints {
        lines.push(match &endpoint.last_error {
            Some(error) => format!("{}: {}; last error: {error}", endpoint.name, endpoint.state),
            None => format!("{}: {}", endpoint.name, endpoint.state),
        });
    }
    lines
}

/// `1 point`, `2 points`.
pub(crate) fn points(count: u64) -> String {
    plural(count, "point")
}

/// `1 line`, `2 lines`.
pub(crate) fn plural(count: u64, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}
