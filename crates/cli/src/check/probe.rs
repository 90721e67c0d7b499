//! What answers at one address, and whether points can be sent to it.
//!
//! `GET /api/version` is the one question that is harmless everywhere and tells the servers apart by their answer.
//! It goes out right after the connection stands and on a connection of its own: VictoriaMetrics serves nobody else
//! on that port until a new connection has sent its first byte, and takes everything but a `put` for HTTP. If HTTP
//! gets no answer for a moment, which rules VictoriaMetrics out, the telnet command `version` is tried beside it. Over
//! HTTP a server that is not known by that answer is asked to take no point: `[]`.

use std::io;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use potsdb::Server;
use serde_json::Value;

use super::collision::Collision;
use crate::request::{Answer, Asked, NoAnswer};

/// What was found at an address that accepts connections.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Found {
    /// Which server it is, if its answer is one that is known.
    pub(super) server: Option<Server>,
    /// What it says about itself, or what came instead.
    pub(super) words: String,
    /// How long the answer took.
    pub(super) waited: Duration,
    /// Why no point can be sent there.
    pub(super) problem: Option<String>,
    /// How far its clock is ahead of this machine's, in seconds.
    pub(super) ahead: Option<i64>,
    /// Whether a metric that is new is created by itself.
    pub(super) creates_metrics: Option<bool>,
    /// The longest body that it takes.
    pub(super) longest_body: Option<u64>,
    /// The series that two connections write at the same time; only potsdb's own server can tell.
    pub(super) collisions: Vec<Collision>,
}

/// Connects to an address and asks what it is.
pub(super) fn probe(asked: &Asked) -> Result<Found, NoAnswer> {
    let started = Instant::now();
    let mut found = match asked.endpoint.scheme().is_http() {
        true => over_http(asked)?,
        false => over_telnet(asked)?,
    };
    found.waited = started.elapsed();
    if found.server == Some(Server::OpenTsdb) && found.problem.is_none() {
        found.configure(asked);
    }
    // KairosDB has no HTTP on this port, and would answer nothing.
    if found.server.is_some() && found.server != Some(Server::KairosDb) && found.problem.is_none() {
        found.collisions = collisions(asked);
    }
    Ok(found)
}

/// What potsdb's own server knows of series that overwrite each other; any other server knows no such path.
fn collisions(asked: &Asked) -> Vec<Collision> {
    match asked.get("/api/potsdb/collisions") {
        Ok(answer) if answer.status == 200 => Collision::read(&answer.body),
        _ => Vec::new(),
    }
}

fn over_http(asked: &Asked) -> Result<Found, NoAnswer> {
    let answer = match asked.get("/api/version") {
        Ok(answer) => answer,
        Err(error @ NoAnswer::Connect(_)) => return Err(error),
        Err(error) => return Ok(not_http(asked, &error)),
    };
    let mut found = Found::of_http(&answer);
    // What is known by its answer to the version is known to take points at that path.
    if found.server.is_some() || answer.refuses() {
        return Ok(found);
    }
    let path = asked.endpoint.target().split('?').next().unwrap_or_default();
    found.problem = match asked.put(b"[]") {
        Ok(answer) if answer.is_of_put() => {
            found.words = format!("a server that is none of those known here takes points at {path}");
            None
        }
        Ok(answer) if answer.refuses() => Found::of_http(&answer).problem,
        Ok(answer) if answer.status < 300 => Some(format!("what answers at {path} is a web page, perhaps a login")),
        Ok(answer) => Some(format!("nothing takes points at {path}: status {}", answer.status)),
        Err(error) => Some(format!("nothing takes points at {path}: {error}")),
    };
    if found.problem.is_some()
        && let Ok(answer) = asked.get("/api/v1/version")
        && String::from_utf8_lossy(&answer.body).contains("KairosDB")
    {
        found.server = Some(Server::KairosDb);
        found.problem = Some(KAIROSDB.into());
    }
    Ok(found)
}

/// Where no HTTP is spoken, the URL may name the wrong wire.
fn not_http(asked: &Asked, error: &NoAnswer) -> Found {
    let version = asked.version(|received| recognise_telnet(received).is_some());
    let server = version.ok().and_then(|version| recognise_telnet(&version));
    let problem = match &server {
        Some((Server::KairosDb, _)) => KAIROSDB.into(),
        Some((server, _)) => format!("{server} speaks telnet here: use tsdb://"),
        None => error.to_string(),
    };
    let (server, words) = server.unzip();
    Found {
        server,
        words: words.unwrap_or_else(|| error.to_string()),
        problem: Some(problem),
        ..Found::default()
    }
}

