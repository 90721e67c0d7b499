//! The instruments of a client: made by name, sent together.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, Weak};

use potsdb::binding::ClientBinding as _;
use potsdb::binding::source::{PerProcess, Source};
use potsdb::{Client, InvalidPoint, Report, Series, TagIter, Tags};

use crate::cell::Cell;
use crate::error::InstrumentError;
use crate::handles::{Counter, Gauge, Histogram, Timer};
use crate::instance::{ProcessInstance, Ticked, lock};
use crate::live::Outputs;
use crate::registry::Found;
use crate::settings::{Builder, Settings, are_bounds};
use crate::slot::{Key, Kind, Slot, identity};

/// Counters, gauges, histograms and timers that are added up in the process, and sent through a client at aligned ticks.
///
/// Cheap to clone, usable from any number of threads. Asked twice for the same metric and tags it hands out the same
/// instrument. [`Client::flush`] and [`Client::close`] send the last state first, and so does dropping the last handle, this or an
/// instrument's. After a fork the child starts at zero.
///
/// ```no_run
/// use potsdb_instruments::Instruments;
///
/// let client = potsdb::Client::open("tsdb://localhost:4242")?;
/// let instruments = Instruments::new(&client);
/// let requests = instruments.counter("web.requests", [("path", "/login")])?;
/// requests.add(1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Instruments {
    handle: Arc<Handle>,
}

struct Handle {
    client: Client,
    settings: Settings,
    instance: PerProcess<Arc<ProcessInstance>>,
    described: PerProcess<Mutex<BTreeMap<String, Description>>>,
}

/// What a metric is, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Description {
    /// The metric.
    pub metric: String,
    /// Its kind, if it has instruments.
    pub kind: Option<Kind>,
    /// What it is measured in, like `seconds` or `bytes`.
    pub unit: String,
    /// What it means.
    pub text: String,
}

/// What instruments did not send, in this process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Instruments there are.
    pub instruments: usize,
    /// Updates that were refused: with what is no finite number, or would make a counter fall.
    pub refused: u64,
    /// Updates of series beyond the limit.
    pub beyond_limit: u64,
    /// Names that fell together with others.
    pub merged: u64,
}

impl Instruments {
    /// Instruments of a client, with the defaults.
    #[must_use]
    pub fn new(client: &Client) -> Instruments {
        Instruments::start(client.clone(), Settings::unsaid())
    }

    /// Begins to build instruments of a client.
    pub fn builder(client: &Client) -> Builder {
        Builder::new(client)
    }

    pub(crate) fn start(client: Client, settings: Settings) -> Instruments {
        Instruments {
            handle: Arc::new(Handle {
                client,
                settings,
                instance: PerProcess::default(),
                described: PerProcess::default(),
            }),
        }
    }

    /// Hands out a counter, made if there is none.
    ///
    /// # Errors
    ///
    /// Illegal names; a metric that is another kind of instrument, or one of another's series.
    pub fn counter(&self, metric: &str, tags: impl Tags) -> Result<Counter, InstrumentError> {
        Ok(Counter::new(self.slot(Kind::Counter, metric, tags)?, self.clone()))
    }

    /// Hands out a gauge, made if there is none.
    ///
    /// # Errors
    ///
    /// See [`counter`](Instruments::counter).
    pub fn gauge(&self, metric: &str, tags: impl Tags) -> Result<Gauge, InstrumentError> {
        Ok(Gauge::new(self.slot(Kind::Gauge, metric, tags)?, self.clone()))
    }

    /// Hands out a histogram, made if there is none.
    ///
    /// # Errors
    ///
    /// See [`counter`](Instruments::counter).
    pub fn histogram(&self, metric: &str, tags: impl Tags) -> Result<Histogram, InstrumentError> {
        Ok(Histogram::new(self.slot(Kind::Histogram, metric, tags)?, self.clone()))
    }

