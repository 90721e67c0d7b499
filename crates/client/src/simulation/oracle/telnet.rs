//! What goes over the telnet wire: lines, questions, answers, and what the client can know from them.

use std::time::Duration;

use super::{Item, Oracle, Protocol, SILENT_AFTER};
use crate::simulation::server::{Kind, Says, point_of};

impl Oracle {
    /// The client's kernel took these bytes.
    pub(in crate::simulation) fn wrote(&mut self, now: Duration, id: usize, mut bytes: &[u8], stuck: bool) {
        self.streams[id].wrote.1 = stuck;
        if bytes.is_empty() {
            return;
        }
        let stream = &mut self.streams[id];
        stream.wrote.0 = now;
        // A kernel takes bytes for a peer that never reads, too: patience begins with the first, and with the question, and
        // bytes that the peer's kernel acknowledges renew it.
        let done = if stream.silent {
            stream.answered.max(stream.loosened)
        } else {
            stream.answered
        };
        if stream.items.len() == done && stream.tail.is_empty() {
            stream.progress = now;
        }
        while let Some(newline) = memchr::memchr(b'\n', bytes) {
            let stream = &mut self.streams[id];
            let mut line = std::mem::take(&mut stream.tail);
            line.extend_from_slice(&bytes[..=newline]);
            bytes = &bytes[newline + 1..];
            stream.bytes += line.len();
            self.lines += 1;
            let item = Item {
                end: stream.bytes,
                point: point_of(&line),
                number: self.lines,
                at: now,
            };
            if line == b"version\n" {
                if stream.items[stream.answered..].iter().all(|item| item.point.is_some()) {
                    stream.progress = now;
                }
                stream.first_question.get_or_insert(item.end);
                if stream.items.is_empty() {
                    self.fail("promise 5: a connection begins with version");
                }
            } else if let Some(point) = item.point
                && self.points.get(point).is_some_and(|known| known.line == line)
            {
                self.stir(point);
                self.points[point].copies += 1;
                self.points[point].newest = self.lines;
                self.copies += 1;
            } else {
                self.fail(format!(
                    "promise 5: {:?} was never sent",
                    String::from_utf8_lossy(&line)
                ));
                return;
            }
            self.streams[id].items.push(item);
        }
        let stream = &mut self.streams[id];
        stream.tail.extend_from_slice(bytes);
        self.check_pace(now);
    }

    /// The server said something; its reply ends here in the stream of replies.
    pub(in crate::simulation) fn said(&mut self, id: usize, says: Says, end: usize) {
        self.streams[id].replies.push_back((end, says));
    }

    /// Something that is no server of this protocol speaks on this connection.
    pub(in crate::simulation) fn is_foreign(&mut self, id: usize) {
        self.streams[id].foreign = true;
    }

    /// The client has read so many bytes of the replies.
    pub(in crate::simulation) fn heard(&mut self, now: Duration, id: usize, bytes: usize) {
        let stream = &mut self.streams[id];
        (stream.progress, stream.oldest_told) = (now, stream.oldest_told.map(|_| now));
        if stream.foreign && bytes > 0 {
            (stream.foreign_heard, stream.silent) = (true, false);
        }
        self.shows(self.streams[id].server);
        while let Some((_, says)) = self.streams[id]
            .replies
            .front()
            .copied()
            .filter(|(end, _)| *end <= bytes)
        {
            let stream = &mut self.streams[id];
            stream.replies.pop_front();
            match says {
                Says::Answer => self.answer(now, id),
                Says::Again => stream.again = true,
                Says::ReadOnly => stream.read_only = true,
                Says::Late => {
                    stream.suspect = stream.items.len() + usize::from(!stream.tail.is_empty());
                    self.owe(id);
                }
                Says::Refused | Says::Nothing => {}
            }
        }
    }

