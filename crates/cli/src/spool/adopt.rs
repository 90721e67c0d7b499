//! `potsdb spool adopt`: gives the points of a store to another one, whose servers have taken the place of the first's.

use std::path::PathBuf;

use anyhow::{Context, ensure};
use clap::Args;
use potsdb::Client;
use potsdb_spool::inspect;
use potsdb_spool::store_name;
use serde_json::json;

use super::hold;
use super::place::{count, look, only};
use super::words;
use crate::Outcome;
use crate::options::with_scheme;
use crate::output::Output;
use crate::statistics::points;

/// Give the points of a store to another one: when the servers have other names now
///
/// A spool keeps the points of each set of servers apart. If the URL has changed, those of the old servers stay until
/// this gives them to the new ones. Then a client of the new servers delivers them: one that runs, or the next that
/// starts. Slots whose process runs are left alone.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Adopt {
    /// The spool's folder, as in spool=PATH
    path: PathBuf,

    /// The store to take from, as ls names it
    from: String,

    /// The URL of the servers to give to, as the client has it
    #[arg(long, value_name = "URL", required_unless_present = "into", conflicts_with = "into")]
    to: Option<String>,

    /// The store to give to, as ls names it, or as in spool_name
    #[arg(long, value_name = "NAME")]
    into: Option<String>,

    /// Do it; without, only say what would be done
    #[arg(long)]
    yes: bool,

    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  potsdb spool adopt /var/spool/potsdb tsdb-old-4242 --to tsdb://new
  potsdb spool adopt /var/spool/potsdb tsdb-old-4242 --to tsdb://new --yes
  potsdb spool adopt /var/spool/potsdb tsdb-old-4242 --into metrics --yes";

impl Adopt {
    pub(super) fn run(self, output: &Output) -> anyhow::Result<Outcome> {
        let seen = only(look(&self.path)?, &self.from)?;
        let into = self.target()?;
        ensure!(into != self.from, "{into} is what they are in already");
        let (mut sum, mut left, mut slots) = (0, 0, Vec::new());
        for slot in seen.stores.iter().flat_map(|store| &store.slots) {
            let summary = count(slot)?;
            if slot.is_held() || summary.newer.is_some() {
                let why = if slot.is_held() {
                    hold::held(slot)
                } else {
                    words::contents(&summary)
                };
                output.note(format_args!("{slot}: left alone: {why}"));
                left += 1;
                continue;
            }
            if !self.yes {
                sum += summary.points;
                continue;
            }
            let adopted = inspect::adopt(&self.path, slot, &into, words::now())
                .with_context(|| format!("cannot give {slot} to {into}"))?;
            match adopted {
                None => {
                    output.note(format_args!("{slot}: left alone: {}", hold::held(slot)));
                    left += 1;
                }
                Some(adopted) => {
                    sum += adopted.summary.points;
                    if let Some(number) = adopted.slot {
                        slots.push(json!({ "from": slot.number, "slot": number, "points": adopted.summary.points }));
                        if !self.json {
                            let points = points(adopted.summary.points);
                            output.say(format_args!("{slot}: {points} are in {into}/{number} now"));
                        }
                    }
                }
            }
        }
        if self.json {
            let object = json!({ "from": self.from, "into": into, "points": sum, "done": self.yes, "slots": slots });
            output.json(&object);
        }
        if !self.yes {
            output.error(format_args!(
                "{} would go from {} to {into}, and be delivered to its servers: say --yes to do it",
                points(sum),
                self.from
            ));
            return Ok(Outcome::CouldNotRun);
        }
        Ok(Outcome::delivered(left == 0))
    }

    /// The store to give to: the client's name for the URL.
    fn target(&self) -> anyhow::Result<String> {
        let Some(url) = &self.to else {
            return Ok(store_name(self.into.as_deref(), &[]));
        };
        let client = Client::builder(&with_scheme(url))
            .check_host(false)
            .test_mode(true)
            .build()?;
        let endpoints: Vec<String> = client.endpoints().iter().map(ToString::to_string).collect();
        let endpoints: Vec<&str> = endpoints.iter().map(String::as_str).collect();
        Ok(store_name(None, &endpoints))
    }
}
