//! Building a client: a URL, options over it, and the one step that can fail.

use std::path::Path;
use std::time::{Duration, Instant};

use potsdb_wire::{Rules, SeriesText};

use crate::config::endpoint::{Endpoint, Scheme};
use crate::config::options::{Ack, HostTag, Invalid, Options};
use crate::config::url;
use crate::error::ConfigError;
use crate::face::client::Client;
use crate::net::check;
use crate::net::files;
use crate::net::tls::Opening;
use crate::process::home::Setup;

/// How long `check_host` tries, over all endpoints.
const CHECK_TIMEOUT: Duration = Duration::from_secs(3);

/// A client to be. From [`Client::builder`].
#[derive(Debug)]
#[must_use = "a builder does nothing until `build`"]
pub struct Builder {
    endpoints: Vec<Endpoint>,
    options: Options,
    /// The names of what was set by name: a default that somebody asks for is to have its effect, too.
    given: Vec<String>,
    program: Option<String>,
    /// The first thing that was wrong; `build` returns it.
    error: Option<ConfigError>,
}

impl Builder {
    pub(crate) fn new(url: &str) -> Builder {
        Builder::over(Options::default(), url, None)
    }

    pub(crate) fn over(defaults: Options, url: &str, port: Option<u16>) -> Builder {
        let url = match url::parse(url, port) {
            Ok(url) => url,
            Err(error) => return Builder::failed(error),
        };
        let mut builder = Builder::from_parts(url.endpoints, defaults);
        if url.auth.is_some() {
            builder.options.auth = url.auth;
        }
        let options = url.options.iter();
        options.fold(builder, |builder, (name, value)| builder.set(name, value))
    }

    pub(crate) fn failed(error: ConfigError) -> Builder {
        Builder {
            endpoints: Vec::new(),
            options: Options::default(),
            given: Vec::new(),
            program: None,
            error: Some(error),
        }
    }

    /// Starts from endpoints and options made elsewhere, instead of a URL.
    pub fn from_parts(endpoints: Vec<Endpoint>, options: Options) -> Builder {
        Builder {
            endpoints,
            options,
            given: Vec::new(),
            program: None,
            error: None,
        }
    }

    /// Sets an option by its name, as in a URL's query. [`build`](Builder::build) reports what was
    /// wrong with it.
    pub fn set(mut self, name: &str, value: &str) -> Builder {
        if let Err(error) = self.options.set(name, value) {
            self.error.get_or_insert(error);
        } else {
            self.given.push(name.to_owned());
        }
        self
    }

    /// Notes that an option was asked for by name, where its value was put into [`options`](Builder::options) by other means:
    /// a default that has no effect is refused only if somebody asked for it.
    pub fn mention(mut self, name: &str) -> Builder {
        self.given.push(name.to_owned());
        self
    }

    /// Names the program whose processes [`worker_tag`](field@Options::worker_tag) numbers. By default the name of the file
    /// that was started. For bindings, where that is the interpreter.
    pub fn program(mut self, program: &str) -> Builder {
        self.program = Some(program.to_owned());
        self
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
        let options = self.options.check()?;
        let scheme = check_endpoints(&self.endpoints)?;
        check_wire(scheme, &options)?;
        check_given(scheme, &self.given, &options)?;
        let openings = openings(&self.endpoints, &options)?;
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
            check_hosts(&self.endpoints, &openings)?;
        }
        Client::start(Setup {
            endpoints: self.endpoints,
            options,
            rules,
            host_tag,
            program: self.program.unwrap_or_else(started),
            quiet: false,
        })
        .map_err(ConfigError::start)
    }
}

