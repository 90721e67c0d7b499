//! Lingering: how long the worker gathers points between two writes.
//!
//! A write costs a wake-up and a system call, over HTTP a request and its answer. So what is there is written at once, and
//! then more of its kind is waited for. Over telnet a little is enough where many points come, and while few come the
//! time doubles: a trickle costs a dozen wake-ups a second instead of a hundred. Nobody who flushes, closes or waits for
//! room waits for this.

use std::time::Duration;

use crate::config::endpoint::Scheme;
use crate::queue::block::BLOCK_BYTES;
use crate::queue::part;

/// Over telnet, with many points and with few.
const TELNET: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(80));

/// A request has a head that is as long as ten lines.
const HTTP: Duration = Duration::from_millis(250);

/// What is less than that in one go is few.
const FEW: usize = BLOCK_BYTES / 16;

#[derive(Debug)]
pub(crate) struct Linger {
    least: Duration,
    most: Duration,
    now: Duration,
}

impl Linger {
    /// As the option `linger` is `set`, or else as suits the wire; no longer than points may wait for a look at their age.
    pub(crate) fn new(set: Option<Duration>, scheme: Scheme, max_age: Option<Duration>) -> Linger {
        let (least, most) = match (set, scheme.is_http()) {
            (Some(time), _) => (time, time),
            (None, true) => (HTTP, HTTP),
            (None, false) => TELNET,
        };
        let bound = max_age.map_or(Duration::MAX, part);
        let (least, most) = (least.min(bound), most.min(bound));
        Linger {
            least,
            most,
            now: least,
        }
    }

    /// How long, after what was taken last.
    pub(crate) fn time(&self) -> Duration {
        self.now
    }

    /// So many bytes were taken from the queue.
    pub(crate) fn took(&mut self, bytes: usize) {
        self.now = match bytes < FEW {
            true => (self.now * 2).min(self.most),
            false => self.least,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn the_wire_says_how_long_unless_the_option_does() {
        let linger = |set, scheme, max_age| Linger::new(set, scheme, max_age).time();
        assert_eq!(linger(None, Scheme::Tsdbs, None), TELNET.0);
        assert_eq!(linger(None, Scheme::Https, None), HTTP);
        assert_eq!(linger(Some(millis(1000)), Scheme::Http, None), millis(1000));
        assert_eq!(
            linger(Some(millis(2000)), Scheme::Tsdb, Some(millis(16_000))),
            millis(1000)
        );
        assert_eq!(linger(None, Scheme::Http, Some(millis(1600))), millis(100));
    }

    #[test]
    fn it_doubles_while_few_points_come_and_is_short_again_when_many_do() {
        let mut linger = Linger::new(None, Scheme::Tsdb, None);
        let times: Vec<u128> = (0..5)
            .map(|_| {
                linger.took(100);
                linger.time().as_millis()
            })
            .collect();
        assert_eq!(times, [20, 40, 80, 80, 80]);
        linger.took(FEW);
        assert_eq!(linger.time(), TELNET.0);
        let mut set = Linger::new(Some(millis(5)), Scheme::Tsdb, None);
        set.took(1);
        assert_eq!(set.time(), millis(5), "what was asked for is kept");
    }
}
