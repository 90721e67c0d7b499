//! What is worth knowing about a server before points are trusted to it.
//!
//! Every line here was measured on the server it is about.

use potsdb::{Scheme, Server, Stats};

/// What an answer of this server is worth on this wire, and which setting of it matters.
pub(super) fn about(server: Server, scheme: Scheme) -> impl Iterator<Item = String> {
    let lines: &[&str] = match (server, scheme.is_http()) {
        (Server::OpenTsdb, false) => {
            &["it answers for points once they are parsed; the store behind it has them up to a second later"]
        }
        (Server::OpenTsdb, true) => &[
            "it answers for points once they are parsed, and discards some under load: ack=stored waits for the store",
        ],
        (Server::VictoriaMetrics, false) => &[
            "it never answers on this port: points are unconfirmed, and a point it refuses is only in its own log",
            DEDUPLICATE,
        ],
        (Server::VictoriaMetrics, true) => &[
            "it confirms each request, and not the points in it: a point it refuses is only in its own log",
            DEDUPLICATE,
        ],
        (Server::InfluxDb, false) => &[
            "while it stops it still takes points over telnet for up to 30 s, and stores none of them: over HTTP it does not",
            "it cuts milliseconds to seconds",
        ],
        (Server::InfluxDb, true) => &["it cuts milliseconds to seconds"],
        (Server::KairosDb, false) => {
            &["it answers for having read the points; a point it refuses is only in its own log"]
        }
        (Server::TDengine, false) => {
            &["it answers for having read the points; what it could not store is only in its own log"]
        }
        _ => &[],
    };
    lines.iter().map(ToString::to_string)
}

const DEDUPLICATE: &str = "start it with -dedup.minScrapeInterval=1ms, so that a point written twice is stored once";

/// What a rejection of the test point asks for.
pub(super) fn after(stats: &Stats) -> Option<String> {
    let words = stats.last_rejections.last()?;
    let advice = if words.contains("unknown metric") || words.contains("No such name") {
        "create the metric with `tsdb mkmetric`, or set tsd.core.auto_create_metrics = true"
    } else if words.contains("Unauthorized") || words.contains("Unauthenticated") {
        "the server wants a login before it takes points"
    } else {
        return None;
    };
    Some(advice.to_owned())
}
