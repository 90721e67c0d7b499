//! What goes over HTTP: requests, answers, and what the client can know from them.
//!
//! A point is answered when the client has heard the last byte of an answer that took it, or that refused it by name or
//! alone in its body. Over HTTP nothing is ever loose: what was not answered goes again.

use std::time::Duration;

use super::{Item, Oracle};
use crate::simulation::callers::LONGEST_REST;
use crate::simulation::server::answer::{Answer, Outcome};
use crate::simulation::server::point_of;
use crate::simulation::server::request::{self, Request, line_of};

/// No body is shorter than that because of a server's limit.
const LEAST: usize = 1024;

/// The conversation on one connection.
#[derive(Default)]
pub(super) struct Conversation {
    /// Bytes of a request that is not whole.
    begun: Vec<u8>,
    /// Something was to be written since the last answer.
    offered: bool,
    /// What was known of the longest body when it was begun: one that is too long, and one that is not.
    known: (usize, usize),
    /// The request that waits for its answer.
    open: Option<Put>,
    /// Where answers end in the stream of replies, and whether only its end ends them.
    answers: std::collections::VecDeque<(usize, bool, Outcome)>,
    /// One of them said that the connection ends.
    closes: bool,
    /// Nothing more can be asked on it.
    pub(super) over: bool,
    /// More was said before the answer than anybody has to listen to.
    babbles: bool,
}

impl Conversation {
    /// A part of a request was written.
    pub(super) fn has_begun(&self) -> bool {
        !self.begun.is_empty()
    }

    /// The points of the request that waits for its answer.
    pub(super) fn waits_for(&self) -> Option<&[usize]> {
        self.open.as_ref().map(|put| &*put.points)
    }

    /// A whole request waits for its answer.
    pub(super) fn waits(&self) -> bool {
        self.open.is_some()
    }

    pub(super) fn is_unused(&self) -> bool {
        self.open.is_none() && self.begun.is_empty() && self.answers.is_empty()
    }
}

#[derive(Debug)]
struct Put {
    points: Vec<usize>,
    /// Bytes of the body as sent; `None`: the configuration was asked for.
    sent: Option<usize>,
    details: bool,
}

impl Oracle {
    /// The client has bytes for this connection, and its kernel took these of them.
    pub(in crate::simulation) fn wrote_http(&mut self, now: Duration, id: usize, bytes: &[u8], stuck: bool) {
        let stream = &mut self.streams[id];
        stream.wrote.1 = stuck;
        let conversation = &mut stream.http;
        if !std::mem::replace(&mut conversation.offered, true) {
            let peer = self.peers[stream.server];
            conversation.known = (peer.too_long(now), peer.longest_body);
            if conversation.open.is_some() {
                self.fail("http: a request before the last one's answer");
            } else if now < peer.rests_until {
                let until = peer.rests_until;
                self.fail(format!(
                    "http: a request at {now:?} to a server that asked for rest until {until:?}"
                ));
            } else if conversation.over {
                self.fail("http: a request on a connection that was said to end");
            }
        }
        if bytes.is_empty() {
            return;
        }
        let stream = &mut self.streams[id];
        if stream.http.begun.is_empty() {
            stream.progress = now;
        }
        stream.wrote.0 = now;
        stream.bytes += bytes.len();
        stream.http.begun.extend_from_slice(bytes);
        match request::read(&stream.http.begun) {
            Ok(None) => {}
            Ok(Some(request)) if request.length == stream.http.begun.len() && stream.http.open.is_none() => {
                stream.http.begun.clear();
                self.asked(now, id, &request);
            }
            Ok(Some(_)) => self.fail("http: bytes behind a request without an answer"),
            Err(why) => self.fail(format!("promise 5: {why}")),
        }
    }

