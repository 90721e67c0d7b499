//! The instruments of one process by metric and tags, with what limits them.
//!
//! Pure bookkeeping under the lock of `instance.rs`: nothing here sends, logs or waits. What the program should hear comes back
//! as text, for the caller to report when it holds no lock.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use crate::cell::{Cell, CounterCell, GaugeCell, HistogramCell};
use crate::error::InstrumentError;
use crate::live::{Live, Moment, Outputs, Point, Reading};
use crate::slot::{Key, Kind, Slot};

/// Of series, generic so that it can be tested without a client.
#[derive(Debug)]
pub(crate) struct Registry<S> {
    /// The most instruments of a metric; 0: no limit.
    limit: usize,
    items: HashMap<Arc<str>, Item<S>>,
    /// The line of an instrument's first series: the client may repair names, or add tags, so that two have one.
    lines: HashMap<String, Arc<str>>,
    metrics: HashMap<String, Metric>,
    /// The metrics that are sent, and of which instrument.
    owners: HashMap<String, String>,
    /// Metrics that were given a value that is no number.
    refused: HashSet<String>,
    /// Updates of instruments beyond the limit.
    beyond: Arc<AtomicU64>,
    merged: u64,
}

#[derive(Debug)]
struct Item<S> {
    slot: Arc<Slot>,
    cell: Arc<Cell>,
    outputs: Outputs<S>,
    line: String,
    /// From the first update on.
    live: Option<Live>,
    /// Other ways of writing that came to the same.
    others: HashSet<Arc<str>>,
}

#[derive(Debug)]
struct Metric {
    kind: Kind,
    instruments: usize,
    warned: bool,
    full: bool,
}

/// An instrument's slot, and what is to be reported.
type Registered = (Arc<Slot>, Option<String>);

/// What a look-up found.
pub(crate) enum Found {
    Here(Arc<Slot>),
    /// There is no room for it.
    Beyond(Arc<AtomicU64>),
    Absent,
}

/// The points of one moment, and where each instrument's end.
#[derive(Debug)]
pub(crate) struct Collected<S> {
    pub(crate) points: Vec<Point<S>>,
    pub(crate) ends: Vec<(usize, Arc<str>)>,
}

impl<S: Clone> Registry<S> {
    pub(crate) fn new(limit: usize) -> Registry<S> {
        Registry {
            limit,
            items: HashMap::new(),
            lines: HashMap::new(),
            metrics: HashMap::new(),
            owners: HashMap::new(),
            refused: HashSet::new(),
            beyond: Arc::default(),
            merged: 0,
        }
    }

    /// Looks an instrument up, and what is to be reported.
    pub(crate) fn find(&mut self, key: &Key) -> Result<(Found, Option<String>), InstrumentError> {
        if let Some((slot, words)) = self.here(&key.identity, key)? {
            return Ok((Found::Here(slot), words));
        }
        match self.metrics.get_mut(&key.metric) {
            Some(metric) if self.limit > 0 && metric.instruments >= self.limit => {
                let first = !std::mem::replace(&mut metric.full, true);
                let words = first.then(|| {
                    let grows = self.grows(&key.metric);
                    format!(
                        "metric {:?} has {} series, the limit: updates of others are counted and not sent{grows}",
                        key.metric, self.limit
                    )
                });
                Ok((Found::Beyond(Arc::clone(&self.beyond)), words))
            }
            _ => Ok((Found::Absent, None)),
        }
    }

    /// Puts an instrument in that was absent; returns its slot, or that of whoever was quicker, and what is to be reported.
    pub(crate) fn insert(
        &mut self,
        key: Key,
        outputs: Outputs<S>,
        line: String,
        sent: Vec<String>,
    ) -> Result<Registered, InstrumentError> {
        let identity = self.lines.get(&line).unwrap_or(&key.identity);
        if let Some(here) = self.here(&Arc::clone(identity), &key)? {
            return Ok(here);
        }
        if let Some((series, by)) = sent
            .iter()
            .find_map(|name| self.owners.get_key_value(name).filter(|(_, by)| **by != key.metric))
        {
            let (series, by) = (series.clone(), by.clone());
            return Err(InstrumentError::Taken { series, by });
        }
        for name in sent {
            self.owners.entry(name).or_insert_with(|| key.metric.clone());
        }
        let metric = self.metrics.entry(key.metric.clone()).or_insert(Metric {
            kind: key.kind,
            instruments: 0,
            warned: false,
            full: false,
        });
        metric.instruments += 1;
        let near = self.limit > 0 && metric.instruments * 5 >= self.limit * 4;
        let warn = near && !std::mem::replace(&mut metric.warned, true);
        let (instruments, name) = (metric.instruments, key.metric.clone());
        let cell = Arc::new(match key.kind {
            Kind::Counter => Cell::Counter(CounterCell::default()),
            Kind::Gauge => Cell::Gauge(GaugeCell::default()),
            Kind::Histogram => Cell::Histogram(Box::new(HistogramCell::new(Arc::clone(&key.bounds)))),
        });
        let identity = Arc::clone(&key.identity);
        let slot = Arc::new(Slot::new(key));
        let item = Item {
            slot: Arc::clone(&slot),
            cell,
            outputs,
            line: line.clone(),
            live: None,
            others: HashSet::new(),
        };
        self.lines.insert(line, Arc::clone(&identity));
        self.items.insert(identity, item);
        let words = warn.then(|| {
            let grows = self.grows(&name);
            format!(
                "metric {name:?} has {instruments} series of {} it may have{grows}",
                self.limit
            )
        });
        Ok((slot, words))
    }

