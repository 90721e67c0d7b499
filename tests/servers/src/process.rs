//! One server's process: its folder, its health, its deaths.
//!
//! A process is killed and its folder removed with the value, and also when the test process is killed: a leash, a shell
//! that reads from a pipe nobody writes to, sees the pipe's end and does both. So a server in a `static` ends too.

use std::fs::{self, File};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::ask::{http, until};

/// How long a server may take to start: HBase on old data waits for a session of 15 s first, on a machine that may be busy.
const PATIENCE: Duration = Duration::from_secs(120);

/// Ends the process and removes its folder when the test process is no more. Deaf to Ctrl-C, which the server hears too.
const LEASH: &str = r#"trap "" INT TERM HUP; read -r _; kill -9 "$1"; sleep 1; rm -rf -- "$2""#;

/// How a server is started, the first time and again.
#[derive(Debug)]
pub(crate) struct Launch {
    pub(crate) program: String,
    pub(crate) arguments: Vec<String>,
    pub(crate) ready: Ready,
}

/// How a server says that it is ready.
#[derive(Debug)]
pub(crate) enum Ready {
    /// `GET path` at the port is answered with the status.
    Answers(u16, &'static str, u16),
    /// It makes this file, which is removed before each start.
    Makes(PathBuf),
}

/// A process that ends, and whose folder is removed, with the value.
#[derive(Debug)]
pub struct Process {
    launch: Launch,
    running: Option<(Child, Child)>,
    folder: TempDir,
}

impl Process {
    /// Starts a server in a folder of its own and waits until it is ready.
    pub(crate) fn start(folder: TempDir, launch: Launch) -> Process {
        let mut process = Process {
            launch,
            running: None,
            folder,
        };
        process.restart();
        process
    }

    /// Starts it again, in the same folder, at the same ports, after a death.
    pub(crate) fn restart(&mut self) {
        self.begin();
        self.wait_ready();
    }

    /// Kills it with SIGKILL, and starts it again on its data.
    pub fn kill_and_restart(&mut self) {
        self.kill();
        self.restart();
    }

    /// Ends it with SIGTERM, and starts it again on its data.
    pub fn end_and_restart(&mut self, patience: Duration) {
        self.signal(Signal::TERM);
        self.wait_ended(patience);
        self.restart();
    }

    /// Starts it and does not wait.
    pub(crate) fn begin(&mut self) {
        assert!(self.running.is_none(), "{} is running", self.launch.program);
        if let Ready::Makes(file) = &self.launch.ready {
            let _ = fs::remove_file(file);
        }
        let log = File::options().append(true).create(true).open(self.log_file());
        let log = log.expect("the folder can be written to");
        let program = &self.launch.program;
        let child = Command::new(program)
            .args(&self.launch.arguments)
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a descriptor can be had"))
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| panic!("{program} cannot be started: {error} (see scripts/test-servers)"));
        let leash = Command::new("sh")
            .args(["-c", LEASH, "leash", &child.id().to_string()])
            .arg(self.folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("a shell can be started");
        self.running = Some((child, leash));
    }

    /// Waits until a process that was begun is ready.
    pub(crate) fn wait_ready(&mut self) {
        let ready = until(PATIENCE, || {
            let (child, _) = self.running.as_mut().expect("it was begun");
            let ended = child.try_wait().expect("it is our child");
            assert!(ended.is_none(), "{} ended: {}", self.launch.program, self.log());
            match &self.launch.ready {
                Ready::Answers(port, path, status) => {
                    http(*port, "GET", path, b"").is_ok_and(|(code, _)| code == *status)
                }
                Ready::Makes(file) => file.exists(),
            }
            .then_some(())
        });
        let program = &self.launch.program;
        assert!(
            ready.is_some(),
            "{program} was not ready in {PATIENCE:?}: {}",
            self.log()
        );
    }

