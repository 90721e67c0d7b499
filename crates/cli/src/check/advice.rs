//! What is worth knowing about a server before points are trusted to it.
//!
//! Every line here was measured on the server it is about.

use potsdb::{Server, Stats};

/// What an answer of this server is worth, and which setting of it matters.
pub(super) fn about(server: Server) -> &'static [&'static str] {
    match server {
        Server::OpenTsdb => &[
            "it answers for points once they are parsed; the store behind it has them up to a second later",
            "it knows a new metric only with tsd.core.auto_create_metrics = true, or after `tsdb mkmetric`",
        ],
        Server::VictoriaMetrics => &[
            "it never answers on this port: points are unconfirmed, and a point it refuses is only in its own log",
            "start it with -dedup.minScrapeInterval=1ms, so that a point written twice is stored once",
        ],
        Server::InfluxDb => &[
            "while it stops it still takes points on this port for up to 30 s, and stores none of them",
            "it cuts milliseconds to seconds",
        ],
        Server::KairosDb => &["it answers for having read the points; a point it refuses is only in its own log"],
        Server::TDengine => &["it answers for having read the points; what it could not store is only in its own log"],
        _ => &[],
    }
}

/// What a rejection of the test point asks for.
pub(super) fn after(stats: &Stats) -> Option<&'static str> {
    let words = stats.last_rejections.last()?;
    if words.contains("unknown metric") {
        Some("create the metric with `tsdb mkmetric`, or set tsd.core.auto_create_metrics = true")
    } else if words.contains("Unauthorized") || words.contains("Unauthenticated") {
        Some("the server wants a login before it takes points")
    } else {
        None
    }
}
