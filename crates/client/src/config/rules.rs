//! The rules between options, and between options and endpoints: what has no effect, or makes no sense, is found before a
//! client is there.

use potsdb_wire::{Rules, SeriesText};

use super::endpoint::{Endpoint, Scheme};
use super::options::{Ack, Options};
use crate::error::ConfigError;

/// All endpoints lead to one store, and speak one protocol.
pub(crate) fn check_endpoints(endpoints: &[Endpoint]) -> Result<Scheme, ConfigError> {
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
pub(crate) fn check_given(scheme: Scheme, given: &[String], options: &Options) -> Result<(), ConfigError> {
    check_spool(given, options)?;
    if options.gzip && given.iter().any(|name| name == "gzip") && !scheme.is_http() {
        let rule = format!("\"true\" has no effect over {scheme}: only http and https have bodies");
        return Err(ConfigError::option("gzip", rule));
    }
    Ok(())
}

/// A spool needs the feature, and its options need a spool.
fn check_spool(given: &[String], options: &Options) -> Result<(), ConfigError> {
    if options.spool.is_some() {
        return match cfg!(feature = "spool") {
            true => Ok(()),
            false => {
                let rule = "this build of potsdb is without its cargo feature \"spool\"";
                Err(ConfigError::option("spool", rule))
            }
        };
    }
    let usual = Options::default();
    let of_spool = [
        ("spool_mode", options.spool_mode != usual.spool_mode),
        ("spool_bytes", options.spool_bytes != usual.spool_bytes),
        ("spool_sync", options.spool_sync != usual.spool_sync),
        ("spool_free", options.spool_free != usual.spool_free),
        ("spool_name", options.spool_name != usual.spool_name),
    ];
    let is_given = |name: &str| given.iter().any(|given| given == name);
    match of_spool.iter().find(|(name, differs)| *differs || is_given(name)) {
        Some((name, _)) => Err(ConfigError::option(
            name,
            "it has no effect without a spool: option spool",
        )),
        None => Ok(()),
    }
}

/// Rejects options that have no effect with this scheme, so that no program relies on them.
pub(crate) fn check_wire(scheme: Scheme, options: &Options) -> Result<(), ConfigError> {
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
        && auth.scheme().is_http() != scheme.is_http()
    {
        let others = if scheme.is_http() {
            "tsdb and tsdbs"
        } else {
            "http and https"
        };
        let rule = format!("{} has no effect over {scheme}: it is for {others}", auth.scheme());
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
pub(crate) fn check_tags(rules: &Rules, options: &Options, host_tag: Option<&str>) -> Result<(), ConfigError> {
    let strict = rules.clone().repairing(false);
    let mut text = SeriesText::new();
    let metric = if options.prefix.is_empty() {
        "m"
    } else {
        &options.prefix
    };
    let checked = text.metric(&strict, "", metric);
    // It is no metric yet.
    checked.map_err(|error| ConfigError::option("prefix", error.reason()))?;
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
