//! One stream: a browser that looks on, and how far it has been told everything.
//!
//! ```text
//! tick --> part: what it watches, new series, then as many changed rows as there is room for, in turns
//!              '-- events since the last: refusals, lines, connections, collisions, faults, counts
//! ```
//!
//! A part is made only when the channel has room for it: a browser that reads slowly gets the latest state more seldom,
//! and nothing is kept for it. Called on the page's thread.

use potsdb_wire::json::write_string;
use tokio::sync::mpsc;

use crate::page::roll::{Roll, Row};
use crate::page::tell;
use crate::page::{Page, Wish};
use crate::store::series::SeriesName;

/// Parts that may wait for a browser to read them.
pub(super) const WAITING: usize = 8;

/// Rows in one part, beside those it watches.
const ROWS: usize = 2_000;

pub(super) struct Stream {
    pub(super) number: u64,
    parts: mpsc::Sender<Vec<u8>>,
    /// What changed up to this tick has been sent; 0 while it has still to be told the rows there are.
    floor: u32,
    /// When this round through all rows began, and how far it is: all that changed until then is sent when it ends.
    round: u32,
    next: usize,
    /// When it was sent a part last, and what it watched then.
    sent: u32,
    wish: u64,
    /// How many new series it knows of.
    new: u64,
    seen: tell::Seen,
}

impl Stream {
    pub(super) fn new(number: u64, parts: mpsc::Sender<Vec<u8>>) -> Stream {
        Stream {
            number,
            parts,
            floor: 0,
            round: 0,
            next: 0,
            sent: 0,
            wish: 0,
            new: 0,
            seen: tell::Seen::default(),
        }
    }

    /// Whether its browser is gone.
    pub(super) fn is_over(&self) -> bool {
        self.parts.is_closed()
    }

    /// Whether it has still to be told the rows there are, or that came since.
    pub(super) fn is_behind(&self, roll: &Roll) -> bool {
        self.is_beginning() || self.new < roll.all_new()
    }

    fn is_beginning(&self) -> bool {
        self.floor == 0
    }

    /// Sends what is new, as far as there is room.
    pub(super) fn tick(&mut self, page: &Page, roll: &Roll, tick: u32, wish: &Wish) {
        if self.round == 0 {
            self.round = tick;
        }
        let mut first = true;
        // All there is at the beginning, and all new ones; of changes one part a tick.
        while first || self.is_behind(roll) {
            let Ok(permit) = self.parts.clone().try_reserve_owned() else {
                return;
            };
            let mut out = b"data: {\"rows\":[".to_vec();
            self.rows(roll, tick, wish, first, &mut out);
            out.push(b']');
            if !self.is_beginning() {
                out.extend_from_slice(b",\"whole\":true");
            }
            if first {
                tell::latest(page, roll, &wish.rows, self.watched_since(wish), &mut out);
                tell::events(page, wish, &mut self.seen, self.number, &mut out);
                (self.sent, self.wish) = (tick, wish.number);
            }
            out.extend_from_slice(b"}\n\n");
            permit.send(out);
            first = false;
        }
    }

    /// The tick up to which it was told all of what it watches: none if it watches something else since.
    fn watched_since(&self, wish: &Wish) -> u32 {
        if wish.number == self.wish { self.sent } else { 0 }
    }

    fn rows(&mut self, roll: &Roll, tick: u32, wish: &Wish, first: bool, out: &mut Vec<u8>) {
        let mut count = 0;
        let mut send = |slot: u32, floor: u32, out: &mut Vec<u8>| {
            if count > 0 {
                out.push(b',');
            }
            count += 1;
            write_row(slot, roll.row(slot), floor, out);
        };
        if first && !self.is_beginning() {
            // Those it watches as soon as they change; a name goes with a row that got it since the last part.
            let since = self.watched_since(wish);
            for &slot in wish.rows.iter().filter(|slot| roll.changed(**slot) > since) {
                send(slot, self.sent, out);
            }
        }
        if !self.is_beginning() {
            for slot in roll.new_after(&mut self.new, ROWS) {
                send(slot, 0, out);
            }
        }
        let mut left = if first || self.is_beginning() { ROWS } else { 0 };
        while left > 0 && self.next < roll.length() {
            let slot = self.next as u32;
            self.next += 1;
            if roll.changed(slot) > self.floor && (roll.row(slot).is_some() || !self.is_beginning()) {
                send(slot, self.floor, out);
                left -= 1;
            }
        }
        if self.next >= roll.length() && left > 0 {
            if self.is_beginning() {
                self.new = roll.all_new();
            }
            (self.floor, self.round, self.next) = (self.round, tick, 0);
        }
    }
}

/// `[slot,"value",timestamp,seen,came,points,flips]`, and where it is new `,"metric","tag","value",...`; `[slot]` is
/// gone.
fn write_row(slot: u32, row: Option<&Row>, floor: u32, out: &mut Vec<u8>) {
    out.push(b'[');
    out.extend_from_slice(slot.to_string().as_bytes());
    if let Some(row) = row {
        out.push(b',');
        write_string(&row.value, out);
        let (timestamp, seen, came, points) = (row.timestamp, row.seen, row.came, row.points);
        let numbers = format!(",{timestamp},{seen},{came},{points},{}", u8::from(row.flips));
        out.extend_from_slice(numbers.as_bytes());
        if row.named > floor {
            write_name(&row.name, out);
        }
    }
    out.push(b']');
}

/// `,"metric","tag","value",...`
fn write_name(name: &SeriesName, out: &mut Vec<u8>) {
    let tags = name.tags.iter().flat_map(|(name, value)| [name, value]);
    for text in std::iter::once(&name.metric).chain(tags) {
        out.push(b',');
        write_string(text, out);
    }
}
