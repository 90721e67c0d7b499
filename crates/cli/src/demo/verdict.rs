//! The verdict: what was sent against what the server says it has.
//!
//! Reads every metric back through `/api/query`, without aggregation and in milliseconds, and looks for each point
//! that was sent: the same series, the same time, the same value.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use anyhow::{Context, bail};
use serde_json::Value;

use super::track::Tracks;
use crate::request::Asked;

/// How many points came through.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) sent: u64,
    /// Found with the same time and value.
    pub(super) stored: u64,
    /// Found with another value.
    pub(super) different: u64,
    /// The names of the series that are not whole.
    pub(super) incomplete: Vec<String>,
}

/// A server's points: by metric and tags, by time in milliseconds.
type Stored = HashMap<(String, BTreeMap<String, String>), HashMap<u64, f64>>;

impl Verdict {
    /// What there is to say when nothing could be read back: nothing is known to be stored.
    pub(super) fn nothing_read(sent: u64) -> Verdict {
        Verdict {
            sent,
            ..Verdict::default()
        }
    }

    pub(super) fn is_whole(&self) -> bool {
        self.sent == self.stored
    }

    /// `sent 650, stored 650: all delivered`.
    pub(super) fn words(&self) -> String {
        let Verdict {
            sent,
            stored,
            different,
            ..
        } = self;
        if self.is_whole() {
            return format!("sent {sent}, stored {stored}: all delivered");
        }
        if self.incomplete.is_empty() {
            return format!("sent {sent}, and nothing was read back: not all of them were delivered");
        }
        let missing = sent - stored - different;
        let mut series = self
            .incomplete
            .iter()
            .take(NAMED)
            .cloned()
            .collect::<Vec<_>>()
            .join(", ");
        if self.incomplete.len() > NAMED {
            series.push_str(&format!(" and {} more series", self.incomplete.len() - NAMED));
        }
        format!("sent {sent}, stored {stored}: {missing} missing, {different} different, of {series}")
    }
}

/// Asks the server for every point and compares.
pub(super) fn read_back(asked: &Asked, tracks: &Tracks) -> anyhow::Result<Verdict> {
    let metrics: BTreeSet<&str> = tracks
        .iter()
        .filter(|track| !track.sent.is_empty())
        .map(|track| track.stored_as.0.as_str())
        .collect();
    let times = || tracks.iter().flat_map(|track| track.sent.iter().map(|(time, _)| *time));
    let (Some(first), Some(last)) = (times().min(), times().max()) else {
        return Ok(Verdict::default());
    };
    let mut stored = Stored::new();
    for metric in metrics {
        let path = format!("/api/query?start={first}&end={}&ms=true&m=none:{metric}", last + 1000);
        let endpoint = &asked.endpoint;
        let answer = asked
            .get(&path)
            .with_context(|| format!("cannot read {metric} back from {endpoint}"))?;
        let body = String::from_utf8_lossy(&answer.body);
        match answer.status {
            200 => collect(&body, &mut stored).with_context(|| format!("cannot read the answer to {path}"))?,
            // OpenTSDB's answer for a metric it has never seen: none of its points is stored.
            400 if body.contains("No such name") => {}
            status => bail!("{endpoint} answers {path} with status {status}: {body:.200}"),
        }
    }
    Ok(compare(tracks, &stored))
}

/// Takes the series of one answer.
fn collect(body: &str, stored: &mut Stored) -> anyhow::Result<()> {
    let answer: Value = serde_json::from_str(body)?;
    for series in answer.as_array().context("expected an array")? {
        let metric = series["metric"].as_str().context("expected a metric")?;
        let tags = series["tags"].as_object().context("expected tags")?;
        let tags = tags
            .iter()
            .map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_string()));
        let points = stored.entry((metric.into(), tags.collect())).or_default();
        for (time, value) in series["dps"].as_object().context("expected dps")? {
            points.insert(time.parse()?, value.as_f64().context("expected a number")?);
        }
    }
    Ok(())
}

fn compare(tracks: &Tracks, stored: &Stored) -> Verdict {
    let nothing = HashMap::new();
    let mut verdict = Verdict::default();
    for track in tracks.iter() {
        let points = stored.get(&track.stored_as).unwrap_or(&nothing);
        let (sent, stored, different) = count(&track.sent, points);
        verdict.sent += sent;
        verdict.stored += stored;
        verdict.different += different;
        if stored < sent {
            verdict.incomplete.push(track.name());
        }
    }
    verdict
}

/// How many points of one series were sent, are stored with their value, and with another.
fn count(sent: &[(u64, potsdb::Value)], points: &HashMap<u64, f64>) -> (u64, u64, u64) {
    let (mut stored, mut different) = (0, 0);
    for (time, value) in sent {
        match points.get(time) {
            Some(found) if *found == value.as_f64() => stored += 1,
            Some(_) => different += 1,
            None => {}
        }
    }
    (sent.len() as u64, stored, different)
}

/// How many incomplete series a verdict names.
const NAMED: usize = 3;

#[cfg(test)]
mod tests {
    use super::{Stored, Verdict, collect, count};

    const ANSWER: &str =
        r#"[{"metric":"m","tags":{"a":"b"},"aggregateTags":[],"dps":{"1767225600123":1,"1767225600323":0.1}}]"#;

    #[test]
    fn a_point_is_stored_only_with_its_own_time_and_value() {
        let mut stored = Stored::new();
        collect(ANSWER, &mut stored).expect("this is how OpenTSDB answers");
        let point = |time, text: &str| (time, potsdb::Value::parse(text.as_bytes()).expect("a number"));
        let sent = |points: &[_]| count(points, &stored[&("m".into(), [("a".into(), "b".into())].into())]);
        assert_eq!(
            sent(&[point(1_767_225_600_123, "1"), point(1_767_225_600_323, "0.1")]),
            (2, 2, 0)
        );
        assert_eq!(
            sent(&[point(1_767_225_600_123, "2"), point(1_767_225_600_324, "0.1")]),
            (2, 0, 1)
        );
    }

    #[test]
    fn what_is_no_answer_to_a_query_is_an_error() {
        for wrong in ["", "{}", "[{}]", r#"[{"metric":"m","tags":{},"dps":[[1,2]]}]"#] {
            assert!(collect(wrong, &mut Stored::new()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_verdict_names_what_is_missing() {
        let mut verdict = Verdict {
            sent: 5,
            stored: 5,
            ..Verdict::default()
        };
        assert_eq!(verdict.words(), "sent 5, stored 5: all delivered");
        verdict = Verdict {
            sent: 5,
            stored: 2,
            different: 1,
            incomplete: vec!["load.1m".into()],
        };
        assert_eq!(verdict.words(), "sent 5, stored 2: 2 missing, 1 different, of load.1m");
        assert_eq!(
            Verdict::nothing_read(5).words(),
            "sent 5, and nothing was read back: not all of them were delivered"
        );
        verdict.incomplete = ["a", "b", "c", "d"].map(String::from).into();
        assert!(verdict.words().ends_with("of a, b, c and 1 more series"));
    }
}
