//! Which wire an endpoint speaks, and what that makes of its connections.
//!
//! Where the feature `http` is left out, there is no HTTP to speak: `url.rs` has refused the URL before.

use std::time::Duration;

use potsdb_wire::Server;

use super::greeting::Greeting;
#[cfg(feature = "http")]
use super::http::{Address, Http, HttpProfile};
use super::telnet::Telnet;
use super::{Exchange, ServerProfile, Terms};
use crate::config::credentials::Credentials;
use crate::config::endpoint::Endpoint;

#[derive(Clone, Debug)]
pub(crate) enum Protocol {
    Telnet,
    #[cfg(feature = "http")]
    Http(Address),
}

impl Protocol {
    pub(crate) fn of(endpoint: &Endpoint) -> Protocol {
        match endpoint.scheme().is_http() {
            #[cfg(feature = "http")]
            true => Protocol::Http(Address::of(endpoint)),
            _ => Protocol::Telnet,
        }
    }

    /// What is known before anything was asked, where that is not the options' to say.
    pub(crate) fn profile(&self, _server: Option<Server>) -> Option<ServerProfile> {
        match self {
            Protocol::Telnet => None,
            #[cfg(feature = "http")]
            Protocol::Http(_) => Some(ServerProfile::Http(HttpProfile::new(_server))),
        }
    }

    /// Begins the conversation on a new connection.
    pub(crate) fn open(
        &self,
        terms: Terms,
        profile: ServerProfile,
        credentials: Credentials,
        now: Duration,
    ) -> Box<dyn Exchange> {
        match (self, profile) {
            #[cfg(feature = "http")]
            (Protocol::Http(address), ServerProfile::Http(profile)) => {
                Box::new(Http::new(terms, address.clone(), credentials.header, profile, now))
            }
            _ => match credentials.line {
                Some(line) => Box::new(Greeting::new(terms, profile, line, now)),
                None => Box::new(Telnet::new(terms, profile, now)),
            },
        }
    }
}
