//! Laws about rates: what fails is tried again ever more rarely, and told of rarely.
//!
//! - Attempts to connect to an endpoint to which nothing can be written are as far apart as full jitter lets them be. The sum of
//!   so many random waits is hardly ever below a fifth of its mean.
//! - Requests and lines in vain, of which no point gets its verdict, come in a rate that does not know how fast the server
//!   answers.
//! - A name is asked for once at a time.
//! - One report of a kind is told per subject and ten seconds.
//! - Once a series is known to be sick, its later points are in no body with others.
//! - Where nothing fails but the points of one series, the others are written a few times each at most.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use super::{Oracle, Point};
use crate::queue::ledger::Ledger;
use crate::report::Report;

/// Attempts that are looked at together, and the part of their mean waits that must lie between them.
const ATTEMPTS: usize = 24;
const PART: f64 = 0.2;

/// Requests in vain at once, and a second, by connection.
const IN_VAIN: (f64, f64) = (150.0, 60.0);

/// The time between two reports of one kind about one subject.
const QUIET: Duration = Duration::from_secs(10);

/// How often a good point may be written because of sick ones: to part them, and a few times before. Each further series may
/// cost a connection that others settle on.
const COPIES: u64 = 14;

/// A sick point that failed more often, and alone at last, makes its series known.
const KNOWN: u32 = 4;

/// Bodies of other connections may have been made before.
const MIXED: u32 = 3;

/// What is done to an endpoint in vain.
#[derive(Default)]
pub(super) struct Futile {
    /// The last attempts to connect since the endpoint last said anything, and how many there were.
    attempts: VecDeque<Duration>,
    failures: u32,
    /// Requests in vain, as far as they are not paid off by time.
    requests: f64,
    since: Duration,
    /// Its name is being asked for.
    asked: bool,
}

#[derive(Default)]
pub(super) struct Rates {
    endpoints: BTreeMap<usize, Futile>,
    told: BTreeMap<String, Duration>,
    /// By sick point, how often it failed, and how many good ones had been taken when it first did.
    failures: BTreeMap<usize, (u32, u64)>,
    /// By sick series, when a point of it had failed so often, and alone at last, that it must be known; and bodies with
    /// later points of it and others since.
    found: BTreeMap<Vec<u8>, (Duration, u32)>,
}

impl Oracle {
    /// The client begins to connect; `asks`: and asks for the name.
    pub(in crate::simulation) fn attempts(&mut self, now: Duration, server: usize, asks: bool) {
        let (low, high) = self.limits.backoff;
        let futile = self.rates.endpoints.entry(server).or_default();
        if asks && std::mem::replace(&mut futile.asked, true) {
            return self.fail(format!("promise 11: a name is asked for twice at {now:?}"));
        }
        futile.failures += 1;
        futile.attempts.push_back(now);
        if futile.attempts.len() <= ATTEMPTS {
            return;
        }
        let first = futile.attempts.pop_front().expect("there are some");
        let from = futile.failures - ATTEMPTS as u32;
        let waits = (from..futile.failures).map(|number| low.saturating_mul(1 << (number - 1).min(20)).min(high));
        let mean = waits.sum::<Duration>() / 2;
        if now - first < mean.mul_f64(PART) {
            self.fail(format!(
                "promise 11: {ATTEMPTS} attempts in vain to connect from {first:?} to {now:?}, whose waits are {mean:?} on average"
            ));
        }
    }

    pub(in crate::simulation) fn name_answered(&mut self, server: usize) {
        self.rates.endpoints.entry(server).or_default().asked = false;
    }

    /// The endpoint said something, or its kernel took bytes where it says nothing; or the client let go of a connection that
    /// was well.
    pub(super) fn shows(&mut self, server: usize) {
        let futile = self.rates.endpoints.entry(server).or_default();
        futile.attempts.clear();
        futile.failures = 0;
    }

