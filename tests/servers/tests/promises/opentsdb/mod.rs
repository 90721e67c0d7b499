//! OpenTSDB on HBase: what it stores, refuses and says.

mod answers;
mod deaths;
mod instruments;
mod readback;
mod storage;

use std::time::Instant;

use potsdb::{Client, Sent, Stats, Timestamp};
use potsdb_servers::{Hbase, Server as _, Tsd};

use crate::faces::{POINTS, every_face};
use crate::load::{LONG, Load, client, closed, delivered, told};
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

#[test]
#[ignore = "needs java: scripts/test-servers runs it"]
fn says_what_was_recorded() {
    let tsd = Tsd::start(Hbase::shared(), &[]);
    says_as_recorded("opentsdb-telnet.txt", tsd.port());
    says_as_recorded("opentsdb-http.txt", tsd.port());
}
