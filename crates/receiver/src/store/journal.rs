//! The journal: accepted points as `put` lines in a file, appended, read back at the next start.
//!
//! With `forget` a line reaches the file only once it is that old, so `kill -9` loses what is younger: OpenTSDB's own
//! behaviour, which holds accepted puts for a second before HBase has them. Without it a line is in the file before its
//! connection gets its next reply. Nothing is synced to the disk: a killed process is the case, not a failing machine.
//!
//! ```text
//! append --> young: (due, lines), (due, lines), ...   --"potsdb-journal", when due-->  file
//! ```
//!
//! `store.rs` appends after its lock; `receiver.rs` opens, loads and closes. A torn last line is cut off at opening, so
//! that the next line does not become its tail.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

pub(crate) struct Journal {
    forget: Option<Duration>,
    shared: Arc<Shared>,
    writer: Mutex<Option<thread::JoinHandle<()>>>,
}

struct Shared {
    young: Mutex<Young>,
    due: Condvar,
    file: Mutex<Option<File>>,
}

struct Young {
    batches: VecDeque<(Instant, Vec<u8>)>,
    bytes: usize,
    closed: bool,
    failed: Option<io::Error>,
}

/// Beyond this many bytes the oldest lines are written before they are due: memory is bounded, forgetting is not a
/// duty.
const MAX_YOUNG: usize = 1 << 30;

impl Journal {
    /// Opens or creates the file and returns its whole lines beside the journal. Without a path nothing is written:
    /// only what is young is known.
    pub(crate) fn open(path: Option<&Path>, forget: Option<Duration>) -> io::Result<(Journal, Vec<u8>)> {
        let (file, lines) = match path {
            Some(path) => {
                let (file, lines) = open(path)?;
                (Some(file), lines)
            }
            None => (None, Vec::new()),
        };
        let young = Young {
            batches: VecDeque::new(),
            bytes: 0,
            closed: false,
            failed: None,
        };
        let shared = Arc::new(Shared {
            young: Mutex::new(young),
            due: Condvar::new(),
            file: Mutex::new(file),
        });
        let writer = match forget {
            Some(_) => {
                let shared = Arc::clone(&shared);
                Some(
                    thread::Builder::new()
                        .name("potsdb-journal".into())
                        .spawn(move || shared.write_when_due())?,
                )
            }
            None => None,
        };
        Ok((
            Journal {
                forget,
                shared,
                writer: Mutex::new(writer),
            },
            lines,
        ))
    }

    /// Takes newline-ended lines, for now or for when they are old enough; reports an earlier failure of the writer
    /// too.
    pub(crate) fn append(&self, lines: Vec<u8>) -> io::Result<()> {
        let Some(forget) = self.forget else {
            return self.shared.write(&lines);
        };
        let mut young = lock(&self.shared.young);
        young.bytes += lines.len();
        young.batches.push_back((Instant::now() + forget, lines));
        // The writer sleeps until the oldest is due; only the first, or a full house, tells it something new.
        if young.batches.len() == 1 || young.bytes > MAX_YOUNG {
            self.shared.due.notify_one();
        }
        young.failed.take().map_or(Ok(()), Err)
    }

    /// Gives back the lines that were too young for the file, which now never get there.
    pub(crate) fn forget(&self) -> Vec<Vec<u8>> {
        let mut young = lock(&self.shared.young);
        young.bytes = 0;
        young.batches.drain(..).map(|(_, lines)| lines).collect()
    }

    /// Writes everything, however young, and ends the writer.
    pub(crate) fn close(&self) -> io::Result<()> {
        lock(&self.shared.young).closed = true;
        self.shared.due.notify_one();
        if let Some(writer) = lock(&self.writer).take() {
            writer
                .join()
                .map_err(|_| io::Error::other("the journal's writer panicked"))?;
        }
        lock(&self.shared.young).failed.take().map_or(Ok(()), Err)
    }
}

impl Shared {
    fn write(&self, lines: &[u8]) -> io::Result<()> {
        match &mut *lock(&self.file) {
            Some(file) => file.write_all(lines),
            None => Ok(()),
        }
    }

    fn write_when_due(&self) {
        let mut young = lock(&self.young);
        loop {
            let now = Instant::now();
            match young.batches.front() {
                Some((due, _)) if *due <= now || young.closed || young.bytes > MAX_YOUNG => {
                    let (_, lines) = young.batches.pop_front().expect("there is a front");
                    young.bytes -= lines.len();
                    drop(young);
                    let written = self.write(&lines);
                    young = lock(&self.young);
                    if let Err(error) = written {
                        young.failed = Some(error);
                    }
                }
                None if young.closed => return,
                front => {
                    // Without a batch only an append or the close can wake it, and both notify.
                    let wait = front.map_or(Duration::from_secs(3600), |(due, _)| *due - now);
                    young = self
                        .due
                        .wait_timeout(young, wait)
                        .unwrap_or_else(PoisonError::into_inner)
                        .0;
                }
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Opens a journal's file behind its last whole line, and reads its lines.
fn open(path: &Path) -> io::Result<(File, Vec<u8>)> {
    let mut file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
    if !file.metadata()?.is_file() {
        // A device such as /dev/full would be read for ever.
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("journal {} is not a file", path.display()),
        ));
    }
    let mut lines = Vec::new();
    file.read_to_end(&mut lines)?;
    let whole = memchr::memrchr(b'\n', &lines).map_or(0, |newline| newline + 1);
    if whole < lines.len() {
        lines.truncate(whole);
        file.set_len(whole as u64)?;
        file.seek(io::SeekFrom::End(0))?;
    }
    Ok((file, lines))
}
