//! Known series, and the last timestamps of each.
//!
//! OpenTSDB holds one value per series and timestamp, so a second point of the same series at the
//! same time is a repeat: it is counted and not queued. Each series remembers its last
//! [`REMEMBERED`] timestamps ([`Recent`]); older repeats pass.
//!
//! [`Registry`] finds a series by its rendered bytes, never by hash alone. It keeps two
//! generations: whatever was used since the last turn is in `young`, and when that is full it
//! becomes `old` and the previous `old` goes. So the [`GENERATION`] most recently used series are
//! always known, at most twice as many are held, and a look-up costs one hash, where an exact LRU
//! would pay a list update on every call.

use std::borrow::Borrow;
use std::collections::HashSet;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use potsdb_wire::SeriesText;
use potsdb_wire::Timestamp;

/// Timestamps remembered per series.
pub(crate) const REMEMBERED: usize = 4;

/// Series that are certain to be remembered: the most recently used ones.
pub(crate) const GENERATION: usize = 65_536;

/// The last timestamps of one series. Read and written only under the queue's lock, which orders
/// the accesses; they are atomics so that the series itself can be shared without a lock.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    /// Which client in which process these timestamps are of: a forked child starts with none.
    home: AtomicU64,
    next: AtomicU64,
    times: [AtomicU64; REMEMBERED],
}

impl Recent {
    /// Whether a point at `timestamp` would be a repeat for the client `home`.
    pub(crate) fn holds(&self, home: u64, timestamp: Timestamp) -> bool {
        self.home.load(Ordering::Relaxed) == home
            && self
                .times
                .iter()
                .any(|time| time.load(Ordering::Relaxed) == timestamp.as_u64())
    }

    /// Remembers a point that was accepted. No legal timestamp is 0, so 0 marks an empty place.
    pub(crate) fn remember(&self, home: u64, timestamp: Timestamp) {
        if self.home.load(Ordering::Relaxed) != home {
            self.home.store(home, Ordering::Relaxed);
            for time in &self.times {
                time.store(0, Ordering::Relaxed);
            }
        }
        let next = self.next.load(Ordering::Relaxed);
        self.times[next as usize % REMEMBERED].store(timestamp.as_u64(), Ordering::Relaxed);
        self.next.store(next.wrapping_add(1), Ordering::Relaxed);
    }
}

/// A series as its lines will show it, with what it remembers.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) text: SeriesText,
    pub(crate) recent: Recent,
}

/// Equality by rendered bytes. `put <metric> ` and ` k=v\n` in one piece name exactly one series:
/// no metric holds a blank.
struct ByText(Arc<Known>);

impl Borrow<[u8]> for ByText {
    fn borrow(&self) -> &[u8] {
        self.0.text.bytes()
    }
}

impl Hash for ByText {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.text.bytes().hash(state);
    }
}

impl PartialEq for ByText {
    fn eq(&self, other: &ByText) -> bool {
        self.0.text.bytes() == other.0.text.bytes()
    }
}

impl Eq for ByText {}

/// The series of one client.
#[derive(Default)]
pub(crate) struct Registry {
    young: HashSet<ByText>,
    old: HashSet<ByText>,
}

impl Registry {
    /// The series with exactly this text, made known if it was not.
    pub(crate) fn intern(&mut self, text: &SeriesText) -> Arc<Known> {
        if let Some(known) = self.young.get(text.bytes()) {
            return known.0.clone();
        }
        let known = match self.old.take(text.bytes()) {
            Some(known) => known.0,
            None => Arc::new(Known {
                text: text.clone(),
                recent: Recent::default(),
            }),
        };
        if self.young.len() >= GENERATION {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(ByText(known.clone()));
        known
    }
}

#[cfg(test)]
mod tests {
    use potsdb_wire::Rules;

    use super::*;

    fn text(metric: &str) -> SeriesText {
        let rules = Rules::default();
        let mut text = SeriesText::new();
        text.metric(&rules, "", metric).unwrap();
        text.tag(&rules, "h", "x").unwrap();
        text.finish(&rules).unwrap();
        text
    }

    fn at(second: u64) -> Timestamp {
        Timestamp::from_secs(1_700_000_000 + second).unwrap()
    }

    #[test]
    fn the_last_four_timestamps_are_repeats_and_older_ones_pass() {
        let recent = Recent::default();
        for second in 0..5 {
            assert!(!recent.holds(1, at(second)));
            recent.remember(1, at(second));
        }
        assert!(!recent.holds(1, at(0)));
        assert!((1..5).all(|second| recent.holds(1, at(second))));
    }

    #[test]
    fn another_process_starts_without_memories() {
        let recent = Recent::default();
        recent.remember(1, at(7));
        assert!(!recent.holds(2, at(7)));
        recent.remember(2, at(8));
        assert!(!recent.holds(2, at(7)) && recent.holds(2, at(8)));
    }

    #[test]
    fn a_series_in_use_is_never_forgotten_and_the_registry_stays_bounded() {
        let mut registry = Registry::default();
        let first = registry.intern(&text("in.use"));
        for n in 0..3 * GENERATION {
            registry.intern(&text(&format!("m{n}")));
            if n % 1000 == 0 {
                assert!(Arc::ptr_eq(&first, &registry.intern(&text("in.use"))));
            }
        }
        assert!(registry.young.len() + registry.old.len() <= 2 * GENERATION);
        let oldest = registry.intern(&text("m0"));
        assert!(!oldest.recent.holds(1, at(0)));
    }
}