    /// A whole request was written.
    fn asked(&mut self, now: Duration, id: usize, request: &Request) {
        let stream = &mut self.streams[id];
        let path = if request.sent.is_some() {
            "/api/put"
        } else {
            "/api/config"
        };
        let known = |flag: &String| flag == "sync" || flag == "details" || flag.starts_with("sync_timeout=");
        if request.path != path || !request.flags.iter().all(known) {
            return self.fail(format!(
                "promise 5: {} with {:?} was asked for",
                request.path, request.flags
            ));
        }
        if let Some(sent) = request.sent {
            let (too_long, longest) = stream.http.known;
            // A point that is alone can go in no shorter one.
            if (sent >= too_long && request.objects.len() > 1) || sent > longest {
                return self.fail(format!(
                    "http: a body of {sent} bytes to a server known to take {longest} and to refuse {too_long}"
                ));
            }
            if self.stored != request.has("sync") {
                return self.fail(format!(
                    "http: flags {:?} with ack=stored {}",
                    request.flags, self.stored
                ));
            }
        }
        let mut points = Vec::with_capacity(request.objects.len());
        let before = self.lines;
        for object in &request.objects {
            self.lines += 1;
            let line = line_of(object).unwrap_or_default();
            let number = point_of(&line).filter(|number| self.points.get(*number).is_some_and(|p| p.line == line));
            let Some(number) = number else {
                let text = String::from_utf8_lossy(object);
                return self.fail(format!("promise 5: {text} was never sent"));
            };
            self.stir(number);
            let point = &mut self.points[number];
            if point.newest > before || *point.object.get_or_insert_with(|| object.clone()) != *object {
                return self.fail(format!("promise 3: point {number} twice in a body, or in other bytes"));
            }
            point.copies += 1;
            point.newest = self.lines;
            self.copies += 1;
            points.push(number);
            let (end, number) = (self.streams[id].bytes, Some(number));
            self.streams[id].items.push(Item {
                end,
                point: number,
                number: self.lines,
                at: now,
            });
        }
        self.put_together(now, &points);
        self.streams[id].http.open = Some(Put {
            points,
            sent: request.sent,
            details: request.has("details"),
        });
        self.check_pace(now);
    }

    /// The server has said so much before its answer that it is left.
    pub(in crate::simulation) fn babbles(&mut self, id: usize) {
        self.streams[id].http.babbles = true;
    }

    /// The server gives an answer; `end`: where it ends in the stream of replies.
    pub(in crate::simulation) fn answered_http(&mut self, id: usize, answer: &Answer, end: usize) {
        let answers = &mut self.streams[id].http.answers;
        answers.push_back((end, answer.to_the_end, answer.outcome.clone()));
        self.streams[id].http.closes |= answer.closes;
    }

    /// The client has read so many bytes of the answers; `ended`: and then the end of the stream.
    pub(in crate::simulation) fn heard_http(&mut self, now: Duration, id: usize, bytes: usize, ended: bool) {
        let stream = &mut self.streams[id];
        stream.progress = now;
        let whole = |(end, to_the_end, _): &&(usize, bool, Outcome)| *end <= bytes && (!to_the_end || ended);
        if stream.http.answers.front().filter(whole).is_none() {
            return;
        }
        let (_, to_the_end, outcome) = stream.http.answers.pop_front().expect("there is a front");
        let server = stream.server;
        // A server that answers before it has read all may take the rest for something else.
        let unread = !stream.http.begun.is_empty() || stream.http.open.is_none();
        stream.http.over |= stream.http.closes || to_the_end || unread;
        stream.http.offered = false;
        stream.http.babbles = false;
        let open = stream.http.open.take();
        self.count_answer(now);
        self.shows(server);
        match open {
            Some(put) => {
                let (told, excused) = (self.told, self.put_excused(&put));
                let asked = put.sent.is_none();
                self.learned(now, id, &put, outcome);
                if !asked && self.told == told && self.put_excused(&put) == excused {
                    self.in_vain(now, server);
                    self.sick_failed(now, &put.points);
                }
            }
            None => self.fail("the simulation: an answer without a question"),
        }
    }

