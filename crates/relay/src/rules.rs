//! Rules: which points are forwarded, and what is changed about them, before a store or its spool sees them.
//!
//! ```text
//! keep metric=debug.db.*          kept, whatever a later drop says
//! drop metric=debug.*
//! drop tag.env=test-?
//! metric rename sys.cpu cpu       that metric alone
//! metric prefix eu. if tag.dc=eu  every metric; a condition may follow every change
//! tag add dc=eu                   unless the point has one
//! tag set tenant=a                also if the point has one
//! tag rename hostname host        unless the point has the new one
//! tag drop pod
//! ```
//!
//! A line's rules are gone through in their order. `*` is any text, `?` one character; nothing else is special. A changed line
//! is checked like any other: one that is no point then is refused with the rule's doing in its words. What a rule did is
//! counted. Lines are rewritten before the spool, so that what is sent again is the same bytes.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use potsdb_wire::{InvalidPoint, Rules as Legal, SeriesText, line};

/// One rule, and how often it did something.
#[derive(Clone, Debug)]
pub struct Rule {
    text: String,
    deed: Deed,
    condition: Option<Condition>,
    applied: Arc<AtomicU64>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Deed {
    Keep,
    Drop,
    Prefix(String),
    Rename { from: String, to: String },
    TagAdd(String, String),
    TagSet(String, String),
    TagRename { from: String, to: String },
    TagDrop(String),
}

/// `metric=GLOB` or `tag.NAME=GLOB`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Condition {
    tag: Option<String>,
    glob: String,
}

/// The parts of a line while rules change them.
struct Parts<'a> {
    metric: String,
    rest: &'a str,
    tags: Vec<(String, String)>,
    is_kept: bool,
}

/// What became of a line.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on as this; its newline included.
    Forwarded(Vec<u8>),
    /// A rule dropped it.
    Dropped,
}

impl Rule {
    /// The rule as it was written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// How often it did something.
    #[must_use]
    pub fn applied(&self) -> u64 {
        self.applied.load(Ordering::Relaxed)
    }

    /// Whether it drops points.
    #[must_use]
    pub fn drops(&self) -> bool {
        self.deed == Deed::Drop
    }

    /// Goes on counting where one of the same text was.
    pub(crate) fn inherit(&mut self, before: &[Rule]) {
        if let Some(same) = before.iter().find(|rule| rule.text == self.text) {
            self.applied = Arc::clone(&same.applied);
        }
    }

    /// Does what it says; returns false if the line ends here.
    fn apply(&self, parts: &mut Parts<'_>) -> bool {
        if self.condition.as_ref().is_some_and(|condition| !condition.holds(parts)) {
            return true;
        }
        let did = match &self.deed {
            Deed::Keep => !std::mem::replace(&mut parts.is_kept, true),
            Deed::Drop if parts.is_kept => false,
            Deed::Drop => {
                self.count();
                return false;
            }
            deed => deed.change(parts),
        };
        if did {
            self.count();
        }
        true
    }

    fn count(&self) {
        self.applied.fetch_add(1, Ordering::Relaxed);
    }
}

impl Deed {
    /// Changes a point; returns whether there was something to change.
    fn change(&self, parts: &mut Parts<'_>) -> bool {
        let at = |parts: &Parts<'_>, wanted: &str| parts.tags.iter().position(|(name, _)| name == wanted);
        match self {
            Deed::Keep | Deed::Drop => return false,
            Deed::Prefix(prefix) => parts.metric.insert_str(0, prefix),
            Deed::Rename { from, to } if parts.metric == *from => parts.metric.clone_from(to),
            Deed::Rename { .. } => return false,
            Deed::TagAdd(name, value) => match at(parts, name) {
                Some(_) => return false,
                None => parts.tags.push((name.clone(), value.clone())),
            },
            Deed::TagSet(name, value) => match at(parts, name) {
                Some(index) if parts.tags[index].1 == *value => return false,
                Some(index) => parts.tags[index].1.clone_from(value),
                None => parts.tags.push((name.clone(), value.clone())),
            },
            Deed::TagRename { from, to } => match (at(parts, from), at(parts, to)) {
                (Some(index), None) => parts.tags[index].0.clone_from(to),
                _ => return false,
            },
            Deed::TagDrop(name) => match at(parts, name) {
                Some(index) => drop(parts.tags.remove(index)),
                None => return false,
            },
        }
        true
    }
}

impl Condition {
    fn holds(&self, parts: &Parts<'_>) -> bool {
        match &self.tag {
            None => matches(self.glob.as_bytes(), parts.metric.as_bytes()),
            Some(tag) => {
                let value = parts.tags.iter().find(|(name, _)| name == tag);
                value.is_some_and(|(_, value)| matches(self.glob.as_bytes(), value.as_bytes()))
            }
        }
    }
}

