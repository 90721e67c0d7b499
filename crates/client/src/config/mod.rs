//! What a client is told: options, URLs, endpoints, secrets. Values, which know no socket, thread or file.

pub(crate) mod auth;
pub(crate) mod builder;
pub(crate) mod credentials;
pub(crate) mod endpoint;
pub(crate) mod options;
pub(crate) mod rules;
pub(crate) mod secret;
pub(crate) mod url;
