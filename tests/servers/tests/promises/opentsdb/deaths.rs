//! TSDs killed and ended in mid-stream: no point is missing, and no query breaks on what was written twice.

use std::time::Instant;

use potsdb_servers::{Hbase, Tsd};

use super::{STORED, TELNET, Wire};
use crate::load::{LONG, sized, with_faults};

/// Five deaths in turn, while another TSD of the same HBase is alive.
fn deaths_with_another_alive(wire: Wire) {
    let mut tsds = [(); 2].map(|()| Tsd::start(Hbase::shared(), &[]));
    let load = wire.load("failover", sized(150_000, 1_000_000));
    let started = Instant::now();
    let client = wire.client(&[&tsds[0], &tsds[1]], &[]);
    with_faults(&client, &load, |fault| {
        let tsd = &mut tsds[(fault % 2) as usize];
        tsd.kill();
        tsd.restart();
    });
    load.is_stored(&tsds[1]);
    let stats = wire.kept_its_promise("five deaths with another alive", &client, &load, started);
    assert!(stats.resent > 0, "the deaths took nothing: the test tests nothing");
}

#[test]
#[ignore = "needs java: scripts/test-servers runs it"]
fn no_point_is_missing_after_five_deaths_with_another_tsd_alive_over_telnet() {
    deaths_with_another_alive(TELNET);
}

#[test]
#[ignore = "needs java: scripts/test-servers runs it"]
fn no_point_is_missing_after_five_deaths_with_another_tsd_alive_over_http() {
    deaths_with_another_alive(STORED);
}

/// Five deaths of the only TSD.
fn deaths_with_none_alive(wire: Wire) {
    let mut tsd = Tsd::start(Hbase::shared(), &[]);
    let load = wire.load("alone", sized(150_000, 1_000_000));
    let started = Instant::now();
    let client = wire.client(&[&tsd], &[]);
    with_faults(&client, &load, |_| {
        tsd.kill();
        tsd.restart();
    });
    load.is_stored(&tsd);
    let stats = wire.kept_its_promise("five deaths with none alive", &client, &load, started);
    assert!(stats.resent > 0, "the deaths took nothing: the test tests nothing");
}

#[test]
#[ignore = "needs java: scripts/test-servers runs it"]
fn no_point_is_missing_after_five_deaths_with_none_alive_over_telnet() {
    deaths_with_none_alive(TELNET);
}

#[test]
#[ignore = "needs java: scripts/test-servers runs it"]
fn no_point_is_missing_after_five_deaths_with_none_alive_over_http() {
    deaths_with_none_alive(STORED);
}

/// SIGTERM: it goes on reading for a while, and the more so the more it is sent.
fn asked_to_end(wire: Wire) {
    let mut tsd = Tsd::start(Hbase::shared(), &[]);
    let load = wire.load("ended", sized(60_000, 300_000));
    let started = Instant::now();
    let client = wire.client(&[&tsd], &[("mps", "10000")]);
    with_faults(&client, &load, |fault| {
        if fault % 2 == 1 {
            tsd.end(LONG);
            tsd.restart();
        }
    });
    load.is_stored(&tsd);
    let stats = wire.kept_its_promise("ended twice", &client, &load, started);
    assert!(stats.connects > 1, "{stats:?}");
}

#[test]
#[ignore = "needs java: scripts/test-servers runs it"]
fn no_point_is_missing_when_the_tsd_is_asked_to_end_over_telnet() {
    asked_to_end(TELNET);
}

#[test]
#[ignore = "needs java: scripts/test-servers runs it"]
fn no_point_is_missing_when_the_tsd_is_asked_to_end_over_http() {
    asked_to_end(STORED);
}
