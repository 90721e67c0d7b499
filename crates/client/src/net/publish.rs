//! What the worker makes known: verdicts, the status of its endpoints, reports.
//!
//! Verdicts, the server's words and the endpoints' states are posted in one critical section of the queue, so that statistics are
//! of one instant: whoever sees a point rejected sees the words too. What is posted is made before the lock is taken, and what
//! it replaces is freed after.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::clock;
use crate::engine::Engine;
use crate::net::progress::Listeners;
use crate::queue::census::Census;
use crate::queue::ledger::Status;
use crate::queue::repeat::CachedSeries;
use crate::queue::sync::MutexGuard;
use crate::queue::{Counts, Queue, State};
use crate::report::{Limiter, Report, Reports, Told};
use crate::stats::{EndpointStats, SpoolStats, Stats};

/// How often the status is brought up to date while the worker is busy.
pub(crate) const STATUS_EVERY: Duration = Duration::from_millis(20);

/// How often although nothing was said to have changed: the rate of points is of a second.
const RATE_EVERY: Duration = Duration::from_secs(1);

/// From how many seconds on a difference of clocks is worth a word.
const CLOCKS_APART: u64 = 5;

/// What the worker shares with the handles, beside the queue.
#[derive(Default)]
pub(crate) struct Shared {
    pub(crate) reports: Reports,
    pub(crate) census: Census,
    pub(crate) progress: Listeners,
}

/// The statistics of a client in this process, at this instant.
pub(crate) fn stats_of(queue: &Queue, shared: &Shared) -> Stats {
    let (ledger, oldest, status) = {
        let state = queue.lock();
        (state.ledger(), state.oldest(), state.status())
    };
    let fresh = status.rated_at.is_some_and(|at| at.elapsed().as_secs() < 2);
    let stats = ledger.stats();
    Stats {
        endpoints: status.endpoints.clone(),
        last_rejections: status.words.to_vec(),
        oldest_pending: oldest
            .filter(|_| stats.pending() > 0)
            .map(|since| Instant::now().saturating_duration_since(since)),
        last_answer: status.last_answer,
        rate: if fresh { status.rate } else { 0.0 },
        spool: status.spool.clone(),
        by_metric: shared.census.by_metric(),
        ..stats
    }
}

/// The worker's side: what was published last, to tell what is new.
pub(crate) struct Publisher {
    status_at: Option<Duration>,
    /// Something may have changed since that no verdict tells of.
    changed: bool,
    /// The server's words, as published last: shared by every status until there are new ones.
    words: Arc<Vec<String>>,
    /// The status published before the last, to be freed without the lock.
    replaced: Option<Arc<Status>>,
    limiter: Limiter,
    /// The endpoints whose clocks were far from this machine's when last compared.
    apart: Vec<bool>,
    /// The queue's counts at the last post, and as of the last report of each.
    counts: Counts,
    reported: Counts,
    repeated: Option<Arc<CachedSeries>>,
    /// The lowest position that the spool answers for, and how it is doing.
    spooled_low: Option<u64>,
    spool: Option<SpoolStats>,
    /// Points taken since then, and the rate of the second before.
    rate_since: Duration,
    points: u64,
    rate: f64,
}

impl Publisher {
    pub(crate) fn new() -> Publisher {
        Publisher {
            status_at: None,
            changed: true,
            words: Arc::default(),
            replaced: None,
            limiter: Limiter::default(),
            apart: Vec::new(),
            counts: Counts::default(),
            reported: Counts::default(),
            repeated: None,
            spooled_low: None,
            spool: None,
            rate_since: Duration::ZERO,
            points: 0,
            rate: 0.0,
        }
    }

    /// Counts points taken from the queue.
    pub(crate) fn took(&mut self, points: u64) {
        self.points += points;
    }

    /// The lowest position that the spool answers for.
    pub(crate) fn spooled(&mut self, low: Option<u64>) {
        self.spooled_low = low;
    }

    /// How the spool is doing.
    pub(crate) fn spool(&mut self, stats: SpoolStats) {
        self.spool = Some(stats);
    }

    /// A connection or an answer may have changed how an endpoint is doing.
    pub(crate) fn changed(&mut self) {
        self.changed = true;
    }

