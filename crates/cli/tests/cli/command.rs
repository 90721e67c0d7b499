//! The command under test: runs it, feeds it, signals it, and hands back what it said.
//!
//! Every wait has an end: a command that hangs is killed and fails its test.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver as Lines, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use potsdb_receiver::{Config, Receiver};
use rustix::process::Pid;
use serde_json::Value;

/// No test waits longer for anything.
pub(crate) const LONG: Duration = Duration::from_secs(30);

/// What a command that ended left behind.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ended {
    /// Checks the exit code; everything that was said is in the message.
    #[track_caller]
    pub(crate) fn with_code(self, code: i32) -> Ended {
        assert_eq!(self.code, code, "exit code; it said {self:#?}");
        self
    }

    /// The one JSON object on standard output.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error} in {self:#?}"))
    }
}

/// Runs the command to its end, with nothing on standard input.
pub(crate) fn potsdb(arguments: &[&str]) -> Ended {
    Running::start(arguments).end()
}

/// Runs the command to its end with `input` on standard input.
pub(crate) fn potsdb_fed(input: &[u8], arguments: &[&str]) -> Ended {
    let mut running = Running::start(arguments);
    running.feed(input);
    running.end()
}

/// A command that runs.
pub(crate) struct Running {
    child: Child,
    input: Option<ChildStdin>,
    out: Option<JoinHandle<String>>,
    err: Option<JoinHandle<String>>,
    out_lines: Lines<String>,
    err_lines: Lines<String>,
}

impl Running {
    pub(crate) fn start(arguments: &[&str]) -> Running {
        Running::spawn(command().args(arguments).stdout(Stdio::piped()))
    }

    /// Starts it with standard output set up already.
    pub(crate) fn spawn(command: &mut Command) -> Running {
        Running::spawn_with_input(command, Stdio::piped())
    }

    /// The same with standard input set up already.
    pub(crate) fn spawn_with_input(command: &mut Command, input: Stdio) -> Running {
        let mut child = command
            .stdin(input)
            .stderr(Stdio::piped())
            .spawn()
            .expect("the command was built with its tests");
        let (out, out_lines) = child.stdout.take().map(follow).unzip();
        let (err, err_lines) = child.stderr.take().map(follow).unzip();
        let silent = || channel().1;
        Running {
            input: child.stdin.take(),
            child,
            out,
            err,
            out_lines: out_lines.unwrap_or_else(silent),
            err_lines: err_lines.unwrap_or_else(silent),
        }
    }

    /// Writes to its standard input, which stays open.
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        let input = self.input.as_mut().expect("its input is open");
        // A command that ended early has closed its end; its exit code says why.
        let _ = input.write_all(bytes);
    }

    /// Waits for a line on standard output that contains `words`.
    #[track_caller]
    pub(crate) fn says(&self, words: &str) -> String {
        wait_for(&self.out_lines, words)
    }

    /// Waits for a line on standard error that contains `words`.
    #[track_caller]
    pub(crate) fn notes(&self, words: &str) -> String {
        wait_for(&self.err_lines, words)
    }

    /// Its number, for a signal that must not wait for a process to send it.
    pub(crate) fn number(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Sends it SIGTERM, as `kill` does, or another signal by its name.
    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .arg(format!("-{name}"))
            .arg(self.child.id().to_string())
            .status();
        assert!(status.expect("kill is everywhere").success());
    }

    /// Closes its input and waits for its end.
    #[track_caller]
    pub(crate) fn end(mut self) -> Ended {
        drop(self.input.take());
        self.wait()
    }

    /// Waits for its end with its input left open.
    #[track_caller]
    pub(crate) fn wait(mut self) -> Ended {
        let (done, is_done) = channel::<()>();
        let id = self.child.id().to_string();
        let watchdog = thread::spawn(move || {
            if is_done.recv_timeout(LONG) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
                let _ = Command::new("kill").args(["-KILL", &id]).status();
            }
        });
        let status = self.child.wait().expect("it was started");
        drop(done);
        watchdog.join().expect("it does not panic");
        let text =
            |thread: Option<JoinHandle<String>>| thread.map_or_else(String::new, |thread| thread.join().unwrap());
        let (out, err) = (text(self.out.take()), text(self.err.take()));
        let Some(code) = status.code() else {
            panic!("it hung or was killed: {status}, {out}, {err}")
        };
        Ended { code, out, err }
    }
}

/// A command that a failed test leaves behind ends with it.
impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The command, with nothing of this environment that would change what it does.
pub(crate) fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_potsdb"));
    command.env_remove("POTSDB_URL").env_remove("NO_COLOR");
    command
}

/// A receiver on a free port that keeps the lines as they came.
pub(crate) fn receiver() -> Receiver {
    receiver_with(|_| {})
}

pub(crate) fn receiver_with(change: impl FnOnce(&mut Config)) -> Receiver {
    let mut config = Config {
        keep_lines: true,
        ..Config::default()
    };
    change(&mut config);
    Receiver::start(config).expect("loopback has a free port")
}

/// A URL where nobody listens: the port was free a moment ago, and nothing else here listens on that address.
pub(crate) fn nobody() -> String {
    let listener = TcpListener::bind("127.77.77.77:0").expect("loopback has a free port");
    format!("tsdb://{}", listener.local_addr().expect("it is bound"))
}

/// The URL of a program that speaks another protocol: it says that to the first line of a connection.
pub(crate) fn foreign(says: &'static [u8], closes: bool) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let url = format!("tsdb://{}", listener.local_addr().expect("it is bound"));
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            thread::spawn(move || {
                let mut lines = BufReader::new(&stream);
                let _ = lines.read_until(b'\n', &mut Vec::new());
                let _ = (&stream).write_all(says);
                if !closes {
                    let _ = lines.read_to_end(&mut Vec::new());
                }
            });
        }
    });
    url
}

/// Reads a stream to its end on a thread, and passes its lines on as they come.
fn follow(stream: impl Read + Send + 'static) -> (JoinHandle<String>, Lines<String>) {
    let (lines, followed) = channel();
    let thread = thread::spawn(move || {
        let mut all = String::new();
        let mut stream = BufReader::new(stream);
        let mut line = Vec::new();
        while stream.read_until(b'\n', &mut line).is_ok_and(|count| count > 0) {
            let text = String::from_utf8_lossy(&line).into_owned();
            line.clear();
            all.push_str(&text);
            let _ = lines.send(text);
        }
        all
    });
    (thread, followed)
}

#[track_caller]
fn wait_for(lines: &Lines<String>, words: &str) -> String {
    let deadline = Instant::now() + LONG;
    let mut others = String::new();
    loop {
        match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(line) if line.contains(words) => return line,
            Ok(line) => others.push_str(&line),
            Err(error) => panic!("{words:?} was not said ({error}), but {others:?}"),
        }
    }
}
