//! The page: what a developer sees of the server in a browser, live.
//!
//! ```text
//! GET /                         document.rs: one document, for browsers (Accept: text/html)
//! GET /potsdb/page/stream       feed.rs: server-sent events, what changed since the last
//! GET /potsdb/page/points       points.rs: a series' points, for its chart; /export: points as lines to import
//! POST /potsdb/page/watch       which rows a browser shows; /faults: board.rs; /clear
//! ```
//!
//! `http.rs` asks it before the faults and the personality. Every request passes `guard.rs`. Nothing here is on the way
//! of a point: a thread of its own reads the store in moments while somebody looks, and does not exist otherwise.

mod board;
mod document;
mod feed;
mod guard;
mod points;
mod roll;
mod stream;
mod tell;
mod verdict;

use std::net::SocketAddr;
use std::sync::Arc;

use potsdb_front::{Head, Reply, Request, Response};
use potsdb_wire::json::{Json, parse};

use crate::faults::FaultSwitch;
use crate::page::board::Board;
use crate::page::feed::Feed;
use crate::page::verdict::Judge;
use crate::personality::Personality;
use crate::store::Store;
use crate::watch::Watch;

pub use guard::Visitors;

/// What the page shows, and who may see it.
pub(crate) struct Page {
    visitors: Visitors,
    store: Arc<Store>,
    faults: Arc<FaultSwitch>,
    watch: Arc<Watch>,
    judge: Judge,
    board: Arc<Board>,
    feed: Feed,
}

/// What a browser wants to be told.
#[derive(Clone, Default)]
struct Wish {
    /// Another one for each wish.
    number: u64,
    /// The rows that it shows.
    rows: Vec<u32>,
    lines: bool,
    connections: bool,
}

/// The most rows that a browser can watch.
const MOST_WATCHED: usize = 200;

impl Page {
    pub(crate) fn new(
        visitors: Visitors,
        personality: Personality,
        store: Arc<Store>,
        faults: Arc<FaultSwitch>,
        watch: Arc<Watch>,
    ) -> Page {
        Page {
            judge: Judge::new(personality, store.rules.max_tags),
            visitors,
            store,
            faults,
            watch,
            board: Arc::default(),
            feed: Feed::default(),
        }
    }

    /// Whether a request is for the page, its path being this, in lower case and without what all paths begin with.
    pub(crate) fn is_asked_for(&self, head: &Head, path: &str, peer: SocketAddr) -> bool {
        self.visitors.admit(peer) && (is_document(head, path) || path.starts_with(PATH))
    }

    /// Answers a request that is for it.
    pub(crate) async fn answer(self: &Arc<Page>, request: &Request, path: &str) -> Response {
        let head = &request.head;
        let is_document = is_document(head, path);
        if let Err(why) = self.visitors.judge(head, is_document) {
            return Response::Reply(Reply::new(403, "text/plain; charset=utf-8", format!("{why}\n")));
        }
        let response = match (head.method.as_str(), path.strip_prefix(PATH)) {
            ("GET", None) => return Response::Reply(document::reply()),
            ("GET", Some("stream")) => self.stream(),
            ("GET", Some("points")) => Response::Reply(points::of_slot(&self.store, &head.parameters())),
            ("GET", Some("export")) => points::export(&self.store, &head.parameters()),
            ("POST", Some(path)) => Response::Reply(self.change(path, &request.body)),
            _ => Response::Reply(Reply::error(404, "the page has nothing there")),
        };
        private(response)
    }

    fn stream(self: &Arc<Page>) -> Response {
        match feed::open(self) {
            Some(parts) => Response::Stream(unbounded("text/event-stream; charset=utf-8"), parts),
            None => Response::Reply(Reply::error(503, "too many browsers look on already")),
        }
    }

    fn change(&self, path: &str, body: &[u8]) -> Reply {
        let Ok(wanted) = parse(body) else {
            return Reply::error(400, "JSON was expected");
        };
        let changed = match path {
            "watch" => self.watch(&wanted),
            "faults" => self.board.switch(&wanted, &self.faults),
            "clear" => {
                self.store.clear();
                Ok(())
            }
            _ => return Reply::error(404, "the page has nothing there"),
        };
        match changed {
            Ok(()) => Reply::json("{}"),
            Err(why) => Reply::error(400, &why),
        }
    }

    fn watch(&self, wanted: &Json<'_>) -> Result<(), String> {
        let stream = wanted
            .field("stream")
            .and_then(number)
            .ok_or("stream: a number was expected")?;
        let rows = wanted.field("rows").and_then(Json::as_array).unwrap_or_default();
        let rows = rows.iter().filter_map(number).filter_map(|row| u32::try_from(row).ok());
        let is_wanted = |name| wanted.field(name) == Some(&Json::Bool(true));
        let wish = Wish {
            number: 0,
            rows: rows.take(MOST_WATCHED).collect(),
            lines: is_wanted("lines"),
            connections: is_wanted("connections"),
        };
        match self.feed.wishes(stream, wish) {
            true => Ok(()),
            false => Err("stream: there is none of that number".into()),
        }
    }
}

/// What all paths of the page begin with, but for the document's.
const PATH: &str = "/potsdb/page/";

/// A program that asks for `/` gets what the imitated server says.
fn is_document(head: &Head, path: &str) -> bool {
    let accepts_html = || {
        head.field("Accept")
            .is_some_and(|accepts| accepts.contains("text/html"))
    };
    head.method == "GET" && path == "/" && accepts_html()
}

/// An answer that comes in parts: how long it is nobody knows yet.
fn unbounded(kind: &str) -> Reply {
    let mut reply = Reply::new(200, kind, "");
    reply.head.retain(|(name, _)| *name != "Content-Length");
    reply
}

fn number(json: &Json<'_>) -> Option<u64> {
    json.as_number()?.parse().ok()
}

/// Says that an answer is for this page alone.
fn private(mut response: Response) -> Response {
    if let Response::Reply(reply) | Response::Stream(reply, _) = &mut response {
        let fields = document::PRIVATE.map(|(name, value)| (name, value.to_owned()));
        reply.head.extend(fields);
    }
    response
}
