//! A gate before a receiver: a proxy that wants to hear a login, and can be shut.
//!
//! Each connection has a thread of its own for either direction. Nothing here knows the client.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

use super::LONG;

/// Where connections are let through to, and what they must say first.
#[derive(Clone)]
pub(super) struct Gate {
    address: SocketAddr,
    upstream: SocketAddr,
    /// The first line that is accepted, if one is wanted.
    password: Option<&'static str>,
    seen: Arc<(Mutex<Seen>, Condvar)>,
}

#[derive(Default)]
struct Seen {
    /// The first line of each connection.
    logins: Vec<String>,
}

impl Gate {
    pub(super) fn before(upstream: SocketAddr, password: Option<&'static str>) -> Gate {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port on loopback");
        let gate = Gate {
            address: listener.local_addr().expect("it is bound"),
            upstream,
            password,
            seen: Arc::default(),
        };
        let own = gate.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let gate = own.clone();
                thread::spawn(move || gate.serve(stream));
            }
        });
        gate
    }

    pub(super) fn url(&self) -> String {
        format!("tsdb://{}", self.address)
    }

    /// The first lines so far, as soon as there are `count` of them.
    pub(super) fn logins(&self, count: usize) -> Vec<String> {
        let (seen, changed) = &*self.seen;
        let few = |seen: &mut Seen| seen.logins.len() < count;
        let (seen, _) = changed.wait_timeout_while(seen.lock().unwrap(), LONG, few).unwrap();
        assert!(
            seen.logins.len() >= count,
            "{} connections said something",
            seen.logins.len()
        );
        seen.logins.clone()
    }

    fn serve(&self, stream: TcpStream) {
        let mut reader = BufReader::new(stream.try_clone().expect("a descriptor"));
        if let Some(password) = self.password {
            let mut line = String::new();
            let _ = reader.read_line(&mut line);
            let welcome = line == format!("{password}\n");
            self.note(line);
            if !welcome {
                let _ = (&stream).write_all(b"AUTH_FAIL\r\n");
                // Until the client goes.
                let _ = reader.read_line(&mut String::new());
                return;
            }
            assert!(reader.buffer().is_empty(), "nothing is said before the welcome");
            let _ = (&stream).write_all(b"AUTH_SUCCESS\r\n");
        }
        let Ok(upstream) = TcpStream::connect(self.upstream) else {
            return;
        };
        let (from, to) = (upstream.try_clone().expect("a descriptor"), stream);
        let back = thread::spawn(move || pass(from, to));
        pass(reader, upstream);
        let _ = back.join();
    }

    fn note(&self, line: String) {
        self.seen.0.lock().unwrap().logins.push(line);
        self.seen.1.notify_all();
    }
}

/// Copies one direction to its end, and passes the end on.
fn pass(mut from: impl Read, mut to: TcpStream) {
    let _ = std::io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Write);
}
