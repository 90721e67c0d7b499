//! The options of a client: one set, the same names everywhere.
//!
//! Rust's builder, a URL's query, the environment, Python's keywords and the command's flags all
//! end in [`Options::set`]. [`OPTIONS`] is the table: a name, what it does, and how its text is
//! read. A default is written once, in [`Options::default`].

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use potsdb_wire::{Names, Server};

use crate::auth::{self, Auth};
use crate::error::ConfigError;
use crate::secret::Secret;

mod text;

use text::{
    MIB, at_least_one, backoff, boolean, bytes, duration, headers, limit, nearest, number, overflow, positive, rate,
    tags, word,
};

pub(crate) use text::misspelt;

/// What `send` does when the queue is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overflow {
    /// The oldest queued point is dropped.
    DropOldest,
    /// The new point is dropped.
    DropNewest,
    /// The caller waits for room, up to this long if given.
    Block(Option<Duration>),
}

/// What happens to a second point of one series at one time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeats {
    /// The first is kept; the second is counted and not queued.
    First,
    /// Both are sent. The server keeps one of them, or fails queries: README.
    Keep,
}

/// The unit of automatic timestamps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// Whole seconds.
    Seconds,
    /// Milliseconds.
    Milliseconds,
}

/// Which answers are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ack {
    /// Whatever the wire and the server can tell; found out by asking.
    Auto,
    /// None: points are unconfirmed.
    None,
    /// As `auto`, but a server that cannot answer is not used.
    Accepted,
    /// That the points are stored, not just taken. HTTP, on OpenTSDB.
    Stored,
}

/// What a face does with an illegal point. The crate always returns the error, and repairs under
/// `replace`; `drop` and `raise` are for faces with exceptions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Invalid {
    /// Counted and logged; the caller is not disturbed.
    Drop,
    /// An exception.
    Raise,
    /// Each illegal character becomes `_`; too long is cut.
    Replace,
}

/// The `host` tag of points that have none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostTag {
    /// This machine's name.
    Hostname,
    /// This value.
    Value(String),
    /// No tag.
    None,
}

/// Every option, typed. The table in the documentation says what each does.
#[derive(Clone, Debug)]
#[non_exhaustive]
#[expect(
    missing_docs,
    reason = "the fields are the options of the same names: OPTIONS documents each"
)]
pub struct Options {
    pub server: Option<Server>,
    pub queue_points: usize,
    /// `None`: [`Options::queue_bytes`] derives it.
    pub queue_bytes: Option<usize>,
    pub overflow: Overflow,
    pub host_tag: HostTag,
    pub tags: Vec<(String, String)>,
    pub prefix: String,
    pub names: Names,
    pub max_tags: usize,
    pub invalid: Invalid,
    pub mps: f64,
    pub repeats: Repeats,
    pub precision: Precision,
    pub ack: Ack,
    pub window_bytes: usize,
    pub settle: Duration,
    pub settle_bytes: usize,
    pub max_age: Option<Duration>,
    pub connect_timeout: Duration,
    pub write_timeout: Duration,
    pub answer_timeout: Duration,
    pub backoff: (Duration, Duration),
    /// `None`: [`Options::connections`] derives it.
    pub connections: Option<usize>,
    pub connection_max_age: Option<Duration>,
    pub gzip: bool,
    pub auth: Option<Auth>,
    pub headers: Vec<(String, Secret)>,
    pub ca: Option<PathBuf>,
    pub cert: Option<PathBuf>,
    pub key: Option<PathBuf>,
    pub linger: Duration,
    pub close_grace: Duration,
    pub check_host: bool,
    pub test_mode: bool,
}

/// As good as for ever: a hundred years.
pub(crate) const FAR: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

