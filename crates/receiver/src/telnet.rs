//! The receiver's telnet: each whole line of a connection, taken by the store or answered as the personality has it.
//!
//! The front has cut the lines and let the peer in. How long a line may be is the personality's affair, and whether a
//! last one without its end is one. With OpenTSDB the limit of 1024 bytes bites only while no newline has come: a
//! longer line is taken when it arrives whole.
//!
//! `backend.rs` locks the store once for the lines of a read; `personality/` words the replies.

use potsdb_front::{Ending, Flow, Replies, Taken};

use crate::faults::{Fate, Struck};
use crate::personality::{Outcome, Voice};
use crate::point::put::Refusal;
use crate::point::reading::latin1;
use crate::state::Shared;
use crate::store::intake::Intake;

/// The longest line that OpenTSDB takes however it arrives.
const MAX_LINE: usize = 1024;

/// One telnet conversation.
#[derive(Default)]
pub(crate) struct Telnet {
    /// How many lines have come.
    lines: u64,
    /// What is said to the line at hand.
    said: Vec<u8>,
    /// What is to be said after the next answer.
    late: Vec<u8>,
    /// The peer has said that it leaves.
    over: bool,
    /// The fault that ends it.
    struck: Option<Ending>,
}

impl Telnet {
    /// Takes whole lines, each with its newline.
    pub(crate) fn take(
        &mut self,
        lines: &[u8],
        replies: &mut Replies,
        intake: &mut Intake<'_>,
        shared: &Shared,
        fate: &Fate,
    ) -> Taken {
        let mut bytes = 0;
        for newline in memchr::memchr_iter(b'\n', lines) {
            self.line(&lines[bytes..newline], replies, intake, shared, fate);
            bytes = newline + 1;
            if self.struck.is_some() || replies.is_full() {
                break;
            }
        }
        let flow = match self.struck {
            Some(ending) => Flow::Ends(ending),
            None if self.over => Flow::Leaves,
            None => Flow::On,
        };
        Taken { bytes, flow }
    }

    /// How many lines have come.
    pub(crate) fn lines(&self) -> u64 {
        self.lines
    }

    /// The fault that ends it, if one does.
    pub(crate) fn struck(&self) -> Option<Ending> {
        self.struck
    }

    /// A line came that is not looked at.
    pub(crate) fn left_out(&mut self) {
        self.lines += 1;
    }

