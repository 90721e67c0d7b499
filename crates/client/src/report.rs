//! Reports: what a program's log should hear.
//!
//! The engine notes what happened; the worker passes it on with no lock held: to the `log` facade,
//! and to a bounded list from which the Python face feeds its own logger on a caller's thread.
//!
//! ```text
//! noted   lost ....... found . lost . found . lost ..........................
//! told    lost ....... found ............................ found, lost (2 times)
//!         |<------------------- QUIET ------------------->|
//! ```
//!
//! A broken server must not flood a log: the [`Limiter`] lets one report of a kind pass per subject and [`QUIET`]. What it
//! holds back is told when that time is over, or at the client's end: the newest of each kind, in the order in which they came,
//! and how many there were. So the last word of a log is how things are.

use std::collections::VecDeque;
use std::fmt;
use std::mem::{Discriminant, discriminant};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::queue::sync::{Mutex, lock};

/// The shortest time between two reports of one kind about one subject.
const QUIET: Duration = Duration::from_secs(10);

/// The shortest time between two reports of one unknown metric...
const QUIET_UNKNOWN: Duration = Duration::from_secs(60);

/// ... of so many metrics. All others are told of as one subject.
const UNKNOWN: usize = 256;

/// Reports kept for [`take_reports`](crate::binding::ClientBinding::take_reports).
const KEPT: usize = 64;

/// A change of state a program's operator wants to know of. Its `Display` is the log message.
///
/// ```
/// let report = potsdb::Report::Dropping { points: 7 };
/// assert_eq!(report.to_string(), "the queue is full: 7 points dropped");
/// assert_eq!(report.level(), potsdb::log::Level::Warn); // its target is `potsdb`
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Report {
    /// No connection to an endpoint can be made, or the one there was ended.
    ServerLost {
        /// The endpoint's URL.
        endpoint: String,
        /// The socket layer's words, or the timeout that fired.
        why: String,
    },
    /// An endpoint that was lost is connected again.
    ServerFound {
        /// The endpoint's URL.
        endpoint: String,
    },
    /// An endpoint does not accept the login. It is tried again at the back-off's cap.
    Unauthorized {
        /// The endpoint's URL.
        endpoint: String,
        /// What the server did, without the secret.
        why: String,
    },
    /// The queue is full and points are given up.
    Dropping {
        /// How many since the last such report.
        points: u64,
    },
    /// The server refused points.
    Rejected {
        /// How many since the last such report; 0 where the server can refuse but not answer.
        points: u64,
        /// The newest error, in the server's words.
        words: String,
    },
    /// The server does not know a metric, or a tag, and does not create it.
    UnknownMetric {
        /// The server's words.
        words: String,
    },
    /// Calls repeat a series and timestamp that was already sent.
    Repeating {
        /// How many since the last such report.
        points: u64,
        /// The series of the newest one, as its line shows it.
        series: String,
    },
    /// The server asked to be written to more slowly, or its storage failed.
    Throttled {
        /// The server's words.
        words: String,
    },
    /// The server failed to take points, which go again.
    Failing {
        /// The server's words.
        words: String,
    },
    /// Points were given up that a server had failed again and again: `dropped` says how many, and why.
    GivenUp {
        /// What the server said of them last.
        words: String,
    },
    /// A server's clock is far from this machine's: points may lie where no query looks for them.
    ClockSkew {
        /// The endpoint's URL.
        endpoint: String,
        /// How many seconds it is ahead at least, less than 0 if it is behind.
        seconds: i64,
    },
    /// Points that an earlier process left in the spool are delivered by this one.
    Adopted {
        /// How many.
        points: u64,
    },
    /// The spool takes nothing for now: points go on from memory.
    SpoolOff {
        /// What failed, and how.
        why: String,
    },
    /// The spool takes points again.
    SpoolOn,
    /// A call of the spool's disk has not returned for seconds: nothing gets safe meanwhile.
    SpoolStalled,
    /// The spool is full, and its oldest points are given up.
    SpoolFull {
        /// How many since the last such report.
        points: u64,
    },
    /// A part of the spool cannot be read.
    SpoolDamaged {
        /// Bytes of it.
        bytes: u64,
        /// Points known to have been in them.
        points: u64,
    },
    /// Something about the spool failed that loses no points, or is not as it should be.
    SpoolTrouble {
        /// What, in words.
        what: String,
    },
    /// What counts in the process, or the process itself, has something to say.
    Source {
        /// What, in words.
        words: String,
    },
    /// The worker panicked; the client is closed. A defect of potsdb.
    Panicked {
        /// The panic's message.
        why: String,
    },
}

