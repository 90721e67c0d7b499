//! The instruments of one process: registry, ticker, and the way to the client.
//!
//! ```text
//! ticker thread --tick-------.
//! flush, close --hook--------+--> emit: collect under the registry's lock, then send with only `sending` held
//! last handle goes --finish--'
//! ```
//!
//! Two locks. `registry` is held for look-ups and while points are collected, never while something is called. `sending` is held from
//! collecting until everything is queued: a flush that finds nothing new must not take its barrier before a tick has
//! queued what it took. Nothing that is called under it comes back to it but from the same thread, which is sent away
//! ([`INSIDE`]), and no send waits for room longer than [`ROOM`].

use std::cell::Cell as Flag;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use potsdb::binding::source::{Occasion, Source};
use potsdb::binding::{ClientBinding as _, SeriesBinding as _, Wait};
use potsdb::{SendError, Series, Timestamp};

use crate::live::{Moment, Point};
use crate::registry::Registry;
use crate::settings::{Idle, Settings};
use crate::ticker::{self, Signal};

/// How long a flush or close waits for room in a full queue, all its points together, where the client would wait
/// (`overflow=block`). The caller may hold a lock of a language's interpreter.
const ROOM: Duration = Duration::from_millis(100);

thread_local! {
    /// Whether this thread is sending: a log handler may flush.
    static INSIDE: Flag<bool> = const { Flag::new(false) };
}

/// What came of a tick that the program made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ticked {
    /// Points that the client accepted.
    pub points: usize,
    /// Points that it did not accept. A later tick or flush makes them again.
    pub refused: usize,
    /// Whether the client is closed, and nothing more will be sent.
    pub closed: bool,
}

pub(crate) struct ProcessInstance {
    idle: Idle,
    interval: u64,
    /// The last tick that the program made, if it makes them.
    last_tick: Option<AtomicU64>,
    registry: Mutex<Registry<Series>>,
    sending: Mutex<()>,
    ticking: AtomicBool,
    signal: Arc<Signal>,
    pub(crate) refused: AtomicU64,
}

impl ProcessInstance {
    pub(crate) fn new(settings: &Settings) -> ProcessInstance {
        ProcessInstance {
            idle: settings.idle,
            interval: settings.interval,
            last_tick: settings.ticks_since.map(AtomicU64::new),
            registry: Mutex::new(Registry::new(settings.max_series)),
            sending: Mutex::default(),
            ticking: AtomicBool::new(false),
            signal: Arc::default(),
            refused: AtomicU64::new(0),
        }
    }

    pub(crate) fn registry(&self) -> MutexGuard<'_, Registry<Series>> {
        lock(&self.registry)
    }

    /// Starts the ticker, unless it runs.
    pub(crate) fn start_ticker(self: &Arc<Self>) {
        if self.last_tick.is_some() {
            return;
        }
        if self.ticking.swap(true, Ordering::Relaxed) {
            return;
        }
        if let Err(error) = ticker::start(self, Arc::clone(&self.signal), self.interval) {
            // Flush and close still send.
            log::error!(target: "potsdb", "the ticker of the instruments could not be started: {error}");
        }
    }

    /// The second in which an instrument that is new now was still at zero. Between ticks of the program it is that of the last:
    /// what such a program counts with may have been updated at any time since.
    pub(crate) fn birth(&self) -> u64 {
        match &self.last_tick {
            Some(last) => last.load(Ordering::Relaxed),
            None => ticker::now(),
        }
    }

    /// Sends the points of a tick that the program makes.
    pub(crate) fn tick(&self, at: u64) -> Ticked {
        let ticked = self.emit(Moment::Tick(at));
        if let Some(last) = &self.last_tick {
            last.fetch_max(at, Ordering::Relaxed);
        }
        ticked
    }

    /// Sends the points of a moment.
    pub(crate) fn emit(&self, moment: Moment) -> Ticked {
        let mut ticked = Ticked::default();
        let Some(_inside) = Inside::enter() else { return ticked };
        let _sending = lock(&self.sending);
        if self.signal.has_ended() {
            ticked.closed = true;
            return ticked;
        }
        let wait = match moment {
            Moment::Tick(_) => Wait::No,
            Moment::Flush(_) | Moment::Last(_) => Wait::Until(Instant::now() + ROOM),
        };
        let collected = self.registry().collect(moment, |kind| self.idle.of(kind));
        // Before they are sent: this process may be killed then.
        if let Some(last) = collected.points.iter().max_by_key(|point| point.at) {
            last.series.client().keep_number_until(last.at);
        }
        let mut ends = collected.ends.into_iter().peekable();
        let mut unsent: Vec<Arc<str>> = Vec::new();
        for (index, point) in collected.points.iter().enumerate() {
            while ends.next_if(|(end, _)| *end <= index).is_some() {}
            match send(point, wait) {
                Ok(()) => ticked.points += 1,
                Err(SendError::Closed) => {
                    self.signal.end();
                    ticked.refused += collected.points.len() - index;
                    ticked.closed = true;
                    return ticked;
                }
                Err(_) => {
                    ticked.refused += 1;
                    let of = ends.peek().map(|(_, identity)| Arc::clone(identity));
                    unsent.extend(of.filter(|identity| unsent.last() != Some(identity)));
                }
            }
        }
        if !unsent.is_empty() {
            self.registry().unsent(&unsent);
        }
        ticked
    }

    /// Sends the last state, ends the ticker and lets go of the client.
    pub(crate) fn finish(&self) {
        self.emit(Moment::Last(ticker::now()));
        self.signal.end();
        // Whoever ticks at this moment is done first: what it holds of the client must not be the last.
        drop(lock(&self.sending));
        let all = self.registry().clear();
        drop(all);
    }
}

impl Source for ProcessInstance {
    fn on(&self, occasion: Occasion) {
        match occasion {
            Occasion::Flush => {
                self.emit(Moment::Flush(ticker::now()));
            }
            Occasion::Exit => {
                self.emit(Moment::Last(ticker::now()));
            }
            Occasion::Close => {
                self.emit(Moment::Last(ticker::now()));
                self.signal.end();
            }
            _ => self.signal.end(),
        }
    }
}

fn send(point: &Point<Series>, wait: Wait) -> Result<(), SendError> {
    let at = Timestamp::from_clock_secs(point.at.cast_signed()).map_err(SendError::Invalid)?;
    point.series.send_with(point.value, Some(at), wait, |_| ()).map(|_| ())
}

/// Takes a lock. What a panic left behind is numbers, each of which is right.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Inside;

impl Inside {
    fn enter() -> Option<Inside> {
        // A thread whose locals are gone is at its end and sends nothing else.
        let outside = INSIDE.try_with(|inside| !inside.replace(true)).unwrap_or(true);
        outside.then_some(Inside)
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        let _ = INSIDE.try_with(|inside| inside.set(false));
    }
}
