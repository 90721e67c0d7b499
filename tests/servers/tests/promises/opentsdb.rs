//! OpenTSDB on HBase.

use std::time::{Duration, Instant};

use potsdb::{Client, Sent, Stats, Timestamp};
use potsdb_servers::{Hbase, Server as _, Tsd};

use crate::faces::{POINTS, every_face};
use crate::load::{LONG, Load, client, closed, delivered, is_full, sized, told, with_faults};
use crate::transcripts::says_as_recorded;

/// A wire, and what makes it keep its promise: telnet lets points settle, in room enough for all of them; over HTTP only
/// `sync` tells what is stored.
#[derive(Clone, Copy)]
struct Wire {
    name: &'static str,
    scheme: &'static str,
    options: &'static [(&'static str, &'static str)],
}

const TELNET: Wire = Wire {
    name: "telnet",
    scheme: "tsdb",
    options: &[("settle_bytes", "256MiB")],
};

const STORED: Wire = Wire {
    name: "http",
    scheme: "http",
    options: &[("ack", "stored")],
};

impl Wire {
    /// A client for TSDs, doors to one store.
    fn client(self, tsds: &[&Tsd], more: &[(&str, &str)]) -> Client {
        let hosts: Vec<_> = tsds.iter().map(|tsd| format!("127.0.0.1:{}", tsd.port())).collect();
        let options = [self.options, more].concat();
        client(&format!("{}://{}", self.scheme, hosts.join(",")), &options)
    }

    /// A load of its own, whatever the other wire sent.
    fn load(self, metric: &str, sent: u64) -> Load {
        Load::new(&format!("x.{}.{metric}", self.name), sent)
    }

    /// Everything was acknowledged, nothing let go early, and it was no idle test.
    fn kept_its_promise(self, what: &str, client: &Client, load: &Load, started: Instant) -> Stats {
        let stats = delivered(client, load.sent());
        told(&format!("{what}, {}", self.name), &stats, started);
        assert_eq!(
            (stats.acknowledged, stats.released_early),
            (load.sent(), 0),
            "{stats:?}"
        );
        stats
    }
}

#[test]
#[ignore = "needs java: scripts/test-servers runs it"]
fn stores_what_each_face_sends_over_telnet() {
    let tsd = Tsd::start(Hbase::shared(), &[]);
    assert_eq!(every_face(&tsd.telnet(), &tsd, "telnet").acknowledged, POINTS);
}

#[test]
#[ignore = "needs java: scripts/test-servers runs it"]
fn stores_what_each_face_sends_over_http() {
    let tsd = Tsd::start(Hbase::shared(), &[]);
    assert_eq!(
        every_face(&tsd.http().expect("it has one"), &tsd, "http").acknowledged,
        POINTS
    );
}

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

#[test]
#[ignore = "needs java: scripts/test-servers runs it"]
fn each_point_of_an_unknown_metric_is_rejected_and_no_other() {
    let tsd = Tsd::start(Hbase::shared(), &["tsd.core.auto_create_metrics = false"]);
    tsd.create("metric", "x.known");
    let load = Load::new("x.known", 20_000);
    let client = client(&tsd.telnet(), &[]);
    let unknown = 400;
    std::thread::scope(|scope| {
        scope.spawn(|| load.send(&client));
        for number in 0..unknown {
            let timestamp = Timestamp::from_secs(load.time(number)).expect("a legal time");
            let name = format!("x.unknown.{}", number % 7);
            let sent = client.send_at(&name, number, timestamp, [("n", "1")]);
            assert!(matches!(sent, Ok(Sent::Queued)), "{sent:?}");
        }
    });
    client.flush(LONG).expect("everything gets its verdict");
    load.is_stored(&tsd);
    let stats = closed(&client, load.sent() + unknown);
    assert_eq!(
        (stats.acknowledged, stats.rejected),
        (load.sent(), unknown),
        "{stats:?}"
    );
    assert_eq!(stats.rejections, [("unknown metric", unknown)], "{stats:?}");
    let words = stats.last_rejections.last().expect("the server's words");
    assert!(words.contains("No such name for 'metrics': 'x.unknown."), "{words}");
    assert!(tsd.stored("x.unknown").is_empty());
    println!("{} acknowledged, {unknown} rejected: {words}", stats.acknowledged);
}

/// What an answer alone is worth: the TSD is killed right after the last one.
fn killed_after_the_answer(wire: &str, url: impl Fn(&Tsd) -> String) {
    let mut tsd = Tsd::start(Hbase::shared(), &[]);
    let load = Load::new(&format!("x.{wire}.accepted"), 20_000);
    let client = client(&url(&tsd), &[("settle", "0s")]);
    load.send(&client);
    client.flush(LONG).expect("everything gets its verdict");
    tsd.kill();
    let stats = delivered(&client, load.sent());
    assert_eq!(stats.acknowledged, load.sent(), "{stats:?}");
    tsd.restart();
    let missing = load.missing_for_good(&tsd, Duration::from_secs(3));
    println!(
        "accepted, TSD killed right after the answer, {wire}: {missing} of {} missing",
        load.sent()
    );
    assert!(missing > 0, "the answer alone would do");
}

