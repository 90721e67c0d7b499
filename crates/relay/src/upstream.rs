//! An upstream: what takes lines for one store, and says how far they are safe.
//!
//! `client.rs` is the one that runs: a client with a spool of its own. A test has one that is full, slow or forgetful as it is
//! told. Positions count what was taken, from 0; a position is safe when every point below it is.

use std::sync::Arc;
use std::time::Duration;

use potsdb::{BadLine, Report, Stats};

mod client;
#[cfg(test)]
pub(crate) mod obedient;

pub(crate) use client::ClientUpstream;

/// Where lines of one store go. Nothing here waits but `close`.
pub(crate) trait Upstream: Send + Sync + 'static {
    /// Takes whole lines, as far as there is room now.
    fn take(&self, lines: &[u8]) -> Taken;

    fn progress(&self) -> Progress;

    /// Asks that everything below a position becomes safe soon.
    fn secure(&self, upto: u64);

    /// Has this called after each progress, and when there is room again; on a thread of the upstream's, no lock held.
    fn watch(&self, changed: Arc<dyn Fn() + Send + Sync>);

    fn stats(&self) -> Stats;

    /// What an operator should hear, since this was asked last.
    fn reports(&self) -> Vec<Report>;

    /// What its endpoints say of themselves over HTTP, whatever they are. Waits for them.
    fn versions(&self) -> Vec<Vec<u8>>;

    /// Ends it, within this time.
    fn close(&self, timeout: Duration) -> Stats;
}

/// What became of lines.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    /// Bytes that were dealt with. There was no room for the rest.
    pub(crate) bytes: usize,
    /// Points that were taken.
    pub(crate) points: u64,
    /// Lines among those bytes that are no points.
    pub(crate) bad: Vec<BadLine>,
    /// The position behind the last point taken.
    pub(crate) upto: u64,
}

/// How far an upstream is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    /// Every point below it has its verdict.
    pub(crate) reached: u64,
    /// Every point below it is acknowledged upstream, or on disk and synced, unless it was given up.
    pub(crate) safe: u64,
    /// Points that were given up, of all below `safe` and perhaps some beyond.
    pub(crate) given_up: u64,
}
