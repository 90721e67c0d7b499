//! A put: OpenTSDB 2.4.1's reading of one point, and its words when it refuses.
//!
//! The order of the checks is the order of its messages: a line with two faults is answered for the one OpenTSDB meets
//! first. [`Put::from_line`] is the telnet half (words to fields), [`Put::check`] what both wires share.
//!
//! Called by `store/inner.rs` for lines whose series it has not met in this spelling, by `body.rs` for every JSON
//! point. The fast way round this file is in `table.rs`. It does not store and does not reply: `personality/` turns a
//! [`Refusal`] into a telnet line, `body.rs` into a JSON error.

use std::collections::HashSet;
use std::fmt::Write as _;

use crate::point::number::{self, Number};

/// What a store asks of a point beyond OpenTSDB's syntax.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    /// `None`: a new metric is created, as with `tsd.core.auto_create_metrics=true`.
    pub(crate) known_metrics: Option<HashSet<String>>,
    pub(crate) max_tags: usize,
}

/// Why a point was refused; the text is OpenTSDB's, without the `put: ...: ` before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    InvalidValue(String),
    IllegalArgument(String),
    UnknownMetric(String),
}

impl Refusal {
    /// A metric that has no number, and gets none by itself.
    pub(crate) fn unknown_metric(metric: &str) -> Refusal {
        Refusal::UnknownMetric(format!("No such name for 'metrics': '{metric}'"))
    }

    /// Its words.
    pub(crate) fn text(&self) -> &str {
        match self {
            Refusal::InvalidValue(text) | Refusal::IllegalArgument(text) | Refusal::UnknownMetric(text) => text,
        }
    }
}

/// A point as it arrived, its fields still text but for the timestamp.
#[derive(Clone, Debug)]
pub(crate) struct Put<'a> {
    pub(crate) metric: &'a str,
    pub(crate) timestamp: i64,
    pub(crate) value: &'a str,
    pub(crate) tags: Tags<'a>,
}

impl<'a> Put<'a> {
    /// Reads a decoded telnet line, `put` included: single spaces part the words, empty words count.
    pub(crate) fn from_line(line: &'a str) -> Result<Put<'a>, Refusal> {
        let words: Vec<&str> = line.split(' ').collect();
        let [_, metric, timestamp, value, tags @ ..] = words.as_slice() else {
            return Err(too_few(words.len()));
        };
        if tags.is_empty() {
            return Err(too_few(words.len()));
        }
        if metric.is_empty() {
            return Err(illegal("empty metric name"));
        }
        let timestamp = timestamp_of(timestamp)?;
        if timestamp <= 0 {
            return Err(illegal(format!("invalid timestamp: {timestamp}")));
        }
        if value.is_empty() {
            return Err(illegal("empty value"));
        }
        let tags = Tags::from_words(tags)?;
        Ok(Put {
            metric,
            timestamp,
            value,
            tags,
        })
    }

    /// The same without blanks around its value: Java takes those, newlines even; a line has no room for them.
    pub(crate) fn trimmed(&self) -> Put<'a> {
        Put {
            value: self.value.trim_matches(|c| c <= ' '),
            ..self.clone()
        }
    }

    /// The line it stands for, without its newline.
    pub(crate) fn line_text(&self) -> String {
        let tags = self.tags.line_text();
        let blank = if tags.is_empty() { "" } else { " " };
        format!("put {} {} {}{blank}{tags}", self.metric, self.timestamp, self.value)
    }

    /// Everything else OpenTSDB asks of a point: its value, its timestamp's range, tags, names, the metric itself.
    pub(crate) fn check(&self, rules: &Rules) -> Result<Number, Refusal> {
        let number = Number::parse(self.value).map_err(Refusal::InvalidValue)?;
        if let Number::Float(float) = number
            && float.is_infinite()
        {
            let (metric, timestamp) = (self.metric, self.timestamp);
            let name = if float > 0.0 { "Infinity" } else { "-Infinity" };
            return Err(illegal(format!(
                "value is NaN or Infinite: {name} for metric={metric} timestamp={timestamp}"
            )));
        }
        if !(0..=MAX_TIMESTAMP).contains(&self.timestamp) {
            return Err(self.bad_timestamp(number));
        }
        self.check_names(rules)?;
        match &rules.known_metrics {
            Some(known) if !known.contains(self.metric) => Err(Refusal::unknown_metric(self.metric)),
            _ => Ok(number),
        }
    }

