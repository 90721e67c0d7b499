//! The relay's HTTP: `/api/put`, what probes and clients ask a TSD, and what an operator asks the relay.
//!
//! ```text
//! put --> lines --> every store --> safe within patience.answer? --> sync: stored? --> 204, 200, 400
//!           |           |  no room           | no                      | no
//!           413, 400    '-- 503 -------------'-- 503 ------------------'-- 503, with Retry-After
//! ```
//!
//! Never 429: telegraf throws away what a 4xx answers. A body that was answered with 503 may be in part with the stores, and
//! a repeat of it overwrites the same cells.

use std::sync::Arc;

use potsdb::InvalidPoint;
use potsdb_front::{Head, Inflated, Reply, Request, inflate};
use serde_json::json;
use tokio::time::{Instant, timeout, timeout_at};

use crate::counts::add;
use crate::put::{self, Body, Flags, Unreadable};
use crate::session::{Session, TURN};
use crate::shared::Shared;
use crate::status;

/// A body above that is read on a thread of its own, so that no connection waits for it.
const LARGE: usize = 256 * 1024;

/// A path of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Path {
    Put,
    Version,
    Config,
    Aggregators,
    Stats,
    Live,
    Ready,
    Status,
    Metrics,
}

impl Path {
    fn of(path: &str) -> Option<Path> {
        let path = path.trim_end_matches('/').to_ascii_lowercase();
        let path = path
            .strip_prefix("/api/v1")
            .map_or(path.clone(), |rest| format!("/api{rest}"));
        Some(match path.as_str() {
            "/api/put" => Path::Put,
            "/api/version" | "/version" => Path::Version,
            "/api/config" => Path::Config,
            "/api/aggregators" | "/aggregators" => Path::Aggregators,
            "/api/stats" | "/stats" => Path::Stats,
            "/live" => Path::Live,
            "/ready" => Path::Ready,
            "" | "/status" => Path::Status,
            "/metrics" => Path::Metrics,
            _ => return None,
        })
    }
}

/// What is said to a request before its body is read.
pub(crate) fn at_head(shared: &Shared, head: &Head) -> Option<Reply> {
    let path = Path::of(head.path())?;
    match (path, head.method.as_str()) {
        (Path::Put, "POST") if !shared.is_serving() => Some(unavailable(shared, "the relay is stopping")),
        (Path::Put, "POST") if shared.behind.is_wrong() => Some(unavailable(shared, &status::why_not_ready(shared))),
        (Path::Put, "POST") | (_, "GET" | "HEAD") if path != Path::Put || head.method == "POST" => None,
        (_, method) => Some(Reply::error(405, &format!("{method} is not allowed here"))),
    }
}

/// Answers a request.
pub(crate) async fn reply(session: &mut Session, request: Request) -> Reply {
    let shared = Arc::clone(&session.shared);
    match Path::of(request.head.path()) {
        Some(Path::Put) => put(session, request).await,
        Some(Path::Version) => Reply::json(version(&shared)),
        Some(Path::Config) => Reply::json(config(&shared)),
        Some(Path::Aggregators) => Reply::json("[]"),
        Some(Path::Stats) => Reply::json(status::stats_json(&shared).to_string()),
        Some(Path::Live) => Reply::new(200, TEXT, "alive\n"),
        Some(Path::Ready) => match shared.is_ready() {
            true => Reply::new(200, TEXT, "ready\n"),
            false => Reply::new(503, TEXT, format!("{}\n", status::why_not_ready(&shared))),
        },
        Some(Path::Status) => status::page(&shared, &request.head),
        Some(Path::Metrics) => Reply::new(200, PROMETHEUS, status::metrics(&shared)),
        None => Reply::error(404, "a relay takes points and answers no queries: ask the store"),
    }
}

const TEXT: &str = "text/plain; charset=UTF-8";
const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=UTF-8";

