//! What can be set, checked once.

use std::sync::Arc;
use std::time::Duration;

use potsdb::Client;

use crate::error::SettingError;
use crate::instruments::Instruments;
use crate::names::Names;
use crate::slot::Kind;
use crate::style::Style;
use crate::ticker;

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
    pub(crate) idle: Idle,
    pub(crate) quantiles: Vec<f64>,
    pub(crate) bounds: Arc<[f64]>,
    bounds_by: Vec<(Matcher, Arc<[f64]>)>,
    /// The program makes the ticks, from that second on.
    pub(crate) ticks_since: Option<u64>,
}

/// After how many seconds without an update a series ends, by kind.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Idle {
    counter: Option<u64>,
    gauge: Option<u64>,
    histogram: Option<u64>,
}

impl Idle {
    pub(crate) fn of(self, kind: Kind) -> Option<u64> {
        match kind {
            Kind::Counter => self.counter,
            Kind::Gauge => self.gauge,
            Kind::Histogram => self.histogram,
        }
    }
}

/// Which metrics something is for, by their names as the program writes them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Matcher {
    /// The one of this name.
    Full(String),
    /// Those whose name begins so.
    Prefix(String),
    /// Those whose name ends so.
    Suffix(String),
}

impl Matcher {
    fn matches(&self, metric: &str) -> bool {
        match self {
            Matcher::Full(name) => metric == name,
            Matcher::Prefix(start) => metric.starts_with(start),
            Matcher::Suffix(end) => metric.ends_with(end),
        }
    }

    /// The whole name goes before a part of it, a longer part before a shorter one.
    fn rank(&self) -> (bool, usize) {
        match self {
            Matcher::Full(name) => (true, name.len()),
            Matcher::Prefix(part) | Matcher::Suffix(part) => (false, part.len()),
        }
    }
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
    idle_timeout: [(Kind, Option<Duration>); 3],
    quantiles: Vec<f64>,
    buckets: Vec<f64>,
    buckets_by: Vec<(Matcher, Vec<f64>)>,
    own_ticks: bool,
}

impl Builder {
    pub(crate) fn new(client: &Client) -> Builder {
        Builder {
            client: client.clone(),
            interval: DEFAULT_INTERVAL,
            style: Style::default(),
            names: Names::default(),
            max_series: DEFAULT_MAX_SERIES,
            idle_timeout: [Kind::Counter, Kind::Gauge, Kind::Histogram].map(|kind| (kind, None)),
            quantiles: DEFAULT_QUANTILES.into(),
            buckets: Vec::new(),
            buckets_by: Vec::new(),
            own_ticks: true,
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
        self.idle_timeout.iter_mut().for_each(|(_, of)| *of = Some(timeout));
        self
    }

    /// As [`idle_timeout`](Builder::idle_timeout), for the instruments of one kind.
    pub fn idle_timeout_of(mut self, kind: Kind, timeout: Duration) -> Builder {
        let of_kind = self.idle_timeout.iter_mut().filter(|(of, _)| *of == kind);
        of_kind.for_each(|(_, of)| *of = Some(timeout));
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

    /// As [`buckets`](Builder::buckets), for some metrics. A full name goes before a part of it, a longer part before a
    /// shorter one.
    pub fn buckets_for(mut self, metrics: Matcher, bounds: impl Into<Vec<f64>>) -> Builder {
        self.buckets_by.push((metrics, bounds.into()));
        self
    }

    /// Leaves the ticks to the program, which makes them by [`Instruments::tick`], and starts no thread. For libraries that
    /// have intervals of their own.
    pub fn ticks_by_program(mut self) -> Builder {
        self.own_ticks = false;
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
            idle: idle(self.idle_timeout)?,
            quantiles: self.quantiles,
            bounds: self.buckets.into(),
            bounds_by: by_rank(self.buckets_by),
            ticks_since: (!self.own_ticks).then(ticker::now),
        };
        if let Some(quantile) = settings
            .quantiles
            .iter()
            .find(|quantile| !(0.0..=1.0).contains(*quantile))
        {
            return Err(SettingError::new("quantiles", format!("{quantile} is not from 0 to 1")));
        }
        let all = settings.bounds_by.iter().map(|(_, bounds)| bounds);
        if !all.chain([&settings.bounds]).all(|bounds| are_bounds(bounds)) {
            return Err(SettingError::new("buckets", BOUNDS));
        }
        Ok(Instruments::start(self.client, settings))
    }
}

/// What bounds of buckets are.
pub(crate) const BOUNDS: &str = "bounds are finite and increase";

pub(crate) fn are_bounds(bounds: &[f64]) -> bool {
    bounds.windows(2).all(|pair| pair[0] < pair[1]) && bounds.iter().all(|bound| bound.is_finite())
}

fn by_rank(bounds: Vec<(Matcher, Vec<f64>)>) -> Vec<(Matcher, Arc<[f64]>)> {
    let shared = |(matcher, bounds): (Matcher, Vec<f64>)| (matcher, bounds.into());
    let mut ranked: Vec<(Matcher, Arc<[f64]>)> = bounds.into_iter().map(shared).collect();
    ranked.sort_by_key(|(matcher, _)| std::cmp::Reverse(matcher.rank()));
    ranked
}

fn idle(timeouts: [(Kind, Option<Duration>); 3]) -> Result<Idle, SettingError> {
    let mut idle = Idle::default();
    for (kind, timeout) in timeouts {
        let seconds = timeout
            .map(|timeout| whole_seconds("idle_timeout", timeout))
            .transpose()?;
        match kind {
            Kind::Counter => idle.counter = seconds,
            Kind::Gauge => idle.gauge = seconds,
            Kind::Histogram => idle.histogram = seconds,
        }
    }
    Ok(idle)
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
            idle: Idle::default(),
            quantiles: DEFAULT_QUANTILES.into(),
            bounds: [].into(),
            bounds_by: Vec::new(),
            ticks_since: None,
        }
    }

    /// The bounds of a metric's buckets.
    pub(crate) fn bounds(&self, metric: &str) -> &Arc<[f64]> {
        let matching = self.bounds_by.iter().find(|(matcher, _)| matcher.matches(metric));
        matching.map_or(&self.bounds, |(_, bounds)| bounds)
    }
}
