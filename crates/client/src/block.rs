//! Runs of whole lines: in the queue, in the window, on the wire.
//!
//! ```text
//! block   put a 1 1 h=x\n put a 2 1 h=x\n put b 1 7 h=y\n ...      up to 64 KiB, whole lines
//!         |<-- Lines: first position, points, bytes -->|           a range of it, shared by reference
//! ```
//!
//! A block is filled under the queue's lock and never changes once the worker has taken it.
//! Everything after that, the window, a re-send, settling, refers to it by [`Lines`]: the bytes
//! a point was first written with are the bytes it is written with again.

use std::sync::Arc;
use std::time::Instant;

/// A block's capacity. The write unit of the telnet wire, and the queue's unit of allocation.
pub(crate) const BLOCK_BYTES: usize = 64 * 1024;

/// A block in the queue: lines are appended at its end and dropped from its front.
#[derive(Debug)]
pub(crate) struct Block {
    bytes: Vec<u8>,
    /// Where the first line that is still wanted begins.
    start: usize,
    points: u32,
    /// When the first of these lines was accepted.
    since: Instant,
    /// All of them were accepted before that. Known only where there is a `max_age`.
    pub(crate) sealed: Option<Instant>,
}

impl Block {
    pub(crate) fn new(mut bytes: Vec<u8>) -> Block {
        bytes.clear();
        Block {
            bytes,
            start: 0,
            points: 0,
            since: Instant::now(),
            sealed: None,
        }
    }

    /// Forgets its lines and keeps its memory.
    pub(crate) fn begin_anew(&mut self) {
        *self = Block::new(std::mem::take(&mut self.bytes));
    }

    #[inline]
    pub(crate) fn fits(&self, line_bytes: usize) -> bool {
        self.bytes.capacity() - self.bytes.len() >= line_bytes
    }

    /// Appends lines that [`fits`](Block::fits) said there is room for: nothing is allocated here.
    #[inline]
    pub(crate) fn append(&mut self, parts: &[&[u8]], points: u32) {
        if self.points == 0 {
            self.since = Instant::now();
        }
        for part in parts {
            self.bytes.extend_from_slice(part);
        }
        self.points += points;
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len() - self.start
    }

    pub(crate) fn points(&self) -> u32 {
        self.points
    }

    pub(crate) fn since(&self) -> Instant {
        self.since
    }

    /// Cuts the oldest line off; returns its length.
    pub(crate) fn drop_first(&mut self) -> usize {
        let line = 1 + memchr::memchr(b'\n', &self.bytes[self.start..]).expect("a block holds whole lines");
        self.start += line;
        self.points -= 1;
        line
    }

    /// The lines from the front that fit in `bytes` and `points`, as a block of their own.
    pub(crate) fn split_front(&mut self, bytes: usize, points: u32) -> Block {
        let lines = &self.bytes[self.start..];
        let (length, count) = prefix(lines, bytes, points);
        let mut front = Vec::with_capacity(length);
        front.extend_from_slice(&lines[..length]);
        self.start += length;
        self.points -= count;
        Block {
            bytes: front,
            start: 0,
            points: count,
            since: self.since,
            sealed: None,
        }
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Gives the block up to the worker as the points from position `first` on. Memory that is
    /// mostly empty is not kept for as long as a few lines of it live: they are copied out.
    pub(crate) fn into_lines(self, first: u64, spare: &mut Vec<Vec<u8>>) -> Lines {
        let Block {
            mut bytes,
            mut start,
            points,
            since,
            ..
        } = self;
        if (bytes.len() - start) * 2 < bytes.capacity() {
            let few = bytes[start..].to_vec();
            start = 0;
            spare.extend(Some(std::mem::replace(&mut bytes, few)).filter(is_spare));
        }
        Lines {
            start,
            end: bytes.len(),
            first,
            points,
            since,
            block: Arc::new(bytes),
        }
    }
}

/// Memory for a block: `spare`, or new. What the worker gave back lies in the cache of its core; written to from end to end
/// it comes back in one go, where lines appended to it one by one would each wait for theirs, under the lock.
pub(crate) fn memory(spare: Option<Vec<u8>>) -> Vec<u8> {
    let Some(mut memory) = spare else {
        return Vec::with_capacity(BLOCK_BYTES);
    };
    memory.clear();
    memory.resize(BLOCK_BYTES, 0);
    memory.clear();
    memory
}

/// Memory for a block to be filled soon, from the worker for callers: it is new, and the kernel provides each page of it when it
/// is first written to. That takes as long as the lines that fit in it.
pub(crate) fn provided() -> Vec<u8> {
    let mut memory = Vec::with_capacity(BLOCK_BYTES);
    // Not zeros: memory of zeros is had from the kernel without writing any.
    memory.resize(BLOCK_BYTES, b'\n');
    memory
}

/// Whether memory is a block's, to be filled again.
pub(crate) fn is_spare(bytes: &Vec<u8>) -> bool {
    bytes.capacity() == BLOCK_BYTES
}

/// The longest prefix of whole lines within both bounds: its bytes and its points.
fn prefix(lines: &[u8], bytes: usize, points: u32) -> (usize, u32) {
    let mut length = 0;
    let mut count = 0;
    for newline in memchr::memchr_iter(b'\n', lines) {
        if count == points || newline + 1 > bytes {
            break;
        }
        length = newline + 1;
        count += 1;
    }
    (length, count)
}

/// A range of whole lines of a block the worker holds. Cloning shares the bytes.
#[derive(Clone, Debug)]
pub(crate) struct Lines {
    block: Arc<Vec<u8>>,
    start: usize,
    end: usize,
    first: u64,
    points: u32,
    since: Instant,
}

impl Lines {
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.block[self.start..self.end]
    }

