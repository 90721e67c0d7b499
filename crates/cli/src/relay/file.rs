//! The configuration file of `potsdb relay`: TOML whose names are those of the flags.
//!
//! ```toml
//! listen = ["0.0.0.0:4242", "unix:/run/potsdb/relay.sock"]
//! store = "tsdb://tsd1,tsd2"
//! rule = ["drop metric=debug.*", "tag add dc=eu"]
//! answer-timeout = "5s"
//! ```
//!
//! It becomes flags in front of those of the command line, so that there is one grammar, and one set of words for what is
//! wrong. What the command line says too is left out of it. An underscore in a name is as good as a hyphen.

use std::ffi::OsString;
use std::path::Path;

use anyhow::{Context as _, bail};
use toml::Value;

/// The command line with what a file says, where the line does not say it itself.
pub(super) fn arguments(path: &Path, line: &[OsString]) -> anyhow::Result<Vec<OsString>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    merged(&text, line).with_context(|| format!("{} is wrong", path.display()))
}

fn merged(text: &str, line: &[OsString]) -> anyhow::Result<Vec<OsString>> {
    let table: toml::Table = text.parse()?;
    let place = line
        .iter()
        .position(|word| word == "relay")
        .map_or(line.len(), |at| at + 1);
    let (before, after) = line.split_at(place);
    let mut merged = before.to_vec();
    for (name, value) in &table {
        let flag = format!("--{}", name.replace('_', "-"));
        let is_given = after.iter().any(|word| {
            let word = word.to_string_lossy();
            word == flag.as_str() || word.strip_prefix(&flag).is_some_and(|rest| rest.starts_with('='))
        });
        if name == "config" {
            bail!("config: a file names no other one");
        }
        if !is_given {
            said(&flag, value, &mut merged)?;
        }
    }
    merged.extend_from_slice(after);
    Ok(merged)
}

fn said(flag: &str, value: &Value, merged: &mut Vec<OsString>) -> anyhow::Result<()> {
    match value {
        Value::Boolean(true) => merged.push(flag.into()),
        Value::Boolean(false) => {}
        Value::Array(values) => values.iter().try_for_each(|value| said(flag, value, merged))?,
        Value::String(text) => merged.push(format!("{flag}={text}").into()),
        Value::Integer(number) => merged.push(format!("{flag}={number}").into()),
        Value::Float(number) => merged.push(format!("{flag}={number}").into()),
        Value::Table(_) | Value::Datetime(_) => bail!(
            "{}: a text, a number, true, false, or several of them in brackets are expected",
            flag.trim_start_matches('-')
        ),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::merged;

    fn merge(text: &str, line: &str) -> Result<String, String> {
        let line: Vec<_> = line.split(' ').map(Into::into).collect();
        let merged = merged(text, &line).map_err(|error| error.to_string())?;
        let words: Vec<_> = merged.iter().map(|word| word.to_string_lossy()).collect();
        Ok(words.join(" "))
    }

    #[test]
    fn a_file_says_what_the_line_does_not() {
        let text = "listen = [\"a:1\", \"b:2\"]\nstore = \"s\"\njson = true\npeer_points = 5\nthreads = 2\n";
        assert_eq!(
            merge(text, "potsdb -q relay --config f --threads=4 --store t"),
            Ok(
                "potsdb -q relay --json --listen=a:1 --listen=b:2 --peer-points=5 --config f --threads=4 --store t"
                    .into()
            )
        );
        assert_eq!(merge("json = false", "potsdb relay"), Ok("potsdb relay".into()));
    }

    #[test]
    fn what_is_no_flag_is_named() {
        assert!(merge("[store]\nurl = 1", "potsdb relay").is_err_and(|words| words.starts_with("store: a text")));
        assert!(merge("config = \"f\"", "potsdb relay").is_err_and(|words| words.contains("no other one")));
        assert!(merge("store", "potsdb relay").is_err());
    }
}
