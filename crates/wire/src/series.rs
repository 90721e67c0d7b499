//! What a series looks like on a line: everything but timestamp and value.
//!
//! ```text
//! put web.latency 1767225600 0.0123 path=/login host=web01\n
//! ^--- head ----^                  ^------- tail --------^
//! ```
//!
//! Head and tail lie one behind the other in one run of bytes, checked once, so that a point costs four copies and no
//! look at a name. Called on the caller's thread, per call or once per series; the text is a scratch that keeps its room.

use crate::{
    MAX_LINE,
    error::{Field, InvalidPoint, excerpt},
    name::{Place, Rules, find_illegal, refuse, repair},
    value::Value,
};

mod cut;

/// The part of a line that all points of a series share: `put <metric> ` and ` <name>=<value>...\n`.
///
/// Make it in this order: [`metric`](Self::metric), [`tag`](Self::tag) for each, [`finish`](Self::finish). A refused
/// tag leaves the text as it was before; [`metric`](Self::metric) begins a new one.
///
/// ```
/// use potsdb_wire::{Rules, SeriesText};
///
/// let (rules, mut series) = (Rules::default(), SeriesText::new());
/// series.metric(&rules, "shop.", "web.latency")?;
/// series.tag(&rules, "path", "/login")?;
/// series.finish(&rules)?;
/// assert_eq!((series.head(), series.tail()), (&b"put shop.web.latency "[..], &b" path=/login\n"[..]));
/// # Ok::<(), potsdb_wire::InvalidPoint>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct SeriesText {
    bytes: Vec<u8>,
    head_len: usize,
    tags: usize,
    names: NameBits,
    replaced: u32,
}

impl SeriesText {
    /// Makes an empty text; it allocates at the first [`metric`](Self::metric).
    pub fn new() -> Self {
        Self::default()
    }

