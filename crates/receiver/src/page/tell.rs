//! What a stream is told beside rows: latest values of what it watches, and everything that happened since its last
//! part.
//!
//! All of it is JSON written into the part at hand, each field with its comma. The store is locked for moments, to
//! copy.

use std::sync::Arc;

use potsdb_wire::json::write_string;

use crate::page::roll::{MOST, Roll};
use crate::page::{Page, Wish};
use crate::personality::Personality;
use crate::point::value::Value;
use crate::store;
use crate::store::series::Writer;
use crate::watch::{Connection, Line};

/// How far a stream has been told.
#[derive(Default)]
pub(super) struct Seen {
    is_greeted: bool,
    refusals: u64,
    lines: u64,
    collisions: u64,
    faults: String,
    /// When the connections were told last, in milliseconds.
    connections: u64,
}

/// Values in a sparkline.
const SPARK: usize = 40;

/// Refusals, lines, collisions and connections in one part; of more the latest.
const REFUSALS: usize = 50;
const LINES: usize = 200;
const COLLISIONS: usize = 200;
const CONNECTIONS: usize = 200;

/// How often connections are told, in milliseconds.
const PAUSE: u64 = 1000;

/// `,"latest":[[slot,[1,2.5,null]],...]` of those rows that changed since that tick.
pub(super) fn latest(page: &Page, roll: &Roll, rows: &[u32], since: u32, out: &mut Vec<u8>) {
    let changed = rows.iter().copied().filter(|slot| roll.changed(*slot) > since);
    let copied: Vec<(u32, Vec<String>)> = {
        let inner = page.store.lock();
        let series = changed.filter_map(|slot| Some((slot, inner.table.at(slot)?)));
        series
            .map(|(slot, series)| {
                let latest = series.cells.iter().skip(series.cells.len().saturating_sub(SPARK));
                (slot, latest.map(|cell| cell.value.to_text()).collect())
            })
            .collect()
    };
    out.extend_from_slice(b",\"latest\":");
    list(out, copied, |(slot, values), out| {
        out.extend_from_slice(format!("[{slot},").as_bytes());
        list(out, values, |text, out| out.extend_from_slice(number(&text).as_bytes()));
        out.push(b']');
    });
}

/// Everything else.
pub(super) fn events(page: &Page, wish: &Wish, seen: &mut Seen, stream: u64, out: &mut Vec<u8>) {
    if !std::mem::replace(&mut seen.is_greeted, true) {
        let server = page.judge.own().name();
        let hello = format!(",\"hello\":{{\"stream\":{stream},\"most\":{MOST},\"server\":\"{server}\",\"servers\":");
        out.extend_from_slice(hello.as_bytes());
        list(out, Personality::ALL, |each, out| write_string(each.name(), out));
        out.push(b'}');
    }
    counts(page, out);
    refusals(page, seen, out);
    collisions(page, seen, out);
    if wish.lines {
        lines(page, seen, out);
    }
    let now = store::now();
    if wish.connections && now >= seen.connections + PAUSE {
        seen.connections = now;
        connections(page, out);
    }
    let faults = page.board.json(&page.faults);
    if faults != seen.faults {
        out.extend_from_slice(format!(",\"faults\":{faults}").as_bytes());
        seen.faults = faults;
    }
}

fn counts(page: &Page, out: &mut Vec<u8>) {
    let (counts, series, points) = {
        let inner = page.store.lock();
        (inner.counts(), inner.table.series_count(), inner.table.points())
    };
    let named = counts.named().map(|(name, count)| format!("\"{name}\":{count}"));
    let (now, open, named) = (store::now(), page.watch.open(), named.join(","));
    let text = format!(",\"now\":{now},\"series\":{series},\"points\":{points},\"open\":{open},\"counts\":{{{named}}}");
    out.extend_from_slice(text.as_bytes());
}

