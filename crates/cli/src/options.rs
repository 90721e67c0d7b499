//! What every subcommand that sends has in common: where to, and the client's options.
//!
//! The client owns the options: their names, defaults and texts come from `potsdb::OPTIONS`, and whatever is given
//! here is handed to it as text, so that `--mps 500`, `-o mps=500` and `?mps=500` in the URL are the same thing and
//! fail with the same words.

use std::ffi::OsString;
use std::fmt::Write;
use std::iter;
use std::time::Duration;

use clap::Args;
use potsdb::binding::{self, BuilderBinding as _, ClientBinding as _};
use potsdb::{Builder, Client, Endpoint, HostTag, Options, Overflow, Precision, Repeats};

/// How long a subcommand waits for a server, unless `--timeout` says otherwise.
pub(crate) const TIMEOUT: &str = "5s";

/// Where OpenTSDB listens when nobody says otherwise.
const DEFAULT_URL: &str = "tsdb://localhost:4242";

/// Where a server is named when no flag does.
const VARIABLE: &str = "POTSDB_URL";

/// Where to send, and how.
#[derive(Debug, Args)]
pub(crate) struct Destination {
    #[command(flatten)]
    server: ServerUrl,

    #[command(flatten)]
    options: ClientOptions,
}

impl Destination {
    /// Makes the client of one point; what is wrong with the URL or an option is found here.
    pub(crate) fn open(&self) -> anyhow::Result<Client> {
        self.options.refuse("on send", &OF_MANY_POINTS)?;
        self.options
            .refuse("on send", &[("close_grace", "--timeout says how long it may take")])?;
        self.options.open(Client::builder(&self.server.or_default()))
    }

    /// Makes a client of lines that have their own tags and times: they are taken as they are, unless an option says
    /// otherwise. An option that cannot mean anything for them is an error.
    pub(crate) fn open_for_lines(&self) -> anyhow::Result<Client> {
        let client = self
            .options
            .open_for_lines(&self.server.or_default(), "on pipe", |builder| builder)?;
        // Later they may be away for a while; at the start that is a mistake, and nothing would ever be delivered.
        client.read_secrets().map_err(anyhow::Error::msg)?;
        Ok(client)
    }
}

/// The server: one flag and one variable for every subcommand that has one.
#[derive(Debug, Args)]
pub(crate) struct ServerUrl {
    /// The server: HOST, HOST:PORT or tsdb://HOST[:PORT][,HOST...][?NAME=VALUE&...], or the same with tsdbs, http or
    /// https. Several hosts must lead to the same store [env: POTSDB_URL] [default: tsdb://localhost:4242]
    // Not by clap's `env`: `check` must know whether a flag was given, and the variable may be empty.
    #[arg(short, long, value_name = "URL")]
    url: Option<String>,
}

impl ServerUrl {
    /// The URL that was named, by the flag or by the environment.
    pub(crate) fn named(&self) -> Option<String> {
        let variable = || std::env::var(VARIABLE).ok().filter(|url| !url.is_empty());
        let url = self.url.clone().or_else(variable)?;
        Some(with_scheme(&url))
    }

    /// The same, or OpenTSDB on this machine.
    pub(crate) fn or_default(&self) -> String {
        self.named().unwrap_or_else(|| DEFAULT_URL.to_owned())
    }

    /// The same for a subcommand that also takes a URL without a flag.
    pub(crate) fn or_positional(&self, positional: Option<&str>) -> anyhow::Result<String> {
        match (positional, &self.url) {
            (Some(_), Some(_)) => anyhow::bail!("the server is named twice: URL and --url"),
            (Some(url), None) => Ok(with_scheme(url)),
            (None, _) => Ok(self.or_default()),
        }
    }
}

/// A host without a scheme is a telnet server, as in every other client of OpenTSDB.
pub(crate) fn with_scheme(url: &str) -> String {
    let (place, _) = url.split_once('?').unwrap_or((url, ""));
    match place.contains("://") || place.starts_with('/') {
        true => url.to_owned(),
        false => format!("tsdb://{url}"),
    }
}

/// The client's options as flags.
#[derive(Debug, Args)]
#[command(next_help_heading = "Options of the client")]
pub(crate) struct ClientOptions {
    /// Any option of the client; the last wins, tags and headers add up
    #[arg(short = 'o', long = "option", value_name = "NAME=VALUE")]
    options: Vec<String>,

    /// The kind of server, instead of detecting it: opentsdb, victoriametrics, influxdb, kairosdb; check fails if it is
    /// another kind
    #[arg(long, value_name = "NAME")]
    server: Option<String>,

    /// At most this many points a second, 0 for no limit
    #[arg(long, value_name = "POINTS", allow_hyphen_values = true)]
    mps: Option<String>,
}