/// The name of the file that was started.
fn started() -> String {
    let first = std::env::args_os().next().unwrap_or_default();
    let name = Path::new(&first).file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

/// All endpoints are doors to one store, and speak one wire.
fn check_endpoints(endpoints: &[Endpoint]) -> Result<Scheme, ConfigError> {
    let Some(scheme) = endpoints.first().map(Endpoint::scheme) else {
        return Err(ConfigError::endpoints("a client has at least one endpoint"));
    };
    for endpoint in endpoints {
        endpoint
            .check_host()
            .map_err(|rule| ConfigError::url(endpoint.host(), rule))?;
        if endpoint.scheme() != scheme {
            return Err(ConfigError::endpoints(
                "the endpoints of a client have one scheme: two wires to one store are two clients",
            ));
        }
    }
    match scheme.missing_feature() {
        Some(feature) => Err(ConfigError::feature(scheme, feature)),
        None => Ok(scheme),
    }
}

/// The same for what is a default: it means nothing unless somebody asked for it by name.
fn check_given(scheme: Scheme, given: &[String], options: &Options) -> Result<(), ConfigError> {
    if options.gzip && given.iter().any(|name| name == "gzip") && !scheme.is_http() {
        let rule = format!("\"true\" has no effect over {scheme}: only http and https have bodies");
        return Err(ConfigError::option("gzip", rule));
    }
    Ok(())
}

/// Options that mean nothing on this wire would leave somebody believing that they did.
fn check_wire(scheme: Scheme, options: &Options) -> Result<(), ConfigError> {
    if options.ack == Ack::Stored && !scheme.is_http() {
        let rule = format!("\"stored\" has no effect over {scheme}: only http and https can tell");
        return Err(ConfigError::option("ack", rule));
    }
    if options.ack == Ack::None && scheme.is_http() {
        let rule = format!("\"none\" has no effect over {scheme}: the answer comes unasked");
        return Err(ConfigError::option("ack", rule));
    }
    if let Some(server) = options.server
        && options.ack == Ack::Accepted
        && !scheme.is_http()
        && !server.answers_version()
    {
        let rule = format!("\"accepted\" has no effect over {scheme}: {server} cannot tell");
        return Err(ConfigError::option("ack", rule));
    }
    if let Some(auth) = &options.auth
        && auth.manner().is_http() != scheme.is_http()
    {
        let others = if scheme.is_http() {
            "tsdb and tsdbs"
        } else {
            "http and https"
        };
        let rule = format!("{} has no effect over {scheme}: it is for {others}", auth.manner());
        return Err(ConfigError::option("auth", rule));
    }
    if !options.headers.is_empty() && !scheme.is_http() {
        let rule = format!("they have no effect over {scheme}: only http and https have headers");
        return Err(ConfigError::option("headers", rule));
    }
    for (name, _) in &options.headers {
        if options.auth.is_some() && name.eq_ignore_ascii_case("authorization") {
            return Err(ConfigError::option(
                "headers",
                "Authorization is what auth says already",
            ));
        }
    }
    let files = [("ca", &options.ca), ("cert", &options.cert), ("key", &options.key)];
    if let Some((name, _)) = files.iter().find(|(_, file)| file.is_some())
        && !scheme.is_tls()
    {
        let rule = format!("it has no effect over {scheme}: only tsdbs and https are encrypted");
        return Err(ConfigError::option(name, rule));
    }
    match (&options.cert, &options.key) {
        (Some(_), None) => Err(ConfigError::option("key", "a client's certificate needs it")),
        (None, Some(_)) => Err(ConfigError::option("cert", "a key needs its certificate")),
        _ => Ok(()),
    }
}

/// What goes on every line must be legal before the first one.
fn check_tags(rules: &Rules, options: &Options, host_tag: Option<&str>) -> Result<(), ConfigError> {
    let strict = Rules {
        repair: false,
        ..rules.clone()
    };
    let mut text = SeriesText::new();
    let metric = if options.prefix.is_empty() {
        "m"
    } else {
        &options.prefix
    };
    let checked = text.metric(&strict, "", metric);
    checked.map_err(|error| {
        // It is no metric yet.
        let words = error.to_string();
        let words = words.strip_prefix("invalid metric name: ").unwrap_or(&words);
        ConfigError::option("prefix", words)
    })?;
    for (name, value) in &options.tags {
        text.tag(&strict, name, value).map_err(ConfigError::tag)?;
    }
    if let Some(host) = host_tag {
        text.tag(&strict, "host", host).map_err(ConfigError::tag)?;
    }
    if let Some(worker_tag) = &options.worker_tag {
        if cfg!(not(target_os = "linux")) {
            return Err(ConfigError::option("worker_tag", "numbers of processes need Linux"));
        }
        let checked = text.tag(&strict, worker_tag, "0");
        checked.map_err(|error| ConfigError::option("worker_tag", error.to_string()))?;
    }
    Ok(())
}

/// What connections over TLS begin with, per endpoint: files that cannot be used and names that cannot be on a
/// certificate are found now.
fn openings(endpoints: &[Endpoint], options: &Options) -> Result<Vec<Opening>, ConfigError> {
    if !endpoints.iter().any(|endpoint| endpoint.scheme().is_tls()) {
        return Ok(Vec::new());
    }
    let trust = files::trust(options).map_err(|(option, rule)| ConfigError::option(option, rule))?;
    let opening = |endpoint: &Endpoint| {
        trust
            .opening(endpoint.host())
            .map_err(|rule| ConfigError::url(endpoint.host(), rule))
    };
    endpoints.iter().map(opening).collect()
}

/// One endpoint that accepts a connection is enough; the last error is told otherwise. Each gets its share of the time.
fn check_hosts(endpoints: &[Endpoint], openings: &[Opening]) -> Result<(), ConfigError> {
    let deadline = Instant::now() + CHECK_TIMEOUT;
    let mut last = None;
    for (index, endpoint) in endpoints.iter().enumerate() {
        let others = u32::try_from(endpoints.len() - index).unwrap_or(u32::MAX);
        let share = deadline.saturating_duration_since(Instant::now()) / others;
        match check::check(endpoint, openings.get(index), share) {
            Ok(_) => return Ok(()),
            Err(error) => last = Some(ConfigError::unreachable(endpoint.to_string(), error)),
        }
    }
    last.map_or(Ok(()), Err)
}
