//! The put line: parts to bytes, bytes to parts, and foreign lines to canonical ones.
//!
//! ```text
//! put <metric> <timestamp> <value> <name>=<value>[ <name>=<value>...]\n
//! ```
//!
//! Canonical is: lower-case `put`, one space between fields, none elsewhere, no carriage return, a portable value, a
//! timestamp of 10 or 13 digits, legal names, at least one tag, no tag's name twice, at most [`MAX_LINE`] bytes. The
//! queue, the spool, the wire and every retry hold exactly these bytes. On the way there [`Additions`] may go in.
//!
//! One scan decides whether a line is canonical and finds its parts; [`canonical`] and [`parse`] both stand on it. What
//! fails the scan takes the slow way through [`SeriesText`], which rewrites the line or says what is wrong with it.

use crate::{
    MAX_LINE, copy,
    error::{Field, InvalidPoint, excerpt},
    name::{Names, Place, Rules, legal_len},
    series::{NameBits, PUT, SeriesText, has_same_tag, has_tag, too_long},
    timestamp::Timestamp,
    value::{
        Value,
        decimal::{is_within_bounds, portable, portable_len, portable_value},
    },
};

/// The parts of a put line.
///
/// ```
/// use potsdb_wire::line;
///
/// let line = line::parse(b"put web.latency 1767225600 0.0123 path=/login\n")?;
/// assert_eq!((line.metric, line.value().as_f64()), ("web.latency", 0.0123));
/// assert_eq!(line.tags.collect::<Vec<_>>(), [("path", "/login")]);
/// # Ok::<(), potsdb_wire::InvalidPoint>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Line<'a> {
    /// The metric's name.
    pub metric: &'a str,
    /// The time.
    pub timestamp: Timestamp,
    /// The value's text, as it stands on the line.
    pub value: &'a str,
    /// The tags, in the order they stand on the line.
    pub tags: Tags<'a>,
}

impl Line<'_> {
    /// Returns the value as a number.
    pub fn value(&self) -> Value {
        portable_value(self.value.as_bytes()).expect("a line's value was read when the line was")
    }
}

/// The tags of a line: an iterator over names and values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tags<'a>(&'a str);

impl<'a> Iterator for Tags<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.0.strip_prefix(' ')?;
        let end = memchr::memchr(b' ', rest.as_bytes()).unwrap_or(rest.len());
        self.0 = &rest[end..];
        rest[..end].split_once('=')
    }
}

/// Appends the line of these parts; `head` and `tail` are a finished [`SeriesText`]'s.
///
/// The caller has asked [`check_length`](crate::check_length) whether it fits.
#[inline]
pub fn render(head: &[u8], timestamp: &[u8], value: &[u8], tail: &[u8], out: &mut Vec<u8>) {
    debug_assert_eq!(tail.last(), Some(&b'\n'), "the series is not finished");
    out.reserve(head.len() + timestamp.len() + 1 + value.len() + tail.len());
    out.extend_from_slice(head);
    out.extend_from_slice(timestamp);
    out.push(b' ');
    out.extend_from_slice(value);
    out.extend_from_slice(tail);
}

/// The longest text between a series' head and tail, `<timestamp> <value>`.
pub const MIDDLE_LEN: usize = 13 + 1 + Value::MAX_LEN;

/// Writes the line of a finished series' point to the front of `buffer` and returns it, newline included.
///
/// A line longer than [`MAX_LINE`] is refused; a buffer that the series' text and [`MIDDLE_LEN`] bytes do not fit in is the
/// caller's mistake. For whoever hands the line on at once; [`render`] appends to what is there.
#[inline]
pub fn write<'a>(
    series: &SeriesText,
    timestamp: Timestamp,
    value: Value,
    buffer: &'a mut [u8],
) -> Result<&'a [u8], InvalidPoint> {
    const HOLDS: &str = "the buffer holds the series' text and the longest timestamp, a space and the longest value";
    let (head, tail) = (series.head(), series.tail());
    copy::short(head, buffer);
    let mut len = head.len();
    len += timestamp.text(buffer[len..].first_chunk_mut().expect(HOLDS)).len();
    buffer[len] = b' ';
    len += 1;
    len += value.text(buffer[len..].first_chunk_mut().expect(HOLDS)).len();
    copy::short(tail, &mut buffer[len..]);
    len += tail.len();
    // The newline does not count.
    if len > MAX_LINE + 1 {
        return Err(too_long(len - 1));
    }
    Ok(&buffer[..len])
}

