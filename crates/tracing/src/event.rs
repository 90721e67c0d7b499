//! What an event says: numbers of metrics, and tags.

use std::fmt::{self, Write};

use tracing_core::Field;
use tracing_core::field::Visit;

/// What the prefix of a field asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Update {
    Count,
    Move,
    Set,
    Record,
}

/// The prefixes of fields that are metrics.
const PREFIXES: [(&str, Update); 4] = [
    ("monotonic_counter.", Update::Count),
    ("counter.", Update::Move),
    ("gauge.", Update::Set),
    ("histogram.", Update::Record),
];

/// What a field asks for, and the metric; `None`: it is no metric.
pub(crate) fn metric(field: &str) -> Option<(Update, &str)> {
    // Every event's fields come by here, and hardly any is one.
    if !matches!(field.as_bytes(), [b'm' | b'c' | b'g' | b'h', ..]) {
        return None;
    }
    let metric = |(prefix, update): &(&str, Update)| Some((*update, field.strip_prefix(prefix)?));
    PREFIXES.iter().find_map(metric)
}

/// The number in a field.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Number {
    Whole(u64),
    Float(f64),
}

impl Number {
    pub(crate) fn float(self) -> f64 {
        match self {
            Number::Whole(number) => number as f64,
            Number::Float(number) => number,
        }
    }
}

/// Which fields become tags.
#[derive(Clone, Debug)]
pub(crate) enum Chosen {
    These(Vec<String>),
    All,
}

impl Chosen {
    fn has(&self, field: &str) -> bool {
        match self {
            Chosen::These(names) => names.iter().any(|name| name == field),
            // What `tracing-log` adds begins with `log.`.
            Chosen::All => field != "message" && !field.starts_with("log."),
        }
    }
}

/// An event as it is read.
pub(crate) struct Read<'a> {
    chosen: &'a Chosen,
    /// Fields that are metrics; `None`: what is in it is no number.
    pub(crate) numbers: Vec<(Field, Option<Number>)>,
    pub(crate) tags: Vec<(&'static str, String)>,
}

impl<'a> Read<'a> {
    pub(crate) fn new(chosen: &'a Chosen) -> Read<'a> {
        Read {
            chosen,
            numbers: Vec::with_capacity(4),
            tags: Vec::new(),
        }
    }

    /// The tags as one text. No two lists have the same: lengths stand before what might hold anything.
    pub(crate) fn spelled(&self) -> String {
        let mut spelled = String::new();
        for (name, value) in &self.tags {
            spelled.push_str(name);
            // A string takes everything.
            let _ = write!(spelled, "\n{}\n", value.len());
            spelled.push_str(value);
        }
        spelled
    }

    fn number(&mut self, field: &Field, number: Number, text: impl FnOnce() -> String) {
        match metric(field.name()) {
            Some(_) => self.numbers.push((field.clone(), Some(number))),
            None => self.text(field, text),
        }
    }

    fn text(&mut self, field: &Field, text: impl FnOnce() -> String) {
        if metric(field.name()).is_some() {
            self.numbers.push((field.clone(), None));
        } else if self.chosen.has(field.name()) {
            self.tags.push((field.name(), text()));
        }
    }
}

impl Visit for Read<'_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.number(field, Number::Float(value), || value.to_string());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        let number = u64::try_from(value).map_or(Number::Float(value as f64), Number::Whole);
        self.number(field, number, || value.to_string());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.number(field, Number::Whole(value), || value.to_string());
    }

    fn record_i128(&mut self, field: &Field, value: i128) {
        let number = u64::try_from(value).map_or(Number::Float(value as f64), Number::Whole);
        self.number(field, number, || value.to_string());
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        let number = u64::try_from(value).map_or(Number::Float(value as f64), Number::Whole);
        self.number(field, number, || value.to_string());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.text(field, || value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.text(field, || format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prefix_of_a_field_says_what_it_is() {
        assert_eq!(
            metric("monotonic_counter.web.requests"),
            Some((Update::Count, "web.requests"))
        );
        assert_eq!(metric("counter.open"), Some((Update::Move, "open")));
        assert_eq!(metric("gauge.heat"), Some((Update::Set, "heat")));
        assert_eq!(metric("histogram.took"), Some((Update::Record, "took")));
        assert_eq!(["counter", "path", "my_counter.x"].map(metric), [None; 3]);
    }

    #[test]
    fn all_tags_are_all_but_the_message() {
        assert!(Chosen::All.has("path") && !Chosen::All.has("message") && !Chosen::All.has("log.target"));
        let these = Chosen::These(vec!["path".to_owned()]);
        assert!(these.has("path") && !these.has("user"));
    }
}
