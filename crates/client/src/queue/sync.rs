//! The lock, in the form the queue uses it (std's, or loom's when a model checks it), and who may wait.
//!
//! [`lock`] tries for a while before it sleeps. Senders hold the queue's lock for tens of
//! nanoseconds, so whoever finds it taken gets it soon; std's own lock stops trying as soon as one
//! waiter sleeps, and from then on every handover costs two system calls.

use std::cell::Cell;

#[cfg(potsdb_loom)]
pub(crate) use loom::sync::{Condvar, Mutex, MutexGuard};
#[cfg(not(potsdb_loom))]
pub(crate) use std::sync::{Condvar, Mutex, MutexGuard};

thread_local! {
    static IS_WORKER: Cell<bool> = const { Cell::new(false) };
}

/// Marks the calling thread as a worker.
pub(crate) fn become_worker() {
    IS_WORKER.set(true);
}

/// Whether the calling thread is a worker: a log record of its own may make it send, or drop the last
/// handle, and it must never wait for what only it can do.
pub(crate) fn is_worker() -> bool {
    IS_WORKER.get()
}

/// How often [`lock`] tries before it lets the kernel put the thread to sleep.
#[cfg(not(potsdb_loom))]
const TRIES: u32 = 40;

/// Spins before the first try, some 400 ns: whoever holds the lock is most often the worker, and done by then.
#[cfg(not(potsdb_loom))]
const SHORT: u32 = 16;

/// Spins before each of the others, some 3 µs. Another sender holds it, and each try takes the lock's lines of cache away from
/// that one: two who try by turns are slower than one alone. After 3 µs the other has sent fifty points. Between two tries
/// the processor goes to whoever wants it: with more senders than processors the worker's turn is late, and the room it
/// makes is what all wait for.
#[cfg(not(potsdb_loom))]
const LONG: u32 = 128;

/// Takes the lock. A poisoned one is taken all the same: whoever panicked under it was the
/// worker, and its end is written into the state itself.
#[cfg(not(potsdb_loom))]
#[inline]
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    match mutex.try_lock() {
        Ok(guard) => guard,
        Err(_) => contend(mutex),
    }
}

#[cfg(not(potsdb_loom))]
#[cold]
fn contend<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    use std::sync::{PoisonError, TryLockError};
    let mut spins = SHORT;
    for _ in 0..TRIES {
        (0..spins).for_each(|_| std::hint::spin_loop());
        match mutex.try_lock() {
            Ok(guard) => return guard,
            Err(TryLockError::Poisoned(poisoned)) => return poisoned.into_inner(),
            Err(TryLockError::WouldBlock) if spins == SHORT => spins = LONG,
            Err(TryLockError::WouldBlock) => std::thread::yield_now(),
        }
    }
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(potsdb_loom)]
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no thread of a model panics under the lock")
}
