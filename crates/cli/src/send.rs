//! `potsdb send`: one point, delivered before the command returns.
//!
//! Made for scripts and cron: a process that starts, delivers and ends within a few milliseconds, so nothing happens
//! here but one send and one close. A signal ends the wait, and is the exit code, as a shell has it.

use std::sync::atomic::Ordering;
use std::time::Duration;

use clap::Args;
use potsdb::binding::ClientBinding as _;
use potsdb::{Timestamp, Value};
use serde_json::json;

use crate::options::{self, Destination, TIMEOUT};
use crate::output::Output;
use crate::statistics::{self, Heard};
use crate::{Outcome, signals};

/// Send one point and wait until it is delivered
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, after_long_help = options::after_long_help(EXAMPLES))]
pub(crate) struct Send {
    /// The metric, such as web.latency
    metric: String,

    /// A number: 42, -0.5, 1.5e-7
    // Not `allow_negative_numbers`: clap knows neither -.5 nor -1.5e-7 as one.
    #[arg(allow_hyphen_values = true)]
    value: String,

    /// Tags, such as path=/login; this machine's name is added as host unless you pass -o host_tag=false
    #[arg(value_name = "TAG=VALUE", value_parser = options::named)]
    tags: Vec<(String, String)>,

    /// Time of the point: seconds (10 digits) or milliseconds (13) since 1970 [default: now]
    #[arg(short, long, value_name = "TIME", allow_hyphen_values = true)]
    timestamp: Option<String>,

    /// Give up after this long
    #[arg(long, default_value = TIMEOUT, value_name = "TIME", value_parser = options::patience, allow_hyphen_values = true)]
    timeout: Duration,

    /// Print the statistics as one JSON object
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    destination: Destination,
}

const EXAMPLES: &str = "\
Examples:
  potsdb send web.deploys 1 version=42
  potsdb send -u tsd1:4243 outside.degrees -12.5 where=roof
  potsdb send -t 1767225600 -o host_tag=false backup.seconds 95 job=nightly";

impl Send {
    pub(crate) fn run(self, output: &Output) -> anyhow::Result<Outcome> {
        let value = Value::parse(self.value.as_bytes())?;
        let timestamp = self
            .timestamp
            .as_deref()
            .map(|text| Timestamp::parse(text.as_bytes()))
            .transpose()?;
        let client = self.destination.open()?;
        let signal = signals::watched()?;
        // Whatever else than queued this answers, a drop by option, is in the statistics.
        match timestamp {
            Some(timestamp) => client.send_at(&self.metric, value, timestamp, &self.tags)?,
            None => client.send(&self.metric, value, &self.tags)?,
        };
        client.begin_close(self.timeout);
        while !client.wait_closed(SLICE) {
            if signal.load(Ordering::Relaxed) > 0 {
                client.begin_close(Duration::ZERO);
            }
        }
        let stats = client.stats();
        let delivered = statistics::all_delivered(&stats);
        let signal = Some(signal.load(Ordering::Relaxed) as i32).filter(|signal| *signal > 0);
        let ended = match signal {
            None => format!("gave up after {:?}", self.timeout),
            Some(_) => "interrupted".to_owned(),
        };
        let heard = Heard::default().rest(&client);
        for line in statistics::undelivered(&client, &stats, &ended, &heard, output) {
            output.note(line);
        }
        if self.json {
            output.json(&json!(statistics::object(&stats)));
        }
        Ok(match statistics::all_kept(&stats) {
            true => Outcome::Kept,
            false => Outcome::delivered_until(delivered, signal),
        })
    }
}

/// How often the wait looks for a signal: no thread waits for one, which would take a tenth of the command's time.
const SLICE: Duration = Duration::from_millis(50);
