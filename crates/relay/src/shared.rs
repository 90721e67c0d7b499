//! What all connections of a relay share: its stores, its counts, and whether it goes on.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use potsdb_wire::Rules;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::counts::Counts;
use crate::loops::Behind;
use crate::peers::Peers;
use crate::settings::{Current, Settings};
use crate::stores::Store;
use crate::talkers::Talkers;

/// How far the relay's life is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Life {
    Serving,
    /// No new connections; each of those there are ends when it is quiet, spread over this time.
    Draining {
        since: Instant,
        spread: Duration,
    },
    /// Every connection ends where it is.
    Ending,
}

pub(crate) struct Shared {
    /// This relay, among all that points go through.
    pub(crate) id: String,
    /// What operators know it as.
    pub(crate) name: String,
    pub(crate) stores: Arc<[Arc<Store>]>,
    /// What makes a point legal.
    pub(crate) legal: Rules,
    pub(crate) settings: Current,
    pub(crate) peers: Peers,
    pub(crate) metrics: Talkers,
    pub(crate) behind: Behind,
    pub(crate) limits: potsdb_front::Limits,
    pub(crate) counts: Counts,
    pub(crate) started: Instant,
    pub(crate) life: watch::Sender<Life>,
    /// When the loop that serves connections turned last.
    turned: Mutex<Instant>,
    /// What an operator should hear.
    notes: Mutex<Vec<String>>,
    open: Mutex<usize>,
    closed: Condvar,
}

impl Shared {
    pub(crate) fn new(
        name: String,
        stores: Arc<[Arc<Store>]>,
        legal: Rules,
        settings: Settings,
        limits: potsdb_front::Limits,
    ) -> Shared {
        Shared {
            id: format!("{:016x}", RandomState::new().build_hasher().finish()),
            name,
            stores,
            legal,
            settings: Current::new(settings),
            behind: Behind::default(),
            peers: Peers::default(),
            metrics: Talkers::default(),
            limits,
            counts: Counts::default(),
            started: Instant::now(),
            life: watch::Sender::new(Life::Serving),
            turned: Mutex::new(Instant::now()),
            notes: Mutex::default(),
            open: Mutex::new(0),
            closed: Condvar::new(),
        }
    }

    /// What `version` is answered with, in the shape that clients look for.
    pub(crate) fn version(&self) -> String {
        format!(
            "potsdb-relay {} built at revision {} (RELAY)\nBuilt on potsdb {}\n",
            env!("CARGO_PKG_VERSION"),
            self.id,
            env!("CARGO_PKG_VERSION"),
        )
    }

    pub(crate) fn is_serving(&self) -> bool {
        *self.life.borrow() == Life::Serving
    }

    /// Whether it can take lines and say that they are safe.
    pub(crate) fn is_ready(&self) -> bool {
        let mut stores = self.stores.iter().filter(|store| store.is_waited_for());
        self.is_serving() && !self.behind.is_wrong() && stores.all(|store| store.why_not_ready().is_none())
    }

    /// The loop that serves connections turns.
    pub(crate) fn turns(&self) {
        *self.turned.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// Whether it did within this time.
    pub(crate) fn has_turned(&self, within: Duration) -> bool {
        self.turned.lock().unwrap_or_else(PoisonError::into_inner).elapsed() <= within
    }

    /// Something an operator should hear.
    pub(crate) fn note(&self, words: String) {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner).push(words);
    }

    pub(crate) fn take_notes(&self) -> Vec<String> {
        std::mem::take(&mut *self.notes.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn opened(&self) {
        *self.open() += 1;
    }

    pub(crate) fn closed(&self) {
        *self.open() -= 1;
        self.closed.notify_all();
    }

    /// How many connections there are.
    pub(crate) fn connections(&self) -> usize {
        *self.open()
    }

    /// Waits until there is none any more, at most this long.
    pub(crate) fn wait_until_closed(&self, timeout: Duration) -> bool {
        let waited = self.closed.wait_timeout_while(self.open(), timeout, |open| *open > 0);
        *waited.unwrap_or_else(PoisonError::into_inner).0 == 0
    }

    fn open(&self) -> MutexGuard<'_, usize> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
