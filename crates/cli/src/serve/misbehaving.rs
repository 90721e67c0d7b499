//! How the receiver of `potsdb serve` misbehaves: a flag for each of [`Faults`]' fields, one grammar for when each
//! strikes.

use std::time::Duration;

use clap::Args;
use potsdb_receiver::{Faults, Occasions, Offsets};

use crate::options;

/// How all flags say when a fault strikes.
pub(super) const GRAMMAR: &str = "\
BYTES and LINE: 5000 in every connection; 100,7000 in the first and the second; SEED:LARGEST[:HOW_MANY] at random
WHICH:          always; never; 1,3,7-9,20- by number; 5% or 5%:SEED at random
Connections, answers, requests and points are counted from 1. The same seed makes the same choice.";

/// How the receiver misbehaves: each fault at a place, BYTES or LINE, or on some occasions, WHICH.
#[derive(Debug, Args)]
#[command(next_help_heading = "How it misbehaves")]
pub(super) struct Misbehaving {
    /// Reset each connection after this many bytes
    #[arg(long, value_name = "BYTES", default_value = "never", hide_default_value = true, value_parser = offsets)]
    reset_after: Offsets,

    /// Close each connection after this many bytes
    #[arg(long, value_name = "BYTES", default_value = "never", hide_default_value = true, value_parser = offsets)]
    close_after: Offsets,

    /// Leave each connection half-open after this many bytes: not read, not answered, not closed
    #[arg(long, value_name = "BYTES", default_value = "never", hide_default_value = true, value_parser = offsets)]
    half_open_after: Offsets,

    /// Close each connection at this line, in the same format as BYTES
    #[arg(long, value_name = "LINE", default_value = "never", hide_default_value = true, value_parser = offsets)]
    close_at_line: Offsets,

    /// Close a connection at a line of more than 1024 bytes, however it arrives
    #[arg(long)]
    close_overlong: bool,

    /// Accept connections and never read from them
    #[arg(long)]
    stall_reading: bool,

    /// Take points and never answer
    #[arg(long)]
    stall_answers: bool,

    /// Reset these connections as soon as they are made
    #[arg(long, value_name = "WHICH", default_value = "never", hide_default_value = true, value_parser = occasions)]
    refuse: Occasions,

    /// Never send these answers, to version or HTTP requests, though the points are stored
    #[arg(long, value_name = "WHICH", default_value = "never", hide_default_value = true, value_parser = occasions)]
    lose_answers: Occasions,

    /// Reset the connection in place of these answers, though the points are stored
    #[arg(long, value_name = "WHICH", default_value = "never", hide_default_value = true, value_parser = occasions)]
    cut_answers: Occasions,

    /// Refuse the points of these metrics as OpenTSDB refuses unknown ones; web.* is every metric that begins so
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    refuse_points: Vec<String>,

    /// Drop these points as OpenTSDB does when its storage is too slow: telnet is told, HTTP only with sync
    #[arg(long, value_name = "WHICH", default_value = "never", hide_default_value = true, value_parser = occasions)]
    throttle: Occasions,

    /// Report the throttling only after the next answer to version
    #[arg(long, requires = "throttle")]
    pub(super) throttle_late: bool,

    /// Answer HTTP requests with this status, and store nothing
    #[arg(long, value_name = "CODE", value_parser = status, allow_hyphen_values = true)]
    pub(super) status: Option<u16>,

    /// Answer these HTTP requests with that status
    #[arg(long, value_name = "WHICH", default_value = "always", requires = "status", value_parser = occasions)]
    status_on: Occasions,

    /// Send Retry-After with that status
    #[arg(long, value_name = "SECONDS", requires = "status", value_parser = seconds, allow_hyphen_values = true)]
    retry_after: Option<u64>,

    /// Announce a wrong Content-Length in these HTTP answers, and close
    #[arg(long, value_name = "WHICH", default_value = "never", hide_default_value = true, value_parser = occasions)]
    wrong_length: Occasions,

