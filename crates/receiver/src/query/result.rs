//! A query's result: series selected and grouped, each downsampled and rated, each group merged into one run.
//!
//! ```text
//! store --select, by metric and filters--> groups --downsample, rate--> runs --merge--> one run a group --> JSON
//! ```
//!
//! Series are read a little beyond the query's ends, since OpenTSDB reads whole hours: a point outside is where an
//! interpolated line begins or a first rate starts from. What lies outside is cut at the very end. Series and groups
//! are in the order of their numbers (`store/names.rs`). `api.rs` calls [`answer`] on a thread that may take its time;
//! only the copying out happens under the store's lock.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ops::Range;
use std::sync::Arc;

use crate::answers::Complaint;
use crate::point::number::{self, Number};
use crate::point::value::Value;
use crate::query::aggregate::Aggregator;
use crate::query::downsample::{Downsample, Fill};
use crate::query::filter::all_accept;
use crate::query::merge::{Run, merge};
use crate::query::notes::Notes;
use crate::query::shown::{self, Beside};
use crate::query::{Part, Query, tsuid};
use crate::store::Store;
use crate::store::names::{Kind, Names, Tsuid};
use crate::store::series::{Cell, Encoding, Series, SeriesName};

/// What a query is answered from.
pub(crate) struct Sources<'a> {
    pub(crate) store: &'a Store,
    pub(crate) notes: &'a Notes,
    /// Whether values of two encodings stand beside each other, and cannot be read (OpenTSDB).
    pub(crate) keeps_both: bool,
}

/// Answers a query as the body of a 200, or says why it cannot be answered.
pub(crate) fn answer(query: &Query, from: &Sources<'_>) -> Result<Vec<u8>, Complaint> {
    let mut out = vec![b'['];
    let mut budget = Budget(MOST_VALUES);
    let mut answered = Vec::new();
    for part in &query.parts {
        if part.pre_aggregate {
            return Err(Complaint::bad_twice(
                "no rollup has been configured that could be aggregated before",
            ));
        }
        if !part.wants_histograms() {
            answered.push((part, groups(part, query, from, &mut budget)?));
        }
    }
    let global_notes = from.notes.global(query.start / 1000, query.end / 1000);
    let global_notes = (!global_notes.is_empty()).then(|| shown(global_notes, query));
    let beside = Beside {
        store: from.store,
        global_notes,
    };
    for (part, groups) in &answered {
        for group in groups {
            if out.len() > 1 {
                out.push(b',');
            }
            shown::write(group, part, query, &beside, &mut out);
        }
    }
    if query.show_summary {
        let comma = if out.len() > 1 { "," } else { "" };
        let points: usize = answered
            .iter()
            .flat_map(|(_, groups)| groups)
            .map(|group| group.run.len())
            .sum();
        out.extend_from_slice(format!("{comma}{{\"statsSummary\":{{\"emittedDPs\":{points}}}}}").as_bytes());
    }
    out.push(b']');
    Ok(out)
}

/// The values a query may read and make in all, over its parts and their series: some 100 MB while it is answered.
pub(crate) const MOST_VALUES: usize = 2_000_000;

/// What is left of [`MOST_VALUES`].
struct Budget(usize);

impl Budget {
    fn spend(&mut self, values: usize) -> Result<(), Complaint> {
        let too_much = || {
            Complaint::new(
                413,
                format!(
                    "Sorry, you have attempted to fetch more than our limit of {MOST_VALUES} data points. Please try \
                     filtering using more tags or decrease your time range."
                ),
            )
        };
        self.0 = self.0.checked_sub(values).ok_or_else(too_much)?;
        Ok(())
    }
}

/// One object of the answer.
pub(super) struct Group {
    names: Vec<Arc<SeriesName>>,
    /// In hexadecimal digits, sorted.
    pub(super) tsuids: Vec<String>,
    pub(super) run: Run,
    /// What is noted of its series, as JSON; none if nothing is noted in the hours around.
    pub(super) notes: Option<Vec<String>>,
    /// An empty interval is written as `null`, not as `"NaN"`.
    pub(super) nulls: bool,
}

/// A series that a query takes.
struct Selected {
    tsuid: Tsuid,
    name: Arc<SeriesName>,
    run: Run,
}

/// Computes a part's groups, in the order of their group tags' values.
fn groups(part: &Part, query: &Query, from: &Sources<'_>, budget: &mut Budget) -> Result<Vec<Group>, Complaint> {
    let scan = scan(part, query);
    let mut grouped: BTreeMap<Vec<u32>, Vec<Selected>> = BTreeMap::new();
    let tags = grouping_tags(part, &from.store.lock().table.names);
    for selected in select(part, &scan, from, budget)? {
        if let Some(downsample) = &part.downsample {
            budget.spend(downsample.filled(&scan))?;
        }
        grouped
            .entry(key(part, &selected.tsuid, &tags))
            .or_default()
            .push(selected);
    }
    grouped
        .into_values()
        .map(|series| group(part, query, &scan, series, from))
        .collect()
}

