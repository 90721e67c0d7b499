//! What a client and its series share: the crate's client and how Python wants to be told.
//!
//! ```text
//! Client, Series  --hold-->  Handle  --holds-->  Core  <--holds--  the exit hook (exit.rs)
//! ```
//!
//! When the last object of Python's goes, its [`Handle`] begins the close and returns at once: what is queued is still
//! delivered, for an hour if need be, and the exit hook, which holds the [`Core`], sees to it.

use std::ops::Deref;
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use potsdb::binding::{ClientBinding as _, Wait};
use potsdb::{Invalid, InvalidPoint, Overflow, SendError, Sent};
use potsdb_wire::{Rules, SeriesText};
use pyo3::prelude::*;

use crate::errors::{self, Refusal};
use crate::{exit, records, waits};

/// One client as the whole module sees it.
pub(crate) struct Core {
    pub(crate) client: potsdb::Client,
    invalid: Invalid,
    /// `test_mode`: nothing warns or prints.
    silent: bool,
    /// A wait was interrupted: whoever did that wants to leave, so the exit hook only reports.
    hurried: InProcess,
    /// `close(timeout)` returned the statistics, or `stop` gave everything up on purpose: there is
    /// nothing to say about this client at exit.
    told: InProcess,
}

impl Core {
    pub(crate) fn new(client: potsdb::Client) -> Core {
        client.detach();
        let options = client.options();
        Core {
            invalid: options.invalid,
            silent: options.test_mode,
            client,
            hurried: InProcess::default(),
            told: InProcess::default(),
        }
    }

    /// Hands one point over; `queued` makes the answer from its line. `None`: no point was made.
    ///
    /// `put` does the one call of the crate; it is called again, with the interpreter lock
    /// released, only where `overflow=block` has to wait for room.
    #[inline]
    pub(crate) fn send<T>(
        &self,
        py: Python<'_>,
        origin: Origin<'_>,
        put: impl Fn(Wait, &mut dyn FnMut(&[u8])) -> Result<Sent, SendError> + Sync,
        queued: impl Fn(&[u8]) -> PyResult<T>,
    ) -> PyResult<Option<T>> {
        let mut answer = None;
        let mut outcome = put(Wait::No, &mut |line| answer = Some(queued(line)));
        if let Err(SendError::WouldBlock) = outcome {
            let mut line = Vec::new();
            outcome = self.wait_for_room(py, &put, &mut line)?;
            answer = (!line.is_empty()).then(|| queued(&line));
        }
        match outcome {
            Ok(_) => self.queued(py, answer),
            Err(error) => self.refused(py, origin, error).map(|()| None),
        }
    }

    /// Makes the answer for a point that was handed over, and passes on what there is to report.
    #[inline]
    pub(crate) fn queued<T>(&self, py: Python<'_>, answer: Option<PyResult<T>>) -> PyResult<Option<T>> {
        let answer = answer.transpose()?;
        self.report(py)?;
        Ok(answer)
    }

    /// Lets an error of the crate's reach the program.
    #[cold]
    pub(crate) fn refused(&self, py: Python<'_>, origin: Origin<'_>, error: SendError) -> PyResult<()> {
        match error {
            SendError::Invalid(error) => {
                self.refuse(py, origin, Refusal::Invalid(error.to_string()))?;
                self.report(py)
            }
            SendError::Closed => Err(errors::closed(py)),
            _ => Err(errors::queue_full(py)),
        }
    }

    #[cold]
    fn wait_for_room(
        &self,
        py: Python<'_>,
        put: &(impl Fn(Wait, &mut dyn FnMut(&[u8])) -> Result<Sent, SendError> + Sync),
        line: &mut Vec<u8>,
    ) -> PyResult<Result<Sent, SendError>> {
        let mut put = |wait| put(wait, &mut |queued| line.extend_from_slice(queued));
        let deadline = match self.client.options().overflow {
            Overflow::Block(Some(limit)) => Instant::now().checked_add(limit),
            _ => None,
        };
        loop {
            let slice = Instant::now() + waits::SLICE;
            if let Some(deadline) = deadline
                && deadline <= slice
            {
                return Ok(py.detach(|| put(Wait::Until(deadline))));
            }
            match py.detach(|| put(Wait::Slice(slice))) {
                Err(SendError::WouldBlock) => py.check_signals().inspect_err(|_| self.hurry())?,
                outcome => return Ok(outcome),
            }
        }
    }

    /// Counts a call that the crate never saw, and refuses it.
    #[cold]
    pub(crate) fn refuse_uncounted(&self, py: Python<'_>, origin: Origin<'_>, refusal: Refusal) -> PyResult<()> {
        self.client.count_invalid();
        self.refuse(py, origin, refusal)
    }

    /// Lets a refusal reach the program: by the exception potsdb 1.0.3 would have raised, if any,
    /// else as the option `invalid` has it.
    #[cold]
    pub(crate) fn refuse(&self, py: Python<'_>, origin: Origin<'_>, refusal: Refusal) -> PyResult<()> {
        let message = match refusal {
            Refusal::Raised(error) => return Err(error),
            Refusal::Invalid(message) => message,
        };
        if self.client.is_closed() {
            return Err(errors::closed(py));
        }
        if let Some(error) = origin.always_refused(self) {
            return Err(errors::invalid_point(py, error.to_string()));
        }
        match self.invalid {
            Invalid::Raise => Err(errors::invalid_point(py, message)),
            _ if self.silent => Ok(()),
            _ => records::invalid(py, origin.metric, &message),
        }
    }

