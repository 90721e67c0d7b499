//! The statistics as a value: every counter an attribute, all of them in `as_dict`; equal, copied and pickled by these.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyMapping, PyType};

/// Declares a value: each field once, with its text, type and where it comes from. Then come methods of its own.
macro_rules! value {
    (
        $(#[doc = $about:literal])+
        $value:ident of $source:ty {
            $($(#[doc = $doc:literal])+ $name:ident: $type:ty = |$from:ident| $field:expr;)*
        }
        $($methods:tt)*
    ) => {
        $(#[doc = $about])+
        #[pyclass(frozen, eq, get_all, module = "potsdb")]
        #[derive(Clone, PartialEq)]
        pub(crate) struct $value {
            $($(#[doc = $doc])+ $name: $type,)*
        }

        impl From<&$source> for $value {
            fn from(source: &$source) -> $value {
                $value {
                    $($name: { let $from = source; $field },)*
                }
            }
        }

        #[pymethods]
        impl $value {
            #[new]
            #[pyo3(signature = (fields, /))]
            fn new(fields: &Bound<'_, PyMapping>) -> PyResult<$value> {
                Ok($value {
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
                Ok((py.get_type::<$value>(), (self.as_dict(py)?,)))
            }

            $($methods)*
        }
    };
}

value! {
    /// Everything a client counts, at one instant: a value, made by a client or of what `as_dict` gave.
    ///
    /// `accepted + adopted == acknowledged + unconfirmed + rejected + dropped + pending`, always.
    Stats of potsdb::Stats {
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

value! {
    /// How one endpoint is doing: a value, made by a client or of what `as_dict` gave.
    EndpointState of potsdb::EndpointStats {
        /// Its URL.
        name: String = |endpoint| endpoint.name.clone();
        /// What it is doing, in words.
        state: String = |endpoint| endpoint.to_string();
        /// What it answered when it was asked what it is.
        server: Option<String> = |endpoint| endpoint.server.map(|server| server.to_string());
        /// Why the last connection ended or was not made.
        last_error: Option<String> = |endpoint| endpoint.last_error.clone();
        /// Points per second it is held to, since it asked for less.
        limit: Option<f64> = |endpoint| endpoint.limit;
        /// Bytes of lines its connections may have without an answer, now.
        window_bytes: usize = |endpoint| endpoint.window_bytes;
        /// How many seconds its clock is ahead of this machine's at least, less than 0 if it is behind; over HTTP.
        clock_skew: Option<i64> = |endpoint| endpoint.clock_skew;
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

value! {
    /// How the spool is doing: a value, made by a client or of what `as_dict` gave.
    SpoolState of potsdb::SpoolStats {
        /// Bytes of its segments on disk, in all slots of this process.
        bytes: u64 = |spool| spool.bytes;
        /// Segments on disk.
        segments: u64 = |spool| spool.segments;
        /// Slots of this process: its own, and those it has adopted; 0 until the spool is open.
        slots: usize = |spool| spool.slots;
        /// Bytes that are not yet known to survive the machine's end.
        unsynced: u64 = |spool| spool.unsynced;
        /// Seconds since the oldest segment was begun; None: there is none.
        oldest: Option<f64> = |spool| spool.oldest.as_ref().map(Duration::as_secs_f64);
        /// Seconds until `spool_bytes` are reached at the pace of the last minute; None: it does not grow.
        full_in: Option<f64> = |spool| spool.full_in.as_ref().map(Duration::as_secs_f64);
        /// Syncs since the client was opened.
        syncs: u64 = |spool| spool.syncs;
        /// A call of the disk has taken more than 5 s and not returned: nothing gets safe meanwhile, and points go on.
        stalled: bool = |spool| spool.stalled;
        /// Why the disk is left alone for now; None: it is not.
        off: Option<String> = |spool| spool.off.clone();
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
