//! The errors, by the moment their reader meets them: building, and asking for an instrument. Updates have none.

use std::fmt;

use potsdb::InvalidPoint;

use crate::settings::BOUNDS;
use crate::slot::Kind;

/// A setting that makes no sense.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingError {
    name: &'static str,
    rule: String,
}

impl SettingError {
    pub(crate) fn new(name: &'static str, rule: impl Into<String>) -> SettingError {
        SettingError {
            name,
            rule: rule.into(),
        }
    }
}

impl fmt::Display for SettingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.rule)
    }
}

impl std::error::Error for SettingError {}

/// An instrument that cannot be had.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum InstrumentError {
    /// Its metric or tags are illegal.
    Invalid(InvalidPoint),
    /// The metric is another kind of instrument already.
    Kind {
        /// The metric.
        metric: String,
        /// What it is.
        is: Kind,
        /// What was asked for.
        asked: Kind,
    },
    /// The bounds of its buckets are not finite, or do not increase.
    Buckets {
        /// The metric.
        metric: String,
    },
    /// One of its series would have the metric of another instrument: a histogram `web` has `web.count`.
    Taken {
        /// The series' metric.
        series: String,
        /// The metric of the other instrument.
        by: String,
    },
}

impl fmt::Display for InstrumentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            InstrumentError::Invalid(error) => error.fmt(f),
            InstrumentError::Kind { metric, is, asked } => {
                write!(f, "metric {metric:?} is a {is} already: it cannot be a {asked} too")
            }
            InstrumentError::Buckets { metric } => write!(f, "metric {metric:?}: {BOUNDS}"),
            InstrumentError::Taken { series, by } => {
                write!(f, "metric {series:?} is one of the instrument {by:?} already")
            }
        }
    }
}

impl std::error::Error for InstrumentError {}

impl From<InvalidPoint> for InstrumentError {
    fn from(error: InvalidPoint) -> InstrumentError {
        InstrumentError::Invalid(error)
    }
}
