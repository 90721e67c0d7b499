//! `Client.send` as CPython calls its own: the arguments as they lie on the caller's stack.
//!
//! A method with `**tags` gets its keywords in a dict that the interpreter makes, and PyO3 copies
//! into another: two thirds of a call's cost. The calling convention `METH_FASTCALL |
//! METH_KEYWORDS` hands over an array of values and a tuple of names instead, but PyO3 offers it
//! only to methods whose keywords are known. So this one method is put into its class by hand.
//!
//! Everything unsafe is here, and nothing else is: what a call means is in `tags.rs` and `client.rs`.
#![expect(
    unsafe_code,
    reason = "the calling convention is made of pointers; the two dicts cost 700 ns of 1 000"
)]

use std::any::Any;
use std::panic::{self, AssertUnwindSafe};
use std::{ptr, slice, str};

use pyo3::panic::PanicException;
use pyo3::prelude::*;
use pyo3::types::{PyString, PyType};
use pyo3::{PyTypeInfo, ffi};

use crate::client::Client;

/// The arguments of one call, all borrowed from the caller.
pub(crate) struct Arguments<'a, 'py> {
    py: Python<'py>,
    /// By position, then those of the keywords.
    values: &'a [*mut ffi::PyObject],
    positional: usize,
    /// A tuple of strings, or null.
    names: *mut ffi::PyObject,
}

/// A keyword's name.
pub(crate) enum Keyword<'a> {
    Name(&'a str),
    /// A name that has no UTF-8 form.
    Broken(String),
}

impl<'a, 'py: 'a> Arguments<'a, 'py> {
    pub(crate) fn py(&self) -> Python<'py> {
        self.py
    }

    /// The arguments given by position.
    #[inline]
    pub(crate) fn positional(&self) -> impl ExactSizeIterator<Item = &'a Bound<'py, PyAny>> {
        let py = self.py;
        // SAFETY: the caller owns a reference to each object for the whole of the call, which is 'a.
        self.values[..self.positional]
            .iter()
            .map(move |value| unsafe { Bound::ref_from_ptr(py, value) })
    }

    /// The arguments given by keyword.
    #[inline]
    pub(crate) fn keywords(&self) -> impl Iterator<Item = (Keyword<'a>, &'a Bound<'py, PyAny>)> {
        let (py, names) = (self.py, self.names);
        (0..).zip(&self.values[self.positional..]).map(move |(index, value)| {
            // SAFETY: there are values after the positional ones only with a tuple of as many names,
            // all strings; the caller owns it and them for the whole of the call.
            unsafe {
                (
                    keyword(py, ffi::PyTuple_GetItem(names, index)),
                    Bound::ref_from_ptr(py, value),
                )
            }
        })
    }
}

/// # Safety
///
/// `name` is a string that outlives `'a`.
#[inline]
unsafe fn keyword<'a>(py: Python<'_>, name: *mut ffi::PyObject) -> Keyword<'a> {
    let mut len = 0;
    // SAFETY: a string; what comes back belongs to it and lives as long.
    let bytes = unsafe { ffi::PyUnicode_AsUTF8AndSize(name, &raw mut len) };
    if bytes.is_null() {
        // SAFETY: attached, and `name` is a live string.
        let name = unsafe {
            ffi::PyErr_Clear();
            Bound::from_borrowed_ptr(py, name).cast_into_unchecked::<PyString>()
        };
        return Keyword::Broken(crate::tags::broken(&name));
    }
    // SAFETY: CPython made `len` bytes of UTF-8 (a length is never negative).
    Keyword::Name(unsafe { str::from_utf8_unchecked(slice::from_raw_parts(bytes.cast(), len as usize)) })
}

/// Puts `send` into the class; called once, when the module is made.
pub(crate) fn install(py: Python<'_>) -> PyResult<()> {
    let class: Bound<'_, PyType> = Client::type_object(py);
    // The descriptor refers to it for as long as the class lives: for ever.
    let definition = Box::leak(Box::new(ffi::PyMethodDef {
        ml_name: c"send".as_ptr(),
        ml_meth: ffi::PyMethodDefPointer {
            PyCFunctionFastWithKeywords: send,
        },
        ml_flags: ffi::METH_FASTCALL | ffi::METH_KEYWORDS,
        ml_doc: DOC.as_ptr(),
    }));
    // SAFETY: a live class, a definition that is never freed; the answer is a new reference or null.
    let method = unsafe { Bound::from_owned_ptr_or_err(py, ffi::PyDescr_NewMethod(class.as_type_ptr(), definition)) }?;
    class.setattr("send", method)
}

/// Without a signature that `inspect` reads: none says that `name` and `val` go by position or keyword and
/// that tags may be called `name` and `val` all the same. The stub says it in three.
const DOC: &std::ffi::CStr = c"send(name, val, **tags)\n\n\
Queues one point and returns at once, with the exact line queued.\n\n\
None: no point was made of it, because it repeats its series and time, or because it is illegal\n\
and invalid=\"drop\". Among the tags, timestamp= is the time, and tags= may be a mapping of more.";

/// What CPython calls.
unsafe extern "C" fn send(
    this: *mut ffi::PyObject,
    values: *const *mut ffi::PyObject,
    positional: ffi::Py_ssize_t,
    names: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: CPython calls methods with the interpreter lock held.
    let py = unsafe { Python::assume_attached() };
    let call = || {
        // SAFETY: the descriptor has checked that `this` is an instance of its class.
        let this = unsafe { Bound::ref_from_ptr(py, &this).cast_unchecked::<Client>() };
        let positional = positional.unsigned_abs();
        let keywords = match names.is_null() {
            true => 0,
            // SAFETY: not null, it is a tuple.
            false => unsafe { ffi::PyTuple_Size(names) }.unsigned_abs(),
        };
        let values = match positional + keywords {
            0 => &[][..],
            // SAFETY: that many values, which the caller keeps where they are during the call.
            count => unsafe { slice::from_raw_parts(values, count) },
        };
        this.get().send(&Arguments {
            py,
            values,
            positional,
            names,
        })
    };
    // Nothing is left half done by a panic that anybody could see: a point is queued or not.
    let error = match panic::catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(Some(line))) => return line.into_ptr(),
        Ok(Ok(None)) => return py.None().into_ptr(),
        Ok(Err(error)) => error,
        Err(payload) => panicked(&*payload),
    };
    error.restore(py);
    ptr::null_mut()
}

#[cold]
fn panicked(payload: &(dyn Any + Send)) -> PyErr {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| payload.downcast_ref::<&str>().copied());
    PanicException::new_err(text.unwrap_or("panic from Rust code").to_owned())
}