    fn answer(&mut self, now: Duration, id: usize) {
        self.count_answer(now);
        let stream = &mut self.streams[id];
        let from = stream.answered;
        let Some(length) = stream.items[from..].iter().position(|item| item.point.is_none()) else {
            return self.fail("the simulation: an answer without a question");
        };
        let asked_at = stream.items[from + length].at;
        stream.answered = from + length + 1;
        stream.oldest_told = None;
        self.peers[stream.server].answered = true;
        stream.silent = false;
        let repeat = std::mem::take(&mut stream.again) || stream.read_only;
        if repeat {
            let items = &stream.items[from..from + length];
            let points: Vec<usize> = items.iter().filter_map(|item| item.point).collect();
            for point in &points {
                let point = &mut self.points[*point];
                point.shaken += u64::from(point.answered);
            }
            self.rest(points);
        }
        let stream = &mut self.streams[id];
        // Some of it was answered elsewhere before: which of it is refused nobody can tell then.
        let points = || stream.items[from..from + length].iter().filter_map(|item| item.point);
        let void = points().any(|point| self.points[point].answered || self.points[point].loose);
        let refuses = self.kind == Kind::OpenTsdb;
        stream.murky |= refuses && void && points().any(|point| self.points[point].bad);
        for index in from..from + length {
            let (Some(number), false) = (stream.items[index].point, repeat) else {
                continue;
            };
            let point = &mut self.points[number];
            let is_void = point.answered && point.shaken == 0;
            point.doubted = stream.murky && (point.doubted || !point.answered);
            if !std::mem::replace(&mut point.answered, true) {
                let refused = point.bad && self.kind == Kind::OpenTsdb;
                let sure = !stream.murky && !point.loose;
                self.answered.0 += u64::from(!refused);
                self.answered.1 += u64::from(refused);
                self.sure.0 += u64::from(!refused && sure);
                self.sure.1 += u64::from(refused && sure);
                if !point.loose {
                    self.told += 1;
                    self.open_bytes -= point.line.len();
                }
            }
            let line = stream.items[index].number;
            point.owed = point.owed.filter(|since| line <= *since);
            if self.settle.is_zero() || point.loose || is_void {
                // Nobody keeps it any more.
            } else if from < stream.suspect {
                point.shaken += 1;
                point.owed = Some(self.lines).filter(|_| point.newest == line).or(point.owed);
            } else {
                // On a connection that was silent once, an answer may not be believed, and the same goes again.
                match stream.settling.iter().position(|(.., point)| *point == number) {
                    Some(older) => drop(stream.settling.remove(older)),
                    None => self.settling_bytes += point.line.len(),
                }
                stream.settling.push_back((now, line, number));
            }
        }
        while stream
            .settling
            .front()
            .is_some_and(|(at, ..)| *at + self.settle <= asked_at)
        {
            let (_, _, point) = stream.settling.pop_front().expect("there is a front");
            self.settling_bytes -= self.points[point].line.len();
            self.points[point].settled = true;
        }
    }

    pub(super) fn owe(&mut self, id: usize) {
        for (_, line, point) in self.streams[id].settling.drain(..) {
            let point = &mut self.points[point];
            point.shaken += 1;
            self.settling_bytes -= point.line.len();
            // What has settled by another connection need not by this one.
            let owed = point.newest == line && !point.settled;
            point.owed = Some(self.lines).filter(|_| owed).or(point.owed);
        }
    }

    /// The client was told what the peer's kernel has; `None`: its own cannot tell, and what was written counts.
    pub(in crate::simulation) fn kernel_told(&mut self, now: Duration, id: usize, bytes: Option<u64>) {
        let stream = &mut self.streams[id];
        let written = stream.bytes + stream.tail.len();
        let told = bytes.map_or(written, |bytes| (bytes as usize).min(written));
        if told > stream.told {
            (stream.told, stream.progress) = (told, now);
        }
        let mut unanswered = stream.items[stream.answered..].iter();
        let oldest = unanswered.find(|item| item.point.is_none());
        if oldest.is_some_and(|item| item.end <= stream.told) {
            stream.oldest_told.get_or_insert(now);
        }
        if stream.first_question.is_some_and(|end| end <= stream.told) {
            stream.question_told.get_or_insert(now);
        }
        self.loosen(now, id);
    }

    /// Where nobody answers, what the peer's kernel has is all that can be known.
    pub(super) fn loosen(&mut self, now: Duration, id: usize) {
        let stream = &mut self.streams[id];
        let peer = &mut self.peers[stream.server];
        if peer.answered || stream.foreign_heard || self.protocol != Protocol::Telnet {
            return;
        }
        let waited = stream.question_told.is_some_and(|at| now >= at + SILENT_AFTER);
        stream.silent |= waited && !self.must_answer && !self.answers;
        if !stream.silent {
            return;
        }
        stream.murky = true;
        peer.silent = true;
        if stream.told > 0 {
            self.shows(self.streams[id].server);
        }
        let stream = &mut self.streams[id];
        while let Some(item) = stream.items.get(stream.loosened).filter(|item| item.end <= stream.told) {
            stream.loosened += 1;
            if let Some(number) = item.point {
                let point = &mut self.points[number];
                if std::mem::replace(&mut point.loose, true) {
                    continue;
                }
                self.loose += u64::from(!point.answered || point.doubted);
                if !point.answered {
                    self.told += 1;
                    self.open_bytes -= point.line.len();
                }
            }
        }
    }

    /// A server that ended its side behind the client's question and said nothing does not answer.
    pub(super) fn silent_at_its_end(&mut self, now: Duration, id: usize) {
        let stream = &mut self.streams[id];
        stream.silent |= !stream.foreign_heard
            && stream.half_closed.is_some()
            && stream.first_question.is_some()
            && !self.must_answer;
        self.loosen(now, id);
    }
}
