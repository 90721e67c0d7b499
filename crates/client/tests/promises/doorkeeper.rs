//! An HTTP server that lets in who says the right headers, and takes every body it is then given.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

use super::LONG;

#[derive(Clone)]
pub(super) struct Doorkeeper {
    address: SocketAddr,
    /// A whole header line.
    wanted: &'static str,
    seen: Arc<(Mutex<Vec<Seen>>, Condvar)>,
}

/// A request's head, as it came, and how it was answered.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) head: Vec<String>,
    pub(super) status: u16,
}

impl Doorkeeper {
    pub(super) fn new(wanted: &'static str) -> Doorkeeper {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port on loopback");
        let keeper = Doorkeeper {
            address: listener.local_addr().expect("it is bound"),
            wanted,
            seen: Arc::default(),
        };
        let own = keeper.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let keeper = own.clone();
                thread::spawn(move || while keeper.serve(&stream).is_some() {});
            }
        });
        keeper
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The requests so far, as soon as there are so many of this status.
    pub(super) fn seen(&self, count: usize, status: u16) -> Vec<Seen> {
        let few = |seen: &mut Vec<Seen>| seen.iter().filter(|seen| seen.status == status).count() < count;
        let (seen, changed) = &*self.seen;
        let (seen, waited) = changed.wait_timeout_while(seen.lock().unwrap(), LONG, few).unwrap();
        assert!(!waited.timed_out(), "{seen:?}");
        seen.clone()
    }

    /// Answers one request; `None`: the connection is over.
    fn serve(&self, mut stream: &TcpStream) -> Option<()> {
        let mut reader = BufReader::new(stream);
        let mut head = Vec::new();
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).ok()? == 0 {
                return None;
            }
            match line.trim_end_matches("\r\n") {
                "" => break,
                line => head.push(line.to_owned()),
            }
        }
        let length = head.iter().find_map(|line| line.strip_prefix("Content-Length: "));
        let length = length.map_or(0, |length| length.parse().expect("a number"));
        reader.read_exact(&mut vec![0; length]).ok()?;
        assert!(reader.buffer().is_empty(), "one request at a time");
        let status = match head.iter().any(|line| line == self.wanted) {
            false => 401,
            // It has no configuration to tell.
            true if head[0].starts_with("GET") => 404,
            true => 204,
        };
        let answer = format!("HTTP/1.1 {status} So\r\nContent-Length: 0\r\n\r\n");
        stream.write_all(answer.as_bytes()).ok()?;
        self.seen.0.lock().unwrap().push(Seen { head, status });
        self.seen.1.notify_all();
        Some(())
    }
}
