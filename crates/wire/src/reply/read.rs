//! The replies in what one connection's server wrote.
//!
//! ```text
//!  '1': TDengine      19 bytes: InfluxDB, or a line
//!     .--.                  .--.
//!     |  v                  |  v    64 KiB without an end
//!    Start --- else ----->  Line ------------------------> Rest
//!                             ^--------- newline ------------'
//! ```
//!
//! Two servers answer `version` without a newline, so an answer is looked for where a line may begin, before a line is
//! waited for. The exchange pushes what the socket gave and takes replies out, on the worker.

use super::{ErrorKind, Reply, Server};

/// The replies of one connection, read as they come.
///
/// However the bytes are split into pushes, the replies are the same. Holds at most one line of at most
/// [`MAX_REPLY`](Self::MAX_REPLY) bytes beyond what was pushed since [`next`](Self::next) last returned `None`.
///
/// ```
/// use potsdb_wire::{ErrorKind, Replies, Reply};
///
/// let mut replies = Replies::new();
/// replies.push(b"put: unknown metric: No such name ");
/// assert_eq!(replies.next(), None, "the line is not whole");
/// replies.push(b"for 'metrics': 'm'\n");
/// assert!(matches!(replies.next(), Some(Reply::Error { kind: ErrorKind::UnknownMetric, .. })));
/// ```
#[derive(Clone, Debug, Default)]
pub struct Replies {
    bytes: Vec<u8>,
    /// How much of `bytes` was taken out as replies.
    taken: usize,
    /// How much of `bytes` was searched for a newline.
    searched: usize,
    /// What stands at the beginning of the next line.
    at: At,
    /// OpenTSDB's answer to `version` has begun.
    version_begun: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
enum At {
    /// The first byte of the connection, or one after nothing but `1`.
    #[default]
    Start,
    /// The beginning of a line.
    Line,
    /// The rest of a line that was too long and has been reported.
    Rest,
}

impl Replies {
    /// The longest line that is reported whole; a longer one is cut here.
    pub const MAX_REPLY: usize = 64 * 1024;

    /// Makes the reader of a new connection's replies.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in what the server wrote.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.drain(..self.taken);
        self.searched -= self.taken;
        self.taken = 0;
        self.bytes.extend_from_slice(bytes);
    }

    /// Returns the next reply that is complete.
    #[expect(
        clippy::should_implement_trait,
        reason = "a reply borrows from the reader, so this is no iterator"
    )]
    pub fn next(&mut self) -> Option<Reply<'_>> {
        loop {
            if self.at == At::Start {
                match self.bytes.get(self.taken) {
                    None => return None,
                    Some(b'1') => {
                        self.take(1);
                        return Some(Reply::Version(Server::TDengine));
                    }
                    Some(_) => self.at = At::Line,
                }
            }
            if self.at == At::Rest {
                self.skip_rest()?;
            }
            let rest = &self.bytes[self.taken..];
            if rest.starts_with(INFLUXDB) {
                self.take(INFLUXDB.len());
                return Some(Reply::Version(Server::InfluxDb));
            }
            let (start, end) = self.take_line()?;
            let line = &self.bytes[start..end];
            if line.is_empty() {
                continue;
            }
            if let Some(kind) = ErrorKind::of(line) {
                let text = &self.bytes[start..end];
                return Some(Reply::Error { kind, text });
            }
            if memchr::memmem::find(line, b" built at revision ").is_some() {
                self.version_begun = true;
                continue;
            }
            if self.version_begun && line.starts_with(b"Built on ") {
                self.version_begun = false;
                return Some(Reply::Version(Server::OpenTsdb));
            }
            if line.starts_with(b"KairosDB ") {
                return Some(Reply::Version(Server::KairosDb));
            }
            return Some(Reply::Other(&self.bytes[start..end]));
        }
    }

    /// Returns what came after the last complete reply: at the end of the stream, what the server did not finish saying.
    pub fn rest(&self) -> &[u8] {
        if self.at == At::Rest {
            &[]
        } else {
            &self.bytes[self.taken..]
        }
    }

    /// Takes a line out and returns where it lies, without its line end; one too long is cut.
    fn take_line(&mut self) -> Option<(usize, usize)> {
        let newline = self.find_newline();
        let start = self.taken;
        let end = newline.unwrap_or(self.bytes.len());
        if end - start > Self::MAX_REPLY {
            self.take(Self::MAX_REPLY);
            self.at = At::Rest;
            return Some((start, start + Self::MAX_REPLY));
        }
        let Some(newline) = newline else {
            self.searched = end;
            return None;
        };
        self.take(newline + 1 - start);
        let carriage_return = usize::from(self.bytes[start..end].ends_with(b"\r"));
        Some((start, end - carriage_return))
    }

    /// Drops what is left of a line that was cut; `None` when its end has not come yet.
    fn skip_rest(&mut self) -> Option<()> {
        let newline = self.find_newline();
        let end = newline.map_or(self.bytes.len(), |newline| newline + 1);
        self.take(end - self.taken);
        newline?;
        self.at = At::Line;
        Some(())
    }

    fn find_newline(&self) -> Option<usize> {
        let found = memchr::memchr(b'\n', &self.bytes[self.searched..])?;
        Some(self.searched + found)
    }

    fn take(&mut self, len: usize) {
        self.taken += len;
        self.searched = self.taken;
    }
}

