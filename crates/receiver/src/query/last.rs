//! `/api/query/last`: the last point of a series.
//!
//! ```text
//! GET  ?timeseries=sys.cpu{host=web01}&tsuids=...&resolve&back_scan=24
//! POST {"queries":[{"metric":"sys.cpu","tags":{"host":"web01"}},{"tsuids":[..]}],"resolveNames":true,"backScan":24}
//! ```
//!
//! With `backScan` a series is named whole, and a point may be so many hours old. Without it every series that has the
//! tags is meant, and OpenTSDB looks where a point was written last, in this hour or the one before; this looks there,
//! too. Called by `api.rs`; the clock is an argument.

use std::collections::HashSet;

use potsdb_front::Parameters;
use potsdb_wire::json::{Json, write_string};

use crate::answers::Complaint;
use crate::fields::{self, Read};
use crate::json;
use crate::point::number::{self, Number};
use crate::query::{metric, tsuid};
use crate::store::Store;
use crate::store::names::{Kind, Names, Tsuid};
use crate::store::series::Series;

/// What is asked.
#[derive(Debug, Default)]
pub(super) struct Last {
    resolve: bool,
    back_scan: i32,
    parts: Vec<Part>,
}

#[derive(Debug)]
enum Part {
    Tsuids(Vec<String>),
    Named(String, Vec<(String, String)>),
}

impl Last {
    pub(super) fn from_parameters(parameters: &Parameters) -> Result<Last, Complaint> {
        let back_scan = parameters.value("back_scan").map_or(Ok(0), str::parse);
        let mut last = Last {
            resolve: parameters.given("resolve"),
            back_scan: back_scan.map_err(|_| Complaint::bad("Unable to parse back_scan parameter"))?,
            parts: Vec::new(),
        };
        for text in parameters.all("timeseries") {
            let (metric, tags) = metric::with_tags(text).map_err(Complaint::internal)?;
            let metric = metric.split('{').next().unwrap_or_default();
            let tags = tags.into_iter().map(|(name, value)| (name.into(), value.into()));
            last.parts.push(Part::Named(metric.into(), tags.collect()));
        }
        for text in parameters.all("tsuids") {
            last.parts
                .push(Part::Tsuids(text.split(',').map(str::to_owned).collect()));
        }
        Ok(last)
    }

    pub(super) fn from_json(body: &Json<'_>) -> Result<Last, Complaint> {
        let mut last = Last::default();
        let class = "net.opentsdb.tsd.QueryRpc$LastPointQuery";
        for (name, json) in fields::object(body, class)? {
            match name.as_ref() {
                "resolveNames" => last.resolve = fields::flag(json)?,
                "backScan" => last.back_scan = fields::int(json)?,
                "queries" => last.parts = fields::list(json, part)?.unwrap_or_default(),
                other => fields::unrecognized(class, other)?,
            }
        }
        Ok(last)
    }

    pub(super) fn answer(&self, store: &Store, now: i64) -> Result<Vec<u8>, Complaint> {
        if self.parts.is_empty() {
            return Err(Complaint::bad("Missing sub queries"));
        }
        let store = store.lock();
        let names = &store.table.names;
        let mut found = Vec::new();
        for part in &self.parts {
            let wanted = self.wanted(part, names).map_err(Complaint::bad_twice)?;
            let series = store.table.series();
            let mut of_part: Vec<&Series> = series.filter(|series| wanted.takes(&series.tsuid)).collect();
            of_part.sort_by(|a, b| a.tsuid.cmp(&b.tsuid));
            found.extend(of_part);
        }
        let points = found.into_iter().filter_map(|series| self.point(series, now));
        Ok(format!("[{}]", points.collect::<Vec<_>>().join(",")).into_bytes())
    }

