//! The client as Python sees it; `potsdb/client.py` adds what programs written for 1.0.3 look at.

use std::env;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use potsdb::binding::{BuilderBinding as _, ClientBinding as _, SeriesBinding as _, Wait};
use potsdb::{Builder, Invalid, SendError};
use pyo3::exceptions::{PyRuntimeError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple};

use crate::core::{Core, Handle, Origin};
use crate::errors::{self, Refusal};
use crate::fastcall::{self, Arguments};
use crate::frame::{self, SentFrame};
use crate::instruments::{Counter, Gauge, Histogram, Instruments, Timer};
use crate::series::Series;
use crate::sites::Sites;
use crate::stats::Stats;
use crate::tags::{Call, Tags, Text};
use crate::try_lock::TryLock;
use crate::waits::{self, Barrier};
use crate::{options, values};

/// A client. Made empty, so that a subclass may have an `__init__` of its own; `_open` opens it.
/// Its method `send` is put in by `fastcall.rs`.
#[pyclass(frozen, subclass, module = "potsdb._potsdb")]
pub(crate) struct Client {
    handle: OnceLock<Arc<Handle>>,
    sites: TryLock<Sites>,
    instruments: OnceLock<Instruments>,
}

#[pymethods]
impl Client {
    #[new]
    #[pyo3(signature = (*_args, **_keywords))]
    fn new(_args: &Bound<'_, PyTuple>, _keywords: Option<&Bound<'_, PyDict>>) -> Client {
        Client {
            handle: OnceLock::new(),
            sites: TryLock::default(),
            instruments: OnceLock::new(),
        }
    }

    /// Opens the client: `url` (`None`: `POTSDB_URL`), then the options by name. `port` is for the hosts that name none.
    /// `old`: these are potsdb 1.0.3's arguments, with its defaults and rules.
    #[pyo3(signature = (url, keywords, *, port = None, old = false))]
    fn _open(
        &self,
        py: Python<'_>,
        url: Option<&str>,
        keywords: &Bound<'_, PyDict>,
        port: Option<i64>,
        old: bool,
    ) -> PyResult<()> {
        if self.handle.get().is_some() {
            return Err(PyRuntimeError::new_err("the client is open already"));
        }
        let Some(url) = url.map(str::to_owned).or_else(|| env::var("POTSDB_URL").ok()) else {
            return Err(errors::config(py, "POTSDB_URL is not set: tsdb://host:4242".to_owned()));
        };
        let port = port.map(|port| match u16::try_from(port) {
            Ok(number) if number > 0 => Ok(number),
            _ => Err(errors::config(
                py,
                format!("port {port} is illegal: a port is a number from 1 to 65535"),
            )),
        });
        let mut defaults = options::defaults();
        defaults.check_host = old;
        let mut builder = Builder::over(defaults, &url, port.transpose()?);
        options::apply(builder.options(), keywords, old)?;
        for name in keywords.keys() {
            builder = builder.mention(name.cast::<PyString>()?.to_str()?);
        }
        if builder.options().worker_tag.is_some() {
            builder = builder.program(&options::program(py)?);
        }
        let client = build(py, builder)?;
        // Two threads opening one client: the second client closes again, unused.
        let _ = self.handle.set(Handle::open(client));
        Ok(())
    }

    /// Makes a series: a metric with its tags, checked and rendered once.
    #[pyo3(signature = (name, /, **tags))]
    fn series(&self, py: Python<'_>, name: &Bound<'_, PyAny>, tags: Option<&Bound<'_, PyDict>>) -> PyResult<Series> {
        let handle = self.handle()?;
        let name = Text::name(name)?;
        let tags = Tags::of_series(tags)?;
        let origin = Origin {
            metric: name.as_str(),
            tagged: !tags.is_empty(),
        };
        handle.check_origin(py, origin)?;
        let series = match handle.client.series(origin.metric, &tags) {
            Ok(series) => Ok(series),
            Err(error) => {
                handle.refuse(py, origin, Refusal::Invalid(error.to_string()))?;
                Err(error.to_string())
            }
        };
        Ok(Series {
            handle: Arc::clone(handle),
            series,
            metric: origin.metric.to_owned(),
        })
    }

    /// Sends a table: each cell of its value columns is a point.
    #[pyo3(signature = (table, /, *, value, metric = None, metric_column = None, timestamp = None, tags = None, timeout = None))]
    #[expect(clippy::too_many_arguments, reason = "Python's keywords, each with a name there")]
    fn send_frame(
        &self,
        py: Python<'_>,
        table: &Bound<'_, PyAny>,
        value: &Bound<'_, PyAny>,
        metric: Option<String>,
        metric_column: Option<String>,
        timestamp: Option<String>,
        tags: Option<&Bound<'_, PyAny>>,
        timeout: Option<f64>,
    ) -> PyResult<SentFrame> {
        let columns = frame::columns(metric, metric_column, value, timestamp, tags)?;
        frame::send(py, self.handle()?, table, columns, timeout)
    }

