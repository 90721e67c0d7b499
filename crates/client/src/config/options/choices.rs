//! The options with a few values each: what there is to choose from, and the words it is written in.
//!
//! One table of words per type. The option's text, `FromStr` and `Display` all go by it, so that they cannot differ.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::text::{duration, shown_time};
use crate::error::ConfigError;

/// What `send` does when the queue is full. In text `drop_oldest`, `drop_newest`, `block` or `block:5s`.
///
/// ```
/// use std::time::Duration;
///
/// use potsdb::Overflow;
///
/// let overflow: Overflow = "block:1.5s".parse()?;
/// assert_eq!(overflow, Overflow::Block(Some(Duration::from_millis(1500))));
/// assert_eq!(overflow.to_string(), "block:1.5s");
/// # Ok::<(), potsdb::ConfigError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Overflow {
    /// The oldest queued point is dropped.
    DropOldest,
    /// The new point is dropped.
    DropNewest,
    /// The caller waits for room, up to this long if given.
    Block(Option<Duration>),
}

/// What happens to a second point of one series at one time. In text `first` or `keep`.
///
/// ```
/// assert_eq!("keep".parse::<potsdb::Repeats>()?, potsdb::Repeats::Keep);
/// # Ok::<(), potsdb::ConfigError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Repeats {
    /// The first is kept; the second is counted and not queued.
    First,
    /// Both are sent. The server keeps one of them, or fails queries.
    Keep,
}

/// The unit of automatic timestamps. In text `seconds` or `milliseconds`.
///
/// ```
/// assert_eq!(potsdb::Precision::Milliseconds.to_string(), "milliseconds");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Precision {
    /// Whole seconds.
    Seconds,
    /// Milliseconds.
    Milliseconds,
}

/// Which answers are asked for. In text `auto`, `none`, `accepted` or `stored`.
///
/// ```
/// let error = "always".parse::<potsdb::Ack>().unwrap_err();
/// assert_eq!(error.to_string(), r#"option ack: "always" is not auto, none, accepted or stored"#);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
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

/// What goes to the spool. In text `overflow` or `always`.
///
/// ```
/// assert_eq!("always".parse::<potsdb::SpoolMode>()?, potsdb::SpoolMode::Always);
/// # Ok::<(), potsdb::ConfigError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SpoolMode {
    /// What waits beyond half a queue, and what a `sync` or the end of the program finds without a verdict.
    Overflow,
    /// All that is not done with after 50 ms.
    Always,
}

/// What a face does with an illegal point. In text `drop`, `raise` or `replace`.
///
/// The crate always returns the error, and repairs under `replace`; `drop` and `raise` are for faces with exceptions.
///
/// ```
/// let client = potsdb::Client::open("tsdb://localhost?test_mode=true&invalid=replace")?;
/// client.send("room temperature", 21.5, [("floor", "ground floor")])?; // as room_temperature, floor=ground_floor
/// assert_eq!(client.stats().replaced, 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Invalid {
    /// Counted and logged; the caller is not disturbed.
    Drop,
    /// An exception.
    Raise,
    /// Each illegal character becomes `_`; too long is cut.
    Replace,
}

/// The `host` tag of points that have none. In text `true`, `false` or the value.
///
/// ```
/// use potsdb::HostTag;
///
/// let host_tag: HostTag = "web1".parse().unwrap_or(HostTag::Hostname);
/// assert_eq!(host_tag, HostTag::Value("web1".to_owned()));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HostTag {
    /// This machine's name.
    Hostname,
    /// This value. In text it is not `true` or `false`, which mean the other two.
    Value(String),
    /// No tag.
    None,
}

/// One of a few words.
pub(super) trait Word: Copy + PartialEq + 'static {
    const WORDS: &'static [(&'static str, Self)];
}

/// Reads a word; the error says which there are.
pub(super) fn read<T: Word>(text: &str) -> Result<T, String> {
    let found = T::WORDS.iter().find(|(word, _)| *word == text);
    found.map(|(_, value)| *value).ok_or_else(any_of::<T>)
}

/// `one, another or a third`.
fn any_of<T: Word>() -> String {
    let words: Vec<&str> = T::WORDS.iter().map(|(word, _)| *word).collect();
    match words.split_last() {
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => String::new(),
    }
}

/// Declares the words of each type, and by them how it is read and printed.
macro_rules! words {
    ($($type:ident, $option:literal: $($word:literal => $value:ident),+;)*) => {$(
        impl Word for $type {
            const WORDS: &'static [(&'static str, $type)] = &[$(($word, $type::$value)),+];
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(match self { $($type::$value => $word),+ })
            }
        }

        impl FromStr for $type {
            type Err = ConfigError;

            fn from_str(text: &str) -> Result<$type, ConfigError> {
                read(text).map_err(|rule| ConfigError::value($option, text, rule))
            }
        }
    )*};
}

