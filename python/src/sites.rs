//! Call sites of `send`, recognised by the identity of their strings.
//!
//! ```python
//! metrics.send("web.latency", took, path="/login", dc="eu")     # the same four objects each time it runs
//! ```
//!
//! A line of a program hands over the same string objects again and again: its constants, or what it keeps in variables.
//! A string never changes, so the same objects are the same series, checked and rendered before. The table keeps a
//! reference to every object it knows, so that none can die and leave its address to another; equal strings that are other
//! objects are not found here and take the long way, which leads to the same series.
//!
//! The table has a fixed number of places, and a site has one: who is seen twice in a row at a place gets it. Once is not
//! enough, or strings made for a single call (`f"user{n}"`) would be kept for nothing and push out those that come again.
//! The second sighting is judged by content, as a fresh string often lies where the last one died.
//!
//! Only strings that are exactly `str` are known: letting go of one runs no Python code, so a table may be changed
//! wherever the interpreter lock is held.

use potsdb::binding::SeriesBinding as _;
use pyo3::prelude::*;
use pyo3::types::{PyString, PyTuple};
use smallvec::SmallVec;

use crate::fastcall::Arguments;

/// Places of the table: call sites a client recognises at most.
const PLACES: usize = 4096;

/// The call sites of one client.
#[derive(Default)]
pub(crate) struct Sites {
    /// Empty until the first site is learned.
    places: Vec<Place>,
}

#[derive(Default)]
struct Place {
    /// What was seen here last, by its content.
    seen: u64,
    site: Option<Box<Site>>,
}

/// A call site, and what it sends to.
pub(crate) struct Site {
    pub(crate) series: potsdb::Series,
    /// Which of the arguments is `timestamp=`.
    pub(crate) timestamp: Option<usize>,
    /// Whether its lines are ASCII.
    pub(crate) is_ascii: bool,
    /// The addresses of the arguments: name, value, and those of the keywords. Value and timestamp are not compared.
    addresses: SmallVec<[usize; 8]>,
    /// The keywords' names. One tuple for all calls of a call site, but `**tags` makes a new one of the same strings.
    names: Py<PyTuple>,
    name_addresses: SmallVec<[usize; 8]>,
    /// What keeps the addresses from being anybody else's.
    _kept: SmallVec<[Py<PyAny>; 8]>,
}

/// The value's place among the arguments.
const VALUE: usize = 1;

impl Sites {
    /// The site that made this call, if it is known.
    #[inline]
    pub(crate) fn find(&self, arguments: &Arguments<'_, '_>) -> Option<&Site> {
        let place = self.places.get(place(arguments))?;
        place.site.as_deref().filter(|site| site.made(arguments))
    }

    /// Learns the site of a call that was accepted; `series` makes what it sends to. Nothing is learned from a first
    /// sighting, nor where anything but exact strings is among the names.
    pub(crate) fn learn(
        &mut self,
        arguments: &Arguments<'_, '_>,
        series: impl FnOnce() -> Option<potsdb::Series>,
    ) -> PyResult<()> {
        let Some((timestamp, seen)) = recognisable(arguments)? else {
            return Ok(());
        };
        if self.places.is_empty() {
            self.places.resize_with(PLACES, Place::default);
        }
        let place = &mut self.places[place(arguments)];
        if place.seen != seen {
            place.seen = seen;
            return Ok(());
        }
        let Some(names) = arguments.names() else { return Ok(()) };
        let kept = arguments.values().enumerate();
        place.site = series().map(|series| {
            Box::new(Site {
                is_ascii: series.is_ascii(),
                series,
                timestamp,
                addresses: arguments.addresses().map(<*mut pyo3::ffi::PyObject>::addr).collect(),
                name_addresses: names.iter_borrowed().map(|name| name.as_ptr().addr()).collect(),
                names: names.clone().unbind(),
                _kept: kept
                    .filter(|(index, _)| *index != VALUE && Some(*index) != timestamp)
                    .map(|(_, value)| value.clone().unbind())
                    .collect(),
            })
        });
        Ok(())
    }
}

