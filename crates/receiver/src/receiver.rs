//! The receiver: start, what a test asks it, stop.
//!
//! ```text
//! Receiver::start --thread "potsdb-front": the front, one task a connection --> backend.rs --> store/   
//!        |                                                                                  ^
//!        '-- points, lines, counts, wait_for, faults: from the caller's thread -------------'
//! ```
//!
//! Nothing here prints. The command's `serve` is [`Receiver::start`], a line that says where, and [`Receiver::stop`].

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use potsdb_front::{Front, Login, Options};

use crate::backend::Receiving;
use crate::config::Config;
use crate::counts::Counts;
use crate::faults::FaultSwitch;
use crate::found::pattern::Pattern;
use crate::found::wanted::{Missing, Wanted};
use crate::found::{Found, Others, find};
use crate::state::Shared;
use crate::store::Point;
use crate::store::collisions::Collision;
use crate::store::refusals::Refused;
use crate::store::series::SeriesName;
use crate::watch::{Happenings, Seen};

/// A running server; dropping it stops it.
pub struct Receiver {
    shared: Arc<Shared>,
    front: Front,
    is_encrypted: bool,
}

/// The store has one lock, so a second thread would mostly wait for it.
const THREADS: usize = 1;

/// What was stored when a receiver stopped.
#[derive(Clone, Debug)]
pub struct Stored {
    /// Every stored point, sorted by series and timestamp.
    pub points: Vec<Point>,
    /// The put lines as they came, if they were kept.
    pub lines: Vec<u8>,
    /// The final counts.
    pub counts: Counts,
}

impl Receiver {
    /// Loads the journal, listens, and serves from a thread of its own.
    ///
    /// # Errors
    ///
    /// When the address cannot be listened on, or the journal not be opened or read.
    pub fn start(config: Config) -> io::Result<Receiver> {
        let bound = Front::bind(config.listen, THREADS)?;
        let mut options = Options {
            login: Login::new(config.auth_line.clone(), config.auth_header.clone()),
            ..Options::default()
        };
        #[cfg(feature = "tls")]
        {
            options.tls.clone_from(&config.tls);
        }
        let is_encrypted = options.is_encrypted();
        let shared = Arc::new(Shared::open(config)?);
        options.limits = shared.limits.clone();
        let front = bound.serve(Arc::new(Receiving(Arc::clone(&shared))), options)?;
        Ok(Receiver {
            shared,
            front,
            is_encrypted,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.front.address()
    }

    /// Where it listens, as a client wants it: `tsdb://127.0.0.1:4242`.
    pub fn url(&self) -> String {
        format!(
            "{}://{}",
            if self.is_encrypted { "tsdbs" } else { "tsdb" },
            self.address()
        )
    }

    /// Every stored point, sorted by series and timestamp.
    pub fn points(&self) -> Vec<Point> {
        self.shared.store.points()
    }

    /// The put lines as they came, each with its newline, in order of arrival; empty unless `keep_lines`.
    pub fn raw_lines(&self) -> Vec<u8> {
        self.shared.store.lines()
    }

    /// [`Receiver::raw_lines`] one by one, without their newlines; bytes that are not UTF-8 are replaced.
    pub fn lines(&self) -> Vec<String> {
        let lines = self.raw_lines();
        lines
            .split_inclusive(|&byte| byte == b'\n')
            .map(|line| String::from_utf8_lossy(&line[..line.len() - 1]).into_owned())
            .collect()
    }

    /// What has been counted so far.
    pub fn counts(&self) -> Counts {
        self.shared.store.counts()
    }

    /// The points of a metric, of all series that have these tags; they may have others.
    ///
    /// With `None` those of all metrics.
    pub fn points_of(&self, metric: Option<&str>, tags: &[(&str, &str)]) -> Vec<Point> {
        let found = find(&self.shared.store, &Pattern::new(metric, tags));
        found.into_iter().flat_map(|series| series.points).collect()
    }

    /// The series of a metric that have these tags, and points, sorted; they may have other tags. With `None` those of
    /// all metrics.
    pub fn series_of(&self, metric: Option<&str>, tags: &[(&str, &str)]) -> Vec<Arc<SeriesName>> {
        let found = find(&self.shared.store, &Pattern::new(metric, tags));
        found.into_iter().map(|series| series.name).collect()
    }

    /// What there is of a metric: the points of all series that have these tags, and perhaps others.
    ///
    /// ```
    /// # use potsdb_receiver::{Config, Receiver};
    /// # let receiver = Receiver::start(Config::default())?;
    /// let logins = receiver.has("web.requests", &[("path", "/login")]);
    /// assert!(logins.is_empty(), "{logins}");
    /// assert_eq!(logins.increase(), 0);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn has(&self, metric: &str, tags: &[(&str, &str)]) -> Found {
        let asked = Pattern::new(Some(metric), tags);
        let series = find(&self.shared.store, &asked);
        let others = Others::of(&asked, series.is_empty(), self.shared.store.names());
        let refused = self.shared.store.lock().refusals.latest();
        Found::new(asked, series, others).or_refused(refused)
    }

    /// Waits until what is wanted is there, and returns it.
    ///
    /// # Errors
    ///
    /// When `timeout` passed first: the error says what was wanted, what came instead, and what was refused.
    pub fn wait_to_have(&self, wanted: &Wanted, timeout: Duration) -> Result<Found, Missing> {
        let deadline = Instant::now().checked_add(timeout);
        let asked = wanted.pattern();
        loop {
            let seen = self.counts();
            let found = Found::new(asked.clone(), find(&self.shared.store, &asked), Others::default());
            if wanted.is_met(&found) {
                return Ok(found);
            }
            let left = deadline.map_or(timeout, |deadline| deadline.saturating_duration_since(Instant::now()));
            // What is stored changes with these.
            let changed = |counts: &Counts| (counts.accepted, counts.forgotten) != (seen.accepted, seen.forgotten);
            if !self.wait_until(left, changed) {
                let found = self.has(wanted.metric(), &wanted.tags());
                return Err(Missing::new(wanted, timeout, &found, &self.refused(), &self.counts()));
            }
        }
    }

    /// The series that two connections wrote at the same time with other values, sorted; at most a thousand.
    ///
    /// Each such point was acknowledged and is gone. Processes that send the same series do that to each other.
    pub fn collisions(&self) -> Vec<Collision> {
        self.shared.store.lock().table.collisions.named()
    }

    /// The latest thousand refused points, oldest first, with what was said to them.
    pub fn refused(&self) -> Vec<Refused> {
        self.shared.store.lock().refusals.all()
    }

    /// What happened since its caller last read: connections and refusals, at most a thousand of each. Nothing unless
    /// [`Config::watch`].
    ///
    /// ```
    /// # use potsdb_receiver::{Config, Receiver, Seen};
    /// # use std::{io::Write, net::TcpStream, time::Duration};
    /// let receiver = Receiver::start(Config { watch: true, ..Config::default() })?;
    /// TcpStream::connect(receiver.address())?.write_all(b"put m 1 x h=a\n")?;
    /// receiver.wait_until(Duration::from_secs(5), |counts| counts.refused == 1);
    /// let mut seen = Seen::default();
    /// let log: Vec<String> = receiver.happenings(&mut seen).list.iter().map(|one| one.what.to_string()).collect();
    /// assert!(log[0].ends_with(" opened"));
    /// assert!(log[1].starts_with("#1 refused \"put m 1 x h=a\": \"put: invalid value"));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn happenings(&self, seen: &mut Seen) -> Happenings {
        let watch = self.shared.watch.as_ref();
        watch.map_or_else(Happenings::default, |watch| {
            Happenings::since(seen, watch, &self.shared.store)
        })
    }

