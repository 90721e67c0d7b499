//! How fast the spool grows, and when it will be full.

use std::time::Duration;

/// Over how long its pace is looked at.
const WINDOW: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(super) struct Growth {
    most: u64,
    /// When how many bytes were there: the window before, and the one that runs.
    before: Option<(Duration, u64)>,
    began: Option<(Duration, u64)>,
}

impl Growth {
    /// `most`: bytes at which it is full.
    pub(super) fn new(most: u64) -> Growth {
        Growth {
            most,
            before: None,
            began: None,
        }
    }

    /// How long it takes from now on; none: it does not grow.
    pub(super) fn full_in(&mut self, now: Duration, bytes: u64) -> Option<Duration> {
        let (began, _) = *self.began.get_or_insert((now, bytes));
        if now >= began + WINDOW {
            self.before = self.began.replace((now, bytes));
        }
        let (at, then) = self.before.or(self.began)?;
        let grown = bytes.checked_sub(then).filter(|grown| *grown > 0)?;
        let elapsed = now.saturating_sub(at).as_secs_f64();
        let left = self.most.saturating_sub(bytes) as f64;
        (elapsed > 0.0).then(|| Duration::from_secs_f64((left * elapsed / grown as f64).min(1e12)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_until_it_is_full_follows_from_the_pace_of_the_last_minutes() {
        let mut growth = Growth::new(1_000_000);
        let second = Duration::from_secs;
        assert_eq!(growth.full_in(second(0), 0), None);
        assert_eq!(growth.full_in(second(10), 1_000), Some(second(9_990)));
        assert_eq!(growth.full_in(second(60), 1_000), Some(second(59_940)));
        // It has come to rest: the window before is forgotten by and by.
        growth.full_in(second(130), 1_000);
        assert_eq!(growth.full_in(second(200), 1_000), None);
        assert_eq!(growth.full_in(second(210), 500), None);
    }
}