#[test]
#[ignore = "needs java: scripts/test-servers runs it"]
fn without_settling_a_killed_tsd_takes_acknowledged_points_along() {
    killed_after_the_answer("telnet", Tsd::telnet);
}

#[test]
#[ignore = "needs java: scripts/test-servers runs it"]
fn over_http_a_killed_tsd_takes_acknowledged_points_along_unless_stored_is_asked_for() {
    killed_after_the_answer("http", |tsd| tsd.http().expect("it has one"));
}

/// Its ZooKeeper forgets a dead HBase after 6 s instead of 15, so that the next one starts sooner.
const FORGETS_SOON: &[&str] = &["zookeeper.session.timeout=6000"];

/// HBase dies, for some 30 s until it serves again, while points are sent at a moderate rate: what the answers promised.
fn hbase_down(wire: &str, url: impl Fn(&Tsd) -> String, options: &[(&str, &str)]) {
    if !is_full() {
        println!("only with --full: HBase's death takes a minute");
        return;
    }
    let mut hbase = Hbase::start(FORGETS_SOON);
    let tsd = Tsd::start(&hbase, &[]);
    let load = Load::new(&format!("x.{wire}.down"), 200_000);
    let started = Instant::now();
    let client = client(&url(&tsd), &[&[("mps", "5000")], options].concat());
    with_faults(&client, &load, |fault| {
        if fault == 0 {
            hbase.kill();
            hbase.restart();
        }
    });
    let missing = load.missing_for_good(&tsd, Duration::from_secs(30));
    let stats = delivered(&client, load.sent());
    told(&format!("HBase down, {wire}"), &stats, started);
    println!(
        "HBase down, {wire}: {missing} of {} missing, {:?}",
        load.sent(),
        stats.rejections
    );
    assert!(missing > 0, "the answer alone would do");
}

#[test]
#[ignore = "needs java: scripts/test-servers runs it, with --full"]
fn a_dead_hbase_takes_acknowledged_points_along_over_telnet_without_settling() {
    hbase_down("telnet", Tsd::telnet, &[("settle", "0s")]);
}

#[test]
#[ignore = "needs java: scripts/test-servers runs it, with --full"]
fn a_dead_hbase_takes_acknowledged_points_along_over_telnet_with_the_usual_settling() {
    hbase_down("telnet", Tsd::telnet, &[]);
}

#[test]
#[ignore = "needs java: scripts/test-servers runs it, with --full"]
fn a_dead_hbase_takes_acknowledged_points_along_over_http_unless_stored_is_asked_for() {
    hbase_down("http", |tsd| tsd.http().expect("it has one"), &[]);
}

/// An HBase that splits its regions again and again under load, when TSDs throttle.
fn splitting() -> Hbase {
    Hbase::start(&[
        "hbase.regionserver.region.split.policy=org.apache.hadoop.hbase.regionserver.ConstantSizeRegionSplitPolicy",
        "hbase.hregion.max.filesize=2097152",
        "hbase.hregion.memstore.flush.size=2097152",
    ])
}

/// A TSD throttles while its region splits: it refuses points after it accepted them.
fn throttled(wire: Wire, everyday: u64) -> Stats {
    let hbase = splitting();
    // It gives up sooner than by default, 10 000 points that wait for a region: as many are not on their way with `sync`.
    let tsd = Tsd::start(
        &hbase,
        &["hbase.nsre.low_watermark=100", "hbase.nsre.high_watermark=500"],
    );
    let started = Instant::now();
    let load = wire.load("throttled", sized(everyday, 1_000_000));
    let client = wire.client(&[&tsd], &[]);
    load.send(&client);
    client.flush(LONG).expect("everything gets its verdict");
    load.is_stored(&tsd);
    let stats = wire.kept_its_promise("throttled", &client, &load, started);
    println!("{:?}", stats.rejections);
    stats
}

#[test]
#[ignore = "needs java: scripts/test-servers runs it"]
fn no_point_is_missing_when_the_tsd_throttles_over_telnet() {
    let stats = throttled(TELNET, 300_000);
    assert!(stats.late_errors > 0, "it did not throttle: the test tests nothing");
}

#[test]
#[ignore = "needs java: scripts/test-servers runs it"]
fn no_point_is_missing_when_the_tsd_throttles_over_http() {
    let stats = throttled(STORED, 100_000);
    assert!(stats.resent > 0, "it did not throttle: the test tests nothing");
}

