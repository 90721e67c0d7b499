//! The telnet conversation of one connection, without the socket: bytes in, points stored, replies out.
//!
//! Lines end in `\n` or `\r\n`. As in OpenTSDB the limit of 1024 bytes bites only while no newline has come: a longer
//! line is taken when it arrives whole. A half line at the end of the stream is no line.
//!
//! `connection.rs` reads the bytes and writes the replies; `personality/` words them; the store is locked once per call
//! of [`Telnet::take`].

use crate::intake::{Intake, latin1};
use crate::personality::{Outcome, Personality};
use crate::store::Store;

/// The most bytes that may come without a newline.
const MAX_LINE: usize = 1024;

/// Beyond this many unwritten bytes refusals are dropped (Netty's high-water mark, which OpenTSDB obeys)...
const HIGH_WATER: usize = 64 * 1024;

/// ...and beyond this many every reply is: OpenTSDB would let its memory grow.
const MAX_REPLIES: usize = 4 * 1024 * 1024;

/// One telnet conversation.
#[derive(Default)]
pub(crate) struct Telnet {
    /// A line's beginning, until its end comes.
    carry: Vec<u8>,
    /// What is to be written.
    pub(crate) replies: Vec<u8>,
    /// No more input is wanted; what is to be written still is.
    over: bool,
}

impl Telnet {
    /// Takes bytes and returns how many it used: fewer than all when enough replies to write have come together.
    ///
    /// `congested` says that the peer does not take replies now, so that waiting for it would be in vain.
    pub(crate) fn take(
        &mut self,
        bytes: &[u8],
        congested: bool,
        store: &Store,
        personality: &dyn Personality,
    ) -> usize {
        let mut intake = store.intake();
        let mut start = 0;
        for newline in memchr::memchr_iter(b'\n', bytes) {
            let part = &bytes[start..newline];
            start = newline + 1;
            if self.carry.is_empty() {
                self.line(part, &mut intake, personality);
            } else {
                let mut line = std::mem::take(&mut self.carry);
                line.extend_from_slice(part);
                self.line(&line, &mut intake, personality);
                line.clear();
                self.carry = line;
            }
            if !congested && self.replies.len() >= HIGH_WATER {
                return start;
            }
        }
        self.carry.extend_from_slice(&bytes[start..]);
        if self.carry.len() > MAX_LINE && !self.over {
            self.over = true;
            self.carry.clear();
            intake.counts().closed_overlong += 1;
        }
        bytes.len()
    }

    /// True when the conversation wants no more input.
    pub(crate) fn is_over(&self) -> bool {
        self.over
    }

    /// True inside a line.
    pub(crate) fn is_torn(&self) -> bool {
        !self.carry.is_empty()
    }

    #[inline]
    fn line(&mut self, line: &[u8], intake: &mut Intake<'_>, personality: &dyn Personality) {
        if line.len() > MAX_LINE {
            intake.counts().overlong += 1;
        }
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let before = self.replies.len();
        let room = if is_put(line) {
            if let Err(refusal) = intake.line(line) {
                personality.refused(&refusal, &mut self.replies);
            }
            HIGH_WATER
        } else {
            self.command(line, intake, personality);
            MAX_REPLIES
        };
        // A connection that is over answers nothing more; one whose peer does not read keeps what it has.
        if before < self.replies.len() && (self.over || before > room) {
            self.replies.truncate(before);
            intake.counts().suppressed += 1;
        }
    }

    fn command(&mut self, line: &[u8], intake: &mut Intake<'_>, personality: &dyn Personality) {
        let line = latin1(line);
        let command = line.split(' ').next().unwrap_or_default();
        let counts = intake.counts();
        if command == "version" {
            counts.versions += 1;
        }
        match personality.command(command, counts, &mut self.replies) {
            Outcome::Known => {}
            Outcome::Unknown if command == "version" => {}
            Outcome::Unknown => counts.unknown += 1,
            Outcome::Leave => self.over = true,
        }
    }
}

/// The first word is `put`; commands are matched whole and in lower case.
#[inline]
fn is_put(line: &[u8]) -> bool {
    line.starts_with(b"put ") || line == b"put"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::personality::OpenTsdb;
    use crate::put::Rules;
    use crate::table::Limits;

    fn store() -> Store {
        let limits = Limits {
            points_per_series: 100,
            series: 100,
            points: 100,
        };
        Store::new(
            Rules {
                known_metrics: None,
                max_tags: 8,
            },
            limits,
            false,
            None,
        )
    }

    fn answers(pieces: &[&[u8]]) -> (Vec<u8>, usize, bool) {
        let (store, mut telnet) = (store(), Telnet::default());
        for piece in pieces {
            assert_eq!(telnet.take(piece, false, &store, &OpenTsdb), piece.len());
        }
        (telnet.replies.clone(), store.points().len(), telnet.is_torn())
    }

    #[test]
    fn any_split_of_the_bytes_gives_the_same_answers() {
        let bytes = b"put m 1 1 h=a\r\nbad\n\nput m 2 x h=a\nversion\nput m 3 1 h=b\nput torn 3";
        let whole = answers(&[bytes]);
        assert_eq!((whole.1, whole.2), (2, true));
        for first in 0..=bytes.len() {
            for second in first..=bytes.len() {
                let pieces = [&bytes[..first], &bytes[first..second], &bytes[second..]];
                assert_eq!(answers(&pieces), whole, "split at {first} and {second}");
            }
        }
    }

    #[test]
    fn a_peer_that_does_not_read_loses_refusals_and_keeps_its_version() {
        let (store, mut telnet) = (store(), Telnet::default());
        let bad = b"put m 1 x h=a\n".repeat(5_000);
        let used = telnet.take(&bad, false, &store, &OpenTsdb);
        assert!(used < bad.len(), "first it stops, so that the replies can be written");
        telnet.take(&bad[used..], true, &store, &OpenTsdb);
        telnet.take(b"version\n", true, &store, &OpenTsdb);
        let replies = String::from_utf8_lossy(&telnet.replies);
        assert!(replies.len() < HIGH_WATER + 1024 && replies.ends_with("potsdb-receiver\n"));
        let written = replies.lines().filter(|line| line.starts_with("put: ")).count() as u64;
        assert_eq!(store.counts().suppressed + written, 5_000);
    }
}
