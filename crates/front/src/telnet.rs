//! The framing of one telnet connection: bytes in, whole lines out, login before them.
//!
//! ```text
//! read --carry and first line--> | lines of this read, as they lie there | the beginning of the next --> carry
//! ```
//!
//! Lines end in `\n`, and are handed on with it. `connection.rs` reads the bytes and writes the replies.

use crate::backend::{Backend, Event, Flow};
use crate::conduct::Ending;
use crate::front::Options;
use crate::limits::Overlong;
use crate::replies::Replies;

/// One telnet conversation, without its socket; public so that a backend can be tested and fuzzed with what it is in.
pub struct Telnet {
    /// A line's beginning, until its end comes.
    carry: Vec<u8>,
    /// That beginning was too long already, and is gone.
    leaving_out: bool,
    authorised: bool,
    /// Whether a whole line came since this was asked last.
    pub(crate) progressed: bool,
    pub(crate) replies: Replies,
    /// No more input is wanted; what is to be written still is.
    over: bool,
    /// The fault that made it so.
    struck: Option<Ending>,
}

impl Telnet {
    /// A conversation at its beginning.
    #[must_use]
    pub fn new(options: &Options) -> Telnet {
        Telnet {
            carry: Vec::new(),
            leaving_out: false,
            authorised: !options.login.wants_line(),
            progressed: false,
            replies: Replies::new(&options.limits),
            over: false,
            struck: None,
        }
    }

    /// Takes bytes and returns how many it used: fewer than all when replies should be written, or waited for, first.
    ///
    /// `congested` says that the peer does not take replies now, so that stopping for it would be in vain.
    pub fn take<B: Backend>(
        &mut self,
        bytes: &[u8],
        congested: bool,
        backend: &B,
        session: &mut B::Session,
        options: &Options,
    ) -> usize {
        self.replies.congested = congested;
        let mut used = 0;
        while !self.carry.is_empty() || self.leaving_out || !self.authorised {
            let Some(newline) = memchr::memchr(b'\n', &bytes[used..]) else {
                self.begin(&bytes[used..], backend, session, options);
                return bytes.len();
            };
            let part = &bytes[used..=used + newline];
            used += part.len();
            if std::mem::take(&mut self.leaving_out) {
                self.progressed = true;
                continue;
            }
            let mut line = std::mem::take(&mut self.carry);
            line.extend_from_slice(part);
            if self.authorised {
                // One line is taken whole, whatever there is to write.
                self.hand_on(&line, backend, session, options);
            } else {
                self.authorise(&line, backend, options);
            }
            line.clear();
            self.carry = if line.capacity() > options.limits.line {
                Vec::new()
            } else {
                line
            };
            if self.struck.is_some() {
                return bytes.len();
            }
            if self.replies.is_full() {
                return used;
            }
        }
        let whole = memchr::memrchr(b'\n', &bytes[used..]).map_or(used, |newline| used + newline + 1);
        let taken = used + self.hand_on(&bytes[used..whole], backend, session, options);
        if self.struck.is_some() {
            return bytes.len();
        }
        if taken < whole {
            return taken;
        }
        self.begin(&bytes[whole..], backend, session, options);
        bytes.len()
    }

    /// Takes the end of the stream.
    pub fn end<B: Backend>(&mut self, backend: &B, session: &mut B::Session) {
        if (self.carry.is_empty() && !self.leaving_out) || self.over || !self.authorised {
            return;
        }
        let line = std::mem::take(&mut self.carry);
        let line = (!self.leaving_out).then_some(&line[..]);
        backend.torn(session, line, &mut self.replies);
    }

    /// True when the conversation wants no more input.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.over
    }

    /// The fault that ends the connection, once what is to be written is.
    pub(crate) fn struck(&self) -> Option<Ending> {
        self.struck
    }

    /// How many replies were left out since this was asked last, because the peer does not read.
    pub fn left_out(&mut self) -> u64 {
        self.replies.take_left_out()
    }

    /// What is to be written.
    #[must_use]
    pub fn replies(&self) -> &Replies {
        &self.replies
    }

    pub(crate) fn is_authorised(&self) -> bool {
        self.authorised
    }

    /// Bytes of the line that has no end yet.
    #[must_use]
    pub fn unfinished(&self) -> usize {
        self.carry.len()
    }

    /// Hands on whole lines but for those too long, and returns how many bytes of them were used.
    fn hand_on<B: Backend>(&mut self, lines: &[u8], backend: &B, session: &mut B::Session, options: &Options) -> usize {
        self.progressed |= !lines.is_empty();
        if options.limits.overlong == Overlong::Ends {
            return self.give(lines, backend, session);
        }
        let (mut start, mut next) = (0, 0);
        for newline in memchr::memchr_iter(b'\n', lines) {
            if newline - next > options.limits.line {
                let used = self.give(&lines[start..next], backend, session);
                if start + used < next || self.struck.is_some() {
                    return start + used;
                }
                backend.overlong(session, false, &mut self.replies);
                start = newline + 1;
            }
            next = newline + 1;
        }
        start + self.give(&lines[start..], backend, session)
    }

    fn give<B: Backend>(&mut self, lines: &[u8], backend: &B, session: &mut B::Session) -> usize {
        if lines.is_empty() {
            return 0;
        }
        let taken = backend.lines(session, lines, &mut self.replies);
        match taken.flow {
            Flow::On => {}
            Flow::Leaves => self.over = true,
            Flow::Ends(ending) => (self.over, self.struck) = (true, Some(ending)),
        }
        taken.bytes
    }

    /// Keeps a line's beginning, unless it is too long already.
    fn begin<B: Backend>(&mut self, part: &[u8], backend: &B, session: &mut B::Session, options: &Options) {
        if self.leaving_out || self.over {
            return;
        }
        self.carry.extend_from_slice(part);
        if self.carry.len() <= options.limits.line {
            return;
        }
        self.carry = Vec::new();
        let ends = options.limits.overlong == Overlong::Ends;
        (self.over, self.leaving_out) = (ends, !ends);
        if self.authorised {
            backend.overlong(session, ends, &mut self.replies);
        }
    }

    /// The first line, and the next ones until one is right, are the peer's to say who it is.
    fn authorise<B: Backend>(&mut self, line: &[u8], backend: &B, options: &Options) {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        self.authorised = options.login.takes_line(line.strip_suffix(b"\r").unwrap_or(line));
        if self.authorised {
            self.progressed = true;
            self.replies.answer(b"AUTH_SUCCESS\r\n");
        } else {
            backend.note(Event::Unauthorised);
            self.replies.refusal(b"AUTH_FAIL\r\n");
        }
    }
}