    /// The client's own instruments: those of `counter`, `gauge`, `histogram` and `timer`.
    #[getter]
    fn instruments(&self) -> PyResult<Instruments> {
        Ok(self.own_instruments()?.clone())
    }

    /// Hands out a counter: a total that grows, sent at each tick and at the end.
    #[pyo3(signature = (name, /, **tags))]
    fn counter(&self, py: Python<'_>, name: &Bound<'_, PyAny>, tags: Option<&Bound<'_, PyDict>>) -> PyResult<Counter> {
        self.own_instruments()?.counter(py, name, tags)
    }

    /// Hands out a gauge: a value that goes up and down, sent at each tick and at the end.
    #[pyo3(signature = (name, /, **tags))]
    fn gauge(&self, py: Python<'_>, name: &Bound<'_, PyAny>, tags: Option<&Bound<'_, PyDict>>) -> PyResult<Gauge> {
        self.own_instruments()?.gauge(py, name, tags)
    }

    /// Hands out a histogram: a distribution of values, sent as count, sum, extremes and percentiles.
    #[pyo3(signature = (name, /, **tags))]
    fn histogram(
        &self,
        py: Python<'_>,
        name: &Bound<'_, PyAny>,
        tags: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Histogram> {
        self.own_instruments()?.histogram(py, name, tags)
    }

    /// Hands out a timer: a histogram of the seconds that blocks and functions take.
    #[pyo3(signature = (name, /, **tags))]
    fn timer(&self, py: Python<'_>, name: &Bound<'_, PyAny>, tags: Option<&Bound<'_, PyDict>>) -> PyResult<Timer> {
        self.own_instruments()?.timer(py, name, tags)
    }

    /// Waits until every point sent before has its verdict; False when `timeout` seconds came first, or the client ended and
    /// left some in its spool.
    #[pyo3(signature = (timeout = None))]
    fn flush(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<bool> {
        self.handle()?.wait_for(py, timeout, potsdb::Client::barrier)
    }

    /// Waits until every point sent before has its verdict, or is in the spool and synced to the disk; False when
    /// `timeout` seconds came first. A server need not be there. Without the option `spool` it is `flush`.
    #[pyo3(signature = (timeout = None))]
    fn sync(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<bool> {
        self.handle()?.wait_for(py, timeout, potsdb::Client::sync_barrier)
    }

    /// The place in the order of sending that a flush called now would wait for.
    fn _barrier(&self) -> PyResult<Barrier> {
        Ok(Barrier(self.handle()?.client.barrier()))
    }

    /// The same for a sync.
    fn _sync_barrier(&self) -> PyResult<Barrier> {
        Ok(Barrier(self.handle()?.client.sync_barrier()))
    }

    /// Every point accounted for, at this instant.
    fn stats(&self, py: Python<'_>) -> PyResult<Stats> {
        let handle = self.handle()?;
        handle.report(py)?;
        Ok(Stats::from(&handle.client.stats()))
    }

    /// Stops accepting; the worker drains on its own. Returns at once. `timeout`: in how many seconds what cannot be
    /// delivered is to be in the spool, where there is one.
    #[pyo3(signature = (timeout = None))]
    fn _begin_close(&self, timeout: Option<f64>) -> PyResult<()> {
        self.handle()?.begin_close(waits::seconds(timeout)?);
        Ok(())
    }

    /// Waits for the worker's end, at most `timeout` seconds.
    fn _wait_closed(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<bool> {
        let handle = self.handle()?;
        handle.wait(py, waits::seconds(timeout)?, |slice| handle.client.wait_closed(slice))
    }

    /// Closes within `timeout` seconds; `told`: the program gets to see the final statistics.
    fn _close(&self, py: Python<'_>, timeout: Option<f64>, told: bool) -> PyResult<Stats> {
        let handle = self.handle()?;
        let timeout = waits::seconds(timeout)?;
        handle.begin_close(timeout);
        handle.wait(py, timeout, |slice| handle.client.wait_closed(slice))?;
        let stats = py.detach(|| handle.client.close(Duration::ZERO));
        if told {
            handle.told();
        }
        handle.report(py)?;
        Ok(Stats::from(&stats))
    }

    /// Gives up what is queued; the worker ends as soon as it can. Returns at once.
    fn stop(&self) -> PyResult<()> {
        let handle = self.handle()?;
        handle.client.stop();
        handle.told();
        Ok(())
    }

    #[getter]
    fn _is_closed(&self) -> PyResult<bool> {
        Ok(self.handle()?.client.is_closed())
    }

    #[getter]
    fn _is_running(&self) -> PyResult<bool> {
        Ok(self.handle()?.client.is_running())
    }

    #[getter]
    fn worker(&self) -> PyResult<Option<String>> {
        Ok(self.handle()?.client.worker().map(str::to_owned))
    }

    /// Keeps this process's number of `worker_tag` from others until that second since 1970 is over.
    fn _keep_number_until(&self, second: u64) -> PyResult<()> {
        self.handle()?.client.keep_number_until(second);
        Ok(())
    }

    #[getter]
    fn _host_tag(&self) -> PyResult<Option<String>> {
        Ok(self.handle()?.client.host_tag().map(str::to_owned))
    }

    /// Host and port of the first endpoint.
    #[getter]
    fn _endpoint(&self) -> PyResult<(String, u16)> {
        let endpoints = self.handle()?.client.endpoints();
        Ok(endpoints
            .first()
            .map(|endpoint| (endpoint.host().to_owned(), endpoint.port()))
            .unwrap_or_default())
    }

    #[getter]
    fn _queue_points(&self) -> PyResult<usize> {
        Ok(self.handle()?.client.options().queue_points)
    }

    #[getter]
    fn _close_grace(&self) -> PyResult<f64> {
        Ok(self.handle()?.client.options().close_grace.as_secs_f64())
    }

    fn __repr__(&self) -> String {
        match self.handle.get() {
            Some(handle) => {
                let endpoints: Vec<String> = handle.client.endpoints().iter().map(ToString::to_string).collect();
                format!("<potsdb.Client {}>", endpoints.join(","))
            }
            None => "<potsdb.Client, not open>".to_owned(),
        }
    }

    fn __reduce_ex__(&self, _protocol: i32) -> PyResult<()> {
        Err(PyTypeError::new_err(
            "a potsdb.Client cannot be pickled: make one in each process, or let a forked child use its parent's",
        ))
    }
}

impl Client {
    /// Queues one point and returns at once, with the exact line queued.
    #[inline]
    pub(crate) fn send<'py>(&self, arguments: &Arguments<'_, 'py>) -> PyResult<Bound<'py, PyAny>> {
        let core = &***self.handle()?;
        let line = match self.send_again(core, arguments) {
            Some(answer) => answer?,
            None => self.send_anew(core, arguments)?,
        };
        Ok(match line {
            Some(line) => line.into_any(),
            None => arguments.py().None().into_bound(arguments.py()),
        })
    }

    /// A point of a call site that is known; `None`: it is not known, or the value is none of those that programs send
    /// by the million, or the queue is full or closed. Then nothing was done.
    #[inline]
    fn send_again<'py>(
        &self,
        core: &Core,
        arguments: &Arguments<'_, 'py>,
    ) -> Option<PyResult<Option<Bound<'py, PyString>>>> {
        let py = arguments.py();
        let mut line = None;
        let outcome = self.sites.with(|sites| {
            let site = sites.find(arguments)?;
            let value = values::plain(arguments.values().nth(1)?)?;
            let timestamp = match site.timestamp {
                Some(index) => Some(values::plain_time(arguments.values().nth(index)?)?),
                None => None,
            };
            let queued = |queued: &[u8]| line = Some(fastcall::text(py, queued, site.is_ascii));
            Some(site.series.send_with(value, timestamp, Wait::No, queued))
        })??;
        match outcome {
            Ok(_) => Some(core.queued(py, line)),
            Err(SendError::WouldBlock | SendError::Closed) => None,
            Err(error) => {
                let name = arguments.values().next()?.cast::<PyString>().ok()?;
                let origin = Origin {
                    metric: name.to_str().ok()?,
                    tagged: true,
                };
                Some(core.refused(py, origin, error).map(|()| None))
            }
        }
    }

    fn send_anew<'py>(&self, core: &Core, arguments: &Arguments<'_, 'py>) -> PyResult<Option<Bound<'py, PyString>>> {
        let py = arguments.py();
        let Call {
            name,
            value,
            timestamp,
            tags,
        } = Call::new(arguments)?;
        let origin = Origin {
            metric: name.as_str(),
            tagged: !tags.is_empty(),
        };
        core.check_origin(py, origin)?;
        let (value, timestamp) = match values::point(value, timestamp) {
            Ok(point) => point,
            Err(refusal) => {
                core.refuse_uncounted(py, origin, refusal)?;
                return Ok(None);
            }
        };
        let line = core.send(
            py,
            origin,
            |wait, queued| {
                core.client
                    .send_with(origin.metric, value, timestamp, &tags, wait, queued)
            },
            |line| fastcall::text(py, line, line.is_ascii()),
        )?;
        // What was repaired is repaired and counted each time.
        if line.is_some() && core.client.options().invalid != Invalid::Replace {
            let series = || core.client.series(origin.metric, &tags).ok();
            self.sites.with(|sites| sites.learn(arguments, series)).transpose()?;
        }
        Ok(line)
    }

    fn own_instruments(&self) -> PyResult<&Instruments> {
        let handle = self.handle()?;
        Ok(self.instruments.get_or_init(|| Instruments::of(handle)))
    }

    #[inline]
    pub(crate) fn handle(&self) -> PyResult<&Arc<Handle>> {
        self.handle
            .get()
            .ok_or_else(|| PyRuntimeError::new_err("the client is not open: call Client.__init__ first"))
    }
}

/// Builds, where `check_host` may wait for a network that is not there.
fn build(py: Python<'_>, mut builder: Builder) -> PyResult<potsdb::Client> {
    let built = if builder.options().check_host {
        waits::interruptible(py, move || builder.build())?
    } else {
        builder.build()
    };
    built.map_err(|error| errors::building(py, &error))
}
