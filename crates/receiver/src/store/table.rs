//! The series table: which series a line belongs to, and which one has to go when there is no room.
//!
//! A line names its series by its bytes, `metric` and `k=v k2=v2`. Those bytes are a *spelling*; the first time one is
//! seen the whole line is checked and the spelling remembered, every later line is one hash look-up and two numbers.
//! The spelling with sorted tags is the series' own, so two orders of the same tags meet there.
//!
//! ```text
//! spellings: (metric, tags) -> series, spelling number          series: slots, in a ring from oldest to newest touch
//! ```
//!
//! Bounds: cells per series, series, cells in all, bytes in all. What goes is the oldest cell of the series, the series
//! touched longest ago, the oldest cell of that series; each is counted. Used by `store.rs` under its lock.

use hashbrown::HashMap;

use crate::point::number::{self, Number};
use crate::point::put::Put;
use crate::store::changes::Changes;
use crate::store::collisions::Collisions;
use crate::store::names::Names;
use crate::store::series::{Origin, Parts, Series, SeriesName, Spelling, Stored, UNSPELLED, Writer};

/// How much a table holds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) points_per_series: usize,
    pub(crate) series: usize,
    pub(crate) points: usize,
    pub(crate) bytes: usize,
}

pub(crate) struct Table {
    limits: Bounds,
    spellings: HashMap<Spelling, Home>,
    slots: Vec<Slot>,
    free: Vec<u32>,
    oldest: u32,
    newest: u32,
    points: usize,
    /// Of all series.
    bytes: usize,
    pub(crate) names: Names,
    pub(crate) collisions: Collisions,
    pub(crate) changes: Changes,
    pub(crate) evicted_points: u64,
    pub(crate) evicted_series: u64,
}

#[derive(Clone, Copy)]
struct Home {
    slot: u32,
    spelling: u8,
}

/// A series and its neighbours in the order of touching.
struct Slot {
    series: Option<Series>,
    older: u32,
    newer: u32,
}

const NONE: u32 = u32::MAX;

impl Table {
    pub(crate) fn new(limits: Bounds) -> Table {
        // A table without room for one point would have to evict what it is just putting.
        let at_least_one = Bounds {
            points_per_series: limits.points_per_series.max(1),
            series: limits.series.clamp(1, NONE as usize - 1),
            points: limits.points.max(1),
            bytes: limits.bytes,
        };
        Table {
            limits: at_least_one,
            spellings: HashMap::new(),
            slots: Vec::new(),
            free: Vec::new(),
            oldest: NONE,
            newest: NONE,
            points: 0,
            bytes: 0,
            names: Names::default(),
            collisions: Collisions::default(),
            changes: Changes::default(),
            evicted_points: 0,
            evicted_series: 0,
        }
    }

    /// Puts a line whose spelling is known, given its words; `None` sends the caller the long way round.
    ///
    /// A known spelling was checked when it came first, so only the two numbers can be at fault.
    #[inline]
    pub(crate) fn put_known(
        &mut self,
        parts: Parts<'_>,
        timestamp: &[u8],
        value: &[u8],
        writer: Writer,
    ) -> Option<Stored> {
        let home = *self.spellings.get(&parts)?;
        let timestamp = plain_timestamp(timestamp)?;
        match Number::parse(str::from_utf8(value).ok()?) {
            Ok(Number::Float(float)) if float.is_infinite() => None,
            Ok(_) => Some(self.store(home, timestamp, value, writer)),
            Err(_) => None,
        }
    }

    /// Puts a checked point; `parts` is how its line was written, in UTF-8.
    pub(crate) fn put(&mut self, put: &Put<'_>, parts: Parts<'_>, writer: Writer) -> Stored {
        let mut tags = put.tags.clone();
        tags.0.sort_unstable();
        let tags_text = tags.line_text();
        let own = Parts {
            metric: put.metric.as_bytes(),
            tags: tags_text.as_bytes(),
        };
        let home = match self.spellings.get(&own) {
            Some(&home) => home,
            None => {
                let tags = tags
                    .0
                    .iter()
                    .map(|&(name, value)| (name.to_owned(), value.to_owned()))
                    .collect();
                self.create(
                    SeriesName {
                        metric: put.metric.to_owned(),
                        tags,
                    },
                    own,
                )
            }
        };
        let spelling = if parts == own {
            home.spelling
        } else {
            self.spell(home.slot, parts)
        };
        self.store(Home { spelling, ..home }, put.timestamp, put.value.as_bytes(), writer)
    }