    /// Empties the text and keeps its room.
    #[inline]
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.head_len = 0;
        self.tags = 0;
        self.names = NameBits::default();
        self.replaced = 0;
    }

    /// Begins a new text with the metric `prefix` + `metric`.
    #[inline]
    pub fn metric(&mut self, rules: &Rules, prefix: &str, metric: &str) -> Result<(), InvalidPoint> {
        self.metric_bytes(rules, prefix.as_bytes(), metric.as_bytes())
    }

    /// Adds a tag; the tags stand on the line in the order they were added.
    #[inline]
    pub fn tag(&mut self, rules: &Rules, name: &str, value: &str) -> Result<(), InvalidPoint> {
        self.tag_bytes(rules, name.as_bytes(), value.as_bytes())
    }

    /// Returns whether a tag of this name was added.
    pub fn has_tag(&self, name: &str) -> bool {
        has_tag(&self.bytes[self.head_len..], name.as_bytes())
    }

    /// Checks the text as a whole and ends it with the newline.
    ///
    /// Refuses a text without tags, with more than `rules.max_tags`, or too long for even the shortest timestamp and
    /// value; whether a given point fits is [`check_length`]'s to say. With `rules.repair` a text too long for the
    /// longest timestamp and value is cut until every point fits, its longest names first.
    #[inline]
    pub fn finish(&mut self, rules: &Rules) -> Result<(), InvalidPoint> {
        if rules.repair {
            self.finish_for(rules, 13, Value::MAX_LEN)
        } else {
            self.finish_for(rules, 10, 1)
        }
    }

    /// Returns `put <metric> `, its last space included.
    #[inline]
    pub fn head(&self) -> &[u8] {
        &self.bytes[..self.head_len]
    }

    /// Returns ` <name>=<value>...\n`, its first space included.
    #[inline]
    pub fn tail(&self) -> &[u8] {
        &self.bytes[self.head_len..]
    }

    /// Returns head and tail in one piece: what makes two series the same.
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns where in [`bytes`](Self::bytes) the head ends.
    #[inline]
    pub fn head_len(&self) -> usize {
        self.head_len
    }

    /// Returns the same finished text with another value of its last tag, which has to be legal.
    #[must_use]
    pub fn with_last_value(&self, value: &str) -> Self {
        let mut text = self.clone();
        let start = memchr::memrchr(b'=', &text.bytes).map_or(text.bytes.len(), |equals| equals + 1);
        text.bytes.truncate(start);
        text.bytes.extend_from_slice(value.as_bytes());
        text.bytes.push(b'\n');
        text
    }

    /// Returns how many characters were replaced and names cut since the text was begun.
    #[inline]
    pub fn replaced(&self) -> u32 {
        self.replaced
    }

    #[inline]
    pub(crate) fn metric_bytes(&mut self, rules: &Rules, prefix: &[u8], metric: &[u8]) -> Result<(), InvalidPoint> {
        self.clear();
        self.bytes.extend_from_slice(PUT);
        self.bytes.extend_from_slice(prefix);
        self.bytes.extend_from_slice(metric);
        if metric.is_empty() {
            if !rules.repair {
                self.clear();
                return Err(InvalidPoint::empty(Field::Metric));
            }
            self.bytes.push(b'_');
            self.replaced += 1;
        }
        if let Err(error) = self.check(rules, Place::Metric, PUT.len(), || Field::Metric) {
            self.clear();
            return Err(error);
        }
        self.bytes.push(b' ');
        self.head_len = self.bytes.len();
        Ok(())
    }

    #[inline]
    pub(crate) fn tag_bytes(&mut self, rules: &Rules, name: &[u8], value: &[u8]) -> Result<(), InvalidPoint> {
        if self.is_finished() {
            self.bytes.pop();
        }
        let (len, replaced) = (self.bytes.len(), self.replaced);
        let added = self.add_tag(rules, name, value);
        if added.is_err() {
            self.bytes.truncate(len);
            self.replaced = replaced;
        }
        added
    }

    fn add_tag(&mut self, rules: &Rules, name: &[u8], value: &[u8]) -> Result<(), InvalidPoint> {
        let start = self.bytes.len();
        self.bytes.push(b' ');
        self.bytes.extend_from_slice(name);
        self.check(rules, Place::TagName, start + 1, || Field::TagName)?;
        let (tail, name_on_line) = self.bytes[self.head_len..].split_at(start - self.head_len);
        if self.names.may_repeat(&name_on_line[1..]) && has_tag(tail, &name_on_line[1..]) {
            return Err(given_twice(&name_on_line[1..]));
        }
        self.bytes.push(b'=');
        let value_start = self.bytes.len();
        self.bytes.extend_from_slice(value);
        self.check(rules, Place::TagValue, value_start, || {
            Field::TagValue(String::from_utf8_lossy(name).into())
        })?;
        self.tags += 1;
        Ok(())
    }

    /// Checks the name that ends the bytes so far, and repairs it where the rules say so.
    #[inline]
    fn check(
        &mut self,
        rules: &Rules,
        place: Place,
        start: usize,
        field: impl FnOnce() -> Field,
    ) -> Result<(), InvalidPoint> {
        let text = &self.bytes[start..];
        let illegal = find_illegal(rules.names, place, text);
        if illegal.is_none() && !text.is_empty() {
            return Ok(());
        }
        if rules.repair {
            let text = self.bytes.split_off(start);
            self.replaced += repair(rules.names, place, &text, &mut self.bytes);
            return Ok(());
        }
        Err(match illegal {
            Some(offset) => refuse(rules.names, place, field(), text, offset),
            None => InvalidPoint::empty(field()),
        })
    }

    /// Finishes the text for timestamps and values of these lengths.
    #[inline]
    pub(crate) fn finish_for(&mut self, rules: &Rules, timestamp: usize, value: usize) -> Result<(), InvalidPoint> {
        if self.head_len == 0 {
            return Err(InvalidPoint::empty(Field::Metric));
        }
        if self.tags == 0 {
            return Err(no_tag(&self.bytes[PUT.len()..self.head_len - 1]));
        }
        if rules.max_tags != 0 && self.tags > rules.max_tags {
            return Err(too_many_tags(self.tags, rules.max_tags));
        }
        if !self.is_finished() {
            self.bytes.push(b'\n');
        }
        let tail = self.bytes.len() - self.head_len;
        let fits = check_length(self.head_len, timestamp, value, tail);
        if fits.is_ok() || !rules.repair {
            return fits;
        }
        let room = MAX_LINE.saturating_sub(timestamp + value);
        // One space is not in the bytes yet, one newline does not count.
        self.cut(self.bytes.len() - room);
        check_length(self.head_len, timestamp, value, self.bytes.len() - self.head_len)?;
        self.check_still_distinct()
    }

    #[inline]
    fn is_finished(&self) -> bool {
        self.bytes.last() == Some(&b'\n')
    }
}

