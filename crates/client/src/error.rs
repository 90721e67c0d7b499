//! The errors, by the moment their reader meets them: building, sending, flushing.
//!
//! What is illegal about a point is an [`InvalidPoint`], at making. Trouble with the server is never an
//! error: it is in the statistics.

use std::fmt;
use std::io;

use potsdb_wire::InvalidPoint;

/// A client that cannot be built, and why.
///
/// ```
/// let error = potsdb::Client::open("tsdb://localhost?queue_bytes=12parsecs").unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     r#"option queue_bytes: "12parsecs" is not a number of bytes of at least 64KiB: 67108864, 64MiB"#,
/// );
/// assert!(!error.is_unknown_option());
/// ```
#[derive(Debug)]
pub struct ConfigError(Kind);

#[derive(Debug)]
enum Kind {
    Unknown {
        name: String,
        nearest: Option<&'static str>,
    },
    Value {
        name: &'static str,
        value: String,
        rule: String,
    },
    /// What is wrong with an option, where its value is a secret or the reason is another option.
    Option {
        name: &'static str,
        rule: String,
    },
    Url {
        text: String,
        rule: &'static str,
    },
    Endpoints(&'static str),
    Feature {
        scheme: String,
        feature: &'static str,
    },
    Environment,
    Tag(InvalidPoint),
    Unreachable {
        endpoint: String,
        source: io::Error,
    },
    Start(io::Error),
}

impl ConfigError {
    pub(crate) fn url(text: &str, rule: &'static str) -> ConfigError {
        ConfigError(Kind::Url {
            text: text.to_owned(),
            rule,
        })
    }

    pub(crate) fn unknown(name: &str, nearest: Option<&'static str>) -> ConfigError {
        let name = name.to_owned();
        ConfigError(Kind::Unknown { name, nearest })
    }

    pub(crate) fn value(name: &'static str, value: &str, rule: String) -> ConfigError {
        let value = value.to_owned();
        ConfigError(Kind::Value { name, value, rule })
    }

    pub(crate) fn option(name: &'static str, rule: impl Into<String>) -> ConfigError {
        let rule = rule.into();
        ConfigError(Kind::Option { name, rule })
    }

    pub(crate) fn endpoints(rule: &'static str) -> ConfigError {
        ConfigError(Kind::Endpoints(rule))
    }

    pub(crate) fn feature(scheme: impl fmt::Display, feature: &'static str) -> ConfigError {
        let scheme = scheme.to_string();
        ConfigError(Kind::Feature { scheme, feature })
    }

    pub(crate) fn environment() -> ConfigError {
        ConfigError(Kind::Environment)
    }

    pub(crate) fn tag(error: InvalidPoint) -> ConfigError {
        ConfigError(Kind::Tag(error))
    }

    pub(crate) fn unreachable(endpoint: String, source: io::Error) -> ConfigError {
        ConfigError(Kind::Unreachable { endpoint, source })
    }

    pub(crate) fn start(source: io::Error) -> ConfigError {
        ConfigError(Kind::Start(source))
    }

    /// Whether an option of this name does not exist (and so its value was not looked at).
    #[must_use]
    pub fn is_unknown_option(&self) -> bool {
        matches!(self.0, Kind::Unknown { .. })
    }

    /// The socket layer's error, when `check_host` found no server.
    #[must_use]
    pub fn unreachable_by(&self) -> Option<&io::Error> {
        match &self.0 {
            Kind::Unreachable { source, .. } => Some(source),
            _ => None,
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Unknown {
                name,
                nearest: Some(nearest),
            } => write!(f, "unknown option {name:?}: did you mean {nearest:?}?"),
            Kind::Unknown { name, nearest: None } => write!(f, "unknown option {name:?}"),
            Kind::Value { name, value, rule } => write!(f, "option {name}: {value:?} is not {rule}"),
            Kind::Option { name, rule } => write!(f, "option {name}: {rule}"),
            Kind::Endpoints(rule) => f.write_str(rule),
            Kind::Feature { scheme, feature } => {
                write!(
                    f,
                    "{scheme}: this build of potsdb is without its cargo feature {feature:?}"
                )
            }
            Kind::Url { text, rule } => write!(f, "{text:?}: {rule}"),
            Kind::Environment => write!(f, "POTSDB_URL is not set: tsdb://host:4242"),
            Kind::Tag(error) => write!(f, "a tag of every point: {error}"),
            Kind::Unreachable { endpoint, source } => write!(f, "{endpoint}: {source}"),
            Kind::Start(source) => write!(f, "the worker could not be started: {source}"),
        }
    }
}

/// `Display` already includes the cause, so `source()` skips it: otherwise a report of the whole chain would print it
/// twice. [`unreachable_by`](ConfigError::unreachable_by) returns the cause.
impl std::error::Error for ConfigError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.0 {
            Kind::Unreachable { source, .. } | Kind::Start(source) => source.source(),
            _ => None,
        }
    }
}

/// A point that was not accepted.
///
/// ```
/// use potsdb::{Client, SendError};
///
/// let client = Client::open("tsdb://localhost?test_mode=true")?;
/// let error = client.send("web.requests", f64::NAN, ()).unwrap_err();
/// assert!(matches!(error, SendError::Invalid(_)));
/// assert_eq!(client.stats().invalid, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum SendError {
    /// Its content is illegal; counted `invalid`.
    Invalid(InvalidPoint),
    /// The queue had no room in time, under `overflow=block`; counted `full`.
    Full,
    /// The client is closed.
    Closed,
    /// The queue has no room, and the caller asked not to wait; not counted.
    WouldBlock,
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SendError::Invalid(error) => error.fmt(f),
            SendError::Full => f.write_str("the queue is full and had no room in time"),
            SendError::Closed => f.write_str("the client is closed"),
            SendError::WouldBlock => f.write_str("the queue is full"),
        }
    }
}

impl std::error::Error for SendError {}

/// A flush that did not reach its barrier in time.
///
/// ```
/// use std::time::Duration;
///
/// let client = potsdb::Client::open("tsdb://localhost:1")?; // no server
/// client.send("jobs.done", 1, ())?;
/// let error = client.flush(Duration::ZERO).unwrap_err();
/// assert_eq!(error.pending, 1);
/// client.stop();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FlushError {
    /// Points of the client without a verdict when the flush gave up.
    pub pending: u64,
}

impl fmt::Display for FlushError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the flush gave up with {} points pending", self.pending)
    }
}

impl std::error::Error for FlushError {}

#[cfg(test)]
mod tests {
    use std::error::Error;

    use crate::Client;

    #[test]
    fn a_report_of_the_whole_chain_says_nothing_twice() {
        let client = Client::open("tsdb://127.0.0.1:1?test_mode=true").unwrap();
        let unreachable = "tsdb://127.0.0.1:1?check_host=true";
        let errors: [Box<dyn Error>; 3] = [
            Box::new(client.send("a b", 1, [("h", "x")]).unwrap_err()),
            Box::new(Client::open("tsdb://h?host_tag=a%20b").unwrap_err()),
            Box::new(Client::open(unreachable).unwrap_err()),
        ];
        for error in errors {
            let mut chain = vec![error.to_string()];
            let mut cause = error.source();
            while let Some(error) = cause {
                chain.push(error.to_string());
                cause = error.source();
            }
            for (index, said) in chain.iter().enumerate() {
                assert!(chain[..index].iter().all(|before| !before.contains(said)), "{chain:?}");
            }
        }
    }
}
