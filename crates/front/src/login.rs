//! Login: what a peer has to say before anything else of it is looked at.
//!
//! Compared in a time that does not depend on how much of it is right; its length can be told.

use std::fmt::{self, Debug, Formatter};

use subtle::ConstantTimeEq as _;

/// What peers have to say, if anything.
#[derive(Clone, Default)]
pub struct Login {
    line: Option<Vec<u8>>,
    header: Option<Vec<u8>>,
}

impl Login {
    /// Wants a telnet connection's first line to be `line`, and an HTTP request's `Authorization` to be `header`; `None`
    /// wants nothing.
    #[must_use]
    pub fn new(line: Option<String>, header: Option<String>) -> Login {
        Login {
            line: line.map(String::into_bytes),
            header: header.map(String::into_bytes),
        }
    }

    pub(crate) fn wants_line(&self) -> bool {
        self.line.is_some()
    }

    pub(crate) fn takes_line(&self, line: &[u8]) -> bool {
        is_right(self.line.as_deref(), Some(line))
    }

    pub(crate) fn takes_header(&self, header: Option<&str>) -> bool {
        is_right(self.header.as_deref(), header.map(str::as_bytes))
    }
}

fn is_right(wanted: Option<&[u8]>, said: Option<&[u8]>) -> bool {
    match (wanted, said) {
        (None, _) => true,
        (Some(wanted), Some(said)) => wanted.ct_eq(said).into(),
        (Some(_), None) => false,
    }
}

/// Shows which are wanted, never what they are.
impl Debug for Login {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (line, header) = (self.line.is_some(), self.header.is_some());
        f.debug_struct("Login")
            .field("line", &line)
            .field("header", &header)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::Login;

    #[test]
    fn only_the_whole_secret_is_right() {
        let login = Login::new(Some("auth a b".into()), Some("Bearer secret".into()));
        for (header, right) in [
            (Some("Bearer secret"), true),
            (Some("Bearer secre"), false),
            (Some("Bearer secret "), false),
            (Some(""), false),
            (None, false),
        ] {
            assert_eq!(login.takes_header(header), right, "{header:?}");
        }
        assert!(login.takes_line(b"auth a b") && !login.takes_line(b"auth a"));
        assert!(Login::default().takes_header(None) && !Login::default().wants_line());
        assert!(!format!("{login:?}").contains("secret"));
    }
}
