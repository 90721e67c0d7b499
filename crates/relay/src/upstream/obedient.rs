//! An upstream for tests: has the room it is given, and says that what it is told is safe.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use potsdb::{Report, Stats};

use super::{Progress, Taken, Upstream};

#[derive(Default)]
pub(crate) struct Obedient {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Lines it still takes.
    room: u64,
    lines: Vec<u8>,
    taken: u64,
    secured: u64,
    progress: Progress,
    changed: Option<Arc<dyn Fn() + Send + Sync>>,
}

impl Obedient {
    pub(crate) fn with_room(lines: u64) -> Arc<Obedient> {
        let obedient = Arc::new(Obedient::default());
        obedient.lock().room = lines;
        obedient
    }

    pub(crate) fn add_room(&self, lines: u64) {
        self.change(|state| state.room += lines);
    }

    pub(crate) fn safe(&self, upto: u64) {
        self.change(|state| state.progress.safe = upto);
    }

    pub(crate) fn give_up(&self, points: u64) {
        self.change(|state| state.progress.given_up += points);
    }

    pub(crate) fn lines(&self) -> String {
        String::from_utf8_lossy(&self.lock().lines).into_owned()
    }

    pub(crate) fn secured(&self) -> u64 {
        self.lock().secured
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.lock();
        change(&mut state);
        let changed = state.changed.clone();
        drop(state);
        if let Some(changed) = changed {
            changed();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Upstream for Arc<Obedient> {
    fn take(&self, lines: &[u8]) -> Taken {
        let mut state = self.lock();
        let before = state.lines.len();
        for line in lines.split_inclusive(|&byte| byte == b'\n') {
            if state.room == 0 {
                break;
            }
            state.room -= 1;
            state.taken += 1;
            state.lines.extend_from_slice(line);
        }
        Taken {
            bytes: state.lines.len() - before,
            points: 0,
            bad: Vec::new(),
            upto: state.taken,
        }
    }

    fn progress(&self) -> Progress {
        self.lock().progress
    }

    fn secure(&self, upto: u64) {
        self.lock().secured = upto;
    }

    fn watch(&self, changed: Arc<dyn Fn() + Send + Sync>) {
        self.lock().changed = Some(changed);
    }

    fn stats(&self) -> Stats {
        Stats::default()
    }

    fn reports(&self) -> Vec<Report> {
        Vec::new()
    }

    fn versions(&self) -> Vec<Vec<u8>> {
        Vec::new()
    }

    fn close(&self, _: Duration) -> Stats {
        Stats::default()
    }
}
