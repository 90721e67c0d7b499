//! What servers answer over HTTP, each kind as measured on the real one, and in which shape.
//!
//! OpenTSDB judges each point, names those it refuses when asked for `details`, loses points under load without a
//! word unless `sync` is asked for, and takes 8 192 bytes or what it is configured for. InfluxDB refuses a whole body
//! for one bad point, and its first one for want of a database. VictoriaMetrics passes over bad points. In front
//! of any of them may stand something that refuses, limits and cuts.

use std::fmt::Write as _;
use std::time::Duration;

use super::request::{Request, line_of};
use super::{Kind, Server, is_bad, is_sick, point_of};
use crate::simulation::Dice;
use crate::simulation::callers::{History, Poison};

/// What an answer tells whoever hears all of it.
#[derive(Clone, Debug)]
pub(in crate::simulation) enum Outcome {
    /// The configuration; with the longest body it says is taken.
    Config(Option<usize>),
    /// Every point was taken; `counted`: in the way only OpenTSDB says it.
    Taken {
        counted: bool,
    },
    /// All but these: refused ones, and ones to be sent again. `named`: each is told by name.
    Partly {
        refused: Vec<usize>,
        again: Vec<usize>,
        named: bool,
    },
    /// Some are refused, the others taken.
    Unnamed,
    /// The body is refused for one or more of its points, none of which is taken.
    Refused,
    TooLong,
    /// Not now; and not before.
    Later(Option<Duration>),
    /// With this status: nobody takes points here until somebody does something about it, or not these.
    Lasting(u16),
    /// A refusal in words that nobody knows: the same, unless a body was ever taken here.
    Unknown,
}

/// An answer on its way.
#[derive(Debug)]
pub(in crate::simulation) struct Answer {
    pub(in crate::simulation) bytes: Vec<u8>,
    pub(in crate::simulation) outcome: Outcome,
    /// How long it takes.
    pub(in crate::simulation) after: Duration,
    /// The connection ends behind it.
    pub(in crate::simulation) closes: bool,
    /// It has no length: it ends with the stream.
    pub(in crate::simulation) to_the_end: bool,
    /// Only so many bytes of it are said before the connection ends.
    pub(in crate::simulation) cut: Option<usize>,
    /// It is said a few bytes at a time, so far apart; and so many are said already.
    pub(in crate::simulation) drips: Option<Duration>,
    pub(in crate::simulation) dripped: usize,
    /// There is no end to it.
    pub(in crate::simulation) endless: bool,
    /// Points that are on disk when it is given.
    pub(in crate::simulation) stored: Vec<usize>,
}

/// Chunks that make up an answer without end. Nobody listens to so many.
const CHUNKS: usize = 1000;

const TIMED_OUT: &str = "Write timedout";

/// A point of a body.
#[derive(Clone, Copy, Debug)]
struct Judged {
    point: usize,
    bad: bool,
    sick: bool,
}

/// Status, body, and what they tell.
type Reply = (u16, String, Outcome);

impl Server {
    /// Reads one request. `None`: the connection is closed without a word.
    pub(in crate::simulation) fn answer(
        &mut self,
        now: Duration,
        flow: usize,
        request: &Request,
        dice: &mut Dice,
    ) -> Option<Answer> {
        let mut stored = Vec::new();
        let mut after = match dice.below(4) {
            0 => dice.time(0, 30_000),
            _ => Duration::ZERO,
        };
        let front = self
            .front
            .filter(|front| now < front.until && dice.chance(front.percent));
        let before = front.is_some_and(|front| front.status < 500 || dice.chance(50));
        let narrow = now < self.narrow.0 && request.sent.is_some_and(|sent| sent > self.narrow.1);
        let own = match () {
            () if before => None,
            () if narrow => Some((413, "Request Entity Too Large".to_owned(), Outcome::TooLong)),
            () if request.sent.is_none() => Some(self.config()),
            () => Some(self.put(now, flow, request, &mut stored, &mut after, dice)?),
        };
        let (reply, rest) = match (front, own) {
            // A bad gateway's server may have done all that was asked for.
            (Some(front), _) => (front.reply(request.sent.is_none()), front.retry_after),
            (None, Some(own)) => (own, None),
            (None, None) => unreachable!("either the front answers or the server"),
        };
        Some(self.shape(now, reply, rest, after, stored, dice))
    }

