//! A transcript: what was said to a server and what came back, as a text a person can read and a test can play.
//!
//! ```text
//! # Comments, and what it was recorded from.
//!
//! == a value that is no number
//! > put m 1700000000 zz h=a\n
//! < put: invalid value: Invalid character 'z' in zz\n
//! = open
//! |
//! = end
//! ```
//!
//! ```text
//! == NAME     a case: a connection of its own, in the order of the file
//! > BYTES     written; several such lines in a row are one write
//! |           half-closed, after what was written
//! < BYTES     what came back; several such lines in a row are one answer
//! = open      nothing more came, the connection stands     = end   the peer ended it (end of stream or reset)
//! ?           in a file of cases, which has only one side: the answer belongs here
//! ```
//!
//! Bytes are ASCII with `\n`, `\r`, `\t`, `\\` and `\x00`. In what is written `\{1000*a}` is a thousand `a`, and
//! `\{length}` the number of bytes after the empty line that follows it: what Content-Length has to say. In what came
//! back `<*>` is anything: what differs from run to run. A `<` that would read so is `\x3c`.
//!
//! `conversation.rs` plays one at a server, to record it or to compare. No socket here.

use std::fmt::{self, Display, Formatter};

use crate::notation::{self, ANYTHING, escape, unescape};

/// The cases of one server on one wire.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transcript {
    /// The comment lines at its beginning, without their `# `.
    pub head: Vec<String>,
    /// In the order of the file.
    pub cases: Vec<Case>,
}

/// One connection, from its beginning to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// What it shows.
    pub name: String,
    /// Turn by turn.
    pub exchanges: Vec<Exchange>,
}

/// One turn: something is said, something is heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// What is written, as the file has it, line by line; [`Exchange::bytes`] is what that stands for.
    pub said: Vec<String>,
    /// Whether the connection is half-closed then.
    pub half_close: bool,
    /// What came back; `None` in a file of cases.
    pub heard: Option<Heard>,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// The bytes that do not change, with anything between one and the next.
    pub pieces: Vec<Vec<u8>>,
    /// Whether the connection stood afterwards.
    pub open: bool,
}

impl Transcript {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// The first line that cannot be, with its number.
    pub fn parse(text: &str) -> Result<Transcript, String> {
        notation::read(text)
    }
}

impl Exchange {
    /// What is written.
    ///
    /// # Errors
    ///
    /// An escape that there is not.
    pub fn bytes(&self) -> Result<Vec<u8>, &'static str> {
        let mut bytes = Vec::new();
        let mut length = None;
        for line in &self.said {
            unescape(line, &mut bytes, &mut length)?;
        }
        if let Some(at) = length {
            let head = bytes[at..].windows(4).position(|four| four == b"\r\n\r\n");
            let body = bytes.len() - at - head.ok_or("\\{length} without an empty line after it")? - 4;
            bytes.splice(at..at, body.to_string().into_bytes());
        }
        Ok(bytes)
    }
}

impl Heard {
    /// What came, with what differs from run to run made `<*>`: all between the two texts of a pair of `VARYING`.
    #[must_use]
    pub fn record(bytes: &[u8], open: bool) -> Heard {
        let mut pieces = vec![Vec::new()];
        let mut rest = bytes;
        let mut of_another_length = false;
        while !rest.is_empty() {
            let piece = pieces.last_mut().expect("there is always one");
            let varying = VARYING.iter().find(|(before, _)| piece.ends_with(before.as_bytes()));
            match varying.and_then(|(before, after)| Some((before, find(rest, after.as_bytes())?))) {
                Some((before, end)) if end > 0 => {
                    of_another_length |= *before != DATE;
                    rest = &rest[end..];
                    pieces.push(Vec::new());
                }
                _ => {
                    piece.push(rest[0]);
                    rest = &rest[1..];
                }
            }
        }
        let mut heard = Heard { pieces, open };
        if of_another_length {
            heard.forget_length();
        }
        heard
    }

