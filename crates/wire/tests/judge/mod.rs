//! What the laws are judged by, written apart from the code it judges; the fuzz targets judge by it too.

use potsdb_wire::{Json, MAX_LINE, Names, Replies, Reply, Rules};

/// Says whether `line` is one legal put line, by the letter of the rules and nothing of the crate.
pub(crate) fn is_legal(rules: &Rules, line: &[u8]) -> bool {
    let Ok(text) = str::from_utf8(line) else {
        return false;
    };
    let Some(text) = text.strip_suffix('\n') else {
        return false;
    };
    let fields: Vec<&str> = text.split(' ').collect();
    let ["put", metric, timestamp, value, tags @ ..] = &fields[..] else {
        return false;
    };
    let strict = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
    let wide = |c: char| rules.names == Names::Utf8 && !c.is_ascii() && !c.is_control() && !c.is_whitespace();
    let printable = |c: char| rules.names != Names::OpenTsdb && c.is_ascii_graphic() && c != '=';
    let is_name = |name: &str| !name.is_empty() && name.chars().all(|c| strict(c) || wide(c));
    let is_value = |value: &str| !value.is_empty() && value.chars().all(|c| strict(c) || wide(c) || printable(c));
    let pairs: Vec<_> = tags.iter().filter_map(|tag| tag.split_once('=')).collect();
    let mut names: Vec<_> = pairs.iter().map(|pair| pair.0).collect();
    names.sort_unstable();
    names.dedup();
    text.len() <= MAX_LINE
        && is_name(metric)
        && timestamp.bytes().all(|byte| byte.is_ascii_digit())
        && match (timestamp.len(), timestamp.parse::<u64>()) {
            (10, Ok(seconds)) => (1_000_000_000..=4_294_967_295).contains(&seconds),
            (13, Ok(millis)) => (1_000_000_000_000..=4_294_967_295_999).contains(&millis),
            _ => false,
        }
        && is_portable(value)
        && !tags.is_empty()
        && pairs.len() == tags.len()
        && names.len() == tags.len()
        && (rules.max_tags == 0 || tags.len() <= rules.max_tags)
        && pairs.iter().all(|(name, value)| is_name(name) && is_value(value))
}

/// Says whether all five servers read this number: JSON's grammar, and an exponent only after a point.
pub(crate) fn is_portable(text: &str) -> bool {
    let Ok(number) = serde_json::from_str::<serde_json::Number>(text) else {
        return false;
    };
    if text.starts_with([' ', '\t', '\n', '\r']) || text.ends_with([' ', '\t', '\n', '\r']) {
        return false;
    }
    if text.contains(['.', 'e', 'E']) {
        let point = text.find('.');
        point.is_some()
            && point < Some(text.find(['e', 'E']).unwrap_or(text.len()))
            && number.as_f64().is_some_and(f64::is_finite)
    } else {
        text.parse::<i64>().is_ok()
    }
}

/// Writes bytes so that they can be read.
pub(crate) fn show(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

/// Reads `stream` pushed in pieces that end at `cuts`: the replies in words, and what is left.
pub(crate) fn read_replies(stream: &[u8], cuts: &[usize]) -> (Vec<String>, Vec<u8>) {
    let mut replies = Replies::new();
    let mut read = Vec::new();
    let mut start = 0;
    for &end in cuts.iter().chain([&stream.len()]) {
        replies.push(&stream[start..end]);
        start = end;
        while let Some(reply) = replies.next() {
            read.push(match reply {
                Reply::Other(text) => format!("other {}", show(text)),
                Reply::Error { kind, text } => format!("{} {}", kind.name(), show(text)),
                Reply::Version(server) => server.to_string(),
                new => panic!("a reply these laws do not know: {new:?}"),
            });
        }
        assert!(replies.rest().len() <= Replies::MAX_REPLY);
    }
    (read, replies.rest().to_owned())
}

/// Turns our tree into that of an independent reader.
pub(crate) fn to_serde(json: &Json<'_>) -> serde_json::Value {
    match json {
        Json::Null => serde_json::Value::Null,
        Json::Bool(bool) => (*bool).into(),
        Json::Number(text) => serde_json::from_str(text).unwrap(),
        Json::String(text) => text.to_string().into(),
        Json::Array(elements) => elements.iter().map(to_serde).collect(),
        Json::Object(fields) => fields
            .iter()
            .map(|(name, value)| (name.to_string(), to_serde(value)))
            .collect(),
    }
}
