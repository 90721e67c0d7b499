//! A reader of JSON text, into a tree.
//!
//! One pass, one look ahead, recursion bounded by [`MAX_DEPTH`] so that no body can exhaust the stack. Strict as RFC 8259
//! unless told otherwise; the two tolerances are OpenTSDB's. [`Reader`] goes through a text without a tree, for what a
//! server says.

use std::{borrow::Cow, error::Error, fmt};

use super::Json;

/// How deep arrays and objects may nest.
pub const MAX_DEPTH: usize = 64;

/// What to accept beyond RFC 8259; nothing by default.
///
/// ```
/// use potsdb_wire::json::{self, Tolerance};
///
/// let tolerance = Tolerance { non_numbers: true, ..Tolerance::default() };
/// assert!(json::parse(b"NaN").is_err());
/// assert!(json::parse_with(b"NaN", tolerance).is_ok());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Tolerance {
    /// Accept `NaN`, `Infinity` and `-Infinity` as numbers.
    pub non_numbers: bool,
    /// Accept anything after the value.
    pub trailing: bool,
    /// Accept an escaped half of a pair of surrogates, as U+FFFD.
    pub lone_surrogates: bool,
}

/// A text that is not JSON.
///
/// ```
/// let error = potsdb_wire::json::parse(b"[1, x]").unwrap_err();
/// assert_eq!(error.offset, 4);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JsonError {
    /// Where, in bytes from the start.
    pub offset: usize,
    /// What should have been there.
    pub rule: &'static str,
}

/// Reads a JSON text.
pub fn parse(text: &[u8]) -> Result<Json<'_>, JsonError> {
    parse_with(text, Tolerance::default())
}

/// Reads a JSON text with tolerance.
pub fn parse_with(text: &[u8], tolerance: Tolerance) -> Result<Json<'_>, JsonError> {
    let mut reader = Reader::new(text, tolerance)?;
    let json = reader.value()?;
    reader.end()?;
    Ok(json)
}

/// A place in a JSON text.
///
/// [`value`](Self::value) makes a tree of what stands here, which takes many times the memory of its text. Whoever wants
/// little of a text that others wrote goes through it with [`fields`](Self::fields) and [`elements`](Self::elements), which
/// keep nothing, and skips the rest.
///
/// ```
/// use potsdb_wire::json::{Json, Reader, Tolerance};
///
/// let mut reader = Reader::new(br#"[{"metric": "m", "value": 5.0}]"#, Tolerance::default())?;
/// reader.elements(|reader| {
///     reader.fields(|reader, name| match &*name {
///         "value" => reader.scalar().map(|value| assert_eq!(value, Json::Number("5.0"))),
///         _ => reader.skip_value(),
///     })
/// })?;
/// reader.end()?;
/// # Ok::<(), potsdb_wire::JsonError>(())
/// ```
#[derive(Debug)]
pub struct Reader<'a> {
    text: &'a str,
    offset: usize,
    depth: usize,
    tolerance: Tolerance,
}

impl<'a> Reader<'a> {
    /// The beginning of a text.
    pub fn new(text: &'a [u8], tolerance: Tolerance) -> Result<Self, JsonError> {
        let text = match str::from_utf8(text) {
            Ok(text) => text,
            Err(error) if tolerance.trailing => str::from_utf8(&text[..error.valid_up_to()]).expect("valid up to here"),
            Err(error) => {
                let offset = error.valid_up_to();
                let rule = "UTF-8 is expected";
                return Err(JsonError { offset, rule });
            }
        };
        Ok(Self {
            text,
            offset: 0,
            depth: 0,
            tolerance,
        })
    }

    /// Says that nothing follows but what the tolerance allows.
    pub fn end(&mut self) -> Result<(), JsonError> {
        self.skip_blanks();
        if self.offset < self.text.len() && !self.tolerance.trailing {
            return Err(self.error("the end is expected"));
        }
        Ok(())
    }

    /// Returns whether the value here is an object.
    pub fn is_object(&mut self) -> bool {
        self.skip_blanks();
        self.peek() == Some(b'{')
    }

    /// Returns whether the value here is an array.
    pub fn is_array(&mut self) -> bool {
        self.skip_blanks();
        self.peek() == Some(b'[')
    }

