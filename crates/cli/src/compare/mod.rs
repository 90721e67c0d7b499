//! `potsdb compare`: two stores read back side by side, and every difference.
//!
//! ```text
//! for each metric, window by window: A --points--> |  only in A, only in B, or of another value
//!                                    B --points--> |
//! ```
//!
//! The way from one store to another with proof: a relay forwards to both, and this says when they are the same. A window is
//! held in memory, the whole never.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use clap::Args;
use serde_json::{Value, json};

use crate::output::Output;
use crate::statistics::plural;
use crate::{Outcome, options};

mod reader;

use reader::{Reader, Series};

/// Read two stores back and list the differences
///
/// Reads OpenTSDB by its query API and VictoriaMetrics by its export API, both over HTTP. Exit code 1 if they differ.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Compare {
    /// The one store, where it answers queries: HOST, HOST:PORT or http://HOST[:PORT]
    #[arg(value_name = "A")]
    a: String,

    /// The other one
    #[arg(value_name = "B")]
    b: String,

    /// A metric, repeatable
    #[arg(long, value_name = "NAME", required = true)]
    metric: Vec<String>,

    /// From when on: seconds since 1970, or a time ago such as 2h
    #[arg(long, value_name = "TIME", value_parser = moment)]
    start: Moment,

    /// Until when, without it [default: now]
    #[arg(long, value_name = "TIME", value_parser = moment)]
    end: Option<Moment>,

    /// How much is read at once
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = options::patience)]
    step: Duration,

    /// How long a store may take for an answer
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = options::patience)]
    timeout: Duration,

    /// List at most this many differences
    #[arg(long, value_name = "COUNT", default_value = "100", value_parser = count)]
    list: usize,

    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  potsdb compare http://tsd:4242 http://victoria:8428 --metric sys.cpu.user --start 2h
  potsdb compare tsd1 tsd2 --metric web.requests --metric web.latency --start 1767225600
  potsdb compare a b --metric m --start 7d --step 10m --json";

/// Seconds since 1970, or so long ago.
#[derive(Clone, Copy, Debug)]
enum Moment {
    At(u64),
    Ago(Duration),
}

/// What was found.
#[derive(Default)]
struct Found {
    same: u64,
    only_a: u64,
    only_b: u64,
    differ: u64,
    /// Differences in words, the first of them.
    listed: Vec<String>,
}

impl Compare {
    pub(crate) fn run(self, output: &Output) -> anyhow::Result<Outcome> {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .context("the clock is before 1970")?
            .as_secs();
        let (start, end) = (self.start.seconds(now), self.end.map_or(now, |end| end.seconds(now)));
        anyhow::ensure!(start < end, "--start is not before --end: {start} and {end}");
        let a = Reader::open(&self.a, self.timeout).with_context(|| format!("cannot read {}", self.a))?;
        let b = Reader::open(&self.b, self.timeout).with_context(|| format!("cannot read {}", self.b))?;
        let mut all = Vec::new();
        for metric in &self.metric {
            let mut found = Found::default();
            let mut from = start;
            while from < end {
                let until = from.saturating_add(self.step.as_secs().max(1)).min(end);
                let of_a = a
                    .read(metric, from, until)
                    .with_context(|| format!("cannot read {}", self.a))?;
                let of_b = b
                    .read(metric, from, until)
                    .with_context(|| format!("cannot read {}", self.b))?;
                found.compare(metric, &of_a, &of_b, self.list);
                from = until;
            }
            all.push((metric, found));
        }
        let is_same = all.iter().all(|(_, found)| found.is_same());
        match self.json {
            true => {
                let metrics: Vec<Value> = all.iter().map(|(metric, found)| found.object(metric)).collect();
                output.json(&json!({ "same": is_same, "metrics": metrics }));
            }
            false => all.iter().for_each(|(metric, found)| found.say(metric, output)),
        }
        Ok(Outcome::delivered(is_same))
    }
}

impl Found {
    fn is_same(&self) -> bool {
        self.only_a + self.only_b + self.differ == 0
    }