    /// Takes one copy of a point back; false if it is not there any more. Which of several values it had is not known
    /// any more either: the last one stays.
    pub(crate) fn take_back(&mut self, put: &Put<'_>) -> bool {
        let mut tags = put.tags.clone();
        tags.0.sort_unstable();
        let tags = tags.line_text();
        let own = Parts {
            metric: put.metric.as_bytes(),
            tags: tags.as_bytes(),
        };
        let Some(&home) = self.spellings.get(&own) else {
            return false;
        };
        let series = live(&mut self.slots[home.slot as usize]);
        let Ok(index) = series.cells.binary_search_by_key(&put.timestamp, |cell| cell.timestamp) else {
            return false;
        };
        let copies = &mut series.cells[index].copies;
        *copies = copies.saturating_sub(1);
        if *copies == 0 {
            let before = series.bytes;
            series.remove(index);
            self.bytes -= before - series.bytes;
            self.points -= 1;
        }
        true
    }

    /// Forgets all points; each series remembers its last value.
    pub(crate) fn clear(&mut self) {
        for (slot, series) in (0..).zip(&mut self.slots) {
            let Some(series) = &mut series.series else { continue };
            let before = series.bytes;
            series.clear();
            self.bytes -= before - series.bytes;
            self.changes.changed(slot, &mut series.is_listed);
        }
        self.points = 0;
        self.collisions.clear();
    }

    /// All series, in no order; some may have no points.
    pub(crate) fn series(&self) -> impl Iterator<Item = &Series> {
        self.slots.iter().filter_map(|slot| slot.series.as_ref())
    }

    pub(crate) fn points(&self) -> usize {
        self.points
    }

