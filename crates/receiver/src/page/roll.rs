//! The roll: the series as the page last saw them, each with its latest value and when it changed.
//!
//! It follows the table's list of changes (`store/changes.rs`), a few hundred series under each lock, so that intake
//! waits for microseconds. Streams compare the tick of a row with the one they sent last; nothing is computed twice for
//! two of them.
//!
//! Only the page's thread touches it. It has the first so many series; the page says how many there are beyond.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::store::Store;
use crate::store::series::{Series, SeriesName};

/// The most series that the page lists.
pub(super) const MOST: usize = 250_000;

/// How many series are read under one lock.
const AT_ONCE: usize = 256;

/// How many new series are remembered to be told first.
const MOST_NEW: usize = 100_000;

/// How many of a series' latest values are looked at.
const LATEST: usize = 8;

#[derive(Default)]
pub(super) struct Roll {
    /// By slot of the table.
    rows: Vec<Option<Row>>,
    /// When a row changed last, by tick.
    changed: Vec<u32>,
    /// The slots that got another series, the latest last, and how many those were.
    new: VecDeque<u32>,
    all_new: u64,
    is_watching: bool,
}

pub(super) struct Row {
    pub(super) name: Arc<SeriesName>,
    pub(super) value: String,
    /// As it was sent.
    pub(super) timestamp: i64,
    /// When its last point came, in seconds since 1970.
    pub(super) seen: u32,
    /// How many points came.
    pub(super) came: u32,
    /// How many are stored.
    pub(super) points: usize,
    /// Its latest values are now integers, now floats.
    pub(super) flips: bool,
    /// Since which tick it has its name.
    pub(super) named: u32,
}

impl Roll {
    /// Reads what has changed; ticks count from 1.
    pub(super) fn follow(&mut self, store: &Store, tick: u32) {
        let slots: Vec<u32> = {
            let mut inner = store.lock();
            if self.is_watching {
                inner.table.changes.take()
            } else {
                self.is_watching = true;
                inner.table.changes.watch(true);
                (0..inner.table.slots() as u32).collect()
            }
        };
        let listed: Vec<u32> = slots.into_iter().filter(|slot| (*slot as usize) < MOST).collect();
        for slots in listed.chunks(AT_ONCE) {
            let mut inner = store.lock();
            for &slot in slots {
                let series = inner.table.look_at(slot);
                self.note(slot, series, tick);
            }
        }
    }

    /// Stops following, and forgets all.
    pub(super) fn leave(&mut self, store: &Store) {
        store.lock().table.changes.watch(false);
        *self = Roll::default();
    }

    pub(super) fn row(&self, slot: u32) -> Option<&Row> {
        self.rows.get(slot as usize)?.as_ref()
    }

    /// When a row changed last.
    pub(super) fn changed(&self, slot: u32) -> u32 {
        self.changed.get(slot as usize).copied().unwrap_or(0)
    }

    /// How many rows there are, those without a series included.
    pub(super) fn length(&self) -> usize {
        self.rows.len()
    }

    /// The slots that got a series after the first so many did, at most so many of them; some may be known no more.
    pub(super) fn new_after(&self, seen: &mut u64, most: usize) -> impl Iterator<Item = u32> {
        let gone = self.all_new - self.new.len() as u64;
        *seen = gone.max(*seen);
        let known = usize::try_from(*seen - gone).unwrap_or(usize::MAX);
        *seen = self.all_new.min(*seen + most as u64);
        self.new.iter().skip(known).take(most).copied()
    }

    pub(super) fn all_new(&self) -> u64 {
        self.all_new
    }

    fn note(&mut self, slot: u32, series: Option<&Series>, tick: u32) {
        let index = slot as usize;
        if index >= self.rows.len() {
            self.rows.resize_with(index + 1, || None);
            self.changed.resize(index + 1, 0);
        }
        self.changed[index] = tick;
        let before = self.rows[index].as_ref();
        let Some(series) = series else {
            self.rows[index] = None;
            return;
        };
        let is_same = before.is_some_and(|before| Arc::ptr_eq(&before.name, &series.name));
        let named = before.filter(|_| is_same).map_or(tick, |before| before.named);
        self.rows[index] = Some(Row::of(series, named));
        if !is_same {
            if self.new.len() == MOST_NEW {
                self.new.pop_front();
            }
            self.new.push_back(slot);
            self.all_new += 1;
        }
    }
}

