//! The times of exports. Pure: the present is an argument.
//!
//! ```text
//! export at      10:00:17   10:01:17   10:01:40 forced   10:02:17
//! timestamp      10:00:00   10:01:00   10:01:40          10:02:00
//! ```
//!
//! OpenTSDB keeps one value per series and second, so times increase.

/// How far ahead of the present a timestamp may be, in seconds: of exports within one second each needs one of its own.
const AHEAD: u64 = 5;

/// A last timestamp so far ahead means that the clock was set back.
const SET_BACK: u64 = 120;

#[derive(Debug)]
pub(crate) struct Clock {
    interval: u64,
    last: u64,
}

impl Clock {
    /// Nothing is sent for `start` or before: the program began then.
    pub(crate) fn new(interval: u64, start: u64) -> Clock {
        Clock { interval, last: start }
    }

    /// The timestamp of an export made at `now`; `None` if exports come so often that there is none.
    pub(crate) fn next(&mut self, now: u64) -> Option<u64> {
        if self.last > now + SET_BACK {
            self.last = 0;
        }
        let aligned = now / self.interval * self.interval;
        let at = if aligned > self.last {
            aligned
        } else {
            now.max(self.last + 1)
        };
        if at > now + AHEAD {
            return None;
        }
        self.last = at;
        Some(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exports_are_at_multiples_of_the_interval_unless_that_time_is_taken() {
        let mut clock = Clock::new(60, 590);
        for (now, at) in [
            (617, 600),
            (677, 660),
            (700, 700),
            (737, 720),
            (737, 737),
            (737, 738),
            (797, 780),
        ] {
            assert_eq!(clock.next(now), Some(at), "{now}");
        }
    }

    #[test]
    fn nothing_is_said_of_a_time_before_the_program_began() {
        let mut clock = Clock::new(60, 610);
        assert_eq!(clock.next(610), Some(611));
        assert_eq!(clock.next(617), Some(617));
    }

    #[test]
    fn exports_without_end_within_one_second_do_not_run_ahead() {
        let mut clock = Clock::new(60, 600);
        let times: Vec<_> = (0..100).filter_map(|_| clock.next(630)).collect();
        assert_eq!(times, [630, 631, 632, 633, 634, 635]);
        assert_eq!(clock.next(631), Some(636));
    }

    #[test]
    fn a_clock_that_was_set_back_begins_anew() {
        let mut clock = Clock::new(10, 10_000);
        assert_eq!(clock.next(5000), Some(5000));
    }
}
