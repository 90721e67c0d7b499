//! What can be set, and the two ways to go on from there.

use std::fmt;
use std::time::Duration;

use potsdb::Client;
use potsdb_instruments::{Instruments, Kind, Matcher, Names, SettingError, Style};

use crate::exporter::Exporter;
use crate::recorder::Recorder;

/// A recorder to be.
///
/// ```
/// use std::time::Duration;
/// use metrics_exporter_opentsdb::{Builder, Kind, Matcher, Style};
///
/// # let client = potsdb::Client::open("tsdb://127.0.0.1:1?test_mode=true").unwrap();
/// let recorder = Builder::new(&client)
///     .style(Style::Prometheus)
///     .buckets_for(Matcher::Suffix("_seconds".into()), [0.005, 0.05, 0.5, 5.0])
///     .idle_timeout_of(Kind::Gauge, Duration::from_secs(300))
///     .build_recorder()?;
/// # Ok::<(), metrics_exporter_opentsdb::SettingError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `install` or `build_recorder`"]
pub struct Builder(potsdb_instruments::Builder, Duration);

impl Builder {
    /// Begins a recorder that sends through that client.
    pub fn new(client: &Client) -> Builder {
        let grace = client.options().close_grace;
        Builder(Instruments::builder(client).names(Names::Replace), grace)
    }

    /// How often everything is sent: whole seconds, at times that are multiples of it. 10 s unless said.
    pub fn interval(mut self, interval: Duration) -> Builder {
        self.0 = self.0.interval(interval);
        self
    }

    /// What the series of histograms are called.
    pub fn style(mut self, style: Style) -> Builder {
        self.0 = self.0.style(style);
        self
    }

    /// What becomes of characters that OpenTSDB does not allow. [`Names::Replace`] unless said.
    pub fn names(mut self, names: Names) -> Builder {
        self.0 = self.0.names(names);
        self
    }

    /// How many series a metric may have; 0: no limit. Updates of others are counted and not sent. 10 000 unless said.
    pub fn max_series(mut self, series: usize) -> Builder {
        self.0 = self.0.max_series(series);
        self
    }

    /// Ends a series that was not updated for so long. Never, unless said.
    pub fn idle_timeout(mut self, timeout: Duration) -> Builder {
        self.0 = self.0.idle_timeout(timeout);
        self
    }

    /// As [`idle_timeout`](Builder::idle_timeout), for the metrics of one kind.
    pub fn idle_timeout_of(mut self, kind: Kind, timeout: Duration) -> Builder {
        self.0 = self.0.idle_timeout_of(kind, timeout);
        self
    }

    /// The quantiles of histograms, from 0 to 1: 0.5, 0.9, 0.99 and 0.999 unless said.
    pub fn quantiles(mut self, quantiles: impl Into<Vec<f64>>) -> Builder {
        self.0 = self.0.quantiles(quantiles);
        self
    }

    /// Counts, in histograms, values that are at most as large as each of these, in a series with the tag `le` for each.
    pub fn buckets(mut self, bounds: impl Into<Vec<f64>>) -> Builder {
        self.0 = self.0.buckets(bounds);
        self
    }

    /// As [`buckets`](Builder::buckets), for some metrics, by their names in the program. A full name goes before a part of
    /// it, a longer part before a shorter one.
    pub fn buckets_for(mut self, metrics: Matcher, bounds: impl Into<Vec<f64>>) -> Builder {
        self.0 = self.0.buckets_for(metrics, bounds);
        self
    }

    /// Makes a recorder, for a layer around it or for [`metrics::with_local_recorder`]. Dropping it, and what it handed out, sends
    /// the last state.
    ///
    /// # Errors
    ///
    /// Settings that make no sense, as [`potsdb_instruments::Builder::build`] has them.
    pub fn build_recorder(self) -> Result<Recorder, SettingError> {
        Ok(Recorder::new(self.0.build()?, self.1))
    }

    /// Makes the recorder of the whole program.
    ///
    /// # Errors
    ///
    /// Settings that make no sense; a program that has a recorder already.
    pub fn install(self) -> Result<Exporter, InstallError> {
        let recorder = self.build_recorder().map_err(InstallError::Setting)?;
        let exporter = recorder.exporter();
        match metrics::set_global_recorder(recorder) {
            Ok(()) => Ok(exporter),
            Err(_) => Err(InstallError::Installed),
        }
    }
}

/// A recorder that was not installed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InstallError {
    /// A setting makes no sense.
    Setting(SettingError),
    /// The program has a recorder already.
    Installed,
}

impl fmt::Display for InstallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            InstallError::Setting(error) => error.fmt(f),
            InstallError::Installed => f.write_str("the program has a recorder of metrics already"),
        }
    }
}

impl std::error::Error for InstallError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            InstallError::Setting(error) => Some(error),
            InstallError::Installed => None,
        }
    }
}
