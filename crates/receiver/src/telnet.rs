//! The telnet conversation of one connection, without the socket: bytes in, points stored, replies out.
//!
//! Lines end in `\n` or `\r\n`. How long one may be is the personality's affair, and whether a last one without its end is
//! one. With OpenTSDB the limit of 1024 bytes bites only while no newline has come: a longer line is taken when it
//! arrives whole.
//!
//! `connection.rs` reads the bytes and writes the replies; `personality/` words them; the store is locked once per call
//! of [`Telnet::take`].

use crate::faults::{Ending, Fate, Struck};
use crate::personality::{Longest, Outcome, Voice};
use crate::point::put::Refusal;
use crate::point::reading::latin1;
use crate::state::Shared;
use crate::store::intake::Intake;
use crate::store::series::Writer;

/// The longest line that OpenTSDB takes however it arrives.
const MAX_LINE: usize = 1024;

/// Beyond this many unwritten bytes refusals are dropped (Netty's high-water mark, which OpenTSDB obeys)...
const HIGH_WATER: usize = 64 * 1024;

/// ...and beyond this many every reply is: OpenTSDB would let its memory grow.
const MAX_REPLIES: usize = 4 * 1024 * 1024;

/// One telnet conversation.
#[derive(Default)]
pub(crate) struct Telnet {
    /// Which connection it is.
    writer: Writer,
    /// A line's beginning, until its end comes.
    carry: Vec<u8>,
    /// That beginning was too long already, and is gone.
    leaving_out: bool,
    /// How many lines have come.
    lines: u64,
    /// Whether the peer has said what it had to.
    authorised: bool,
    /// What is to be written.
    pub(crate) replies: Vec<u8>,
    /// What is to be written after the next answer.
    late: Vec<u8>,
    /// No more input is wanted; what is to be written still is.
    over: bool,
    /// The fault that made it so.
    struck: Option<Ending>,
}

impl Telnet {
    /// The conversation of a connection.
    pub(crate) fn of(writer: Writer) -> Telnet {
        Telnet {
            writer,
            ..Telnet::default()
        }
    }

    /// Takes bytes and returns how many it used: fewer than all when enough replies to write have come together.
    ///
    /// `congested` says that the peer does not take replies now, so that waiting for it would be in vain.
    pub(crate) fn take(&mut self, bytes: &[u8], congested: bool, shared: &Shared, fate: &Fate) -> usize {
        let mut intake = shared.store.intake(self.writer);
        let mut start = 0;
        for newline in memchr::memchr_iter(b'\n', bytes) {
            let part = &bytes[start..newline];
            start = newline + 1;
            if self.carry.is_empty() {
                self.line(part, &mut intake, shared, fate);
            } else {
                let mut line = std::mem::take(&mut self.carry);
                line.extend_from_slice(part);
                self.line(&line, &mut intake, shared, fate);
                line.clear();
                self.carry = line;
            }
            if self.struck.is_some() {
                return bytes.len();
            }
            if !congested && self.replies.len() >= HIGH_WATER {
                return start;
            }
        }
        self.begin(&bytes[start..], &mut intake, shared);
        bytes.len()
    }

    /// Takes the end of the stream: the last line, where one without its end is a line.
    pub(crate) fn end(&mut self, shared: &Shared, fate: &Fate) {
        if (self.carry.is_empty() && !self.leaving_out) || self.over {
            return;
        }
        let mut intake = shared.store.intake(self.writer);
        intake.counts().torn += 1;
        if shared.voice.takes_torn_lines() && !self.leaving_out {
            let line = std::mem::take(&mut self.carry);
            self.line(&line, &mut intake, shared, fate);
        }
    }

    /// True when the conversation wants no more input.
    pub(crate) fn is_over(&self) -> bool {
        self.over
    }

    /// The fault that ends the connection, once what is to be written is.
    pub(crate) fn struck(&self) -> Option<Ending> {
        self.struck
    }

