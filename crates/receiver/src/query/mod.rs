//! Reading back: what OpenTSDB's questions are, and their answers.
//!
//! ```text
//! url.rs   GET  ?start=1h-ago&end=now&ms&m=sum:1m-avg:rate{counter}:web.requests{host=*,path=/login}{dc=not_literal_or(eu)}
//! body.rs  POST {"start":..,"end":..,"queries":[{"metric":..,"aggregator":..,"downsample":..,"rate":..,"tags":{},"filters":[]}]}
//!    '--> a Query --check--> times and downsamplers are read --> result.rs: groups of series --> shown.rs: JSON
//! ```
//!
//! `api.rs` is asked, by path; `suggest.rs`, `lookup.rs`, `last.rs`, `uid.rs`, `notes.rs` answer what is not
//! `/api/query`. The errors are OpenTSDB's messages with its statuses, which are those of its exceptions.

pub(crate) mod aggregate;
pub(crate) mod api;
mod body;
mod calendar;
pub(crate) mod downsample;
pub(crate) mod filter;
pub(crate) mod java;
mod last;
mod lookup;
pub(crate) mod merge;
mod metric;
mod note;
pub(crate) mod notes;
pub(crate) mod paths;
mod percentile;
pub(crate) mod result;
mod shown;
mod suggest;
pub(crate) mod time;
mod tsuid;
mod uid;
mod url;
mod words;

use jiff::tz::TimeZone;

use crate::answers::Complaint;
use crate::query::aggregate::Aggregator;
use crate::query::downsample::{Downsample, Rate};
use crate::query::filter::Filter;

/// Everything one request asks: as it was written, and once checked also as it is meant.
#[derive(Clone, Debug, Default)]
pub(crate) struct Query {
    start_text: Option<String>,
    end_text: Option<String>,
    zone: Option<String>,
    calendar: bool,
    padding: bool,
    delete: bool,
    pub(crate) no_annotations: bool,
    pub(crate) global_annotations: bool,
    pub(crate) show_tsuids: bool,
    pub(crate) show_query: bool,
    pub(crate) show_summary: bool,
    pub(crate) show_stats: bool,
    /// Answer in milliseconds, not seconds.
    pub(crate) millis: bool,
    /// Points as pairs, not as an object.
    pub(crate) arrays: bool,
    pub(crate) parts: Vec<Part>,
    /// There was a null among them.
    has_null: bool,
    /// In milliseconds.
    pub(crate) start: i64,
    pub(crate) end: i64,
}

/// The latest time there is, of 13 digits.
const LATEST: i64 = 9_999_999_999_999;

/// One metric of a query.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    aggregator_name: Option<String>,
    pub(crate) metric: Option<String>,
    pub(crate) tsuids: Option<Vec<String>>,
    downsample_text: Option<String>,
    pub(crate) rate: bool,
    pub(crate) rate_options: Option<Rate>,
    pub(crate) filters: Vec<Filter>,
    /// Series must have exactly the filtered tags.
    pub(crate) explicit_tags: bool,
    pre_aggregate: bool,
    percentiles: Option<Vec<f32>>,
    show_histogram_buckets: bool,
    pub(crate) index: usize,
    pub(crate) aggregator: Aggregator,
    pub(crate) downsample: Option<Downsample>,
}

impl Default for Part {
    fn default() -> Part {
        Part {
            aggregator_name: None,
            metric: None,
            tsuids: None,
            downsample_text: None,
            rate: false,
            rate_options: None,
            filters: Vec::new(),
            explicit_tags: false,
            pre_aggregate: false,
            percentiles: None,
            show_histogram_buckets: false,
            index: 0,
            aggregator: Aggregator::None,
            downsample: None,
        }
    }
}

/// Two that ask the same are answered once.
impl PartialEq for Part {
    fn eq(&self, other: &Part) -> bool {
        self.aggregator_name == other.aggregator_name
            && self.metric == other.metric
            && self.tsuids == other.tsuids
            && self.downsample_text == other.downsample_text
            && self.rate == other.rate
            && self.rate_options == other.rate_options
            && self.filters == other.filters
            && self.explicit_tags == other.explicit_tags
            && self.pre_aggregate == other.pre_aggregate
            && self.percentiles == other.percentiles
            && self.show_histogram_buckets == other.show_histogram_buckets
    }
}

