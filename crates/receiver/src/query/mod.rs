//! A query: what `/api/query` was asked, read from a URL or a body.
//!
//! ```text
//! GET  ?start=1h-ago&end=now&ms=true&m=sum:1m-avg:rate{counter}:web.requests{host=*,path=/login}{dc=not_literal_or(eu)}
//! POST {"start":..,"end":..,"queries":[{"metric":..,"aggregator":..,"downsample":..,"rate":..,"tags":{},"filters":[]}]}
//! ```
//!
//! Tags in the first braces group, those in the second only filter. `api.rs` calls this, `result.rs` answers. The errors
//! are OpenTSDB's messages; each becomes a 400.

pub(crate) mod aggregate;
pub(crate) mod api;
pub(crate) mod downsample;
pub(crate) mod filter;
pub(crate) mod java;
pub(crate) mod merge;
pub(crate) mod names;
pub(crate) mod paths;
pub(crate) mod result;
pub(crate) mod time;

use potsdb_front::Parameters;
use potsdb_wire::json::Json;

use crate::query::aggregate::Aggregator;
use crate::query::downsample::{Downsample, Rate};
use crate::query::filter::Filter;

/// Everything one request asks.
#[derive(Debug)]
pub(crate) struct Query {
    /// In milliseconds.
    pub(crate) start: i64,
    pub(crate) end: i64,
    /// Answer in milliseconds, not seconds.
    pub(crate) millis: bool,
    /// Points as pairs, not as an object.
    pub(crate) arrays: bool,
    pub(crate) parts: Vec<Part>,
}

/// One metric of a query.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) metric: String,
    pub(crate) aggregator: Aggregator,
    pub(crate) downsample: Option<Downsample>,
    pub(crate) rate: Option<Rate>,
    pub(crate) filters: Vec<Filter>,
    /// Series must have exactly the filtered tags.
    pub(crate) explicit_tags: bool,
}

impl Query {
    /// Reads the parameters of a GET query.
    pub(crate) fn from_parameters(parameters: &Parameters, now: i64) -> Result<Query, String> {
        let start = parameters
            .value("start")
            .ok_or("Missing parameter <code>start</code>")?;
        let end = parameters.value("end");
        let query = Query {
            start: time::millis(start, now)?,
            end: end.map_or(Ok(now), |end| time::millis(end, now))?,
            millis: parameters.flag("ms"),
            arrays: parameters.flag("arrays"),
            parts: parameters.all("m").map(Part::from_text).collect::<Result<_, _>>()?,
        };
        query.checked()
    }

    /// Reads a POST body; `arrays` is the one option that stays in the URL.
    pub(crate) fn from_json(body: &Json<'_>, arrays: bool, now: i64) -> Result<Query, String> {
        let at = |name| match body.field(name) {
            None | Some(Json::Null) => Ok(None),
            Some(Json::Number(text)) => time::millis(text, now).map(Some),
            Some(Json::String(text)) => time::millis(text, now).map(Some),
            Some(_) => Err(format!("Invalid {name} time")),
        };
        let parts = body.field("queries").and_then(Json::as_array).unwrap_or_default();
        let query = Query {
            start: at("start")?.ok_or("Missing start time")?,
            end: at("end")?.unwrap_or(now),
            millis: flag(body, "msResolution"),
            arrays,
            parts: parts.iter().map(Part::from_json).collect::<Result<_, _>>()?,
        };
        query.checked()
    }

    fn checked(self) -> Result<Query, String> {
        if self.parts.is_empty() {
            return Err("Missing queries".into());
        }
        if self.end <= self.start {
            return Err(format!(
                "End time [{}] must be greater than the start time [{}]",
                self.end, self.start
            ));
        }
        Ok(self)
    }
}

impl Part {
    /// Reads `aggregator:[downsample:][rate[{...}]:][explicit_tags:]metric[{tags}[{filters}]]`.
    fn from_text(text: &str) -> Result<Part, String> {
        let words = outside_braces(text, ':');
        let [aggregator, options @ .., metric] = words.as_slice() else {
            return Err(format!("Invalid parameter m={text} (not enough :-separated parts)"));
        };
        let mut part = Part {
            metric: String::new(),
            aggregator: aggregator_named(aggregator)?,
            downsample: None,
            rate: None,
            filters: Vec::new(),
            explicit_tags: false,
        };
        for option in options {
            if let Some(rate) = option.strip_prefix("rate") {
                part.rate = Some(Rate::from_text(rate)?);
            } else if *option == "explicit_tags" {
                part.explicit_tags = true;
            } else {
                part.downsample = Some(Downsample::parse(option)?);
            }
        }
        let (name, braces) = metric.split_at(metric.find('{').unwrap_or(metric.len()));
        part.metric = name.to_owned();
        let groups = groups(braces).ok_or_else(|| format!("Missing '}}' at the end of: {metric}"))?;
        for (index, inside) in groups.into_iter().enumerate() {
            for tag in outside_braces(inside, ',').into_iter().filter(|tag| !tag.is_empty()) {
                let invalid = || format!("When parsing tag '{tag}': invalid tag: {tag}");
                let (name, value) = tag.split_once('=').ok_or_else(invalid)?;
                part.filters.push(Filter::from_tag(name, value, index == 0)?);
            }
        }
        part.checked()
    }

