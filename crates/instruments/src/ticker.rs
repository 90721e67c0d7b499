//! The ticker: a clock and a condition variable around [`ProcessInstance::emit`]. When points are made is `live.rs`'s to say.
//!
//! One thread, from the first update until the client or the last handle goes. It knows its instance weakly, and holds it only
//! while it ticks.

use std::io;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::instance::{ProcessInstance, lock};
use crate::live::Moment;

/// The end of the ticker, and of everything else that sends.
#[derive(Default)]
pub(crate) struct Signal {
    ended: Mutex<bool>,
    changed: Condvar,
}

impl Signal {
    pub(crate) fn end(&self) {
        *lock(&self.ended) = true;
        self.changed.notify_all();
    }

    pub(crate) fn has_ended(&self) -> bool {
        *lock(&self.ended)
    }

    /// Waits for the end, at most `timeout`; returns whether it came.
    fn wait(&self, timeout: Duration) -> bool {
        let ended = lock(&self.ended);
        let waited = self.changed.wait_timeout_while(ended, timeout, |ended| !*ended);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

pub(crate) fn start(instance: &Arc<ProcessInstance>, signal: Arc<Signal>, interval: u64) -> io::Result<()> {
    let instance = Arc::downgrade(instance);
    let run = move || {
        let mut last = None;
        while !signal.wait(until_tick(since_1970(), interval)) {
            let tick = now() / interval * interval;
            // Woken a moment too early, it is still the tick before; and a clock that was set back has other ticks.
            if last.replace(tick) == Some(tick) {
                continue;
            }
            match instance.upgrade() {
                Some(instance) => {
                    instance.emit(Moment::Tick(tick));
                }
                None => return,
            }
        }
    };
    potsdb::binding::source::spawn("potsdb-ticker", run).map(drop)
}

/// How long it is until the next multiple of the interval.
fn until_tick(now: Duration, interval: u64) -> Duration {
    let next = (now.as_secs() / interval + 1) * interval;
    Duration::from_secs(next) - now
}

/// The second it is.
pub(crate) fn now() -> u64 {
    since_1970().as_secs()
}

fn since_1970() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_at_multiples_of_the_interval() {
        let millis = Duration::from_millis;
        assert_eq!(until_tick(millis(1_003_200), 10), millis(6_800));
        assert_eq!(until_tick(millis(1_010_000), 10), millis(10_000));
        assert_eq!(until_tick(millis(1_009_999), 1), millis(1));
    }

    #[test]
    fn a_wait_is_ended_from_elsewhere() {
        let signal = Signal::default();
        std::thread::scope(|scope| {
            let waits = scope.spawn(|| signal.wait(Duration::from_secs(600)));
            signal.end();
            assert!(waits.join().unwrap() && signal.has_ended());
        });
    }
}