    /// Kills it with SIGKILL.
    pub(crate) fn kill(&mut self) {
        if let Some((mut child, leash)) = self.running.take() {
            child.kill().expect("it is our child");
            child.wait().expect("it is our child");
            unleash(leash);
        }
    }

    /// Sends a signal: stopping, continuing, asking to end.
    pub(crate) fn signal(&self, signal: Signal) {
        let (child, _) = self.running.as_ref().expect("it is running");
        kill_process(Pid::from_child(child), signal).expect("it is our child");
    }

    /// Waits until it has ended by itself, for instance after SIGTERM.
    pub(crate) fn wait_ended(&mut self, patience: Duration) -> ExitStatus {
        let (mut child, leash) = self.running.take().expect("it is running");
        let status = until(patience, || child.try_wait().expect("it is our child"));
        let _ = child.kill();
        let _ = child.wait();
        unleash(leash);
        status.unwrap_or_else(|| panic!("{} did not end in {patience:?}: {}", self.launch.program, self.log()))
    }

    fn log_file(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    /// The end of what it printed.
    fn log(&self) -> String {
        let mut end = Vec::new();
        if let Ok(mut file) = File::open(self.log_file()) {
            let length = file.metadata().map_or(0, |meta| meta.len());
            let _ = file.seek(SeekFrom::Start(length.saturating_sub(4096)));
            let _ = file.read_to_end(&mut end);
        }
        String::from_utf8_lossy(&end).into_owned()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some((mut child, leash)) = self.running.take() {
            let _ = child.kill();
            let _ = child.wait();
            unleash(leash);
        }
    }
}

/// The leash goes without doing its work.
fn unleash(mut leash: Child) {
    let _ = leash.kill();
    let _ = leash.wait();
}

/// Ports of loopback that were free a moment ago, all different. These servers cannot be told 0, and keep their ports when
/// they die; so these are ports that the kernel gives to nobody by itself (it does from 32 768 on).
pub(crate) fn free_ports<const N: usize>() -> [u16; N] {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    [(); N].map(|()| {
        until(PATIENCE, || {
            let place = std::process::id().wrapping_mul(61) + NEXT.fetch_add(1, Ordering::Relaxed);
            let port = 10_000 + (place % 20_000) as u16;
            TcpListener::bind(("127.0.0.1", port)).is_ok().then_some(port)
        })
        .expect("loopback has a free port")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sleeper() -> (Process, PathBuf) {
        let folder = TempDir::new().expect("a folder can be made");
        let path = folder.path().to_owned();
        let launch = Launch {
            program: "sh".to_owned(),
            arguments: ["-c", "touch ready; exec sleep 600"].map(str::to_owned).to_vec(),
            ready: Ready::Makes(path.join("ready")),
        };
        (Process::start(folder, launch), path)
    }

    #[test]
    fn a_process_and_its_folder_go_when_nobody_holds_the_leash() {
        let (mut process, folder) = sleeper();
        let (child, leash) = process.running.as_mut().expect("it is running");
        // As the kernel does for a test process that is killed.
        drop(leash.stdin.take());
        let ended = until(PATIENCE, || child.try_wait().expect("it is our child")).expect("it ends");
        assert!(!ended.success());
        until(PATIENCE, || (!folder.exists()).then_some(())).expect("its folder goes");
    }

    #[test]
    fn a_process_that_was_killed_is_started_again_and_keeps_its_folder() {
        let (mut process, folder) = sleeper();
        process.kill();
        process.restart();
        assert!(folder.join("ready").exists());
        process.signal(Signal::TERM);
        assert!(!process.wait_ended(PATIENCE).success());
        drop(process);
        assert!(!folder.exists());
    }

    #[test]
    fn free_ports_are_all_different() {
        let mut ports = free_ports::<8>().to_vec();
        ports.extend(free_ports::<8>());
        ports.sort_unstable();
        ports.dedup();
        assert_eq!(ports.len(), 16);
    }
}
