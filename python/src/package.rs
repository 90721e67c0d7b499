//! What the package hands over when it is imported: its exception classes, and the functions that are called back.
//!
//! The package imports the extension module, never the other way round. `potsdb/__init__.py` calls [`install`] once; a
//! package that is imported anew, as test runners do it, calls it again, and from then on its classes are raised.

use std::sync::{Arc, Mutex, PoisonError};

use pyo3::exceptions::PyImportError;
use pyo3::prelude::*;
use pyo3::types::PyType;

/// Everything of the package's that this module raises or calls.
pub(crate) struct Package {
    pub(crate) invalid_point: Py<PyType>,
    pub(crate) invalid_overflow: Py<PyType>,
    pub(crate) closed: Py<PyType>,
    pub(crate) queue_full: Py<PyType>,
    pub(crate) config_error: Py<PyType>,
    /// `_records.report`: a level of `logging` and a message.
    pub(crate) report: Py<PyAny>,
    /// `_records.invalid`: a metric and why its point was refused.
    pub(crate) refused: Py<PyAny>,
    /// `_tables.lean`: a table and the columns of it that are sent.
    pub(crate) lean: Py<PyAny>,
    /// `instruments._measured`: a timer and a function whose calls it is to measure.
    pub(crate) measured: Py<PyAny>,
}

/// Read where something was refused or is to be told, never on the way of a point that is sent. No Python code runs
/// while it is held.
static PACKAGE: Mutex<Option<Arc<Package>>> = Mutex::new(None);

/// Takes over what the package brings.
#[pyfunction]
#[pyo3(signature = (*, invalid_point, invalid_overflow, closed, queue_full, config_error, report, refused, lean, measured))]
#[expect(clippy::too_many_arguments, reason = "Python's keywords, each with a name there")]
pub(crate) fn install(
    invalid_point: Py<PyType>,
    invalid_overflow: Py<PyType>,
    closed: Py<PyType>,
    queue_full: Py<PyType>,
    config_error: Py<PyType>,
    report: Py<PyAny>,
    refused: Py<PyAny>,
    lean: Py<PyAny>,
    measured: Py<PyAny>,
) {
    let package = Package {
        invalid_point,
        invalid_overflow,
        closed,
        queue_full,
        config_error,
        report,
        refused,
        lean,
        measured,
    };
    let before = PACKAGE
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .replace(Arc::new(package));
    // Its classes may end here, which may run Python code: after the lock.
    drop(before);
}

/// What the package brought. The proof of being attached is for dropping it.
pub(crate) fn get(_py: Python<'_>) -> PyResult<Arc<Package>> {
    let package = PACKAGE.lock().unwrap_or_else(PoisonError::into_inner).clone();
    package.ok_or_else(|| PyImportError::new_err("potsdb._potsdb is used without its package: import potsdb"))
}