    pub(crate) fn len(&self) -> usize {
        self.end - self.start
    }

    pub(crate) fn points(&self) -> u64 {
        u64::from(self.points)
    }

    /// The position of the first point: every point of one client has its own, in the order of sending.
    pub(crate) fn first(&self) -> u64 {
        self.first
    }

    pub(crate) fn since(&self) -> Instant {
        self.since
    }

    /// Cuts off and returns the whole lines that lie within the first `bytes` and `points`;
    /// `None` when not even one does.
    pub(crate) fn split_front(&mut self, bytes: usize, points: u64) -> Option<Lines> {
        let points = u32::try_from(points).unwrap_or(u32::MAX);
        if bytes >= self.len() && points >= self.points {
            let rest = Lines {
                start: self.end,
                first: self.first + self.points(),
                points: 0,
                ..self.clone()
            };
            return Some(std::mem::replace(self, rest));
        }
        let (length, count) = prefix(self.bytes(), bytes, points);
        if count == 0 {
            return None;
        }
        let front = Lines {
            end: self.start + length,
            points: count,
            ..self.clone()
        };
        self.start += length;
        self.first += u64::from(count);
        self.points -= count;
        Some(front)
    }

    /// Copies few lines out of a block, so that they do not hold all of it for as long as they live.
    pub(crate) fn detach(&mut self) {
        if self.len() * 2 < self.block.capacity() {
            self.block = Arc::new(self.bytes().to_vec());
            (self.start, self.end) = (0, self.block.len());
        }
    }

    /// The block's memory, when nothing else refers to it any more.
    pub(crate) fn into_spare(self) -> Option<Vec<u8>> {
        Arc::try_unwrap(self.block).ok().filter(is_spare)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Lines {
        let mut block = Block::new(Vec::with_capacity(BLOCK_BYTES));
        block.append(&[text.as_bytes()], u32::try_from(text.lines().count()).unwrap());
        block.into_lines(10, &mut Vec::new())
    }

    #[test]
    fn a_split_is_at_a_line_boundary_and_keeps_positions() {
        let mut all = lines("aa\nbb\ncc\n");
        let front = all.split_front(7, 9).unwrap();
        assert_eq!(
            (front.bytes(), front.first(), front.points()),
            (&b"aa\nbb\n"[..], 10, 2)
        );
        assert_eq!((all.bytes(), all.first(), all.points()), (&b"cc\n"[..], 12, 1));
        assert!(all.split_front(2, 9).is_none());
        let last = all.split_front(3, 1).unwrap();
        assert_eq!((last.bytes(), last.first(), all.len()), (&b"cc\n"[..], 12, 0));
    }

    #[test]
    fn dropping_and_splitting_a_block_conserves_points() {
        let mut block = Block::new(Vec::with_capacity(BLOCK_BYTES));
        block.append(&[b"put a 1 ", b"1 h=x\n"], 1);
        block.append(&[b"put b 1 ", b"1 h=x\n"], 1);
        block.append(&[b"put c 1 ", b"1 h=x\n"], 1);
        assert_eq!(block.drop_first(), 14);
        let front = block.split_front(1000, 1);
        assert_eq!(
            (front.len(), front.points(), block.len(), block.points()),
            (14, 1, 14, 1)
        );
    }

    #[test]
    fn a_blocks_age_is_its_first_lines_however_long_it_lay_empty() {
        let mut block = Block::new(Vec::with_capacity(BLOCK_BYTES));
        let made = block.since();
        while Instant::now() == made {}
        let accepted = Instant::now();
        block.append(&[b"aa\n"], 1);
        let first = block.since();
        assert!(first >= accepted);
        block.append(&[b"bb\n"], 1);
        assert_eq!(block.since(), first);
        block.drop_first();
        block.drop_first();
        block.append(&[b"cc\n"], 1);
        assert!(block.since() >= first);
    }

    #[test]
    fn memory_comes_back_from_the_last_reference_only() {
        let one = lines(&"a\n".repeat(BLOCK_BYTES / 2));
        let other = one.clone();
        assert!(one.into_spare().is_none());
        assert_eq!(other.into_spare().unwrap().capacity(), BLOCK_BYTES);
    }

    #[test]
    fn a_few_lines_do_not_hold_a_whole_block() {
        let mut block = Block::new(Vec::with_capacity(BLOCK_BYTES));
        block.append(&[b"aa\n"], 1);
        let mut spare = Vec::new();
        assert_eq!(block.into_lines(0, &mut spare).bytes(), b"aa\n");
        assert_eq!(spare.len(), 1);
    }
}
