//! Whole lines out of any stream of bytes, in bounded memory.
//!
//! `pipe` reads with it on its reader thread. Each piece is as many whole lines as one read brought, with the number
//! of the first: a trickle goes on at once, a flood in big pieces. A line that does not end within [`LONGEST`] bytes
//! is told once and swallowed up to its newline, so that ten megabytes of garbage cost no memory. A last line
//! without its newline is a line. The mark of UTF-8 at the start, which some editors write, is no part of the first.
//!
//! Whether a line is a point is not decided here but by the client.

use std::io::{self, Read};

/// Reads a stream in pieces of whole lines.
pub(crate) struct Input<R> {
    source: R,
    buffer: Vec<u8>,
    /// What of `buffer` has been read and not handed out.
    held: std::ops::Range<usize>,
    /// The number of the line that starts at `held.start`, from 1.
    number: u64,
    /// Nothing of the first line has been handed out or swallowed yet.
    at_start: bool,
    swallowing: bool,
    ended: bool,
}

/// What one call of [`Input::next`] found.
#[derive(Debug, PartialEq)]
pub(crate) enum Piece<'a> {
    /// Whole lines, each with its newline; `first` is the number of the first, `count` how many.
    Lines { text: &'a [u8], first: u64, count: u64 },
    /// One line that is longer than any line may be; its bytes are gone.
    TooLong { number: u64 },
}

/// A line without an end within this many bytes is not kept. A legal line has at most 1 024; the rest of the room is
/// so that a long line with something to say about it still reaches the client whole.
pub(crate) const LONGEST: usize = 64 * 1024;

/// How a file in UTF-8 may begin.
pub(super) const MARK: &[u8] = b"\xef\xbb\xbf";

/// Enough to make reads cheap; small enough that a piece of nothing but bad lines can be told without much memory.
const CAPACITY: usize = 4 * LONGEST;

impl<R: Read> Input<R> {
    pub(crate) fn new(source: R) -> Input<R> {
        Input {
            source,
            buffer: vec![0; CAPACITY],
            held: 0..0,
            number: 1,
            at_start: true,
            swallowing: false,
            ended: false,
        }
    }

    /// Waits for the next piece; `None` is the end of the stream.
    pub(crate) fn next(&mut self) -> io::Result<Option<Piece<'_>>> {
        loop {
            if self.ended {
                return Ok(None);
            }
            self.buffer.copy_within(self.held.clone(), 0);
            self.held = 0..self.held.len();
            if self.held.len() > LONGEST {
                self.held = 0..0;
                self.swallowing = true;
                self.at_start = false;
                return Ok(Some(Piece::TooLong { number: self.number }));
            }
            let old = self.held.end;
            match self.source.read(&mut self.buffer[old..]) {
                Ok(0) => return Ok(self.end()),
                Ok(count) => self.held.end += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            }
            if self.swallowing && !self.swallow() {
                continue;
            }
            let unseen = old.max(self.held.start);
            if let Some(newline) = memchr::memrchr(b'\n', &self.buffer[unseen..self.held.end]) {
                self.skip_mark();
                let lines = self.held.start..unseen + newline + 1;
                self.held.start = lines.end;
                return Ok(Some(self.lines(lines)));
            }
        }
    }

    fn lines(&mut self, lines: std::ops::Range<usize>) -> Piece<'_> {
        let text = &self.buffer[lines];
        let first = self.number;
        let count = memchr::memchr_iter(b'\n', text).count() as u64;
        self.number += count;
        Piece::Lines { text, first, count }
    }

    /// Takes the mark off the first line, which is held as a whole.
    fn skip_mark(&mut self) {
        if std::mem::take(&mut self.at_start) && self.buffer[self.held.clone()].starts_with(MARK) {
            self.held.start += MARK.len();
        }
    }

    /// Drops what belongs to an over-long line; returns whether its end was found.
    fn swallow(&mut self) -> bool {
        match memchr::memchr(b'\n', &self.buffer[self.held.clone()]) {
            None => self.held = 0..0,
            Some(newline) => {
                self.held.start += newline + 1;
                self.number += 1;
                self.swallowing = false;
            }
        }
        !self.swallowing
    }

    fn end(&mut self) -> Option<Piece<'_>> {
        self.ended = true;
        self.skip_mark();
        if self.held.is_empty() || self.swallowing {
            return None;
        }
        self.buffer[self.held.end] = b'\n'; // there is room: what is held is at most LONGEST
        let lines = self.held.start..self.held.end + 1;
        Some(self.lines(lines))
    }
}

