//! The relay: start, what it tells, stop.
//!
//! ```text
//! start: stores --> doors --> serving        drain: no new connections --> each quiet one ends, answered --> the stores close
//! ```

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use potsdb::binding::BuilderBinding as _;
use potsdb::{Ack, Builder, Client, HostTag, Options, Overflow, Repeats, Stats};
use potsdb_front::{Door, Front, Where};
use potsdb_spool::store_name;
use potsdb_wire::Rules;
use tokio::time::Instant;

use crate::backend::Relaying;
use crate::config::{Config, StoreUrl};
use crate::door::KeyRing;
use crate::loops::Asking;
use crate::rounds::Rounds;
use crate::settings::Settings;
use crate::shared::{Life, Shared};
use crate::stores::{Role, Store};
use crate::upstream::ClientUpstream;
use crate::{door, status};

/// A running relay. Dropping it stops it where it is; [`Relay::stop`] drains it.
pub struct Relay {
    // Before what they look after: they end first.
    _rounds: Rounds,
    _asking: Asking,
    front: Front,
    shared: Arc<Shared>,
    ring: Arc<KeyRing>,
    /// The stores' folders in the spool.
    folders: Vec<String>,
    /// What it was started with, or told since.
    config: Config,
}

/// Why a relay cannot start, in words.
#[derive(Debug)]
pub struct StartError(pub(crate) String);

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for StartError {}

/// What became of everything, store by store.
#[derive(Clone, Debug)]
pub struct Ledger {
    /// Each store's, in the order they were given.
    pub stores: Vec<StoreLedger>,
    /// What the relay counted, by name.
    pub counts: Vec<(&'static str, u64)>,
}

/// One store's.
#[derive(Clone, Debug)]
pub struct StoreLedger {
    /// Its URL, without secrets.
    pub name: String,
    /// What it is for.
    pub role: Role,
    /// Lines it was not given because it had no room; of mirrors alone.
    pub cut: u64,
    /// Its client's statistics.
    pub stats: Stats,
}

impl Relay {
    /// Opens the stores' spools, listens, and serves.
    ///
    /// # Errors
    ///
    /// When a URL or an option is wrong, a spool cannot be opened, or a place cannot be listened at.
    pub fn start(config: Config) -> Result<Relay, StartError> {
        Relay::start_with(config, Vec::new())
    }