impl ClientOptions {
    /// Sets what was given over what the builder has, and makes the client.
    pub(crate) fn open(&self, builder: Builder) -> anyhow::Result<Client> {
        self.check()?;
        let client = self.set(builder).build().map_err(|error| match error.to_string() {
            words if words.starts_with("unknown option") && !words.contains("did you mean") => {
                anyhow::anyhow!("{words}: `potsdb pipe --help` lists the options")
            }
            _ => error.into(),
        })?;
        if let Some(scheme) = client.endpoints().first().map(Endpoint::scheme) {
            let without_effect = if scheme.is_http() { &OF_TELNET[..] } else { &OF_HTTP };
            self.refuse(&format!("over {scheme}"), without_effect)?;
        }
        Ok(client)
    }

    /// Makes a client of lines that are taken as they are, unless an option says otherwise. What was given goes over
    /// what `set` sets.
    pub(crate) fn open_for_lines(
        &self,
        url: &str,
        place: &str,
        set: impl FnOnce(Builder) -> Builder,
    ) -> anyhow::Result<Client> {
        let mut as_they_are = Options::default();
        as_they_are.host_tag = HostTag::None;
        as_they_are.repeats = Repeats::Keep;
        as_they_are.overflow = Overflow::Block(None);
        self.refuse(place, &[("precision", "lines have their own times")])?;
        let client = self.open(set(Builder::over(as_they_are, url, None)))?;
        let options = client.options();
        match (options.overflow, options.precision) {
            (Overflow::Block(None), Precision::Seconds) => Ok(client),
            (Overflow::Block(None), precision) => {
                anyhow::bail!("option precision: \"{precision}\" has no effect {place}: lines have their own times")
            }
            (overflow, _) => {
                anyhow::bail!("option overflow: \"{overflow}\" has no effect {place}: it waits for room in the queue")
            }
        }
    }

    /// The options that were given, with their values.
    pub(crate) fn given(&self) -> impl Iterator<Item = (&str, &str)> {
        let named = [("server", &self.server), ("mps", &self.mps)];
        let named = named
            .into_iter()
            .filter_map(|(name, value)| Some((name, value.as_deref()?)));
        named.chain(self.pairs())
    }

    /// Those of -o.
    fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.options.iter().filter_map(|option| option.split_once('='))
    }

    /// Whether all of them are NAME=VALUE. What stands in the place of a name may be a secret: only a known name is
    /// repeated.
    fn check(&self) -> anyhow::Result<()> {
        let is_named = |option: &&String| option.split_once('=').is_none_or(|(name, _)| name.is_empty());
        let Some(option) = self.options.iter().find(is_named) else {
            return Ok(());
        };
        let known = potsdb::OPTIONS.iter().find(|known| option.starts_with(known.name));
        let meant = known.map(|known| format!(" (is {}=VALUE meant?)", known.name));
        anyhow::bail!("option -o: NAME=VALUE is expected{}", meant.unwrap_or_default());
    }

    /// Refuses options that were given and have no effect there, each with the reason. A URL may be many programs', and
    /// the options in it are left.
    pub(crate) fn refuse(&self, place: &str, without_effect: &[(&str, &str)]) -> anyhow::Result<()> {
        for (name, value) in self.given() {
            if let Some((_, why)) = without_effect.iter().find(|(other, _)| *other == name) {
                anyhow::bail!("option {name}: {value:?} has no effect {place}: {why}");
            }
        }
        Ok(())
    }

    /// Sets what was given over what the builder has.
    pub(crate) fn set(&self, mut builder: Builder) -> Builder {
        for (name, value) in [("server", &self.server), ("mps", &self.mps)] {
            if let Some(value) = value {
                builder = builder.set(name, value);
            }
        }
        for (name, value) in self.pairs() {
            // A list that is given twice is one list.
            let all = self.pairs().filter(|(other, _)| *other == name).map(|(_, value)| value);
            builder = match LISTS.iter().find(|(list, _)| *list == name) {
                Some((_, between)) => builder.set(name, &all.collect::<Vec<_>>().join(between)),
                None => builder.set(name, value),
            };
        }
        builder
    }
}

/// The client's options by name, for the end of a long help text; some with other defaults than the client's.
fn list(defaults: &[(&str, &str)]) -> String {
    // Every start of the command makes the help of every subcommand, and this is the costly part of it.
    let shows_it = |argument: OsString| ["--help", "help", "man"].iter().any(|word| argument == **word);
    if !std::env::args_os().any(shows_it) {
        return String::new();
    }
    let mut text = String::from("Options of the client, for -o NAME=VALUE or the URL's query:\n");
    let names = potsdb::OPTIONS.iter().map(|option| option.name.len());
    let name_width = names.max().unwrap_or(0);
    let width = terminal_size::terminal_size().map_or(WIDEST, |(width, _)| usize::from(width.0).min(WIDEST));
    for option in potsdb::OPTIONS {
        let mut words = option.help.to_owned();
        let other = defaults.iter().find(|(name, _)| *name == option.name);
        let default = other.map_or_else(|| option.default(), |(_, default)| (*default).to_owned());
        match default.as_str() {
            "" => {}
            default => words.push_str(&format!(" [default: {default}]")),
        }
        let rows = wrapped(&words, width.saturating_sub(name_width + 4));
        for (row, name) in rows.iter().zip(iter::once(option.name).chain(iter::repeat(""))) {
            let _ = writeln!(text, "  {name:name_width$} {row}");
        }
    }
    text
}

