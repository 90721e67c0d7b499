//! `potsdb relay`: store and forward, in the foreground.
//!
//! The first line says where it listens, once it does, the last one what became of everything, store by store. The first
//! signal drains, the second ends every connection where it is. HUP reads the configuration again.

use std::io::{self, stdin};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use clap::{Args, Parser as _};
use potsdb_relay::{Config, Keys, Ledger, Limits, Listen, Network, Role, Rule, StoreUrl};
use potsdb_wire::Rules;

use crate::output::Output;
use crate::{Command, Outcome, Potsdb, options, signals};

mod explain;
mod file;
mod service;
mod words;

use service::Service;

/// Forward points to one store or several, and answer for them when they are safe
///
/// Takes points over telnet and HTTP on one port, keeps them on disk until their store has them, and answers `version` and
/// HTTP requests when everything before is on disk and synced, or acknowledged by the store.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Relay {
    /// Where to listen: ADDRESS:PORT, tsdbs://ADDRESS:PORT or unix:PATH, repeatable; port 0 takes a free one [default:
    /// 127.0.0.1:4242, or what LISTEN_FDS brings]
    #[arg(long, value_name = "PLACE")]
    listen: Vec<Listen>,

    /// A store, repeatable: every answer waits until it has the points, or its spool has
    #[arg(long, value_name = "URL", required_unless_present_any = ["config", "explain"])]
    store: Vec<String>,

    /// A store that gets the same points and is not waited for, repeatable; what it has no room for is cut, and counted
    #[arg(long, value_name = "URL")]
    mirror: Vec<String>,

    /// The folder for what is not stored yet, with a folder for each store below it
    #[arg(long, value_name = "PATH", required_unless_present_any = ["config", "explain"])]
    spool: Option<PathBuf>,

    /// Read a TOML file with these names first; HUP reads it again
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Say whether this is right, and start nothing
    #[arg(long)]
    check_config: bool,

    /// Print two JSON objects, one line each: where it listens, and at the end what became of everything
    #[arg(long)]
    json: bool,

    /// What operators know it as: the tag `relay` of its own figures [default: this machine's name]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,

    #[command(flatten)]
    forwarding: Forwarding,

    #[command(flatten)]
    door: DoorOptions,

    #[command(flatten)]
    times: Times,
}

/// What is forwarded.
#[derive(Debug, Args)]
#[command(next_help_heading = "What is forwarded")]
struct Forwarding {
    /// A rule, repeatable, in order: 'drop metric=debug.*', 'keep tag.env=prod', 'metric prefix eu.', 'metric rename a b',
    /// 'tag add dc=eu', 'tag set a=b', 'tag rename a b', 'tag drop a', the last six with 'if metric=GLOB' or 'if
    /// tag.NAME=GLOB'
    #[arg(long, value_name = "RULE")]
    rule: Vec<Rule>,

    /// Say what the rules make of the lines on standard input, and start nothing
    #[arg(long)]
    explain: bool,
}

/// Who may come in, and how much they may bring.
#[derive(Debug, Args)]
#[command(next_help_heading = "Who may come in")]
struct DoorOptions {
    /// Serve peers of this network alone, repeatable: 10.0.0.0/8; this machine always may
    #[arg(long, value_name = "NETWORK")]
    allow: Vec<Network>,

    /// Require a login from this file: a line each of 'line TEXT' for telnet, 'basic USER:PASSWORD' or 'bearer TOKEN'
    #[arg(long, value_name = "FILE")]
    auth: Option<PathBuf>,

    /// The certificate chain for tsdbs:// places, in PEM; read again when it changes
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,

    /// The private key of that certificate, in PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,

    /// Require a certificate of one of these authorities from peers over TLS, in PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    client_ca: Option<PathBuf>,

    /// Serve at most this many connections at one time
    #[arg(long, value_name = "COUNT", default_value_t = Limits::default().connections, value_parser = count)]
    max_connections: usize,

    /// Serve at most this many connections of one peer, but for this machine's
    #[arg(long, value_name = "COUNT", default_value_t = Limits::default().connections_per_peer, value_parser = count)]
    max_connections_per_peer: usize,

    /// Read at most this many points a second of each peer; 0: no limit
    #[arg(long, value_name = "POINTS", default_value_t = 0.0, value_parser = pace)]
    peer_points: f64,