words! {
    Repeats, "repeats": "first" => First, "keep" => Keep;
    Precision, "precision": "seconds" => Seconds, "milliseconds" => Milliseconds;
    Invalid, "invalid": "drop" => Drop, "raise" => Raise, "replace" => Replace;
    SpoolMode, "spool_mode": "overflow" => Overflow, "always" => Always;
    Ack, "ack": "auto" => Auto, "none" => None, "accepted" => Accepted, "stored" => Stored;
}

impl Overflow {
    /// Reads the option's value; the error is the rule.
    pub(super) fn read(text: &str) -> Result<Overflow, String> {
        match text {
            "drop_oldest" => Ok(Overflow::DropOldest),
            "drop_newest" => Ok(Overflow::DropNewest),
            "block" => Ok(Overflow::Block(None)),
            _ => match text.strip_prefix("block:") {
                Some(deadline) => Ok(Overflow::Block(Some(duration(deadline)?))),
                None => Err("drop_oldest, drop_newest, block or block:5s".to_owned()),
            },
        }
    }
}

impl fmt::Display for Overflow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Overflow::DropOldest => f.pad("drop_oldest"),
            Overflow::DropNewest => f.pad("drop_newest"),
            Overflow::Block(None) => f.pad("block"),
            Overflow::Block(Some(deadline)) => f.pad(&format!("block:{}", shown_time(*deadline))),
        }
    }
}

impl FromStr for Overflow {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Overflow, ConfigError> {
        Overflow::read(text).map_err(|rule| ConfigError::value("overflow", text, rule))
    }
}

impl fmt::Display for HostTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            HostTag::Hostname => "true",
            HostTag::None => "false",
            HostTag::Value(value) => value,
        })
    }
}

impl FromStr for HostTag {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<HostTag, Infallible> {
        Ok(match text {
            "true" => HostTag::Hostname,
            "false" | "" => HostTag::None,
            value => HostTag::Value(value.to_owned()),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::{Debug, Display};

    use potsdb_wire::{Names, Server};

    use super::*;
    use crate::Options;

    /// Each value prints as text that it is read from again, by itself and as the option's value.
    fn reads_back<T>(option: &str, field: fn(Options) -> T, values: &[T])
    where
        T: Clone + Debug + Display + PartialEq + FromStr<Err: Debug>,
    {
        for value in values {
            let text = value.to_string();
            assert_eq!(&text.parse::<T>().unwrap(), value, "{text}");
            let mut options = Options::default();
            options.set(option, &text).unwrap();
            assert_eq!(&field(options), value, "{option}={text}");
        }
    }

    /// What is refused as a value of its type is refused as the option's, in the same words.
    fn refused_alike<T: Debug + FromStr<Err = ConfigError>>(option: &str, text: &str) {
        let error = text.parse::<T>().unwrap_err().to_string();
        let of_option = Options::default().set(option, text).unwrap_err().to_string();
        assert_eq!(error, of_option);
    }

    fn all_of<T: Word>() -> Vec<T> {
        T::WORDS.iter().map(|(_, value)| *value).collect()
    }

    #[test]
    fn every_choice_prints_as_it_is_read() {
        reads_back("repeats", |options| options.repeats, &all_of::<Repeats>());
        reads_back("precision", |options| options.precision, &all_of::<Precision>());
        reads_back("invalid", |options| options.invalid, &all_of::<Invalid>());
        reads_back("ack", |options| options.ack, &all_of::<Ack>());
        let overflows = [
            Overflow::DropOldest,
            Overflow::DropNewest,
            Overflow::Block(None),
            Overflow::Block(Some(Duration::ZERO)),
            Overflow::Block(Some(Duration::from_micros(1_500_001))),
            Overflow::Block(Some(Duration::from_secs(90))),
        ];
        reads_back("overflow", |options| options.overflow, &overflows);
        let host_tags = [HostTag::Hostname, HostTag::None, HostTag::Value("web1".to_owned())];
        reads_back("host_tag", |options| options.host_tag, &host_tags);
        let names = [Names::OpenTsdb, Names::Ascii, Names::Utf8];
        reads_back("names", |options| options.names, &names);
        reads_back("server", |options| options.server.unwrap(), &Server::ALL);
    }

    #[test]
    fn no_choice_is_refused_in_other_words_than_its_option() {
        refused_alike::<Repeats>("repeats", "second");
        refused_alike::<Precision>("precision", "Seconds");
        refused_alike::<Invalid>("invalid", "");
        refused_alike::<Ack>("ack", " auto");
        refused_alike::<Overflow>("overflow", "block:");
        refused_alike::<Overflow>("overflow", "wait");
    }
}
