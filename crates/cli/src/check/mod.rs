//! `potsdb check`: can points be sent to a URL, in plain words.
//!
//! Resolves every host, connects to every address and asks each what it is (`probe`), over the way that points would
//! take. With `--send` one test point goes through the client itself, to those hosts that are fit, which is the only way to
//! know what the server does with points; OpenTSDB is then asked for it (`stored`). What was found is told in `finding`.

mod advice;
mod collision;
mod finding;
mod probe;
mod stored;

use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use clap::Args;
use potsdb::binding::{ClientBinding as _, Wait};
use potsdb::{Builder, Client, Endpoint, Scheme, Server, Stats, Timestamp};
use serde_json::json;

use crate::Outcome;
use crate::options::{self, ClientOptions, ServerUrl, TIMEOUT};
use crate::output::Output;
use crate::request::Asked;
use crate::statistics::{self, Heard};
use finding::{Finding, milliseconds};
use probe::probe;
use stored::Stored;

/// Check whether a server takes points; --send sends a test point
///
/// Resolves every host, connects to every address, and asks each what it is, over TLS and with the login that points
/// would have. The last line is the verdict.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, after_long_help = options::after_long_help(EXAMPLES))]
pub(crate) struct Check {
    /// The server, as for --url; do not give both
    #[arg(value_name = "URL")]
    place: Option<String>,

    #[command(flatten)]
    server: ServerUrl,

    /// Send one test point, and read it back
    #[arg(long)]
    send: bool,

    /// The metric of the test point [default: potsdb.check]
    #[arg(long, value_name = "NAME", requires = "send")]
    metric: Option<String>,

    /// How long to wait for each name, connection and answer
    #[arg(long, default_value = TIMEOUT, value_name = "TIME", value_parser = options::patience, allow_hyphen_values = true)]
    timeout: Duration,

    /// Print everything as one JSON object
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    options: ClientOptions,
}

const EXAMPLES: &str = "\
Examples:
  potsdb check tsd1
  potsdb check --send tsdb://tsd1,tsd2:4242
  potsdb check --json https://user:password@proxy/insert/0/opentsdb";

/// The tags of the test point.
const POINT_TAGS: [(&str, &str); 1] = [("by", "potsdb-check")];

/// What became of the test point.
struct Tested {
    sender: Client,
    metric: String,
    stats: Stats,
    stored: Option<Stored>,
}

impl Check {
    pub(crate) fn run(self, output: &Output) -> anyhow::Result<Outcome> {
        let url = self.server.or_positional(self.place.as_deref())?;
        // A host that cannot be reached is a finding, and no reason not to look at the others.
        let without_effect: Vec<_> = self.options_without_effect().collect();
        self.options.refuse(
            if self.send {
                "on check"
            } else {
                "on check without --send"
            },
            &without_effect,
        )?;
        let client = self.options.open(Client::builder(&url).check_host(false))?;
        // An illegal name is found before anybody is asked.
        client.series(self.metric(), POINT_TAGS)?;
        let mut findings = Vec::new();
        for endpoint in client.endpoints() {
            let finding = self.look_at(&client, endpoint);
            if !self.json {
                finding.words().iter().for_each(|line| output.say(line));
            }
            findings.push(finding);
        }
        let fit: Vec<&Finding> = findings.iter().filter(|finding| finding.is_fit()).collect();
        let tested = match self.send && !fit.is_empty() {
            true => Some(self.send_point(&client, &fit)?),
            false => None,
        };

        let server = findings.iter().find_map(Finding::server);
        let scheme = client.endpoints()[0].scheme();
        let mut advice: Vec<String> = findings.iter().flat_map(Finding::advice).collect();
        advice.extend(server.iter().flat_map(|server| advice::about(*server, scheme)));
        advice.extend(tested.iter().filter_map(|tested| advice::after(&tested.stats)));
        let (verdict, good) = self.verdict(&findings, tested.as_ref(), scheme, server);
        let test_point = tested.as_ref().map(|tested| tested.words(self.timeout));
        if self.json {
            output.json(&json!({
                // Not the URL as given: there may be a password in it.
                "url": client.endpoints().iter().map(ToString::to_string).collect::<Vec<_>>().join(","),
                "ok": good,
                "verdict": verdict,
                "reachable": findings.iter().all(Finding::is_reachable),
                "server": server.map(|server| server.to_string()),
                "endpoints": findings.iter().map(Finding::object).collect::<Vec<_>>(),
                "test_point": test_point,
                "stored": tested.as_ref().and_then(|tested| match tested.stored.as_ref()? {
                    Stored::Yes => Some(true),
                    Stored::No(_) => Some(false),
                    Stored::Unknown(_) => None,
                }),
                "statistics": tested.as_ref().map(|tested| statistics::object(&tested.stats)),
                "advice": advice,
            }));
        } else {
            if let (Some(words), Some(tested)) = (test_point, &tested) {
                output.say(format_args!("test point {}: {words}", tested.metric));
            }
            advice.iter().for_each(|line| output.say(format_args!("note: {line}")));
            output.say(format_args!("verdict: {verdict}"));
        }
        Ok(Outcome::delivered(good))
    }

