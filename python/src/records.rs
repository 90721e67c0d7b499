//! Records for the `potsdb` logger, from the caller's own thread.
//!
//! The worker never calls into Python: it leaves reports, and the next call of a client passes them
//! on here, after its own point is queued and with no lock held. A handler that sends gets no
//! second record from within the first. How often is decided elsewhere: for reports in the crate,
//! for refused points in `potsdb/_records.py`.

use std::cell::Cell;

use potsdb::binding::ClientBinding as _;
use pyo3::call::PyCallArgs;
use pyo3::exceptions::PyException;
use pyo3::prelude::*;

use crate::core::Core;
use crate::package::{self, Package};

/// Passes on what the client's worker reported.
#[cold]
pub(crate) fn deliver(py: Python<'_>, core: &Core) -> PyResult<()> {
    let Some(_guard) = Guard::enter() else { return Ok(()) };
    for report in core.client.take_reports() {
        if !core.is_silent() {
            record(
                py,
                |package| &package.report,
                (level(report.level()), report.to_string()),
            )?;
        }
    }
    Ok(())
}

/// Says that a point was refused and why.
#[cold]
pub(crate) fn invalid(py: Python<'_>, metric: &str, message: &str) -> PyResult<()> {
    let Some(_guard) = Guard::enter() else { return Ok(()) };
    record(py, |package| &package.refused, (metric, message))
}

/// The numbers of Python's `logging`.
fn level(level: log::Level) -> u8 {
    match level {
        log::Level::Error => 40,
        log::Level::Warn => 30,
        log::Level::Info => 20,
        log::Level::Debug | log::Level::Trace => 10,
    }
}

/// A broken log handler must not break the send; Ctrl-C during one still counts.
fn record<'py>(py: Python<'py>, function: fn(&Package) -> &Py<PyAny>, arguments: impl PyCallArgs<'py>) -> PyResult<()> {
    let package = package::get(py)?;
    match function(&package).bind(py).call1(arguments).map(|_| ()) {
        Err(error) if error.is_instance_of::<PyException>(py) => {
            error.write_unraisable(py, None);
            Ok(())
        }
        outcome => outcome,
    }
}

/// Held while a record of ours is being handled on this thread.
struct Guard;

impl Guard {
    fn enter() -> Option<Guard> {
        (!INSIDE.replace(true)).then_some(Guard)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        INSIDE.set(false);
    }
}

thread_local! {
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}