    /// Reads the value here into a tree.
    pub fn value(&mut self) -> Result<Json<'a>, JsonError> {
        self.skip_blanks();
        match self.peek() {
            Some(b'{') => {
                let mut fields = Vec::new();
                self.fields(|reader, name| {
                    fields.push((name, reader.value()?));
                    Ok(())
                })?;
                Ok(Json::Object(fields))
            }
            Some(b'[') => {
                let mut elements = Vec::new();
                self.elements(|reader| {
                    elements.push(reader.value()?);
                    Ok(())
                })?;
                Ok(Json::Array(elements))
            }
            _ => self.scalar(),
        }
    }

    /// Reads the value here if it is no object and no array; either of them is skipped, and read as `null`.
    pub fn scalar(&mut self) -> Result<Json<'a>, JsonError> {
        self.skip_blanks();
        match self.peek() {
            Some(b'{' | b'[') => self.skip_value().map(|()| Json::Null),
            Some(b'"') => self.string().map(Json::String),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => self.word(),
        }
    }

    /// Checks the value here, and keeps nothing of it.
    pub fn skip_value(&mut self) -> Result<(), JsonError> {
        self.skip_blanks();
        match self.peek() {
            Some(b'{') => self.fields(|reader, _| reader.skip_value()),
            Some(b'[') => self.elements(Self::skip_value),
            _ => self.scalar().map(drop),
        }
    }

    /// Goes through the fields of the object here; `each` takes the field's value. Anything else has no fields.
    pub fn fields(
        &mut self,
        mut each: impl FnMut(&mut Self, Cow<'a, str>) -> Result<(), JsonError>,
    ) -> Result<(), JsonError> {
        if !self.is_object() {
            return self.skip_value();
        }
        self.open()?;
        if self.close(b'}') {
            return Ok(());
        }
        loop {
            self.skip_blanks();
            if self.peek() != Some(b'"') {
                return Err(self.error("a field's name in quotes is expected"));
            }
            let name = self.string()?;
            self.skip_blanks();
            if !self.skip(b':') {
                return Err(self.error("\":\" is expected"));
            }
            each(self, name)?;
            self.skip_blanks();
            if self.close(b'}') {
                return Ok(());
            }
            if !self.skip(b',') {
                return Err(self.error("\",\" or \"}\" is expected"));
            }
        }
    }

    /// Goes through the elements of the array here; `each` takes one. Anything else has no elements.
    pub fn elements(&mut self, mut each: impl FnMut(&mut Self) -> Result<(), JsonError>) -> Result<(), JsonError> {
        self.skip_blanks();
        if self.peek() != Some(b'[') {
            return self.skip_value();
        }
        self.open()?;
        if self.close(b']') {
            return Ok(());
        }
        loop {
            each(self)?;
            self.skip_blanks();
            if self.close(b']') {
                return Ok(());
            }
            if !self.skip(b',') {
                return Err(self.error("\",\" or \"]\" is expected"));
            }
        }
    }

    /// Skips the bracket that opens an object or an array, and the blanks after it.
    fn open(&mut self) -> Result<(), JsonError> {
        if self.depth == MAX_DEPTH {
            return Err(self.error("at most 64 levels are allowed"));
        }
        self.depth += 1;
        self.offset += 1;
        self.skip_blanks();
        Ok(())
    }

    /// Skips the bracket that closes it, if it is here.
    fn close(&mut self, bracket: u8) -> bool {
        let closed = self.skip(bracket);
        self.depth -= usize::from(closed);
        closed
    }

    /// Reads a string; one without escapes is not copied.
    fn string(&mut self) -> Result<Cow<'a, str>, JsonError> {
        self.offset += 1;
        let mut unescaped = String::new();
        loop {
            let rest = &self.text[self.offset..];
            let Some(len) = rest.bytes().position(|byte| matches!(byte, b'"' | b'\\' | ..0x20)) else {
                self.offset = self.text.len();
                return Err(self.error("the string's closing quote is expected"));
            };
            let plain = &rest[..len];
            self.offset += len;
            match rest.as_bytes()[len] {
                b'"' => {
                    self.offset += 1;
                    if unescaped.is_empty() {
                        return Ok(Cow::Borrowed(plain));
                    }
                    unescaped.push_str(plain);
                    return Ok(Cow::Owned(unescaped));
                }
                b'\\' => {
                    unescaped.push_str(plain);
                    unescaped.push(self.escape()?);
                }
                _ => return Err(self.error("a control character in a string must be escaped")),
            }
        }
    }

    /// Reads the escape that begins here.
    fn escape(&mut self) -> Result<char, JsonError> {
        let start = self.offset;
        let character = match self.text.as_bytes().get(start + 1) {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode_escape(),
            _ => return Err(self.error("one of \"\\/bfnrtu is expected after a backslash")),
        };
        self.offset += 2;
        Ok(character)
    }

    /// Reads `\uXXXX`, or two of them that make a pair of surrogates.
    fn unicode_escape(&mut self) -> Result<char, JsonError> {
        let first = self.unit()?;
        let code = match first {
            0xd800..=0xdbff => {
                let before = self.offset;
                match self.unit() {
                    Ok(second @ 0xdc00..=0xdfff) => 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00),
                    _ => {
                        self.offset = before;
                        if self.tolerance.lone_surrogates {
                            return Ok(char::REPLACEMENT_CHARACTER);
                        }
                        return Err(self.error("the second of a pair of surrogates is expected"));
                    }
                }
            }
            _ => first,
        };
        match char::from_u32(code) {
            None if self.tolerance.lone_surrogates => Ok(char::REPLACEMENT_CHARACTER),
            read => read.ok_or_else(|| self.error("the first of a pair of surrogates is expected")),
        }
    }

    /// Reads one `\uXXXX`.
    fn unit(&mut self) -> Result<u32, JsonError> {
        let rule = "\\u and four hexadecimal digits are expected";
        let rest = self.text.as_bytes()[self.offset..].strip_prefix(b"\\u");
        let digits = rest.and_then(|rest| rest.first_chunk::<4>()).ok_or(self.error(rule))?;
        let mut unit = 0;
        for &digit in digits {
            unit = unit * 16 + char::from(digit).to_digit(16).ok_or(self.error(rule))?;
        }
        self.offset += 6;
        Ok(unit)
    }

    fn number(&mut self) -> Result<Json<'a>, JsonError> {
        let start = self.offset;
        if self.skip(b'-') && self.tolerance.non_numbers && self.skip_word("Infinity") {
            return Ok(Json::Number(&self.text[start..self.offset]));
        }
        if !self.skip(b'0') {
            self.digits()?;
        }
        if self.skip(b'.') {
            self.digits()?;
        }
        if self.skip(b'e') || self.skip(b'E') {
            let _ = self.skip(b'+') || self.skip(b'-');
            self.digits()?;
        }
        Ok(Json::Number(&self.text[start..self.offset]))
    }

    /// Skips one digit or more.
    fn digits(&mut self) -> Result<(), JsonError> {
        let rest = &self.text.as_bytes()[self.offset..];
        let len = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if len == 0 {
            return Err(self.error("a digit is expected"));
        }
        self.offset += len;
        Ok(())
    }

    fn word(&mut self) -> Result<Json<'a>, JsonError> {
        let start = self.offset;
        if self.skip_word("null") {
            Ok(Json::Null)
        } else if self.skip_word("true") {
            Ok(Json::Bool(true))
        } else if self.skip_word("false") {
            Ok(Json::Bool(false))
        } else if self.tolerance.non_numbers && (self.skip_word("NaN") || self.skip_word("Infinity")) {
            Ok(Json::Number(&self.text[start..self.offset]))
        } else {
            Err(self.error("a value is expected"))
        }
    }

    fn skip_word(&mut self, word: &str) -> bool {
        let found = self.text.as_bytes()[self.offset..].starts_with(word.as_bytes());
        if found {
            self.offset += word.len();
        }
        found
    }

    fn skip_blanks(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.offset += 1;
        }
    }

    fn skip(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.offset += usize::from(found);
        found
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.offset).copied()
    }

    fn error(&self, rule: &'static str) -> JsonError {
        JsonError {
            offset: self.offset,
            rule,
        }
    }
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "json: wrong at offset {}: {}", self.offset, self.rule)
    }
}

