//! `potsdb spool ls` and `stat`: what is in a spool, by store and by slot. Headers are read, lines are not.

use clap::Args;
use potsdb_spool::inspect::{Seen, Store, Summary};
use serde_json::{Value, json};

use super::place::{Place, count};
use super::words;
use crate::Outcome;
use crate::output::Output;
use crate::statistics::{plural, points};

/// List the stores in a spool, and what is in each
///
/// A store is named by the servers that its points are for. Those of servers that no client has any more stay until
/// somebody adopts, replays or drops them.
#[derive(Debug, Args)]
#[command(after_help = LS_EXAMPLES)]
pub(super) struct Ls {
    #[command(flatten)]
    place: Place,

    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

const LS_EXAMPLES: &str = "\
Examples:
  potsdb spool ls /var/spool/potsdb
  potsdb spool ls --json /var/spool/potsdb
  potsdb spool ls --store tsdb-tsd1-4242 /var/spool/potsdb";

/// Show every slot of a spool: who holds it, and what is in it
///
/// A slot is the part of one process. One that is free is an orphan: the next process that starts takes it, or one that
/// runs adopts it.
#[derive(Debug, Args)]
#[command(after_help = STAT_EXAMPLES)]
pub(super) struct Stat {
    #[command(flatten)]
    place: Place,

    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

const STAT_EXAMPLES: &str = "\
Examples:
  potsdb spool stat /var/spool/potsdb
  potsdb spool stat --json /var/spool/potsdb
  potsdb spool stat --store tsdb-tsd1-4242 /var/spool/potsdb";

impl Ls {
    pub(super) fn run(self, output: &Output) -> anyhow::Result<Outcome> {
        let seen = self.place.look()?;
        let mut objects = Vec::new();
        for store in &seen.stores {
            let slots = counted(store)?;
            let held = store.slots.iter().filter(|slot| slot.is_held()).count();
            let sum: u64 = slots.iter().map(|slot| slot.points).sum();
            let oldest = slots.iter().filter_map(|slot| slot.oldest).min();
            let is_harmed = slots.iter().any(Summary::is_harmed);
            if self.json {
                objects.push(json!({
                    "name": store.name,
                    "slots": store.slots.len(),
                    "held": held,
                    "points": sum,
                    "bytes": store.bytes,
                    "oldest": oldest.map(|at| at as f64 / 1000.0),
                    "harmed": is_harmed,
                }));
            } else {
                output.say(format_args!(
                    "{}: {}, {}{}; {}, {held} held{}",
                    store.name,
                    points(sum),
                    words::bytes(store.bytes),
                    words::oldest(oldest),
                    plural(store.slots.len() as u64, "slot"),
                    if is_harmed { HARMED } else { "" }
                ));
            }
        }
        tell_or_show(&seen, &self.place, self.json.then_some(objects), output);
        Ok(Outcome::AllDelivered)
    }
}

impl Stat {
    pub(super) fn run(self, output: &Output) -> anyhow::Result<Outcome> {
        let seen = self.place.look()?;
        let mut objects = Vec::new();
        for store in &seen.stores {
            let summaries = counted(store)?;
            if self.json {
                objects.push(object(store, &summaries));
                continue;
            }
            output.say(format_args!("{}: {}", store.name, words::bytes(store.bytes)));
            for (slot, summary) in store.slots.iter().zip(&summaries) {
                output.say(format_args!(
                    "  slot {}: {}; {}; {}{}",
                    slot.number,
                    words::holder(slot),
                    words::contents(summary),
                    words::bytes(slot.bytes),
                    if summary.is_harmed() { HARMED } else { "" }
                ));
                for line in slot.about.lines().filter(|line| !line.starts_with("store: ")) {
                    output.say(format_args!("    {line}"));
                }
            }
            for entry in &store.set_aside {
                output.say(format_args!(
                    "  set aside by a repair: {}, {}",
                    entry.name,
                    words::bytes(entry.bytes)
                ));
            }
        }
        tell_or_show(&seen, &self.place, self.json.then_some(objects), output);
        Ok(Outcome::AllDelivered)
    }
}

const HARMED: &str = "; something is damaged or missing: verify says what";

fn counted(store: &Store) -> anyhow::Result<Vec<Summary>> {
    store.slots.iter().map(count).collect()
}

/// A store with its slots, as an object.
pub(super) fn object(store: &Store, summaries: &[Summary]) -> Value {
    let slots = store.slots.iter().zip(summaries);
    let aside = store
        .set_aside
        .iter()
        .map(|entry| json!({ "name": entry.name, "bytes": entry.bytes }));
    json!({
        "name": store.name,
        "bytes": store.bytes,
        "slots": slots.map(|(slot, summary)| words::object(slot, summary)).collect::<Vec<_>>(),
        "set_aside": aside.collect::<Vec<_>>(),
        "strays": words::strays(&store.strays),
    })
}

/// What there is besides the stores: the objects of the stores are printed with it, if there are any.
fn tell_or_show(seen: &Seen, place: &Place, stores: Option<Vec<Value>>, output: &Output) {
    if let Some(stores) = stores {
        output.json(&json!({
            "path": place.path().display().to_string(),
            "network": seen.network,
            "stores": stores,
            "strays": words::strays(&seen.strays),
        }));
        return;
    }
    if seen.stores.is_empty() {
        output.say(format_args!("no stores in {}", place.path().display()));
    }
    for stray in &seen.strays {
        output.say(format_args!("{}: {}", stray.name, stray.why));
    }
    if let Some(network) = seen.network {
        output.note(format_args!("it lies on {network}, where locks and syncs may not hold"));
    }
}
