//! `potsdb completions`: what the shell needs to complete the command line.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::output::Output;
use crate::{Outcome, Potsdb};

/// Print the completions for a shell
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Completions {
    /// Which shell
    shell: Shell,
}

const EXAMPLES: &str = "\
Examples:
  source <(potsdb completions bash)
  potsdb completions fish > ~/.config/fish/completions/potsdb.fish
  potsdb completions zsh > ~/.zfunc/_potsdb";

impl Completions {
    pub(crate) fn run(self, output: &Output) -> anyhow::Result<Outcome> {
        let mut text = Vec::new();
        clap_complete::generate(self.shell, &mut Potsdb::command(), "potsdb", &mut text);
        output.write_bytes(&text);
        Ok(Outcome::AllDelivered)
    }
}
