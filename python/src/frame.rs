//! `send_frame`: tables as points, from anything with `__arrow_c_stream__`.
//!
//! pandas, Polars, PyArrow and others hand a table over as Arrow's C stream: the columns where they lie, nothing copied (pandas
//! with the help of `potsdb/_tables.py`: by itself it looks through every number for nulls). What a cell means is the crate's
//! business (`potsdb::frame`); here are the arguments, the waiting, and what the program is told. The interpreter lock is
//! released while rows are read and while there is no room, and signals get their turn between two slices of the table.

use std::time::Instant;

use arrow_array::RecordBatch;
use potsdb::Invalid;
use potsdb::frame::{self, Columns, Frame, FrameError};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyMapping, PyString, PyTuple, PyType};

use crate::core::Core;
use crate::{errors, fastcall, package, records, waits};

/// Rows between two looks at the signals: a few ten milliseconds' worth.
const SLICE: usize = 1 << 17;

/// Row, column, and what is illegal.
type BadCell = (usize, String, String);

/// What became of a table's cells.
#[pyclass(frozen, eq, hash, get_all, module = "potsdb")]
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct SentFrame {
    /// Points accepted.
    queued: u64,
    /// Cells without a value or a time: no points were made of them.
    skipped: u64,
    /// Cells refused.
    invalid: u64,
    /// Rows sent: all of them, unless the time was over.
    rows: usize,
    /// The first ten cells refused: row, column, and what is illegal.
    bad: Vec<BadCell>,
}

#[pymethods]
impl SentFrame {
    #[new]
    #[pyo3(signature = (queued = 0, skipped = 0, invalid = 0, rows = 0, bad = Vec::new()))]
    fn new(queued: u64, skipped: u64, invalid: u64, rows: usize, bad: Vec<BadCell>) -> SentFrame {
        SentFrame {
            queued,
            skipped,
            invalid,
            rows,
            bad,
        }
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyType>, Bound<'py, PyTuple>)> {
        let fields = (self.queued, self.skipped, self.invalid, self.rows, self.bad.clone());
        Ok((py.get_type::<SentFrame>(), fields.into_pyobject(py)?))
    }

    fn __repr__(&self) -> String {
        let SentFrame {
            queued,
            skipped,
            invalid,
            rows,
            ..
        } = self;
        format!("<potsdb.SentFrame {queued} queued, {skipped} skipped, {invalid} invalid, of {rows} rows>")
    }
}

impl SentFrame {
    fn add(&mut self, sent: frame::SentFrame, before: usize) {
        self.queued += sent.queued;
        self.skipped += sent.skipped;
        self.invalid += sent.invalid;
        let bad = sent.bad.into_iter();
        let bad = bad.map(|cell| (before + cell.row, cell.column, cell.error.to_string()));
        let room = frame::BAD_CELLS - self.bad.len();
        self.bad.extend(bad.take(room));
    }
}

/// The columns of a call.
pub(crate) fn columns(
    metric: Option<String>,
    metric_column: Option<String>,
    value: &Bound<'_, PyAny>,
    timestamp: Option<String>,
    tags: Option<&Bound<'_, PyAny>>,
) -> PyResult<Columns> {
    let mut columns = Columns::new();
    match (metric, metric_column) {
        (Some(_), Some(_)) => return Err(PyTypeError::new_err("metric and metric_column exclude each other")),
        (Some(metric), None) => columns = columns.value(one(value, "metric")?, metric),
        (None, Some(column)) => columns = columns.value_of(one(value, "metric_column")?, column),
        // The values name their metrics.
        (None, None) => {
            for (column, metric) in pairs(value)? {
                columns = columns.value(column, metric);
            }
        }
    }
    if let Some(column) = timestamp {
        columns = columns.timestamp(column);
    }
    for (column, name) in tags.map(pairs).transpose()?.unwrap_or_default() {
        columns = columns.tag_as(column, name);
    }
    Ok(columns)
}

/// The one column of values that goes with a metric.
fn one(value: &Bound<'_, PyAny>, metric: &str) -> PyResult<String> {
    match <[(String, String); 1]>::try_from(pairs(value)?) {
        Ok([(column, _)]) => Ok(column),
        Err(_) => Err(PyTypeError::new_err(format!(
            "{metric} goes with one column of values; several columns name their metrics: \
             value={{\"column\": \"metric\", ...}}"
        ))),
    }
}

