//! What a test waits for, and the words when it does not come.

use std::error::Error;
use std::fmt::{self, Debug, Display, Formatter, Write as _};
use std::time::Duration;

use crate::counts::Counts;
use crate::found::Found;
use crate::found::pattern::Pattern;
use crate::point::value::Value;
use crate::store::refusals::Refused;

/// Points that a test waits for: at least one of a metric and tags, and whatever else is said of them.
///
/// Tags are those that a series has to have; it may have others. Floats are compared to nine digits.
#[derive(Clone, Debug)]
pub struct Wanted {
    metric: String,
    tags: Vec<(String, String)>,
    count: Option<usize>,
    sum: Option<Value>,
    last: Option<Value>,
    increase: Option<Value>,
}

impl Wanted {
    /// At least one point of a metric, of series that have these tags.
    #[must_use]
    pub fn new(metric: &str, tags: &[(&str, &str)]) -> Wanted {
        let tags = tags.iter().map(|&(name, value)| (name.to_owned(), value.to_owned()));
        Wanted {
            metric: metric.to_owned(),
            tags: tags.collect(),
            count: None,
            sum: None,
            last: None,
            increase: None,
        }
    }

    /// So many points: [`Found::count`].
    #[must_use]
    pub fn count(self, count: usize) -> Wanted {
        let count = Some(count);
        Wanted { count, ..self }
    }

    /// Values that add up to this: [`Found::sum`].
    #[must_use]
    pub fn sum(self, sum: impl Into<Value>) -> Wanted {
        let sum = Some(sum.into());
        Wanted { sum, ..self }
    }

    /// This value at the end: [`Found::last`].
    #[must_use]
    pub fn last(self, last: impl Into<Value>) -> Wanted {
        let last = Some(last.into());
        Wanted { last, ..self }
    }

    /// So much counted: [`Found::increase`].
    #[must_use]
    pub fn increase(self, increase: impl Into<Value>) -> Wanted {
        let increase = Some(increase.into());
        Wanted { increase, ..self }
    }

    pub(crate) fn metric(&self) -> &str {
        &self.metric
    }

    pub(crate) fn tags(&self) -> Vec<(&str, &str)> {
        let tags = self.tags.iter();
        tags.map(|(name, value)| (name.as_str(), value.as_str())).collect()
    }

    pub(crate) fn pattern(&self) -> Pattern {
        Pattern::new(Some(&self.metric), &self.tags())
    }

    pub(crate) fn is_met(&self, found: &Found) -> bool {
        let is = |wanted: Option<Value>, found: Option<Value>| {
            wanted.is_none_or(|wanted| found.is_some_and(|found| found.is_about(wanted)))
        };
        !found.is_empty()
            && self.count.is_none_or(|count| count == found.count())
            && is(self.sum, Some(found.sum()))
            && is(self.last, found.last())
            && is(self.increase, Some(found.increase()))
    }
}

/// `web.requests{path=/login} with sum 3`
impl Display for Wanted {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.pattern())?;
        let figures = [
            ("count", self.count.map(|count| count.to_string())),
            ("sum", self.sum.map(|value| value.to_string())),
            ("last", self.last.map(|value| value.to_string())),
            ("increase", self.increase.map(|value| value.to_string())),
        ];
        let mut before = " with ";
        for (name, figure) in figures {
            if let Some(figure) = figure {
                write!(f, "{before}{name} {figure}")?;
                before = ", ";
            }
        }
        Ok(())
    }
}

/// What was waited for did not come. The message says what was wanted, what came, and what was refused.
#[derive(Clone)]
pub struct Missing {
    wanted: String,
    waited: Duration,
    /// What is there, lines that each begin with a newline.
    found: String,
}

/// How many series and refusals a message names.
const MOST: usize = 10;

impl Missing {
    pub(crate) fn new(
        wanted: &Wanted,
        waited: Duration,
        found: &Found,
        refused: &[Refused],
        counts: &Counts,
    ) -> Missing {
        let mut words = String::new();
        if found.is_empty() {
            let _ = write!(words, "\n  no point of it came; {}", arrivals(counts));
        } else {
            let _ = write!(words, "\n  what came: {}", found.figures());
            list(&mut words, &found.listed(MOST));
        }
        let others = found.others().listed(MOST);
        if !others.is_empty() {
            words.push_str("\n  other series:");
            list(&mut words, &others);
        }
        let latest = &refused[refused.len().saturating_sub(MOST)..];
        if !latest.is_empty() {
            let _ = write!(words, "\n  refused, {} in all, the latest:", counts.refused);
            list(&mut words, &latest.iter().map(ToString::to_string).collect::<Vec<_>>());
        }
        Missing {
            wanted: wanted.to_string(),
            waited,
            found: words,
        }
    }

    /// The same after another time: for those who wait in slices.
    #[must_use]
    pub fn after(self, waited: Duration) -> Missing {
        Missing { waited, ..self }
    }
}

fn list(words: &mut String, items: &[String]) {
    for item in items {
        let _ = write!(words, "\n    {item}");
    }
}

/// What came at all, for whoever got nothing.
fn arrivals(counts: &Counts) -> String {
    if counts.connections == 0 {
        return "nobody has connected".to_owned();
    }
    format!(
        "connections {}, points {}, refused {}",
        counts.connections, counts.puts, counts.refused
    )
}

impl Display for Missing {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Missing { wanted, waited, found } = self;
        write!(f, "{wanted} did not come within {waited:?}{found}")
    }
}

/// As [`Display`]: `unwrap` shows it to whoever reads the test's output.
impl Debug for Missing {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        Display::fmt(self, f)
    }
}

impl Error for Missing {}