impl Site {
    #[inline]
    fn made(&self, arguments: &Arguments<'_, '_>) -> bool {
        let given = arguments.addresses();
        given.len() == self.addresses.len()
            && self.has_names(arguments)
            && given.zip(&self.addresses).enumerate().all(|(index, (given, known))| {
                given.addr() == *known || index == VALUE || Some(index) == self.timestamp
            })
            && self.series.is_of_this_process()
    }

    #[inline]
    fn has_names(&self, arguments: &Arguments<'_, '_>) -> bool {
        arguments.names_address() == self.names.as_ptr() || self.has_equal_names(arguments)
    }

    /// As `**tags` makes it: another tuple of the same strings.
    #[cold]
    fn has_equal_names(&self, arguments: &Arguments<'_, '_>) -> bool {
        arguments.names().is_some_and(|names| {
            names.len() == self.name_addresses.len()
                && names
                    .iter_borrowed()
                    .zip(&self.name_addresses)
                    .all(|(name, known)| name.as_ptr().addr() == *known)
        })
    }
}

/// Where a call belongs: by the addresses of its strings. What is no string is a timestamp, or of no site.
#[inline]
fn place(arguments: &Arguments<'_, '_>) -> usize {
    let strings = arguments
        .values()
        .enumerate()
        .filter(|(_, value)| value.is_exact_instance_of::<PyString>());
    // Each by a factor of its own, so that the order counts and no product waits for another.
    let sum = strings.fold(0_u64, |sum, (index, string)| {
        let address = string.as_ptr().addr() as u64 >> 4;
        sum.wrapping_add(address.wrapping_mul(FACTORS[index % FACTORS.len()]))
    });
    (sum >> (u64::BITS - PLACES.ilog2())) as usize
}

/// Odd, and without a pattern.
const FACTORS: [u64; 8] = [
    0x9e37_79b9_7f4a_7c15,
    0xbf58_476d_1ce4_e5b9,
    0x94d0_49bb_1331_11eb,
    0xd6e8_feb8_6659_fd93,
    0xa076_1d64_78bd_642f,
    0xe703_7ed1_a0b4_28db,
    0x8ebc_6af0_9c88_c6e3,
    0x5899_65cc_7537_4cc3,
];

/// Whether a call can be known again: where its timestamp is, and its content.
fn recognisable(arguments: &Arguments<'_, '_>) -> PyResult<Option<(Option<usize>, u64)>> {
    let Some(names) = arguments.names() else {
        return Ok(None);
    };
    if arguments.positional().len() != 2 {
        return Ok(None);
    }
    let (mut timestamp, mut seen) = (None, 0_u64);
    let mut values = arguments.values().enumerate();
    let mut add = |text: &Bound<'_, PyAny>| -> PyResult<()> {
        seen = seen
            .rotate_left(5)
            .wrapping_mul(FACTORS[0])
            .wrapping_add(text.hash()?.cast_unsigned() as u64);
        Ok(())
    };
    let Some((_, name)) = values.next() else {
        return Ok(None);
    };
    if !name.is_exact_instance_of::<PyString>() {
        return Ok(None);
    }
    add(name)?;
    for ((index, value), key) in values.skip(1).zip(names.iter_borrowed()) {
        let Ok(key) = key.cast_exact::<PyString>() else {
            return Ok(None);
        };
        let is_text = value.is_exact_instance_of::<PyString>();
        if key.to_cow().is_ok_and(|key| key == "timestamp") {
            timestamp = Some(index);
            if is_text {
                return Ok(None);
            }
        } else if !is_text {
            return Ok(None);
        } else {
            add(value)?;
        }
    }
    Ok(Some((timestamp, seen)))
}
