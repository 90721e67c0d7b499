//! The window: what one connection was given and has no answer for.
//!
//! ```text
//!  answered | unanswered                                    | unwritten
//!           | [lines] [lines] <version> [lines] [lines] <ver|sion> [lines]
//!           ^ front                                         ^ written        ^ end
//! ```
//!
//! An ordered list of what goes down the stream, lines and questions, with the stream's offset at
//! the end of each. It answers three things: which bytes to write next, which lines lie before an
//! answered question, and which lines the peer's kernel has. When the connection dies all lines
//! that are left go again. It knows nothing of replies; `exchange/` does.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::time::{Duration, Instant};

use crate::delivery::copies::Row;
use crate::delivery::outstanding::Outstanding;

/// The question in-band: asks the server to answer when it has read this far.
const VERSION: &[u8] = b"version\n";

#[derive(Debug)]
enum What {
    Lines(Outstanding),
    Version { asked_at: Duration },
}

#[derive(Debug)]
struct Entry {
    what: What,
    /// The stream's offset behind this entry.
    end: u64,
}

impl Entry {
    fn bytes(&self) -> &[u8] {
        match &self.what {
            What::Lines(held) => held.lines.bytes(),
            What::Version { .. } => VERSION,
        }
    }

    fn start(&self) -> u64 {
        self.end - self.bytes().len() as u64
    }

    fn lines(&self) -> Option<&Outstanding> {
        match &self.what {
            What::Lines(held) => Some(held),
            What::Version { .. } => None,
        }
    }
}

/// What lay before an answered question.
#[derive(Debug)]
pub(crate) struct Interval {
    pub(crate) lines: Vec<Outstanding>,
    pub(crate) asked_at: Duration,
    /// The stream's offset at its beginning.
    pub(crate) start: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Window {
    entries: VecDeque<Entry>,
    /// The first entry that is not wholly written.
    next: usize,
    end: u64,
    written: u64,
    bytes: usize,
    points: u64,
    /// Lines were pushed out of the order of their positions since there last were none.
    mixed: bool,
    /// Questions taken out with the lines before them, whose answers may still come.
    overdue: u32,
}

impl Window {
    pub(crate) fn push_lines(&mut self, held: Outstanding) {
        let last = self.entries.iter().rev().find_map(Entry::lines);
        self.mixed = last.is_some_and(|last| self.mixed || held.lines.first() < last.lines.first());
        self.bytes += held.lines.len();
        self.points += held.lines.points();
        self.end += held.lines.len() as u64;
        self.entries.push_back(Entry {
            what: What::Lines(held),
            end: self.end,
        });
    }

    pub(crate) fn push_version(&mut self, now: Duration) {
        self.end += VERSION.len() as u64;
        self.entries.push_back(Entry {
            what: What::Version { asked_at: now },
            end: self.end,
        });
    }

    /// Bytes of lines without an answer.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn points(&self) -> u64 {
        self.points
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The stream's offset behind the last byte the kernel took.
    pub(crate) fn written(&self) -> u64 {
        self.written
    }

    pub(crate) fn unwritten(&self) -> u64 {
        self.end - self.written
    }

    /// Lines behind the last question, as bytes: nothing has asked about them yet.
    pub(crate) fn unasked(&self) -> u64 {
        let asked = self
            .entries
            .iter()
            .rev()
            .find(|entry| matches!(entry.what, What::Version { .. }));
        self.end - asked.map_or(self.entries.front().map_or(self.end, Entry::start), |entry| entry.end)
    }

    /// Whether a question waits for its answer.
    pub(crate) fn is_asked(&self) -> bool {
        self.entries
            .iter()
            .any(|entry| matches!(entry.what, What::Version { .. }))
    }

    /// The stream's offset behind the first question without an answer.
    pub(crate) fn first_question(&self) -> Option<u64> {
        self.entries
            .iter()
            .find(|entry| matches!(entry.what, What::Version { .. }))
            .map(|entry| entry.end)
    }

    /// Whether the last thing pushed was lines whose verdict is posted, or not; `None`: a question.
    pub(crate) fn last_posted(&self) -> Option<bool> {
        match &self.entries.back()?.what {
            What::Lines(held) => Some(held.verdict_posted),
            What::Version { .. } => None,
        }
    }

    /// What to write next, in order.
    pub(crate) fn slices<'a>(&'a self, slices: &mut Vec<IoSlice<'a>>, most: usize) {
        for entry in self.entries.iter().skip(self.next).take(most) {
            let skip = self.written.saturating_sub(entry.start()) as usize;
            slices.push(IoSlice::new(&entry.bytes()[skip..]));
        }
    }

