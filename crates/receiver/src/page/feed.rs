//! The feed: the page's thread, its streams, and what their browsers wish.
//!
//! ```text
//! open --> joins --.                         thread "potsdb-page", while there are streams
//! wishes -----------+--> every 250 ms: roll.follow(store), then each stream that has room is sent a part
//! ```
//!
//! Handlers only leave what they want behind a lock that the thread takes for a moment, so that none waits for it. If a
//! tick takes long, the pause after it does, too: of the store's time the page takes a small share, however much there
//! is.

use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use crate::page::roll::Roll;
use crate::page::stream::{Stream, WAITING};
use crate::page::{Page, Wish};

/// The most browsers, and tabs of them, that look on at one time.
const MOST: usize = 8;

/// How often a stream is told what is new, and while it has still to be told all there is.
const TICK: Duration = Duration::from_millis(250);
const CATCHING_UP: Duration = Duration::from_millis(20);

/// How many times longer than a tick's work the pause after it is.
const REST: u32 = 10;

#[derive(Default)]
pub(super) struct Feed {
    state: Mutex<State>,
    woken: Condvar,
}

#[derive(Default)]
struct State {
    is_running: bool,
    /// Streams that the thread has yet to take.
    joining: Vec<Stream>,
    /// What each stream's browser wishes, by its number.
    wishes: HashMap<u64, Wish>,
    streams: u64,
    all_wishes: u64,
}

/// Opens a stream, unless there are too many; starts the thread if it is the first.
pub(super) fn open(page: &Arc<Page>) -> Option<mpsc::Receiver<Vec<u8>>> {
    let feed = &page.feed;
    let mut state = feed.lock();
    if state.wishes.len() >= MOST {
        return None;
    }
    let (sender, parts) = mpsc::channel(WAITING);
    state.streams += 1;
    let number = state.streams;
    state.joining.push(Stream::new(number, sender));
    state.wishes.insert(number, Wish::default());
    if !state.is_running {
        let page = Arc::clone(page);
        let thread = thread::Builder::new()
            .name("potsdb-page".into())
            .spawn(move || run(&page));
        state.is_running = thread.is_ok();
    }
    feed.woken.notify_all();
    state.is_running.then_some(parts)
}

impl Feed {
    /// Notes what a stream's browser wishes; false if there is no such stream.
    pub(super) fn wishes(&self, stream: u64, wish: Wish) -> bool {
        let mut state = self.lock();
        state.all_wishes += 1;
        let number = state.all_wishes;
        let Some(known) = state.wishes.get_mut(&stream) else {
            return false;
        };
        *known = Wish { number, ..wish };
        self.woken.notify_all();
        true
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the streams that joined, forgets those that are over, and returns what is wished; nothing when none is
    /// left.
    fn gather(&self, streams: &mut Vec<Stream>) -> Option<HashMap<u64, Wish>> {
        let mut state = self.lock();
        streams.append(&mut state.joining);
        streams.retain(|stream| !stream.is_over());
        state
            .wishes
            .retain(|number, _| streams.iter().any(|stream| stream.number == *number));
        state.is_running = !streams.is_empty();
        state.is_running.then(|| state.wishes.clone())
    }

    /// Waits for the next tick, or for a new stream or wish.
    fn wait(&self, pause: Duration) {
        let state = self.lock();
        let seen = (state.streams, state.all_wishes);
        let is_old = |state: &mut State| (state.streams, state.all_wishes) == seen;
        let waited = self.woken.wait_timeout_while(state, pause, is_old);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }
}

/// The thread: serves the streams until none is left.
fn run(page: &Page) {
    let (mut roll, mut streams) = (Roll::default(), Vec::new());
    for tick in 1.. {
        let Some(wishes) = page.feed.gather(&mut streams) else {
            break;
        };
        let begun = Instant::now();
        roll.follow(&page.store, tick);
        for stream in &mut streams {
            let wish = wishes.get(&stream.number).cloned().unwrap_or_default();
            stream.tick(page, &roll, tick, &wish);
        }
        let is_behind = streams.iter().any(|stream| stream.is_behind(&roll));
        let pause = if is_behind { CATCHING_UP } else { TICK };
        let work = begun.elapsed();
        // Not to be woken from: it is owed to intake.
        let rest = if is_behind { Duration::ZERO } else { work * REST };
        thread::sleep(rest.min(Duration::from_secs(5)));
        page.feed.wait(pause.saturating_sub(work + rest));
    }
    roll.leave(&page.store);
}
