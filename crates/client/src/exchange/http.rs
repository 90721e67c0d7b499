//! The HTTP exchange: one `POST /api/put` at a time, and what its answer says of each point.
//!
//! ```text
//!   lines --> gathered --> request --> answer:  taken            acknowledged
//!                             ^                 refused, named   those rejected, the others acknowledged
//!                             |                 refused, unnamed the same again with `details`
//!                             +---- parts <---- refused whole    its halves, down to the one bad point
//!                                               too long         fewer lines, and the limit is remembered
//!        the engine <-------------------------- failed           the same lines again, apart and later
//!        the engine <-------------------------- cut              the same lines again, here or elsewhere
//! ```
//!
//! Requests are not pipelined: OpenTSDB answers out of order then. What makes up for it is one batch after the other
//! as long as the limit allows, and several connections. A body cut short is no body, so nothing is ever torn.

use std::io::IoSlice;
use std::time::{Duration, Instant};

use potsdb_wire::MAX_LINE;
use potsdb_wire::http::{Response, Responses};
use potsdb_wire::reply::{ErrorKind, Failures, PointError, PutReply};

use super::secrets::Secrets;
use super::{CloseReason, Credit, Due, Exchange, OVERDUE, ServerProfile, Terms, Timer};
use crate::delivery::batch::Batch;
use crate::delivery::copies;
use crate::delivery::outstanding::{Outstanding, Twin};
use crate::delivery::overload::Complaint;
use crate::delivery::retries::Blame;
use crate::delivery::verdicts::{Verdict, Verdicts};
use crate::queue::block::Lines;

mod payload;
mod profile;
mod request;

use payload::{Payload, reject};
pub(crate) use profile::{Clock, HttpProfile};
pub(crate) use request::Address;
use request::{Request, Requests};

/// The most bytes of lines in one request: what they become in JSON and what that is compressed
/// into exist beside them.
const MOST_LINES: usize = 512 << 10;

/// Less room than the longest line is none.
const LEAST_CREDIT: usize = MAX_LINE + 1;

/// A server may take so many answer timeouts for an answer of which it says a little now and then.
const PATIENCE: u32 = 10;

#[derive(Debug)]
pub(crate) struct Http {
    terms: Terms,
    requests: Requests,
    secrets: Secrets,
    profile: HttpProfile,
    /// Lines for the next request.
    next_batch: Vec<Outstanding>,
    /// Lines of a request that was not taken as it was, the next ones last.
    payloads: Vec<Payload>,
    /// The last request was one of those.
    payload_went: bool,
    pending: Option<PendingRequest>,
    responses: Responses,
    answered: bool,
    /// Points were taken.
    worked: bool,
    /// Points put once more since the engine last asked.
    repeated: u64,
    /// Bytes the kernel took, and bytes the peer's has acknowledged.
    written: u64,
    acknowledged: u64,
    kernel_asked: Duration,
    /// When bytes last left for the peer, as far as is known; and when anything last moved.
    write_progress: Duration,
    progress: Duration,
    /// Nothing is asked before that.
    rests_until: Duration,
    finishing: bool,
    /// It ends because the client has waited long enough.
    timed_out: bool,
    /// Why the connection has to end.
    reason: Option<CloseReason>,
}

/// The request under way.
#[derive(Debug)]
struct PendingRequest {
    /// `None`: it asks for the server's configuration.
    payload: Option<Payload>,
    request: Request,
    written: usize,
    since: Duration,
}

impl PendingRequest {
    fn unwritten(&self) -> usize {
        self.request.head.len() + self.request.body.len() - self.written
    }
}

impl Http {
    pub(crate) fn new(terms: Terms, address: Address, headers: Vec<u8>, profile: HttpProfile, now: Duration) -> Http {
        Http {
            terms,
            secrets: Secrets::of_http(&address.target, &headers),
            requests: Requests::new(address, headers, terms.gzip),
            profile,
            next_batch: Vec::new(),
            payloads: Vec::new(),
            payload_went: false,
            pending: None,
            responses: Responses::new(),
            answered: false,
            worked: false,
            repeated: 0,
            written: 0,
            acknowledged: 0,
            kernel_asked: now,
            write_progress: now,
            progress: now,
            rests_until: Duration::ZERO,
            finishing: false,
            timed_out: false,
            reason: None,
        }
    }

