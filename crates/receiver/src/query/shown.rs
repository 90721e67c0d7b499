//! An answer's JSON: each group with what was asked to be shown of it, its points last.
//!
//! Called by `result.rs`.

use potsdb_wire::json::write_string;

use crate::json;
use crate::point::number::Number;
use crate::point::put::Tags;
use crate::query::filter::Filter;
use crate::query::java::double;
use crate::query::result::Group;
use crate::query::{Part, Query};
use crate::store::Store;
use crate::store::names::{Kind, Names};

/// Where the numbers of names are looked up, and what is noted beside the series.
pub(super) struct Beside<'a> {
    /// Locked for a look-up, never while an answer is written.
    pub(super) store: &'a Store,
    /// As JSON; none if there is nothing in the hours around.
    pub(super) global_notes: Option<Vec<String>>,
}

/// Appends a group.
pub(super) fn write(group: &Group, part: &Part, query: &Query, beside: &Beside<'_>, out: &mut Vec<u8>) {
    let (tags, aggregated) = group.tags(beside.store);
    out.extend_from_slice(b"{\"metric\":");
    write_string(group.metric(), out);
    out.extend_from_slice(b",\"tags\":");
    let tags = tags.iter().map(|(tag, value)| (tag.as_str(), value.as_str()));
    out.extend_from_slice(&json::object(Tags(tags.collect()).java_order().into_iter()));
    out.extend_from_slice(b",\"aggregateTags\":");
    out.extend_from_slice(&json::array(aggregated.into_iter()));
    if query.show_query {
        out.extend_from_slice(b",\"query\":");
        write_part(part, beside.store, out);
    }
    if query.show_tsuids {
        out.extend_from_slice(b",\"tsuids\":");
        out.extend_from_slice(&json::array(group.tsuids.iter().map(String::as_str)));
    }
    if !query.no_annotations {
        write_notes("annotations", group.notes.as_deref(), out);
        if query.global_annotations {
            write_notes("globalAnnotations", beside.global_notes.as_deref(), out);
        }
    }
    write_points(group, query, out);
    if query.show_stats {
        let stats = format!(
            ",\"stats\":{{\"queryIndex\":{},\"emittedDPs\":{}}}",
            part.index,
            group.run.len()
        );
        out.extend_from_slice(stats.as_bytes());
    }
    out.push(b'}');
}

fn write_notes(name: &str, notes: Option<&[String]>, out: &mut Vec<u8>) {
    if let Some(notes) = notes {
        out.extend_from_slice(format!(",\"{name}\":[{}]", notes.join(",")).as_bytes());
    }
}

fn write_points(group: &Group, query: &Query, out: &mut Vec<u8>) {
    let [open, colon, close] = if query.arrays { ["[", ",", "]"] } else { ["{", ":", "}"] };
    out.extend_from_slice(format!(",\"dps\":{open}").as_bytes());
    for (index, (time, number)) in group.run.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        let time = if query.millis { *time } else { *time / 1000 };
        let value = match number {
            Number::Integer(integer) => integer.to_string(),
            Number::Float(float) if float.is_nan() && group.nulls => "null".into(),
            Number::Float(float) => double(*float),
        };
        let pair = if query.arrays {
            format!("[{time}{colon}{value}]")
        } else {
            format!("\"{time}\"{colon}{value}")
        };
        out.extend_from_slice(pair.as_bytes());
    }
    out.extend_from_slice(close.as_bytes());
}

/// The part of the query that a group answers, as OpenTSDB shows it: with what it made of it.
fn write_part(part: &Part, store: &Store, out: &mut Vec<u8>) {
    let mut fields = Fields::default();
    fields.text("aggregator", part.aggregator_name.as_deref());
    fields.text("metric", part.metric.as_deref());
    fields.list("tsuids", part.tsuids.as_ref());
    fields.text("downsample", part.downsample_text.as_deref());
    fields.plain("rate", part.rate);
    let filters: Vec<String> = part.filters.iter().map(shown_filter).collect();
    fields.plain("filters", format!("[{}]", filters.join(",")));
    let percentiles = part.percentiles.as_ref().map(|all| format!("{all:?}"));
    fields.plain("percentiles", percentiles.unwrap_or_else(|| "null".into()));
    fields.plain("index", part.index);
    let options = part.rate_options.map(|rate| {
        format!(
            "{{\"counter\":{},\"counterMax\":{},\"resetValue\":{},\"dropResets\":{}}}",
            rate.counter, rate.counter_max, rate.reset_value, rate.drop_resets
        )
    });
    fields.plain("rateOptions", options.unwrap_or_else(|| "null".into()));
    fields.list("filterTagKs", tag_numbers(part, &store.lock().table.names).as_ref());
    fields.plain("explicitTags", part.explicit_tags);
    fields.plain("useFuzzyFilter", true);
    fields.plain("preAggregate", part.pre_aggregate);
    fields.text("rollupUsage", None);
    fields.text("rollupTable", Some("raw"));
    fields.plain("showHistogramBuckets", part.show_histogram_buckets);
    fields.plain("useMultiGets", true);
    let grouping = part.filters.iter().filter(|filter| filter.group_by);
    let grouping: Vec<(String, String)> = grouping
        .map(|filter| (filter.tag.clone(), format!("{}({})", filter.kind, filter.text)))
        .collect();
    let tags = json::object(grouping.iter().map(|(tag, filter)| (tag.as_str(), filter.as_str())));
    fields.plain("tags", String::from_utf8_lossy(&tags));
    fields.plain("histogramQuery", part.wants_histograms());
    out.extend_from_slice(&fields.0);
    out.push(b'}');
}

/// The fields of an object, without its closing brace.
#[derive(Default)]
struct Fields(Vec<u8>);

impl Fields {
    fn plain(&mut self, name: &str, json: impl std::fmt::Display) {
        let before = if self.0.is_empty() { '{' } else { ',' };
        self.0
            .extend_from_slice(format!("{before}\"{name}\":{json}").as_bytes());
    }

    fn text(&mut self, name: &str, text: Option<&str>) {
        let mut json = b"null".to_vec();
        if let Some(text) = text {
            json.clear();
            write_string(text, &mut json);
        }
        self.plain(name, String::from_utf8_lossy(&json));
    }

    fn list(&mut self, name: &str, texts: Option<&Vec<String>>) {
        let json = texts.map(|texts| json::array(texts.iter().map(String::as_str)));
        self.plain(name, String::from_utf8_lossy(&json.unwrap_or_else(|| b"null".to_vec())));
    }
}

fn shown_filter(filter: &Filter) -> String {
    let mut fields = Fields::default();
    fields.text("tagk", Some(&filter.tag));
    fields.text("filter", Some(&filter.text));
    fields.plain("group_by", filter.group_by);
    fields.text("type", Some(filter.kind));
    String::from_utf8_lossy(&fields.0).into_owned() + "}"
}

/// The numbers of the tags that are filtered, sorted, each as base64: three bytes are four characters.
fn tag_numbers(part: &Part, names: &Names) -> Option<Vec<String>> {
    let filters = part.filters.iter();
    let mut numbers: Vec<u32> = filters
        .filter_map(|filter| names.number(Kind::TagName, &filter.tag))
        .collect();
    numbers.sort_unstable();
    numbers.dedup();
    (!numbers.is_empty()).then(|| numbers.into_iter().map(base64).collect())
}

fn base64(number: u32) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digit = |shift: u32| char::from(DIGITS[(number >> shift & 63) as usize]);
    [18, 12, 6, 0].map(digit).iter().collect()
}
