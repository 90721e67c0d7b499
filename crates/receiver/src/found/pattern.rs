//! A pattern: a metric and some of the tags that a series has, and how near a series comes to it.

use std::fmt::{self, Display, Formatter};

use crate::store::series::SeriesName;

/// What a test asks for.
#[derive(Clone, Debug)]
pub(crate) struct Pattern {
    /// `None`: any.
    pub(crate) metric: Option<String>,
    pub(crate) tags: Vec<(String, String)>,
}

impl Pattern {
    pub(crate) fn new(metric: Option<&str>, tags: &[(&str, &str)]) -> Pattern {
        let tags = tags.iter().map(|&(name, value)| (name.to_owned(), value.to_owned()));
        Pattern {
            metric: metric.map(str::to_owned),
            tags: tags.collect(),
        }
    }

    /// Whether a series is of this metric and has these tags; it may have others.
    pub(crate) fn matches(&self, series: &SeriesName) -> bool {
        self.metric.as_ref().is_none_or(|metric| *metric == series.metric) && self.tags_amiss(series) == 0
    }

    /// How many of the tags a series does not have, or not with that value.
    pub(crate) fn tags_amiss(&self, series: &SeriesName) -> usize {
        let tags = self.tags.iter();
        tags.filter(|(name, value)| series.tag(name) != Some(value)).count()
    }

    /// How many letters of the metric are others.
    pub(crate) fn letters_amiss(&self, metric: &str) -> usize {
        self.metric
            .as_ref()
            .map_or(0, |asked| potsdb_wire::letters_amiss(asked, metric))
    }
}

impl Display for Pattern {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let name = SeriesName {
            metric: self.metric.clone().unwrap_or_else(|| "*".to_owned()),
            tags: self.tags.clone(),
        };
        name.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_that_are_not_asked_for_may_be_there() {
        let series = SeriesName {
            metric: "m".into(),
            tags: vec![("h".into(), "a".into()), ("path".into(), "/".into())],
        };
        assert!(Pattern::new(Some("m"), &[("path", "/")]).matches(&series));
        assert!(Pattern::new(None, &[]).matches(&series));
        assert!(!Pattern::new(Some("m"), &[("path", "/x")]).matches(&series));
        assert!(!Pattern::new(Some("m"), &[("dc", "eu")]).matches(&series));
        assert!(!Pattern::new(Some("n"), &[]).matches(&series));
    }
}
