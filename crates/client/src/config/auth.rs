//! Who the client says it is: the option `auth`.
//!
//! ```text
//! basic:user:password    Authorization: Basic dXNlcjpwYXNzd29yZA==      http, https
//! bearer:token           Authorization: Bearer token                    http, https
//! line:auth basic k s    auth basic k s\n, before any point             tsdb, tsdbs
//! basic:@/path           the same from a file, read again at every connection: so secrets are rotated
//! ```
//!
//! Read when a client is built; what it comes to on a wire is made by `credentials.rs` for each connection.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::config::secret::Secret;
use crate::error::ConfigError;

/// The longest first line: OpenTSDB reads no longer ones.
const LINE_MAX: usize = 1023;

/// How to log in. In text `basic:user:password`, `bearer:token`, `line:text`, or one of them with `@/path`.
///
/// ```
/// use potsdb::{Auth, AuthScheme};
///
/// let auth = Auth::from_file(AuthScheme::Bearer, "/run/secrets/token");
/// assert_eq!(auth, "bearer:@/run/secrets/token".parse()?);
/// // A token may begin with an `@`, which in text would name a file.
/// let client = potsdb::Client::builder("https://tsd1?test_mode=true").auth(Auth::bearer("@secret")?);
/// # Ok::<(), potsdb::ConfigError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Auth {
    scheme: AuthScheme,
    source: Source,
}

/// What the text of an [`Auth`] is, and where on the wire it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AuthScheme {
    /// A user's name and password, as a header of every request. HTTP.
    Basic,
    /// A token, as a header of every request. HTTP.
    Bearer,
    /// The first line of a connection. Telnet.
    Line,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Source {
    Text(Secret),
    File(PathBuf),
}

impl Auth {
    /// Logs in with a user's name and password. HTTP.
    ///
    /// # Errors
    ///
    /// A colon in the name; control characters.
    pub fn basic(user: &str, password: impl Into<Secret>) -> Result<Auth, ConfigError> {
        Auth::user(user, password.into().reveal()).map_err(|rule| ConfigError::option("auth", rule))
    }

    /// Logs in with a token. HTTP.
    ///
    /// # Errors
    ///
    /// What is not printable ASCII without spaces.
    pub fn bearer(token: impl Into<Secret>) -> Result<Auth, ConfigError> {
        Auth::with_text(AuthScheme::Bearer, token.into())
    }

    /// Logs in with the first line of each connection: `auth basic key secret`. Telnet.
    ///
    /// # Errors
    ///
    /// A line that is empty, too long, or has control characters.
    pub fn line(text: impl Into<Secret>) -> Result<Auth, ConfigError> {
        Auth::with_text(AuthScheme::Line, text.into())
    }

    /// Logs in with the text in a file, which is read again at every connection: so secrets are rotated.
    #[must_use]
    pub fn from_file(scheme: AuthScheme, path: impl Into<PathBuf>) -> Auth {
        let source = Source::File(path.into());
        Auth { scheme, source }
    }

    fn with_text(scheme: AuthScheme, text: Secret) -> Result<Auth, ConfigError> {
        let checked = scheme.check(text.reveal());
        checked.map_err(|rule| ConfigError::option("auth", rule))?;
        let source = Source::Text(text);
        Ok(Auth { scheme, source })
    }

    /// Name and password as a URL's `user:password@` gives them.
    pub(crate) fn user(name: &str, password: &str) -> Result<Auth, &'static str> {
        if name.contains(':') {
            return Err("a user's name has no colon");
        }
        let text = format!("{name}:{password}");
        AuthScheme::Basic.check(&text)?;
        Ok(Auth {
            scheme: AuthScheme::Basic,
            source: Source::Text(text.into()),
        })
    }

    pub(crate) fn scheme(&self) -> AuthScheme {
        self.scheme
    }

    /// The file the text is in, if it is in one.
    pub(crate) fn file(&self) -> Option<&Path> {
        match &self.source {
            Source::Text(_) => None,
            Source::File(path) => Some(path),
        }
    }

    /// The text, which a file holds where one is named.
    pub(crate) fn text(&self) -> Option<&Secret> {
        match &self.source {
            Source::Text(text) => Some(text),
            Source::File(_) => None,
        }
    }
}

impl FromStr for Auth {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Auth, ConfigError> {
        parse(text).map_err(|rule| ConfigError::option("auth", rule))
    }
}

