//! What was learned about an endpoint over HTTP: above all how long a body may be.
//!
//! ```text
//!   proven            limit                     ceiling
//!  ---|-----------------|--------------------------|------->  bytes of a body, as sent
//!     was taken         is tried                   was refused
//! ```
//!
//! OpenTSDB takes 8 192 bytes unless configured otherwise, and its configuration can be asked for. Any other
//! server is tried: the limit doubles while bodies that long are taken, and halves when one is refused.

use std::time::Duration;

use potsdb_wire::json::{self, Json};
use potsdb_wire::reply::Server;

/// What every server takes.
const SAFE: usize = 8192;

/// No body is longer: beyond it nothing gets cheaper.
const MOST: usize = 1 << 20;

/// No body is refused for its length below this: it holds one line of any length, and hardly more.
const LEAST: usize = 1024;

/// So long after a refusal longer bodies are tried again: what stood in the way may be gone.
const FORGET: Duration = Duration::from_secs(300);

/// What a server's clock showed while it answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Clock {
    /// In whole seconds since 1970.
    pub(crate) date: i64,
    /// When it was asked, and when its answer was there.
    pub(crate) asked: Duration,
    pub(crate) answered: Duration,
}

impl Clock {
    /// How many seconds the server's clock is ahead at least. `zero` is what this machine's clock showed at the time 0, in
    /// milliseconds since 1970.
    pub(crate) fn ahead(&self, zero: i64) -> i64 {
        let here = |at: Duration| zero.saturating_add(i64::try_from(at.as_millis()).unwrap_or(i64::MAX));
        let (first, last) = (
            self.date.saturating_mul(1000),
            self.date.saturating_mul(1000).saturating_add(999),
        );
        let (asked, answered) = (here(self.asked), here(self.answered));
        // The answer came from some moment in between, and the date is of some moment of its second.
        let apart = match (first > answered, last < asked) {
            (true, _) => first.saturating_sub(answered),
            (_, true) => last.saturating_sub(asked),
            _ => 0,
        };
        apart / 1000
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HttpProfile {
    pub(crate) server: Option<Server>,
    /// The server's configuration was asked for, or needs no asking.
    asked: bool,
    /// What its clock showed in its newest answer.
    pub(crate) clock: Option<Clock>,
    /// A body was taken: this is a place for points.
    took: bool,
    proven: usize,
    limit: usize,
    ceiling: usize,
    /// The longest body that the configuration allows: no longer one is tried, whatever is forgotten.
    configured: usize,
    /// When the ceiling was last met; what the configuration says has no such time.
    refused_at: Option<Duration>,
    /// How often the ceiling has moved: of two connections the one that saw it move more often knows better.
    moves: u32,
}

impl HttpProfile {
    /// Before anything is known but what the options say.
    pub(crate) fn new(server: Option<Server>) -> HttpProfile {
        let limit = match server {
            Some(Server::VictoriaMetrics | Server::InfluxDb) => MOST,
            _ => SAFE,
        };
        HttpProfile {
            server,
            asked: server.is_some_and(|server| server != Server::OpenTsdb),
            clock: None,
            took: false,
            proven: 0,
            limit,
            ceiling: usize::MAX,
            configured: MOST,
            refused_at: None,
            moves: 0,
        }
    }

    /// Whether a body was ever taken here.
    pub(super) fn has_taken(&self) -> bool {
        self.took
    }

    /// Whether a body of that length can be too long for anybody.
    pub(super) fn is_least(length: usize) -> bool {
        length <= LEAST
    }

    pub(super) fn asks_config(&self) -> bool {
        !self.asked
    }

    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    /// What `GET /api/config` brought.
    pub(super) fn config(&mut self, status: u16, body: &[u8]) {
        self.asked = true;
        if status == 400 && memchr::memmem::find(body, b"unexpected path requested").is_some() {
            *self = HttpProfile::new(Some(Server::VictoriaMetrics));
        }
        let Ok(config) = json::parse(body) else { return };
        let word = |name| config.field(name).and_then(Json::as_str);
        let Some(chunked) = word("tsd.http.request.enable_chunked").filter(|_| status == 200) else {
            return;
        };
        self.server = Some(Server::OpenTsdb);
        let most = word("tsd.http.request.max_chunk").and_then(|most| most.parse().ok());
        let taken = match chunked {
            "true" => most.unwrap_or(SAFE).max(SAFE),
            _ => SAFE,
        };
        self.configured = taken.min(MOST);
        self.limit = self.configured;
        self.ceiling = taken.saturating_add(1);
    }

    /// A body of that length was taken.
    pub(super) fn taken(&mut self, now: Duration, length: usize) {
        self.took = true;
        self.proven = self.proven.max(length);
        if length >= self.ceiling {
            (self.ceiling, self.refused_at) = (usize::MAX, None);
            self.moves += 1;
        }
        // Only a body that filled the limit says that more may fit.
        let doubled = self.limit.saturating_mul(2).min(self.configured);
        let forgotten = self.refused_at.is_some_and(|at| now >= at + FORGET);
        if length > self.limit / 2 && (forgotten || doubled < self.ceiling - self.ceiling / 8) {
            self.limit = self.limit.max(doubled);
        }
    }

    /// Whether the length of a body can be why the server did not take it.
    pub(super) fn may_be_too_long(&self, length: usize) -> bool {
        length > self.proven.max(SAFE)
    }

    /// A body of that length was refused because of it.
    pub(super) fn refused(&mut self, now: Duration, length: usize) {
        self.ceiling = self.ceiling.min(length);
        self.refused_at = Some(now);
        self.moves += 1;
        self.proven = self.proven.min(length.saturating_sub(1));
        self.limit = (length / 2).max(self.proven).max(LEAST).min(self.limit);
    }

    /// A body was refused as too long that no server refuses for its length: neither were the ones before it.
    pub(super) fn not_the_length(&mut self) {
        if self.refused_at.take().is_some() {
            self.ceiling = usize::MAX;
            self.limit = self.limit.max(SAFE);
            self.moves += 1;
        }
    }

    /// What another connection to the same endpoint has learned, and this one.
    pub(crate) fn merged(self, other: HttpProfile) -> HttpProfile {
        let knows_more = (other.moves, self.ceiling) > (self.moves, other.ceiling);
        let (later, earlier) = if knows_more { (other, self) } else { (self, other) };
        let limit = match later.ceiling == earlier.ceiling {
            true => later.limit.max(earlier.limit),
            false => later.limit,
        };
        HttpProfile {
            server: self.server.or(other.server),
            asked: self.asked || other.asked,
            clock: self
                .clock
                .into_iter()
                .chain(other.clock)
                .max_by_key(|clock| clock.answered),
            took: self.took || other.took,
            refused_at: later.refused_at,
            moves: later.moves,
            proven: self.proven.max(other.proven).min(later.ceiling - 1),
            limit,
            ceiling: later.ceiling,
            configured: self.configured.min(other.configured),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_apart_by_what_neither_the_way_nor_the_whole_second_explains() {
        let zero = 1_700_000_000_500;
        for (date, asked, answered, ahead) in [
            (1_700_000_000, 0, 100, 0),
            (1_700_000_001, 100, 700, 0),
            (1_700_000_009, 0, 100, 8),
            (1_700_000_009, 0, 8_000, 0),
            (1_699_999_000, 0, 100, -999),
            (i64::MAX, 0, 0, i64::MAX / 1000 - 1_700_000_000),
        ] {
            let (asked, answered) = (Duration::from_millis(asked), Duration::from_millis(answered));
            let clock = Clock { date, asked, answered };
            assert_eq!(clock.ahead(zero), ahead, "{clock:?}");
        }
    }

    #[test]
    fn opentsdbs_configuration_says_what_it_takes() {
        for (body, limit) in [
            (
                r#"{"tsd.http.request.enable_chunked":"false","tsd.http.request.max_chunk":"1000000"}"#,
                8192,
            ),
            (
                r#"{"tsd.http.request.enable_chunked":"true","tsd.http.request.max_chunk":"100000"}"#,
                100_000,
            ),
            (
                r#"{"tsd.http.request.enable_chunked":"true","tsd.http.request.max_chunk":"4096"}"#,
                8192,
            ),
        ] {
            let mut profile = HttpProfile::new(None);
            profile.config(200, body.as_bytes());
            assert_eq!((profile.limit(), profile.server), (limit, Some(Server::OpenTsdb)));
            for _ in 0..20 {
                profile.taken(Duration::ZERO, profile.limit());
            }
            assert_eq!(profile.limit(), limit, "what is known is not tried");
            assert!(!profile.asks_config());
        }
    }

    #[test]
    fn without_one_the_limit_doubles_until_refused_and_remembers() {
        let mut profile = HttpProfile::new(None);
        profile.config(404, b"404 page not found\n");
        let mut lengths = Vec::new();
        for _ in 0..10 {
            let length = profile.limit();
            lengths.push(length);
            match length > 50_000 {
                true => profile.refused(Duration::ZERO, length),
                false => profile.taken(Duration::ZERO, length),
            }
        }
        assert_eq!(lengths[..5], [8192, 16_384, 32_768, 65_536, 32_768]);
        assert!(lengths[5..].iter().all(|length| *length == 32_768));
    }

    #[test]
    fn a_refusal_is_forgotten_after_minutes_and_a_longer_body_tried() {
        let mut profile = HttpProfile::new(None);
        let taken = |profile: &mut HttpProfile, now| {
            profile.taken(now, profile.limit());
            profile.limit()
        };
        assert_eq!(taken(&mut profile, Duration::ZERO), 16_384);
        profile.refused(Duration::ZERO, 16_384);
        assert_eq!(taken(&mut profile, FORGET / 2), 8192);
        let before = profile;
        assert_eq!(taken(&mut profile, FORGET), 16_384);
        assert_eq!(taken(&mut profile, FORGET), 32_768, "and so on, now that it was taken");
        assert_eq!(profile.merged(before), before.merged(profile));
        assert_eq!(before.merged(profile).limit(), 32_768);
    }

    #[test]
    fn what_the_configuration_allows_outlives_a_refusal_of_less() {
        let config = br#"{"tsd.http.request.enable_chunked":"true","tsd.http.request.max_chunk":"20000"}"#;
        let mut profile = HttpProfile::new(None);
        profile.config(200, config);
        profile.refused(Duration::ZERO, 8000);
        profile.taken(Duration::ZERO, 9000);
        for _ in 0..10 {
            profile.taken(FORGET, profile.limit());
        }
        assert_eq!(profile.limit(), 20_000);
    }

    #[test]
    fn short_bodies_prove_nothing_about_long_ones() {
        let mut profile = HttpProfile::new(None);
        for _ in 0..10 {
            profile.taken(Duration::ZERO, 100);
        }
        assert_eq!(profile.limit(), 8192);
    }

    #[test]
    fn a_refusal_seen_by_one_connection_holds_for_the_others() {
        let mut one = HttpProfile::new(None);
        one.taken(Duration::ZERO, 8192);
        let mut other = one;
        other.refused(Duration::ZERO, 16_384);
        assert_eq!(one.merged(other), other.merged(one));
        assert_eq!(one.merged(other).limit(), 8192);
        let mut grown = one;
        grown.taken(Duration::ZERO, 16_384);
        assert_eq!(grown.merged(one).limit(), 32_768);
    }

    #[test]
    fn victoriametrics_shows_itself_by_its_refusal() {
        let mut profile = HttpProfile::new(None);
        profile.config(
            400,
            b"unexpected path requested on HTTP OpenTSDB server: \"/api/config\"",
        );
        assert_eq!(profile.server, Some(Server::VictoriaMetrics));
        assert!(!profile.asks_config() && profile.limit() == MOST);
    }

    #[test]
    fn the_limit_never_gets_useless() {
        let mut profile = HttpProfile::new(None);
        for _ in 0..30 {
            profile.refused(Duration::ZERO, profile.limit());
        }
        assert_eq!(profile.limit(), LEAST);
    }
}