    /// How many bytes of lines the next request is to have.
    fn batch(&self) -> usize {
        let most = MOST_LINES.min(self.terms.window_bytes);
        self.requests
            .lines_for(self.profile.limit())
            .clamp(LEAST_CREDIT, most.max(LEAST_CREDIT))
    }

    fn next_batch_bytes(&self) -> usize {
        self.next_batch.iter().map(|held| held.lines.len()).sum()
    }

    /// When silence is the connection's end, or an answer that has no end.
    fn answer_by(&self) -> Duration {
        let timeout = self.terms.answer_timeout;
        (self.progress + timeout).min(self.write_progress + timeout * PATIENCE)
    }

    /// Everything that waits for a verdict here.
    fn held(&self) -> impl Iterator<Item = &Outstanding> {
        let pending = self.pending.iter().filter_map(|pending| pending.payload.as_ref());
        pending
            .chain(&self.payloads)
            .flat_map(|payload| &payload.batch.lines)
            .chain(&self.next_batch)
    }

    /// Puts these lines once more, but those that have their verdict elsewhere.
    fn put_again(&mut self, payload: Payload) {
        let mut payload = payload.again();
        payload.batch.lines.retain(|held| !held.is_void());
        if !payload.batch.is_empty() {
            self.payloads.push(payload);
        }
    }

    /// The same, to be changed.
    fn rows(&mut self) -> impl Iterator<Item = &mut Vec<Outstanding>> {
        let pending = self.pending.iter_mut().filter_map(|pending| pending.payload.as_mut());
        let payloads = pending.chain(&mut self.payloads);
        payloads
            .map(|payload| &mut payload.batch.lines)
            .chain([&mut self.next_batch])
    }

    /// Begins the next request, if there is something to ask or to put.
    fn begin(&mut self, now: Duration) {
        let waits = !self.payloads.is_empty() || !self.next_batch.is_empty();
        if self.pending.is_some() || self.reason.is_some() || !waits || now < self.rests_until {
            return;
        }
        let (payload, request) = match self.profile.asks_config() {
            true => (None, self.requests.config()),
            false => {
                let (payload, request) = self.next();
                (Some(payload), request)
            }
        };
        let asked = payload
            .as_ref()
            .map_or((0, 0), |payload| (payload.batch.points(), payload.batch.bytes()));
        self.responses.expect(asked.0, asked.1);
        self.write_progress = now;
        self.progress = now;
        self.pending = Some(PendingRequest {
            payload,
            request,
            written: 0,
            since: now,
        });
    }

    /// The next lines, as many as make a body within the limit.
    fn next(&mut self) -> (Payload, Request) {
        let payload = self.payloads.pop();
        let fresh = payload.is_none();
        self.payload_went = !fresh;
        let mut payload = payload.unwrap_or_else(|| {
            Payload::new(Batch {
                lines: std::mem::take(&mut self.next_batch),
            })
        });
        let request = loop {
            let request = self.requests.put(&payload.batch.lines, &self.flags(payload.details));
            let (limit, body) = (self.profile.limit(), request.body.len());
            if body <= limit || payload.batch.points() == 1 {
                break request;
            }
            let fewer = self.requests.fewer_lines(limit, payload.batch.bytes(), body);
            let front = payload.batch.split_front(fewer, u64::MAX);
            let rest = std::mem::replace(&mut payload.batch, front);
            match fresh {
                // With what comes next it makes a whole body again.
                true => drop(self.next_batch.splice(0..0, rest.lines)),
                false => self.payloads.push(payload.with(rest)),
            }
        };
        if payload.repeats {
            self.repeated += payload.batch.points();
        }
        (payload, request)
    }

    fn flags(&self, details: bool) -> String {
        match (self.terms.stored, details) {
            // Its own timeout, so that the server answers before silence is taken for a dead connection.
            (true, _) => format!(
                "sync&details&sync_timeout={}",
                (self.terms.answer_timeout * 3 / 4).as_millis().max(1)
            ),
            (false, true) => "details".to_owned(),
            (false, false) => String::new(),
        }
    }

