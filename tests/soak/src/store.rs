//! The store: `potsdb serve` as a process that is killed, stopped, and started again at the same place.
//!
//! Over telnet it journals what is a second old, as OpenTSDB has it: `kill -9` takes the last second, which settling
//! sends again. Over HTTP a 204 is all there is, so there it journals before it answers.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use anyhow::{Context as _, ensure};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

pub(crate) struct Store {
    process: Child,
    output: BufReader<ChildStdout>,
    journal: PathBuf,
    forgets: bool,
    port: u16,
    /// What earlier processes counted that ended in good order.
    conflicts: u64,
}

/// What is left at the end.
pub(crate) struct Stored {
    pub(crate) journal: PathBuf,
    /// Points that came again with another value or spelling, as the receiver counted.
    pub(crate) conflicts: u64,
}

impl Store {
    pub(crate) fn start(folder: &Path, forgets: bool) -> anyhow::Result<Store> {
        let journal = folder.join("store.journal");
        let (process, output, port) = serve(&journal, forgets, 0)?;
        Ok(Store {
            process,
            output,
            journal,
            forgets,
            port,
            conflicts: 0,
        })
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Takes its memory and what it had not journalled.
    pub(crate) fn kill(&mut self) -> anyhow::Result<()> {
        self.process.kill()?;
        self.process.wait()?;
        Ok(())
    }

    /// Ends it in good order: it journals everything.
    pub(crate) fn terminate(&mut self) -> anyhow::Result<()> {
        self.signal(Signal::TERM)?;
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        let counts: Value = serde_json::from_str(&line).context("the store's counts")?;
        for name in ["conflicts", "respelled"] {
            self.conflicts += counts[name].as_u64().context("a count")?;
        }
        ensure!(self.process.wait()?.success(), "the store did not end well: {counts}");
        Ok(())
    }

    /// Starts it again with what its journal holds.
    pub(crate) fn restart(&mut self) -> anyhow::Result<()> {
        (self.process, self.output, _) = serve(&self.journal, self.forgets, self.port)?;
        Ok(())
    }

    /// Stops it where it is, or lets it go on.
    pub(crate) fn freeze(&self, freeze: bool) -> anyhow::Result<()> {
        self.signal(if freeze { Signal::STOP } else { Signal::CONT })
    }

    pub(crate) fn end(mut self) -> anyhow::Result<Stored> {
        self.terminate()?;
        Ok(Stored {
            journal: self.journal.clone(),
            conflicts: self.conflicts,
        })
    }

    fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        // A child not yet waited for: its id is nobody else's.
        Ok(kill_process(Pid::from_child(&self.process), signal)?)
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn serve(journal: &Path, forgets: bool, port: u16) -> anyhow::Result<(Child, BufReader<ChildStdout>, u16)> {
    let command = std::env::var_os("POTSDB_COMMAND").context("POTSDB_COMMAND says where the command is")?;
    let mut serve = Command::new(command);
    serve.args([
        "serve",
        "--json",
        "--port",
        &port.to_string(),
        "--max-points",
        "100000000",
        "--journal",
    ]);
    serve.arg(journal);
    if forgets {
        serve.args(["--forget", "1s"]);
    }
    let mut process = serve.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
    let mut output = BufReader::new(process.stdout.take().context("it is piped")?);
    let mut line = String::new();
    output.read_line(&mut line)?;
    let listening: Value = serde_json::from_str(&line).context("potsdb serve says where it listens")?;
    let port = u16::try_from(listening["port"].as_u64().context("a port")?)?;
    Ok((process, output, port))
}
