//! `potsdb man`: the manual, one page for the command and one for each subcommand, and for those of `spool`.
//!
//! A page is what the help says, in the sections that a manual has, and the exit codes and variables of all.

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, CommandFactory};
use clap_mangen::Man as Page;

use crate::output::Output;
use crate::{Outcome, Potsdb};

/// Print the manual page, or write all pages to a folder
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Man {
    /// The folder for potsdb.1, potsdb-send.1 and the others; it is made if it does not exist
    folder: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  potsdb man | man -l -
  potsdb man ~/.local/share/man/man1
  man potsdb-pipe";

impl Man {
    pub(crate) fn run(self, output: &Output) -> anyhow::Result<Outcome> {
        let mut command = Potsdb::command();
        command.build();
        let Some(folder) = self.folder else {
            output.write_bytes(&page(command)?);
            return Ok(Outcome::AllDelivered);
        };
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        for command in with_subcommands(&command) {
            // `potsdb-send`, which is how `man` wants the name of a subcommand's page.
            let name = command.get_display_name().unwrap_or(command.get_name()).to_string();
            let path = folder.join(format!("{name}.1"));
            fs::write(&path, page(command)?).with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(Outcome::AllDelivered)
    }
}

/// A command, its subcommands, and theirs.
fn with_subcommands(command: &clap::Command) -> Vec<clap::Command> {
    let subcommands = command.get_subcommands().filter(|command| command.get_name() != "help");
    std::iter::once(command.clone())
        .chain(subcommands.flat_map(with_subcommands))
        .collect()
}

fn page(command: clap::Command) -> anyhow::Result<Vec<u8>> {
    let help = command.get_after_long_help().or(command.get_after_help());
    let help = help.map(ToString::to_string).unwrap_or_default();
    let has_subcommands = command.has_subcommands();
    let is_whole = command.get_name() == "potsdb";
    let page = Page::new(command);
    let mut text = Vec::new();
    page.render_title(&mut text)?;
    page.render_name_section(&mut text)?;
    page.render_synopsis_section(&mut text)?;
    page.render_description_section(&mut text)?;
    page.render_options_section(&mut text)?;
    if has_subcommands {
        page.render_subcommands_section(&mut text)?;
    }
    let (examples, notes): (Vec<&str>, Vec<&str>) =
        help.split("\n\n").partition(|part| part.starts_with(HEAD_OF_EXAMPLES));
    let notes: Vec<&str> = notes.into_iter().filter(|part| *part != crate::EXIT_CODES).collect();
    if !notes.join("").is_empty() {
        section(&mut text, "NOTES", &notes.join("\n\n"))?;
    }
    section(&mut text, "EXIT STATUS", EXIT_STATUS)?;
    section(&mut text, "ENVIRONMENT", ENVIRONMENT)?;
    let examples = examples.join("").replace(HEAD_OF_EXAMPLES, "");
    let examples = if is_whole { ALL_EXAMPLES } else { &examples };
    section(&mut text, "EXAMPLES", examples.trim_start_matches('\n'))?;
    if is_whole {
        page.render_version_section(&mut text)?;
    }
    Ok(text)
}

/// A section whose rows stay as they are.
fn section(text: &mut Vec<u8>, title: &str, rows: &str) -> std::io::Result<()> {
    writeln!(text, ".SH \"{title}\"\n.nf")?;
    for row in rows.lines() {
        // A row that begins with one of these would be a request to the formatter.
        let guard = if row.starts_with(['.', '\'']) { "\\&" } else { "" };
        writeln!(text, "{guard}{}", row.replace('\\', "\\e").replace('-', "\\-"))?;
    }
    writeln!(text, ".fi")
}

const HEAD_OF_EXAMPLES: &str = "Examples:";

const EXIT_STATUS: &str = "\
0    All points were delivered: acknowledged, or written to a server that never answers,
     which standard error says. check: points can be sent. serve: it ended in good order.
     spool: nothing is damaged, missing or left.
1    Some points were not delivered. Which, and why, is on standard error. check: points
     cannot be sent, or not to every host. spool: something is damaged, missing or left.
2    The command could not run: wrong arguments, no such option, no file that can be
     read, no room for its output.
3    Some points were not delivered, and all of them are kept in the spool. The next run
     with the same spool and server delivers them.
130  In place of 1: SIGINT came before all points were delivered.
143  In place of 1: SIGTERM did.
send ends at the first signal, and where it stands at the second. pipe and demo then
deliver what they have for up to close_grace, pipe until the second signal, and serve ends
in good order; the third ends them where they stand, with 130 or 143.";

const ENVIRONMENT: &str = "\
POTSDB_URL  The server, where neither --url nor another URL is given.
NO_COLOR    If it is not empty, the table of demo has no colours.";

const ALL_EXAMPLES: &str = "\
  potsdb send web.deploys 1 version=42
  tail -F points.log | potsdb pipe -u tsd1
  potsdb check --send tsdb://tsd1,tsd2";
