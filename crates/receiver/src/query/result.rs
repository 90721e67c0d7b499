//! A query's result: series selected and grouped, each downsampled and rated, each group merged into one run.
//!
//! ```text
//! store --select, by metric and filters--> groups --downsample, rate--> runs --merge--> one run a group --> JSON
//! ```
//!
//! Series are read a little beyond the query's ends, since OpenTSDB reads whole hours: a point outside is where an
//! interpolated line begins or a first rate starts from. What lies outside is cut at the very end.
//! `api.rs` calls [`answer`] on a thread that may take its time; only the copying out happens under the store's lock.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use potsdb_wire::json::write_string;

use crate::point::number::Number;
use crate::query::aggregate::Aggregator;
use crate::query::downsample::{Downsample, Fill};
use crate::query::java::double;
use crate::query::merge::{Run, merge};
use crate::query::time;
use crate::query::{Part, Query};
use crate::store::Store;
use crate::store::series::{Series, SeriesName};

/// Answers a query as the body of a 200, or says why it cannot be answered.
pub(crate) fn answer(query: &Query, store: &Store) -> Result<Vec<u8>, Unanswered> {
    let mut out = vec![b'['];
    let mut budget = Budget(MOST_VALUES);
    for part in &query.parts {
        for group in groups(part, query, store, &mut budget)? {
            if out.len() > 1 {
                out.push(b',');
            }
            group.write(query, &mut out);
        }
    }
    out.push(b']');
    Ok(out)
}

/// Why a query has no answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unanswered {
    /// What is wrong with it: 400.
    Bad(String),
    /// It takes more than [`MOST_VALUES`]: 413.
    TooMuch,
}

impl<S: Into<String>> From<S> for Unanswered {
    fn from(words: S) -> Unanswered {
        Unanswered::Bad(words.into())
    }
}

/// The values a query may read and make in all, over its parts and their series: some 100 MB while it is answered.
pub(crate) const MOST_VALUES: usize = 2_000_000;

/// What is left of [`MOST_VALUES`].
struct Budget(usize);

impl Budget {
    fn spend(&mut self, values: usize) -> Result<(), Unanswered> {
        self.0 = self.0.checked_sub(values).ok_or(Unanswered::TooMuch)?;
        Ok(())
    }
}

/// One object of the answer.
struct Group {
    names: Vec<Arc<SeriesName>>,
    run: Run,
    /// An empty interval is written as `null`, not as `"NaN"`.
    nulls: bool,
}

/// Computes a part's groups, in the order of their group tags' values.
fn groups(part: &Part, query: &Query, store: &Store, budget: &mut Budget) -> Result<Vec<Group>, Unanswered> {
    let scan = scan(part, query);
    let mut grouped: BTreeMap<Vec<String>, Vec<(Arc<SeriesName>, Run)>> = BTreeMap::new();
    for (name, run) in select(part, &scan, store, budget)? {
        if let Some(downsample) = part.downsample {
            budget.spend(downsample.filled(&scan))?;
        }
        grouped.entry(key(part, &name)).or_default().push((name, run));
    }
    let groups = grouped.into_values().map(|series| {
        let (names, runs): (Vec<_>, Vec<_>) = series.into_iter().unzip();
        let runs: Vec<Run> = runs.into_iter().map(|run| prepare(part, query, &scan, run)).collect();
        let mut run = merge(&runs, part.aggregator, part.rate.is_some());
        run.retain(|(time, _)| (query.start..=query.end).contains(time));
        let nulls = part.downsample.is_some_and(|downsample| downsample.fill == Fill::Null);
        Group { names, run, nulls }
    });
    Ok(groups.collect())
}

/// The range that is read: whole intervals, then whole hours, around the range that was asked for.
fn scan(part: &Part, query: &Query) -> Range<i64> {
    const SECOND: i64 = 1000;
    const HOUR: i64 = 3600 * SECOND;
    let interval = part.downsample.and_then(Downsample::interval);
    let down_to = |time: i64, step: i64| time - time.rem_euclid(step);
    let start = down_to(down_to(query.start, interval.unwrap_or(SECOND)), HOUR).max(0);
    let end = down_to(query.end.saturating_add(SECOND - 1), SECOND);
    let end = match interval {
        // The end of the interval the query ends in, up to the hour when it is not one already.
        Some(interval) => down_to(down_to(end, interval).saturating_add(interval + HOUR - 1), HOUR),
        None => down_to(end, HOUR).saturating_add(HOUR),
    };
    start..end
}

/// Copies out the series that match, sorted by name; a name nobody ever put is an error.
fn select(
    part: &Part,
    scan: &Range<i64>,
    store: &Store,
    budget: &mut Budget,
) -> Result<Vec<(Arc<SeriesName>, Run)>, Unanswered> {
    let mut unknown = Unknown::of(part);
    let mut selected = store.read(|all| {
        let all = all.inspect(|series| unknown.meet(&series.name));
        let matching = all.filter(|series| series.name.metric == part.metric && accepts(part, &series.name));
        let copies = matching.map(|series| {
            let run = copy(series, scan);
            budget.spend(run.len())?;
            Ok((Arc::clone(&series.name), run))
        });
        copies
            .filter(|copied| !copied.as_ref().is_ok_and(|(_, run)| run.is_empty()))
            .collect::<Result<Vec<_>, Unanswered>>()
    })?;
    if let Some((kind, name)) = unknown.0.first() {
        return Err(format!("No such name for '{kind}': '{name}'").into());
    }
    selected.sort_by(|(a, _), (b, _)| a.cmp(b));
    Ok(selected)
}

