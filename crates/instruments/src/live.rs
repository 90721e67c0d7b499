//! A live instrument: which points its state makes, and at which times. Pure: the present is an argument.
//!
//! ```text
//! birth 1003.2      flush 1004      tick 1010     tick 1020      close 1023
//! zero at 1003      3 at 1004       5 at 1010     5 at 1020      7 at 1023
//! ```
//!
//! The laws, tested below over any order of updates, ticks and flushes. OpenTSDB keeps one value per series and second, so
//! the times of an instrument's points strictly increase. The last point that is made is the last state.
//!
//! - **Ticks** are at multiples of the interval, with all instruments at one time; what did not change is said again, so
//!   that sums over processes are right. A tick of a second that has a point already is left out.
//! - **A flush** makes a point of what changed since the last one, at the present second or the first after it that is free.
//!   It does not go further ahead than [`AHEAD`]: a program that flushes all the time would have points of tomorrow.
//! - **The last points**, at close, are made however far that is ahead.
//! - **A counter begins with a zero** in the second of its first update, so that `rate` sees what it counted first. Not at the
//!   tick before: there a process that ended before it may have its last total, which the zero would overwrite.
//! - **A histogram's** count and sum are totals; its quantiles are of the interval up to now, and are left out of ticks
//!   of an empty one.

use potsdb::Value;

use crate::cell::{Part, Total};
use crate::sketch::Sketch;
use crate::style::HistogramSeries;

/// How far ahead of the clock the points of flushes may be, in seconds.
pub(crate) const AHEAD: u64 = 5;

/// A last point so many seconds ahead of the clock, which no flush or close gets to, means that the clock was set back.
const SET_BACK: u64 = 120;

/// When points are made, in seconds since 1970.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Moment {
    /// A multiple of the interval.
    Tick(u64),
    /// A flush, at the present.
    Flush(u64),
    /// The end, at the present.
    Last(u64),
}

/// A point to be sent.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Point<S> {
    pub(crate) series: S,
    pub(crate) value: Value,
    pub(crate) at: u64,
}

/// The series of one instrument.
#[derive(Clone, Debug)]
pub(crate) enum Outputs<S> {
    Counter(S),
    Gauge(S),
    Histogram(Box<HistogramSeries<S>>),
}

/// What a cell holds now.
#[derive(Clone, Debug)]
pub(crate) enum Reading {
    Counter(Total),
    Gauge { value: f64, touched: bool },
    Histogram(Part),
}

/// An instrument that was updated at least once in this process.
#[derive(Debug)]
pub(crate) struct Live {
    /// The time of the last point. None is made at it or before.
    last: u64,
    /// The time of a zero that is still to be sent.
    zero: Option<u64>,
    state: State,
    /// When it was last updated, as far as ticks and flushes have seen.
    updated: u64,
    /// Not updated for so long that nothing is sent.
    rests: bool,
}

#[derive(Debug)]
enum State {
    /// `sent` is what the last point said; `None`: nothing, or it is not known whether it was taken.
    Counter {
        total: Total,
        sent: Option<Total>,
    },
    Gauge {
        value: f64,
        sent: Option<f64>,
    },
    Histogram {
        totals: Box<Totals>,
        sent: Option<u64>,
    },
}

/// A histogram from its birth on, and in the interval.
#[derive(Debug, Default)]
struct Totals {
    count: u64,
    sum: f64,
    within: Vec<u64>,
    interval: Sketch,
    min: Option<f64>,
    max: Option<f64>,
}

impl Live {
    /// An instrument whose first update is in the second `birth`.
    pub(crate) fn new<S>(outputs: &Outputs<S>, birth: u64) -> Live {
        let state = match outputs {
            Outputs::Counter(_) => State::Counter {
                total: Total::default(),
                sent: None,
            },
            Outputs::Gauge(_) => State::Gauge { value: 0.0, sent: None },
            Outputs::Histogram(_) => State::Histogram {
                totals: Box::default(),
                sent: None,
            },
        };
        let zero = (!matches!(outputs, Outputs::Gauge(_))).then_some(birth);
        Live {
            last: zero.unwrap_or(birth.saturating_sub(1)),
            zero,
            state,
            updated: birth,
            rests: false,
        }
    }

    /// Makes the points of this moment.
    pub(crate) fn collect<S: Clone>(
        &mut self,
        outputs: &Outputs<S>,
        reading: Reading,
        moment: Moment,
        idle: Option<u64>,
        points: &mut Vec<Point<S>>,
    ) {
        let touched = matches!(reading, Reading::Gauge { touched: true, .. });
        let changed = self.absorb(reading);
        self.rest(changed || touched, moment, idle);
        if self.rests {
            return;
        }
        let Some(at) = self.next(moment, changed) else { return };
        if let Some(zero) = self.zero.take().filter(|zero| *zero < at) {
            outputs.zeros(|series| {
                points.push(Point {
                    series: series.clone(),
                    value: 0.into(),
                    at: zero,
                });
            });
        }
        self.last = at;
        self.state.points(outputs, |series, value| {
            if let Some(value) = value {
                points.push(Point {
                    series: series.clone(),
                    value,
                    at,
                });
            }
        });
        if let (State::Histogram { totals, .. }, Moment::Tick(_)) = (&mut self.state, moment) {
            totals.begin_interval();
        }
    }

