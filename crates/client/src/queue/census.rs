//! The census: points and bytes of each metric, where the option `by_metric` asks for it.
//!
//! The worker counts what it takes from the queue, with no lock of callers held; statistics copy the result. So a point counts
//! once, however often it is written, and one that is dropped in the queue does not. Metrics beyond the bound are
//! added up as one.

use std::collections::HashMap;

use crate::queue::sync::{Mutex, lock};
use crate::stats::MetricCount;

/// Shared by the worker and whoever asks for statistics.
#[derive(Default)]
pub(crate) struct Census {
    /// The most metrics that are told apart; 0: nothing is counted.
    limit: usize,
    counts: Mutex<Counts>,
}

#[derive(Default)]
struct Counts {
    by_metric: HashMap<Box<[u8]>, Count>,
    beyond: Count,
}

#[derive(Clone, Copy, Default)]
struct Count {
    points: u64,
    bytes: u64,
}

impl Census {
    pub(crate) fn new(limit: usize) -> Census {
        Census {
            limit,
            counts: Mutex::default(),
        }
    }

    /// Counts whole canonical lines.
    pub(crate) fn count(&self, lines: &[u8]) {
        if self.limit == 0 {
            return;
        }
        let mut counts = lock(&self.counts);
        for line in lines.split_inclusive(|byte| *byte == b'\n') {
            let metric = metric(line);
            let known = counts.by_metric.len();
            let count = match counts.by_metric.get_mut(metric) {
                Some(count) => count,
                None if known >= self.limit => &mut counts.beyond,
                None => counts.by_metric.entry(metric.into()).or_default(),
            };
            count.points += 1;
            count.bytes += line.len() as u64;
        }
    }

    /// Every metric, that with most points first; those beyond the bound last.
    pub(crate) fn by_metric(&self) -> Vec<MetricCount> {
        let counts = lock(&self.counts);
        let told = |metric: &[u8], count: &Count| MetricCount {
            metric: String::from_utf8_lossy(metric).into_owned(),
            points: count.points,
            bytes: count.bytes,
        };
        let mut all: Vec<_> = counts
            .by_metric
            .iter()
            .map(|(metric, count)| told(metric, count))
            .collect();
        all.sort_by(|a, b| (b.points, &a.metric).cmp(&(a.points, &b.metric)));
        if counts.beyond.points > 0 {
            all.push(told(b"", &counts.beyond));
        }
        all
    }
}

/// The metric of a canonical line: `put <metric> ...`.
fn metric(line: &[u8]) -> &[u8] {
    let rest = line.get(4..).unwrap_or_default();
    &rest[..memchr::memchr(b' ', rest).unwrap_or(rest.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(census: &Census) -> Vec<(String, u64, u64)> {
        let all = census.by_metric().into_iter();
        all.map(|count| (count.metric, count.points, count.bytes)).collect()
    }

    #[test]
    fn metrics_are_told_apart_up_to_the_bound_and_those_beyond_it_are_added_up() {
        let census = Census::new(2);
        census.count(b"put a 1 1 h=a\nput b 1 1 h=a\nput b 1 1 h=b\n");
        census.count(b"put c 1 1 h=a\nput d 1 1 h=a\nput a 1 1 h=a\n");
        census.count(b"put b 1 1 h=a\n");
        let count = |metric: &str, points| (metric.to_owned(), points, points * 14);
        assert_eq!(told(&census), [count("b", 3), count("a", 2), count("", 2)]);
    }

    #[test]
    fn without_a_bound_nothing_is_counted() {
        let census = Census::new(0);
        census.count(b"put a 1 1 h=a\n");
        assert_eq!(told(&census), []);
    }
}
