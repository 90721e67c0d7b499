//! A relay, its stores, and raw senders.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use potsdb_receiver::Receiver;
use potsdb_relay::{Config, Ledger, Relay, Role, StoreUrl, Where};

/// How long a test waits for what has to come.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// How long a relay of these tests makes a peer wait for an answer.
pub(crate) const ANSWER: Duration = Duration::from_millis(300);

/// A relay and the receivers behind it.
pub(crate) struct World {
    pub(crate) relay: Relay,
    pub(crate) stores: Vec<Receiver>,
    /// What it was started with.
    pub(crate) config: Config,
}

/// What the stores are told besides: the query of a URL each, and what they are for.
pub(crate) type Stores<'a> = &'a [(&'a str, Role)];

/// One store that behaves.
pub(crate) const ONE: Stores<'_> = &[("", Role::Store)];

impl World {
    pub(crate) fn new() -> World {
        World::with(ONE, |_| {})
    }

    pub(crate) fn with(stores: Stores<'_>, change: impl FnOnce(&mut Config)) -> World {
        let keeping = potsdb_receiver::Config {
            keep_lines: true,
            ..potsdb_receiver::Config::default()
        };
        let start = |_: &_| Receiver::start(keeping.clone()).expect("a free port");
        let receivers: Vec<Receiver> = stores.iter().map(start).collect();
        let urls = stores.iter().zip(&receivers).map(|((query, role), receiver)| StoreUrl {
            url: format!("{}?{query}", receiver.url()),
            role: *role,
        });
        let mut config = Config {
            listen: vec!["127.0.0.1:0".parse().expect("a place")],
            stores: urls.collect(),
            answer_timeout: ANSWER,
            sync_timeout: ANSWER,
            drain: Duration::from_secs(2),
            ..Config::default()
        };
        change(&mut config);
        World {
            relay: Relay::start(config.clone()).expect("it starts"),
            stores: receivers,
            config,
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        match self.relay.places()[0] {
            Where::Tcp(address) => address,
            Where::Unix(_) => panic!("the first place is a port"),
        }
    }

    pub(crate) fn connect(&self) -> Sender {
        Sender::of(self.address())
    }

    /// Stops it, and checks what always holds.
    pub(crate) fn stop(self) -> Ledger {
        let ledger = self.relay.stop(Duration::from_secs(5));
        assert!(ledger.is_balanced(), "{ledger:?}");
        ledger
    }

    /// A counter of the relay's.
    pub(crate) fn count(&self, name: &str) -> u64 {
        let status = self.relay.status();
        status["counts"][name]
            .as_u64()
            .unwrap_or_else(|| panic!("no count {name} in {status}"))
    }

    /// Waits until something holds.
    #[track_caller]
    pub(crate) fn until(&self, what: &str, mut holds: impl FnMut(&World) -> bool) {
        let latest = std::time::Instant::now() + SOON;
        while !holds(self) {
            assert!(std::time::Instant::now() < latest, "{what}: {}", self.relay.status());
            std::thread::yield_now();
        }
    }
}

/// A blocking connection.
pub(crate) struct Sender(pub(crate) TcpStream);

impl Sender {
    pub(crate) fn of(address: SocketAddr) -> Sender {
        let stream = TcpStream::connect(address).expect("it listens");
        stream.set_read_timeout(Some(SOON)).expect("a timeout");
        stream.set_write_timeout(Some(SOON)).expect("a timeout");
        Sender(stream)
    }

    pub(crate) fn say(&mut self, text: impl AsRef<[u8]>) -> &mut Sender {
        self.0.write_all(text.as_ref()).expect("it reads");
        self
    }

    /// Reads up to the end of an answer to `version`, and returns what stands before it.
    #[track_caller]
    pub(crate) fn version(&mut self) -> String {
        let mut heard = String::new();
        while !heard.contains("\nBuilt on ") && !heard.starts_with("Built on ") {
            heard.push_str(&self.line());
        }
        let begin = heard
            .find("potsdb-relay ")
            .unwrap_or_else(|| panic!("no version in {heard:?}"));
        heard.truncate(begin);
        heard
    }

    #[track_caller]
    pub(crate) fn line(&mut self) -> String {
        let mut line = Vec::new();
        while line.last() != Some(&b'\n') {
            let mut byte = [0];
            self.0
                .read_exact(&mut byte)
                .unwrap_or_else(|error| panic!("{error} after {:?}", String::from_utf8_lossy(&line)));
            line.push(byte[0]);
        }
        String::from_utf8(line).expect("text")
    }

    /// Everything up to the end that the relay makes.
    #[track_caller]
    pub(crate) fn rest(mut self) -> String {
        let mut bytes = Vec::new();
        self.0.read_to_end(&mut bytes).expect("an end");
        String::from_utf8(bytes).expect("text")
    }

    /// Ends its side, and returns everything that still comes.
    #[track_caller]
    pub(crate) fn finish(self) -> String {
        self.0.shutdown(Shutdown::Write).expect("it is open");
        self.rest()
    }
}

/// `count` points of a metric, a second apart.
pub(crate) fn puts(metric: &str, count: usize) -> String {
    (0..count)
        .map(|n| format!("put {metric} {} {n} h=a\n", 1_767_225_600 + n))
        .collect()
}