    pub(crate) fn wrote(&mut self, bytes: u64) {
        self.written += bytes;
        while self
            .entries
            .get(self.next)
            .is_some_and(|entry| entry.end <= self.written)
        {
            self.next += 1;
        }
    }

    /// Whether the stream stands in the middle of a line of a point.
    pub(crate) fn is_torn(&self) -> bool {
        self.entries.get(self.next).is_some_and(|entry| match &entry.what {
            What::Lines(held) => {
                let into = self.written.saturating_sub(entry.start()) as usize;
                into > 0 && held.lines.bytes()[into - 1] != b'\n'
            }
            What::Version { .. } => false,
        })
    }

    /// The oldest question was answered: takes out what lay before it. `None`: none was asked, or
    /// its lines are gone.
    pub(crate) fn answered(&mut self) -> Option<Interval> {
        if self.overdue > 0 {
            self.overdue -= 1;
            return None;
        }
        let question = self
            .entries
            .iter()
            .position(|entry| matches!(entry.what, What::Version { .. }))?;
        if question >= self.next {
            return None;
        }
        let start = self.entries[0].start();
        let mut lines = Vec::with_capacity(question);
        let mut asked_at = Duration::ZERO;
        for entry in self.entries.drain(..=question) {
            match entry.what {
                What::Lines(held) => lines.push(held),
                What::Version { asked_at: at } => asked_at = at,
            }
        }
        self.next -= question + 1;
        for held in &mut lines {
            self.bytes -= held.lines.len();
            self.points -= held.lines.points();
            held.was_written = true;
        }
        Some(Interval { lines, asked_at, start })
    }

    /// The peer's kernel has everything before `offset`: takes out those lines, whole ones.
    pub(crate) fn received(&mut self, offset: u64) -> Vec<Outstanding> {
        let mut received = Vec::new();
        while let Some(entry) = self.entries.front_mut() {
            if entry.end <= offset.min(self.written) {
                match self.entries.pop_front().expect("there is a front").what {
                    What::Lines(held) => received.push(held),
                    What::Version { .. } => self.overdue += 1,
                }
                self.next -= 1;
                continue;
            }
            let into = offset.min(self.written).saturating_sub(entry.start()) as usize;
            if let What::Lines(held) = &mut entry.what
                && let Some(front) = held.split_front(into, u64::MAX)
            {
                received.push(front);
            }
            break;
        }
        for held in &received {
            self.bytes -= held.lines.len();
            self.points -= held.lines.points();
        }
        received
    }

    /// The connection is gone: takes out every line that is left; those before the first question, and the others.
    pub(crate) fn drain(&mut self) -> (Vec<Outstanding>, Vec<Outstanding>) {
        let (mut next, mut others, mut asked) = (Vec::new(), Vec::new(), false);
        let written = self.written;
        for entry in std::mem::take(self).entries {
            let begun = entry.start() < written;
            match entry.what {
                What::Lines(mut held) => {
                    held.was_written |= begun;
                    if asked { &mut others } else { &mut next }.push(held);
                }
                What::Version { .. } => asked = true,
            }
        }
        (next, others)
    }

    /// All lines in it.
    pub(crate) fn lines(&self) -> impl Iterator<Item = &Outstanding> {
        self.entries.iter().filter_map(Entry::lines)
    }

    /// The lowest position in it, and since when that point waits. Asked at every take: the first
    /// lines, but after a re-send, when all have to be looked at.
    pub(crate) fn low(&self) -> Option<(u64, Instant)> {
        let all = if self.mixed { usize::MAX } else { 1 };
        let low = |held: &Outstanding| (held.lines.first(), held.lines.since());
        self.lines().filter(|held| !held.is_void()).take(all).map(low).min()
    }
}

impl Row for Window {
    fn places(&self) -> usize {
        self.entries.len()
    }

    fn held(&mut self, place: usize) -> Option<&mut Outstanding> {
        match &mut self.entries.get_mut(place)?.what {
            What::Lines(held) => Some(held),
            What::Version { .. } => None,
        }
    }

