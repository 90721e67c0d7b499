//! The HTTP front: requests of one connection, routed and answered.
//!
//! ```text
//! /api/put     /api/query   /api/suggest  /api/search/lookup       body.rs  result.rs  names.rs
//! /api/aggregators  /api/version  /api/stats  /api/config  /api/config/filters             here
//! ```
//!
//! hyper reads and writes the protocol over a [`Stream`] that knows the connection's faults and begins with the bytes
//! that told HTTP from telnet. `connection.rs` calls [`converse`]; nothing here locks the store for longer than a read.

use std::io;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE, EXPECT, HeaderValue, TRANSFER_ENCODING};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use potsdb_wire::json::{Json, parse, write_string};
use tokio::net::TcpStream;

use crate::aggregate::Aggregator;
use crate::body::{self, Answer, Flags};
use crate::faults::{Ending, Fate};
use crate::filter::FILTERS;
use crate::inflate;
use crate::names;
use crate::parameters::Parameters;
use crate::query::Query;
use crate::receiver::Shared;
use crate::result;
use crate::stream::{Stream, lock};

/// The largest body taken, as sent.
const MAX_BODY: usize = 64 << 20;

/// How many names or series come back unless asked otherwise.
const DEFAULT_MOST: usize = 25;

/// Serves HTTP to the connection's end; `first` was read already. Returns the fault that ended it, if one did.
pub(crate) async fn converse(
    stream: &TcpStream,
    first: Vec<u8>,
    shared: &Arc<Shared>,
    fate: &mut Fate,
) -> Option<Ending> {
    let mut switched = fate.switched();
    let fate = Mutex::new(fate);
    let service = service_fn(|request| answer(request, Arc::clone(shared)));
    let io = Stream::new(stream, first, &fate);
    let mut connection = pin!(http1::Builder::new().half_close(true).serve_connection(io, service));
    loop {
        // Whatever the switch changed, the next round polls the connection, which asks its fate again.
        let over = tokio::select! {
            biased;
            () = switched.changed() => false,
            _ = connection.as_mut() => true,
        };
        let mut fate = lock(&fate);
        fate.refresh();
        if over || fate.ending().is_some() {
            return fate.ending();
        }
    }
}

/// A reply; an error ends the connection without one.
type Reply = io::Result<Response<Full<Bytes>>>;

async fn answer(request: Request<Incoming>, shared: Arc<Shared>) -> Reply {
    shared.store.count(|counts| counts.requests += 1);
    if request.headers().contains_key(TRANSFER_ENCODING) || request.headers().contains_key(EXPECT) {
        return Ok(reply(
            StatusCode::BAD_REQUEST,
            "text/html; charset=UTF-8",
            "Chunked request not supported.",
        ));
    }
    let (head, body) = request.into_parts();
    let Ok(body) = Limited::new(body, MAX_BODY).collect().await else {
        return Err(io::ErrorKind::InvalidData.into());
    };
    let encoding = head.headers.get(CONTENT_ENCODING).map(HeaderValue::as_bytes);
    let body = inflate::body(encoding, body.to_bytes())?;
    let parameters = Parameters::parse(head.uri.query().unwrap_or_default());
    let path = head.uri.path().to_ascii_lowercase();
    let path = path
        .trim_end_matches('/')
        .strip_prefix("/api/")
        .map(|path| path.strip_prefix("v1/").unwrap_or(path));
    Ok(match (path, &head.method) {
        (Some("put"), &Method::POST) => put(&body, &parameters, &shared),
        (Some("put"), method) => not_allowed(method),
        (Some("query"), &Method::GET | &Method::POST) => query(head.method, body, parameters, shared).await,
        (Some("query"), method) => not_allowed(method),
        (Some("suggest"), _) => suggest(&body, &parameters, &shared),
        (Some("search/lookup"), _) => {
            let limit = parameters.number("limit").unwrap_or(DEFAULT_MOST);
            json_or_400(names::lookup(
                &shared.store,
                parameters.value("m").unwrap_or_default(),
                limit,
            ))
        }
        (Some("aggregators"), _) => json(names::array(Aggregator::ALL.iter().map(|(name, _)| *name))),
        (Some("version"), _) => json(names::object(VERSION.into_iter())),
        (Some("stats"), _) => json(stats(&shared)),
        (Some("config"), _) => json(names::object(CONFIG.into_iter())),
        (Some("config/filters"), _) => json(filters()),
        _ => error(StatusCode::NOT_FOUND, "Endpoint not found", None),
    })
}

