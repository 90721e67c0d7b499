//! The table of options: each stands here once.
//!
//! A row is the documentation, the name, the type (and behind `as` what the setter takes, where that is another one), the
//! default, the form of its text, which has its rule, and one line of help. See `options!` for what is made of it.

use std::path::PathBuf;
use std::time::Duration;

use potsdb_wire::{Names, Server};

use super::text::{
    AUTH, CONNECTIONS, COUNT, FILE, Form, HEADERS, HOST_TAG, LIMIT, MIB, NAME_IF_GIVEN, NAMES, OVERFLOW, RANGE, RATE,
    SERVER, SIZE, SIZE_IF_GIVEN, SWITCH, TAGS, TEXT, TICK, TIME, TIME_IF_GIVEN, TIMEOUT, words,
};
use super::{Ack, HostTag, Invalid, OptionSpec, Overflow, Precision, Repeats, refused};
use crate::config::auth::Auth;
use crate::config::builder::Builder;
use crate::config::secret::Secret;
use crate::error::ConfigError;

options! {
    /// What the server is, instead of finding out; in text `auto` is finding out.
    ///
    /// Saves the first question on each connection. A name that is wrong makes answers mean what they do not.
    server: Option<Server> as Server = None, SERVER,
        "what the server is, instead of finding out: opentsdb, victoriametrics, influxdb, kairosdb";

    /// Most points in the queue; 0 is no limit but [`queue_bytes`](field@Options::queue_bytes).
    ///
    /// More of them last for a longer outage, and take more memory. What happens when it is full is
    /// [`overflow`](field@Options::overflow)'s to say.
    queue_points: usize = 100_000, COUNT,
        "most points in the queue; 0: no limit but queue_bytes";

    /// Most bytes in the queue, at least 64 KiB. The limit that is reached first counts.
    ///
    /// `None`: [`Options::queue_bytes`](method@Options::queue_bytes) derives it.
    queue_bytes: Option<usize> as usize = None, SIZE_IF_GIVEN,
        "most bytes in the queue, at least 64KiB; if not given 64MiB, or 1GiB if queue_points is 0 or above its default";

    /// What `send` does when the queue is full: drops the oldest point or the new one, which it counts, or waits.
    ///
    /// Waiting is the one way in which `send` can hold up its caller, and by the deadline given here at most.
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
    /// ends; then the next one takes it, so restarts make few new series. It is free once the second of the last totals that
    /// instruments or bridges sent under it is over. A forked child gets a number of its own. Linux only.
    worker_tag: Option<String> as String = None, NAME_IF_GIVEN,
        "a tag with a small number that tells the processes of one program on this host apart: worker";

    /// Goes before every metric.
    prefix: String = String::new(), TEXT,
        "text that goes before every metric";

    /// Which characters names and values of tags may hold.
    ///
    /// OpenTSDB takes the narrowest set unless it is configured; others take more.
    names: Names = Names::OpenTsdb, NAMES,
        "what names may hold: opentsdb, ascii, utf8";

    /// Most tags of a point; 0 is no limit. The default is what OpenTSDB takes unless it is configured.
    max_tags: usize = 8, COUNT,
        "most tags of a point; 0: no limit";

    /// What becomes of an illegal point. Rust's calls return the error, or repair the point under
    /// [`Invalid::Replace`]; the other two are for bindings.
    invalid: Invalid = Invalid::Raise, words(),
        "what becomes of an illegal point: drop, raise, replace";

    /// Points written per second at most, what is sent again included; 0 is no limit.
    ///
    /// Spares a server that others need too, and fills the queue when more are sent.
    mps: f64 = 0.0, RATE,
        "points per second written at most; 0: no limit";

    /// What becomes of a second point of a series at one time.
    ///
    /// A server keeps one of them, or fails queries. To keep both costs nothing here.
    repeats: Repeats = Repeats::First, words(),
        "what becomes of a second point of a series at one time: first (is kept), keep (both)";

    /// The unit of automatic timestamps.
    ///
    /// Milliseconds allow a thousand points a second of one series, and take more room in the store.
    precision: Precision = Precision::Seconds, words(),
        "unit of automatic timestamps: seconds, milliseconds";

    /// Which answers are asked for. What each is worth depends on the server: README.
    ack: Ack = Ack::Auto, words(),
        "which answers are asked for: auto, none, accepted, stored (http)";

    /// Bytes written and not yet answered for, per connection, at least 64 KiB.
    ///
    /// More of them keep a distant server busy, and are what goes again when the connection dies.
    window_bytes: usize = 4 * MIB, SIZE,
        "bytes written and unanswered at most, per connection, at least 64KiB";

    /// How long points that were answered for stay re-sendable, on telnet; none: not at all.
    ///
    /// OpenTSDB answers before it has stored. Longer covers longer outages behind it, up to
    /// [`settle_bytes`](field@Options::settle_bytes).
    settle: Duration = Duration::from_secs(2), TIME,
        "how long answered points stay re-sendable; 0: not at all";

    /// Most bytes settling, at least 64 KiB. What does not fit is let go early, and counted.
    settle_bytes: usize = 32 * MIB, SIZE,
        "most bytes settling, at least 64KiB";

    /// Points older than that are given up instead of written; none, or a time of 0, is never.
    ///
    /// After an outage the points that are still of use then do not wait behind those that are not. A point is given up
    /// by a sixteenth of this late at most, never early.
    max_age: Option<Duration> as Duration = None, LIMIT,
        "points older than that are given up instead of written; 0: never";

    /// For a connection to be made, TLS included. At least a millisecond.
    connect_timeout: Duration = Duration::from_secs(3), TIMEOUT,
        "longest time for a connection to be made, at least 1ms";

    /// Without progress while writing; then the connection is ended. At least a millisecond.
    write_timeout: Duration = Duration::from_secs(10), TIMEOUT,
        "longest time without progress while writing, at least 1ms; then the connection is ended";

    /// Without progress while an answer is due; then the connection is ended. At least a millisecond.
    answer_timeout: Duration = Duration::from_secs(10), TIMEOUT,
        "longest time without progress while an answer is due, at least 1ms; then the connection is ended";

    /// The least and the greatest wait between two attempts to connect, at least a millisecond. It doubles, and is chosen
    /// at random below that.
    backoff: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(30)), RANGE,
        "least and greatest wait between two attempts to connect, at least 1ms: 100ms..30s";

    /// Connections per endpoint at most, 1 to 64.
    ///
    /// `None`: [`Options::connections`](method@Options::connections) derives it. Each takes memory for
    /// [`window_bytes`](field@Options::window_bytes).
    connections: Option<usize> as usize = None, CONNECTIONS,
        "connections per endpoint at most, 1 to 64; if not given 1, or 8 with ack=stored";

    /// A connection this old ends in good order and is made anew; none, or a time of 0, is no limit.
    ///
    /// Behind a balancer that brings new servers into use.
    connection_max_age: Option<Duration> as Duration = None, LIMIT,
        "a connection this old ends in good order and is made anew; 0: no limit";

    /// Whether what goes over HTTP is compressed: fewer bytes, for more processor time.
    gzip: bool = true, SWITCH,
        "compress what goes over http: true, false";

    /// How to log in. Never printed.
    auth: Option<Auth> as Auth = None, AUTH,
        "the login: basic:user:password, bearer:token, line:text (telnet), or any of them with @/path";

    /// More headers of each request. Their values are never printed.
    headers: Vec<(String, Secret)> = Vec::new(), HEADERS,
        "more headers of each request, one a line: Name: value";

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
    /// points come. Longer costs a trickle fewer wake-ups, and points are on their way later by as much. Who flushes or
    /// closes does not wait for it.
    linger: Option<Duration> as Duration = None, TIME_IF_GIVEN,
        "how long the worker gathers points between two writes; if not given 10ms to 80ms, and 250ms over http";

    /// Metrics whose points and bytes are counted, up to so many of them; 0: none.
    ///
    /// [`Stats::by_metric`](crate::Stats::by_metric) says who sends how much. Costs the worker some ten nanoseconds a point.
    by_metric: usize = 0, COUNT,
        "count points and bytes of each metric, of so many at most; 0: of none";

    /// How often the statistics are sent as points, under `potsdb.`, in whole seconds; none, or a time of 0, is not at all.
    ///
    /// They go through a client of their own, so they are not counted in themselves, take another connection, and have the
    /// tags of every point and `client`, which numbers the clients of a process. The last ones go out when the client
    /// closes. Processes that send them to one store need a tag that tells them apart, like
    /// [`worker_tag`](field@Options::worker_tag).
    self_metrics: Option<Duration> as Duration = None, TICK,
        "send the statistics as points under potsdb. this often, in whole seconds: 60s; 0: not at all";

    /// For draining when the last handle goes or the program ends; none: what is pending then is dropped.
    close_grace: Duration = Duration::from_secs(5), TIME,
        "longest time for draining when the last handle goes or the program ends; 0: none";

    /// Whether building connects once, for at most three seconds, and fails if that fails.
    check_host: bool = false, SWITCH,
        "connect once while building, and fail if that fails: true, false";

    /// Whether everything is done but talking to the network: points are taken, counted and dropped.
    test_mode: bool = false, SWITCH,
        "do everything but talk to the network: true, false";
}
