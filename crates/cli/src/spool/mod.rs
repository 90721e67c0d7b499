//! `potsdb spool`: looks into a spool's folder, and keeps it.
//!
//! | file | | a slot whose process runs |
//! |---|---|---|
//! | `ls` | `ls` and `stat`: what is there | is shown |
//! | `verify` | what is damaged; with `--repair` it is set aside | is verified, and not repaired |
//! | `cat` | the points, as text | is printed |
//! | `plan` | how long the disk lasts | is counted |
//! | `replay` | delivers the points | is left alone |
//! | `adopt` | gives the points of a store to another | is left alone |
//! | `drop` | gives up the oldest points | is left alone |
//! | `place`, `hold`, `words` | what they share | |
//!
//! Looking changes nothing and takes no lock. What changes something takes the slot's, as a client does.

mod adopt;
mod cat;
mod drop;
mod hold;
mod ls;
mod place;
mod plan;
mod replay;
mod verify;
mod words;

use clap::{Args, Subcommand};

use crate::Outcome;
use crate::output::Output;

/// Look into a spool and keep it: list, verify, print, deliver, drop
///
/// A spool is the folder in which a client with spool=PATH keeps what it could not deliver yet. In it, a store has the
/// points for one set of servers, and in a store, a slot has those of one process. A slot whose process runs is shown,
/// verified and printed, and never changed.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, arg_required_else_help = true)]
pub(crate) struct Spool {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Ls(ls::Ls),
    Stat(ls::Stat),
    Verify(verify::Verify),
    Cat(cat::Cat),
    Replay(Box<replay::Replay>),
    Adopt(adopt::Adopt),
    Drop(drop::Drop),
    Plan(plan::Plan),
}

const EXAMPLES: &str = "\
Exit codes:
  0  nothing is damaged, missing or left
  1  something is
  2  could not run

Examples:
  potsdb spool ls /var/spool/potsdb
  potsdb spool verify /var/spool/potsdb
  potsdb spool cat /var/spool/potsdb | potsdb pipe -u tsd1";

impl Spool {
    pub(crate) fn run(self, output: &Output) -> anyhow::Result<Outcome> {
        match self.command {
            Command::Ls(ls) => ls.run(output),
            Command::Stat(stat) => stat.run(output),
            Command::Verify(verify) => verify.run(output),
            Command::Cat(cat) => cat.run(output),
            Command::Replay(replay) => replay.run(output),
            Command::Adopt(adopt) => adopt.run(output),
            Command::Drop(drop) => drop.run(output),
            Command::Plan(plan) => plan.run(output),
        }
    }
}