    /// What an answer that was heard says.
    fn learned(&mut self, now: Duration, id: usize, put: &Put, outcome: Outcome) {
        let stream = &mut self.streams[id];
        let peer = &mut self.peers[stream.server];
        peer.took |= matches!(
            outcome,
            Outcome::Taken { .. } | Outcome::Partly { .. } | Outcome::Unnamed
        );
        match outcome {
            Outcome::Config(longest) => peer.longest_body = longest.unwrap_or(usize::MAX),
            // Nobody counted what was to be counted: of no use, here.
            Outcome::Taken { counted: false } if self.stored => {
                peer.took(put.sent.unwrap_or_default());
                stream.http.over = true;
            }
            Outcome::Taken { .. } => {
                peer.took(put.sent.unwrap_or_default());
                peer.answered = true;
                self.told_all(&put.points, |_| Some(false));
            }
            Outcome::Partly { refused, again, named } => {
                peer.took(put.sent.unwrap_or_default());
                peer.answered = true;
                self.rest(again.iter().copied());
                if named || again.len() + refused.len() == put.points.len() && refused.is_empty() {
                    let fate = |point: &usize| (!again.contains(point)).then(|| refused.contains(point));
                    self.told_all(&put.points, fate);
                } else if again.is_empty() {
                    self.refused(put);
                } else {
                    // Nothing is certain of any of them, but of one that is alone.
                    self.rest(put.points.iter().copied());
                    self.excuse(put);
                }
            }
            Outcome::Unnamed => {
                peer.took(put.sent.unwrap_or_default());
                match put.details {
                    true => self.refused(put),
                    false => self.excuse(put),
                }
            }
            Outcome::Refused => self.refused(put),
            // Nothing is short enough: it is not the length.
            Outcome::TooLong if put.sent.is_some_and(|sent| sent <= LEAST) || (put.points.len() == 1 && !peer.took) => {
                peer.too_long = usize::MAX;
                if peer.took {
                    self.rest(put.points.iter().copied());
                } else {
                    stream.http.over = true;
                    peer.lasting_until = now + self.limits.cap;
                }
            }
            Outcome::TooLong if put.points.len() == 1 => {
                peer.refused(now, put.sent.unwrap_or(usize::MAX));
                self.refused_unfairly(put);
            }
            Outcome::Unknown if peer.took => match put.points.len() {
                1 => self.refused_unfairly(put),
                _ => self.excuse(put),
            },
            Outcome::TooLong => {
                peer.refused(now, put.sent.unwrap_or(usize::MAX));
                self.excuse(put);
            }
            Outcome::Later(rest) => {
                peer.rests_until = peer.rests_until.max(now + rest.unwrap_or_default().min(LONGEST_REST));
                self.rest(put.points.iter().copied());
            }
            // Where points were taken before, it may be about these.
            Outcome::Lasting(status @ (200 | 202 | 403..=405)) if peer.took && !put.points.is_empty() => {
                stream.http.over |= status == 403;
                self.rest(put.points.iter().copied());
            }
            Outcome::Lasting(_) | Outcome::Unknown => {
                stream.http.over = true;
                peer.lasting_until = now + self.limits.cap;
            }
        }
    }

    /// The body was refused, without a name: of its points, only one that was alone is known to be bad.
    fn refused(&mut self, put: &Put) {
        self.excuse(put);
        if let [point] = put.points[..] {
            self.told_all(&[point], |_| Some(true));
        }
    }

    /// A good point is refused, alone: nobody can tell it from a bad one.
    fn refused_unfairly(&mut self, put: &Put) {
        self.points[put.points[0]].bad = true;
        self.refused(put);
    }

    fn put_excused(&self, put: &Put) -> u64 {
        put.points.first().map_or(0, |first| self.points[*first].excused)
    }

    /// These go again, and no connection has died for it.
    fn excuse(&mut self, put: &Put) {
        for point in &put.points {
            self.points[*point].excused += 1;
        }
    }

    /// What the client was told of points: refused, or taken; `None`: nothing.
    fn told_all(&mut self, points: &[usize], refused: impl Fn(&usize) -> Option<bool>) {
        for number in points {
            let Some(refused) = refused(number) else { continue };
            let point = &mut self.points[*number];
            if refused && !point.bad {
                return self.fail(format!("the simulation: point {number} refused and good"));
            }
            if std::mem::replace(&mut point.answered, true) {
                continue;
            }
            self.answered.0 += u64::from(!refused);
            self.answered.1 += u64::from(refused);
            self.sure = self.answered;
            self.told += 1;
            self.open_bytes -= point.line.len();
            if self.stored && !refused && !point.durable {
                return self.fail(format!("the simulation: point {number} answered for and not on disk"));
            }
        }
    }

    /// Whether the client has a reason to end a connection that is otherwise well.
    pub(super) fn may_leave_http(&self, id: usize, aged: bool) -> bool {
        let conversation = &self.streams[id].http;
        conversation.over
            || conversation.babbles
            || ((aged || self.end.is_some()) && conversation.open.is_none() && conversation.begun.is_empty())
    }
}