/// Checks that a line of parts of these lengths fits [`MAX_LINE`]; the tail's newline does not count.
#[inline]
pub fn check_length(head: usize, timestamp: usize, value: usize, tail: usize) -> Result<(), InvalidPoint> {
    // The space before the value stands for the newline that does not count.
    let len = head + timestamp + value + tail;
    if len <= MAX_LINE { Ok(()) } else { Err(too_long(len)) }
}

/// A filter in front of [`has_tag`]: of two names with different bits nobody has to ask whether they are the same.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct NameBits(u64);

impl NameBits {
    /// Every name may have been added before.
    pub(crate) const FULL: Self = Self(u64::MAX);

    /// Adds a name, and returns whether it may have been added before.
    #[inline]
    pub(crate) fn may_repeat(&mut self, name: &[u8]) -> bool {
        let (first, last) = (name[0] as usize, name[name.len() - 1] as usize);
        let bit = 1 << ((first ^ last << 2 ^ name.len() << 4) % 64);
        let may_repeat = self.0 & bit != 0;
        self.0 |= bit;
        may_repeat
    }
}

/// Returns whether ` <name>=<value>...` holds a tag of this name.
pub(crate) fn has_tag(tags: &[u8], name: &[u8]) -> bool {
    let mut rest = tags;
    while let [b' ', tag @ ..] = rest {
        if tag.strip_prefix(name).is_some_and(|after| after.first() == Some(&b'=')) {
            return true;
        }
        let end = tag.iter().position(|&byte| byte == b' ').unwrap_or(tag.len());
        rest = &tag[end..];
    }
    false
}

/// Returns whether ` <name>=<value>...` holds this tag.
pub(crate) fn has_same_tag(tags: &[u8], name: &[u8], value: &[u8]) -> bool {
    let mut tags = tags.split(|&byte| byte == b' ');
    tags.any(|tag| tag.strip_prefix(name).and_then(|rest| rest.strip_prefix(b"=")) == Some(value))
}

#[cold]
pub(crate) fn given_twice(name: &[u8]) -> InvalidPoint {
    let fault = format!("{} is given twice", excerpt(name, 0));
    InvalidPoint::new(Field::TagName, fault, "a point has one tag of a name")
}

#[cold]
fn no_tag(metric: &[u8]) -> InvalidPoint {
    // Programs written for potsdb 1.0.3 look for the first five words.
    let fault = format!("Need at least one tag, {} has none", excerpt(metric, 0));
    InvalidPoint::new(Field::Tags, fault, "a point has a tag or more")
}

#[cold]
fn too_many_tags(tags: usize, max: usize) -> InvalidPoint {
    let fault = format!("{tags} of them, at most {max} are allowed");
    InvalidPoint::new(
        Field::Tags,
        fault,
        "the limit is the option max_tags, and the server has its own",
    )
}

/// What every line begins with.
pub(crate) const PUT: &[u8] = b"put ";

