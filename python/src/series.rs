//! A metric with its tags, made once and used for many points.

use std::sync::Arc;

use potsdb::binding::{SeriesBinding as _, Wait};
use potsdb::{SendError, Sent};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyBool;

use crate::core::{Handle, Origin};
use crate::errors::Refusal;
use crate::fastcall::{Arguments, Keyword};
use crate::values;

/// One series of a client.
#[pyclass(frozen, weakref, module = "potsdb")]
pub(crate) struct Series {
    pub(crate) handle: Arc<Handle>,
    /// Why there is none: then each send counts as invalid, as it would without a series.
    pub(crate) series: Result<potsdb::Series, String>,
    pub(crate) metric: String,
}

#[pymethods]
impl Series {
    fn __repr__(&self) -> String {
        format!("<potsdb.Series {}>", self.metric)
    }

    fn __reduce_ex__(&self, _protocol: i32) -> PyResult<()> {
        Err(PyTypeError::new_err(
            "a potsdb.Series cannot be pickled: make a client in each process",
        ))
    }
}

impl Series {
    /// Queues one point; True when it was queued.
    #[inline]
    pub(crate) fn send<'py>(&self, arguments: &Arguments<'_, 'py>) -> PyResult<Bound<'py, PyAny>> {
        let py = arguments.py();
        let sent = match (arguments.get(0), arguments.get(1), arguments.get(2)) {
            (Some(value), time, None) if arguments.are_positional() => self.put(py, value, time)?,
            _ => {
                let (value, time) = by_name(arguments)?;
                self.put(py, value, time)?
            }
        };
        Ok(PyBool::new(py, sent).to_owned().into_any())
    }

    /// Queues one point; whether it was queued.
    #[inline]
    pub(crate) fn put(
        &self,
        py: Python<'_>,
        value: &Bound<'_, PyAny>,
        timestamp: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<bool> {
        let timestamp = timestamp.filter(|time| !time.is_none());
        if let Ok(series) = &self.series
            && let Some(value) = values::plain(value)
            && let Ok(timestamp) = timestamp.map(|time| values::plain_time(time).ok_or(())).transpose()
        {
            match series.send_with(value, timestamp, Wait::No, |_| ()) {
                Ok(sent) => {
                    self.handle.report(py)?;
                    return Ok(sent != Sent::Repeated);
                }
                // The queue is full or closed, and nothing was done.
                Err(SendError::WouldBlock | SendError::Closed) => {}
                Err(error) => return self.handle.refused(py, self.origin(), error).map(|()| false),
            }
        }
        self.put_slowly(py, value, timestamp)
    }

    /// All other values and times, and a queue that has no room.
    #[cold]
    fn put_slowly(
        &self,
        py: Python<'_>,
        value: &Bound<'_, PyAny>,
        timestamp: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<bool> {
        let (core, origin) = (&**self.handle, self.origin());
        let series = match &self.series {
            Ok(series) => series,
            Err(message) => {
                core.refuse_uncounted(py, origin, Refusal::Invalid(message.clone()))?;
                return Ok(false);
            }
        };
        let (value, timestamp) = match values::point(value, timestamp) {
            Ok(point) => point,
            Err(refusal) => {
                core.refuse_uncounted(py, origin, refusal)?;
                return Ok(false);
            }
        };
        let sent = core.send(
            py,
            origin,
            |wait, queued| series.send_with(value, timestamp, wait, queued),
            |_| Ok(()),
        )?;
        Ok(sent.is_some())
    }

    fn origin(&self) -> Origin<'_> {
        Origin {
            metric: &self.metric,
            tagged: true,
        }
    }
}

/// Value and timestamp, each by position or by name.
#[cold]
fn by_name<'a, 'py: 'a>(
    arguments: &Arguments<'a, 'py>,
) -> PyResult<(&'a Bound<'py, PyAny>, Option<&'a Bound<'py, PyAny>>)> {
    let mut positional = arguments.positional();
    let (mut value, mut timestamp) = (positional.next(), positional.next());
    if positional.len() > 0 {
        return Err(PyTypeError::new_err(
            "send() takes a value and a timestamp and nothing else by position",
        ));
    }
    for (name, given) in arguments.keywords() {
        let place = match name {
            Keyword::Name("value") => &mut value,
            Keyword::Name("timestamp") => &mut timestamp,
            Keyword::Name(name) => {
                let message = format!("send() got an unexpected keyword argument '{name}'");
                return Err(PyTypeError::new_err(message));
            }
            Keyword::Broken(_) => return Err(PyTypeError::new_err("send() got an unexpected keyword argument")),
        };
        if place.replace(given).is_some() {
            return Err(PyTypeError::new_err("send() got multiple values for one argument"));
        }
    }
    let value = value.ok_or_else(|| PyTypeError::new_err("send() missing 1 required positional argument: 'value'"))?;
    Ok((value, timestamp))
}
