//! Reading back: the questions of Grafana and of tests, answered as OpenTSDB answers them, in every personality.
//!
//! ```text
//! /api/query[/last]   /api/suggest  /api/search/lookup  /api/aggregators  /api/stats  /api/config/filters
//! /api/annotation[/bulk]  /api/annotations  /api/uid/{assign,uidmeta,tsmeta}
//! /api/potsdb/collisions: this server's own; which series two connections write at the same time with other values
//! ```
//!
//! The other servers have languages of their own for this; a development tool needs one. Called by `http.rs` before the
//! personality is asked; what may take long runs on a thread of its own.

use std::sync::Arc;

use potsdb_front::{Parameters, Reply};
use potsdb_wire::json::{Json, write_string};
use tokio::sync::Semaphore;

use crate::answers::{self, Complaint};
use crate::fields::{self, Mismatch};
use crate::json;
use crate::query::aggregate::Aggregator;
use crate::query::filter::FILTERS;
use crate::query::last::Last;
use crate::query::lookup::Lookup;
use crate::query::notes::Notes;
use crate::query::paths::{self, Place};
use crate::query::result::{self, Sources};
use crate::query::{Query, suggest, uid};
use crate::request::Asked;
use crate::store::{self, Store};

/// Answers questions about a store.
pub(crate) struct Api {
    sources: Arc<Held>,
    /// Questions that may be answered at one time, of those that take long.
    turns: Semaphore,
}

struct Held {
    store: Arc<Store>,
    notes: Notes,
    keeps_both: bool,
}

/// Each query has memory of its own: see `result.rs`.
const QUERIES_AT_ONCE: usize = 2;

impl Api {
    /// `keeps_both`: values of two encodings stand beside each other, and cannot be read.
    pub(crate) fn new(store: Arc<Store>, keeps_both: bool) -> Api {
        let held = Held {
            store,
            notes: Notes::default(),
            keeps_both,
        };
        Api {
            sources: Arc::new(held),
            turns: Semaphore::new(QUERIES_AT_ONCE),
        }
    }

    /// Answers, if it is one of these questions.
    pub(crate) async fn answer(&self, asked: &Asked<'_>) -> Option<Reply> {
        if self.sources.keeps_both
            && let Some(reply) = self.sources.deprecated(asked)
        {
            return Some(reply);
        }
        let place = paths::asked(&asked.path)?;
        let answer = self.answered(place, asked).await;
        let reply = answer.unwrap_or_else(|complaint| complaint.reply());
        Some(answers::worded(reply, &asked.head.method, &asked.parameters))
    }

    async fn answered(&self, place: Place<'_>, asked: &Asked<'_>) -> Result<Reply, Complaint> {
        let question = Question::of(place, asked)?;
        if !question.takes_long() {
            return self.sources.answer(&question);
        }
        // The others wait for their turn: each takes memory.
        let Ok(_turn) = self.turns.acquire().await else {
            return Err(Complaint::internal("the server ends"));
        };
        let sources = Arc::clone(&self.sources);
        let answer = tokio::task::spawn_blocking(move || sources.answer(&question));
        answer
            .await
            .unwrap_or_else(|_| Err(Complaint::internal("the query panicked")))
    }
}

/// A request without its connection.
struct Question {
    endpoint: String,
    below: String,
    /// What it is by itself, and what its parameters make of it.
    method: String,
    api_method: String,
    parameters: Parameters,
    /// As UTF-8, without its compression.
    body: Vec<u8>,
    now: i64,
}

impl Question {
    fn of(place: Place<'_>, asked: &Asked<'_>) -> Result<Question, Complaint> {
        let method = asked.head.method.as_str();
        answers::check_serializer(&asked.parameters)?;
        // Of a GET alone, so that browsers can ask for the others.
        let api_method = match asked.parameters.value("method_override") {
            Some(other) if method == "GET" => match other.to_lowercase().as_str() {
                known @ ("get" | "post" | "put" | "delete") => known.to_uppercase(),
                _ => return Err(Complaint::new(405, "Unknown or unsupported method override value")),
            },
            _ => method.to_owned(),
        };
        Ok(Question {
            endpoint: place.endpoint.to_owned(),
            below: place.below.to_owned(),
            method: method.to_owned(),
            api_method,
            parameters: asked.parameters.clone(),
            body: asked.text()?,
            now: store::now() as i64,
        })
    }

    fn takes_long(&self) -> bool {
        matches!(self.endpoint.as_str(), "query" | "search")
    }