    fn wanted(&self, part: &Part, names: &Names) -> Result<Wanted, String> {
        let (metric, tags) = match part {
            Part::Tsuids(texts) => {
                let all: Result<_, _> = texts.iter().map(|text| tsuid::read(text)).collect();
                return Ok(Wanted::These(all?));
            }
            Part::Named(metric, tags) => (metric, tags),
        };
        if metric.is_empty() {
            return Err("Metric cannot be null or empty".into());
        }
        if self.back_scan > 0 && tags.is_empty() {
            return Err("Tags cannot be null or empty when getting a TSUID".into());
        }
        let number = |kind: Kind, name: &str| {
            let unknown = || format!("No such name for '{}': '{name}'", kind.name());
            names.number(kind, name).ok_or_else(unknown)
        };
        let metric = number(Kind::Metric, metric)?;
        let tags = tags.iter();
        let tags = tags.map(|(name, value)| Ok((number(Kind::TagName, name)?, number(Kind::TagValue, value)?)));
        let mut tags: Box<[(u32, u32)]> = tags.collect::<Result<_, String>>()?;
        tags.sort_unstable();
        let tsuid = Tsuid { metric, tags };
        Ok(match self.back_scan > 0 {
            true => Wanted::These(HashSet::from([tsuid])),
            false => Wanted::With(tsuid),
        })
    }

    /// A series' last point, unless it is too old, as JSON.
    fn point(&self, series: &Series, now: i64) -> Option<String> {
        const HOUR: i64 = 3_600_000;
        let hours = i64::from(self.back_scan.max(1));
        let since = now - now.rem_euclid(HOUR) - hours * HOUR;
        let cell = series.cells.iter().max_by_key(|cell| number::millis(cell.timestamp))?;
        let at = number::millis(cell.timestamp);
        if at < since || at > now + HOUR {
            return None;
        }
        let mut out = b"{".to_vec();
        if self.resolve {
            out.extend_from_slice(b"\"metric\":");
            write_string(&series.name.metric, &mut out);
            out.push(b',');
        }
        out.extend_from_slice(format!("\"timestamp\":{at},\"value\":").as_bytes());
        write_string(&shown(&cell.value.to_text()), &mut out);
        if self.resolve {
            let tags = series.name.tags.iter();
            out.extend_from_slice(b",\"tags\":");
            out.extend_from_slice(&json::object(tags.map(|(tag, value)| (tag.as_str(), value.as_str()))));
        }
        out.extend_from_slice(format!(",\"tsuid\":\"{}\"}}", series.tsuid.text()).as_bytes());
        Some(String::from_utf8_lossy(&out).into_owned())
    }
}

/// Which series a part means.
enum Wanted {
    These(HashSet<Tsuid>),
    /// All that have these tags, and perhaps others.
    With(Tsuid),
}

impl Wanted {
    fn takes(&self, tsuid: &Tsuid) -> bool {
        match self {
            Wanted::These(these) => these.contains(tsuid),
            Wanted::With(with) => with.metric == tsuid.metric && with.tags.iter().all(|tag| tsuid.tags.contains(tag)),
        }
    }
}

/// A value's text as Java prints the number.
fn shown(text: &str) -> String {
    match Number::parse(text) {
        Ok(Number::Integer(integer)) => integer.to_string(),
        Ok(Number::Float(float)) => crate::query::java::double(float),
        Err(_) => text.to_owned(),
    }
}

fn part(json: &Json<'_>) -> Read<Part> {
    let (mut metric, mut tags, mut tsuids) = (None, None, None);
    let class = "net.opentsdb.tsd.QueryRpc$LastPointSubQuery";
    for (name, json) in fields::object(json, class)? {
        match name.as_ref() {
            "metric" => metric = fields::text(json)?,
            "tags" => tags = fields::map(json)?,
            "tsuids" => tsuids = fields::list(json, fields::text)?,
            other => return fields::unrecognized(class, other),
        }
    }
    let tsuids: Vec<String> = tsuids.into_iter().flatten().flatten().collect();
    if !tsuids.is_empty() {
        return Ok(Part::Tsuids(tsuids));
    }
    let tags = tags.unwrap_or_default().into_iter();
    Ok(Part::Named(
        metric.unwrap_or_default(),
        tags.map(|(name, value)| (name, value.unwrap_or_default())).collect(),
    ))
}
