//! CachedSeries series, and the last timestamps of each.
//!
//! OpenTSDB holds one value per series and timestamp, so a second point of the same series at the
//! same time is a repeat: it is counted and not queued. Each series remembers its last
//! [`REMEMBERED`] timestamps ([`RecentTimestamps`]); older repeats pass.
//!
//! [`Registry`] finds a series by its rendered bytes, never by hash alone. It keeps two
//! generations: whatever was used since the last turn is in `young`, and when that is full it
//! becomes `old` and the previous `old` goes. So the [`GENERATION`] most recently used series are
//! always known, at most twice as many are held, and a look-up costs one hash, where an exact LRU
//! would pay a list update on every call.
//!
//! No call does much, and none makes another one wait for long. The hash is taken, and memory is provided and freed, with
//! no lock held. The registry is in [`SHARDS`] parts. All of them turn at the same time, but each does its own
//! part of it when it is next used, and frees one series of the generation that went for each that is made known. With one table
//! under one lock, moving it to a larger one took 5 ms, and freeing a generation 18 ms.

use std::array;
use std::collections::{HashMap, hash_map};
use std::hash::{BuildHasher, BuildHasherDefault, Hasher, RandomState};
use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use potsdb_wire::SeriesText;
use potsdb_wire::Timestamp;

use crate::queue::sync::{Mutex, lock};

/// Timestamps remembered per series.
pub(crate) const REMEMBERED: usize = 4;

/// Series that are certain to be remembered: the most recently used ones.
pub(crate) const GENERATION: usize = 65_536;

/// The last timestamps of one series. Read and written only under the queue's lock, which orders
/// the accesses; they are atomics so that the series itself can be shared without a lock.
#[derive(Debug, Default)]
pub(crate) struct RecentTimestamps {
    /// Which client in which process these timestamps are of: a forked child starts with none.
    home: AtomicU64,
    next: AtomicU64,
    times: [AtomicU64; REMEMBERED],
}

impl RecentTimestamps {
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
pub(crate) struct CachedSeries {
    pub(crate) text: SeriesText,
    pub(crate) recent: RecentTimestamps,
}

/// The series of one client.
pub(crate) struct Registry {
    hasher: RandomState,
    /// How often the generations have turned.
    turns: AtomicU64,
    /// How many series are in the young generation, over all shards.
    young: AtomicUsize,
    shards: Box<[Mutex<Shard>; SHARDS]>,
}

/// The registry is in so many parts, each under a lock of its own. A part's table is small, so it grows in microseconds.
const SHARDS: usize = 64;

/// Series by the hash of their text. Of two texts with one hash the newer replaces the other, whose next repeat passes.
type Generation = HashMap<u64, Arc<CachedSeries>, BuildHasherDefault<Hashed>>;

#[derive(Default)]
struct Shard {
    /// Up to which turn of the generations it has followed.
    turn: u64,
    young: Generation,
    old: Generation,
    /// What is no longer known, and not freed yet.
    forgotten: Option<hash_map::IntoIter<u64, Arc<CachedSeries>>>,
}

/// Memory to be freed with no lock held.
#[derive(Default)]
struct Freed {
    known: Option<Arc<CachedSeries>>,
    rest: [Option<hash_map::IntoIter<u64, Arc<CachedSeries>>>; 2],
}

impl Default for Registry {
    fn default() -> Registry {
        Registry {
            hasher: RandomState::new(),
            turns: AtomicU64::new(0),
            young: AtomicUsize::new(0),
            shards: Box::new(array::from_fn(|_| Mutex::default())),
        }
    }
}

impl Registry {
    /// The series with exactly this text, made known if it was not.
    pub(crate) fn intern(&self, text: &SeriesText) -> Arc<CachedSeries> {
        let hash = self.hasher.hash_one(text.bytes());
        let shard = self.shard(hash);
        let known = lock(shard).find(self.turn(), hash, text);
        known.unwrap_or_else(|| self.make_young(shard, hash, text))
    }

    /// Puts a series into the young generation, from the old one if it is there.
    #[cold]
    fn make_young(&self, shard: &Mutex<Shard>, hash: u64, text: &SeriesText) -> Arc<CachedSeries> {
        let mut freed = Freed::default();
        let mut new = None;
        let known = loop {
            let mut shard = lock(shard);
            shard.follow(self.turn(), &mut freed);
            // Another thread may have come first.
            if let Some(known) = shard.find(shard.turn, hash, text) {
                return known;
            }
            let old = shard.old.remove(&hash).filter(|known| known.is(text));
            if let Some(known) = old.or_else(|| new.take()) {
                shard.young.insert(hash, known.clone());
                shard.free(&mut freed);
                break known;
            }
            drop(shard);
            new = Some(Arc::new(CachedSeries {
                text: text.clone(),
                recent: RecentTimestamps::default(),
            }));
        };
        if self.young.fetch_add(1, Ordering::Relaxed) + 1 == GENERATION {
            self.young.fetch_sub(GENERATION, Ordering::Relaxed);
            self.turns.fetch_add(1, Ordering::Relaxed);
        }
        known
    }

    fn shard(&self, hash: u64) -> &Mutex<Shard> {
        // Not the bits that the table in it goes by: the lowest ones, and the highest.
        &self.shards[(hash >> 32) as usize % SHARDS]
    }

    /// To be asked under a shard's lock, so that no shard is ahead of it.
    fn turn(&self) -> u64 {
        self.turns.load(Ordering::Relaxed)
    }

