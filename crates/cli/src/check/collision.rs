//! A collision: a series that two connections write at the same time with other values, as potsdb's own server tells it.

use std::fmt::{self, Display, Formatter};

use serde_json::{Value, json};

/// One series, and the latest of its collisions.
#[derive(Debug, PartialEq)]
pub(super) struct Collision {
    metric: String,
    tags: Vec<(String, String)>,
    times: u64,
    timestamp: i64,
    values: [String; 2],
}

impl Collision {
    /// Reads the answer to `/api/potsdb/collisions`; what is none has no collisions.
    pub(super) fn read(body: &[u8]) -> Vec<Collision> {
        let answer: Value = serde_json::from_slice(body).unwrap_or_default();
        let series = answer["series"].as_array().map(Vec::as_slice).unwrap_or_default();
        series.iter().filter_map(Collision::of).collect()
    }

    fn of(series: &Value) -> Option<Collision> {
        let text = |value: &Value| Some(value.as_str()?.to_owned());
        let tags = series["tags"].as_object()?.iter();
        Some(Collision {
            metric: text(&series["metric"])?,
            tags: tags
                .map(|(name, value)| Some((name.clone(), text(value)?)))
                .collect::<Option<_>>()?,
            times: series["times"].as_u64()?,
            timestamp: series["timestamp"].as_i64()?,
            values: [text(&series["values"][0])?, text(&series["values"][1])?],
        })
    }

    pub(super) fn object(&self) -> Value {
        let tags = self
            .tags
            .iter()
            .map(|(name, value)| (name.clone(), value.clone().into()));
        json!({
            "metric": self.metric,
            "tags": Value::Object(tags.collect()),
            "times": self.times,
            "timestamp": self.timestamp,
            "values": self.values,
        })
    }
}

impl Display for Collision {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let tags: Vec<String> = self
            .tags
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let often = match self.times {
            1 => "once".to_owned(),
            times => format!("{times} times"),
        };
        write!(
            f,
            "written by two connections at the same time: {}{{{}}} ({often}, the last at {}: {}, then {})",
            self.metric,
            tags.join(","),
            self.timestamp,
            self.values[0],
            self.values[1]
        )
    }
}

#[cfg(test)]
mod tests {
    use super::Collision;

    #[test]
    fn the_answer_of_another_server_is_passed_over() {
        for body in [&b"<html>"[..], b"{}", b"[]", br#"{"series":[{"metric":1}]}"#, b""] {
            assert_eq!(Collision::read(body), []);
        }
    }
}
