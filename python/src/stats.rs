//! The statistics as a value: every counter an attribute, all of them in `as_dict`; equal, copied and pickled by these.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyMapping, PyType};

/// Declares what `Stats` shows: each name once, with its text, type and where it comes from.
macro_rules! stats {
    ($($(#[doc = $doc:literal])+ $name:ident: $type:ty = |$stats:ident| $value:expr;)*) => {
        /// Everything a client counts, at one instant: a value, made by a client or of what `as_dict` gave.
        ///
        /// `accepted + adopted == acknowledged + unconfirmed + rejected + dropped + pending`, always.
        #[pyclass(frozen, eq, module = "potsdb")]
        #[derive(PartialEq)]
        pub(crate) struct Stats {
            $(
                $(#[doc = $doc])+
                #[pyo3(get)]
                $name: $type,
            )*
        }

        impl From<&potsdb::Stats> for Stats {
            fn from(stats: &potsdb::Stats) -> Stats {
                Stats {
                    $($name: { let $stats = stats; $value },)*
                }
            }
        }

        #[pymethods]
        impl Stats {
            #[new]
            #[pyo3(signature = (fields, /))]
            fn new(fields: &Bound<'_, PyMapping>) -> PyResult<Stats> {
                Ok(Stats {
                    $($name: field(fields, stringify!($name))?,)*
                })
            }

            /// Everything by name, as plain numbers, strings, lists and dicts.
            fn as_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
                let all = PyDict::new(py);
                $(all.set_item(stringify!($name), self.$name.plain(py)?)?;)*
                Ok(all)
            }

            fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyType>, (Bound<'py, PyDict>,))> {
                Ok((py.get_type::<Stats>(), (self.as_dict(py)?,)))
            }

            fn __hash__(&self) -> u64 {
                let mut hasher = DefaultHasher::new();
                (self.accepted, self.delivered, self.dropped, self.bytes_written).hash(&mut hasher);
                hasher.finish()
            }

            fn __repr__(&self) -> String {
                format!("<potsdb.Stats {}>", self.__str__())
            }

            fn __str__(&self) -> String {
                let mut said = potsdb::Stats::default();
                said.accepted = self.accepted;
                said.adopted = self.adopted;
                said.acknowledged = self.acknowledged;
                said.unconfirmed = self.unconfirmed;
                said.rejected = self.rejected;
                // Only their sum is said, as of what is pending.
                said.dropped.closed = self.dropped;
                said.queued = self.pending;
                said.invalid = self.invalid;
                said.full = self.full;
                said.repeated = self.repeated;
                said.to_string()
            }
        }
    };
}

stats! {
    /// Points taken by `send`.
    accepted: u64 = |stats| stats.accepted;
    /// Points taken over from the spool: another process left them there, or this program's last run.
    adopted: u64 = |stats| stats.adopted;
    /// Points the server answered for.
    acknowledged: u64 = |stats| stats.acknowledged;
    /// Points written to a server that cannot answer.
    unconfirmed: u64 = |stats| stats.unconfirmed;
    /// Acknowledged or unconfirmed.
    delivered: u64 = |stats| stats.delivered();
    /// Points the server refused; its words are in `last_rejections`.
    rejected: u64 = |stats| stats.rejected;
    /// Points given up, for the reasons below.
    dropped: u64 = |stats| stats.dropped.total();
    /// Pushed out of a full queue, or not let in under `overflow="drop_newest"`.
    dropped_queue_full: u64 = |stats| stats.dropped.queue_full;
    /// Older than `max_age` when their turn came.
    dropped_expired: u64 = |stats| stats.dropped.expired;
    /// Still pending when `close` reached its deadline, or the program its end.
    dropped_closed: u64 = |stats| stats.dropped.closed;
    /// Given up by `stop`.
    dropped_stopped: u64 = |stats| stats.dropped.stopped;
    /// Pushed out of a full spool.
    dropped_spool_full: u64 = |stats| stats.dropped.spool_full;
    /// Lost in a damaged spool: cut off, overwritten, or deleted by somebody else.
    dropped_spool_damaged: u64 = |stats| stats.dropped.spool_damaged;
    /// Consumed by `test_mode`, which writes nothing.
    dropped_test_mode: u64 = |stats| stats.dropped.test_mode;
    /// Points without a verdict: queued, in flight or spooled.
    pending: u64 = |stats| stats.pending();
    /// In the queue, not yet taken by the worker.
    queued: u64 = |stats| stats.queued;
    /// Taken by the worker, without a verdict so far.
    in_flight: u64 = |stats| stats.in_flight;
    /// In the spool on disk, or on their way there, and nowhere else.
    spooled: u64 = |stats| stats.spooled;
    /// Calls refused because of their content.
    invalid: u64 = |stats| stats.invalid;
    /// Calls refused for want of room under `overflow="block"`.
    full: u64 = |stats| stats.full;
    /// Characters and cuts that `invalid="replace"` repaired.
    replaced: u64 = |stats| stats.replaced;
    /// Calls whose series already had a point at that time.
    repeated: u64 = |stats| stats.repeated;
    /// Points written once more.
    resent: u64 = |stats| stats.resent;
    /// Errors of the server that named no point.
    late_errors: u64 = |stats| stats.late_errors;
    /// Answered points let go before they had settled, because `settle_bytes` was reached.
    released_early: u64 = |stats| stats.released_early;
    /// Answered points that were still settling when the client closed.
    unsettled: u64 = |stats| stats.unsettled;
    /// Connections ended in the middle of a line.
    torn: u64 = |stats| stats.torn;
    /// Bytes in the spool that cannot be read as points.
    spool_damaged_bytes: u64 = |stats| stats.spool_damaged_bytes;
    /// Bytes handed to the kernel.
    bytes_written: u64 = |stats| stats.bytes_written;
    /// Connections established.
    connects: u64 = |stats| stats.connects;
    /// Panics of the worker. Not 0 is a defect of potsdb: please report it.
    panics: u64 = |stats| stats.panics;
    /// Error replies by kind.
    rejections: Vec<(String, u64)> = |stats| stats.rejections.iter().map(|(kind, n)| ((*kind).to_owned(), *n)).collect();
    /// The server's own words, newest last.
    last_rejections: Vec<String> = |stats| stats.last_rejections.clone();
    /// How each endpoint is doing.
    endpoints: Vec<EndpointState> = |stats| stats.endpoints.iter().map(EndpointState::from).collect();
    /// Seconds the oldest point without a verdict has been waiting.
    oldest_pending: Option<f64> = |stats| stats.oldest_pending.as_ref().map(Duration::as_secs_f64);
    /// Seconds the last answer took.
    last_answer: Option<f64> = |stats| stats.last_answer.as_ref().map(Duration::as_secs_f64);
    /// Points written in the last second.
    rate: f64 = |stats| stats.rate;
    /// How the spool is doing; None without the option `spool`.
    spool: Option<SpoolState> = |stats| stats.spool.as_ref().map(SpoolState::from);
    /// Of each metric its name, points and bytes, if `by_metric` is given; the empty name is all others.
    by_metric: Vec<(String, u64, u64)> = |stats| {
        stats.by_metric.iter().map(|count| (count.metric.clone(), count.points, count.bytes)).collect()
    };
}

/// How one endpoint is doing: a value, made by a client or of what `as_dict` gave.
#[pyclass(frozen, eq, get_all, module = "potsdb")]
#[derive(Clone, PartialEq)]
pub(crate) struct EndpointState {
    /// Its URL.
    name: String,
    /// What it is doing, in words.
    state: String,
    /// What it answered when it was asked what it is.
    server: Option<String>,
    /// Why the last connection ended or was not made.
    last_error: Option<String>,
    /// Points per second it is held to, since it asked for less.
    limit: Option<f64>,
    /// Bytes of lines its connections may have without an answer, now.
    window_bytes: usize,
    /// How many seconds its clock is ahead of this machine's at least, less than 0 if it is behind; over HTTP.
    clock_skew: Option<i64>,
}

impl From<&potsdb::EndpointStats> for EndpointState {
    fn from(endpoint: &potsdb::EndpointStats) -> EndpointState {
        EndpointState {
            name: endpoint.name.clone(),
            state: endpoint.to_string(),
            server: endpoint.server.map(|server| server.to_string()),
            last_error: endpoint.last_error.clone(),
            limit: endpoint.limit,
            window_bytes: endpoint.window_bytes,
            clock_skew: endpoint.clock_skew,
        }
    }
}

#[pymethods]
impl EndpointState {
    #[new]
    #[pyo3(signature = (fields, /))]
    fn new(fields: &Bound<'_, PyMapping>) -> PyResult<EndpointState> {
        Ok(EndpointState {
            name: field(fields, "name")?,
            state: field(fields, "state")?,
            server: field(fields, "server")?,
            last_error: field(fields, "last_error")?,
            limit: field(fields, "limit")?,
            window_bytes: field(fields, "window_bytes")?,
            clock_skew: field(fields, "clock_skew")?,
        })
    }

    /// The same as a plain dict.
    fn as_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let all = PyDict::new(py);
        all.set_item("name", &self.name)?;
        all.set_item("state", &self.state)?;
        all.set_item("server", &self.server)?;
        all.set_item("last_error", &self.last_error)?;
        all.set_item("limit", self.limit)?;
        all.set_item("window_bytes", self.window_bytes)?;
        all.set_item("clock_skew", self.clock_skew)?;
        Ok(all)
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyType>, (Bound<'py, PyDict>,))> {
        Ok((py.get_type::<EndpointState>(), (self.as_dict(py)?,)))
    }

    fn __hash__(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        (&self.name, &self.state).hash(&mut hasher);
        hasher.finish()
    }

    fn __repr__(&self) -> String {
        format!("<potsdb.EndpointState {}: {}>", self.name, self.state)
    }
}

/// How the spool is doing: a value, made by a client or of what `as_dict` gave.
#[pyclass(frozen, eq, get_all, module = "potsdb")]
#[derive(Clone, PartialEq)]
pub(crate) struct SpoolState {
    /// Bytes of its segments on disk, in all slots of this process.
    bytes: u64,
    /// Segments on disk.
    segments: u64,
    /// Slots of this process: its own, and those it has adopted; 0 until the spool is open.
    slots: usize,
    /// Bytes that are not yet known to survive the machine's end.
    unsynced: u64,
    /// Seconds since the oldest segment was begun; None: there is none.
    oldest: Option<f64>,
    /// Seconds until `spool_bytes` are reached at the pace of the last minute; None: it does not grow.
    full_in: Option<f64>,
    /// Syncs since the client was opened.
    syncs: u64,
    /// A call of the disk has taken more than 5 s and not returned: nothing gets safe meanwhile, and points go on.
    stalled: bool,
    /// Why the disk is left alone for now; None: it is not.
    off: Option<String>,
}

impl From<&potsdb::SpoolStats> for SpoolState {
    fn from(spool: &potsdb::SpoolStats) -> SpoolState {
        SpoolState {
            bytes: spool.bytes,
            segments: spool.segments,
            slots: spool.slots,
            unsynced: spool.unsynced,
            oldest: spool.oldest.as_ref().map(Duration::as_secs_f64),
            full_in: spool.full_in.as_ref().map(Duration::as_secs_f64),
            syncs: spool.syncs,
            stalled: spool.stalled,
            off: spool.off.clone(),
        }
    }
}

#[pymethods]
impl SpoolState {
    #[new]
    #[pyo3(signature = (fields, /))]
    fn new(fields: &Bound<'_, PyMapping>) -> PyResult<SpoolState> {
        Ok(SpoolState {
            bytes: field(fields, "bytes")?,
            segments: field(fields, "segments")?,
            slots: field(fields, "slots")?,
            unsynced: field(fields, "unsynced")?,
            oldest: field(fields, "oldest")?,
            full_in: field(fields, "full_in")?,
            syncs: field(fields, "syncs")?,
            stalled: field(fields, "stalled")?,
            off: field(fields, "off")?,
        })
    }

    /// The same as a plain dict.
    fn as_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let all = PyDict::new(py);
        all.set_item("bytes", self.bytes)?;
        all.set_item("segments", self.segments)?;
        all.set_item("slots", self.slots)?;
        all.set_item("unsynced", self.unsynced)?;
        all.set_item("oldest", self.oldest)?;
        all.set_item("full_in", self.full_in)?;
        all.set_item("syncs", self.syncs)?;
        all.set_item("stalled", self.stalled)?;
        all.set_item("off", &self.off)?;
        Ok(all)
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyType>, (Bound<'py, PyDict>,))> {
        Ok((py.get_type::<SpoolState>(), (self.as_dict(py)?,)))
    }

    fn __hash__(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        (self.bytes, self.segments, self.syncs).hash(&mut hasher);
        hasher.finish()
    }

    fn __repr__(&self) -> String {
        let off = self.off.as_ref().map(|why| format!(", off: {why}")).unwrap_or_default();
        format!(
            "<potsdb.SpoolState {} bytes in {} segments{off}>",
            self.bytes, self.segments
        )
    }
}

/// A field of what `as_dict` gave; one that is missing, as of an older version's, is as at the client's start.
fn field<T: Plain + Default>(fields: &Bound<'_, PyMapping>, name: &str) -> PyResult<T> {
    match fields.contains(name)? {
        true => T::read(&fields.get_item(name)?),
        false => Ok(T::default()),
    }
}

/// A value of `as_dict`: what `json.dumps` takes, and `json.loads` gives back.
trait Plain: Sized {
    fn plain<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>>;

    fn read(given: &Bound<'_, PyAny>) -> PyResult<Self>;
}

macro_rules! plain_as_it_is {
    ($($type:ty),*) => {
        $(impl Plain for $type {
            fn plain<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
                Ok(self.into_pyobject(py).map_err(PyErr::from)?.into_any())
            }

            fn read(given: &Bound<'_, PyAny>) -> PyResult<$type> {
                given.extract()
            }
        })*
    };
}

plain_as_it_is!(
    u64,
    usize,
    f64,
    String,
    Option<i64>,
    Option<f64>,
    Option<String>,
    Vec<String>
);

impl Plain for bool {
    fn plain<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Ok(PyBool::new(py, *self).to_owned().into_any())
    }

    fn read(given: &Bound<'_, PyAny>) -> PyResult<bool> {
        given.extract()
    }
}

impl Plain for Vec<(String, u64)> {
    fn plain<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let all = PyDict::new(py);
        for (name, count) in self {
            all.set_item(name, count)?;
        }
        Ok(all.into_any())
    }

    fn read(given: &Bound<'_, PyAny>) -> PyResult<Vec<(String, u64)>> {
        let items = given.cast::<PyMapping>()?.items()?;
        items.iter().map(|item| item.extract()).collect()
    }
}