    /// A request was answered, and no point has its verdict for it; `excused`: it is asked again in another body, on the way to
    /// one.
    pub(super) fn in_vain(&mut self, now: Duration, server: usize) {
        let connections = (self.limits.slots as f64 / self.peers.len() as f64).max(1.0);
        let futile = self.rates.endpoints.entry(server).or_default();
        let paid = (now - futile.since).as_secs_f64() * IN_VAIN.1 * connections;
        futile.since = now;
        futile.requests = (futile.requests - paid).max(0.0) + 1.0;
        if futile.requests > IN_VAIN.0 * connections {
            self.fail(format!(
                "promise 11: requests in vain at {now:?}, beyond {} at once and {} a second",
                IN_VAIN.0, IN_VAIN.1
            ));
        }
    }

    /// These points were in a body that brought sick ones no verdict.
    pub(super) fn sick_failed(&mut self, now: Duration, points: &[usize]) {
        let taken = self.answered.0;
        for number in points.iter().filter(|number| self.points[**number].sick) {
            let (failures, taken_then) = self.rates.failures.entry(*number).or_insert((0, taken));
            *failures += 1;
            if *failures > KNOWN && taken > *taken_then && points.len() == 1 {
                let series = series_of(&self.points[*number].line);
                self.rates.found.entry(series).or_insert((now, 0));
            }
        }
    }

    /// These points are in a body together.
    pub(super) fn put_together(&mut self, now: Duration, points: &[usize]) {
        if self.rates.found.is_empty() || !self.only_sick {
            return;
        }
        let sick = points.iter().filter(|number| self.points[**number].sick).count();
        let mut told = None;
        for point in points
            .iter()
            .map(|number| &self.points[*number])
            .filter(|point| point.sick)
        {
            let series = self.rates.found.get_mut(&series_of(&point.line));
            if let Some((found, mixed)) = series
                && point.accepted > *found
                && sick < points.len()
            {
                *mixed += 1;
                told = told.or((*mixed > MIXED).then_some(*found));
            }
        }
        if let Some(found) = told {
            self.fail(format!(
                "promise 11: points of a series known to be sick since {found:?} are put with others at {now:?}"
            ));
        }
    }

    /// The client tells of something.
    pub(in crate::simulation) fn told(&mut self, now: Duration, report: &Report) {
        let subject = match report {
            Report::ServerLost { endpoint, .. } => format!("lost {endpoint}"),
            Report::ServerFound { endpoint } => format!("found {endpoint}"),
            Report::Unauthorized { endpoint, .. } => format!("unauthorized {endpoint}"),
            Report::Rejected { .. } => "rejected".to_owned(),
            Report::Throttled { .. } => "throttled".to_owned(),
            Report::Failing { .. } => "failing".to_owned(),
            Report::GivenUp { .. } => "given up".to_owned(),
            Report::Dropping { .. } => "dropping".to_owned(),
            _ => return,
        };
        // What was held back is told at the end.
        let ends = self.end.is_some();
        if let Some(before) = self.rates.told.insert(subject, now)
            && now < before + QUIET
            && !ends
        {
            self.fail(format!(
                "promise 11: told at {now:?}, and at {before:?} before: {report}"
            ));
        }
    }

    /// At the end: where nothing fails but sick points, good ones are written a few times at most.
    pub(super) fn judge_copies(&mut self, ledger: &Ledger) {
        let good = |point: &&Point| !point.bad && !point.sick;
        let copies = |point: &Point| point.copies - point.copies.min(1);
        let again: u64 = self.points.iter().filter(good).map(copies).sum();
        let good = self.points.iter().filter(good).count() as u64;
        let sick = self.points.iter().filter(|point| point.sick);
        let series: BTreeSet<_> = sick.map(|point| series_of(&point.line)).collect();
        if self.only_sick && again > good * (COPIES + series.len().saturating_sub(1) as u64) {
            self.fail(format!(
                "promise 11: {good} good points written {again} times again, because of others: {ledger:?}"
            ));
        }
    }
}

/// The tags of a line.
fn series_of(line: &[u8]) -> Vec<u8> {
    line.splitn(5, |byte| *byte == b' ').nth(4).unwrap_or_default().to_vec()
}
