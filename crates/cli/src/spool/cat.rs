//! `potsdb spool cat`: the points of a spool as lines of the import form, `METRIC TIME VALUE TAG=VALUE...`.

use std::ops::ControlFlow;

use clap::Args;

use super::place::{Place, walk};
use super::words;
use crate::Outcome;
use crate::output::Output;
use crate::statistics::points;

/// Print the points of a spool, one line each, oldest first
///
/// A line is METRIC TIME VALUE TAG=VALUE..., which pipe and every importer of OpenTSDB read. Nothing is changed: what
/// is printed stays in the spool, and its process delivers it all the same. What is damaged is left out, and standard
/// error says so.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Cat {
    #[command(flatten)]
    place: Place,

    /// Only this metric; with * at its end, all that begin so
    #[arg(long, value_name = "METRIC")]
    metric: Option<String>,
}

const EXAMPLES: &str = "\
Examples:
  potsdb spool cat /var/spool/potsdb | potsdb pipe -u tsd1
  potsdb spool cat --metric 'web.*' /var/spool/potsdb
  potsdb spool cat /var/spool/potsdb | gzip > left.gz";

impl Cat {
    pub(super) fn run(self, output: &Output) -> anyhow::Result<Outcome> {
        let seen = self.place.look()?;
        let mut sound = true;
        let mut text = Vec::new();
        for slot in seen.stores.iter().flat_map(|store| &store.slots) {
            let summary = walk(slot, true, |record| {
                text.clear();
                for line in record.lines.split_inclusive(|byte| *byte == b'\n') {
                    let line = line.strip_prefix(b"put ").unwrap_or(line);
                    if self.wants(line) {
                        text.extend_from_slice(line);
                    }
                }
                output.write_bytes(&text);
                Ok(match output.is_closed() {
                    true => ControlFlow::Break(()),
                    false => ControlFlow::Continue(()),
                })
            })?;
            if output.is_closed() {
                break;
            }
            if summary.newer.is_some() {
                output.note(format_args!("{slot}: {}", words::contents(&summary)));
                sound = false;
            }
            let known: u64 = summary.damage.iter().filter_map(|damage| damage.points).sum();
            let bytes: u64 = summary.damage.iter().map(|damage| damage.bytes).sum();
            if bytes > 0 {
                let damage = words::bytes(bytes);
                output.note(format_args!(
                    "{slot}: {damage} are damaged, and {} in them: verify says where",
                    points(known)
                ));
                sound = false;
            }
        }
        Ok(Outcome::delivered(sound))
    }

    fn wants(&self, line: &[u8]) -> bool {
        let metric = line.split(|byte| *byte == b' ').next().unwrap_or_default();
        match self.metric.as_deref().map(|wanted| (wanted, wanted.strip_suffix('*'))) {
            None => true,
            Some((_, Some(start))) => metric.starts_with(start.as_bytes()),
            Some((wanted, None)) => metric == wanted.as_bytes(),
        }
    }
}