    /// By how many bytes too long; negative is too short [default: 10]
    #[arg(long, value_name = "BYTES", allow_negative_numbers = true, requires = "wrong_length")]
    length_error: Option<i64>,

    /// Restart when these points have come: reset all connections, forget what --forget says, listen again
    #[arg(long, value_name = "WHICH", default_value = "never", hide_default_value = true, value_parser = occasions)]
    restart: Occasions,

    /// Refuse connections for this long at a restart
    #[arg(long, value_name = "TIME", value_parser = options::duration, requires = "restart")]
    down: Option<Duration>,

    /// Accept no connection for this long after starting
    #[arg(long, value_name = "TIME", value_parser = options::duration)]
    slow_start: Option<Duration>,

    /// When told to end, go on for this long as InfluxDB does: answer connections, discard their points, take no new
    /// ones
    #[arg(long, value_name = "TIME", value_parser = options::duration)]
    pub(super) stopping: Option<Duration>,
}

impl Misbehaving {
    pub(super) fn gives_wrong_lengths(&self) -> bool {
        !matches!(self.wrong_length, Occasions::Never)
    }

    pub(super) fn throttles(&self) -> bool {
        !matches!(self.throttle, Occasions::Never)
    }

    pub(super) fn restarts(&self) -> bool {
        !matches!(self.restart, Occasions::Never)
    }

    pub(super) fn faults(self) -> Faults {
        let status_on = self.status.map_or(Occasions::Never, |_| self.status_on);
        Faults {
            reset_after: self.reset_after,
            close_after: self.close_after,
            half_open_after: self.half_open_after,
            close_at_line: self.close_at_line,
            close_overlong: self.close_overlong,
            stall_reading: self.stall_reading,
            stall_answers: self.stall_answers,
            refuse: self.refuse,
            lose_answers: self.lose_answers,
            cut_answers: self.cut_answers,
            refuse_points: self.refuse_points,
            throttle: self.throttle,
            throttle_late: self.throttle_late,
            status_on,
            status: self.status.unwrap_or_default(),
            retry_after: self.retry_after,
            wrong_length: self.wrong_length,
            length_error: self.length_error.unwrap_or(10),
            restart: self.restart,
            down: self.down.unwrap_or_default(),
            slow_start: self.slow_start.unwrap_or_default(),
            stopping: false,
        }
    }
}

/// Reads where a fault strikes: nothing is struck before its first byte or line.
fn offsets(text: &str) -> Result<Offsets, String> {
    let offsets: Offsets = text.parse().map_err(|error: String| without_value(text, &error))?;
    let is_zero = match &offsets {
        Offsets::Never => false,
        Offsets::Every(offset) => *offset == 0,
        Offsets::Each(offsets) => offsets.contains(&0),
        Offsets::Random { below, connections, .. } => *below == 0 || *connections == 0,
    };
    match is_zero {
        true => Err("numbers are from 1 up".into()),
        false => Ok(offsets),
    }
}

/// Reads when a fault strikes.
fn occasions(text: &str) -> Result<Occasions, String> {
    let share = text
        .split_once('%')
        .and_then(|(share, _)| share.trim().parse::<f64>().ok());
    match share {
        Some(share) if !(0.0..=100.0).contains(&share) => Err("a share is from 0% to 100%".into()),
        _ => text.parse().map_err(|error: String| without_value(text, &error)),
    }
}

/// An error without the value that it begins with, which is said already.
fn without_value(text: &str, error: &str) -> String {
    let value = format!("{text:?}: ");
    error.strip_prefix(value.as_str()).unwrap_or(error).to_owned()
}

fn status(text: &str) -> Result<u16, String> {
    options::whole(text, 100, 599)
}

fn seconds(text: &str) -> Result<u64, String> {
    options::whole(text, 0, u64::MAX)
}
