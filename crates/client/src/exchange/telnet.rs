//! The telnet exchange: put lines down, `version` as the question, replies as they come.
//!
//! ```text
//!            first lines, <version>          an answer of a known shape
//!  Unknown ---------------------------> asked -------------------------> Answers
//!                                         | 2 s after the kernel's          ^
//!                                         | acknowledgement, or the end     | a late answer
//!                                         v of the stream                   |
//!                                       Silent -----------------------------+
//!                                        |  ^ every 10 minutes
//!                                        '--' it is asked once more
//! ```
//!
//! A connection begins with put lines, never with `version`: VictoriaMetrics would take it for
//! HTTP. **Answers**: `version` is asked again and again, and each answer covers the lines before
//! it; errors that name no point are held until then. **Silent**: a line is unconfirmed once the
//! peer's kernel has it. **Unknown**: lines stay re-sendable until it is decided. Silence is not decided while another endpoint
//! has not had its chance to answer, and where one answers it is no server's nature (`engine/beside.rs`).
//!
//! A server that speaks, but none of this protocol's words, is no silent one: the address is wrong, and nothing is delivered
//! there. A web server, TLS or SSH ends the connection at once. Anything else has until silence is decided to say something
//! known after all, because it may be a banner.
//!
//! What an answer is worth on which server is a table in docs/guarantees.md.

use std::io::IoSlice;
use std::sync::Arc;
use std::time::{Duration, Instant};

use potsdb_wire::reply::{Class, ErrorKind, Foreign, Replies, Reply};
use potsdb_wire::{Server, words};

use self::opening::Opening;
use super::secrets::Secrets;
use super::{CloseReason, Credit, Due, Exchange, OVERDUE, Others, ServerProfile, Terms, Timer};
use crate::delivery::batch::Batch;
use crate::delivery::copies;
use crate::delivery::outstanding::{Outstanding, Twin};
use crate::delivery::overload::AdaptiveWindow;
use crate::delivery::retries::Blame;
use crate::delivery::settling::Settling;
use crate::delivery::verdicts::{Done, Verdict, Verdicts};
use crate::delivery::window::Window;
use crate::queue::block::{BLOCK_BYTES, Lines};

/// Unwritten bytes above which no more lines are taken: what the worker has not taken can still be
/// dropped as the oldest, and what it has taken cannot.
const AHEAD: u64 = 4 * BLOCK_BYTES as u64;

/// Lines are asked about after so many bytes...
const ASK_BYTES: u64 = 4 * BLOCK_BYTES as u64;

/// ... or after this long.
const ASK_AFTER: Duration = Duration::from_millis(100);

/// How long a server may leave the first question unanswered after its kernel has it.
const SILENT_AFTER: Duration = Duration::from_secs(2);

/// How long a silent server is not asked.
const SILENT_FOR: Duration = Duration::from_secs(600);

/// A connection that lived this long with acknowledged bytes works.
const PROVED_AFTER: Duration = Duration::from_secs(10);

/// A server may take so many answer timeouts for an answer of which it says a little now and then.
const PATIENCE: u32 = 10;

/// How long to wait for the server's end of stream once everything is answered.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// A connection on which nothing has moved for so long gets no more lines, if another takes them.
const STILL_AFTER: Duration = Duration::from_secs(1);

/// How often the kernel is asked, at least: while someone waits, and otherwise.
const KERNEL: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(500));

/// The kernel is asked at once when another such part of the window was written. Asked by the clock alone, a window every
/// 5 ms would be all that a silent server gets.
const KERNEL_PART: u64 = 8;

#[derive(Debug)]
pub(crate) struct Telnet {
    terms: Terms,
    window: Window,
    /// How much of it may be filled.
    window_limit: AdaptiveWindow,
    settling: Settling,
    replies: Replies,
    /// What of its first line is not to be told when the server repeats it.
    pub(super) secrets: Secrets,
    profile: ServerProfile,
    opened: Duration,
    urgent: bool,
    /// When the oldest lines nobody asked about were given.
    unasked_since: Option<Duration>,
    /// Errors of the interval that the next answer ends: refused lines; and whether it goes again.
    refused: u64,
    again: Option<Arc<str>>,
    /// Lines of that interval were let go without an answer: their errors may still come.
    gone: bool,
    read_only: bool,
    /// Lines before this offset of the stream go again even if answered: a late error may be theirs.
    suspect_to: u64,
    /// What the server said of them.
    suspicion: Arc<str>,
    /// Bytes the peer's kernel has acknowledged.
    acknowledged: u64,
    kernel_asked: Duration,
    /// What was written when it was asked.
    asked_written: u64,
    /// The oldest question without an answer, once the server's kernel has it.
    question: Option<ReceivedQuestion>,
    answered: bool,
    opening: Opening,
    /// A question was asked on this connection.
    asked: bool,
    /// The connection is over.
    over: bool,
    /// When bytes last left for the peer, as far as is known; and when anything last moved.
    write_progress: Duration,
    progress: Duration,
    ending: Ending,
    /// It ends because of its age: the client goes on.
    retired: bool,
    /// Silence is not decided while another endpoint may answer.
    others: Others,
}