    /// What it is like in a run.
    pub(in crate::simulation) fn manners(&mut self, calm: bool, dice: &mut Dice) {
        self.chunks = dice.pick(&[None, None, Some(4096), Some(20_000), Some(1_000_000)]);
        self.forgets = dice.pick(&[0, 0, 0, 20]);
        self.created = calm || dice.chance(50);
        self.odd = !calm && dice.chance(40);
        self.counts = self.kind != Kind::OpenTsdb && (self.poison == Some(Poison::Counted) || dice.chance(20));
        let keeps = dice.time(1_000, 3_000_000);
        self.keeps = (!calm && dice.chance(30)).then_some(keeps);
    }

    /// The same, over telnet.
    pub(in crate::simulation) fn telnet_manners(&mut self, history: &History, dice: &mut Dice) {
        // On connections that end before, lines neither settle nor show that nobody answers, and go again without end.
        let decides = history.options.settle.max(Duration::from_secs(2)) + Duration::from_secs(1);
        let hasty = !history.rested && self.kind != Kind::VictoriaMetrics && dice.chance(50);
        let least = if hasty { Duration::from_secs(1) } else { decides };
        let keeps = least + dice.time(0, 60_000_000);
        self.keeps = (!history.calm && dice.chance(20)).then_some(keeps);
    }

    fn config(&self) -> Reply {
        match self.kind {
            Kind::OpenTsdb => {
                let (on, most) = (self.chunks.is_some(), self.chunks.unwrap_or(4096));
                let body = format!(
                    "{{\"tsd.core.x\":\"y\",\"tsd.http.request.enable_chunked\":\"{on}\",\
                     \"tsd.http.request.max_chunk\":\"{most}\"}}"
                );
                (200, body, Outcome::Config(Some(self.longest_body())))
            }
            Kind::InfluxDb => (404, "404 page not found\n".to_owned(), Outcome::Config(None)),
            Kind::VictoriaMetrics => {
                let words = "unexpected path requested on HTTP OpenTSDB server: \"/api/config\"\n";
                (400, words.to_owned(), Outcome::Config(None))
            }
        }
    }

    /// Bytes of a body as sent; beyond, OpenTSDB refuses it or closes.
    fn longest_body(&self) -> usize {
        match self.kind {
            Kind::OpenTsdb => self.chunks.unwrap_or(0).max(8192),
            _ => usize::MAX,
        }
    }

