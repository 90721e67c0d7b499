//! A process that forks while it spools: each side keeps to its own slot, and the lock is the parent's for as long as it lives.
//!
//! ```text
//!   parent      slot 0 --- forks ------ waits --- forks ------ waits --- goes on, forks, ends
//!   one, two                 '-- slot 1, ends       '-- slot 1, ends               |
//!   heir                                                                           '-- waits for the test's word, slot 0
//! ```
//!
//! The test runs itself as the parent, so that it forks with no other test beside it. Whoever fails ends at once, which the
//! test finds out by the end of what is said.

#![cfg(unix)]

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio, exit};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use fork::Fork;
use potsdb_spool::disk::unix::Folder;
use potsdb_spool::store::{Moment, OpenError};
use potsdb_spool::{Command as Ask, Lines, Options, SlotId, Spool, Told, Writer};

const PARENT: &str = "POTSDB_SPOOL_FORKS";

/// What the heir says when it has the slot of its parent.
const HAS_IT: &str = "the heir has the slot\n";

/// More than any wait of the test takes.
const LONG: Duration = Duration::from_secs(20);

fn open(path: &Path, now: Moment) -> Result<Spool<Folder>, OpenError> {
    let path = path.to_owned();
    let options = Options {
        spool_free: Some(0),
        ..Options::default()
    };
    Spool::open(Box::new(move || Folder::at(&path)), "store", "fork", options, now)
}

fn lines(who: &str, numbers: std::ops::Range<u32>) -> Lines {
    let text: String = numbers.map(|n| format!("put m 1767225600 {n} who={who}\n")).collect();
    Lines::new(text, 0)
}

/// What a slot holds.
fn held(spool: &mut Spool<Folder>, slot: SlotId) -> BTreeSet<String> {
    let (mut from, mut held) = (0, BTreeSet::new());
    while let Some((first, lines)) = spool.read(Moment::default(), slot, from).unwrap() {
        let text = std::str::from_utf8((*lines.payload).as_ref()).unwrap();
        for line in text.lines() {
            let words: Vec<_> = line.split(' ').collect();
            held.insert(format!("{} {}", words[4], words[3]));
        }
        from = first + u64::from(lines.points);
    }
    spool.give_back(slot, 0, u64::MAX);
    held
}

/// Lines, as [`held`] has them.
fn of(who: &str, numbers: std::ops::Range<u32>) -> impl Iterator<Item = String> {
    numbers.map(move |n| format!("who={who} {n}"))
}

/// Appends, and returns when it is safe.
fn keep(writer: &mut Writer, woken: &Receiver<()>, lines: Lines) {
    assert!(writer.send(Ask::Append { tag: 0, lines }).is_ok());
    assert!(writer.send(Ask::Sync { tag: 1 }).is_ok());
    let end = Instant::now() + LONG;
    while !writer
        .poll(Instant::now())
        .iter()
        .any(|told| matches!(told, Told::Synced { .. }))
    {
        woken
            .recv_timeout(end.saturating_duration_since(Instant::now()))
            .expect("synced in time");
    }
}

fn parent(path: &Path) -> ! {
    // Back in the harness a child would go on as its parent.
    std::panic::set_hook(Box::new(|why| {
        let _ = writeln!(std::io::stderr(), "{why}");
        std::process::abort()
    }));
    let (wake, woken) = channel();
    let waker = Arc::new(move || {
        let _ = wake.send(());
    });
    let theirs = path.to_owned();
    let mut writer = Writer::start(move |now| open(&theirs, now), waker).unwrap();
    keep(&mut writer, &woken, lines("parent", 0..3));
    // The second of them finds what the end of the first has left of the parent's lock: all of it.
    for who in ["one", "two"] {
        match fork::fork().unwrap() {
            Fork::Child => {
                child(writer, path, who);
                exit(0)
            }
            Fork::Parent(child) => assert_eq!(fork::waitpid(child).unwrap(), 0, "{who}"),
        }
    }
    // What they did is nothing to the parent.
    keep(&mut writer, &woken, lines("parent", 3..7));
    if let Fork::Child = fork::fork().unwrap() {
        heir(path);
    }
    exit(0)
}

/// Its parent's writer is nothing to it, and it takes a slot of its own.
fn child(mut writer: Writer, path: &Path, who: &str) {
    let ask = Ask::Append {
        tag: 0,
        lines: lines(who, 90..99),
    };
    assert!(writer.send(ask).is_err());
    assert!(writer.has_ended() && writer.stats().is_empty() && writer.poll(Instant::now()).is_empty());
    drop(writer);
    let now = Moment::default();
    let mut spool = open(path, now).unwrap();
    assert!(spool.adopt(now).is_none(), "the parent holds its slot");
    spool.append(now, lines(who, 0..2)).unwrap();
    spool.sync(now);
}

/// Its parent has ended, and with it its lock: no child has inherited it.
fn heir(path: &Path) {
    std::io::stdin().lines().next().unwrap().unwrap();
    let mut spool = open(path, Moment::default()).unwrap();
    let own = spool.own();
    assert_eq!(held(&mut spool, own), of("parent", 0..7).collect());
    // Not by a macro, whose output the harness would keep.
    std::io::stdout().write_all(HAS_IT.as_bytes()).unwrap();
}

#[test]
fn e6_20_a_forked_child_keeps_to_its_own_slot_and_does_not_release_its_parents() {
    if let Some(path) = std::env::var_os(PARENT) {
        parent(&PathBuf::from(path));
    }
    let folder = std::env::temp_dir().join(format!("potsdb-spool-fork-{}", std::process::id()));
    let mut parent = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "e6_20_a_forked_child_keeps_to_its_own_slot_and_does_not_release_its_parents",
            "--nocapture",
            "--quiet",
        ])
        .env(PARENT, &folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut ask = parent.stdin.take().unwrap();
    let said = BufReader::new(parent.stdout.take().unwrap());
    assert!(parent.wait().unwrap().success());
    ask.write_all(b"the parent has ended\n").unwrap();
    // Up to the heir's end.
    let said: Vec<_> = said.lines().map_while(Result::ok).collect();
    assert!(said.iter().any(|line| line == HAS_IT.trim_end()), "{said:?}");

    let now = Moment::default();
    let mut spool = open(&folder, now).unwrap();
    let own = spool.own();
    assert_eq!(held(&mut spool, own), of("parent", 0..7).collect());
    let slot = spool.adopt(now).unwrap();
    assert_eq!(held(&mut spool, slot), of("one", 0..2).chain(of("two", 0..2)).collect());
    assert!(spool.adopt(now).is_none());
    drop(spool.close(now));
    std::fs::remove_dir_all(&folder).unwrap();
}
