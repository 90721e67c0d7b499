//! Overload: how a server that asks for less gets less, and later more again.
//!
//! ```text
//!  points/s   no limit ....|
//!                          | asked for less: less by half the share of points it complained of
//!                          '---.        ___/   additive increase while it takes points
//!                              |    ___/
//!                              |___/  ... and no limit once it takes twice what was too much
//! ```
//!
//! Additive increase, and a decrease in proportion to the share of points that the server complained of, as DCTCP does
//! it with marked packets (Alizadeh et al. 2010): one region that is down for an hour, of which each point is a
//! complaint, must not halve everything else again and again. Only where half of the points or more fail, the endpoint
//! rests, and then gets one block a rest to show that it works again. One [`Overload`] per endpoint; a window that
//! shrinks where answers only get slow, [`AdaptiveWindow`], per connection. Time is an argument.

use std::time::Duration;

use crate::delivery::pace::Pace;
use crate::queue::block::BLOCK_BYTES;

/// The first rest; it doubles up to the second while a server that does not ask for less goes on failing, and up to the
/// third while one goes on asking.
const REST: (Duration, Duration, Duration) = (
    Duration::from_millis(100),
    Duration::from_secs(1),
    Duration::from_secs(5),
);

/// A server that wants to be left alone for longer is asked again after that.
const LONGEST_REST: Duration = Duration::from_secs(600);

/// The pause after a refused point, where a server refuses one after the other and takes none. It doubles after so many
/// points, up to this long, so that a run of bad points does not hold up good ones behind it for long.
const REFUSED: (Duration, u32, Duration) = (Duration::from_millis(1), 16, Duration::from_millis(20));

/// After so many, it is no run: the pause doubles after so many more, up to the second of [`REST`].
const ALL_REFUSED: (u32, u32) = (1_000, 250);

/// No server is taken for slower than that, in points per second.
const LEAST: f64 = 1000.0;

/// A second adds this part of what was too much; and this part, when nothing was complained of for so long.
const INCREASE: f64 = 0.05;
const INCREASE_QUIET: f64 = 0.2;
const QUIET: Duration = Duration::from_secs(2);

/// A smaller share of points that is complained of is some points' doing, and sending less would not help them.
const SOME: f64 = 0.1;

/// From this share of failed points on it is the endpoint that fails, and not some points.
const FAILING: f64 = 0.5;

/// What is remembered of points given and failed halves in this time.
const HALF_LIFE: f64 = 1.0;

/// What a server's answers mean for what it gets next.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Complaint {
    /// How many points it is about.
    pub(crate) points: u64,
    /// It wants to be left alone for so long.
    pub(crate) rest: Option<Duration>,
    /// It has too much to do; else something failed, and would with less as well.
    pub(crate) less: bool,
    /// It is about points that had not failed before.
    pub(crate) fresh: bool,
    /// So many points were refused, each alone in its request.
    pub(crate) refused: u32,
}

impl Complaint {
    /// About points that had not failed before.
    pub(crate) fn of(points: u64, rest: Option<Duration>) -> Complaint {
        Complaint {
            points,
            rest,
            fresh: true,
            ..Complaint::default()
        }
    }
}

#[derive(Debug)]
pub(crate) struct Overload {
    resting_until: Duration,
    /// Until when it rests because it asked for it, or for less.
    asked_until: Duration,
    complained_at: Duration,
    rest: Duration,
    pace: Pace,
    /// What was too much, in points per second; 0 without a limit.
    too_much: f64,
    increased_at: Duration,
    /// Points refused, each alone in its request, since it last took some.
    refused: u32,
    /// Points given and points failed lately, as of `counted_at`.
    given: f64,
    failed: f64,
    counted_at: Duration,
}

impl Overload {
    pub(crate) fn new() -> Overload {
        Overload {
            resting_until: Duration::ZERO,
            asked_until: Duration::ZERO,
            complained_at: Duration::ZERO,
            rest: REST.0,
            pace: Pace::new(0.0),
            too_much: 0.0,
            increased_at: Duration::ZERO,
            refused: 0,
            given: 0.0,
            failed: 0.0,
            counted_at: Duration::ZERO,
        }
    }

