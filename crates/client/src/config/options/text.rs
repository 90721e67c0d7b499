//! The forms that values of options are written in: how each is read and shown, and what is legal in it.
//!
//! Reading fails for what is no such value at all, checking for what breaks the rule; the error of both is the rule: what
//! the value should have been. Checking is apart from reading because typed values are checked, too.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use potsdb_wire::{Names, Server, letters_amiss};

use super::choices::{self, Word};
use super::{FAR, HostTag, OPTIONS, Overflow};
use crate::config::auth::{self, Auth};
use crate::config::credentials::check_header;
use crate::config::secret::Secret;

pub(super) const MIB: usize = 1024 * 1024;
const GIB: usize = 1024 * MIB;

/// How values of one kind are written, and which are legal.
pub(super) struct Form<T> {
    pub(super) read: fn(&str) -> Result<T, String>,
    /// Empty where there is nothing to show.
    pub(super) show: fn(&T) -> String,
    /// Brings a legal value into the form that a client uses; else the rule.
    pub(super) check: fn(&mut T) -> Result<(), String>,
}

/// Any number.
pub(super) const COUNT: Form<usize> = Form {
    read: number,
    show: usize::to_string,
    check: |_| Ok(()),
};

/// The least number of bytes of a queue or a window: a block. Less would hold no line, or hardly one.
pub(crate) const LEAST_SIZE: usize = 64 * 1024;

/// The least bytes of a spool.
const LEAST_SPOOL: usize = 2 * MIB;

/// A number of bytes, at least a block.
pub(super) const SIZE: Form<usize> = Form {
    read: bytes,
    show: |size| shown_bytes(*size),
    check: |size| rule(*size >= LEAST_SIZE, BYTES),
};

/// A number of bytes that a spool can do with.
pub(super) const SPOOL_SIZE: Form<usize> = Form {
    read: bytes,
    show: |size| shown_bytes(*size),
    check: |size| rule(*size >= LEAST_SPOOL, SPOOL_BYTES),
};

/// A number of bytes from 0 up, or what the file system's size says.
pub(super) const SPOOL_FREE: Form<Option<usize>> = Form {
    read: |text| bytes(text).map(Some),
    show: |size| size.map(shown_bytes).unwrap_or_default(),
    check: |_| Ok(()),
};

/// The same, or what follows from other options.
pub(super) const SIZE_IF_GIVEN: Form<Option<usize>> = Form {
    read: |text| bytes(text).map(Some),
    show: |size| size.map(shown_bytes).unwrap_or_default(),
    check: |size| rule(size.is_none_or(|size| size >= LEAST_SIZE), BYTES),
};

/// Connections of an endpoint, or what follows from other options. Each takes a window's memory, and OpenTSDB a thread.
pub(super) const CONNECTIONS: Form<Option<usize>> = Form {
    read: |text| number(text).map(Some).map_err(|_| TO_64.to_owned()),
    show: |count| count.map(|count| count.to_string()).unwrap_or_default(),
    check: |count| rule(count.is_none_or(|count| (1..=64).contains(&count)), TO_64),
};

/// A number from 0 up.
pub(super) const RATE: Form<f64> = Form {
    read: |text| text.parse().map_err(|_| FROM_0.to_owned()),
    show: f64::to_string,
    check: |rate| rule(rate.is_finite() && *rate >= 0.0, FROM_0),
};

pub(super) const SWITCH: Form<bool> = Form {
    read: |text| match text {
        "true" | "1" | "yes" => Ok(true),
        "false" | "0" | "no" => Ok(false),
        _ => Err("true or false".to_owned()),
    },
    show: bool::to_string,
    check: |_| Ok(()),
};

/// Any time, also none.
pub(super) const TIME: Form<Duration> = Form {
    read: duration,
    show: |time| shown_time(*time),
    check: |time| {
        *time = (*time).min(FAR);
        Ok(())
    },
};

/// A time, or what follows from other options.
pub(super) const TIME_IF_GIVEN: Form<Option<Duration>> = Form {
    read: |text| duration(text).map(Some),
    show: |time| time.map(shown_time).unwrap_or_default(),
    check: |time| {
        *time = time.map(|time| time.min(FAR));
        Ok(())
    },
};

