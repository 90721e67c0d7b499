//! Handles by key, so that a macro finds its own again without a lock that it would wait for.
//!
//! ```text
//! find --> shard of the key's hash --> young --> old --> make
//!                                        ^--------'
//! ```
//!
//! Two generations, as the client's registry of series has them. A shard whose young one is full forgets the old one, and so does one
//! that meets a new key after [`TURN`]. So what is remembered is bounded, and a series that has been idle is let go of, which the
//! instruments need to forget it.
//!
//! A lock that is held is gone round: the handle is then made by the instruments, which is slower and the same. So nothing waits, and a
//! process forked while another thread held a lock, which is held for ever there, works.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::{RwLock, TryLockError};
use std::time::{Duration, Instant};

use metrics::Key;

/// Shards, a power of two.
const SHARDS: usize = 16;

/// Handles of a generation of a shard. Two generations of all shards are 65 536.
const FULL: usize = 2048;

/// How long a generation lasts at least, where new keys keep coming.
const TURN: Duration = Duration::from_secs(60);

pub(crate) struct Cache<H>([RwLock<Shard<H>>; SHARDS]);

struct Shard<H> {
    young: Handles<H>,
    old: Handles<H>,
    turned: Instant,
}

type Handles<H> = HashMap<Key, H, BuildHasherDefault<Hashed>>;

impl<H> Default for Cache<H> {
    fn default() -> Cache<H> {
        Cache(std::array::from_fn(|_| {
            RwLock::new(Shard {
                young: HashMap::default(),
                old: HashMap::default(),
                turned: Instant::now(),
            })
        }))
    }
}

impl<H: Clone> Cache<H> {
    /// Finds the handle of a key, or makes it.
    pub(crate) fn find(&self, key: &Key, make: impl FnOnce() -> H) -> H {
        let shard = &self.0[(key.get_hash() >> 32) as usize % SHARDS];
        let found = now(shard.try_read()).and_then(|shard| shard.young.get(key).cloned());
        found.unwrap_or_else(|| Self::renew(shard, key, make))
    }

    #[cold]
    fn renew(shard: &RwLock<Shard<H>>, key: &Key, make: impl FnOnce() -> H) -> H {
        let old = now(shard.try_write()).and_then(|mut shard| shard.old.remove(key));
        let handle = old.unwrap_or_else(make);
        // Dropped when the lock is not held any more: a handle may be the last of its instruments.
        let _forgotten = now(shard.try_write()).and_then(|mut shard| shard.insert(key, &handle));
        handle
    }
}

impl<H: Clone> Shard<H> {
    /// Remembers a handle; returns the generation that is forgotten for it.
    fn insert(&mut self, key: &Key, handle: &H) -> Option<Handles<H>> {
        let forgotten = (self.young.len() >= FULL || self.turned.elapsed() >= TURN).then(|| {
            self.turned = Instant::now();
            std::mem::replace(&mut self.old, std::mem::take(&mut self.young))
        });
        self.young.insert(key.clone(), handle.clone());
        forgotten
    }
}

/// The guard, unless it had to be waited for.
fn now<G>(tried: Result<G, TryLockError<G>>) -> Option<G> {
    match tried {
        Ok(guard) => Some(guard),
        Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}

/// A key brings its hash along.
#[derive(Default)]
struct Hashed(u64);

impl Hasher for Hashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: usize) -> Key {
        Key::from_parts("hits", vec![metrics::Label::new("n", n.to_string())])
    }

    #[test]
    fn a_handle_is_made_once() {
        let cache = Cache::default();
        assert_eq!(cache.find(&key(1), || 1), 1);
        assert_eq!(cache.find(&key(1), || unreachable!()), 1);
        assert_eq!(cache.find(&key(2), || 2), 2);
    }

    #[test]
    fn what_is_used_is_remembered_and_the_rest_is_bounded() {
        let cache = Cache::default();
        for n in 0..200_000 {
            cache.find(&key(n), || n);
            cache.find(&key(0), || unreachable!("it is asked for all the time"));
        }
        let all: usize = cache
            .0
            .iter()
            .map(|shard| {
                let shard = shard.read().unwrap();
                shard.young.len() + shard.old.len()
            })
            .sum();
        assert!((SHARDS * FULL..=SHARDS * FULL * 2).contains(&all), "{all}");
    }

    #[test]
    fn a_lock_that_is_held_for_ever_is_gone_round() {
        let cache = Cache::default();
        cache.find(&key(1), || 1);
        let _held: Vec<_> = cache.0.iter().map(|shard| shard.write().unwrap()).collect();
        assert_eq!(cache.find(&key(1), || 7), 7);
    }
}
