//! `potsdb check`: what is at a URL, in plain words.
//!
//! Resolves every host, connects to every address and asks each what it is (`probe`). With `--send` one test point
//! goes through the client itself, which is the only way to know what the server does with points.

mod advice;
mod probe;

use std::net::{SocketAddr, ToSocketAddrs};
use std::time::{Duration, Instant};

use clap::Args;
use potsdb::{Client, Endpoint, Server, Stats};
use serde_json::{Value, json};

use crate::options::{self, ClientOptions, ServerUrl};
use crate::output::Output;
use crate::{Outcome, statistics};
use probe::{Found, probe};

/// Say what is at a URL, and send a test point where asked
///
/// Resolves every host, connects to every address and finds out which server answers.
#[derive(Debug, Args)]
#[command(after_long_help = options::list())]
pub(crate) struct Check {
    /// The server, as --url has it; to give both is an error
    #[arg(value_name = "URL")]
    place: Option<String>,

    #[command(flatten)]
    server: ServerUrl,

    /// Send one test point and wait for what becomes of it
    #[arg(long)]
    send: bool,

    /// The metric of the test point
    #[arg(long, default_value = "potsdb.check", value_name = "NAME")]
    metric: String,

    /// How long each question waits for its answer
    #[arg(long, default_value = "5s", value_name = "TIME", value_parser = options::duration)]
    timeout: Duration,

    /// Print everything as one JSON object
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    options: ClientOptions,
}

/// What was found at each address of a host.
type Addresses = Vec<(SocketAddr, std::io::Result<Found>)>;

/// What was found out about one endpoint.
struct Finding {
    endpoint: String,
    resolved: std::io::Result<Addresses>,
    resolving: Duration,
}

impl Check {
    pub(crate) fn run(self, output: &Output) -> anyhow::Result<Outcome> {
        let url = self.server.or_positional(self.place.as_deref())?;
        let client = self.options.open(Client::builder(&url))?;
        let findings: Vec<Finding> = client
            .endpoints()
            .iter()
            .map(|endpoint| self.look_at(&client, endpoint))
            .collect();
        let reachable = findings.iter().all(Finding::is_reachable);
        let server = findings.iter().find_map(Finding::server);
        if !self.json {
            findings
                .iter()
                .flat_map(Finding::words)
                .for_each(|line| output.say(line));
        }
        let tested = if self.send && reachable {
            Some(self.send_point(&client)?)
        } else {
            None
        };
        let delivered = tested.as_ref().is_none_or(statistics::all_delivered);

        let mut advice: Vec<&str> = server.map_or(&[][..], advice::about).to_vec();
        advice.extend(tested.as_ref().and_then(advice::after));
        if self.json {
            output.json(&json!({
                // Not the URL as given: there may be a password in it.
                "url": client.endpoints().iter().map(ToString::to_string).collect::<Vec<_>>().join(","),
                "reachable": reachable,
                "server": server.map(|server| server.to_string()),
                "endpoints": findings.iter().map(Finding::object).collect::<Vec<_>>(),
                "test_point": tested.as_ref().map(|stats| verdict(stats, self.timeout)),
                "statistics": tested.as_ref().map(statistics::object),
                "advice": advice,
            }));
        } else {
            if let Some(stats) = &tested {
                output.say(format_args!(
                    "test point {}: {}",
                    self.metric,
                    verdict(stats, self.timeout)
                ));
            }
            advice.iter().for_each(|line| output.say(format_args!("note: {line}")));
        }
        Ok(Outcome::delivered(reachable && delivered))
    }

    fn look_at(&self, client: &Client, endpoint: &Endpoint) -> Finding {
        let started = Instant::now();
        let resolved = (endpoint.host(), endpoint.port()).to_socket_addrs();
        let resolving = started.elapsed();
        let host = format!("{}:{}", endpoint.host(), endpoint.port());
        let resolved = resolved.map(|addresses| match endpoint.scheme().is_tls() {
            true => self.shake_hands(client, endpoint, addresses),
            false => addresses
                .map(|address| (address, probe(address, &host, self.timeout.min(PATIENCE))))
                .collect(),
        });
        Finding {
            endpoint: endpoint.to_string(),
            resolved,
            resolving,
        }
    }