impl Query {
    /// Reads what was only written down until now; a complaint shows the whole query, as OpenTSDB does.
    fn check(&mut self, now: i64) -> Result<(), Complaint> {
        let mut seen: Vec<Part> = Vec::new();
        for part in self.parts.drain(..) {
            if !seen.contains(&part) {
                seen.push(part);
            }
        }
        self.parts = seen;
        self.checked(now)
            .map_err(|message| Complaint::bad(message).with(words::query(self)))?;
        // What storage has no room for is found out only when it is asked.
        match [self.start, self.end].iter().find(|time| !(0..=LATEST).contains(*time)) {
            Some(time) => Err(Complaint::internal(format!("Invalid timestamp: {time}"))),
            None => Ok(()),
        }
    }

    fn checked(&mut self, now: i64) -> Result<(), String> {
        let zone = self.zone.as_deref();
        let text = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let start = text(&self.start_text).ok_or("Missing start time")?;
        self.start = time::millis(&start, zone, now)?;
        self.end = match text(&self.end_text) {
            Some(end) => time::millis(&end, zone, now)?,
            None => now,
        };
        if self.end <= self.start {
            return Err(format!(
                "End time [{}] must be greater than the start time [{}]",
                self.end, self.start
            ));
        }
        if self.has_null {
            let method = "net.opentsdb.core.TSSubQuery.validateAndSetQuery()";
            return Err(format!("Cannot invoke \"{method}\" because \"sub\" is null"));
        }
        if self.parts.is_empty() {
            return Err("Missing queries".into());
        }
        for (index, part) in self.parts.iter_mut().enumerate() {
            part.check(zone, self.calendar)?;
            part.index = index;
        }
        Ok(())
    }
}

impl Part {
    fn check(&mut self, zone: Option<&str>, calendar: bool) -> Result<(), String> {
        let name = self.aggregator_name.as_deref().unwrap_or_default();
        if name.is_empty() {
            return Err("Missing the aggregation function".into());
        }
        let found = Aggregator::named(name);
        self.aggregator = found.ok_or_else(|| format!("No such aggregation function: {name}"))?;
        let has_tsuids = self.tsuids.as_ref().is_some_and(|tsuids| !tsuids.is_empty());
        if !has_tsuids && self.metric.as_deref().unwrap_or_default().is_empty() {
            return Err("Missing the metric or tsuids, provide at least one".into());
        }
        let downsample = self.downsample_text.as_deref().filter(|text| !text.is_empty());
        self.downsample = match downsample {
            Some(text) => {
                // What is wrong with it comes before what is wrong with the zone.
                Downsample::parse(text, &TimeZone::UTC, calendar)?;
                let zone = match zone.filter(|zone| !zone.is_empty()) {
                    Some(name) => time::zone(name).ok_or("The timezone specification could not be found")?,
                    None => TimeZone::UTC,
                };
                Some(Downsample::parse(text, &zone, calendar)?)
            }
            None => None,
        };
        self.check_histograms()
    }

    /// Histograms are not stored here, as they are not unless OpenTSDB is told to: what asks for them finds nothing.
    fn check_histograms(&self) -> Result<(), String> {
        if self.wants_histograms() && !matches!(self.aggregator, Aggregator::None | Aggregator::Sum) {
            return Err("Only NONE or SUM aggregation function supported for histogram query".into());
        }
        let out_of_range = |part: &&f32| !(0.0..=100.0).contains(*part);
        match self.percentiles.iter().flatten().find(out_of_range) {
            Some(percentile) => Err(format!("Invalid percentile parameters: {percentile:?}")),
            None => Ok(()),
        }
    }

    pub(crate) fn wants_histograms(&self) -> bool {
        self.show_histogram_buckets
            || self
                .percentiles
                .as_ref()
                .is_some_and(|percentiles| !percentiles.is_empty())
    }
}
