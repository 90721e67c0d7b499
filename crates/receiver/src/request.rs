//! An HTTP request, read to its end: what a personality and the queries are asked.

use std::net::SocketAddr;

use crate::head::Head;
use crate::parameters::Parameters;

pub(crate) struct Asked {
    pub(crate) head: Head,
    /// In lower case, without the base path.
    pub(crate) path: String,
    pub(crate) parameters: Parameters,
    /// As it came, still compressed if it was.
    pub(crate) body: Vec<u8>,
    pub(crate) peer: SocketAddr,
}
