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

use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use crate::config::options::LEAST_SIZE;

/// A block's capacity. The write unit of the telnet wire, and the queue's unit of allocation.
pub(crate) const BLOCK_BYTES: usize = LEAST_SIZE;

/// The memory of a block: bytes to fill, and the reference count that shares them once they are filled. Both are
/// allocated before the queue's lock is taken, so that a block is begun and sealed under it without the allocator.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    bytes: Vec<u8>,
    /// Empty and referred to by nothing else. `None`: no memory at all, no line fits.
    shared: Option<Arc<Vec<u8>>>,
}

impl Memory {
    /// Memory that lines fit in: `spare`, or new.
    ///
    /// Recycled memory is in the cache of the worker's core. One sequential write transfers it with prefetching.
    /// Otherwise every append would miss, under the lock.
    pub(crate) fn new(spare: Option<Memory>) -> Memory {
        let Some(mut memory) = spare else {
            return Memory::from(Vec::with_capacity(BLOCK_BYTES));
        };
        memory.bytes.clear();
        memory.bytes.resize(BLOCK_BYTES, 0);
        memory
    }

    /// Memory for a block to be filled soon, from the worker for callers: it is new, and the kernel provides each page of it
    /// when it is first written to. That takes as long as the lines that fit in it.
    pub(crate) fn provided() -> Memory {
        // Not zeros: memory of zeros is had from the kernel without writing any.
        Memory::from(vec![b'\n'; BLOCK_BYTES])
    }
}

impl From<Vec<u8>> for Memory {
    fn from(bytes: Vec<u8>) -> Memory {
        Memory {
            bytes,
            shared: Some(Arc::default()),
        }
    }
}

/// The block that callers fill: lines are appended at its end and dropped from its front.
#[derive(Debug)]
pub(crate) struct Block {
    memory: Memory,
    /// Where the first line that is still wanted begins.
    start: usize,
    points: u32,
    /// When the first of these lines was accepted.
    since: Instant,
}

impl Block {
    pub(crate) fn new(memory: impl Into<Memory>) -> Block {
        let mut memory = memory.into();
        memory.bytes.clear();
        Block {
            memory,
            start: 0,
            points: 0,
            since: Instant::now(),
        }
    }

    /// Forgets its lines and keeps its memory.
    pub(crate) fn begin_anew(&mut self) {
        *self = Block::new(std::mem::take(&mut self.memory));
    }

    #[inline]
    pub(crate) fn fits(&self, line_bytes: usize) -> bool {
        self.memory.bytes.capacity() - self.memory.bytes.len() >= line_bytes
    }

    /// Appends lines that [`fits`](Block::fits) said there is room for: nothing is allocated here.
    #[inline]
    pub(crate) fn append(&mut self, parts: &[&[u8]], points: u32) {
        if self.points == 0 {
            self.since = Instant::now();
        }
        for part in parts {
            self.memory.bytes.extend_from_slice(part);
        }
        self.points += points;
    }

    pub(crate) fn points(&self) -> u32 {
        self.points
    }

    pub(crate) fn since(&self) -> Instant {
        self.since
    }

    /// Cuts the oldest line off; returns its length.
    pub(crate) fn drop_first(&mut self) -> usize {
        let line = first_line(&self.memory.bytes[self.start..]);
        self.start += line;
        self.points -= 1;
        line
    }

    /// Its lines, as the points from position `first` on: from now on they do not change. Nothing is copied or allocated.
    pub(crate) fn seal(self, first: u64) -> Lines {
        let Memory { bytes, shared } = self.memory;
        let end = bytes.len();
        let mut block = shared.unwrap_or_default();
        *Arc::get_mut(&mut block).expect("nothing else refers to it before this") = bytes;
        Lines {
            block,
            start: self.start,
            end,
            first,
            points: self.points,
            since: self.since,
        }
    }

    /// Its lines as the worker holds them: see [`Lines::compact`].
    #[cfg(test)]
    pub(crate) fn into_lines(self, first: u64, spare: &mut Vec<Memory>) -> Lines {
        self.seal(first).compact(spare)
    }
}

/// The length of the first line, its newline included.
fn first_line(lines: &[u8]) -> usize {
    1 + memchr::memchr(b'\n', lines).expect("a block holds whole lines")
}

