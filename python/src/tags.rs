//! The arguments of one call, as text that the crate can borrow.
//!
//! `send(name, val, **tags)` has three guests among its keywords: `timestamp` is a time, `tags` is
//! more tags when it is a mapping, and `name` and `val` are the point's own when they were not
//! given by position (the way potsdb 1.0.3 allows it). All of Python's part, `str()` of a foreign
//! object included, is over before the crate is called.

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyMapping, PyString};
use smallvec::SmallVec;

/// The tags of one call, in the order given; keeps the strings alive that `pairs` borrows from.
pub(crate) struct Tags<'py> {
    texts: SmallVec<[(Text<'py>, Text<'py>); 8]>,
}

/// Tags as the crate takes them.
pub(crate) type Pairs<'a> = SmallVec<[(&'a str, &'a str); 8]>;

/// What a call says beside its tags.
pub(crate) struct Call<'py> {
    pub(crate) name: Option<Bound<'py, PyAny>>,
    pub(crate) value: Option<Bound<'py, PyAny>>,
    pub(crate) timestamp: Option<Bound<'py, PyAny>>,
    pub(crate) tags: Tags<'py>,
}

impl<'py> Call<'py> {
    /// Sorts the keywords of `send`; `name` and `value` are what came by position.
    #[inline]
    pub(crate) fn new(
        name: Option<Bound<'py, PyAny>>,
        value: Option<Bound<'py, PyAny>>,
        keywords: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Call<'py>> {
        let mut call = Call {
            name,
            value,
            timestamp: None,
            tags: Tags { texts: SmallVec::new() },
        };
        let Some(keywords) = keywords else { return Ok(call) };
        for (key, given) in keywords {
            let key = key.cast_into::<PyString>()?;
            match key.to_str() {
                Ok("timestamp") => call.timestamp = Some(given),
                Ok("name") if call.name.is_none() => call.name = Some(given),
                Ok("val") if call.value.is_none() => call.value = Some(given),
                Ok("tags") if given.cast::<PyMapping>().is_ok() => call.tags.add_mapping(&given)?,
                _ => call.tags.texts.push((Text::of(&key), Text::str(given)?)),
            }
        }
        Ok(call)
    }
}

impl<'py> Tags<'py> {
    /// Sorts the keywords of `series`: everything is a tag, but a mapping called `tags`.
    pub(crate) fn new(keywords: Option<&Bound<'py, PyDict>>) -> PyResult<Tags<'py>> {
        let mut tags = Tags { texts: SmallVec::new() };
        for (key, given) in keywords.into_iter().flatten() {
            let key = key.cast_into::<PyString>()?;
            if key.to_str().is_ok_and(|key| key == "tags") && given.cast::<PyMapping>().is_ok() {
                tags.add_mapping(&given)?;
            } else {
                tags.texts.push((Text::of(&key), Text::str(given)?));
            }
        }
        Ok(tags)
    }

    /// Tags out of a mapping, as the option `tags` takes them.
    pub(crate) fn from_mapping(given: &Bound<'py, PyAny>) -> PyResult<Tags<'py>> {
        let mut tags = Tags { texts: SmallVec::new() };
        tags.add_mapping(given)?;
        Ok(tags)
    }

    fn add_mapping(&mut self, given: &Bound<'py, PyAny>) -> PyResult<()> {
        for item in given.cast::<PyMapping>()?.items()?.iter() {
            let (key, value): (Bound<'py, PyAny>, Bound<'py, PyAny>) = item.extract()?;
            self.texts.push((Text::str(key)?, Text::str(value)?));
        }
        Ok(())
    }

    #[inline]
    pub(crate) fn pairs(&self) -> Pairs<'_> {
        self.texts
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
            .collect()
    }
}

/// Text out of Python.
pub(crate) enum Text<'py> {
    /// Borrowed from the string object, which holds its UTF-8 form from the first time on.
    Python(Bound<'py, PyString>),
    /// A string with lone surrogates has no UTF-8 form: a control character stands for them, which
    /// every rule about names refuses.
    Broken(String),
}

impl<'py> Text<'py> {
    #[inline]
    fn of(text: &Bound<'py, PyString>) -> Text<'py> {
        match text.to_str() {
            Ok(_) => Text::Python(text.clone()),
            Err(_) => Text::Broken(text.to_string_lossy().replace(char::REPLACEMENT_CHARACTER, "\u{80}")),
        }
    }

    #[inline]
    fn str(given: Bound<'py, PyAny>) -> PyResult<Text<'py>> {
        match given.cast_into_exact::<PyString>() {
            Ok(text) => Ok(Text::of(&text)),
            Err(other) => Ok(Text::of(&other.into_inner().str()?)),
        }
    }

    /// A metric name is text already: potsdb 1.0.3 refused everything else with this type.
    #[inline]
    pub(crate) fn name(given: &Bound<'py, PyAny>) -> PyResult<Text<'py>> {
        match given.cast::<PyString>() {
            Ok(text) => Ok(Text::of(text)),
            Err(_) => Err(PyTypeError::new_err(format!(
                "metric name must be a str, not {}",
                given.get_type().name()?.to_string_lossy()
            ))),
        }
    }

    #[inline]
    pub(crate) fn as_str(&self) -> &str {
        match self {
            Text::Python(text) => text.to_str().unwrap_or_default(),
            Text::Broken(text) => text,
        }
    }
}
