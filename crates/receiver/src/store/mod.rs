//! The store: what arrived, counted, kept within bounds, waited for.
//!
//! Connections put points through an [`Intake`], which holds the store's one lock for a read's worth of lines (one lock
//! per chunk, not per line) and wakes whoever waits when it ends. Nothing under the lock touches a socket or a file.
//!
//! ```text
//! telnet.rs, body.rs --Intake--> table.rs (cells)      + counts, + the lines themselves when asked to keep them
//!                         '----> journal.rs, after the lock
//! ```
//!
//! Readers copy what they need out: `receiver.rs` for tests, `result.rs` for `/api/query`.

pub(crate) mod changes;
pub(crate) mod collisions;
mod inner;
pub(crate) mod intake;
pub(crate) mod journal;
pub(crate) mod names;
pub(crate) mod refusals;
pub(crate) mod series;
pub(crate) mod table;

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use crate::counts::Counts;
use crate::point::put::Rules;
use crate::point::reading::Reading;
use crate::point::value::Value;
use crate::store::inner::Inner;
use crate::store::intake::Intake;
use crate::store::journal::Journal;
use crate::store::refusals::Refusals;
use crate::store::series::{Series, SeriesName, Writer};
use crate::store::table::{Bounds, Table};

/// One stored point.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Point {
    /// Metric and tags, shared by all points of the series.
    pub series: Arc<SeriesName>,
    /// As it was sent: seconds or milliseconds.
    pub timestamp: i64,
    /// The value's text, as it was sent last.
    pub value: String,
    /// How many times a line for this series and timestamp was accepted, those in a loaded journal included.
    pub copies: u32,
    /// True while all those lines were the same bytes.
    pub identical: bool,
}

impl Point {
    /// The value, to calculate with.
    #[must_use]
    pub fn number(&self) -> Value {
        Value::of(&self.value)
    }
}

pub(crate) struct Store {
    inner: Mutex<Inner>,
    pub(crate) changed: Condvar,
    pub(crate) rules: Rules,
    pub(crate) keep_lines: bool,
    pub(crate) journal: Option<Journal>,
}

impl Store {
    pub(crate) fn new(rules: Rules, limits: Bounds, keep_lines: bool, journal: Option<Journal>) -> Store {
        let inner = Inner {
            table: Table::new(limits),
            counts: Counts::default(),
            lines: Vec::new(),
            refusals: Refusals::default(),
        };
        Store {
            inner: Mutex::new(inner),
            changed: Condvar::new(),
            rules,
            keep_lines,
            journal,
        }
    }

    /// Locks the store for a read's worth of points of one connection.
    pub(crate) fn intake(&self, writer: Writer) -> Intake<'_> {
        let mut inner = self.lock();
        inner.table.changes.now = now();
        Intake {
            inner: Some(inner),
            store: self,
            writer,
            journal: Vec::new(),
        }
    }

    /// Puts the journal's lines back; they are neither counted as puts nor journalled again.
    pub(crate) fn load(&self, lines: &[u8], reading: &dyn Reading) {
        let mut inner = self.lock();
        for line in lines.split_inclusive(|&byte| byte == b'\n') {
            // A torn last line is no point.
            if let Some(line) = line.strip_suffix(b"\n")
                && inner
                    .put_line(line, &self.rules, reading, Writer::UNKNOWN, true, None)
                    .is_ok()
            {
                inner.counts.loaded += 1;
            }
        }
    }

    /// Forgets what is too young for the journal, as a server does that is killed.
    pub(crate) fn forget(&self, reading: &dyn Reading) {
        let young = self.journal.as_ref().map(Journal::forget).unwrap_or_default();
        let mut inner = self.lock();
        for line in young.iter().flat_map(|lines| lines.split(|&byte| byte == b'\n')) {
            inner.take_back(&String::from_utf8_lossy(line), &self.rules, reading);
        }
    }

    /// Forgets every point, refusal and kept line; the counts go on, and a journal keeps what it has.
    pub(crate) fn clear(&self) {
        let mut inner = self.lock();
        inner.table.clear();
        inner.lines = Vec::new();
        inner.refusals.clear();
        drop(inner);
        self.changed.notify_all();
    }

    /// Changes the counts of what is not a point, and wakes whoever waits for that.
    pub(crate) fn count(&self, change: impl FnOnce(&mut Counts)) {
        change(&mut self.lock().counts);
        self.changed.notify_all();
    }

    pub(crate) fn counts(&self) -> Counts {
        self.lock().counts()
    }

    /// Waits until the counts are as wanted; false when `timeout` passed first.
    pub(crate) fn wait_until(&self, timeout: Duration, wanted: impl Fn(&Counts) -> bool) -> bool {
        let waited = self
            .changed
            .wait_timeout_while(self.lock(), timeout, |inner| !wanted(&inner.counts()));
        let (inner, _) = waited.unwrap_or_else(PoisonError::into_inner);
        wanted(&inner.counts())
    }

    /// Every stored point, sorted by series and timestamp.
    pub(crate) fn points(&self) -> Vec<Point> {
        let inner = self.lock();
        let mut series: Vec<&Series> = inner.table.series().collect();
        series.sort_by(|a, b| a.name.cmp(&b.name));
        let mut points = Vec::with_capacity(inner.table.points());
        for series in series {
            points.extend(series.points());
        }
        points
    }

    /// The series with points, and how many those are, in no order.
    pub(crate) fn names(&self) -> Vec<(Arc<SeriesName>, usize)> {
        let inner = self.lock();
        let all = inner.table.series();
        let with_points = all.filter(|series| !series.cells.is_empty());
        with_points
            .map(|series| (Arc::clone(&series.name), series.cells.len()))
            .collect()
    }

    /// The kept put lines, newline-ended, in order of arrival.
    pub(crate) fn lines(&self) -> Vec<u8> {
        self.lock().lines.clone()
    }

    /// Runs `read` over all series while nothing arrives.
    pub(crate) fn read<T>(&self, read: impl FnOnce(&mut dyn Iterator<Item = &Series>) -> T) -> T {
        read(&mut self.lock().table.series())
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Milliseconds since 1970.
pub(crate) fn now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| since.as_millis() as u64)
}
