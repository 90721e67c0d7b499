//! What processor time this process has spent, in nanoseconds: a busy machine moves it little.

use std::fs;

/// What `work` takes, the threads it has left included.
pub(crate) fn cost(work: impl FnOnce()) -> f64 {
    let before = spent();
    work();
    (spent() - before) as f64
}

/// What the process has spent so far. Of threads that have ended the kernel tells to within 10 ms: the work is longer.
fn spent() -> u64 {
    let stat = fs::read_to_string("/proc/self/stat").expect("Linux has /proc");
    let after_name = stat.rsplit(')').next().expect("a name in parentheses");
    let ticks: u64 = after_name
        .split_whitespace()
        .skip(11)
        .take(2)
        .map(|field| field.parse::<u64>().expect("a number of ticks"))
        .sum();
    ticks * 10_000_000
}

/// What the threads that run have spent so far, to the nanosecond.
pub(crate) fn running() -> u64 {
    let threads = fs::read_dir("/proc/self/task").expect("Linux has /proc");
    threads
        .flatten()
        .filter_map(|thread| fs::read_to_string(thread.path().join("schedstat")).ok())
        .filter_map(|stat| stat.split(' ').next()?.parse::<u64>().ok())
        .sum()
}