/// Reads a canonical line, its newline optional, into its parts, without copying.
///
/// Names may be whatever [`Names::Utf8`] allows, in any number.
pub fn parse(line: &[u8]) -> Result<Line<'_>, InvalidPoint> {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    if let Some(body) = line.strip_prefix(PUT)
        && let Some(parts) = scan(&WIDEST, body)
    {
        let text = str::from_utf8(body).expect("scanned characters are UTF-8");
        return Ok(Line {
            metric: &text[..parts.metric_end],
            timestamp: parts.timestamp,
            value: &text[parts.value_start..parts.value_end],
            tags: Tags(&text[parts.value_end..]),
        });
    }
    Err(not_canonical(line))
}

/// What goes into every line: a prefix of its metric, and tags behind its own.
///
/// A tag whose name the line has already is left out, and so is one whose name was added before.
///
/// ```
/// use potsdb_wire::{Additions, Rules, SeriesText, line};
///
/// let additions = Additions::new("shop.", [("dc", "eu")]);
/// let mut out = Vec::new();
/// let input = b"web.latency 1767225600 0.0123";
/// line::extended_with(&mut SeriesText::new(), &Rules::default(), &additions, input, &mut out)?;
/// assert_eq!(out, b"put shop.web.latency 1767225600 0.0123 dc=eu\n");
/// # Ok::<(), potsdb_wire::InvalidPoint>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Additions {
    prefix: String,
    tags: Vec<(String, String)>,
}

impl Additions {
    /// Makes them of parts that are legal under the rules of the lines they go into, as [`SeriesText`] checks them.
    pub fn new<K: Into<String>, V: Into<String>>(prefix: &str, tags: impl IntoIterator<Item = (K, V)>) -> Self {
        let tags = tags.into_iter().map(|(name, value)| (name.into(), value.into()));
        Self {
            prefix: prefix.to_owned(),
            tags: tags.collect(),
        }
    }