impl Default for Options {
    fn default() -> Options {
        Options {
            server: None,
            queue_points: 100_000,
            queue_bytes: None,
            overflow: Overflow::DropOldest,
            host_tag: HostTag::Hostname,
            tags: Vec::new(),
            prefix: String::new(),
            names: Names::OpenTsdb,
            max_tags: 8,
            invalid: Invalid::Raise,
            mps: 0.0,
            repeats: Repeats::First,
            precision: Precision::Seconds,
            ack: Ack::Auto,
            window_bytes: 4 * MIB,
            settle: Duration::from_secs(2),
            settle_bytes: 32 * MIB,
            max_age: None,
            connect_timeout: Duration::from_secs(3),
            write_timeout: Duration::from_secs(10),
            answer_timeout: Duration::from_secs(10),
            backoff: (Duration::from_millis(100), Duration::from_secs(30)),
            connections: None,
            connection_max_age: None,
            gzip: true,
            auth: None,
            headers: Vec::new(),
            ca: None,
            cert: None,
            key: None,
            linger: Duration::from_millis(10),
            close_grace: Duration::from_secs(5),
            check_host: false,
            test_mode: false,
        }
    }
}

impl Options {
    /// The queue's bound in bytes: as given, else 64 MiB, or 1 GiB where more points than the
    /// default, or any number of them, were asked for.
    #[must_use]
    pub fn queue_bytes(&self) -> usize {
        let many = self.queue_points == 0 || self.queue_points > Options::default().queue_points;
        self.queue_bytes.unwrap_or(if many { 1024 * MIB } else { 64 * MIB })
    }

    /// Connections per endpoint at most: as given, else 1, or 8 with `ack=stored`, where an answer takes a second.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.connections.unwrap_or(if self.ack == Ack::Stored { 8 } else { 1 })
    }

    /// The same, with times no longer than `FAR`, so that sums of them with a clock have a value.
    pub(crate) fn within_reason(mut self) -> Options {
        let (low, high) = &mut self.backoff;
        let times = [
            &mut self.settle,
            &mut self.connect_timeout,
            &mut self.write_timeout,
            &mut self.answer_timeout,
            &mut self.linger,
            &mut self.close_grace,
            low,
            high,
        ];
        for time in times
            .into_iter()
            .chain(&mut self.max_age)
            .chain(&mut self.connection_max_age)
        {
            *time = (*time).min(FAR);
        }
        self
    }

    /// Sets an option by its name.
    ///
    /// # Errors
    ///
    /// An unknown name (the nearest is suggested), or a value the option does not take.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), ConfigError> {
        let Some(spec) = OPTIONS.iter().find(|spec| spec.name == name) else {
            return Err(ConfigError::unknown(name, nearest(name)));
        };
        (spec.set)(self, value).map_err(|rule| match SECRET.contains(&name) {
            true => ConfigError::option(spec.name, rule),
            false => ConfigError::value(spec.name, value, rule),
        })
    }
}

/// The options whose values no error repeats.
const SECRET: [&str; 2] = ["auth", "headers"];

/// Whether there is an option of this name.
pub(crate) fn is_option(name: &str) -> bool {
    OPTIONS.iter().any(|spec| spec.name == name)
}

/// One row of [`OPTIONS`].
pub struct OptionSpec {
    /// The option's name.
    pub name: &'static str,
    /// What it does and what it takes, in one line.
    pub help: &'static str,
    set: fn(&mut Options, &str) -> Result<(), String>,
}

impl fmt::Debug for OptionSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.help)
    }
}

/// Declares the table: name, help, and the assignment from the text `$v` into the options `$o`.
macro_rules! options {
    ($(($name:ident, $help:literal, |$o:ident, $v:ident| $set:expr)),* $(,)?) => {
        /// All options that [`Options::set`] takes, in the order of the documentation.
        pub static OPTIONS: &[OptionSpec] = &[
            $(OptionSpec { name: stringify!($name), help: $help, set: |$o, $v| { $set; Ok(()) } }),*
        ];
    };
}

