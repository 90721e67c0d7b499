//! The record map: which plaintext a part of the ciphertext stands for.
//!
//! ```text
//! ciphertext   | handshake | record  | record      | alert |      kernel: has so many bytes
//! mark                     ^ 300, 40  ^ 600, 210                  the plaintext that is surely read of them
//! ```
//!
//! One mark per record: a peer can read a record whole or not at all. So what the peer's kernel has acknowledged of a
//! connection is known in lines over TLS as it is without. Marks below what was acknowledged are forgotten.

use std::collections::VecDeque;

#[derive(Debug, Default)]
pub(super) struct RecordMap {
    /// The ends of records: in the ciphertext, and in the plaintext. Both grow.
    marks: VecDeque<(u64, u64)>,
    /// The plaintext of what was forgotten.
    floor: u64,
}

impl RecordMap {
    /// A record ends here.
    pub(super) fn push(&mut self, ciphertext: u64, plaintext: u64) {
        self.marks.push_back((ciphertext, plaintext));
    }

    /// How much plaintext is in whole records within so much ciphertext.
    pub(super) fn plain_of(&self, ciphertext: u64) -> u64 {
        let within = self.marks.partition_point(|(end, _)| *end <= ciphertext);
        match within.checked_sub(1) {
            Some(last) => self.marks[last].1,
            None => self.floor,
        }
    }

    /// Nobody will ask about less than that any more.
    pub(super) fn forget(&mut self, ciphertext: u64) {
        while let Some((end, plaintext)) = self.marks.front().copied()
            && end <= ciphertext
        {
            self.floor = plaintext;
            self.marks.pop_front();
        }
    }

    pub(super) fn len(&self) -> usize {
        self.marks.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plaintext_counts_when_its_record_is_whole() {
        let mut marks = RecordMap::default();
        marks.push(300, 40);
        marks.push(600, 210);
        let all = |marks: &RecordMap| [0, 299, 300, 599, 600, u64::MAX].map(|bytes| marks.plain_of(bytes));
        assert_eq!(all(&marks), [0, 0, 40, 40, 210, 210]);
        marks.forget(450);
        assert_eq!((all(&marks), marks.len()), ([40, 40, 40, 40, 210, 210], 1));
        marks.forget(u64::MAX);
        assert_eq!((all(&marks), marks.len()), ([210; 6], 0));
    }
}