/// Takes one line, with or without `put `, through the rules.
///
/// # Errors
///
/// It is no point, or is none after what the rules made of it.
pub fn apply(rules: &[Rule], legal: &Legal, input: &[u8]) -> Result<Verdict, InvalidPoint> {
    let (mut canonical, mut scratch) = (Vec::new(), SeriesText::new());
    // Names and tags that are there too many may go.
    let lenient = Legal::new(legal.names, 0);
    line::canonical_with(&mut scratch, &lenient, input, &mut canonical)?;
    let point = line::parse(&canonical)?;
    let text = std::str::from_utf8(&canonical).unwrap_or_default();
    let start = "put ".len() + point.metric.len();
    let timed = &text[start..];
    let end = timed.match_indices(' ').nth(2).map_or(timed.len(), |(index, _)| index);
    let mut parts = Parts {
        metric: point.metric.to_owned(),
        rest: &timed[..end],
        tags: point
            .tags
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
        is_kept: false,
    };
    for rule in rules {
        if !rule.apply(&mut parts) {
            return Ok(Verdict::Dropped);
        }
    }
    let mut changed = Vec::with_capacity(canonical.len());
    let made = parts.line();
    line::canonical_with(&mut scratch, legal, made.as_bytes(), &mut changed)?;
    Ok(Verdict::Forwarded(changed))
}

impl Parts<'_> {
    fn line(&self) -> String {
        let mut line = format!("put {}{}", self.metric, self.rest);
        for (name, value) in &self.tags {
            for part in [" ", name, "=", value] {
                line.push_str(part);
            }
        }
        line
    }
}

/// Whether a text is what a pattern says: `*` is any text, `?` one byte.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut seen) = (0, 0);
    // Where the last `*` stands, and how much of the text it has taken.
    let mut star: Option<(usize, usize)> = None;
    while seen < text.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, seen));
                at += 1;
            }
            Some(&byte) if byte == b'?' || byte == text[seen] => (at, seen) = (at + 1, seen + 1),
            _ => match star {
                Some((place, taken)) => {
                    star = Some((place, taken + 1));
                    (at, seen) = (place + 1, taken + 1);
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|&byte| byte == b'*')
}

/// A text that is no rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoRule(String);

impl fmt::Display for NoRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} is no rule: \"keep CONDITION\", \"drop CONDITION\", \"metric prefix TEXT\", \"metric rename OLD NEW\", \
             \"tag add NAME=VALUE\", \"tag set NAME=VALUE\", \"tag rename OLD NEW\" or \"tag drop NAME\" is expected, the last six with \
             or without \"if CONDITION\"; a condition is metric=GLOB or tag.NAME=GLOB",
            self.0
        )
    }
}

impl std::error::Error for NoRule {}

impl FromStr for Rule {
    type Err = NoRule;

    fn from_str(text: &str) -> Result<Rule, NoRule> {
        let wrong = || NoRule(text.to_owned());
        let words: Vec<&str> = text.split_whitespace().collect();
        let (words, condition) = match words[..] {
            [ref before @ .., "if", condition] => (before, Some(condition)),
            _ => (&words[..], None),
        };
        let pair = |text: &str| {
            text.split_once('=')
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
        };
        let mut condition = condition
            .map(|text| Condition::read(text).ok_or_else(wrong))
            .transpose()?;
        let deed = match *words {
            [filter @ ("keep" | "drop"), what] if condition.is_none() => {
                condition = Some(Condition::read(what).ok_or_else(wrong)?);
                if filter == "keep" { Deed::Keep } else { Deed::Drop }
            }
            ["metric", "prefix", prefix] => Deed::Prefix(prefix.to_owned()),
            ["metric", "rename", from, to] => Deed::Rename {
                from: from.to_owned(),
                to: to.to_owned(),
            },
            ["tag", "add", tag] => pair(tag)
                .map(|(name, value)| Deed::TagAdd(name, value))
                .ok_or_else(wrong)?,
            ["tag", "set", tag] => pair(tag)
                .map(|(name, value)| Deed::TagSet(name, value))
                .ok_or_else(wrong)?,
            ["tag", "rename", from, to] => Deed::TagRename {
                from: from.to_owned(),
                to: to.to_owned(),
            },
            ["tag", "drop", name] => Deed::TagDrop(name.to_owned()),
            _ => return Err(wrong()),
        };
        Ok(Rule {
            text: text.to_owned(),
            deed,
            condition,
            applied: Arc::default(),
        })
    }
}