impl Error for JsonError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> (usize, &'static str) {
        let error = parse(text.as_bytes()).unwrap_err();
        (error.offset, error.rule)
    }

    #[test]
    fn every_kind_of_value_is_read() {
        let json = parse(b" { \"a\" : [ null , true,false,-0.5E+3, \"x\" ] , \"b\" : { } , \"c\":[] }\n").unwrap();
        let array = vec![
            Json::Null,
            Json::Bool(true),
            Json::Bool(false),
            Json::Number("-0.5E+3"),
            Json::String("x".into()),
        ];
        assert_eq!(
            json,
            Json::Object(vec![
                ("a".into(), Json::Array(array)),
                ("b".into(), Json::Object(vec![])),
                ("c".into(), Json::Array(vec![])),
            ])
        );
    }

    #[test]
    fn escapes_are_resolved_and_surrogates_paired() {
        let json = parse(br#""a\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00z""#).unwrap();
        assert_eq!(json.as_str(), Some("a\"\\/\u{8}\u{c}\n\r\té\u{1f600}z"));
        assert!(matches!(
            parse(b"\"plain\"").unwrap(),
            Json::String(Cow::Borrowed("plain"))
        ));
        assert_eq!(parse(br#""\u0000""#).unwrap().as_str(), Some("\0"));
    }

    #[test]
    fn what_is_not_json_is_refused_at_its_offset() {
        assert_eq!(error(""), (0, "a value is expected"));
        assert_eq!(error("[1,]"), (3, "a value is expected"));
        assert_eq!(error("[1 2]"), (3, "\",\" or \"]\" is expected"));
        assert_eq!(error("{\"a\" 1}"), (5, "\":\" is expected"));
        assert_eq!(error("{a:1}"), (1, "a field's name in quotes is expected"));
        assert_eq!(error("{\"a\":1"), (6, "\",\" or \"}\" is expected"));
        assert_eq!(error("01"), (1, "the end is expected"));
        assert_eq!(error("+1"), (0, "a value is expected"));
        assert_eq!(error("1."), (2, "a digit is expected"));
        assert_eq!(error("1e"), (2, "a digit is expected"));
        assert_eq!(error("-"), (1, "a digit is expected"));
        assert_eq!(error("\"a"), (2, "the string's closing quote is expected"));
        assert_eq!(
            error("\"a\nb\""),
            (2, "a control character in a string must be escaped")
        );
        assert_eq!(
            error(r#""\x""#),
            (1, "one of \"\\/bfnrtu is expected after a backslash")
        );
        assert_eq!(error(r#""\u12""#), (1, "\\u and four hexadecimal digits are expected"));
        assert_eq!(
            error(r#""\ud83d""#),
            (7, "the second of a pair of surrogates is expected")
        );
        assert_eq!(
            error(r#""\ud83d\u0041""#),
            (7, "the second of a pair of surrogates is expected")
        );
        assert_eq!(
            error(r#""\ude00""#),
            (7, "the first of a pair of surrogates is expected")
        );
        for text in [&b"\"\xff\""[..], b"1\xff"] {
            let error = parse(text).unwrap_err();
            assert_eq!((error.offset, error.rule), (1, "UTF-8 is expected"));
        }
        for control in '\0'..' ' {
            assert_eq!(error(&format!("\"{control}\"")).0, 1);
        }
        assert_eq!(error("1 x"), (2, "the end is expected"));
        assert_eq!(error("NaN"), (0, "a value is expected"));
    }

    #[test]
    fn tolerance_takes_what_opentsdb_takes() {
        let tolerance = Tolerance {
            non_numbers: true,
            trailing: true,
            ..Tolerance::default()
        };
        for text in ["NaN", "Infinity", "-Infinity"] {
            assert_eq!(parse_with(text.as_bytes(), tolerance), Ok(Json::Number(text)));
        }
        assert_eq!(parse_with(b"[] garbage", tolerance), Ok(Json::Array(vec![])));
    }

    #[test]
    fn nesting_is_bounded() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        parse(nested(MAX_DEPTH).as_bytes()).unwrap();
        assert_eq!(
            error(&nested(MAX_DEPTH + 1)),
            (MAX_DEPTH, "at most 64 levels are allowed")
        );
        parse("[".repeat(1_000_000).as_bytes()).unwrap_err();
    }

    #[test]
    fn half_a_pair_of_surrogates_is_tolerated_when_told() {
        let tolerance = Tolerance {
            lone_surrogates: true,
            ..Tolerance::default()
        };
        for (text, read) in [
            (r#""\ud800""#, "\u{fffd}"),
            (r#""\ud800x""#, "\u{fffd}x"),
            (r#""\udc00x""#, "\u{fffd}x"),
            (r#""\ud83d\ude00""#, "\u{1f600}"),
        ] {
            assert_eq!(
                parse_with(text.as_bytes(), tolerance),
                Ok(Json::String(read.into())),
                "{text}"
            );
            assert_eq!(parse(text.as_bytes()).is_ok(), !read.contains('\u{fffd}'), "{text}");
        }
    }
}
