//! What answers at one address.
//!
//! `GET /api/version` is the one question that is harmless everywhere and tells the servers apart by their answer.
//! It goes out right after the connection stands and on a connection of its own: VictoriaMetrics serves nobody else
//! on that port until a new connection has sent its first byte, and takes everything but a `put` for HTTP. Only
//! where HTTP gets no answer, which rules VictoriaMetrics out, is the telnet command `version` tried.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use potsdb::Server;
use serde_json::Value;

use crate::request::{self, Answer, NoAnswer};

/// What was found at an address that accepts connections.
#[derive(Debug, PartialEq)]
pub(super) struct Found {
    /// Which server it is, where its answer is one that is known.
    pub(super) server: Option<Server>,
    /// What it says about itself, or what came instead.
    pub(super) words: String,
    /// How long the answer took.
    pub(super) waited: Duration,
}

/// Connects to `address` and asks what it is.
pub(super) fn probe(address: SocketAddr, host: &str, timeout: Duration) -> std::io::Result<Found> {
    let started = Instant::now();
    let (server, words) = match request::get(address, host, "/api/version", timeout) {
        Ok(answer) => recognise_http(&answer),
        Err(NoAnswer::Connect(error)) => return Err(error),
        Err(no_answer) => match ask_version(address, timeout) {
            Some((server, words)) => (Some(server), words),
            None => (None, no_answer.to_string()),
        },
    };
    Ok(Found {
        server,
        words,
        waited: started.elapsed(),
    })
}

fn recognise_http(answer: &Answer) -> (Option<Server>, String) {
    let body = String::from_utf8_lossy(&answer.body);
    if answer.status == 200
        && let Ok(Value::Object(version)) = serde_json::from_slice(&answer.body)
        && let Some(Value::String(number)) = version.get("version")
    {
        let revision = version
            .get("short_revision")
            .and_then(Value::as_str)
            .filter(|text| !text.is_empty());
        let words = revision.map_or_else(|| number.clone(), |revision| format!("{number}, revision {revision}"));
        return (Some(Server::OpenTsdb), format!("version {words}"));
    }
    if answer.status == 400 && body.contains("OpenTSDB server") {
        return (Some(Server::VictoriaMetrics), "its OpenTSDB port".into());
    }
    if answer.status == 404 && body.trim_end() == "404 page not found" {
        return (Some(Server::InfluxDb), "its OpenTSDB port".into());
    }
    let start: String = body.chars().take(80).collect();
    (
        None,
        format!(
            "an HTTP server that is none of those known here: status {}, {start:?}",
            answer.status
        ),
    )
}

fn ask_version(address: SocketAddr, timeout: Duration) -> Option<(Server, String)> {
    let answer = request::ask(address, "version\n", timeout, |received| {
        recognise_telnet(received).is_some()
    })
    .ok()?;
    recognise_telnet(&answer)
}

fn recognise_telnet(received: &[u8]) -> Option<(Server, String)> {
    let text = String::from_utf8_lossy(received);
    let first = text.lines().next()?;
    let server = if first.starts_with("KairosDB ") && text.contains('\n') {
        Server::KairosDb
    } else if first.contains(" built at revision ") && text.contains("Built on ") {
        Server::OpenTsdb
    } else if first.starts_with("InfluxDB TSDB proxy") {
        Server::InfluxDb
    } else if first == "1" {
        Server::TDengine
    } else {
        return None;
    };
    Some((server, first.to_string()))
}

#[cfg(test)]
mod tests {
    use super::{Server, recognise_http, recognise_telnet};
    use crate::request::Answer;

    fn http(status: u16, body: &str) -> Option<Server> {
        recognise_http(&Answer {
            status,
            body: body.into(),
        })
        .0
    }

    #[test]
    fn each_server_is_known_by_its_answer_to_api_version() {
        assert_eq!(
            http(200, r#"{"version":"2.4.1","short_revision":"eb125a342"}"#),
            Some(Server::OpenTsdb)
        );
        let victoria = "unexpected path requested on HTTP OpenTSDB server: \"/api/version\"";
        assert_eq!(http(400, victoria), Some(Server::VictoriaMetrics));
        assert_eq!(http(404, "404 page not found\n"), Some(Server::InfluxDb));
    }

    #[test]
    fn any_other_http_server_is_not_taken_for_one_of_them() {
        assert_eq!(http(200, "<html>"), None);
        assert_eq!(http(200, "{}"), None);
        assert_eq!(http(404, "<html>404 page not found</html>"), None);
    }

    #[test]
    fn each_server_is_known_by_its_answer_to_version() {
        let known = |text: &str| recognise_telnet(text.as_bytes()).map(|(server, _)| server);
        assert_eq!(known("KairosDB 1.3.0-1.20210808223203\n"), Some(Server::KairosDb));
        assert_eq!(
            known("net.opentsdb.tools 2.4.1 built at revision e (MINT)\nBuilt on 2021"),
            Some(Server::OpenTsdb)
        );
        assert_eq!(known("InfluxDB TSDB proxy"), Some(Server::InfluxDb));
        assert_eq!(known("1"), Some(Server::TDengine));
        assert_eq!(known("220 smtp.example.com ESMTP"), None);
        assert_eq!(known(""), None);
    }
}
