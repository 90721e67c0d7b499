//! What forked workers count: the sum over them is the number of requests, read back from the store.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use potsdb_servers::{Gunicorn, Server, http, until};

use crate::load::{LONG, sized};

/// So many ask at once: each worker of gunicorn serves one at a time.
const CLIENTS: usize = 8;

/// How long each waits before it asks again.
const PAUSE: Duration = Duration::from_millis(20);

/// Eight workers under gunicorn count requests for ten seconds, or for ten minutes, and end. Nothing that they served is missing
/// in the store, and no worker wrote over another.
pub(crate) fn of_gunicorn_add_up(server: &impl Server, url: &str, metric: &str) {
    let mut gunicorn = Gunicorn::start(url, metric);
    let (served, port) = (AtomicU64::new(0), gunicorn.port());
    let ends = Instant::now() + Duration::from_secs(sized(10, 600));
    std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                while Instant::now() < ends {
                    let (status, _) = http(port, "GET", "/counted", b"").expect("gunicorn answers");
                    assert_eq!(status, 200);
                    served.fetch_add(1, Ordering::Relaxed);
                    // Some hundred a second: this is no test of gunicorn's speed.
                    until(PAUSE, || None::<()>);
                }
            });
        }
    });
    gunicorn.end(LONG);
    let served = served.load(Ordering::Relaxed);
    let mut stored = server.stored(metric);
    until(LONG, || {
        stored = server.stored(metric);
        let totals = stored.values().filter_map(|points| points.values().next_back());
        (totals.sum::<f64>() == served as f64).then_some(())
    })
    .unwrap_or_else(|| panic!("{served} requests were served: {stored:?}"));
    // Totals only grow: no worker's value stands where another's was.
    for (series, points) in &stored {
        assert!(points.values().is_sorted(), "{series}: {points:?}");
    }
    let workers = stored.len();
    assert!((2..=Gunicorn::WORKERS).contains(&workers), "{stored:?}");
    println!("{served} requests of {workers} workers under gunicorn: all counted");
}
