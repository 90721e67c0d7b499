//! The notation of a transcript: its lines read one by one, its bytes escaped and not.
//!
//! Called by `transcript.rs`, which says what the notation is.

use std::fmt::Write as _;

use crate::transcript::{Case, Exchange, Heard, Transcript};

/// Reads a file; the error is the first line that cannot be, with its number.
pub(crate) fn read(text: &str) -> Result<Transcript, String> {
    let mut reader = Reader::default();
    for (index, line) in text.lines().enumerate() {
        reader
            .line(line)
            .map_err(|rule| format!("line {}: {line:?}: {rule}", index + 1))?;
    }
    if reader.turn.is_some() {
        return Err("the last answer has no `=` line".into());
    }
    Ok(reader.transcript)
}

/// The file so far, and the turn that is not over yet.
#[derive(Default)]
struct Reader {
    transcript: Transcript,
    turn: Option<Turn>,
}

#[derive(Default)]
struct Turn {
    said: Vec<String>,
    half_close: bool,
    heard: Option<Vec<Vec<u8>>>,
}

impl Reader {
    fn line(&mut self, line: &str) -> Result<(), &'static str> {
        let text = line.get(2..).unwrap_or_default();
        match line.get(..2).unwrap_or(line).trim_end() {
            "" if line.is_empty() => Ok(()),
            "#" => {
                if self.transcript.cases.is_empty() {
                    self.transcript.head.push(text.to_owned());
                }
                Ok(())
            }
            "==" => self.case(text.trim()),
            ">" => self.said(text),
            "|" => {
                let turn = self.saying()?;
                turn.half_close = true;
                Ok(())
            }
            "<" => self.heard(text),
            "=" => {
                let open = match text {
                    "open" => true,
                    "end" => false,
                    _ => return Err("`= open` or `= end`"),
                };
                let turn = self.turn.take().ok_or("nothing was said before it")?;
                let pieces = turn.heard.unwrap_or_else(|| vec![Vec::new()]);
                self.over(turn.said, turn.half_close, Some(Heard { pieces, open }))
            }
            "?" => {
                let turn = self.turn.take().ok_or("nothing was said before it")?;
                self.over(turn.said, turn.half_close, None)
            }
            _ => Err("begins with none of # == > | < = ?"),
        }
    }

    fn case(&mut self, name: &str) -> Result<(), &'static str> {
        if self.turn.is_some() {
            return Err("the answer before it has no `=` line");
        }
        if self.transcript.cases.iter().any(|case| case.name == name) {
            return Err("two cases of one name");
        }
        self.transcript.cases.push(Case {
            name: name.to_owned(),
            exchanges: Vec::new(),
        });
        Ok(())
    }

    fn said(&mut self, text: &str) -> Result<(), &'static str> {
        let turn = self.saying()?;
        if turn.half_close {
            return Err("nothing can be said after `|`");
        }
        unescape(text, &mut Vec::new(), &mut None)?;
        turn.said.push(text.to_owned());
        Ok(())
    }

    fn heard(&mut self, text: &str) -> Result<(), &'static str> {
        let turn = self.turn.as_mut().ok_or("nothing was said before it")?;
        let pieces = turn.heard.get_or_insert_with(|| vec![Vec::new()]);
        for (index, text) in text.split(ANYTHING).enumerate() {
            if index > 0 {
                pieces.push(Vec::new());
            }
            let piece = pieces.last_mut().expect("there is always one");
            unescape(text, piece, &mut None)?;
        }
        Ok(())
    }

    fn saying(&mut self) -> Result<&mut Turn, &'static str> {
        if self.transcript.cases.is_empty() {
            return Err("no case has begun");
        }
        let turn = self.turn.get_or_insert_default();
        if turn.heard.is_some() {
            return Err("the answer before it has no `=` line");
        }
        Ok(turn)
    }

    fn over(&mut self, said: Vec<String>, half_close: bool, heard: Option<Heard>) -> Result<(), &'static str> {
        let case = self.transcript.cases.last_mut().ok_or("no case has begun")?;
        case.exchanges.push(Exchange {
            said,
            half_close,
            heard,
        });
        Ok(())
    }
}

/// What differs from run to run, in a file.
pub(crate) const ANYTHING: &str = "<*>";

/// Adds the bytes that a text stands for; `length` becomes where the length of what follows has to be put in.
pub(crate) fn unescape(text: &str, bytes: &mut Vec<u8>, length: &mut Option<usize>) -> Result<(), &'static str> {
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        if !(' '..='~').contains(&character) {
            return Err("only printable ASCII, and escapes");
        }
        rest = &rest[1..];
        if character != '\\' {
            bytes.push(character as u8);
            continue;
        }
        let escape = rest.chars().next().ok_or("a backslash at the end")?;
        rest = rest.get(1..).ok_or("an escape that there is not")?;
        match escape {
            'n' => bytes.push(b'\n'),
            'r' => bytes.push(b'\r'),
            't' => bytes.push(b'\t'),
            '\\' => bytes.push(b'\\'),
            'x' => {
                let digits = rest.get(..2).ok_or("\\x without two digits")?;
                bytes.push(u8::from_str_radix(digits, 16).map_err(|_| "\\x without two digits")?);
                rest = &rest[2..];
            }
            '{' => {
                let (inside, after) = rest.split_once('}').ok_or("\\{ without a }")?;
                rest = after;
                if inside == "length" {
                    *length = Some(bytes.len());
                    continue;
                }
                let (times, what) = inside.split_once('*').ok_or("\\{ without a *")?;
                let times = times.parse().map_err(|_| "\\{ without a number")?;
                bytes.extend_from_slice(what.repeat(times).as_bytes());
            }
            _ => return Err("an escape that there is not"),
        }
    }
    Ok(())
}

/// Adds the text that stands for bytes.
pub(crate) fn escape(bytes: &[u8], out: &mut String) {
    for (index, &byte) in bytes.iter().enumerate() {
        let _ = match byte {
            b'\n' => write!(out, "\\n"),
            b'\r' => write!(out, "\\r"),
            b'\t' => write!(out, "\\t"),
            b'\\' => write!(out, "\\\\"),
            b'<' if bytes[index..].starts_with(ANYTHING.as_bytes()) => write!(out, "\\x3c"),
            b' '..=b'~' => write!(out, "{}", char::from(byte)),
            _ => write!(out, "\\x{byte:02x}"),
        };
    }
}
