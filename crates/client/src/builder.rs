//! Building a client: a URL, options over it, and the one step that can fail.

use std::time::Duration;

use potsdb_wire::{Names, Rules, SeriesText, Server};

use crate::client::Client;
use crate::endpoint::{Endpoint, parse_url};
use crate::error::ConfigError;
use crate::options::{Ack, HostTag, Invalid, Options, Overflow, Precision, Repeats};

/// How long `check_host` tries.
const CHECK_TIMEOUT: Duration = Duration::from_secs(3);

/// A client to be. From [`Client::builder`].
#[derive(Debug)]
#[must_use = "a builder does nothing until `build`"]
pub struct Builder {
    endpoints: Vec<Endpoint>,
    options: Options,
    /// The first thing that was wrong; `build` returns it.
    error: Option<ConfigError>,
}

/// The typed setters: one per option, of the option's name.
macro_rules! setters {
    ($($name:ident: $type:ty),* $(,)?) => {
        $(
            #[doc = concat!("Sets the option `", stringify!($name), "`.")]
            pub fn $name(mut self, $name: $type) -> Builder {
                self.options.$name = $name.into();
                self
            }
        )*
    };
}

impl Builder {
    pub(crate) fn new(url: &str) -> Builder {
        Builder::over(Options::default(), url)
    }

    pub(crate) fn over(defaults: Options, url: &str) -> Builder {
        let (parsed, error) = match parse_url(url) {
            Ok(parsed) => (parsed, None),
            Err(error) => ((Vec::new(), Vec::new()), Some(error)),
        };
        let (endpoints, options) = parsed;
        let builder = Builder {
            endpoints,
            options: defaults,
            error,
        };
        options
            .iter()
            .fold(builder, |builder, (name, value)| builder.set(name, value))
    }

    pub(crate) fn failed(error: ConfigError) -> Builder {
        Builder {
            endpoints: Vec::new(),
            options: Options::default(),
            error: Some(error),
        }
    }

    /// Starts from endpoints and options made elsewhere, instead of a URL.
    pub fn from_parts(endpoints: Vec<Endpoint>, options: Options) -> Builder {
        Builder {
            endpoints,
            options,
            error: None,
        }
    }

    /// Sets an option by its name, as in a URL's query. [`build`](Builder::build) reports what was
    /// wrong with it.
    pub fn set(mut self, name: &str, value: &str) -> Builder {
        if let Err(error) = self.options.set(name, value) {
            self.error.get_or_insert(error);
        }
        self
    }

    setters! {
        server: Server,
        queue_points: usize,
        queue_bytes: usize,
        overflow: Overflow,
        host_tag: HostTag,
        tags: Vec<(String, String)>,
        prefix: String,
        names: Names,
        max_tags: usize,
        invalid: Invalid,
        mps: f64,
        repeats: Repeats,
        precision: Precision,
        ack: Ack,
        window_bytes: usize,
        settle: Duration,
        settle_bytes: usize,
        connect_timeout: Duration,
        write_timeout: Duration,
        answer_timeout: Duration,
        backoff: (Duration, Duration),
        connections: usize,
        linger: Duration,
        close_grace: Duration,
        check_host: bool,
        test_mode: bool,
    }

    /// The options as they stand.
    pub fn options(&mut self) -> &mut Options {
        &mut self.options
    }

    /// Builds the client and starts its worker.
    ///
    /// # Errors
    ///
    /// A URL or option that makes no sense, an illegal tag of every point, a server that
    /// `check_host` could not connect to, a thread that could not be started.
    pub fn build(self) -> Result<Client, ConfigError> {
        if let Some(error) = self.error {
            return Err(error);
        }
        let options = self.options.within_reason();
        let host_tag = match &options.host_tag {
            HostTag::Hostname => Some(rustix::system::uname().nodename().to_string_lossy().into_owned()),
            HostTag::Value(value) => Some(value.clone()),
            HostTag::None => None,
        };
        let rules = Rules {
            names: options.names,
            max_tags: options.max_tags,
            repair: options.invalid == Invalid::Replace,
        };
        check_tags(&rules, &options, host_tag.as_deref())?;
        if options.check_host {
            check_hosts(&self.endpoints)?;
        }
        Client::start(self.endpoints, options, rules, host_tag)
    }
}

/// What goes on every line must be legal before the first one.
fn check_tags(rules: &Rules, options: &Options, host_tag: Option<&str>) -> Result<(), ConfigError> {
    let strict = Rules {
        repair: false,
        ..rules.clone()
    };
    let mut text = SeriesText::new();
    text.metric(&strict, &options.prefix, "m").map_err(ConfigError::tag)?;
    for (name, value) in &options.tags {
        text.tag(&strict, name, value).map_err(ConfigError::tag)?;
    }
    if let Some(host) = host_tag {
        text.tag(&strict, "host", host).map_err(ConfigError::tag)?;
    }
    Ok(())
}

/// One endpoint that accepts a connection is enough; the last error is told otherwise.
fn check_hosts(endpoints: &[Endpoint]) -> Result<(), ConfigError> {
    let mut last = None;
    for endpoint in endpoints {
        match endpoint.check(CHECK_TIMEOUT) {
            Ok(_) => return Ok(()),
            Err(error) => last = Some(ConfigError::unreachable(endpoint.to_string(), error)),
        }
    }
    last.map_or(Ok(()), Err)
}
