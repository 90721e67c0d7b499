//! An HTTP request as a personality and the queries are asked it.

use std::net::SocketAddr;

use potsdb_front::{Head, Inflated, Limits, Parameters, inflate};

pub(crate) struct Asked<'a> {
    pub(crate) head: Head,
    /// In lower case, without the base path.
    pub(crate) path: String,
    pub(crate) parameters: Parameters,
    /// As it came, still compressed if it was.
    pub(crate) body: Vec<u8>,
    pub(crate) peer: SocketAddr,
    /// How large the body may get.
    pub(crate) limits: &'a Limits,
}

impl Asked<'_> {
    /// The body without its compression.
    pub(crate) fn inflated(&self) -> Inflated<'_> {
        inflate(self.head.field("Content-Encoding"), &self.body, self.limits)
    }
}
