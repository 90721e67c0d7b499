//! The greeting: a telnet connection's login, before anything else.
//!
//! ```text
//!           line -->                <-- AUTH_SUCCESS
//!  greeting ------> waiting for it ------------------> the telnet exchange, as without a login
//!                       |
//!                       '-- AUTH_FAIL, unknown command, end of the stream: unauthorized
//!                       '-- HTTP, TLS, SSH: a wrong address
//! ```
//!
//! OpenTSDB swallows whatever comes before it has let the connection in, a `put` too: so nothing is taken until
//! then. Afterwards everything goes to the exchange within, which knows nothing of the line before its stream: its
//! offsets are moved by the line's length.

use std::io::IoSlice;
use std::time::{Duration, Instant};

use potsdb_wire::reply::Foreign;

use super::secrets::Secrets;
use super::telnet::Telnet;
use super::{CloseReason, Credit, Due, Exchange, Others, ServerProfile, Terms, Timer};
use crate::delivery::batch::Batch;
use crate::delivery::outstanding::{Outstanding, Twin};
use crate::delivery::settling::Settling;
use crate::delivery::verdicts::Verdicts;
use crate::queue::block::Lines;

/// What is kept of an answer that has no end.
const ANSWER_MAX: usize = 4096;

/// The answers that end it, by how they begin.
const WELCOME: &[u8] = b"AUTH_SUCCESS";
/// Not in the server's words, which may repeat the secret.
const REFUSED: &str = "its answer to the first line is not AUTH_SUCCESS";
const REFUSALS: [&[u8]; 2] = [b"AUTH_FAIL", b"unknown command"];

pub(crate) struct Greeting {
    within: Telnet,
    line: Vec<u8>,
    written: usize,
    state: State,
    /// What else than a server of this protocol answers, as it shows at once; and what it said.
    foreign: Option<(Foreign, String)>,
    answer: Vec<u8>,
    progress: Duration,
    write_timeout: Duration,
    answer_timeout: Duration,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Waiting,
    Refused,
    Welcome,
}

impl Greeting {
    pub(crate) fn new(terms: Terms, profile: ServerProfile, line: Vec<u8>, now: Duration) -> Greeting {
        let mut within = Telnet::new(terms, profile, now);
        within.secrets = Secrets::of_line(&line);
        Greeting {
            within,
            line,
            written: 0,
            state: State::Waiting,
            foreign: None,
            answer: Vec::new(),
            progress: now,
            write_timeout: terms.write_timeout,
            answer_timeout: terms.answer_timeout,
        }
    }

    /// Reads the answer's lines; what follows the welcome is the exchange's.
    fn read(&mut self, now: Duration, bytes: &[u8], verdicts: &mut Verdicts) {
        self.answer.extend_from_slice(bytes);
        if let Some(foreign) = Foreign::of(&self.answer).filter(|foreign| *foreign != Foreign::Unknown) {
            let said = Foreign::quoted(&self.answer).into();
            self.foreign = Some((foreign, self.within.secrets.hidden(said)));
        }
        while let Some(end) = memchr::memchr(b'\n', &self.answer) {
            let rest = self.answer.split_off(end + 1);
            let line = std::mem::replace(&mut self.answer, rest);
            if line.starts_with(WELCOME) {
                self.state = State::Welcome;
                let rest = std::mem::take(&mut self.answer);
                if !rest.is_empty() {
                    self.within.received(now, &rest, verdicts);
                }
                return;
            }
            if REFUSALS.iter().any(|refusal| line.starts_with(refusal)) {
                self.state = State::Refused;
            }
        }
        self.answer.truncate(ANSWER_MAX);
    }

    fn patience(&self) -> (Duration, CloseReason) {
        match self.written < self.line.len() {
            true => (self.progress + self.write_timeout, CloseReason::WriteTimeout),
            false => (self.progress + self.answer_timeout, CloseReason::AnswerTimeout),
        }
    }
}

impl Exchange for Greeting {
    fn credit(&self, posted: bool) -> Option<Credit> {
        self.within.credit(posted).filter(|_| self.is_welcome())
    }

    fn give(&mut self, now: Duration, held: Outstanding) {
        self.within.give(now, held);
    }

    fn takes_batch(&self) -> bool {
        self.is_welcome() && self.within.takes_batch()
    }

    fn judges_each(&self) -> bool {
        self.within.judges_each()
    }

    fn give_batch(&mut self, now: Duration, batch: Batch) {
        self.within.give_batch(now, batch);
    }