    /// Keeps a line's beginning, unless it is too long already.
    fn begin(&mut self, part: &[u8], intake: &mut Intake<'_>, shared: &Shared) {
        if self.leaving_out {
            return;
        }
        self.carry.extend_from_slice(part);
        match shared.voice.longest() {
            Longest::Ends(most) if self.carry.len() > most && !self.over => {
                self.over = true;
                self.carry.clear();
                intake.counts().closed_overlong += 1;
            }
            Longest::LeftOut(most) if self.carry.len() > most => {
                self.leaving_out = true;
                self.carry.clear();
            }
            _ => {}
        }
    }

    #[inline]
    fn line(&mut self, line: &[u8], intake: &mut Intake<'_>, shared: &Shared, fate: &Fate) {
        let voice = shared.voice.as_ref();
        self.lines += 1;
        if fate.ends_at(self.lines, line.len()) {
            (self.over, self.struck) = (true, Some(Ending::Line));
            return;
        }
        let left_out = match voice.longest() {
            Longest::LeftOut(most) => std::mem::take(&mut self.leaving_out) || line.len() > most,
            Longest::Ends(_) => false,
        };
        if line.len() > MAX_LINE || left_out {
            intake.counts().overlong += 1;
            if left_out {
                return;
            }
        }
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let before = self.replies.len();
        let room = if !self.authorised && shared.auth_line.is_some() {
            self.authorise(line, intake, shared);
            MAX_REPLIES
        } else if voice.is_put(line) {
            self.put(line, intake, shared, fate);
            HIGH_WATER
        } else {
            self.command(line, intake, shared);
            MAX_REPLIES
        };
        // A connection that is over answers nothing more; one whose peer does not read keeps what it has.
        if before < self.replies.len() && (self.over || before > room) {
            self.replies.truncate(before);
            intake.counts().suppressed += 1;
        }
    }

    #[inline]
    fn put(&mut self, line: &[u8], intake: &mut Intake<'_>, shared: &Shared, fate: &Fate) {
        let voice = shared.voice.as_ref();
        voice.came();
        if fate.is_stopping() {
            intake.keep(line);
            intake.discarded();
            return;
        }
        let metric = match shared.faults.strikes_points() {
            true => intake.metric(line, voice),
            false => None,
        };
        if let Some(metric) = metric.as_deref().filter(|metric| shared.faults.refuses_points(metric)) {
            intake.keep(line);
            let words = self.refuse(&Refusal::unknown_metric(metric), voice);
            intake.refused(&voice.text(line), &words);
        } else if metric.is_some() && shared.faults.throttles() {
            intake.keep(line);
            intake.throttled();
            let replies = if shared.faults.is_late() {
                &mut self.late
            } else {
                &mut self.replies
            };
            voice.throttled(replies);
        } else if let Err(refusal) = intake.line(line, voice) {
            let words = self.refuse(&refusal, voice);
            intake.keep_refusal(&voice.text(line), &words);
        }
    }

    /// Says what the server says to a refused point, and returns it; of one that says nothing, why it refused.
    fn refuse(&mut self, refusal: &Refusal, voice: &dyn Voice) -> String {
        let before = self.replies.len();
        voice.refused(refusal, &mut self.replies);
        match &self.replies[before..] {
            [] => refusal.text().to_owned(),
            words => String::from_utf8_lossy(words).into_owned(),
        }
    }

    /// The first line, and the next ones until one is right, are the peer's to say who it is.
    fn authorise(&mut self, line: &[u8], intake: &mut Intake<'_>, shared: &Shared) {
        self.authorised = shared
            .auth_line
            .as_deref()
            .is_some_and(|wanted| wanted.as_bytes() == line);
        if self.authorised {
            self.replies.extend_from_slice(b"AUTH_SUCCESS\r\n");
        } else {
            intake.counts().unauthorised += 1;
            self.replies.extend_from_slice(b"AUTH_FAIL\r\n");
        }
    }

