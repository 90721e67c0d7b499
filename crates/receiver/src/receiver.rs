//! The receiver: configuration, start, what a test asks it, stop.
//!
//! ```text
//! Receiver::start --thread "potsdb-receiver": accept--> connection.rs, one task each --> store.rs
//!        |                                                                                  ^
//!        '-- points, lines, counts, wait_for, faults: from the caller's thread -------------'
//! ```
//!
//! Nothing here prints. The command's `serve` is [`Receiver::start`], a line that says where, and [`Receiver::stop`].

use std::collections::HashSet;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket};
use tokio::runtime;
use tokio::sync::oneshot;

use crate::connection;
use crate::counts::Counts;
use crate::faults::{FaultSwitch, Faults};
use crate::journal::Journal;
use crate::personality::{OpenTsdb, Personality, Silent};
use crate::put::Rules;
use crate::store::{Point, Store};
use crate::table::Limits;

/// How a receiver listens, what it keeps and how it misbehaves.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Accepted points reach the journal only when they are this old, so that `kill -9` loses younger ones.
    pub forget: Option<Duration>,
    /// A file of `put` lines: loaded at the start, appended to from then on.
    pub journal: Option<PathBuf>,
    /// Points kept per series; the oldest goes.
    pub max_points_per_series: usize,
    /// Series kept; the one touched longest ago goes, with its points.
    pub max_series: usize,
    /// Points kept in all, 40 bytes each; the oldest of the series touched longest ago goes.
    pub max_points: usize,
    /// Tags a point may have.
    pub max_tags: usize,
    /// `None` creates metrics as they come; `Some` refuses all others with `unknown metric`.
    pub known_metrics: Option<HashSet<String>>,
    /// Never answer anything on telnet, as VictoriaMetrics; a connection that does not begin with `p` is HTTP.
    pub silent: bool,
    /// Keep each put line as it came, refused ones too, in order of arrival, at most 1 GiB. Points that come over HTTP
    /// and are accepted are kept as the lines they stand for.
    pub keep_lines: bool,
    /// How to misbehave from the start.
    pub faults: Faults,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            forget: None,
            journal: None,
            max_points_per_series: 4_000_000,
            max_series: 1_000_000,
            max_points: 10_000_000,
            max_tags: 8,
            known_metrics: None,
            silent: false,
            keep_lines: false,
            faults: Faults::default(),
        }
    }
}

/// A running server; dropping it stops it.
pub struct Receiver {
    shared: Arc<Shared>,
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

/// What was stored when a receiver stopped.
#[derive(Clone, Debug)]
pub struct Stored {
    /// Every stored point, sorted by series and timestamp.
    pub points: Vec<Point>,
    /// The put lines as they came, if they were kept.
    pub lines: Vec<u8>,
    /// The final counts.
    pub counts: Counts,
}

/// What every connection sees.
pub(crate) struct Shared {
    pub(crate) store: Store,
    pub(crate) faults: FaultSwitch,
    pub(crate) personality: Box<dyn Personality>,
}

impl Receiver {
    /// Loads the journal, listens, and serves from a thread of its own.
    ///
    /// # Errors
    ///
    /// When the address cannot be listened on, or the journal not be opened or read.
    pub fn start(config: Config) -> io::Result<Receiver> {
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let listener = listen(&runtime, config.listen)?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared::open(config)?);
        let (stop, stopped) = oneshot::channel();
        let thread = thread::Builder::new().name("potsdb-receiver".into()).spawn({
            let shared = Arc::clone(&shared);
            move || {
                runtime.block_on(accept(listener, shared, stopped));
                // Ends the connections' tasks where they wait; none is inside a line then.
                runtime.shutdown_timeout(Duration::from_secs(1));
            }
        })?;
        Ok(Receiver {
            shared,
            address,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it listens, as a client wants it: `tsdb://127.0.0.1:4242`.
    pub fn url(&self) -> String {
        format!("tsdb://{}", self.address)
    }

    /// Every stored point, sorted by series and timestamp.
    pub fn points(&self) -> Vec<Point> {
        self.shared.store.points()
    }

    /// The put lines as they came, each with its newline, in order of arrival; empty unless `keep_lines`.
    pub fn raw_lines(&self) -> Vec<u8> {
        self.shared.store.lines()
    }

    /// [`Receiver::raw_lines`] one by one, without their newlines; bytes that are not UTF-8 are replaced.
    pub fn lines(&self) -> Vec<String> {
        let lines = self.raw_lines();
        lines
            .split_inclusive(|&byte| byte == b'\n')
            .map(|line| String::from_utf8_lossy(&line[..line.len() - 1]).into_owned())
            .collect()
    }

    /// What has been counted so far.
    pub fn counts(&self) -> Counts {
        self.shared.store.counts()
    }

    /// Waits until `points` points were accepted, copies included; false when `timeout` passed first.
    pub fn wait_for(&self, points: u64, timeout: Duration) -> bool {
        self.wait_until(timeout, |counts| counts.accepted >= points)
    }

    /// Waits until the counts are as wanted; false when `timeout` passed first.
    pub fn wait_until(&self, timeout: Duration, wanted: impl Fn(&Counts) -> bool) -> bool {
        self.shared.store.wait_until(timeout, wanted)
    }

    /// Changes the faults while it runs.
    pub fn faults(&self) -> &FaultSwitch {
        &self.shared.faults
    }

    /// Closes all connections, writes the journal to its end, and returns what was stored.
    pub fn stop(mut self) -> Stored {
        self.end();
        let store = &self.shared.store;
        Stored {
            points: store.points(),
            lines: store.lines(),
            counts: store.counts(),
        }
    }

    /// Stops as [`Receiver::stop`] does, without copying the points: what a command wants at its end.
    pub fn close(mut self) -> Counts {
        self.end();
        self.counts()
    }

    fn end(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            // A panic in the thread was printed by its hook; there is nobody to hand it to here.
            let _ = thread.join();
            if let Some(journal) = &self.shared.store.journal
                && journal.close().is_err()
            {
                self.shared.store.count(|counts| counts.journal_errors += 1);
            }
        }
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.end();
    }
}

impl Shared {
    fn open(config: Config) -> io::Result<Shared> {
        let opened = config
            .journal
            .map(|path| Journal::open(&path, config.forget))
            .transpose()?;
        let (journal, lines) = opened.unzip();
        let rules = Rules {
            known_metrics: config.known_metrics,
            max_tags: config.max_tags,
        };
        let limits = Limits {
            points_per_series: config.max_points_per_series,
            series: config.max_series,
            points: config.max_points,
        };
        let store = Store::new(rules, limits, config.keep_lines, journal);
        store.load(&lines.unwrap_or_default());
        let personality: Box<dyn Personality> = if config.silent {
            Box::new(Silent)
        } else {
            Box::new(OpenTsdb)
        };
        Ok(Shared {
            store,
            faults: FaultSwitch::new(config.faults),
            personality,
        })
    }
}

/// Connections the kernel may hold for us: thousands may come at once.
const BACKLOG: u32 = 4096;

fn listen(runtime: &runtime::Runtime, address: SocketAddr) -> io::Result<TcpListener> {
    let _inside = runtime.enter();
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    // A restart finds its port again while old connections are still being forgotten.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

async fn accept(listener: TcpListener, shared: Arc<Shared>, mut stopped: oneshot::Receiver<()>) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = &mut stopped => return,
        };
        match accepted {
            Ok((stream, _)) => {
                tokio::spawn(connection::serve(stream, Arc::clone(&shared)));
            }
            // Out of descriptors, or the peer is gone already: the connections that end make room.
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}