/// The longest prefix of whole lines within both bounds: its bytes and its points.
fn prefix(lines: &[u8], bytes: usize, points: u32) -> (usize, u32) {
    let within = &lines[..bytes.min(lines.len())];
    let length = memchr::memrchr(b'\n', within).map_or(0, |newline| newline + 1);
    // Counting goes by whole vectors, where finding them one by one takes as long as the lines are many.
    let count = memchr::memchr_iter(b'\n', &within[..length]).count();
    let wanted = points as usize;
    if count <= wanted {
        return (
            length,
            u32::try_from(count).expect("a block has fewer lines than bytes"),
        );
    }
    let cut = match wanted.checked_sub(1) {
        None => None,
        Some(last) if wanted <= count / 2 => memchr::memchr_iter(b'\n', within).nth(last),
        Some(_) => memchr::memrchr_iter(b'\n', within).nth(count - wanted),
    };
    (cut.map_or(0, |newline| newline + 1), points)
}

/// A range of whole lines of a sealed block. Cloning and cutting share the bytes: a range keeps its whole block.
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
    /// Lines that were read from the spool, as the points from position `first` on.
    pub(crate) fn from_spool(bytes: Vec<u8>, first: u64, points: u32, since: Instant) -> Lines {
        Lines {
            start: 0,
            end: bytes.len(),
            block: Arc::new(bytes),
            first,
            points,
            since,
        }
    }

    /// Takes the bytes out and leaves the positions: the spool has the lines.
    pub(crate) fn leave_to_spool(&mut self) -> Lines {
        let positions = Lines {
            block: Arc::default(),
            start: 0,
            end: 0,
            ..*self
        };
        std::mem::replace(self, positions)
    }

    /// Whether the spool alone has the lines.
    pub(crate) fn is_on_disk(&self) -> bool {
        self.end == 0 && self.points > 0
    }

    /// The same lines as the points from another position on.
    pub(crate) fn renumber(&mut self, first: u64) {
        self.first = first;
    }

    /// Their positions.
    pub(crate) fn range(&self) -> Range<u64> {
        self.first..self.first + self.points()
    }

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

    /// Which of its bytes are the very same as some of `other`'s.
    pub(crate) fn overlap(&self, other: &Lines) -> Option<Range<usize>> {
        let (start, end) = (self.start.max(other.start), self.end.min(other.end));
        let overlaps = start < end && Arc::ptr_eq(&self.block, &other.block);
        overlaps.then(|| start - self.start..end - self.start)
    }

    /// Cuts the oldest line off; returns its length.
    pub(crate) fn drop_first(&mut self) -> usize {
        let line = first_line(self.bytes());
        self.start += line;
        self.first += 1;
        self.points -= 1;
        line
    }

    /// Copies few lines out of a block that they would keep for longer than others of it.
    pub(crate) fn detach(&mut self) {
        if self.len() * 2 < self.block.capacity() {
            self.block = Arc::new(self.bytes().to_vec());
            (self.start, self.end) = (0, self.block.len());
        }
    }

    /// The same lines, in memory of their own where they would keep a block for little: one that is less than half full,
    /// or one of which nothing else is held and less than half is theirs. For whoever holds lines for a while; it copies and
    /// allocates, so not under the lock.
    pub(crate) fn compact(self, spare: &mut Vec<Memory>) -> Lines {
        let little = |bytes: usize| bytes * 2 < self.block.capacity();
        if !little(self.len()) || (!little(self.block.len()) && Arc::strong_count(&self.block) > 1) {
            return self;
        }
        let own = Lines {
            block: Arc::new(self.bytes().to_vec()),
            start: 0,
            end: self.len(),
            ..self
        };
        spare.extend(self.into_spare());
        own
    }

    /// The block's memory, when nothing else refers to it any more, and it is a block's, to be filled again.
    pub(crate) fn into_spare(self) -> Option<Memory> {
        self.try_into_spare().ok()
    }

    /// As [`into_spare`](Lines::into_spare), and frees nothing: under the lock.
    pub(crate) fn try_into_spare(mut self) -> Result<Memory, Lines> {
        match Arc::get_mut(&mut self.block) {
            Some(bytes) if bytes.capacity() == BLOCK_BYTES => Ok(Memory {
                bytes: std::mem::take(bytes),
                shared: Some(self.block),
            }),
            _ => Err(self),
        }
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
        block.append(&[b"put a 1 1 h=x\n"], 1);
        block.append(&[b"put b 1 1 h=x\nput c 1 1 h=x\nput d 1 1 h=x\n"], 3);
        assert_eq!(block.drop_first(), 14);
        let mut lines = block.seal(7);
        assert_eq!((lines.drop_first(), lines.first(), lines.points()), (14, 8, 2));
        let front = lines.split_front(1000, 1).unwrap();
        assert_eq!((front.bytes(), front.first()), (&b"put c 1 1 h=x\n"[..], 8));
        assert_eq!((lines.bytes(), lines.first()), (&b"put d 1 1 h=x\n"[..], 9));
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
        assert_eq!(other.into_spare().unwrap().bytes.capacity(), BLOCK_BYTES);
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
