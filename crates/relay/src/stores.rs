//! The stores: each with an upstream of its own, who waits for it, and what it counts.
//!
//! What is said yes to is safe in every store. A mirror is no store: it gets the same lines, as far as it has room, and nobody
//! waits for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use potsdb::EndpointState;

use crate::peers::Peer;
use crate::turns::Turns;
use crate::upstream::{Progress, Taken, Upstream};
use crate::waits::Waits;

/// What a place that lines go to is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It is waited for.
    Store,
    /// It gets what it has room for.
    Mirror,
}

impl Role {
    /// The word for it, also of the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Role::Store => "store",
            Role::Mirror => "mirror",
        }
    }
}

/// One of them.
pub(crate) struct Store {
    /// Its URL, without secrets.
    pub(crate) name: String,
    pub(crate) role: Role,
    pub(crate) upstream: Box<dyn Upstream>,
    pub(crate) turns: Arc<Turns<Peer>>,
    /// Who waits for safety, and for verdicts.
    safe: Waits,
    reached: Waits,
    /// Lines a mirror had no room for.
    pub(crate) cut: AtomicU64,
    /// It had no room when it was last asked to take something.
    is_full: AtomicBool,
    /// Somebody waited in vain until everything below was safe.
    late: AtomicU64,
}

impl Store {
    pub(crate) fn new(name: String, role: Role, upstream: Box<dyn Upstream>) -> Arc<Store> {
        let store = Arc::new(Store {
            name,
            role,
            upstream,
            turns: Turns::new(),
            safe: Waits::default(),
            reached: Waits::default(),
            cut: AtomicU64::new(0),
            is_full: AtomicBool::new(false),
            late: AtomicU64::new(0),
        });
        let watched = Arc::downgrade(&store);
        store.upstream.watch(Arc::new(move || {
            if let Some(store) = watched.upgrade() {
                store.progressed();
            }
        }));
        store
    }

    pub(crate) fn is_waited_for(&self) -> bool {
        self.role == Role::Store
    }

    /// Takes whole lines, as far as there is room.
    pub(crate) fn take(&self, lines: &[u8]) -> Taken {
        let taken = self.upstream.take(lines);
        let is_full = taken.bytes < lines.len();
        // Written only where it changes: every connection reads it.
        if self.is_full.load(Ordering::Relaxed) != is_full {
            self.is_full.store(is_full, Ordering::Relaxed);
        }
        taken
    }

    /// Whether it had no room when it was last asked.
    pub(crate) fn is_full(&self) -> bool {
        self.is_full.load(Ordering::Relaxed)
    }

    /// Why it cannot say now that something is safe, if that is so: it has no room, or neither a disk nor an endpoint.
    pub(crate) fn why_not_ready(&self) -> Option<String> {
        if self.is_full() {
            return Some("no room".into());
        }
        if self.late.load(Ordering::Relaxed) > self.upstream.progress().safe {
            return Some("what was asked about last was not safe in time".into());
        }
        let stats = self.upstream.stats();
        let is_lost = !stats.endpoints.is_empty()
            && stats
                .endpoints
                .iter()
                .all(|endpoint| endpoint.state == EndpointState::Lost);
        match stats.spool {
            _ if !is_lost => None,
            None => Some("no connection, and no spool".into()),
            Some(spool) if spool.stalled => Some("no connection, and the disk hangs".into()),
            Some(spool) => spool
                .off
                .map(|why| format!("no connection, and nothing is written to the spool: {why}")),
        }
    }

    /// Wakes whom its progress concerns. Called by the upstream; once too often does no harm.
    pub(crate) fn progressed(&self) {
        let Progress { reached, safe, .. } = self.upstream.progress();
        self.safe.wake(safe);
        self.reached.wake(reached);
        self.turns.next();
        // Whoever found no room is gone: the next one finds out. Nobody may come as long as it is said to be full.
        if self.is_full() && self.turns.is_empty() {
            self.is_full.store(false, Ordering::Relaxed);
        }
    }

    pub(crate) fn cut(&self, lines: &[u8]) {
        let lines = memchr::memchr_iter(b'\n', lines).count();
        self.cut.fetch_add(lines as u64, Ordering::Relaxed);
    }

    /// Waits until everything below a position is safe.
    pub(crate) async fn safe(&self, upto: u64) {
        self.safe.wait(upto, || self.upstream.progress().safe).await;
    }

    /// Nobody waits any more until that is safe.
    pub(crate) fn was_late(&self, upto: u64) {
        self.late.fetch_max(upto, Ordering::Relaxed);
    }

    /// Waits until everything below a position has its verdict.
    pub(crate) async fn reached(&self, upto: u64) {
        self.reached.wait(upto, || self.upstream.progress().reached).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upstream::obedient::Obedient;

    #[test]
    fn a_store_is_full_as_long_as_somebody_waits_for_room() {
        let upstream = Obedient::with_room(0);
        let store = Store::new("s".into(), Role::Store, Box::new(Arc::clone(&upstream)));
        store.take(b"a\n");
        assert_eq!(store.why_not_ready().as_deref(), Some("no room"));
        let peer = Peer::of(&potsdb_front::Peer::plain(([127, 0, 0, 1], 1).into()));
        let turn = store.turns.join(peer);
        let behind = store.turns.join(peer);
        store.progressed();
        assert!(turn.came() && store.is_full(), "another one waits");
        drop((behind, turn));
        store.progressed();
        assert_eq!(store.why_not_ready(), None);
    }
}
