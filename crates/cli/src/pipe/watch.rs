//! What a person at a long pipe is told while it runs: what became of the server, and how far it is.
//!
//! Both go to standard error. That the server was lost is said wherever it goes; how far it is only to a terminal, on
//! one line that is written over.

use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

use potsdb::Client;

use crate::output::Output;

/// Looks at the client now and then.
pub(super) struct Watch<'a> {
    client: &'a Client,
    output: &'a Output,
    started: Instant,
    to_terminal: bool,
}

impl<'a> Watch<'a> {
    /// How often to look.
    pub(super) const PERIOD: Duration = Duration::from_secs(1);

    pub(super) fn new(client: &'a Client, output: &'a Output) -> Watch<'a> {
        // Where points are typed in, the line would be in the way of the typing.
        let to_terminal = io::stderr().is_terminal() && !io::stdin().is_terminal();
        Watch {
            client,
            output,
            started: Instant::now(),
            to_terminal,
        }
    }

    /// Tells what is new.
    pub(super) fn look(&self) {
        for report in self.client.take_reports() {
            self.output.note(report);
        }
        if self.to_terminal {
            let (stats, seconds) = (self.client.stats(), self.started.elapsed().as_secs());
            let (delivered, pending) = (stats.delivered(), stats.pending());
            let rate = stats.rate;
            self.output.progress(&format!(
                "{seconds} s: {delivered} delivered, {pending} pending, {rate:.0} points/s"
            ));
        }
    }

    /// Takes the line away.
    pub(super) fn end(&self) {
        self.output.progress("");
    }
}