async fn put(session: &mut Session, request: Request) -> Reply {
    let shared = Arc::clone(&session.shared);
    let parameters = request.head.parameters();
    let flags = Flags {
        summary: parameters.given("summary"),
        details: parameters.given("details"),
        sync: parameters.given("sync"),
    };
    let body = match read(&shared, request, flags).await {
        Ok(body) => body,
        Err(reply) => return reply,
    };
    session.count_invalid(body.bad);
    let patience = shared.settings.now().patience;
    let until = Instant::now() + patience.answer;
    let bad = give(session, &body.lines, until).await;
    if std::mem::take(&mut session.is_spoiled) {
        return match shared.behind.is_wrong() {
            true => unavailable(&shared, &status::why_not_ready(&shared)),
            false => unavailable(&shared, "the relay's spool is full"),
        };
    }
    let body = body.without(&bad);
    let ticket = session.intake.ticket();
    if !ticket
        .safe_within(until.saturating_duration_since(Instant::now()))
        .await
    {
        add(&shared.counts.answered_unsafe, 1);
        return unavailable(&shared, "not safe in time: send it again");
    }
    let sync = flags.sync.then_some(patience.sync);
    if let Some(sync) = sync
        && timeout(sync, ticket.stored()).await != Ok(true)
    {
        return unavailable(&shared, "safe here, not yet stored");
    }
    add(&shared.counts.answered_safe, 1);
    body.reply(flags)
}

/// Gives lines to every store, as they have room, and returns what the rules made illegal. If some are refused, no more are
/// given, and the session is spoiled.
async fn give(session: &mut Session, lines: &[u8], until: Instant) -> Vec<InvalidPoint> {
    let (mut rest, mut bad) = (lines, Vec::new());
    while !rest.is_empty() && !session.is_spoiled {
        let whole = memchr::memrchr(b'\n', &rest[..rest.len().min(TURN)]).map_or(rest.len(), |newline| newline + 1);
        bad.extend(session.give(&rest[..whole]));
        rest = &rest[whole..];
        while session.intake.is_owing() {
            if timeout_at(until, session.intake.turn()).await.is_err() {
                session.refuse();
                break;
            }
            session.give_owed();
        }
    }
    bad
}

async fn read(shared: &Arc<Shared>, request: Request, flags: Flags) -> Result<Body, Reply> {
    let is_large = request.body.len() > LARGE || request.head.field("Content-Encoding").is_some();
    let of = Arc::clone(shared);
    let read = move || read_now(&of, &request, flags);
    match is_large {
        false => read(),
        true => tokio::task::spawn_blocking(read)
            .await
            .unwrap_or_else(|_| Err(Reply::error(500, "the body could not be read"))),
    }
}

fn read_now(shared: &Shared, request: &Request, flags: Flags) -> Result<Body, Reply> {
    let body = match inflate(request.head.field("Content-Encoding"), &request.body, &shared.limits) {
        Inflated::Whole(body) => body,
        Inflated::Torn(_) => return Err(Reply::error(400, "the compressed body has no end")),
        Inflated::Corrupt => return Err(Reply::error(400, "the body is not compressed as it says")),
        Inflated::TooLarge => {
            let (most, ratio) = (shared.limits.inflated, shared.limits.inflated_ratio);
            let words = format!("the body has more than {most} bytes inflated, or more than {ratio} times its own");
            return Err(Reply::error(413, &words));
        }
    };
    put::read(&body, &shared.legal, flags.details).map_err(|Unreadable(message, more)| match more {
        Some(more) => Reply::error_with(400, message, &[("details", &more)]),
        None => Reply::error(400, message),
    })
}

/// Not now: the peer keeps what it has.
fn unavailable(shared: &Shared, words: &str) -> Reply {
    add(&shared.counts.unavailable, 1);
    let mut reply = Reply::error(503, words);
    reply.head.push(("Retry-After", RETRY_AFTER.to_owned()));
    reply
}

/// In seconds.
const RETRY_AFTER: &str = "2";

fn version(shared: &Shared) -> String {
    let (relays, hops) = shared.behind.told(&shared.id);
    json!({
        "relays": relays,
        "hops": hops,
        "version": env!("CARGO_PKG_VERSION"),
        "short_revision": shared.id,
        "full_revision": shared.id,
        "repo": "potsdb-relay",
        "repo_status": "RELAY",
    })
    .to_string()
}

/// What clients look for: how long a body may be.
fn config(shared: &Shared) -> String {
    json!({
        "tsd.core.auto_create_metrics": "true",
        "tsd.http.request.enable_chunked": "true",
        "tsd.http.request.max_chunk": shared.limits.body.to_string(),
        "tsd.mode": "wo",
    })
    .to_string()
}
