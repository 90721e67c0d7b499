//! A query in OpenTSDB's own notation: what its complaints show of it in `details`.

use std::fmt::Write as _;

use crate::query::downsample::Downsample;
use crate::query::filter::Filter;
use crate::query::{Part, Query};

/// `TSQuery(start_time=..., subQueries[...] ...)`.
pub(super) fn query(query: &Query) -> String {
    let parts: Vec<String> = query.parts.iter().map(part).collect();
    format!(
        "TSQuery(start_time={}, end_time={}, subQueries[{}] padding={}, no_annotations={}, with_global_annotations={}, \
         show_tsuids={}, ms_resolution={}, options=[])",
        or_null(query.start_text.as_deref()),
        or_null(query.end_text.as_deref()),
        parts.join(", "),
        query.padding,
        query.no_annotations,
        query.global_annotations,
        query.show_tsuids,
        query.millis,
    )
}

fn part(part: &Part) -> String {
    let mut text = format!(
        "TSSubQuery(metric={}, filters=[",
        part.metric.as_deref().unwrap_or_default()
    );
    text.push_str(&part.filters.iter().map(filter).collect::<Vec<_>>().join(", "));
    let rate_options = part.rate_options.map_or_else(
        || "null".to_owned(),
        |rate| format!("{{{},{},{}}}", rate.counter, rate.counter_max, rate.reset_value),
    );
    let interval = part.downsample.as_ref().and_then(Downsample::interval);
    let _ = write!(
        text,
        "], tsuids=[{}], agg={}, downsample={}, ds_interval={}, rate={}, rate_options={rate_options}, \
         explicit_tags=explicit_tags, index={}, percentiles={}, show_histogram_buckets={})",
        part.tsuids.clone().unwrap_or_default().join(", "),
        or_null(part.aggregator_name.as_deref()),
        or_null(part.downsample_text.as_deref()),
        interval.unwrap_or(0),
        part.rate,
        part.index,
        part.percentiles
            .as_ref()
            .map_or_else(|| "null".to_owned(), |all| format!("{all:?}")),
        part.show_histogram_buckets,
    );
    text
}

fn filter(filter: &Filter) -> String {
    format!(
        "filter_name={}, tagk={}, group_by={}, config={}",
        filter.kind, filter.tag, filter.group_by, filter.text
    )
}

fn or_null(text: Option<&str>) -> &str {
    text.unwrap_or("null")
}
