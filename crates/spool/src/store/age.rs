//! The age of lines, which errs to keeping them.
//!
//! A record carries the wall time at which its points were accepted, and the wall clock may have been wrong then or be
//! wrong now. So an age is the lesser of two: by the wall clock as it is now, and by the wall clock at the start plus the
//! time that has passed since. Whichever way the clock jumps, one of them is right for the lines before the jump, and the
//! other for those after it. A negative age is 0.
//!
//! Over a restart there is no second clock. If the wall clock is more than [`AWAY`] ahead of the newest thing on disk, the
//! time between counts for nothing: the machine was off for long, or its clock is wrong, and either way the lines are kept
//! a little longer.

use std::time::Duration;

use crate::store::Moment;

/// The longest absence that is believed.
pub(super) const AWAY: u64 = 7 * 24 * 3_600 * 1_000;

/// Tells ages.
#[derive(Debug)]
pub(super) struct Ages {
    max_age: Option<Duration>,
    /// The start, with the wall clock as far as it is believed.
    start: Moment,
}

impl Ages {
    /// `newest` is the newest wall time on disk, in milliseconds since 1970.
    pub(super) fn new(max_age: Option<Duration>, now: Moment, newest: Option<u64>) -> Ages {
        let wall = match newest {
            Some(newest) if now.wall > newest.saturating_add(AWAY) => newest,
            _ => now.wall,
        };
        Ages {
            max_age,
            start: Moment { mono: now.mono, wall },
        }
    }

    /// Whether lines accepted at that wall time are too old.
    pub(super) fn is_over(&self, now: Moment, accepted: u64) -> bool {
        let Some(max_age) = self.max_age else { return false };
        let passed = now.mono.saturating_sub(self.start.mono).as_millis() as u64;
        let wall = now.wall.min(self.start.wall.saturating_add(passed));
        u128::from(wall.saturating_sub(accepted)) > max_age.as_millis()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{AWAY, Ages};
    use crate::store::Moment;

    const DAY: u64 = 24 * 3_600 * 1_000;
    const YEAR: u64 = 365 * DAY;
    const NOW: u64 = 1_767_225_600_000;

    fn at(seconds: u64, wall: u64) -> Moment {
        Moment {
            mono: Duration::from_secs(seconds),
            wall,
        }
    }

    fn hour(now: Moment, newest: Option<u64>) -> Ages {
        Ages::new(Some(Duration::from_secs(3_600)), now, newest)
    }

    #[test]
    fn lines_are_too_old_after_their_time() {
        let ages = hour(at(0, NOW), None);
        assert!(!ages.is_over(at(3_600, NOW + 3_600_000), NOW));
        assert!(ages.is_over(at(3_601, NOW + 3_601_000), NOW));
        assert!(!Ages::new(None, at(0, NOW), None).is_over(at(0, NOW), 0));
    }

    #[test]
    fn e6_26_a_clock_that_jumps_makes_no_line_too_old() {
        let ages = hour(at(0, NOW), None);
        for wall in [NOW - DAY, NOW + YEAR, 0] {
            assert!(!ages.is_over(at(60, wall), NOW), "accepted before a jump to {wall}");
            assert!(!ages.is_over(at(60, wall), wall), "accepted after it");
        }
        // Over a restart.
        let back = hour(at(0, NOW - DAY), Some(NOW));
        assert!(!back.is_over(at(60, NOW - DAY + 60_000), NOW));
        let ahead = hour(at(0, NOW + YEAR), Some(NOW));
        assert!(!ahead.is_over(at(60, NOW + YEAR + 60_000), NOW));
        assert!(ahead.is_over(at(3_700, NOW + YEAR + 3_700_000), NOW), "but they do age");
        // An absence that can be believed counts.
        assert!(hour(at(0, NOW + AWAY), Some(NOW)).is_over(at(0, NOW + AWAY), NOW));
    }
}
