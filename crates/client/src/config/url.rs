//! A URL: endpoints, and options over the defaults.
//!
//! ```text
//! tsdb://tsd1,tsd2:4243,[::1]:4242?mps=500&overflow=block
//! https://user:password@host/insert/0/opentsdb?extra_label=dc=eu&connections=4
//! scheme  for basic auth hosts, path          the server's own  options
//! ```
//!
//! A path with a segment `put` is where points go; any other is a base, and `/api/put` is put after it. In the query
//! the names of options are the client's. Over HTTP every other one belongs to the server and stays in the target as
//! it was written, unless it looks like an option misspelt.
//!
//! A URL may hold secrets, and one that cannot be read may hold them anywhere: errors show no more of it than is
//! surely none ([`shown`]).

use std::str::FromStr;

use crate::config::auth::Auth;
use crate::config::endpoint::{Endpoint, PUT, Scheme};
use crate::config::options;
use crate::error::ConfigError;

/// What a URL says.
#[derive(Debug)]
pub(crate) struct Url {
    pub(crate) endpoints: Vec<Endpoint>,
    /// Name and value, as text.
    pub(crate) options: Vec<(String, String)>,
    /// From `user:password@`.
    pub(crate) auth: Option<Auth>,
}

/// Reads a URL; `port` is for the hosts that name none, and no other one may be named beside it.
pub(crate) fn parse(url: &str, port: Option<u16>) -> Result<Url, ConfigError> {
    let refuse = |rule| ConfigError::url(&shown(url), rule);
    let (scheme, rest) = url
        .split_once("://")
        .ok_or_else(|| refuse("a URL starts with its scheme: tsdb://host:4242"))?;
    if scheme.contains(',') {
        return Err(refuse(
            "the scheme stands once, before the first host: http://tsd1,tsd2",
        ));
    }
    let scheme = find_scheme(scheme).map_err(refuse)?;
    let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, path) = place.split_at(place.find('/').unwrap_or(place.len()));
    let (user, hosts) = match authority.rsplit_once('@') {
        Some((user, hosts)) => (Some(user), hosts),
        None => (None, authority),
    };
    let auth = user.map(|user| login(scheme, user)).transpose().map_err(refuse)?;
    let (options, theirs) = sort_query(scheme, query)?;
    let target = target(scheme, path, &theirs).map_err(refuse)?;
    // After a `/` or a `?` an `@` may be the end of a password that has one of them.
    let safe = !rest[authority.len()..].contains('@');
    if hosts.contains(',') && hosts.split(',').any(str::is_empty) {
        let value = if safe { hosts.to_owned() } else { shown(url) };
        return Err(ConfigError::url(
            &value,
            "a host is a name or an address: one is missing beside a comma",
        ));
    }
    let endpoints = hosts
        .split(',')
        .map(|host| {
            let refuse = |rule| ConfigError::url(&if safe { host.to_owned() } else { shown(url) }, rule);
            let endpoint = endpoint(scheme, host, port).map_err(refuse)?.with_target(&target);
            endpoint.check_host().map_err(refuse)?;
            Ok(endpoint)
        })
        .collect::<Result<Vec<_>, ConfigError>>()?;
    Ok(Url {
        endpoints,
        options,
        auth,
    })
}

fn find_scheme(text: &str) -> Result<Scheme, &'static str> {
    let known = Scheme::ALL.into_iter().find(|known| known.as_str() == text);
    known.ok_or("the scheme is tsdb, tsdbs, http or https")
}

impl FromStr for Scheme {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Scheme, ConfigError> {
        find_scheme(text).map_err(|rule| ConfigError::url(&shown(text), rule))
    }
}

impl FromStr for Endpoint {
    type Err = ConfigError;

    /// Reads a URL with one host, without a login and without options, which are a client's.
    fn from_str(text: &str) -> Result<Endpoint, ConfigError> {
        let refuse = |rule| Err(ConfigError::url(&shown(text), rule));
        let url = parse(text, None)?;
        if url.auth.is_some() || !url.options.is_empty() {
            return refuse("an endpoint has no login and no options: those are a client's");
        }
        match <[Endpoint; 1]>::try_from(url.endpoints) {
            Ok([endpoint]) => Ok(endpoint),
            Err(_) => refuse("an endpoint has one host"),
        }
    }
}

