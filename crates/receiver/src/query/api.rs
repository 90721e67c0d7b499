//! Reading back: the questions of Grafana and of tests, answered as OpenTSDB answers them, in every personality.
//!
//! ```text
//! /api/query   /api/suggest  /api/search/lookup  /api/aggregators  /api/stats  /api/config/filters
//! /api/potsdb/collisions: this server's own; which series two connections write at the same time with other values
//! ```
//!
//! The other servers have languages of their own for this; a development tool needs one. Called by `http.rs` before the
//! personality is asked; queries run on a thread of their own, because they may take long.

use std::sync::Arc;
use std::time::SystemTime;

use potsdb_front::{Inflated, Reply};
use potsdb_wire::json::{Json, parse, write_string};
use tokio::sync::Semaphore;

use crate::answers;
use crate::json;
use crate::query::Query;
use crate::query::aggregate::Aggregator;
use crate::query::filter::FILTERS;
use crate::query::result::{self, MOST_VALUES, Unanswered};
use crate::query::{names, paths};
use crate::request::Asked;
use crate::store::Store;

/// How many names or series come back unless asked otherwise.
const DEFAULT_MOST: usize = 25;

/// Answers questions about a store.
pub(crate) struct Api {
    store: Arc<Store>,
    /// Queries that may be answered at one time.
    turns: Semaphore,
}

/// Each query has memory of its own: see `result.rs`.
const QUERIES_AT_ONCE: usize = 2;

impl Api {
    pub(crate) fn new(store: Arc<Store>) -> Api {
        Api {
            store,
            turns: Semaphore::new(QUERIES_AT_ONCE),
        }
    }

    /// Answers, if it is one of these questions.
    pub(crate) async fn answer(&self, asked: &Asked<'_>) -> Option<Reply> {
        let parameters = &asked.parameters;
        Some(match paths::named(&asked.path)? {
            "query" => match asked.head.method.as_str() {
                "GET" | "POST" => self.query(asked).await,
                method => answers::not_allowed(method),
            },
            "suggest" => suggest(asked, &self.store),
            "search/lookup" => {
                let limit = parameters.number("limit").unwrap_or(DEFAULT_MOST);
                let query = parameters.value("m").unwrap_or_default();
                answers::json_or_400(names::lookup(&self.store, query, limit))
            }
            "aggregators" => Reply::json(json::array(Aggregator::ALL.iter().map(|(name, _)| *name))),
            "stats" => Reply::json(stats(&self.store)),
            "potsdb/collisions" => Reply::json(self.store.lock().table.collisions.json()),
            _ => Reply::json(filters()),
        })
    }

    async fn query(&self, asked: &Asked<'_>) -> Reply {
        let now = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .map_or(0, |since| since.as_millis() as i64);
        let (is_get, parameters) = (asked.head.method == "GET", asked.parameters.clone());
        let body = match asked.inflated() {
            Inflated::Whole(body) => body,
            Inflated::Torn(body) => body.into(),
            Inflated::TooLarge | Inflated::Corrupt => {
                return answers::exception(400, "Unable to parse the given JSON", None);
            }
        };
        let (body, store) = (body.into_owned(), Arc::clone(&self.store));
        // The others wait for their turn: each takes memory.
        let Ok(_turn) = self.turns.acquire().await else {
            return Reply::error(500, "the server ends");
        };
        let answer = tokio::task::spawn_blocking(move || {
            let query = if is_get {
                Query::from_parameters(&parameters, now)
            } else {
                let body = parse(&body).map_err(|_| "Unable to parse the given JSON")?;
                Query::from_json(&body, parameters.flag("arrays"), now)
            };
            result::answer(&query?, &store)
        });
        match answer.await {
            Ok(Ok(answer)) => Reply::json(answer),
            Ok(Err(Unanswered::Bad(words))) => answers::exception(400, &words, None),
            Ok(Err(Unanswered::TooMuch)) => answers::exception(413, &too_much(), None),
            Err(_) => Reply::error(500, "the query panicked"),
        }
    }
}

fn too_much() -> String {
    format!(
        "Sorry, you have attempted to fetch more than our limit of {MOST_VALUES} data points. Please try filtering using \
         more tags or decrease your time range."
    )
}

/// Parameters in the URL, or the same fields in a JSON body.
fn suggest(asked: &Asked<'_>, store: &Store) -> Reply {
    let body = parse(&asked.body).unwrap_or(Json::Null);
    let field = |name| {
        body.field(name)
            .and_then(Json::as_str)
            .or_else(|| asked.parameters.value(name))
    };
    let Some(kind) = field("type") else {
        return answers::exception(400, "Missing parameter <code>type</code>", None);
    };
    let max = body
        .field("max")
        .and_then(Json::as_number)
        .and_then(|text| text.parse().ok());
    let most = max.or_else(|| asked.parameters.number("max")).unwrap_or(DEFAULT_MOST);
    answers::json_or_400(names::suggest(store, kind, field("q").unwrap_or_default(), most))
}

fn stats(store: &Store) -> Vec<u8> {
    let seconds = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    let stats = store.counts().as_stats().map(|(name, value, tag)| {
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
        out.extend_from_slice(&json::object(
            [("examples", examples), ("description", description)].into_iter(),
        ));
    }
    out.push(b'}');
    out
}
