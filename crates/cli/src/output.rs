//! The only place that prints.
//!
//! Results go to standard output, everything said along the way to standard error. A reader that went away
//! (`potsdb pipe --json | head -0`) is no failure: what follows is swallowed, and `is_closed` tells a long-running
//! subcommand that nobody is watching. Any other failure of standard output (a full disk) is kept and reported by
//! `finish`, so that no subcommand has to check each line.

use std::fmt::Display;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;

/// Standard output and standard error of this process; every clone is the same, on any thread.
#[derive(Clone, Default)]
pub(crate) struct Output {
    sink: Arc<Mutex<Sink>>,
}

#[derive(Default)]
struct Sink {
    /// Only objects, and errors that end the command, are said.
    quiet: bool,
    closed: bool,
    /// What was written to standard error, up to [`REMEMBERED`] bytes of it.
    said: String,
    /// A progress line stands at the cursor.
    progress: bool,
    failure: Option<io::Error>,
}

impl Output {
    /// Says nothing from here on but objects that were asked for, and errors that end the command.
    pub(crate) fn set_quiet(&self, quiet: bool) {
        self.sink().quiet = quiet;
    }

    /// Writes one line to standard output.
    pub(crate) fn say(&self, line: impl Display) {
        self.write(&format!("{line}\n"));
    }

    /// Writes one JSON object to standard output, on one line.
    pub(crate) fn json(&self, object: &Value) {
        self.write_bytes(format!("{object}\n").as_bytes());
    }

    /// Writes text as it is to standard output: a table that redraws itself.
    pub(crate) fn write(&self, text: &str) {
        if !self.sink().quiet {
            self.write_bytes(text.as_bytes());
        }
    }

    /// Writes bytes as they are to standard output, quiet or not: a result that was asked for.
    pub(crate) fn write_bytes(&self, bytes: &[u8]) {
        let mut sink = self.sink();
        if sink.closed || sink.failure.is_some() {
            return;
        }
        let mut stdout = io::stdout().lock();
        match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => sink.closed = true,
            Err(error) => sink.failure = Some(error),
        }
    }

    /// Writes one line to standard error, under the command's name. Where standard error is gone nobody can be told.
    pub(crate) fn note(&self, line: impl Display) {
        if !self.sink().quiet {
            self.error(line);
        }
    }

    /// The same for what ends the command, which is always said.
    pub(crate) fn error(&self, line: impl Display) {
        let text = format!("potsdb: {line}\n");
        self.to_stderr(&text, false);
        let said = &mut self.sink().said;
        if said.len() + text.len() <= REMEMBERED {
            said.push_str(&text);
        }
    }

    /// Writes a line of a log to standard error, without the command's name.
    pub(crate) fn log(&self, line: impl Display) {
        if !self.sink().quiet {
            self.to_stderr(&format!("{line}\n"), false);
        }
    }

    /// Whether a line on standard error had these words.
    pub(crate) fn has_said(&self, words: &str) -> bool {
        self.sink().said.contains(words)
    }

    /// Shows how far things are, on a line of a terminal's that the next call, or a note, writes over; an empty text
    /// only takes it away.
    pub(crate) fn progress(&self, text: &str) {
        if !self.sink().quiet {
            self.to_stderr(text, !text.is_empty());
        }
    }

    fn to_stderr(&self, text: &str, stays_open: bool) {
        let mut sink = self.sink();
        let over = if sink.progress { "\r\x1b[K" } else { "" };
        sink.progress = stays_open;
        let _ = io::stderr().write_all(format!("{over}{text}").as_bytes());
    }

    /// Returns true when the reader of standard output went away.
    pub(crate) fn is_closed(&self) -> bool {
        self.sink().closed
    }

    /// Returns the first failure of standard output but a reader that went away.
    pub(crate) fn finish(&self) -> io::Result<()> {
        self.sink().failure.take().map_or(Ok(()), Err)
    }

    fn sink(&self) -> MutexGuard<'_, Sink> {
        self.sink.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Enough for whatever a person reads, so that it is not said twice.
const REMEMBERED: usize = 64 * 1024;