    /// Takes note that the last points were not taken: the next flush makes them again.
    pub(crate) fn unsent(&mut self) {
        match &mut self.state {
            State::Counter { sent, .. } => *sent = None,
            State::Gauge { sent, .. } => *sent = None,
            State::Histogram { sent, .. } => *sent = None,
        }
    }

    /// Whether it was not updated for so long that nothing is sent.
    pub(crate) fn rests(&self) -> bool {
        self.rests
    }

    /// Takes a reading over; returns whether it differs from what the last point said.
    fn absorb(&mut self, reading: Reading) -> bool {
        match (&mut self.state, reading) {
            (State::Counter { total, sent }, Reading::Counter(now)) => {
                *total = now;
                *sent != Some(now)
            }
            (State::Gauge { value, sent }, Reading::Gauge { value: now, .. }) => {
                *value = now;
                *sent != Some(now)
            }
            (State::Histogram { totals, sent }, Reading::Histogram(part)) => {
                totals.absorb(part);
                *sent != Some(totals.count)
            }
            _ => false,
        }
    }

    fn rest(&mut self, updated: bool, moment: Moment, idle: Option<u64>) {
        let (Moment::Tick(now) | Moment::Flush(now) | Moment::Last(now)) = moment;
        if updated {
            self.updated = now;
            self.rests = false;
        } else if let (Moment::Tick(now), Some(idle)) = (moment, idle) {
            self.rests = now.saturating_sub(self.updated) >= idle;
        }
    }

    /// The time of a point made now, if one is.
    fn next(&mut self, moment: Moment, changed: bool) -> Option<u64> {
        let (Moment::Tick(now) | Moment::Flush(now) | Moment::Last(now)) = moment;
        if self.last > now.saturating_add(SET_BACK) {
            // Waiting until the clock is there again could take for ever.
            self.last = 0;
        }
        let free = now.max(self.last + 1);
        match moment {
            Moment::Tick(tick) => (tick > self.last).then_some(tick),
            Moment::Flush(_) => (changed && free <= now + AHEAD).then_some(free),
            Moment::Last(_) => changed.then_some(free),
        }
    }
}

impl<S> Outputs<S> {
    pub(crate) fn first(&self) -> &S {
        match self {
            Outputs::Counter(series) | Outputs::Gauge(series) => series,
            Outputs::Histogram(series) => &series.count,
        }
    }

    /// The series that begin with a zero.
    fn zeros(&self, mut zero: impl FnMut(&S)) {
        match self {
            Outputs::Counter(series) => zero(series),
            Outputs::Gauge(_) => {}
            Outputs::Histogram(series) => {
                zero(&series.count);
                zero(&series.sum);
                series.buckets.iter().for_each(zero);
            }
        }
    }
}

impl State {
    /// Makes the points of the present state, which is taken for sent.
    fn points<S>(&mut self, outputs: &Outputs<S>, mut point: impl FnMut(&S, Option<Value>)) {
        match (self, outputs) {
            (State::Counter { total, sent }, Outputs::Counter(series)) => {
                *sent = Some(*total);
                point(series, value_of(*total));
            }
            (State::Gauge { value, sent }, Outputs::Gauge(series)) => {
                *sent = Some(*value);
                point(series, finite(*value));
            }
            (State::Histogram { totals, sent }, Outputs::Histogram(series)) => {
                *sent = Some(totals.count);
                totals.points(series, point);
            }
            _ => {}
        }
    }
}

impl Totals {
    fn absorb(&mut self, part: Part) {
        self.count += part.sketch.count();
        self.sum += part.sum;
        self.within.resize(part.within.len(), 0);
        self.within
            .iter_mut()
            .zip(part.within)
            .for_each(|(sum, more)| *sum += more);
        self.interval.merge(&part.sketch);
        self.min = [self.min, part.min].into_iter().flatten().reduce(f64::min);
        self.max = [self.max, part.max].into_iter().flatten().reduce(f64::max);
    }

    fn begin_interval(&mut self) {
        self.interval = Sketch::default();
        (self.min, self.max) = (None, None);
    }

    fn points<S>(&self, series: &HistogramSeries<S>, mut point: impl FnMut(&S, Option<Value>)) {
        point(&series.count, whole(self.count));
        point(&series.sum, finite(self.sum));
        let mut below = 0;
        for (series, within) in series.buckets.iter().zip(&self.within) {
            below += within;
            point(series, whole(below));
        }
        if let Some(all) = series.buckets.last() {
            point(all, whole(self.count));
        }
        // None of an interval without a value.
        let (Some(min), Some(max)) = (self.min, self.max) else {
            return;
        };
        if let Some(series) = &series.min {
            point(series, finite(min));
        }
        point(&series.max, finite(max));
        for (quantile, series) in &series.quantiles {
            let told = self.interval.quantile(*quantile);
            point(series, told.and_then(|told| finite(told.clamp(min, max))));
        }
    }
}

fn value_of(total: Total) -> Option<Value> {
    if total.part == 0.0 {
        whole(total.whole)
    } else {
        finite(total.as_f64())
    }
}

/// Whole numbers are exact as long as OpenTSDB's are, and rounded from there on.
fn whole(number: u64) -> Option<Value> {
    Value::try_from(number).ok().or_else(|| finite(number as f64))
}

/// A sum of large numbers may leave a float's range, and is not sent then.
fn finite(number: f64) -> Option<Value> {
    Value::try_from(number).ok()
}

#[cfg(test)]
mod tests;