    /// Forgets every point, refusal, collision and kept line. The counts go on, and so does a journal.
    pub fn clear(&self) {
        self.shared.store.clear();
    }

    /// Dies and comes back, as [`FaultSwitch::restart`] says; returns when it listens again, or false after `timeout`.
    pub fn restart(&self, timeout: Duration) -> bool {
        let before = self.counts().restarts;
        self.faults().restart();
        self.wait_until(timeout, |counts| counts.restarts > before)
    }

    /// Waits until `points` points were accepted, copies included; false when `timeout` passed first.
    pub fn wait_for(&self, points: u64, timeout: Duration) -> bool {
        self.wait_until(timeout, |counts| counts.accepted >= points)
    }

    /// Waits until the counts are as wanted; false when `timeout` passed first.
    pub fn wait_until(&self, timeout: Duration, wanted: impl Fn(&Counts) -> bool) -> bool {
        self.shared.store.wait_until(timeout, wanted)
    }

    /// Changes the faults while it runs.
    pub fn faults(&self) -> &FaultSwitch {
        &self.shared.faults
    }

    /// Closes all connections, writes the journal to its end, and returns what was stored.
    pub fn stop(mut self) -> Stored {
        self.end();
        let store = &self.shared.store;
        Stored {
            points: store.points(),
            lines: store.lines(),
            counts: store.counts(),
        }
    }

    /// Stops as [`Receiver::stop`] does, without copying the points: what a command wants at its end.
    pub fn close(mut self) -> Counts {
        self.end();
        self.counts()
    }

    fn end(&mut self) {
        if self.front.stop()
            && let Some(journal) = &self.shared.store.journal
            && journal.close().is_err()
        {
            self.shared.store.count(|counts| counts.journal_errors += 1);
        }
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.end();
    }
}