#[cfg(test)]
mod tests {
    use super::{Input, LONGEST, Piece};
    use std::io::{self, Read};

    /// Hands out its bytes in reads of at most `step`.
    struct Trickle<'a> {
        bytes: &'a [u8],
        step: usize,
    }

    impl Read for Trickle<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let count = self.step.min(self.bytes.len()).min(buffer.len());
            buffer[..count].copy_from_slice(&self.bytes[..count]);
            self.bytes = &self.bytes[count..];
            Ok(count)
        }
    }

    /// The lines, each with its number; an over-long one as `<too long>`.
    fn numbered(bytes: &[u8], step: usize) -> Vec<(u64, String)> {
        let mut input = Input::new(Trickle { bytes, step });
        let mut found = Vec::new();
        while let Some(piece) = input.next().expect("reading memory cannot fail") {
            match piece {
                Piece::TooLong { number } => found.push((number, "<too long>".to_string())),
                Piece::Lines { text, first, count } => {
                    let lines = text.split_inclusive(|byte| *byte == b'\n');
                    let lines: Vec<_> = (first..)
                        .zip(lines.map(|line| String::from_utf8_lossy(line).into()))
                        .collect();
                    assert_eq!(lines.len() as u64, count);
                    found.extend(lines);
                }
            }
        }
        found
    }

    #[test]
    fn the_same_lines_come_out_however_the_bytes_come_in() {
        let text = b"one\n\ntwo\r\n\0three\nlast";
        let whole = numbered(text, usize::MAX);
        let expected = [(1, "one\n"), (2, "\n"), (3, "two\r\n"), (4, "\0three\n"), (5, "last\n")];
        assert_eq!(whole, expected.map(|(number, line)| (number, line.to_string())));
        for step in 1..text.len() {
            assert_eq!(numbered(text, step), whole, "reads of {step}");
        }
    }

    #[test]
    fn a_line_without_an_end_is_told_once_and_swallowed_up_to_its_newline() {
        let mut text = b"first\n".to_vec();
        text.extend(vec![b'x'; 20 * LONGEST]);
        text.extend(b"\nthird\n");
        for step in [1000, LONGEST, usize::MAX] {
            let lines = numbered(&text, step);
            let expected = [(1, "first\n"), (2, "<too long>"), (3, "third\n")];
            assert_eq!(
                lines,
                expected.map(|(number, line)| (number, line.to_string())),
                "reads of {step}"
            );
        }
    }

    #[test]
    fn garbage_to_the_very_end_is_told_once() {
        assert_eq!(
            numbered(&vec![0; 10 << 20], usize::MAX),
            [(1, "<too long>".to_string())]
        );
    }

    #[test]
    fn nothing_in_is_nothing_out() {
        assert_eq!(numbered(b"", 1), []);
    }

    #[test]
    fn the_mark_of_utf_8_is_no_part_of_the_first_line_and_only_of_that() {
        let expected = [(1, "one\n"), (2, "\u{feff}two\n")].map(|(number, line)| (number, line.to_string()));
        for text in ["\u{feff}one\n\u{feff}two", "\u{feff}one\n\u{feff}two\n"] {
            for step in 1..text.len() + 1 {
                assert_eq!(numbered(text.as_bytes(), step), expected, "reads of {step}");
            }
        }
        assert_eq!(numbered("\u{feff}".as_bytes(), 1), []);
    }
}
