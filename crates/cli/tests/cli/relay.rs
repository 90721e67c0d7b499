//! `potsdb relay`: its command line, its life, and what it says.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use potsdb_receiver::{Config, Receiver};
use serde_json::Value;

use crate::command::{LONG, Running, potsdb, potsdb_fed};

/// A relay on a free port before a receiver, and its folder.
struct World {
    relay: Running,
    port: u16,
    store: Receiver,
    folder: tempfile::TempDir,
}

impl World {
    fn new(more: &[&str]) -> World {
        let store = Receiver::start(Config::default()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let spool = folder.path().join("spool");
        let url = store.url();
        let line = [
            "relay",
            "--listen",
            "127.0.0.1:0",
            "--store",
            &url,
            "--json",
            "--spool",
            text(&spool),
        ];
        let relay = Running::start(&[&line[..], more].concat());
        let first: Value = serde_json::from_str(&relay.says("port")).unwrap();
        World {
            port: u16::try_from(first["port"].as_u64().unwrap()).unwrap(),
            relay,
            store,
            folder,
        }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        stream
    }

    /// Says it over a connection of its own, and returns everything that is answered.
    fn ask(&self, words: &str) -> String {
        let mut stream = self.connect();
        stream.write_all(words.as_bytes()).unwrap();
        let mut heard = String::new();
        stream.read_to_string(&mut heard).unwrap();
        heard
    }

    /// Ends it by TERM, and returns its ledger.
    fn ledger(self) -> Value {
        self.relay.signal("TERM");
        let ended = self.relay.wait().with_code(0);
        let last = ended.out.lines().last().unwrap_or_default();
        serde_json::from_str(last).unwrap_or_else(|error| panic!("{error} in {ended:#?}"))
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn it_says_where_it_listens_and_at_the_end_what_became_of_everything() {
    let world = World::new(&[]);
    let heard = world.ask("put m 1767225600 1 a=b\nput m 1767225601 2 a=b\nversion\nexit\n");
    assert!(
        heard.starts_with("potsdb-relay ") && heard.contains(" built at revision "),
        "{heard}"
    );
    assert_eq!(world.store.points().len(), 2);
    let ledger = world.ledger();
    let store = &ledger["stores"][0];
    assert_eq!((&store["acknowledged"], &store["pending"]), (&2.into(), &0.into()));
    assert_eq!((&store["role"], &store["balanced"]), (&"store".into(), &true.into()));
    assert_eq!(ledger["counts"]["answered_safe"], 1);
}

#[test]
fn the_other_subcommands_send_through_it() {
    let world = World::new(&[]);
    for scheme in ["tsdb", "http"] {
        let url = format!("{scheme}://127.0.0.1:{}", world.port);
        let lines: String = (0..5000)
            .map(|n| format!("{scheme} {} {n} a=b\n", 1_767_225_600 + n))
            .collect();
        let piped = potsdb_fed(lines.as_bytes(), &["pipe", "--json", "--url", &url]).with_code(0);
        assert_eq!(piped.json()["acknowledged"], 5000);
        potsdb(&["check", "--url", &url]).with_code(0);
    }
    assert!(world.store.counts().accepted >= 10_000);
}

#[test]
fn a_person_is_told_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let line = [
        "relay",
        "--listen",
        "127.0.0.1:0",
        "--store",
        "tsdb://127.0.0.1:1",
        "--spool",
    ];
    let relay = Running::start(&[&line[..], &[text(folder.path())]].concat());
    relay.says("listening on 127.0.0.1:");
    relay.signal("INT");
    let ended = relay.wait().with_code(0);
    assert!(
        ended.out.contains("store tsdb://127.0.0.1:1: 0 accepted"),
        "{}",
        ended.out
    );
}

#[test]
fn a_file_has_the_same_names_and_hangup_reads_it_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("relay.toml");
    std::fs::write(&path, "rule = ['drop metric=a*']\njson = true\n").unwrap();
    let world = World::new(&["--config", text(&path)]);
    world.ask("put a 1767225600 1 a=b\nput b 1767225600 1 a=b\nversion\nexit\n");
    assert_eq!(world.store.points().len(), 1);
    std::fs::write(&path, "rule = ['drop metric=b*']\n").unwrap();
    world.relay.signal("HUP");
    world.relay.notes("reloaded");
    world.ask("put a 1767225600 1 a=b\nput b 1767225601 1 a=b\nversion\nexit\n");
    assert_eq!(world.store.points().len(), 2);
    std::fs::write(&path, "rule = ['drop everything']\n").unwrap();
    world.relay.signal("HUP");
    let words = world.relay.notes("not reloaded");
    assert!(words.contains("is no rule"), "{words}");
    world.ask("put a 1767225602 1 a=b\nput b 1767225602 1 a=b\nversion\nexit\n");
    assert_eq!(world.store.points().len(), 3, "what there was stays");
    drop(world.folder);
}

#[test]
fn what_is_wrong_is_said_before_anything_is_started() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("relay.toml");
    let check = |toml: &str| {
        std::fs::write(&path, toml).unwrap();
        potsdb(&["relay", "--config", text(&path), "--check-config"])
    };
    let right =
        check("store = 'tsdb://a'\nspool = '/tmp/s'\nlisten = ['127.0.0.1:0', 'unix:/tmp/s.sock']\n").with_code(0);
    assert_eq!(right.out, "the configuration is right\n");
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/../../packaging/systemd/relay.toml");
    potsdb(&["relay", "--config", shipped, "--check-config"]).with_code(0);
    for (toml, words) in [
        ("store = 'tsdb://a'", "--spool is missing"),
        ("spool = '/tmp/s'", "a relay needs a store"),
        (
            "store = 'tsdb://a?overflow=drop_oldest'\nspool = '/tmp/s'",
            "option overflow: ",
        ),
        ("store = 'tsdb://a?mpps=1'\nspool = '/tmp/s'", "unknown option"),
        ("stores = 'tsdb://a'", "unexpected argument '--stores' found"),
        ("listen = 'somewhere'", "is no place to listen at"),
        (
            "store = 'tsdb://a'\nspool = '/tmp/s'\nauth = '/nowhere'",
            "/nowhere: No such file",
        ),
        (
            "store = 'tsdb://a'\nspool = '/tmp/s'\nlisten = 'tsdbs://127.0.0.1:0'",
            "TLS needs a certificate",
        ),
        ("store = 1\n[x]\n", "x: a text, a number"),
    ] {
        let ended = check(toml).with_code(2);
        assert!(ended.err.contains(words), "{toml}: {}", ended.err);
        assert_eq!(ended.err.lines().count(), 1, "{}", ended.err);
    }
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let place = taken.local_addr().unwrap().to_string();
    let line = [
        "relay",
        "--store",
        "tsdb://a",
        "--spool",
        text(folder.path()),
        "--listen",
        &place,
    ];
    let ended = potsdb(&line).with_code(2);
    assert!(
        ended.err.contains(&format!("cannot listen at {place}: ")),
        "{}",
        ended.err
    );
}