/// A time that something may take.
pub(super) const TIMEOUT: Form<Duration> = Form {
    read: duration,
    show: |time| shown_time(*time),
    check: |time| {
        *time = (*time).min(FAR);
        rule(*time >= LEAST, "a duration of at least 1ms")
    },
};

/// The longest time that something lasts. No time at all is no limit.
pub(super) const LIMIT: Form<Option<Duration>> = Form {
    read: |text| duration(text).map(Some),
    show: |limit| limit.map(shown_time).unwrap_or_default(),
    check: |limit| {
        *limit = limit.filter(|limit| !limit.is_zero()).map(|limit| limit.min(FAR));
        rule(
            limit.is_none_or(|limit| limit >= LEAST),
            "0, or a duration of at least 1ms",
        )
    },
};

/// How often something is done at times that are multiples of it. No time at all is never.
pub(super) const TICK: Form<Option<Duration>> = Form {
    read: |text| duration(text).map(Some),
    show: |every| every.map(shown_time).unwrap_or_default(),
    check: |every| {
        *every = every.filter(|every| !every.is_zero()).map(|every| every.min(FAR));
        rule(
            every.is_none_or(|every| every.subsec_nanos() == 0),
            "0, or a whole number of seconds",
        )
    },
};

/// The least time and the greatest.
pub(super) const RANGE: Form<(Duration, Duration)> = Form {
    read: |text| {
        let range = text
            .split_once("..")
            .and_then(|(low, high)| Some((duration(low).ok()?, duration(high).ok()?)));
        range.ok_or_else(|| TWO.to_owned())
    },
    show: |(low, high)| format!("{}..{}", shown_time(*low), shown_time(*high)),
    check: |(low, high)| {
        (*low, *high) = ((*low).min(FAR), (*high).min(FAR));
        rule(*low >= LEAST && low <= high, TWO)
    },
};

pub(super) const TEXT: Form<String> = Form {
    read: |text| Ok(text.to_owned()),
    show: String::clone,
    check: |_| Ok(()),
};

/// A name, or none. What is legal in it depends on the option `names`.
pub(super) const NAME_IF_GIVEN: Form<Option<String>> = Form {
    read: |text| Ok(Some(text.to_owned())),
    show: |name| name.clone().unwrap_or_default(),
    check: |name| {
        *name = name.take().filter(|name| !name.is_empty());
        Ok(())
    },
};

/// A file. Whether it can be used is found where it is read.
pub(super) const FILE: Form<Option<PathBuf>> = Form {
    read: |text| Ok(Some(text.into())),
    show: |file| file.as_ref().map(|file| file.display().to_string()).unwrap_or_default(),
    check: |_| Ok(()),
};

/// Pairs. What is legal in them depends on the options `names` and `max_tags`, and is looked at with those.
pub(super) const TAGS: Form<Vec<(String, String)>> = Form {
    read: tags,
    show: |tags| {
        let pairs: Vec<String> = tags.iter().map(|(name, value)| format!("{name}={value}")).collect();
        pairs.join(",")
    },
    check: |_| Ok(()),
};

pub(super) const HOST_TAG: Form<HostTag> = Form {
    read: |text| text.parse().map_err(|never| match never {}),
    show: HostTag::to_string,
    check: |tag| {
        if *tag == HostTag::Value(String::new()) {
            *tag = HostTag::None;
        }
        Ok(())
    },
};

pub(super) const OVERFLOW: Form<Overflow> = Form {
    read: Overflow::read,
    show: Overflow::to_string,
    check: |_| Ok(()),
};

pub(super) const SERVER: Form<Option<Server>> = Form {
    read: |text| match text {
        "auto" => Ok(None),
        _ => word(text, "auto, opentsdb, victoriametrics, influxdb or kairosdb").map(Some),
    },
    show: |server| server.map_or_else(|| "auto".to_owned(), |server| server.to_string()),
    check: |_| Ok(()),
};

pub(super) const NAMES: Form<Names> = Form {
    read: |text| word(text, "opentsdb, ascii or utf8"),
    show: Names::to_string,
    check: |_| Ok(()),
};

