//! `potsdb serve`: the embedded receiver, in the foreground.
//!
//! For development and tests: it is one of four servers on the wire, answers queries, and misbehaves on request. The
//! first line says where it listens, so that `--port 0` is of use to a script; the last line says what came.

use std::fs::OpenOptions;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Args;
use potsdb_receiver::{Config, Counts, Personality, Receiver};
use serde_json::{Value, json};

use crate::output::Output;
use crate::statistics::{plural, points};
use crate::{Outcome, options, signals};

mod collided;
mod grafana;
mod log;
mod misbehaving;
mod page;
mod taking;

use collided::Collided;
use log::Log;
use misbehaving::{GRAMMAR, Misbehaving};
use page::Shown;
use taking::Taking;

/// Run a server for development and tests
///
/// Takes points over telnet and HTTP on one port, imitates the chosen server, answers OpenTSDB's queries, and injects
/// faults on request.
#[derive(Debug, Args)]
#[command(after_help = format!("{EXAMPLES}\n\n{GRAMMAR}"))]
pub(crate) struct Serve {
    /// The address to listen on
    #[arg(long, default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST), value_name = "ADDRESS", value_parser = address)]
    listen: IpAddr,

    /// The port to listen on; 0 takes a free one
    #[arg(short, long, default_value_t = 4242, value_parser = port, allow_hyphen_values = true)]
    port: u16,

    /// Print two JSON objects, one line each: where it listens, and at the end what came
    #[arg(long)]
    json: bool,

    /// The server to imitate: opentsdb, victoriametrics, influxdb, kairosdb
    #[arg(long = "as", value_name = "SERVER", default_value_t)]
    personality: Personality,

    /// Print a file that makes this server a data source of Grafana's, and end
    #[arg(long, conflicts_with = "json")]
    grafana: bool,

    #[command(flatten)]
    shown: Shown,

    /// Log connections and refused points as they come, to standard error
    #[arg(short, long)]
    verbose: bool,

    #[command(flatten)]
    settings: Settings,

    #[command(flatten)]
    keeping: Keeping,

    #[command(flatten)]
    taking: Taking,

    #[command(flatten)]
    misbehaving: Misbehaving,
}

const EXAMPLES: &str = "\
Examples:
  potsdb serve
  potsdb serve --port 0 --json --journal points.log
  potsdb serve --as influxdb --cut-answers 5%";

/// How the server is set up.
#[derive(Debug, Args)]
#[command(next_help_heading = "How it is set up")]
struct Settings {
    /// Take only these metrics, and refuse others as OpenTSDB refuses unknown ones
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    known_metrics: Option<Vec<String>>,

    /// Take no points, as OpenTSDB with tsd.mode=ro
    #[arg(long)]
    read_only: bool,

    /// Take HTTP bodies of more than 8192 bytes, up to this many, as OpenTSDB with enable_chunked
    #[arg(long, value_name = "BYTES", value_parser = larger_body, allow_hyphen_values = true)]
    max_chunk: Option<u64>,

    /// Start without a database, as a fresh InfluxDB does; the first telnet put creates it
    #[arg(long)]
    no_database: bool,

    /// Let pages of these origins ask, or of all with '*', as OpenTSDB with tsd.http.request.cors_domains
    #[arg(long, value_name = "ORIGIN,...", value_delimiter = ',')]
    cors_domains: Vec<String>,

    /// Serve HTTP below this path, as behind a proxy
    #[arg(long, value_name = "PATH", default_value = "", hide_default_value = true, value_parser = base_path)]
    base_path: String,

    /// Require this first line of a telnet connection, as OpenTSDB with an authentication plugin does
    #[arg(long, value_name = "LINE")]
    auth_line: Option<String>,

    /// Require this Authorization header: 'Basic dXNlcjpwYXNz', 'Bearer token'
    #[arg(long, value_name = "VALUE")]
    auth_header: Option<String>,
}

/// What the receiver keeps.
#[derive(Debug, Args)]
#[command(next_help_heading = "What it keeps")]
struct Keeping {
    /// Append accepted points to this file, and begin with those that are in it
    #[arg(long, value_name = "FILE")]
    journal: Option<PathBuf>,

    /// Journal points only when they are this old, as OpenTSDB does: kill -9 and --restart lose younger ones
    #[arg(long, value_name = "TIME", value_parser = options::duration)]
    forget: Option<Duration>,

    /// Keep at most this many points in all; the oldest are discarded
    #[arg(long, value_name = "COUNT", default_value_t = Config::default().max_points, value_parser = count, allow_hyphen_values = true)]
    max_points: usize,