    /// The same with doors besides those of the configuration, each with a name for errors: sockets that listen already.
    ///
    /// # Errors
    ///
    /// As [`Relay::start`].
    pub fn start_with(config: Config, inherited: Vec<(String, Door)>) -> Result<Relay, StartError> {
        let limits = config.limits.clone();
        let ring = Arc::new(KeyRing::open(&config.keys)?);
        let mut doors = inherited;
        doors.extend(door::doors(&config)?);
        let bound = Front::bind_doors(doors, config.threads)
            .map_err(|(place, error)| StartError(format!("cannot listen at {place}: {error}")))?;
        let (clients, legal) = clients(&config)?;
        let stores = clients
            .into_iter()
            .map(|(name, role, client)| Store::new(name, role, Box::new(ClientUpstream(client))))
            .collect();
        let settings = Settings::of(&config);
        let shared = Arc::new(Shared::new(config.name.clone(), stores, legal, settings, limits));
        let options = potsdb_front::Options {
            limits: config.limits.clone(),
            login: ring.login.clone(),
            tls: ring.tls.clone(),
        };
        let no_thread = |error| StartError(format!("no thread can be started: {error}"));
        let front = bound
            .serve(Arc::new(Relaying(Arc::clone(&shared))), options)
            .map_err(no_thread)?;
        let rounds = Rounds::start(Arc::clone(&shared), Arc::clone(&ring)).map_err(no_thread)?;
        let asking = Asking::start(Arc::clone(&shared)).map_err(no_thread)?;
        Ok(Relay {
            _rounds: rounds,
            _asking: asking,
            front,
            folders: folders(&shared),
            shared,
            ring,
            config,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn places(&self) -> &[Where] {
        self.front.places()
    }

    /// Checks what a relay would be started with, and starts none: nothing is opened but what files name.
    ///
    /// # Errors
    ///
    /// As [`Relay::start`], but for what only starting finds.
    pub fn check(config: &Config) -> Result<(), StartError> {
        door::doors(config)?;
        KeyRing::open(&config.keys)?;
        clients(config).map(drop)
    }

    /// What an operator should know about how it was set up.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        door::warnings(&self.config)
    }

    /// Takes over what can be told anew: rules, who may come in, paces, times; and reads secrets and certificates again.
    ///
    /// # Errors
    ///
    /// What is wrong, or needs a restart; everything stays as it was then.
    pub fn reload(&mut self, config: Config) -> Result<(), StartError> {
        for (same, what) in [
            (config.listen == self.config.listen, "where it listens"),
            (config.stores == self.config.stores, "its stores"),
            (config.spool == self.config.spool, "its spool"),
            (config.limits == self.config.limits, "its limits"),
            (config.keys == self.config.keys, "the files of its secrets"),
            (config.name == self.config.name, "its name"),
            (config.threads == self.config.threads, "how many threads it has"),
        ] {
            if !same {
                return Err(StartError(format!("{what} can be changed by a restart alone")));
            }
        }
        self.ring.read_again()?;
        self.shared.settings.set(Settings::of(&config));
        self.config = config;
        Ok(())
    }

    /// What an operator should hear, since this was asked last: what the stores' clients report, each line with its store,
    /// and what the relay found itself.
    #[must_use]
    pub fn reports(&self) -> Vec<String> {
        let mut heard = self.shared.take_notes();
        for store in &*self.shared.stores {
            let reports = store.upstream.reports().into_iter().map(|report| report.to_string());
            // Each client finds the others' folders beside its own, which is as it should be.
            let reports = reports.filter(|words| !self.is_of_another(words));
            heard.extend(reports.map(|words| format!("{}: {words}", store.name)));
        }
        heard
    }

    /// Whether a report is of a folder in the spool that is another store's of this relay.
    fn is_of_another(&self, words: &str) -> bool {
        let names = self.folders.iter().any(|folder| words.contains(folder.as_str()));
        names && words.ends_with("is of another store, and left as it is")
    }

    /// Whether the loop that serves connections turns: it did within the last five seconds.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.shared.has_turned(ALIVE)
    }

    /// What `/status` says.
    #[must_use]
    pub fn status(&self) -> serde_json::Value {
        status::status(&self.shared)
    }

    /// Takes no connections from now on; those there are end as they are quiet.
    pub fn begin_to_drain(&self) {
        let connections = u32::try_from(self.shared.connections()).unwrap_or(u32::MAX);
        // A few at once are no storm.
        let spread = self
            .config
            .drain
            .min(SPREAD_EACH.saturating_mul(connections.saturating_sub(FEW)));
        self.shared.life.send_if_modified(|life| {
            let begins = *life == Life::Serving;
            if begins {
                *life = Life::Draining {
                    since: Instant::now(),
                    spread,
                };
            }
            begins
        });
    }

    /// Ends every connection where it is.
    pub fn hurry(&self) {
        self.shared.life.send_replace(Life::Ending);
    }

    /// Whether connections have ended; waits for that, at most this long.
    #[must_use]
    pub fn has_drained(&self, timeout: Duration) -> bool {
        self.shared.wait_until_closed(timeout)
    }

    /// Drains what is left, closes the stores within this time each, and says what became of everything.
    #[must_use]
    pub fn stop(mut self, grace: Duration) -> Ledger {
        self.begin_to_drain();
        let latest = self.config.drain + self.config.answer_timeout + SLACK;
        if !self.has_drained(latest) {
            self.hurry();
            let _ = self.has_drained(SLACK);
        }
        self.front.stop();
        let stats: Vec<Stats> = std::thread::scope(|scope| {
            let stores = self.shared.stores.iter();
            let closing: Vec<_> = stores
                .map(|store| scope.spawn(|| store.upstream.close(grace)))
                .collect();
            closing
                .into_iter()
                .map(|closed| closed.join().unwrap_or_default())
                .collect()
        });
        let stores = self.shared.stores.iter().zip(stats).map(|(store, stats)| StoreLedger {
            name: store.name.clone(),
            role: store.role,
            cut: store.cut.load(std::sync::atomic::Ordering::Relaxed),
            stats,
        });
        Ledger {
            stores: stores.collect(),
            counts: self.shared.counts.pairs(),
        }
    }
}

impl Ledger {
    /// Whether every store's sums add up.
    #[must_use]
    pub fn is_balanced(&self) -> bool {
        self.stores.iter().all(|store| store.stats.is_balanced())
    }
}

/// How far connections end from each other when the relay stops: a fleet does not come back at once.
const SPREAD_EACH: Duration = Duration::from_millis(5);

/// So many may.
const FEW: u32 = 100;

/// How long the loop may take for a turn; [`Relay::is_alive`] names it.
const ALIVE: Duration = Duration::from_secs(5);

const SLACK: Duration = Duration::from_secs(1);

/// A store's name, what it is for, and its client.
type OfStore = (String, Role, Client);

/// The stores' clients, and the rules of points, which all have in common. No client has begun: no spool is opened.
fn clients(config: &Config) -> Result<(Vec<OfStore>, Rules), StartError> {
    if !config.stores.iter().any(|store| store.role == Role::Store) {
        return Err(StartError("a relay needs a store to forward to".into()));
    }
    let mut rules = None;
    let mut clients: Vec<OfStore> = Vec::new();
    for StoreUrl { url, role } in &config.stores {
        let said = |error: &dyn fmt::Display| StartError(format!("{} {}: {error}", role.name(), hidden(url)));
        let client = client(config, url, *role).map_err(|error| said(&error))?;
        if let Some(rule) = voids(client.options(), config, *role) {
            return Err(said(&rule));
        }
        let of_client = Rules::new(client.options().names, client.options().max_tags);
        if *rules.get_or_insert_with(|| of_client.clone()) != of_client {
            return Err(said(&"names and max_tags have to be the same for all stores"));
        }
        let name = named(&client);
        if clients.iter().any(|(other, ..)| *other == name) {
            return Err(said(&"there are two of them, and they are one store"));
        }
        clients.push((name, *role, client));
    }
    Ok((clients, rules.unwrap_or_default()))
}

/// What of a store's options would make the relay's yes mean nothing.
fn voids(options: &Options, config: &Config, role: Role) -> Option<&'static str> {
    let is_store = role == Role::Store;
    if options.spool != config.spool {
        Some("option spool: the relay's own option says where the spool is")
    } else if is_store && !matches!(options.overflow, Overflow::Block(_)) {
        Some("option overflow: what was said yes to is not dropped; only a mirror may drop points")
    } else if is_store && options.ack == Ack::None {
        Some("option ack: without answers nothing is known to be safe")
    } else {
        None
    }
}

/// A client of one store: lines are taken as they are, with their own tags and times.
fn client(config: &Config, url: &str, role: Role) -> Result<Client, potsdb::ConfigError> {
    let mut defaults = Options::default();
    defaults.host_tag = HostTag::None;
    defaults.repeats = Repeats::Keep;
    // One folder below it for each store, named by its endpoints.
    defaults.spool = config.spool.clone();
    defaults.overflow = match role {
        Role::Store => Overflow::Block(None),
        Role::Mirror => Overflow::DropOldest,
    };
    Builder::over(defaults, url, None).build()
}

/// The folders of all stores in the spool, but for those whose URL names another one.
fn folders(shared: &Shared) -> Vec<String> {
    let of = |store: &Arc<Store>| store_name(None, &store.name.split(',').collect::<Vec<_>>());
    shared.stores.iter().map(of).collect()
}

/// Its endpoints, without options and secrets.
fn named(client: &Client) -> String {
    let names: Vec<String> = client.endpoints().iter().map(ToString::to_string).collect();
    names.join(",")
}

/// A URL without what follows its hosts, which may be secret.
fn hidden(url: &str) -> &str {
    url.split('?').next().unwrap_or_default()
}