impl Plain for Vec<(String, u64, u64)> {
    fn plain<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let all = self.iter().map(|(metric, points, bytes)| {
            let count = PyDict::new(py);
            count.set_item("metric", metric)?;
            count.set_item("points", points)?;
            count.set_item("bytes", bytes)?;
            Ok(count)
        });
        all.collect::<PyResult<Vec<_>>>()?
            .into_pyobject(py)
            .map(Bound::into_any)
    }

    fn read(given: &Bound<'_, PyAny>) -> PyResult<Vec<(String, u64, u64)>> {
        let all = given.try_iter()?.map(|count| {
            let count = count?;
            let field = |name| count.get_item(name);
            Ok((
                field("metric")?.extract()?,
                field("points")?.extract()?,
                field("bytes")?.extract()?,
            ))
        });
        all.collect()
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

    fn read(given: &Bound<'_, PyAny>) -> PyResult<Vec<EndpointState>> {
        let all = given.try_iter()?;
        all.map(|endpoint| EndpointState::new(endpoint?.cast()?)).collect()
    }
}

impl Plain for Option<SpoolState> {
    fn plain<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        match self {
            Some(spool) => Ok(spool.as_dict(py)?.into_any()),
            None => Ok(py.None().into_bound(py)),
        }
    }

    fn read(given: &Bound<'_, PyAny>) -> PyResult<Option<SpoolState>> {
        match given.is_none() {
            true => Ok(None),
            false => SpoolState::new(given.cast()?).map(Some),
        }
    }
}