/// Breaks words into rows of at most `width`, where they are not longer themselves.
fn wrapped(words: &str, width: usize) -> Vec<String> {
    let mut rows: Vec<String> = Vec::new();
    for word in words.split(' ') {
        match rows.last_mut() {
            Some(row) if row.len() + 1 + word.len() <= width => {
                row.push(' ');
                row.push_str(word);
            }
            _ => rows.push(word.to_owned()),
        }
    }
    rows
}

/// The widest that help gets, as clap was told.
const WIDEST: usize = 100;

/// What long help has at its end.
pub(crate) fn after_long_help(examples: &str) -> String {
    format!("{examples}\n\n{}", list(&[]))
}

/// The same for lines.
pub(crate) fn after_long_help_of_lines(examples: &str) -> String {
    let list = list(&[("host_tag", "false"), ("repeats", "keep"), ("overflow", "block")]);
    format!(
        "{examples}\n\n{list}\nOverflow is always block, and lines carry their own times: -o overflow=... and -o precision=... are errors."
    )
}

/// Options that mean something for many points only.
pub(crate) const OF_MANY_POINTS: [(&str, &str); 9] = {
    let why = "there is one point";
    [
        ("mps", why),
        ("queue_points", why),
        ("queue_bytes", why),
        ("overflow", why),
        ("repeats", why),
        ("window_bytes", why),
        ("settle_bytes", why),
        ("connections", why),
        ("connection_max_age", why),
    ]
};

/// Options that mean something over HTTP only, and that the client takes if they are off.
const OF_HTTP: [(&str, &str); 1] = [("gzip", "only http and https have bodies")];

/// Options that mean something over telnet only.
const OF_TELNET: [(&str, &str); 2] = {
    let why = "answers are final there (ack=stored waits for the store)";
    [("settle", why), ("settle_bytes", why)]
};

/// Options whose values are lists, and what stands between two of them.
const LISTS: [(&str, &str); 2] = [("tags", ","), ("headers", "\n")];

/// Reads `name=value`: a tag.
pub(crate) fn named(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.into(), value.into())),
        _ => Err("expected name=value".into()),
    }
}

/// Reads a time as the client's options have it: `5s`, `500ms`, `2m` or plain seconds.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let time = binding::duration(text).map_err(|rule| format!("expected {rule}"))?;
    // Far beyond what anybody waits for, and near enough to be added to a clock.
    if time <= Duration::from_secs(10 * 365 * 86_400) {
        Ok(time)
    } else {
        Err("expected at most ten years".into())
    }
}

/// Reads how long something may take, which is some time.
pub(crate) fn patience(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        time if time.is_zero() => Err("that leaves no time: a time above 0 is expected".into()),
        time => Ok(time),
    }
}

/// Reads a whole number from `least` to `most`.
pub(crate) fn whole<N>(text: &str, least: u64, most: u64) -> Result<N, String>
where
    N: TryFrom<u64>,
{
    let number = text.parse().ok().filter(|number| (least..=most).contains(number));
    number
        .and_then(|number: u64| number.try_into().ok())
        .ok_or_else(|| match most {
            u64::MAX => format!("expected a whole number from {least} up"),
            _ => format!("expected a whole number from {least} to {most}"),
        })
}

#[cfg(test)]
mod tests {
    use super::{duration, named, with_scheme, wrapped};
    use std::time::Duration;

    #[test]
    fn a_duration_has_a_unit_or_is_in_seconds() {
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("1.5"), Ok(Duration::from_millis(1500)));
        assert_eq!(duration("2m"), Ok(Duration::from_secs(120)));
        for minute in ["1min", "60 s", "60000000us"] {
            assert_eq!(
                duration(minute),
                Ok(Duration::from_secs(60)),
                "as the client's options have it"
            );
        }
        for wrong in ["", "s", "-1s", "5d", "9999999999s", "nan"] {
            assert!(duration(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_host_without_a_scheme_is_a_telnet_server() {
        for host in [
            "tsd1",
            "tsd1:4243",
            "[::1]:4242",
            "tsd1,tsd2?mps=5",
            "tsd1?auth=line:a://b",
        ] {
            assert_eq!(with_scheme(host), format!("tsdb://{host}"));
        }
        assert_eq!(with_scheme("https://tsd1"), "https://tsd1");
    }

    #[test]
    fn words_are_broken_between_them() {
        assert_eq!(wrapped("one two three", 7), ["one two", "three"]);
        assert_eq!(wrapped("one-two-three", 7), ["one-two-three"]);
    }

    #[test]
    fn a_name_ends_at_the_first_equals_sign() {
        assert_eq!(named("tags=dc=eu,rack=1"), Ok(("tags".into(), "dc=eu,rack=1".into())));
        assert!(named("=x").is_err() && named("x").is_err());
    }
}
