//! `potsdb spool verify`: reads everything, and names what is damaged, missing or not the spool's.

use std::ops::ControlFlow;

use clap::Args;
use potsdb_spool::inspect::{Slot, Summary};
use serde_json::json;

use super::place::{Place, walk};
use super::{ls, words};
use crate::Outcome;
use crate::output::Output;
use crate::statistics::points;

/// Read a whole spool, and name what is damaged, with file, offset, bytes and points
///
/// Every line is held against its checksum. Damage costs the record it is in and no other. In a slot whose process runs, a
/// record that is being written is no damage.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Verify {
    #[command(flatten)]
    place: Place,

    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  potsdb spool verify /var/spool/potsdb
  potsdb spool verify --json /var/spool/potsdb
  potsdb spool verify --store tsdb-tsd1-4242 /var/spool/potsdb";

impl Verify {
    pub(super) fn run(self, output: &Output) -> anyhow::Result<Outcome> {
        let seen = self.place.look()?;
        let mut sound = true;
        let mut objects = Vec::new();
        for store in &seen.stores {
            let mut summaries = Vec::new();
            for slot in &store.slots {
                let summary = walk(slot, true, |_| Ok(ControlFlow::Continue(())))?;
                sound = sound && is_sound(&summary);
                if !self.json {
                    tell(slot, &summary, output);
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
            }));
        } else {
            for stray in &seen.strays {
                output.say(format_args!("{}: {}", stray.name, stray.why));
            }
        }
        Ok(Outcome::delivered(sound))
    }
}

/// Whether everything in it could be read, and nothing is missing that is not known to be.
fn is_sound(summary: &Summary) -> bool {
    summary.damage.is_empty() && summary.gaps.iter().all(|gap| gap.is_known) && summary.newer.is_none()
}

/// What is wrong in a slot, a line each; and how much of it is sound.
fn tell(slot: &Slot, summary: &Summary, output: &Output) {
    let place = format!("{}/{}", slot.store, slot.number);
    for damage in &summary.damage {
        output.say(format_args!("{place}/{damage}"));
    }
    for gap in summary.gaps.iter().filter(|gap| !gap.is_known) {
        output.say(format_args!("{place}/{gap}"));
    }
    for stray in &summary.strays {
        output.say(format_args!("{place}/{}: {}", stray.name, stray.why));
    }
    match summary.newer {
        Some(_) => output.say(format_args!("{place}: left alone: {}", words::contents(summary))),
        None => output.say(format_args!(
            "{place}: {}: {} sound{}",
            words::holder(slot),
            points(summary.points),
            words::oldest(summary.oldest)
        )),
    }
}