    /// Keep points and names in at most this many bytes of memory; the oldest points go
    #[arg(long, value_name = "BYTES", default_value_t = Config::default().max_bytes, value_parser = count, allow_hyphen_values = true)]
    max_bytes: usize,

    /// Keep at most this many series; the least recently used are discarded
    #[arg(long, value_name = "COUNT", default_value_t = Config::default().max_series, value_parser = count, allow_hyphen_values = true)]
    max_series: usize,
}

impl Serve {
    pub(crate) fn run(self, output: &Output) -> anyhow::Result<Outcome> {
        self.check()?;
        if self.grafana {
            return self.print_provisioning(output);
        }
        let (json, stopping) = (self.json, self.misbehaving.stopping);
        let mut log = self.verbose.then(Log::new);
        let address = SocketAddr::new(self.listen, self.port);
        let (events, signal) = mpsc::channel();
        signals::on_signal_or_hangup(move |_, _| {
            let _ = events.send(());
        })?;
        let base_path = self.settings.base_path.clone();
        let shown = self.shown.clone();
        let journal = self.keeping.journal.clone();
        if let Some(journal) = &journal {
            check_journal(journal).with_context(|| format!("cannot keep a journal in {}", journal.display()))?;
        }
        let receiver = Receiver::start(self.config(address)?).with_context(|| format!("cannot serve on {address}"))?;
        let (url, address) = (receiver.url(), receiver.address());
        let scheme = if url.starts_with("tsdbs") { "https" } else { "http" };
        let http = format!("{scheme}://{address}{base_path}");
        if json {
            output.json(&json!({ "url": url, "http": http, "port": address.port() }));
        } else {
            let page = shown.words();
            output.say(format_args!("listening on {address}: {url} and {http}{page}"));
        }
        shown.open(scheme, address, &base_path, output);

        // The signal thread keeps its end for ever, so this ends with a signal and not before.
        let look = log.as_ref().map_or(LOOK, |_| log::LOOK);
        let mut collided = Collided::default();
        let mut tell = || {
            collided.tell(&receiver, output);
            if let Some(log) = &mut log {
                log.tell(&receiver, output, Instant::now());
            }
        };
        while signal.recv_timeout(look) == Err(RecvTimeoutError::Timeout) {
            tell();
        }
        if let Some(stopping) = stopping {
            receiver.faults().stopping(true);
            receiver.wait_until(stopping, |counts| counts.open == 0);
        }
        tell();
        if let Some(log) = &mut log {
            log.sum_up(output);
        }
        let counts = receiver.close();
        if json {
            output.json(&object(&counts));
        } else {
            output.say(words(&counts));
        }
        if counts.journal_errors > 0 {
            let (writes, journal) = (plural(counts.journal_errors, "write"), journal.unwrap_or_default());
            output.note(format_args!("{writes} to the journal {} failed", journal.display()));
        }
        Ok(Outcome::delivered(counts.journal_errors == 0))
    }

    fn print_provisioning(&self, output: &Output) -> anyhow::Result<Outcome> {
        anyhow::ensure!(
            self.port != 0,
            "--grafana cannot name a port that --port 0 has yet to find: say which"
        );
        let address = SocketAddr::new(self.listen, self.port);
        let settings = &self.settings;
        let login = settings.auth_header.as_deref();
        let is_encrypted = self.taking.is_encrypted();
        output.say(grafana::provisioning(address, is_encrypted, &settings.base_path, login));
        Ok(Outcome::AllDelivered)
    }

    /// Refuses options that this server, or this set of options, does not heed.
    fn check(&self) -> anyhow::Result<()> {
        use Personality::{InfluxDb, KairosDb, OpenTsdb};
        let (personality, settings) = (self.personality, &self.settings);
        let (opentsdb, influxdb) = (&[OpenTsdb][..], &[InfluxDb][..]);
        let over_http = Personality::ALL.map(|known| (known != KairosDb).then_some(known));
        let over_http: Vec<Personality> = over_http.into_iter().flatten().collect();
        let of_servers = [
            ("--known-metrics", settings.known_metrics.is_some(), opentsdb),
            ("--read-only", settings.read_only, opentsdb),
            ("--max-chunk", settings.max_chunk.is_some(), opentsdb),
            ("--cors-domains", !settings.cors_domains.is_empty(), opentsdb),
            ("--auth-line", settings.auth_line.is_some(), opentsdb),
            ("--throttle", self.misbehaving.throttles(), opentsdb),
            ("--throttle-late", self.misbehaving.throttle_late, opentsdb),
            ("--no-database", settings.no_database, influxdb),
            ("--stopping", self.misbehaving.stopping.is_some(), influxdb),
            ("--base-path", !settings.base_path.is_empty(), &over_http),
            ("--auth-header", settings.auth_header.is_some(), &over_http),
            ("--wrong-length", self.misbehaving.gives_wrong_lengths(), &over_http),
            ("--status", self.misbehaving.status.is_some(), &over_http),
        ];
        for (option, is_given, servers) in of_servers {
            if is_given && !servers.contains(&personality) {
                let names: Vec<_> = servers.iter().map(|server| server.name()).collect();
                anyhow::bail!(
                    "{option} has no effect with --as {personality}: it is for {}",
                    names.join(", ")
                );
            }
        }
        anyhow::ensure!(
            !self.shown.opens_nothing(),
            "--open has no effect with --page off: there is nothing to open"
        );
        if self.keeping.forget.is_some() && self.keeping.journal.is_none() && !self.misbehaving.restarts() {
            anyhow::bail!("--forget has no effect without --journal or --restart: nothing else loses points");
        }
        Ok(())
    }

