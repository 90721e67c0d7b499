//! The recorder: what the macros call.
//!
//! A macro asks for its handle each time, so handles are found again by their key (`cache.rs`), without rendering or checking
//! anything. One that is new is made by the instruments, which know what is legal.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, SharedString, Unit};
use potsdb::binding::ClientBinding as _;
use potsdb::{Report, TagIter, Tags};
use potsdb_instruments::{InstrumentError, Instruments};

use crate::cache::Cache;
use crate::exporter::Exporter;
use crate::updates::{Count, Level, Refused, Values};

/// A recorder of `metrics` that sends through a client. From [`Builder`](crate::Builder).
pub struct Recorder {
    instruments: Instruments,
    counters: Cache<Counter>,
    gauges: Cache<Gauge>,
    histograms: Cache<Histogram>,
    /// Updates of metrics that could not be had.
    refused: Arc<AtomicU64>,
    reported: AtomicUsize,
    grace: Duration,
}

/// So many metrics that cannot be had are reported. Programs make names of their input.
const REPORTED: usize = 100;

impl Recorder {
    pub(crate) fn new(instruments: Instruments, grace: Duration) -> Recorder {
        Recorder {
            instruments,
            counters: Cache::default(),
            gauges: Cache::default(),
            histograms: Cache::default(),
            refused: Arc::default(),
            reported: AtomicUsize::new(0),
            grace,
        }
    }

    /// The way to flush and end it.
    pub fn exporter(&self) -> Exporter {
        Exporter::new(self.instruments.clone(), Arc::clone(&self.refused), self.grace)
    }

    /// What a macro gets in place of a metric that cannot be had. Its caller keeps it, so this is said once.
    fn refuse(&self, error: &InstrumentError) -> Arc<Refused> {
        if self.reported.fetch_add(1, Ordering::Relaxed) < REPORTED {
            let words = format!("{error}: its updates are counted and not sent");
            self.instruments.client().report(Report::Source { words });
        }
        Arc::new(Refused(Arc::clone(&self.refused)))
    }

    fn describe(&self, key: &KeyName, unit: Option<Unit>, text: &SharedString) {
        let unit = unit.map_or("", |unit| unit.as_str());
        self.instruments.describe(key.as_str(), unit, text);
    }
}

fn tags(key: &Key) -> impl Tags {
    TagIter(key.labels().map(|label| (label.key(), label.value())))
}

impl metrics::Recorder for Recorder {
    fn describe_counter(&self, key: KeyName, unit: Option<Unit>, description: SharedString) {
        self.describe(&key, unit, &description);
    }

    fn describe_gauge(&self, key: KeyName, unit: Option<Unit>, description: SharedString) {
        self.describe(&key, unit, &description);
    }

    fn describe_histogram(&self, key: KeyName, unit: Option<Unit>, description: SharedString) {
        self.describe(&key, unit, &description);
    }

    fn register_counter(&self, key: &Key, _metadata: &Metadata<'_>) -> Counter {
        self.counters
            .find(key, || match self.instruments.counter(key.name(), tags(key)) {
                Ok(counter) => Counter::from_arc(Arc::new(Count(counter))),
                Err(error) => Counter::from_arc(self.refuse(&error)),
            })
    }

    fn register_gauge(&self, key: &Key, _metadata: &Metadata<'_>) -> Gauge {
        self.gauges
            .find(key, || match self.instruments.gauge(key.name(), tags(key)) {
                Ok(gauge) => Gauge::from_arc(Arc::new(Level(gauge))),
                Err(error) => Gauge::from_arc(self.refuse(&error)),
            })
    }

    fn register_histogram(&self, key: &Key, _metadata: &Metadata<'_>) -> Histogram {
        self.histograms
            .find(key, || match self.instruments.histogram(key.name(), tags(key)) {
                Ok(histogram) => Histogram::from_arc(Arc::new(Values(histogram))),
                Err(error) => Histogram::from_arc(self.refuse(&error)),
            })
    }
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Recorder({:?})", self.instruments)
    }
}
