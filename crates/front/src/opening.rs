//! An opening: what the first bytes of a connection say that it speaks.

/// What a connection begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opening {
    /// Lines.
    Telnet,
    /// HTTP.
    Http,
    /// More has to come before it can be told.
    Undecided,
    /// HTTP that is none: this is said, and the connection ends.
    Broken(&'static [u8]),
}

impl Opening {
    /// What OpenTSDB takes it for: upper case is HTTP, and what is none then ends the connection without a word.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Opening {
        match (bytes, first_line(bytes)) {
            ([], _) => Opening::Undecided,
            ([b'A'..=b'Z', ..], None) => Opening::Undecided,
            ([b'A'..=b'Z', ..], Some(line)) if is_request_line(line) => Opening::Http,
            ([b'A'..=b'Z', ..], Some(_)) => Opening::Broken(b""),
            _ => Opening::Telnet,
        }
    }
}

/// The first line, without its end; `None` while it has none.
#[must_use]
pub fn first_line(bytes: &[u8]) -> Option<&[u8]> {
    let line = &bytes[..memchr::memchr(b'\n', bytes)?];
    Some(line.strip_suffix(b"\r").unwrap_or(line))
}

/// Whether a line is `METHOD target HTTP/1.x`.
#[must_use]
pub fn is_request_line(line: &[u8]) -> bool {
    let words: Vec<&[u8]> = line.split(|&byte| byte == b' ').collect();
    matches!(words[..], [method, target, version]
        if !method.is_empty() && !target.is_empty() && version.starts_with(b"HTTP/1.") && version.len() == 8)
}
