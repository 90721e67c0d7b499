//! Back-off: how long to wait before the next attempt to connect.
//!
//! Exponential with full jitter: the wait is uniform between nothing and a bound that doubles with
//! each failure, so that many clients of one server that went away do not come back together.
//! (Marc Brooker, "Exponential Backoff And Jitter", 2015: against equal jitter, full jitter costs
//! the server the least.) Randomness comes from a seed, so that a simulated run can be repeated.

use std::time::Duration;

/// A small generator for jitter: xorshift64* (Vigna 2016). Nothing here needs to be unpredictable.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// Uniform in `0.0..1.0`.
    fn fraction(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[derive(Debug)]
pub(crate) struct Backoff {
    low: Duration,
    high: Duration,
    failures: u32,
}

impl Backoff {
    pub(crate) fn new((low, high): (Duration, Duration)) -> Backoff {
        Backoff { low, high, failures: 0 }
    }

    /// The longest wait: for what is no passing fault.
    pub(crate) fn cap(&self) -> Duration {
        self.high
    }

    /// Counts a failure and returns how long to wait because of it.
    pub(crate) fn failed(&mut self, random: &mut Random) -> Duration {
        let bound = self.low.saturating_mul(1 << self.failures.min(20)).min(self.high);
        self.failures = self.failures.saturating_add(1);
        bound.mul_f64(random.fraction())
    }

    /// The endpoint works: the next failure is a first one.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_jittered_doubling_and_capped() {
        let mut random = Random::new(7);
        let mut backoff = Backoff::new((Duration::from_millis(100), Duration::from_secs(30)));
        let mut longest = Duration::ZERO;
        for failure in 0..40 {
            let wait = backoff.failed(&mut random);
            assert!(wait <= Duration::from_millis(100) * (1 << failure.min(20)) && wait <= Duration::from_secs(30));
            longest = longest.max(wait);
        }
        assert!(longest > Duration::from_secs(15));
        backoff.reset();
        assert!(backoff.failed(&mut random) <= Duration::from_millis(100));
    }
}
