//! Whatever a server does, every point is stored and accounted for: each fault on each wire of each server.

use std::time::Duration;

use potsdb_receiver::{Counts, Faults, Occasions, Offsets};

use super::*;

/// How many points each of these sends: several windows' worth of questions, several bodies.
const POINTS: u64 = 4_000;

/// A server and the wire on which it is spoken to.
const WIRES: [(Personality, &str); 7] = [
    (Personality::OpenTsdb, "tsdb"),
    (Personality::OpenTsdb, "http"),
    (Personality::VictoriaMetrics, "tsdb"),
    (Personality::VictoriaMetrics, "http"),
    (Personality::InfluxDb, "tsdb"),
    (Personality::InfluxDb, "http"),
    (Personality::KairosDb, "tsdb"),
];

/// Sends through the faults, in portions that are flushed, and asserts that all of it is there and that the fault struck.
fn survive(faults: &Faults, wires: impl Fn(Personality, &str) -> bool, struck: impl Fn(&Counts) -> u64) {
    for (personality, wire) in WIRES {
        if !wires(personality, wire) {
            continue;
        }
        let receiver = receiver(Config {
            personality,
            database_exists: true,
            faults: faults.clone(),
            // Nothing a restart forgets is older than this.
            forget: Some(Duration::from_secs(3600)),
            ..Config::default()
        });
        let client = Client::builder(&format!("{wire}://{}", receiver.address()))
            .set("host_tag", "false")
            .set("server", personality.name())
            .set("backoff", "1ms..20ms")
            .set("answer_timeout", "500ms")
            .build()
            .expect("the options are right");
        for portion in 0..4 {
            send(&client, portion * POINTS / 4, POINTS / 4);
            // It may take until the last portion; what a flush says is not the matter here.
            let _ = client.flush(LONG);
        }
        let stats = client.close(LONG);
        ended(&stats);
        let delivered = stats.acknowledged + stats.unconfirmed;
        let silent = (personality, wire) == (Personality::VictoriaMetrics, "tsdb");
        assert_eq!(
            (delivered, stats.unconfirmed > 0),
            (POINTS, silent),
            "{personality} {wire}: {stats:?}"
        );
        assert!(
            receiver.wait_until(LONG, |counts| counts.open == 0),
            "{personality} {wire}"
        );
        stored(&receiver, POINTS);
        assert_ne!(
            struck(&receiver.counts()),
            0,
            "{personality} {wire}: {:?}",
            receiver.counts()
        );
    }
}

/// The kernel of a peer that resets has taken what nobody reads any more; on a silent server that is not known.
fn answers(personality: Personality, wire: &str) -> bool {
    (personality, wire) != (Personality::VictoriaMetrics, "tsdb")
}

fn over_http(_: Personality, wire: &str) -> bool {
    wire == "http"
}

#[test]
fn no_fault_at_all() {
    survive(&Faults::default(), |_, _| true, |counts| counts.accepted);
}

#[test]
fn connections_that_are_reset_after_some_bytes() {
    let reset_after = Offsets::Random {
        seed: 3,
        below: 20_000,
        connections: 6,
    };
    let faults = Faults {
        reset_after,
        ..Faults::default()
    };
    survive(&faults, answers, |counts| counts.cut);
}

#[test]
fn connections_that_are_closed_after_some_bytes() {
    let close_after = Offsets::Each(vec![1, 700, 9_000]);
    let faults = Faults {
        close_after,
        ..Faults::default()
    };
    survive(&faults, answers, |counts| counts.cut);
}

#[test]
fn connections_that_are_refused() {
    let faults = Faults {
        refuse: Occasions::first(3),
        ..Faults::default()
    };
    survive(&faults, answers, |counts| counts.refused_connections);
}

#[test]
fn answers_in_whose_place_the_connection_is_reset() {
    let faults = Faults {
        cut_answers: Occasions::Numbers(vec![(1, 1), (3, 4)]),
        ..Faults::default()
    };
    survive(&faults, answers, |counts| counts.lost_answers);
}

#[test]
fn answers_that_never_come_once_the_server_is_known_to_answer() {
    let faults = Faults {
        lose_answers: Occasions::Numbers(vec![(2, 3)]),
        ..Faults::default()
    };
    survive(&faults, answers, |counts| counts.lost_answers);
}

#[test]
fn a_server_that_restarts_and_forgets() {
    let faults = Faults {
        restart: Occasions::Numbers(vec![(900, 900), (2_500, 2_500)]),
        down: Duration::from_millis(30),
        ..Faults::default()
    };
    // Over HTTP an answer is not asked for twice, and over telnet VictoriaMetrics gives none.
    let telnet = |personality, wire: &str| wire == "tsdb" && answers(personality, wire);
    survive(&faults, telnet, |counts| counts.restarts);
}

#[test]
fn a_server_that_serves_late() {
    let faults = Faults {
        slow_start: Duration::from_millis(200),
        ..Faults::default()
    };
    survive(&faults, |_, _| true, |counts| counts.accepted);
}

#[test]
fn points_that_are_throttled_away() {
    let opentsdb_over_telnet = |personality, wire: &str| personality == Personality::OpenTsdb && wire == "tsdb";
    for throttle_late in [false, true] {
        let faults = Faults {
            throttle: Occasions::Numbers(vec![(100, 120), (1_500, 1_501)]),
            throttle_late,
            ..Faults::default()
        };
        survive(&faults, opentsdb_over_telnet, |counts| counts.throttled);
    }
}

#[test]
fn requests_that_are_answered_by_503() {
    let faults = Faults {
        status_on: Occasions::Numbers(vec![(2, 2), (4, 4)]),
        status: 503,
        ..Faults::default()
    };
    survive(&faults, over_http, |counts| counts.struck_requests);
}

#[test]
fn answers_that_are_longer_or_shorter_than_announced() {
    for length_error in [25, -5] {
        let faults = Faults {
            wrong_length: Occasions::Numbers(vec![(2, 3)]),
            length_error,
            ..Faults::default()
        };
        survive(&faults, over_http, |counts| counts.wrong_lengths);
    }
}