impl Condition {
    fn read(text: &str) -> Option<Condition> {
        let (of, glob) = text.split_once('=')?;
        let tag = match of {
            "metric" => None,
            of => Some(of.strip_prefix("tag.").filter(|name| !name.is_empty())?.to_owned()),
        };
        Some(Condition {
            tag,
            glob: glob.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(texts: &[&str]) -> Vec<Rule> {
        texts.iter().map(|text| text.parse().expect(text)).collect()
    }

    fn through(texts: &[&str], line: &str) -> String {
        match apply(&rules(texts), &Legal::default(), line.as_bytes()) {
            Ok(Verdict::Forwarded(line)) => String::from_utf8(line).expect("text"),
            Ok(Verdict::Dropped) => "dropped".into(),
            Err(error) => error.to_string(),
        }
    }

    const LINE: &str = "put sys.cpu 1767225600 0.5 host=a env=test-1";

    #[test]
    fn each_rule_does_what_it_says() {
        for (rule, becomes) in [
            ("drop metric=sys.*", "dropped"),
            ("drop metric=sys.cpu", "dropped"),
            ("drop metric=*cpu", "dropped"),
            ("drop metric=sys", LINE),
            ("drop tag.env=test-?", "dropped"),
            ("drop tag.env=test", LINE),
            ("drop tag.pod=*", LINE),
            ("keep metric=*", LINE),
            ("metric prefix eu.", "put eu.sys.cpu 1767225600 0.5 host=a env=test-1"),
            ("metric prefix eu. if tag.host=b", LINE),
            ("metric rename sys.cpu cpu", "put cpu 1767225600 0.5 host=a env=test-1"),
            ("metric rename sys.mem mem", LINE),
            ("tag add dc=eu", "put sys.cpu 1767225600 0.5 host=a env=test-1 dc=eu"),
            ("tag add env=prod", LINE),
            ("tag set env=prod", "put sys.cpu 1767225600 0.5 host=a env=prod"),
            (
                "tag set dc=eu if metric=sys.*",
                "put sys.cpu 1767225600 0.5 host=a env=test-1 dc=eu",
            ),
            ("tag rename env stage", "put sys.cpu 1767225600 0.5 host=a stage=test-1"),
            ("tag rename env host", LINE),
            ("tag drop env", "put sys.cpu 1767225600 0.5 host=a"),
            ("tag drop pod", LINE),
        ] {
            assert_eq!(through(&[rule], LINE).trim_end(), becomes, "{rule}");
        }
    }

    #[test]
    fn the_first_filter_that_matches_decides_and_changes_follow_each_other() {
        assert_eq!(through(&["keep tag.host=a", "drop metric=*"], LINE).trim_end(), LINE);
        assert_eq!(through(&["drop metric=*", "keep tag.host=a"], LINE), "dropped");
        let changes = [
            "metric rename sys.cpu cpu",
            "metric prefix a. if metric=cpu",
            "tag drop host",
            "tag add host=b",
        ];
        assert_eq!(through(&changes, LINE), "put a.cpu 1767225600 0.5 env=test-1 host=b\n");
    }

    #[test]
    fn a_line_that_is_no_point_after_its_rules_is_refused() {
        assert!(through(&["tag drop host", "tag drop env"], LINE).contains("tag"));
        assert!(through(&["metric prefix a=b"], LINE).contains("metric"));
        assert!(through(&[], "put m x 1 h=a").contains("timestamp"));
        let many: String = (0..9).map(|n| format!(" t{n}=a")).collect();
        let line = format!("put m 1767225600 1{many}");
        assert!(through(&[], &line).contains("tags"));
        assert!(
            through(&["tag drop t0"], &line).starts_with("put m "),
            "one of too many may go"
        );
    }

    #[test]
    fn what_a_rule_did_is_counted_also_by_the_next_one_of_the_same_text() {
        let before = rules(&["drop metric=a", "tag add dc=eu"]);
        for metric in ["a", "b", "b"] {
            let line = format!("put {metric} 1767225600 1 h=a");
            apply(&before, &Legal::default(), line.as_bytes()).expect("a point");
        }
        let mut after = rules(&["tag add dc=eu", "drop metric=c"]);
        after.iter_mut().for_each(|rule| rule.inherit(&before));
        assert_eq!((before[0].applied(), after[0].applied(), after[1].applied()), (1, 2, 0));
    }

    #[test]
    fn what_is_no_rule_is_named() {
        for wrong in [
            "",
            "drop",
            "drop sys.*",
            "drop tag.=a",
            "keep metric=a if tag.b=c",
            "tag add dc",
            "tag",
            "metric prefix",
            "tag drop a b",
            "metric prefix a if b",
        ] {
            assert!(wrong.parse::<Rule>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_pattern_matches_in_time_that_does_not_explode() {
        assert!(matches(b"*", b"") && matches(b"a*b?c", b"axxbyc") && !matches(b"a?", b"a") && !matches(b"", b"a"));
        assert!(!matches(&b"a*".repeat(50), &b"a".repeat(40)) && matches(b"**a**", b"bab"));
    }
}
