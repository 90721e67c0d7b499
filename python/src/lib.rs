//! The extension module `potsdb._potsdb`: the Rust client, translated.
//!
//! Translation only. What Python hands over becomes names, values and times of the crate
//! (`tags.rs`, `values.rs`, `options.rs`); what the crate answers becomes Python's results and
//! exceptions (`errors.rs`, `stats.rs`, `records.rs`); every wait releases the interpreter lock and
//! looks at the signals (`waits.rs`). The package `potsdb/` around it holds what is easier said in
//! Python: the shims for programs written for potsdb 1.0.3, the exception classes, the hooks.
//!
//! Two rules keep it free of deadlocks. No Python object is touched while a lock of the crate is
//! held, and no lock of this module is held while the interpreter lock is released or Python code
//! runs. So a `__del__` or a log handler may send, and `fork` finds every lock here free.
#![deny(unsafe_code)]

mod client;
mod core;
mod errors;
mod exit;
mod fastcall;
mod frame;
mod instruments;
mod options;
mod records;
mod series;
mod sites;
mod stats;
mod tags;
mod values;
mod waits;

// `Attached` in fastcall.rs counts on it.
#[pyo3::pymodule(gil_used = true)]
mod _potsdb {
    #[pymodule_export]
    use crate::client::Client;
    #[pymodule_export]
    use crate::exit::drain_all;
    #[pymodule_export]
    use crate::frame::SentFrame;
    #[pymodule_export]
    use crate::instruments::{Counter, Gauge, Histogram, Instruments, Running, Timer};
    #[pymodule_export]
    use crate::options::option_names;
    #[pymodule_export]
    use crate::series::Series;
    #[pymodule_export]
    use crate::stats::{EndpointState, Stats};
    #[pymodule_export]
    use crate::waits::Barrier;

    #[pymodule_export]
    #[expect(non_upper_case_globals, reason = "Python's name for it")]
    const __version__: &str = env!("CARGO_PKG_VERSION");

    #[pymodule_init]
    fn init(module: &pyo3::Bound<'_, pyo3::types::PyModule>) -> pyo3::PyResult<()> {
        crate::fastcall::install(pyo3::Bound::py(module))
    }
}
