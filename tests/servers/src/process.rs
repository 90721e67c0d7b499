//! One server's process: its folder, its end.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::ask::{http, until};

/// How long a server may take to start.
const PATIENCE: Duration = Duration::from_secs(30);

/// A process that is killed, and whose folder is removed, with the value.
pub(crate) struct Process {
    child: Child,
    folder: TempDir,
}

impl Process {
    /// Starts a program in a folder of its own and waits until `GET path` at `port` is answered with `status`.
    pub(crate) fn start(
        program: &str,
        folder: TempDir,
        arguments: &[String],
        port: u16,
        path: &str,
        status: u16,
    ) -> Process {
        let log = std::fs::File::create(folder.path().join("log")).expect("the folder can be written to");
        let child = Command::new(program)
            .args(arguments)
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a descriptor can be had"))
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| {
                panic!("{program} cannot be started: {error} (Debian: apt-get install victoria-metrics influxdb)")
            });
        let mut process = Process { child, folder };
        let ready = until(PATIENCE, || {
            assert!(
                process.child.try_wait().expect("it is our child").is_none(),
                "{program} ended: {}",
                process.log()
            );
            http(port, "GET", path)
                .is_ok_and(|(code, _)| code == status)
                .then_some(())
        });
        assert!(
            ready.is_some(),
            "{program} was not ready in {PATIENCE:?}: {}",
            process.log()
        );
        process
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Ports of loopback that were free a moment ago, all different. These servers cannot be told 0.
pub(crate) fn free_ports<const N: usize>() -> [u16; N] {
    let listeners = [(); N].map(|()| TcpListener::bind("127.0.0.1:0").expect("loopback has a free port"));
    listeners.map(|listener| listener.local_addr().expect("it is bound").port())
}