/// Never shown: it may be a secret.
pub(super) const AUTH: Form<Option<Auth>> = Form {
    read: |text| {
        // An empty secret is a variable that nobody has set, and no wish to be let in without one.
        auth::parse(text).map(Some)
    },
    show: |_| String::new(),
    check: |_| Ok(()),
};

/// Never shown: there may be secrets in them.
pub(super) const HEADERS: Form<Vec<(String, Secret)>> = Form {
    read: headers,
    show: |_| String::new(),
    check: |headers| {
        let mut headers = headers.iter();
        headers.try_for_each(|(name, value)| check_header(name, value.reveal()))
    },
};

/// One of a few words.
pub(super) const fn words<T: Word + fmt::Display>() -> Form<T> {
    Form {
        read: choices::read,
        show: T::to_string,
        check: |_| Ok(()),
    }
}

/// The shortest time that is not none.
const LEAST: Duration = Duration::from_millis(1);

const BYTES: &str = "a number of bytes of at least 64KiB: 67108864, 64MiB";
const SPOOL_BYTES: &str = "a number of bytes of at least 2MiB: 1073741824, 1GiB";
const TO_64: &str = "a whole number from 1 to 64";
const FROM_0: &str = "a number from 0 up";
const TWO: &str = "two durations, the smaller first: 100ms..30s";

fn rule(holds: bool, rule: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(rule.to_owned()) }
}

fn number(text: &str) -> Result<usize, String> {
    text.parse().map_err(|_| "a whole number from 0 up".to_owned())
}

fn word<T: FromStr>(text: &str, choices: &str) -> Result<T, String> {
    text.parse().map_err(|_| choices.to_owned())
}

fn bytes(text: &str) -> Result<usize, String> {
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let unit = match &text[split..] {
        "" | "B" => 1,
        "kB" | "KB" => 1000,
        "KiB" | "K" | "k" => 1024,
        "MB" => 1_000_000,
        "MiB" | "M" => MIB,
        "GB" => 1_000_000_000,
        "GiB" | "G" => 1024 * MIB,
        _ => return Err(BYTES.to_owned()),
    };
    let product = text[..split].parse::<usize>().ok().and_then(|n| n.checked_mul(unit));
    product.ok_or_else(|| BYTES.to_owned())
}

fn shown_bytes(size: usize) -> String {
    match size {
        _ if size > 0 && size.is_multiple_of(GIB) => format!("{}GiB", size / GIB),
        _ if size > 0 && size.is_multiple_of(MIB) => format!("{}MiB", size / MIB),
        _ => size.to_string(),
    }
}

/// Reads a time as every option's text has it: `5s`, `250ms`, `1.5` (seconds); `us`, `m`, `min` and `h` too.
///
/// # Errors
///
/// The rule: what it should have been.
pub fn duration(text: &str) -> Result<Duration, String> {
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

pub(super) fn shown_time(time: Duration) -> String {
    let part = time < Duration::from_secs(1) && !time.is_zero() && time.subsec_nanos().is_multiple_of(1_000_000);
    match part {
        true => format!("{}ms", time.subsec_millis()),
        false => format!("{}s", time.as_secs_f64()),
    }
}

fn tags(text: &str) -> Result<Vec<(String, String)>, String> {
    let pair = |pair: &str| {
        pair.split_once('=')
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
    };
    let pairs = (!text.is_empty()).then(|| text.split(','));
    pairs
        .into_iter()
        .flatten()
        .map(pair)
        .collect::<Option<_>>()
        .ok_or_else(|| "k=v,k2=v2".to_owned())
}

/// One header a line.
fn headers(text: &str) -> Result<Vec<(String, Secret)>, String> {
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    let header = |line: &str| {
        let (name, value) = line.split_once(':').unwrap_or_default();
        (name.to_owned(), value.trim().into())
    };
    Ok(lines.map(header).collect())
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
    let (amiss, spec) = OPTIONS
        .iter()
        .map(|spec| (letters_amiss(name, spec.name), spec))
        .min_by_key(|(amiss, _)| *amiss)?;
    (amiss <= most).then_some(spec.name)
}