fn over_telnet(asked: &Asked) -> Result<Found, NoAnswer> {
    // A telnet client has no other login than a line, and then the line decides.
    if asked.client.options().auth.is_some() {
        let answer =
            asked.version(|received| after_login(received).is_some_and(|rest| recognise_telnet(rest).is_some()))?;
        return Ok(Found::of_login(&answer));
    }
    let (answers, answer) = mpsc::channel();
    let ask = |question: Question| {
        let (asked, answers) = (asked.clone(), answers.clone());
        thread::spawn(move || {
            let _ = answers.send(question(&asked));
        });
    };
    ask(|asked| asked.get("/api/version").map(|answer| Found::of_http(&answer)));
    let mut best = answer.recv_timeout(MOMENT).ok();
    if best.as_ref().is_none_or(|outcome| weight(outcome) < KNOWN) {
        ask(|asked| {
            let version = asked.version(|received| recognise_telnet(received).is_some())?;
            recognise_telnet(&version)
                .map(|(server, words)| Found::known(server, words))
                .ok_or_else(|| match version.is_empty() {
                    true => NoAnswer::Ended(io::Error::other("the server closed it")),
                    false => NoAnswer::Foreign(version),
                })
        });
    }
    drop(answers);
    while best.as_ref().is_none_or(|outcome| weight(outcome) < KNOWN)
        && let Ok(next) = answer.recv()
    {
        best = best.into_iter().chain([next]).max_by_key(weight);
    }
    match best.expect("one question was asked at least") {
        Ok(found) => Ok(found.or_no_tsd()),
        Err(error @ NoAnswer::Connect(_)) => Err(error),
        Err(error) => Ok(Found {
            words: error.to_string(),
            problem: Some(error.to_string()),
            ..Found::default()
        }),
    }
}

/// A question to a server, and what it tells.
type Question = fn(&Asked) -> Outcome;
type Outcome = Result<Found, NoAnswer>;

/// How much an outcome tells: a known server most of all, silence least.
fn weight(outcome: &Outcome) -> u8 {
    match outcome {
        Ok(found) if found.server.is_some() => KNOWN,
        Ok(_) => 3,
        Err(NoAnswer::Foreign(_)) => 2,
        Err(NoAnswer::Ended(_)) => 1,
        Err(NoAnswer::Silence(_) | NoAnswer::Connect(_)) => 0,
    }
}

const KNOWN: u8 = 4;

impl Found {
    fn known(server: Server, words: String) -> Found {
        Found {
            server: Some(server),
            words,
            ..Found::default()
        }
    }

    fn of_http(answer: &Answer) -> Found {
        let (server, words) = recognise_http(answer);
        let status = answer.status;
        let problem = match status {
            _ if server.is_some() => None,
            401 | 403 => Some(format!("it wants a login, or another one: status {status}")),
            407 => Some("a proxy wants a login: status 407".into()),
            300..=399 => {
                let place = answer.location.as_deref().unwrap_or("another place");
                Some(format!(
                    "it sends its visitors to {place}: a login page, or a wrong URL"
                ))
            }
            500 | 502..=504 => Some(format!("the server fails: status {status}")),
            _ => None,
        };
        Found {
            server,
            words,
            problem,
            ahead: answer.date.and_then(ahead),
            ..Found::default()
        }
    }

    fn of_login(answer: &[u8]) -> Found {
        let Some(version) = after_login(answer) else {
            // Not in the server's words: they may repeat the secret.
            return Found {
                words: "it does not let this login in".into(),
                problem: Some("its answer to the first line is not AUTH_SUCCESS".into()),
                ..Found::default()
            };
        };
        match recognise_telnet(version) {
            Some((server, words)) => Found::known(server, words),
            None => Found {
                words: "it lets this login in".into(),
                problem: Some("it does not answer `version`".into()),
                ..Found::default()
            },
        }
    }

    /// On telnet's wire a web server that nobody knows takes no points.
    fn or_no_tsd(mut self) -> Found {
        if self.server.is_none() && self.problem.is_none() {
            self.problem = Some(format!("{}, and nothing that takes points", self.words));
        }
        self
    }

