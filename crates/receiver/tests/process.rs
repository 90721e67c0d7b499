//! A receiver in a process of its own: killed with -9 and started again, or holding as many connections as it may.
//!
//! The server is this test binary, run again as a process of its own with the journal's name in its environment.

mod peer;

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use peer::{Peer, SOON};
use potsdb_receiver::{Config, Receiver};

const JOURNAL: &str = "POTSDB_TEST_JOURNAL";
const FORGET: &str = "POTSDB_TEST_FORGET_MILLIS";

/// Not a test of its own: the server process of the others. Without a journal in the environment it ends at once.
#[test]
fn a_server_for_the_other_tests() {
    let Ok(journal) = std::env::var(JOURNAL) else {
        return;
    };
    let forget = std::env::var(FORGET)
        .ok()
        .and_then(|millis| millis.parse().ok())
        .map(Duration::from_millis);
    let config = Config {
        journal: Some(journal.into()),
        forget,
        ..Config::default()
    };
    let receiver = Receiver::start(config).expect("a free port");
    write_address(receiver.address());
    // Until the parent kills this process, or is gone itself.
    let _ = std::io::stdin().read(&mut [0; 1]);
}

#[expect(clippy::print_stdout, reason = "the parent reads it there")]
fn write_address(address: SocketAddr) {
    println!("listening on {address}");
}

struct Server {
    process: Child,
    address: SocketAddr,
}

impl Server {
    fn start(journal: &Path, forget: Option<u64>) -> Server {
        let mut command = Command::new(std::env::current_exe().expect("a test binary"));
        command
            .args(["--exact", "a_server_for_the_other_tests", "--nocapture"])
            .env(JOURNAL, journal);
        if let Some(millis) = forget {
            command.env(FORGET, millis.to_string());
        }
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a process");
        let mut output = BufReader::new(process.stdout.take().expect("it is piped")).lines();
        let address = output
            .find_map(|line| line.ok()?.split_once("listening on ")?.1.trim().parse().ok())
            .expect("it says where");
        Server { process, address }
    }

    fn peer(&self) -> Peer {
        let stream = TcpStream::connect(self.address).expect("it listens");
        stream.set_read_timeout(Some(SOON)).expect("a timeout can be set");
        Peer(stream)
    }

    /// SIGKILL, which a test that fails sends as well.
    fn kill(self) {
        drop(self);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn stored(journal: &Path) -> u64 {
    let config = Config {
        journal: Some(journal.to_owned()),
        ..Config::default()
    };
    Receiver::start(config).expect("a free port").counts().loaded
}

fn lines(count: usize) -> String {
    (1..=count).map(|second| format!("put m {second} 1 h=a\n")).collect()
}

#[test]
fn everything_answered_survives_when_nothing_is_forgotten() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let journal = folder.path().join("points");
    for round in 1..=3 {
        let server = Server::start(&journal, None);
        let mut peer = server.peer();
        peer.say(lines(20_000)).say("version\n").hear("net.opentsdb.tools");
        server.kill();
        assert_eq!(stored(&journal), 20_000 * round);
    }
}

#[test]
fn what_is_younger_dies_with_the_process() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let journal = folder.path().join("points");
    let server = Server::start(&journal, Some(3_600_000));
    let mut peer = server.peer();
    peer.say(lines(20_000)).say("version\n").hear("net.opentsdb.tools");
    server.kill();
    assert_eq!(stored(&journal), 0, "answered, and gone");
}

#[test]
fn what_is_older_survives() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let journal = folder.path().join("points");
    let server = Server::start(&journal, Some(10));
    let mut peer = server.peer();
    peer.say(lines(1000)).say("version\n").hear("net.opentsdb.tools");
    let deadline = std::time::Instant::now() + SOON;
    let written = || std::fs::metadata(&journal).map_or(0, |file| file.len());
    while written() < lines(1000).len() as u64 {
        assert!(std::time::Instant::now() < deadline, "it is never old enough");
        std::thread::yield_now();
    }
    server.kill();
    assert_eq!(stored(&journal), 1000);
}

/// The usual limit of 1024 descriptors a process leaves room for this many on either side.
#[test]
fn nine_hundred_connections_are_served_at_once() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let journal = folder.path().join("points");
    let server = Server::start(&journal, None);
    let mut peers: Vec<Peer> = (0..900).map(|_| server.peer()).collect();
    for (second, peer) in (1..).zip(&mut peers) {
        peer.say(format!("put m {second} 1 h=a\nversion\n"));
    }
    for peer in &mut peers {
        peer.hear("net.opentsdb.tools");
    }
    server.kill();
    assert_eq!(stored(&journal), 900);
}
