//! What of this process is in memory, in bytes, as the kernel counts it.

use std::fs;

pub(crate) fn now() -> u64 {
    status("VmRSS:")
}

/// The most there was since the last [`forget_peak`].
pub(crate) fn peak() -> u64 {
    status("VmHWM:")
}

/// Begins the peak anew, so that what starting took is not in it.
pub(crate) fn forget_peak() {
    fs::write("/proc/self/clear_refs", "5").expect("a process may forget its own peak");
}

fn status(name: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("Linux has /proc");
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kibibytes = line.and_then(|line| line.split_whitespace().next());
    kibibytes
        .and_then(|number| number.parse::<u64>().ok())
        .expect("a number of kB")
        * 1024
}
