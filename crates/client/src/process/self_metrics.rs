//! A client's statistics as points: `self_metrics`.
//!
//! ```text
//! client --statistics every n seconds--> another client --> the same store
//! ```
//!
//! They go through a client of their own, with a queue, a worker and a connection beside the first one's. So they are never
//! counted in themselves, and they tell of a queue that is full although it is. A thread waits for the next tick, a multiple of
//! the interval, or for the end of the first client, whose last statistics it sends.

use std::fmt::Write as _;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use potsdb_wire::{Additions, Rules};

use crate::clock;
use crate::config::options::{Options, Repeats};
use crate::net::publish::{Shared, stats_of};
use crate::process::{sibling, source};
use crate::queue::Queue;
use crate::queue::bulk::{self, Treatment};
use crate::stats::Stats;

/// How long the last statistics may take to arrive.
const LAST: Duration = Duration::from_secs(1);

/// The client that is told of.
pub(crate) struct Watched {
    /// Its number in the process.
    pub(crate) id: u64,
    pub(crate) queue: Arc<Queue>,
    pub(crate) shared: Arc<Shared>,
}

/// What goes to the store for it.
pub(crate) struct Through {
    pub(crate) queue: Arc<Queue>,
    pub(crate) rules: Rules,
    /// The prefix, and the tags of every point.
    pub(crate) own: Additions,
    /// The program that `worker_tag` numbers the processes of, with that option.
    pub(crate) program: Option<String>,
}

/// The options of the client that they go through, beside one with these.
pub(crate) fn options(of: &Options) -> Options {
    Options {
        self_metrics: None,
        by_metric: 0,
        check_host: false,
        repeats: Repeats::Keep,
        connections: None,
        spool: None,
        ..of.clone()
    }
}

/// Starts the thread that sends them.
pub(crate) fn start(every: Duration, watched: Watched, through: Through) -> io::Result<()> {
    let every = every.as_secs().max(1);
    let run = move || {
        loop {
            let wait = until_tick(clock::millis(), every);
            let ended = watched.queue.wait_ended(Instant::now().checked_add(wait));
            let stats = stats_of(&watched.queue, &watched.shared);
            let at = clock::millis() / 1000;
            if let Some(program) = &through.program {
                sibling::keep_number_until(program, at);
            }
            through.send(&lines(watched.id, at, &stats));
            if ended {
                return through.queue.close(clock::deadline(LAST));
            }
        }
    };
    source::spawn("potsdb-self", run).map(drop)
}

impl Through {
    /// What is refused is a prefix that leaves no room, or a clock in 1970, and what is not taken came to an end: there is
    /// nobody to tell.
    fn send(&self, lines: &str) {
        let treatment = Treatment {
            rules: &self.rules,
            additions: &self.own,
            repeats: None,
        };
        let _ = bulk::send(&self.queue, treatment, lines.as_bytes(), clock::deadline(LAST));
    }
}

/// How long it is until the next multiple of `every` seconds.
fn until_tick(millis: u64, every: u64) -> Duration {
    let every = every.saturating_mul(1000);
    Duration::from_millis(every - millis % every)
}

/// Every counter and gauge at one time.
fn lines(id: u64, now: u64, stats: &Stats) -> String {
    let mut lines = String::new();
    // A string takes everything.
    let mut line = |name: &str, value: &dyn std::fmt::Display| {
        let _ = writeln!(lines, "potsdb.{name} {now} {value} client={id}");
    };
    for (name, count) in stats.pairs() {
        line(name, &count);
    }
    line("pending", &stats.pending());
    let seconds = |time: Option<Duration>| time.unwrap_or_default().as_secs_f64();
    for (name, value) in [
        ("rate", stats.rate),
        ("oldest_pending", seconds(stats.oldest_pending)),
        ("last_answer", seconds(stats.last_answer)),
    ] {
        line(name, &value);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_at_multiples_of_the_interval() {
        let wait = |millis, every| until_tick(millis, every).as_millis();
        assert_eq!(wait(1_700_000_003_200, 60), 36_800);
        assert_eq!(wait(1_700_000_040_000, 60), 60_000);
        assert_eq!(wait(1_700_000_039_999, 1), 1);
    }
}
