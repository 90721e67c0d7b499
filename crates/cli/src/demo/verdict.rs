//! The verdict: what was sent against what the server says it has.
//!
//! Reads every metric back through `/api/query`, without aggregation and in milliseconds, and looks for each point
//! that was sent: the same series, the same time, the same value.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, bail};
use serde_json::Value;

use super::track::Tracks;
use crate::request;

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
        let missing = sent - stored - different;
        let series = self.incomplete.join(", ");
        format!("sent {sent}, stored {stored}: {missing} missing, {different} different, of {series}")
    }
}

/// Asks the server for every point and compares.
pub(super) fn read_back(address: SocketAddr, tracks: &Tracks) -> anyhow::Result<Verdict> {
    let metrics: BTreeSet<&str> = tracks.iter().map(|track| track.stored_as.0.as_str()).collect();
    let times = || tracks.iter().flat_map(|track| track.sent.iter().map(|(time, _)| *time));
    let (Some(first), Some(last)) = (times().min(), times().max()) else {
        return Ok(Verdict::default());
    };
    let mut stored = Stored::new();
    for metric in metrics {
        let path = format!("/api/query?start={first}&end={}&ms=true&m=none:{metric}", last + 1000);
        let answer = request::get(address, &address.to_string(), &path, TIMEOUT)
            .with_context(|| format!("cannot read {metric} back from {address}"))?;
        let body = String::from_utf8_lossy(&answer.body);
        match answer.status {
            200 => collect(&body, &mut stored).with_context(|| format!("cannot read the answer to {path}"))?,
            // OpenTSDB's answer for a metric it has never seen: none of its points is stored.
            400 if body.contains("No such name") => {}
            status => bail!("{address} answers {path} with status {status}: {body:.200}"),
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
        let mut same = 0;
        for (time, value) in &track.sent {
            match points.get(time) {
                Some(found) if *found == value.as_f64() => same += 1,
                Some(_) => verdict.different += 1,
                None => {}
            }
        }
        verdict.sent += track.sent.len() as u64;
        verdict.stored += same;
        if same < track.sent.len() as u64 {
            verdict.incomplete.push(track.name());
        }
    }
    verdict
}

/// Reading back a demo's points takes any server a few milliseconds; this is only so that it ends.
const TIMEOUT: Duration = Duration::from_secs(10);
