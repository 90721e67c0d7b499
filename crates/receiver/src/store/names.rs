//! The numbers of names, as OpenTSDB keeps them: each metric, tag name and tag value has one of three bytes, given in
//! the order in which they came. A series' own number, its TSUID, is made of them, and answers are sorted by it.
//!
//! ```text
//! sys.cpu host=web01 dc=lga   -->   metric 1, host 1 = web01 1, dc 2 = lga 2   -->   000001 000001000001 000002000002
//! ```
//!
//! A name stays as long as a series has it, so that they are bounded as the series are; those that were asked for
//! without a series (`/api/uid/assign`) are bounded by their count. Used by `table.rs` under the store's lock, read by
//! `query/`.

use std::collections::BTreeMap;
use std::ops::Bound;

use crate::point::put::Tags;
use crate::store::series::SeriesName;

/// What a name names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Metric,
    TagName,
    TagValue,
}

impl Kind {
    /// As OpenTSDB writes it in its errors.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Metric => "metrics",
            Kind::TagName => "tagk",
            Kind::TagValue => "tagv",
        }
    }

    /// As `/api/suggest` and `/api/uid` are asked for it.
    pub(crate) fn named(name: &str) -> Option<Kind> {
        match name {
            "metrics" | "metric" => Some(Kind::Metric),
            "tagk" => Some(Kind::TagName),
            "tagv" => Some(Kind::TagValue),
            _ => None,
        }
    }
}

/// The names that can be asked for without a series, of each kind.
const MOST_ASSIGNED: usize = 10_000;

/// What a name takes beside its text.
const NAME_BYTES: usize = 64;

#[derive(Default)]
pub(crate) struct Names {
    metrics: Numbers,
    tag_names: Numbers,
    tag_values: Numbers,
    /// Bytes of memory.
    pub(crate) bytes: usize,
}

#[derive(Default)]
struct Numbers {
    by_name: BTreeMap<Box<str>, Known>,
    given: u32,
    assigned: usize,
}

struct Known {
    number: u32,
    /// How many series have it, and once more if it was asked for.
    uses: u32,
}

impl Names {
    fn of(&self, kind: Kind) -> &Numbers {
        match kind {
            Kind::Metric => &self.metrics,
            Kind::TagName => &self.tag_names,
            Kind::TagValue => &self.tag_values,
        }
    }

    fn of_mut(&mut self, kind: Kind) -> &mut Numbers {
        match kind {
            Kind::Metric => &mut self.metrics,
            Kind::TagName => &mut self.tag_names,
            Kind::TagValue => &mut self.tag_values,
        }
    }

    /// A series came: its names get numbers, the metric's first, then its tags' in the order of a Java map. They are
    /// its own number.
    pub(crate) fn meet(&mut self, series: &SeriesName) -> Tsuid {
        let metric = self.meet_name(Kind::Metric, &series.metric);
        let tags = series.tags.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let tags = Tags(tags.collect()).java_order().into_iter();
        let mut tags: Box<[(u32, u32)]> = tags
            .map(|(name, value)| {
                (
                    self.meet_name(Kind::TagName, name),
                    self.meet_name(Kind::TagValue, value),
                )
            })
            .collect();
        tags.sort_unstable();
        Tsuid { metric, tags }
    }

    /// A series went.
    pub(crate) fn leave(&mut self, series: &SeriesName) {
        self.leave_name(Kind::Metric, &series.metric);
        for (name, value) in &series.tags {
            self.leave_name(Kind::TagName, name);
            self.leave_name(Kind::TagValue, value);
        }
    }

    /// Gives a name its number without a series; the error is the number that it has already, or nothing when too many
    /// were asked for.
    pub(crate) fn assign(&mut self, kind: Kind, name: &str) -> Result<u32, Option<u32>> {
        if let Some(number) = self.number(kind, name) {
            return Err(Some(number));
        }
        let numbers = self.of_mut(kind);
        if numbers.assigned >= MOST_ASSIGNED {
            return Err(None);
        }
        numbers.assigned += 1;
        Ok(self.meet_name(kind, name))
    }

    fn meet_name(&mut self, kind: Kind, name: &str) -> u32 {
        let numbers = self.of_mut(kind);
        if let Some(known) = numbers.by_name.get_mut(name) {
            known.uses += 1;
            return known.number;
        }
        numbers.given += 1;
        let number = numbers.given;
        numbers.by_name.insert(name.into(), Known { number, uses: 1 });
        self.bytes += name.len() + NAME_BYTES;
        number
    }