    /// The cell of an instrument that is updated for the first time, in the second `now`.
    pub(crate) fn begin(&mut self, key: &Key, now: u64) -> Option<Arc<Cell>> {
        let item = self.items.get_mut(&key.identity)?;
        if item.live.is_none() {
            item.live = Some(Live::new(&item.outputs, now));
        }
        Some(Arc::clone(&item.cell))
    }

    /// Makes the points of a moment. Instruments that are idle and that nobody holds are forgotten.
    pub(crate) fn collect(&mut self, moment: Moment, idle: impl Fn(Kind) -> Option<u64>) -> Collected<S> {
        let mut collected = Collected {
            points: Vec::with_capacity(self.items.len()),
            ends: Vec::new(),
        };
        let mut forgotten = Vec::new();
        for (identity, item) in &mut self.items {
            let Some(live) = &mut item.live else { continue };
            let before = collected.points.len();
            let idle = idle(item.slot.key.kind);
            live.collect(&item.outputs, read(&item.cell), moment, idle, &mut collected.points);
            if collected.points.len() > before {
                collected.ends.push((collected.points.len(), Arc::clone(identity)));
            }
            // Under the registry's lock: a handle is only made from another one, or from here.
            if live.rests() && Arc::strong_count(&item.slot) == 1 {
                forgotten.push(Arc::clone(identity));
            }
        }
        for identity in forgotten {
            self.forget(&identity);
        }
        collected
    }

    /// Takes note that points of these instruments were not taken.
    pub(crate) fn unsent(&mut self, identities: &[Arc<str>]) {
        for identity in identities {
            if let Some(live) = self.items.get_mut(identity).and_then(|item| item.live.as_mut()) {
                live.unsent();
            }
        }
    }

    /// Takes note of a value that is no number; whether it is the first one of its metric.
    pub(crate) fn refuse(&mut self, metric: &str) -> bool {
        self.refused.len() < SPELLINGS && self.refused.insert(metric.to_owned())
    }

    /// Everything that is in it, to be dropped with no lock held.
    pub(crate) fn clear(&mut self) -> impl Sized + use<S> {
        std::mem::take(&mut self.items)
    }

    pub(crate) fn len(&self) -> usize {
        self.items.len()
    }

    pub(crate) fn beyond(&self) -> &Arc<AtomicU64> {
        &self.beyond
    }

    pub(crate) fn merged(&self) -> u64 {
        self.merged
    }

    /// The kinds of the metrics that have instruments.
    pub(crate) fn kind(&self, metric: &str) -> Option<Kind> {
        self.metrics.get(metric).map(|metric| metric.kind)
    }

    /// The instrument of that identity, asked for by `key`, and what is to be reported.
    fn here(&mut self, identity: &str, key: &Key) -> Result<Option<Registered>, InstrumentError> {
        let is = self.items.get(identity).map(|item| item.slot.key.kind);
        let is = is.or_else(|| self.kind(&key.metric));
        if let Some(is) = is.filter(|is| *is != key.kind) {
            return Err(InstrumentError::Kind {
                metric: key.metric.clone(),
                is,
                asked: key.kind,
            });
        }
        let Some(item) = self.items.get_mut(identity) else {
            return Ok(None);
        };
        let (first, spelled) = (&item.slot.key.spelled, &key.spelled);
        let is_new = first != spelled && item.others.len() < SPELLINGS && item.others.insert(Arc::clone(spelled));
        let words = is_new.then(|| {
            self.merged += 1;
            let [one, other] = [first, spelled].map(|name| name.replace('\n', " "));
            let metric = &item.slot.key.metric;
            format!("names fall together: {one:?} and {other:?} are one series of the metric {metric:?}")
        });
        Ok(Some((Arc::clone(&item.slot), words)))
    }

    fn forget(&mut self, identity: &str) {
        let Some(item) = self.items.remove(identity) else {
            return;
        };
        self.lines.remove(&item.line);
        if let Some(metric) = self.metrics.get_mut(&item.slot.key.metric) {
            metric.instruments -= 1;
        }
    }

    /// Says which tag of a metric has the most values, if any has several.
    fn grows(&self, metric: &str) -> String {
        let mut values: HashMap<&str, HashSet<&str>> = HashMap::new();
        let of_metric = self.items.values().filter(|item| item.slot.key.metric == metric);
        for (name, value) in of_metric.flat_map(|item| &item.slot.key.tags) {
            values.entry(name).or_default().insert(value);
        }
        match values.into_iter().max_by_key(|(name, values)| (values.len(), *name)) {
            Some((name, values)) if values.len() > 1 => format!("; the tag {name:?} has {} values", values.len()),
            _ => String::new(),
        }
    }
}

