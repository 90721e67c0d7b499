//! A server's words, made fit for a line of a log.
//!
//! ```text
//! put: illegal argument: \x1b]0;owned\x07bad\r\nCaused by   put: illegal argument: bad Caused by
//! ```
//!
//! A server may say anything: sequences that move a terminal's cursor or set its title, characters that turn a line round,
//! bytes that are no text, a megabyte of it. What comes out is one line of at most [`MAX`] bytes that holds only characters
//! that are seen. The words over HTTP and over telnet both come through here. Secrets in them are the client's to hide: it
//! alone knows them.

/// The longest words, in bytes.
pub const MAX: usize = 300;

/// How much of what a server said is looked at, in bytes: cleaning costs no more, however much it says.
const READ: usize = 16 * MAX;

/// How longer words end.
pub const CUT: &str = "...";

/// Returns what a server said as one line of at most [`MAX`] bytes.
///
/// Escape sequences are left out. White space of any length, line ends included, becomes one space. Any other character
/// that is not seen, and each run of bytes that are not UTF-8, becomes `?`. Longer words end in `...`.
///
/// ```
/// assert_eq!(potsdb_wire::words::clean(b"two\r\n  lines\x00"), "two lines?");
/// ```
pub fn clean(said: &[u8]) -> String {
    let mut words = String::new();
    append(&mut words, said);
    words
}

/// Appends the cleaned words after one space, so that all of it keeps to [`MAX`]; what is there is short.
pub(crate) fn append(words: &mut String, said: &[u8]) {
    let read = &said[..said.len().min(READ)];
    let mut cut = read.len() < said.len();
    let mut sequence = Sequence::None;
    // A space that is due as soon as something follows.
    let mut space = !words.is_empty();
    let mut push = |words: &mut String, character: char, space: &mut bool| {
        let len = usize::from(*space) + character.len_utf8();
        if words.len() + len + CUT.len() > MAX {
            cut = true;
            return false;
        }
        if std::mem::take(space) {
            words.push(' ');
        }
        words.push(character);
        true
    };
    'read: for chunk in read.utf8_chunks() {
        for character in chunk.valid().chars() {
            if sequence.takes(character) {
                continue;
            }
            if character.is_whitespace() {
                space |= !words.is_empty();
            } else if !push(words, shown(character), &mut space) {
                break 'read;
            }
        }
        let invalid = !chunk.invalid().is_empty() && sequence == Sequence::None;
        if invalid && !push(words, '?', &mut space) {
            break;
        }
    }
    if cut {
        words.push_str(CUT);
    }
}

/// The character itself if it is seen as itself, else `?`.
fn shown(character: char) -> char {
    let unseen = character.is_control()
        || matches!(character,
            // Directions: text may be shown in another order than it has.
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{206f}'
            // Of no width, or only there to say something about its neighbours.
            | '\u{ad}' | '\u{34f}' | '\u{180e}' | '\u{200b}'..='\u{200d}' | '\u{2060}'..='\u{2065}' | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}');
    if unseen { '?' } else { character }
}

/// Where in an escape sequence the text is (ECMA-48).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sequence {
    None,
    /// After the escape character.
    Begun,
    /// In a control sequence: parameters, then one letter.
    Control,
    /// In a string: a title, for example; ended by a bell, by a string terminator or, lest all words vanish in one, by a line end.
    Text,
}

impl Sequence {
    /// Takes the next character; returns whether it belongs to a sequence.
    fn takes(&mut self, character: char) -> bool {
        let (belongs, next) = match (*self, character) {
            (_, '\u{1b}') => (true, Self::Begun),
            (_, '\u{9b}') => (true, Self::Control),
            (_, '\u{90}' | '\u{98}' | '\u{9d}' | '\u{9e}' | '\u{9f}') => (true, Self::Text),
            (Self::None, _) => (false, Self::None),
            (Self::Begun, '[') => (true, Self::Control),
            (Self::Begun, ']' | 'P' | 'X' | '^' | '_') => (true, Self::Text),
            (Self::Begun, ' '..='/') => (true, Self::Begun),
            (Self::Begun, '0'..='~') => (true, Self::None),
            (Self::Control, ' '..='?') => (true, Self::Control),
            (Self::Control, '@'..='~') => (true, Self::None),
            (Self::Text, '\u{7}' | '\u{9c}') => (true, Self::None),
            (Self::Text, '\n' | '\r') => (false, Self::None),
            (Self::Text, _) => (true, Self::Text),
            // No sequence after all.
            (Self::Begun | Self::Control, _) => (false, Self::None),
        };
        *self = next;
        belongs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_one_line_of_seen_characters() {
        for (said, words) in [
            (&b""[..], ""),
            (b" \r\n\t ", ""),
            (b"put: illegal argument: x\r\n", "put: illegal argument: x"),
            (b"a\nb\x07  c", "a b? c"),
            ("zürich ЖЩ 日本 😀 e\u{301}".as_bytes(), "zürich ЖЩ 日本 😀 e\u{301}"),
            // Bytes that are no text, one of them a control character where no encoding is told.
            (b"a\xff\xfeb \x9b31m", "a??b ?31m"),
            // C1 controls, line separators.
            ("a\u{85}b\u{2028}c\u{2029}d\u{8d}e".as_bytes(), "a b c d?e"),
            // Directions, and what is not seen at all.
            ("a\u{202e}b\u{2066}c\u{200f}d\u{61c}e".as_bytes(), "a?b?c?d?e"),
            ("a\u{200b}b\u{feff}c\u{ad}d\u{e0041}e".as_bytes(), "a?b?c?d?e"),
        ] {
            assert_eq!(clean(said), words, "{said:?}");
        }
    }

    #[test]
    fn escape_sequences_are_left_out_whole() {
        for (said, words) in [
            ("a\u{1b}[31mred\u{1b}[0m b", "ared b"),
            ("a\u{9b}31mred", "ared"),
            ("\u{1b}]0;a title\u{7}words", "words"),
            ("\u{1b}]0;a title\u{1b}\\words", "words"),
            ("\u{9d}0;a title\u{9c}words", "words"),
            ("\u{1b}]0;without an end\nwords", "words"),
            ("\u{1b}P1$r\u{1b}\\words\u{1b}(B.\u{1b}c", "words."),
            ("\u{1b}[3\nwords", "words"),
            ("ends in one\u{1b}", "ends in one"),
        ] {
            assert_eq!(clean(said.as_bytes()), words, "{said:?}");
        }
    }

    #[test]
    fn long_words_are_cut_between_characters() {
        assert_eq!(clean("a".repeat(297).as_bytes()).len(), 297);
        for unit in ["a", "ab ", "é", "日", "😀", "\u{1b}[m", "\u{7}", "\n"] {
            for len in [298, 300, 301, 1000, 100_000] {
                let said = unit.repeat(len);
                let words = clean(said.as_bytes());
                assert!(words.len() <= MAX, "{unit:?} {len}: {}", words.len());
                assert!(
                    words.ends_with("...") || said.trim().is_empty() || said.starts_with('\u{1b}'),
                    "{unit:?} {len}"
                );
            }
        }
    }

    #[test]
    fn what_goes_before_counts() {
        let mut words = "HTTP 400".to_owned();
        append(&mut words, b"");
        assert_eq!(words, "HTTP 400");
        append(&mut words, b" a\nb ");
        assert_eq!(words, "HTTP 400 a b");
        append(&mut words, &[b'x'; 1000]);
        assert_eq!(words.len(), MAX);
    }
}