    /// Complains of a method that is none of these.
    fn is_one_of(&self, methods: &[&str]) -> Result<(), Complaint> {
        match methods.contains(&self.method.as_str()) {
            true => Ok(()),
            false => Err(Complaint::method(&self.method)),
        }
    }

    fn json(&self) -> Result<Json<'_>, Complaint> {
        fields::body(&self.body, Complaint::from)
    }

    /// The body, if there is one. Where it may be left out, OpenTSDB does not say that it could not parse it, only what
    /// the parser says.
    fn json_if_any(&self) -> Result<Option<Json<'_>>, Mismatch> {
        match self.body.is_empty() {
            true => Ok(None),
            false => fields::parse(&self.body).map(Some),
        }
    }
}

impl Held {
    /// What was asked without `/api`, in the days of OpenTSDB 1.
    fn deprecated(&self, asked: &Asked<'_>) -> Option<Reply> {
        let answer = match asked.path.as_str() {
            "/aggregators" => Ok(json::array(Aggregator::ALL.iter().map(|(name, _)| *name))),
            "/suggest" => suggest::by_parameters(&asked.parameters, &self.store),
            "/stats" => return Some(self.old_stats(asked.parameters.given("json"))),
            _ => return None,
        };
        Some(match answer {
            Ok(body) => Reply::new(200, "application/json", body),
            Err(complaint) => answers::page(
                complaint.status,
                "Looks like it's your fault this time",
                &complaint.message,
            ),
        })
    }

    /// The lines that telnet's `stats` answers with.
    fn old_stats(&self, as_json: bool) -> Reply {
        let lines = self.store.counts().stats_lines(store::now() / 1000);
        match as_json {
            true => Reply::new(200, "application/json", json::array(lines.iter().map(String::as_str))),
            false => Reply::new(200, "text/plain", lines.join("\n") + "\n"),
        }
    }

    fn answer(&self, asked: &Question) -> Result<Reply, Complaint> {
        let (store, parameters) = (&*self.store, &asked.parameters);
        let is_get = asked.method == "GET";
        let body = match asked.endpoint.as_str() {
            "query" => self.query(asked)?,
            "suggest" => {
                asked.is_one_of(&["GET", "POST"])?;
                match is_get {
                    true => suggest::by_parameters(parameters, store)?,
                    false => suggest::by_body(&asked.json()?, store)?,
                }
            }
            "search" => self.search(asked)?,
            "annotation" | "annotations" => return self.annotation(asked),
            "uid" => return self.uid(asked),
            "aggregators" => {
                asked.is_one_of(&["GET", "POST"])?;
                json::array(Aggregator::ALL.iter().map(|(name, _)| *name))
            }
            "stats" => self.stats(asked)?,
            "potsdb" => store.lock().table.collisions.json(),
            _ => {
                asked.is_one_of(&["GET", "POST"])?;
                filters()
            }
        };
        Ok(Reply::json(body))
    }

    fn query(&self, asked: &Question) -> Result<Vec<u8>, Complaint> {
        asked.is_one_of(&["GET", "POST", "DELETE"])?;
        if asked.method == "DELETE" {
            let details = "Deleting data is not enabled (tsd.http.query.allow_delete=false)";
            return Err(Complaint::bad("Bad request").with(details));
        }
        let (is_get, parameters) = (asked.method == "GET", &asked.parameters);
        match asked.below.as_str() {
            "last" => {
                let last = match is_get {
                    true => Last::from_parameters(parameters)?,
                    false => Last::from_json(&asked.json()?)?,
                };
                return last.answer(&self.store, asked.now);
            }
            "exp" | "gexp" => return Err(Complaint::left_out(&format!("/api/query/{}", asked.below))),
            _ => {}
        }
        let query = match is_get {
            true => Query::from_parameters(parameters, asked.now)?,
            false => Query::from_json(&asked.json()?, parameters.given("arrays"), asked.now)?,
        };
        let sources = Sources {
            store: &self.store,
            notes: &self.notes,
            keeps_both: self.keeps_both,
        };
        result::answer(&query, &sources)
    }

