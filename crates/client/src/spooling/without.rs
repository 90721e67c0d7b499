//! Spooling where the crate is built without it: a type that no value can have, so that nothing else has to know.
//!
//! `build` refuses the option that needs it. See `spooling/mod.rs` for what each of them is.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::config::endpoint::Endpoint;
use crate::config::options::Options;
use crate::delivery::verdicts::Verdicts;
use crate::engine::Engine;
use crate::queue::block::Lines;
use crate::queue::ledger::Tally;
use crate::queue::{Queue, State};
use crate::stats::SpoolStats;

pub(crate) struct Spooling(Infallible);

pub(crate) fn open(
    _options: &Options,
    _endpoints: &[Endpoint],
    _wake: Arc<dyn Fn() + Send + Sync>,
    _started: Instant,
) -> io::Result<Option<Spooling>> {
    Ok(None)
}

impl Spooling {
    pub(crate) fn turn(&mut self, _now: Duration, _verdicts: &mut Verdicts) -> bool {
        match self.0 {}
    }

    pub(crate) fn pass_on(&mut self, _now: Duration, _verdicts: &mut Verdicts) {
        match self.0 {}
    }

    pub(crate) fn takes(&self, _now: Duration) -> bool {
        match self.0 {}
    }

    pub(crate) fn is_opening(&self) -> bool {
        match self.0 {}
    }

    pub(crate) fn low(&self) -> Option<u64> {
        match self.0 {}
    }

    pub(crate) fn left(&self) -> Option<u64> {
        match self.0 {}
    }

    pub(crate) fn secures(&mut self, _now: Duration, _wants: Option<u64>, _next: u64, _connected: bool) -> Option<u64> {
        match self.0 {}
    }

    pub(crate) fn has_secured(&mut self, _upto: u64) {
        match self.0 {}
    }

    pub(crate) fn hurry(&mut self, _to: u64) {
        match self.0 {}
    }

    pub(crate) fn safe(&self, _engine: &Engine) -> u64 {
        match self.0 {}
    }

    pub(crate) fn deadline(&self, _next: u64) -> Option<Duration> {
        match self.0 {}
    }

    pub(crate) fn stats(&mut self, _now: Duration) -> SpoolStats {
        match self.0 {}
    }

    pub(crate) fn drains(&mut self, _queue: &Queue, _state: &State) -> bool {
        match self.0 {}
    }

    pub(crate) fn take(&mut self, _now: Duration, _lines: Lines, _tally: &mut Tally) {
        match self.0 {}
    }

    pub(crate) fn save_rest(&mut self, _now: Duration, _tally: &mut Tally) -> bool {
        match self.0 {}
    }

    pub(crate) fn copy(&mut self, _now: Duration, _upto: u64, _engine: &mut Engine) -> bool {
        match self.0 {}
    }

    pub(crate) fn has_backlog(&self) -> bool {
        match self.0 {}
    }

    pub(crate) fn can_read(&self, _now: Duration) -> bool {
        match self.0 {}
    }

    pub(crate) fn read(&mut self, _now: Duration) {
        match self.0 {}
    }

    pub(crate) fn is_next(&self, _queue_waits: impl FnOnce() -> bool) -> bool {
        match self.0 {}
    }

    pub(crate) fn give(&mut self, _bytes: usize, _points: u64, _tally: &mut Tally) -> Option<Lines> {
        match self.0 {}
    }

    pub(crate) fn has_precautions(&self) -> bool {
        match self.0 {}
    }

    pub(crate) fn precautions_are_ready(&self) -> bool {
        match self.0 {}
    }

    pub(crate) fn give_precautions(&mut self, _bytes: usize, _points: u64) -> Option<Lines> {
        match self.0 {}
    }

    pub(crate) fn gave_from_queue(&mut self, _bytes: usize) {
        match self.0 {}
    }

    pub(crate) fn is_over(&self) -> bool {
        match self.0 {}
    }

    pub(crate) fn is_closing(&self) -> bool {
        match self.0 {}
    }

    pub(crate) fn closes_by(&mut self, _now: Duration, _deadline: Option<Duration>) -> bool {
        match self.0 {}
    }

    pub(crate) fn take_over(&mut self, _now: Duration, _deadline: Option<Duration>, _engine: &mut Engine) {
        match self.0 {}
    }

    pub(crate) fn finish(&mut self, _now: Duration, _deadline: Option<Duration>) {
        match self.0 {}
    }

    pub(crate) fn close(
        &mut self,
        _now: Duration,
        _deadline: Option<Duration>,
        _queue_is_empty: bool,
        _tally: &mut Tally,
    ) {
        match self.0 {}
    }
}
