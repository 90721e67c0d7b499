//! `/api/uid`: the numbers of names. Assigning works; what is kept beside a number (`uidmeta`, `tsmeta`) can be read
//! and is what an OpenTSDB has that was never told anything; to change it, or a name, is left out and says so.
//!
//! Called by `api.rs`; the numbers are `store/names.rs`.

use potsdb_front::{JSON, Parameters, Reply};
use potsdb_wire::json::{Json, write_string};

use crate::answers::Complaint;
use crate::fields;
use crate::json;
use crate::point::put::check_name;
use crate::query::url::required;
use crate::query::{metric, tsuid};
use crate::store::Store;
use crate::store::names::{Kind, hex};

/// What is to be assigned: types and names.
pub(super) type Wanted = Vec<(String, Vec<String>)>;

pub(super) fn wanted_by_parameters(parameters: &Parameters) -> Wanted {
    let of_kind = |kind: &str| {
        let names = parameters.value(kind).filter(|names| !names.is_empty())?;
        Some((kind.to_owned(), names.split(',').map(str::to_owned).collect()))
    };
    ["metric", "tagk", "tagv"].into_iter().filter_map(of_kind).collect()
}

pub(super) fn wanted_by_body(body: &Json<'_>) -> Result<Wanted, Complaint> {
    let mut wanted = Wanted::new();
    for (kind, names) in fields::object(body, "java.util.HashMap")? {
        let names = fields::list(names, fields::text)?;
        wanted.push((kind.to_string(), names.into_iter().flatten().flatten().collect()));
    }
    Ok(wanted)
}

/// Gives each name a number; the status says whether all have got one.
pub(super) fn assign(wanted: &Wanted, store: &Store) -> Result<Reply, Complaint> {
    if wanted.is_empty() {
        return Err(Complaint::bad("Missing values to assign UIDs"));
    }
    let (mut fields, mut errors) = (Vec::new(), Vec::new());
    let mut store = store.lock();
    for (kind, names) in wanted {
        let (mut given, mut refused) = (Vec::new(), Vec::new());
        for name in names {
            let number = match Kind::named(kind).filter(|_| kind != "metrics") {
                None => Err("Unknown type name".to_owned()),
                Some(known) => check_name(kind, name)
                    .map_err(|refusal| refusal.text().to_owned())
                    .and_then(|()| {
                        let assigned = store.table.names.assign(known, name);
                        assigned.map_err(|known| match known {
                            Some(number) => format!("Name already exists with UID: {}", hex(number)),
                            None => "Too many names were assigned".into(),
                        })
                    }),
            };
            match number {
                Ok(number) => given.push((name.as_str(), hex(number))),
                Err(error) => refused.push((name.as_str(), error)),
            }
        }
        fields.push(named(kind, "", &given));
        if !refused.is_empty() {
            errors.push(named(kind, "_errors", &refused));
        }
    }
    let status = if errors.is_empty() { 200 } else { 400 };
    fields.append(&mut errors);
    Ok(Reply::new(status, JSON, format!("{{{}}}", fields.join(","))))
}

/// `"kind":{"name":"text"}`
fn named(kind: &str, suffix: &str, pairs: &[(&str, String)]) -> String {
    let mut out = Vec::new();
    write_string(&format!("{kind}{suffix}"), &mut out);
    out.push(b':');
    out.extend_from_slice(&json::object(pairs.iter().map(|(name, text)| (*name, text.as_str()))));
    String::from_utf8_lossy(&out).into_owned()
}

/// What is known of a number.
pub(super) fn uidmeta(parameters: &Parameters, store: &Store) -> Result<Vec<u8>, Complaint> {
    let (uid, kind) = (required(parameters, "uid")?, required(parameters, "type")?);
    let known = Kind::named(&kind.to_lowercase());
    let known = known.ok_or_else(|| Complaint::internal(format!("Invalid type requested: {kind}")))?;
    let wrong = |words: String| Complaint::internal(format!("java.lang.IllegalArgumentException: {words}"));
    // An odd one gets a zero before it.
    let even = if uid.len().is_multiple_of(2) {
        uid.to_owned()
    } else {
        format!("0{uid}")
    };
    tsuid::check(&even).map_err(wrong)?;
    let length = even.len() / 2;
    let number = tsuid::number(&even).ok_or_else(|| {
        wrong(format!(
            "Wrong id.length = {length} which is != 3 required for '{}'",
            known.name()
        ))
    })?;
    let store = store.lock();
    let name = store.table.names.name(known, number).ok_or_else(|| {
        let details = format!("No such unique ID for '{}': {:?}", known.name(), tsuid::bytes(number));
        Complaint::new(404, "Could not find the requested UID").with(details)
    })?;
    let kind = known.name().trim_end_matches('s').to_uppercase();
    let mut out = format!("{{\"uid\":\"{}\",\"type\":\"{kind}\",\"name\":", hex(number)).into_bytes();
    write_string(name, &mut out);
    out.extend_from_slice(b",\"description\":\"\",\"notes\":\"\",\"created\":0,\"custom\":null,\"displayName\":\"\"}");
    Ok(out)
}

/// What is known of a series beside its points: nothing.
pub(super) fn tsmeta(parameters: &Parameters, store: &Store) -> Result<Vec<u8>, Complaint> {
    if let Some(text) = parameters.value("tsuid") {
        let wrong = |words: String| Complaint::internal(format!("java.lang.IllegalArgumentException: {words}"));
        tsuid::check(text).map_err(wrong)?;
        return Err(Complaint::new(404, "Could not find Timeseries meta data"));
    }
    let (metric, _) = metric::with_tags(required(parameters, "m")?).map_err(Complaint::internal)?;
    let known = store.lock().table.names.number(Kind::Metric, metric).is_some();
    match known {
        true => Ok(b"[]".to_vec()),
        false => {
            let details = format!("No such name for 'metrics': '{metric}'");
            Err(Complaint::new(404, "Unable to find one of the UIDs").with(details))
        }
    }
}