impl Report {
    /// How grave it is.
    #[must_use]
    pub fn level(&self) -> log::Level {
        match self {
            Report::ServerFound { .. } | Report::Adopted { .. } | Report::SpoolOn => log::Level::Info,
            Report::Panicked { .. } => log::Level::Error,
            _ => log::Level::Warn,
        }
    }
}

impl Report {
    /// What it is about, for one of [`UNKNOWN`] metrics the metric.
    fn subject(&self) -> Subject {
        match self {
            Report::ServerLost { endpoint, .. }
            | Report::ServerFound { endpoint }
            | Report::Unauthorized { endpoint, .. }
            | Report::ClockSkew { endpoint, .. } => Subject::Endpoint(endpoint.clone()),
            Report::UnknownMetric { words } => Subject::Unknown(words.clone()),
            _ => Subject::Kind(discriminant(self)),
        }
    }

    /// How long it is quiet after it.
    fn quiet(&self) -> Duration {
        match self {
            Report::UnknownMetric { .. } => QUIET_UNKNOWN,
            _ => QUIET,
        }
    }

    /// Says that it stands for others of its kind, where it does not count points.
    fn standing_for(mut self, times: u64) -> Report {
        match &mut self {
            Report::ServerLost { why: words, .. }
            | Report::Unauthorized { why: words, .. }
            | Report::Rejected { points: 0, words }
            | Report::UnknownMetric { words }
            | Report::Throttled { words }
            | Report::Failing { words }
                if times > 1 =>
            {
                use std::fmt::Write;
                // A string takes everything.
                let _ = write!(words, " ({times} times since it was last reported)");
            }
            _ => {}
        }
        self
    }

    /// Adds the points of an older report, which is told no more.
    fn absorb(&mut self, older: &Report) {
        if let (Some(points), Some(more)) = (self.points_mut(), older.clone().points_mut()) {
            *points += *more;
        }
    }

    /// The number of points it tells of.
    fn points_mut(&mut self) -> Option<&mut u64> {
        match self {
            Report::Dropping { points }
            | Report::SpoolFull { points }
            | Report::Rejected { points, .. }
            | Report::Repeating { points, .. } => Some(points),
            _ => None,
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Report::ServerLost { endpoint, why } => write!(f, "lost {endpoint}: {why}; trying again"),
            Report::ServerFound { endpoint } => write!(f, "connected to {endpoint} again"),
            Report::Unauthorized { endpoint, why } => write!(f, "{endpoint}: {why}; trying again"),
            Report::Dropping { points } => write!(f, "the queue is full: {} dropped", Points(*points)),
            Report::Rejected { points: 0, words } => write!(f, "the server refuses points: {words}"),
            Report::Rejected { points, words } => write!(f, "the server refused {}: {words}", Points(*points)),
            Report::UnknownMetric { words } => write!(f, "the server refuses points: {words}"),
            Report::Repeating { points, series } => {
                let points = Points(*points);
                write!(
                    f,
                    "{points} not sent: there is one already at that time, as for {series}"
                )
            }
            Report::Throttled { words } => write!(f, "the server asks to slow down: {words}"),
            Report::Failing { words } => write!(f, "the server fails, trying again: {words}"),
            Report::GivenUp { words } => write!(f, "points are given up that the server did not take: {words}"),
            Report::ClockSkew { endpoint, seconds } => {
                let (way, seconds) = if *seconds > 0 {
                    ("ahead of", *seconds)
                } else {
                    ("behind", -*seconds)
                };
                write!(f, "the clock of {endpoint} is {seconds} s {way} this machine's")
            }
            Report::Adopted { points } => write!(f, "the spool holds {} of an earlier run", Points(*points)),
            Report::SpoolOff { why } => write!(f, "the spool takes nothing for now: {why}"),
            Report::SpoolOn => f.write_str("the spool takes points again"),
            Report::SpoolStalled => f.write_str("the spool's disk has not answered for seconds"),
            Report::SpoolFull { points } => write!(f, "the spool is full: its oldest {} dropped", Points(*points)),
            Report::SpoolDamaged { bytes, points } => {
                let points = Points(*points);
                write!(f, "the spool is damaged: {bytes} bytes cannot be read, {points} lost")
            }
            Report::SpoolTrouble { what } => write!(f, "the spool: {what}"),
            Report::Source { words } => f.write_str(words),
            Report::Panicked { why } => write!(f, "the worker panicked, the client is closed: {why}"),
        }
    }
}