    /// What potsdb 1.0.3 refused, even where the option `invalid=replace` would repair it.
    #[inline]
    pub(crate) fn check_origin(&self, py: Python<'_>, origin: Origin<'_>) -> PyResult<()> {
        if matches!(self.invalid, Invalid::Replace)
            && let Some(error) = origin.always_refused(self)
        {
            self.client.count_invalid();
            return Err(errors::invalid_point(py, error.to_string()));
        }
        Ok(())
    }

    /// `test_mode`: nothing warns or prints.
    pub(crate) fn is_silent(&self) -> bool {
        self.silent
    }

    /// Notes that the program knows what became of its points.
    pub(crate) fn told(&self) {
        self.told.set();
    }

    pub(crate) fn is_told(&self) -> bool {
        self.told.is_set()
    }

    /// Notes that somebody wants to leave.
    pub(crate) fn hurry(&self) {
        self.hurried.set();
    }

    pub(crate) fn is_hurried(&self) -> bool {
        self.hurried.is_set()
    }

    /// Whether what is not delivered may go to a disk.
    pub(crate) fn has_spool(&self) -> bool {
        self.client.options().spool.is_some() && !self.silent
    }

    /// Stops accepting. Without a spool the worker need not know `timeout`: whoever waits gives the rest up then. With
    /// one it has to, so that everything is on disk by then.
    pub(crate) fn begin_close(&self, timeout: Option<Duration>) {
        let until = timeout.filter(|_| self.has_spool());
        self.client.begin_close(until.unwrap_or(Duration::MAX));
    }

    /// Passes on what the worker has to say, on the caller's thread.
    #[inline]
    pub(crate) fn report(&self, py: Python<'_>) -> PyResult<()> {
        if self.client.has_reports() {
            records::deliver(py, self)
        } else {
            Ok(())
        }
    }

    /// Waits, at most so many seconds, until a barrier that is made now is reached or never will be; returns whether it is.
    pub(crate) fn wait_for(
        &self,
        py: Python<'_>,
        timeout: Option<f64>,
        barrier: impl FnOnce(&potsdb::Client) -> potsdb::Barrier,
    ) -> PyResult<bool> {
        let timeout = waits::seconds(timeout)?;
        let barrier = barrier(&self.client);
        self.wait(py, timeout, |slice| barrier.wait(slice) || barrier.is_over())?;
        Ok(barrier.is_reached())
    }

    /// Waits as `waits::until`; an interruption marks the client hurried.
    pub(crate) fn wait(
        &self,
        py: Python<'_>,
        timeout: Option<Duration>,
        reached: impl Fn(Duration) -> bool + Sync,
    ) -> PyResult<bool> {
        let outcome = waits::until(py, timeout, reached);
        if outcome.is_err() {
            self.hurry();
        }
        let reached = outcome?;
        self.report(py)?;
        Ok(reached)
    }
}

/// Something that happened in this process, and so not in its forked children.
#[derive(Default)]
struct InProcess(AtomicU32);

impl InProcess {
    fn set(&self) {
        self.0.store(process::id(), Ordering::Relaxed);
    }

    fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed) == process::id()
    }
}

/// Where a point comes from: what potsdb 1.0.3 looked at before it made a line.
#[derive(Clone, Copy)]
pub(crate) struct Origin<'a> {
    pub(crate) metric: &'a str,
    /// Whether the call brings tags of its own.
    pub(crate) tagged: bool,
}

impl Origin<'_> {
    /// Why potsdb 1.0.3 refused it, too: an illegal character in the metric, or no tag at all. (An
    /// empty metric it let through.)
    #[cold]
    fn always_refused(self, core: &Core) -> Option<InvalidPoint> {
        let options = core.client.options();
        let rules = Rules::new(options.names, 0);
        let mut series = SeriesText::new();
        match series.metric(&rules, "", self.metric) {
            Err(error) if error.byte().is_some() => return Some(error),
            Err(_) => return None,
            Ok(()) => {}
        }
        let own = !options.tags.is_empty() || core.client.host_tag().is_some() || options.worker_tag.is_some();
        let tagless = !self.tagged && !own;
        if tagless { series.finish(&rules).err() } else { None }
    }
}

/// Python's side of a client: shared by the client object and its series, closes when both are gone.
pub(crate) struct Handle {
    core: Arc<Core>,
}

impl Handle {
    /// Takes a client in and makes it known to the exit hook.
    pub(crate) fn open(client: potsdb::Client) -> Arc<Handle> {
        let core = Arc::new(Core::new(client));
        exit::register(&core);
        Arc::new(Handle { core })
    }
}

impl Deref for Handle {
    type Target = Core;

    #[inline]
    fn deref(&self) -> &Core {
        &self.core
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // Returns at once and takes no Python lock: this runs inside the garbage collector. A child that never sent has
        // nothing to close, and starts no worker for it.
        self.core.client.let_go();
    }
}
