//! Real servers, as processes: how each starts, what it says it has, how it dies.
//!
//! [`Tsd`] is OpenTSDB on an [`Hbase`], they and [`KairosDb`] from Maven's artifacts; [`VictoriaMetrics`] and [`InfluxDb`] are
//! Debian's packages; [`Receiver`] is `potsdb serve`, and [`Gunicorn`] a web program that counts. Each listens on free ports of loopback, keeps its files in a folder that
//! goes with it, counts as ready when its own health address says so, and is read back by its own query API. Each ends by its
//! process id, with the value that stands for it, or with the test process.
//!
//! A [`Transcript`] is what was said to a server and what came back; [`conversation`] records one and compares.
//!
//! [`Recorder`] stands between a client and a server and shows what a connection began with.
//!
//! Called by `tests/promises` and `tests/crash.rs`; `scripts/test-servers` and `scripts/test` run them.

#![forbid(unsafe_code)]

mod ask;
pub mod conversation;
mod gunicorn;
mod hbase;
mod influxdb;
mod kairosdb;
mod notation;
mod opentsdb;
mod process;
mod receiver;
mod recorder;
mod transcript;
mod victoriametrics;

pub use ask::{http, until};
pub use gunicorn::Gunicorn;
pub use hbase::Hbase;
pub use influxdb::InfluxDb;
pub use kairosdb::KairosDb;
pub use opentsdb::Tsd;
pub use process::Process;
pub use receiver::Receiver;
pub use recorder::Recorder;
pub use transcript::{Case, Exchange, Heard, Transcript};
pub use victoriametrics::VictoriaMetrics;

use std::collections::BTreeMap;

/// What a server says it has: series, as `metric{tag=value,...}` with its tags sorted, and their points, by second.
pub type Stored = BTreeMap<String, BTreeMap<u64, f64>>;

/// A server that stores.
pub trait Server {
    /// Its URL over telnet.
    fn telnet(&self) -> String;

    /// Its URL over HTTP, if it speaks that.
    fn http(&self) -> Option<String>;

    /// Where its OpenTSDB telnet listener is.
    fn port(&self) -> u16;

    /// Everything it has of metrics that begin with `metric`, by its own query API.
    fn stored(&self, metric: &str) -> Stored;
}
