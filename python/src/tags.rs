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

use crate::fastcall::{Arguments, Keyword};

/// Tags in the order given.
#[derive(Default)]
pub(crate) struct Tags<'a>(SmallVec<[(Text<'a>, Text<'a>); 8]>);

/// Text out of Python.
pub(crate) enum Text<'a> {
    /// Borrowed from a string object, which keeps its UTF-8 form.
    Borrowed(&'a str),
    Owned(String),
}

/// What one call of `send` says.
pub(crate) struct Call<'a, 'py> {
    pub(crate) name: Text<'a>,
    pub(crate) value: &'a Bound<'py, PyAny>,
    pub(crate) timestamp: Option<&'a Bound<'py, PyAny>>,
    pub(crate) tags: Tags<'a>,
}

impl<'a, 'py: 'a> Call<'a, 'py> {
    /// Sorts the arguments.
    #[inline]
    pub(crate) fn new(arguments: &Arguments<'a, 'py>) -> PyResult<Call<'a, 'py>> {
        let mut positional = arguments.positional();
        let (mut name, mut value, mut timestamp) = (positional.next(), positional.next(), None);
        if positional.len() > 0 {
            return Err(PyTypeError::new_err(
                "send() takes a name and a value by position, and tags by keyword",
            ));
        }
        let mut tags = Tags::default();
        for (key, given) in arguments.keywords() {
            match key {
                Keyword::Name("timestamp") => timestamp = Some(given),
                Keyword::Name("name") if name.is_none() => name = Some(given),
                Keyword::Name("val") if value.is_none() => value = Some(given),
                Keyword::Name("tags") if given.cast::<PyMapping>().is_ok() => tags.add_mapping(given)?,
                Keyword::Name(key) => tags.0.push((Text::Borrowed(key), Text::printed(given)?)),
                Keyword::Broken(key) => tags.0.push((Text::Owned(key), Text::printed(given)?)),
            }
        }
        let missing =
            |what: &str| PyTypeError::new_err(format!("send() missing 1 required positional argument: '{what}'"));
        let name = Text::name(name.ok_or_else(|| missing("name"))?)?;
        Ok(Call {
            name,
            value: value.ok_or_else(|| missing("val"))?,
            timestamp,
            tags,
        })
    }
}

impl<'a> Tags<'a> {
    /// Sorts the keywords of `series`: everything is a tag, but a mapping called `tags`.
    pub(crate) fn of_series(keywords: Option<&Bound<'_, PyDict>>) -> PyResult<Tags<'a>> {
        let mut tags = Tags::default();
        for (key, given) in keywords.into_iter().flatten() {
            let key = Text::copied(&key)?;
            if key.as_str() == "tags" && given.cast::<PyMapping>().is_ok() {
                tags.add_mapping(&given)?;
            } else {
                tags.0.push((key, Text::copied(&given)?));
            }
        }
        Ok(tags)
    }

    /// Adds the items of a mapping: the call's `tags=`, or the option.
    pub(crate) fn add_mapping(&mut self, given: &Bound<'_, PyAny>) -> PyResult<()> {
        for item in given.cast::<PyMapping>()?.items()?.iter() {
            let (key, value): (Bound<'_, PyAny>, Bound<'_, PyAny>) = item.extract()?;
            self.0.push((Text::copied(&key)?, Text::copied(&value)?));
        }
        Ok(())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    #[inline]
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }
}

impl potsdb::Tags for &Tags<'_> {
    #[inline]
    fn try_for_each<E>(self, mut tag: impl FnMut(&str, &str) -> Result<(), E>) -> Result<(), E> {
        self.iter().try_for_each(|(name, value)| tag(name, value))
    }
}

impl<'a> Text<'a> {
    /// A metric name is text already: potsdb 1.0.3 refused everything else with this type.
    #[inline]
    pub(crate) fn name(given: &'a Bound<'_, PyAny>) -> PyResult<Text<'a>> {
        match given.cast::<PyString>() {
            Ok(text) => Ok(Text::of(text)),
            Err(_) => Err(PyTypeError::new_err(format!(
                "metric name must be a str, not {}",
                given.get_type().name()?.to_string_lossy()
            ))),
        }
    }

    /// What `str()` makes of a tag's value.
    #[inline]
    fn printed(given: &'a Bound<'_, PyAny>) -> PyResult<Text<'a>> {
        match given.cast_exact::<PyString>() {
            Ok(text) => Ok(Text::of(text)),
            Err(_) => Text::copied(given),
        }
    }

    fn copied(given: &Bound<'_, PyAny>) -> PyResult<Text<'a>> {
        let text = given.str()?;
        Ok(Text::Owned(Text::of(&text).as_str().to_owned()))
    }

    #[inline]
    fn of(text: &'a Bound<'_, PyString>) -> Text<'a> {
        match text.to_str() {
            Ok(text) => Text::Borrowed(text),
            Err(_) => Text::Owned(broken(text)),
        }
    }

    #[inline]
    pub(crate) fn as_str(&self) -> &str {
        match self {
            Text::Borrowed(text) => text,
            Text::Owned(text) => text,
        }
    }
}

/// A string with lone surrogates has no UTF-8 form: a control character stands for each, which every
/// rule about names refuses.
#[cold]
pub(crate) fn broken(text: &Bound<'_, PyString>) -> String {
    text.to_string_lossy().replace(char::REPLACEMENT_CHARACTER, "\u{80}")
}