/// A question that the server's kernel has and its program did not answer yet.
#[derive(Clone, Copy, Debug)]
struct ReceivedQuestion {
    /// When the kernel's acknowledgement was seen. A server that talks and never answers may not do so for ever.
    at: Duration,
    /// From when silence counts: from there, or from what the server said last.
    silent_since: Duration,
}

/// How far the end of the connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    No,
    /// Nothing more is given; the sending side ends when all is written.
    Finishing {
        since: Duration,
    },
    /// The sending side has ended; the server's end of stream is waited for.
    HalfClosed {
        at: Duration,
    },
}

impl Telnet {
    pub(crate) fn new(terms: Terms, profile: ServerProfile, now: Duration) -> Telnet {
        Telnet {
            terms,
            window: Window::default(),
            window_limit: AdaptiveWindow::new(terms.first_window_bytes, terms.window_bytes, terms.answer_timeout),
            settling: Settling::new(terms.settle),
            replies: Replies::new(),
            secrets: Secrets::default(),
            profile,
            opened: now,
            urgent: false,
            unasked_since: None,
            refused: 0,
            again: None,
            gone: false,
            read_only: false,
            suspect_to: 0,
            suspicion: Arc::from(""),
            acknowledged: 0,
            kernel_asked: now,
            asked_written: 0,
            question: None,
            answered: false,
            opening: Opening::new(),
            asked: false,
            over: false,
            write_progress: now,
            progress: now,
            ending: Ending::No,
            retired: false,
            others: Others::Silent,
        }
    }

    fn ask(&mut self, now: Duration) {
        self.begin_writing(now);
        if !self.window.is_asked() {
            // Nobody waited for an answer before.
            self.progress = now;
        }
        self.window.push_version(now);
        self.asked = true;
        self.unasked_since = None;
        if let ServerProfile::Silent { until } = &mut self.profile {
            *until = now + SILENT_FOR;
        }
    }

    /// The timeouts count from here where nothing was under way.
    fn begin_writing(&mut self, now: Duration) {
        if self.window.is_empty() {
            self.progress = now;
        }
        if self.window.unwritten() == 0 {
            self.write_progress = now;
        }
    }

    /// How long lines wait for their question. Asked later than an answer is waited for, it would always come too late.
    fn ask_after(&self) -> Duration {
        ASK_AFTER.min(self.terms.answer_timeout / 2)
    }

    /// Whether a question is worth asking now.
    fn should_ask(&self, now: Duration) -> bool {
        match self.profile {
            ServerProfile::Unknown => !self.window.is_asked() && !self.window.is_empty(),
            // It stays silent until it answers: to be asked costs its points nothing.
            ServerProfile::Silent { until } => until <= now && !self.window.is_empty(),
            ServerProfile::Answers(_) => match self.unasked_since {
                Some(since) => {
                    self.urgent
                        || self.ending != Ending::No
                        || now >= since + self.ask_after()
                        || self.window.unasked() >= ASK_BYTES
                        || self.window.bytes() >= self.window_limit.bytes() / 2
                }
                None => !self.window.is_asked() && self.settling.due().is_some_and(|due| now >= due),
            },
            #[cfg(feature = "http")]
            ServerProfile::Http(_) => false,
        }
    }

