//! `/api/search/lookup`: which series a metric has, or a tag. Grafana takes the names and values of tags from it.
//!
//! ```text
//! GET  ?m=sys.cpu{host=*,dc=lga}&limit=25        POST {"metric":"sys.cpu","tags":[{"key":"host","value":"*"}],"limit":25}
//! ```
//!
//! A name or a value of `*` is any. Answered as by an OpenTSDB that tracks its series
//! (`tsd.core.meta.enable_tsuid_tracking`); one that does not answers with none. Called by `api.rs`.

use std::sync::Arc;

use potsdb_front::Parameters;
use potsdb_wire::json::{Json, write_string};

use crate::answers::Complaint;
use crate::fields::{self, Read};
use crate::json;
use crate::point::put::Tags;
use crate::query::metric;
use crate::query::url::required;
use crate::store::Store;
use crate::store::names::{Kind, Names, Tsuid};
use crate::store::series::SeriesName;

/// What is looked for.
#[derive(Debug)]
pub(super) struct Lookup {
    /// Not looked at, but shown.
    query: Option<String>,
    metric: Option<String>,
    /// None where they were not given at all, which the answer shows.
    tags: Option<Vec<Tag>>,
    limit: i32,
    start_index: i32,
}

type Tag = (Option<String>, Option<String>);

impl Default for Lookup {
    fn default() -> Lookup {
        Lookup {
            query: None,
            metric: Some("*".into()),
            tags: None,
            limit: 25,
            start_index: 0,
        }
    }
}

impl Lookup {
    pub(super) fn from_parameters(parameters: &Parameters) -> Result<Lookup, Complaint> {
        let unreadable = |error: String| Complaint::bad("Unable to parse query").with(error);
        let asked = required(parameters, "m")?;
        let (metric, tags) = metric::with_tags(asked).map_err(unreadable)?;
        let metric = metric.split('{').next().unwrap_or_default();
        if metric.is_empty() && tags.is_empty() {
            return Err(unreadable(format!("Missing metric and tags: {asked}")));
        }
        let limit = parameters.value("limit").map_or(Ok(25), str::parse);
        let tags = tags.into_iter();
        Ok(Lookup {
            query: None,
            metric: (!metric.is_empty()).then(|| metric.to_owned()),
            tags: Some(
                tags.map(|(name, value)| (Some(name.into()), Some(value.into())))
                    .collect(),
            ),
            limit: limit.map_err(|_| Complaint::bad("Unable to convert 'limit' to a valid number"))?,
            start_index: 0,
        })
    }

    pub(super) fn from_json(body: &Json<'_>) -> Result<Lookup, Complaint> {
        // This one does not say that it could not parse it.
        Lookup::read(body).map_err(fields::Mismatch::bare)
    }

    fn read(body: &Json<'_>) -> Read<Lookup> {
        let mut lookup = Lookup::default();
        if let Json::String(metric) = body {
            lookup.metric = Some(metric.to_string());
            return Ok(lookup);
        }
        for (name, json) in fields::object(body, "net.opentsdb.search.SearchQuery")? {
            match name.as_ref() {
                "type" => check_type(json)?,
                "query" => lookup.query = fields::text(json)?,
                "metric" => lookup.metric = fields::text(json)?,
                "tags" => lookup.tags = fields::list(json, tag)?,
                "limit" => lookup.limit = fields::int(json)?,
                "startIndex" => lookup.start_index = fields::int(json)?,
                "totalResults" => drop(fields::int(json)?),
                "results" => drop(fields::list(json, |_| Ok(()))?),
                "useMeta" => drop(fields::flag(json)?),
                _ => {}
            }
        }
        Ok(lookup)
    }

    /// The series there are, sorted by their numbers, as many as the limit says; all if it is no limit.
    pub(super) fn answer(&self, store: &Store) -> Result<Vec<u8>, Complaint> {
        let no_tags = self.tags.as_ref().is_none_or(Vec::is_empty);
        if self.metric.is_none() && no_tags {
            return Err(Complaint::bad(
                "Missing metric and tags. Please supply at least one value.",
            ));
        }
        let any = |text: &Option<String>| text.as_deref().is_none_or(is_any);
        if self.tags.iter().flatten().any(|(name, value)| any(name) && any(value)) {
            return Err(Complaint::internal("Unexpected exception").with("a tag has neither a name nor a value"));
        }
        let store = store.lock();
        let names = &store.table.names;
        self.known(names)
            .map_err(|error| Complaint::new(404, "Unable to resolve one or more UIDs").with(error))?;
        let with_points = store.table.series().filter(|series| !series.cells.is_empty());
        let mut found: Vec<(Tsuid, Arc<SeriesName>)> = with_points
            .filter(|series| self.matches(&series.name))
            .map(|series| (series.tsuid.clone(), Arc::clone(&series.name)))
            .collect();
        drop(store);
        found.sort_by(|(a, _), (b, _)| a.cmp(b));
        if let Ok(limit @ 1..) = usize::try_from(self.limit) {
            found.truncate(limit);
        }
        Ok(self.written(&found))
    }

