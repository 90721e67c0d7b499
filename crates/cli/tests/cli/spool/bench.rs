//! Spools to look into, and a process that holds one.
//!
//! The process is this test binary, run again with [`OWNER`] set: it takes a slot, keeps some lines in it, says so, and
//! holds it until its input ends.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use potsdb_spool::disk::unix::Folder;
use potsdb_spool::store::Moment;
use potsdb_spool::{Lines, Options, Spool};
use tempfile::TempDir;

use crate::command::{Ended, LONG, potsdb};

/// Where the process keeps its lines.
const OWNER: &str = "POTSDB_TEST_OWNER";

/// What it does then.
const CONDUCT: &str = "POTSDB_TEST_CONDUCT";

pub(crate) const STORE: &str = "tsdb-localhost-4242";

/// The segment that a slot begins with.
pub(crate) const FIRST: &str = "00000000000000000000.spool";

/// When the lines were accepted, in milliseconds since 1970; those of the next record a second later.
pub(crate) const ACCEPTED: u64 = 1_767_225_600_000;

/// A spool in a folder of its own.
pub(crate) struct Bench {
    temp: TempDir,
}

impl Bench {
    pub(crate) fn new() -> Bench {
        let temp = tempfile::tempdir().unwrap();
        Bench { temp }
    }

    /// With a slot of segments of records of so many points each.
    pub(crate) fn with(segments: &[&[u64]]) -> Bench {
        let bench = Bench::new();
        bench.fill(STORE, segments);
        bench
    }

    /// The spool's folder.
    pub(crate) fn path(&self) -> PathBuf {
        self.temp.path().join("spool")
    }

    /// The first slot's folder.
    pub(crate) fn slot(&self) -> PathBuf {
        self.path().join(STORE).join("0")
    }

    /// Runs `potsdb spool SUBCOMMAND PATH ARGUMENTS`.
    pub(crate) fn spool(&self, subcommand: &str, arguments: &[&str]) -> Ended {
        let path = self.path();
        potsdb(&[&["spool", subcommand, path.to_str().unwrap()], arguments].concat())
    }

    /// Keeps segments of records of so many points each, in the first slot that is free.
    pub(crate) fn fill(&self, store: &str, segments: &[&[u64]]) {
        let mut number = 0;
        for records in segments {
            let mut spool = open(&self.path(), store);
            for points in *records {
                let text: String = (number..number + points).map(line).collect();
                number += points;
                spool.append(now(number), Lines::new(text, now(number).wall)).unwrap();
            }
            spool.close(now(number));
        }
    }

    /// Waits until so many points are in it.
    pub(crate) fn until(&self, points: u64) {
        let end = Instant::now() + LONG;
        let holds = || {
            let seen = self.spool("ls", &["--json"]);
            seen.code == 0 && seen.json()["stores"][0]["points"] == points
        };
        while !holds() {
            assert!(
                Instant::now() < end,
                "{points} points are not there: {}",
                self.spool("stat", &[]).out
            );
        }
    }

    /// Changes the bytes of a file of the first slot.
    pub(crate) fn tamper(&self, file: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let path = self.slot().join(file);
        let mut bytes = std::fs::read(&path).unwrap();
        change(&mut bytes);
        std::fs::write(path, bytes).unwrap();
    }

    /// Becomes a copy of another.
    pub(crate) fn copy_of(&self, other: &Bench) {
        for (path, bytes) in other.files() {
            let path = self.path().join(path.strip_prefix(other.path()).unwrap());
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        }
    }

    /// Every file below the spool's folder, with its bytes.
    pub(crate) fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let mut files = Vec::new();
        below(&self.path(), &mut files);
        files.sort();
        files
    }
}

fn below(folder: &Path, files: &mut Vec<(PathBuf, Vec<u8>)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => below(&path, files),
            false => files.push((path.clone(), std::fs::read(path).unwrap())),
        }
    }
}

fn now(number: u64) -> Moment {
    Moment {
        mono: Duration::ZERO,
        wall: ACCEPTED + number * 1_000,
    }
}

/// Opens the spool as a client does.
pub(crate) fn open(path: &Path, store: &str) -> Spool<Folder> {
    let path = path.to_owned();
    let options = Options {
        spool_free: Some(0),
        // Small, so that segments come and go.
        segment_bytes: 128 * 1024,
        ..Options::default()
    };
    let root = Box::new(move || Folder::at(&path));
    Spool::open(root, store, "program: test", options, now(0)).unwrap()
}

/// A line as a client keeps it.
pub(crate) fn line(number: u64) -> String {
    format!("put {}", import(number))
}

/// The same in the import form.
pub(crate) fn import(number: u64) -> String {
    let metric = if number.is_multiple_of(2) {
        "web.requests"
    } else {
        "db.rows"
    };
    format!("{metric} {} {number} host=a\n", 1_767_225_600 + number)
}

/// The import form of a range.
pub(crate) fn imports(numbers: impl IntoIterator<Item = u64>) -> String {
    numbers.into_iter().map(import).collect()
}

/// A process that holds a slot.
pub(crate) struct Owner {
    child: Child,
}

impl Owner {
    /// Starts it; it has three lines more in the slot when this returns.
    pub(crate) fn start(bench: &Bench) -> Owner {
        Owner::with(bench, "rests")
    }

    /// Starts one that writes and delivers all the time: segments come and go.
    pub(crate) fn busy(bench: &Bench) -> Owner {
        Owner::with(bench, "is busy")
    }

    fn with(bench: &Bench, conduct: &str) -> Owner {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "spool::bench::the_owner", "--nocapture", "--quiet"])
            .env(OWNER, bench.path())
            .env(CONDUCT, conduct)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let said = BufReader::new(child.stdout.take().unwrap());
        let holds = said.lines().map_while(Result::ok).any(|line| line.contains("it holds"));
        assert!(holds, "the owner ended");
        Owner { child }
    }

    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }

    /// Ends it as a machine does that loses its power.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What the process does.
#[test]
fn the_owner() {
    let Some(path) = std::env::var_os(OWNER) else { return };
    let mut spool = open(Path::new(&path), STORE);
    spool
        .append(now(0), Lines::new((100..103).map(line).collect::<String>(), ACCEPTED))
        .unwrap();
    spool.sync(now(0));
    let mut out = std::io::stdout().lock();
    writeln!(out, "it holds").unwrap();
    out.flush().unwrap();
    let ended = Arc::new(AtomicBool::new(false));
    let until = Arc::clone(&ended);
    let input = std::thread::spawn(move || {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        until.store(true, Ordering::Relaxed);
    });
    if std::env::var(CONDUCT).unwrap() == "is busy" {
        while !ended.load(Ordering::Relaxed) {
            churn(&mut spool);
        }
    }
    input.join().unwrap();
}

/// Keeps four hundred lines more, and delivers the oldest once there are many.
fn churn(spool: &mut Spool<Folder>) {
    let (own, next) = (spool.own(), spool.next());
    let text: String = (next..next + 400).map(line).collect();
    spool.append(now(0), Lines::new(text, ACCEPTED)).unwrap();
    if next.is_multiple_of(7) {
        spool.sync(now(0));
    }
    if spool.stats(own).unwrap().points > 20_000 {
        spool.done(own, 0, next - 9_000);
    }
    spool.tick(now(0));
}