    /// How many points may be given now.
    pub(crate) fn allowance(&self, now: Duration) -> u64 {
        if now < self.resting_until {
            return 0;
        }
        self.pace.allowance(now)
    }

    /// How many points may be given of those that it had failed before: that goes on while it rests on nobody's wish.
    pub(crate) fn allowance_again(&self, now: Duration) -> u64 {
        if now < self.asked_until {
            return 0;
        }
        self.pace.allowance(now)
    }

    /// How many bytes of lines may be given at once.
    pub(crate) fn bytes(&self) -> usize {
        if self.is_failing() { BLOCK_BYTES } else { usize::MAX }
    }

    /// Until when it asked for rest.
    pub(crate) fn asked_until(&self) -> Duration {
        self.asked_until
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

    /// New points were given to the endpoint.
    pub(crate) fn take(&mut self, now: Duration, points: u64) {
        self.take_again(now, points);
        if self.is_failing() {
            self.resting_until = self.resting_until.max(now + self.rest);
        }
    }

    /// Points were given that it had been given before: they prolong no rest, or new ones might never have their turn.
    pub(crate) fn take_again(&mut self, now: Duration, points: u64) {
        self.pace.take(now, points);
        self.fade(now);
        self.given += points as f64;
    }

    /// Points were given of those that are tried to find out which of them fail: what becomes of them says nothing about
    /// the endpoint.
    pub(crate) fn take_to_try(&mut self, now: Duration, points: u64) {
        self.pace.take(now, points);
    }

    /// The server failed points, or asked for less because of them: and perhaps to be left alone for some time.
    pub(crate) fn complained(&mut self, now: Duration, complaint: Complaint) {
        self.fade(now);
        // What was under way when the endpoint went to rest says nothing new.
        let rests = now < self.resting_until;
        self.failed += complaint.points as f64;
        self.complained_at = now;
        if complaint.less && !rests && self.share() >= SOME {
            let part = complaint.points as f64 / self.given.max(1.0);
            self.get_less(now, part.min(1.0));
        }
        if self.is_failing() && !rests && complaint.fresh {
            self.resting_until = now + self.rest;
            let most = if complaint.less { REST.2 } else { REST.1 };
            self.rest = (self.rest * 2).min(most.max(self.rest));
            if complaint.less {
                self.asked_until = self.resting_until;
            }
        }
        if complaint.refused > 0 {
            self.refused = self.refused.saturating_add(complaint.refused);
            let pause = (REFUSED.0 * (1 << (self.refused / REFUSED.1).min(16))).min(REFUSED.2);
            let more = self.refused.saturating_sub(ALL_REFUSED.0) / ALL_REFUSED.1;
            self.asked_until = self.asked_until.max(now + (pause * (1 << more.min(16))).min(REST.1));
            self.resting_until = self.resting_until.max(self.asked_until);
        }
        if let Some(rest) = complaint.rest {
            self.asked_until = self.asked_until.max(now + rest.min(LONGEST_REST));
            self.resting_until = self.resting_until.max(self.asked_until);
        }
        self.increased_at = self.increased_at.max(self.resting_until).max(now);
    }

    /// What it gets now, less by half the part that was too much.
    fn get_less(&mut self, now: Duration, part: f64) {
        // A steady rate has given its points of half-life / ln 2 seconds.
        let rate = self.given * std::f64::consts::LN_2 / HALF_LIFE;
        if rate < LEAST / 2.0 && self.limit().is_none() {
            return;
        }
        let got = self.limit().unwrap_or(rate).max(LEAST);
        self.too_much = got;
        self.limit_to(now, got * (1.0 - part / 2.0));
    }

    /// The server took points and asked for nothing.
    pub(crate) fn worked(&mut self, now: Duration) {
        self.refused = 0;
        self.fade(now);
        if now < self.resting_until || self.is_failing() {
            return;
        }
        self.rest = REST.0;
        let Some(limit) = self.limit() else { return };
        let elapsed = now.saturating_sub(self.increased_at).as_secs_f64();
        self.increased_at = now;
        let quiet = now >= self.complained_at + QUIET;
        let increase = if quiet { INCREASE_QUIET } else { INCREASE };
        let more = limit + self.too_much * increase * elapsed;
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

    /// The share of points that failed lately.
    fn share(&self) -> f64 {
        self.failed / self.given.max(self.failed).max(1.0)
    }

    /// Whether the endpoint fails, and not some points.
    fn is_failing(&self) -> bool {
        self.share() >= FAILING
    }

    fn fade(&mut self, now: Duration) {
        let elapsed = now.saturating_sub(self.counted_at).as_secs_f64();
        self.counted_at = self.counted_at.max(now);
        let left = 0.5_f64.powf(elapsed / HALF_LIFE);
        self.given *= left;
        self.failed *= left;
    }
}

/// A window that shrinks while answers are slow: whoever waits for a flush waits for what is in it.
#[derive(Debug)]
pub(crate) struct AdaptiveWindow {
    bytes: usize,
    most: usize,
    /// An answer that takes longer is slow.
    slow: Duration,
    shrunk_at: Duration,
}

impl AdaptiveWindow {
    /// From `bytes` on up to `most`, with answers that come well within the timeout.
    pub(crate) fn new(bytes: usize, most: usize, answer_timeout: Duration) -> AdaptiveWindow {
        AdaptiveWindow {
            bytes: bytes.min(most),
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

    const fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    fn less(points: u64) -> Complaint {
        Complaint {
            less: true,
            ..Complaint::of(points, None)
        }
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
    fn a_server_that_takes_nothing_and_asks_for_less_rests_and_gets_half() {
        let mut overload = busy();
        assert_eq!((overload.allowance(secs(10)), overload.limit()), (u64::MAX, None));
        overload.complained(secs(10), less(100_000));
        assert_eq!(overload.allowance(secs(10)), 0);
        assert_eq!(overload.ready_at(secs(10)), Some(secs(10) + REST.0));
        let limit = overload.limit().unwrap();
        assert!((4500.0..=5500.0).contains(&limit), "{limit}");
        assert!(overload.allowance(secs(11)) <= 280);
    }

    #[test]
    fn what_goes_again_prolongs_no_rest_and_a_second_failure_begins_none() {
        let mut overload = busy();
        overload.complained(secs(10), Complaint::of(100_000, None));
        let rested = secs(10) + REST.0;
        for millis in [10, 50, 90] {
            let now = secs(10) + Duration::from_millis(millis);
            assert!(overload.allowance_again(now) > 0, "it goes on meanwhile");
            overload.take_again(now, 1_000);
            overload.take_to_try(now, 1_000);
        }
        assert_eq!(overload.ready_at(secs(10)), Some(rested));
        let again = Complaint {
            fresh: false,
            ..Complaint::of(1_000, None)
        };
        overload.complained(rested, again);
        assert_eq!(overload.allowance(rested), u64::MAX, "new points have their turn");
        overload.take(rested, 1_000);
        assert_eq!(overload.allowance(rested), 0, "and the next wait");
    }

    #[test]
    fn a_few_points_that_fail_cost_neither_a_rest_nor_the_rate() {
        let mut overload = busy();
        let mut limits = Vec::new();
        for tenth in 100..700 {
            let now = Duration::from_millis(tenth * 100);
            overload.take(now, 200);
            overload.complained(now, less(10));
            overload.worked(now);
            assert_eq!(overload.resting_until(), Duration::ZERO);
            limits.extend(overload.limit());
        }
        assert!(limits.iter().all(|limit| *limit > 2000.0), "{limits:?}");
    }

    #[test]
    fn a_server_that_refuses_every_point_by_itself_gets_them_ever_more_seldom() {
        let mut overload = Overload::new();
        let refused = Complaint {
            refused: 1,
            ..Complaint::default()
        };
        let mut now = secs(1);
        let mut pauses = Vec::new();
        for _ in 0..3_000 {
            overload.complained(now, refused);
            let ready = overload.ready_at(now).unwrap();
            pauses.push((ready - now).as_millis());
            now = ready;
        }
        assert_eq!((pauses[0], pauses[40], pauses[399], pauses[999]), (1, 4, 20, 20));
        assert_eq!((pauses[1_249], pauses[2_999]), (40, 1_000));
        overload.worked(now);
        overload.complained(now, refused);
        assert_eq!(overload.ready_at(now), Some(now + REFUSED.0));
    }

    #[test]
    fn a_server_that_fails_without_asking_for_less_gets_as_much_as_before_after_a_rest() {
        let mut overload = busy();
        overload.complained(secs(10), Complaint::of(100_000, None));
        assert_eq!((overload.allowance(secs(10)), overload.limit()), (0, None));
        assert_eq!(overload.allowance(secs(10) + REST.0), u64::MAX);
        assert_eq!(overload.bytes(), BLOCK_BYTES, "and shows with one block that it works");
        overload.take(secs(11), 1_000_000);
        assert_eq!(overload.bytes(), usize::MAX);
    }

    #[test]
    fn many_errors_at_once_are_one_wish() {
        let mut overload = busy();
        for _ in 0..1000 {
            overload.complained(secs(10), less(100));
        }
        let limit = overload.limit().unwrap();
        assert!((4000.0..9000.0).contains(&limit), "{limit}");
        overload.complained(secs(11), less(100_000));
        assert!(overload.limit().unwrap() < 0.6 * limit);
    }

    #[test]
    fn it_gets_more_while_it_takes_what_it_gets() {
        let mut overload = busy();
        overload.complained(secs(10), less(5_000));
        let mut limits = Vec::new();
        for second in 11..60 {
            overload.worked(secs(second));
            limits.extend(overload.limit());
        }
        assert!(limits.is_sorted() && limits.len() > 5, "{limits:?}");
        assert_eq!((overload.limit(), overload.allowance(secs(60))), (None, u64::MAX));
    }

    #[test]
    fn the_time_it_wants_to_be_left_alone_is_kept_within_reason() {
        let mut overload = Overload::new();
        let rest = |seconds| Complaint {
            rest: Some(secs(seconds)),
            ..less(1)
        };
        overload.complained(secs(10), rest(120));
        overload.complained(secs(10), less(1));
        assert_eq!(overload.allowance(secs(129)), 0);
        assert_eq!(overload.ready_at(secs(20)), Some(secs(130)));
        assert!(overload.allowance(secs(131)) > 0);
        overload.complained(secs(200), rest(31_536_000));
        assert_eq!(overload.ready_at(secs(200)), Some(secs(200) + LONGEST_REST));
    }

    #[test]
    fn rests_double_while_everything_fails_and_start_anew_when_it_stops() {
        let rests = |less| {
            let mut overload = Overload::new();
            let mut now = secs(1);
            let rests: Vec<u128> = (0..8)
                .map(|_| {
                    let points = 10_000;
                    overload.complained(
                        now,
                        Complaint {
                            less,
                            ..Complaint::of(points, None)
                        },
                    );
                    let until = overload.ready_at(now).unwrap();
                    let rest = (until - now).as_millis();
                    now = until;
                    rest
                })
                .collect();
            overload.take(now, 1_000_000);
            overload.worked(now);
            overload.complained(
                now,
                Complaint {
                    less,
                    ..Complaint::of(9_000_000, None)
                },
            );
            assert_eq!(overload.ready_at(now), Some(now + REST.0));
            rests
        };
        assert_eq!(rests(true), [100, 200, 400, 800, 1600, 3200, 5000, 5000]);
        assert_eq!(rests(false), [100, 200, 400, 800, 1000, 1000, 1000, 1000]);
    }

    #[test]
    fn a_window_halves_once_for_all_that_was_asked_before_and_grows_back() {
        let mut allowed = AdaptiveWindow::new(1 << 20, 1 << 20, secs(10));
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