    /// The answer to the request under way.
    fn answer(&mut self, now: Duration, answer: &Response, verdicts: &mut Verdicts) {
        let Some(pending) = self.pending.take() else {
            self.reason = Some(CloseReason::Misplaced("an answer nothing was asked for".to_owned()));
            return;
        };
        self.answered = true;
        // A server that judges without reading to the end may take the rest for another request.
        if !answer.keeps || pending.unwritten() > 0 {
            self.reason = Some(CloseReason::Finished);
        }
        verdicts.last_answer = Some(now.saturating_sub(pending.since));
        let clock = answer.date.map(|date| Clock {
            date,
            asked: pending.since,
            answered: now,
        });
        self.profile.clock = clock.or(self.profile.clock);
        let length = pending.request.body.len();
        let reply = answer.put();
        let Some(mut payload) = pending.payload else {
            match reply {
                PutReply::Unauthorized { .. } => self.reason = Some(unauthorized(answer)),
                PutReply::RetryLater { words, .. } => {
                    // Whoever cannot say what it takes now gets the least, and later.
                    self.profile.config(answer.status, &answer.body);
                    let points = self.held().map(|held| held.lines.points()).sum();
                    verdicts.failing(Complaint::of(points, answer.retry_after), self.secrets.hidden(words));
                    self.let_go(verdicts);
                }
                _ => self.profile.config(answer.status, &answer.body),
            }
            return;
        };
        for held in &mut payload.batch.lines {
            held.was_written = true;
        }
        let taken = matches!(
            reply,
            PutReply::Accepted { .. } | PutReply::PartiallyAccepted(_) | PutReply::RejectedUnnamed
        );
        if taken {
            self.profile.taken(now, length);
            self.worked = true;
        }
        let points = payload.batch.points();
        match reply {
            PutReply::Accepted { counted } if self.terms.stored && !counted => {
                verdicts.all_again(payload.batch);
                self.reason = Some(CloseReason::CannotAnswer);
            }
            PutReply::Accepted { .. } => {
                verdicts.end_all(payload.batch, Verdict::Acknowledged);
                verdicts.took_some();
            }
            PutReply::RejectedUnnamed if !payload.details => self.put_again(Payload {
                details: true,
                ..payload
            }),
            PutReply::PartiallyAccepted(failures) => self.partly(payload, &failures, verdicts),
            PutReply::RejectedUnnamed => self.halve(payload, "One or more data points had errors", verdicts),
            // Nobody has said yet that points go here.
            PutReply::Refused {
                words, known: false, ..
            } if !self.profile.has_taken() => self.misplaced(payload, words, verdicts),
            PutReply::Refused { words, dropped, .. } => {
                let words = self.secrets.hidden(words);
                match dropped == Some(points) {
                    true => payload.reject(&words, verdicts),
                    false => self.halve(payload, &words, verdicts),
                }
            }
            PutReply::TooLong { words }
                if HttpProfile::is_least(length) || (points == 1 && !self.profile.has_taken()) =>
            {
                // No length is short enough, so it is not the length.
                self.profile.not_the_length();
                self.elsewhere(payload, words, answer, verdicts);
            }
            PutReply::TooLong { words } => {
                self.profile.refused(now, length);
                match points {
                    1 => payload.reject(&self.secrets.hidden(words), verdicts),
                    _ => self.put_again(payload),
                }
            }
            PutReply::RetryLater { words, less } => self.later(payload, words, less, answer.retry_after, verdicts),
            PutReply::Unauthorized { words } if answer.status == 403 && self.profile.has_taken() => {
                self.elsewhere(payload, words, answer, verdicts);
                // The next connection reads its secrets anew.
                self.reason = Some(CloseReason::Finished);
            }
            PutReply::Unauthorized { .. } => {
                verdicts.all_again(payload.batch);
                self.reason = Some(unauthorized(answer));
            }
            PutReply::WrongUrl { words } => self.elsewhere(payload, words, answer, verdicts),
            _ => unreachable!("every reply has its arm"),
        }
    }

    /// Not now, or not here: the server fails these lines, and they go again apart.
    fn later(&mut self, payload: Payload, words: String, less: bool, rest: Option<Duration>, verdicts: &mut Verdicts) {
        let words = self.secrets.hidden(words);
        fail_some(payload, words, less, rest, verdicts);
        self.let_go(verdicts);
    }

    /// The answer of a place that takes no points. Where some were taken before, a proxy may object to one of these lines.
    fn elsewhere(&mut self, payload: Payload, words: String, answer: &Response, verdicts: &mut Verdicts) {
        match self.profile.has_taken() {
            true => self.later(payload, words, false, answer.retry_after, verdicts),
            false => self.misplaced(payload, words, verdicts),
        }
    }

