//! What a relay tells of itself: `/status` for programs and people, `/metrics`, the points of `stats`.
//!
//! Every figure is a counter's, read once: the ledger of a store is copied whole, under one lock of its own.

use std::fmt::Write as _;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use potsdb::SpoolStats;
use potsdb_front::{Head, Reply};
use serde_json::{Map, Value, json};

use crate::rules::Rule;
use crate::shared::Shared;
use crate::stores::Store;

/// `put` lines without their `put`, as a TSD's `stats`: tcollector's `opentsdb.sh` collects them for free.
pub(crate) fn stats(shared: &Shared) -> String {
    let now = now();
    figures(shared).iter().fold(String::new(), |mut text, figure| {
        let store = figure
            .store
            .map_or_else(String::new, |store| format!(" store={}", tag_value(store)));
        let _ = writeln!(
            text,
            "potsdb.relay.{} {now} {}{store} relay={}",
            figure.name,
            figure.value,
            tag_value(&shared.name)
        );
        text
    })
}

/// The same as JSON, as `/api/stats` has it.
pub(crate) fn stats_json(shared: &Shared) -> Value {
    let now = now();
    let figures = figures(shared);
    let points = figures.iter().map(|figure| {
        let mut tags = Map::new();
        if let Some(store) = figure.store {
            tags.insert("store".into(), tag_value(store).into());
        }
        tags.insert("relay".into(), tag_value(&shared.name).into());
        json!({
            "metric": format!("potsdb.relay.{}", figure.name),
            "timestamp": now,
            "value": figure.value,
            "tags": tags,
        })
    });
    Value::Array(points.collect())
}

/// For Prometheus.
pub(crate) fn metrics(shared: &Shared) -> String {
    let (mut text, mut last) = (String::new(), "");
    let mut figures = figures(shared);
    // All of one name follow each other.
    figures.sort_by_key(|figure| figure.name);
    for figure in figures {
        let kind = if figure.falls { "gauge" } else { "counter" };
        let total = if figure.falls { "" } else { "_total" };
        if figure.name != last {
            last = figure.name;
            let _ = writeln!(text, "# TYPE potsdb_relay_{}{total} {kind}", figure.name);
        }
        let store = figure.store.map_or_else(String::new, |store| {
            format!("{{store=\"{}\"}}", store.replace('\\', "\\\\").replace('"', "\\\""))
        });
        let _ = writeln!(text, "potsdb_relay_{}{total}{store} {}", figure.name, figure.value);
    }
    text
}

/// Why it cannot say now that something is safe.
pub(crate) fn why_not_ready(shared: &Shared) -> String {
    if !shared.is_serving() {
        return "stopping".into();
    }
    if shared.behind.is_wrong() {
        return "points would go in a loop, or through too many relays".into();
    }
    let stores = shared.stores.iter().filter(|store| store.is_waited_for());
    let why = stores.filter_map(|store| Some(format!("{}: {}", store.name, store.why_not_ready()?)));
    why.collect::<Vec<_>>().join("; ")
}

/// `/status`: JSON, or a page for whoever asks for one.
pub(crate) fn page(shared: &Shared, head: &Head) -> Reply {
    let is_wanted = head.field("Accept").is_some_and(|accept| accept.contains("text/html"));
    match is_wanted {
        true => Reply::new(200, "text/html; charset=UTF-8", html(shared)),
        false => Reply::json(status(shared).to_string()),
    }
}

/// Everything there is to tell.
pub(crate) fn status(shared: &Shared) -> Value {
    let stores: Vec<Value> = shared.stores.iter().map(|store| of_store(store)).collect();
    let counts: Map<String, Value> = shared
        .counts
        .pairs()
        .into_iter()
        .map(|(name, count)| (name.to_owned(), count.into()))
        .collect();
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "name": shared.name,
        "id": shared.id,
        "uptime_seconds": shared.started.elapsed().as_secs(),
        "serving": shared.is_serving(),
        "ready": shared.is_ready(),
        "open_connections": shared.connections(),
        "stores": stores,
        "counts": counts,
        "rules": rules(shared),
        "top_peers": top_peers(shared),
        "top_metrics": top_metrics(shared),
    })
}

/// How many peers and metrics are told.
const TOLD: usize = 20;

fn top_peers(shared: &Shared) -> Vec<Value> {
    let top = shared.peers.top(TOLD).into_iter();
    let told = top.map(|(peer, [connections, points, bytes, invalid, refused])| {
        json!({
            "peer": peer.to_string(),
            "connections": connections,
            "points": points,
            "bytes": bytes,
            "invalid": invalid,
            "refused": refused,
        })
    });
    told.collect()
}

fn top_metrics(shared: &Shared) -> Vec<Value> {
    let top = shared.metrics.top(TOLD).into_iter();
    top.map(|(prefix, bytes)| json!({ "prefix": prefix, "bytes": bytes }))
        .collect()
}

fn rules(shared: &Shared) -> Vec<Value> {
    let settings = shared.settings.now();
    let told = |rule: &Rule| json!({ "rule": rule.text(), "applied": rule.applied() });
    settings.rules.iter().map(told).collect()
}

