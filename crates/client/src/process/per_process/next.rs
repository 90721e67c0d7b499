//! A place that is written once, by whichever thread comes first, and where a fork leaves nobody waiting.
//!
//! A `OnceLock` alone will not do. While one thread fills it another may fork, and the child has a lock that is being filled
//! by a thread it does not have: its own attempt would wait for ever. So there are a few of them, each claimed before it
//! is filled, with the number of the process that does it. A claim of another process that came to nothing is passed over.
//!
//! ```text
//! [claimed by 71, empty]  [claimed by 85, instance]  [free]  [free]
//!  71 forked meanwhile     this process's         the one that is read is the first that holds something
//! ```
//!
//! Nothing but the move of a finished value happens between claim and value, so who finds a claim of its own process
//! gives the processor away until the value is there.

use std::process;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

/// Forks in the middle of a move, one after the other, that are survived.
const PLACES: usize = 4;

/// A place that is written once per process, whatever forks meanwhile.
pub(crate) struct Next<T>([Place<T>; PLACES]);

struct Place<T> {
    /// The process that fills it; 0: none.
    claimed: AtomicU32,
    value: OnceLock<T>,
}

impl<T> Default for Next<T> {
    fn default() -> Next<T> {
        Next::new()
    }
}

impl<T> Next<T> {
    /// Nothing is here yet.
    pub(crate) const fn new() -> Next<T> {
        Next(
            [const {
                Place {
                    claimed: AtomicU32::new(0),
                    value: OnceLock::new(),
                }
            }; PLACES],
        )
    }

    /// What is here, in this process or one it was forked from.
    #[inline]
    pub(crate) fn get(&self) -> Option<&T> {
        self.0.iter().find_map(|place| place.value.get())
    }

    /// Puts a value here if there is none. Returns the one that is here, and what was given if it came too late.
    pub(crate) fn put(&self, value: T) -> (&T, Option<T>) {
        let own = process::id();
        let mut value = Some(value);
        for place in &self.0 {
            match place
                .claimed
                .compare_exchange(0, own, Ordering::AcqRel, Ordering::Acquire)
            {
                Ok(_) => return (place.value.get_or_init(|| value.take().expect("it is put once")), value),
                Err(claimed) => {
                    while claimed == own && place.value.get().is_none() {
                        thread::yield_now();
                    }
                }
            }
            if let Some(first) = place.value.get() {
                return (first, value);
            }
        }
        // Every place was lost to a fork. The last way left is to hope that this one was not.
        let last = &self.0[PLACES - 1].value;
        (last.get_or_init(|| value.take().expect("it is put once")), value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_value_stays_and_the_others_are_given_back() {
        let next = Next::default();
        assert_eq!(next.get(), None);
        assert_eq!(next.put(1), (&1, None));
        assert_eq!(next.put(2), (&1, Some(2)));
        assert_eq!(next.get(), Some(&1));
    }

    #[test]
    fn threads_agree_on_one_value() {
        let next = Next::default();
        let put = &|value| *next.put(value).0;
        let chosen = thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|value| scope.spawn(move || put(value))).collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .collect::<Vec<_>>()
        });
        assert!(chosen.iter().all(|value| Some(value) == next.get()), "{chosen:?}");
    }

    #[test]
    fn a_claim_of_a_thread_that_a_fork_left_behind_is_passed_over() {
        let next = Next::default();
        for place in &next.0[..PLACES - 1] {
            place.claimed.store(process::id() + 1, Ordering::Release);
        }
        assert_eq!(next.put(1), (&1, None));
        assert_eq!(next.put(2), (&1, Some(2)));
    }
}
