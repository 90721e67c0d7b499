//! The instruments of fields, each of the kind that its prefix asks for.
//!
//! Those of events without tags are found again by their field, which a program has a limited number of. The lock is never
//! waited for: the instruments are asked instead. So a process forked while another thread held it works.

use std::collections::HashMap;
use std::sync::{RwLock, TryLockError};

use potsdb_instruments::{Counter, Gauge, Histogram, InstrumentError, Instruments};
use tracing_core::Field;

use crate::event::{Number, Update};

#[derive(Clone)]
pub(crate) enum Handle {
    Count(Counter),
    Move(Gauge),
    Set(Gauge),
    Record(Histogram),
}

impl Handle {
    pub(crate) fn new(
        instruments: &Instruments,
        update: Update,
        metric: &str,
        tags: &[(&str, String)],
    ) -> Result<Handle, InstrumentError> {
        let tags = tags.iter().map(|(name, value)| (*name, value.as_str()));
        Ok(match update {
            Update::Count => Handle::Count(instruments.counter(metric, tags)?),
            Update::Move => Handle::Move(instruments.gauge(metric, tags)?),
            Update::Set => Handle::Set(instruments.gauge(metric, tags)?),
            Update::Record => Handle::Record(instruments.histogram(metric, tags)?),
        })
    }

    pub(crate) fn update(&self, number: Number) {
        match (self, number) {
            (Handle::Count(counter), Number::Whole(more)) => counter.add(more),
            (Handle::Count(counter), Number::Float(more)) => counter.add_float(more),
            (Handle::Move(gauge), more) => gauge.add(more.float()),
            (Handle::Set(gauge), value) => gauge.set(value.float()),
            (Handle::Record(histogram), value) => histogram.record(value.float()),
        }
    }
}

#[derive(Default)]
pub(crate) struct Handles(RwLock<HashMap<Field, Handle>>);

impl Handles {
    pub(crate) fn get(&self, field: &Field) -> Option<Handle> {
        now(self.0.try_read())?.get(field).cloned()
    }

    pub(crate) fn put(&self, field: &Field, handle: &Handle) {
        if let Some(mut handles) = now(self.0.try_write()) {
            handles.insert(field.clone(), handle.clone());
        }
    }
}

/// The guard, unless it had to be waited for.
fn now<G>(tried: Result<G, TryLockError<G>>) -> Option<G> {
    match tried {
        Ok(guard) => Some(guard),
        Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}