fn login(scheme: Scheme, user: &str) -> Result<Auth, &'static str> {
    if !scheme.is_http() {
        return Err("user:password@ is for http and https; a telnet server is told by auth=line:...");
    }
    if user.contains('@') {
        return Err("an `@` in a password is written %40");
    }
    let (name, password) = user.split_once(':').unwrap_or((user, ""));
    let decoded =
        |text| percent_decoded(text).map_err(|_| "a password is UTF-8, `%` followed by two hexadecimal digits");
    Auth::user(&decoded(name)?, &decoded(password)?)
}

fn endpoint(scheme: Scheme, host: &str, beside: Option<u16>) -> Result<Endpoint, &'static str> {
    let (name, port) = match host.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((name, "")) => (name, None),
            Some((name, port)) => (name, Some(port.strip_prefix(':').unwrap_or(port))),
            None => return Err("an IPv6 address ends in `]`"),
        },
        None => match host.rsplit_once(':') {
            Some((name, _)) if name.contains(':') => return Err("an IPv6 address stands in brackets: [::1]:4242"),
            Some((name, port)) => (name, Some(port)),
            None => (host, None),
        },
    };
    match port.map(str::parse) {
        None => Ok(Endpoint::of(scheme, name, beside.unwrap_or(scheme.default_port()))),
        Some(Ok(port)) if port > 0 && beside.is_some_and(|beside| beside != port) => {
            Err("the URL has a port, and the one given beside it is another")
        }
        Some(Ok(port)) if port > 0 => Ok(Endpoint::of(scheme, name, port)),
        Some(_) => Err("a port is a number from 1 to 65535"),
    }
}

/// A query's own options, decoded, and the server's, as written.
type Sorted<'a> = (Vec<(String, String)>, Vec<&'a str>);

fn sort_query(scheme: Scheme, query: &str) -> Result<Sorted<'_>, ConfigError> {
    let (mut own, mut theirs) = (Vec::new(), Vec::new());
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = match pair.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (pair, None),
        };
        // What stands there in place of a name may be anything, a piece of a password too.
        let word: String = name
            .chars()
            .take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
            .collect();
        let refuse = |rule| ConfigError::url(&word, rule);
        let name = percent_decoded(name).map_err(refuse)?;
        if scheme.is_http() && !options::is_option(&name) {
            if let Some(meant) = options::misspelt(&name) {
                return Err(ConfigError::unknown(&word, Some(meant)));
            }
            theirs.push(pair);
            continue;
        }
        let value = value.ok_or_else(|| refuse("an option is written name=value"))?;
        // Without the values: one of them may be a secret.
        if let Some(spec) = options::OPTIONS.iter().find(|spec| spec.name == name)
            && own.iter().any(|(known, _)| *known == name)
        {
            return Err(ConfigError::option(spec.name, "it stands in the URL twice"));
        }
        own.push((name, percent_decoded(value).map_err(refuse)?));
    }
    Ok((own, theirs))
}

fn target(scheme: Scheme, path: &str, query: &[&str]) -> Result<String, &'static str> {
    if !scheme.is_http() {
        return match path {
            "" | "/" => Ok(String::new()),
            _ => Err("a path is for http and https"),
        };
    }
    let mut target = match path.split('/').any(|segment| segment == "put") {
        true => path.to_owned(),
        false => format!("{}{PUT}", path.trim_end_matches('/')),
    };
    if !query.is_empty() {
        target.push('?');
        target.push_str(&query.join("&"));
    }
    match target
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && !b"@#\"<>\\".contains(&byte))
    {
        true => Ok(target),
        false => {
            Err("path and query are printable ASCII; the rest, and `@` and `#`, and `/` in a password, are written %40")
        }
    }
}

/// As much of a URL as is surely no secret.
fn shown(url: &str) -> String {
    let (scheme, rest) = match url.split_once("://") {
        Some((scheme, rest)) if !scheme.contains(['@', ':', '?']) => (format!("{scheme}://"), rest),
        _ => (String::new(), url),
    };
    let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
    match place.rsplit_once('@') {
        _ if query.contains('@') => format!("{scheme}***"),
        Some((_, place)) => format!("{scheme}***@{place}"),
        None => format!("{scheme}{place}"),
    }
}

pub(crate) fn percent_decoded(text: &str) -> Result<String, &'static str> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
        match (digit(bytes.next()), digit(bytes.next())) {
            (Some(high), Some(low)) => out.push((high * 16 + low) as u8),
            _ => return Err("`%` is followed by two hexadecimal digits"),
        }
    }
    String::from_utf8(out).map_err(|_| "an option is UTF-8")
}

#[cfg(test)]
mod tests;