/// A column, several, or a mapping of columns to names; what is not mapped is named as its column.
fn pairs(given: &Bound<'_, PyAny>) -> PyResult<Vec<(String, String)>> {
    if given.is_instance_of::<PyString>() {
        let column: String = given.extract()?;
        return Ok(vec![(column.clone(), column)]);
    }
    if let Ok(mapping) = given.cast::<PyMapping>() {
        return mapping.items()?.iter().map(|item| item.extract()).collect();
    }
    let columns = given.try_iter()?.map(|column| column?.extract::<String>());
    columns
        .map(|column| column.map(|column| (column.clone(), column)))
        .collect()
}

/// Sends every row, or those there was room for until `timeout` seconds were over.
pub(crate) fn send(
    py: Python<'_>,
    core: &Core,
    table: &Bound<'_, PyAny>,
    columns: Columns,
    timeout: Option<f64>,
) -> PyResult<SentFrame> {
    let deadline = waits::seconds(timeout)?.and_then(|timeout| Instant::now().checked_add(timeout));
    let names: Vec<&str> = columns.names().collect();
    let lean = package::get(py)?.lean.bind(py).call1((table, names))?;
    let Ok(export) = lean.getattr("__arrow_c_stream__") else {
        return Err(PyTypeError::new_err(format!(
            "send_frame takes what has __arrow_c_stream__ (pandas 2.2 with PyArrow, Polars 1.3, PyArrow 14 and newer), not {}",
            table.get_type().name()?.to_string_lossy()
        )));
    };
    let mut batches = fastcall::stream(export.call0()?.cast::<PyCapsule>()?)?;
    let mut frame = core.client.frame(columns);
    let mut sent = SentFrame::default();
    // A producer may need the interpreter for its next batch: it takes the lock by itself.
    while let Some(batch) = py.detach(|| batches.next()) {
        let batch = batch.map_err(|error| PyValueError::new_err(error.to_string()))?;
        if !batch_sent(py, core, &mut frame, &batch, &mut sent, deadline)? {
            break;
        }
    }
    core.report(py)?;
    told(py, core, &sent)?;
    Ok(sent)
}

/// Sends one batch in slices; returns whether all of it was sent before the deadline.
fn batch_sent(
    py: Python<'_>,
    core: &Core,
    frame: &mut Frame,
    batch: &RecordBatch,
    sent: &mut SentFrame,
    deadline: Option<Instant>,
) -> PyResult<bool> {
    let mut row = 0;
    while row < batch.num_rows() {
        let slice = batch.slice(row, SLICE.min(batch.num_rows() - row));
        let left = deadline.map_or(waits::SLICE, |deadline| {
            deadline.saturating_duration_since(Instant::now())
        });
        let told = py.detach(|| frame.send(&slice, 0, left.min(waits::SLICE)));
        let told = told.map_err(|error| raised(py, &error))?;
        let rows = told.rows;
        sent.add(told, sent.rows);
        sent.rows += rows;
        row += rows;
        py.check_signals().inspect_err(|_| core.hurry())?;
        if rows < slice.num_rows() {
            if core.client.is_closed() {
                return Err(errors::closed(py));
            }
            if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

/// Lets the program know of illegal cells, as the option `invalid` has it. The rest of the table is sent.
fn told(py: Python<'_>, core: &Core, sent: &SentFrame) -> PyResult<()> {
    let Some((row, column, error)) = sent.bad.first() else {
        return Ok(());
    };
    let message = format!("row {row}, column {column:?}: {error} ({} cells in all)", sent.invalid);
    match core.client.options().invalid {
        Invalid::Raise => Err(errors::invalid_point(py, message)),
        _ if core.is_silent() => Ok(()),
        _ => records::invalid(py, column, &message),
    }
}

fn raised(py: Python<'_>, error: &FrameError) -> PyErr {
    match error {
        FrameError::Closed => errors::closed(py),
        FrameError::Type { .. } => PyTypeError::new_err(error.to_string()),
        _ => PyValueError::new_err(error.to_string()),
    }
}
