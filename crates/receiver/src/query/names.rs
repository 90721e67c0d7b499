//! The names a store knows: `/api/suggest` and `/api/search/lookup`, found by walking its series.
//!
//! `api.rs` calls both; the answers are JSON bodies.

use std::collections::BTreeSet;

use potsdb_wire::json::write_string;

use crate::json;
use crate::query::filter::Filter;
use crate::store::Store;
use crate::store::series::SeriesName;

/// Names that begin with `prefix`, sorted; `Err` is the message of a 400.
pub(crate) fn suggest(store: &Store, kind: &str, prefix: &str, most: usize) -> Result<Vec<u8>, String> {
    let mut names = BTreeSet::new();
    store.read(|all| {
        for series in all {
            let name = &series.name;
            let found: Vec<&str> = match kind {
                "metrics" => vec![&name.metric],
                "tagk" => name.tags.iter().map(|(tag, _)| tag.as_str()).collect(),
                "tagv" => name.tags.iter().map(|(_, value)| value.as_str()).collect(),
                _ => return Err(format!("Invalid 'type' parameter:{kind}")),
            };
            for name in found.into_iter().filter(|name| name.starts_with(prefix)) {
                if !names.contains(name) {
                    names.insert(name.to_owned());
                }
            }
        }
        Ok(())
    })?;
    if !matches!(kind, "metrics" | "tagk" | "tagv") {
        return Err(format!("Invalid 'type' parameter:{kind}"));
    }
    Ok(json::array(names.iter().take(most).map(String::as_str)))
}

/// The series of a metric, `metric{tag=value,tag=*}`: Grafana takes tag names and values from it.
pub(crate) fn lookup(store: &Store, query: &str, most: usize) -> Result<Vec<u8>, String> {
    let (metric, braces) = query.split_at(query.find('{').unwrap_or(query.len()));
    let inside = braces.trim_start_matches('{').trim_end_matches('}');
    let mut filters = Vec::new();
    for tag in inside.split(',').filter(|tag| !tag.is_empty()) {
        let (name, value) = tag.split_once('=').ok_or_else(|| format!("invalid tag: {tag}"))?;
        filters.push(Filter::from_tag(name, value, false)?);
    }
    let mut found: Vec<_> = store.read(|all| {
        let names = all.map(|series| &series.name);
        let of_metric = names.filter(|name| metric.is_empty() || metric == "*" || name.metric == metric);
        of_metric
            .filter(|name| filters.iter().all(|filter| filter.accepts(name)))
            .cloned()
            .collect()
    });
    found.sort();
    let mut out = b"{\"type\":\"LOOKUP\",\"metric\":".to_vec();
    write_string(metric, &mut out);
    out.extend_from_slice(b",\"results\":[");
    for (index, name) in found.iter().take(most).enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write_name(name, index, &mut out);
    }
    let total = found.len();
    out.extend_from_slice(
        format!("],\"totalResults\":{total},\"startIndex\":0,\"limit\":{most},\"time\":0.0}}").as_bytes(),
    );
    Ok(out)
}

fn write_name(name: &SeriesName, index: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(format!("{{\"tsuid\":\"{:06X}\",\"metric\":", index + 1).as_bytes());
    write_string(&name.metric, out);
    out.extend_from_slice(b",\"tags\":");
    out.extend_from_slice(&json::object(
        name.tags.iter().map(|(tag, value)| (tag.as_str(), value.as_str())),
    ));
    out.push(b'}');
}