/// Reads the option's value; the error is the rule, and does not repeat the value.
pub(crate) fn parse(text: &str) -> Result<Auth, String> {
    let schemes = [
        ("basic", AuthScheme::Basic),
        ("bearer", AuthScheme::Bearer),
        ("line", AuthScheme::Line),
    ];
    let found = text.split_once(':').and_then(|(word, rest)| {
        let (_, scheme) = schemes.iter().find(|(name, _)| *name == word)?;
        Some((*scheme, rest))
    });
    let Some((scheme, rest)) = found else {
        return Err(
            "its value is basic:user:password, bearer:token or line:text, or one of them with @/path".to_owned(),
        );
    };
    let source = match rest.strip_prefix('@') {
        Some("") => return Err("a file is named after the `@`".to_owned()),
        Some(path) => Source::File(path.into()),
        None => {
            scheme.check(rest).map_err(str::to_owned)?;
            Source::Text(rest.into())
        }
    };
    Ok(Auth { scheme, source })
}

impl AuthScheme {
    /// The rule a text breaks, if it breaks one. Nothing here may let a second header or line through.
    pub(crate) fn check(self, text: &str) -> Result<(), &'static str> {
        if text.is_empty() || text.bytes().any(|byte| byte.is_ascii_control()) {
            return Err("a secret is not empty and has no control characters");
        }
        match self {
            AuthScheme::Basic if !text.contains(':') => Err("a user's name and password have a colon between them"),
            AuthScheme::Bearer if !text.bytes().all(|byte| byte.is_ascii_graphic()) => {
                Err("a token is printable ASCII without spaces")
            }
            AuthScheme::Line if text.len() > LINE_MAX => Err("a first line has at most 1023 bytes"),
            _ => Ok(()),
        }
    }

    pub(crate) fn is_http(self) -> bool {
        self != AuthScheme::Line
    }
}

impl fmt::Display for AuthScheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            AuthScheme::Basic => "basic",
            AuthScheme::Bearer => "bearer",
            AuthScheme::Line => "line",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_read() {
        let read = |text: &str| text.parse::<Auth>().unwrap();
        assert_eq!(read("basic:u:p:q").text().unwrap().reveal(), "u:p:q");
        assert_eq!(read("line:auth basic k s").scheme(), AuthScheme::Line);
        assert_eq!(read("bearer:@/run/token").file(), Some(Path::new("/run/token")));
        assert_eq!(Auth::user("@/path", "p").unwrap().text().unwrap().reveal(), "@/path:p");
        assert!(Auth::user("a:b", "p").is_err());
    }

    #[test]
    fn what_a_constructor_takes_is_what_the_text_says() {
        let read = |text: &str| text.parse::<Auth>().unwrap();
        assert_eq!(Auth::basic("u", "p:q").unwrap(), read("basic:u:p:q"));
        assert_eq!(Auth::bearer("t").unwrap(), read("bearer:t"));
        assert_eq!(Auth::line("auth basic k s").unwrap(), read("line:auth basic k s"));
        for scheme in [AuthScheme::Basic, AuthScheme::Bearer, AuthScheme::Line] {
            assert_eq!(Auth::from_file(scheme, "/f"), read(&format!("{scheme}:@/f")));
        }
        assert_eq!(Auth::bearer("@abc").unwrap().text().unwrap().reveal(), "@abc");
        for error in [
            Auth::basic("canary:", "p"),
            Auth::basic("u", "canary\n"),
            Auth::bearer("can ary"),
            Auth::line("canary\rput"),
        ] {
            let error = error.unwrap_err();
            let said = format!("{error} {error:?}");
            assert!(said.starts_with("option auth: ") && !said.contains("can"), "{said}");
        }
    }

    #[test]
    fn a_wrong_one_is_refused_without_being_shown() {
        for (text, rule) in [
            ("canary", "its value is basic:"),
            ("digest:canary", "its value is basic:"),
            ("basic:canary", "a colon between"),
            ("bearer:", "not empty"),
            ("bearer:can ary", "without spaces"),
            ("bearer:canary\r\nX: y", "no control characters"),
            ("line:canary\nput a 1 1 b=c", "no control characters"),
            ("bearer:@", "a file is named"),
        ] {
            let error = text.parse::<Auth>().unwrap_err();
            let said = format!("{error} {error:?}");
            assert!(said.contains(rule), "{text:?}: {said}");
            assert!(!said.contains("canary") && !said.contains("can ary"), "{said}");
        }
        let long = format!("line:{}", "x".repeat(1024));
        assert!(long.parse::<Auth>().is_err());
    }
}