    fn known(&self, names: &Names) -> Result<(), String> {
        let metric = self.metric.iter().map(|name| (Kind::Metric, name));
        let tags = self.tags.iter().flatten().flat_map(|(name, value)| {
            let names = name.iter().map(|name| (Kind::TagName, name));
            names.chain(value.iter().map(|value| (Kind::TagValue, value)))
        });
        let mut asked = metric.chain(tags).filter(|(_, name)| !is_any(name));
        match asked.find(|(kind, name)| names.number(*kind, name).is_none()) {
            Some((kind, name)) => Err(format!("No such name for '{}': '{name}'", kind.name())),
            None => Ok(()),
        }
    }

    fn matches(&self, series: &SeriesName) -> bool {
        let is =
            |wanted: &Option<String>, name: &str| wanted.as_ref().is_none_or(|wanted| is_any(wanted) || wanted == name);
        let has = |(name, value): &Tag| series.tags.iter().any(|(tag, own)| is(name, tag) && is(value, own));
        is(&self.metric, &series.metric) && self.tags.iter().flatten().all(has)
    }

    fn written(&self, found: &[(Tsuid, Arc<SeriesName>)]) -> Vec<u8> {
        let mut out = b"{\"type\":\"LOOKUP\"".to_vec();
        for (field, text) in [("query", &self.query), ("metric", &self.metric)] {
            if let Some(text) = text {
                out.extend_from_slice(format!(",\"{field}\":").as_bytes());
                write_string(text, &mut out);
            }
        }
        if let Some(tags) = &self.tags {
            let tags: Vec<String> = tags.iter().map(shown_tag).collect();
            out.extend_from_slice(format!(",\"tags\":[{}]", tags.join(",")).as_bytes());
        }
        out.extend_from_slice(format!(",\"limit\":{},\"time\":0.0,\"results\":[", self.limit).as_bytes());
        for (index, (tsuid, name)) in found.iter().enumerate() {
            let comma = if index > 0 { "," } else { "" };
            out.extend_from_slice(format!("{comma}{{\"tsuid\":\"{}\",\"metric\":", tsuid.text()).as_bytes());
            write_string(&name.metric, &mut out);
            out.extend_from_slice(b",\"tags\":");
            let tags = name.tags.iter().map(|(tag, value)| (tag.as_str(), value.as_str()));
            out.extend_from_slice(&json::object(Tags(tags.collect()).java_order().into_iter()));
            out.push(b'}');
        }
        let end = format!(
            "],\"startIndex\":{},\"totalResults\":{}}}",
            self.start_index,
            found.len()
        );
        out.extend_from_slice(end.as_bytes());
        out
    }
}

/// Nothing is anything, too.
fn is_any(name: &str) -> bool {
    name == "*" || name.is_empty()
}

/// The path says what is looked for; a body that says something else must mean something.
fn check_type(json: &Json<'_>) -> Read<()> {
    let class = "net.opentsdb.search.SearchQuery$SearchType";
    let is_place = |digits: &str| digits.parse().is_ok_and(|place: usize| place < TYPES.len());
    match json {
        Json::Null => Ok(()),
        Json::String(text) if TYPES.contains(&text.as_ref()) || is_place(text) => Ok(()),
        Json::Number(digits) if is_place(digits) => Ok(()),
        Json::String(text) => Err(fields::Mismatch(format!(
            "com.fasterxml.jackson.databind.exc.InvalidFormatException: Cannot deserialize value of type `{class}` from String \
             \"{text}\": value not one of declared Enum instance names: [{}]",
            TYPES.join(", ")
        ))),
        _ => Err(fields::mismatch(class, json)),
    }
}

const TYPES: [&str; 6] = ["TSUIDS", "TSMETA", "UIDMETA", "LOOKUP", "TSMETA_SUMMARY", "ANNOTATION"];

fn tag(json: &Json<'_>) -> Read<Tag> {
    let mut tag = (None, None);
    let class = "net.opentsdb.utils.Pair";
    for (name, json) in fields::object(json, class)? {
        match name.as_ref() {
            "key" => tag.0 = fields::text(json)?,
            "value" => tag.1 = fields::text(json)?,
            other => fields::unrecognized(class, other)?,
        }
    }
    Ok(tag)
}

fn shown_tag((name, value): &Tag) -> String {
    let shown = |text: &Option<String>| {
        let mut json = Vec::new();
        match text {
            Some(text) => write_string(text, &mut json),
            None => json.extend_from_slice(b"null"),
        }
        String::from_utf8_lossy(&json).into_owned()
    };
    format!("{{\"key\":{},\"value\":{}}}", shown(name), shown(value))
}
