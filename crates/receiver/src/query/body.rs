//! A query in a body: OpenTSDB's `TSQuery` and what is in it, its fields set one by one in the order in which they
//! come.
//!
//! So `tags` and `filters`, which mean the same, replace each other: the later one counts, even when it is empty.
//! Called by `api.rs`; what is written down here is checked by `mod.rs`.

use potsdb_wire::json::Json;

use crate::answers::Complaint;
use crate::fields::{self, Mismatch, Read};
use crate::query::downsample::Rate;
use crate::query::filter::Filter;
use crate::query::{Part, Query, metric};

impl Query {
    /// Reads a POST body; `arrays` is the one option that stays in the URL.
    pub(crate) fn from_json(body: &Json<'_>, arrays: bool, now: i64) -> Result<Query, Complaint> {
        if *body == Json::Null {
            return Err(Complaint::null_pointer());
        }
        let mut query = Query {
            arrays,
            ..Query::default()
        };
        let mut parts = None;
        for (name, json) in fields::object(body, "net.opentsdb.core.TSQuery")? {
            match name.as_ref() {
                "start" => query.start_text = fields::text(json)?,
                "end" => query.end_text = fields::text(json)?,
                "timezone" => query.zone = fields::text(json)?,
                "useCalendar" => query.calendar = fields::flag(json)?,
                "padding" => query.padding = fields::flag(json)?,
                "delete" => query.delete = fields::flag(json)?,
                "noAnnotations" => query.no_annotations = fields::flag(json)?,
                "globalAnnotations" => query.global_annotations = fields::flag(json)?,
                "showTSUIDs" => query.show_tsuids = fields::flag(json)?,
                "showQuery" => query.show_query = fields::flag(json)?,
                "showSummary" => query.show_summary = fields::flag(json)?,
                "showStats" => query.show_stats = fields::flag(json)?,
                "msResolution" => query.millis = fields::flag(json)?,
                "options" => options(json)?,
                "queries" => parts = fields::list(json, part)?,
                _ => {}
            }
        }
        let parts = parts.ok_or_else(Complaint::null_pointer)?;
        if query.delete {
            // The real server deletes what it finds, whatever tsd.http.query.allow_delete says.
            return Err(Complaint::left_out("the field 'delete' of a query"));
        }
        query.has_null = parts.iter().any(Option::is_none);
        query.parts = parts.into_iter().flatten().collect();
        query.check(now)?;
        Ok(query)
    }
}

/// Read for its type alone.
fn options(json: &Json<'_>) -> Read<()> {
    if *json == Json::Null {
        return Ok(());
    }
    for (_, values) in fields::object(json, "java.util.HashMap")? {
        fields::list(values, fields::text)?;
    }
    Ok(())
}

fn part(json: &Json<'_>) -> Read<Option<Part>> {
    if *json == Json::Null {
        return Ok(None);
    }
    let mut part = Part::default();
    let mut has_filters = false;
    for (name, json) in fields::object(json, "net.opentsdb.core.TSSubQuery")? {
        match name.as_ref() {
            "aggregator" => part.aggregator_name = fields::text(json)?,
            "metric" => part.metric = fields::text(json)?,
            "tsuids" => {
                let tsuids = fields::list(json, fields::text)?;
                part.tsuids = tsuids.map(|tsuids| tsuids.into_iter().flatten().collect());
            }
            "downsample" => part.downsample_text = fields::text(json)?,
            "rate" => part.rate = fields::flag(json)?,
            "rateOptions" => part.rate_options = rate(json)?,
            "explicitTags" => part.explicit_tags = fields::flag(json)?,
            "preAggregate" => part.pre_aggregate = fields::flag(json)?,
            "useFuzzyFilter" | "useMultiGets" => drop(fields::flag(json)?),
            "index" => drop(fields::int(json)?),
            "showHistogramBuckets" => part.show_histogram_buckets = fields::flag(json)?,
            "percentiles" => part.percentiles = fields::list(json, percentile)?,
            "tags" => {
                let tags = fields::map(json)?;
                if tags.is_none() && !has_filters {
                    return Err(of_field(
                        "Cannot invoke \"java.util.Map.size()\" because \"tags\" is null",
                    ));
                }
                part.filters = grouping(tags.unwrap_or_default())?;
                has_filters = true;
            }
            "filters" => {
                let filters = fields::list(json, filter)?;
                has_filters = filters.is_some();
                part.filters = filters.unwrap_or_default();
            }
            _ => {}
        }
    }
    Ok(Some(part))
}

fn of_field(words: &str) -> Mismatch {
    Mismatch(format!("com.fasterxml.jackson.databind.JsonMappingException: {words}"))
}

