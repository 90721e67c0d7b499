//! `potsdb relay`: store and forward, in the foreground.
//!
//! The first line says where it listens, once it does, the last one what became of everything, store by store. The first
//! signal drains, the second ends every connection where it is.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::Args;
use potsdb_relay::{Config, Ledger, Listen, Role, StoreUrl, Where};
use serde_json::{Map, Value, json};

use crate::output::Output;
use crate::statistics::{self, plural};
use crate::{Outcome, options, signals};

/// Forward points to one store or several, and answer for them when they are safe
///
/// Takes points over telnet and HTTP on one port, keeps them on disk until their store has them, and answers `version` and
/// HTTP requests when everything before is on disk and synced, or acknowledged by the store.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Relay {
    /// Where to listen: ADDRESS:PORT, tsdbs://ADDRESS:PORT or unix:PATH, repeatable; port 0 takes a free one
    #[arg(long, value_name = "PLACE", default_value = "127.0.0.1:4242")]
    listen: Vec<Listen>,

    /// A store, repeatable: every answer waits until it has the points, or its spool has
    #[arg(long, value_name = "URL", required = true)]
    store: Vec<String>,

    /// A store that gets the same points and is not waited for, repeatable; what it has no room for is cut, and counted
    #[arg(long, value_name = "URL")]
    mirror: Vec<String>,

    /// The folder for what is not stored yet, with a folder for each store below it
    #[arg(long, value_name = "PATH")]
    spool: PathBuf,

    /// Print two JSON objects, one line each: where it listens, and at the end what became of everything
    #[arg(long)]
    json: bool,

    /// What operators know it as: the tag `relay` of its own figures [default: this machine's name]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,

    /// How long a peer waits for an answer at most: then it is told to send again
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = options::patience)]
    answer_timeout: Duration,

    /// How long a request with ?sync waits for the stores
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = options::patience)]
    sync_timeout: Duration,

    /// How long connections may take to end when it stops, spread over many
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = options::duration)]
    drain: Duration,

    /// How long the stores have at the end for what is not spooled
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = options::duration)]
    close_grace: Duration,

    /// Threads that serve connections
    #[arg(long, value_name = "COUNT", default_value = "1", value_parser = threads)]
    threads: usize,
}

const EXAMPLES: &str = "\
Examples:
  potsdb relay --store tsdb://tsd1,tsd2 --spool /var/spool/potsdb
  potsdb relay --listen 0.0.0.0:4242 --store tsdb://tsd --mirror http://vm:4242 --spool /var/spool/potsdb
  potsdb relay --listen unix:/run/potsdb/relay.sock --store https://tsd.example.com --spool /var/spool/potsdb";

impl Relay {
    pub(crate) fn run(self, output: &Output) -> anyhow::Result<Outcome> {
        let (json, grace, drain) = (self.json, self.close_grace, self.drain);
        let signalled = Arc::new(AtomicU32::new(0));
        let (counted, looks) = (Arc::clone(&signalled), thread::current());
        signals::on_signal(move |count, _| {
            counted.store(count, Ordering::Release);
            looks.unpark();
        })?;
        let relay = potsdb_relay::Relay::start(self.config()).context("cannot relay")?;
        said_where(relay.places(), json, output);
        let signals = || signalled.load(Ordering::Acquire);
        while signals() == 0 {
            tell(&relay, output);
            thread::park_timeout(LOOK);
        }
        relay.begin_to_drain();
        // Connections that say no more go one after the other; a second signal ends them all.
        let latest = Instant::now() + drain + Duration::from_secs(10);
        while signals() == 1 && Instant::now() < latest && !relay.has_drained(LOOK) {
            tell(&relay, output);
        }
        if signals() > 1 {
            relay.hurry();
        }
        tell(&relay, output);
        let ledger = relay.stop(grace);
        match json {
            true => output.json(&object(&ledger)),
            false => words(&ledger, output),
        }
        Ok(Outcome::delivered(is_kept(&ledger)))
    }

    fn config(self) -> Config {
        let stores = self.store.into_iter().map(|url| (url, Role::Store));
        let mirrors = self.mirror.into_iter().map(|url| (url, Role::Mirror));
        Config {
            name: self
                .name
                .or_else(sysinfo::System::host_name)
                .unwrap_or_else(|| "relay".into()),
            listen: self.listen,
            stores: stores
                .chain(mirrors)
                .map(|(url, role)| StoreUrl {
                    url: options::with_scheme(&url),
                    role,
                })
                .collect(),
            spool: Some(self.spool),
            answer_timeout: self.answer_timeout,
            sync_timeout: self.sync_timeout,
            drain: self.drain,
            threads: self.threads,
            ..Config::default()
        }
    }
}

/// How often it is looked whether there is something to do or to tell.
const LOOK: Duration = Duration::from_millis(50);

fn threads(text: &str) -> Result<usize, String> {
    options::whole(text, 1, 256)
}

fn said_where(places: &[Where], json: bool, output: &Output) {
    if !json {
        for place in places {
            output.say(format_args!("listening on {place}"));
        }
        return;
    }
    let listen: Vec<Value> = places
        .iter()
        .map(|place| match place {
            Where::Tcp(address) => json!({ "address": address.to_string(), "port": address.port() }),
            Where::Unix(path) => json!({ "unix": path }),
        })
        .collect();
    let port = places.iter().find_map(|place| match place {
        Where::Tcp(address) => Some(address.port()),
        Where::Unix(_) => None,
    });
    output.json(&json!({ "port": port, "listen": listen }));
}

/// Says what the stores' clients report.
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

fn object(ledger: &Ledger) -> Value {
    let stores = ledger.stores.iter().map(|store| {
        let mut object = Map::new();
        object.insert("store".into(), json!(store.name));
        object.insert("role".into(), json!(store.role.name()));
        object.insert("cut".into(), json!(store.cut));
        object.insert("balanced".into(), json!(store.stats.is_balanced()));
        object.extend(statistics::object(&store.stats));
        Value::Object(object)
    });
    let counts = ledger
        .counts
        .iter()
        .map(|(name, count)| ((*name).to_owned(), json!(count)));
    json!({
        "stores": stores.collect::<Vec<_>>(),
        "counts": Value::Object(counts.collect()),
    })
}

fn words(ledger: &Ledger, output: &Output) {
    for store in &ledger.stores {
        let cut = match store.cut {
            0 => String::new(),
            cut => format!(", {} cut", plural(cut, "line")),
        };
        output.say(format_args!(
            "{} {}: {}{cut}",
            store.role.name(),
            store.name,
            statistics::words(&store.stats)
        ));
    }
}
