//! What a test found: the points of the series it asked for, what they come to, and what is there instead.
//!
//! ```text
//! web.requests{host=a,path=/login}   0 3 5        sum 13  count 4  last 7  increase 12
//! web.requests{host=b,path=/login}         7
//! ```
//!
//! A counter sends its total, so the sum of its points means nothing: `increase` is what it counted. It is the growth
//! of each series since the last `clear`, or else since its first point, which a counter sends with 0; a fall is a new
//! beginning at 0.
//!
//! `receiver.rs` makes it of a copy of the store; `wanted.rs` compares it.

pub(crate) mod pattern;
pub(crate) mod wanted;

use std::fmt::{self, Display, Formatter};
use std::sync::Arc;

use crate::found::pattern::Pattern;
use crate::point::number;
use crate::point::value::Value;
use crate::store::refusals::Refused;
use crate::store::series::{Series, SeriesName};
use crate::store::{Point, Store};

/// The points of all series that were asked for, at one instant.
///
/// Its `Display` is one line: what was found, or what is there instead.
#[derive(Clone, Debug)]
pub struct Found {
    asked: Pattern,
    series: Vec<FoundSeries>,
    others: Others,
    /// The latest point that was refused, if nothing was found.
    refused: Option<Refused>,
}

/// The points of the series of a metric that have these tags, among others; sorted by series.
pub(crate) fn find(store: &Store, asked: &Pattern) -> Vec<FoundSeries> {
    let mut found: Vec<FoundSeries> = store.read(|all| {
        let with_points = all.filter(|series| !series.cells.is_empty());
        let matching = with_points.filter(|series| asked.matches(&series.name));
        matching.map(FoundSeries::of).collect()
    });
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found
}

/// One series of them.
#[derive(Clone, Debug)]
pub(crate) struct FoundSeries {
    pub(crate) name: Arc<SeriesName>,
    /// Its last value before the store was cleared.
    before: Option<Value>,
    /// In the order of time.
    pub(crate) points: Vec<Point>,
}

impl FoundSeries {
    pub(crate) fn of(series: &Series) -> FoundSeries {
        FoundSeries {
            name: Arc::clone(&series.name),
            before: series.before.as_ref().map(|text| Value::of(&text.to_text())),
            points: series.points().collect(),
        }
    }

    fn values(&self) -> impl Iterator<Item = Value> {
        self.points.iter().map(Point::number)
    }

    fn increase(&self) -> Value {
        let mut values = self.values();
        let first = self.before.or_else(|| values.next());
        let mut last = first.unwrap_or(Value::Integer(0));
        let mut grown = Value::Integer(0);
        for value in values {
            let fell = value.as_f64() < last.as_f64();
            grown = grown.plus(if fell { value } else { value.minus(last) });
            last = value;
        }
        grown
    }
}

impl Found {
    pub(crate) fn new(asked: Pattern, series: Vec<FoundSeries>, others: Others) -> Found {
        Found {
            asked,
            series,
            others,
            refused: None,
        }
    }

    /// The same, with the latest refusal for whoever found nothing.
    pub(crate) fn or_refused(self, refused: Option<Refused>) -> Found {
        let refused = refused.filter(|_| self.is_empty());
        Found { refused, ..self }
    }

