//! Figures of a spool as words and as JSON.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use potsdb_spool::disk::unix::looking::Holder;
use potsdb_spool::inspect::{Damage, Gap, Slot, Stray, Summary};
use serde_json::{Value, json};

use crate::statistics::{plural, points};

/// `512 bytes`, `3.1 MiB`.
pub(super) fn bytes(count: u64) -> String {
    const UNITS: [(u64, &str); 4] = [(1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    match UNITS.iter().find(|(unit, _)| count >= *unit) {
        Some((unit, name)) => format!("{:.1} {name}", count as f64 / *unit as f64),
        None => plural(count, "byte"),
    }
}

/// The two largest units of a time: `3d 4h`, `35m 2s`, `12s`.
pub(super) fn time(time: Duration) -> String {
    const UNITS: [(u64, &str); 5] = [(365 * 86_400, "y"), (86_400, "d"), (3_600, "h"), (60, "m"), (1, "s")];
    let seconds = time.as_secs();
    let Some(at) = UNITS.iter().position(|(unit, _)| seconds >= *unit) else {
        return "less than 1s".to_owned();
    };
    let (unit, name) = UNITS[at];
    let whole = format!("{}{name}", seconds / unit);
    match UNITS.get(at + 1) {
        Some((next, name)) if seconds % unit >= *next => format!("{whole} {}{name}", seconds % unit / next),
        _ => whole,
    }
}

/// Milliseconds since 1970.
pub(super) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// How long ago, of milliseconds since 1970.
pub(super) fn age(at: u64) -> Duration {
    Duration::from_millis(now().saturating_sub(at))
}

/// `, oldest 3h 35m ago`, if there are any.
pub(super) fn oldest(oldest: Option<u64>) -> String {
    oldest.map_or_else(String::new, |at| format!(", oldest {} ago", time(age(at))))
}

/// `free`, `held by process 71`.
pub(super) fn holder(slot: &Slot) -> String {
    match slot.holder {
        Holder::Nobody => "free".to_owned(),
        Holder::Process(Some(process)) => format!("held by process {process}"),
        Holder::Process(None) => "held by a process of another container".to_owned(),
    }
}

/// What is in a slot, in a sentence.
pub(super) fn contents(summary: &Summary) -> String {
    match &summary.newer {
        Some((file, version)) => format!("{file} is of version {version} of the format: a newer potsdb wrote it"),
        None => format!(
            "{} in {} and {}{}",
            points(summary.points),
            plural(summary.records, "record"),
            plural(summary.segments, "segment"),
            oldest(summary.oldest)
        ),
    }
}

/// The same as an object.
pub(super) fn object(slot: &Slot, summary: &Summary) -> Value {
    let about = slot.about.lines().filter_map(|line| line.split_once(": "));
    json!({
        "number": slot.number,
        "held": slot.is_held(),
        "process": match slot.holder { Holder::Process(process) => process, Holder::Nobody => None },
        "about": about.map(|(name, text)| (name.to_owned(), json!(text))).collect::<serde_json::Map<_, _>>(),
        "points": summary.points,
        "records": summary.records,
        "segments": summary.segments,
        "bytes": slot.bytes,
        "oldest": summary.oldest.map(seconds),
        "newest": summary.newest.map(seconds),
        "acked": summary.acked,
        "next": summary.next,
        "newer_version": summary.newer.as_ref().map(|(_, version)| version),
        "damage": summary.damage.iter().map(damage).collect::<Vec<_>>(),
        "gaps": summary.gaps.iter().map(gap).collect::<Vec<_>>(),
        "strays": strays(&summary.strays),
    })
}

fn seconds(milliseconds: u64) -> f64 {
    milliseconds as f64 / 1000.0
}

fn damage(damage: &Damage) -> Value {
    json!({
        "file": damage.file,
        "offset": damage.offset,
        "bytes": damage.bytes,
        "points": damage.points,
        "what": damage.what,
    })
}

fn gap(gap: &Gap) -> Value {
    json!({
        "file": gap.file,
        "from": gap.positions.start,
        "to": gap.positions.end,
        "known": gap.is_known,
    })
}

/// Each with its name and why it is one.
pub(super) fn strays(strays: &[Stray]) -> Value {
    let stray = |stray: &Stray| json!({ "name": stray.name, "why": stray.why });
    strays.iter().map(stray).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{bytes, time};

    #[test]
    fn figures_are_as_long_as_they_help() {
        assert_eq!(bytes(1), "1 byte");
        assert_eq!(bytes(3_251_000), "3.1 MiB");
        for (seconds, words) in [
            (0, "less than 1s"),
            (12, "12s"),
            (60, "1m"),
            (2_102, "35m 2s"),
            (3_605, "1h"),
            (273_700, "3d 4h"),
            (800 * 86_400, "2y 70d"),
        ] {
            assert_eq!(time(Duration::from_secs(seconds)), words);
        }
    }
}
