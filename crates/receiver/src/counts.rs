//! What a receiver counts: points first, then everything a test may want to know about its connections.
//!
//! Kept in the store and changed under its lock, so that one copy is one moment. `personality/` and `query/api.rs`
//! print the part of it that OpenTSDB has names for.

/// What a receiver has counted since it started.
///
/// `puts = accepted + refused + throttled + discarded`, and `accepted` less `duplicates`, `respelled` and `conflicts`
/// is what was stored anew.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Connections accepted.
    pub connections: u64,
    /// Connections open now.
    pub open: u64,
    /// HTTP requests answered.
    pub requests: u64,
    /// Points that arrived, over both wires.
    pub puts: u64,
    /// Points taken, copies included.
    pub accepted: u64,
    /// Points refused.
    pub refused: u64,
    /// Accepted again with the same bytes.
    pub duplicates: u64,
    /// Accepted again with the same value, written differently (tags in another order).
    pub respelled: u64,
    /// Accepted again with another value; the last one stays.
    pub conflicts: u64,
    /// Conflicts of two connections: a point was overwritten by another connection, with another value.
    pub collisions: u64,
    /// `version` commands.
    pub versions: u64,
    /// Telnet lines that are neither `put` nor a known command.
    pub unknown: u64,
    /// Lines beyond 1024 bytes that were taken because they arrived whole; OpenTSDB may close on them.
    pub overlong: u64,
    /// Connections closed because 1024 bytes came without a newline.
    pub closed_overlong: u64,
    /// Connections that ended inside a line, other than by a fault of ours.
    pub torn: u64,
    /// Replies not written because the peer did not read.
    pub suppressed: u64,
    /// Connections reset or closed by a fault.
    pub cut: u64,
    /// Points dropped by a fault as if there were no room behind the server.
    pub throttled: u64,
    /// Points thrown away because the server was stopping.
    pub discarded: u64,
    /// Points forgotten at a restart, copies included.
    pub forgotten: u64,
    /// Restarts, each counted when it listens again.
    pub restarts: u64,
    /// Connections reset as soon as they stood.
    pub refused_connections: u64,
    /// Connections that found no place, because there were too many.
    pub turned_away: u64,
    /// Connections closed because the peer was too slow: a head, a body, a login, a rest, or replies that it did not
    /// read.
    pub late: u64,
    /// Bodies and long lines for which there was no room beside those of others.
    pub no_room: u64,
    /// Connections that were left half-open.
    pub half_open: u64,
    /// Connections that said nothing for too long at their beginning.
    pub mute: u64,
    /// Answers that were never sent, or in whose place the connection was reset.
    pub lost_answers: u64,
    /// HTTP requests answered with a status that a fault chose.
    pub struck_requests: u64,
    /// HTTP answers of a wrong length.
    pub wrong_lengths: u64,
    /// HTTP requests, and lines meant to authenticate, that were not authorised.
    pub unauthorised: u64,
    /// Points that went because a bound was reached.
    pub evicted_points: u64,
    /// Series that went because a bound was reached.
    pub evicted_series: u64,
    /// Points loaded from the journal at the start.
    pub loaded: u64,
    /// Lines `keep_lines` had no room for.
    pub unkept: u64,
    /// Writes to the journal that failed.
    pub journal_errors: u64,
}

impl Counts {
    /// Every count by its name.
    #[must_use]
    pub fn named(&self) -> [(&'static str, u64); 36] {
        [
            ("connections", self.connections),
            ("open", self.open),
            ("requests", self.requests),
            ("puts", self.puts),
            ("accepted", self.accepted),
            ("refused", self.refused),
            ("duplicates", self.duplicates),
            ("respelled", self.respelled),
            ("conflicts", self.conflicts),
            ("collisions", self.collisions),
            ("versions", self.versions),
            ("unknown", self.unknown),
            ("overlong", self.overlong),
            ("closed_overlong", self.closed_overlong),
            ("torn", self.torn),
            ("suppressed", self.suppressed),
            ("cut", self.cut),
            ("throttled", self.throttled),
            ("discarded", self.discarded),
            ("forgotten", self.forgotten),
            ("restarts", self.restarts),
            ("refused_connections", self.refused_connections),
            ("turned_away", self.turned_away),
            ("late", self.late),
            ("no_room", self.no_room),
            ("half_open", self.half_open),
            ("mute", self.mute),
            ("lost_answers", self.lost_answers),
            ("struck_requests", self.struck_requests),
            ("wrong_lengths", self.wrong_lengths),
            ("unauthorised", self.unauthorised),
            ("evicted_points", self.evicted_points),
            ("evicted_series", self.evicted_series),
            ("loaded", self.loaded),
            ("unkept", self.unkept),
            ("journal_errors", self.journal_errors),
        ]
    }

    /// The counts under OpenTSDB's names for them: name, value, tag.
    pub(crate) fn as_stats(&self) -> [(&'static str, u64, &'static str); 8] {
        [
            ("tsd.connectionmgr.connections", self.open, "type=open"),
            ("tsd.connectionmgr.connections", self.connections, "type=total"),
            ("tsd.rpc.received", self.puts, "type=put"),
            ("tsd.rpc.errors", self.refused, "type=illegal_arguments"),
            ("tsd.rpc.errors", self.unknown, "type=unknown_command"),
            ("tsd.rpc.errors", self.suppressed, "type=socket_writes_blocked"),
            ("tsd.http.requests", self.requests, "type=all"),
            ("tsd.datapoints.added", self.accepted, "type=all"),
        ]
    }

    /// The same as the lines of OpenTSDB's `stats`, at that second.
    pub(crate) fn stats_lines(&self, seconds: u64) -> [String; 8] {
        self.as_stats()
            .map(|(name, value, tag)| format!("{name} {seconds} {value} {tag} host=localhost"))
    }
}
