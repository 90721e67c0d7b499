//! Collisions: series that two connections write at the same time with other values, so that one overwrites the other.
//!
//! Two processes that send the same series do this, and neither of them can see it: both points are acknowledged, and
//! one is gone. The table finds it when a cell gets another value from another connection than the one before
//! (`series.rs`).
//!
//! Bounded: so many series are named, with the latest collision of each; those beyond them are only counted.
//! `receiver.rs` hands them to tests and to `serve`, `api.rs` answers `/api/potsdb/collisions` with them.

use std::fmt::{self, Display, Formatter};
use std::sync::Arc;

use hashbrown::HashMap;
use potsdb_wire::json::write_string;

use crate::json;
use crate::store::series::{SeriesName, Writer};

/// A series that two connections wrote at the same time with other values.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Collision {
    /// The series.
    pub series: Arc<SeriesName>,
    /// How often it happened.
    pub times: u64,
    /// The timestamp of the latest, as it was sent.
    pub timestamp: i64,
    /// The value that was overwritten then.
    pub before: String,
    /// The value that is there now.
    pub after: String,
    /// Who wrote the two.
    pub(crate) writers: [Writer; 2],
}

impl Display for Collision {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Collision {
            series,
            times,
            timestamp,
            before,
            after,
            ..
        } = self;
        let often = if *times == 1 {
            "once".to_owned()
        } else {
            format!("{times} times")
        };
        write!(f, "{series} ({often}, the last at {timestamp}: {before}, then {after})")
    }
}

/// The most series that are named.
const MOST_SERIES: usize = 1000;

/// The longest name and values that are kept.
const LONGEST: usize = 4096;

#[derive(Default)]
pub(crate) struct Collisions {
    series: HashMap<Arc<SeriesName>, Collision>,
    /// How many there were, those of series without a name included.
    pub(crate) all: u64,
}

impl Collisions {
    /// Notes that a value was overwritten: the one before and the one after, each with who wrote it.
    pub(crate) fn note(&mut self, series: &Arc<SeriesName>, timestamp: i64, values: [(&[u8], Writer); 2]) {
        let [(before, before_by), (after, after_by)] = values;
        self.all += 1;
        let is_known = self.series.contains_key(series);
        let length = series.length() + before.len() + after.len();
        if length > LONGEST || (!is_known && self.series.len() >= MOST_SERIES) {
            return;
        }
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        let times = self.series.get(series).map_or(0, |collision| collision.times) + 1;
        let collision = Collision {
            series: Arc::clone(series),
            times,
            timestamp,
            before: text(before),
            after: text(after),
            writers: [before_by, after_by],
        };
        self.series.insert(Arc::clone(series), collision);
    }

    /// Those that have a name, sorted by series.
    pub(crate) fn named(&self) -> Vec<Collision> {
        let mut named: Vec<Collision> = self.series.values().cloned().collect();
        named.sort_by(|a, b| a.series.cmp(&b.series));
        named
    }

    /// Forgets the names.
    pub(crate) fn clear(&mut self) {
        self.series = HashMap::new();
    }

    /// `{"collisions":3,"series":[{"metric":..,"tags":{..},"times":3,"timestamp":..,"values":["1","2"]}]}`
    pub(crate) fn json(&self) -> Vec<u8> {
        let mut out = format!("{{\"collisions\":{},\"series\":[", self.all).into_bytes();
        for (index, collision) in self.named().iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            out.extend_from_slice(b"{\"metric\":");
            write_string(&collision.series.metric, &mut out);
            out.extend_from_slice(b",\"tags\":");
            let tags = collision.series.tags.iter();
            out.extend_from_slice(&json::object(tags.map(|(name, value)| (name.as_str(), value.as_str()))));
            let numbers = format!(
                ",\"times\":{},\"timestamp\":{},\"values\":",
                collision.times, collision.timestamp
            );
            out.extend_from_slice(numbers.as_bytes());
            let values = [collision.before.as_str(), collision.after.as_str()];
            out.extend_from_slice(&json::array(values.into_iter()));
            out.push(b'}');
        }
        out.extend_from_slice(b"]}");
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(collisions: &mut Collisions, metric: &str, timestamp: i64, [before, after]: [&[u8]; 2]) {
        let series = Arc::new(SeriesName {
            metric: metric.into(),
            tags: vec![("h".into(), "a".into())],
        });
        let values = [(before, Writer::connection(1)), (after, Writer::connection(2))];
        collisions.note(&series, timestamp, values);
    }

    #[test]
    fn the_latest_of_each_series_is_kept_and_all_are_counted() {
        let mut collisions = Collisions::default();
        note(&mut collisions, "m", 1, [b"1", b"2"]);
        note(&mut collisions, "m", 2, [b"3", b"4"]);
        assert_eq!(
            collisions.named()[0].to_string(),
            "m{h=a} (2 times, the last at 2: 3, then 4)"
        );
        let json = String::from_utf8(collisions.json()).expect("JSON is UTF-8");
        assert_eq!(
            json,
            r#"{"collisions":2,"series":[{"metric":"m","tags":{"h":"a"},"times":2,"timestamp":2,"values":["3","4"]}]}"#
        );
    }

    #[test]
    fn memory_is_bounded_and_the_count_goes_on() {
        let mut collisions = Collisions::default();
        for number in 0..2 * MOST_SERIES {
            note(&mut collisions, &format!("m{number}"), 1, [b"1", b"2"]);
        }
        note(&mut collisions, "m0", 1, [&[b'1'; LONGEST], b"2"]);
        assert_eq!(collisions.named().len(), MOST_SERIES);
        assert_eq!(collisions.named()[0].times, 1, "what is too long is not kept");
        assert_eq!(collisions.all, 2 * MOST_SERIES as u64 + 1);
        // A series that has its place goes on being told.
        note(&mut collisions, "m0", 5, [b"1", b"2"]);
        assert_eq!(collisions.named()[0].timestamp, 5);
    }
}
