//! Keywords of Python to options of the crate.
//!
//! The crate knows the names, the rules and the messages; here numbers, booleans, `timedelta` and
//! mappings become the text it reads.

use std::path::Path;

use potsdb::{HostTag, OPTIONS, OptionSpec, Options};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDelta, PyDict, PyFloat, PyInt, PyMapping, PyString};

use crate::errors;
use crate::tags::Tags;

/// Every option, in the order of the documentation: its name, its default as text, its meaning.
#[pyfunction]
pub(crate) fn options() -> Vec<(&'static str, String, &'static str)> {
    let default = |option: &OptionSpec| match DEFAULTS.iter().find(|(name, _)| *name == option.name) {
        Some((_, text)) => (*text).to_owned(),
        None => option.default(),
    };
    let options = OPTIONS.iter();
    options
        .map(|option| (option.name, default(option), option.help))
        .collect()
}

/// Where a Python client differs from the crate's: nobody's program may break on a label.
const DEFAULTS: [(&str, &str); 3] = [("names", "ascii"), ("max_tags", "0"), ("invalid", "drop")];

/// The options of a Python client of which nothing was said.
pub(crate) fn defaults() -> Options {
    let mut options = Options::default();
    for (name, text) in DEFAULTS {
        options
            .set(name, text)
            .expect("a default is legal: tests/test_options.py opens clients with it");
    }
    options
}

/// Applies keywords by name; an unknown one is a `TypeError` that suggests the nearest. Text means what it means in a
/// URL's query, but for the arguments of an `old` program, one written for potsdb 1.0.3: see [`host_tag`] and [`switch`].
pub(crate) fn apply(options: &mut Options, keywords: &Bound<'_, PyDict>, old: bool) -> PyResult<()> {
    let py = keywords.py();
    for (name, given) in keywords {
        let name: String = name.extract()?;
        if !OPTIONS.iter().any(|option| option.name == name) {
            let words = options.set(&name, "").err().map(|error| error.to_string());
            return Err(PyTypeError::new_err(words.unwrap_or(name)));
        }
        if old && matches!(&*name, "check_host" | "test_mode") {
            options
                .set(&name, &switch(&name, &given)?)
                .map_err(|error| errors::config(py, error.to_string()))?;
            continue;
        }
        if given.is_none() && name != "host_tag" {
            continue;
        }
        if name == "host_tag" && old {
            options.host_tag = host_tag(&given)?;
        } else if name == "host_tag" && given.is_none() {
            options.host_tag = HostTag::None;
        } else if name == "tags" && given.cast::<PyMapping>().is_ok() {
            let mut tags = Tags::default();
            tags.add_mapping(&given)?;
            options.tags = tags
                .iter()
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .collect();
        } else {
            // By name first: the look at a mapping imports `collections.abc`.
            let text = if name == "headers"
                && let Ok(headers) = given.cast::<PyMapping>()
            {
                lines(headers)?
            } else {
                text(&given)?
            };
            options
                .set(&name, &text)
                .map_err(|error| errors::config(py, error.to_string()))?;
        }
    }
    Ok(())
}

/// The name of the program that the interpreter runs, whose processes `worker_tag` numbers.
pub(crate) fn program(py: Python<'_>) -> PyResult<String> {
    let script = PyModule::import(py, "sys")?.getattr("argv")?.get_item(0);
    // An embedding program may have set no arguments.
    let script = script.and_then(|script| script.extract::<String>()).unwrap_or_default();
    let script = Path::new(&script);
    // `python -m package` runs the package's `__main__.py`.
    let named = match script.file_name() {
        Some(file) if file == "__main__.py" => script.parent().and_then(Path::file_name).or(Some(file)),
        file => file,
    };
    Ok(named.map_or_else(|| "python".to_owned(), |name| name.to_string_lossy().into_owned()))
}

/// potsdb 1.0.3's rule: what equals `True` is the machine's name, text is itself, the rest nothing.
pub(crate) fn host_tag(given: &Bound<'_, PyAny>) -> PyResult<HostTag> {
    if given.eq(true)? {
        return Ok(HostTag::Hostname);
    }
    match given.extract::<String>() {
        Ok(value) if !value.is_empty() => Ok(HostTag::Value(value)),
        _ => Ok(HostTag::None),
    }
}

/// potsdb 1.0.3's rules for what is not text: `check_host` is on if it equals `True`, `test_mode` if it is true. Text is
/// read as in a URL, so that `test_mode="false"` from a file of settings does not throw points away.
fn switch(name: &str, given: &Bound<'_, PyAny>) -> PyResult<String> {
    if let Ok(text) = given.cast::<PyString>() {
        let text = text.to_string_lossy().to_ascii_lowercase();
        return Ok(if text.is_empty() { "false".to_owned() } else { text });
    }
    let on = match name {
        "check_host" => given.eq(true)?,
        _ => given.is_truthy()?,
    };
    Ok(on.to_string())
}

/// Headers given as a mapping, as the option's text has them: one a line.
fn lines(headers: &Bound<'_, PyMapping>) -> PyResult<String> {
    let mut lines = String::new();
    for item in headers.items()?.iter() {
        let (name, value): (String, String) = item.extract()?;
        // A line break would make two headers of one; without it the client's own rule sees what is wrong.
        let line = format!("{name}: {value}").replace(['\r', '\n'], "\0");
        lines.push_str(&line);
        lines.push('\n');
    }
    Ok(lines)
}

fn text(given: &Bound<'_, PyAny>) -> PyResult<String> {
    if let Ok(flag) = given.cast::<PyBool>() {
        return Ok(flag.is_true().to_string());
    }
    // The look at a `timedelta` imports `datetime`, so what is usual is found before.
    let is_usual =
        given.is_instance_of::<PyString>() || given.is_instance_of::<PyInt>() || given.is_instance_of::<PyFloat>();
    if !is_usual && given.cast::<PyDelta>().is_ok() {
        let seconds: f64 = given.call_method0("total_seconds")?.extract()?;
        return Ok(format!("{seconds}s"));
    }
    Ok(given.str()?.to_string_lossy().into_owned())
}
