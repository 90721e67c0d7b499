//! The text of a value, made before the line it goes into.
//!
//! The digits of one value are a chain of divisions, each of which waits for the one before. Those of many values, one after the
//! other, overlap in the processor, as far as its window reaches; with a line between two of them it does not reach so far.

use potsdb_wire::{Value, ValueBuffer};

/// The text, or none.
#[derive(Clone, Copy, Default)]
pub(super) struct ValueText {
    /// What is behind the text is whatever it is.
    pub(super) bytes: ValueBuffer,
    len: u8,
}

impl ValueText {
    /// Makes it the text of this value.
    #[inline]
    pub(super) fn set(&mut self, value: Option<Value>) {
        self.len = value.map_or(0, |value| value.text(&mut self.bytes).len()) as u8;
    }

    /// No value's text is empty.
    #[inline]
    pub(super) fn is_none(&self) -> bool {
        self.len == 0
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        usize::from(self.len)
    }
}
