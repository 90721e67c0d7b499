//! A backend that answers when it is told to, and a peer of it.
#![allow(dead_code, reason = "each test binary uses its part of it")]

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use potsdb_front::{
    AtHead, Backend, Conduct, Event, Flow, Front, Head, Options, Peer, Replies, Reply, Request, Response, Taken,
};
use tokio::sync::{mpsc, watch};

/// How long a test waits for what has to come.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// How long a peer has where a test wants it to be late.
pub(crate) const SHORT: Duration = Duration::from_millis(50);

/// Takes every `put`, answers `version` once everything before it is safe, and refuses other lines.
pub(crate) struct Slow {
    seen: Mutex<Seen>,
    changed: Condvar,
    /// How many puts are safe.
    safe: watch::Sender<u64>,
    /// Takes the parts of the answer to `/parts`.
    parts: Mutex<Option<mpsc::Sender<Vec<u8>>>>,
}

/// What came.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) puts: u64,
    /// Answers that were asked for.
    pub(crate) asked: u64,
    pub(crate) overlong: u64,
    pub(crate) bodies: Vec<usize>,
    pub(crate) events: Vec<Event>,
}

pub(crate) struct Session;

impl Conduct for Session {}

impl Slow {
    /// Says that so many puts are safe.
    pub(crate) fn safe(&self, puts: u64) {
        self.safe.send_replace(puts);
    }

    pub(crate) fn seen(&self) -> Seen {
        self.lock().clone()
    }

    /// What takes the parts of the answer to `/parts`, once that was asked for.
    pub(crate) fn parts(&self) -> mpsc::Sender<Vec<u8>> {
        self.wait_until(|seen| !seen.bodies.is_empty());
        loop {
            // It comes right after what is waited for.
            if let Some(parts) = self.parts.lock().unwrap_or_else(PoisonError::into_inner).take() {
                return parts;
            }
            std::thread::yield_now();
        }
    }

    /// Waits until what came is as wanted.
    pub(crate) fn wait_until(&self, wanted: impl Fn(&Seen) -> bool) {
        let waited = self.changed.wait_timeout_while(self.lock(), SOON, |seen| !wanted(seen));
        let (seen, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        assert!(!timeout.timed_out(), "{seen:?}");
    }

    pub(crate) fn wait_for(&self, event: Event) {
        self.wait_until(|seen| seen.events.contains(&event));
    }

    fn see<T>(&self, see: impl FnOnce(&mut Seen) -> T) -> T {
        let seen = see(&mut self.lock());
        self.changed.notify_all();
        seen
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Is there once so many puts are safe.
    fn safely(&self, puts: u64) -> impl Future<Output = ()> + Send + 'static {
        let mut safe = self.safe.subscribe();
        async move {
            let _ = safe.wait_for(|safe| *safe >= puts).await;
        }
    }
}

impl Backend for Slow {
    type Session = Session;
    type Gate = ();

    fn gate(&self) {}

    fn open(&self, _peer: &Peer, _gate: &()) -> Session {
        Session
    }

    fn lines(&self, _session: &mut Session, lines: &[u8], replies: &mut Replies) -> Taken {
        let mut bytes = 0;
        for line in lines.split_inclusive(|&byte| byte == b'\n') {
            bytes += line.len();
            if line.starts_with(b"put ") {
                self.see(|seen| seen.puts += 1);
            } else if line == b"version\n" {
                let puts = self.see(|seen| {
                    seen.asked += 1;
                    seen.puts
                });
                let safely = self.safely(puts);
                replies.later(async move {
                    safely.await;
                    format!("safe {puts}\n").into_bytes()
                });
            } else {
                replies.refusal(b"refused\n");
            }
            if replies.is_full() {
                break;
            }
        }
        Taken { bytes, flow: Flow::On }
    }

    fn overlong(&self, _session: &mut Session, _ends: bool, replies: &mut Replies) {
        self.see(|seen| seen.overlong += 1);
        replies.refusal(b"too long\n");
    }

    fn at_head(&self, _session: &mut Session, head: &Head) -> AtHead {
        match head.path() {
            "/refused" => AtHead::Answer(Reply::error(403, "refused")),
            _ => AtHead::ReadOn,
        }
    }

    async fn request(&self, _session: &mut Session, request: Request) -> Response {
        self.see(|seen| seen.bodies.push(request.body.len()));
        match request.head.path() {
            "/safe" => {
                let puts = self.see(|seen| {
                    seen.puts += 1;
                    seen.puts
                });
                self.safely(puts).await;
                Response::Reply(Reply::json("\"safe\""))
            }
            "/parts" => {
                let (sender, parts) = mpsc::channel(1);
                *self.parts.lock().unwrap_or_else(PoisonError::into_inner) = Some(sender);
                Response::Stream(Reply::new(200, "text/plain", ""), parts)
            }
            "/large" => Response::Reply(Reply::json(vec![b' '; 64 << 20])),
            _ => Response::Reply(Reply::json("\"here\"")),
        }
    }

    fn note(&self, event: Event) {
        self.see(|seen| seen.events.push(event));
    }
}

/// Starts a front on a free port.
pub(crate) fn start(options: Options) -> (Front, Arc<Slow>) {
    start_threads(1, options)
}

pub(crate) fn start_threads(threads: usize, options: Options) -> (Front, Arc<Slow>) {
    let slow = Arc::new(Slow {
        seen: Mutex::default(),
        parts: Mutex::default(),
        changed: Condvar::new(),
        safe: watch::Sender::new(0),
    });
    let bound = Front::bind(([127, 0, 0, 1], 0).into(), threads).expect("a free port");
    (bound.serve(Arc::clone(&slow), options).expect("a thread"), slow)
}

/// A blocking connection, with a deadline on every wait.
pub(crate) struct Client(pub(crate) TcpStream);

impl Client {
    pub(crate) fn of(front: &Front) -> Client {
        let stream = TcpStream::connect(front.address()).expect("it listens");
        stream.set_read_timeout(Some(SOON)).expect("a timeout can be set");
        stream.set_write_timeout(Some(SOON)).expect("a timeout can be set");
        Client(stream)
    }

    pub(crate) fn say(&mut self, bytes: impl AsRef<[u8]>) -> &mut Client {
        self.0.write_all(bytes.as_ref()).expect("it reads");
        self
    }

    /// Reads exactly what is expected, no more.
    #[track_caller]
    pub(crate) fn hear(&mut self, expected: &str) -> &mut Client {
        let mut bytes = vec![0; expected.len()];
        self.0.read_exact(&mut bytes).expect("an answer");
        assert_eq!(String::from_utf8_lossy(&bytes), expected);
        self
    }

    /// Everything up to the end that the server makes.
    #[track_caller]
    pub(crate) fn rest(mut self) -> String {
        let mut bytes = Vec::new();
        match self.0.read_to_end(&mut bytes) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
            Err(error) => panic!("no end after {:?}: {error}", String::from_utf8_lossy(&bytes)),
        }
        String::from_utf8(bytes).expect("text")
    }

    /// Ends its side, and returns everything that still comes.
    #[track_caller]
    pub(crate) fn finish(self) -> String {
        self.0.shutdown(Shutdown::Write).expect("it is open");
        self.rest()
    }
}

/// That a peer without fault is served.
#[track_caller]
pub(crate) fn serves(front: &Front) {
    let mut client = Client::of(front);
    client.say("GET / HTTP/1.1\r\nConnection: close\r\n\r\n");
    assert!(client.rest().ends_with("\"here\""));
}