fn put(body: &[u8], parameters: &Parameters, shared: &Shared) -> Response<Full<Bytes>> {
    let timeouts = parameters.value("sync_timeout").is_some_and(|millis| millis != "0");
    let flags = Flags {
        summary: parameters.given("summary"),
        details: parameters.given("details"),
        timeouts,
    };
    match body::put(body, flags, &shared.store) {
        Answer::Nothing => {
            let mut reply = Response::new(Full::default());
            *reply.status_mut() = StatusCode::NO_CONTENT;
            reply
        }
        Answer::Counted { accepted: true, body } => json(body),
        Answer::Counted { accepted: false, body } => reply(StatusCode::BAD_REQUEST, JSON, body),
        Answer::Error(message, details) => error(StatusCode::BAD_REQUEST, message, details),
    }
}

async fn query(method: Method, body: Bytes, parameters: Parameters, shared: Arc<Shared>) -> Response<Full<Bytes>> {
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| since.as_millis() as i64);
    let answer = tokio::task::spawn_blocking(move || {
        let query = if method == Method::GET {
            Query::from_parameters(&parameters, now)
        } else {
            let body = parse(&body).map_err(|_| "Unable to parse the given JSON")?;
            Query::from_json(&body, parameters.flag("arrays"), now)
        };
        result::answer(&query?, &shared.store)
    });
    match answer.await {
        Ok(answer) => json_or_400(answer),
        Err(_) => error(StatusCode::INTERNAL_SERVER_ERROR, "the query panicked", None),
    }
}

/// Parameters in the URL, or the same fields in a JSON body.
fn suggest(body: &[u8], parameters: &Parameters, shared: &Shared) -> Response<Full<Bytes>> {
    let body = parse(body).unwrap_or(Json::Null);
    let field = |name| {
        body.field(name)
            .and_then(Json::as_str)
            .or_else(|| parameters.value(name))
    };
    let Some(kind) = field("type") else {
        return error(StatusCode::BAD_REQUEST, "Missing parameter <code>type</code>", None);
    };
    let max = body
        .field("max")
        .and_then(Json::as_number)
        .and_then(|text| text.parse().ok());
    let most = max.or_else(|| parameters.number("max")).unwrap_or(DEFAULT_MOST);
    json_or_400(names::suggest(
        &shared.store,
        kind,
        field("q").unwrap_or_default(),
        most,
    ))
}

const VERSION: [(&str, &str); 9] = [
    ("short_revision", "potsdb"),
    ("repo", "potsdb-receiver"),
    ("host", "localhost"),
    ("version", "2.4.1"),
    ("full_revision", "potsdb"),
    ("repo_status", "RECEIVER"),
    ("user", "potsdb"),
    ("branch", "receiver"),
    ("timestamp", "1767225600"),
];

const CONFIG: [(&str, &str); 4] = [
    ("tsd.mode", "rw"),
    ("tsd.http.request.enable_chunked", "false"),
    ("tsd.http.request.max_chunk", "4096"),
    ("tsd.rpc.telnet.return_errors", "true"),
];

fn stats(shared: &Shared) -> Vec<u8> {
    let seconds = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    let stats = shared.store.counts().as_stats().map(|(name, value, tag)| {
        let (tag, kind) = tag.split_once('=').unwrap_or((tag, ""));
        format!(
            "{{\"metric\":\"{name}\",\"timestamp\":{seconds},\"value\":\"{value}\",\"tags\":{{\"host\":\"localhost\",\"{tag}\":\"{kind}\"}}}}"
        )
    });
    format!("[{}]", stats.join(",")).into_bytes()
}

fn filters() -> Vec<u8> {
    let mut out = Vec::new();
    for (index, (name, examples, description)) in FILTERS.into_iter().enumerate() {
        out.push(if index == 0 { b'{' } else { b',' });
        write_string(name, &mut out);
        out.push(b':');
        out.extend_from_slice(&names::object(
            [("examples", examples), ("description", description)].into_iter(),
        ));
    }
    out.push(b'}');
    out
}

const JSON: &str = "application/json; charset=UTF-8";

fn json(body: Vec<u8>) -> Response<Full<Bytes>> {
    reply(StatusCode::OK, JSON, body)
}

fn json_or_400(answer: Result<Vec<u8>, String>) -> Response<Full<Bytes>> {
    answer.map_or_else(|message| error(StatusCode::BAD_REQUEST, &message, None), json)
}

fn not_allowed(method: &Method) -> Response<Full<Bytes>> {
    let details = format!("The HTTP method [{method}] is not permitted for this endpoint");
    error(StatusCode::METHOD_NOT_ALLOWED, "Method not allowed", Some(&details))
}

fn error(status: StatusCode, message: &str, details: Option<&str>) -> Response<Full<Bytes>> {
    let mut body = format!("{{\"error\":{{\"code\":{},\"message\":", status.as_u16()).into_bytes();
    write_string(message, &mut body);
    if let Some(details) = details {
        body.extend_from_slice(b",\"details\":");
        write_string(details, &mut body);
    }
    body.extend_from_slice(b"}}");
    reply(status, JSON, body)
}

fn reply(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut reply = Response::new(Full::new(body.into()));
    *reply.status_mut() = status;
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    reply
}
