//! What a server's words are cleared of before anybody hears them.
//!
//! Servers and proxies repeat requests in their errors: the target with its query, a header. So whatever of a
//! connection's requests may be secret is looked for in what comes back: the query's values, and those of the headers.

use std::borrow::Cow;

use crate::secret::Secret;

/// Shorter values are in any text: a tenant's number, `true`.
const SHORTEST: usize = 6;

#[derive(Debug)]
pub(super) struct Secrets(Vec<Secret>);

impl Secrets {
    pub(super) fn of(target: &str, headers: &[u8]) -> Secrets {
        let query = target.split_once('?').map_or("", |(_, query)| query);
        let pairs = query
            .split('&')
            .map(|pair| pair.split_once('=').map_or(pair, |(_, value)| value));
        let headers = String::from_utf8_lossy(headers);
        let values = headers.lines().filter_map(|line| line.split_once(": "));
        // `Basic x` and `Bearer x`: the second half alone is enough to be let in.
        let values = values.flat_map(|(_, value)| [value, value.rsplit(' ').next().unwrap_or(value)]);
        let mut secrets: Vec<String> = [query]
            .into_iter()
            .chain(pairs)
            .chain(values)
            .map(str::to_owned)
            .collect();
        secrets.retain(|secret| secret.len() >= SHORTEST);
        // The longest first: a shorter one may be a part of it.
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        Secrets(secrets.into_iter().map(Secret::from).collect())
    }

    /// These words without them.
    pub(super) fn hidden<'a>(&self, words: impl Into<Cow<'a, str>>) -> String {
        let mut words = words.into().into_owned();
        for secret in &self.0 {
            if words.contains(secret.reveal()) {
                words = words.replace(secret.reveal(), "***");
            }
        }
        words
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_a_secret_is_hidden_and_nothing_else() {
        let headers = b"Authorization: Basic bWU6Y2FuYXJ5\r\nX-Scope-OrgID: 7\r\n";
        let secrets = Secrets::of("/api/put?token=sesame42&details", headers);
        for (said, heard) in [
            ("no token=sesame42&details here", "no *** here"),
            ("sesame42?", "***?"),
            ("Basic bWU6Y2FuYXJ5", "***"),
            ("got bWU6Y2FuYXJ5", "got ***"),
            ("value 7 of m at /api/put", "value 7 of m at /api/put"),
        ] {
            assert_eq!(secrets.hidden(said), heard);
        }
    }
}
