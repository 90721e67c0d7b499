//! `potsdb serve -v`: connections and refusals as they come, one line each, at most so many a second.
//!
//! ```text
//! 12:03:44Z #3 127.0.0.1:50312 opened
//! 12:03:44Z #3 refused "put web.load 1767225600 x host=a": "put: invalid value: Invalid character 'x' in x"
//! 12:03:45Z 5134 more left out
//! ```
//!
//! What a peer sent is quoted, so that it can neither break a line nor reach the terminal.

use std::io::{self, IsTerminal};
use std::time::{Duration, Instant, SystemTime};

use potsdb_receiver::{Happened, Happening, Receiver, Seen};

use crate::output::Output;

/// How many lines are written in a second.
const MOST: usize = 20;

/// How often it is looked for more.
pub(super) const LOOK: Duration = Duration::from_millis(100);

/// What was told, and how much more may be in this second.
pub(super) struct Log {
    seen: Seen,
    is_coloured: bool,
    second: Instant,
    told: usize,
    left_out: u64,
}

impl Log {
    /// A log to standard error, coloured if that is a terminal and `NO_COLOR` is not set.
    pub(super) fn new() -> Log {
        let wants_none = std::env::var_os("NO_COLOR").is_some_and(|text| !text.is_empty());
        Log {
            seen: Seen::default(),
            is_coloured: io::stderr().is_terminal() && !wants_none,
            second: Instant::now(),
            told: 0,
            left_out: 0,
        }
    }

    /// Tells what is new.
    pub(super) fn tell(&mut self, receiver: &Receiver, output: &Output, now: Instant) {
        if now.duration_since(self.second) >= Duration::from_secs(1) {
            self.sum_up(output);
            (self.second, self.told) = (now, 0);
        }
        let happenings = receiver.happenings(&mut self.seen);
        self.left_out += happenings.missed;
        for happened in &happenings.list {
            if self.told < MOST {
                self.told += 1;
                output.log(self.line(happened));
            } else {
                self.left_out += 1;
            }
        }
    }

    /// Says how much was left out.
    pub(super) fn sum_up(&mut self, output: &Output) {
        if self.left_out > 0 {
            let (time, left_out) = (time_of_day(SystemTime::now()), self.left_out);
            output.log(self.coloured(YELLOW, &format!("{time} {left_out} more left out")));
        }
        self.left_out = 0;
    }

    fn line(&self, happened: &Happened) -> String {
        let line = format!("{} {}", time_of_day(happened.at), happened.what);
        let colour = match &happened.what {
            Happening::Refused { .. } => RED,
            Happening::Ended { how, .. } if *how != "closed" => YELLOW,
            _ => DIM,
        };
        self.coloured(colour, &line)
    }

    fn coloured(&self, colour: &str, line: &str) -> String {
        match self.is_coloured {
            true => format!("\x1b[{colour}m{line}\x1b[0m"),
            false => line.to_owned(),
        }
    }
}

const RED: &str = "31";
const YELLOW: &str = "33";
const DIM: &str = "2";

/// Hours, minutes and seconds of UTC: the zone of this machine is not known without its files.
fn time_of_day(at: SystemTime) -> String {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let seconds = since.as_secs() % 86_400;
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{hours:02}:{minutes:02}:{seconds:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_that_of_the_day() {
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(86_400 * 365 + 3_723);
        assert_eq!(time_of_day(at), "01:02:03Z");
    }
}
