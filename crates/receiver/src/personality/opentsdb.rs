//! OpenTSDB 2.4.1's telnet voice: silent on success, one line per refusal, `version` answered in two lines.
//!
//! The texts are those of the real server, byte for byte, but for the name in `version`. Of the commands that `help`
//! names this one does not have `rollup` and `histogram`, nor `diediedie`, which would end the receiver for anybody who
//! asks. HTTP is `opentsdb_http.rs`.

use std::borrow::Cow;
use std::io::Write as _;
use std::time::SystemTime;

use potsdb_front::{AtHead, Head, Opening, Overlong, Reply};

use super::{Origin, Outcome, Setup, Voice, opentsdb_http, origins};
use crate::counts::Counts;
use crate::point::put::{Put, Refusal, Rules};
use crate::point::reading::{Reading, Take, latin1};
use crate::point::sink::Points;
use crate::request::Asked;

pub(crate) struct OpenTsdb {
    pub(super) setup: Setup,
}

impl OpenTsdb {
    pub(crate) fn new(setup: &Setup) -> OpenTsdb {
        OpenTsdb { setup: setup.clone() }
    }
}

impl Reading for OpenTsdb {
    /// The first word is `put`; commands are matched whole and in lower case.
    #[inline]
    fn is_put(&self, line: &[u8]) -> bool {
        !self.setup.read_only && (line.starts_with(b"put ") || line == b"put")
    }

    #[inline]
    fn takes_as_it_is(&self, _timestamp: &[u8], _value: &[u8]) -> bool {
        // The short way reads both as this server does.
        true
    }

    fn text<'a>(&self, line: &'a [u8]) -> Cow<'a, str> {
        latin1(line).into()
    }

    fn read(&self, line: &str, rules: &Rules, take: Take<'_>) -> Result<(), Refusal> {
        let put = Put::from_line(line)?;
        put.check(rules)?;
        take(&put);
        Ok(())
    }
}

impl Voice for OpenTsdb {
    fn opening(&self, bytes: &[u8]) -> Opening {
        Opening::of(bytes)
    }

    fn longest(&self) -> (usize, Overlong) {
        (1024, Overlong::Ends)
    }

    fn keeps_both(&self) -> bool {
        true
    }

    fn refused(&self, refusal: &Refusal, replies: &mut Vec<u8>) {
        let (kind, text) = match refusal {
            Refusal::InvalidValue(text) => ("invalid value", text),
            Refusal::IllegalArgument(text) => ("illegal argument", text),
            Refusal::UnknownMetric(text) => ("unknown metric", text),
        };
        let _ = writeln!(replies, "put: {kind}: {text}");
    }

    fn throttled(&self, replies: &mut Vec<u8>) {
        let _ = writeln!(replies, "put: Please throttle writes: {THROTTLED}");
    }

    fn command(&self, line: &str, counts: &Counts, replies: &mut Vec<u8>) -> Outcome {
        let command = line.split(' ').next().unwrap_or_default();
        match command {
            "version" => replies.extend_from_slice(VERSION),
            "help" => replies.extend_from_slice(
                b"available commands: stats dropcaches version exit help put rollup histogram diediedie \n",
            ),
            "dropcaches" => replies.extend_from_slice(b"Caches dropped.\n"),
            "stats" => stats(counts, replies),
            "exit" => return Outcome::Leave,
            _ => {
                let _ = writeln!(replies, "unknown command: {command}.  Try `help'.");
                return Outcome::Unknown;
            }
        }
        Outcome::Known
    }

    fn at_head(&self, head: &Head) -> AtHead {
        self.judge_size(head)
    }

    /// It writes no length then, and lets the end of the stream say it.
    fn at_the_last(&self, reply: &mut Reply, _minor: u8) {
        reply.head.retain(|(name, _)| *name != "Content-Length");
    }

    fn largest_body(&self) -> usize {
        self.limit()
    }

    fn origin(&self, head: &Head) -> Origin {
        origins::judge(head, &self.setup.cors_domains)
    }

    fn answer(&self, asked: &Asked<'_>, points: &dyn Points) -> Option<Reply> {
        opentsdb_http::answer(self, asked, points)
    }
}

/// What its HBase client says of a region that does not take what it is sent.
pub(super) const THROTTLED: &str =
    "10000 RPCs waiting on \"tsdb,,1795349984652.17f9185ef76964c998807bc5115fa6b6.\" to come back online";

/// The shape clients look for, `... built at revision ...` and `Built on ...`, with this server's own name in it.
pub(super) const VERSION: &[u8] = b"net.opentsdb.tools 2.4.1 built at revision potsdb (RECEIVER)\n\
    Built on 2026/01/01 00:00:00 +0000 by potsdb@localhost:potsdb-receiver\n";

fn stats(counts: &Counts, replies: &mut Vec<u8>) {
    let seconds = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    for line in counts.stats_lines(seconds) {
        let _ = writeln!(replies, "{line}");
    }
}
