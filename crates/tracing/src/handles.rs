//! The instruments of fields, each of the kind that its prefix asks for.
//!
//! They are found again by the field, which a program has a limited number of, and the tags; so is what cannot be had. The lock is
//! never waited for: the instruments are asked instead. So a process forked while another thread held it works.

use std::collections::HashMap;
use std::sync::{RwLock, TryLockError};

use potsdb_instruments::{Counter, Gauge, Histogram, InstrumentError, Instruments};
use tracing_core::Field;

use crate::event::{Number, Update};

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

/// Of a field, so many series are found again; then it begins anew, and what is idle is let go of.
const FULL: usize = 1024;

/// What cannot be had is `None`.
#[derive(Default)]
pub(crate) struct Handles(RwLock<HashMap<Field, OfTags>>);

type OfTags = HashMap<String, Option<Handle>>;

impl Handles {
    /// Calls with what is known of a field and tags; returns whether anything is.
    pub(crate) fn with(&self, field: &Field, tags: &str, call: impl FnOnce(Option<&Handle>)) -> bool {
        let handles = now(self.0.try_read());
        let known = handles.as_ref().and_then(|handles| handles.get(field)?.get(tags));
        known.map(|handle| call(handle.as_ref())).is_some()
    }

    pub(crate) fn put(&self, field: &Field, tags: String, handle: Option<Handle>) {
        // Dropped when the lock is not held any more: a handle may be the last of its instruments.
        let _forgotten = now(self.0.try_write()).and_then(|mut handles| {
            let of_field = handles.entry(field.clone()).or_default();
            let forgotten = (of_field.len() >= FULL).then(|| std::mem::take(of_field));
            of_field.insert(tags, handle);
            forgotten
        });
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
