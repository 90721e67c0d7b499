//! Login: what a peer has to say before anything else of it is looked at.
//!
//! Compared in a time that does not depend on how much of it is right; its length can be told.

use std::fmt::{self, Debug, Formatter};
use std::sync::{Arc, PoisonError, RwLock};

use subtle::{Choice, ConstantTimeEq as _};

/// What peers have to say, if anything. Clones are one: what replaces it replaces it for all.
#[derive(Clone, Default)]
pub struct Login {
    accepted: Arc<RwLock<Accepted>>,
}

/// What is right; `None` wants nothing, and an empty list is never right.
#[derive(Clone, Default)]
struct Accepted {
    lines: Option<Vec<Vec<u8>>>,
    headers: Option<Vec<Vec<u8>>>,
}

impl Login {
    /// Wants a telnet connection's first line to be `line`, and an HTTP request's `Authorization` to be `header`; `None`
    /// wants nothing.
    #[must_use]
    pub fn new(line: Option<String>, header: Option<String>) -> Login {
        let only = |text: String| vec![text.into_bytes()];
        Login::of(line.map(only), header.map(only))
    }

    /// Wants one of these of every connection, whichever of the two it speaks.
    ///
    /// ```
    /// use potsdb_front::Login;
    ///
    /// // Nobody gets in over telnet.
    /// let login = Login::any_of([], ["Bearer secret".into()]);
    /// ```
    #[must_use]
    pub fn any_of(lines: impl IntoIterator<Item = String>, headers: impl IntoIterator<Item = String>) -> Login {
        let lines = lines.into_iter().map(String::into_bytes).collect();
        let headers = headers.into_iter().map(String::into_bytes).collect();
        Login::of(Some(lines), Some(headers))
    }

    /// Wants from now on what another one wants; who is in stays in.
    pub fn replace(&self, other: &Login) {
        let other = other.read(Accepted::clone);
        *self.accepted.write().unwrap_or_else(PoisonError::into_inner) = other;
    }

    fn of(lines: Option<Vec<Vec<u8>>>, headers: Option<Vec<Vec<u8>>>) -> Login {
        Login {
            accepted: Arc::new(RwLock::new(Accepted { lines, headers })),
        }
    }

    pub(crate) fn wants_line(&self) -> bool {
        self.read(|accepted| accepted.lines.is_some())
    }

    pub(crate) fn takes_line(&self, line: &[u8]) -> bool {
        self.read(|accepted| is_right(accepted.lines.as_deref(), Some(line)))
    }

    pub(crate) fn takes_header(&self, header: Option<&str>) -> bool {
        self.read(|accepted| is_right(accepted.headers.as_deref(), header.map(str::as_bytes)))
    }

    fn read<T>(&self, read: impl FnOnce(&Accepted) -> T) -> T {
        read(&self.accepted.read().unwrap_or_else(PoisonError::into_inner))
    }
}

fn is_right(wanted: Option<&[Vec<u8>]>, said: Option<&[u8]>) -> bool {
    match (wanted, said) {
        (None, _) => true,
        // All are compared, so that which one it was cannot be told either.
        (Some(wanted), Some(said)) => wanted
            .iter()
            .fold(Choice::from(0), |right, one| right | one.as_slice().ct_eq(said))
            .into(),
        (Some(_), None) => false,
    }
}

/// Shows which are wanted, never what they are.
impl Debug for Login {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (line, header) = self.read(|accepted| (accepted.lines.is_some(), accepted.headers.is_some()));
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

    #[test]
    fn one_of_several_is_enough_and_they_can_be_replaced() {
        let login = Login::any_of([], ["Bearer a".into(), "Bearer b".into()]);
        let clone = login.clone();
        assert!(clone.takes_header(Some("Bearer b")) && !clone.takes_header(None));
        assert!(
            clone.wants_line() && !clone.takes_line(b""),
            "nobody gets in over telnet"
        );
        login.replace(&Login::any_of(["auth c".into()], []));
        assert!(clone.takes_line(b"auth c") && !clone.takes_header(Some("Bearer b")));
    }
}
