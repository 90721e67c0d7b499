//! The extension module `potsdb._potsdb`: the Rust client, translated.
//!
//! Translation only. What Python hands over becomes names, values and times of the crate
//! (`tags.rs`, `values.rs`, `options.rs`); what the crate answers becomes Python's results and
//! exceptions (`errors.rs`, `stats.rs`, `records.rs`); every wait releases the interpreter lock and
//! looks at the signals (`waits.rs`). The package `potsdb/` around it holds what is easier said in
//! Python: the shims for programs written for potsdb 1.0.3, the exception classes, the hooks. It imports this module and
//! hands over what it is called back with (`package.rs`); this module imports nothing of it.
//!
//! Two rules keep it free of deadlocks. No Python object is touched while a lock of the crate is
//! held, and no lock of this module is held while the interpreter lock is released or Python code
//! runs. So a `__del__` or a log handler may send, and `fork` finds every lock here free.
//!
//! The module needs no interpreter lock. What protects what threads share, file by file:
//!
//! ```text
//! client.rs, sites.rs     the table of call sites: a `TryLock`; the open client: set once (`OnceLock`)
//! exit.rs                 the registry of clients: a mutex, held by attached threads that run no Python code
//! package.rs              what the package handed over: the same
//! core.rs                 per client: atomic numbers; the rest never changes
//! instruments.rs          totals and running timers: atomic numbers, a mutex
//! testing.rs              per receiver: a mutex, held by attached threads that run no Python code
//! records.rs              "a record is being written": one per thread
//! stats.rs, waits.rs      never change
//! fastcall.rs, frame.rs, options.rs, series.rs, tags.rs, values.rs, errors.rs
//!                         the caller's arguments, and nothing of their own; strings and numbers never change, and PyO3
//!                         locks a dict or list while it looks into it
//! ```
//!
//! A free-threaded CPython does not load a wheel of the stable ABI. A build for one compiles; it was never run.
#![deny(unsafe_code)]

mod client;
mod core;
mod errors;
mod exit;
mod fastcall;
mod frame;
mod instruments;
mod options;
mod package;
mod records;
mod series;
mod sites;
mod stats;
mod tags;
mod testing;
mod try_lock;
mod values;
mod waits;

use pyo3::exceptions::PyImportError;
use pyo3::prelude::*;

/// The module.
#[pymodule(gil_used = false)]
fn _potsdb(module: &Bound<'_, PyModule>) -> PyResult<()> {
    // Before the first class is made: classes, clients and their worker threads belong to the process, and would outlive
    // the interpreter that made them.
    if fastcall::interpreter(module.py()) != MAIN {
        return Err(PyImportError::new_err(
            "potsdb works in a process's main interpreter, and this is a sub-interpreter \
             (mod_wsgi: WSGIApplicationGroup %{GLOBAL}; uWSGI: single-interpreter = true)",
        ));
    }
    module.add_class::<client::Client>()?;
    module.add_class::<series::Series>()?;
    module.add_class::<instruments::Instruments>()?;
    module.add_class::<instruments::Gauge>()?;
    module.add_class::<instruments::Counter>()?;
    module.add_class::<instruments::Histogram>()?;
    module.add_class::<instruments::Timer>()?;
    module.add_class::<instruments::Running>()?;
    module.add_class::<frame::SentFrame>()?;
    module.add_class::<stats::Stats>()?;
    module.add_class::<stats::EndpointState>()?;
    module.add_class::<stats::SpoolState>()?;
    module.add_class::<waits::Barrier>()?;
    module.add_class::<testing::Receiver>()?;
    module.add_function(wrap_pyfunction!(package::install, module)?)?;
    module.add_function(wrap_pyfunction!(exit::drain_all, module)?)?;
    module.add_function(wrap_pyfunction!(options::options, module)?)?;
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    fastcall::install(module.py())
}

/// The number of the interpreter that a process begins with.
const MAIN: i64 = 0;