    fn from_json(body: &Json<'_>) -> Result<Part, String> {
        let text = |name| body.field(name).and_then(Json::as_str).filter(|text| !text.is_empty());
        let downsample = text("downsample").map(Downsample::parse).transpose()?;
        let mut filters = Vec::new();
        for (name, value) in body.field("tags").and_then(Json::as_object).unwrap_or_default() {
            filters.push(Filter::from_tag(name, value.as_str().unwrap_or_default(), true)?);
        }
        for filter in body.field("filters").and_then(Json::as_array).unwrap_or_default() {
            let text = |name| filter.field(name).and_then(Json::as_str).unwrap_or_default();
            filters.push(Filter::new(
                text("type"),
                text("tagk"),
                text("filter"),
                flag(filter, "groupBy"),
            )?);
        }
        let part = Part {
            metric: text("metric").unwrap_or_default().to_owned(),
            aggregator: aggregator_named(text("aggregator").ok_or("Missing the aggregation function")?)?,
            downsample,
            rate: flag(body, "rate").then(|| Rate::from_json(body.field("rateOptions"))),
            filters,
            explicit_tags: flag(body, "explicitTags"),
        };
        part.checked()
    }

    fn checked(self) -> Result<Part, String> {
        if self.metric.is_empty() {
            Err("Missing the metric or tsuids, provide at least one".into())
        } else {
            Ok(self)
        }
    }
}

impl Rate {
    /// What follows `rate`: nothing, or `{counter,max,reset}` with any of the numbers left out.
    fn from_text(text: &str) -> Result<Rate, String> {
        let mut rate = Rate::default();
        if text.is_empty() {
            return Ok(rate);
        }
        let invalid = || format!("Invalid rate options: rate{text}");
        let inside = text
            .strip_prefix('{')
            .and_then(|text| text.strip_suffix('}'))
            .ok_or_else(invalid)?;
        let mut words = inside.split(',');
        let kind = words.next().unwrap_or_default();
        rate.drop_resets = kind == "dropcounter";
        rate.counter = rate.drop_resets || kind == "counter";
        for number in [&mut rate.counter_max, &mut rate.reset_value] {
            if let Some(word) = words.next().filter(|word| !word.is_empty()) {
                *number = word.parse().map_err(|_| invalid())?;
            }
        }
        Ok(rate)
    }

    fn from_json(options: Option<&Json<'_>>) -> Rate {
        let standard = Rate::default();
        let Some(options) = options else {
            return standard;
        };
        let number = |name| {
            options
                .field(name)
                .and_then(Json::as_number)
                .and_then(|text| text.parse().ok())
        };
        Rate {
            counter: flag(options, "counter"),
            counter_max: number("counterMax").unwrap_or(standard.counter_max),
            reset_value: number("resetValue").unwrap_or(standard.reset_value),
            drop_resets: flag(options, "dropResets"),
        }
    }
}

fn aggregator_named(name: &str) -> Result<Aggregator, String> {
    Aggregator::named(name).ok_or_else(|| format!("No such aggregation function: {name}"))
}

fn flag(object: &Json<'_>, name: &str) -> bool {
    object.field(name).and_then(Json::as_bool).unwrap_or(false)
}

/// Splits at a separator, but not inside braces or parentheses.
fn outside_braces(text: &str, separator: char) -> Vec<&str> {
    let mut depth = 0;
    text.split(|c: char| {
        match c {
            '{' | '(' => depth += 1,
            '}' | ')' => depth -= 1,
            _ => {}
        }
        c == separator && depth == 0
    })
    .collect()
}

/// The insides of `{a}{b}`; `None` when a brace is missing.
fn groups(text: &str) -> Option<Vec<&str>> {
    let mut rest = text;
    let mut groups = Vec::new();
    while !rest.is_empty() {
        let (inside, after) = rest.strip_prefix('{')?.split_once('}')?;
        groups.push(inside);
        rest = after;
    }
    Some(groups)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(m: &str) -> Result<Part, String> {
        let parameters = Parameters::parse(&format!("start=1&m={m}"));
        Query::from_parameters(&parameters, 10_000).map(|mut query| query.parts.remove(0))
    }

    #[test]
    fn every_part_of_an_m_parameter_is_read() {
        let part = read("sum:1m-avg-zero:rate{counter,1000,5}:explicit_tags:web.req{host=*,dc=eu|us}{x=regexp(^a,b)}");
        let part = part.expect("a query");
        assert_eq!(
            (part.metric.as_str(), part.aggregator, part.explicit_tags),
            ("web.req", Aggregator::Sum, true)
        );
        assert_eq!(part.downsample, Downsample::parse("1m-avg-zero").ok());
        assert_eq!(
            part.rate,
            Some(Rate {
                counter: true,
                counter_max: 1000.0,
                reset_value: 5.0,
                drop_resets: false
            })
        );
        let tags: Vec<_> = part
            .filters
            .iter()
            .map(|filter| (filter.tag.as_str(), filter.group_by))
            .collect();
        assert_eq!(tags, [("host", true), ("dc", true), ("x", false)]);
    }

    #[test]
    fn what_is_missing_is_said() {
        let cases = [
            ("m", "Invalid parameter m=m (not enough :-separated parts)"),
            ("median:m", "No such aggregation function: median"),
            ("sum:", "Missing the metric or tsuids, provide at least one"),
            ("sum:m{host=a", "Missing '}' at the end of: m{host=a"),
            ("sum:m{host}", "When parsing tag 'host': invalid tag: host"),
            ("sum:rate{counter,x}:m", "Invalid rate options: rate{counter,x}"),
        ];
        for (m, message) in cases {
            assert_eq!(read(m).err().as_deref(), Some(message), "{m}");
        }
        assert_eq!(
            Query::from_parameters(&Parameters::default(), 0).err().as_deref(),
            Some("Missing parameter <code>start</code>")
        );
    }
}
