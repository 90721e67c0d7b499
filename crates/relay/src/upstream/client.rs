//! A client of one store as an upstream.
//!
//! A thread waits at barriers for whoever asked that something become safe; all who ask meanwhile share the next one.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use potsdb::binding::ClientBinding as _;
use potsdb::{Client, Report, Stats};

use super::{Progress, Taken, Upstream};

/// A client, and who waits for it.
pub(crate) struct ClientUpstream {
    client: Client,
    shared: Arc<Shared>,
}

struct Shared {
    /// How many calls gave it lines: a position.
    calls: AtomicU64,
    state: Mutex<State>,
    wanted: Condvar,
}

#[derive(Default)]
struct State {
    wanted: u64,
    progress: Progress,
    changed: Option<Arc<dyn Fn() + Send + Sync>>,
    is_closed: bool,
}

impl ClientUpstream {
    pub(crate) fn new(client: Client) -> std::io::Result<ClientUpstream> {
        let shared = Arc::new(Shared {
            calls: AtomicU64::new(0),
            state: Mutex::default(),
            wanted: Condvar::new(),
        });
        let (waits, of) = (client.clone(), Arc::clone(&shared));
        thread::Builder::new()
            .name("potsdb-safe".into())
            .spawn(move || of.wait_for_ever(&waits))?;
        Ok(ClientUpstream { client, shared })
    }
}

impl Upstream for ClientUpstream {
    fn take(&self, lines: &[u8]) -> Taken {
        let Ok(sent) = self.client.send_lines(lines, Duration::ZERO) else {
            return Taken::default();
        };
        let calls = match sent.queued {
            0 => self.shared.calls.load(Ordering::SeqCst),
            _ => self.shared.calls.fetch_add(1, Ordering::SeqCst) + 1,
        };
        Taken {
            bytes: sent.consumed,
            points: sent.queued,
            bad: sent.bad,
            upto: calls,
        }
    }

    fn progress(&self) -> Progress {
        self.shared.lock().progress
    }

    fn secure(&self, upto: u64) {
        let mut state = self.shared.lock();
        if upto > state.wanted {
            state.wanted = upto;
            drop(state);
            self.shared.wanted.notify_one();
        }
    }

    fn watch(&self, changed: Arc<dyn Fn() + Send + Sync>) {
        self.shared.lock().changed = Some(changed);
    }

    fn stats(&self) -> Stats {
        self.client.stats()
    }

    fn reports(&self) -> Vec<Report> {
        self.client.take_reports()
    }

    fn close(&self, timeout: Duration) -> Stats {
        self.shared.lock().is_closed = true;
        self.shared.wanted.notify_one();
        self.client.close(timeout)
    }
}

impl Drop for ClientUpstream {
    fn drop(&mut self) {
        self.shared.lock().is_closed = true;
        self.shared.wanted.notify_one();
    }
}

/// How long it waits before it looks whether it should end.
const SLICE: Duration = Duration::from_millis(200);

impl Shared {
    fn wait_for_ever(&self, client: &Client) {
        loop {
            let state = self.lock();
            let waited = self
                .wanted
                .wait_while(state, |state| state.wanted <= state.progress.safe && !state.is_closed);
            if waited.unwrap_or_else(PoisonError::into_inner).is_closed {
                return;
            }
            // Calls before it are covered by the barrier.
            let calls = self.calls.load(Ordering::SeqCst);
            let barrier = client.barrier();
            while !barrier.wait(SLICE) {
                if self.lock().is_closed {
                    return;
                }
            }
            let given_up = client.stats().dropped.total();
            let mut state = self.lock();
            state.progress = Progress {
                reached: calls,
                safe: calls,
                given_up,
            };
            let changed = state.changed.clone();
            drop(state);
            if let Some(changed) = changed {
                changed();
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