    /// When silence is the connection's end. Not before it can be told from the server's nature.
    fn answer_by(&self) -> Option<Duration> {
        let timeout = self.terms.answer_timeout;
        let patience = match self.profile {
            ServerProfile::Unknown if self.question.is_some() && self.others != Others::Answer => return None,
            ServerProfile::Unknown => timeout.max(SILENT_AFTER),
            _ => timeout,
        };
        let by = (self.progress + patience).min(self.write_progress + patience * PATIENCE);
        // A server that goes on reading has its question, however much more it is given. Nor does it help to say something
        // else for as long as more is written.
        let by = self.question.map_or(by, |question| {
            let silent = question.silent_since + patience;
            by.min(silent).min(question.at + patience * PATIENCE)
        });
        (!self.window.is_empty()).then_some(by)
    }

    /// The oldest question was answered.
    fn answer(&mut self, now: Duration, verdicts: &mut Verdicts) {
        self.answered = true;
        self.question = None;
        // What was said belongs to this answer, also when it comes too late for its lines.
        let refused = std::mem::take(&mut self.refused);
        let again = std::mem::take(&mut self.again);
        let Some(mut interval) = self.window.answered() else {
            return;
        };
        verdicts.last_answer = Some(now.saturating_sub(interval.asked_at));
        self.window_limit.answered(now, interval.asked_at);
        // Errors among which are those of lines that are gone say nothing certain of the ones left.
        let void = self.let_go_of_void(&mut interval.lines, verdicts);
        let unsure = (std::mem::take(&mut self.gone) || void) && refused > 0;
        if let Some(words) = again {
            return verdicts.failed(Batch { lines: interval.lines }, Blame::Some, words);
        }
        if unsure || self.read_only {
            return interval.lines.into_iter().for_each(|held| verdicts.again(held));
        }
        // A question alone says nothing of what the server would make of points.
        if (void || !interval.lines.is_empty()) && interval.start >= self.suspect_to {
            verdicts.took_some();
        }
        verdicts.post_some_rejected(&mut interval.lines, refused);
        if interval.start < self.suspect_to {
            self.fail_apart(interval.lines, verdicts);
        } else {
            for held in interval.lines {
                match self.settling.is_off() {
                    true => verdicts.done(held, Done::Settled),
                    false => self.settling.hold(now, held),
                }
            }
        }
        for held in self.settling.release(interval.asked_at) {
            verdicts.done(held, Done::Settled);
        }
    }

    /// Whether some lines of an interval had their verdict elsewhere.
    fn let_go_of_void(&self, lines: &mut Vec<Outstanding>, verdicts: &mut Verdicts) -> bool {
        let void = lines.extract_if(.., |held| held.is_void());
        let void = void.map(|held| verdicts.done(held, Done::Settled)).count();
        void > 0
    }

    fn error(&mut self, kind: ErrorKind, text: &[u8], verdicts: &mut Verdicts) {
        let words = || self.secrets.hidden(words::clean(text));
        if kind.class() != Class::Rejected {
            verdicts.count_error(kind);
        }
        match kind.class() {
            Class::Rejected => {
                self.refused += 1;
                verdicts.refused(kind, words());
                if matches!(self.profile, ServerProfile::Silent { .. }) {
                    verdicts.report_refusal();
                }
            }
            Class::Again => {
                self.again = Some(words().into());
                match self.window.lines().next().is_some_and(Outstanding::is_apart) {
                    true => verdicts.failing_still(None, words()),
                    false => verdicts.complain_of(kind, words()),
                }
            }
            Class::Late => {
                verdicts.tally.late_errors += 1;
                verdicts.keep_words(words());
                verdicts.complain_of(kind, words());
                self.suspect_to = self.window.written();
                self.suspicion = words().into();
                let lines = self.settling.drain().collect();
                self.fail_apart(lines, verdicts);
            }
            Class::ReadOnly => self.read_only = true,
            _ => {}
        }
    }

    /// These lines have their verdict, but the storage may have lost some of them. Those that failed before stay apart.
    fn fail_apart(&self, lines: Vec<Outstanding>, verdicts: &mut Verdicts) {
        let mut rest = lines;
        while let Some(failures) = rest.first().map(|held| held.failures) {
            let (alike, others) = rest.into_iter().partition(|held| held.failures == failures);
            verdicts.failed(Batch { lines: alike }, Blame::Unknown, self.suspicion.clone());
            rest = others;
        }
    }

    /// What the peer's kernel has is unconfirmed from now on, on a server that cannot say more.
    fn confirm(&mut self, verdicts: &mut Verdicts) {
        for held in self.window.received(self.acknowledged) {
            self.gone = true;
            match held.verdict_posted {
                // Answered for elsewhere; whether they settle cannot be found out here.
                true => verdicts.done(held, Done::ReleasedEarly),
                false => verdicts.end(held, Verdict::Unconfirmed),
            }
        }
    }

