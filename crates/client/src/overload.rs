//! Overload: how a server that asks for less gets less, and later more again.
//!
//! ```text
//!  points/s   no limit ....|
//!                          | asked for less: rest, then half of what it got
//!                          '---.        ___/   additive increase while it takes points
//!                              |    ___/
//!                              |___/  ... and no limit once it takes twice what was too much
//! ```
//!
//! Additive increase, multiplicative decrease, as TCP does it (Chiu and Jain 1989): on points per second where the
//! server asks for less, one [`Overload`] per endpoint; and on the window where it only gets slow, one [`Allowed`] per
//! connection. Time is an argument.

use std::time::Duration;

use crate::block::BLOCK_BYTES;
use crate::options::FAR;
use crate::pace::Pace;

/// The first rest; it doubles up to the second while the server goes on asking.
const REST: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// No server is taken for slower than that, in points per second.
const LEAST: f64 = 1000.0;

/// A second adds this part of what was too much.
const INCREASE: f64 = 0.05;

/// What a server's answer means for what it gets next.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Slow {
    /// It wants to be left alone for so long.
    pub(crate) rest: Option<Duration>,
    /// It has too much to do; else something failed, and would with less as well.
    pub(crate) less: bool,
}

#[derive(Debug)]
pub(crate) struct Overload {
    resting_until: Duration,
    rest: Duration,
    pace: Pace,
    /// What was too much, in points per second; 0 without a limit.
    too_much: f64,
    increased_at: Duration,
    /// Points given since then, and the rate of the second before.
    since: Duration,
    points: u64,
    rate: f64,
}

impl Overload {
    pub(crate) fn new() -> Overload {
        Overload {
            resting_until: Duration::ZERO,
            rest: REST.0,
            pace: Pace::new(0.0),
            too_much: 0.0,
            increased_at: Duration::ZERO,
            since: Duration::ZERO,
            points: 0,
            rate: 0.0,
        }
    }

    /// How many points may be given now.
    pub(crate) fn allowance(&self, now: Duration) -> u64 {
        if now < self.resting_until {
            return 0;
        }
        self.pace.allowance(now)
    }

    /// Until when nothing may be given.
    pub(crate) fn resting_until(&self) -> Duration {
        self.resting_until
    }

    /// When some will be allowed, if none are now.
    pub(crate) fn ready_at(&self, now: Duration) -> Option<Duration> {
        if now < self.resting_until {
            return Some(self.resting_until);
        }
        self.pace.ready_at().filter(|at| *at > now)
    }

    /// Points were given to the endpoint.
    pub(crate) fn take(&mut self, now: Duration, points: u64) {
        self.pace.take(now, points);
        let elapsed = now.saturating_sub(self.since);
        if elapsed >= Duration::from_secs(1) {
            self.rate = self.points as f64 / elapsed.as_secs_f64();
            self.since = now;
            self.points = 0;
        }
        self.points += points;
    }

    /// The server failed, or asked for less: and perhaps to be left alone for some time.
    pub(crate) fn slow_down(&mut self, now: Duration, slow: Slow) {
        let asked = now.saturating_add(slow.rest.unwrap_or_default().min(FAR));
        // What was under way when it first asked says nothing new.
        if now >= self.resting_until && slow.less {
            self.get_less(now);
        }
        if now >= self.resting_until {
            self.resting_until = now + self.rest;
            self.rest = (self.rest * 2).min(REST.1);
        }
        self.resting_until = self.resting_until.max(asked);
        self.increased_at = self.resting_until;
    }

    /// Half of what it gets now.
    fn get_less(&mut self, now: Duration) {
        let elapsed = now.saturating_sub(self.since).as_secs_f64().max(0.1);
        let got = match self.limit() {
            Some(limit) => limit,
            None => self.rate.max(self.points as f64 / elapsed),
        };
        self.too_much = got.max(LEAST);
        self.limit_to(now, self.too_much / 2.0);
    }

    /// The server took points and asked for nothing.
    pub(crate) fn worked(&mut self, now: Duration) {
        if now < self.resting_until {
            return;
        }
        self.rest = REST.0;
        let Some(limit) = self.limit() else { return };
        let elapsed = now.saturating_sub(self.increased_at).as_secs_f64();
        self.increased_at = now;
        let more = limit + self.too_much * INCREASE * elapsed;
        match more >= 2.0 * self.too_much {
            true => {
                self.pace = Pace::new(0.0);
                self.too_much = 0.0;
            }
            false => self.limit_to(now, more),
        }
    }

    /// Points per second it is held to.
    pub(crate) fn limit(&self) -> Option<f64> {
        (self.too_much > 0.0).then(|| self.pace.rate())
    }

    fn limit_to(&mut self, now: Duration, rate: f64) {
        self.pace.set_rate(now, rate.max(LEAST / 2.0));
    }
}

/// A window that shrinks while answers are slow: whoever waits for a flush waits for what is in it.
#[derive(Debug)]
pub(crate) struct Allowed {
    bytes: usize,
    most: usize,
    /// An answer that takes longer is slow.
    slow: Duration,
    shrunk_at: Duration,
}