/// HBase's own death takes some 30 s, until it serves again; over telnet a TSD says which points it lost after seconds or a
/// minute, or never, and names none. What settles for longer than that goes again when one such error comes.
fn hbase_frozen_and_killed(wire: Wire, options: &[(&str, &str)]) -> Stats {
    let mut hbase = Hbase::start(FORGETS_SOON);
    let tsd = Tsd::start(&hbase, &[]);
    let load = wire.load("frozen", sized(25_000, 500_000));
    let started = Instant::now();
    let client = wire.client(&[&tsd], &[&[("mps", "5000")], options].concat());
    with_faults(&client, &load, |fault| match fault {
        0 => hbase.freeze(Duration::from_secs(3)),
        1 => {
            hbase.kill();
            hbase.restart();
        }
        _ => {}
    });
    load.is_stored(&tsd);
    let stats = wire.kept_its_promise("HBase frozen and killed", &client, &load, started);
    println!("{:?}", stats.rejections);
    stats
}

#[test]
#[ignore = "needs java: scripts/test-servers runs it"]
fn no_point_is_missing_when_hbase_freezes_and_when_it_dies_over_telnet_while_points_still_settle() {
    let stats = hbase_frozen_and_killed(TELNET, &[("settle", "2m")]);
    assert!(stats.late_errors > 0, "its death took nothing: the test tests nothing");
}

#[test]
#[ignore = "needs java: scripts/test-servers runs it"]
fn no_point_is_missing_when_hbase_freezes_and_when_it_dies_over_http() {
    let stats = hbase_frozen_and_killed(STORED, &[]);
    assert!(stats.resent > 0, "its death took nothing: the test tests nothing");
}

#[test]
#[ignore = "needs java: scripts/test-servers runs it"]
fn one_bad_point_of_ten_thousand_over_http_is_rejected_with_its_reason_and_the_others_are_stored() {
    let tsd = Tsd::start(Hbase::shared(), &[]);
    let load = Load::new("x.many", 9_990);
    let client = client(&tsd.http().expect("it has one"), &[("names", "ascii")]);
    std::thread::scope(|scope| {
        scope.spawn(|| load.send(&client));
        let timestamp = Timestamp::from_secs(load.time(0)).expect("a legal time");
        let sent = client.send_at("x.bad", 1, timestamp, [("place", "a:b")]);
        assert!(matches!(sent, Ok(Sent::Queued)), "{sent:?}");
    });
    client.flush(LONG).expect("everything gets its verdict");
    load.is_stored(&tsd);
    let stats = closed(&client, load.sent() + 1);
    assert_eq!((stats.acknowledged, stats.rejected), (load.sent(), 1), "{stats:?}");
    let words = stats.last_rejections.last().expect("the server's words");
    assert!(
        words.contains("illegal character: :") && words.contains("x.bad"),
        "{words}"
    );
    println!("{} acknowledged, 1 rejected: {words}", stats.acknowledged);
}

/// Bodies as long as a default OpenTSDB takes them, found without a refusal that anybody hears of; beside them, in the same
/// run, those of 50 points that most clients send. The figures are told, not judged: the machine is not ours alone.
#[test]
#[ignore = "needs java: scripts/test-servers runs it"]
fn bodies_are_as_long_as_a_default_tsd_takes_them() {
    let tsd = Tsd::start(Hbase::shared(), &[]);
    let url = tsd.http().expect("it has one");
    let warm = Load::new("x.bodies.warm", 10_000);
    delivered(&sent_over(&url, &warm), warm.sent());
    let mut ratios = Vec::new();
    for round in 0..3 {
        let load = Load::new(&format!("x.bodies.potsdb{round}"), sized(50_000, 200_000));
        let started = Instant::now();
        let client = sent_over(&url, &load);
        let whole = load.sent() as f64 / started.elapsed().as_secs_f64();
        let stats = delivered(&client, load.sent());
        assert_eq!(
            (stats.rejections.as_slice(), stats.resent),
            ([].as_slice(), 0),
            "{stats:?}"
        );

        let load = Load::new(&format!("x.bodies.fifty{round}"), sized(10_000, 40_000));
        let started = Instant::now();
        load.post_in_fifties(tsd.port());
        let fifties = load.sent() as f64 / started.elapsed().as_secs_f64();
        println!(
            "{whole:.0} points/s beside {fifties:.0} in bodies of 50: {:.1} times",
            whole / fifties
        );
        ratios.push(whole / fifties);
    }
    ratios.sort_by(f64::total_cmp);
    println!("median {:.1} times the throughput of bodies of 50 points", ratios[1]);
}

fn sent_over(url: &str, load: &Load) -> Client {
    let client = client(url, &[]);
    load.send(&client);
    client.flush(LONG).expect("everything gets its verdict");
    client
}

#[test]
#[ignore = "needs java: scripts/test-servers runs it"]
fn says_what_was_recorded() {
    let tsd = Tsd::start(Hbase::shared(), &[]);
    says_as_recorded("opentsdb-telnet.txt", tsd.port());
    says_as_recorded("opentsdb-http.txt", tsd.port());
}
