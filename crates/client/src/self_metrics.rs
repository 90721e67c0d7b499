//! A client's statistics as points: `self_metrics`.
//!
//! ```text
//! client --statistics every n seconds--> another client --> the same store
//! ```
//!
//! They go through a client of their own, with a queue, a worker and a connection beside the first one's. So they are never
//! counted in themselves, and they tell of a queue that is full although it is. A thread waits for the next tick, a multiple of
//! the interval, or for the end of the first client, whose last statistics it sends.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use potsdb_wire::Timestamp;

use crate::client::Client;
use crate::clock;
use crate::home::{Setup, stats_of};
use crate::ledger::Stats;
use crate::options::{Options, Repeats};
use crate::publish::Shared;
use crate::queue::Queue;
use crate::source;

/// How long the last statistics may take to arrive, where the close that waits for them has no other deadline.
const LAST: Duration = Duration::from_secs(1);

/// Starts the thread that sends them; returns the client that they go through.
pub(crate) fn start(
    setup: &Setup,
    every: Duration,
    id: u64,
    queue: Arc<Queue>,
    shared: Arc<Shared>,
) -> io::Result<Client> {
    let options = Options {
        self_metrics: None,
        by_metric: 0,
        check_host: false,
        repeats: Repeats::Keep,
        connections: None,
        // A few hours of them.
        queue_points: 100_000,
        close_grace: LAST,
        ..setup.options.clone()
    };
    let own = Setup {
        options,
        quiet: true,
        ..setup.clone()
    };
    let client = Client::start(own)?;
    let through = client.clone();
    let every = every.as_secs().max(1);
    let run = move || {
        loop {
            let wait = until_tick(clock::millis(), every);
            let ended = queue.wait_ended(Instant::now().checked_add(wait));
            send(&through, id, &stats_of(&queue, &shared));
            if ended {
                through.close(LAST);
                return;
            }
        }
    };
    source::spawn("potsdb-self", run)?;
    Ok(client)
}

/// How long it is until the next multiple of `every` seconds.
fn until_tick(millis: u64, every: u64) -> Duration {
    let every = every.saturating_mul(1000);
    Duration::from_millis(every - millis % every)
}

/// Sends every counter and gauge at one time. What is refused is a prefix that leaves no room, or a clock in 1970: there is
/// nobody to tell.
fn send(client: &Client, id: u64, stats: &Stats) {
    let Ok(now) = Timestamp::from_clock_secs((clock::millis() / 1000).cast_signed()) else {
        return;
    };
    let id = id.to_string();
    let tags = [("client", &*id)];
    for (name, count) in stats.pairs() {
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        let _ = client.send_at(&format!("potsdb.{name}"), count, now, tags);
    }
    let seconds = |time: Option<Duration>| time.unwrap_or_default().as_secs_f64();
    for (name, value) in [
        ("pending", stats.pending() as f64),
        ("rate", stats.rate),
        ("oldest_pending", seconds(stats.oldest_pending)),
        ("last_answer", seconds(stats.last_answer)),
    ] {
        let _ = client.send_at(&format!("potsdb.{name}"), value, now, tags);
    }
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
