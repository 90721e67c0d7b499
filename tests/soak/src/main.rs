//! The soak: minutes of faults between producers and a store, and a judge of what came through.
//!
//! ```text
//! producers (Python, Rust; they fork, exit, are killed)  -->  proxy  -->  `potsdb serve --forget 1s --journal`
//!        |                                                 resets, stalls          killed, restarted, stopped
//!        '-- what a flush confirmed --> books ----+             |                              |
//!            memory, descriptors, threads --------+--> judge <--+------------------------------'  its journal
//! ```
//!
//! Everything that happens is drawn from one seed, but when exactly it happens is the machine's. `scripts/soak` builds
//! and runs it; `produce` is what it starts as a Rust producer.

#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, reason = "the figures are what this command is for")]

mod books;
mod crew;
mod judge;
mod producer;
mod proxy;
mod random;
mod schedule;
mod store;
mod watch;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

use crew::Crew;
use proxy::Proxy;
use random::Random;
use store::Store;
use watch::Watch;

/// What is asked for on the command line.
struct Plan {
    minutes: f64,
    seed: u64,
    wire: Wire,
}

/// How the producers talk to the store.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wire {
    Telnet,
    Http,
}

impl Wire {
    fn scheme(self) -> &'static str {
        match self {
            Wire::Telnet => "tsdb",
            Wire::Http => "http",
        }
    }
}

fn main() -> anyhow::Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|word| word == "produce") {
        producer::run(&arguments[1..])?;
        return Ok(ExitCode::SUCCESS);
    }
    soak(&plan(&arguments)?)
}

fn plan(arguments: &[String]) -> anyhow::Result<Plan> {
    let [minutes, seed, wire] = arguments else {
        bail!("potsdb-soak MINUTES SEED telnet|http");
    };
    Ok(Plan {
        minutes: minutes.parse().context("MINUTES is a number")?,
        seed: seed.parse().context("SEED is a whole number")?,
        wire: match wire.as_str() {
            "telnet" => Wire::Telnet,
            "http" => Wire::Http,
            other => bail!("wire {other}: telnet or http"),
        },
    })
}

fn soak(plan: &Plan) -> anyhow::Result<ExitCode> {
    let folder = tempfile::Builder::new().prefix("potsdb-soak-").tempdir()?;
    let mut random = Random::new(plan.seed);
    let started = Instant::now();
    let end = started + Duration::from_secs_f64(plan.minutes * 60.0);

    let mut store = Store::start(folder.path(), plan.wire == Wire::Telnet)?;
    let proxy = Proxy::start(store.port())?;
    let url = format!("{}://127.0.0.1:{}", plan.wire.scheme(), proxy.port());
    let mut crew = Crew::start(folder.path(), &url, &mut random)?;
    let mut watch = Watch::new();

    let done = schedule::run(end, &mut random, &proxy, &mut store, &mut crew, &mut watch)?;
    let troubles = crew.end();
    let stored = store.end()?;

    let mut verdict = judge::judge(folder.path(), &stored, &done.kills)?;
    verdict.breaches.extend(troubles);
    verdict.breaches.extend(watch.judge());
    println!(
        "seed {}, {} wire, {:.1} minutes: {}",
        plan.seed,
        plan.wire.scheme(),
        started.elapsed().as_secs_f64() / 60.0,
        done.words()
    );
    println!("{}", crew.words());
    println!("{}", verdict.words());
    println!("{}", watch.words());
    if verdict.breaches.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    for breach in &verdict.breaches {
        println!("BREACH: {breach}");
    }
    println!(
        "books, logs and the store's journal are kept in {}",
        kept(folder).display()
    );
    Ok(ExitCode::FAILURE)
}

fn kept(folder: tempfile::TempDir) -> PathBuf {
    folder.keep()
}
