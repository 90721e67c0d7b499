//! A series of which the storage behind a telnet server takes no point, among good ones.

use super::*;

/// What OpenTSDB says of a point that it had taken and HBase had not.
const HBASE: &str = "put: HBase error: 1 RPCs failed: NotServingRegionException x1, region down";
const THROTTLE: &str = "put: Please throttle writes: 10000 RPCs waiting on region tsdb,,1";

const GOOD: u64 = 1_000;
const SICK: u64 = GOOD / 10;

fn is_sick(line: &str) -> bool {
    line.starts_with("put sick ")
}

/// Late errors, in these words, for each point of the sick series.
fn errors_come_late(words: &'static str) {
    let server = Scripted::telnet(move |line| match is_sick(line) {
        true => Reply::Late(words.to_owned()),
        false => Reply::Taken,
    });
    let client = client_of(&server, "tsdb", &[]);
    send_among_sick(&client, &server, GOOD);
    let stats = wait_until(&client, "not all have their verdict", |stats| {
        stats.acknowledged == GOOD + SICK && stats.late_errors >= SICK
    });
    assert_eq!(stats.dropped.total(), 0, "{stats:?}");
    assert!(stats.last_rejections.iter().any(|said| said == words), "{stats:?}");
    let stats = close(&client);
    assert_eq!((stats.acknowledged, stats.dropped.total()), (GOOD + SICK, 0));
    let seen = server.seen();
    assert_eq!(seen.connections.len(), 1);
    // Each sick point takes the company it came in with it a few times, and then goes alone.
    assert!(
        seen.requests.len() < 10 * (GOOD + SICK) as usize,
        "{}",
        seen.requests.len()
    );
}

#[test]
fn a_series_that_hbase_does_not_take_costs_itself_alone() {
    errors_come_late(HBASE);
}

#[test]
fn a_series_that_is_throttled_away_costs_itself_alone() {
    errors_come_late(THROTTLE);
}

/// What a server says or does at once makes its company go again, until the sick series is apart.
fn apart(script: impl Fn(&str) -> Reply + Send + Sync + 'static, words: &str, connections: usize) {
    let server = Scripted::telnet(script);
    let client = client_of(&server, "tsdb", &[]);
    send_among_sick(&client, &server, GOOD);
    let stats = wait_until(&client, "not all have their verdict", |stats| {
        stats.acknowledged == GOOD
    });
    assert_eq!((stats.pending(), stats.dropped.total()), (SICK, 0), "{stats:?}");
    let stats = close(&client);
    assert_eq!((stats.acknowledged, stats.dropped.closed), (GOOD, SICK), "{stats:?}");
    assert!(
        stats.last_rejections.iter().any(|said| said.contains(words)),
        "{stats:?}"
    );
    let seen = server.seen();
    let tries: u32 = seen.others.values().sum();
    assert!(tries < 10 * SICK as u32, "{tries}");
    assert!(
        seen.requests.len() < 20 * (GOOD + SICK) as usize,
        "{}",
        seen.requests.len()
    );
    assert!(seen.connections.len() <= connections, "{}", seen.connections.len());
}

#[test]
fn a_series_that_overloads_the_server_ends_up_apart() {
    let script = |line: &str| match is_sick(line) {
        true => Reply::Again("put: Throttling exception: table is over its quota".to_owned()),
        false => Reply::Taken,
    };
    apart(script, "Throttling exception", 1);
}

#[test]
fn a_series_that_times_out_in_the_storage_ends_up_apart() {
    let script = |line: &str| match is_sick(line) {
        true => Reply::Again("put: Request timed out: region tsdb,,1 does not answer".to_owned()),
        false => Reply::Taken,
    };
    apart(script, "Request timed out", 1);
}

#[test]
fn a_series_that_makes_the_server_hang_up_ends_up_apart() {
    let script = |line: &str| match is_sick(line) {
        true => Reply::Close,
        false => Reply::Taken,
    };
    apart(script, "the connection end", 200);
}