    fn leave_name(&mut self, kind: Kind, name: &str) {
        let numbers = self.of_mut(kind);
        let Some(known) = numbers.by_name.get_mut(name) else {
            return;
        };
        known.uses -= 1;
        if known.uses == 0 {
            numbers.by_name.remove(name);
            self.bytes -= name.len() + NAME_BYTES;
        }
    }

    /// A name's number.
    pub(crate) fn number(&self, kind: Kind, name: &str) -> Option<u32> {
        Some(self.of(kind).by_name.get(name)?.number)
    }

    /// The name of a number.
    pub(crate) fn name(&self, kind: Kind, number: u32) -> Option<&str> {
        let mut all = self.of(kind).by_name.iter();
        let (name, _) = all.find(|(_, known)| known.number == number)?;
        Some(name)
    }

    /// The names that begin so, sorted.
    pub(crate) fn beginning_with<'a>(&'a self, kind: Kind, prefix: &'a str) -> impl Iterator<Item = &'a str> {
        let from_there = self
            .of(kind)
            .by_name
            .range::<str, _>((Bound::Included(prefix), Bound::Unbounded));
        from_there
            .map(|(name, _)| name.as_ref())
            .take_while(move |name| name.starts_with(prefix))
    }
}

/// A series' number: those of its names, the tags sorted by their names'.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Tsuid {
    pub(crate) metric: u32,
    pub(crate) tags: Box<[(u32, u32)]>,
}

impl Tsuid {
    /// In hexadecimal digits, six for each name.
    pub(crate) fn text(&self) -> String {
        let mut text = hex(self.metric);
        for (name, value) in &*self.tags {
            text.push_str(&hex(*name));
            text.push_str(&hex(*value));
        }
        text
    }

    /// The bytes of a row's key: the metric, the hour in seconds since 1970, the tags; signed, as Java prints them.
    pub(crate) fn row_key(&self, hour: u32) -> Vec<i8> {
        let three = |number: u32| number.to_be_bytes()[1..].to_vec();
        let mut key = three(self.metric);
        key.extend_from_slice(&hour.to_be_bytes());
        for (name, value) in &*self.tags {
            key.extend([three(*name), three(*value)].concat());
        }
        key.into_iter().map(u8::cast_signed).collect()
    }
}

/// A number of three bytes in hexadecimal digits.
pub(crate) fn hex(number: u32) -> String {
    format!("{number:06X}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(metric: &str, tags: &[(&str, &str)]) -> SeriesName {
        let tags = tags.iter();
        SeriesName {
            metric: metric.into(),
            tags: tags.map(|(name, value)| ((*name).into(), (*value).into())).collect(),
        }
    }

    #[test]
    fn names_are_numbered_as_they_come_and_make_a_series_number() {
        let mut names = Names::default();
        let (a, b) = (
            series("sys.cpu", &[("dc", "lga"), ("host", "web01")]),
            series("sys.cpu", &[("dc", "lga"), ("host", "web02")]),
        );
        let (a, b) = (names.meet(&a), names.meet(&b));
        // As OpenTSDB 2.4.1 numbers these two.
        assert_eq!(a.text(), "000001000001000001000002000002");
        assert_eq!(b.text(), "000001000001000003000002000002");
        assert_eq!(a.row_key(0x6553_ede0)[..7], [0, 0, 1, 101, 83, -19, -32]);
        assert_eq!(names.name(Kind::TagValue, 3), Some("web02"));
        assert!(names.beginning_with(Kind::TagValue, "web").eq(["web01", "web02"]));
    }

    #[test]
    fn a_name_goes_with_its_last_series() {
        let mut names = Names::default();
        let (a, b) = (series("m", &[("h", "a")]), series("m", &[("h", "b")]));
        names.meet(&a);
        names.meet(&b);
        names.leave(&b);
        assert_eq!(names.number(Kind::TagValue, "b"), None);
        names.meet(&b);
        assert_eq!(names.number(Kind::TagValue, "b"), Some(3), "no number is given twice");
        names.leave(&a);
        names.leave(&b);
        assert_eq!((names.bytes, names.number(Kind::Metric, "m")), (0, None));
    }

    #[test]
    fn names_can_be_asked_for_but_not_without_end() {
        let mut names = Names::default();
        assert_eq!(names.assign(Kind::Metric, "m"), Ok(1));
        assert_eq!(names.assign(Kind::Metric, "m"), Err(Some(1)));
        for number in 1..MOST_ASSIGNED {
            assert!(names.assign(Kind::Metric, &format!("m{number}")).is_ok());
        }
        assert_eq!(names.assign(Kind::Metric, "one.more"), Err(None));
    }
}