    /// Returns the tags by name and value, in their order.
    #[inline]
    pub fn tags(&self) -> impl Iterator<Item = (&str, &str)> {
        self.tags.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Returns whether every line stays as it is.
    pub fn is_empty(&self) -> bool {
        self.prefix.is_empty() && self.tags.is_empty()
    }

    /// Appends a canonical line with what goes into it. Appends nothing, and returns false, if it becomes too long or
    /// gets too many tags.
    fn extend(&self, rules: &Rules, body: &[u8], parts: &Parts, out: &mut Vec<u8>) -> bool {
        let start = out.len();
        out.extend_from_slice(PUT);
        out.extend_from_slice(self.prefix.as_bytes());
        out.extend_from_slice(body);
        let tags_start = out.len() - (body.len() - parts.value_end);
        for (name, value) in &self.tags {
            if !has_tag(&out[tags_start..], name.as_bytes()) {
                for part in [" ", name, "=", value] {
                    out.extend_from_slice(part.as_bytes());
                }
            }
        }
        let tags = memchr::memchr_iter(b' ', &out[tags_start..]).count();
        let fits = out.len() - start <= MAX_LINE && (rules.max_tags == 0 || tags <= rules.max_tags);
        match fits {
            true => out.push(b'\n'),
            false => out.truncate(start),
        }
        fits
    }
}

/// Appends the canonical form of one line: with or without `put `, without its newline.
///
/// Blanks around fields and one carriage return at the end go, and so does a tag that is there twice with one value. A
/// value that not every server reads is rewritten to the same number, seconds with decimals to milliseconds; everything
/// else stays byte for byte. A refused line appends nothing. A metric named `put` needs the command before it.
///
/// ```
/// use potsdb_wire::{Rules, line};
///
/// let mut out = Vec::new();
/// line::canonical(&Rules::default(), b" web.latency  1767225600.5 .0123 path=/login\r", &mut out)?;
/// assert_eq!(out, b"put web.latency 1767225600500 0.0123 path=/login\n");
/// # Ok::<(), potsdb_wire::InvalidPoint>(())
/// ```
pub fn canonical(rules: &Rules, input: &[u8], out: &mut Vec<u8>) -> Result<(), InvalidPoint> {
    canonical_with(&mut SeriesText::new(), rules, input, out)
}

/// The same as [`canonical`], with a scratch that lines in need of rewriting reuse.
///
/// Afterwards `scratch.replaced()` tells how many characters of this line `rules.repair` replaced.
pub fn canonical_with(
    scratch: &mut SeriesText,
    rules: &Rules,
    input: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), InvalidPoint> {
    scratch.clear();
    let body = input.strip_prefix(PUT).unwrap_or(input);
    if scan(rules, body).is_some() {
        out.reserve(PUT.len() + body.len() + 1);
        out.extend_from_slice(PUT);
        out.extend_from_slice(body);
        out.push(b'\n');
        return Ok(());
    }
    rewrite(scratch, rules, &Additions::default(), input, out)
}

/// The same as [`canonical_with`], with `additions` in the line. A line without tags may be legal with them.
pub fn extended_with(
    scratch: &mut SeriesText,
    rules: &Rules,
    additions: &Additions,
    input: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), InvalidPoint> {
    scratch.clear();
    let body = input.strip_prefix(PUT).unwrap_or(input);
    if let Some(parts) = scan(rules, body)
        && additions.extend(rules, body, &parts, out)
    {
        return Ok(());
    }
    rewrite(scratch, rules, additions, input, out)
}

/// The same as [`extended_with`], and leaves the line's series, finished, in `scratch`. Returns the line's time.
pub fn extended_series(
    scratch: &mut SeriesText,
    rules: &Rules,
    additions: &Additions,
    input: &[u8],
    out: &mut Vec<u8>,
) -> Result<Timestamp, InvalidPoint> {
    scratch.clear();
    let start = out.len();
    rewrite(scratch, rules, additions, input, out)?;
    let time = &out[start + scratch.head().len()..];
    let end = memchr::memchr(b' ', time).unwrap_or(time.len());
    Ok(Timestamp::from_digits(&time[..end]).expect("a canonical line has a legal time"))
}

/// Where the parts of a canonical line lie, counted from its metric on.
struct Parts {
    metric_end: usize,
    timestamp: Timestamp,
    value_start: usize,
    value_end: usize,
}

/// Finds the parts of a line that is canonical under these rules, its `put ` and newline taken off.
fn scan(rules: &Rules, body: &[u8]) -> Option<Parts> {
    if PUT.len() + body.len() > MAX_LINE {
        return None;
    }
    let metric_end = legal_len(rules.names, Place::Metric, body);
    if metric_end == 0 || body.get(metric_end) != Some(&b' ') {
        return None;
    }
    let timed = &body[metric_end + 1..];
    let timestamp_len = if timed.get(10) == Some(&b' ') { 10 } else { 13 };
    let timestamp = Timestamp::from_digits(timed.get(..timestamp_len)?)?;
    if timed.get(timestamp_len) != Some(&b' ') {
        return None;
    }
    let value_start = metric_end + 1 + timestamp_len + 1;
    let value_len = portable_len(&body[value_start..]);
    let value_end = value_start + value_len;
    if value_len == 0 || body.get(value_end) != Some(&b' ') {
        return None;
    }
    if !is_within_bounds(&body[value_start..value_end]) {
        return None;
    }
    let tags = &body[value_end..];
    let (mut offset, mut count, mut names) = (0, 0, NameBits::default());
    while offset < tags.len() {
        // Here stands the space before a tag.
        let tag = &tags[offset + 1..];
        let name_len = legal_len(rules.names, Place::TagName, tag);
        if name_len == 0 || tag.get(name_len) != Some(&b'=') {
            return None;
        }
        let name = &tag[..name_len];
        if names.may_repeat(name) && has_tag(&tags[..offset], name) {
            return None;
        }
        let value_len = legal_len(rules.names, Place::TagValue, &tag[name_len + 1..]);
        offset += 1 + name_len + 1 + value_len;
        if value_len == 0 || tags.get(offset).is_some_and(|&byte| byte != b' ') {
            return None;
        }
        count += 1;
    }
    if rules.max_tags != 0 && count > rules.max_tags {
        return None;
    }
    Some(Parts {
        metric_end,
        timestamp,
        value_start,
        value_end,
    })
}

/// Brings a line into canonical form, with the additions in it. A refused line appends nothing.
fn rewrite(
    scratch: &mut SeriesText,
    rules: &Rules,
    additions: &Additions,
    input: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), InvalidPoint> {
    let start = out.len();
    let rewritten = rewrite_fields(scratch, rules, additions, input, out);
    if rewritten.is_err() {
        out.truncate(start);
    }
    rewritten
}

/// Field by field, in the order they are read.
fn rewrite_fields(
    scratch: &mut SeriesText,
    rules: &Rules,
    additions: &Additions,
    input: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), InvalidPoint> {
    let text = input.strip_suffix(b"\r").unwrap_or(input);
    let mut fields = text
        .split(|byte| matches!(byte, b' ' | b'\t'))
        .filter(|field| !field.is_empty());
    let mut next = |what| fields.next().ok_or_else(|| ends_before(text, what));

    let mut metric = next("metric")?;
    if metric == b"put" {
        metric = next("metric")?;
    } else if COMMANDS.contains(&metric) {
        return Err(not_put(metric));
    }
    scratch.metric_bytes(rules, additions.prefix.as_bytes(), metric)?;
    let mut digits = [0; 13];
    let timestamp = Timestamp::parse(next("timestamp")?)?.text(&mut digits);
    let value = next("value")?;
    let start = out.len();
    portable(value, out)?;
    let value_len = out.len() - start;
    for tag in fields {
        let Some(equals) = memchr::memchr(b'=', tag) else {
            let fault = format!("{} has no \"=\"", excerpt(tag, 0));
            return Err(InvalidPoint::new(Field::Tags, fault, "name=value is needed"));
        };
        let (name, value) = (&tag[..equals], &tag[equals + 1..]);
        match scratch.tag_bytes(rules, name, value) {
            // Servers take it, and senders that add tags of their own write it.
            Err(_) if has_same_tag(scratch.tail(), name, value) => {}
            added => added?,
        }
    }
    for (name, value) in &additions.tags {
        if !scratch.has_tag(name) {
            scratch.tag(rules, name, value)?;
        }
    }
    scratch.finish_for(rules, timestamp.len(), value_len)?;
    let before_value = scratch.head().iter().chain(timestamp).chain(b" ");
    out.splice(start..start, before_value.copied());
    out.extend_from_slice(scratch.tail());
    Ok(())
}

/// Says what keeps a line from being canonical.
#[cold]
fn not_canonical(line: &[u8]) -> InvalidPoint {
    if !line.starts_with(PUT) {
        let word = line.split(|&byte| byte == b' ').next().unwrap_or(line);
        return not_put(word);
    }
    let (mut scratch, nothing) = (SeriesText::new(), Additions::default());
    match rewrite(&mut scratch, &WIDEST, &nothing, line, &mut Vec::new()) {
        Err(error) => error,
        Ok(()) => InvalidPoint::new(
            Field::Line,
            format!("{} is not canonical", excerpt(line, 0)),
            "one space between fields, none elsewhere, and a portable value are needed",
        ),
    }
}

#[cold]
fn ends_before(line: &[u8], what: &str) -> InvalidPoint {
    let fault = format!("{} ends before the {what}", excerpt(line, 0));
    InvalidPoint::new(
        Field::Line,
        fault,
        "metric, timestamp, value and a tag or more are needed",
    )
}

#[cold]
fn not_put(word: &[u8]) -> InvalidPoint {
    let fault = format!("{} is not a point", excerpt(word, 0));
    InvalidPoint::new(Field::Command, fault, "only put is allowed")
}

/// The rules under which every line any other rules allow is canonical.
const WIDEST: Rules = Rules {
    names: Names::Utf8,
    max_tags: 0,
    repair: false,
};

/// OpenTSDB's other commands. As metrics they need `put` before them, so that nobody who pipes one is misunderstood.
const COMMANDS: [&[u8]; 10] = [
    b"PUT",
    b"diediedie",
    b"dropcaches",
    b"exit",
    b"help",
    b"histogram",
    b"rollup",
    b"stats",
    b"status",
    b"version",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::series::check_length;

    const ASCII: Rules = Rules {
        names: Names::Ascii,
        max_tags: 0,
        repair: false,
    };

    fn canon(input: &str) -> Result<String, InvalidPoint> {
        let mut out = b"kept".to_vec();
        let result = canonical(&ASCII, input.as_bytes(), &mut out);
        let out = String::from_utf8(out).unwrap();
        let line = out.strip_prefix("kept").unwrap();
        assert_eq!(result.is_err(), line.is_empty());
        result.map(|()| line.to_owned())
    }

    #[test]
    fn a_line_renders_and_parses_to_its_parts() {
        let mut out = Vec::new();
        render(b"put m ", b"1700000000", b"1.5", b" a=1 b=x:y\n", &mut out);
        assert_eq!(out, b"put m 1700000000 1.5 a=1 b=x:y\n");
        let line = parse(&out).unwrap();
        assert_eq!(line.metric, "m");
        assert_eq!(line.timestamp.as_u64(), 1_700_000_000);
        assert_eq!(line.value, "1.5");
        assert_eq!(line.value().as_f64(), 1.5);
        assert_eq!(line.tags.collect::<Vec<_>>(), [("a", "1"), ("b", "x:y")]);
        assert_eq!(parse(&out[..out.len() - 1]), parse(&out));
    }

    #[test]
    fn canonical_lines_stay_and_put_is_added() {
        for line in [
            "m 1700000000 1 a=b",
            "m 1700000000123 -1.50E-7 a=b c=d:e",
            "put 1700000000 1 a=b",
        ] {
            let put = format!("put {line}");
            assert_eq!(canon(&put).unwrap(), format!("{put}\n"));
            if !line.starts_with("put") {
                assert_eq!(canon(line).unwrap(), format!("{put}\n"));
            }
        }
    }

    #[test]
    fn what_collectd_writes_is_brought_into_form() {
        assert_eq!(
            canon(
                "put load.load.shortterm 1795349405 11.29248046875 fqdn=web01.example.com  dc=eu status=production\r"
            )
            .unwrap(),
            "put load.load.shortterm 1795349405 11.29248046875 fqdn=web01.example.com dc=eu status=production\n"
        );
        assert_eq!(
            canon("put m 1795349405 1 fqdn=web01.example.com  \r").unwrap(),
            "put m 1795349405 1 fqdn=web01.example.com\n"
        );
        assert_eq!(canon("  m\t1795349405  +1 a=b").unwrap(), "put m 1795349405 1 a=b\n");
    }

    #[test]
    fn other_commands_and_broken_shapes_are_named() {
        for (line, field) in [
            ("", Field::Line),
            ("put", Field::Line),
            ("put ", Field::Line),
            ("put m", Field::Line),
            ("put m 1700000000", Field::Line),
            ("put m 1700000000 1", Field::Tags),
            ("put m 1700000000 1 a", Field::Tags),
            ("put m 1700000000 1 a=", Field::TagValue("a".into())),
            ("put m 1700000000 1 =a", Field::TagName),
            ("put m 1700000000 1 a=b=c", Field::TagValue("a".into())),
            ("put m 1700000000 1 a=b a=c", Field::TagName),
            ("put m 1700000000 1 a=b a=", Field::TagName),
            ("put m 1700000000 one a=b", Field::Value),
            ("put m now 1 a=b", Field::Timestamp),
            ("put m:x 1700000000 1 a=b", Field::Metric),
            ("put m 1700000000 1 a=b\nexit", Field::TagValue("a".into())),
            ("put m 1700000000 1 a=b\r\r", Field::TagValue("a".into())),
            ("version", Field::Command),
            ("diediedie", Field::Command),
            ("rollup 1h-sum m 1700000000 1 a=b", Field::Command),
            ("PUT m 1700000000 1 a=b", Field::Command),
        ] {
            let error = canon(line).unwrap_err();
            assert_eq!(error.field(), &field, "{line:?}: {error}");
            parse(line.as_bytes()).unwrap_err();
        }
    }

    #[test]
    fn what_can_mean_one_thing_only_is_rewritten_to_it() {
        for (line, rewritten) in [
            ("m 1356998400.123 1 h=a", "put m 1356998400123 1 h=a\n"),
            ("m 1700000000 1 h=a h=a", "put m 1700000000 1 h=a\n"),
            ("m 1700000000 1 a=1 h=a b=2 h=a a=1", "put m 1700000000 1 a=1 h=a b=2\n"),
        ] {
            assert_eq!(canon(line).as_deref(), Ok(rewritten));
        }
    }

    fn extended(additions: &Additions, input: &str) -> Result<String, InvalidPoint> {
        let rules = Rules { max_tags: 4, ..ASCII };
        let (mut scratch, mut out) = (SeriesText::new(), b"kept".to_vec());
        let result = extended_with(&mut scratch, &rules, additions, input.as_bytes(), &mut out);
        let mut slow = b"kept".to_vec();
        let series = extended_series(&mut scratch, &rules, additions, input.as_bytes(), &mut slow);
        assert_eq!((series.is_ok(), &slow), (result.is_ok(), &out), "{input:?}");
        if let Ok(timestamp) = series {
            let line = parse(&out[4..]).unwrap();
            assert_eq!(line.timestamp, timestamp);
            assert_eq!(scratch.head(), format!("put {} ", line.metric).as_bytes());
        }
        result.map(|()| String::from_utf8(out.split_off(4)).unwrap())
    }

    #[test]
    fn additions_go_before_the_metric_and_behind_the_tags_that_the_line_has() {
        let additions = Additions::new("stage.", [("dc", "eu"), ("host", "web09"), ("dc", "us")]);
        for (line, whole) in [
            ("m 1700000000 1 h=a", "put stage.m 1700000000 1 h=a dc=eu host=web09\n"),
            (
                "put m 1700000000 1 dc=us",
                "put stage.m 1700000000 1 dc=us host=web09\n",
            ),
            ("m 1700000000  1  host=a ", "put stage.m 1700000000 1 host=a dc=eu\n"),
            ("m 1700000000 1", "put stage.m 1700000000 1 dc=eu host=web09\n"),
            ("m 1700000000.5 1", "put stage.m 1700000000500 1 dc=eu host=web09\n"),
            (
                "m 1700000000 1 a=1 b=2",
                "put stage.m 1700000000 1 a=1 b=2 dc=eu host=web09\n",
            ),
        ] {
            assert_eq!(extended(&additions, line).as_deref(), Ok(whole), "{line:?}");
        }
        let crowded = extended(&additions, "m 1700000000 1 a=1 b=2 c=3").unwrap_err();
        assert_eq!(crowded.field(), &Field::Tags);
        let long = format!("m 1700000000 1 a={}", "v".repeat(990));
        assert_eq!(extended(&additions, &long).unwrap_err().field(), &Field::Line);
        assert!(extended(&additions, "m 17 1 a=b").is_err() && extended(&additions, "").is_err());
        let nothing = Additions::default();
        assert!(nothing.is_empty() && extended(&nothing, "m 1700000000 1").is_err());
        assert_eq!(
            extended(&nothing, "m 1700000000 1 a=b").unwrap(),
            "put m 1700000000 1 a=b\n"
        );
    }

    #[test]
    fn parse_takes_only_the_canonical_form() {
        for line in [
            "m 1700000000 1 a=b",
            " put m 1700000000 1 a=b",
            "put  m 1700000000 1 a=b",
            "put m 1700000000 1 a=b ",
            "put m 1700000000 1 a=b\r\n",
            "put m 1700000000 1 a=b\n\n",
            "put m 1700000000 +1 a=b",
            "put m 1700000000 1e3 a=b",
            "put m 1700000000 01 a=b",
            "put m\t1700000000 1 a=b",
        ] {
            parse(line.as_bytes()).unwrap_err();
        }
        parse("put zürich 1700000000 1 a=日本".as_bytes()).unwrap();
    }

    #[test]
    fn a_line_may_be_1024_bytes_long_and_no_longer() {
        let fixed = "put m 1700000000 1 t=".len();
        for (len, legal) in [(MAX_LINE, true), (MAX_LINE + 1, false)] {
            let line = format!("put m 1700000000 1 t={}", "v".repeat(len - fixed));
            assert_eq!(line.len(), len);
            assert_eq!(canon(&line).is_ok(), legal);
            assert_eq!(parse(line.as_bytes()).is_ok(), legal);
            // Not canonical, but as long once it is.
            assert_eq!(canon(&format!("  {line}  \r")).is_ok(), legal);
        }
        assert!(check_length(6, 10, 1, MAX_LINE - 17).is_ok());
        assert!(check_length(6, 10, 1, MAX_LINE - 16).is_err());
    }

    #[test]
    fn a_line_is_written_as_it_is_rendered_and_refused_when_too_long() {
        let smallest = Value::try_from(-2.225_073_858_507_201_4e-308).unwrap();
        let mut buffer = [b'x'; MAX_LINE + 1 + MIDDLE_LEN];
        for len in (1..300).chain(900..1004) {
            let mut series = SeriesText::new();
            series.metric(&ASCII, "", &"m".repeat(1 + len % 100)).unwrap();
            series
                .tag(&ASCII, "a", &"v".repeat(len - len.min(len % 100) + 1))
                .unwrap();
            if series.finish(&ASCII).is_err() {
                continue;
            }
            for (time, value) in [(1_700_000_000_u64, Value::from(7)), (1_700_000_000_123, smallest)] {
                let time = Timestamp::from_number(time).unwrap();
                let mut rendered = Vec::new();
                let (mut digits, mut number) = ([0; 13], [0; Value::MAX_LEN]);
                render(
                    series.head(),
                    time.text(&mut digits),
                    value.text(&mut number),
                    series.tail(),
                    &mut rendered,
                );
                match write(&series, time, value, &mut buffer) {
                    Ok(line) => assert_eq!(line, rendered),
                    Err(error) => {
                        assert_eq!(error.field(), &Field::Line);
                        assert!(rendered.len() > MAX_LINE + 1);
                    }
                }
                assert_eq!(
                    rendered.len() > MAX_LINE + 1,
                    write(&series, time, value, &mut buffer).is_err()
                );
            }
        }
    }

    #[test]
    fn repair_leaves_values_and_timestamps_alone_and_counts_per_line() {
        let rules = Rules { repair: true, ..ASCII };
        let (mut scratch, mut out) = (SeriesText::new(), Vec::new());
        canonical_with(&mut scratch, &rules, b"m:x 1700000000 1 a=b=c", &mut out).unwrap();
        assert_eq!(scratch.replaced(), 2);
        canonical_with(&mut scratch, &rules, b"m 1700000000 1 a=b", &mut out).unwrap();
        assert_eq!(scratch.replaced(), 0);
        canonical_with(&mut scratch, &rules, b"m\xff 1700000000 1 a=b\nexit", &mut out).unwrap();
        assert_eq!(scratch.replaced(), 2);
        assert_eq!(
            out,
            b"put m_x 1700000000 1 a=b_c\nput m 1700000000 1 a=b\nput m_ 1700000000 1 a=b_exit\n"
        );
        let long = format!("m 1700000000 1 a={}", "v".repeat(2000));
        out.clear();
        canonical_with(&mut scratch, &rules, long.as_bytes(), &mut out).unwrap();
        assert_eq!(out.len(), MAX_LINE + 1);
        for line in ["m 17 1 a=b", "m 1700000000 x a=b"] {
            canonical_with(&mut scratch, &rules, line.as_bytes(), &mut out).unwrap_err();
        }
    }
}