    fn put(
        &mut self,
        now: Duration,
        flow: usize,
        request: &Request,
        stored: &mut Vec<usize>,
        after: &mut Duration,
        dice: &mut Dice,
    ) -> Option<Reply> {
        if request.sent > Some(self.longest_body()) {
            let words = "{\"error\":{\"code\":400,\"message\":\"Chunked request not supported.\"}}";
            return self.chunks.is_none().then(|| (400, words.to_owned(), Outcome::TooLong));
        }
        let points = request.objects.iter();
        let points: Vec<Judged> = points
            .filter_map(|object| {
                let line = line_of(object)?;
                Some(Judged {
                    point: point_of(&line)?,
                    bad: is_bad(&line),
                    sick: is_sick(&line),
                })
            })
            .collect();
        if let (Some(Poison::Body(status)), true) = (self.poison, points.iter().any(|point| point.sick)) {
            let words = format!("{{\"error\":{{\"code\":{status},\"message\":\"no region takes it\"}}}}");
            return Some((status, words, Outcome::Later(None)));
        }
        if now < self.fails.0 {
            let words = "{\"error\":{\"code\":500,\"message\":\"no region takes anything\"}}";
            return Some((500, words.to_owned(), Outcome::Later(None)));
        }
        if self.poison == Some(Poison::HangUp) && points.iter().any(|point| point.sick) {
            return None;
        }
        match self.kind {
            Kind::OpenTsdb if now < self.read_only_until => {
                let words = "{\"error\":{\"code\":404,\"message\":\"Endpoint not found\"}}";
                return Some((404, words.to_owned(), Outcome::Lasting(404)));
            }
            Kind::OpenTsdb => return Some(self.judge(now, flow, request, &points, stored, after, dice)),
            Kind::InfluxDb if !std::mem::replace(&mut self.created, true) => {
                let words = "{\"error\":\"database not found: \\\"opentsdb\\\"\"}";
                return Some((500, words.to_owned(), Outcome::Later(None)));
            }
            _ if (self.counts || self.kind == Kind::InfluxDb) && points.iter().any(|point| point.bad) => {
                return Some((400, "json array decode error\n".to_owned(), Outcome::Refused));
            }
            _ => {}
        }
        if self.counts {
            return Some(self.count(now, &points, stored, dice));
        }
        let good = points.iter().filter(|point| !point.bad);
        self.volatile.extend(good.map(|good| (good.point, flow, good.sick)));
        Some((204, String::new(), Outcome::Taken { counted: false }))
    }

    /// A server that counts what it took, and names nothing.
    fn count(&mut self, now: Duration, points: &[Judged], stored: &mut Vec<usize>, dice: &mut Dice) -> Reply {
        let fails = |judged: &&Judged| judged.sick || (now < self.throttled.0 && dice.chance(self.throttled.1));
        let (again, taken): (Vec<&Judged>, Vec<&Judged>) = points.iter().partition(fails);
        stored.extend(taken.iter().map(|judged| judged.point));
        let status = dice.pick(&[200, 202]);
        let body = format!("{{\"succ\":{},\"fail\":{}}}", taken.len(), again.len());
        let again: Vec<usize> = again.iter().map(|judged| judged.point).collect();
        let (refused, named) = (Vec::new(), false);
        let outcome = match again.is_empty() {
            true => Outcome::Taken { counted: true },
            false => Outcome::Partly { refused, again, named },
        };
        (status, body, outcome)
    }

