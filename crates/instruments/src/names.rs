//! What becomes of characters that OpenTSDB does not allow in names: refused, replaced, or escaped.
//!
//! Allowed are letters, digits, `-`, `_`, `.` and `/`. Escaping is that of Prometheus' adapter for OpenTSDB: `_` becomes
//! `__`, `:` becomes `_.`, every other byte that is not allowed `_` and its two hexadecimal digits. An empty name becomes a
//! `_` alone. It can be undone ([`unescape`]), so two names never become one. Replacing can merge two, which is reported.

use std::borrow::Cow;

/// How names with characters that OpenTSDB does not allow are treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Names {
    /// They are refused, as the client's option `names` has it.
    #[default]
    Refuse,
    /// Each such character becomes `_`. Names that fall together are one series, and reported.
    Replace,
    /// They are escaped so that they can be told again: see [`unescape`].
    Escape,
}

impl Names {
    pub(crate) fn apply<'a>(self, name: &'a str) -> Cow<'a, str> {
        match self {
            Names::Refuse => Cow::Borrowed(name),
            Names::Replace => replace(name),
            Names::Escape => escape(name),
        }
    }
}

fn is_allowed(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'/')
}

fn replace(name: &str) -> Cow<'_, str> {
    if name.is_empty() {
        return Cow::Borrowed("_");
    }
    if name.bytes().all(is_allowed) {
        return Cow::Borrowed(name);
    }
    let legal = |char: char| u8::try_from(char).is_ok_and(is_allowed);
    name.chars().map(|char| if legal(char) { char } else { '_' }).collect()
}

fn escape(name: &str) -> Cow<'_, str> {
    if name.is_empty() {
        return Cow::Borrowed("_");
    }
    if name.bytes().all(|byte| byte != b'_' && is_allowed(byte)) {
        return Cow::Borrowed(name);
    }
    let mut escaped = String::with_capacity(name.len() + 8);
    for byte in name.bytes() {
        match byte {
            b'_' => escaped.push_str("__"),
            b':' => escaped.push_str("_."),
            _ if is_allowed(byte) => escaped.push(char::from(byte)),
            _ => escaped.push_str(&format!("_{byte:02X}")),
        }
    }
    Cow::Owned(escaped)
}

/// The name that [`Names::Escape`] made `escaped` of; `None` if it made no such name.
#[must_use]
pub fn unescape(escaped: &str) -> Option<String> {
    if escaped == "_" {
        return Some(String::new());
    }
    let mut name = Vec::with_capacity(escaped.len());
    let mut rest = escaped.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'_' {
            name.push(byte);
            continue;
        }
        let (byte, len) = match rest {
            [b'_', ..] => (b'_', 1),
            [b'.', ..] => (b':', 1),
            [high, low, ..] => (hexadecimal(*high)? << 4 | hexadecimal(*low)?, 2),
            _ => return None,
        };
        name.push(byte);
        rest = &rest[len..];
    }
    String::from_utf8(name).ok()
}

/// Capital letters alone, so that a name has one escape.
fn hexadecimal(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn characters_are_refused_replaced_or_escaped() {
        for (name, replaced, escaped) in [
            ("web.requests", "web.requests", "web.requests"),
            ("web_requests", "web_requests", "web__requests"),
            ("ns:web", "ns_web", "ns_.web"),
            ("/users/{id}", "/users/_id_", "/users/_7Bid_7D"),
            ("zürich", "z_rich", "z_C3_BCrich"),
            ("", "_", "_"),
        ] {
            assert_eq!(Names::Refuse.apply(name), name);
            assert_eq!(Names::Replace.apply(name), replaced);
            assert_eq!(Names::Escape.apply(name), escaped);
            assert_eq!(unescape(escaped).as_deref(), Some(name));
        }
    }

    #[test]
    fn what_no_escaping_made_is_not_undone() {
        for no in ["a_", "a_7", "_7b", "_xx", "_FF"] {
            assert_eq!(unescape(no), None, "{no}");
        }
    }

    proptest! {
        #[test]
        fn escaping_is_undone_and_leaves_allowed_characters_alone(name in any::<String>()) {
            let escaped = Names::Escape.apply(&name);
            prop_assert!(!escaped.is_empty() && escaped.bytes().all(is_allowed));
            prop_assert_eq!(unescape(&escaped), Some(name));
        }
    }
}
