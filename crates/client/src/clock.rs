//! The wall clock, for automatic timestamps; and deadlines, for callers' timeouts.
//!
//! Seconds come from the coarse clock, which the kernel updates every few milliseconds and which
//! costs a fifth of the precise one; milliseconds need the precise one.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use potsdb_wire::{InvalidPoint, Timestamp};
use rustix::time::{ClockId, clock_gettime};

use crate::config::options::Precision;

/// What a clock shows: since 1970, and before that less than 0.
#[derive(Clone, Copy)]
pub(crate) struct Reading {
    seconds: i64,
    nanos: i64,
}

impl Reading {
    /// The present, to within a tick of the kernel.
    #[cfg(target_os = "linux")]
    #[inline]
    fn coarse() -> Reading {
        Reading::of(ClockId::RealtimeCoarse)
    }

    /// The present.
    #[cfg(not(target_os = "linux"))]
    fn coarse() -> Reading {
        Reading::precise()
    }

    /// The present.
    #[inline]
    fn precise() -> Reading {
        Reading::of(ClockId::Realtime)
    }

    #[inline]
    fn of(clock: ClockId) -> Reading {
        let now = clock_gettime(clock);
        Reading {
            seconds: now.tv_sec,
            nanos: now.tv_nsec,
        }
    }

    #[inline]
    fn millis(self) -> i64 {
        self.seconds.saturating_mul(1000).saturating_add(self.nanos / 1_000_000)
    }

    /// The timestamp that a point of this time gets.
    #[inline]
    fn timestamp(self, precision: Precision) -> Result<Timestamp, InvalidPoint> {
        match precision {
            Precision::Seconds => Timestamp::from_clock_secs(self.seconds),
            Precision::Milliseconds => Timestamp::from_clock_millis(self.millis()),
        }
    }
}

/// The timestamp of a point that is sent now.
#[inline]
pub(crate) fn now(precision: Precision) -> Result<Timestamp, InvalidPoint> {
    let reading = match precision {
        Precision::Seconds => Reading::coarse(),
        Precision::Milliseconds => Reading::precise(),
    };
    reading.timestamp(precision)
}

/// Milliseconds since 1970, for what only has to differ from time to time.
pub(crate) fn millis() -> u64 {
    Reading::precise().millis().cast_unsigned()
}

/// That second since 1970, as files have their times.
pub(crate) fn of_file(second: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(second)
}

/// The second since 1970 of a file's time.
pub(crate) fn of(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// When `timeout` from now ends; `None`, no limit, where no clock goes that far. Without a limit no clock is read.
pub(crate) fn deadline(timeout: Duration) -> Option<Instant> {
    match timeout {
        Duration::MAX => None,
        _ => Instant::now().checked_add(timeout),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(seconds: i64, precision: Precision) -> String {
        let reading = Reading {
            seconds,
            nanos: 999_999_999,
        };
        match reading.timestamp(precision) {
            Ok(timestamp) => timestamp.to_string(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn a_clock_that_is_wrong_is_told_to_be_the_clock() {
        use Precision::{Milliseconds, Seconds};
        assert_eq!(said(1_700_000_000, Seconds), "1700000000");
        assert_eq!(said(1_700_000_000, Milliseconds), "1700000000999");
        // A machine without a battery begins in 1970, and in a zone to the east of Greenwich some set it before.
        for seconds in [0, 86_400, 999_999_999, -3_600, i64::MIN, i64::MAX] {
            for precision in [Seconds, Milliseconds] {
                let said = said(seconds, precision);
                assert!(said.starts_with("timestamp: this machine's clock shows "), "{said}");
            }
        }
        assert_eq!(
            said(86_400, Seconds),
            "timestamp: this machine's clock shows 86400: seconds from 1000000000 to 4294967295 are allowed"
        );
    }
}