    fn decide_silent(&mut self, now: Duration, verdicts: &mut Verdicts) {
        self.profile = ServerProfile::Silent {
            until: now + SILENT_FOR,
        };
        self.refused = 0;
        self.question = None;
        // The kernel was not asked while an answer was waited for: patience begins anew.
        self.progress = now;
        self.confirm(verdicts);
    }

    /// Whether that is the server's answer. TDengine's is `1`, which also begins many a greeting.
    fn is_answer_of(&self, server: Server) -> bool {
        server != Server::TDengine || (self.asked && self.opening.may_be_ones())
    }

    /// When a server of which nothing is known yet has been silent for long enough to call it silent.
    fn silent_at(&self) -> Option<Duration> {
        let at = self.in_doubt_from()?;
        match self.others {
            Others::Silent => Some(at),
            Others::Untried => Some(at + OVERDUE * 2),
            Others::Answer => None,
        }
    }

    /// What else than a server of this protocol speaks here, once nothing known is waited for any longer.
    fn found_foreign(&self, now: Duration) -> Option<CloseReason> {
        let foreign = self.opening.foreign()?;
        let in_vain = self.silent_at().is_some_and(|at| now >= at);
        let is_certain = foreign != Foreign::Unknown || self.over || in_vain;
        is_certain.then(|| CloseReason::Foreign(foreign, self.secrets.hidden(self.opening.quoted())))
    }

    /// Why the connection is to end now, whoever is there.
    fn move_on(&mut self, now: Duration, verdicts: &mut Verdicts) -> Option<CloseReason> {
        if self.read_only {
            return Some(CloseReason::ReadOnly);
        }
        if self.silent_at().is_some_and(|at| now >= at) {
            if self.terms.must_answer {
                return Some(CloseReason::CannotAnswer);
            }
            self.decide_silent(now, verdicts);
            if self.retired {
                // That may have been the last it held, and nothing else wakes it.
                self.retire(now);
            }
        }
        if self.ending == Ending::No && self.should_ask(now) {
            self.ask(now);
        }
        if self.window.unwritten() > 0 && now >= self.write_progress + self.terms.write_timeout {
            return Some(CloseReason::WriteTimeout);
        }
        if self.answer_by().is_some_and(|by| by <= now) {
            return Some(CloseReason::AnswerTimeout);
        }
        match self.ending {
            // All of it had its verdict elsewhere.
            Ending::Finishing { .. } | Ending::HalfClosed { .. } if self.is_void() => Some(CloseReason::Finished),
            Ending::HalfClosed { at } if self.window.is_empty() && now >= at.max(self.progress) + LAST_WORDS => {
                Some(CloseReason::Finished)
            }
            _ => None,
        }
    }

    /// Whether it holds lines, and all of them had their verdict elsewhere.
    fn is_void(&self) -> bool {
        let mut lines = self.window.lines().peekable();
        lines.peek().is_some() && lines.all(Outstanding::is_void)
    }

    fn count_unsettled(&mut self, verdicts: &mut Verdicts) {
        for held in self.settling.drain() {
            verdicts.done(held, Done::Unsettled);
        }
    }
}

impl Exchange for Telnet {
    fn credit(&self, posted: bool) -> Option<Credit> {
        let pure =
            self.profile != ServerProfile::Unknown || self.window.lines().all(|held| held.verdict_posted == posted);
        if !pure || self.retired || self.ending != Ending::No || self.window.unwritten() >= AHEAD {
            return None;
        }
        let first = self.profile == ServerProfile::Unknown && self.window.is_empty();
        let bytes = self.window_limit.bytes().saturating_sub(self.window.bytes());
        let bytes = if first { bytes.min(BLOCK_BYTES) } else { bytes };
        let points = self.terms.window_points.saturating_sub(self.window.points());
        // A block's worth or nothing: a window that is almost full must not chop blocks to pieces.
        (bytes >= BLOCK_BYTES && points > 0).then_some(Credit { bytes, points })
    }

    fn give(&mut self, now: Duration, held: Outstanding) {
        self.begin_writing(now);
        let mixed = self
            .window
            .last_posted()
            .is_some_and(|posted| posted != held.verdict_posted);
        if mixed && matches!(self.profile, ServerProfile::Answers(_)) {
            self.ask(now);
        }
        self.window.push_lines(held);
        self.unasked_since.get_or_insert(now);
        if self.should_ask(now) {
            self.ask(now);
        }
    }

