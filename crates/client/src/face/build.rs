//! Building a client, the one step that can fail: everything is checked, then the worker starts.

use std::path::Path;
use std::time::{Duration, Instant};

use potsdb_wire::Rules;

use super::client::Client;
use crate::config::builder::Builder;
use crate::config::endpoint::Endpoint;
use crate::config::options::{HostTag, Invalid, Options};
use crate::config::rules::{check_endpoints, check_given, check_tags, check_wire};
use crate::error::ConfigError;
use crate::net::tls::TlsTarget;
use crate::net::{check, files};
use crate::process::instance::Setup;

/// How long `check_host` tries, over all endpoints.
const CHECK_TIMEOUT: Duration = Duration::from_secs(3);

impl Builder {
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
        let tls_targets = tls_targets(&self.endpoints, &options)?;
        let host_tag = match &options.host_tag {
            HostTag::Hostname => Some(rustix::system::uname().nodename().to_string_lossy().into_owned()),
            HostTag::Value(value) => Some(value.clone()),
            HostTag::None => None,
        };
        let rules = Rules::new(options.names, options.max_tags).repairing(options.invalid == Invalid::Replace);
        check_tags(&rules, &options, host_tag.as_deref())?;
        if options.check_host {
            check_hosts(&self.endpoints, &tls_targets)?;
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

/// What connections over TLS begin with, per endpoint: files that cannot be used and names that cannot be on a
/// certificate are found now.
fn tls_targets(endpoints: &[Endpoint], options: &Options) -> Result<Vec<TlsTarget>, ConfigError> {
    if !endpoints.iter().any(|endpoint| endpoint.scheme().is_tls()) {
        return Ok(Vec::new());
    }
    let trust = files::trust(options).map_err(|(option, rule)| ConfigError::option(option, rule))?;
    let tls_target = |endpoint: &Endpoint| {
        trust
            .tls_target(endpoint.host())
            .map_err(|rule| ConfigError::url(endpoint.host(), rule))
    };
    endpoints.iter().map(tls_target).collect()
}

/// One endpoint that accepts a connection is enough; the last error is told otherwise. Each gets its share of the time.
fn check_hosts(endpoints: &[Endpoint], tls_targets: &[TlsTarget]) -> Result<(), ConfigError> {
    let deadline = Instant::now() + CHECK_TIMEOUT;
    let mut last = None;
    for (index, endpoint) in endpoints.iter().enumerate() {
        let others = u32::try_from(endpoints.len() - index).unwrap_or(u32::MAX);
        let share = deadline.saturating_duration_since(Instant::now()) / others;
        match check::check(endpoint, tls_targets.get(index), share) {
            Ok(_) => return Ok(()),
            Err(error) => last = Some(ConfigError::unreachable(endpoint.to_string(), error)),
        }
    }
    last.map_or(Ok(()), Err)
}