/// `1 point`, `2 points`.
struct Points(u64);

impl fmt::Display for Points {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} point{}", self.0, if self.0 == 1 { "" } else { "s" })
    }
}

/// Where reports go: written by the worker, read by whoever owns the client.
#[derive(Debug, Default)]
pub(crate) struct Reports {
    /// Nobody is told of anything.
    quiet: bool,
    waiting: AtomicBool,
    kept: Mutex<VecDeque<Report>>,
}

impl Reports {
    pub(crate) fn new(quiet: bool) -> Reports {
        Reports {
            quiet,
            ..Reports::default()
        }
    }

    pub(crate) fn publish(&self, report: Report) {
        if self.quiet {
            return;
        }
        log::log!(target: "potsdb", report.level(), "{report}");
        self.keep(report);
        self.waiting.store(true, Ordering::Relaxed);
    }

    /// Keeps it for whoever asks. Where too many wait, the newest report about a subject stands for the older ones.
    fn keep(&self, mut report: Report) {
        let mut kept = lock(&self.kept);
        if kept.len() >= KEPT {
            let subject = report.subject();
            let same = |older: &Report| discriminant(older) == discriminant(&report) && older.subject() == subject;
            let place = kept.iter().position(same);
            let older = kept.remove(place.unwrap_or(0));
            if let Some(older) = older.filter(|_| place.is_some()) {
                report.absorb(&older);
            }
        }
        kept.push_back(report);
    }

    pub(crate) fn has_any(&self) -> bool {
        self.waiting.load(Ordering::Relaxed)
    }

    pub(crate) fn take(&self) -> Vec<Report> {
        self.waiting.store(false, Ordering::Relaxed);
        let kept = std::mem::take(&mut *lock(&self.kept));
        kept.into()
    }
}

/// What reports are told of together, in the order in which they came.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Subject {
    Endpoint(String),
    /// A metric or tag, in the server's words.
    Unknown(String),
    /// All others of a kind.
    Kind(Discriminant<Report>),
}

/// Decides when a report is told: one of a kind per subject and its quiet time.
#[derive(Debug, Default)]
pub(crate) struct Limiter {
    topics: Vec<Topic>,
    /// How many reports are held back.
    held: usize,
    /// How many were noted: what is told at one time is told in that order.
    noted: u64,
}

/// A subject that was told of within the quiet time, or is to be.
#[derive(Debug)]
struct Topic {
    subject: Subject,
    /// When a report of each kind may be told again.
    quiet: Vec<(Discriminant<Report>, Duration)>,
    /// What is not told yet, one of a kind, in the order of the newest.
    held: VecDeque<Held>,
}

#[derive(Debug)]
struct Held {
    report: Report,
    times: u64,
    place: u64,
}

impl Limiter {
    /// Takes a report in. Whether it is told now, [`next`](Limiter::next) says.
    pub(crate) fn note(&mut self, report: Report, now: Duration) {
        self.noted += 1;
        let place = self.noted;
        let kind = discriminant(&report);
        let held = &mut self.topic(&report, now).held;
        let older = held.iter().position(|older| discriminant(&older.report) == kind);
        let times = older
            .and_then(|older| held.remove(older))
            .map_or(0, |older| older.times);
        held.push_back(Held {
            report,
            times: times + 1,
            place,
        });
        self.held += usize::from(times == 0);
    }