    fn command(&mut self, line: &[u8], intake: &mut Intake<'_>, shared: &Shared) {
        let line = latin1(line);
        let is_version = line.split_ascii_whitespace().next() == Some("version");
        let counts = intake.counts();
        if is_version {
            counts.versions += 1;
        }
        let before = self.replies.len();
        match shared.voice.command(&line, counts, &mut self.replies) {
            Outcome::Known => {}
            Outcome::Unknown if is_version => {}
            Outcome::Unknown => counts.unknown += 1,
            Outcome::Leave => self.over = true,
        }
        if !is_version || self.replies.len() == before {
            return;
        }
        match shared.faults.answer(false) {
            Some(Struck::Lost) => {
                self.replies.truncate(before);
                counts.lost_answers += 1;
            }
            Some(_) => {
                self.replies.truncate(before);
                counts.lost_answers += 1;
                (self.over, self.struck) = (true, Some(Ending::Reset));
            }
            None => {}
        }
        self.replies.append(&mut self.late);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::config::Config;
    use crate::personality::Personality;

    fn shared() -> Shared {
        Shared::open(Config::default()).expect("there is no journal")
    }

    fn answers(pieces: &[&[u8]]) -> (Vec<u8>, usize, bool) {
        let (shared, mut telnet) = (shared(), Telnet::default());
        for piece in pieces {
            assert_eq!(telnet.take(piece, false, &shared, &shared.faults.fate()), piece.len());
        }
        let points = shared.store.points().len();
        (telnet.replies.clone(), points, !telnet.carry.is_empty())
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

    /// Lines as they come and as they should not come, the last one perhaps without its end.
    fn lines() -> impl Strategy<Value = Vec<u8>> {
        let word = prop_oneof![
            Just("put".to_owned()),
            Just("version".to_owned()),
            Just("m".to_owned()),
            Just("1700000000".to_owned()),
            Just("1.5".to_owned()),
            Just("h=a".to_owned()),
            "[ -~\t\u{e9}\r]{0,6}",
            Just("x".repeat(600)),
        ];
        let line = prop_oneof![
            Just("put m 1700000000 1.5 h=a\n".to_owned()),
            prop::collection::vec(word, 0..7).prop_map(|words| words.join(" ") + "\n"),
        ];
        (prop::collection::vec(line, 0..6), 0..3_usize).prop_map(|(lines, cut)| {
            let mut bytes = lines.concat().into_bytes();
            bytes.truncate(bytes.len().saturating_sub(cut));
            bytes
        })
    }

    proptest! {
        /// But for what OpenTSDB does with long lines, which depends on how they arrive, and with points that are stored
        /// at the time of their arrival.
        #[test]
        fn every_personality_reads_the_same_of_any_split(bytes in lines(), at in any::<prop::sample::Index>()) {
            let split = at.index(bytes.len() + 1);
            for personality in Personality::ALL {
                let config = Config { personality, ..Config::default() };
                let heard = |pieces: &[&[u8]]| {
                    let (shared, mut telnet) = (Shared::open(config.clone()).expect("no journal"), Telnet::default());
                    let fate = shared.faults.fate();
                    for piece in pieces {
                        telnet.take(piece, false, &shared, &fate);
                    }
                    telnet.end(&shared, &fate);
                    let counts = shared.store.counts();
                    assert_eq!(counts.puts, counts.accepted + counts.refused);
                    (counts.overlong + counts.closed_overlong, telnet.replies, counts.puts, counts.accepted, counts.torn)
                };
                let whole = heard(&[&bytes]);
                if whole.0 == 0 || personality != Personality::OpenTsdb {
                    prop_assert_eq!(heard(&[&bytes[..split], &bytes[split..]]), whole, "{}", personality);
                }
            }
        }
    }

    #[test]
    fn a_peer_that_does_not_read_loses_refusals_and_keeps_its_version() {
        let (shared, mut telnet) = (shared(), Telnet::default());
        let fate = shared.faults.fate();
        let bad = b"put m 1 x h=a\n".repeat(5_000);
        let used = telnet.take(&bad, false, &shared, &fate);
        assert!(used < bad.len(), "first it stops, so that the replies can be written");
        telnet.take(&bad[used..], true, &shared, &fate);
        telnet.take(b"version\n", true, &shared, &fate);
        let replies = String::from_utf8_lossy(&telnet.replies);
        assert!(replies.len() < HIGH_WATER + 1024 && replies.ends_with("potsdb-receiver\n"));
        let written = replies.lines().filter(|line| line.starts_with("put: ")).count() as u64;
        assert_eq!(shared.store.counts().suppressed + written, 5_000);
    }
}