    /// Over TLS nobody is asked what he is, but whether he is who he should be: the client's own way, and its first
    /// address that says so.
    fn shake_hands(
        &self,
        client: &Client,
        endpoint: &Endpoint,
        addresses: impl Iterator<Item = SocketAddr>,
    ) -> Addresses {
        let started = Instant::now();
        match client.check(endpoint, self.timeout) {
            Ok(address) => {
                let found = Found {
                    server: None,
                    words: "connected over TLS, and it is who it should be".to_owned(),
                    waited: started.elapsed(),
                };
                vec![(address, Ok(found))]
            }
            Err(error) => {
                let again = |address| (address, Err(std::io::Error::new(error.kind(), error.to_string())));
                addresses.map(again).collect()
            }
        }
    }

    fn send_point(&self, client: &Client) -> anyhow::Result<Stats> {
        client.send(&self.metric, 1, [("by", "potsdb-check")])?;
        Ok(client.close(self.timeout))
    }
}

impl Finding {
    /// Returns true when at least one address accepts connections, which is all the client needs.
    fn is_reachable(&self) -> bool {
        self.resolved
            .as_ref()
            .is_ok_and(|addresses| addresses.iter().any(|(_, found)| found.is_ok()))
    }

    fn server(&self) -> Option<Server> {
        let addresses = self.resolved.as_ref().ok()?;
        addresses.iter().find_map(|(_, found)| found.as_ref().ok()?.server)
    }

    fn words(&self) -> Vec<String> {
        let addresses = match &self.resolved {
            Ok(addresses) => addresses,
            Err(error) => {
                return vec![format!("{}: the name does not resolve: {error}", self.endpoint)];
            }
        };
        let mut lines = vec![format!(
            "{}: {} in {}",
            self.endpoint,
            match addresses.len() {
                1 => "1 address".to_string(),
                count => format!("{count} addresses"),
            },
            milliseconds(self.resolving)
        )];
        lines.extend(addresses.iter().map(|(address, found)| match found {
            Ok(Found {
                server: Some(server),
                words,
                waited,
            }) => {
                format!("  {address}: {server} ({words}), answered in {}", milliseconds(*waited))
            }
            Ok(Found {
                server: None, words, ..
            }) => format!("  {address}: {words}"),
            Err(error) => format!("  {address}: no connection: {error}"),
        }));
        lines
    }

    fn object(&self) -> Value {
        let (error, addresses) = match &self.resolved {
            Ok(addresses) => (None, addresses.as_slice()),
            Err(error) => (Some(error.to_string()), [].as_slice()),
        };
        let addresses = addresses.iter().map(|(address, found)| match found {
            Ok(found) => json!({
                "address": address.to_string(),
                "connected": true,
                "server": found.server.map(|server| server.to_string()),
                "words": found.words,
                "seconds": found.waited.as_secs_f64(),
            }),
            Err(error) => json!({
                "address": address.to_string(),
                "connected": false,
                "error": error.to_string(),
            }),
        });
        json!({
            "endpoint": self.endpoint,
            "error": error,
            "resolving_seconds": self.resolving.as_secs_f64(),
            "addresses": addresses.collect::<Vec<_>>(),
        })
    }
}

/// What became of the one test point.
fn verdict(stats: &Stats, waited: Duration) -> String {
    if stats.acknowledged > 0 {
        return match stats.last_answer {
            Some(latency) => format!("acknowledged in {}", milliseconds(latency)),
            None => "acknowledged".into(),
        };
    }
    if stats.unconfirmed > 0 {
        return "unconfirmed: written, and this server does not answer for points".into();
    }
    if stats.rejected > 0 {
        return format!("rejected: {}", stats.last_rejections.join("; "));
    }
    let states = stats
        .endpoints
        .iter()
        .map(|endpoint| match &endpoint.last_error {
            Some(error) => format!("{}: {error}", endpoint.state),
            None => endpoint.state.clone(),
        })
        .collect::<Vec<_>>()
        .join("; ");
    format!("not delivered within {waited:?}: {states}")
}

fn milliseconds(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}

/// How long a server that accepted the connection may think about what it is.
const PATIENCE: Duration = Duration::from_secs(2);
