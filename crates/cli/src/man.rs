//! `potsdb man`: the manual, one page for the command and one for each subcommand.

use std::fs;
use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, CommandFactory};
use clap_mangen::Man as Page;

use crate::output::Output;
use crate::{Outcome, Potsdb};

/// Print the manual page, or write all pages to a folder
#[derive(Debug, Args)]
pub(crate) struct Man {
    /// The folder for potsdb.1, potsdb-send.1 and the others; it is made where it does not exist
    folder: Option<PathBuf>,
}

impl Man {
    pub(crate) fn run(self, output: &Output) -> anyhow::Result<Outcome> {
        let mut command = Potsdb::command();
        command.build();
        let Some(folder) = self.folder else {
            output.write_bytes(&page(command)?);
            return Ok(Outcome::AllDelivered);
        };
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let subcommands: Vec<_> = command
            .get_subcommands()
            .filter(|command| command.get_name() != "help")
            .cloned()
            .collect();
        for command in std::iter::once(command).chain(subcommands) {
            // `potsdb-send`, which is how `man` wants the name of a subcommand's page.
            let name = command.get_display_name().unwrap_or(command.get_name()).to_string();
            let path = folder.join(format!("{name}.1"));
            fs::write(&path, page(command)?).with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(Outcome::AllDelivered)
    }
}

fn page(command: clap::Command) -> anyhow::Result<Vec<u8>> {
    let mut text = Vec::new();
    Page::new(command).render(&mut text)?;
    Ok(text)
}