    fn check_names(&self, rules: &Rules) -> Result<(), Refusal> {
        let (metric, count) = (self.metric, self.tags.0.len());
        if count == 0 {
            return Err(illegal(format!("Need at least one tag (metric={metric}, tags={{}})")));
        }
        if count > rules.max_tags {
            let (max, tags) = (rules.max_tags, self.tags.java_text());
            return Err(illegal(format!(
                "Too many tags: {count} maximum allowed: {max}, tags: {tags}"
            )));
        }
        check_name("metric name", metric)?;
        for (name, value) in self.tags.java_order() {
            check_name(&format!("tag name with value [{value}]"), name)?;
            check_name(&format!("tag value with key [{name}]"), value)?;
        }
        Ok(())
    }

    fn bad_timestamp(&self, number: Number) -> Refusal {
        let kind = if self.timestamp < 0 { "negative " } else { "bad" };
        let (bytes, flags) = number.stored();
        illegal(format!(
            "{kind} timestamp={} when trying to add value={bytes:?}/{flags} to metric={}, tags={}",
            self.timestamp,
            self.metric,
            self.tags.java_text(),
        ))
    }
}

/// The largest timestamp taken: 13 digits, milliseconds.
const MAX_TIMESTAMP: i64 = 9_999_999_999_999;

/// A timestamp's number: dots are deleted first, so that `1356998400.123` is milliseconds and `1356998400.5` is 1970.
fn timestamp_of(text: &str) -> Result<i64, Refusal> {
    let number = if text.contains('.') {
        number::integer(&text.replace('.', ""))
    } else {
        number::integer(text)
    };
    number.map_err(Refusal::InvalidValue)
}

fn too_few(words: usize) -> Refusal {
    illegal(format!("not enough arguments (need least 4, got {})", words - 1))
}

fn illegal(text: impl Into<String>) -> Refusal {
    Refusal::IllegalArgument(text.into())
}

/// Letters of any script, digits and `-_./`: the same for metrics, tag names and tag values.
pub(crate) fn check_name(what: &str, name: &str) -> Result<(), Refusal> {
    if name.is_empty() {
        return Err(illegal(format!("Invalid {what}: empty string")));
    }
    match name
        .chars()
        .find(|&c| !(c.is_ascii_digit() || "-_./".contains(c) || c.is_alphabetic()))
    {
        Some(stranger) => Err(illegal(format!(
            "Invalid {what} (\"{name}\"): illegal character: {stranger}"
        ))),
        None => Ok(()),
    }
}

/// A point's tags in the order they came; printed and checked in the order of the Java map OpenTSDB keeps them in.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tags<'a>(pub(crate) Vec<(&'a str, &'a str)>);

impl<'a> Tags<'a> {
    fn from_words(words: &[&'a str]) -> Result<Tags<'a>, Refusal> {
        let mut tags = Tags::default();
        for word in words.iter().filter(|word| !word.is_empty()) {
            let (name, value) = match word.split_once('=') {
                Some((name, value)) if !name.is_empty() && !value.is_empty() && !value.contains('=') => (name, value),
                _ => return Err(illegal(format!("invalid tag: {word}"))),
            };
            match tags.0.iter().find(|(known, _)| *known == name) {
                Some((_, same)) if *same == value => {}
                Some(_) => {
                    return Err(illegal(format!("duplicate tag: {word}, tags={}", tags.java_text())));
                }
                None => tags.0.push((name, value)),
            }
        }
        Ok(tags)
    }

    /// `k=v k2=v2`, in the order they came.
    pub(crate) fn line_text(&self) -> String {
        let tags = self.0.iter().map(|(name, value)| format!("{name}={value}"));
        tags.collect::<Vec<_>>().join(" ")
    }

    /// `{k=v, k2=v2}` as Java prints its map.
    pub(crate) fn java_text(&self) -> String {
        let mut text = String::from("{");
        for (index, (name, value)) in self.java_order().into_iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            let _ = write!(text, "{comma}{name}={value}");
        }
        text + "}"
    }

    /// Of a name that comes twice the last value counts.
    pub(crate) fn last_of_each(self) -> Tags<'a> {
        Tags(last_of_each(self.0))
    }