#[test]
fn rules_explain_themselves() {
    let lines = b"put debug.x 1767225600 1 a=b\nm 1767225600 1 a=b\nbad\n";
    let rules = ["--rule", "drop metric=debug.*", "--rule", "tag add dc=eu"];
    let ended = potsdb_fed(lines, &[&["relay", "--explain"][..], &rules].concat()).with_code(0);
    assert_eq!(
        ended.out,
        "dropped: put debug.x 1767225600 1 a=b\n    drop metric=debug.*\n\
         put m 1767225600 1 a=b dc=eu\n    tag add dc=eu\n\
         refused: bad: line: \"bad\" ends before the timestamp: metric, timestamp, value and a tag or more are needed\n"
    );
    assert!(ended.err.contains("1 times: drop metric=debug.*"), "{}", ended.err);
}

#[test]
fn an_open_door_is_warned_of() {
    let folder = tempfile::tempdir().unwrap();
    let line = [
        "relay",
        "--listen",
        "0.0.0.0:0",
        "--store",
        "tsdb://127.0.0.1:1",
        "--spool",
        text(folder.path()),
    ];
    let relay = Running::start(&line);
    relay.notes("takes points from whoever reaches it");
    relay.signal("TERM");
    relay.wait().with_code(0);
}

/// The service manager's socket is handed over as file descriptor 3, over the shell's standard input.
fn activated(socket: &TcpListener, store: &str, spool: &str, notify: &Path) -> Running {
    let socket: OwnedFd = socket.try_clone().unwrap().into();
    let mut shell = Command::new("sh");
    let relay = env!("CARGO_BIN_EXE_potsdb");
    let line = format!(
        "LISTEN_PID=$$ LISTEN_FDS=1 exec {relay} relay --json --drain 1s --store {store} --spool {spool} 3<&0 0</dev/null"
    );
    shell
        .args(["-c", &line])
        .env("NOTIFY_SOCKET", notify)
        .stdout(Stdio::piped());
    Running::spawn_with_input(&mut shell, socket.into())
}

#[test]
fn restarts_by_socket_activation_refuse_no_connection_and_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let notify = folder.path().join("notify");
    let manager = UnixDatagram::bind(&notify).unwrap();
    manager.set_read_timeout(Some(LONG)).unwrap();
    let hears = |words: &str| {
        let mut message = [0; 4096];
        loop {
            let length = manager
                .recv(&mut message)
                .unwrap_or_else(|error| panic!("{words}: {error}"));
            if String::from_utf8_lossy(&message[..length]).contains(words) {
                return;
            }
        }
    };
    let store = Receiver::start(Config::default()).unwrap();
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let (url, spool) = (store.url(), folder.path().join("spool"));
    let client = potsdb::Client::open(&format!("tsdb://{address}?host_tag=false&backoff=10ms..50ms")).unwrap();
    let mut sent = 0_u64;
    for _ in 0..20 {
        let relay = activated(&socket, &url, text(&spool), &notify);
        hears("READY=1");
        for _ in 0..50 {
            client
                .send_at(
                    "m",
                    sent,
                    potsdb::Timestamp::from_secs(1_767_225_600 + sent).unwrap(),
                    [("h", "a")],
                )
                .unwrap();
            sent += 1;
        }
        // The kernel keeps it until the next one is there.
        let waiting = TcpStream::connect(address).expect("no connection is refused");
        relay.signal("TERM");
        hears("STOPPING=1");
        relay.wait().with_code(0);
        drop(waiting);
        drop(TcpStream::connect(address).expect("no connection is refused"));
    }
    let last = activated(&socket, &url, text(&spool), &notify);
    hears("READY=1");
    let stats = client.close(LONG);
    assert_eq!((stats.acknowledged, stats.pending()), (sent, 0), "{stats}");
    last.signal("TERM");
    last.wait().with_code(0);
    assert!(store.wait_for(sent, Duration::from_secs(1)));
    assert_eq!(store.points().len() as u64, sent);
}