/// The names a query gives, as far as no series had them yet: kind and name.
struct Unknown<'a>(Vec<(&'static str, &'a str)>);

impl<'a> Unknown<'a> {
    fn of(part: &'a Part) -> Unknown<'a> {
        let mut names = vec![("metrics", part.metric.as_str())];
        for filter in &part.filters {
            names.push(("tagk", &filter.tag));
            names.extend(filter.literals().iter().map(|value| ("tagv", value.as_str())));
        }
        Unknown(names)
    }

    fn meet(&mut self, series: &SeriesName) {
        self.0.retain(|(kind, name)| match *kind {
            "metrics" => series.metric != *name,
            "tagk" => series.tag(name).is_none(),
            _ => series.tags.iter().all(|(_, value)| value != name),
        });
    }
}

fn accepts(part: &Part, name: &SeriesName) -> bool {
    let filtered = |(tag, _): &(String, String)| part.filters.iter().any(|filter| filter.tag == *tag);
    // Without filters there is nothing for the tags to be explicit about.
    let explicit = !part.explicit_tags || part.filters.is_empty() || name.tags.iter().all(filtered);
    explicit && part.filters.iter().all(|filter| filter.accepts(name))
}

/// The values of a range, in milliseconds; of a second and a millisecond that are the same, the later one.
fn copy(series: &Series, range: &Range<i64>) -> Run {
    let mut run = Run::new();
    let mut sorted = true;
    for cell in &series.cells {
        let at = time::of_point(cell.timestamp);
        if !range.contains(&at) {
            continue;
        }
        // The text was a number when it was put.
        let text = str::from_utf8(cell.value.bytes()).unwrap_or_default();
        if let Ok(number) = Number::parse(text) {
            sorted &= run.last().is_none_or(|(last, _)| *last < at);
            run.push((at, number));
        }
    }
    if !sorted {
        run.sort_by_key(|(at, _)| *at);
        run.dedup_by(|later, earlier| {
            let same = later.0 == earlier.0;
            if same {
                *earlier = *later;
            }
            same
        });
    }
    run
}

/// What keeps series apart: the values of the group tags, or everything when nothing is to be aggregated.
fn key(part: &Part, name: &SeriesName) -> Vec<String> {
    if part.aggregator == Aggregator::None {
        return name.tags.iter().map(|(tag, value)| format!("{tag}={value}")).collect();
    }
    let group_tags: BTreeSet<&str> = part
        .filters
        .iter()
        .filter(|filter| filter.group_by)
        .map(|filter| filter.tag.as_str())
        .collect();
    group_tags
        .into_iter()
        .map(|tag| name.tag(tag).unwrap_or_default().to_owned())
        .collect()
}

fn prepare(part: &Part, query: &Query, scan: &Range<i64>, run: Run) -> Run {
    let run = match part.downsample {
        Some(downsample) => downsample.apply(&run, scan.clone(), query.start..query.end),
        None => run,
    };
    match part.rate {
        Some(rate) => rate.apply(&run),
        None => run,
    }
}

impl Group {
    /// Tags that all its series have, with the same value or with several.
    fn tags(&self) -> (Vec<&(String, String)>, Vec<&str>) {
        let Some((first, others)) = self.names.split_first() else {
            return Default::default();
        };
        let everywhere = first
            .tags
            .iter()
            .filter(|(tag, _)| others.iter().all(|name| name.tag(tag).is_some()));
        let (same, several): (Vec<_>, Vec<_>) =
            everywhere.partition(|(tag, value)| others.iter().all(|name| name.tag(tag) == Some(value)));
        (same, several.into_iter().map(|(tag, _)| tag.as_str()).collect())
    }

    fn write(&self, query: &Query, out: &mut Vec<u8>) {
        let (tags, aggregated) = self.tags();
        out.extend_from_slice(b"{\"metric\":");
        write_string(self.names.first().map_or("", |name| &name.metric), out);
        out.extend_from_slice(b",\"tags\":{");
        for (index, (tag, value)) in tags.into_iter().enumerate() {
            separate(index, out);
            write_string(tag, out);
            out.push(b':');
            write_string(value, out);
        }
        out.extend_from_slice(b"},\"aggregateTags\":[");
        for (index, tag) in aggregated.into_iter().enumerate() {
            separate(index, out);
            write_string(tag, out);
        }
        let [open, colon, close] = if query.arrays { ["[", ",", "]"] } else { ["{", ":", "}"] };
        out.extend_from_slice(format!("],\"dps\":{open}").as_bytes());
        for (index, (time, number)) in self.run.iter().enumerate() {
            separate(index, out);
            let time = if query.millis { *time } else { *time / 1000 };
            let value = match number {
                Number::Integer(integer) => integer.to_string(),
                Number::Float(float) if float.is_nan() && self.nulls => "null".into(),
                Number::Float(float) => double(*float),
            };
            let pair = if query.arrays {
                format!("[{time}{colon}{value}]")
            } else {
                format!("\"{time}\"{colon}{value}")
            };
            out.extend_from_slice(pair.as_bytes());
        }
        out.extend_from_slice(format!("{close}}}").as_bytes());
    }
}

fn separate(index: usize, out: &mut Vec<u8>) {
    if index > 0 {
        out.push(b',');
    }
}
