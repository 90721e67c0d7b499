//! The layer: what a subscriber calls with each event.

use std::cell::Cell;
use std::collections::HashSet;
use std::fmt;
use std::sync::Mutex;

use potsdb::Report;
use potsdb::binding::ClientBinding as _;
use potsdb_instruments::{InstrumentError, Instruments};
use tracing_core::{Event, Field, Subscriber};
use tracing_subscriber::layer::{Context, Layer};

use crate::event::{Chosen, Number, Read, metric};
use crate::handles::{Handle, Handles};

/// A layer that makes counters, gauges and histograms of fields of events.
pub struct MetricsLayer {
    instruments: Instruments,
    chosen: Chosen,
    handles: Handles,
    /// Fields that were reported.
    reported: Mutex<HashSet<&'static str>>,
}

thread_local! {
    /// Whether this thread is in a layer: a value may write events while it is formatted, and a log may be one's own.
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

impl MetricsLayer {
    /// A layer whose instruments are made by these, without tags.
    #[must_use]
    pub fn new(instruments: &Instruments) -> MetricsLayer {
        MetricsLayer {
            instruments: instruments.clone(),
            chosen: Chosen::These(Vec::new()),
            handles: Handles::default(),
            reported: Mutex::default(),
        }
    }

    /// Makes tags of these fields of an event, if it has them.
    #[must_use]
    pub fn tags<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> MetricsLayer {
        self.chosen = Chosen::These(names.into_iter().map(Into::into).collect());
        self
    }

    /// Makes tags of all fields of an event but `message`. Each value makes a series: think of users, addresses and times.
    #[must_use]
    pub fn all_tags(mut self) -> MetricsLayer {
        self.chosen = Chosen::All;
        self
    }

    fn update(&self, field: &Field, number: Option<Number>, tags: &[(&str, String)], spelled: &str) {
        let Some((update, metric)) = metric(field.name()) else {
            return;
        };
        let Some(number) = number else {
            self.instruments.client().count_invalid();
            return self.report(field, "what is in it is no number");
        };
        let is_known = self.handles.with(field, spelled, |handle| match handle {
            Some(handle) => handle.update(number),
            None => self.instruments.client().count_invalid(),
        });
        if is_known {
            return;
        }
        let handle = Handle::new(&self.instruments, update, metric, tags);
        match &handle {
            Ok(handle) => handle.update(number),
            Err(error) => {
                // An illegal name was counted where it was found.
                if !matches!(error, InstrumentError::Invalid(_)) {
                    self.instruments.client().count_invalid();
                }
                self.report(field, &error.to_string());
            }
        }
        self.handles.put(field, spelled.to_owned(), handle.ok());
    }

    /// Tells once of a field. A program has a limited number of them.
    fn report(&self, field: &Field, why: &str) {
        // Whoever holds it tells of something; this is not worth waiting for.
        let is_new = self
            .reported
            .try_lock()
            .is_ok_and(|mut reported| reported.insert(field.name()));
        if is_new {
            let words = format!("field {:?} is not sent: {why}", field.name());
            self.instruments.client().report(Report::Source { words });
        }
    }
}

impl<S: Subscriber> Layer<S> for MetricsLayer {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        let metadata = event.metadata();
        if !metadata.fields().iter().any(|field| metric(field.name()).is_some()) {
            return;
        }
        if metadata.target() == "potsdb" || metadata.target().starts_with("potsdb::") {
            return;
        }
        let Some(_inside) = Inside::enter() else { return };
        let mut read = Read::new(&self.chosen);
        event.record(&mut read);
        let spelled = read.spelled();
        for (field, number) in &read.numbers {
            self.update(field, *number, &read.tags, &spelled);
        }
    }
}

impl fmt::Debug for MetricsLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MetricsLayer({:?})", self.instruments)
    }
}

struct Inside;

impl Inside {
    fn enter() -> Option<Inside> {
        // A thread whose locals are gone is at its end.
        let outside = INSIDE.try_with(|inside| !inside.replace(true)).unwrap_or(false);
        outside.then_some(Inside)
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        let _ = INSIDE.try_with(|inside| inside.set(false));
    }
}
