//! `/api/suggest`: names that begin so. Grafana's boxes for metrics, tags and values ask it.
//!
//! Called by `api.rs`; the names are kept sorted (`store/names.rs`), so that the answer costs what is in it.

use potsdb_front::Parameters;
use potsdb_wire::json::Json;

use crate::answers::Complaint;
use crate::fields;
use crate::json;
use crate::query::url::required;
use crate::store::Store;
use crate::store::names::Kind;

/// How many names come back unless more are asked for.
const MOST: usize = 25;

/// Reads the parameters of a URL, and answers.
pub(super) fn by_parameters(parameters: &Parameters, store: &Store) -> Result<Vec<u8>, Complaint> {
    let kind = required(parameters, "type")?;
    let prefix = parameters.value("q").unwrap_or_default();
    answer(kind, prefix, parameters.value("max"), store)
}

/// Reads a body, whose fields are all texts, and answers.
pub(super) fn by_body(body: &Json<'_>, store: &Store) -> Result<Vec<u8>, Complaint> {
    let fields = fields::map(body)?.unwrap_or_default();
    let field = |name: &str| {
        let found = fields.iter().find(|(known, _)| known == name);
        found.and_then(|(_, value)| value.as_deref())
    };
    let kind = field("type").filter(|kind| !kind.is_empty());
    let kind = kind.ok_or_else(|| Complaint::bad("Missing 'type' parameter"))?;
    answer(kind, field("q").unwrap_or_default(), field("max"), store)
}

fn answer(kind: &str, prefix: &str, most: Option<&str>, store: &Store) -> Result<Vec<u8>, Complaint> {
    let most = match most.filter(|most| !most.is_empty()) {
        None => MOST,
        Some(text) => match text.parse::<i32>() {
            Ok(most) => usize::try_from(most).ok().filter(|most| *most > 0).unwrap_or(MOST),
            Err(_) => return Err(Complaint::bad("Unable to parse 'max' as a number")),
        },
    };
    let known = Kind::named(kind).filter(|_| kind != "metric");
    let known = known.ok_or_else(|| Complaint::bad(format!("Invalid 'type' parameter:{kind}")))?;
    let store = store.lock();
    let found = store.table.names.beginning_with(known, prefix);
    // Without a beginning it looks from `!` to `~`, and what begins beyond is not found.
    let found = found.filter(|name| !prefix.is_empty() || ("!".."~").contains(name));
    Ok(json::array(found.take(most)))
}
