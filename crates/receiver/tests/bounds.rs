//! What a peer can make the receiver take: memory is bounded, whatever is sent and asked. One test at a time measures
//! it.

mod peer;

use std::sync::{Mutex, MutexGuard, PoisonError};

use peer::{Peer, request};
use potsdb_receiver::{Config, Limits, Personality, Receiver};

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

/// A good peer's answer, while others behave as they do.
fn is_served(receiver: &Receiver) {
    let body = r#"{"metric":"good","timestamp":1700000000,"value":1,"tags":{"a":"b"}}"#;
    assert_eq!(request(receiver, "POST", "/api/put", body).0, 204);
    assert!(peer::reply_to(receiver, "version\n").starts_with("net.opentsdb.tools"));
}

/// As many connections as descriptors permit, at most `most`: this process holds both ends.
fn connections(receiver: &Receiver, most: usize) -> Vec<Peer> {
    let limits = std::fs::read_to_string("/proc/self/limits").expect("Linux has it");
    let line = limits.lines().find(|line| line.starts_with("Max open files"));
    let soft = line.and_then(|line| line.split_whitespace().nth(3)?.parse::<usize>().ok());
    let most = most.min((soft.unwrap_or(1024) - 100) / 2);
    (0..most).map(|_| Peer::of(receiver)).collect()
}

#[test]
fn idle_connections_take_little_and_hold_up_nobody() {
    let _alone = alone();
    let receiver = Receiver::start(Config::default()).expect("a free port");
    is_served(&receiver);
    let before = resident();
    let mut idle = connections(&receiver, 2000);
    for (number, peer) in idle.iter_mut().enumerate() {
        // Some never say anything, some rest after a line, some after a request.
        match number % 3 {
            0 => {}
            1 => drop(peer.say("put m 1700000000 1 a=b\n")),
            _ => drop(peer.say("GET /api/version HTTP/1.1\r\n\r\n").hear("HTTP/1.1 200")),
        }
    }
    let open = idle.len() as u64;
    assert!(receiver.wait_until(peer::SOON, |counts| counts.open >= open));
    is_served(&receiver);
    let (after, each) = (resident(), (8 << 10) * open);
    assert!(
        after < before + SLACK + each,
        "{before} bytes, with {open} connections {after}"
    );
}

#[test]
fn heads_and_bodies_that_drip_are_closed_and_hold_up_nobody() {
    let _alone = alone();
    let short = std::time::Duration::from_millis(500);
    let limits = Limits {
        head: short,
        body_grace: short,
        ..Limits::default()
    };
    let receiver = Receiver::start(Config {
        limits,
        ..Config::default()
    })
    .expect("a free port");
    is_served(&receiver);
    let before = resident();
    let mut slow = connections(&receiver, 600);
    for (number, peer) in slow.iter_mut().enumerate() {
        peer.say(match number % 3 {
            0 => "POST /api/put HTTP/1.1\r\nHost: ",
            1 => "POST /api/put HTTP/1.1\r\nContent-Length: 8000\r\n\r\n[",
            _ => "G",
        });
    }
    is_served(&receiver);
    let sent = slow.len() as u64;
    let all_late = |counts: &potsdb_receiver::Counts| counts.late >= sent;
    // They drip on, which helps none of them.
    while !receiver.wait_until(std::time::Duration::from_millis(20), all_late) {
        for peer in &mut slow {
            let _ = std::io::Write::write(&mut peer.0, b"x");
        }
        is_served(&receiver);
    }
    let after = resident();
    assert!(after < before + SLACK, "{before} bytes, with {sent} of them {after}");
}

#[test]
fn lines_without_end_are_kept_nowhere() {
    let _alone = alone();
    for personality in Personality::ALL {
        let receiver = Receiver::start(Config {
            personality,
            limits: Limits {
                unfinished: 16 << 20,
                ..Limits::default()
            },
            ..Config::default()
        })
        .expect("a free port");
        let before = resident();
        let mut peers: Vec<Peer> = (0..20).map(|_| Peer::of(&receiver)).collect();
        for peer in &mut peers {
            let _ = std::io::Write::write_all(&mut peer.0, b"put ");
        }
        for _ in 0..64 {
            for peer in &mut peers {
                // It may be closed at any of these.
                let _ = std::io::Write::write_all(&mut peer.0, &[b'x'; 64 << 10]);
            }
        }
        let after = resident();
        // What the personality lets one line have, all together.
        let most = before + SLACK + (64 << 20);
        assert!(after < most, "{personality}: {before} bytes, and after 80 MiB {after}");
    }
}

#[test]
fn bodies_that_get_a_thousand_times_larger_end_their_connections() {
    use flate2::{Compression, write::GzEncoder};
    use std::io::Write as _;
    let _alone = alone();
    let receiver = Receiver::start(Config {
        max_chunk: Some(1 << 20),
        ..Config::default()
    })
    .expect("a free port");
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    for _ in 0..256 {
        gzip.write_all(&[b' '; 1 << 20]).expect("memory");
    }
    let bomb = gzip.finish().expect("memory");
    is_served(&receiver);
    let before = resident();
    for _ in 0..20 {
        let head = format!(
            "POST /api/put HTTP/1.1\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n",
            bomb.len()
        );
        let mut peer = Peer::of(&receiver);
        peer.say([head.as_bytes(), &bomb].concat());
        assert_eq!(peer.rest().expect("an end"), "", "it is no answer, as with Netty");
    }
    is_served(&receiver);
    let after = resident();
    assert!(
        after < before + 2 * SLACK,
        "{before} bytes, and after twenty bombs of 256 MiB {after}"
    );
}
