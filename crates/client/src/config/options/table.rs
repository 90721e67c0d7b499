//! The table of options: each stands here once.
//!
//! A row is the documentation, the name, the type (and behind `as` what the setter takes, where that is another one), the
//! default, the form of its text, which has its rule, and one line of help. See `options!` for what is made of it.

use std::path::PathBuf;
use std::time::Duration;

use potsdb_wire::{Names, Server};

use super::text::{
    AUTH, CONNECTIONS, COUNT, FILE, Form, HEADERS, HOST_TAG, LIMIT, MIB, NAME_IF_GIVEN, NAMES, OVERFLOW, RANGE, RATE,
    SERVER, SIZE, SIZE_IF_GIVEN, SPOOL_FREE, SPOOL_SIZE, SWITCH, TAGS, TEXT, TICK, TIME, TIME_IF_GIVEN, TIMEOUT, words,
};
use super::{Ack, HostTag, Invalid, OptionSpec, Overflow, Precision, Repeats, SpoolMode, refused};
use crate::config::auth::Auth;
use crate::config::builder::Builder;
use crate::config::secret::Secret;
use crate::error::ConfigError;

options! {
    /// The kind of server, instead of detecting it; in text `auto` means detecting it.
    ///
    /// Saves the first question on each connection. A wrong name makes potsdb misread the server's answers.
    server: Option<Server> as Server = None, SERVER,
        "kind of server, instead of detecting it: opentsdb, victoriametrics, influxdb, kairosdb";

    /// Most points in the queue; 0 is no limit but [`queue_bytes`](field@Options::queue_bytes).
    ///
    /// More of them cover a longer outage and take more memory. [`overflow`](field@Options::overflow) says what happens
    /// when the queue is full.
    queue_points: usize = 100_000, COUNT,
        "most points in the queue; 0: no limit but queue_bytes";

    /// Most bytes in the queue, at least 64 KiB. The limit that is reached first counts.
    ///
    /// `None`: [`Options::queue_bytes`](method@Options::queue_bytes) derives it.
    queue_bytes: Option<usize> as usize = None, SIZE_IF_GIVEN,
        "most bytes in the queue, at least 64KiB; if not given 64MiB, or 1GiB if queue_points is 0 or above its default";

    /// What `send` does when the queue is full: drops the oldest point or the new one, which it counts, or waits.
    ///
    /// Waiting is the only way in which `send` can hold up its caller, and then at most until the deadline given here.
    overflow: Overflow = Overflow::DropOldest, OVERFLOW,
        "when the queue is full: drop_oldest, drop_newest, block, block:5s";

    /// The tag `host` of points without one. In text `true` is this machine's name, `false` or nothing is none.
    host_tag: HostTag = HostTag::Hostname, HOST_TAG,
        "the tag host of points without one: true (this machine's name), false (none), or its value";

    /// Tags of every point that has none of the same name.
    tags: Vec<(String, String)> = Vec::new(), TAGS,
        "tags of every point: k=v,k2=v2";

    /// A tag whose value tells the processes of one program apart: 0, 1, 2 and so on, the smallest number that no other
    /// process on this host has. None, or an empty name: no such tag.
    ///
    /// Two processes that send one series overwrite each other's values in the store. A process keeps its number until it
    /// ends; then the next one takes it, so restarts make few new series. It becomes free one second after the last totals that
    /// instruments or bridges sent under it. A forked child gets its own number. Linux only.
    worker_tag: Option<String> as String = None, NAME_IF_GIVEN,
        "name of a tag that numbers this program's processes on this host, such as worker";

    /// Text that goes before every metric.
    prefix: String = String::new(), TEXT,
        "text that goes before every metric";

    /// Which characters names and values of tags may hold.
    ///
    /// OpenTSDB takes the narrowest set unless it is configured otherwise. Other servers take more.
    names: Names = Names::OpenTsdb, NAMES,
        "what names may hold: opentsdb, ascii, utf8";

    /// Most tags of a point; 0 is no limit. The default is what OpenTSDB takes unless it is configured otherwise.
    max_tags: usize = 8, COUNT,
        "most tags of a point; 0: no limit";

    /// What becomes of an illegal point. Rust's calls return the error, or repair the point under
    /// [`Invalid::Replace`]; the other two are for bindings.
    invalid: Invalid = Invalid::Raise, words(),
        "what becomes of an illegal point: drop, raise, replace";

    /// Most points written per second, including points that are sent again; 0 is no limit.
    ///
    /// Spares a server that others need too. The queue fills if you send more.
    mps: f64 = 0.0, RATE,
        "most points written per second; 0: no limit";

    /// What becomes of a second point of a series at one time.
    ///
    /// A server keeps one of them, or fails queries. To keep both costs nothing here.
    repeats: Repeats = Repeats::First, words(),
        "what becomes of a second point of a series at one time: first (is kept), keep (both)";

    /// The unit of automatic timestamps.
    ///
    /// Milliseconds allow a series a thousand points per second, and take more room in the store.
    precision: Precision = Precision::Seconds, words(),
        "unit of automatic timestamps: seconds, milliseconds";

    /// Which answers are asked for. What each is worth depends on the server: see the guarantees.
    ack: Ack = Ack::Auto, words(),
        "which answers are asked for: auto, none, accepted, stored (http)";

    /// Most unacknowledged bytes per connection, at least 64 KiB.
    ///
    /// A larger window keeps a distant server busy, but more is sent again after a broken connection.
    window_bytes: usize = 4 * MIB, SIZE,
        "most unacknowledged bytes per connection, at least 64KiB";

    /// How long acknowledged points are kept for re-sending, over telnet; zero: not kept.
    ///
    /// OpenTSDB answers before it has stored a point. A longer time covers longer outages of its storage, up to
    /// [`settle_bytes`](field@Options::settle_bytes).
    settle: Duration = Duration::from_secs(2), TIME,
        "how long acknowledged points are kept for re-sending; 0: not kept";

    /// Most bytes of acknowledged points that are kept, at least 64 KiB. The oldest are released early, and counted.
    settle_bytes: usize = 32 * MIB, SIZE,
        "most bytes of acknowledged points that are kept, at least 64KiB";

    /// A folder for points that memory cannot hold, or must not lose; none: no spool. It is made if it is not there.
    ///
    /// What is in it when the program ends is delivered by the next process that opens the same folder for the same
    /// endpoints. [`overflow`](field@Options::overflow) also says what happens when the spool is full: under `drop_oldest` the
    /// oldest points in it go, otherwise it takes no more. Needs the crate's feature `spool`.
    spool: Option<PathBuf> as PathBuf = None, FILE,
        "folder for points that memory cannot hold, or must not lose: see spool_mode";

    /// What goes to the spool: what waits beyond half a queue, or everything that is not done with at once.
    ///
    /// `overflow` costs the disk nothing while the server takes what is sent. `always` survives that the program is killed,
    /// but for the last 50 ms, and writes nearly every point to disk where points settle.
    spool_mode: SpoolMode = SpoolMode::Overflow, words(),
        "what goes to the spool: overflow (what waits beyond half a queue), always (all that is not done with after 50ms)";

    /// Most bytes on disk under the store's folder in the spool, at least 2 MiB: all processes and whatever else lies there.
    ///
    /// A day of 1 000 points a second takes 5 GiB. When it is full, `overflow` says what happens.
    spool_bytes: usize = 1024 * MIB, SPOOL_SIZE,
        "most bytes in the spool, at least 2MiB";

    /// How long points in the spool may wait to be synced to the disk; zero: each is at once.
    ///
    /// They survive the program's end without it, and the machine's with it. `sync` does not wait that long.
    spool_sync: Duration = Duration::from_secs(1), TIME,
        "longest time before points in the spool are synced to the disk";

    /// Bytes of the spool's file system that stay free: below that the spool takes no more.
    ///
    /// `None`: a twentieth of the file system, and at least 256 MiB.
    spool_free: Option<usize> as usize = None, SPOOL_FREE,
        "bytes that the spool leaves free on its file system; if not given 5%, at least 256MiB";

    /// The name of this store's folder in the spool. None, or an empty name: it is made of the endpoints' schemes, hosts and
    /// ports.
    ///
    /// With a name, points that were kept for one host are delivered to another that has taken its place.
    spool_name: Option<String> as String = None, NAME_IF_GIVEN,
        "name of this store's folder in the spool; if not given, made of the endpoints";

    /// Points older than this are dropped instead of written; none, or a time of 0, is never.
    ///
    /// After an outage, points that are still useful then do not wait behind those that are not. A point is dropped at
    /// most a sixteenth of this time late, never early.
    max_age: Option<Duration> as Duration = None, LIMIT,
        "drop points older than this instead of writing them; 0: never";

    /// For a connection to be made, TLS included. At least a millisecond.
    connect_timeout: Duration = Duration::from_secs(3), TIMEOUT,
        "longest time for a connection to be made, at least 1ms";

    /// Without progress while writing; then the connection is closed. At least a millisecond.
    write_timeout: Duration = Duration::from_secs(10), TIMEOUT,
        "longest time without progress while writing, at least 1ms; then the connection is closed";

    /// Without progress while an answer is due; then the connection is closed. At least a millisecond.
    answer_timeout: Duration = Duration::from_secs(10), TIMEOUT,
        "longest time without progress while an answer is due, at least 1ms; then the connection is closed";

    /// Least and greatest wait between two attempts to connect, at least a millisecond. The bound doubles with each
    /// attempt, and the wait is drawn at random below it.
    backoff: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(30)), RANGE,
        "least and greatest wait between two attempts to connect, at least 1ms: 100ms..30s";

    /// Most connections per endpoint, 1 to 64.
    ///
    /// `None`: [`Options::connections`](method@Options::connections) derives it. Each takes memory for
    /// [`window_bytes`](field@Options::window_bytes).
    connections: Option<usize> as usize = None, CONNECTIONS,
        "most connections per endpoint, 1 to 64; if not given 1, or 8 with ack=stored";

    /// A connection this old is replaced by a new one and then closed; none, or a time of 0, is no limit.
    ///
    /// Behind a load balancer it brings new servers into use.
    connection_max_age: Option<Duration> as Duration = None, LIMIT,
        "replace connections older than this; 0: no limit";

    /// Whether HTTP bodies are compressed: fewer bytes, for more processor time.
    gzip: bool = true, SWITCH,
        "compress the bodies of http: true, false";

    /// How to log in. Never printed.
    auth: Option<Auth> as Auth = None, AUTH,
        "the login: basic:user:password, bearer:token, line:text (telnet), or any of them with @/path";

    /// Additional headers of each request. Their values are never printed.
    headers: Vec<(String, Secret)> = Vec::new(), HEADERS,
        "additional headers of each request, one per line: Name: value";

    /// A PEM file of the authorities to be trusted, instead of the system's.
    ca: Option<PathBuf> as PathBuf = None, FILE,
        "a PEM file of the authorities to be trusted, instead of the system's";

    /// A PEM file of the client's certificate and its chain; needs [`key`](field@Options::key).
    cert: Option<PathBuf> as PathBuf = None, FILE,
        "a PEM file of the client's certificate and its chain";

    /// A PEM file of the client certificate's key.
    key: Option<PathBuf> as PathBuf = None, FILE,
        "a PEM file of the client certificate's key";

    /// How long the worker gathers points between two writes; zero: it writes each at once.
    ///
    /// `None`: over HTTP 250 ms, as a request costs more than its points; over telnet 10 ms, and up to 80 ms while few
    /// points come. A longer time costs a trickle of points fewer wake-ups, and points leave that much later. `flush` and
    /// `close` skip the wait.
    linger: Option<Duration> as Duration = None, TIME_IF_GIVEN,
        "how long the worker gathers points between two writes; if not given 10ms to 80ms, and 250ms over http";

    /// Number of metrics whose points and bytes are counted; 0 counts none.
    ///
    /// [`Stats::by_metric`](crate::Stats::by_metric) has the counts. Costs the worker some ten nanoseconds a point.
    by_metric: usize = 0, COUNT,
        "count points and bytes for up to this many metrics; 0: off";

    /// How often the statistics are sent as points, under `potsdb.`, in whole seconds; none, or a time of 0, is not at all.
    ///
    /// They go through a client of their own, so they are not counted in themselves, take another connection, and have the
    /// tags of every point and `client`, which numbers the clients of a process. The last ones go out when the client
    /// closes. Processes that send them to one store need a tag that tells them apart, like
    /// [`worker_tag`](field@Options::worker_tag).
    self_metrics: Option<Duration> as Duration = None, TICK,
        "send the statistics as points under potsdb. this often, in whole seconds: 60s; 0: not at all";

    /// For delivering what is queued when the client is dropped or the program ends; zero: what is pending is dropped.
    close_grace: Duration = Duration::from_secs(5), TIME,
        "longest time to deliver what is queued when the client is dropped or the program ends; 0: none";

    /// Whether building connects once, for at most three seconds, and fails if that fails.
    check_host: bool = false, SWITCH,
        "connect once while building, and fail if that fails: true, false";

    /// Whether everything is done but talking to the network: points are taken, counted and dropped.
    test_mode: bool = false, SWITCH,
        "do everything but talk to the network: true, false";
}
