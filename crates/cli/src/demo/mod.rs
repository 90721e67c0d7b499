//! `potsdb demo`: this machine's own figures to a server and back.
//!
//! The whole main job in a few seconds and without any other server: starts the receiver on loopback, sends what
//! `sampler` measures through the client, draws it (`table`), reads every point back and says whether what was sent
//! is what is stored (`verdict`).

mod sampler;
mod screen;
mod table;
mod track;
mod verdict;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use clap::Args;
use potsdb::binding::ClientBinding as _;
use potsdb::{Client, Timestamp};
use potsdb_receiver::{Config, Receiver};
use serde_json::json;

use crate::options::{self, ClientOptions, ServerUrl};
use crate::output::Output;
use crate::request::Asked;
use crate::statistics::{self, Heard};
use crate::{Outcome, signals};
use sampler::Sampler;
use screen::Screen;
use track::Tracks;
use verdict::{Verdict, read_back};

/// Send this machine's own figures for a few seconds, and read them back
///
/// CPU, memory, load, disk and network, through the client to a server and back, with a live table on a terminal.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, after_long_help = options::after_long_help(EXAMPLES), mut_arg("url", |url| url.help(SERVER)))]
pub(crate) struct Demo {
    /// How long to measure
    #[arg(long, default_value = "5", value_name = "SECONDS", value_parser = seconds, allow_negative_numbers = true)]
    seconds: Duration,

    #[command(flatten)]
    server: ServerUrl,

    /// Print the outcome as one JSON object, and no table
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    options: ClientOptions,
}

const EXAMPLES: &str = "\
Examples:
  potsdb demo
  potsdb demo --seconds 60
  potsdb demo --url http://tsd1:4242 --json";

impl Demo {
    pub(crate) fn run(self, output: &Output) -> anyhow::Result<Outcome> {
        let length = self.seconds;
        let mut screen = Screen::new(output, self.json);
        let mut own = None;
        let url = match self.server.named() {
            Some(url) => url,
            None => {
                let receiver = Receiver::start(Config::default()).context("cannot listen on loopback")?;
                own.insert(receiver).url()
            }
        };
        let client = self
            .options
            .open(Client::builder(&url).set("precision", "milliseconds"))?;
        let endpoint = client.endpoints().first().context("a client has an endpoint")?.clone();
        let (events, signal) = mpsc::channel();
        let ended_by = Arc::new(AtomicI32::new(0));
        signals::on_signal_or_hangup({
            let ended_by = Arc::clone(&ended_by);
            move |_, signal| {
                ended_by.store(signal, Ordering::Relaxed);
                let _ = events.send(());
            }
        })?;
        let whose = if own.is_some() { ", the demo's own server" } else { "" };
        screen.say(&format!("sending this machine's figures to {endpoint}{whose}"));

        let start = Instant::now();
        let tracks = measure(&client, start + length, &signal, output, &mut screen)?;
        let flushed = client.flush(DELIVERY);
        screen.show(&tracks, &client.stats(), start.elapsed().as_secs_f64());
        screen.end(&tracks);
        let verdict = match flushed {
            Ok(()) => settled(&client, &tracks, &signal),
            Err(_) => Ok(Verdict::nothing_read(tracks.points())),
        };

        let stats = client.close(client.options().close_grace);
        let gave_up = format!("gave up after {DELIVERY:?}");
        let heard = Heard::default().rest(&client);
        for line in statistics::undelivered(&client, &stats, &gave_up, &heard, output) {
            output.note(line);
        }
        screen.say(&statistics::words(&stats));
        let verdict = verdict.unwrap_or_else(|error| {
            output.note(format_args!("{error:#}"));
            Verdict::nothing_read(tracks.points())
        });
        screen.say(&verdict.words());
        if self.json {
            output.json(&json!({
                "sent": verdict.sent,
                "stored": verdict.stored,
                "different": verdict.different,
                "incomplete": verdict.incomplete,
                "series": tracks.iter().len(),
                "verdict": verdict.words(),
                "statistics": statistics::object(&stats),
            }));
        }
        let all = verdict.is_whole() && statistics::all_delivered(&stats);
        let signal = Some(ended_by.load(Ordering::Relaxed)).filter(|signal| *signal > 0);
        Ok(Outcome::delivered_until(all, signal))
    }
}

/// Reads a number of seconds.
fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.0..=86_400.0).contains(&seconds) => Ok(Duration::from_secs_f64(seconds)),
        _ => Err("expected a number of seconds from 0 to 86400".into()),
    }
}

/// Samples and sends until the time is over, somebody asks for the end, or nobody watches any more.
fn measure(
    client: &Client,
    end: Instant,
    signal: &mpsc::Receiver<()>,
    output: &Output,
    screen: &mut Screen<'_>,
) -> anyhow::Result<Tracks> {
    let (mut sampler, mut tracks) = (Sampler::new(), Tracks::default());
    let start = Instant::now();
    let mut next = start;
    // However short the time, there is one look.
    while (next + Sampler::INTERVAL <= end || tracks.points() == 0) && !output.is_closed() {
        next += Sampler::INTERVAL;
        if wait(signal, next) {
            break;
        }
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .context("the clock is before 1970")?;
        let now = Timestamp::from_millis(u64::try_from(now.as_millis())?)?;
        for reading in sampler.sample() {
            tracks.send(client, reading, now)?;
        }
        screen.show(&tracks, &client.stats(), start.elapsed().as_secs_f64());
    }
    Ok(tracks)
}

/// Reads back until everything is there: a server may show a point only a second or two after it answered for it.
fn settled(client: &Client, tracks: &Tracks, signal: &mpsc::Receiver<()>) -> anyhow::Result<Verdict> {
    let endpoint = client.endpoints().first().context("a client has an endpoint")?;
    let address: SocketAddr = client
        .check(endpoint, DELIVERY)
        .with_context(|| format!("cannot reach {endpoint}"))?;
    let asked = Asked {
        client: client.clone(),
        endpoint: endpoint.clone(),
        address,
        timeout: DELIVERY,
    };
    let deadline = Instant::now() + SETTLING;
    loop {
        let verdict = read_back(&asked, tracks)?;
        let again = Instant::now() + Sampler::INTERVAL;
        if verdict.is_whole() || again > deadline || wait(signal, again) {
            return Ok(verdict);
        }
    }
}

/// Waits for a moment; true means that a signal came first.
fn wait(signal: &mpsc::Receiver<()>, until: Instant) -> bool {
    let left = until.saturating_duration_since(Instant::now());
    signal.recv_timeout(left) != Err(RecvTimeoutError::Timeout)
}

/// What `--url` means here, where a server is started if none is named.
const SERVER: &str = "\
Send to this OpenTSDB: HOST, HOST:PORT, tsdb://HOST[:PORT] or http://HOST[:PORT] [env: POTSDB_URL] [default: a server \
that the demo starts]";

/// How long the last points may take to be delivered.
const DELIVERY: Duration = Duration::from_secs(5);

/// How long delivered points may take to be seen by a query.
const SETTLING: Duration = Duration::from_secs(5);