    /// No points are taken here, whatever they are.
    fn misplaced(&mut self, payload: Payload, words: String, verdicts: &mut Verdicts) {
        verdicts.all_again(payload.batch);
        self.reason = Some(CloseReason::Misplaced(self.secrets.hidden(words)));
    }

    /// Some points were not taken.
    fn partly(&mut self, payload: Payload, failures: &Failures<'_>, verdicts: &mut Verdicts) {
        let storage = || self.secrets.hidden(words_of(failures));
        if failures.names_wrong_points() {
            return match payload.attribute(failures.refusals()) {
                Some(refused) => self.end_each(payload, &refused, false, verdicts),
                None => fail_some(payload, storage(), false, None, verdicts),
            };
        }
        // The error of a point that is alone is about it, whatever it names.
        let alone = payload.batch.points() == 1;
        match (payload.attribute(failures.errors.iter()), failures.unnamed()) {
            (Some(faults), 0) => self.end_each(payload, &faults, true, verdicts),
            _ if failures.storage_failed || failures.timeouts > 0 => {
                fail_some(payload, storage(), false, None, verdicts);
            }
            _ if alone && failures.errors.iter().any(|error| error.again) => {
                fail_some(payload, storage(), false, None, verdicts);
            }
            _ => self.halve(payload, &words_of(failures), verdicts),
        }
    }