    /// Read at most this many bytes a second of each peer; 0: no limit
    #[arg(long, value_name = "BYTES", default_value_t = 0.0, value_parser = pace)]
    peer_bytes: f64,
}

/// How long things may take.
#[derive(Debug, Args)]
#[command(next_help_heading = "How long things may take")]
struct Times {
    /// How long a peer waits for an answer at most: then it is told to send again
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = options::patience)]
    answer_timeout: Duration,

    /// How long a request with ?sync waits for the stores
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = options::patience)]
    sync_timeout: Duration,

    /// How long connections may take to end when it stops, spread over many
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = options::duration)]
    drain: Duration,

    /// How long the stores have at the end for what is not on disk
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = options::duration)]
    close_grace: Duration,

    /// Threads that serve connections
    #[arg(long, value_name = "COUNT", default_value = "1", value_parser = threads)]
    threads: usize,
}

const EXAMPLES: &str = "\
Examples:
  potsdb relay --store tsdb://tsd1,tsd2 --spool /var/spool/potsdb
  potsdb relay --store tsdb://tsd --mirror http://vm:4242 --spool /var/spool/potsdb
  potsdb relay --explain --rule 'drop metric=debug.*' < lines

Signals: TERM drains, a second one ends every connection where it is; HUP reads configuration, secrets and certificates again.";

impl Relay {
    pub(crate) fn run(self, output: &Output) -> anyhow::Result<Outcome> {
        let this = self.with_file()?;
        if this.forwarding.explain {
            let legal = this.legal()?;
            explain::explain(&this.forwarding.rule, &legal, stdin().lock(), output)?;
            return Ok(Outcome::AllDelivered);
        }
        if this.check_config {
            potsdb_relay::Relay::check(&this.configured()?)?;
            output.say("the configuration is right");
            return Ok(Outcome::AllDelivered);
        }
        this.serve(output)
    }

    /// The same with what its file says.
    fn with_file(self) -> anyhow::Result<Relay> {
        let Some(path) = &self.config else {
            return Ok(self);
        };
        let line: Vec<_> = std::env::args_os().collect();
        let words = |error: clap::Error| {
            let text = error.render().to_string();
            let first = text
                .lines()
                .next()
                .unwrap_or_default()
                .trim_start_matches("error: ")
                .to_owned();
            anyhow::anyhow!("{} is wrong: {first}", path.display())
        };
        match Potsdb::try_parse_from(file::arguments(path, &line)?)
            .map_err(words)?
            .command
        {
            Command::Relay(relay) => Ok(*relay),
            _ => bail!("{} names no other subcommand", path.display()),
        }
    }

    fn serve(self, output: &Output) -> anyhow::Result<Outcome> {
        let (json, grace, drain) = (self.json, self.times.close_grace, self.times.drain);
        let signals = Signals::watch()?;
        let mut service = Service::new();
        service::raise_descriptors();
        let inherited = service::inherited()?;
        let mut config = self.configured()?;
        if self.listen.is_empty() && !inherited.is_empty() {
            config.listen.clear();
        }
        let listen = config.listen.clone();
        let mut relay = potsdb_relay::Relay::start_with(config, inherited).context("cannot relay")?;
        for warning in relay.warnings() {
            output.note(warning);
        }
        words::said_where(relay.places(), json, output);
        service.ready(&words::status(&relay));
        while signals.asked_to_stop() == 0 {
            tell(&relay, output);
            if signals.asked_to_reload() {
                service.reloading();
                output.note(reload(&self, &mut relay, &listen));
                service.ready(&words::status(&relay));
            }
            service.lives(|| relay.is_alive(), || words::status(&relay));
            thread::park_timeout(LOOK);
        }
        service.stopping();
        relay.begin_to_drain();
        // Connections that say no more go one after the other; a second signal ends them all.
        let latest = Instant::now() + drain + self.times.answer_timeout + LOOK;
        while signals.asked_to_stop() == 1 && Instant::now() < latest && !relay.has_drained(LOOK) {
            tell(&relay, output);
        }
        if !relay.has_drained(Duration::ZERO) {
            relay.hurry();
        }
        tell(&relay, output);
        let ledger = relay.stop(grace);
        words::said_what(&ledger, json, output);
        Ok(Outcome::delivered(is_kept(&ledger)))
    }

