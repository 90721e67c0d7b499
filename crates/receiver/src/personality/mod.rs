//! A personality: what a server says on the telnet wire, and what makes it take a connection for HTTP.
//!
//! `telnet.rs` cuts the stream into lines and stores the points; everything a peer gets to read goes through here, so
//! another server's manners are another file. A method left out answers nothing.

mod opentsdb;
mod silent;

pub(crate) use opentsdb::OpenTsdb;
pub(crate) use silent::Silent;

use crate::counts::Counts;
use crate::put::Refusal;

/// One server's voice; replies are appended, newline and all.
pub(crate) trait Personality: Send + Sync {
    /// Whether a connection that begins with this byte speaks HTTP; decided once per connection.
    fn is_http(&self, first: u8) -> bool;

    /// A put was refused.
    fn refused(&self, _refusal: &Refusal, _replies: &mut Vec<u8>) {}

    /// A line that is no put; its first word is the command.
    fn command(&self, _command: &str, _counts: &Counts, _replies: &mut Vec<u8>) -> Outcome {
        Outcome::Unknown
    }
}

/// What became of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Known,
    Unknown,
    /// The connection ends, what was answered before is still written.
    Leave,
}
