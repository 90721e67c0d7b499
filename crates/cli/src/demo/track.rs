//! A track: one series of the demo, and every point of it that was sent.

use std::collections::BTreeMap;

use potsdb::binding::{SeriesBinding as _, Wait};
use potsdb::{Client, InvalidPoint, Sent, Series, Timestamp, Value};

use super::sampler::{Reading, Unit};

/// One series, and what was sent for it.
pub(super) struct Track {
    pub(super) metric: &'static str,
    /// The tag that tells it from the others of its metric, if there are others.
    pub(super) tag: Option<(&'static str, String)>,
    pub(super) unit: Unit,
    /// Milliseconds since 1970, and the value.
    pub(super) sent: Vec<(u64, Value)>,
    /// The series as the server knows it, with whatever prefix and tags the client's options added.
    pub(super) stored_as: (String, BTreeMap<String, String>),
    series: Series,
}

/// All series, in the order in which they first appeared.
#[derive(Default)]
pub(super) struct Tracks(Vec<Track>);

impl Tracks {
    /// Sends one reading as a point of its series; a disk or network that is new starts a series.
    pub(super) fn send(&mut self, client: &Client, reading: Reading, time: Timestamp) -> anyhow::Result<()> {
        let value = reading.value;
        let known = self
            .0
            .iter()
            .position(|track| track.metric == reading.metric && track.tag == reading.tag);
        let track = match known {
            Some(place) => &mut self.0[place],
            None => {
                self.0.push(Track::new(client, reading)?);
                self.0.last_mut().expect("one was pushed")
            }
        };
        let mut line = Vec::new();
        let queued = |queued: &[u8]| line.extend_from_slice(queued);
        if track.series.send_with(value, Some(time), Wait::Configured, queued)? == Sent::Queued {
            track.sent.push((time.as_millis(), value));
            track.stored_as = series_of(&String::from_utf8_lossy(&line));
        }
        Ok(())
    }

    pub(super) fn iter(&self) -> std::slice::Iter<'_, Track> {
        self.0.iter()
    }

    pub(super) fn points(&self) -> u64 {
        self.0.iter().map(|track| track.sent.len() as u64).sum()
    }
}

impl Track {
    fn new(client: &Client, reading: Reading) -> Result<Track, InvalidPoint> {
        let Reading { metric, tag, unit, .. } = reading;
        let series = client.series(metric, tag.as_slice())?;
        Ok(Track {
            metric,
            tag,
            unit,
            sent: Vec::new(),
            stored_as: Default::default(),
            series,
        })
    }

    /// `cpu.used core=0`.
    pub(super) fn name(&self) -> String {
        match &self.tag {
            Some((name, value)) => format!("{} {name}={value}", self.metric),
            None => self.metric.into(),
        }
    }

    /// What the table draws: the values, or for a counter how much it grew each second.
    pub(super) fn drawn(&self) -> Vec<f64> {
        if self.unit != Unit::BytesSoFar {
            return self.sent.iter().map(|(_, value)| value.as_f64()).collect();
        }
        let growth = |pair: &[(u64, Value)]| {
            let seconds = (pair[1].0 - pair[0].0) as f64 / 1000.0;
            (pair[1].1.as_f64() - pair[0].1.as_f64()) / seconds.max(0.001)
        };
        self.sent.windows(2).map(growth).collect()
    }
}

/// The metric and the tags of a line: `put METRIC TIME VALUE TAG=VALUE...`.
fn series_of(line: &str) -> (String, BTreeMap<String, String>) {
    let mut fields = line.split_whitespace().skip(1);
    let metric = fields.next().unwrap_or_default().to_string();
    let tags = fields.skip(2).filter_map(|tag| tag.split_once('='));
    (
        metric,
        tags.map(|(name, value)| (name.to_string(), value.to_string()))
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::series_of;

    #[test]
    fn a_series_is_the_metric_and_the_tags_of_its_line() {
        let (metric, tags) = series_of("put cpu.used 1767225600123 12.5 core=0 host=web1\n");
        assert_eq!(metric, "cpu.used");
        assert_eq!(
            tags.into_iter().collect::<Vec<_>>(),
            [("core", "0"), ("host", "web1")].map(|(a, b)| (a.into(), b.into()))
        );
    }
}
