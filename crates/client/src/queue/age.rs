//! `max_age`: queued points that have become too old to be of use.
//!
//! ```text
//!  full:  [before 12:00:05] [before 12:00:10] ...   open: [12:00:13 ...
//!          '- all lines were accepted before that; given up max_age later, as a whole
//! ```
//!
//! A point does not say when it was accepted, and asking a clock at every send would cost more than the send. So the
//! worker, only where there is a `max_age`, closes the open block after a sixteenth of it: no point is given up
//! sooner than after `max_age`, and none later than a sixteenth beyond.

use std::time::{Duration, Instant};

use super::Queue;
use super::state::State;
use crate::queue::block::Lines;

/// Into how many blocks at least the points of one `max_age` are parted.
const PARTS: u32 = 16;

impl Queue {
    /// Gives up what is older than `age`; returns how many points.
    pub(crate) fn expire(&self, now: Instant, age: Duration) -> u64 {
        let mut expired = 0;
        loop {
            let mut state = self.lock();
            let before = state.ledger.dropped_by_callers.expired;
            let old = state.expire(now, age);
            expired += state.ledger.dropped_by_callers.expired - before;
            drop(state);
            if old.is_none() {
                return expired;
            }
        }
    }
}

impl State {
    /// Gives up what is older than `age`. Returns memory to be freed; after that there may be more to give up.
    pub(super) fn expire(&mut self, now: Instant, age: Duration) -> Option<Lines> {
        if self.open.points() > 0 && now >= self.open.since() + part(age) {
            self.seal_open();
        }
        // All of those that were sealed since the last look, and not just the front one.
        for block in self.full.iter_mut().rev().take_while(|block| block.before.is_none()) {
            block.before = Some(now);
        }
        while let Some(front) = self.full.front() {
            if front.before.is_none_or(|before| now < before + age) {
                break;
            }
            let points = front.lines.points();
            self.queued_bytes -= front.lines.len();
            self.ledger.queued -= points;
            self.ledger.dropped_by_callers.expired += points;
            if let Some(old) = self.pop_front() {
                return Some(old);
            }
        }
        None
    }

    /// When to [`expire`](State::expire) next, if there is something to look for.
    pub(crate) fn expires_at(&self, now: Instant, age: Duration) -> Option<Instant> {
        let front = self
            .full
            .front()
            .map(|block| block.before.map_or(now, |before| before + age));
        // As long as points are queued no caller wakes the worker for the ones that come now.
        let open = match self.open.points() > 0 {
            true => Some(self.open.since() + part(age)),
            false => front.map(|_| now + part(age)),
        };
        front.into_iter().chain(open).min()
    }
}

/// How long a block is open at most.
pub(crate) fn part(age: Duration) -> Duration {
    (age / PARTS).max(Duration::from_millis(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::block::Memory;

    const AGE: Duration = Duration::from_secs(16);

    fn send(state: &mut State, points: u32) {
        assert!(state.has_block_for(100, &mut Some(Memory::new(None))));
        for _ in 0..points {
            state.push(b"put m 1 1 h=a\n", 1);
        }
    }

    /// A look, and when to look again.
    fn look(state: &mut State, now: Instant) -> Option<Instant> {
        state.expire(now, AGE);
        state.expires_at(now, AGE)
    }

    #[test]
    fn points_are_given_up_after_their_age_and_no_sooner() {
        let mut state = State::new(1 << 20);
        send(&mut state, 3);
        let now = Instant::now();
        let next = look(&mut state, now).expect("something is queued");
        assert!(next <= now + AGE / PARTS);
        let sealed = now + AGE / PARTS;
        assert_eq!(
            look(&mut state, sealed),
            Some(sealed + AGE / PARTS),
            "what comes now is to be closed then"
        );
        send(&mut state, 2);
        state.expire(sealed + AGE - Duration::from_millis(1), AGE);
        assert_eq!((state.queued(), state.ledger().dropped_by_callers.expired), (5, 0));
        state.expire(sealed + AGE, AGE);
        assert_eq!((state.queued(), state.ledger().dropped_by_callers.expired), (2, 3));
        state.expire(sealed + 3 * AGE, AGE);
        assert_eq!((state.queued(), state.ledger().dropped_by_callers.expired), (0, 5));
        assert_eq!((state.queued_bytes, look(&mut state, sealed + 4 * AGE)), (0, None));
    }

    #[test]
    fn every_block_has_an_age_of_its_own() {
        let mut state = State::new(1 << 20);
        let begin = Instant::now() + AGE;
        for second in 0..4 {
            send(&mut state, 1);
            state.expire(begin + Duration::from_secs(second), AGE);
        }
        let left = (0..5).map(|second| {
            state.expire(begin + AGE + Duration::from_secs(second), AGE);
            state.queued()
        });
        assert_eq!(left.collect::<Vec<_>>(), [3, 2, 1, 0, 0]);
    }

    #[test]
    fn what_the_worker_takes_does_not_expire() {
        let mut state = State::new(1 << 20);
        send(&mut state, 3);
        state.expire(Instant::now() + AGE, AGE);
        assert_eq!(
            state.take(usize::MAX, 2).map(|lines| (lines.points(), lines.first())),
            Some((2, 0))
        );
        state.expire(Instant::now() + 3 * AGE, AGE);
        let ledger = state.ledger();
        assert_eq!(
            (ledger.in_flight, ledger.queued, ledger.dropped_by_callers.expired),
            (2, 0, 1)
        );
        assert_eq!(ledger.stats().accepted, 3);
        assert!(ledger.stats().is_balanced());
    }
}