    /// Takes a line without its newline.
    #[inline]
    pub(crate) fn line(
        &mut self,
        line: &[u8],
        replies: &mut Replies,
        intake: &mut Intake<'_>,
        shared: &Shared,
        fate: &Fate,
    ) {
        self.lines += 1;
        if fate.ends_at(self.lines, line.len()) {
            self.struck = Some(Ending::Written);
            return;
        }
        if line.len() > MAX_LINE {
            intake.counts().overlong += 1;
        }
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        self.said.clear();
        let is_put = shared.voice.is_put(line);
        if is_put {
            self.put(line, intake, shared, fate);
        } else {
            self.command(line, intake, shared);
        }
        // A connection that is over answers nothing more.
        if self.over || self.struck.is_some() {
            intake.counts().suppressed += u64::from(!self.said.is_empty());
        } else if is_put {
            replies.refusal(&self.said);
        } else {
            replies.answer(&self.said);
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
                &mut self.said
            };
            voice.throttled(replies);
        } else if let Err(refusal) = intake.line(line, voice) {
            let words = self.refuse(&refusal, voice);
            intake.keep_refusal(&voice.text(line), &words);
        }
    }

    /// Says what the server says to a refused point, and returns it; of one that says nothing, why it refused.
    fn refuse(&mut self, refusal: &Refusal, voice: &dyn Voice) -> String {
        voice.refused(refusal, &mut self.said);
        match &self.said[..] {
            [] => refusal.text().to_owned(),
            words => String::from_utf8_lossy(words).into_owned(),
        }
    }

    fn command(&mut self, line: &[u8], intake: &mut Intake<'_>, shared: &Shared) {
        let line = latin1(line);
        let is_version = line.split_ascii_whitespace().next() == Some("version");
        let counts = intake.counts();
        if is_version {
            counts.versions += 1;
        }
        match shared.voice.command(&line, counts, &mut self.said) {
            Outcome::Known => {}
            Outcome::Unknown if is_version => {}
            Outcome::Unknown => counts.unknown += 1,
            Outcome::Leave => self.over = true,
        }
        if !is_version || self.said.is_empty() {
            return;
        }
        match shared.faults.answer(false) {
            Some(Struck::Lost) => {
                self.said.clear();
                counts.lost_answers += 1;
            }
            Some(_) => {
                self.said.clear();
                counts.lost_answers += 1;
                self.struck = Some(Ending::Reset);
            }
            None => {}
        }
        self.said.append(&mut self.late);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use potsdb_front::{Backend as _, Options, Peer};

    use crate::backend::{Receiving, Session};
    use crate::config::Config;
    use crate::personality::Personality;
    use crate::state::Shared;

    /// A conversation in the front's framing, without a socket.
    struct Framed {
        receiving: Receiving,
        session: Session,
        options: Options,
        telnet: potsdb_front::Telnet,
    }

    impl Framed {
        fn new(config: Config) -> Framed {
            let receiving = Receiving(Shared::open(config).expect("there is no journal").into());
            let peer = Peer::plain(([127, 0, 0, 1], 1).into());
            let options = Options {
                limits: receiving.0.limits.clone(),
                ..Options::default()
            };
            Framed {
                session: receiving.open(&peer, &receiving.gate()),
                telnet: potsdb_front::Telnet::new(&options),
                receiving,
                options,
            }
        }

        fn take(&mut self, bytes: &[u8], congested: bool) -> usize {
            self.telnet
                .take(bytes, congested, &self.receiving, &mut self.session, &self.options)
        }

        fn end(&mut self) {
            self.telnet.end(&self.receiving, &mut self.session);
        }

        fn replies(&self) -> Vec<u8> {
            self.telnet.replies().ready().to_vec()
        }

        fn shared(&self) -> &Shared {
            &self.receiving.0
        }
    }

    fn answers(pieces: &[&[u8]]) -> (Vec<u8>, usize, bool) {
        let mut framed = Framed::new(Config::default());
        for piece in pieces {
            assert_eq!(framed.take(piece, false), piece.len());
        }
        let points = framed.shared().store.points().len();
        (framed.replies(), points, framed.telnet.unfinished() > 0)
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
        /// But for what OpenTSDB does with long lines, which depends on how they arrive, and with points that are
        /// stored at the time of their arrival.
        #[test]
        fn every_personality_reads_the_same_of_any_split(bytes in lines(), at in any::<prop::sample::Index>()) {
            let split = at.index(bytes.len() + 1);
            for personality in Personality::ALL {
                let config = Config { personality, ..Config::default() };
                let heard = |pieces: &[&[u8]]| {
                    let mut framed = Framed::new(config.clone());
                    for piece in pieces {
                        framed.take(piece, false);
                    }
                    framed.end();
                    let counts = framed.shared().store.counts();
                    assert_eq!(counts.puts, counts.accepted + counts.refused);
                    (counts.overlong + counts.closed_overlong, framed.replies(), counts.puts, counts.accepted, counts.torn)
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
        let mut framed = Framed::new(Config::default());
        let bad = b"put m 1 x h=a\n".repeat(5_000);
        let used = framed.take(&bad, false);
        assert!(used < bad.len(), "first it stops, so that the replies can be written");
        framed.take(&bad[used..], true);
        framed.take(b"version\n", true);
        let replies = framed.replies();
        let replies = String::from_utf8_lossy(&replies);
        let most = framed.options.limits.unread_refusals;
        assert!(replies.len() < most + 1024 && replies.ends_with("potsdb-receiver\n"));
        let written = replies.lines().filter(|line| line.starts_with("put: ")).count() as u64;
        assert_eq!(framed.telnet.left_out() + written, 5_000);
    }
}
