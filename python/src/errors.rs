//! Errors of the crate as exceptions of `potsdb.exceptions`.
//!
//! The classes are written in Python (they have several bases each, so that programs written for
//! potsdb 1.0.3 go on catching what they caught) and handed over (`package.rs`); this file fills them.

use std::io;

use potsdb::ConfigError;
use pyo3::exceptions::{PyOSError, PyTimeoutError};
use pyo3::prelude::*;
use pyo3::types::PyType;

use crate::package::{self, Package};

/// Why a call made no point.
pub(crate) enum Refusal {
    /// Always raised: potsdb 1.0.3 raised it, or the caller's own object did.
    Raised(PyErr),
    /// potsdb 1.0.3 let it through: the option `invalid` says what happens.
    Invalid(String),
}

impl From<PyErr> for Refusal {
    fn from(error: PyErr) -> Refusal {
        Refusal::Raised(error)
    }
}

/// `InvalidPoint`: a `ValueError` and an `AssertionError`.
pub(crate) fn invalid_point(py: Python<'_>, message: String) -> PyErr {
    new(py, |package| &package.invalid_point, message)
}

/// `InvalidOverflow`: an `InvalidPoint` that is an `OverflowError` too.
pub(crate) fn invalid_overflow(py: Python<'_>, message: String) -> PyErr {
    new(py, |package| &package.invalid_overflow, message)
}

/// `Closed`, in the words of potsdb 1.0.3.
pub(crate) fn closed(py: Python<'_>) -> PyErr {
    new(py, |package| &package.closed, "the client has been closed".to_owned())
}

/// `QueueFull`, which only `overflow=block` and its deadline can raise.
pub(crate) fn queue_full(py: Python<'_>) -> PyErr {
    new(
        py,
        |package| &package.queue_full,
        "no room in the queue before the deadline of overflow=block".to_owned(),
    )
}

/// `ConfigError`.
pub(crate) fn config(py: Python<'_>, message: String) -> PyErr {
    new(py, |package| &package.config_error, message)
}

/// What `Builder::build` says: `check_host` fails as a socket would, the rest is a `ConfigError`.
pub(crate) fn building(py: Python<'_>, error: &ConfigError) -> PyErr {
    match error.unreachable_by() {
        Some(source) => {
            // The crate says the endpoint first and then the source.
            let words = error.to_string();
            let endpoint = words.strip_suffix(&format!(": {source}")).unwrap_or_default();
            match is_resolution(source) {
                true => unknown_host(py, endpoint, source).unwrap_or_else(|error| error),
                false => unreachable_host(endpoint, source),
            }
        }
        None => config(py, error.to_string()),
    }
}

/// `OSError(errno, words, endpoint)` makes the natural subclass of itself, `ConnectionRefusedError` and so on, and
/// prints as "[Errno 111] Connection refused: 'tsdb://localhost:4242'".
fn unreachable_host(endpoint: &str, source: &io::Error) -> PyErr {
    match source.raw_os_error() {
        Some(number) => {
            let words = source.to_string();
            // Rust adds " (os error 111)", which Python says as "[Errno 111]".
            let words = words.split(" (os error").next().unwrap_or_default().to_owned();
            PyOSError::new_err((number, words, endpoint.to_owned()))
        }
        None if source.kind() == io::ErrorKind::TimedOut => PyTimeoutError::new_err(format!("{endpoint}: timed out")),
        None => PyOSError::new_err(format!("{endpoint}: {source}")),
    }
}

/// The standard library's resolver errors have neither a number nor a kind of their own.
fn is_resolution(source: &io::Error) -> bool {
    source.raw_os_error().is_none() && source.to_string().starts_with("failed to lookup address")
}

/// `socket.gaierror`. The number is lost on the way through Rust; the words are the resolver's.
fn unknown_host(py: Python<'_>, endpoint: &str, source: &io::Error) -> PyResult<PyErr> {
    let socket = py.import("socket")?;
    let words = source.to_string();
    let words = words.rsplit(": ").next().unwrap_or_default().to_owned();
    let number = if words.starts_with("Temporary failure") {
        "EAI_AGAIN"
    } else {
        "EAI_NONAME"
    };
    let class = socket.getattr("gaierror")?.cast_into::<PyType>()?;
    Ok(PyErr::from_type(
        class,
        (socket.getattr(number)?.extract::<i32>()?, words, endpoint.to_owned()),
    ))
}

fn new(py: Python<'_>, class: fn(&Package) -> &Py<PyType>, message: String) -> PyErr {
    match package::get(py) {
        Ok(package) => PyErr::from_type(class(&package).bind(py).clone(), message),
        Err(error) => error,
    }
}
