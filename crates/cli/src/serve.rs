//! `potsdb serve`: the embedded receiver, in the foreground.
//!
//! For development and tests: it takes points over telnet and HTTP on one port, answers queries, and misbehaves on
//! request. The first line says where it listens, so that `--port 0` is of use to a script; the last line says what
//! came.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::mpsc;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use potsdb_receiver::{Config, Counts, Faults, Offsets, Receiver};
use serde_json::{Value, json};

use crate::output::Output;
use crate::statistics::{plural, points};
use crate::{Outcome, options, signals};

/// Run a server for development and tests
///
/// It takes points over telnet and HTTP on one port, answers queries, and misbehaves on request.
#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// The address to listen on
    #[arg(long, default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST), value_name = "ADDRESS")]
    listen: IpAddr,

    /// The port to listen on; 0 takes a free one
    #[arg(short, long, default_value_t = 4242)]
    port: u16,

    /// Print two JSON objects, one line each: where it listens, and at the end what came
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    keeping: Keeping,

    #[command(flatten)]
    misbehaving: Misbehaving,
}

/// What the receiver keeps.
#[derive(Debug, Args)]
#[command(next_help_heading = "What it keeps")]
struct Keeping {
    /// Append accepted points to this file, and begin with those that are in it
    #[arg(long, value_name = "FILE")]
    journal: Option<PathBuf>,

    /// Journal points only when they are this old, as OpenTSDB does: kill -9 loses younger ones
    #[arg(long, value_name = "TIME", value_parser = options::duration, requires = "journal")]
    forget: Option<Duration>,

    /// Keep at most this many points in all; the oldest go
    #[arg(long, value_name = "COUNT", default_value_t = Config::default().max_points)]
    max_points: usize,

    /// Keep at most this many series; those not touched for longest go
    #[arg(long, value_name = "COUNT", default_value_t = Config::default().max_series)]
    max_series: usize,

    /// Take only these metrics, and refuse others as OpenTSDB refuses unknown ones
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    known_metrics: Option<Vec<String>>,
}

/// How the receiver misbehaves.
#[derive(Debug, Args)]
#[command(next_help_heading = "How it misbehaves")]
struct Misbehaving {
    /// Reset each connection after so many bytes: 5000; 100,7000 for the first and second; SEED:LARGEST[:HOW_MANY]
    #[arg(long, value_name = "BYTES", default_value = "never", hide_default_value = true, value_parser = offsets)]
    reset_after: Offsets,

    /// Close each connection after so many bytes, written in the same way
    #[arg(long, value_name = "BYTES", default_value = "never", hide_default_value = true, value_parser = offsets)]
    close_after: Offsets,

    /// Accept connections and never read from them
    #[arg(long)]
    stall_reading: bool,

    /// Take points and never answer
    #[arg(long)]
    stall_answers: bool,

    /// Never answer on telnet, as VictoriaMetrics
    #[arg(long)]
    silent: bool,
}

impl Serve {
    pub(crate) fn run(self, output: &Output) -> anyhow::Result<Outcome> {
        let json = self.json;
        let address = SocketAddr::new(self.listen, self.port);
        let (events, signal) = mpsc::channel();
        signals::on_signal(move |_| {
            let _ = events.send(());
        })?;
        let receiver = Receiver::start(self.config(address)).with_context(|| format!("cannot serve on {address}"))?;
        let (url, address) = (receiver.url(), receiver.address());
        if json {
            output.json(&json!({ "url": url, "http": format!("http://{address}"), "port": address.port() }));
        } else {
            output.say(format_args!("listening on {address}: {url} and http://{address}"));
        }

        // The signal thread keeps its end for ever, so this ends with a signal and not before.
        let _ = signal.recv();
        let counts = receiver.close();
        if json {
            output.json(&object(&counts));
        } else {
            output.say(words(&counts));
        }
        if counts.journal_errors > 0 {
            output.note(format_args!(
                "{} to the journal failed",
                plural(counts.journal_errors, "write")
            ));
        }
        Ok(Outcome::delivered(counts.journal_errors == 0))
    }

    fn config(self, listen: SocketAddr) -> Config {
        let Serve {
            keeping, misbehaving, ..
        } = self;
        Config {
            listen,
            forget: keeping.forget,
            journal: keeping.journal,
            max_points: keeping.max_points,
            max_series: keeping.max_series,
            known_metrics: keeping.known_metrics.map(|names| names.into_iter().collect()),
            silent: misbehaving.silent,
            faults: Faults {
                reset_after: misbehaving.reset_after,
                close_after: misbehaving.close_after,
                stall_reading: misbehaving.stall_reading,
                stall_answers: misbehaving.stall_answers,
            },
            ..Config::default()
        }
    }
}

fn offsets(text: &str) -> Result<Offsets, String> {
    if text == "never" {
        return Ok(Offsets::Never);
    }
    text.parse()
        .map_err(|_| "expected a number of bytes, several with commas, or SEED:LARGEST[:HOW_MANY]".into())
}

/// The counts that say what came and what became of it, for a script.
fn object(counts: &Counts) -> Value {
    json!({
        "connections": counts.connections,
        "requests": counts.requests,
        "puts": counts.puts,
        "accepted": counts.accepted,
        "refused": counts.refused,
        "duplicates": counts.duplicates,
        "respelled": counts.respelled,
        "conflicts": counts.conflicts,
        "versions": counts.versions,
        "unknown": counts.unknown,
        "overlong": counts.overlong,
        "closed_overlong": counts.closed_overlong,
        "torn": counts.torn,
        "suppressed": counts.suppressed,
        "cut": counts.cut,
        "evicted_points": counts.evicted_points,
        "evicted_series": counts.evicted_series,
        "loaded": counts.loaded,
        "journal_errors": counts.journal_errors,
    })
}

/// The same for a person: what is not zero.
fn words(counts: &Counts) -> String {
    let mut words = format!(
        "{} from {}",
        points(counts.puts),
        plural(counts.connections, "connection")
    );
    let others = [
        (counts.refused, "refused"),
        (counts.duplicates, "sent again"),
        (counts.conflicts, "sent again with another value"),
        (counts.evicted_points, "gone because a bound was reached"),
        (counts.loaded, "loaded from the journal"),
        (counts.torn, "torn off inside a line"),
        (counts.cut, "connections cut by a fault"),
        (counts.unknown, "unknown commands"),
    ];
    for (count, what) in others.into_iter().filter(|(count, _)| *count > 0) {
        words.push_str(&format!(", {count} {what}"));
    }
    words
}
