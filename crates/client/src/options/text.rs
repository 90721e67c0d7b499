//! Reading an option's value from its text. The error is the rule: what the value should have been.

use std::str::FromStr;
use std::time::Duration;

use super::{OPTIONS, Overflow};
use crate::block::BLOCK_BYTES;
use crate::credentials::check_header;
use crate::secret::Secret;

pub(super) const MIB: usize = 1024 * 1024;

pub(super) fn number(text: &str) -> Result<usize, String> {
    text.parse().map_err(|_| "a whole number from 0 up".to_owned())
}

pub(super) fn at_least_one(text: &str) -> Result<usize, String> {
    number(text)
        .ok()
        .filter(|n| (1..=64).contains(n))
        .ok_or_else(|| "a whole number from 1 to 64".to_owned())
}

pub(super) fn rate(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|rate: &f64| rate.is_finite() && *rate >= 0.0)
        .ok_or_else(|| "a number from 0 up".to_owned())
}

pub(super) fn boolean(text: &str) -> Result<bool, String> {
    match text {
        "true" | "1" | "yes" => Ok(true),
        "false" | "0" | "no" => Ok(false),
        _ => Err("true or false".to_owned()),
    }
}

pub(super) fn word<T: FromStr>(text: &str, choices: &str) -> Result<T, String> {
    text.parse().map_err(|_| choices.to_owned())
}

pub(super) fn bytes(text: &str) -> Result<usize, String> {
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let unit = match &text[split..] {
        "" | "B" => 1,
        "kB" | "KB" => 1000,
        "KiB" | "K" | "k" => 1024,
        "MB" => 1_000_000,
        "MiB" | "M" => MIB,
        "GB" => 1_000_000_000,
        "GiB" | "G" => 1024 * MIB,
        _ => 0,
    };
    let product = text[..split].parse::<usize>().ok().and_then(|n| n.checked_mul(unit));
    product
        .filter(|&bytes| bytes >= BLOCK_BYTES)
        .ok_or_else(|| "a number of bytes of at least 64KiB: 67108864, 64MiB".to_owned())
}

pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let split = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let unit = match &text[split..] {
        "" | "s" => Some(1.0),
        "ms" => Some(1e-3),
        "us" => Some(1e-6),
        "m" | "min" => Some(60.0),
        "h" => Some(3600.0),
        _ => None,
    };
    let seconds = unit.and_then(|unit| Some(text[..split].trim().parse::<f64>().ok()? * unit));
    seconds
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .ok_or_else(|| "a duration: 5s, 250ms, 1.5 (seconds)".to_owned())
}

pub(super) fn positive(text: &str) -> Result<Duration, String> {
    duration(text)?
        .checked_sub(Duration::from_millis(1))
        .map(|less| less + Duration::from_millis(1))
        .ok_or_else(|| "a duration of at least 1ms".to_owned())
}

/// 0 is no limit.
pub(super) fn limit(text: &str) -> Result<Option<Duration>, String> {
    Ok(Some(duration(text)?).filter(|limit| !limit.is_zero()))
}

pub(super) fn overflow(text: &str) -> Result<Overflow, String> {
    match text {
        "drop_oldest" => Ok(Overflow::DropOldest),
        "drop_newest" => Ok(Overflow::DropNewest),
        "block" => Ok(Overflow::Block(None)),
        _ => match text.strip_prefix("block:") {
            Some(deadline) => Ok(Overflow::Block(Some(duration(deadline)?))),
            None => Err("drop_oldest, drop_newest, block or block:5s".to_owned()),
        },
    }
}

pub(super) fn backoff(text: &str) -> Result<(Duration, Duration), String> {
    let range = text
        .split_once("..")
        .and_then(|(low, high)| Some((positive(low).ok()?, duration(high).ok()?)));
    range
        .filter(|(low, high)| low <= high)
        .ok_or_else(|| "two durations, the smaller first: 100ms..30s".to_owned())
}

pub(super) fn tags(text: &str) -> Result<Vec<(String, String)>, String> {
    let pair = |pair: &str| {
        pair.split_once('=')
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
    };
    text.split(',')
        .filter(|pair| !pair.is_empty())
        .map(pair)
        .collect::<Option<_>>()
        .ok_or_else(|| "k=v,k2=v2".to_owned())
}

/// One header a line. The error names the header at most: its value may be a secret.
pub(super) fn headers(text: &str) -> Result<Vec<(String, Secret)>, String> {
    let mut headers = Vec::new();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let (name, value) = line.split_once(':').unwrap_or_default();
        let value = value.trim();
        check_header(name, value)?;
        headers.push((name.to_owned(), value.into()));
    }
    Ok(headers)
}

/// The option whose name differs least, if any is near enough to have been meant.
pub(super) fn nearest(name: &str) -> Option<&'static str> {
    within(name, 1 + name.len() / 3)
}

/// The option that was misspelt in a place where other names have their own sense: nearer than `nearest`, so that
/// `sync_timeout` and `app` stay what they are.
pub(crate) fn misspelt(name: &str) -> Option<&'static str> {
    within(name, 1 + name.len() / 4)
}

fn within(name: &str, most: usize) -> Option<&'static str> {
    let (distance, spec) = OPTIONS
        .iter()
        .map(|spec| (distance(name, spec.name), spec))
        .min_by_key(|(distance, _)| *distance)?;
    (distance <= most).then_some(spec.name)
}

/// Levenshtein's distance.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.bytes().enumerate() {
            let cost = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = cost.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}