    /// Whether these bytes are it.
    #[must_use]
    pub fn matches(&self, bytes: &[u8]) -> bool {
        let Some((last, firsts)) = self.pieces.split_last() else {
            return bytes.is_empty();
        };
        let Some((first, middle)) = firsts.split_first() else {
            return bytes == last.as_slice();
        };
        let Some(mut rest) = bytes.strip_prefix(first.as_slice()) else {
            return false;
        };
        for piece in middle {
            match find(rest, piece) {
                Some(at) => rest = &rest[at + piece.len()..],
                None => return false,
            }
        }
        rest.ends_with(last)
    }

    /// Whether nothing that may follow these bytes can make them it.
    #[must_use]
    pub fn is_contradicted_by(&self, bytes: &[u8]) -> bool {
        let first = self.pieces.first().map_or(&[][..], Vec::as_slice);
        !bytes.starts_with(first) && !first.starts_with(bytes)
    }

    /// A body that varies has a length that varies.
    fn forget_length(&mut self) {
        const LENGTH: &[u8] = b"Content-Length: ";
        let found = self
            .pieces
            .iter()
            .enumerate()
            .find_map(|(index, piece)| Some((index, find(piece, LENGTH)? + LENGTH.len())));
        if let Some((index, at)) = found {
            let rest = self.pieces[index].split_off(at);
            let end = find(&rest, b"\r\n").unwrap_or(0);
            self.pieces.insert(index + 1, rest[end..].to_vec());
        }
    }
}

const DATE: &str = "Date: ";

/// What differs from run to run, and what is another's own (the words of its JSON parser, its web page): all between the
/// first text and the second.
const VARYING: [(&str, &str); 13] = [
    (DATE, "\r\n"),
    ("X-Server-Hostname: ", "\r\n"),
    ("net.opentsdb.tools ", "\n"),
    ("Built on ", "\n"),
    ("{\"short_revision\":\"", "\"}"),
    (",\"trace\":\"", "\"}}"),
    ("\"details\":\"com.fasterxml.", "\",\"trace\""),
    ("<!DOCTYPE html>", "<blockquote>Chunked"),
    ("not supported.</blockquote>", "</html>"),
    ("cannot parse HTTP OpenTSDB json: ", "\n"),
    ("remoteAddr: \"", "\""),
    ("requestURI: ", ";"),
    ("waiting on \"", "\" to come back"),
];

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    if what.is_empty() {
        return Some(0);
    }
    bytes.windows(what.len()).position(|window| window == what)
}

impl Display for Transcript {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for line in &self.head {
            writeln!(f, "{}", format!("# {line}").trim_end())?;
        }
        for case in &self.cases {
            writeln!(f, "\n== {}", case.name)?;
            for exchange in &case.exchanges {
                write!(f, "{exchange}")?;
            }
        }
        Ok(())
    }
}

impl Display for Exchange {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for line in &self.said {
            writeln!(f, "> {line}")?;
        }
        if self.half_close {
            writeln!(f, "|")?;
        }
        match &self.heard {
            Some(heard) => write!(f, "{heard}"),
            None => writeln!(f, "?"),
        }
    }
}

