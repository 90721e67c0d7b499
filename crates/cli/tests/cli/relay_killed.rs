//! The relay's truth: what it answered for comes out, however often it is killed.
//!
//! Senders of both kinds give batches of their own points, and write down those that were answered for. Meanwhile the store
//! comes and goes, and the relay is killed with SIGKILL again and again. At the end all of them are in the store.
//! `POTSDB_KILLS=200` kills it as often; without it a few times.
//!
//! Whoever hears the answer at which it is due kills the relay, so that there is no time to write what should have been
//! written before. What the kernel was given outlives the kill: whether it was synced is for `crates/spool/src/faults` to say.

use std::collections::HashSet;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use potsdb_receiver::{Config, Receiver};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::command::{LONG, Running};

/// What senders share.
struct Sending {
    relay: SocketAddr,
    ends: AtomicBool,
    answered: AtomicU64,
    /// Which answer is the relay's last, and whom to kill.
    dies: Mutex<Option<(u64, Pid)>>,
}

impl Sending {
    /// Counts an answer. A relay whose last one it was is dead when this returns.
    fn answered(&self) {
        let count = self.answered.fetch_add(1, Ordering::Relaxed) + 1;
        let mut dies = self.dies.lock().unwrap();
        if let Some((_, relay)) = dies.take_if(|(last, _)| *last <= count) {
            kill_process(relay, Signal::KILL).unwrap();
        }
    }
}

/// Small numbers that look random, from a seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % most
    }
}

/// The lines of points that nobody else sends.
fn batch(sender: usize, from: u64, count: u64) -> Vec<String> {
    let line = |n: u64| format!("truth.s{sender} {} {n} h=a", 1_767_225_600 + n);
    (from..from + count).map(line).collect()
}

fn connect(sending: &Sending) -> Option<TcpStream> {
    let stream = TcpStream::connect(sending.relay).ok()?;
    stream.set_read_timeout(Some(LONG)).ok()?;
    stream.set_write_timeout(Some(LONG)).ok()?;
    Some(stream)
}

/// Whether a batch was answered for, over telnet.
fn over_telnet(stream: &mut BufReader<TcpStream>, lines: &[String]) -> Option<bool> {
    let text: String = lines.iter().map(|line| format!("put {line}\n")).collect();
    stream.get_mut().write_all(text.as_bytes()).ok()?;
    stream.get_mut().write_all(b"version\n").ok()?;
    let mut is_safe = true;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).ok()? == 0 {
            return None;
        }
        is_safe &= !line.starts_with("put: ");
        if line.starts_with("Built on ") {
            return Some(is_safe);
        }
    }
}

