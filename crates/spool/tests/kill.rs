//! A process that is killed at random moments: everything it said was safe is there.
//!
//! The test runs itself as the child: with `POTSDB_SPOOL_CHILD` set it appends lines to a spool in that folder, and writes to
//! standard output up to which line all are safe, until it is killed. `POTSDB_KILLS` says how often; 50 times unless said.

#![cfg(unix)]

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use potsdb_spool::disk::unix::Folder;
use potsdb_spool::store::Moment;
use potsdb_spool::{Command as Ask, Event, Lines, News, Options, Spool, Told, Writer};

const CHILD: &str = "POTSDB_SPOOL_CHILD";

fn options() -> Options {
    Options {
        // Small, so that segments come and go.
        segment_bytes: 256 * 1024,
        spool_free: Some(0),
        ..Options::default()
    }
}

fn open(path: &Path, now: Moment) -> Result<Spool<Folder>, potsdb_spool::store::OpenError> {
    let path = path.to_owned();
    Spool::open(Box::new(move || Folder::at(&path)), "store", "kill", options(), now)
}

fn line(number: u64) -> String {
    format!(
        "put m 1767225600 {number} a={:x<width$}\n",
        "b",
        width = number as usize % 400
    )
}

fn lines(first: u64, points: u64) -> Lines {
    Lines::new((first..first + points).map(line).collect::<String>(), 0)
}

/// What the child does until it is killed: appends, says what is safe, and is done with some.
fn child(path: PathBuf) {
    let (wake, woken) = channel();
    let waker = Arc::new(move || {
        let _ = wake.send(());
    });
    let mut writer = Writer::start(move |now| open(&path, now), waker).unwrap();
    let mut out = std::io::stdout().lock();
    let first: u64 = std::env::var("POTSDB_SPOOL_FIRST").unwrap().parse().unwrap();
    let (mut next, mut asked) = (first, 0);
    loop {
        for told in writer.poll(Instant::now()) {
            if let Told::Synced { tag } = told {
                asked -= 1;
                writeln!(out, "{tag}").unwrap();
                out.flush().unwrap();
            }
        }
        while asked < 4 {
            for _ in 0..5 {
                let points = 1 + next % 37;
                let lines = lines(next, points);
                if writer.send(Ask::Append { tag: 0, lines }).is_err() {
                    break;
                }
                next += points;
            }
            writer.send(Ask::Sync { tag: next }).ok().unwrap();
            asked += 1;
        }
        let _ = woken.recv_timeout(Duration::from_secs(1));
    }
}

#[test]
fn e6_01_what_was_safe_is_there_after_any_kill() {
    if let Some(path) = std::env::var_os(CHILD) {
        return child(path.into());
    }
    let kills = std::env::var("POTSDB_KILLS").map_or(50, |kills| kills.parse().unwrap());
    let folder = std::env::temp_dir().join(format!("potsdb-spool-kill-{}", std::process::id()));
    let (mut next, mut known) = (0, BTreeSet::new());
    for kill in 0..kills {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "e6_01_what_was_safe_is_there_after_any_kill",
                "--nocapture",
                "--quiet",
            ])
            .env(CHILD, &folder)
            .env("POTSDB_SPOOL_FIRST", next.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap())
            .lines()
            .map_while(Result::ok);
        // After a while that is another one each time: some words of it.
        let words = 1 + kill * 7 % 23;
        let mut safe: u64 = said
            .by_ref()
            .filter_map(|word| word.parse().ok())
            .nth(words)
            .expect("the child says so much");
        child.kill().unwrap();
        child.wait().unwrap();
        // What it had said when it died counts too.
        safe = said.filter_map(|word| word.parse().ok()).last().unwrap_or(safe);

        let now = Moment::default();
        let mut spool = open(&folder, now).unwrap();
        let (own, mut from) = (spool.own(), 0);
        let mut found = BTreeSet::new();
        while let Some((first, lines)) = spool.read(now, own, from).unwrap() {
            for text in std::str::from_utf8((*lines.payload).as_ref())
                .unwrap()
                .split_inclusive('\n')
            {
                let number = text.split(' ').nth(3).unwrap().parse().unwrap();
                assert_eq!(text, line(number), "nothing foreign");
                found.insert(number);
            }
            from = first + u64::from(lines.points);
        }
        for event in spool.news() {
            let points = match &event {
                News::Slot(_, Event::Missing { points, .. } | Event::Damaged { points, .. }) => points.len(),
                News::Slot(_, Event::DroppedFull { points }) => points.len(),
                _ => 0,
            };
            assert_eq!(points, 0, "{event:?}");
        }
        let must = known.iter().copied().chain(next..safe);
        for number in must {
            assert!(found.contains(&number), "kill {kill}: line {number} of {safe} was safe");
        }
        next = found.last().map_or(next, |last| last + 1);
        known = found;
        // The older half is done with, for good when the spool says so.
        let half = known.iter().copied().nth(known.len() / 2).unwrap_or(0);
        known.retain(|number| *number >= half);
        spool.done(own, 0, from - known.len() as u64);
        drop(spool.close(now));
    }
    std::fs::remove_dir_all(&folder).unwrap();
}
