//! The options of a client: one set, the same names everywhere.
//!
//! A URL's query, the environment, Python's keywords and the command's flags end in [`Options::set`], Rust's builder in
//! fields. Either way `options/table.rs` has the rule: there each option stands once, with its type, default, text
//! and help. `options/text.rs` has the forms that values are written in, and what is legal in each.

use std::fmt;
use std::time::Duration;

use crate::error::ConfigError;

/// Declares the table: of each option its rustdoc, name, type, default, form and help. The field of [`Options`], the
/// setter of [`Builder`], the row of [`OPTIONS`] and the check in [`Options::check`] are made of that.
///
/// Where a setter takes something else than the field has, that stands behind `as`.
macro_rules! options {
    ($(
        $(#[doc = $doc:literal])+
        $name:ident: $field:ty $(as $given:ty)? = $default:expr, $form:expr, $help:literal;
    )*) => {
        /// Every option, typed.
        ///
        /// Names, defaults and rules are the same in a URL's query, in the environment, as keywords of Python and as
        /// flags of the command. [`check`](Options::check) holds each against its rule, as
        /// [`Builder::build`](crate::Builder::build) does.
        ///
        /// ```
        /// use potsdb::{Options, Overflow};
        ///
        /// let mut options = Options::default();
        /// options.set("overflow", "block:5s")?;
        /// options.queue_points = 1_000_000;
        /// assert!(matches!(options.check()?.overflow, Overflow::Block(Some(_))));
        /// # Ok::<(), potsdb::ConfigError>(())
        /// ```
        #[derive(Clone, Debug, PartialEq)]
        #[non_exhaustive]
        pub struct Options {
            $(
                $(#[doc = $doc])+
                #[doc = concat!("\n\nDefault: `", stringify!($default), "`.")]
                pub $name: $field,
            )*
        }

        impl Default for Options {
            fn default() -> Options {
                Options { $($name: $default),* }
            }
        }

        impl Options {
            /// Checks every option by its rule, and returns them as a client uses them: a limit of 0 where 0 is no limit
            /// becomes `None`, a time without end a hundred years.
            ///
            /// # Errors
            ///
            /// The first option that breaks its rule, its value and the rule.
            pub fn check(mut self) -> Result<Options, ConfigError> {
                $(
                    let form: Form<$field> = $form;
                    (form.check)(&mut self.$name)
                        .map_err(|rule| refused(stringify!($name), &(form.show)(&self.$name), rule))?;
                )*
                Ok(self)
            }
        }

        /// The typed setters, one per option. [`build`](Builder::build) checks what they were given.
        impl Builder {
            $(
                #[doc = concat!("Sets [`", stringify!($name), "`](field@Options::", stringify!($name), ").\n\n")]
                $(#[doc = $doc])+
                pub fn $name(mut self, $name: given!($field $(as $given)?)) -> Builder {
                    self.options().$name = $name.into();
                    self
                }
            )*
        }

        /// All options that [`Options::set`] takes, in the order of the documentation.
        pub static OPTIONS: &[OptionSpec] = &[
            $(OptionSpec {
                name: stringify!($name),
                help: $help,
                set: |options, text| {
                    let form: Form<$field> = $form;
                    let mut value = (form.read)(text)?;
                    (form.check)(&mut value)?;
                    options.$name = value;
                    Ok(())
                },
                default: || ($form.show)(&$default),
            }),*
        ];
    };
}

/// What a setter takes.
macro_rules! given {
    ($field:ty) => {
        $field
    };
    ($field:ty as $given:ty) => {
        $given
    };
}

mod choices;
mod table;
mod text;

pub use choices::{Ack, HostTag, Invalid, Overflow, Precision, Repeats, SpoolMode};
pub use table::{OPTIONS, Options};
pub use text::duration;
pub(crate) use text::{LEAST_SIZE, misspelt};
use text::{MIB, nearest};

/// As good as for ever: a hundred years.
pub(crate) const FAR: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

impl Options {
    /// The queue's bound in bytes: as given, else 64 MiB, or 1 GiB where more points than the default, or any number of
    /// them, were asked for.
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

    /// Sets an option by its name.
    ///
    /// # Errors
    ///
    /// An unknown name (the nearest is suggested), or a value the option does not take.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), ConfigError> {
        let Some(spec) = OPTIONS.iter().find(|spec| spec.name == name) else {
            return Err(ConfigError::unknown(name, nearest(name)));
        };
        (spec.set)(self, value).map_err(|rule| refused(spec.name, value, rule))
    }
}

/// The error of a value that breaks its option's rule.
fn refused(name: &'static str, value: &str, rule: String) -> ConfigError {
    match SECRET.contains(&name) {
        true => ConfigError::option(name, rule),
        false => ConfigError::value(name, value, rule),
    }
}

/// The options whose values no error repeats.
const SECRET: [&str; 2] = ["auth", "headers"];

/// Whether there is an option of this name.
pub(crate) fn is_option(name: &str) -> bool {
    OPTIONS.iter().any(|spec| spec.name == name)
}

/// One row of [`OPTIONS`].
///
/// ```
/// let option = potsdb::OPTIONS.iter().find(|option| option.name == "settle").unwrap();
/// assert_eq!(option.default(), "2s");
/// assert_eq!(option.help, "how long acknowledged points are kept for re-sending; 0: not kept");
/// ```
#[non_exhaustive]
pub struct OptionSpec {
    /// The option's name.
    pub name: &'static str,
    /// What it does and what it takes, in one line.
    pub help: &'static str,
    set: fn(&mut Options, &str) -> Result<(), String>,
    default: fn() -> String,
}

impl OptionSpec {
    /// The default, as text that [`Options::set`] takes; empty where it is none, or follows from other options.
    #[must_use]
    pub fn default(&self) -> String {
        (self.default)()
    }
}

impl fmt::Debug for OptionSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.help)
    }
}

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
    fn a_typed_value_has_the_rule_of_its_text() {
        let typed = |name: &str, text: &str, change: fn(Options) -> Options| {
            let error = change(Options::default()).check().unwrap_err();
            assert_eq!(error.to_string(), set(name, text).unwrap_err().to_string());
        };
        typed("connections", "0", |o| Options {
            connections: Some(0),
            ..o
        });
        typed("connections", "65", |o| Options {
            connections: Some(65),
            ..o
        });
        typed("window_bytes", "1000", |o| Options {
            window_bytes: 1000,
            ..o
        });
        typed("settle_bytes", "0", |o| Options { settle_bytes: 0, ..o });
        typed("queue_bytes", "10", |o| Options {
            queue_bytes: Some(10),
            ..o
        });
        typed("write_timeout", "0s", |o| Options {
            write_timeout: Duration::ZERO,
            ..o
        });
        typed("connect_timeout", "0s", |o| Options {
            connect_timeout: Duration::ZERO,
            ..o
        });
        typed("answer_timeout", "0s", |o| Options {
            answer_timeout: Duration::ZERO,
            ..o
        });
        typed("max_age", "0.0005s", |o| Options {
            max_age: Some(Duration::from_micros(500)),
            ..o
        });
        typed("mps", "NaN", |o| Options { mps: f64::NAN, ..o });
        typed("mps", "inf", |o| Options {
            mps: f64::INFINITY,
            ..o
        });
        typed("mps", "-1", |o| Options { mps: -1.0, ..o });
        typed("backoff", "3600s..1s", |o| Options {
            backoff: (Duration::from_secs(3600), Duration::from_secs(1)),
            ..o
        });
        typed("backoff", "0s..1s", |o| Options {
            backoff: (Duration::ZERO, Duration::from_secs(1)),
            ..o
        });
        typed("headers", "Host: x", |o| Options {
            headers: vec![("Host".to_owned(), "x".into())],
            ..o
        });
    }

    #[test]
    fn a_limit_of_nothing_is_none_in_either_form() {
        let options = Options {
            max_age: Some(Duration::ZERO),
            connection_max_age: Some(Duration::ZERO),
            host_tag: HostTag::Value(String::new()),
            settle: Duration::MAX,
            ..Options::default()
        };
        let options = options.check().unwrap();
        assert_eq!((options.max_age, options.connection_max_age), (None, None));
        assert_eq!((options.host_tag, options.settle), (HostTag::None, FAR));
        assert_eq!(set("max_age", "0").unwrap().max_age, None);
        assert_eq!(set("host_tag", "").unwrap().host_tag, HostTag::None);
    }

    #[test]
    fn the_defaults_are_legal_and_read_back_from_their_text() {
        Options::default().check().unwrap();
        for spec in OPTIONS {
            let default = spec.default();
            if default.is_empty() {
                continue;
            }
            let read = set(spec.name, &default).unwrap();
            assert_eq!(read, Options::default(), "{spec:?}");
        }
    }

    #[test]
    fn help_names_the_defaults_that_follow_from_other_options() {
        let help = |name| OPTIONS.iter().find(|spec| spec.name == name).unwrap().help;
        let many = set("queue_points", "0").unwrap().queue_bytes() / (1024 * MIB);
        let few = Options::default().queue_bytes() / MIB;
        assert!(help("queue_bytes").contains(&format!("{few}MiB, or {many}GiB")));
        let stored = set("ack", "stored").unwrap().connections();
        let usual = Options::default().connections();
        assert!(help("connections").contains(&format!("{usual}, or {stored} with ack=stored")));
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
