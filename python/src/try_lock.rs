//! A lock that nobody waits for: who finds it taken goes another way.
//!
//! It guards the table of call sites (`sites.rs`), where the other way is the one that unknown calls take. Without an interpreter
//! lock threads meet here; with one, only a thread with itself. `scripts/sanitize` runs it under ThreadSanitizer
//! (`python/tests/threads/try_lock.rs`): so it knows nothing of Python.
#![expect(
    unsafe_code,
    reason = "a mutex of the standard library costs two atomic exchanges and asks whether its thread panics; this is one exchange"
)]

use std::cell::UnsafeCell;
use std::sync::atomic::{AtomicBool, Ordering};

/// A value for one thread at a time.
#[derive(Default)]
pub(crate) struct TryLock<T> {
    busy: AtomicBool,
    value: UnsafeCell<T>,
}

// SAFETY: `with` is the only way to `value`. It hands it to one thread at a time, and what that one did is seen by the
// next: the store that lets go is a release, the exchange that takes it an acquire.
unsafe impl<T: Send> Sync for TryLock<T> {}

impl<T> TryLock<T> {
    /// Calls `with` on the value; `None` when somebody is in it already, this thread further up its stack included.
    #[inline]
    pub(crate) fn with<R>(&self, with: impl FnOnce(&mut T) -> R) -> Option<R> {
        /// Also when `with` panics: what it leaves is a table that lacks a site.
        struct Busy<'a>(&'a AtomicBool);
        impl Drop for Busy<'_> {
            fn drop(&mut self) {
                self.0.store(false, Ordering::Release);
            }
        }
        if self.busy.swap(true, Ordering::Acquire) {
            return None;
        }
        let _busy = Busy(&self.busy);
        // SAFETY: `busy` was false, so nobody is in here; who comes while it is true is sent away.
        Some(with(unsafe { &mut *self.value.get() }))
    }
}