impl Display for Heard {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut line = String::new();
        for (index, piece) in self.pieces.iter().enumerate() {
            if index > 0 {
                line.push_str(ANYTHING);
            }
            // A line of the answer is a line of the file.
            for part in piece.split_inclusive(|&byte| byte == b'\n') {
                escape(part, &mut line);
                if part.ends_with(b"\n") {
                    writeln!(f, "< {line}")?;
                    line.clear();
                }
            }
        }
        if !line.is_empty() {
            writeln!(f, "< {line}")?;
        }
        writeln!(f, "= {}", if self.open { "open" } else { "end" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "# Recorded from nothing.\n\n\
        == a put and a question\n\
        > put m 1 1 h=\\{3*ab}\\n\n\
        > version\\n\n\
        < net.opentsdb.tools <*>\\n\n\
        < Built on <*>\\n\n\
        < \\x3c*> and \\\\ \\xff\n\
        = open\n\
        |\n\
        = end\n\n\
        == silence\n\
        > x\n\
        |\n\
        ?\n";

    #[test]
    fn what_is_read_is_printed_as_it_was() {
        let transcript = Transcript::parse(FILE).expect("a transcript");
        assert_eq!(transcript.to_string(), FILE);
        let first = &transcript.cases[0].exchanges[0];
        assert_eq!(
            first.bytes().as_deref(),
            Ok(b"put m 1 1 h=ababab\nversion\n".as_slice())
        );
        let heard = first.heard.as_ref().expect("an answer");
        assert!(heard.open && heard.pieces.len() == 3);
        assert_eq!(heard.pieces[2], b"\n<*> and \\ \xff");
        assert_eq!(transcript.cases[1].exchanges[0].heard, None);
        assert!(transcript.cases[0].exchanges[1].half_close);
    }

    #[test]
    fn a_content_length_is_that_of_what_follows_the_empty_line() {
        let file = "== put\n> POST /api/put HTTP/1.1\\r\\nContent-Length: \\{length}\\r\\n\\r\\n\n> [\\{9*x}]\n?\n";
        let transcript = Transcript::parse(file).expect("a transcript");
        assert_eq!(
            transcript.cases[0].exchanges[0].bytes().as_deref(),
            Ok(b"POST /api/put HTTP/1.1\r\nContent-Length: 11\r\n\r\n[xxxxxxxxx]".as_slice())
        );
    }

    #[test]
    fn what_varies_is_made_a_placeholder_and_then_matches_another_run() {
        let first = b"HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nContent-Length: 33\r\nDate: today\r\n\r\n{\"error\":{\"code\":400,\"trace\":\"a\\nb\"}}";
        let heard = Heard::record(first, true);
        assert_eq!(
            heard.to_string(),
            "< HTTP/1.1 400 Bad Request\\r\\n\n< Content-Type: application/json\\r\\n\n< Content-Length: <*>\\r\\n\n\
             < Date: <*>\\r\\n\n< \\r\\n\n< {\"error\":{\"code\":400,\"trace\":\"<*>\"}}\n= open\n"
        );
        assert!(heard.matches(first));
        let other = b"HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nContent-Length: 5000\r\nDate: tomorrow\r\n\r\n{\"error\":{\"code\":400,\"trace\":\"\"}}";
        assert!(heard.matches(other));
        assert!(!heard.matches(&other[..other.len() - 1]) && !heard.matches(b"HTTP/1.1 204"));
        assert!(heard.is_contradicted_by(b"HTTP/1.1 204") && !heard.is_contradicted_by(b"HTTP/1.1 4"));
        // A date alone leaves the length as it is.
        let dated = Heard::record(b"HTTP/1.1 200 OK\r\nDate: today\r\nContent-Length: 2\r\n\r\n[]", true);
        assert!(dated.to_string().contains("Content-Length: 2\\r"), "{dated}");
    }

    #[test]
    fn a_file_that_cannot_be_is_refused_with_the_line() {
        let cases = [
            ("> x\n?\n", "line 1"),
            ("== a\n> x\\q\n?\n", "line 2"),
            ("== a\n> x\\\u{e9}\n?\n", "line 2"),
            ("== a\n> x\n", "the last answer"),
            ("== a\n> x\n< y\n> z\n= open\n", "line 4"),
            ("== a\n> x\n= shut\n", "line 3"),
            ("== a\n> x\n?\n== a\n", "line 4"),
            ("== a\nhello\n", "line 2"),
            ("== a\n|\n> x\n?\n", "line 3"),
        ];
        for (file, said) in cases {
            let error = Transcript::parse(file).expect_err(file);
            assert!(error.contains(said), "{error} for {file}");
        }
    }
}
