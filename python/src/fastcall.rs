//! `Client.send` and `Series.send` as CPython calls its own: the arguments as they lie on the caller's stack.
//!
//! A method with `**tags` gets its keywords in a dict that the interpreter makes, and PyO3 copies
//! into another: two thirds of a call's cost. The calling convention `METH_FASTCALL |
//! METH_KEYWORDS` hands over an array of values and a tuple of names instead, but PyO3 offers it
//! only to methods whose keywords are known, and there sorts them into places first. So these two methods
//! are put into their classes by hand.
//!
//! Everything unsafe of the binding is here, and nothing else is: what a call means is in `client.rs` and `series.rs`.
#![expect(
    unsafe_code,
    reason = "the calling convention is made of pointers; the two dicts cost 700 ns of 1 000"
)]

use std::any::Any;
use std::ffi::CStr;
use std::panic::{self, AssertUnwindSafe};
use std::{ptr, slice, str};

use arrow_array::ffi_stream::RecordBatchStreamReader;
use pyo3::exceptions::PyValueError;
use pyo3::panic::PanicException;
use pyo3::prelude::*;
use pyo3::pyclass::boolean_struct::True;
use pyo3::types::{PyCapsule, PyString, PyTuple, PyType};
use pyo3::{PyClass, PyTypeInfo, ffi};

use crate::client::Client;
use crate::series::Series;

/// The arguments of one call, all borrowed from the caller.
pub(crate) struct Arguments<'a, 'py> {
    py: Python<'py>,
    /// By position, then those of the keywords.
    values: &'a [*mut ffi::PyObject],
    positional: usize,
    /// A tuple of strings, or null.
    names: &'a *mut ffi::PyObject,
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
        self.values().take(self.positional)
    }

    /// The argument at `index`, those given by position first.
    #[inline]
    pub(crate) fn get(&self, index: usize) -> Option<&'a Bound<'py, PyAny>> {
        let value = self.values.get(index)?;
        // SAFETY: the caller owns a reference to the object for the whole of the call, which is 'a.
        Some(unsafe { Bound::ref_from_ptr(self.py, value) })
    }

    /// Whether all are given by position.
    #[inline]
    pub(crate) fn are_positional(&self) -> bool {
        self.names.is_null()
    }

    /// All arguments, those given by position first.
    #[inline]
    pub(crate) fn values(&self) -> impl ExactSizeIterator<Item = &'a Bound<'py, PyAny>> {
        let py = self.py;
        // SAFETY: the caller owns a reference to each object for the whole of the call, which is 'a.
        self.values
            .iter()
            .map(move |value| unsafe { Bound::ref_from_ptr(py, value) })
    }

    /// Where the arguments lie, in the order of [`values`](Self::values).
    #[inline]
    pub(crate) fn addresses(&self) -> impl ExactSizeIterator<Item = *mut ffi::PyObject> + 'a {
        self.values.iter().copied()
    }

    /// The names of those given by keyword, if any is.
    #[inline]
    pub(crate) fn names(&self) -> Option<&'a Bound<'py, PyTuple>> {
        // SAFETY: null or a tuple, which the caller owns for the whole of the call; `names` is in a place that is 'a.
        (!self.names.is_null()).then(|| unsafe { Bound::ref_from_ptr(self.py, self.names).cast_unchecked() })
    }

    /// Where the tuple of names lies; null without one.
    #[inline]
    pub(crate) fn names_address(&self) -> *mut ffi::PyObject {
        *self.names
    }

    /// The arguments given by keyword.
    #[inline]
    pub(crate) fn keywords(&self) -> impl Iterator<Item = (Keyword<'a>, &'a Bound<'py, PyAny>)> {
        let (py, names) = (self.py, *self.names);
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

/// Puts both methods into their classes; called once, when the module is made.
pub(crate) fn install(py: Python<'_>) -> PyResult<()> {
    put(py, &Client::type_object(py), c"send", client_send, CLIENT_SEND)?;
    put(py, &Series::type_object(py), c"send", series_send, SERIES_SEND)
}

fn put(
    py: Python<'_>,
    class: &Bound<'_, PyType>,
    name: &'static CStr,
    method: ffi::PyCFunctionFastWithKeywords,
    doc: &'static CStr,
) -> PyResult<()> {
    // The descriptor refers to it for as long as the class lives: for ever.
    let definition = Box::leak(Box::new(ffi::PyMethodDef {
        ml_name: name.as_ptr(),
        ml_meth: ffi::PyMethodDefPointer {
            PyCFunctionFastWithKeywords: method,
        },
        ml_flags: ffi::METH_FASTCALL | ffi::METH_KEYWORDS,
        ml_doc: doc.as_ptr(),
    }));
    // SAFETY: a live class, a definition that is never freed; the answer is a new reference or null.
    let method = unsafe { Bound::from_owned_ptr_or_err(py, ffi::PyDescr_NewMethod(class.as_type_ptr(), definition)) }?;
    class.setattr("send", method)
}

/// The signature is potsdb 1.0.3's, so that programs and their mocks which pass `name` and `val` by keyword are right. None
/// says that tags may be called `name` and `val` all the same; the stub says it in three.
const CLIENT_SEND: &CStr = c"send($self, name, val, **tags)\n--\n\n\
Queues one point and returns at once, with the exact line queued.\n\n\
None: no point was made of it, because it repeats its series and time, or because it is illegal\n\
and invalid=\"drop\". Among the tags, timestamp= is the time, and tags= may be a mapping of more.";

const SERIES_SEND: &CStr = c"send($self, /, value, timestamp=None)\n--\n\nQueues one point; True when it was queued.";

/// What CPython calls for `Client.send`.
unsafe extern "C" fn client_send(
    this: *mut ffi::PyObject,
    values: *const *mut ffi::PyObject,
    positional: ffi::Py_ssize_t,
    names: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: as CPython calls it, with an instance of the class it was put into.
    unsafe {
        call::<Client>(this, values, positional, names, |client, arguments| {
            client.send(arguments)
        })
    }
}

/// What CPython calls for `Series.send`.
unsafe extern "C" fn series_send(
    this: *mut ffi::PyObject,
    values: *const *mut ffi::PyObject,
    positional: ffi::Py_ssize_t,
    names: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: as CPython calls it, with an instance of the class it was put into.
    unsafe {
        call::<Series>(this, values, positional, names, |series, arguments| {
            series.send(arguments)
        })
    }
}

/// # Safety
///
/// As CPython calls a method: attached, `this` an instance of `T` (the descriptor checks it), the arguments in an array
/// that the caller keeps where it is during the call, with a tuple of names for the last of them, or null.
#[inline(always)]
unsafe fn call<T: PyClass<Frozen = True> + Sync>(
    this: *mut ffi::PyObject,
    values: *const *mut ffi::PyObject,
    positional: ffi::Py_ssize_t,
    names: *mut ffi::PyObject,
    method: impl for<'a, 'py> FnOnce(&T, &Arguments<'a, 'py>) -> PyResult<Bound<'py, PyAny>>,
) -> *mut ffi::PyObject {
    // SAFETY: CPython calls methods on a thread that is attached to it.
    let py = unsafe { Python::assume_attached() };
    let call = || {
        // SAFETY: the descriptor has checked that `this` is an instance of its class.
        let this = unsafe { Bound::ref_from_ptr(py, &this).cast_unchecked::<T>() };
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
        method(
            this.get(),
            &Arguments {
                py,
                values,
                positional,
                names: &names,
            },
        )
    };
    // Nothing is left half done by a panic that anybody could see: a point is queued or not.
    let error = match panic::catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(answer)) => return answer.into_ptr(),
        Ok(Err(error)) => error,
        Err(payload) => panicked(&*payload),
    };
    error.restore(py);
    ptr::null_mut()
}