impl Allowed {
    /// Up to `most` bytes, with answers that come well within the timeout.
    pub(crate) fn new(most: usize, answer_timeout: Duration) -> Allowed {
        Allowed {
            bytes: most,
            most,
            slow: answer_timeout / 4,
            shrunk_at: Duration::ZERO,
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// A question asked at `asked_at` is answered now.
    pub(crate) fn answered(&mut self, now: Duration, asked_at: Duration) {
        if now.saturating_sub(asked_at) <= self.slow {
            self.bytes = (self.bytes + BLOCK_BYTES).min(self.most);
        } else if asked_at >= self.shrunk_at {
            // Questions asked before it shrank tell of the window as it was.
            self.bytes = (self.bytes / 2).max(2 * BLOCK_BYTES).min(self.most);
            self.shrunk_at = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LESS: Slow = Slow { rest: None, less: true };

    const fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    /// Given 10 000 points a second for ten seconds.
    fn busy() -> Overload {
        let mut overload = Overload::new();
        for tenth in 0..100 {
            overload.take(Duration::from_millis(tenth * 100), 1000);
        }
        overload
    }

    #[test]
    fn a_server_that_asks_for_less_rests_and_gets_half() {
        let mut overload = busy();
        assert_eq!((overload.allowance(secs(10)), overload.limit()), (u64::MAX, None));
        overload.slow_down(secs(10), LESS);
        assert_eq!(overload.allowance(secs(10)), 0);
        assert_eq!(overload.ready_at(secs(10)), Some(secs(10) + REST.0));
        let limit = overload.limit().unwrap();
        assert!((4500.0..=5500.0).contains(&limit), "{limit}");
        assert!(overload.allowance(secs(11)) <= 280);
    }

    #[test]
    fn a_server_that_fails_rests_and_gets_as_much_as_before() {
        let mut overload = busy();
        overload.slow_down(secs(10), Slow::default());
        assert_eq!((overload.allowance(secs(10)), overload.limit()), (0, None));
        assert_eq!(overload.allowance(secs(10) + REST.0), u64::MAX);
    }

    #[test]
    fn many_errors_at_once_are_one_wish() {
        let mut overload = busy();
        for _ in 0..1000 {
            overload.slow_down(secs(10), LESS);
        }
        assert!(overload.limit().unwrap() > 4000.0);
        overload.slow_down(secs(11), LESS);
        assert!(overload.limit().unwrap() < 3000.0);
    }

    #[test]
    fn it_gets_more_while_it_takes_what_it_gets() {
        let mut overload = busy();
        overload.slow_down(secs(10), LESS);
        let mut limits = Vec::new();
        for second in 11..60 {
            overload.worked(secs(second));
            limits.extend(overload.limit());
        }
        assert!(limits.is_sorted() && limits.len() > 20, "{limits:?}");
        assert_eq!((overload.limit(), overload.allowance(secs(60))), (None, u64::MAX));
    }

    #[test]
    fn the_time_it_wants_to_be_left_alone_is_kept() {
        let mut overload = Overload::new();
        overload.slow_down(
            secs(10),
            Slow {
                rest: Some(secs(120)),
                less: true,
            },
        );
        overload.slow_down(secs(10), LESS);
        assert_eq!(overload.allowance(secs(129)), 0);
        assert_eq!(overload.ready_at(secs(20)), Some(secs(130)));
        assert!(overload.allowance(secs(131)) > 0);
    }

    #[test]
    fn rests_double_while_it_goes_on_asking_and_start_anew_when_it_stops() {
        let mut overload = Overload::new();
        let mut now = secs(1);
        let mut rests = Vec::new();
        for _ in 0..8 {
            overload.slow_down(now, LESS);
            let until = overload.ready_at(now).unwrap();
            rests.push((until - now).as_millis());
            now = until;
        }
        assert_eq!(rests, [100, 200, 400, 800, 1600, 3200, 5000, 5000]);
        overload.worked(now);
        overload.slow_down(now, LESS);
        assert_eq!(overload.ready_at(now), Some(now + REST.0));
    }

    #[test]
    fn a_window_halves_once_for_all_that_was_asked_before_and_grows_back() {
        let mut allowed = Allowed::new(1 << 20, secs(10));
        for asked in 0..5 {
            allowed.answered(secs(8), secs(asked));
        }
        assert_eq!(allowed.bytes(), 1 << 19);
        allowed.answered(secs(12), secs(8));
        assert_eq!(allowed.bytes(), 1 << 18);
        allowed.answered(secs(13), secs(12));
        assert_eq!(allowed.bytes(), (1 << 18) + BLOCK_BYTES);
        for _ in 0..100 {
            allowed.answered(secs(14), secs(13));
        }
        assert_eq!(allowed.bytes(), 1 << 20);
        for second in 5..20 {
            allowed.answered(secs(second * 10), secs(second * 10 - 9));
        }
        assert_eq!(allowed.bytes(), 2 * BLOCK_BYTES, "never too small for a block");
    }
}