fn refusals(page: &Page, seen: &mut Seen, out: &mut Vec<u8>) {
    let (noted, all) = {
        let inner = page.store.lock();
        let after = inner.refusals.all.saturating_sub(REFUSALS as u64).max(seen.refusals);
        let noted = inner
            .refusals
            .after(after)
            .map(|(number, noted)| (number, noted.clone()));
        (noted.collect::<Vec<_>>(), inner.refusals.all)
    };
    seen.refusals = all;
    out.extend_from_slice(b",\"refused\":");
    list(out, noted, |(number, noted), out| {
        let (line, at) = (&noted.refused.line, noted.at);
        let fault = page.judge.fault(line).unwrap_or(0..0);
        out.extend_from_slice(format!("{{\"number\":{number},\"at\":{at},\"line\":[").as_bytes());
        for (index, part) in [&line[..fault.start], &line[fault.clone()], &line[fault.end..]]
            .into_iter()
            .enumerate()
        {
            if index > 0 {
                out.push(b',');
            }
            write_string(part, out);
        }
        out.extend_from_slice(b"],\"reason\":");
        write_string(&noted.refused.reason, out);
        out.extend_from_slice(b",\"by\":");
        who(page, noted.writer, out);
        out.extend_from_slice(b",\"takers\":");
        list(out, page.judge.takers(line), write_string);
        out.push(b'}');
    });
}

fn collisions(page: &Page, seen: &mut Seen, out: &mut Vec<u8>) {
    let mut named = {
        let inner = page.store.lock();
        let collisions = &inner.table.collisions;
        let all = collisions.all;
        if all == std::mem::replace(&mut seen.collisions, all) {
            return;
        }
        collisions.named()
    };
    named.sort_by_key(|collision| std::cmp::Reverse(collision.times));
    named.truncate(COLLISIONS);
    out.extend_from_slice(b",\"collisions\":");
    list(out, named, |collision, out| {
        out.extend_from_slice(b"{\"series\":");
        write_string(&collision.series.to_string(), out);
        out.extend_from_slice(
            format!(",\"times\":{},\"timestamp\":{}", collision.times, collision.timestamp).as_bytes(),
        );
        for (name, value) in [("before", &collision.before), ("after", &collision.after)] {
            out.extend_from_slice(format!(",\"{name}\":").as_bytes());
            write_string(value, out);
        }
        out.extend_from_slice(b",\"by\":");
        list(out, collision.writers, |writer, out| who(page, writer, out));
        out.push(b'}');
    });
}

fn lines(page: &Page, seen: &mut Seen, out: &mut Vec<u8>) {
    let (new, all) = page.watch.lines_after(seen.lines, LINES);
    seen.lines = all;
    out.extend_from_slice(b",\"lines\":");
    list(out, new, |line: Line, out| {
        out.extend_from_slice(format!("[{},{},", line.connection.number, line.left_out).as_bytes());
        write_string(&String::from_utf8_lossy(&line.text), out);
        out.push(b']');
    });
}

fn connections(page: &Page, out: &mut Vec<u8>) {
    let mut known = page.watch.connections();
    known.truncate(CONNECTIONS);
    out.extend_from_slice(b",\"connections\":");
    list(out, known, |connection: Arc<Connection>, out| {
        let (number, peer, wire) = (connection.number, connection.peer, connection.wire());
        let (opened, heard) = (connection.opened, connection.heard());
        let (lines, requests, bytes) = (connection.lines(), connection.requests(), connection.bytes());
        let text = format!(
            "{{\"number\":{number},\"peer\":\"{peer}\",\"wire\":\"{wire}\",\"opened\":{opened},\"heard\":{heard},\
             \"lines\":{lines},\"requests\":{requests},\"bytes\":{bytes}"
        );
        out.extend_from_slice(text.as_bytes());
        if let Some(end) = connection.ended() {
            out.extend_from_slice(format!(",\"ended\":{},\"how\":\"{}\"", end.at, end.how).as_bytes());
        }
        out.push(b'}');
    });
}

/// `{"number":3,"peer":"127.0.0.1:50312"}`, or `null` if it is not known any more.
fn who(page: &Page, writer: Writer, out: &mut Vec<u8>) {
    let text = page.watch.connection(writer).map_or_else(
        || "null".to_owned(),
        |connection| format!("{{\"number\":{},\"peer\":\"{}\"}}", connection.number, connection.peer),
    );
    out.extend_from_slice(text.as_bytes());
}

/// A value as JSON has it: `null` if it is no finite number.
pub(super) fn number(text: &str) -> String {
    let value = Value::of(text).as_f64();
    if value.is_finite() {
        value.to_string()
    } else {
        "null".into()
    }
}

/// A JSON array.
pub(super) fn list<T>(out: &mut Vec<u8>, all: impl IntoIterator<Item = T>, mut each: impl FnMut(T, &mut Vec<u8>)) {
    out.push(b'[');
    for (index, one) in all.into_iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        each(one, out);
    }
    out.push(b']');
}
