//! What `potsdb relay` says: where it listens, how things are, what became of everything.

use potsdb_relay::{Ledger, Where};
use serde_json::{Map, Value, json};

use crate::output::Output;
use crate::statistics::{self, plural};

/// Where it listens, for scripts the first port by itself.
pub(super) fn said_where(places: &[Where], is_json: bool, output: &Output) {
    if !is_json {
        places
            .iter()
            .for_each(|place| output.say(format_args!("listening on {place}")));
        return;
    }
    let listen = places.iter().map(|place| match place {
        Where::Tcp(address) => json!({ "address": address.to_string(), "port": address.port() }),
        Where::Unix(path) => json!({ "unix": path }),
    });
    let port = places.iter().find_map(|place| match place {
        Where::Tcp(address) => Some(address.port()),
        Where::Unix(_) => None,
    });
    output.json(&json!({ "port": port, "listen": listen.collect::<Vec<_>>() }));
}

/// How things are, in one line for the service manager.
pub(super) fn status(relay: &potsdb_relay::Relay) -> String {
    let status = relay.status();
    let number = |value: &Value| value.as_u64().unwrap_or(0);
    let stores = status["stores"].as_array().map_or(&[][..], Vec::as_slice);
    let pending: Vec<String> = stores
        .iter()
        .map(|store| {
            format!(
                "{} pending for {}",
                number(&store["pending"]),
                store["name"].as_str().unwrap_or_default()
            )
        })
        .collect();
    let ready = if status["ready"] == true { "ready" } else { "not ready" };
    let connections = plural(number(&status["open_connections"]), "connection");
    format!("{ready}, {connections}, {}", pending.join(", "))
}

/// What became of everything.
pub(super) fn said_what(ledger: &Ledger, is_json: bool, output: &Output) {
    match is_json {
        true => output.json(&object(ledger)),
        false => sentences(ledger, output),
    }
}

fn object(ledger: &Ledger) -> Value {
    let stores = ledger.stores.iter().map(|store| {
        let mut object = Map::new();
        object.insert("store".into(), json!(store.name));
        object.insert("role".into(), json!(store.role.name()));
        object.insert("cut".into(), json!(store.cut));
        object.insert("balanced".into(), json!(store.stats.is_balanced()));
        object.extend(statistics::object(&store.stats));
        Value::Object(object)
    });
    let counts = ledger
        .counts
        .iter()
        .map(|(name, count)| ((*name).to_owned(), json!(count)));
    json!({
        "stores": stores.collect::<Vec<_>>(),
        "counts": Value::Object(counts.collect()),
    })
}

fn sentences(ledger: &Ledger, output: &Output) {
    for store in &ledger.stores {
        let cut = match store.cut {
            0 => String::new(),
            cut => format!(", {} cut", plural(cut, "line")),
        };
        let (role, words) = (store.role.name(), statistics::words(&store.stats));
        output.say(format_args!("{role} {}: {words}{cut}", store.name));
    }
}