    /// The next report to be told now.
    pub(crate) fn next(&mut self, now: Duration) -> Option<Told> {
        let due = |(index, at): (usize, Duration)| (at <= now).then_some(index);
        let first = self.fronts().filter_map(due);
        let first = first.min_by_key(|index| self.topics[*index].held[0].place)?;
        let topic = &mut self.topics[first];
        let Held { report, times, .. } = topic.held.pop_front()?;
        self.held -= 1;
        let kind = discriminant(&report);
        topic.quiet.retain(|(other, _)| *other != kind);
        topic.quiet.push((kind, now.saturating_add(report.quiet())));
        Some(Told { report, times })
    }

    /// When a report that is held back is to be told.
    pub(crate) fn due_at(&self) -> Option<Duration> {
        self.fronts().map(|(_, at)| at).min()
    }

    /// The subjects that something is held of, and when its first report may be told.
    fn fronts(&self) -> impl Iterator<Item = (usize, Duration)> {
        let topics = match self.held {
            0 => &[],
            _ => &self.topics[..],
        };
        topics.iter().enumerate().filter_map(|(index, topic)| {
            let front = discriminant(&topic.held.front()?.report);
            let quiet = topic.quiet.iter().find(|(kind, _)| *kind == front);
            Some((index, quiet.map_or(Duration::ZERO, |(_, until)| *until)))
        })
    }

    /// What is known of a report's subject. Forgets the others of which there is nothing to know any more.
    fn topic(&mut self, report: &Report, now: Duration) -> &mut Topic {
        self.topics
            .retain(|topic| !topic.held.is_empty() || topic.quiet.iter().any(|(_, until)| now < *until));
        let is_unknown = |topic: &&Topic| matches!(topic.subject, Subject::Unknown(_));
        let mut subject = report.subject();
        let mut place = self.topics.iter().position(|topic| topic.subject == subject);
        if place.is_none()
            && matches!(subject, Subject::Unknown(_))
            && self.topics.iter().filter(is_unknown).count() >= UNKNOWN
        {
            subject = Subject::Kind(discriminant(report));
            place = self.topics.iter().position(|topic| topic.subject == subject);
        }
        let place = place.unwrap_or_else(|| {
            self.topics.push(Topic {
                subject,
                quiet: Vec::new(),
                held: VecDeque::new(),
            });
            self.topics.len() - 1
        });
        &mut self.topics[place]
    }
}

/// A report to be told, and how many it stands for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Told {
    report: Report,
    times: u64,
}