    /// OpenTSDB: point by point.
    #[expect(clippy::too_many_arguments, reason = "all that a put has to do with")]
    fn judge(
        &mut self,
        now: Duration,
        flow: usize,
        request: &Request,
        points: &[Judged],
        stored: &mut Vec<usize>,
        after: &mut Duration,
        dice: &mut Dice,
    ) -> Reply {
        let sync = request.has("sync");
        let mut errors = Vec::new();
        let (mut refused, mut again) = (Vec::new(), Vec::new());
        let mut taken = 0;
        for (number, Judged { point, bad, sick }) in points.iter().enumerate() {
            if *bad {
                refused.push(*point);
                errors.push((number, "Unable to parse value to a number"));
            } else if sync && *sick {
                again.push(*point);
                errors.push((number, "Storage exception: no region takes it"));
            } else if sync && self.throttles(now, dice) {
                again.push(*point);
                errors.push((number, "Please throttle writes: 10000 RPCs waiting"));
            } else {
                taken += 1;
                match sync {
                    true => stored.push(*point),
                    false => self.volatile.push((*point, flow, *sick)),
                }
            }
        }
        let mut timeouts = 0;
        if sync {
            *after += dice.time(1_000, 600_000);
            let limit = request.flags.iter().find_map(|flag| flag.strip_prefix("sync_timeout="));
            let limit = limit
                .and_then(|millis| millis.parse().ok())
                .map_or(*after, Duration::from_millis);
            if *after > limit {
                *after = limit;
                // Not known yet: they may well be stored.
                timeouts = taken;
                taken = 0;
                again.extend_from_slice(stored);
                // OpenTSDB counts the points it did not refuse, and names the one that stands at that place among all.
                let late = points.iter().filter(|judged| !judged.bad).enumerate();
                let late = late.filter(|(_, judged)| stored.contains(&judged.point));
                errors.extend(late.map(|(number, _)| (number, TIMED_OUT)));
            }
        }
        let failed = refused.len() + again.len();
        let details = request.has("details");
        if !details {
            return match failed {
                0 => (204, String::new(), Outcome::Taken { counted: false }),
                _ => {
                    let words = "{\"error\":{\"code\":400,\"message\":\"One or more data points had errors\",\
                         \"details\":\"Please see the TSD logs or append \\\"details\\\" to the put request\"}}";
                    (400, words.to_owned(), Outcome::Unnamed)
                }
            };
        }
        let unnamed = self.poison == Some(Poison::Unnamed) && points.iter().any(|point| point.sick);
        let named = failed == 0 || !(unnamed || dice.chance(self.forgets));
        if !named {
            errors.truncate(failed / 2);
        }
        let shuffled = !again.is_empty() && dice.chance(30);
        if shuffled {
            // Failures of the storage come in any order.
            errors.reverse();
        }
        // The client looks for so many out of their order, and then takes them for unnamed.
        let named = named && !(shuffled && errors.len() > 256);
        let status = if refused.is_empty() && timeouts == 0 { 200 } else { 400 };
        let body = details_body((taken, failed - timeouts, timeouts), &errors, request);
        match failed {
            0 => (200, body, Outcome::Taken { counted: true }),
            // Nothing but the refusals that are named can be believed beside names of points that are others.
            _ if timeouts > 0 && !refused.is_empty() => {
                let told = |number: usize| refused.contains(&points[number].point);
                let told = errors
                    .iter()
                    .filter(|(number, words)| *words != TIMED_OUT && told(*number));
                let told: Vec<usize> = told.map(|(number, _)| points[*number].point).collect();
                let others = points.iter().map(|judged| judged.point);
                let again = others.filter(|point| !told.contains(point)).collect();
                let (refused, named) = (told, true);
                (status, body, Outcome::Partly { refused, again, named })
            }
            _ => (status, body, Outcome::Partly { refused, again, named }),
        }
    }

    /// Puts an answer on the wire as one server or another would.
    fn shape(
        &mut self,
        now: Duration,
        (status, body, outcome): Reply,
        rest: Option<Duration>,
        after: Duration,
        stored: Vec<usize>,
        dice: &mut Dice,
    ) -> Answer {
        let lingers = now < self.lingers.0 && dice.chance(self.lingers.1);
        if lingers && self.lingers.2.is_none() {
            return endless(status, outcome, after, stored);
        }
        let shape = if self.odd { dice.below(8) } else { 7 };
        let to_the_end = shape == 0 && status != 204;
        let version = if to_the_end || shape == 1 { "1.0" } else { "1.1" };
        let mut bytes = String::new();
        if shape == 2 {
            bytes.push_str("HTTP/1.1 100 Continue\r\n\r\n");
        }
        let _ = write!(bytes, "HTTP/{version} {status} Some Words\r\nServer: x\r\n");
        if let Some(rest) = rest {
            let _ = write!(bytes, "Retry-After: {}\r\n", rest.as_secs());
        }
        let closes = to_the_end || shape == 1 || shape == 3;
        if shape == 3 {
            bytes.push_str("connection: Close\r\n");
        }
        let mut answer_end = body.clone();
        match (status, shape) {
            (204, _) => {}
            _ if to_the_end => {}
            (_, 4) => {
                bytes.push_str("Transfer-Encoding: chunked\r\n");
                let (one, other) = body.split_at(body.len() / 3);
                answer_end = String::new();
                for chunk in [one, other].into_iter().filter(|chunk| !chunk.is_empty()) {
                    let _ = write!(answer_end, "{:x};a=b\r\n{chunk}\r\n", chunk.len());
                }
                answer_end.push_str("0\r\n\r\n");
            }
            _ => {
                let name = if shape == 5 { "CONTENT-LENGTH" } else { "Content-Length" };
                let _ = write!(bytes, "{name}: {}\r\n", body.len());
            }
        }
        bytes.push_str("\r\n");
        let head = bytes.len();
        bytes.push_str(&answer_end);
        // Half of an answer that ends with the stream is a whole one to whoever hears it.
        let most = if to_the_end { head } else { bytes.len() };
        let cuts = now < self.cuts.0 && dice.chance(self.cuts.1);
        Answer {
            cut: cuts.then(|| dice.below(most as u64) as usize),
            // Where the end of the stream is the end of the answer, nobody can tell a part from the whole.
            drips: self.lingers.2.filter(|_| lingers && !to_the_end),
            dripped: 0,
            endless: false,
            bytes: bytes.into_bytes(),
            outcome,
            after,
            closes,
            to_the_end,
            stored,
        }
    }
}