/// InfluxDB's whole answer to `version`.
const INFLUXDB: &[u8] = b"InfluxDB TSDB proxy";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reply::Class;

    const OPENTSDB: &str = "net.opentsdb.tools BuildData built at revision eb125a342 (MODIFIED)\n\
        Built on 2021/09/08 03:26:53 +0000 by clarsen@C02ZM182LVDV:/Users/clarsen\n";

    /// Reads replies to the end, in words.
    fn read(replies: &mut Replies) -> Vec<String> {
        let mut read = Vec::new();
        while let Some(reply) = replies.next() {
            read.push(match reply {
                Reply::Version(server) => format!("version {server}"),
                Reply::Error { kind, .. } => kind.name().to_owned(),
                Reply::Other(text) => format!("other {}", String::from_utf8_lossy(text)),
            });
        }
        read
    }

    fn all(text: &str) -> Vec<String> {
        let mut replies = Replies::new();
        replies.push(text.as_bytes());
        read(&mut replies)
    }

    #[test]
    fn each_server_is_known_by_its_version() {
        assert_eq!(all(OPENTSDB), ["version opentsdb"]);
        assert_eq!(all("KairosDB 1.3.0-1.20210808223203\n"), ["version kairosdb"]);
        assert_eq!(all(&"InfluxDB TSDB proxy".repeat(3)), ["version influxdb"; 3]);
        assert_eq!(all("111"), ["version tdengine"; 3]);
    }

    #[test]
    fn opentsdb_answers_once_at_its_second_line() {
        let (first, second) = OPENTSDB.split_at(OPENTSDB.find('\n').unwrap() + 1);
        let mut replies = Replies::new();
        replies.push(first.as_bytes());
        assert_eq!(replies.next(), None);
        replies.push(b"put: HBase error: x\n");
        replies.push(second.as_bytes());
        assert_eq!(read(&mut replies), ["hbase error", "version opentsdb"]);
        assert_eq!(all("Built on sand\n"), ["other Built on sand"]);
    }

    #[test]
    fn a_one_is_tdengine_only_as_long_as_nothing_else_came() {
        assert_eq!(all("1\n1\n"), ["version tdengine", "other 1"]);
        assert_eq!(all("x\n1\n"), ["other x", "other 1"]);
    }

    #[test]
    fn every_error_opentsdb_was_seen_to_write_has_its_kind_and_class() {
        for (line, kind, class) in [
            (
                "put: invalid value: Invalid character 'z' in zz",
                ErrorKind::InvalidValue,
                Class::Rejected,
            ),
            (
                "put: illegal argument: invalid tag: h=a=b",
                ErrorKind::IllegalArgument,
                Class::Rejected,
            ),
            (
                "put: unknown metric: No such name for 'metrics': 'x'",
                ErrorKind::UnknownMetric,
                Class::Rejected,
            ),
            ("rollup: No such rollup: 1x", ErrorKind::NoSuchRollup, Class::Rejected),
            (
                "put: Throttling exception: x",
                ErrorKind::ThrottlingException,
                Class::Again,
            ),
            ("put: Request timed out: x", ErrorKind::RequestTimedOut, Class::Again),
            (
                "put: Please throttle writes: 10000 RPCs waiting on \"tsdb,,1.17f9.\" to come back online",
                ErrorKind::PleaseThrottle,
                Class::Late,
            ),
            (
                "histogram: HBase error: Too many attempts: PutRequest(",
                ErrorKind::HBaseError,
                Class::Late,
            ),
            ("put: disk full", ErrorKind::Unknown, Class::Again),
            ("put: HBase error", ErrorKind::Unknown, Class::Again),
            ("put:", ErrorKind::Unknown, Class::Again),
            (
                "unknown command: put.  Try `help'.",
                ErrorKind::ReadOnly,
                Class::ReadOnly,
            ),
            ("unknown command: put", ErrorKind::ReadOnly, Class::ReadOnly),
            (
                "unknown command: .  Try `help'.",
                ErrorKind::UnknownCommand,
                Class::Other,
            ),
            (
                "unknown command: put.x.  Try `help'.",
                ErrorKind::UnknownCommand,
                Class::Other,
            ),
        ] {
            for end in ["\n", "\r\n"] {
                let mut replies = Replies::new();
                replies.push((line.to_owned() + end).as_bytes());
                let text = line.as_bytes();
                assert_eq!(replies.next(), Some(Reply::Error { kind, text }), "{line}");
                assert_eq!(replies.next(), None);
                assert_eq!(kind.class(), class);
            }
        }
    }

    #[test]
    fn what_is_no_error_is_handed_on_and_empty_lines_are_not() {
        assert_eq!(
            all("Caused by RPC: PutRequest(x\n\n\r\nput: something new: x\nget: HBase error: x\n"),
            [
                "other Caused by RPC: PutRequest(x",
                "unknown error",
                "other get: HBase error: x"
            ]
        );
    }

    #[test]
    fn a_line_at_the_limit_is_whole_and_one_byte_more_is_cut_however_it_is_split() {
        for (len, end) in [(0, "\n"), (0, "\r\n"), (1, "\n"), (2, "\r\n")] {
            let line = "x".repeat(Replies::MAX_REPLY + len) + end;
            let whole = all(&(line.clone() + "end\n"));
            assert_eq!(whole.len(), 2, "{len} {end:?}");
            assert_eq!(whole[0].len(), "other ".len() + Replies::MAX_REPLY);
            for cut in [1, line.len() - 3, line.len() - 2, line.len() - 1, line.len()] {
                let mut replies = Replies::new();
                replies.push(&line.as_bytes()[..cut]);
                let mut parts = read(&mut replies);
                replies.push(&line.as_bytes()[cut..]);
                replies.push(b"end\n");
                parts.extend(read(&mut replies));
                assert_eq!(parts, whole, "{len} {end:?} {cut}");
            }
        }
    }

    #[test]
    fn a_line_beyond_the_limit_is_cut_once_and_its_rest_swallowed() {
        let mut replies = Replies::new();
        for _ in 0..10 {
            replies.push(&[b'x'; 50_000]);
            while let Some(reply) = replies.next() {
                assert_eq!(reply, Reply::Other(&[b'x'; Replies::MAX_REPLY]));
            }
            assert!(replies.bytes.len() <= 2 * Replies::MAX_REPLY);
        }
        assert_eq!(replies.rest(), b"");
        replies.push(b"x\nKairosDB 1\nput: ");
        assert_eq!(read(&mut replies), ["version kairosdb"]);
        assert_eq!(replies.rest(), b"put: ");
    }

    #[test]
    fn a_byte_at_a_time_is_searched_once_and_held_no_longer_than_its_line() {
        let line = "put: HBase error: Call queue is full\nCaused by RPC: PutRequest(\n\n";
        let stream = line.repeat(1000) + &"x".repeat(3 * Replies::MAX_REPLY) + "\n" + &line.repeat(1000);
        let (mut replies, mut found) = (Replies::new(), 0);
        for byte in stream.as_bytes() {
            replies.push(&[*byte]);
            while replies.next().is_some() {
                found += 1;
            }
            // Nothing is searched again at the next push, and what was handed out is given up at it.
            assert_eq!(replies.searched, replies.bytes.len());
            assert!(replies.bytes.len() <= Replies::MAX_REPLY + 1);
        }
        assert_eq!(found, 4001);
        assert!(replies.bytes.capacity() <= 4 * Replies::MAX_REPLY);
    }
}