impl Told {
    /// The report as it is told. `points` gives the number of points for it, if it counts some.
    pub(crate) fn counting(mut self, points: impl FnOnce(&Report) -> u64) -> Report {
        let count = points(&self.report);
        if let Some(points) = self.report.points_mut() {
            *points = count;
        }
        self.report.standing_for(self.times)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn endpoint(name: &str) -> String {
        format!("tsdb://{name}:4242")
    }

    fn lost(name: &str) -> Report {
        let (endpoint, why) = (endpoint(name), "refused".to_owned());
        Report::ServerLost { endpoint, why }
    }

    fn found(name: &str) -> Report {
        let endpoint = endpoint(name);
        Report::ServerFound { endpoint }
    }

    /// What is told at that second.
    fn told(limiter: &mut Limiter, now: u64) -> Vec<String> {
        let told = std::iter::from_fn(|| limiter.next(seconds(now)));
        told.map(|told| told.counting(|_| 7).to_string()).collect()
    }

    /// What is told when a report is noted at that second.
    fn note(limiter: &mut Limiter, now: u64, report: Report) -> Vec<String> {
        limiter.note(report, seconds(now));
        told(limiter, now)
    }

    #[test]
    fn every_endpoint_is_told_of() {
        let mut limiter = Limiter::default();
        assert_eq!(
            note(&mut limiter, 1, lost("a")),
            ["lost tsdb://a:4242: refused; trying again"]
        );
        assert_eq!(
            note(&mut limiter, 1, lost("b")),
            ["lost tsdb://b:4242: refused; trying again"]
        );
        assert_eq!(note(&mut limiter, 2, found("a")), ["connected to tsdb://a:4242 again"]);
        assert_eq!(limiter.due_at(), None);
    }

    #[test]
    fn the_last_word_about_an_endpoint_is_how_it_is() {
        let mut limiter = Limiter::default();
        note(&mut limiter, 0, lost("a"));
        note(&mut limiter, 1, found("a"));
        for second in [2, 4] {
            assert!(note(&mut limiter, second, lost("a")).is_empty());
            assert!(note(&mut limiter, second + 1, found("a")).is_empty());
        }
        assert!(note(&mut limiter, 6, lost("a")).is_empty());
        assert!(told(&mut limiter, 10).is_empty(), "not before what came before it");
        assert_eq!(limiter.due_at(), Some(seconds(11)));
        assert_eq!(
            told(&mut limiter, 11),
            [
                "connected to tsdb://a:4242 again",
                "lost tsdb://a:4242: refused (3 times since it was last reported); trying again"
            ]
        );
        assert_eq!(limiter.due_at(), None);
    }

    #[test]
    fn what_is_held_back_is_told_when_the_quiet_time_is_over_with_the_newest_words() {
        let mut limiter = Limiter::default();
        let slow = |n| Report::Throttled {
            words: format!("words {n}"),
        };
        assert_eq!(
            note(&mut limiter, 1, slow(1)),
            ["the server asks to slow down: words 1"]
        );
        for n in 2..=6 {
            assert!(note(&mut limiter, n, slow(n)).is_empty());
        }
        assert_eq!(limiter.due_at(), Some(seconds(11)));
        assert_eq!(
            told(&mut limiter, 11),
            ["the server asks to slow down: words 6 (5 times since it was last reported)"]
        );
        assert!(note(&mut limiter, 20, slow(7)).is_empty());
        assert_eq!(told(&mut limiter, 21), ["the server asks to slow down: words 7"]);
        assert_eq!(limiter.due_at(), None);
    }

    #[test]
    fn points_are_counted_and_not_the_reports_of_them() {
        let mut limiter = Limiter::default();
        let words = "bad".to_owned();
        let rejected = Report::Rejected { points: 0, words };
        limiter.note(rejected.clone(), seconds(1));
        limiter.note(rejected, seconds(1));
        assert_eq!(told(&mut limiter, 1), ["the server refused 7 points: bad"]);
    }

    #[test]
    fn an_unknown_metric_is_reported_once_a_minute_beside_others() {
        let mut limiter = Limiter::default();
        let unknown = |metric: u32| Report::UnknownMetric {
            words: format!("No such name for 'metrics': 'm{metric}'"),
        };
        assert_eq!(note(&mut limiter, 1, unknown(0)).len(), 1);
        assert_eq!(note(&mut limiter, 1, unknown(1)).len(), 1);
        assert_eq!(note(&mut limiter, 60, unknown(0)).len(), 0);
        assert_eq!(told(&mut limiter, 61).len(), 1);
        for metric in 0..1000 {
            limiter.note(unknown(metric), seconds(62));
        }
        assert_eq!(
            told(&mut limiter, 62).len(),
            UNKNOWN,
            "all known but m0, and one for all others"
        );
        assert_eq!(limiter.topics.len(), UNKNOWN + 1);
        limiter.note(unknown(7), seconds(200));
        assert_eq!(limiter.topics.len(), 2, "m0 is held, m7 is new");
    }

    #[test]
    fn reports_nobody_reads_stay_bounded_and_the_newest_count_for_the_older_ones() {
        let reports = Reports::default();
        reports.publish(lost("a"));
        for _ in 0..1000 {
            reports.publish(Report::Dropping { points: 3 });
        }
        reports.publish(found("a"));
        assert!(reports.has_any());
        let kept = reports.take();
        assert_eq!(kept.len(), KEPT);
        assert_eq!(kept.last(), Some(&found("a")));
        let points = kept.iter().map(|report| match report {
            Report::Dropping { points } => *points,
            _ => 0,
        });
        assert_eq!(points.sum::<u64>(), 3000);
        assert!(!reports.has_any() && reports.take().is_empty());
    }
}
