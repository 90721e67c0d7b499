//! The client's statistics, for a script and for a person.
//!
//! Delivered means acknowledged or unconfirmed, everywhere; what was accepted and is neither is told with its reason
//! and what the server or the network said about it.

use std::path::Path;

use potsdb::binding::ClientBinding as _;
use potsdb::{Ack, Client, Report, SpoolStats, Stats};
use serde_json::{Map, Value, json};

use crate::output::Output;

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
            "state": endpoint.to_string(),
            "server": endpoint.server.map(|server| server.to_string()),
            "last_error": endpoint.last_error,
            "clock_skew_seconds": endpoint.clock_skew,
            "limit": endpoint.limit,
            "window_bytes": endpoint.window_bytes,
        })
    });
    object.insert("endpoints".into(), Value::Array(endpoints.collect()));
    let metrics = stats.by_metric.iter().map(|count| {
        json!({
            "metric": count.metric,
            "points": count.points,
            "bytes": count.bytes,
        })
    });
    object.insert("by_metric".into(), Value::Array(metrics.collect()));
    object.insert("spool".into(), stats.spool.as_ref().map_or(Value::Null, spool));
    object.insert(
        "last_answer_seconds".into(),
        json!(stats.last_answer.map(|latency| latency.as_secs_f64())),
    );
    object
}

fn spool(spool: &SpoolStats) -> Value {
    json!({
        "bytes": spool.bytes,
        "segments": spool.segments,
        "slots": spool.slots,
        "unsynced": spool.unsynced,
        "oldest_seconds": spool.oldest.map(|age| age.as_secs_f64()),
        "full_in_seconds": spool.full_in.map(|time| time.as_secs_f64()),
        "syncs": spool.syncs,
        "stalled": spool.stalled,
        "off": spool.off,
    })
}

/// Returns true when every point the client took has been delivered, and none of them is in doubt.
///
/// After an error that names no point, what had not settled when the command ended may not be stored. What was written to a
/// server that never answers is delivered, as far as anybody can tell, and [`undelivered`] says so.
pub(crate) fn all_delivered(stats: &Stats) -> bool {
    is_settled(stats) && stats.accepted + stats.adopted == stats.delivered()
}

/// Returns true when every point that has not been delivered is kept in the spool, and there is one.
pub(crate) fn all_kept(stats: &Stats) -> bool {
    is_settled(stats) && stats.spooled > 0 && stats.accepted + stats.adopted == stats.delivered() + stats.spooled
}

/// Whether no late error leaves in doubt what was acknowledged.
fn is_settled(stats: &Stats) -> bool {
    stats.late_errors == 0 || stats.unsettled == 0
}