fn group(
    part: &Part,
    query: &Query,
    scan: &Range<i64>,
    series: Vec<Selected>,
    from: &Sources<'_>,
) -> Result<Group, Complaint> {
    let (mut names, mut tsuids, mut runs) = (Vec::new(), Vec::new(), Vec::new());
    for Selected { tsuid, name, run } in series {
        names.push(name);
        tsuids.push(tsuid.text());
        runs.push(prepare(part, query, scan, run).map_err(Complaint::bad_twice)?);
    }
    let mut run = merge(&runs, part.aggregator, part.rate);
    run.retain(|(time, _)| (query.start..=query.end).contains(time));
    // Other servers than OpenTSDB take such a value, and have it.
    if from.keeps_both
        && let Some((time, Number::Float(float))) = run.iter().find(|(_, number)| number.as_f64().is_infinite())
    {
        let name = if *float > 0.0 { "Infinity" } else { "-Infinity" };
        return Err(Complaint::bad_twice(format!("Got Infinity: {name} at {time}")));
    }
    // Those of the hours that are read make the field, those of the range are in it.
    let range = scan.start..=scan.end - 1;
    let takes_all = part.filters.is_empty() && part.tsuids.is_none() && part.aggregator != Aggregator::None;
    let notes = match tsuids.first().and_then(|tsuid| tsuid.get(..6)) {
        // What is noted of a series without points is in its metric's rows all the same.
        Some(metric) if takes_all => from.notes.of_metric(metric, range),
        _ => tsuids
            .iter()
            .flat_map(|tsuid| from.notes.of_series(tsuid, range.clone()))
            .collect(),
    };
    let notes = (!notes.is_empty()).then(|| shown(notes, query));
    Ok(Group {
        notes,
        names,
        tsuids,
        run,
        nulls: part
            .downsample
            .as_ref()
            .is_some_and(|downsample| downsample.fill == Fill::Null),
    })
}

/// What of some annotations is in a query's range, as JSON.
fn shown(notes: Vec<(i64, String)>, query: &Query) -> Vec<String> {
    let inside = notes
        .into_iter()
        .filter(|(at, _)| (query.start..=query.end).contains(at));
    inside.map(|(_, json)| json).collect()
}

/// The range that is read: whole intervals, then whole hours, around the range that was asked for.
fn scan(part: &Part, query: &Query) -> Range<i64> {
    const SECOND: i64 = 1000;
    const HOUR: i64 = 3600 * SECOND;
    let interval = part.downsample.as_ref().and_then(Downsample::interval);
    let down_to = |time: i64, step: i64| time - time.rem_euclid(step);
    let start = down_to(down_to(query.start, interval.unwrap_or(SECOND)), HOUR).max(0);
    let end = down_to(query.end.saturating_add(SECOND - 1), SECOND);
    let end = match interval {
        // The end of the interval the query ends in, up to the hour when it is not one already.
        Some(interval) => down_to(
            down_to(end, interval).saturating_add(interval).saturating_add(HOUR - 1),
            HOUR,
        ),
        None => down_to(end, HOUR).saturating_add(HOUR),
    };
    // A row's name has 32 bits for its hour: what ends in 2106 or later ends before it begins.
    match end / SECOND > i64::from(u32::MAX) {
        true => start..start,
        false => start..end,
    }
}

/// Copies out the series that match, sorted by their numbers; a name nobody ever put is an error.
fn select(part: &Part, scan: &Range<i64>, from: &Sources<'_>, budget: &mut Budget) -> Result<Vec<Selected>, Complaint> {
    let store = from.store.lock();
    let wanted = part.tsuids.as_ref().filter(|tsuids| !tsuids.is_empty());
    let wanted = wanted.map(|tsuids| tsuid::read_all(tsuids)).transpose()?;
    let wanted: Option<HashSet<Tsuid>> = wanted.map(|wanted| wanted.into_iter().collect());
    if wanted.is_none() {
        known(part, &store.table.names).map_err(Complaint::bad_twice)?;
    }
    let takes = |series: &Series| match &wanted {
        Some(wanted) => wanted.contains(&series.tsuid),
        None => part.metric.as_deref() == Some(&series.name.metric) && accepts(part, &series.name),
    };
    let mut selected = Vec::new();
    for series in store.table.series().filter(|series| takes(series)) {
        let run = copy(series, scan, from.keeps_both)?;
        budget.spend(run.len())?;
        if !run.is_empty() {
            selected.push(Selected {
                tsuid: series.tsuid.clone(),
                name: Arc::clone(&series.name),
                run,
            });
        }
    }
    selected.sort_by(|a, b| a.tsuid.cmp(&b.tsuid));
    Ok(selected)
}

/// Complains of the first name that has no number: the metric's, then the filters', the tag before its values.
fn known(part: &Part, names: &Names) -> Result<(), String> {
    let metric = part.metric.as_deref().unwrap_or_default();
    let tags = part.filters.iter().flat_map(|filter| {
        let values = filter.literals().iter().map(|value| (Kind::TagValue, value.as_str()));
        std::iter::once((Kind::TagName, filter.tag.as_str())).chain(values)
    });
    let mut asked = std::iter::once((Kind::Metric, metric)).chain(tags);
    match asked.find(|(kind, name)| names.number(*kind, name).is_none()) {
        Some((kind, name)) => Err(format!("No such name for '{}': '{name}'", kind.name())),
        None => Ok(()),
    }
}

