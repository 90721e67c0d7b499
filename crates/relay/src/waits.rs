//! Waits: who waits until a store is as far as some position. A place costs a tree's entry, and no thread.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// Those who wait, by position.
#[derive(Default)]
pub(crate) struct Waits {
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    numbers: u64,
    by_position: BTreeMap<(u64, u64), Arc<Notify>>,
}

/// A place among them, which ends with it.
struct Place<'a> {
    waits: &'a Waits,
    key: (u64, u64),
}

impl Waits {
    /// Waits until `now` says at least `position`; whoever moves it calls [`Waits::wake`] afterwards.
    pub(crate) async fn wait(&self, position: u64, now: impl Fn() -> u64) {
        if now() >= position {
            return;
        }
        let notify = Arc::new(Notify::new());
        let place = self.join(position, Arc::clone(&notify));
        // It may have moved before there was a place to wake.
        while now() < position {
            notify.notified().await;
        }
        drop(place);
    }

    /// Wakes all who wait for a position up to that.
    pub(crate) fn wake(&self, upto: u64) {
        let mut waiting = self.lock();
        if waiting
            .by_position
            .first_key_value()
            .is_none_or(|((first, _), _)| *first > upto)
        {
            return;
        }
        let later = match upto.checked_add(1) {
            Some(beyond) => waiting.by_position.split_off(&(beyond, 0)),
            None => BTreeMap::new(),
        };
        let woken = std::mem::replace(&mut waiting.by_position, later);
        drop(waiting);
        woken.values().for_each(|notify| notify.notify_one());
    }

    fn join(&self, position: u64, notify: Arc<Notify>) -> Place<'_> {
        let mut waiting = self.lock();
        waiting.numbers += 1;
        let key = (position, waiting.numbers);
        waiting.by_position.insert(key, notify);
        Place { waits: self, key }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.waits.lock().by_position.remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::task::{Context, Waker};

    use super::*;

    #[test]
    fn those_whose_position_is_reached_are_woken_and_no_place_stays() {
        let (waits, now) = (Waits::default(), AtomicU64::new(0));
        let wait = |position| Box::pin(waits.wait(position, || now.load(Ordering::Relaxed)));
        let mut context = Context::from_waker(Waker::noop());
        let (mut one, mut two, mut given_up) = (wait(1), wait(2), wait(3));
        for future in [&mut one, &mut two, &mut given_up] {
            assert!(future.as_mut().poll(&mut context).is_pending());
        }
        now.store(1, Ordering::Relaxed);
        waits.wake(1);
        assert!(one.as_mut().poll(&mut context).is_ready());
        assert!(two.as_mut().poll(&mut context).is_pending());
        drop(given_up);
        now.store(2, Ordering::Relaxed);
        waits.wake(u64::MAX);
        assert!(two.as_mut().poll(&mut context).is_ready());
        assert!(waits.lock().by_position.is_empty());
        assert!(wait(2).as_mut().poll(&mut context).is_ready(), "it is there already");
    }
}
