//! The statistics as a frozen object: every counter an attribute, all of them in `as_dict`.

use std::time::Duration;

use pyo3::prelude::*;
use pyo3::types::PyDict;

/// Declares what `Stats` shows: each name once, with its type and where it comes from.
macro_rules! stats {
    ($($name:ident: $type:ty = |$stats:ident| $value:expr;)*) => {
        /// Everything a client counts, at one instant.
        ///
        /// `accepted + adopted == acknowledged + unconfirmed + rejected + dropped + pending`, always.
        #[pyclass(frozen, module = "potsdb")]
        pub(crate) struct Stats {
            $(#[pyo3(get)] $name: $type,)*
            words: String,
        }

        impl From<&potsdb::Stats> for Stats {
            fn from(stats: &potsdb::Stats) -> Stats {
                Stats {
                    $($name: { let $stats = stats; $value },)*
                    words: stats.to_string(),
                }
            }
        }

        #[pymethods]
        impl Stats {
            /// Everything by name, as plain numbers, strings, lists and dicts.
            fn as_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
                let all = PyDict::new(py);
                $(all.set_item(stringify!($name), plain(py, &self.$name)?)?;)*
                Ok(all)
            }

            fn __repr__(&self) -> String {
                format!("<potsdb.Stats {}>", self.words)
            }

            fn __str__(&self) -> &str {
                &self.words
            }
        }
    };
}

stats! {
    accepted: u64 = |stats| stats.accepted;
    adopted: u64 = |stats| stats.adopted;
    acknowledged: u64 = |stats| stats.acknowledged;
    unconfirmed: u64 = |stats| stats.unconfirmed;
    delivered: u64 = |stats| stats.delivered();
    rejected: u64 = |stats| stats.rejected;
    dropped: u64 = |stats| stats.dropped.total();
    dropped_queue_full: u64 = |stats| stats.dropped.queue_full;
    dropped_expired: u64 = |stats| stats.dropped.expired;
    dropped_closed: u64 = |stats| stats.dropped.closed;
    dropped_stopped: u64 = |stats| stats.dropped.stopped;
    dropped_spool_full: u64 = |stats| stats.dropped.spool_full;
    dropped_test_mode: u64 = |stats| stats.dropped.test_mode;
    pending: u64 = |stats| stats.pending();
    queued: u64 = |stats| stats.queued;
    in_flight: u64 = |stats| stats.in_flight;
    spooled: u64 = |stats| stats.spooled;
    invalid: u64 = |stats| stats.invalid;
    full: u64 = |stats| stats.full;
    replaced: u64 = |stats| stats.replaced;
    repeated: u64 = |stats| stats.repeated;
    resent: u64 = |stats| stats.resent;
    late_errors: u64 = |stats| stats.late_errors;
    released_early: u64 = |stats| stats.released_early;
    unsettled: u64 = |stats| stats.unsettled;
    torn: u64 = |stats| stats.torn;
    spool_damaged_bytes: u64 = |stats| stats.spool_damaged_bytes;
    bytes_written: u64 = |stats| stats.bytes_written;
    connects: u64 = |stats| stats.connects;
    panics: u64 = |stats| stats.panics;
    rejections: Vec<(String, u64)> = |stats| stats.rejections.iter().map(|(kind, n)| ((*kind).to_owned(), *n)).collect();
    last_rejections: Vec<String> = |stats| stats.last_rejections.clone();
    endpoints: Vec<EndpointState> = |stats| stats.endpoints.iter().map(EndpointState::from).collect();
    oldest_pending: Option<f64> = |stats| stats.oldest_pending.as_ref().map(Duration::as_secs_f64);
    last_answer: Option<f64> = |stats| stats.last_answer.as_ref().map(Duration::as_secs_f64);
    rate: f64 = |stats| stats.rate;
}

/// How one endpoint is doing.
#[pyclass(frozen, get_all, module = "potsdb")]
#[derive(Clone)]
pub(crate) struct EndpointState {
    name: String,
    state: String,
    server: Option<String>,
    last_error: Option<String>,
    limit: Option<f64>,
    window_bytes: usize,
}

impl From<&potsdb::EndpointState> for EndpointState {
    fn from(endpoint: &potsdb::EndpointState) -> EndpointState {
        EndpointState {
            name: endpoint.name.clone(),
            state: endpoint.state.clone(),
            server: endpoint.server.map(|server| server.to_string()),
            last_error: endpoint.last_error.clone(),
            limit: endpoint.limit,
            window_bytes: endpoint.window_bytes,
        }
    }
}

#[pymethods]
impl EndpointState {
    /// The same as a plain dict.
    fn as_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let all = PyDict::new(py);
        all.set_item("name", &self.name)?;
        all.set_item("state", &self.state)?;
        all.set_item("server", &self.server)?;
        all.set_item("last_error", &self.last_error)?;
        all.set_item("limit", self.limit)?;
        all.set_item("window_bytes", self.window_bytes)?;
        Ok(all)
    }

    fn __repr__(&self) -> String {
        format!("<potsdb.EndpointState {}: {}>", self.name, self.state)
    }
}

/// A value of `as_dict`: what `json.dumps` takes.
fn plain<'py>(py: Python<'py>, value: &(impl Plain + ?Sized)) -> PyResult<Bound<'py, PyAny>> {
    value.plain(py)
}

trait Plain {
    fn plain<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>>;
}

macro_rules! plain_as_it_is {
    ($($type:ty),*) => {
        $(impl Plain for $type {
            fn plain<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
                Ok(self.into_pyobject(py).map_err(PyErr::from)?.into_any())
            }
        })*
    };
}

plain_as_it_is!(u64, f64, Option<f64>, Vec<String>);

impl Plain for Vec<(String, u64)> {
    fn plain<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let all = PyDict::new(py);
        for (name, count) in self {
            all.set_item(name, count)?;
        }
        Ok(all.into_any())
    }
}

impl Plain for Vec<EndpointState> {
    fn plain<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let all = self
            .iter()
            .map(|endpoint| endpoint.as_dict(py))
            .collect::<PyResult<Vec<_>>>()?;
        all.into_pyobject(py).map(Bound::into_any)
    }
}
