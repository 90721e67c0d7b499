//! A client to be: endpoints and options, set one by one. `face/build.rs` has the one step that can fail.

use super::endpoint::Endpoint;
use super::options::Options;
use super::url;
use crate::error::ConfigError;

/// A client to be. From [`Client::builder`](crate::Client::builder).
///
/// ```
/// use potsdb::{Builder, Client, Endpoint, Options, Overflow};
///
/// let client = Client::builder("tsdb://localhost")
///     .overflow(Overflow::DropNewest)
///     .set("mps", "5000") // by name, as in a URL
///     .test_mode(true)
///     .build()?;
/// assert_eq!(client.options().mps, 5000.0);
///
/// // What was wrong is told once, by `build`.
/// let error = Client::builder("tsdb://localhost").set("overflaw", "block").build().unwrap_err();
/// assert_eq!(error.to_string(), r#"unknown option "overflaw": did you mean "overflow"?"#);
///
/// // Without a URL.
/// let endpoints = vec![Endpoint::new("tsd1", 4242), Endpoint::new("tsd2", 4242)];
/// let client = Builder::from_parts(endpoints, Options::default()).test_mode(true).build()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[must_use = "a builder does nothing until `build`"]
pub struct Builder {
    pub(crate) endpoints: Vec<Endpoint>,
    pub(crate) options: Options,
    /// The names of what was set by name: a default that somebody asks for is to have its effect, too.
    pub(crate) given: Vec<String>,
    pub(crate) program: Option<String>,
    /// The first thing that was wrong; `build` returns it.
    pub(crate) error: Option<ConfigError>,
}

impl Builder {
    pub(crate) fn new(url: &str) -> Builder {
        Builder::new_over(Options::default(), url, None)
    }

    pub(crate) fn new_over(defaults: Options, url: &str, port: Option<u16>) -> Builder {
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

    /// The options as they stand.
    pub fn options(&mut self) -> &mut Options {
        &mut self.options
    }
}