    fn settling(&mut self) -> Option<&mut Settling> {
        self.within.settling()
    }

    fn unwritten<'a>(&'a mut self, now: Duration, slices: &mut Vec<IoSlice<'a>>) {
        match self.state {
            State::Welcome => self.within.unwritten(now, slices),
            _ if self.written < self.line.len() => slices.push(IoSlice::new(&self.line[self.written..])),
            _ => {}
        }
    }

    fn wrote(&mut self, now: Duration, bytes: u64) {
        if self.is_welcome() {
            return self.within.wrote(now, bytes);
        }
        self.written += bytes as usize;
        self.progress = now;
    }

    fn received(&mut self, now: Duration, bytes: &[u8], verdicts: &mut Verdicts) {
        match self.state {
            State::Welcome => self.within.received(now, bytes, verdicts),
            _ => self.read(now, bytes, verdicts),
        }
    }

    fn kernel_has(&mut self, now: Duration, bytes: u64, verdicts: &mut Verdicts) {
        let bytes = bytes.saturating_sub(self.line.len() as u64);
        self.within.kernel_has(now, bytes, verdicts);
    }

    fn ask_kernel_at(&self) -> Option<Duration> {
        self.within.ask_kernel_at()
    }

    fn tick(&mut self, now: Duration, urgent: bool, verdicts: &mut Verdicts) -> Option<CloseReason> {
        if let Some((foreign, said)) = self.foreign.clone() {
            return Some(CloseReason::Foreign(foreign, said));
        }
        match (self.state, self.patience()) {
            (State::Refused, _) => Some(CloseReason::Unauthorized(REFUSED.to_owned())),
            (State::Waiting, (until, reason)) if until <= now => Some(reason),
            _ => self.within.tick(now, urgent, verdicts),
        }
    }

    fn next_timer(&self) -> Option<Due> {
        let own = (self.state == State::Waiting).then(|| self.patience().0);
        Timer::Login.at(own).into_iter().chain(self.within.next_timer()).min()
    }

    fn finish(&mut self, now: Duration) {
        self.within.finish(now);
    }

    fn retire(&mut self, now: Duration) {
        self.within.retire(now);
    }

    fn take_half_close(&mut self) -> bool {
        self.written == self.line.len() && self.within.take_half_close()
    }

    fn ended(&mut self, clean: bool, verdicts: &mut Verdicts) {
        self.within.ended(clean, verdicts);
    }

    fn abandoned(&mut self, verdicts: &mut Verdicts) {
        self.within.abandoned(verdicts);
    }

    fn count_torn(&self, verdicts: &mut Verdicts) {
        self.within.count_torn(verdicts);
    }

    fn each(&self, look: &mut dyn FnMut(&Outstanding)) {
        self.within.each(look);
    }

    fn is_welcome(&self) -> bool {
        self.state == State::Welcome
    }

    fn profile(&self) -> ServerProfile {
        self.within.profile()
    }

    fn stands_still_from(&self) -> Option<Duration> {
        self.within.stands_still_from()
    }

    fn overdue_from(&self) -> Option<Duration> {
        self.within.overdue_from()
    }

    fn copies(&mut self, credit: Credit, again: bool) -> Vec<Outstanding> {
        self.within.copies(credit, again)
    }

    fn has_uncopied(&self, again: bool) -> bool {
        self.within.has_uncopied(again)
    }

    fn holds_copies(&self) -> bool {
        self.within.holds_copies()
    }

    fn mark(&mut self, lines: &Lines, twin: Twin) {
        self.within.mark(lines, twin);
    }

    fn adopt(&mut self, originals: &mut Vec<Outstanding>) {
        self.within.adopt(originals);
    }

    fn in_doubt_from(&self) -> Option<Duration> {
        self.within.in_doubt_from()
    }

    fn look_beside(&mut self, others: Others) {
        self.within.look_beside(others);
    }

    fn is_idle(&self) -> bool {
        self.within.is_idle()
    }

    fn window_bytes(&self) -> usize {
        self.within.window_bytes()
    }

    fn has_worked(&self) -> bool {
        self.within.has_worked()
    }

    fn learn(&mut self, profile: ServerProfile) {
        self.within.learn(profile);
    }

    fn has_proved(&self, now: Duration) -> bool {
        self.within.has_proved(now)
    }

    fn low(&self) -> Option<(u64, Instant)> {
        self.within.low()
    }
}

#[cfg(test)]
mod tests;
