//! The reader: its thread takes lines from the inputs and hands them to the client.
//!
//! An input that cannot be read is reported, and the next one is read.
//!
//! It is always in one of two places: waiting for input, where nothing is in hand and the thread may be left behind,
//! or handing lines to the client, which may wait for room. `stop` waits for the end of the second only, and from then
//! on no further line is taken.

use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use potsdb::Client;

use super::badlines::BadLines;
use super::input::{Input, Piece};
use super::source::{self, BytesRead};
use crate::output::Output;
use crate::statistics::plural;

/// Takes lines from inputs and hands them to a client.
pub(super) struct Reader {
    client: Client,
    output: Output,
    files: Vec<PathBuf>,
    read: BytesRead,
    /// How many bytes there are to read, if that is known.
    size: Option<u64>,
    state: Mutex<State>,
    /// Notified when the lines in hand have gone on.
    idle: Condvar,
}

/// What the reader has taken so far, in lines.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Summary {
    /// All there were but blank ones and comments.
    pub(super) lines: u64,
    /// No points.
    pub(super) bad: u64,
    /// Points that the client did not take because it was closed while they waited for room.
    pub(super) unsent: u64,
    /// Points that were not sent because their series had one at that time.
    pub(super) repeated: u64,
    /// Files that were not read to their end.
    pub(super) unread: u64,
}

#[derive(Default)]
struct State {
    taken: Summary,
    handing_over: bool,
    stopping: bool,
}

impl Reader {
    /// Reads files, or standard input if there are none.
    pub(super) fn new(client: Client, output: Output, files: Vec<PathBuf>) -> Reader {
        let standard_input = || vec![PathBuf::from("-")];
        let files = if files.is_empty() { standard_input() } else { files };
        Reader {
            client,
            output,
            read: BytesRead::default(),
            size: source::size(&files),
            files,
            state: Mutex::default(),
            idle: Condvar::new(),
        }
    }

    /// Reads one after the other, until the end or `stop`.
    pub(super) fn read_all(&self) {
        let mut bad = BadLines::new(&self.output);
        for (index, file) in self.files.iter().enumerate() {
            let name = source::name(file);
            let before = self.summary().lines;
            let whole = source::open(file, &self.read).and_then(|source| self.read(source, &name, &mut bad));
            match whole {
                Ok(true) => {}
                Ok(false) => {
                    self.leave_unread(&self.files[index + 1..]);
                    return;
                }
                Err(error) => {
                    let words = format!("cannot read {name}: {error}");
                    match self.files.len() {
                        // This is why it could not run.
                        1 if self.summary().lines == before => self.output.error(words),
                        _ => self.output.note(words),
                    }
                    let lines = self.summary().lines - before;
                    if lines > 0 {
                        let lines = plural(lines, "line");
                        self.output
                            .note(format_args!("{name}: the {lines} before that were read"));
                    }
                    self.state().taken.unread += 1;
                }
            }
        }
    }

    /// Whether none of the inputs could be read.
    pub(super) fn has_read_nothing(&self) -> bool {
        self.summary().unread == self.files.len() as u64
    }

    pub(super) fn reads_standard_input(&self) -> bool {
        self.files.iter().any(|file| source::is_standard_input(file))
    }

    /// How much of everything has been read, from 0 to 1, if its size is known.
    pub(super) fn progress(&self) -> Option<f64> {
        let read = self.read.load(Ordering::Relaxed);
        self.size.map(|size| (read as f64 / size as f64).min(1.0))
    }

    fn leave_unread(&self, files: &[PathBuf]) {
        if !files.is_empty() {
            let names: Vec<_> = files.iter().map(|file| source::name(file)).collect();
            self.output.note(format_args!("not read: {}", names.join(", ")));
            self.state().taken.unread += files.len() as u64;
        }
    }

    /// Takes no further line from here on, and waits until none is in hand, at most `timeout`.
    pub(super) fn stop(&self, timeout: Duration) {
        let mut state = self.state();
        state.stopping = true;
        let _ = self.idle.wait_timeout_while(state, timeout, |state| state.handing_over);
    }

    pub(super) fn summary(&self) -> Summary {
        self.state().taken
    }

    /// Reads one source; false means that it was told to stop.
    fn read(&self, source: impl Read, name: &str, bad: &mut BadLines<'_>) -> io::Result<bool> {
        let mut input = Input::new(source);
        while let Some(piece) = input.next()? {
            {
                let mut state = self.state();
                if state.stopping {
                    return Ok(false);
                }
                state.handing_over = true;
            }
            let taken = self.hand_over(&piece, name, bad);
            let mut state = self.state();
            state.handing_over = false;
            state.taken.lines += taken.lines;
            state.taken.bad += taken.bad;
            state.taken.unsent += taken.unsent;
            state.taken.repeated += taken.repeated;
            self.idle.notify_all();
            if taken.unsent > 0 {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn hand_over(&self, piece: &Piece<'_>, name: &str, bad: &mut BadLines<'_>) -> Summary {
        let (text, first, count) = match *piece {
            Piece::Lines { text, first, count } => (text, first, count),
            Piece::TooLong { number } => {
                bad.tell(
                    name,
                    number,
                    "the line is longer than any line may be, and does not end",
                );
                return Summary {
                    lines: 1,
                    bad: 1,
                    ..Summary::default()
                };
            }
        };
        // It is `send_lines` unless repeats=first was asked for.
        match self.client.send_lines_once(text, Duration::MAX) {
            Ok(sent) => {
                for line in &sent.bad {
                    bad.tell(name, first + line.number - 1, &line.error);
                }
                Summary {
                    lines: count - sent.passed_over,
                    bad: sent.bad.len() as u64,
                    unsent: count - sent.lines,
                    repeated: sent.repeated,
                    ..Summary::default()
                }
            }
            Err(_) => Summary {
                lines: count,
                unsent: count,
                ..Summary::default()
            },
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
