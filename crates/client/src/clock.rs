//! The wall clock, for automatic timestamps; and deadlines, for callers' timeouts.
//!
//! Seconds come from the coarse clock, which the kernel updates every few milliseconds and which
//! costs a fifth of the precise one; milliseconds need the precise one.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// Seconds since 1970, to within a tick of the kernel.
#[cfg(target_os = "linux")]
pub(crate) fn seconds() -> u64 {
    clock_gettime(ClockId::RealtimeCoarse).tv_sec.cast_unsigned()
}

/// Seconds since 1970.
#[cfg(not(target_os = "linux"))]
pub(crate) fn seconds() -> u64 {
    clock_gettime(ClockId::Realtime).tv_sec.cast_unsigned()
}

/// Milliseconds since 1970.
pub(crate) fn millis() -> u64 {
    let now = clock_gettime(ClockId::Realtime);
    now.tv_sec.cast_unsigned() * 1000 + now.tv_nsec.cast_unsigned() / 1_000_000
}

/// When `timeout` from now ends; `None`, no limit, where no clock goes that far.
pub(crate) fn deadline(timeout: Duration) -> Option<Instant> {
    Instant::now().checked_add(timeout)
}