    /// The options that change nothing about what is asked, or, with --send, about one point.
    fn options_without_effect(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        const ASKS: [&str; 6] = ["server", "auth", "headers", "ca", "cert", "key"];
        const ALWAYS: [(&str, &str); 3] = [
            ("check_host", "it looks at every host"),
            ("close_grace", "--timeout says how long it may take"),
            ("test_mode", "it is there to connect"),
        ];
        let of_points = potsdb::OPTIONS.iter().map(|option| (option.name, "no point is sent"));
        let asked = of_points.filter(|(name, _)| !self.send && !ASKS.contains(name));
        ALWAYS
            .into_iter()
            .chain(options::OF_MANY_POINTS.into_iter().filter(|_| self.send))
            .chain(asked)
    }

    fn look_at(&self, client: &Client, endpoint: &Endpoint) -> Finding {
        let started = Instant::now();
        let resolved = endpoint.resolve(self.timeout);
        let resolving = started.elapsed();
        let probed = |address: SocketAddr| {
            let asked = Asked {
                client: client.clone(),
                endpoint: endpoint.clone(),
                address,
                timeout: self.timeout,
            };
            (address, probe(&asked))
        };
        Finding {
            endpoint: endpoint.clone(),
            resolved: resolved.map(|addresses| addresses.into_iter().map(probed).collect()),
            resolving,
            logs_in: client.options().auth.is_some(),
            expected: client.options().server,
        }
    }

    fn metric(&self) -> &str {
        self.metric.as_deref().unwrap_or("potsdb.check")
    }

    /// Sends the test point through the endpoints that are fit, and asks one of them for it.
    fn send_point(&self, client: &Client, fit: &[&Finding]) -> anyhow::Result<Tested> {
        let endpoints: Vec<Endpoint> = fit.iter().map(|finding| finding.endpoint.clone()).collect();
        let sender = Builder::from_parts(endpoints, client.options().clone()).build()?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        let (time, mut line) = (Some(Timestamp::from_secs(now)?), Vec::new());
        let metric = self.metric();
        let queued = |queued: &[u8]| line.extend_from_slice(queued);
        sender.send_with(metric, 1, time, POINT_TAGS, Wait::Configured, queued)?;
        let stats = sender.close(self.timeout);
        let line = String::from_utf8_lossy(&line).into_owned();
        // Over either wire OpenTSDB answers queries on the same port; the other servers do not.
        let stored = fit
            .iter()
            .find_map(|finding| finding.asked(client, Server::OpenTsdb, self.timeout))
            .filter(|_| stats.delivered() > 0)
            .map(|asked| stored::look_for(&line, &asked));
        Ok(Tested {
            sender,
            metric: line.split(' ').nth(1).unwrap_or(metric).to_owned(),
            stats,
            stored,
        })
    }

    /// The verdict in a sentence, and whether it is a good one.
    fn verdict(
        &self,
        findings: &[Finding],
        tested: Option<&Tested>,
        scheme: Scheme,
        server: Option<Server>,
    ) -> (String, bool) {
        let problems: Vec<String> = findings.iter().filter_map(Finding::problem).collect();
        let name = server.map_or("the server".to_owned(), |server| server.to_string());
        if problems.len() == findings.len() {
            return (format!("no points can be sent: {}", problems.join("; ")), false);
        }
        let wire = if scheme.is_http() { "HTTP" } else { "telnet" };
        let good = match tested {
            None => Ok(format!(
                "{name} takes points over {wire}, as far as can be told without --send"
            )),
            Some(Tested {
                stored: Some(Stored::No(why)),
                ..
            }) => Err(format!("the test point was taken, but {why}")),
            Some(tested) if tested.stats.acknowledged > 0 && tested.stored == Some(Stored::Yes) => {
                Ok(format!("points get through to {name}, and a query finds them"))
            }
            Some(tested) if tested.stats.acknowledged > 0 => Ok(format!("points get through to {name}")),
            Some(tested) if tested.stats.unconfirmed > 0 => {
                Ok(format!("points go out to {name}, which does not answer for them"))
            }
            Some(tested) => Err(format!(
                "the test point was not delivered: {}",
                tested.words(self.timeout)
            )),
        };
        match good {
            Err(words) => (words, false),
            Ok(words) if problems.is_empty() => (words, true),
            Ok(words) => (
                format!("{words}, but not by every host: {}", problems.join("; ")),
                false,
            ),
        }
    }
}

impl Tested {
    /// What became of the one test point.
    fn words(&self, waited: Duration) -> String {
        let Tested {
            sender, stats, stored, ..
        } = self;
        let stored = match stored {
            Some(Stored::Yes) => ", and a query finds it".to_owned(),
            Some(Stored::No(why) | Stored::Unknown(why)) => format!(", but {why}"),
            None => String::new(),
        };
        if stats.acknowledged > 0 {
            return match stats.last_answer {
                Some(latency) => format!("acknowledged in {}{stored}", milliseconds(latency)),
                None => format!("acknowledged{stored}"),
            };
        }
        if stats.unconfirmed > 0 {
            return format!("unconfirmed: written, and this server does not answer for points{stored}");
        }
        if stats.rejected > 0 {
            return format!("rejected: {}", stats.last_rejections.join("; "));
        }
        let why = statistics::why_not(sender, stats, &Heard::default().rest(sender));
        format!("gave up after {waited:?}: {why}")
    }
}