    /// What OpenTSDB's configuration says about points to come.
    fn configure(&mut self, asked: &Asked) {
        let Ok(answer) = asked.get("/api/config") else { return };
        let config: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let is_on = |name: &str| Some(config.get(name)?.as_str()? == "true");
        self.ahead = self.ahead.or(answer.date.and_then(ahead));
        self.creates_metrics = is_on("tsd.core.auto_create_metrics");
        self.longest_body = is_on("tsd.http.request.enable_chunked").map(|chunked| {
            let most = || config.get("tsd.http.request.max_chunk")?.as_str()?.parse().ok();
            if chunked {
                most().unwrap_or(WHOLE).max(WHOLE)
            } else {
                WHOLE
            }
        });
    }
}

impl Answer {
    /// Whether this login, or this way, is not let in, whatever is behind it.
    fn refuses(&self) -> bool {
        matches!(self.status, 300..=399 | 401 | 403 | 407 | 500 | 502..=504)
    }

    /// Whether it is one that only a place for points gives to a body without points.
    fn is_of_put(&self) -> bool {
        let body: Value = serde_json::from_slice(&self.body).unwrap_or_default();
        match self.status {
            200..300 => self.body.is_empty() || body.get("success").is_some(),
            400 => body.get("error").is_some_and(|error| error.get("message").is_some()),
            _ => false,
        }
    }
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
    let words: Vec<&str> = body.split_whitespace().collect();
    let start: String = words.join(" ").chars().take(60).collect();
    (None, format!("a web server: status {}, {start:?}", answer.status))
}

/// What follows the answer to a login that was let in.
fn after_login(received: &[u8]) -> Option<&[u8]> {
    let (first, rest) = received.split_at(memchr::memchr(b'\n', received)? + 1);
    first.starts_with(b"AUTH_SUCCESS").then_some(rest)
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

/// How far a server's clock is ahead of this machine's, in whole seconds: its `Date` has no others.
fn ahead(date: SystemTime) -> Option<i64> {
    let seconds = |time: SystemTime| i64::try_from(time.duration_since(SystemTime::UNIX_EPOCH).ok()?.as_secs()).ok();
    Some(seconds(date)? - seconds(SystemTime::now())?)
}

const KAIROSDB: &str = "KairosDB takes OpenTSDB's points over telnet only: use tsdb:// and its telnet port (4242)";

/// How long HTTP may take before telnet is tried beside it.
const MOMENT: Duration = Duration::from_millis(300);

/// The longest body that OpenTSDB takes however it is configured.
const WHOLE: u64 = 8192;

#[cfg(test)]
mod tests {
    use super::{Answer, Found, Server, after_login, recognise_http, recognise_telnet};

    fn answer(status: u16, body: &str) -> Answer {
        Answer {
            status,
            body: body.into(),
            ..Answer::default()
        }
    }

    fn http(status: u16, body: &str) -> Option<Server> {
        recognise_http(&answer(status, body)).0
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
    fn a_place_for_points_is_known_by_what_it_says_to_none() {
        for (status, body) in [
            (204, ""),
            (200, r#"{"success":0,"failed":0}"#),
            (
                400,
                r#"{"error":{"code":400,"message":"No datapoints found in content"}}"#,
            ),
        ] {
            assert!(answer(status, body).is_of_put(), "{status} {body}");
        }
        for (status, body) in [(200, "<html>"), (400, "Bad Request"), (404, ""), (405, "{}")] {
            assert!(!answer(status, body).is_of_put(), "{status} {body}");
        }
    }

    #[test]
    fn a_login_a_redirect_and_a_failure_are_problems() {
        for status in [301, 302, 401, 403, 407, 500, 503] {
            assert!(Found::of_http(&answer(status, "")).problem.is_some(), "{status}");
            assert!(answer(status, "").refuses());
        }
        assert!(Found::of_http(&answer(200, "<html>")).or_no_tsd().problem.is_some());
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

    #[test]
    fn what_comes_before_a_login_is_let_in_is_no_version() {
        assert_eq!(after_login(b"AUTH_SUCCESS\r\nKairosDB 1\n"), Some(&b"KairosDB 1\n"[..]));
        assert_eq!(after_login(b"AUTH_FAIL\r\nKairosDB 1\n"), None);
        assert_eq!(after_login(b"AUTH_SUCCESS"), None);
    }
}