    /// Hands out a histogram that counts in buckets with these bounds, made if there is none. One that is there keeps its own.
    ///
    /// # Errors
    ///
    /// See [`counter`](Instruments::counter); bounds that are not finite or do not increase.
    pub fn histogram_with_buckets(
        &self,
        metric: &str,
        tags: impl Tags,
        bounds: &[f64],
    ) -> Result<Histogram, InstrumentError> {
        if !are_bounds(bounds) {
            let metric = metric.to_owned();
            return Err(InstrumentError::Buckets { metric });
        }
        let key = self.key(Kind::Histogram, metric, tags, bounds.into());
        Ok(Histogram::new(self.register(key)?, self.clone()))
    }

    /// Hands out a timer, made if there is none.
    ///
    /// # Errors
    ///
    /// See [`counter`](Instruments::counter).
    pub fn timer(&self, metric: &str, tags: impl Tags) -> Result<Timer, InstrumentError> {
        Ok(Timer::new(self.slot(Kind::Histogram, metric, tags)?, self.clone()))
    }

    /// Sends everything with the time `at`, seconds since 1970, as a tick does: for a program that makes its
    /// [ticks itself](Builder::ticks_by_program). An instrument that has a point of that time or a later one is left out.
    pub fn tick(&self, at: u64) -> Ticked {
        self.handle.instance().tick(at)
    }

    /// Says what a metric is measured in and means; the last word counts. OpenTSDB's `put` has no place for it, so it
    /// is kept, for [`descriptions`](Instruments::descriptions).
    pub fn describe(&self, metric: &str, unit: &str, text: &str) {
        let metric = self.handle.settings.names.apply(metric).into_owned();
        let description = Description {
            metric: metric.clone(),
            kind: None,
            unit: unit.to_owned(),
            text: text.to_owned(),
        };
        lock(self.handle.described.get_or_make(Mutex::default)).insert(metric, description);
    }

    /// What was said about metrics in this process, by name.
    #[must_use]
    pub fn descriptions(&self) -> Vec<Description> {
        let Some(described) = self.handle.described.get() else {
            return Vec::new();
        };
        let mut descriptions: Vec<_> = lock(described).values().cloned().collect();
        if let Some(instance) = self.handle.instance.get() {
            let registry = instance.registry();
            for description in &mut descriptions {
                description.kind = registry.kind(&description.metric);
            }
        }
        descriptions
    }

