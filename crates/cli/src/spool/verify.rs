//! `potsdb spool verify`: reads everything, and names what is damaged, missing or not the spool's.

use std::ops::ControlFlow;
use std::path::Path;

use anyhow::Context;
use clap::Args;
use potsdb_spool::inspect::{self, Slot, Summary};
use serde_json::{Value, json};

use super::place::{Place, walk};
use super::{hold, ls, words};
use crate::Outcome;
use crate::output::Output;
use crate::statistics::points;

/// Read a whole spool, and name what is damaged, with file, offset, bytes and points
///
/// Every record is checked against its checksum. Damage costs the record it is in and no other. In a slot whose process
/// runs, a record that is being written is no damage. Exit code 1 says that something was damaged or missing, repaired
/// or not.
///
/// A repair changes nothing in a slot whose process runs. It loses no line that can be read, even if it is killed. What
/// is set aside counts towards spool_bytes until somebody deletes it.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Verify {
    #[command(flatten)]
    place: Place,

    /// Write what can be read of damaged segments anew, and set those aside as *.damaged in the store's folder
    #[arg(long)]
    repair: bool,

    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  potsdb spool verify /var/spool/potsdb
  potsdb spool verify --json /var/spool/potsdb
  potsdb spool verify --repair /var/spool/potsdb";

impl Verify {
    pub(super) fn run(self, output: &Output) -> anyhow::Result<Outcome> {
        let seen = self.place.look()?;
        let mut sound = true;
        let (mut objects, mut repairs) = (Vec::new(), Vec::new());
        for store in &seen.stores {
            let mut summaries = Vec::new();
            for slot in &store.slots {
                let summary = walk(slot, true, |_| Ok(ControlFlow::Continue(())))?;
                sound = sound && summary.is_sound();
                if !self.json {
                    tell(slot, &summary, output);
                }
                if self.repair && summary.is_harmed() && summary.newer.is_none() {
                    repairs.extend(self.repair(&seen.path, slot, output)?);
                }
                summaries.push(summary);
            }
            if self.json {
                objects.push(ls::object(store, &summaries));
                continue;
            }
            for stray in &store.strays {
                output.say(format_args!("{}/{}: {}", store.name, stray.name, stray.why));
            }
        }
        if self.json {
            output.json(&json!({
                "path": self.place.path().display().to_string(),
                "ok": sound,
                "stores": objects,
                "strays": words::strays(&seen.strays),
                "repairs": repairs,
            }));
        } else {
            for stray in &seen.strays {
                output.say(format_args!("{}: {}", stray.name, stray.why));
            }
        }
        Ok(Outcome::delivered(sound))
    }

    /// Repairs a slot, and tells what was done.
    fn repair(&self, root: &Path, slot: &Slot, output: &Output) -> anyhow::Result<Option<Value>> {
        let repaired = inspect::repair(root, slot, words::now());
        let Some(repair) = repaired.with_context(|| format!("cannot repair {slot}"))? else {
            output.note(format_args!("{slot}: not repaired: {}", hold::held(slot)));
            return Ok(None);
        };
        let lost = lost(&repair.before);
        if !self.json {
            for (aside, bytes) in &repair.set_aside {
                let bytes = words::bytes(*bytes);
                output.say(format_args!("{slot}: set aside as {}/{aside}, {bytes}", slot.store));
            }
            output.say(format_args!(
                "{slot}: repaired: {} points are there, {lost} are lost",
                repair.after.points
            ));
        }
        let aside = repair
            .set_aside
            .iter()
            .map(|(name, bytes)| json!({ "name": name, "bytes": bytes }));
        Ok(Some(json!({
            "store": slot.store,
            "slot": slot.number,
            "set_aside": aside.collect::<Vec<_>>(),
            "written": repair.written,
            "points": repair.after.points,
            "lost": lost,
            "ok": repair.after.is_sound(),
        })))
    }
}

/// Points that were in damage or are missing, as far as anybody can say.
fn lost(summary: &Summary) -> u64 {
    let damage = summary.damage.iter().filter_map(|damage| damage.points);
    let gaps = summary
        .gaps
        .iter()
        .filter(|gap| !gap.is_known && gap.file.as_deref() != Some("acked"));
    damage
        .chain(gaps.map(|gap| gap.positions.end - gap.positions.start))
        .sum()
}

/// What is wrong in a slot, a line each; and how much of it is sound.
fn tell(slot: &Slot, summary: &Summary, output: &Output) {
    for damage in &summary.damage {
        output.say(format_args!("{slot}/{damage}"));
    }
    for gap in summary.gaps.iter().filter(|gap| !gap.is_known) {
        output.say(format_args!("{slot}/{gap}"));
    }
    for stray in &summary.strays {
        output.say(format_args!("{slot}/{}: {}", stray.name, stray.why));
    }
    match summary.newer {
        Some(_) => output.say(format_args!("{slot}: left alone: {}", words::contents(summary))),
        None => output.say(format_args!(
            "{slot}: {}: {} sound{}",
            words::holder(slot),
            points(summary.points),
            words::oldest(summary.oldest)
        )),
    }
}
