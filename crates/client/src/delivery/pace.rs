//! The pace: at most `mps` points written per second.
//!
//! A token bucket: tokens accrue with time up to a twentieth of a second's worth (at least one),
//! and every written point, re-sent ones included, takes one. Short bursts keep the number of
//! writes low; the average is exact. Time is an argument.

use std::time::Duration;

use crate::config::options::FAR;

/// How much of a second's points may be written at once.
const BURST: f64 = 0.05;

/// More than any rounding of times and tokens, less than anybody notices.
const ROUNDING: Duration = Duration::from_micros(1);

#[derive(Debug)]
pub(crate) struct Pace {
    /// Points per second; 0 is no limit.
    rate: f64,
    tokens: f64,
    at: Duration,
}

impl Pace {
    pub(crate) fn new(rate: f64) -> Pace {
        Pace {
            rate,
            tokens: 1.0,
            at: Duration::ZERO,
        }
    }

    /// Points per second.
    pub(crate) fn rate(&self) -> f64 {
        self.rate
    }

    /// Changes the rate; what has accrued so far stays.
    pub(crate) fn set_rate(&mut self, now: Duration, rate: f64) {
        self.tokens = if self.rate == 0.0 { 1.0 } else { self.tokens_at(now) };
        self.at = self.at.max(now);
        self.rate = rate;
        self.tokens = self.tokens.min(self.burst());
    }

    /// How many points may be written now.
    pub(crate) fn allowance(&self, now: Duration) -> u64 {
        match self.rate == 0.0 {
            true => u64::MAX,
            false => self.tokens_at(now) as u64,
        }
    }

    /// Takes what was written.
    pub(crate) fn take(&mut self, now: Duration, points: u64) {
        if self.rate > 0.0 {
            self.tokens = self.tokens_at(now) - points as f64;
            self.at = self.at.max(now);
        }
    }

    fn burst(&self) -> f64 {
        (self.rate * BURST).max(1.0)
    }

    fn tokens_at(&self, now: Duration) -> f64 {
        let accrued = now.saturating_sub(self.at).as_secs_f64() * self.rate;
        (self.tokens + accrued).min(self.burst())
    }

    /// When a burst's worth will be allowed: waking for every single point would waste wake-ups.
    pub(crate) fn ready_at(&self) -> Option<Duration> {
        let missing = self.burst() - self.tokens;
        if self.rate == 0.0 || missing <= 0.0 {
            return None;
        }
        // Rounding must not wake anybody a hair too early: the next time would be now, for ever.
        let wait = Duration::try_from_secs_f64(missing / self.rate).unwrap_or(FAR).min(FAR);
        Some(self.at + wait + ROUNDING)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_average_is_the_rate_and_a_burst_is_a_twentieth() {
        let mut pace = Pace::new(1000.0);
        let mut now = Duration::ZERO;
        let mut written = 0;
        while now < Duration::from_secs(10) {
            let points = pace.allowance(now);
            assert!(points <= 50);
            pace.take(now, points);
            written += points;
            now = pace.ready_at().unwrap().max(now + Duration::from_millis(1));
        }
        assert!((9_900..=10_051).contains(&written), "{written}");
    }

    #[test]
    fn a_slow_pace_still_writes_one_at_a_time() {
        let mut pace = Pace::new(0.5);
        assert_eq!(pace.allowance(Duration::ZERO), 1);
        pace.take(Duration::ZERO, 1);
        assert_eq!(pace.allowance(Duration::from_millis(1999)), 0);
        assert_eq!(pace.ready_at(), Some(Duration::from_secs(2) + ROUNDING));
        assert_eq!(pace.allowance(Duration::from_secs(100)), 1);
    }

    #[test]
    fn when_it_is_ready_it_allows_a_point_whatever_the_rate() {
        for rate in 1..200 {
            let mut pace = Pace::new(f64::from(rate) / 3.0);
            let mut now = Duration::from_micros(1_234_567);
            for _ in 0..50 {
                let points = pace.allowance(now);
                pace.take(now, points);
                now = pace.ready_at().unwrap();
                assert!(pace.allowance(now) >= 1, "rate {rate} / 3 at {now:?}");
            }
        }
    }

    #[test]
    fn a_pace_slower_than_any_clock_is_no_end_of_the_worker() {
        let mut pace = Pace::new(1e-300);
        pace.allowance(Duration::ZERO);
        pace.take(Duration::ZERO, 1);
        assert!(pace.ready_at().is_some_and(|at| at >= FAR));
    }

    #[test]
    fn without_a_limit_everything_is_allowed() {
        let mut pace = Pace::new(0.0);
        pace.take(Duration::ZERO, 1_000_000);
        assert_eq!((pace.allowance(Duration::ZERO), pace.ready_at()), (u64::MAX, None));
    }
}
