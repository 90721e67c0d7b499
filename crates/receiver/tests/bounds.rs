//! What a peer can make the receiver take: memory is bounded, whatever is sent and asked. One test at a time measures it.

mod peer;

use std::sync::{Mutex, MutexGuard, PoisonError};

use peer::{Peer, request};
use potsdb_receiver::{Config, Personality, Receiver};

/// Memory that the allocator and the runtime may take beside what is measured.
const SLACK: u64 = 24 << 20;

/// Resident memory, in bytes.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux has it");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kilobytes.expect("a number of kB") * 1024
}

fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

#[test]
fn a_refused_body_in_chunks_without_end_is_kept_nowhere() {
    let _alone = alone();
    let receiver = Receiver::start(Config::default()).expect("a free port");
    let before = resident();
    let mut peer = Peer::of(&receiver);
    peer.say("POST /api/put HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n");
    let chunk = [b"10000\r\n".to_vec(), vec![b'x'; 0x10000], b"\r\n".to_vec()].concat();
    for _ in 0..2_000 {
        peer.say(&chunk);
    }
    let after = resident();
    peer.say(b"0\r\n\r\n");
    peer.hear("HTTP/1.1 400");
    assert!(after < before + SLACK, "{before} bytes, and after 125 MiB {after}");
}

#[test]
fn a_query_for_a_billion_values_is_refused_whoever_makes_them() {
    let _alone = alone();
    let receiver = Receiver::start(Config::default()).expect("a free port");
    let mut peer = Peer::of(&receiver);
    for series in 0..100 {
        let line = format!("put m 1700000000 1 h={series}\n");
        peer.say(line);
    }
    assert!(receiver.wait_for(100, peer::SOON));
    let before = resident();
    for (downsample, end) in [
        ("1ms-sum-zero", 1_700_000_300),
        ("10ms-sum-nan", 1_700_086_400),
        ("1s-avg-null", 1_790_000_000),
    ] {
        let query = format!("/api/query?start=1700000000&end={end}&m=sum:{downsample}:m{{h=*}}");
        let (status, body) = request(&receiver, "GET", &query, "");
        assert_eq!(status, 413, "{downsample}: {body}");
        assert!(body.contains("more than our limit of 2000000 data points"), "{body}");
    }
    let (status, body) = request(
        &receiver,
        "GET",
        "/api/query?start=1700000000&end=1700000300&m=sum:1s-sum-zero:m",
        "",
    );
    assert_eq!((status, body.contains("\"1700000000\":100.0")), (200, true), "{body}");
    assert!(resident() < before + SLACK, "{before} bytes, then {}", resident());
}

#[test]
fn values_of_any_length_are_kept_within_the_bytes_that_are_allowed() {
    let _alone = alone();
    let receiver = Receiver::start(Config {
        personality: Personality::InfluxDb,
        database_exists: true,
        max_bytes: 8 << 20,
        ..Config::default()
    })
    .expect("a free port");
    let before = resident();
    let value = format!("0.{}", "1".repeat(1 << 20));
    let mut peer = Peer::of(&receiver);
    for second in 0..60 {
        peer.say(format!("put m {} {value} h=a\n", 1_700_000_000 + second));
    }
    assert!(
        receiver.wait_until(peer::SOON, |counts| counts.puts >= 60),
        "{:?}",
        receiver.counts()
    );
    let (points, after) = (receiver.points().len(), resident());
    assert!((1..=8).contains(&points), "{points} points of a MiB each");
    assert!(after < before + SLACK + (24 << 20), "{before} bytes, then {after}");
}
