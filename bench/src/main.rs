//! Benchmarks of the Rust client. `scripts/bench` runs them; BENCHMARKS.md holds what came out.
//!
//! Each measure runs beside its baseline, alternating, round by round, and prints one line per round and side:
//!
//! ```text
//! MEASURE <tab> SIDE <tab> FIGURE          a side is ours or a baseline, the unit is in the measure's name
//! ```
//!
//! `bench/report.py` makes medians, spreads and ratios of that. After each timed section the client's own books are
//! looked at: a benchmark that lost or repeated a point has measured something else, and panics.

#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, reason = "the figures are what this command is for")]

mod beside;
mod bridges;
mod burst;
mod count;
mod endpoints;
mod growth;
mod instruments;
mod memory;
mod path;
mod processor;
mod reader;
mod resident;
mod sending;
mod spool;
mod stalls;
mod table;
mod threads;
mod wire;

use std::fmt;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |index: usize, default: u64| {
        arguments
            .get(index)
            .map_or(default, |text| text.parse().expect("a number"))
    };
    match arguments.first().map(String::as_str) {
        Some("reader") => reader::run(
            arguments.get(1).map_or("reads", String::as_str),
            u16::try_from(number(2, 0)).expect("a port"),
        ),
        Some("memory") => memory::run(number(1, 7), number(2, 1_000_000)),
        Some("instruments") => instruments::run(number(1, 7), number(2, 20_000_000)),
        Some("bridges") => bridges::run(number(1, 7), number(2, 5_000_000)),
        Some("wire") => wire::run(number(1, 7), number(2, 8_000_000)),
        Some("spool") => spool::run(number(1, 7), number(2, 4_000_000)),
        Some("outage") => spool::outage(number(1, 6_000_000)),
        Some("threads") => threads::run(number(1, 7), number(2, 4_000_000)),
        Some("stalls") => stalls::run(number(1, 7), number(2, 900_000)),
        Some("endpoints") => endpoints::run(number(1, 7)),
        Some("growth") => growth::run(
            arguments.get(1).map_or("", String::as_str),
            number(2, 1),
            number(3, 1_000_000),
        ),
        Some("beside") => beside::run(number(1, 1_000_000)),
        Some("path") => path::run(
            arguments.get(1).map(String::as_str),
            number(2, 1_000_000),
            number(3, 4242),
        ),
        Some("burst") => burst::run(number(1, 1_000_000)),
        // One path, for callgrind; without a name: the paths.
        Some("count") => count::run(arguments.get(1).map(String::as_str)),
        // One side alone, once: for counting its system calls, and for profiles.
        Some("send") => threads::once(number(1, 1), number(2, 1_000_000)),
        _ => panic!(
            "potsdb-bench reader [reads|answers|http|stalls|datagrams] | memory | instruments | bridges | wire | spool | threads | stalls [ROUNDS [POINTS]] | endpoints [ROUNDS] | outage [POINTS] | growth PLOT [PLACE [POINTS]] | beside [POINTS] | path [PATH [POINTS [PORT]]] | burst [POINTS] | count [PATH] | send [THREADS [POINTS]]"
        ),
    }
}

/// Prints one round's figure of one side.
fn figure(measure: &str, side: &str, value: impl fmt::Display) {
    println!("{measure}\t{side}\t{value}");
}