fn grouping(tags: Vec<(String, Option<String>)>) -> Read<Vec<Filter>> {
    let mut filters = Vec::new();
    for (tag, value) in tags {
        let filter = Filter::from_tag(&tag, value.as_deref().unwrap_or_default(), true);
        metric::group(&mut filters, filter.map_err(|error| of_field(&error))?);
    }
    Ok(filters)
}

fn filter(json: &Json<'_>) -> Read<Filter> {
    let class = "net.opentsdb.query.filter.TagVFilter$Builder";
    let (mut kind, mut tag, mut text, mut group_by) = (None, None, None, false);
    for (name, json) in fields::object(json, class)? {
        match name.as_ref() {
            "type" => kind = fields::text(json)?,
            "tagk" => tag = fields::text(json)?,
            "filter" => text = fields::text(json)?,
            "groupBy" | "group_by" => group_by = fields::flag(json)?,
            _ => {}
        }
    }
    let [kind, tag, text] = [kind, tag, text].map(Option::unwrap_or_default);
    Filter::new(&kind, &tag, &text, group_by).map_err(|error| {
        Mismatch(format!(
            "com.fasterxml.jackson.databind.exc.InvalidDefinitionException: Cannot construct instance of `{class}`, problem: \
             {error}"
        ))
    })
}

fn rate(json: &Json<'_>) -> Read<Option<Rate>> {
    if *json == Json::Null {
        return Ok(None);
    }
    let class = "net.opentsdb.core.RateOptions";
    let mut rate = Rate::default();
    for (name, json) in fields::object(json, class)? {
        match name.as_ref() {
            "counter" => rate.counter = fields::flag(json)?,
            "counterMax" => rate.counter_max = fields::whole(json)?,
            "resetValue" => rate.reset_value = fields::whole(json)?,
            "dropResets" => rate.drop_resets = fields::flag(json)?,
            // Of all that a query is made of, this alone takes no other fields.
            other => return fields::unrecognized(class, other),
        }
    }
    Ok(Some(rate))
}

fn percentile(json: &Json<'_>) -> Read<f32> {
    let text = fields::text(json)?.unwrap_or_default();
    text.parse().map_err(|_| fields::mismatch("java.lang.Float", json))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(part: &str) -> Result<Query, Complaint> {
        let text = format!(r#"{{"start":1,"end":"2","queries":[{{"aggregator":"sum","metric":"m",{part}}}]}}"#);
        let body = fields::body(text.as_bytes(), Complaint::from)?;
        Query::from_json(&body, false, 10_000)
    }

    fn filters(part: &str) -> Vec<String> {
        let query = read(part).expect(part);
        let filters = query.parts[0].filters.iter();
        filters
            .map(|filter| format!("{}={}", filter.tag, filter.text))
            .collect()
    }

    #[test]
    fn tags_and_filters_replace_each_other() {
        let (tags, filter) = (
            r#""tags":{"h":"a"}"#,
            r#""filters":[{"type":"literal_or","tagk":"h","filter":"b"}]"#,
        );
        assert_eq!(filters(&format!("{tags},{filter}")), ["h=b"]);
        assert_eq!(filters(&format!("{filter},{tags}")), ["h=a"]);
        assert_eq!(filters(&format!(r#"{filter},"tags":{{}}"#)), [""; 0]);
        assert_eq!(filters(&format!(r#"{tags},"filters":null"#)), [""; 0]);
        assert_eq!(filters(&format!(r#"{filter},"tags":null"#)), [""; 0]);
    }

    #[test]
    fn a_field_of_a_wrong_type_fails_the_body() {
        for part in [
            r#""tags":[]"#,
            r#""tags":null"#,
            r#""filters":{}"#,
            r#""filters":[{"type":"none","tagk":"h","filter":"b"}]"#,
            r#""rate":[]"#,
            r#""rate":"yes""#,
            r#""rateOptions":5"#,
            r#""rateOptions":{"more":1}"#,
            r#""downsample":{}"#,
        ] {
            let complaint = read(part).expect_err(part);
            assert_eq!(complaint.message, "Unable to parse the given JSON", "{part}");
        }
    }

    #[test]
    fn scalars_of_another_type_are_converted() {
        let options = r#""rateOptions":{"counter":"true","counterMax":"100","resetValue":null}"#;
        let query = read(&format!(r#""rate":1,{options},"explicitTags":"true""#)).expect("a query");
        let part = &query.parts[0];
        assert!(part.rate && part.explicit_tags && query.end == 2000);
        let rate = part.rate_options.expect("options");
        assert_eq!((rate.counter, rate.counter_max, rate.reset_value), (true, 100, 0));
    }
}