fn read(cell: &Cell) -> Reading {
    match cell {
        Cell::Counter(cell) => Reading::Counter(cell.total()),
        Cell::Gauge(cell) => {
            // First whether it was touched: what touches it later is seen next time.
            let touched = cell.take_touched();
            Reading::Gauge {
                value: cell.value(),
                touched,
            }
        }
        Cell::Histogram(cell) => Reading::Histogram(cell.take()),
        Cell::Beyond(_) => Reading::Counter(crate::cell::Total::default()),
    }
}

/// Ways of writing one series, and metrics with refused values, that are told apart. Programs make names of their input.
const SPELLINGS: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    fn key(kind: Kind, metric: &str, tags: &[(&str, &str)]) -> Key {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let tags: Vec<_> = tags.iter().map(owned).collect();
        let spelled = crate::slot::identity(metric, &tags).into();
        Key::new(kind, metric.to_owned(), tags, spelled, [].into())
    }

    fn counter(registry: &mut Registry<()>, tags: &[(&str, &str)]) -> (Option<Arc<Slot>>, Vec<String>) {
        let key = key(Kind::Counter, "hits", tags);
        let (found, words) = registry.find(&key).unwrap();
        let mut said: Vec<String> = words.into_iter().collect();
        let slot = match found {
            Found::Here(slot) => Some(slot),
            Found::Beyond(_) => None,
            Found::Absent => {
                let (line, sent) = (key.identity.to_string(), vec!["hits".to_owned()]);
                let (slot, words) = registry.insert(key, Outputs::Counter(()), line, sent).unwrap();
                said.extend(words);
                Some(slot)
            }
        };
        (slot, said)
    }

    #[test]
    fn the_same_metric_and_tags_are_the_same_instrument_in_any_order() {
        let mut registry = Registry::new(0);
        let one = counter(&mut registry, &[("a", "1"), ("b", "2")]).0.unwrap();
        let same = counter(&mut registry, &[("b", "2"), ("a", "1")]).0.unwrap();
        assert!(Arc::ptr_eq(&one, &same));
        let other = counter(&mut registry, &[("a", "2"), ("b", "1")]).0.unwrap();
        assert!(!Arc::ptr_eq(&one, &other));
        assert_eq!(registry.len(), 2);
    }

    #[test]
    fn near_its_limit_a_metric_names_the_tag_that_grows_and_beyond_it_nothing_is_made() {
        let mut registry = Registry::new(10);
        for user in 0..12 {
            let (slot, said) = counter(
                &mut registry,
                &[("user", &user.to_string()), ("zone", &(user % 2).to_string())],
            );
            assert_eq!(slot.is_some(), user < 10);
            let wanted: &[&str] = match user {
                7 => &["metric \"hits\" has 8 series of 10 it may have; the tag \"user\" has 8 values"],
                10 => &[
                    "metric \"hits\" has 10 series, the limit: updates of others are counted and not sent; \
                       the tag \"user\" has 10 values",
                ],
                _ => &[],
            };
            assert_eq!(said, wanted);
        }
        assert!(
            counter(&mut registry, &[("user", "3"), ("zone", "1")]).0.is_some(),
            "what is there stays"
        );
    }

    #[test]
    fn a_metric_is_of_one_kind_and_no_other_instruments_series() {
        let mut registry = Registry::new(0);
        counter(&mut registry, &[("a", "1")]);
        let gauge = key(Kind::Gauge, "hits", &[("a", "2")]);
        let error = registry.find(&gauge).err().unwrap();
        assert_eq!(
            error.to_string(),
            "metric \"hits\" is a counter already: it cannot be a gauge too"
        );
        let clash = key(Kind::Counter, "hi", &[("a", "1")]);
        let sent = vec!["hits".to_owned()];
        let error = registry
            .insert(clash, Outputs::Counter(()), String::new(), sent)
            .err()
            .unwrap();
        assert_eq!(
            error.to_string(),
            "metric \"hits\" is one of the instrument \"hits\" already"
        );
    }

    #[test]
    fn idle_instruments_that_nobody_holds_make_room() {
        let mut registry = Registry::new(1);
        let held = counter(&mut registry, &[("a", "1")]).0;
        registry.begin(&held.as_ref().unwrap().key, 1000).unwrap();
        registry.collect(Moment::Tick(1010), |_| Some(20));
        registry.collect(Moment::Tick(1030), |_| Some(20));
        assert_eq!(registry.len(), 1, "somebody may go on with it");
        drop(held);
        registry.collect(Moment::Tick(1040), |_| Some(20));
        assert_eq!(registry.len(), 0);
        assert!(counter(&mut registry, &[("a", "2")]).0.is_some());
    }
}
