//! What can be set.

use std::collections::HashSet;
use std::time::Duration;

use opentelemetry_sdk::metrics::Temporality;
use potsdb::Client;
use potsdb_instruments::{Instruments, Kind, Names, SettingError, Style};

use crate::exporter::Exporter;
use crate::series::Attributes;

/// How long an export waits until its points are delivered, unless said otherwise.
pub const DEFAULT_DELIVER_WITHIN: Duration = Duration::from_secs(4);

/// The attributes of the resource that become tags, unless said otherwise: what tells processes apart. `host.name` is left out if the
/// client has a host tag, and a service that is unknown is not named.
pub const DEFAULT_RESOURCE_ATTRIBUTES: [&str; 3] = ["service.name", "host.name", "service.instance.id"];

/// An exporter to be. From [`Exporter::builder`].
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `build`"]
pub struct Builder {
    instruments: potsdb_instruments::Builder,
    attributes: Attributes,
    temporality: Temporality,
    align: Duration,
    deliver_within: Duration,
    buckets: bool,
}

impl Builder {
    pub(crate) fn new(client: &Client) -> Builder {
        let resource = DEFAULT_RESOURCE_ATTRIBUTES.into_iter();
        let resource = resource.filter(|name| *name != "host.name" || client.host_tag().is_none());
        Builder {
            instruments: Instruments::builder(client)
                .names(Names::Replace)
                .ticks_by_program()
                // A gauge that an export does not have is gone.
                .idle_timeout_of(Kind::Gauge, Duration::from_secs(1)),
            attributes: Attributes::new(resource),
            temporality: Temporality::Cumulative,
            align: reader_interval(),
            deliver_within: DEFAULT_DELIVER_WITHIN,
            buckets: false,
        }
    }

    /// What the series of histograms are called.
    pub fn style(mut self, style: Style) -> Builder {
        self.instruments = self.instruments.style(style);
        self
    }

    /// What becomes of characters that OpenTSDB does not allow, as in `/users/{id}`. [`Names::Replace`] unless said: who adds to a
    /// counter has no error to look at.
    pub fn names(mut self, names: Names) -> Builder {
        self.instruments = self.instruments.names(names);
        self
    }

    /// The quantiles of histograms, from 0 to 1: 0.5, 0.9, 0.99 and 0.999 unless said.
    pub fn quantiles(mut self, quantiles: impl Into<Vec<f64>>) -> Builder {
        self.instruments = self.instruments.quantiles(quantiles);
        self
    }

    /// Whether histograms send their buckets too, in a series with the tag `le` for each bound. Off unless said.
    pub fn buckets(mut self, buckets: bool) -> Builder {
        self.buckets = buckets;
        self
    }

    /// How many series a metric may have; 0: no limit. Updates of others are counted and not sent. 10 000 unless said.
    pub fn max_series(mut self, series: usize) -> Builder {
        self.instruments = self.instruments.max_series(series);
        self
    }

    /// Ends counters and histograms that did not change for so long. Never, unless said.
    pub fn idle_timeout(mut self, timeout: Duration) -> Builder {
        for kind in [Kind::Counter, Kind::Histogram] {
            self.instruments = self.instruments.idle_timeout_of(kind, timeout);
        }
        self
    }

    /// Makes tags of these attributes alone. Series that differ in others are added up.
    pub fn keep_attributes<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> Builder {
        self.attributes.keep = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// Makes no tags of these attributes: OpenTSDB takes eight tags. Series that differ in them are added up.
    pub fn skip_attributes<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> Builder {
        self.attributes.skip = names.into_iter().map(Into::into).collect::<HashSet<_>>();
        self
    }

    /// Makes tags of these attributes of the resource, if it has them. [`DEFAULT_RESOURCE_ATTRIBUTES`] unless said.
    pub fn resource_attributes<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> Builder {
        self.attributes.resource = names.into_iter().map(Into::into).collect();
        self
    }

    /// Which temporality the SDK is asked for. Cumulative unless said. Deltas are added up here: OpenTSDB has no increments. They
    /// spare the SDK the memory of series that are idle. But if nothing at all changed, its reader does not export, and the totals are
    /// not said again.
    pub fn temporality(mut self, temporality: Temporality) -> Builder {
        self.temporality = temporality;
        self
    }

    /// Whole seconds of which timestamps are multiples: the reader's interval. Unless said it is what the reader has by default,
    /// `OTEL_METRIC_EXPORT_INTERVAL` or 60 s.
    pub fn align(mut self, interval: Duration) -> Builder {
        self.align = interval;
        self
    }

    /// How long an export waits until its points are delivered. With zero it does not wait, and is `Ok` when they were
    /// accepted: for a reader whose thread must not be held. [`DEFAULT_DELIVER_WITHIN`] unless said.
    pub fn deliver_within(mut self, timeout: Duration) -> Builder {
        self.deliver_within = timeout;
        self
    }

    /// Makes the exporter. It starts no thread.
    ///
    /// # Errors
    ///
    /// Settings that make no sense, as [`potsdb_instruments::Builder::build`] has them.
    pub fn build(self) -> Result<Exporter, SettingError> {
        // The same rule as that of an interval.
        let instruments = self.instruments.interval(self.align).build()?;
        Ok(Exporter::new(
            instruments,
            self.attributes,
            self.temporality,
            self.align.as_secs(),
            self.deliver_within,
            self.buckets,
        ))
    }
}

/// The interval of the SDK's reader, in whole seconds.
fn reader_interval() -> Duration {
    let millis = std::env::var("OTEL_METRIC_EXPORT_INTERVAL").ok();
    let millis = millis.and_then(|text| text.parse().ok()).unwrap_or(60_000_u64);
    Duration::from_secs((millis / 1000).clamp(1, 86_400))
}