    /// How many series there are.
    pub(crate) fn series_count(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// How many slots for series there are; each has a number below that, and a series or none.
    pub(crate) fn slots(&self) -> usize {
        self.slots.len()
    }

    /// The series in a slot.
    pub(crate) fn at(&self, slot: u32) -> Option<&Series> {
        self.slots.get(slot as usize)?.series.as_ref()
    }

    /// The same for whoever watches: what changes in it from here on is listed again.
    pub(crate) fn look_at(&mut self, slot: u32) -> Option<&Series> {
        let series = self.slots.get_mut(slot as usize)?.series.as_mut()?;
        series.is_listed = false;
        Some(series)
    }

    #[inline]
    fn store(&mut self, home: Home, timestamp: i64, value: &[u8], writer: Writer) -> Stored {
        self.touch(home.slot);
        let series = live(&mut self.slots[home.slot as usize]);
        let origin = Origin {
            spelling: home.spelling,
            writer,
        };
        let before = series.bytes;
        let (stored, overwritten) = series.put(timestamp, value, origin);
        self.bytes = self.bytes - before + series.bytes;
        self.changes.came(home.slot, series);
        if let Some((overwritten, by)) = overwritten {
            let values = [(overwritten.bytes(), by), (value, writer)];
            self.collisions.note(&series.name, timestamp, values);
        }
        if stored == Stored::New {
            self.points += 1;
            if series.cells.len() > self.limits.points_per_series {
                self.drop_oldest_cell(home.slot);
            }
        }
        // The oldest series may have no points any more, and the last one stays, however long its value is.
        while self.points > self.limits.points || (self.bytes + self.names.bytes > self.limits.bytes && self.points > 1)
        {
            self.drop_oldest_cell(self.oldest);
        }
        stored
    }

    fn drop_oldest_cell(&mut self, slot: u32) {
        let series = live(&mut self.slots[slot as usize]);
        let before = series.bytes;
        let dropped = series.remove(0).is_some();
        let empty = series.cells.is_empty();
        self.bytes -= before - series.bytes;
        self.points -= usize::from(dropped);
        self.evicted_points += u64::from(dropped);
        if empty {
            self.remove(slot);
        }
    }

    fn create(&mut self, name: SeriesName, own: Parts<'_>) -> Home {
        if self.series_count() >= self.limits.series {
            let oldest = live(&mut self.slots[self.oldest as usize]);
            let lost = oldest.cells.len();
            self.points -= lost;
            self.evicted_points += lost as u64;
            self.remove(self.oldest);
        }
        let tsuid = self.names.meet(&name);
        let series = Series::new(name, tsuid);
        self.bytes += series.bytes;
        let fresh = Slot {
            series: Some(series),
            older: NONE,
            newer: NONE,
        };
        let slot = match self.free.pop() {
            Some(slot) => {
                self.slots[slot as usize] = fresh;
                slot
            }
            None => {
                self.slots.push(fresh);
                (self.slots.len() - 1) as u32
            }
        };
        self.link(slot);
        Home {
            slot,
            spelling: self.spell(slot, own),
        }
    }

    /// Remembers one more way of writing a series; beyond 255 ways the long way round will do.
    fn spell(&mut self, slot: u32, parts: Parts<'_>) -> u8 {
        if let Some(home) = self.spellings.get(&parts) {
            return home.spelling;
        }
        let series = live(&mut self.slots[slot as usize]);
        let number = series.spellings.len() as u8;
        if number == UNSPELLED {
            return UNSPELLED;
        }
        let spelling = Spelling::new(parts);
        let before = series.bytes;
        series.spell(spelling.clone());
        self.bytes += series.bytes - before;
        self.spellings.insert(spelling, Home { slot, spelling: number });
        number
    }

    fn remove(&mut self, slot: u32) {
        self.unlink(slot);
        if let Some(mut series) = self.slots[slot as usize].series.take() {
            self.changes.changed(slot, &mut series.is_listed);
            self.bytes -= series.bytes;
            self.names.leave(&series.name);
            for spelling in &series.spellings {
                self.spellings.remove(spelling);
            }
        }
        self.free.push(slot);
        self.evicted_series += 1;
    }

    #[inline]
    fn touch(&mut self, slot: u32) {
        if self.newest != slot {
            self.unlink(slot);
            self.link(slot);
        }
    }

    fn link(&mut self, slot: u32) {
        let last = std::mem::replace(&mut self.newest, slot);
        self.slots[slot as usize].older = last;
        self.slots[slot as usize].newer = NONE;
        match last {
            NONE => self.oldest = slot,
            last => self.slots[last as usize].newer = slot,
        }
    }

    fn unlink(&mut self, slot: u32) {
        let Slot { older, newer, .. } = self.slots[slot as usize];
        match older {
            NONE => self.oldest = newer,
            older => self.slots[older as usize].newer = newer,
        }
        match newer {
            NONE => self.newest = older,
            newer => self.slots[newer as usize].older = older,
        }
    }
}

/// A timestamp in the form every client should use; anything else goes the long way round.
#[inline]
fn plain_timestamp(text: &[u8]) -> Option<i64> {
    if !(1..=13).contains(&text.len()) || text[0] == b'0' {
        return None;
    }
    let plain = text.iter().all(u8::is_ascii_digit);
    if plain {
        number::integer(str::from_utf8(text).ok()?).ok()
    } else {
        None
    }
}

/// The series of a slot that is linked or named by a spelling; both end when the series does.
fn live(slot: &mut Slot) -> &mut Series {
    slot.series.as_mut().expect("a linked slot holds a series")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::store::series::SeriesName;

    const LIMITS: Bounds = Bounds {
        points_per_series: 5,
        series: 3,
        points: 9,
        bytes: 4000,
    };

    /// What is done to a table: a point of a series and time, with a value so long; or the points are forgotten.
    fn steps() -> impl Strategy<Value = Vec<(u8, usize, i64, usize)>> {
        prop::collection::vec((0..10_u8, 0..5_usize, 0..8_i64, 1..600_usize), 0..60)
    }

    proptest! {
        #[test]
        fn what_is_counted_is_what_is_there_and_within_the_bounds(steps in steps()) {
            let mut table = Table::new(LIMITS);
            for (what, series, timestamp, length) in steps {
                if what == 0 {
                    table.clear();
                } else {
                    let value = "1".repeat(length);
                    let (metric, other) = (format!("m{series}"), format!("h=a\tw{}", length % 3));
                    let own = Parts { metric: metric.as_bytes(), tags: b"h=a" };
                    let home = match table.spellings.get(&own) {
                        Some(&home) => home,
                        None => table.create(
                            SeriesName { metric: metric.clone(), tags: vec![("h".to_owned(), "a".to_owned())] },
                            own,
                        ),
                    };
                    let spelling = table.spell(home.slot, Parts { metric: metric.as_bytes(), tags: other.as_bytes() });
                    table.store(Home { spelling, ..home }, timestamp, value.as_bytes(), Writer::UNKNOWN);
                }
                let bytes: usize = table.series().map(|series| series.bytes).sum();
                let points: usize = table.series().map(|series| series.cells.len()).sum();
                prop_assert_eq!((table.bytes, table.points), (bytes, points));
                prop_assert!(points <= LIMITS.points && table.series().count() <= LIMITS.series);
                prop_assert!(bytes <= LIMITS.bytes || points <= 1, "{} bytes", bytes);
                for series in table.series() {
                    let fresh = Series::new(SeriesName::clone(&series.name), series.tsuid.clone());
                    prop_assert!(series.bytes >= fresh.bytes + series.cells.len() * 40);
                }
            }
        }
    }
}
