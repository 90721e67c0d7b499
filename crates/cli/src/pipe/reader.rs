//! The reader: its thread takes lines from the inputs and hands them to the client.
//!
//! It is always in one of two places: waiting for input, where nothing is in hand and the thread may be left behind,
//! or handing lines to the client, which may wait for room. `stop` waits for the end of the second only, and from then
//! on no further line is taken.

use std::fs::File;
use std::io::{self, Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Context;
use flate2::read::MultiGzDecoder;
use potsdb::Client;

use super::badlines::BadLines;
use super::input::{Input, Piece};
use crate::output::Output;

/// Takes lines from inputs and hands them to a client.
pub(super) struct Reader {
    client: Client,
    output: Output,
    state: Mutex<State>,
    /// Notified when the lines in hand have gone on.
    idle: Condvar,
}

/// What the reader has taken so far, in lines.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Summary {
    /// All there were.
    pub(super) lines: u64,
    /// No points.
    pub(super) bad: u64,
    /// Points that the client did not take because it was closed while they waited for room.
    pub(super) unsent: u64,
}

#[derive(Default)]
struct State {
    taken: Summary,
    handing_over: bool,
    stopping: bool,
}

impl Reader {
    pub(super) fn new(client: Client, output: Output) -> Reader {
        Reader {
            client,
            output,
            state: Mutex::default(),
            idle: Condvar::new(),
        }
    }

    /// Reads each file in turn, standard input where there is none, until the end or `stop`.
    pub(super) fn read_all(&self, files: &[PathBuf]) -> anyhow::Result<()> {
        let standard_input = [PathBuf::from("-")];
        let files = if files.is_empty() { &standard_input } else { files };
        let mut bad = BadLines::new(&self.output);
        for file in files {
            let name = if file == Path::new("-") {
                "stdin".into()
            } else {
                file.display().to_string()
            };
            let source = open(file).with_context(|| format!("cannot open {name}"))?;
            if !self
                .read(source, &name, &mut bad)
                .with_context(|| format!("cannot read {name}"))?
            {
                break;
            }
        }
        Ok(())
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
                    unsent: 0,
                };
            }
        };
        match self.client.send_lines(text, None) {
            Ok(sent) => {
                for line in &sent.bad {
                    bad.tell(name, first + line.number - 1, &line.error);
                }
                Summary {
                    lines: count,
                    bad: sent.bad.len() as u64,
                    unsent: count - sent.lines,
                }
            }
            Err(_) => Summary {
                lines: count,
                bad: 0,
                unsent: count,
            },
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Opens a file, or standard input for `-`, and takes gzip off it.
fn open(file: &Path) -> io::Result<Box<dyn Read>> {
    let mut source: Box<dyn Read> = if file == Path::new("-") {
        Box::new(io::stdin().lock())
    } else {
        Box::new(File::open(file)?)
    };
    let mut start = Vec::new();
    source.by_ref().take(GZIP_MAGIC.len() as u64).read_to_end(&mut start)?;
    let is_gzip = start == GZIP_MAGIC;
    let source = Cursor::new(start).chain(source);
    Ok(if is_gzip {
        Box::new(MultiGzDecoder::new(source))
    } else {
        Box::new(source)
    })
}

/// How a gzip stream begins, and no line can.
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
