//! The allocator of the unit tests: the system's, and counts what a thread allocates or frees while it holds the lock of
//! the queue it watches.

#![expect(
    unsafe_code,
    reason = "an allocator is made of unsafe functions; this one is in tests alone"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::TryLockError;

use super::Queue;

thread_local! {
    static WATCHED: Cell<Option<&'static Queue>> = const { Cell::new(None) };
    static ALLOCATIONS: Cell<u32> = const { Cell::new(0) };
}

/// Watches a queue that only this thread uses, until it is dropped.
pub(super) struct Watched;

impl Watched {
    pub(super) fn new(queue: &'static Queue) -> Watched {
        ALLOCATIONS.set(0);
        WATCHED.set(Some(queue));
        Watched
    }

    pub(super) fn allocations(&self) -> u32 {
        ALLOCATIONS.get()
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        WATCHED.set(None);
    }
}

/// A thread that ends may free after its variables are gone.
fn note() {
    let watched = WATCHED.try_with(Cell::get).ok().flatten();
    if watched.is_some_and(|queue| matches!(queue.state.try_lock(), Err(TryLockError::WouldBlock))) {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
    }
}

struct Counting;

#[global_allocator]
static COUNTING: Counting = Counting;

// SAFETY: each function is the system's own, called with what it was called with; `note` allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note();
        // SAFETY: as the caller promised for this function.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        note();
        // SAFETY: as the caller promised for this function.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note();
        // SAFETY: as the caller promised for this function.
        unsafe { System.realloc(memory, layout, size) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        note();
        // SAFETY: as the caller promised for this function.
        unsafe { System.dealloc(memory, layout) }
    }
}
