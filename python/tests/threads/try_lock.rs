//! Threads at one `TryLock`, for ThreadSanitizer: `scripts/sanitize` compiles and runs it.

#[path = "../../src/try_lock.rs"]
mod try_lock;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

const THREADS: u64 = 8;
const TIMES: u64 = 100_000;

fn main() {
    let lock = Arc::new(try_lock::TryLock::<Vec<u64>>::default());
    let entered = Arc::new(AtomicU64::new(0));
    let threads: Vec<_> = (0..THREADS)
        .map(|number| {
            let (lock, entered) = (Arc::clone(&lock), Arc::clone(&entered));
            thread::spawn(move || {
                for time in 0..TIMES {
                    let outcome = lock.with(|values| {
                        assert!(lock.with(|_| ()).is_none(), "nobody gets in twice");
                        // Changes in place, and memory that moves.
                        match values.len() {
                            100.. => values.clear(),
                            _ => values.push(number * time),
                        }
                    });
                    entered.fetch_add(u64::from(outcome.is_some()), Ordering::Relaxed);
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().expect("no thread panics");
    }
    let entered = entered.load(Ordering::Relaxed);
    assert!(entered > 0 && lock.with(|values| values.len()).is_some());
    println!("{entered} of {} got in", THREADS * TIMES);
}
