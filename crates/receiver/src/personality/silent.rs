//! The silent personality: takes puts, never says a word. VictoriaMetrics and everything behind a one-way relay is so.

use super::Personality;

pub(crate) struct Silent;

impl Personality for Silent {
    /// Only `p` is a put: a connection that begins with `version`, a space or an empty line ends up in HTTP, and fails.
    fn is_http(&self, first: u8) -> bool {
        first != b'p'
    }
}
