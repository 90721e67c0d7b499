//! What a person at a long pipe is told while it runs: what became of the server, and how far it is.
//!
//! Both go to standard error. That the server was lost is said wherever it goes; how far it is only to a terminal, on
//! one line that is written over.

use std::cell::RefCell;
use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

use potsdb::binding::ClientBinding as _;
use potsdb::{Client, Stats};

use super::reader::Reader;
use crate::output::Output;
use crate::statistics::Heard;

/// Looks at the client now and then.
pub(super) struct Watch<'a> {
    client: &'a Client,
    reader: &'a Reader,
    output: &'a Output,
    started: Instant,
    to_terminal: bool,
    heard: RefCell<Heard>,
}

impl<'a> Watch<'a> {
    /// How often to look.
    pub(super) const PERIOD: Duration = Duration::from_secs(1);

    pub(super) fn new(client: &'a Client, reader: &'a Reader, output: &'a Output) -> Watch<'a> {
        // Where points are typed in, the line would be in the way of the typing.
        let is_typed = reader.reads_standard_input() && io::stdin().is_terminal();
        let to_terminal = io::stderr().is_terminal() && !is_typed;
        Watch {
            client,
            reader,
            output,
            started: Instant::now(),
            to_terminal,
            heard: RefCell::default(),
        }
    }

    /// Tells what is new.
    pub(super) fn look(&self) {
        for report in self.client.take_reports() {
            self.heard.borrow_mut().report(&report);
            self.output.note(report);
        }
        if self.to_terminal {
            let seconds = self.started.elapsed().as_secs();
            self.output
                .progress(&state(&self.client.stats(), self.reader.progress(), seconds));
        }
    }

    /// Takes the line away; what servers asked for.
    pub(super) fn end(self) -> Heard {
        self.output.progress("");
        self.heard.into_inner().rest(self.client)
    }
}

/// `3 s: 42 % read, 1000 delivered, 24 pending, 500 points/s`.
fn state(stats: &Stats, read: Option<f64>, seconds: u64) -> String {
    let (delivered, pending, rate) = (stats.delivered(), stats.pending(), stats.rate);
    let read = read.map_or(String::new(), |read| format!("{:.0} % read, ", (read * 100.0).floor()));
    format!("{seconds} s: {read}{delivered} delivered, {pending} pending, {rate:.0} points/s")
}

#[cfg(test)]
mod tests {
    use super::{Stats, state};

    #[test]
    fn how_much_has_been_read_is_said_where_the_size_is_known() {
        let stats = Stats::default();
        assert_eq!(state(&stats, None, 3), "3 s: 0 delivered, 0 pending, 0 points/s");
        let almost = state(&stats, Some(0.999), 3);
        assert_eq!(almost, "3 s: 99 % read, 0 delivered, 0 pending, 0 points/s");
    }
}