    fn search(&self, asked: &Question) -> Result<Vec<u8>, Complaint> {
        if !matches!(asked.api_method.as_str(), "GET" | "POST") {
            return Err(Complaint::bad(format!("Unsupported method: {}", asked.api_method)));
        }
        match asked.below.as_str() {
            "lookup" => {
                let lookup = match asked.json_if_any().map_err(Mismatch::bare)? {
                    Some(Json::Null) => return Err(Complaint::null_pointer()),
                    Some(body) => Lookup::from_json(&body)?,
                    None => Lookup::from_parameters(&asked.parameters)?,
                };
                lookup.answer(&self.store)
            }
            "tsmeta" | "tsmeta_summary" | "tsuids" | "uidmeta" | "annotation" => {
                Err(Complaint::bad("Searching is not enabled").with("Searching has not been enabled on this TSD"))
            }
            other => {
                let details = match other {
                    "" => "Type provided was null or empty".to_owned(),
                    other => format!("Unknown type: {other}"),
                };
                Err(Complaint::bad("Invalid search query type supplied").with(details))
            }
        }
    }

    fn annotation(&self, asked: &Question) -> Result<Reply, Complaint> {
        let (notes, parameters) = (&self.notes, &asked.parameters);
        let is_put = asked.api_method == "PUT";
        if asked.below.ends_with("bulk") {
            return match asked.api_method.as_str() {
                "POST" | "PUT" => notes
                    .put_all(&fields::body(&asked.body, Mismatch::twice)?, is_put)
                    .map(Reply::json),
                "DELETE" => {
                    let body = asked.json_if_any().map_err(Mismatch::twice)?;
                    notes.delete_all(parameters, body.as_ref(), asked.now).map(Reply::json)
                }
                _ => Err(Complaint::method(&asked.method)),
            };
        }
        let body = asked.json_if_any().map_err(Mismatch::bare)?;
        match asked.api_method.as_str() {
            "GET" if asked.endpoint == "annotations" => notes.get_all(parameters, asked.now).map(Reply::json),
            "GET" => notes.get(parameters, body.as_ref()).map(Reply::json),
            "POST" | "PUT" => {
                let kept = notes.put(parameters, body.as_ref(), is_put)?;
                Ok(kept.map_or_else(|| answers::bare(304), Reply::json))
            }
            "DELETE" => {
                notes.delete(parameters, body.as_ref())?;
                Ok(answers::bare(204))
            }
            method => {
                // What it would be about is asked for first.
                Notes::check(parameters, body.as_ref())?;
                Err(Complaint::method(method))
            }
        }
    }

    fn uid(&self, asked: &Question) -> Result<Reply, Complaint> {
        let (store, parameters) = (&*self.store, &asked.parameters);
        match (asked.below.as_str(), asked.api_method.as_str()) {
            ("assign", "GET") => uid::assign(&uid::wanted_by_parameters(parameters), store),
            ("assign", "POST") => uid::assign(&uid::wanted_by_body(&asked.json()?)?, store),
            ("uidmeta", "GET") => uid::uidmeta(parameters, store).map(Reply::json),
            ("tsmeta", "GET") => uid::tsmeta(parameters, store).map(Reply::json),
            // There is nothing that could be deleted.
            ("uidmeta" | "tsmeta", "DELETE") => Ok(answers::bare(204)),
            ("uidmeta" | "tsmeta", method) if !matches!(method, "POST" | "PUT") => Err(Complaint::method(method)),
            ("uidmeta" | "tsmeta" | "rename", _) => {
                let what = format!(
                    "changing what is kept of a name ({} /api/uid/{})",
                    asked.method, asked.below
                );
                Err(Complaint::left_out(&what))
            }
            ("assign", method) => Err(Complaint::method(method)),
            _ => Err(Complaint::new(501, "Other UID endpoints have not been implemented yet")),
        }
    }

    fn stats(&self, asked: &Question) -> Result<Vec<u8>, Complaint> {
        asked.is_one_of(&["GET", "POST"])?;
        match asked.below.as_str() {
            "query" | "jvm" | "threads" | "region_clients" => {
                Err(Complaint::left_out(&format!("/api/stats/{}", asked.below)))
            }
            _ => {
                let seconds = asked.now / 1000;
                let stats = self.store.counts().as_stats().map(|(name, value, tag)| {
                    let (tag, kind) = tag.split_once('=').unwrap_or((tag, ""));
                    format!(
                        "{{\"metric\":\"{name}\",\"timestamp\":{seconds},\"value\":\"{value}\",\"tags\":{{\"host\":\"localhost\",\
                         \"{tag}\":\"{kind}\"}}}}"
                    )
                });
                Ok(format!("[{}]", stats.join(",")).into_bytes())
            }
        }
    }
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
