//! A reader of a store: every point of a metric in a window, by OpenTSDB's query API or VictoriaMetrics' export.
//!
//! Which of the two it is, is found by asking: only VictoriaMetrics exports.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, bail};
use potsdb::Client;
use potsdb::binding::ClientBinding as _;
use serde_json::Value;

use crate::request::{Asked, encoded};

/// Points by time in milliseconds, of each series by its tags in order: `dc=eu,host=a`.
pub(super) type Series = BTreeMap<String, BTreeMap<i64, f64>>;

pub(super) struct Reader {
    asked: Asked,
    exports: bool,
}

impl Reader {
    /// Connects, and finds out what it is.
    pub(super) fn open(url: &str, timeout: Duration) -> anyhow::Result<Reader> {
        let client = Client::open(&http(url))?;
        let endpoint = client.endpoints().first().context("a client has an endpoint")?.clone();
        let address: SocketAddr = client.check(&endpoint, timeout)?;
        let asked = Asked {
            client,
            endpoint,
            address,
            timeout,
        };
        let answer = asked.get("/api/v1/export?match%5B%5D=potsdb_nothing&start=0&end=1")?;
        Ok(Reader {
            exports: answer.status == 200,
            asked,
        })
    }

    /// Every point from `start` on and before `end`, in seconds.
    pub(super) fn read(&self, metric: &str, start: u64, end: u64) -> anyhow::Result<Series> {
        let mut series = match self.exports {
            true => self.exported(metric, start, end)?,
            false => self.queried(metric, start, end)?,
        };
        let window = start as i64 * 1000..end as i64 * 1000;
        series
            .values_mut()
            .for_each(|points| points.retain(|time, _| window.contains(time)));
        series.retain(|_, points| !points.is_empty());
        Ok(series)
    }

    fn queried(&self, metric: &str, start: u64, end: u64) -> anyhow::Result<Series> {
        let metric = encoded(metric);
        let answer = self
            .asked
            .get(&format!("/api/query?start={start}&end={end}&ms=true&m=none:{metric}"))?;
        match answer.status {
            200 => read_query(&answer.body),
            // It has never had a point.
            400 if memchr::memmem::find(&answer.body, b"No such name").is_some() => Ok(Series::new()),
            status => bail!("a query is answered with status {status}"),
        }
    }

    fn exported(&self, metric: &str, start: u64, end: u64) -> anyhow::Result<Series> {
        let metric = encoded(&format!("{{__name__={metric:?}}}"));
        let answer = self
            .asked
            .get(&format!("/api/v1/export?match%5B%5D={metric}&start={start}&end={end}"))?;
        match answer.status {
            200 => read_export(&answer.body),
            status => bail!("an export is answered with status {status}"),
        }
    }
}

/// `[{"metric":"m","tags":{"a":"b"},"aggregateTags":[],"dps":{"1767225600000":1.0}}]`
fn read_query(body: &[u8]) -> anyhow::Result<Series> {
    let answer: Value = serde_json::from_slice(body).context("the answer to a query is no JSON")?;
    let mut all = Series::new();
    for series in answer.as_array().context("the answer to a query is no list")? {
        let points = all.entry(tags(&series["tags"], "")).or_default();
        for (time, value) in series["dps"].as_object().context("a series has no points")? {
            points.insert(time.parse().context("a point has no time")?, number(value)?);
        }
    }
    Ok(all)
}

/// A line each: `{"metric":{"__name__":"m","a":"b"},"values":[1],"timestamps":[1767225600000]}`
fn read_export(body: &[u8]) -> anyhow::Result<Series> {
    let mut all = Series::new();
    for line in body.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
        let series: Value = serde_json::from_slice(line).context("a line of the export is no JSON")?;
        let list = |name: &str| {
            series[name]
                .as_array()
                .with_context(|| format!("a series has no {name}"))
        };
        let points = all.entry(tags(&series["metric"], "__name__")).or_default();
        for (time, value) in list("timestamps")?.iter().zip(list("values")?) {
            points.insert(time.as_i64().context("a point has no time")?, number(value)?);
        }
    }
    Ok(all)
}

fn number(value: &Value) -> anyhow::Result<f64> {
    match value {
        Value::String(text) => text.parse().with_context(|| format!("{text:?} is no value")),
        value => value.as_f64().with_context(|| format!("{value} is no value")),
    }
}

fn tags(tags: &Value, but: &str) -> String {
    let tags = tags.as_object().into_iter().flatten().filter(|(name, _)| *name != but);
    let mut tags: Vec<String> = tags
        .map(|(name, value)| format!("{name}={}", value.as_str().unwrap_or_default()))
        .collect();
    tags.sort();
    tags.join(",")
}

/// Queries are asked over HTTP, also of a store that was named as points are sent to it.
fn http(url: &str) -> String {
    match url.split_once("://") {
        Some(("tsdb", place)) => format!("http://{place}"),
        Some(("tsdbs", place)) => format!("https://{place}"),
        Some(_) => url.to_owned(),
        None => format!("http://{url}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_stores_answers_become_the_same() {
        let query = br#"[{"metric":"m","tags":{"h":"a","d":"b"},"aggregateTags":[],"dps":{"1000":1.0,"2000":"NaN"}},{"metric":"m","tags":{},"dps":{}}]"#;
        let export = b"{\"metric\":{\"__name__\":\"m\",\"h\":\"a\",\"d\":\"b\"},\"values\":[1,2.5],\"timestamps\":[1000,2000]}\n\n";
        let (query, export) = (read_query(query).expect("a list"), read_export(export).expect("lines"));
        assert_eq!(query["d=b,h=a"][&1000], export["d=b,h=a"][&1000]);
        assert!(query["d=b,h=a"][&2000].is_nan() && query.contains_key(""));
        assert!(read_query(b"{}").is_err() && read_query(b"x").is_err() && read_export(b"{}").is_err());
    }

    #[test]
    fn queries_are_asked_over_http() {
        assert_eq!(http("tsd:4242"), "http://tsd:4242");
        assert_eq!(http("tsdbs://tsd"), "https://tsd");
    }
}
