//! What the series of a histogram are called.
//!
//! ```text
//! dotted      web.latency.count .sum .min .max .p50 .p90 .p99 .p999          and .bucket le=0.1
//! prometheus  web_latency_count _sum _max, web_latency quantile=0.5 ...      and _bucket le=0.1, le=inf
//! ```
//!
//! One table for Rust, Python and whatever builds on this crate. The first style has the words of dropwizard's reporters and
//! the labels of `metrics`; the second is what dashboards made for Prometheus ask for. OpenTSDB has no `+`, so `le` is
//! `inf` and not `+Inf`.

use std::str::FromStr;

/// What the series of a histogram are called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Style {
    /// `.count .sum .min .max .p50 .p90 .p99 .p999`.
    #[default]
    Dotted,
    /// `_count _sum _max`, and quantiles by a tag `quantile`.
    Prometheus,
}

impl FromStr for Style {
    type Err = String;

    fn from_str(text: &str) -> Result<Style, String> {
        match text {
            "dotted" => Ok(Style::Dotted),
            "prometheus" => Ok(Style::Prometheus),
            _ => Err(format!("style: {text:?} is unknown: dotted or prometheus is allowed")),
        }
    }
}

/// The series of a histogram.
#[derive(Clone, Debug)]
pub(crate) struct HistogramSeries<S> {
    pub(crate) count: S,
    pub(crate) sum: S,
    pub(crate) min: Option<S>,
    pub(crate) max: S,
    pub(crate) quantiles: Vec<(f64, S)>,
    /// One for each bound, and one for all values. Empty without bounds.
    pub(crate) buckets: Vec<S>,
}

/// A tag that tells series of one histogram apart.
pub(crate) type Extra<'a> = Option<(&'a str, String)>;

impl Style {
    /// Makes the series of a histogram by `make`, which is given a metric and sometimes a tag.
    pub(crate) fn histogram<S, E>(
        self,
        metric: &str,
        quantiles: &[f64],
        bounds: &[f64],
        mut make: impl FnMut(&str, Extra<'_>) -> Result<S, E>,
    ) -> Result<HistogramSeries<S>, E> {
        let joint = match self {
            Style::Dotted => '.',
            Style::Prometheus => '_',
        };
        let named = |suffix: &str| format!("{metric}{joint}{suffix}");
        let mut plain = |suffix: &str| make(&named(suffix), None);
        let (count, sum, max) = (plain("count")?, plain("sum")?, plain("max")?);
        let min = match self {
            Style::Dotted => Some(plain("min")?),
            Style::Prometheus => None,
        };
        let mut quantile = |quantile: f64| match self {
            Style::Dotted => make(&named(&label(quantile)), None),
            Style::Prometheus => make(metric, Some(("quantile", quantile.to_string()))),
        };
        let quantiles: Result<Vec<_>, E> = quantiles.iter().map(|q| Ok((*q, quantile(*q)?))).collect();
        let all = (!bounds.is_empty()).then(|| "inf".to_owned());
        let ends = bounds.iter().map(ToString::to_string).chain(all);
        let buckets: Result<Vec<_>, E> = ends.map(|end| make(&named("bucket"), Some(("le", end)))).collect();
        Ok(HistogramSeries {
            count,
            sum,
            min,
            max,
            quantiles: quantiles?,
            buckets: buckets?,
        })
    }
}

/// A quantile as a percentile: `p50`, `p99`, `p999`.
fn label(quantile: f64) -> String {
    match quantile.to_string().strip_prefix("0.") {
        Some(digits) => format!("p{digits:0<2}"),
        None => format!("p{}", quantile * 100.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(style: Style, bounds: &[f64]) -> Vec<String> {
        let mut names = Vec::new();
        let quantiles = [0.5, 0.9, 0.99, 0.999];
        let made: Result<_, ()> = style.histogram("web.latency", &quantiles, bounds, |metric, extra| {
            names.push(match extra {
                Some((tag, value)) => format!("{metric} {tag}={value}"),
                None => metric.to_owned(),
            });
            Ok(())
        });
        made.unwrap();
        names
    }

    #[test]
    fn the_series_of_a_histogram_have_the_words_of_their_style() {
        assert_eq!(
            names(Style::Dotted, &[]).join(" "),
            "web.latency.count web.latency.sum web.latency.max web.latency.min web.latency.p50 web.latency.p90 \
             web.latency.p99 web.latency.p999"
        );
        assert_eq!(
            names(Style::Prometheus, &[0.1, 10.0]),
            [
                "web.latency_count",
                "web.latency_sum",
                "web.latency_max",
                "web.latency quantile=0.5",
                "web.latency quantile=0.9",
                "web.latency quantile=0.99",
                "web.latency quantile=0.999",
                "web.latency_bucket le=0.1",
                "web.latency_bucket le=10",
                "web.latency_bucket le=inf",
            ]
        );
    }

    #[test]
    fn percentiles_are_written_without_a_point() {
        assert_eq!(
            [0.0, 0.05, 0.5, 0.75, 0.9999, 1.0].map(label),
            ["p0", "p05", "p50", "p75", "p9999", "p100"]
        );
    }
}