    fn cut(&mut self, place: usize, bytes: usize) {
        let Some(front) = self.held(place).and_then(|held| held.split_front(bytes, u64::MAX)) else {
            return;
        };
        let end = self.entries[place].start();
        let what = What::Lines(front);
        self.entries.insert(place, Entry { what, end });
        let is_written = place == self.next && end <= self.written;
        self.next += usize::from(place < self.next || is_written);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::block::{BLOCK_BYTES, Block};

    fn held(first: u64, lines: &[&str]) -> Outstanding {
        let mut block = Block::new(Vec::with_capacity(BLOCK_BYTES));
        for line in lines {
            block.append(&[line.as_bytes()], 1);
        }
        Outstanding::new(block.into_lines(first, &mut Vec::new()), Duration::ZERO)
    }

    fn unwritten(window: &Window) -> String {
        let mut slices = Vec::new();
        window.slices(&mut slices, 100);
        slices.iter().map(|slice| std::str::from_utf8(slice).unwrap()).collect()
    }

    fn window() -> Window {
        let mut window = Window::default();
        window.push_lines(held(0, &["a\n", "b\n"]));
        window.push_version(Duration::from_secs(1));
        window.push_lines(held(2, &["c\n"]));
        window
    }

    #[test]
    fn bytes_are_written_once_in_order_whatever_the_kernel_takes() {
        let mut window = window();
        let mut stream = String::new();
        for n in [1, 4, 6, 2, 1] {
            stream.push_str(&unwritten(&window)[..n]);
            window.wrote(n as u64);
        }
        assert_eq!(stream, "a\nb\nversion\nc\n");
        assert_eq!((window.unwritten(), unwritten(&window).as_str()), (0, ""));
    }

    #[test]
    fn lines_that_are_cut_in_two_are_written_and_answered_as_before() {
        for written in [0, 2, 3, 4, 11] {
            let mut window = window();
            window.wrote(written);
            window.cut(0, 2);
            assert_eq!(unwritten(&window), &"a\nb\nversion\nc\n"[written as usize..]);
            window.wrote(14 - written);
            window.cut(0, 1);
            let interval = window.answered().unwrap();
            let lines: Vec<_> = interval.lines.iter().map(|held| held.lines.first()).collect();
            assert_eq!((lines, interval.start), (vec![0, 1], 0));
            assert_eq!((window.points(), unwritten(&window).as_str()), (1, ""));
        }
    }

    #[test]
    fn an_answer_takes_out_the_lines_before_its_question() {
        let mut window = window();
        assert!(
            window.answered().is_none(),
            "a question that was not written has no answer"
        );
        window.wrote(14);
        let interval = window.answered().unwrap();
        assert_eq!(
            (interval.lines.len(), interval.lines[0].lines.points(), interval.start),
            (1, 2, 0)
        );
        assert_eq!((window.bytes(), window.points(), window.unasked()), (2, 1, 2));
        assert!(window.answered().is_none());
        assert_eq!(window.drain().0[0].lines.bytes(), b"c\n");
    }

    #[test]
    fn what_the_peers_kernel_has_is_whole_lines_only() {
        let mut window = window();
        window.wrote(14);
        let received = window.received(3);
        assert_eq!(received[0].lines.bytes(), b"a\n");
        assert_eq!((window.points(), window.lines().next().unwrap().lines.first()), (2, 1));
        assert_eq!(window.received(13).len(), 1);
        assert_eq!(window.received(99).len(), 1);
        assert!(window.is_empty());
    }

    #[test]
    fn a_late_answer_is_not_taken_for_the_next_questions() {
        let mut window = window();
        window.push_version(Duration::from_secs(2));
        window.wrote(22);
        assert_eq!(window.received(12).len(), 1);
        assert!(window.answered().is_none(), "its lines were let go");
        assert_eq!(window.answered().unwrap().lines[0].lines.bytes(), b"c\n");
    }

    #[test]
    fn a_stream_is_torn_within_a_line_and_nowhere_else() {
        let mut window = window();
        let torn: Vec<bool> = (0..14)
            .map(|_| {
                let torn = window.is_torn();
                window.wrote(1);
                torn
            })
            .collect();
        let expected = [
            false, true, false, true, false, false, false, false, false, false, false, false, false, true,
        ];
        assert_eq!(torn, expected);
    }

    #[test]
    fn the_lowest_position_is_found_whatever_the_order() {
        let mut window = Window::default();
        let low = |window: &Window| window.low().map(|(first, _)| first);
        assert_eq!(low(&window), None);
        for first in [7, 3, 5] {
            window.push_lines(held(first, &["a\n"]));
        }
        window.push_version(Duration::ZERO);
        assert_eq!(low(&window), Some(3));
        window.wrote(14);
        window.answered();
        window.push_lines(held(8, &["a\n"]));
        window.push_lines(held(9, &["a\n"]));
        assert_eq!(low(&window), Some(8));
    }

    #[test]
    fn lines_that_were_never_written_are_not_marked_as_tried() {
        let mut window = window();
        window.wrote(1);
        let (next, others) = window.drain();
        let written = |lines: &[Outstanding]| lines.iter().map(|held| held.was_written).collect::<Vec<_>>();
        assert_eq!((written(&next), written(&others)), (vec![true], vec![false]));
    }
}