fn of_store(store: &Store) -> Value {
    let stats = store.upstream.stats();
    let mut ledger: Map<String, Value> = Map::new();
    for (name, count) in stats.pairs() {
        ledger.insert(name.to_string(), count.into());
    }
    let endpoints = stats.endpoints.iter().map(|endpoint| {
        json!({
            "name": endpoint.name,
            "state": endpoint.to_string(),
            "last_error": endpoint.last_error,
        })
    });
    json!({
        "name": store.name,
        "role": store.role.name(),
        "full": store.is_full(),
        "cut": store.cut.load(Ordering::Relaxed),
        "balanced": stats.is_balanced(),
        "pending": stats.pending(),
        "dropped": stats.dropped.total(),
        "oldest_pending_seconds": stats.oldest_pending.map(|age| age.as_secs_f64()),
        "rate": stats.rate,
        "last_answer_seconds": stats.last_answer.map(|latency| latency.as_secs_f64()),
        "last_rejections": stats.last_rejections,
        "spool": stats.spool.as_ref().map(of_spool),
        "endpoints": endpoints.collect::<Vec<_>>(),
        "ledger": ledger,
    })
}

fn of_spool(spool: &SpoolStats) -> Value {
    let seconds = |time: Option<Duration>| time.map(|time| time.as_secs_f64());
    json!({
        "bytes": spool.bytes,
        "segments": spool.segments,
        "slots": spool.slots,
        "unsynced_bytes": spool.unsynced,
        "oldest_seconds": seconds(spool.oldest),
        "full_in_seconds": seconds(spool.full_in),
        "syncs": spool.syncs,
        "stalled": spool.stalled,
        "off": spool.off,
    })
}

fn html(shared: &Shared) -> String {
    let mut page = format!(
        "<!DOCTYPE html><meta charset=utf-8><meta http-equiv=refresh content=5><title>potsdb relay {0}</title>\
         <style>body{{font:14px/1.5 sans-serif;margin:2em}}td,th{{padding:.1em 1em .1em 0;text-align:right}}\
         td:first-child,th:first-child{{text-align:left}}</style><h1>{0}</h1><p>{1}, up {2} s, {3} connections</p>",
        escaped(&shared.name),
        match shared.is_ready() {
            true => "ready".into(),
            false => escaped(&why_not_ready(shared)),
        },
        shared.started.elapsed().as_secs(),
        shared.connections(),
    );
    page.push_str("<table><tr><th>store<th>accepted<th>acknowledged<th>unconfirmed<th>rejected<th>dropped<th>pending<th>oldest<th>state");
    for store in &*shared.stores {
        let stats = store.upstream.stats();
        let states = stats
            .endpoints
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join("; ");
        let oldest = stats
            .oldest_pending
            .map_or_else(String::new, |age| format!("{:.1} s", age.as_secs_f64()));
        let _ = write!(
            page,
            "<tr><td>{} ({})<td>{}<td>{}<td>{}<td>{}<td>{}<td>{}<td>{oldest}<td>{}",
            escaped(&store.name),
            store.role.name(),
            stats.accepted + stats.adopted,
            stats.acknowledged,
            stats.unconfirmed,
            stats.rejected,
            stats.dropped.total(),
            stats.pending(),
            escaped(&states),
        );
    }
    page.push_str("</table><h2>Counts</h2><table>");
    for (name, count) in shared.counts.pairs() {
        let _ = write!(page, "<tr><td>{name}<td>{count}");
    }
    page.push_str("</table>");
    page
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

/// One number and what it is of.
struct Figure<'a> {
    name: &'static str,
    store: Option<&'a str>,
    value: u64,
    /// It may fall again.
    falls: bool,
}

fn figures(shared: &Shared) -> Vec<Figure<'_>> {
    let counts = shared.counts.pairs().into_iter();
    let mut figures: Vec<Figure<'_>> = counts.map(|(name, value)| Figure::of(name, None, value)).collect();
    figures.push(Figure::now("open_connections", None, shared.connections() as u64));
    figures.push(Figure::now("ready", None, shared.is_ready().into()));
    for store in &*shared.stores {
        let (stats, name) = (store.upstream.stats(), Some(store.name.as_str()));
        let totals = [
            ("accepted", stats.accepted),
            ("adopted", stats.adopted),
            ("acknowledged", stats.acknowledged),
            ("unconfirmed", stats.unconfirmed),
            ("rejected", stats.rejected),
            ("dropped", stats.dropped.total()),
            ("resent", stats.resent),
            ("bytes_written", stats.bytes_written),
            ("connects", stats.connects),
            ("cut", store.cut.load(Ordering::Relaxed)),
        ];
        figures.extend(totals.map(|(figure, value)| Figure::of(figure, name, value)));
        let oldest = stats.oldest_pending.map_or(0, |age| age.as_secs());
        let levels = [
            ("queued", stats.queued),
            ("in_flight", stats.in_flight),
            ("spooled", stats.spooled),
            ("oldest_pending_seconds", oldest),
            ("full", store.is_full().into()),
            ("spool_bytes", stats.spool.as_ref().map_or(0, |spool| spool.bytes)),
            (
                "spool_off",
                stats.spool.as_ref().is_some_and(|spool| spool.off.is_some()).into(),
            ),
            (
                "spool_stalled",
                stats.spool.as_ref().is_some_and(|spool| spool.stalled).into(),
            ),
        ];
        figures.extend(levels.map(|(figure, value)| Figure::now(figure, name, value)));
    }
    figures
}

impl<'a> Figure<'a> {
    fn of(name: &'static str, store: Option<&'a str>, value: u64) -> Figure<'a> {
        Figure {
            name,
            store,
            value,
            falls: false,
        }
    }

    fn now(name: &'static str, store: Option<&'a str>, value: u64) -> Figure<'a> {
        Figure {
            falls: true,
            ..Figure::of(name, store, value)
        }
    }
}

/// A text as OpenTSDB takes a tag's value: what is illegal there becomes a `-`.
fn tag_value(text: &str) -> String {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/');
    text.chars().map(|c| if legal(c) { c } else { '-' }).collect()
}

fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}
