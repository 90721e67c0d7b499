//! `potsdb spool plan`: how long an outage a spool of some size outlives, and how long its delivery takes afterwards.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use potsdb_spool::inspect;
use serde_json::json;

use super::place::count;
use super::words;
use crate::Outcome;
use crate::options::whole;
use crate::output::Output;

/// Say how long a spool lasts at a rate, and how long its delivery takes afterwards
///
/// The length of a line is what is found in the spool, if one is named and has lines.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Plan {
    /// A spool's folder, for the length of its lines and for what is in it already
    path: Option<PathBuf>,

    /// Points a second that come in
    #[arg(long, value_name = "POINTS", value_parser = |text: &str| whole::<u64>(text, 1, 1_000_000_000))]
    rate: u64,

    /// Points a second that the server takes besides those that come in, once it is back [default: as many as come in]
    #[arg(long, value_name = "POINTS", value_parser = |text: &str| whole::<u64>(text, 1, 1_000_000_000))]
    drain: Option<u64>,

    /// The spool's most bytes, as in spool_bytes: 10GiB
    #[arg(long, value_name = "BYTES", default_value = "1GiB", value_parser = size)]
    spool_bytes: u64,

    /// Bytes of a line, put and newline included, instead of what is found [default without a spool: 64]
    #[arg(long, value_name = "BYTES", value_parser = |text: &str| whole::<u64>(text, 10, 65_536))]
    line_bytes: Option<u64>,

    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  potsdb spool plan --rate 10000 /var/spool/potsdb
  potsdb spool plan --rate 10000 --drain 40000 --spool-bytes 20GiB
  potsdb spool plan --rate 500 --line-bytes 120 --json";

/// Of a line when nothing else is known.
const LINE_BYTES: u64 = 64;

/// What is found in a spool.
#[derive(Clone, Copy, Debug, Default)]
struct There {
    points: u64,
    bytes: u64,
}

impl Plan {
    pub(super) fn run(self, output: &Output) -> anyhow::Result<Outcome> {
        let there = self.there()?;
        let known = self.line_bytes.map(|line| on_disk(line as f64));
        let found = (there.points > 0).then(|| there.bytes as f64 / there.points as f64);
        let per_point = known.or(found).unwrap_or_else(|| on_disk(LINE_BYTES as f64));
        let most = usable(self.spool_bytes) as f64 / per_point;
        let drain = self.drain.unwrap_or(self.rate);
        let lasts = Duration::from_secs_f64(most / self.rate as f64);
        let drains = Duration::from_secs_f64(most / drain as f64);
        let full_in = Duration::from_secs_f64((most - there.points as f64).max(0.0) / self.rate as f64);
        if self.json {
            output.json(&json!({
                "spool_bytes": self.spool_bytes,
                "rate": self.rate,
                "drain": drain,
                "bytes_per_point": per_point,
                "points": most as u64,
                "lasts_seconds": lasts.as_secs_f64(),
                "drains_seconds": drains.as_secs_f64(),
                "points_now": there.points,
                "full_in_seconds": full_in.as_secs_f64(),
            }));
            return Ok(Outcome::AllDelivered);
        }
        let source = match (known, found) {
            (Some(_), _) => "as told",
            (None, Some(_)) => "as found there",
            (None, None) => "a guess: name a spool, or --line-bytes",
        };
        output.say(format_args!(
            "{} last {} at {} points/s: {} points of {per_point:.1} bytes each on disk ({source})",
            words::bytes(self.spool_bytes),
            words::time(lasts),
            self.rate,
            most as u64,
        ));
        output.say(format_args!(
            "to deliver them then takes {} at {drain} points/s, besides those that come in",
            words::time(drains)
        ));
        if there.points > 0 {
            output.say(format_args!(
                "{} points are in it now: it is full after {} without a server",
                there.points,
                words::time(full_in)
            ));
        }
        Ok(Outcome::AllDelivered)
    }

    fn there(&self) -> anyhow::Result<There> {
        let mut there = There::default();
        let Some(path) = &self.path else { return Ok(there) };
        for slot in super::place::look(path)?.stores.iter().flat_map(|store| &store.slots) {
            let summary: inspect::Summary = count(slot)?;
            there.points += summary.points;
            there.bytes += summary.bytes;
        }
        Ok(there)
    }
}

/// Bytes of a point whose line is so long: a record of up to 64 KiB of lines has a header of 40.
fn on_disk(line: f64) -> f64 {
    let lines = (65_536.0 / line).floor().max(1.0);
    line + 40.0 / lines
}

/// Bytes of the spool that lines can take. The rest is kept free for rejected lines, `acked` and the next segment.
fn usable(spool_bytes: u64) -> u64 {
    let options = potsdb_spool::Options {
        spool_bytes,
        ..potsdb_spool::Options::default()
    };
    let rejected = (16 << 20).min(spool_bytes / 64);
    spool_bytes.saturating_sub(options.segment() + rejected + (136 << 10))
}

/// Reads bytes as the client's options have them: `10GiB`, `500MB`, `1048576`.
fn size(text: &str) -> Result<u64, String> {
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let unit: u64 = match &text[split..] {
        "" | "B" => 1,
        "kB" | "KB" => 1_000,
        "KiB" | "K" | "k" => 1 << 10,
        "MB" => 1_000_000,
        "MiB" | "M" => 1 << 20,
        "GB" => 1_000_000_000,
        "GiB" | "G" => 1 << 30,
        "TB" => 1_000_000_000_000,
        "TiB" | "T" => 1 << 40,
        _ => 0,
    };
    let size = text[..split]
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(unit));
    let least = potsdb_spool::store::LEAST_BYTES;
    size.filter(|size| *size >= least)
        .ok_or_else(|| format!("expected a number of bytes of at least {}MiB: 10GiB", least >> 20))
}

#[cfg(test)]
mod tests {
    use potsdb_spool::disk::unix::Folder;
    use potsdb_spool::store::Moment;
    use potsdb_spool::{Full, Lines, Options, Refused, Spool};

    use super::{on_disk, size, usable};

    #[test]
    fn bytes_have_a_unit() {
        assert_eq!(size("10GiB"), Ok(10 << 30));
        assert_eq!(size("3000000"), Ok(3_000_000));
        for wrong in ["", "1KiB", "GiB", "1.5GiB", "-1", "10 GiB", "99999999999TiB"] {
            assert!(size(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_real_spool_takes_as_many_points_as_planned() {
        let temp = tempfile::tempdir().unwrap();
        let root = temp.path().join("spool");
        let options = Options {
            spool_bytes: 16 << 20,
            spool_free: Some(0),
            full: Full::Refuse,
            ..Options::default()
        };
        let open = Box::new(move || Folder::at(&root));
        let mut spool = Spool::open(open, "s", "a: b", options, Moment::default()).unwrap();
        let line = "put web.requests 1767225600 1 path=/login\n";
        let block = Lines::new(line.repeat(1_560), 0);
        let mut taken = 0;
        loop {
            match spool.append(Moment::default(), block.clone()) {
                Ok(_) => taken += 1_560,
                Err(Refused::Full) => break,
                Err(other) => panic!("{other:?}"),
            }
        }
        let planned = usable(16 << 20) as f64 / on_disk(line.len() as f64);
        let ratio = f64::from(taken) / planned;
        assert!((0.9..1.1).contains(&ratio), "{taken} points, planned {planned}");
    }
}
