//! A series: metric and tags, checked and rendered once, for many points.

use std::sync::Arc;

use potsdb_wire::{InvalidPoint, Timestamp, Value};

use crate::error::SendError;
use crate::face::client::Client;
use crate::process::instance::ProcessInstance;
use crate::queue::repeat::CachedSeries;
use crate::queue::{Sent, Wait};

/// A metric with its tags, made once by [`Client::series`] and used for many points.
///
/// Sending through a series does no check and no formatting but that of the number. Cheap to clone;
/// usable from any number of threads. It keeps its client open.
///
/// ```
/// use potsdb::{Client, Sent, Timestamp};
///
/// let client = Client::open("tsdb://localhost?host_tag=false&test_mode=true")?;
/// let load = client.series("host.load", [("core", "1")])?;
/// let at = Timestamp::from_secs(1_767_225_600)?;
/// assert_eq!(load.send_at(0.7, at)?, Sent::Queued);
/// assert_eq!(load.send_at(0.9, at)?, Sent::Repeated, "a series has one value at a time");
/// assert_eq!(format!("{load:?}"), "Series(host.load  core=1)");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Series {
    pub(crate) client: Client,
    pub(crate) known: Arc<CachedSeries>,
    /// The process it was made in: a forked child knows its own series.
    pub(crate) instance: u64,
    /// Whether the last tag has the number of that process.
    pub(crate) ends_in_worker: bool,
}

impl Series {
    /// Sends a value, at the present time. Never blocks, but for `overflow=block`.
    ///
    /// # Errors
    ///
    /// See [`Client::send`].
    #[inline]
    pub fn send(&self, value: impl IntoValue) -> Result<Sent, SendError> {
        self.put(value, None, Wait::Configured, |_| ())
    }

    /// Sends a value at a time of the caller's.
    ///
    /// # Errors
    ///
    /// See [`Client::send`].
    #[inline]
    pub fn send_at(&self, value: impl IntoValue, timestamp: Timestamp) -> Result<Sent, SendError> {
        self.put(value, Some(timestamp), Wait::Configured, |_| ())
    }

    #[inline]
    pub(super) fn put(
        &self,
        value: impl IntoValue,
        timestamp: Option<Timestamp>,
        wait: Wait,
        queued: impl FnOnce(&[u8]),
    ) -> Result<Sent, SendError> {
        let instance = self.client.instance();
        let value = value
            .into_value()
            .map_err(|error| self.client.invalid(instance, error))?;
        if instance.id() != self.instance {
            return self.send_elsewhere(instance, value, timestamp, wait, queued);
        }
        let text = &self.known.text;
        self.client
            .append(instance, text, Some(&self.known), value, timestamp, wait, queued)
    }

    /// In a forked child: what this series remembers, and what the child's other points of the same
    /// series do, is to be the same.
    #[cold]
    fn send_elsewhere(
        &self,
        instance: &ProcessInstance,
        value: Value,
        timestamp: Option<Timestamp>,
        wait: Wait,
        queued: impl FnOnce(&[u8]),
    ) -> Result<Sent, SendError> {
        let known = match instance.worker() {
            Some(worker) if self.ends_in_worker => instance.intern(&self.known.text.with_last_value(worker)),
            _ => instance.intern(&self.known.text),
        };
        self.client
            .append(instance, &known.text, Some(&known), value, timestamp, wait, queued)
    }

    /// The client it is of.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }
}

impl std::fmt::Debug for Series {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = String::from_utf8_lossy(self.known.text.bytes());
        write!(f, "Series({})", text.trim_start_matches("put ").trim_end())
    }
}

/// What can be a value: every integer that fits an `i64`, finite floats, and [`Value`] itself.
///
/// ```
/// use potsdb::{IntoValue, Value};
///
/// assert_eq!(7_u8.into_value()?, Value::try_from(7_i64)?);
/// assert!(0.5.into_value().is_ok());
/// assert!(f64::NAN.into_value().is_err() && u64::MAX.into_value().is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait IntoValue {
    /// Makes the value.
    ///
    /// # Errors
    ///
    /// NaN, infinity, and integers beyond `i64`.
    fn into_value(self) -> Result<Value, InvalidPoint>;
}

impl<T> IntoValue for T
where
    T: TryInto<Value>,
    InvalidPoint: From<T::Error>,
{
    #[inline]
    fn into_value(self) -> Result<Value, InvalidPoint> {
        self.try_into().map_err(InvalidPoint::from)
    }
}