fn accepts(part: &Part, name: &SeriesName) -> bool {
    let filtered = |(tag, _): &(String, String)| part.filters.iter().any(|filter| filter.tag == *tag);
    // Without filters there is nothing for the tags to be explicit about.
    let explicit = !part.explicit_tags || part.filters.is_empty() || name.tags.iter().all(filtered);
    explicit && all_accept(&part.filters, name)
}

/// The values of a range, in milliseconds. Of a second and a millisecond that are the same, or of a cell that is there
/// in two encodings, OpenTSDB reads nothing at all; other servers have the later one.
fn copy(series: &Series, range: &Range<i64>, keeps_both: bool) -> Result<Run, Complaint> {
    let mut run: Vec<(i64, &Cell)> = Vec::new();
    for cell in &series.cells {
        let at = number::millis(cell.timestamp);
        if !range.contains(&at) {
            continue;
        }
        if keeps_both && cell.is_twice() {
            return Err(twice(&series.tsuid, at, cell.encoding()));
        }
        run.push((at, cell));
    }
    // Seconds come before milliseconds, which are larger.
    run.sort_by_key(|(at, _)| *at);
    let bytes = |cell: &Cell| cell.encoding().map(|encoding| encoding.bytes);
    for pair in run.windows(2) {
        let [(at, one), (other_at, other)] = pair else {
            continue;
        };
        if keeps_both && at == other_at && bytes(one) != bytes(other) {
            return Err(twice(&series.tsuid, *at, other.encoding()));
        }
    }
    run.dedup_by(|later, earlier| {
        let same = later.0 == earlier.0;
        if same {
            std::mem::swap(later, earlier);
        }
        same
    });
    // The text was a number when it was put, of whichever server.
    let number = |cell: &Cell| Number::from(Value::of(str::from_utf8(cell.value.bytes()).unwrap_or_default()));
    Ok(run.into_iter().map(|(at, cell)| (at, number(cell))).collect())
}

/// The one complaint that users of OpenTSDB fear most.
fn twice(tsuid: &Tsuid, at: i64, newer: Option<Encoding>) -> Complaint {
    const HOUR: i64 = 3_600_000;
    let hour = u32::try_from((at - at.rem_euclid(HOUR)) / 1000).unwrap_or_default();
    Complaint::bad_twice(format!(
        "Duplicate timestamp for key={:?}, ms_offset={}, newer={:?}; set tsd.storage.fix_duplicates=true to fix \
         automatically or run Fsck",
        tsuid.row_key(hour),
        at.rem_euclid(HOUR),
        newer.map(|encoding| encoding.bytes).unwrap_or_default(),
    ))
}

/// The tags whose values keep series apart, by their numbers.
fn grouping_tags(part: &Part, names: &Names) -> Vec<u32> {
    let grouping = part.filters.iter().filter(|filter| filter.group_by);
    let numbers: BTreeSet<u32> = grouping
        .filter_map(|filter| names.number(Kind::TagName, &filter.tag))
        .collect();
    numbers.into_iter().collect()
}

/// What keeps series apart: the values of the group tags, or everything when nothing is to be aggregated.
fn key(part: &Part, tsuid: &Tsuid, tags: &[u32]) -> Vec<u32> {
    let values = tsuid.tags.iter();
    if part.aggregator == Aggregator::None {
        return values.flat_map(|(tag, value)| [*tag, *value]).collect();
    }
    values
        .filter(|(tag, _)| tags.contains(tag))
        .map(|(_, value)| *value)
        .collect()
}

fn prepare(part: &Part, query: &Query, scan: &Range<i64>, run: Run) -> Result<Run, String> {
    let run = match &part.downsample {
        Some(downsample) => downsample.apply(&run, scan.clone(), query.start..query.end)?,
        None => run,
    };
    Ok(match part.rate {
        true => part.rate_options.unwrap_or_default().apply(&run),
        false => run,
    })
}

impl Group {
    pub(super) fn metric(&self) -> &str {
        self.names.first().map_or("", |name| &name.metric)
    }

    /// The tags that have one value in all its series that have them, and those that have several, in the order of
    /// their numbers.
    pub(super) fn tags(&self, store: &Store) -> (Vec<&(String, String)>, Vec<&str>) {
        let mut same: Vec<&(String, String)> = Vec::new();
        let mut several: Vec<&str> = Vec::new();
        for pair in self.names.iter().flat_map(|name| &name.tags) {
            let (tag, value) = pair;
            if several.contains(&tag.as_str()) {
                continue;
            }
            match same.iter().position(|(known, _)| known == tag) {
                None => same.push(pair),
                Some(at) if same[at].1 != *value => {
                    same.remove(at);
                    several.push(tag);
                }
                Some(_) => {}
            }
        }
        if several.len() > 1 {
            let store = store.lock();
            several.sort_by_key(|tag| store.table.names.number(Kind::TagName, tag));
        }
        (same, several)
    }
}