    /// Posts what the engine learned, in a critical section that the caller goes on with.
    pub(crate) fn post<'a>(&mut self, now: Duration, queue: &'a Queue, engine: &mut Engine) -> MutexGuard<'a, State> {
        let (low, since) = engine.low().unzip();
        let low = low.into_iter().chain(self.spooled_low).min();
        let status = engine.verdicts().tally.has_news().then(|| self.status(now, engine));
        let verdicts = engine.verdicts();
        let tally = std::mem::take(&mut verdicts.tally);
        let mut state = queue.lock();
        state.post(&tally, low.unwrap_or(u64::MAX), since, &mut verdicts.spare);
        if let Some(status) = status {
            self.replaced = Some(state.publish(status));
        }
        self.counts = state.counts();
        if self.repeated.is_none() {
            self.repeated = state.take_repeated();
        }
        state
    }

    /// Whether the status is due although the worker is busy.
    pub(crate) fn is_due(&self, now: Duration) -> bool {
        self.status_at.is_none_or(|at| now >= at + STATUS_EVERY)
    }

    /// Publishes the status, if it may be another one than the last.
    pub(crate) fn publish(&mut self, now: Duration, queue: &Queue, engine: &mut Engine) {
        let old = self.status_at.is_none_or(|at| now >= at + RATE_EVERY);
        if self.changed || old {
            let status = self.status(now, engine);
            let replaced = queue.lock().publish(status);
            drop(replaced);
        }
    }

    /// The status as it is now.
    fn status(&mut self, now: Duration, engine: &mut Engine) -> Arc<Status> {
        self.status_at = Some(now);
        self.changed = false;
        // Freed here at the latest, because it will be overwritten under the lock.
        self.replaced = None;
        let elapsed = now.saturating_sub(self.rate_since);
        if elapsed >= RATE_EVERY {
            self.rate = self.points as f64 / elapsed.as_secs_f64();
            self.rate_since = now;
            self.points = 0;
        }
        let zero = clock::millis().cast_signed() - i64::try_from(now.as_millis()).unwrap_or(i64::MAX);
        let endpoints = engine.endpoint_states(zero);
        self.compare_clocks(now, &endpoints);
        let verdicts = engine.verdicts();
        // What is given up is given up with the server's words.
        if verdicts.tally.has_errors() || verdicts.tally.dropped.total() > 0 {
            self.words = Arc::new(verdicts.words.clone());
        }
        Arc::new(Status {
            endpoints,
            words: self.words.clone(),
            last_answer: verdicts.last_answer,
            rate: self.rate,
            rated_at: Some(Instant::now()),
            spool: self.spool.clone(),
        })
    }

    /// Reports a clock that is far from this machine's, once until it is near again.
    fn compare_clocks(&mut self, now: Duration, endpoints: &[EndpointStats]) {
        self.apart.resize(endpoints.len(), false);
        for (endpoint, told) in endpoints.iter().zip(&mut self.apart) {
            let seconds = endpoint.clock_skew.unwrap_or_default();
            let apart = seconds.unsigned_abs() > CLOCKS_APART;
            if apart && !*told {
                let endpoint = endpoint.name.clone();
                self.limiter.note(Report::ClockSkew { endpoint, seconds }, now);
            }
            *told = apart;
        }
    }

    /// Passes on what there is to report as of the last post, as far as it is time to.
    pub(crate) fn report(&mut self, now: Duration, engine: &mut Engine, shared: &Shared) {
        for report in engine.verdicts().reports.drain(..) {
            self.limiter.note(report, now);
        }
        if self.counts.queue_full > self.reported.queue_full {
            self.limiter.note(Report::Dropping { points: 0 }, now);
        }
        if let Some(known) = self.repeated.take() {
            let text = String::from_utf8_lossy(known.text.bytes());
            let series = text.trim_start_matches("put ").trim_end().to_owned();
            self.limiter.note(Report::Repeating { points: 0, series }, now);
        }
        self.tell(now, shared);
    }

    /// When a report that is held back is due.
    pub(crate) fn report_due(&self) -> Option<Duration> {
        self.limiter.due_at()
    }

    /// The worker's last words: what is held back is told now.
    pub(crate) fn finish(&mut self, shared: &Shared) {
        self.tell(Duration::MAX, shared);
    }

    /// Tells what is due. The number of points is of all since the last report of their kind.
    fn tell(&mut self, now: Duration, shared: &Shared) {
        while let Some(told) = self.limiter.next(now) {
            let report = self.counted(told);
            shared.reports.publish(report);
        }
    }

    fn counted(&mut self, told: Told) -> Report {
        let (counts, reported) = (&self.counts, &mut self.reported);
        let since = |new: u64, old: &mut u64| new - std::mem::replace(old, new);
        told.counting(|report| match report {
            Report::Dropping { .. } => since(counts.queue_full, &mut reported.queue_full),
            Report::SpoolFull { .. } => since(counts.spool_full, &mut reported.spool_full),
            Report::Repeating { .. } => since(counts.repeated, &mut reported.repeated),
            Report::Rejected { .. } => since(counts.rejected, &mut reported.rejected),
            _ => 0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::options::{Options, Overflow};
    use crate::exchange::Protocol;
    use crate::queue::Wait;
    use potsdb_wire::reply::ErrorKind;

    const LINE: &[u8] = b"put m 1700000000 1 h=a\n";

    /// A worker's publisher without the worker.
    struct Scene {
        queue: Queue,
        engine: Engine,
        shared: Shared,
        publisher: Publisher,
    }

    impl Scene {
        fn new() -> Scene {
            let endpoints = vec![("tsdb://a:4242".to_owned(), Protocol::Telnet)];
            Scene {
                queue: Queue::new(1, 1 << 20, Overflow::DropOldest, Box::new(|| {})),
                engine: Engine::new(&Options::default(), endpoints, 1),
                shared: Shared::default(),
                publisher: Publisher::new(),
            }
        }

        fn send(&self) {
            self.queue.append(LINE, None, Wait::Configured).unwrap();
        }

        /// A point is taken and refused in these words.
        fn refuse(&mut self, words: &str) {
            self.send();
            self.queue.lock().take(usize::MAX, 1).unwrap();
            let verdicts = self.engine.verdicts();
            verdicts.refused(ErrorKind::InvalidValue, words.to_owned());
            verdicts.tally.rejected += 1;
            verdicts.report_refusal();
        }

        /// The end of the worker's turn at that second; returns what was told.
        fn turn(&mut self, second: u64) -> Vec<String> {
            let now = Duration::from_secs(second);
            drop(self.publisher.post(now, &self.queue, &mut self.engine));
            self.publisher.report(now, &mut self.engine, &self.shared);
            self.told()
        }

        fn told(&self) -> Vec<String> {
            self.shared.reports.take().iter().map(ToString::to_string).collect()
        }
    }

    #[test]
    fn a_rejection_is_posted_together_with_the_servers_words() {
        let mut scene = Scene::new();
        scene.refuse("one");
        let state = scene.publisher.post(Duration::ZERO, &scene.queue, &mut scene.engine);
        assert_eq!(
            (state.ledger().settled.rejected, &**state.status().words),
            (1, &["one".to_owned()][..])
        );
        assert_eq!(state.status().endpoints.len(), 1);
    }

    #[test]
    fn a_status_is_made_anew_only_when_it_may_have_changed_or_for_the_rate() {
        let mut scene = Scene::new();
        let mut publish = |millis, changed: bool| {
            if changed {
                scene.publisher.changed();
            }
            let now = Duration::from_millis(millis);
            scene.publisher.publish(now, &scene.queue, &mut scene.engine);
            scene.queue.lock().status()
        };
        let first = publish(0, false);
        assert_eq!(first.endpoints.len(), 1);
        assert!(Arc::ptr_eq(&first, &publish(999, false)));
        let second = publish(999, true);
        assert!(!Arc::ptr_eq(&first, &second) && Arc::ptr_eq(&first.words, &second.words));
        assert!(!Arc::ptr_eq(&second, &publish(2000, false)));
    }

    #[test]
    fn points_of_reports_that_were_held_back_are_told_of_later_and_at_the_end() {
        let mut scene = Scene::new();
        scene.refuse("one");
        assert_eq!(scene.turn(0), ["the server refused 1 point: one"]);
        for second in 1..=3 {
            scene.refuse(&format!("words {second}"));
            assert!(scene.turn(second).is_empty());
        }
        assert_eq!(scene.publisher.report_due(), Some(Duration::from_secs(10)));
        assert_eq!(scene.turn(10), ["the server refused 3 points: words 3"]);
        scene.refuse("last");
        (0..5).for_each(|_| scene.send());
        assert_eq!(scene.turn(11), ["the queue is full: 4 points dropped"]);
        (0..2).for_each(|_| scene.send());
        assert!(scene.turn(12).is_empty());
        scene.publisher.finish(&scene.shared);
        let last = [
            "the server refused 1 point: last",
            "the queue is full: 2 points dropped",
        ];
        assert_eq!(scene.told(), last);
        assert_eq!(scene.publisher.report_due(), None);
    }
}