/// A line as a `str`. `is_ascii` says what is known of it: ASCII is Latin-1 as well, which CPython copies in one go
/// where it looks through UTF-8 byte by byte.
#[inline]
pub(crate) fn text<'py>(py: Python<'py>, line: &[u8], is_ascii: bool) -> PyResult<Bound<'py, PyString>> {
    if !is_ascii {
        return PyString::from_bytes(py, line);
    }
    debug_assert!(line.is_ascii());
    let len = line.len().cast_signed();
    // SAFETY: attached; that many bytes, which are copied; the answer is a new reference to a `str`, or null.
    unsafe {
        let text = ffi::PyUnicode_DecodeLatin1(line.as_ptr().cast(), len, ptr::null());
        Ok(Bound::from_owned_ptr_or_err(py, text)?.cast_into_unchecked())
    }
}

/// The batches of a table that was handed over as Arrow's C stream.
pub(crate) fn stream(capsule: &Bound<'_, PyCapsule>) -> PyResult<RecordBatchStreamReader> {
    let stream = capsule.pointer_checked(Some(c"arrow_array_stream"))?;
    // SAFETY: a capsule of this name holds a stream that obeys the C interface, or one that was taken already, which is
    // marked so and refused. Taking it leaves that mark behind for the capsule's destructor.
    let stream = unsafe { RecordBatchStreamReader::from_raw(stream.cast().as_ptr()) };
    stream.map_err(|error| PyValueError::new_err(error.to_string()))
}

/// The number of the interpreter that runs this thread; the main one is 0, the others are sub-interpreters.
pub(crate) fn interpreter(_py: Python<'_>) -> i64 {
    // SAFETY: attached, so there is an interpreter, and it lives as long as this thread is attached to it.
    unsafe { ffi::PyInterpreterState_GetID(ffi::PyInterpreterState_Get()) }
}

#[cold]
fn panicked(payload: &(dyn Any + Send)) -> PyErr {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| payload.downcast_ref::<&str>().copied());
    PanicException::new_err(text.unwrap_or("panic from Rust code").to_owned())
}
