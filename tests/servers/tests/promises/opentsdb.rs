//! OpenTSDB on HBase.

use std::sync::mpsc;
use std::time::Instant;

use potsdb::{Client, Stats};
use potsdb_servers::{Hbase, Server as _, Tsd};

use crate::faces::{POINTS, from_python, from_rust, from_the_shell};
use crate::load::{LONG, Load, client, delivered, sized};

#[test]
#[ignore = "needs java: scripts/test-servers runs it"]
fn stores_what_each_face_sends() {
    let tsd = Tsd::start(Hbase::shared(), &[]);
    let load = Load::new("x.rust", POINTS);
    let stats = from_rust(&tsd.telnet(), &load);
    assert_eq!(stats.acknowledged, POINTS, "it answers `version`");
    load.is_stored(&tsd);

    let load = Load::new("x.pipe", POINTS);
    from_the_shell(&tsd.telnet(), &load);
    load.is_stored(&tsd);

    let load = Load::new("x.python", POINTS);
    from_python(&tsd.telnet(), &load);
    load.is_stored(&tsd);
}

const KILLS: u64 = 5;

/// Sends a load at full speed, and calls `kill` after each fifth of it, the last time when all was sent.
fn killed_on_the_way(client: &Client, load: &Load, mut kill: impl FnMut(u64) + Send) {
    let (progress, killer) = mpsc::channel();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let fifth = load.sent() / KILLS;
            load.send(client, |sent| {
                if sent % fifth == 0 {
                    progress.send(()).expect("the killer listens to the end");
                }
            });
        });
        for (kills, ()) in (0..).zip(&killer) {
            kill(kills);
        }
    });
    client.flush(LONG).expect("everything gets its verdict");
}

fn told(name: &str, stats: &Stats, started: Instant) {
    println!(
        "{name}: {} acknowledged over {} connections, {} resent, {} late errors, {} unsettled, in {:.1?}",
        stats.acknowledged,
        stats.connects,
        stats.resent,
        stats.late_errors,
        stats.unsettled,
        started.elapsed()
    );
}

#[test]
#[ignore = "needs java: scripts/test-servers runs it"]
fn no_point_is_missing_after_five_deaths_with_another_tsd_alive() {
    let mut tsds = [(); 2].map(|()| Tsd::start(Hbase::shared(), &[]));
    let load = Load::new("x.failover", sized(250_000, 1_000_000));
    let url = format!("{},127.0.0.1:{}", tsds[0].telnet(), tsds[1].port());
    let started = Instant::now();
    let client = client(&url, &[("settle_bytes", "256MiB")]);
    killed_on_the_way(&client, &load, |kills| {
        let tsd = &mut tsds[(kills % 2) as usize];
        tsd.kill();
        tsd.restart();
    });
    load.is_stored(&tsds[1]);
    let stats = delivered(&client, load.sent());
    told("five deaths with another alive", &stats, started);
    assert_eq!(
        (stats.acknowledged, stats.released_early),
        (load.sent(), 0),
        "{stats:?}"
    );
    assert!(stats.resent > 0, "the kills took nothing: the test tests nothing");
}

#[test]
#[ignore = "needs java: scripts/test-servers runs it"]
fn no_point_is_missing_after_five_deaths_with_none_alive() {
    let mut tsd = Tsd::start(Hbase::shared(), &[]);
    let load = Load::new("x.alone", sized(250_000, 1_000_000));
    let started = Instant::now();
    let client = client(&tsd.telnet(), &[("settle_bytes", "256MiB")]);
    killed_on_the_way(&client, &load, |_| {
        tsd.kill();
        tsd.restart();
    });
    load.is_stored(&tsd);
    let stats = delivered(&client, load.sent());
    told("five deaths with none alive", &stats, started);
    assert_eq!(
        (stats.acknowledged, stats.released_early),
        (load.sent(), 0),
        "{stats:?}"
    );
    assert!(stats.resent > 0, "the kills took nothing: the test tests nothing");
    assert!(stats.connects > KILLS, "{stats:?}");
}