/// Whether a batch was answered for, over HTTP, on a connection of its own.
fn over_http(mut stream: TcpStream, lines: &[String]) -> Option<bool> {
    let points: Vec<String> = lines
        .iter()
        .map(|line| {
            let parts: Vec<&str> = line.split(' ').collect();
            format!(
                r#"{{"metric":"{}","timestamp":{},"value":{},"tags":{{"h":"a"}}}}"#,
                parts[0], parts[1], parts[2]
            )
        })
        .collect();
    let body = format!("[{}]", points.join(","));
    let head = format!(
        "POST /api/put HTTP/1.1\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all((head + &body).as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer.starts_with("HTTP/1.1 204 "))
}

/// Sends batch after batch, each once, and returns the values of all points that were answered for.
fn sender(number: usize, is_http: bool, sending: &Sending) -> Vec<u64> {
    let (mut dice, mut next, mut answered) = (Dice(number as u64 + 1), 0, Vec::new());
    while !sending.ends.load(Ordering::Relaxed) {
        let Some(stream) = connect(sending) else {
            thread::yield_now();
            continue;
        };
        let mut stream = BufReader::new(stream);
        while !sending.ends.load(Ordering::Relaxed) {
            let count = 1 + dice.below(300);
            let lines = batch(number, next, count);
            let is_safe = match is_http {
                false => over_telnet(&mut stream, &lines),
                true => connect(sending).and_then(|stream| over_http(stream, &lines)),
            };
            if is_safe == Some(true) {
                answered.extend(next..next + count);
                sending.answered();
            }
            next += count;
            if is_safe.is_none() {
                break;
            }
        }
    }
    answered
}

fn start(listen: &str, store: &str, spool: &Path) -> (Running, SocketAddr) {
    let spool = spool.to_str().unwrap();
    let line = [
        "relay", "--json", "--listen", listen, "--store", store, "--spool", spool,
    ];
    let relay = Running::start(&line);
    let first: Value = serde_json::from_str(&relay.says("port")).unwrap();
    let address = first["listen"][0]["address"].as_str().unwrap().parse().unwrap();
    (relay, address)
}

#[test]
#[expect(
    clippy::print_stderr,
    reason = "how much was tried, for whoever has it kill more often"
)]
fn what_was_answered_for_comes_out_however_often_the_relay_is_killed() {
    let kills = std::env::var("POTSDB_KILLS").map_or(8, |kills| kills.parse::<u64>().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let spool = folder.path().join("spool");
    let store = Receiver::start(Config::default()).unwrap();
    let url = format!("{}?backoff=10ms..100ms&settle=100ms&spool_free=0", store.url());
    let (mut relay, address) = start("127.0.0.1:0", &url, &spool);
    let listen = address.to_string();
    let sending = Arc::new(Sending {
        relay: address,
        ends: AtomicBool::new(false),
        answered: AtomicU64::new(0),
        dies: Mutex::new(None),
    });
    let senders: Vec<_> = (0..12)
        .map(|number| {
            let sending = Arc::clone(&sending);
            thread::spawn(move || sender(number, number >= 8, &sending))
        })
        .collect();
    let mut dice = Dice(0x5eed);
    for kill in 0..kills {
        // Most of the time there is no store, so that the disk alone knows.
        store.faults().listen(kill % 4 == 3);
        if kill % 4 != 3 {
            store.faults().reset_all(0);
        }
        let wanted = sending.answered.load(Ordering::Relaxed) + 20 + dice.below(100);
        *sending.dies.lock().unwrap() = Some((wanted, relay.number()));
        let latest = Instant::now() + LONG;
        while sending.dies.lock().unwrap().is_some() {
            assert!(Instant::now() < latest, "no answers, after {kill} kills");
            thread::yield_now();
        }
        drop(relay);
        relay = start(&listen, &url, &spool).0;
    }
    sending.ends.store(true, Ordering::Relaxed);
    store.faults().listen(true);
    let answered: Vec<Vec<u64>> = senders.into_iter().map(|sender| sender.join().unwrap()).collect();
    let all: usize = answered.iter().map(Vec::len).sum();
    assert!(all as u64 > kills * 100, "{all} points were answered for");
    let missing = |store: &Receiver| {
        let missing = answered.iter().enumerate().map(|(number, answered)| {
            let there = store.points_of(Some(&format!("truth.s{number}")), &[]);
            let there: HashSet<u64> = there
                .iter()
                .map(|point| point.timestamp as u64 - 1_767_225_600)
                .collect();
            answered.iter().filter(|n| !there.contains(n)).count()
        });
        missing.sum::<usize>()
    };
    let latest = Instant::now() + LONG + Duration::from_secs(kills);
    while missing(&store) > 0 {
        assert!(
            Instant::now() < latest,
            "{} of {all} points that were answered for are missing",
            missing(&store)
        );
        let more = store.counts().accepted + 1;
        store.wait_for(more, Duration::from_secs(1));
    }
    relay.signal("TERM");
    relay.wait().with_code(0);
    eprintln!(
        "{kills} kills, {} answers, {all} points answered for, none missing",
        sending.answered.load(Ordering::Relaxed)
    );
}
