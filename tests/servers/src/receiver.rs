//! `potsdb serve`, as a process that can be killed and started again at the same place.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::Value;

/// A receiver that journals what is older than a second: `kill -9` loses the rest, as it does with OpenTSDB.
pub struct Receiver {
    child: Child,
    output: BufReader<ChildStdout>,
    journal: PathBuf,
    port: u16,
}

impl Receiver {
    /// Starts it on a port the kernel chooses.
    #[must_use]
    pub fn start(journal: &Path) -> Receiver {
        Receiver::listen(journal, 0)
    }

    fn listen(journal: &Path, port: u16) -> Receiver {
        let command = std::env::var_os("POTSDB_COMMAND").expect("POTSDB_COMMAND says where the command is");
        let mut child = Command::new(command)
            .args([
                "serve",
                "--json",
                "--forget",
                "1s",
                "--port",
                &port.to_string(),
                "--journal",
            ])
            .arg(journal)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the command can be started");
        let mut output = BufReader::new(child.stdout.take().expect("it is piped"));
        let listening = object(&mut output);
        Receiver {
            child,
            output,
            journal: journal.to_owned(),
            port: u16::try_from(listening["port"].as_u64().expect("it says its port")).expect("a port"),
        }
    }

    /// Where it listens.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Kills it with SIGKILL, and starts it again on the same port with what its journal holds.
    pub fn kill_and_restart(&mut self) {
        self.child.kill().expect("it is our child");
        self.child.wait().expect("it is our child");
        *self = Receiver::listen(&self.journal, self.port);
    }

    /// Ends it with SIGTERM, when it writes its journal to the end; returns what it counted.
    #[must_use]
    pub fn ended(mut self) -> Value {
        // std can only kill. The id is that of a child not yet waited for, so it is nobody else's.
        let asked = Command::new("kill")
            .args(["-TERM", &self.child.id().to_string()])
            .status();
        assert!(asked.expect("kill can be run").success());
        let counts = object(&mut self.output);
        assert!(self.child.wait().expect("it is our child").success());
        counts
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn object(output: &mut impl BufRead) -> Value {
    let mut line = String::new();
    output.read_line(&mut line).expect("its output can be read");
    serde_json::from_str(&line).unwrap_or_else(|error| panic!("potsdb serve said {line:?}: {error}"))
}
