//! `potsdb pipe`: points on standard input, or in files, one line each.
//!
//! A line is OpenTSDB's import form, `METRIC TIME VALUE TAG=VALUE...`, with or without `put` before it. Two threads:
//!
//! ```text
//! potsdb-read   Input --whole lines--> client.send_lines (waits for room)     tells bad lines
//! main          waits for the end or for a signal, then closes the client     tells the outcome
//! ```
//!
//! The end of the input waits until everything is delivered, unless `--timeout` says how long. With a spool it does not
//! wait for a server that is not there: the points are on disk. The first Ctrl-C or SIGTERM lets the lines in hand go
//! on to the client and gives the rest `close_grace`; the second ends that too.

mod badlines;
mod input;
mod reader;
mod source;
mod watch;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;
use potsdb::binding::ClientBinding as _;
use potsdb::{Client, Stats};
use serde_json::json;

use crate::options::{self, Destination};
use crate::output::Output;
use crate::{Outcome, signals, statistics};
use reader::{Reader, Summary};
use watch::Watch;

/// Send the points on standard input or in files, one line each
///
/// A line is METRIC TIME VALUE TAG=VALUE..., OpenTSDB's import form, with or without `put` before it. Blank lines and
/// those that begin with # are skipped. Invalid lines and unreadable files are reported and skipped. Input compressed
/// with gzip is recognised.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, after_long_help = options::after_long_help_of_lines(EXAMPLES))]
pub(crate) struct Pipe {
    /// Files to read one after the other; - is standard input, which is also read when there is none
    files: Vec<PathBuf>,

    /// Give up this long after the end of the input [default: never; with a spool, once no server is there]
    #[arg(long, value_name = "TIME", value_parser = options::patience, allow_hyphen_values = true)]
    timeout: Option<Duration>,

    /// Print the statistics as one JSON object
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    destination: Destination,
}

const EXAMPLES: &str = "\
Examples:
  tail -F points.log | potsdb pipe -u tsd1
  potsdb pipe monday.gz tuesday.gz
  potsdb pipe -o prefix=stage. -o tags=dc=eu -o host_tag=true points.txt";

/// What the main thread waits for.
enum Event {
    Ended,
    /// By this signal.
    Interrupted(i32),
}

impl Pipe {
    pub(crate) fn run(self, output: &Output) -> anyhow::Result<Outcome> {
        let client = self.destination.open_for_lines()?;
        let (events, event) = mpsc::channel();
        signals::on_signal_or_hangup({
            let (events, client) = (events.clone(), client.clone());
            let grace = client.options().close_grace;
            move |count, signal| {
                let _ = events.send(Event::Interrupted(signal));
                if count > 1 {
                    client.begin_close(Duration::ZERO);
                } else if client.is_closed() {
                    client.begin_close(grace); // after the end of the input, when nothing but this ends the wait
                }
            }
        })?;
        let reader = Arc::new(Reader::new(client.clone(), output.clone(), self.files));
        thread::Builder::new().name("potsdb-read".into()).spawn({
            let reader = Arc::clone(&reader);
            move || {
                reader.read_all();
                let _ = events.send(Event::Ended);
            }
        })?;

        let watch = Watch::new(&client, &reader, output);
        let (stats, ended, signal) = loop {
            match event.recv_timeout(Watch::PERIOD) {
                Ok(Event::Ended) => break drain(&client, self.timeout, &event, &watch),
                Ok(Event::Interrupted(signal)) => {
                    let stats = interrupted(&client, &reader, output);
                    break (stats, INTERRUPTED.to_owned(), Some(signal));
                }
                Err(RecvTimeoutError::Timeout) => watch.look(),
                Err(RecvTimeoutError::Disconnected) => unreachable!("the signal thread keeps its end for ever"),
            }
        };
        let heard = watch.end();
        let taken = reader.summary();
        tell(output, &taken);
        for line in statistics::undelivered(&client, &stats, &ended, &heard, output) {
            output.note(line);
        }
        if self.json {
            let mut object = statistics::object(&stats);
            object.insert("lines".into(), json!(taken.lines));
            object.insert("bad_lines".into(), json!(taken.bad));
            object.insert("unsent_lines".into(), json!(taken.unsent));
            object.insert("unread_files".into(), json!(taken.unread));
            output.json(&object.into());
        }
        let all_taken = taken.bad + taken.unsent + taken.unread == 0;
        if taken.lines == 0 && reader.has_read_nothing() {
            return Ok(Outcome::CouldNotRun);
        }
        if all_taken && statistics::all_kept(&stats) {
            return Ok(Outcome::Kept);
        }
        // A bad line is none that a signal kept from being delivered.
        let undone = taken.unsent + taken.unread > 0 || !statistics::all_delivered(&stats);
        Ok(Outcome::delivered_until(
            all_taken && !undone,
            signal.filter(|_| undone),
        ))
    }
}

/// Says which lines did not become a point, and why; nothing when all did.
fn tell(output: &Output, taken: &Summary) {
    if taken.bad > 0 {
        output.note(format_args!(
            "{} of {} bad",
            taken.bad,
            statistics::plural(taken.lines, "line")
        ));
    }
    if taken.unsent > 0 {
        output.note(format_args!(
            "{} read but not sent: the queue was full",
            statistics::plural(taken.unsent, "line")
        ));
    }
    if taken.repeated > 0 {
        output.note(format_args!(
            "{} not sent: the series has a point at that time already (repeats=first)",
            statistics::plural(taken.repeated, "line")
        ));
    }
}

/// After the end of the input: until everything is delivered, or as long as was said. Returns why it ended, and by which signal.
fn drain(
    client: &Client,
    timeout: Option<Duration>,
    event: &mpsc::Receiver<Event>,
    watch: &Watch<'_>,
) -> (Stats, String, Option<i32>) {
    client.begin_close(Duration::MAX);
    let mut ended = timeout.map_or(INTERRUPTED.to_owned(), |timeout| format!("gave up after {timeout:?}"));
    let mut signal = None;
    if let Ok(Event::Interrupted(came)) = event.try_recv() {
        signal = Some(came);
        // The signal came before the close, so that its thread saw none to give a deadline to.
        client.begin_close(client.options().close_grace);
        ended = INTERRUPTED.to_owned();
    } else if let Some(timeout) = timeout {
        client.begin_close(timeout);
    }
    while !client.wait_closed(Watch::PERIOD) {
        watch.look();
    }
    if let Ok(Event::Interrupted(came)) = event.try_recv() {
        signal = Some(came);
        ended = INTERRUPTED.to_owned();
    }
    (client.stats(), ended, signal)
}

/// After a signal: the lines in hand go on to the client, and the grace covers that and their delivery.
fn interrupted(client: &Client, reader: &Reader, output: &Output) -> Stats {
    let grace = client.options().close_grace;
    let deadline = Instant::now() + grace;
    let left = || deadline.saturating_duration_since(Instant::now());
    reader.stop(left());
    client.begin_close(left());
    if !client.wait_closed(SOON) && !left().is_zero() {
        output.note(format_args!(
            "interrupted: what was read is delivered for up to {grace:?}; a second signal ends that"
        ));
    }
    let stats = client.close(left());
    // The close ended its wait for room, if there was one; what it then had left is counted.
    reader.stop(LAST_TURN);
    stats
}

/// After how long a person may wonder why it has not ended.
const SOON: Duration = Duration::from_millis(500);

/// Why a pipe ends that a signal ended.
const INTERRUPTED: &str = "interrupted";

/// Time the reader gets to count what it has in hand once nothing keeps it from doing so.
const LAST_TURN: Duration = Duration::from_secs(1);
