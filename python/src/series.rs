//! A metric with its tags, made once and used for many points.

use std::sync::Arc;

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;

use crate::core::{Door, Origin};
use crate::errors::Refusal;
use crate::values;

/// One series of a client.
#[pyclass(frozen, weakref, module = "potsdb._potsdb")]
pub(crate) struct Series {
    pub(crate) door: Arc<Door>,
    /// Why there is none: then each send counts as invalid, as it would without a series.
    pub(crate) series: Result<potsdb::Series, String>,
    pub(crate) metric: String,
}

#[pymethods]
impl Series {
    /// Queues one point; True when it was queued.
    #[pyo3(signature = (value, timestamp = None))]
    #[inline]
    fn send(&self, py: Python<'_>, value: &Bound<'_, PyAny>, timestamp: Option<&Bound<'_, PyAny>>) -> PyResult<bool> {
        let core = &**self.door;
        let origin = Origin {
            metric: &self.metric,
            tagged: true,
        };
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
            |wait, line| series.send_line(value, timestamp, wait, line),
            |_| Ok(()),
        )?;
        Ok(sent.is_some())
    }

    fn __repr__(&self) -> String {
        format!("<potsdb.Series {}>", self.metric)
    }

    fn __reduce_ex__(&self, _protocol: i32) -> PyResult<()> {
        Err(PyTypeError::new_err(
            "a potsdb.Series cannot be pickled: make a client in each process",
        ))
    }
}