    fn takes_batch(&self) -> bool {
        // One that is to be found out about is alone with its answer.
        !self.window.lines().any(Outstanding::is_apart)
    }

    fn judges_each(&self) -> bool {
        matches!(self.profile, ServerProfile::Answers(_))
    }

    fn give_batch(&mut self, now: Duration, batch: Batch) {
        let asks = self.judges_each();
        if asks && self.window.unasked() > 0 {
            self.ask(now);
        }
        // What fails again and again is asked about line by line.
        let each = asks && batch.is_apart();
        let lines = match each {
            true => batch.lines.into_iter().flat_map(Outstanding::into_points).collect(),
            false => batch.lines,
        };
        for held in lines {
            self.begin_writing(now);
            self.window.push_lines(held);
            if each {
                self.ask(now);
            }
        }
        if each {
            return;
        }
        self.unasked_since.get_or_insert(now);
        if asks || self.should_ask(now) {
            self.ask(now);
        }
    }

    fn settling(&mut self) -> Option<&mut Settling> {
        Some(&mut self.settling)
    }

    fn unwritten<'a>(&'a mut self, _now: Duration, slices: &mut Vec<IoSlice<'a>>) {
        self.window.slices(slices, 64);
    }

    fn wrote(&mut self, now: Duration, bytes: u64) {
        self.window.wrote(bytes);
        // To the kernel, which takes them for a peer that never reads, too: that is no progress of the server's.
        self.write_progress = now;
    }

    fn received(&mut self, now: Duration, bytes: &[u8], verdicts: &mut Verdicts) {
        self.progress = now;
        if let Some(question) = &mut self.question
            && (self.profile != ServerProfile::Unknown || self.others == Others::Answer)
        {
            // It may be a part of the answer.
            question.silent_since = now;
        }
        self.opening.hear(bytes);
        let mut replies = std::mem::take(&mut self.replies);
        replies.push(bytes);
        while let Some(reply) = replies.next() {
            match reply {
                Reply::Version(server) if self.is_answer_of(server) => {
                    self.opening.understood();
                    self.answer(now, verdicts);
                    self.profile = ServerProfile::Answers(server);
                }
                Reply::Error { kind, text } => {
                    self.opening.understood();
                    self.error(kind, text, verdicts);
                }
                // A continuation of an error, or a banner: nothing follows from it.
                _ => {}
            }
        }
        self.replies = replies;
        if matches!(self.profile, ServerProfile::Silent { .. }) && self.opening.foreign().is_some() {
            // What was taken for silence was something else. The next connection finds out anew.
            self.profile = ServerProfile::Unknown;
            self.over = true;
        }
    }

    fn kernel_has(&mut self, now: Duration, bytes: u64, verdicts: &mut Verdicts) {
        self.kernel_asked = now;
        self.asked_written = self.window.written();
        let bytes = bytes.min(self.window.written());
        if bytes > self.acknowledged {
            self.acknowledged = bytes;
            self.progress = now;
            self.write_progress = now;
        }
        match self.profile {
            ServerProfile::Silent { .. } => self.confirm(verdicts),
            _ if self.window.first_question().is_some_and(|end| end <= self.acknowledged) => {
                self.question.get_or_insert(ReceivedQuestion {
                    at: now,
                    silent_since: now,
                });
            }
            _ => {}
        }
    }

    fn ask_kernel_at(&self) -> Option<Duration> {
        if self.window.is_empty() || self.acknowledged >= self.window.written() {
            return None;
        }
        match self.profile {
            ServerProfile::Unknown if self.question.is_none() => {}
            ServerProfile::Silent { .. } => {}
            // Before it stands still, or is given up: on a slow way, bytes may be moving that nobody sees.
            _ => {
                let patience = STILL_AFTER.min(self.terms.answer_timeout).min(self.terms.write_timeout);
                let stuck = self.progress.min(self.write_progress) + patience / 2;
                return Some(stuck.max(self.kernel_asked + patience / 4));
            }
        }
        let allowed = self.window_limit.bytes() as u64;
        if self.window.written() - self.asked_written >= allowed / KERNEL_PART {
            return Some(self.kernel_asked);
        }
        // Where others may answer, it matters how soon this one could have.
        let others = self.profile == ServerProfile::Unknown && self.others != Others::Silent;
        let filled = self.window.bytes() >= self.window_limit.bytes() / 2;
        let pressing = self.urgent || self.ending != Ending::No || filled;
        // Asked too rarely, a server that works would look as if it stood still.
        let every = match pressing {
            true => KERNEL.0,
            false if others => (self.kernel_asked.saturating_sub(self.opened) / 8).clamp(KERNEL.0, KERNEL.1),
            false => KERNEL.1,
        };
        Some(self.kernel_asked + every.min(self.terms.answer_timeout / 2))
    }

    fn tick(&mut self, now: Duration, urgent: bool, verdicts: &mut Verdicts) -> Option<CloseReason> {
        self.urgent = urgent;
        if let Some(reason) = self.found_foreign(now) {
            return Some(reason);
        }
        let reason = self.move_on(now, verdicts)?;
        self.over = true;
        // What it said tells more than what it did not do.
        self.found_foreign(now).or(Some(reason))
    }

    fn next_timer(&self) -> Option<Due> {
        let open = self.ending == Ending::No;
        let asks = open && matches!(self.profile, ServerProfile::Answers(_));
        let ask = self.unasked_since.map(|since| since + self.ask_after());
        // As long as lines wait to be asked about, their question is the one that settles.
        let settles = asks && !self.window.is_asked() && self.unasked_since.is_none();
        let write = Some(self.write_progress + self.terms.write_timeout);
        let last_words = match self.ending {
            Ending::HalfClosed { at } if self.window.is_empty() => Some(at.max(self.progress) + LAST_WORDS),
            _ => None,
        };
        let timers = [
            Timer::Ask.at(ask.filter(|_| asks)),
            Timer::Settle.at(self.settling.due().filter(|_| settles)),
            Timer::Silent.at(self.silent_at()),
            Timer::Write.at(write.filter(|_| self.window.unwritten() > 0)),
            Timer::Answer.at(self.answer_by()),
            Timer::LastWords.at(last_words),
        ];
        timers.into_iter().flatten().min()
    }

    fn finish(&mut self, now: Duration) {
        if self.ending != Ending::No {
            return;
        }
        self.ending = Ending::Finishing { since: now };
        let asks = !matches!(self.profile, ServerProfile::Silent { .. });
        if asks && self.window.unasked() > 0 {
            self.ask(now);
        }
    }

    fn retire(&mut self, now: Duration) {
        self.retired = true;
        if self.window.is_empty() && self.settling.due().is_none() {
            self.finish(now);
        }
    }

    fn take_half_close(&mut self) -> bool {
        let Ending::Finishing { since } = self.ending else {
            return false;
        };
        // A server that answers is heard out first: proxies hang up on both sides when one has ended, and so may
        // TLS. Where nothing is known, the end of the stream is what decides.
        let answers = matches!(self.profile, ServerProfile::Answers(_)) && !self.window.is_empty();
        let due = self.window.unwritten() == 0 && !answers;
        if due {
            // The last byte may have gone out long before anybody wanted the end.
            self.ending = Ending::HalfClosed {
                at: self.write_progress.max(since),
            };
        }
        due
    }

    fn ended(&mut self, clean: bool, verdicts: &mut Verdicts) {
        self.over = true;
        let is_foreign = self.opening.foreign().is_some();
        let closed = clean && matches!(self.ending, Ending::HalfClosed { .. });
        if is_foreign {
            // Nothing is delivered here.
        } else if closed && self.profile == ServerProfile::Unknown && self.window.is_asked() && !self.terms.must_answer
        {
            // The server read to the end of the stream and ended its own without an answer.
            self.decide_silent(self.progress, verdicts);
        } else if matches!(self.profile, ServerProfile::Silent { .. }) {
            self.confirm(verdicts);
        }
        if closed && self.window.is_empty() {
            self.count_unsettled(verdicts);
        }
        self.settling.drain().for_each(|held| verdicts.again(held));
        // A server reads lines in their order, so what follows the last answer may be why it ended the connection. Lines that
        // are being found out about are likelier still.
        let apart = |held: &Outstanding| held.failures > 0 && !held.verdict_posted;
        let (mut suspects, others) = self.window.drain();
        let (tried, mut others): (Vec<_>, Vec<_>) = others.into_iter().partition(apart);
        if !tried.is_empty() || suspects.iter().any(apart) {
            others.extend(suspects.extract_if(.., |held| !apart(held)));
            suspects.extend(tried);
        }
        if closed || self.read_only || is_foreign {
            others.append(&mut suspects);
        }
        verdicts.again_suspects(suspects);
        others.into_iter().for_each(|held| verdicts.again(held));
    }

    fn abandoned(&mut self, verdicts: &mut Verdicts) {
        self.count_torn(verdicts);
        if matches!(self.profile, ServerProfile::Silent { .. }) {
            self.confirm(verdicts);
        }
        self.count_unsettled(verdicts);
        let (next, others) = self.window.drain();
        next.into_iter().chain(others).for_each(|held| verdicts.again(held));
    }

    fn count_torn(&self, verdicts: &mut Verdicts) {
        verdicts.tally.torn += u64::from(self.window.is_torn());
    }

    fn profile(&self) -> ServerProfile {
        self.profile
    }

    fn learn(&mut self, profile: ServerProfile) {
        // Its silence here is no longer its nature.
        if matches!(profile, ServerProfile::Answers(_)) {
            if self.profile == ServerProfile::Unknown {
                // Patience with an answer begins anew.
                self.question = None;
            }
            self.profile = profile;
        }
    }

    fn stands_still_from(&self) -> Option<Duration> {
        // While silence is being told from slowness, it is no sign.
        let unknown = self.profile == ServerProfile::Unknown && self.question.is_some();
        let undecided = unknown && self.others != Others::Answer;
        let since = self
            .question
            .map_or(self.progress, |question| question.silent_since.min(self.progress));
        (!self.window.is_empty() && !undecided).then_some(since + STILL_AFTER)
    }

    fn overdue_from(&self) -> Option<Duration> {
        let after = OVERDUE.min(self.terms.answer_timeout / 2);
        let from = match self.question {
            // However much else the server says.
            Some(question) => (question.silent_since.min(self.progress) + after).min(question.at + after * 3),
            None => self.progress + after,
        };
        (!self.window.is_empty()).then_some(from)
    }

    fn copies(&mut self, credit: Credit, again: bool) -> Vec<Outstanding> {
        let (mut room, mut copies) = ((credit.bytes, credit.points), Vec::new());
        copies::copy(&mut self.window, &mut room, again, &mut copies);
        copies
    }

    fn has_uncopied(&self, again: bool) -> bool {
        self.window.lines().any(|held| copies::may_be_copied(held, again))
    }

    fn holds_copies(&self) -> bool {
        self.window.lines().any(|held| held.twin == Twin::Copy)
    }

    fn mark(&mut self, lines: &Lines, twin: Twin) {
        copies::mark(&mut self.window, lines, twin);
    }

    fn adopt(&mut self, originals: &mut Vec<Outstanding>) {
        copies::adopt(&mut self.window, originals);
    }

    fn in_doubt_from(&self) -> Option<Duration> {
        let question = self.question.filter(|_| self.profile == ServerProfile::Unknown)?;
        Some(question.silent_since + SILENT_AFTER)
    }

    fn look_beside(&mut self, others: Others) {
        if others == Others::Answer && self.profile == ServerProfile::Unknown {
            // Patience with an answer begins anew.
            self.question = None;
        }
        self.others = others;
        if let ServerProfile::Silent { until } = self.profile
            && others == Others::Answer
            && until < Duration::MAX
        {
            // It was not the server's nature after all.
            self.profile = ServerProfile::Unknown;
        }
    }

    fn is_idle(&self) -> bool {
        self.window.is_empty() && (self.retired || self.settling.due().is_none())
    }

    fn has_proved(&self, now: Duration) -> bool {
        self.answered || (self.acknowledged > 0 && now >= self.opened + PROVED_AFTER)
    }

    fn window_bytes(&self) -> usize {
        self.window_limit.bytes()
    }

    fn has_worked(&self) -> bool {
        // What the kernel of a server has that is not known to be silent, its program may never have read.
        let silent = matches!(self.profile, ServerProfile::Silent { .. });
        self.answered || (silent && self.acknowledged > 0)
    }

    fn each(&self, look: &mut dyn FnMut(&Outstanding)) {
        self.window.lines().chain(self.settling.lines()).for_each(look);
    }

    fn low(&self) -> Option<(u64, Instant)> {
        self.window.low()
    }
}

mod opening;
#[cfg(test)]
mod tests;
