//! A gate before a receiver: a proxy that wants to hear a login, ends TLS, and can be cut.
//!
//! Each connection has a thread for either direction. Nothing here knows the client.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

use super::LONG;

/// Where connections are let through to, and what they must be and say first.
#[derive(Clone)]
pub(super) struct Gate {
    address: SocketAddr,
    upstream: SocketAddr,
    /// The first line that is accepted, if one is wanted.
    password: Option<&'static str>,
    hasty: bool,
    #[cfg(feature = "tls")]
    tls: Option<Arc<rustls::ServerConfig>>,
    seen: Arc<(Mutex<Seen>, Condvar)>,
}

#[derive(Default)]
struct Seen {
    /// The first line of each connection.
    logins: Vec<String>,
    /// The connections there were, to be cut.
    #[cfg(feature = "tls")]
    streams: Vec<TcpStream>,
    /// Bytes that came from clients.
    #[cfg(feature = "tls")]
    bytes: usize,
}

impl Gate {
    pub(super) fn before(upstream: SocketAddr, password: Option<&'static str>) -> Gate {
        let (listener, gate) = Gate::closed(upstream);
        gate.open(listener, password)
    }

    /// A gate that hangs up on both sides as soon as the client has ended its own, as nginx does unless told otherwise.
    pub(super) fn hasty(upstream: SocketAddr) -> Gate {
        let (listener, mut gate) = Gate::closed(upstream);
        gate.hasty = true;
        gate.open(listener, None)
    }

    /// A gate that ends TLS.
    #[cfg(feature = "tls")]
    pub(super) fn encrypted(upstream: SocketAddr, config: rustls::ServerConfig) -> Gate {
        let (listener, mut gate) = Gate::closed(upstream);
        gate.tls = Some(Arc::new(config));
        gate.open(listener, None)
    }

    fn closed(upstream: SocketAddr) -> (TcpListener, Gate) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port on loopback");
        let gate = Gate {
            address: listener.local_addr().expect("it is bound"),
            upstream,
            password: None,
            hasty: false,
            #[cfg(feature = "tls")]
            tls: None,
            seen: Arc::default(),
        };
        (listener, gate)
    }

    fn open(mut self, listener: TcpListener, password: Option<&'static str>) -> Gate {
        self.password = password;
        let own = self.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let gate = own.clone();
                thread::spawn(move || gate.serve(stream));
            }
        });
        self
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The first lines so far, as soon as there are `count` of them.
    pub(super) fn logins(&self, count: usize) -> Vec<String> {
        self.wait_until(|seen| seen.logins.len() >= count);
        self.seen.0.lock().unwrap().logins.clone()
    }

    /// Waits until clients have said so much.
    #[cfg(feature = "tls")]
    pub(super) fn wait_for(&self, bytes: usize) {
        self.wait_until(|seen| seen.bytes >= bytes);
    }

    /// Hangs up on everybody, in the middle of whatever is said, without a goodbye of TLS's.
    #[cfg(feature = "tls")]
    pub(super) fn cut(&self) {
        for stream in self.seen.0.lock().unwrap().streams.drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    fn wait_until(&self, reached: impl Fn(&Seen) -> bool) {
        let (seen, changed) = &*self.seen;
        let waited = changed.wait_timeout_while(seen.lock().unwrap(), LONG, |seen| !reached(seen));
        assert!(!waited.unwrap().1.timed_out(), "what was waited for did not come");
    }

    fn note(&self, what: impl FnOnce(&mut Seen)) {
        what(&mut self.seen.0.lock().unwrap());
        self.seen.1.notify_all();
    }

    fn serve(&self, stream: TcpStream) {
        #[cfg(feature = "tls")]
        if let Some(config) = self.tls.clone() {
            let kept = stream.try_clone().expect("a descriptor");
            self.note(|seen| seen.streams.push(kept));
            return tls::serve(self, stream, config);
        }
        let mut reader = BufReader::new(stream.try_clone().expect("a descriptor"));
        if let Some(password) = self.password {
            let mut line = String::new();
            let _ = reader.read_line(&mut line);
            let welcome = line == format!("{password}\n");
            self.note(|seen| seen.logins.push(line));
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
        let both = to.try_clone().expect("a descriptor");
        let back = thread::spawn(move || pass(from, to));
        pass(reader, upstream);
        if self.hasty {
            let _ = both.shutdown(Shutdown::Both);
        }
        let _ = back.join();
    }
}

/// Copies one direction to its end, and passes the end on.
fn pass(mut from: impl Read, mut to: TcpStream) {
    let _ = std::io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Write);
}

#[cfg(feature = "tls")]
mod tls {
    use rustls::{ServerConfig, ServerConnection};

    use super::*;

    /// One end of TLS for two threads: one reads the client, the other writes to it.
    type Shared = Arc<Mutex<ServerConnection>>;

    pub(super) fn serve(gate: &Gate, mut stream: TcpStream, config: Arc<ServerConfig>) {
        let mut tls = ServerConnection::new(config).expect("the configuration is right");
        let shaken = tls.complete_io(&mut stream);
        let upstream = TcpStream::connect(gate.upstream);
        let (Ok(_), Ok(upstream)) = (shaken, upstream) else {
            let _ = stream.shutdown(Shutdown::Both);
            return;
        };
        let shared: Shared = Arc::new(Mutex::new(tls));
        let back = {
            let from = upstream.try_clone().expect("a descriptor");
            let to = stream.try_clone().expect("a descriptor");
            let shared = Arc::clone(&shared);
            thread::spawn(move || answer(from, to, &shared))
        };
        hear(gate, stream, upstream, &shared);
        let _ = back.join();
    }

    /// From the client to the receiver, until the client ends.
    fn hear(gate: &Gate, mut stream: TcpStream, mut upstream: TcpStream, shared: &Shared) {
        let mut buffer = vec![0; 16 * 1024];
        let mut rest: &[u8] = &[];
        loop {
            let (mut plain, mut ended) = (Vec::new(), false);
            let mut tls = shared.lock().unwrap();
            loop {
                // What came with the handshake is there before anything was read.
                ended |= tls.reader().read_to_end(&mut plain).is_ok();
                if rest.is_empty() || ended {
                    break;
                }
                ended |= tls.read_tls(&mut rest).is_err() || tls.process_new_packets().is_err();
            }
            drop(tls);
            gate.note(|seen| seen.bytes += plain.len());
            if upstream.write_all(&plain).is_err() || ended {
                break;
            }
            match stream.read(&mut buffer) {
                Ok(bytes) if bytes > 0 => rest = &buffer[..bytes],
                _ => break,
            }
        }
        let _ = upstream.shutdown(Shutdown::Write);
    }

    /// From the receiver to the client, until the receiver ends.
    fn answer(mut from: TcpStream, mut to: TcpStream, shared: &Shared) {
        let mut buffer = vec![0; 16 * 1024];
        loop {
            let bytes = from.read(&mut buffer).unwrap_or(0);
            let mut tls = shared.lock().unwrap();
            match bytes {
                0 => tls.send_close_notify(),
                _ => tls.writer().write_all(&buffer[..bytes]).expect("it takes a record"),
            }
            while tls.wants_write() {
                if tls.write_tls(&mut to).is_err() {
                    return;
                }
            }
            if bytes == 0 {
                let _ = to.shutdown(Shutdown::Write);
                return;
            }
        }
    }
}
