//! A slot: what all handles of one instrument share. It finds the cell of the running process.
//!
//! ```text
//! Counter, Gauge, ... --> slot --parent--> cell
//!                             '---child--> another cell, from 0
//! ```
//!
//! A cell comes with the first update in a process, and with it the instrument's birth and the ticker. From then on an update
//! costs one load to see that the process is still the same. So a forked child starts at zero, and an instrument that it never
//! updates is only its parent's to send.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use potsdb::binding::source::PerProcess;

use crate::cell::Cell;
use crate::instruments::Instruments;

/// What kind of instrument a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// A total that grows.
    Counter,
    /// A value that goes up and down.
    Gauge,
    /// A distribution of values. Timers are histograms of seconds.
    Histogram,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        })
    }
}

/// What an instrument is asked for by: metric and tags as they will be sent.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    pub(crate) kind: Kind,
    pub(crate) metric: String,
    /// In the order in which they were given, which is that of the line.
    pub(crate) tags: Vec<(String, String)>,
    /// The same for every order of the tags.
    pub(crate) identity: Arc<str>,
    /// The same of metric and tags as the program wrote them.
    pub(crate) spelled: Arc<str>,
    /// The bounds of a histogram's buckets, if it has any.
    pub(crate) bounds: Arc<[f64]>,
}

impl Key {
    pub(crate) fn new(
        kind: Kind,
        metric: String,
        tags: Vec<(String, String)>,
        spelled: Arc<str>,
        bounds: Arc<[f64]>,
    ) -> Key {
        let identity = identity(&metric, &tags).into();
        Key {
            kind,
            metric,
            tags,
            identity,
            spelled,
            bounds,
        }
    }
}

/// Metric and tags as one text. Names hold no newline, or the series is refused.
pub(crate) fn identity(metric: &str, tags: &[(String, String)]) -> String {
    let sorted: BTreeMap<_, _> = tags.iter().map(|(name, value)| (name, value)).collect();
    let mut identity = metric.to_owned();
    for (name, value) in sorted {
        for part in ["\n", name, "\n", value] {
            identity.push_str(part);
        }
    }
    identity
}

pub(crate) struct Slot {
    pub(crate) key: Key,
    cells: PerProcess<Arc<Cell>>,
}

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Slot({:?})", self.key)
    }
}

impl Slot {
    pub(crate) fn new(key: Key) -> Slot {
        Slot {
            key,
            cells: PerProcess::default(),
        }
    }

    /// A slot whose updates in this process go to that cell.
    pub(crate) fn with(key: Key, cell: Cell) -> Slot {
        let slot = Slot::new(key);
        slot.cells.get_or_make(|| Arc::new(cell));
        slot
    }

    /// The running process's cell.
    #[inline]
    pub(crate) fn cell(&self, instruments: &Instruments) -> &Cell {
        self.cells.get_or_make(|| instruments.begin(&self.key))
    }

    /// The cell, if there was an update in this process.
    pub(crate) fn existing(&self) -> Option<&Cell> {
        self.cells.get().map(|cell| &**cell)
    }
}