    /// Which points are legal, by the first store's options.
    fn legal(&self) -> anyhow::Result<Rules> {
        let Some(url) = self.store.first() else {
            return Ok(Rules::default());
        };
        let client = potsdb::Client::open(&options::with_scheme(url))?;
        Ok(Rules::new(client.options().names, client.options().max_tags))
    }

    fn configured(&self) -> anyhow::Result<Config> {
        let stores = self.store.iter().map(|url| (url, Role::Store));
        let mirrors = self.mirror.iter().map(|url| (url, Role::Mirror));
        let stores: Vec<StoreUrl> = stores
            .chain(mirrors)
            .map(|(url, role)| StoreUrl {
                url: options::with_scheme(url),
                role,
            })
            .collect();
        let spool = self
            .spool
            .clone()
            .context("--spool is missing: the folder for what is not stored yet")?;
        let defaults = Config::default();
        Ok(Config {
            name: self
                .name
                .clone()
                .or_else(sysinfo::System::host_name)
                .unwrap_or(defaults.name),
            listen: match self.listen.is_empty() {
                true => defaults.listen,
                false => self.listen.clone(),
            },
            stores,
            spool: Some(spool),
            answer_timeout: self.times.answer_timeout,
            sync_timeout: self.times.sync_timeout,
            limits: Limits {
                connections: self.door.max_connections,
                connections_per_peer: self.door.max_connections_per_peer,
                ..defaults.limits
            },
            keys: Keys {
                certificate: self.door.tls_cert.clone(),
                key: self.door.tls_key.clone(),
                client_ca: self.door.client_ca.clone(),
                auth: self.door.auth.clone(),
            },
            allow: self.door.allow.clone(),
            rules: self.forwarding.rule.clone(),
            peer_points: self.door.peer_points,
            peer_bytes: self.door.peer_bytes,
            threads: self.times.threads,
            drain: self.times.drain,
        })
    }
}

/// How often it is looked whether there is something to do or to tell.
const LOOK: Duration = Duration::from_millis(50);

/// Reads the configuration again; what came of it, in words.
fn reload(was: &Relay, relay: &mut potsdb_relay::Relay, listen: &[Listen]) -> String {
    let mut read = || -> anyhow::Result<()> {
        let line = std::env::args_os();
        let again = match Potsdb::try_parse_from(line)
            .map_err(|error| anyhow::anyhow!("{error}"))?
            .command
        {
            Command::Relay(again) => again.with_file()?,
            _ => bail!("this is no relay"),
        };
        let mut config = again.configured()?;
        if was.listen == again.listen {
            config.listen = listen.to_vec();
        }
        relay.reload(config)?;
        Ok(())
    };
    match read() {
        Ok(()) => "reloaded".into(),
        Err(error) => format!("not reloaded, everything stays as it was: {error:#}"),
    }
}

/// Says what operators should hear.
fn tell(relay: &potsdb_relay::Relay, output: &Output) {
    for words in relay.reports() {
        output.note(words);
    }
}

/// Whether nothing that a store took is lost: it has it, refused it, or the spool has it.
fn is_kept(ledger: &Ledger) -> bool {
    let of_stores = ledger.stores.iter().filter(|store| store.role == Role::Store);
    of_stores.map(|store| store.stats.dropped.total()).sum::<u64>() == 0
}

/// What signals asked for.
struct Signals {
    stop: Arc<AtomicU32>,
    reload: Arc<AtomicBool>,
}

impl Signals {
    fn watch() -> io::Result<Signals> {
        let (stop, reload) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicBool::new(false)));
        let (counted, looks) = (Arc::clone(&stop), thread::current());
        signals::on_signal(move |count, _| {
            counted.store(count, Ordering::Release);
            looks.unpark();
        })?;
        signals::on_hangup(&reload)?;
        Ok(Signals { stop, reload })
    }

    /// How many signals asked for the end.
    fn asked_to_stop(&self) -> u32 {
        self.stop.load(Ordering::Acquire)
    }

    fn asked_to_reload(&self) -> bool {
        self.reload.swap(false, Ordering::AcqRel)
    }
}

fn threads(text: &str) -> Result<usize, String> {
    options::whole(text, 1, 256)
}

fn count(text: &str) -> Result<usize, String> {
    options::whole(text, 1, u64::MAX)
}

fn pace(text: &str) -> Result<f64, String> {
    let pace = text.parse().ok().filter(|pace: &f64| pace.is_finite() && *pace >= 0.0);
    pace.ok_or_else(|| "expected a number from 0 up".into())
}