    /// What was not sent, and why.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let Some(instance) = self.handle.instance.get() else {
            return Stats::default();
        };
        let registry = instance.registry();
        Stats {
            instruments: registry.len(),
            refused: instance.refused.load(Ordering::Relaxed),
            beyond_limit: registry.beyond().load(Ordering::Relaxed),
            merged: registry.merged(),
        }
    }

    /// The client they are sent through.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.handle.client
    }

    fn slot(&self, kind: Kind, metric: &str, tags: impl Tags) -> Result<Arc<Slot>, InstrumentError> {
        let bounds = match kind {
            Kind::Histogram => Arc::clone(self.handle.settings.bounds(metric)),
            _ => [].into(),
        };
        self.register(self.key(kind, metric, tags, bounds))
    }

    fn key(&self, kind: Kind, metric: &str, tags: impl Tags, bounds: Arc<[f64]>) -> Key {
        let names = self.handle.settings.names;
        let (mut sent, mut spelled) = (Vec::new(), Vec::new());
        let Ok(()) = tags.try_for_each(|name, value| {
            sent.push((names.apply(name).into_owned(), names.apply(value).into_owned()));
            spelled.push((name.to_owned(), value.to_owned()));
            Ok::<(), Infallible>(())
        });
        let spelled = identity(metric, &spelled).into();
        Key::new(kind, names.apply(metric).into_owned(), sent, spelled, bounds)
    }

    /// Finds the slot, or makes it.
    fn register(&self, key: Key) -> Result<Arc<Slot>, InstrumentError> {
        let instance = self.handle.instance();
        let (found, words) = instance.registry().find(&key)?;
        self.report(words);
        match found {
            Found::Here(slot) => return Ok(slot),
            Found::Beyond(updates) => return Ok(Arc::new(Slot::with(key, Cell::Beyond(updates)))),
            Found::Absent => {}
        }
        // With no lock held: the client looks its own series up.
        let mut sent = Vec::new();
        let outputs = self.outputs(&key, &mut sent)?;
        let line = format!("{:?}", outputs.first());
        let (slot, words) = instance.registry().insert(key, outputs, line, sent)?;
        self.report(words);
        Ok(slot)
    }

    /// The series of an instrument, and the metrics that they are of.
    fn outputs(&self, key: &Key, sent: &mut Vec<String>) -> Result<Outputs<Series>, InvalidPoint> {
        let settings = &self.handle.settings;
        let mut series = |metric: &str, extra: Option<(&str, String)>| {
            let own = key.tags.iter().map(|(name, value)| (name.as_str(), value.as_str()));
            let more = extra.as_ref().map(|(name, value)| (*name, value.as_str()));
            let series = self.handle.client.series(metric, TagIter(own.chain(more)))?;
            if !sent.iter().any(|before| before == metric) {
                sent.push(metric.to_owned());
            }
            Ok::<_, InvalidPoint>(series)
        };
        Ok(match key.kind {
            Kind::Counter => Outputs::Counter(series(&key.metric, None)?),
            Kind::Gauge => Outputs::Gauge(series(&key.metric, None)?),
            Kind::Histogram => {
                let quantiles = &settings.quantiles;
                let series = settings.style.histogram(&key.metric, quantiles, &key.bounds, series)?;
                Outputs::Histogram(Box::new(series))
            }
        })
    }

    /// The cell of an instrument that is updated for the first time in this process: its birth. In a forked child it is
    /// registered first.
    #[cold]
    pub(crate) fn begin(&self, key: &Key) -> Arc<Cell> {
        let instance = self.handle.instance();
        let mut key = key.clone();
        loop {
            let begun = instance.registry().begin(&key, instance.birth());
            if let Some(cell) = begun {
                instance.start_ticker();
                return cell;
            }
            match self.register(key) {
                Ok(slot) => {
                    // There may be no room for it here.
                    if let Some(Cell::Beyond(updates)) = slot.existing() {
                        return Arc::new(Cell::Beyond(Arc::clone(updates)));
                    }
                    key = slot.key.clone();
                }
                // Another kind has taken its metric in this process.
                Err(error) => {
                    self.report(Some(error.to_string()));
                    return Arc::new(Cell::Beyond(Arc::clone(instance.registry().beyond())));
                }
            }
        }
    }

    /// Counts an update that is refused.
    #[cold]
    pub(crate) fn refuse(&self, key: &Key, value: f64) {
        let instance = self.handle.instance();
        instance.refused.fetch_add(1, Ordering::Relaxed);
        if instance.registry().refuse(&key.metric) {
            let rule = if value.is_finite() {
                "less than a total that only grows"
            } else {
                "no finite number"
            };
            self.report(Some(format!(
                "metric {:?}: {value} is {rule}: refused, like others to come",
                key.metric
            )));
        }
    }

    fn report(&self, words: Option<String>) {
        if let Some(words) = words {
            self.handle.client.report(Report::Source { words });
        }
    }
}

impl Handle {
    /// The running process's instance, attached to the client.
    fn instance(&self) -> &Arc<ProcessInstance> {
        self.instance.get_or_make(|| {
            let instance = Arc::new(ProcessInstance::new(&self.settings));
            let source: Weak<dyn Source> = Arc::<ProcessInstance>::downgrade(&instance);
            self.client.attach(source);
            instance
        })
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // An instance inherited by fork is the parent's.
        if let Some(instance) = self.instance.get() {
            instance.finish();
        }
    }
}

impl fmt::Debug for Instruments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Instruments({:?})", self.handle.client)
    }
}