options![
    (
        server,
        "what the server is, instead of finding out: opentsdb, victoriametrics, influxdb, kairosdb",
        |o, v| o.server = if v == "auto" {
            None
        } else {
            Some(word(v, "auto, opentsdb, victoriametrics, influxdb or kairosdb")?)
        }
    ),
    (
        queue_points,
        "most points in the queue; 0: no limit but queue_bytes",
        |o, v| o.queue_points = number(v)?
    ),
    (queue_bytes, "most bytes in the queue: 64MiB", |o, v| o.queue_bytes =
        Some(bytes(v)?)),
    (
        overflow,
        "when the queue is full: drop_oldest, drop_newest, block, block:5s",
        |o, v| o.overflow = overflow(v)?
    ),
    (
        host_tag,
        "the tag host of points without one: true (this machine's name), false (none), or its value",
        |o, v| o.host_tag = match v {
            "true" => HostTag::Hostname,
            "false" | "" => HostTag::None,
            value => HostTag::Value(value.to_owned()),
        }
    ),
    (tags, "tags of every point: k=v,k2=v2", |o, v| o.tags = tags(v)?),
    (prefix, "goes before every metric", |o, v| o.prefix = v.to_owned()),
    (names, "what names may hold: opentsdb, ascii, utf8", |o, v| o.names =
        word(v, "opentsdb, ascii or utf8")?),
    (max_tags, "most tags of a point; 0: no limit", |o, v| o.max_tags =
        number(v)?),
    (
        invalid,
        "an illegal point: drop, raise, replace",
        |o, v| o.invalid = match v {
            "drop" => Invalid::Drop,
            "raise" => Invalid::Raise,
            "replace" => Invalid::Replace,
            _ => return Err("drop, raise or replace".to_owned()),
        }
    ),
    (mps, "points per second written at most; 0: no limit", |o, v| o.mps =
        rate(v)?),
    (
        repeats,
        "a second point of a series at one time: first (is kept), keep (both)",
        |o, v| o.repeats = match v {
            "first" => Repeats::First,
            "keep" => Repeats::Keep,
            _ => return Err("first or keep".to_owned()),
        }
    ),
    (precision, "of automatic timestamps: seconds, milliseconds", |o, v| o
        .precision = match v {
        "seconds" => Precision::Seconds,
        "milliseconds" => Precision::Milliseconds,
        _ => return Err("seconds or milliseconds".to_owned()),
    }),
    (ack, "answers asked for: auto, none, accepted, stored (http)", |o, v| {
        o.ack = match v {
            "auto" => Ack::Auto,
            "none" => Ack::None,
            "accepted" => Ack::Accepted,
            "stored" => Ack::Stored,
            _ => return Err("auto, none, accepted or stored".to_owned()),
        }
    }),
    (
        window_bytes,
        "written and unanswered at most, per connection: 4MiB",
        |o, v| o.window_bytes = bytes(v)?
    ),
    (settle, "how long answered points stay re-sendable: 2s", |o, v| o
        .settle =
        duration(v)?),
    (settle_bytes, "most bytes settling: 32MiB", |o, v| o.settle_bytes =
        bytes(v)?),
    (
        max_age,
        "points older than that are given up instead of written; 0: never",
        |o, v| o.max_age = limit(v)?
    ),
    (connect_timeout, "for a connection to be made: 3s", |o, v| o
        .connect_timeout =
        positive(v)?),
    (write_timeout, "without progress while writing: 10s", |o, v| o
        .write_timeout =
        positive(v)?),
    (
        answer_timeout,
        "without progress while an answer is due: 10s",
        |o, v| o.answer_timeout = positive(v)?
    ),
    (backoff, "between attempts to connect: 100ms..30s", |o, v| o.backoff =
        backoff(v)?),
    (
        connections,
        "connections per endpoint at most: 1, and 8 with ack=stored",
        |o, v| o.connections = Some(at_least_one(v)?)
    ),
    (
        connection_max_age,
        "a connection this old ends in good order and is made anew; 0: no limit",
        |o, v| o.connection_max_age = limit(v)?
    ),
    (gzip, "compress what goes over http: true, false", |o, v| o.gzip =
        boolean(v)?),
    (
        auth,
        "the login: basic:user:password, bearer:token, line:text (telnet), or any of them with @/path",
        |o, v| o.auth = if v.is_empty() { None } else { Some(auth::parse(v)?) }
    ),
    (
        headers,
        "more headers of each request, one a line: Name: value",
        |o, v| o.headers = headers(v)?
    ),
    (
        ca,
        "a PEM file of the authorities to be trusted, instead of the system's",
        |o, v| o.ca = Some(v.into())
    ),
    (cert, "a PEM file of the client's certificate and its chain", |o, v| o
        .cert =
        Some(v.into())),
    (key, "a PEM file of the client certificate's key", |o, v| o.key =
        Some(v.into())),
    (
        linger,
        "how long the worker gathers points between two writes: 10ms",
        |o, v| o.linger = duration(v)?
    ),
    (
        close_grace,
        "for draining when the last handle goes or the program ends: 5s",
        |o, v| o.close_grace = duration(v)?
    ),
    (
        check_host,
        "connect once while building, and fail if that fails: true, false",
        |o, v| o.check_host = boolean(v)?
    ),
    (
        test_mode,
        "do everything but talk to the network: true, false",
        |o, v| o.test_mode = boolean(v)?
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn set(name: &str, value: &str) -> Result<Options, ConfigError> {
        let mut options = Options::default();
        options.set(name, value).map(|()| options)
    }

    #[test]
    fn values_are_read_in_the_forms_people_write() {
        assert_eq!(
            set("overflow", "block:1.5s").unwrap().overflow,
            Overflow::Block(Some(Duration::from_millis(1500)))
        );
        assert_eq!(set("queue_bytes", "2MiB").unwrap().queue_bytes(), 2 * MIB);
        assert_eq!(set("settle", "0").unwrap().settle, Duration::ZERO);
        assert_eq!(set("backoff", "10ms..2s").unwrap().backoff.1, Duration::from_secs(2));
        assert_eq!(set("tags", "a=b,c=d").unwrap().tags.len(), 2);
        assert_eq!(set("max_age", "1m").unwrap().max_age, Some(Duration::from_secs(60)));
        assert_eq!(set("max_age", "0").unwrap().max_age, None);
        let headers = set("headers", "X-A: b: c\r\n\nX-D:e\n").unwrap().headers;
        assert_eq!(
            headers,
            [("X-A".to_owned(), "b: c".into()), ("X-D".to_owned(), "e".into())]
        );
        assert_eq!(
            set("host_tag", "web1").unwrap().host_tag,
            HostTag::Value("web1".to_owned())
        );
    }

    #[test]
    fn a_wrong_name_suggests_the_nearest_and_a_wrong_value_the_rule() {
        let said = |name, value| set(name, value).unwrap_err().to_string();
        assert_eq!(
            said("overflaw", "x"),
            "unknown option \"overflaw\": did you mean \"overflow\"?"
        );
        assert_eq!(said("zzzzzz", "x"), "unknown option \"zzzzzz\"");
        assert_eq!(said("mps", "-1"), "option mps: \"-1\" is not a number from 0 up");
        assert_eq!(
            said("queue_bytes", "12 parsecs"),
            "option queue_bytes: \"12 parsecs\" is not a number of bytes of at least 64KiB: 67108864, 64MiB"
        );
        assert!(said("write_timeout", "0").contains("at least 1ms"));
        assert!(said("backoff", "3s..1s").contains("the smaller first"));
    }

    #[test]
    fn an_option_with_a_secret_is_refused_without_it_and_printed_without_it() {
        for (name, value) in [
            ("auth", "basic:canary"),
            ("auth", "canary"),
            ("headers", "canary"),
            ("headers", "X-Key: canary\u{e9}"),
            ("headers", "X-Key: canary\nHost: h"),
        ] {
            let error = set(name, value).unwrap_err();
            let said = format!("{error} {error:?}");
            assert!(
                said.contains(&format!("option {name}: ")) && !said.contains("canary"),
                "{said}"
            );
        }
        let mut options = set("auth", "bearer:canary").unwrap();
        options.set("headers", "X-Key: canary").unwrap();
        assert!(!format!("{options:?}").contains("canary"), "{options:?}");
    }

    #[test]
    fn waiting_for_the_store_takes_more_connections() {
        assert_eq!(Options::default().connections(), 1);
        let mut stored = set("ack", "stored").unwrap();
        assert_eq!(stored.connections(), 8);
        stored.set("connections", "2").unwrap();
        assert_eq!(stored.connections(), 2);
    }

    #[test]
    fn more_points_than_usual_get_more_bytes() {
        assert_eq!(Options::default().queue_bytes(), 64 * MIB);
        assert_eq!(set("queue_points", "0").unwrap().queue_bytes(), 1024 * MIB);
        assert_eq!(set("queue_points", "5").unwrap().queue_bytes(), 64 * MIB);
    }
}