/// An answer that goes on and on, and says next to nothing.
fn endless(status: u16, outcome: Outcome, after: Duration, stored: Vec<usize>) -> Answer {
    // Behind a 204 there is nothing, whatever it says.
    let status = if status == 204 { 200 } else { status };
    let mut bytes = format!("HTTP/1.1 {status} Some Words\r\nTransfer-Encoding: chunked\r\n\r\n");
    let chunk = format!("1;{}\r\na\r\n", "x".repeat(90));
    bytes.push_str(&chunk.repeat(CHUNKS));
    Answer {
        bytes: bytes.into_bytes(),
        outcome,
        after,
        closes: false,
        to_the_end: false,
        cut: None,
        drips: None,
        dripped: 0,
        endless: true,
        stored,
    }
}

fn details_body(
    (taken, failed, timeouts): (usize, usize, usize),
    errors: &[(usize, &str)],
    request: &Request,
) -> String {
    let timeouts = if timeouts > 0 {
        format!("\"timeouts\":{timeouts},")
    } else {
        String::new()
    };
    let mut body = format!("{{\"success\":{taken},\"failed\":{failed},{timeouts}\"errors\":[");
    for (index, (number, words)) in errors.iter().enumerate() {
        let object = String::from_utf8_lossy(&request.objects[*number]);
        // The value comes back as a string.
        let (start, rest) = object.split_once(",\"value\":").expect("line_of read it");
        let (value, rest) = rest.split_once(',').expect("line_of read it");
        let comma = if index == 0 { "" } else { "," };
        let _ = write!(
            body,
            "{comma}{{\"error\":\"{words}\",\"datapoint\":{start},\"value\":\"{value}\",{rest}}}"
        );
    }
    body.push_str("]}");
    body
}

/// Something in front of a server that answers for it.
#[derive(Clone, Copy, Debug)]
pub(in crate::simulation) struct Front {
    pub(in crate::simulation) until: Duration,
    pub(in crate::simulation) status: u16,
    pub(in crate::simulation) retry_after: Option<Duration>,
    pub(in crate::simulation) percent: u64,
}

impl Front {
    fn reply(self, to_config: bool) -> Reply {
        let outcome = match self.status {
            // Not everybody has a configuration.
            200 | 202 | 400 | 404 | 405 if to_config => Outcome::Config(None),
            400 => Outcome::Unknown,
            // A page is no answer to points.
            200 | 202 | 401 | 403 | 404 | 405 => Outcome::Lasting(self.status),
            _ => Outcome::Later(self.retry_after),
        };
        (self.status, format!("<html>{} says no</html>", self.status), outcome)
    }
}
