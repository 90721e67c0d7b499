//! Instruments on OpenTSDB: what several processes count adds up, at every tick and at the end.

use std::collections::BTreeMap;
use std::time::Duration;

use potsdb::Client;
use potsdb_instruments::Instruments;
use potsdb_servers::{Hbase, Server as _, Stored, Tsd, http, until};
use serde_json::Value;

use crate::load::LONG;

const METRIC: &str = "x.instruments.hits";
const INTERVAL: u64 = 2;
const WORKERS: usize = 8;

#[test]
#[ignore = "needs java: scripts/test-servers runs it"]
fn the_sum_over_all_who_count_is_exact_at_every_tick() {
    let tsd = Tsd::start(Hbase::shared(), &[]);
    let url = format!("{}?host_tag=false", tsd.telnet());
    // A client each, as processes have them.
    let workers: Vec<_> = (0..WORKERS)
        .map(|worker| {
            let client = Client::open(&url).expect("a URL");
            let instruments = Instruments::builder(&client).interval(Duration::from_secs(INTERVAL));
            let instruments = instruments.build().expect("whole seconds");
            let hits = instruments.counter(METRIC, [("worker", worker.to_string())]);
            (client, hits.expect("legal"))
        })
        .collect();
    let mut turn = 0;
    let enough = until(LONG, || {
        turn += 1;
        for (worker, (_, hits)) in (1..).zip(&workers) {
            hits.add(worker * turn);
        }
        (common(&tsd.stored(METRIC)).len() >= 4).then_some(())
    });
    assert!(enough.is_some(), "{:?}", tsd.stored(METRIC));
    let mut counted = 0.0;
    for (client, hits) in &workers {
        counted += hits.total() as f64;
        let stats = client.close(LONG);
        assert_eq!((stats.acknowledged, stats.repeated), (stats.accepted, 0), "{stats:?}");
    }
    // OpenTSDB has what it acknowledged up to a second later.
    let stored = until(LONG, || {
        let stored = tsd.stored(METRIC);
        let last = stored.values().filter_map(|points| points.values().next_back());
        (last.sum::<f64>() == counted).then_some(stored)
    });
    let stored = stored.expect("the last totals arrive");
    assert!(stored.values().all(|points| points.values().next() == Some(&0.0)));
    let sums = sums(&tsd);
    let ticks = common(&stored);
    assert!(ticks.len() >= 4, "{stored:?}");
    for (tick, exact) in ticks {
        assert_eq!(sums.get(&tick), Some(&exact), "at {tick} of {stored:?}");
    }
}

#[test]
#[ignore = "needs java: scripts/test-servers runs it"]
fn what_gunicorns_workers_count_adds_up() {
    let tsd = Tsd::start(Hbase::shared(), &[]);
    crate::workers::of_gunicorn_add_up(&tsd, &tsd.telnet(), "x.requests");
}

/// The ticks at which every worker has a point, with the sum of these.
fn common(stored: &Stored) -> BTreeMap<u64, f64> {
    let mut ticks: BTreeMap<u64, (usize, f64)> = BTreeMap::new();
    for (at, value) in stored.values().flatten().filter(|(at, _)| *at % INTERVAL == 0) {
        let (workers, sum) = ticks.entry(*at).or_default();
        *workers += 1;
        *sum += value;
    }
    let all = ticks.into_iter().filter(|(_, (workers, _))| *workers == WORKERS);
    all.map(|(at, (_, sum))| (at, sum)).collect()
}

/// What OpenTSDB makes of it.
fn sums(tsd: &Tsd) -> BTreeMap<u64, f64> {
    let path = format!("/api/query?start=1h-ago&m=sum:{METRIC}");
    let (status, said) = http(tsd.port(), "GET", &path, b"").expect("the server answers");
    assert_eq!(status, 200, "{said}");
    let answer: Value = serde_json::from_str(&said).expect("an array of series");
    let points = answer[0]["dps"].as_object().expect("points");
    let point = |(at, value): (&String, &Value)| (at.parse().expect("a second"), value.as_f64().expect("a number"));
    points.iter().map(point).collect()
}