#[cold]
pub(crate) fn too_long(len: usize) -> InvalidPoint {
    InvalidPoint::new(Field::Line, format!("{len} bytes long"), "at most 1024 are allowed")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::Names;

    fn text(rules: &Rules, metric: &str, tags: &[(&str, &str)]) -> Result<SeriesText, InvalidPoint> {
        let mut series = SeriesText::new();
        series.metric(rules, "", metric)?;
        for (name, value) in tags {
            series.tag(rules, name, value)?;
        }
        series.finish(rules)?;
        Ok(series)
    }

    fn repairing() -> Rules {
        Rules {
            names: Names::Ascii,
            repair: true,
            ..Rules::default()
        }
    }

    #[test]
    fn head_and_tail_are_the_line_around_timestamp_and_value() {
        let series = text(&Rules::default(), "m", &[("b", "2"), ("a", "1")]).unwrap();
        assert_eq!(series.head(), b"put m ");
        assert_eq!(series.tail(), b" b=2 a=1\n");
        assert_eq!(series.bytes(), b"put m  b=2 a=1\n");
        assert_eq!(series.head_len(), 6);
    }

    #[test]
    fn the_prefix_is_part_of_the_metric_and_is_checked() {
        let rules = Rules::default();
        let mut series = SeriesText::new();
        series.metric(&rules, "app.", "m").unwrap();
        assert_eq!(series.head(), b"put app.m ");
        assert_eq!(series.metric(&rules, "a b.", "m").unwrap_err().offset(), Some(1));
        assert_eq!(series.metric(&rules, "app.", "").unwrap_err().field(), &Field::Metric);
    }

    #[test]
    fn a_refused_tag_leaves_the_text_as_it_was() {
        let rules = Rules::default();
        let mut series = SeriesText::new();
        series.metric(&rules, "", "m").unwrap();
        series.tag(&rules, "host", "a").unwrap();
        for (name, value) in [
            ("host", "b"),
            ("x", ""),
            ("", "x"),
            ("x y", "z"),
            ("x", "a b"),
            ("x", "a\nput"),
        ] {
            series.tag(&rules, name, value).unwrap_err();
            assert_eq!(series.bytes(), b"put m  host=a");
        }
        series.finish(&rules).unwrap();
        assert_eq!(series.tail(), b" host=a\n");
        assert!(series.has_tag("host"));
        assert!(!series.has_tag("hos"));
        assert!(!series.has_tag("a"));
    }

    #[test]
    fn finish_twice_changes_nothing_and_a_later_tag_still_counts() {
        let rules = Rules::default();
        let mut series = text(&rules, "m", &[("a", "1")]).unwrap();
        series.finish(&rules).unwrap();
        assert_eq!(series.tail(), b" a=1\n");
        series.tag(&rules, "b", "2").unwrap();
        series.finish(&rules).unwrap();
        assert_eq!(series.tail(), b" a=1 b=2\n");
    }

    #[test]
    fn words_old_programs_look_for_are_kept() {
        let rules = Rules::default();
        let error = text(&rules, "a b", &[]).unwrap_err();
        assert!(error.to_string().contains("invalid metric name"), "{error}");
        let error = text(&rules, "m", &[]).unwrap_err();
        assert!(error.to_string().contains("Need at least one tag"), "{error}");
    }

    #[test]
    fn max_tags_is_a_limit_unless_it_is_zero() {
        let names: Vec<String> = (0..9).map(|n| format!("t{n}")).collect();
        let tags: Vec<_> = names.iter().map(|name| (name.as_str(), "v")).collect();
        text(&Rules::default(), "m", &tags[..8]).unwrap();
        assert_eq!(text(&Rules::default(), "m", &tags).unwrap_err().field(), &Field::Tags);
        let unlimited = Rules {
            max_tags: 0,
            ..Rules::default()
        };
        text(&unlimited, "m", &tags).unwrap();
    }

    #[test]
    fn the_longest_series_leaves_room_for_the_shortest_point() {
        let fixed = "put m 1700000000 1 t=".len();
        let longest = "v".repeat(MAX_LINE - fixed);
        text(&Rules::default(), "m", &[("t", &longest)]).unwrap();
        let error = text(&Rules::default(), "m", &[("t", &(longest + "v"))]).unwrap_err();
        assert_eq!(error.field(), &Field::Line);
    }

    #[test]
    fn repair_replaces_counts_and_never_touches_what_is_legal() {
        let rules = repairing();
        let series = text(&rules, "a b", &[("x=y", "1\n2"), ("e", ""), ("", "f")]).unwrap();
        assert_eq!(series.bytes(), b"put a_b  x_y=1_2 e=_ _=f\n");
        assert_eq!(series.replaced(), 5);
        assert_eq!(text(&rules, "a", &[("b", "c:d")]).unwrap().replaced(), 0);
        text(&rules, "a", &[("x y", "1"), ("x_y", "2")]).unwrap_err();
    }
}