    fn config(self, listen: SocketAddr) -> anyhow::Result<Config> {
        let Serve {
            settings,
            keeping,
            taking,
            ..
        } = self;
        Ok(Config {
            personality: self.personality,
            listen,
            forget: keeping.forget,
            journal: keeping.journal,
            max_points: keeping.max_points,
            max_bytes: keeping.max_bytes,
            max_series: keeping.max_series,
            known_metrics: settings.known_metrics.map(|names| names.into_iter().collect()),
            read_only: settings.read_only,
            max_chunk: settings.max_chunk,
            database_exists: !settings.no_database,
            cors_domains: settings.cors_domains,
            base_path: settings.base_path,
            auth_line: settings.auth_line,
            auth_header: settings.auth_header,
            limits: taking.limits(),
            tls: taking.tls()?,
            watch: self.verbose,
            page: self.shown.visitors(),
            faults: self.misbehaving.faults(),
            ..Config::default()
        })
    }
}

fn address(text: &str) -> Result<IpAddr, String> {
    let rule = || "expected an address of this machine, such as 127.0.0.1, 0.0.0.0 or ::1".to_owned();
    text.parse().map_err(|_| rule())
}

fn port(text: &str) -> Result<u16, String> {
    options::whole(text, 0, u16::MAX.into())
}

fn count(text: &str) -> Result<usize, String> {
    options::whole(text, 1, u64::MAX)
}

fn larger_body(text: &str) -> Result<u64, String> {
    options::whole(text, 8193, u64::MAX)
}

fn base_path(text: &str) -> Result<String, String> {
    match text.starts_with('/') && !text.ends_with('/') {
        true => Ok(text.to_owned()),
        false if text.is_empty() => Ok(String::new()),
        false => Err("expected a path that begins with / and does not end with it, such as /insert/0/opentsdb".into()),
    }
}

/// How often it is looked whether there is something to tell.
const LOOK: Duration = Duration::from_secs(1);

/// Whether points can be appended to a file, which is made if it does not exist.
fn check_journal(journal: &Path) -> std::io::Result<()> {
    // What is neither a file nor missing is the receiver's to name: opening a pipe would wait for its other end.
    if journal
        .metadata()
        .is_ok_and(|there| !there.is_file() && !there.is_dir())
    {
        return Ok(());
    }
    OpenOptions::new().append(true).create(true).open(journal).map(|_| ())
}

/// The counts that say what came and what became of it, for a script.
fn object(counts: &Counts) -> Value {
    let named = counts.named().into_iter();
    Value::Object(named.map(|(name, count)| (name.to_owned(), count.into())).collect())
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
        (counts.collisions, "of them by another connection"),
        (counts.evicted_points, "gone because a bound was reached"),
        (counts.loaded, "loaded from the journal"),
        (counts.torn, "torn off inside a line"),
        (counts.cut, "connections cut by a fault"),
        (counts.throttled, "dropped by a fault"),
        (counts.discarded, "thrown away while stopping"),
        (counts.forgotten, "forgotten at restarts"),
        (counts.refused_connections, "connections refused"),
        (counts.turned_away, "connections too many"),
        (counts.late, "connections too slow"),
        (counts.no_room, "without room"),
        (counts.half_open, "connections left half-open"),
        (counts.lost_answers, "answers lost"),
        (counts.struck_requests, "requests answered by a fault"),
        (counts.wrong_lengths, "answers of a wrong length"),
        (counts.unauthorised, "not authorised"),
        (counts.unknown, "unknown commands"),
    ];
    for (count, what) in others.into_iter().filter(|(count, _)| *count > 0) {
        words.push_str(&format!(", {count} {what}"));
    }
    words
}
