//! What can be set, checked once.

use std::sync::Arc;
use std::time::Duration;

use potsdb::Client;

use crate::error::SettingError;
use crate::instruments::Instruments;
use crate::names::Names;
use crate::style::Style;

/// How often everything is sent, unless said otherwise.
pub const DEFAULT_INTERVAL: Duration = Duration::from_secs(10);

/// How many series a metric may have, unless said otherwise.
pub const DEFAULT_MAX_SERIES: usize = 10_000;

/// The quantiles of histograms, unless said otherwise.
pub const DEFAULT_QUANTILES: [f64; 4] = [0.5, 0.9, 0.99, 0.999];

#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) interval: u64,
    pub(crate) style: Style,
    pub(crate) names: Names,
    pub(crate) max_series: usize,
    pub(crate) idle: Option<u64>,
    pub(crate) quantiles: Vec<f64>,
    pub(crate) bounds: Arc<[f64]>,
}

/// Instruments to be. From [`Instruments::builder`].
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `build`"]
pub struct Builder {
    client: Client,
    interval: Duration,
    style: Style,
    names: Names,
    max_series: usize,
    idle_timeout: Option<Duration>,
    quantiles: Vec<f64>,
    buckets: Vec<f64>,
}

impl Builder {
    pub(crate) fn new(client: &Client) -> Builder {
        Builder {
            client: client.clone(),
            interval: DEFAULT_INTERVAL,
            style: Style::default(),
            names: Names::default(),
            max_series: DEFAULT_MAX_SERIES,
            idle_timeout: None,
            quantiles: DEFAULT_QUANTILES.into(),
            buckets: Vec::new(),
        }
    }

    /// How often everything is sent: whole seconds, at times that are multiples of it. [`DEFAULT_INTERVAL`] unless said.
    pub fn interval(mut self, interval: Duration) -> Builder {
        self.interval = interval;
        self
    }

    /// What the series of histograms are called.
    pub fn style(mut self, style: Style) -> Builder {
        self.style = style;
        self
    }

    /// What becomes of characters that OpenTSDB does not allow.
    pub fn names(mut self, names: Names) -> Builder {
        self.names = names;
        self
    }

    /// How many series a metric may have; 0: no limit. At 80 % a report names the tag that grows. Updates of series
    /// beyond the limit are counted and not sent. [`DEFAULT_MAX_SERIES`] unless said.
    pub fn max_series(mut self, series: usize) -> Builder {
        self.max_series = series;
        self
    }

    /// Ends a series that was not updated for so long. If no handle of it is left, it is forgotten, and begins from
    /// zero when it is asked for again. Never, unless said: a sum over processes falls when one of them ends.
    pub fn idle_timeout(mut self, timeout: Duration) -> Builder {
        self.idle_timeout = Some(timeout);
        self
    }

    /// The quantiles of histograms. [`DEFAULT_QUANTILES`] unless said.
    pub fn quantiles(mut self, quantiles: impl Into<Vec<f64>>) -> Builder {
        self.quantiles = quantiles.into();
        self
    }

    /// Counts, in histograms, values that are at most as large as each of these, in a series with the tag `le` for each.
    pub fn buckets(mut self, bounds: impl Into<Vec<f64>>) -> Builder {
        self.buckets = bounds.into();
        self
    }

    /// Makes the instruments. Nothing runs before the first update.
    ///
    /// # Errors
    ///
    /// An interval that is not whole seconds, quantiles outside 0 to 1, bounds that do not increase.
    pub fn build(self) -> Result<Instruments, SettingError> {
        let settings = Settings {
            interval: whole_seconds("interval", self.interval)?,
            style: self.style,
            names: self.names,
            max_series: self.max_series,
            idle: self
                .idle_timeout
                .map(|timeout| whole_seconds("idle_timeout", timeout))
                .transpose()?,
            quantiles: self.quantiles,
            bounds: self.buckets.into(),
        };
        if let Some(quantile) = settings
            .quantiles
            .iter()
            .find(|quantile| !(0.0..=1.0).contains(*quantile))
        {
            return Err(SettingError::new("quantiles", format!("{quantile} is not from 0 to 1")));
        }
        let increase = settings.bounds.windows(2).all(|pair| pair[0] < pair[1]);
        if !increase || !settings.bounds.iter().all(|bound| bound.is_finite()) {
            return Err(SettingError::new("buckets", "bounds are finite and increase"));
        }
        Ok(Instruments::start(self.client, settings))
    }
}

fn whole_seconds(name: &'static str, duration: Duration) -> Result<u64, SettingError> {
    match (duration.as_secs(), duration.subsec_nanos()) {
        (seconds @ 1..=86_400, 0) => Ok(seconds),
        _ => Err(SettingError::new(
            name,
            format!("{duration:?} is not whole seconds from 1 to 86400"),
        )),
    }
}

impl Settings {
    /// What a builder makes of itself when nothing was said.
    pub(crate) fn unsaid() -> Settings {
        Settings {
            interval: DEFAULT_INTERVAL.as_secs(),
            style: Style::default(),
            names: Names::default(),
            max_series: DEFAULT_MAX_SERIES,
            idle: None,
            quantiles: DEFAULT_QUANTILES.into(),
            bounds: [].into(),
        }
    }
}