impl Row {
    fn of(series: &Series, named: u32) -> Row {
        let last = series.cells.back();
        let latest = || {
            series
                .cells
                .iter()
                .rev()
                .take(LATEST)
                .map(|cell| is_float(cell.value.bytes()))
        };
        Row {
            name: Arc::clone(&series.name),
            value: last.map_or_else(String::new, |cell| cell.value.to_text()),
            timestamp: last.map_or(0, |cell| cell.timestamp),
            seen: series.seen,
            came: series.came,
            points: series.cells.len(),
            flips: latest().any(|float| float) && latest().any(|float| !float),
            named,
        }
    }
}

/// Whether a value is stored as a float: OpenTSDB keeps the two kinds in different cells.
fn is_float(value: &[u8]) -> bool {
    value
        .iter()
        .any(|byte| matches!(byte, b'.' | b'e' | b'E' | b'n' | b'N' | b'i' | b'I'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::personality::{OpenTsdb, Setup};
    use crate::point::put::Rules;
    use crate::store::series::Writer;
    use crate::store::table::Bounds;

    fn store(series: usize) -> Store {
        let rules = Rules {
            known_metrics: None,
            max_tags: 8,
        };
        let bounds = Bounds {
            points_per_series: 100,
            series,
            points: 1000,
            bytes: 1 << 20,
        };
        Store::new(rules, bounds, false, None)
    }

    fn put(store: &Store, line: &str) {
        let reading = OpenTsdb::new(&Setup::default());
        let taken = store.intake(Writer::UNKNOWN).line(line.as_bytes(), &reading);
        assert_eq!(taken, Ok(()), "{line}");
    }

    fn rows(roll: &Roll, tick: u32) -> Vec<String> {
        let changed = (0..roll.length() as u32).filter(|slot| roll.changed(*slot) >= tick);
        changed
            .map(|slot| {
                let row = roll.row(slot);
                row.map_or_else(
                    || "none".to_owned(),
                    |row| format!("{} {} {} {}", row.name, row.value, row.came, row.flips),
                )
            })
            .collect()
    }

    #[test]
    fn what_was_there_is_read_once_and_then_what_changes() {
        let store = store(10);
        put(&store, "put a 1767225600 1 h=a");
        put(&store, "put b 1767225600 1 h=a");
        let mut roll = Roll::default();
        roll.follow(&store, 1);
        assert_eq!(rows(&roll, 1), ["a{h=a} 1 1 false", "b{h=a} 1 1 false"]);
        put(&store, "put b 1767225601 1.5 h=a");
        put(&store, "put b 1767225602 2 h=a");
        put(&store, "put c 1767225602 2 h=a");
        roll.follow(&store, 2);
        assert_eq!(rows(&roll, 2), ["b{h=a} 2 3 true", "c{h=a} 2 1 false"]);
        roll.follow(&store, 3);
        assert!(rows(&roll, 3).is_empty());
        let mut seen = 0;
        assert_eq!(roll.new_after(&mut seen, 2).collect::<Vec<_>>(), [0, 1]);
        assert_eq!(roll.new_after(&mut seen, 2).collect::<Vec<_>>(), [2]);
        assert_eq!((roll.new_after(&mut seen, 2).count(), seen), (0, 3));
    }

    #[test]
    fn a_slot_that_gets_another_series_is_a_new_row() {
        let store = store(1);
        put(&store, "put a 1767225600 1 h=a");
        let mut roll = Roll::default();
        roll.follow(&store, 1);
        put(&store, "put b 1767225600 1 h=a");
        roll.follow(&store, 2);
        assert_eq!(rows(&roll, 2), ["b{h=a} 1 1 false"]);
        assert_eq!(roll.row(0).map(|row| row.named), Some(2));
        store.clear();
        roll.follow(&store, 3);
        assert_eq!(rows(&roll, 3), ["b{h=a}  1 false"], "it has no points any more");
    }

    #[test]
    fn one_that_leaves_and_comes_back_reads_all_again() {
        let store = store(10);
        put(&store, "put a 1767225600 1 h=a");
        let mut roll = Roll::default();
        roll.follow(&store, 1);
        put(&store, "put a 1767225601 2 h=a");
        roll.leave(&store);
        put(&store, "put a 1767225602 3 h=a");
        roll.follow(&store, 1);
        put(&store, "put a 1767225603 4 h=a");
        roll.follow(&store, 2);
        assert_eq!(rows(&roll, 2), ["a{h=a} 4 4 false"]);
    }
}
