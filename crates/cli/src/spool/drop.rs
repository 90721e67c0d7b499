//! `potsdb spool drop`: gives up the oldest points of a spool, by hand.

use std::ops::ControlFlow;

use clap::Args;
use potsdb::Timestamp;
use serde_json::json;

use super::hold::{self, Clock};
use super::place::{Place, walk};
use crate::Outcome;
use crate::output::Output;
use crate::statistics::points;

/// Give up the points of a spool that were accepted before a time
///
/// They are gone then, and no counter of a client says so. What counts is when a client accepted a point, not the
/// point's own time. Dropping ends at the first point that was accepted later. A slot whose process runs is left alone:
/// a client drops what is older than max_age itself.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Drop {
    #[command(flatten)]
    place: Place,

    /// Seconds (10 digits) or milliseconds (13) since 1970
    #[arg(long, value_name = "TIME", value_parser = time)]
    before: u64,

    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  potsdb spool drop --before 1767225600 /var/spool/potsdb
  potsdb spool drop --before $(date -d yesterday +%s) /var/spool/potsdb
  potsdb spool drop --before $(date +%s) --store tsdb-tsd1-4242 /var/spool/potsdb";

impl Drop {
    pub(super) fn run(self, output: &Output) -> anyhow::Result<Outcome> {
        let seen = self.place.look()?;
        let clock = Clock::start();
        let (mut dropped, mut left, mut is_done) = (0, 0, true);
        for slot in seen.stores.iter().flat_map(|store| &store.slots) {
            let Some(mut taken) = hold::take(&seen.path, slot, clock.now(), output)? else {
                is_done = false;
                continue;
            };
            let mut begin = None;
            let mut old = 0;
            let summary = walk(slot, false, |record| {
                if record.header.accepted >= self.before {
                    begin = Some(record.positions.start);
                    return Ok(ControlFlow::Break(()));
                }
                old += record.positions.end - record.positions.start;
                Ok(ControlFlow::Continue(()))
            })?;
            taken.store.done(0, begin.unwrap_or(summary.next));
            taken.store.close(clock.now());
            hold::tell(slot, taken.store.events(), output);
            dropped += old;
            left += taken.store.stats().points;
            if !self.json && old > 0 {
                output.say(format_args!("{slot}: {} dropped", points(old)));
            }
        }
        if self.json {
            output.json(&json!({ "dropped": dropped, "left": left }));
        } else {
            output.say(format_args!("{} dropped, {left} left", points(dropped)));
        }
        Ok(Outcome::delivered(is_done))
    }
}

/// Reads a time, in milliseconds since 1970.
fn time(text: &str) -> Result<u64, String> {
    let time = Timestamp::parse(text.as_bytes()).map_err(|error| error.to_string())?;
    Ok(time.as_millis())
}
