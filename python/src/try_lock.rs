//! A lock that nobody waits for: who finds it taken goes another way.
//!
//! It guards the table of call sites (`sites.rs`), where the other way is the one that unknown calls take. Without an
//! interpreter lock threads meet here; with one, only a thread with itself.

use std::sync::{Mutex, TryLockError};

/// A value for one thread at a time.
#[derive(Default)]
pub(crate) struct TryLock<T>(Mutex<T>);

impl<T> TryLock<T> {
    /// Calls `with` on the value; `None` when somebody is in it already, this thread further up its stack included.
    #[inline]
    pub(crate) fn with<R>(&self, with: impl FnOnce(&mut T) -> R) -> Option<R> {
        match self.0.try_lock() {
            Ok(mut value) => Some(with(&mut value)),
            // What a panic leaves is a table that lacks a site.
            Err(TryLockError::Poisoned(value)) => Some(with(&mut value.into_inner())),
            Err(TryLockError::WouldBlock) => None,
        }
    }
}