    /// How many series are held, known or not yet freed.
    #[cfg(test)]
    fn held(&self) -> usize {
        let held = |shard: &Mutex<Shard>| {
            let shard = lock(shard);
            let forgotten = shard.forgotten.as_ref().map_or(0, ExactSizeIterator::len);
            shard.young.len() + shard.old.len() + forgotten
        };
        self.shards.iter().map(held).sum()
    }
}

impl Shard {
    /// A series of the young generation, if it is the one of this turn.
    #[inline]
    fn find(&self, turn: u64, hash: u64, text: &SeriesText) -> Option<Arc<CachedSeries>> {
        let known = self.young.get(&hash).filter(|known| known.is(text));
        known.filter(|_| self.turn == turn).cloned()
    }

    /// Turns its generations as often as the registry's have turned since. What is still not freed of the generation that
    /// was forgotten before is little: about as many are made known in a shard as it has to free.
    fn follow(&mut self, turn: u64, freed: &mut Freed) {
        if self.turn == turn {
            return;
        }
        let young = mem::take(&mut self.young);
        let old = mem::replace(&mut self.old, young);
        freed.rest[0] = self.forgotten.replace(old.into_iter());
        // Nothing in it was used during a whole generation.
        if turn - self.turn > 1 {
            let old = mem::take(&mut self.old);
            freed.rest[1] = self.forgotten.replace(old.into_iter());
        }
        self.turn = turn;
    }

    /// Takes out one of the forgotten, for one that was made known. With more at a time the C library would have to sort
    /// what it gets back without giving it out again: 2 ms in one call, now and then.
    fn free(&mut self, freed: &mut Freed) {
        if let Some(forgotten) = &mut self.forgotten {
            freed.known = forgotten.next().map(|(_, known)| known);
            self.forgotten.take_if(|forgotten| forgotten.len() == 0);
        }
    }
}

impl CachedSeries {
    /// Equality by rendered bytes. `put <metric> ` and ` k=v\n` in one piece name exactly one series: no metric holds a
    /// blank.
    fn is(&self, text: &SeriesText) -> bool {
        self.text.bytes() == text.bytes()
    }
}

/// The hash of what is a hash already.
#[derive(Default)]
struct Hashed(u64);

impl Hasher for Hashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("the keys are numbers of 64 bits");
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

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
        let recent = RecentTimestamps::default();
        for second in 0..5 {
            assert!(!recent.holds(1, at(second)));
            recent.remember(1, at(second));
        }
        assert!(!recent.holds(1, at(0)));
        assert!((1..5).all(|second| recent.holds(1, at(second))));
    }

    #[test]
    fn another_process_starts_without_memories() {
        let recent = RecentTimestamps::default();
        recent.remember(1, at(7));
        assert!(!recent.holds(2, at(7)));
        recent.remember(2, at(8));
        assert!(!recent.holds(2, at(7)) && recent.holds(2, at(8)));
    }

    #[test]
    fn a_series_in_use_is_never_forgotten_and_the_registry_stays_bounded() {
        let registry = Registry::default();
        let first = registry.intern(&text("in.use"));
        for n in 0..3 * GENERATION {
            registry.intern(&text(&format!("m{n}")));
            if n % 1000 == 0 {
                assert!(Arc::ptr_eq(&first, &registry.intern(&text("in.use"))));
                assert!(registry.held() <= 2 * GENERATION + GENERATION / 16);
            }
        }
        let oldest = registry.intern(&text("m0"));
        assert!(!oldest.recent.holds(1, at(0)));
    }

    #[test]
    fn a_series_in_use_is_not_forgotten_where_nothing_else_is_made_known() {
        let registry = Registry::default();
        let in_use = text("in.use");
        let first = registry.intern(&in_use);
        let shard = |text: &SeriesText| (registry.hasher.hash_one(text.bytes()) >> 32) as usize % SHARDS;
        let names = (0..5 * GENERATION).map(|n| text(&format!("m{n}")));
        let (near, far): (Vec<_>, Vec<_>) = names.partition(|name| shard(name) == shard(&in_use));
        assert!(far.len() > 4 * GENERATION);
        for (n, text) in far.iter().enumerate() {
            registry.intern(text);
            if n % 1000 == 0 {
                registry.intern(&in_use);
            }
        }
        registry.intern(&near[0]);
        assert!(Arc::ptr_eq(&first, &registry.intern(&in_use)));
    }

    #[test]
    fn as_many_series_as_a_generation_has_are_known_in_each_round() {
        let registry = Registry::default();
        let round = || -> Vec<_> {
            let names = (0..GENERATION).map(|n| text(&format!("m{n}")));
            names.map(|text| Arc::as_ptr(&registry.intern(&text))).collect()
        };
        let first = round();
        assert!(round() == first && round() == first);
    }

    /// As far as shards differ in how many series there are in them.
    const FEW: usize = GENERATION / SHARDS / 2;

    #[test]
    fn no_call_frees_more_than_a_few_series() {
        let registry = Registry::default();
        let mut held = 0;
        for n in 0..3 * GENERATION {
            registry.intern(&text(&format!("m{n}")));
            let before = mem::replace(&mut held, registry.held());
            assert!(held <= before + 1 && held + FEW > before, "{before}, then {held}");
        }
        assert!(held > GENERATION);
    }

    #[test]
    fn threads_that_make_one_series_known_get_the_same_one() {
        let registry = Registry::default();
        let both = || {
            let names = (0..1000).map(|n| text(&format!("m{n}")));
            names.map(|text| registry.intern(&text)).collect::<Vec<_>>()
        };
        let (one, other) = thread::scope(|scope| {
            let (one, other) = (scope.spawn(both), scope.spawn(both));
            (one.join(), other.join())
        });
        let pairs = one.unwrap().into_iter().zip(other.unwrap());
        pairs.for_each(|(one, other)| assert!(Arc::ptr_eq(&one, &other)));
    }
}