/// Whether the options say that nobody answers for points.
pub(crate) fn is_silent_as_said(client: &Client) -> bool {
    let options = client.options();
    options.ack == Ack::None || options.server.is_some_and(|server| !server.answers_version())
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
///
/// `ended` is why nobody waits for them any more: `gave up after 5s`. `heard` is what a server asked for last, as far as the
/// caller was told.
pub(crate) fn undelivered(client: &Client, stats: &Stats, ended: &str, heard: &Heard, output: &Output) -> Vec<String> {
    let mut lines = Vec::new();
    if stats.rejected > 0 {
        let words = words_of_the_server(stats, |words| output.has_said(words));
        lines.push(with_reason(
            &format!("{} refused by the server", points(stats.rejected)),
            words,
        ));
    }
    let dropped = &stats.dropped;
    for (count, reason) in [
        (dropped.closed, format!("{ended}: {}", why_not(client, stats, heard))),
        (dropped.expired, "older than max_age".to_owned()),
        (dropped.queue_full, "the queue was full (overflow)".to_owned()),
        (dropped.stopped, "the client was stopped".to_owned()),
        (dropped.spool_full, "the spool was full".to_owned()),
        (dropped.spool_damaged, "the spool was damaged".to_owned()),
        (dropped.test_mode, "test_mode touches no network".to_owned()),
    ] {
        if count > 0 {
            lines.push(format!("{} not delivered: {reason}", points(count)));
        }
    }
    if stats.spooled > 0 {
        let spool = client.options().spool.as_deref().unwrap_or(Path::new(""));
        let why = why_not(client, stats, heard);
        let spooled = points(stats.spooled);
        lines.push(format!(
            "{spooled} kept in the spool {}, for the next that opens it: {why}",
            spool.display()
        ));
    }
    if stats.pending() > stats.spooled {
        lines.push(format!("{} still on the way", points(stats.pending() - stats.spooled)));
    }
    if stats.late_errors > 0 && stats.unsettled > 0 {
        let words = words_of_the_server(stats, |words| output.has_said(words));
        let unsettled = points(stats.unsettled);
        lines.push(with_reason(
            &format!("{unsettled} acknowledged, and perhaps not stored: an error came after the answer"),
            words,
        ));
    }
    if stats.unconfirmed > 0 && !is_silent_as_said(client) {
        let written = points(stats.unconfirmed);
        lines.push(format!(
            "{written} written to {}, which never answered: whether it has them is not known (server=victoriametrics or \
             ack=none if that is as it should be)",
            names(stats)
        ));
    }
    lines
}

/// What servers asked for or failed at, from the client's reports, which each are told once.
#[derive(Default)]
pub(crate) struct Heard(Option<String>);

impl Heard {
    /// Takes in a report.
    pub(crate) fn report(&mut self, report: &Report) {
        if let Report::Throttled { .. } | Report::Failing { .. } | Report::Unauthorized { .. } = report {
            self.0 = Some(report.to_string());
        }
    }

    /// Takes in all that are left.
    pub(crate) fn rest(mut self, client: &Client) -> Heard {
        client.take_reports().iter().for_each(|report| self.report(report));
        self
    }
}

/// Why points are still not delivered: what the endpoints last ran into, what a server said to them, or what they wait for.
pub(crate) fn why_not(client: &Client, stats: &Stats, heard: &Heard) -> String {
    let errors = stats.endpoints.iter().filter_map(|endpoint| {
        let error = endpoint.last_error.as_ref()?;
        Some(format!("{}: {error}", endpoint.name))
    });
    let mut reasons: Vec<String> = errors.collect();
    let (names, mps) = (names(stats), client.options().mps);
    let words = words_of_the_server(stats, |_| false).or_else(|| heard.0.clone());
    reasons.extend(words.map(|words| match reasons.is_empty() {
        true => format!("{names}: {words}"),
        false => words,
    }));
    match reasons.is_empty() {
        false => reasons.join("; "),
        true if mps > 0.0 => format!("mps={mps} lets no more points out in that time"),
        true if stats.connects == 0 => format!("no connection to {names} yet"),
        true if stats.last_answer.is_some() => format!("no further answer from {names}"),
        true => format!("no answer from {names}"),
    }
}

fn names(stats: &Stats) -> String {
    let names: Vec<_> = stats.endpoints.iter().map(|endpoint| endpoint.name.as_str()).collect();
    names.join(", ")
}

fn with_reason(what: &str, reason: Option<String>) -> String {
    match reason {
        Some(reason) => format!("{what}: {reason}"),
        None => what.to_owned(),
    }
}

/// The server's last words about points, each once.
pub(crate) fn words_of_the_server(stats: &Stats, said: impl Fn(&str) -> bool) -> Option<String> {
    let mut words = stats.last_rejections.clone();
    words.sort();
    words.dedup();
    words.retain(|words| !said(words));
    let more = words.len().saturating_sub(TOLD);
    words.truncate(TOLD);
    if more > 0 {
        words.push(format!("and {more} more"));
    }
    (!words.is_empty()).then(|| words.join("; "))
}

/// How many of the server's words are told.
const TOLD: usize = 3;

/// `1 point`, `2 points`.
pub(crate) fn points(count: u64) -> String {
    plural(count, "point")
}

/// `1 line`, `2 lines`.
pub(crate) fn plural(count: u64, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}