    /// The order a Java `HashMap` yields: by bucket of a table that doubles when three quarters full.
    pub(crate) fn java_order(&self) -> Vec<(&'a str, &'a str)> {
        let mut buckets = 16;
        while self.0.len() > buckets * 3 / 4 {
            buckets *= 2;
        }
        let mut tags = self.0.clone();
        tags.sort_by_key(|(name, _)| java_hash(name) as usize & (buckets - 1));
        tags
    }
}

/// Of a name that comes twice the last value counts. A body may have a hundred thousand of them.
pub(crate) fn last_of_each<T>(tags: Vec<(&str, T)>) -> Vec<(&str, T)> {
    let mut known = HashSet::new();
    let mut last: Vec<_> = tags.into_iter().rev().filter(|(name, _)| known.insert(*name)).collect();
    last.reverse();
    last
}

fn java_hash(text: &str) -> u32 {
    let hash = text
        .encode_utf16()
        .fold(0_u32, |hash, unit| hash.wrapping_mul(31).wrapping_add(u32::from(unit)));
    hash ^ (hash >> 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_name_that_comes_twice_the_last_value_counts() {
        let tags = vec![("a", 1), ("b", 2), ("a", 3), ("c", 4), ("a", 5)];
        assert_eq!(last_of_each(tags), [("b", 2), ("c", 4), ("a", 5)]);
    }

    fn words_for(line: &str) -> String {
        let rules = Rules {
            known_metrics: Some(["m".to_owned()].into()),
            max_tags: 8,
        };
        match Put::from_line(line).and_then(|put| put.check(&rules)) {
            Ok(_) => "accepted".into(),
            Err(Refusal::InvalidValue(text)) => format!("invalid value: {text}"),
            Err(Refusal::IllegalArgument(text)) => format!("illegal argument: {text}"),
            Err(Refusal::UnknownMetric(text)) => format!("unknown metric: {text}"),
        }
    }

    #[test]
    fn the_first_fault_in_opentsdbs_order_is_the_one_reported() {
        // Too few words before an empty metric; a bad timestamp before a bad tag; a bad tag before a bad value; a bad
        // value before a bad name; a bad name before an unknown metric.
        assert_eq!(
            words_for("put "),
            "illegal argument: not enough arguments (need least 4, got 1)"
        );
        assert_eq!(words_for("put m x y h"), "invalid value: Invalid character 'x' in x");
        assert_eq!(words_for("put m 1 y h"), "illegal argument: invalid tag: h");
        assert_eq!(words_for("put m! 1 y h=a"), "invalid value: Invalid character 'y' in y");
        assert_eq!(
            words_for("put n 1 1 h=a:b"),
            "illegal argument: Invalid tag value with key [h] (\"a:b\"): illegal character: :"
        );
        assert_eq!(
            words_for("put n 1 1 h=a"),
            "unknown metric: No such name for 'metrics': 'n'"
        );
        assert_eq!(words_for("put m 1 1 h=a"), "accepted");
    }

    #[test]
    fn tags_print_in_the_order_of_a_java_map() {
        let line = "put m 1 1 t0=v t1=v t2=v t3=v t4=v t5=v t6=v t7=v t8=v";
        assert_eq!(
            words_for(line),
            "illegal argument: Too many tags: 9 maximum allowed: 8, tags: \
             {t4=v, t5=v, t6=v, t7=v, t8=v, t0=v, t1=v, t2=v, t3=v}"
        );
    }

    /// Golden: the order JDK 17 prints them in, when its table has doubled once.
    #[test]
    fn many_tags_print_in_the_order_of_a_larger_map() {
        let names = [
            "host", "dc", "rack", "cpu", "type", "env", "app", "zone", "url", "ünï", "name", "os", "ver", "x1",
        ];
        let tags = Tags(names.into_iter().map(|name| (name, "v")).collect());
        assert_eq!(
            tags.java_text(),
            "{app=v, rack=v, ver=v, os=v, cpu=v, type=v, env=v, url=v, zone=v, host=v, name=v, x1=v, ünï=v, dc=v}"
        );
    }
}