    /// Whether there is no point.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.series.is_empty()
    }

    /// How many points there are; one that came several times is one.
    #[must_use]
    pub fn count(&self) -> usize {
        self.series.iter().map(|series| series.points.len()).sum()
    }

    /// The values added up: for points that are sent one by one. Of a counter, whose points are totals, ask for the
    /// [`increase`](Found::increase).
    #[must_use]
    pub fn sum(&self) -> Value {
        let values = self.series.iter().flat_map(FoundSeries::values);
        values.fold(Value::Integer(0), Value::plus)
    }

    /// The value of the latest point, of whichever series.
    #[must_use]
    pub fn last(&self) -> Option<Value> {
        self.values().pop()
    }

    /// By how much the series grew, added up: what counters have counted.
    ///
    /// Since the last [`clear`](crate::Receiver::clear), or else since each series' first point, which a counter sends
    /// with 0. A value that falls began at 0 again, as that of a program that was started anew.
    #[must_use]
    pub fn increase(&self) -> Value {
        let grown = self.series.iter().map(FoundSeries::increase);
        grown.fold(Value::Integer(0), Value::plus)
    }

    /// The values in the order of time.
    #[must_use]
    pub fn values(&self) -> Vec<Value> {
        self.points().iter().map(Point::number).collect()
    }

    /// The points in the order of time, those of one time in the order of their series.
    #[must_use]
    pub fn points(&self) -> Vec<Point> {
        let all = self.series.iter().flat_map(|series| &series.points);
        let mut points: Vec<Point> = all.cloned().collect();
        points.sort_by_key(|point| number::millis(point.timestamp));
        points
    }

    /// The series they are of, sorted.
    pub fn series(&self) -> impl Iterator<Item = &Arc<SeriesName>> {
        self.series.iter().map(|series| &series.name)
    }

    /// What they come to, in words.
    pub(crate) fn figures(&self) -> String {
        let last = self.last().map_or_else(|| "none".to_owned(), |value| value.to_string());
        let (sum, count, increase) = (self.sum(), self.count(), self.increase());
        format!("sum {sum}, count {count}, last {last}, increase {increase}")
    }

    /// Each series with its latest values, at most so many.
    pub(crate) fn listed(&self, most: usize) -> Vec<String> {
        let listed = self.series.iter().take(most).map(|series| {
            let values: Vec<String> = series.values().map(|value| value.to_string()).collect();
            let hidden = values.len().saturating_sub(MOST_VALUES);
            let dots = if hidden > 0 { ".. " } else { "" };
            format!("{} {dots}{}", series.name, values[hidden..].join(" "))
        });
        let more = self.series.len().saturating_sub(most);
        listed.chain((more > 0).then(|| format!("{more} more"))).collect()
    }

    pub(crate) fn others(&self) -> &Others {
        &self.others
    }
}

impl Display for Found {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            let others = self.others.listed(MOST_SERIES);
            let there_is = match others.is_empty() {
                true => "no point at all".to_owned(),
                false => others.join(", "),
            };
            write!(f, "nothing of {}: there is {there_is}", self.asked)?;
            return match &self.refused {
                Some(refused) => write!(f, "; refused was {refused}"),
                None => Ok(()),
            };
        }
        write!(
            f,
            "{}: {}; {}",
            self.asked,
            self.figures(),
            self.listed(MOST_SERIES).join(", ")
        )
    }
}

/// How many series a line names, and how many values of each.
const MOST_SERIES: usize = 3;
const MOST_VALUES: usize = 4;

/// Series that were not asked for: of the same metric, or, if that has no points, those that come nearest.
#[derive(Clone, Debug, Default)]
pub(crate) struct Others {
    /// With the number of their points, nearest first.
    nearest: Vec<(Arc<SeriesName>, usize)>,
    more: usize,
}

/// The most that are kept.
const MOST_OTHERS: usize = 20;

impl Others {
    /// Of all series with points those that were not asked for; `of_any_metric` if none was found.
    pub(crate) fn of(asked: &Pattern, of_any_metric: bool, mut all: Vec<(Arc<SeriesName>, usize)>) -> Others {
        all.retain(|(name, _)| !asked.matches(name));
        let is_of_metric = |name: &SeriesName| asked.metric.as_ref() == Some(&name.metric);
        if !of_any_metric || all.iter().any(|(name, _)| is_of_metric(name)) {
            all.retain(|(name, _)| is_of_metric(name));
        }
        all.sort_by_cached_key(|(name, _)| {
            let amiss = (asked.letters_amiss(&name.metric), asked.tags_amiss(name));
            (amiss, Arc::clone(name))
        });
        let more = all.len().saturating_sub(MOST_OTHERS);
        all.truncate(MOST_OTHERS);
        Others { nearest: all, more }
    }

    /// Each with the number of its points, at most so many.
    pub(crate) fn listed(&self, most: usize) -> Vec<String> {
        let listed = self.nearest.iter().take(most).map(|(name, points)| {
            let plural = if *points == 1 { "" } else { "s" };
            format!("{name} ({points} point{plural})")
        });
        let more = self.more + self.nearest.len().saturating_sub(most);
        listed.chain((more > 0).then(|| format!("{more} more"))).collect()
    }
}