    /// Ends each point by its error. `all`: those without one were taken; else, nothing is known of them.
    fn end_each(&mut self, payload: Payload, faults: &[(usize, &PointError<'_>)], all: bool, verdicts: &mut Verdicts) {
        let mut faults = faults.iter().peekable();
        let mut number = 0;
        let (mut named, mut others, mut took) = (Batch::default(), Batch::default(), false);
        let mut words = None;
        for held in payload.batch.lines {
            for point in held.into_points() {
                let fault = faults.next_if(|(at, _)| *at == number).map(|(_, error)| error);
                number += 1;
                match fault {
                    Some(error) if error.again => {
                        verdicts.complain_of(error.kind(), self.secrets.hidden(error.words()));
                        words = Some(self.secrets.hidden(error.words()));
                        named.lines.push(point);
                    }
                    Some(error) => {
                        let words = self.secrets.hidden(error.words());
                        reject(point, error.kind(), words, verdicts);
                    }
                    None if all => {
                        took = true;
                        verdicts.end(point, Verdict::Acknowledged);
                    }
                    None => others.lines.push(point),
                }
            }
        }
        if took {
            verdicts.took_some();
        }
        verdicts.failed(named, Blame::Each, words.unwrap_or_default());
        if !others.is_empty() {
            let words = ErrorKind::RequestTimedOut.name();
            verdicts.failing(Complaint::of(others.points(), None), words.to_owned());
            verdicts.failed(others, Blame::Some, words);
        }
    }

    /// The server does not say which point it refuses: each half by itself, until one is alone.
    fn halve(&mut self, mut payload: Payload, words: &str, verdicts: &mut Verdicts) {
        if payload.batch.points() == 1 {
            verdicts.refused_alone();
            return payload.reject(words, verdicts);
        }
        let front = payload.batch.halve();
        let front = payload.with(front);
        self.put_again(payload);
        self.put_again(front);
    }

    /// Gives back what has no request under way, for another connection to take.
    fn let_go(&mut self, verdicts: &mut Verdicts) {
        let payloads = self.payloads.drain(..).flat_map(|payload| payload.batch.lines);
        let held = payloads.chain(self.next_batch.drain(..));
        held.for_each(|held| verdicts.again(held));
    }
}

/// The server failed some of these points, and it is not known which; `less`: and asks for less.
fn fail_some(payload: Payload, words: String, less: bool, rest: Option<Duration>, verdicts: &mut Verdicts) {
    let complaint = Complaint {
        fresh: payload.batch.failures() == 0,
        ..Complaint::of(payload.batch.points(), rest)
    };
    match payload.batch.is_apart() {
        true => verdicts.failing_still(rest, words.clone()),
        false if less => verdicts.slow_down(complaint, words.clone()),
        false => verdicts.failing(complaint, words.clone()),
    }
    verdicts.failed(payload.batch, Blame::Some, words);
}

/// What a server said of points that it did not take.
fn words_of(failures: &Failures<'_>) -> String {
    let error = failures.errors.first().map(PointError::words);
    error.unwrap_or_else(|| "points were not taken and not named".to_owned())
}

/// Not in the server's words: a proxy may repeat what it was given.
fn unauthorized(answer: &Response) -> CloseReason {
    CloseReason::Unauthorized(format!("HTTP {}", answer.status))
}

impl Exchange for Http {
    fn credit(&self, _posted: bool) -> Option<Credit> {
        if self.pending.is_some() || !self.payloads.is_empty() || self.finishing || self.reason.is_some() {
            return None;
        }
        let bytes = self.batch().saturating_sub(self.next_batch_bytes());
        let points: u64 = self.next_batch.iter().map(|held| held.lines.points()).sum();
        let points = self.terms.window_points.saturating_sub(points);
        (bytes >= LEAST_CREDIT && points > 0).then_some(Credit { bytes, points })
    }

    fn give(&mut self, _now: Duration, held: Outstanding) {
        self.next_batch.push(held);
    }

    fn takes_batch(&self) -> bool {
        // Only if it is next, and what has been gathered since the last one is not to wait for it.
        self.pending.is_none() && self.payloads.is_empty() && (self.next_batch.is_empty() || !self.payload_went)
    }

    fn give_batch(&mut self, _now: Duration, batch: Batch) {
        self.payloads.push(Payload::new(batch));
    }

    fn take_repeated(&mut self) -> u64 {
        std::mem::take(&mut self.repeated)
    }

    fn unwritten<'a>(&'a mut self, now: Duration, slices: &mut Vec<IoSlice<'a>>) {
        self.begin(now);
        let Some(pending) = &self.pending else { return };
        let mut skip = pending.written;
        for bytes in [&pending.request.head, &pending.request.body] {
            if skip < bytes.len() {
                slices.push(IoSlice::new(&bytes[skip..]));
            }
            skip = skip.saturating_sub(bytes.len());
        }
    }

    fn wrote(&mut self, now: Duration, bytes: u64) {
        if let Some(pending) = &mut self.pending {
            pending.written += bytes as usize;
        }
        self.written += bytes;
        self.write_progress = now;
    }

    fn received(&mut self, now: Duration, mut bytes: &[u8], verdicts: &mut Verdicts) {
        self.progress = now;
        while self.reason.is_none() {
            match self.responses.read(&mut bytes) {
                Ok(Some(answer)) => self.answer(now, &answer, verdicts),
                Ok(None) => break,
                Err(why) => self.reason = Some(CloseReason::Misplaced(why.to_string())),
            }
        }
    }

    fn kernel_has(&mut self, now: Duration, bytes: u64, _verdicts: &mut Verdicts) {
        self.kernel_asked = now;
        let bytes = bytes.min(self.written);
        if bytes > self.acknowledged {
            self.acknowledged = bytes;
            self.write_progress = now;
            self.progress = now;
        }
    }

    fn ask_kernel_at(&self) -> Option<Duration> {
        // Before the server is given up: on a slow way, bytes may be moving that nobody sees.
        if self.pending.is_none() || self.acknowledged >= self.written {
            return None;
        }
        // What it took is progress when it is seen: soon enough that the timeout lasts no longer for it.
        let part = OVERDUE.min(self.terms.answer_timeout).min(self.terms.write_timeout) / 8;
        let stuck = self.progress.min(self.write_progress) + part;
        Some(stuck.max(self.kernel_asked + part))
    }

    fn tick(&mut self, now: Duration, _urgent: bool, _verdicts: &mut Verdicts) -> Option<CloseReason> {
        if let Some(reason) = &self.reason {
            return Some(reason.clone());
        }
        if let Some(pending) = &self.pending {
            if pending.unwritten() > 0 && now >= self.write_progress + self.terms.write_timeout {
                self.timed_out = true;
                return Some(CloseReason::WriteTimeout);
            }
            if now >= self.answer_by() {
                self.timed_out = true;
                return Some(CloseReason::AnswerTimeout);
            }
        }
        (self.finishing && self.low().is_none()).then_some(CloseReason::Finished)
    }

    fn next_timer(&self) -> Option<Due> {
        let Some(pending) = &self.pending else {
            return Timer::Rest.at(self.low().map(|_| self.rests_until));
        };
        let write = Some(self.write_progress + self.terms.write_timeout).filter(|_| pending.unwritten() > 0);
        let timers = [Timer::Write.at(write), Timer::Answer.at(Some(self.answer_by()))];
        timers.into_iter().flatten().min()
    }

    fn finish(&mut self, _now: Duration) {
        self.finishing = true;
    }

    fn retire(&mut self, now: Duration) {
        self.finish(now);
    }

    fn take_half_close(&mut self) -> bool {
        // OpenTSDB does not answer a synchronous put on a half-closed connection: the whole of it ends, once idle.
        false
    }

    fn rest(&mut self, until: Duration) {
        self.rests_until = self.rests_until.max(until);
    }

    fn overdue_from(&self) -> Option<Duration> {
        let after = OVERDUE.min(self.terms.answer_timeout / 2);
        self.pending.as_ref().map(|_| self.write_progress + after)
    }

    fn copies(&mut self, credit: Credit, again: bool) -> Vec<Outstanding> {
        let (mut room, mut copies) = ((credit.bytes, credit.points), Vec::new());
        for row in self.rows() {
            copies::copy(row, &mut room, again, &mut copies);
        }
        copies
    }

    fn has_uncopied(&self, again: bool) -> bool {
        self.held().any(|held| copies::may_be_copied(held, again))
    }

    fn holds_copies(&self) -> bool {
        self.held().any(|held| held.twin == Twin::Copy)
    }

    fn adopt(&mut self, originals: &mut Vec<Outstanding>) {
        for row in self.rows() {
            copies::adopt(row, originals);
        }
    }

    fn mark(&mut self, lines: &Lines, twin: Twin) {
        for row in self.rows() {
            copies::mark(row, lines, twin);
        }
        // The answer under way may name points of all that it is about.
        self.next_batch.retain(|held| !held.is_void());
        for payload in &mut self.payloads {
            payload.batch.lines.retain(|held| !held.is_void());
        }
        self.payloads.retain(|payload| !payload.batch.is_empty());
    }

    fn is_idle(&self) -> bool {
        let raced = self.pending.is_some() && !self.responses.is_begun();
        self.answered && (self.pending.is_none() || raced)
    }

    fn ended(&mut self, clean: bool, verdicts: &mut Verdicts) {
        if clean
            && self.reason.is_none()
            && let Some(answer) = self.responses.end()
        {
            self.answer(self.progress, &answer, verdicts);
        }
        if let Some(pending) = self.pending.take() {
            let length = pending.request.body.len();
            match pending.payload {
                // Whoever cannot be asked is tried.
                None => self.profile.config(0, b""),
                Some(mut payload) => {
                    // The first request of a connection: later ones race with a server that ends an idle one.
                    let alone = pending.written > 0 && !self.answered && !self.responses.is_begun();
                    // OpenTSDB, configured to take longer bodies, closes on one that is too long for it.
                    if alone && !self.timed_out && self.profile.may_be_too_long(length) {
                        self.profile.refused(self.progress, length);
                    }
                    for held in &mut payload.batch.lines {
                        held.was_written |= pending.written > 0;
                    }
                    match alone && self.reason.is_none() {
                        true => verdicts.again_suspects(payload.batch.lines),
                        false => verdicts.all_again(payload.batch),
                    }
                }
            }
        }
        self.let_go(verdicts);
    }

    fn abandoned(&mut self, verdicts: &mut Verdicts) {
        self.ended(false, verdicts);
    }

    fn count_torn(&self, _verdicts: &mut Verdicts) {}

    fn profile(&self) -> ServerProfile {
        ServerProfile::Http(self.profile)
    }

    fn learn(&mut self, profile: ServerProfile) {
        if let ServerProfile::Http(profile) = profile {
            self.profile = self.profile.merged(profile);
        }
    }

    fn has_proved(&self, _now: Duration) -> bool {
        self.answered
    }

    fn window_bytes(&self) -> usize {
        self.batch()
    }

    fn has_worked(&self) -> bool {
        self.worked
    }

    fn each(&self, look: &mut dyn FnMut(&Outstanding)) {
        self.held().for_each(look);
    }

    fn low(&self) -> Option<(u64, Instant)> {
        let held = self.held().filter(|held| !held.is_void());
        held.map(|held| (held.lines.first(), held.lines.since())).min()
    }
}

#[cfg(test)]
mod tests;