    fn compare(&mut self, metric: &str, a: &Series, b: &Series, most: usize) {
        let none = BTreeMap::new();
        for (tags, of_a) in a {
            let of_b = b.get(tags).unwrap_or(&none);
            for (time, value) in of_a {
                match of_b.get(time) {
                    Some(other) if is_same(*value, *other) => self.same += 1,
                    Some(other) => {
                        self.differ += 1;
                        self.list(most, || {
                            format!("{metric}{{{tags}}} at {time}: {value} in A, {other} in B")
                        });
                    }
                    None => {
                        self.only_a += 1;
                        self.list(most, || format!("{metric}{{{tags}}} at {time}: {value} in A alone"));
                    }
                }
            }
        }
        for (tags, of_b) in b {
            let of_a = a.get(tags).unwrap_or(&none);
            for (time, value) in of_b.iter().filter(|(time, _)| !of_a.contains_key(time)) {
                self.only_b += 1;
                self.list(most, || format!("{metric}{{{tags}}} at {time}: {value} in B alone"));
            }
        }
    }

    fn list(&mut self, most: usize, words: impl FnOnce() -> String) {
        if self.listed.len() < most {
            self.listed.push(words());
        }
    }

    fn object(&self, metric: &str) -> Value {
        json!({
            "metric": metric,
            "same": self.same,
            "only_in_a": self.only_a,
            "only_in_b": self.only_b,
            "differ": self.differ,
            "differences": self.listed,
        })
    }

    fn say(&self, metric: &str, output: &Output) {
        self.listed.iter().for_each(|words| output.say(words));
        let points = plural(self.same, "point");
        output.say(format_args!(
            "{metric}: {points} the same, {} in A alone, {} in B alone, {} of another value",
            self.only_a, self.only_b, self.differ
        ));
    }
}

/// Stores keep 15 to 17 digits, and OpenTSDB some floats in four bytes.
fn is_same(a: f64, b: f64) -> bool {
    a == b || (a - b).abs() <= a.abs().max(b.abs()) * 1e-14 || a as f32 == b as f32 && is_short(a, b)
}

/// Whether one of the two is what four bytes make of the other.
fn is_short(a: f64, b: f64) -> bool {
    f64::from(a as f32) == b || f64::from(b as f32) == a
}

impl Moment {
    fn seconds(self, now: u64) -> u64 {
        match self {
            Moment::At(seconds) => seconds,
            Moment::Ago(time) => now.saturating_sub(time.as_secs()),
        }
    }
}

fn moment(text: &str) -> Result<Moment, String> {
    if let Ok(number) = text.parse::<u64>() {
        // What has 13 digits is in milliseconds, as everywhere.
        return Ok(Moment::At(if number > 99_999_999_999 { number / 1000 } else { number }));
    }
    let days = text.strip_suffix('d').and_then(|days| days.parse::<u64>().ok());
    match days {
        Some(days) if days < 36_500 => Ok(Moment::Ago(Duration::from_secs(days * 86_400))),
        _ => options::patience(text)
            .map(Moment::Ago)
            .map_err(|_| "expected seconds since 1970, or a time ago such as 30m, 2h or 7d".into()),
    }
}

fn count(text: &str) -> Result<usize, String> {
    options::whole(text, 0, u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_the_same_as_far_as_stores_keep_them() {
        for (a, b, same) in [
            (1.0, 1.0, true),
            (0.1, 0.1 + f64::EPSILON / 8.0, true),
            (0.1, f64::from(0.1_f32), true),
            (0.1, 0.100_000_1, false),
            (1e300, 1.000_001e300, false),
            (0.0, -0.0, true),
        ] {
            assert_eq!(is_same(a, b), same, "{a} {b}");
        }
    }

    #[test]
    fn a_moment_is_a_number_or_so_long_ago() {
        let seconds = |text: &str| moment(text).map(|moment| moment.seconds(1_000_000));
        assert_eq!(
            (seconds("1767225600"), seconds("1767225600123")),
            (Ok(1_767_225_600), Ok(1_767_225_600))
        );
        assert_eq!((seconds("2h"), seconds("7d")), (Ok(992_800), Ok(395_200)));
        assert!(seconds("yesterday").is_err() && seconds("").is_err());
    }
}
