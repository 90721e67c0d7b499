//! Points for the page: those of one series for its chart, and all that match a filter as lines for `tsdb import` and
//! `potsdb pipe`.
//!
//! A series is copied under one lock, many of them a few at a time.

use std::sync::Arc;

use potsdb_front::{Parameters, Reply, Response};
use potsdb_wire::json::write_string;
use tokio::sync::mpsc;

use crate::page::tell::{list, number};
use crate::page::unbounded;
use crate::point::number::millis;
use crate::store::Store;
use crate::store::series::Series;

/// The most points of a chart; of more the latest.
const MOST: usize = 10_000;

/// How many of the latest are told word for word.
const LATEST: usize = 100;

/// How many series are written under one lock.
const AT_ONCE: usize = 64;

/// `{"metric":"m","tags":["k","v"],"all":3,"times":[ms,...],"values":[1,...],"latest":[[timestamp,"value",copies],...]}`
pub(super) fn of_slot(store: &Store, parameters: &Parameters) -> Reply {
    let slot = parameters.number("slot").and_then(|slot| u32::try_from(slot).ok());
    let inner = store.lock();
    let Some(series) = slot.and_then(|slot| inner.table.at(slot)) else {
        drop(inner);
        return Reply::error(404, "the series is gone");
    };
    let (name, all) = (Arc::clone(&series.name), series.cells.len());
    let cells = series.cells.iter().skip(all.saturating_sub(MOST));
    let points: Vec<_> = cells
        .map(|cell| (cell.timestamp, cell.value.to_text(), cell.copies))
        .collect();
    drop(inner);

    let mut out = b"{\"metric\":".to_vec();
    write_string(&name.metric, &mut out);
    out.extend_from_slice(b",\"tags\":");
    let tags = name.tags.iter().flat_map(|(name, value)| [name, value]);
    list(&mut out, tags, |text, out| write_string(text, out));
    out.extend_from_slice(format!(",\"all\":{all},\"times\":").as_bytes());
    list(&mut out, &points, |(timestamp, ..), out| {
        out.extend_from_slice(millis(*timestamp).to_string().as_bytes());
    });
    out.extend_from_slice(b",\"values\":");
    list(&mut out, &points, |(_, value, _), out| {
        out.extend_from_slice(number(value).as_bytes());
    });
    out.extend_from_slice(b",\"latest\":");
    list(
        &mut out,
        points.iter().rev().take(LATEST),
        |(timestamp, value, copies), out| {
            out.extend_from_slice(format!("[{timestamp},").as_bytes());
            write_string(value, out);
            out.extend_from_slice(format!(",{copies}]").as_bytes());
        },
    );
    out.push(b'}');
    Reply::json(out)
}

/// The points of the series whose name has all words of `filter` in it, as lines of metric, timestamp, value and tags.
pub(super) fn export(store: &Arc<Store>, parameters: &Parameters) -> Response {
    let filter = parameters.value("filter").unwrap_or_default().to_lowercase();
    let slot = parameters.number("slot");
    let (sender, parts) = mpsc::channel(2);
    let store = Arc::clone(store);
    tokio::task::spawn_blocking(move || {
        let words: Vec<&str> = filter.split_whitespace().collect();
        let matches = |series: &&Series| {
            let text = text(series).to_lowercase();
            words.iter().all(|word| text.contains(word))
        };
        let (mut next, mut lines) = (slot.unwrap_or(0), Vec::new());
        loop {
            let inner = store.lock();
            let end = slot
                .map_or(usize::MAX, |slot| slot.saturating_add(1))
                .min(inner.table.slots());
            for index in next..end.min(next.saturating_add(AT_ONCE)) {
                let series = inner.table.at(index as u32).filter(matches);
                series.into_iter().for_each(|series| write(series, &mut lines));
            }
            drop(inner);
            next = next.saturating_add(AT_ONCE);
            // The browser may be gone.
            if !lines.is_empty() && sender.blocking_send(std::mem::take(&mut lines)).is_err() || next >= end {
                return;
            }
        }
    });
    let mut reply = unbounded("text/plain; charset=utf-8");
    let attachment = "attachment; filename=\"points.txt\"".to_owned();
    reply.head.push(("Content-Disposition", attachment));
    Response::Stream(reply, parts)
}

/// `metric k=v k=v`: what filters look at, here and in the browser.
fn text(series: &Series) -> String {
    let tags = series.name.tags.iter().map(|(name, value)| format!(" {name}={value}"));
    std::iter::once(series.name.metric.clone()).chain(tags).collect()
}

fn write(series: &Series, lines: &mut Vec<u8>) {
    let text = text(series);
    let (metric, tags) = text.split_at(series.name.metric.len());
    for cell in &series.cells {
        lines.extend_from_slice(format!("{metric} {} ", cell.timestamp).as_bytes());
        lines.extend_from_slice(cell.value.bytes());
        lines.extend_from_slice(tags.as_bytes());
        lines.push(b'\n');
    }
}
