//! What a backend has the front do: wait with lines that were read, leave, turn away; and the doors it listens at.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use potsdb_front::{
    Backend, Conduct, Door, Flow, Front, Options, Peer, Replies, Reply, Request, Response, Taken, Where,
};
use tokio::sync::watch;

const SOON: Duration = Duration::from_secs(20);

/// What the backend is told to do.
#[derive(Clone, Copy, Default)]
struct Orders {
    /// How many lines may be taken.
    room: u64,
    leaves: bool,
    turns_away: bool,
}

/// Takes lines while there is room, answers each `version`, and tells each line it took.
struct Obedient {
    orders: watch::Sender<Orders>,
    took: Sender<String>,
}

struct Session {
    orders: watch::Receiver<Orders>,
    taken: u64,
}

impl Conduct for Session {
    /// A few lines at a time, so that answers are written in between.
    fn room(&self, wanted: usize) -> usize {
        wanted.min(512)
    }

    fn reads(&self) -> bool {
        self.taken < self.orders.borrow().room
    }

    fn leaves(&self) -> bool {
        self.orders.borrow().leaves
    }

    async fn changed(&mut self) {
        if self.orders.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

impl Backend for Obedient {
    type Session = Session;
    type Gate = ();

    fn gate(&self) {}

    fn turns_away(&self, _: &Peer) -> Option<&'static [u8]> {
        self.orders.borrow().turns_away.then_some(b"not you\n")
    }

    fn open(&self, peer: &Peer, (): &()) -> Session {
        let _ = self.took.send(format!("user {}", peer.user.is_some()));
        Session {
            orders: self.orders.subscribe(),
            taken: 0,
        }
    }

    fn lines(&self, session: &mut Session, lines: &[u8], replies: &mut Replies) -> Taken {
        let mut bytes = 0;
        for line in lines.split_inclusive(|&byte| byte == b'\n') {
            if !session.reads() {
                break;
            }
            session.taken += 1;
            bytes += line.len();
            replies.answer(b"ok\n");
            let _ = self.took.send(String::from_utf8_lossy(line).trim_end().to_owned());
        }
        Taken { bytes, flow: Flow::On }
    }

    async fn request(&self, _: &mut Session, _: Request) -> Response {
        Response::Reply(Reply::json("1"))
    }
}

struct World {
    front: Front,
    backend: Arc<Obedient>,
    took: Receiver<String>,
}

impl World {
    fn with(doors: Vec<Door>) -> World {
        let (took, heard) = channel();
        let orders = watch::Sender::new(Orders {
            room: u64::MAX,
            ..Orders::default()
        });
        let backend = Arc::new(Obedient { orders, took });
        let bound = Front::bind_doors(doors.into_iter().map(|door| ((), door)), 1).expect("they are free");
        let front = bound.serve(Arc::clone(&backend), Options::default()).expect("a thread");
        World {
            front,
            backend,
            took: heard,
        }
    }

    fn new() -> World {
        World::with(vec![Door::tcp(([127, 0, 0, 1], 0).into())])
    }

    fn order(&self, order: impl FnOnce(&mut Orders)) {
        self.backend.orders.send_modify(order);
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.front.address()).expect("it listens");
        stream.set_read_timeout(Some(SOON)).expect("a timeout");
        stream
    }

    #[track_caller]
    fn took(&self, expected: &str) {
        assert_eq!(self.took.recv_timeout(SOON).as_deref(), Ok(expected));
    }
}

#[track_caller]
fn rest(mut stream: impl std::io::Read) -> String {
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("an end");
    text
}

#[test]
fn lines_that_were_read_wait_until_the_backend_reads_on() {
    let world = World::new();
    world.order(|orders| orders.room = 1);
    let mut stream = world.connect();
    stream.write_all(b"a\nb\nc\n").expect("a socket");
    world.took("user false");
    world.took("a");
    assert!(
        world.took.recv_timeout(Duration::from_millis(50)).is_err(),
        "there is room for one"
    );
    world.order(|orders| orders.room = 2);
    world.took("b");
    world.order(|orders| orders.room = 9);
    world.took("c");
    stream.shutdown(Shutdown::Write).expect("a socket");
    assert_eq!(rest(stream), "ok\nok\nok\n");
}

#[test]
fn a_front_that_leaves_writes_what_there_is_to_write() {
    let world = World::new();
    let (mut telnet, mut http) = (world.connect(), world.connect());
    telnet.write_all(b"a\nhalf").expect("a socket");
    http.write_all(b"GET / HTTP/1.1\r\n\r\n").expect("a socket");
    world.took("user false");
    world.took("user false");
    world.took("a");
    let mut status = [0; 15];
    http.read_exact(&mut status).expect("an answer");
    world.order(|orders| orders.leaves = true);
    assert_eq!(rest(telnet), "ok\n");
    assert!(rest(http).ends_with("\r\n\r\n1"), "idle, it ends");
}

#[test]
fn a_peer_that_is_not_wanted_hears_why() {
    let world = World::new();
    world.order(|orders| orders.turns_away = true);
    assert_eq!(rest(world.connect()), "not you\n");
    world.order(|orders| orders.turns_away = false);
    world.connect().write_all(b"a\n").expect("a socket");
    world.took("user false");
    world.took("a");
}

/// Its replies are answered by a reset, and what it sent lies with the kernel.
#[test]
fn what_a_peer_sent_before_it_closed_without_reading_is_taken_to_its_end() {
    let world = World::new();
    world.order(|orders| orders.room = 1);
    let mut stream = world.connect();
    let lines: String = (0..1_000)
        .map(|n| format!("line {n} with a few bytes more\n"))
        .collect();
    stream.write_all(b"first\n").expect("a socket");
    world.took("user false");
    world.took("first");
    // So few that all of it is on this side when the other closes: what is not sent by then goes with its socket.
    stream.write_all(lines.as_bytes()).expect("a socket");
    drop(stream);
    world.order(|orders| orders.room = u64::MAX);
    for n in 0..1_000 {
        world.took(&format!("line {n} with a few bytes more"));
    }
}

#[test]
fn it_listens_at_several_doors_and_on_what_listened_before() {
    let folder = std::env::temp_dir().join(format!("potsdb-front-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let (path, before) = (folder.join("a.sock"), folder.join("b.sock"));
    // One that nobody listens on any more.
    drop(UnixListener::bind(&path).expect("a path"));
    let inherited = TcpListener::bind("127.0.0.1:0").expect("a port");
    let kept = inherited.try_clone().expect("a descriptor");
    let world = World::with(vec![
        Door::unix(&path, 0o600),
        Door::inherited_tcp(inherited),
        Door::inherited_unix(UnixListener::bind(&before).expect("a path")),
    ]);
    assert_eq!(world.front.places()[0], Where::Unix(path.clone()));
    for path in [&path, &before] {
        let mut unix = UnixStream::connect(path).expect("it listens");
        unix.write_all(b"unix\n").expect("a socket");
        world.took("user true");
        world.took("unix");
    }
    world.connect().write_all(b"tcp\n").expect("a socket");
    world.took("user false");
    world.took("tcp");
    let second = Front::bind_doors([("second", Door::unix(&path, 0o600))], 1);
    assert_eq!(
        second.err().map(|(name, _)| name),
        Some("second"),
        "somebody listens there"
    );
    drop(world);
    assert!(!path.exists(), "its own socket goes with it");
    let address = kept.local_addr().expect("an address");
    assert!(TcpStream::connect(address).is_ok(), "whoever opened it still listens");
    std::fs::remove_dir_all(&folder).expect("a folder");
}
