//! Decisions about connections, one step at a time.

use super::*;
use crate::config::credentials::Credentials;
use crate::queue::block::Block;

mod copies;
#[cfg(feature = "http")]
mod poison;

const ANSWER: &[u8] = b"net.opentsdb.tools built at revision eb1 (MINT)\nBuilt on 2021/09/08 by x@y:/z\n";

struct Scenario {
    engine: Engine,
    now: Duration,
    next: u64,
}

impl Scenario {
    fn new(endpoints: usize, seed: u64, options: &Options) -> Scenario {
        let endpoints = (0..endpoints).map(|n| (format!("tsdb://tsd{n}:4242"), Protocol::Telnet));
        Scenario {
            engine: Engine::new(options, endpoints.collect(), seed),
            now: Duration::ZERO,
            next: 0,
        }
    }

    fn pass(&mut self, millis: u64) {
        self.now += Duration::from_millis(millis);
        self.callers(false);
    }

    fn callers(&mut self, queued: bool) {
        let (urgent, phase) = (false, EnginePhase::Open);
        self.engine.step(
            self.now,
            Input::Callers {
                queued,
                precautions: false,
                urgent,
                phase,
            },
        );
    }

    fn outputs(&mut self) -> Vec<Output> {
        std::iter::from_fn(|| self.engine.poll()).collect()
    }

    fn connected(&mut self, slot: usize) {
        let credentials = Credentials::default();
        self.engine.step(self.now, Input::Connected { slot, credentials });
    }

    /// Hands lines to whichever slot wants some; returns which.
    fn send(&mut self, points: u64) -> Option<usize> {
        self.callers(true);
        let (slot, _) = self.engine.wants()?;
        let mut block = Block::new(Vec::with_capacity(BLOCK));
        for n in self.next..self.next + points {
            block.append(&[format!("put m 1700000000 {n} h=a\n").as_bytes()], 1);
        }
        let lines = block.into_lines(self.next, &mut Vec::new());
        self.next += points;
        self.engine.step(self.now, Input::Lines { slot, lines });
        self.callers(false);
        Some(slot)
    }

    /// The kernel takes everything.
    fn written(&mut self, slot: usize) -> Vec<u8> {
        let mut slices = Vec::new();
        self.engine.unwritten(self.now, slot, &mut slices);
        let text: Vec<u8> = slices.iter().flat_map(|slice| slice.to_vec()).collect();
        drop(slices);
        let bytes = text.len() as u64;
        self.engine.step(self.now, Input::Wrote { slot, bytes });
        text
    }

    /// The same, and the server answers each question.
    fn serve(&mut self, slot: usize) {
        let text = self.written(slot);
        for _ in memchr::memmem::find_iter(&text, "version\n") {
            self.engine.step(self.now, Input::Received { slot, bytes: ANSWER });
        }
    }

    /// Lines are sent, answered, and settle from then on.
    fn deliver(&mut self, points: u64) -> usize {
        let slot = self.send(points).expect("a slot takes lines");
        self.pass(100);
        self.serve(slot);
        slot
    }
}

const BLOCK: usize = crate::queue::block::BLOCK_BYTES;

fn options() -> Options {
    Options::default()
}

#[test]
fn clients_of_one_url_begin_at_different_endpoints() {
    let first = |seed| {
        let mut s = Scenario::new(4, seed, &options());
        s.callers(true);
        match s.outputs()[..] {
            [Output::Connect { endpoint, .. }] => endpoint,
            ref other => panic!("{other:?}"),
        }
    };
    let mut clients = [0; 4];
    (0..400).for_each(|seed| clients[first(seed)] += 1);
    assert!(clients.iter().all(|clients| (50..150).contains(clients)), "{clients:?}");
}

#[test]
fn a_connection_for_which_nothing_is_left_is_dropped() {
    let mut s = Scenario::new(1, 1, &options());
    s.callers(true);
    assert_eq!(s.outputs(), [Output::Connect { slot: 0, endpoint: 0 }]);
    s.callers(false);
    s.connected(0);
    assert_eq!(s.outputs(), [Output::Disconnect { slot: 0 }]);
    s.callers(true);
    assert_eq!(s.outputs().len(), 1, "and made again when there is something");
}

#[test]
fn a_connection_that_retires_hands_over_first_and_lives_on_until_it_has_settled() {
    let mut s = Scenario::new(
        1,
        1,
        &Options {
            connection_max_age: Some(Duration::from_secs(2)),
            settle: Duration::from_secs(60),
            ..options()
        },
    );
    s.callers(true);
    s.outputs();
    s.connected(0);
    assert_eq!(s.deliver(3), 0);
    s.now = Duration::from_millis(1_999);
    assert_eq!(s.send(1), Some(0));
    s.now += Duration::from_millis(1);
    assert_eq!(s.send(1), Some(0), "it takes lines as long as nobody else does");
    s.callers(true);
    assert_eq!(s.outputs(), [Output::Connect { slot: 1, endpoint: 0 }]);
    assert_eq!(s.send(1), Some(0));
    s.callers(true);
    s.connected(1);
    assert_eq!(s.send(1), Some(1), "now another one takes them");
    s.pass(100);
    s.serve(0);
    s.serve(1);
    assert_eq!(s.outputs(), [], "what it was given settles there");
    assert!(s.engine.low().is_none());
    s.pass(60_000);
    s.serve(0);
    s.pass(0);
    assert_eq!(s.outputs(), [Output::HalfClose { slot: 0 }]);
}

#[test]
fn settling_is_bounded_for_all_connections_together() {
    let mut s = Scenario::new(
        2,
        1,
        &Options {
            settle_bytes: 10 * 25,
            ..options()
        },
    );
    s.callers(true);
    s.outputs();
    let first = s.engine.first_peer;
    s.connected(first);
    s.deliver(8);
    assert_eq!(
        s.engine.verdicts().tally.released_early,
        0,
        "one connection may have all of it"
    );
    s.deliver(8);
    let early = s.engine.verdicts().tally.released_early;
    assert_eq!(early, 8, "the oldest lines are let go, by range");
}

/// A client whose first endpoint has failed its only point; the slots to that endpoint and to the other.
fn failed_by_the_first() -> (Scenario, usize, usize) {
    let mut s = Scenario::new(2, 1, &options());
    s.callers(true);
    let failing = s.engine.first_peer;
    s.outputs();
    s.connected(failing);
    s.send(1);
    s.written(failing);
    let said = [b"put: HBase error: no region takes it\n".as_slice(), ANSWER].concat();
    let bytes = &said[..];
    s.engine.step(s.now, Input::Received { slot: failing, bytes });
    assert_eq!(s.outputs(), [], "it rests first");
    (s, failing, 1 - failing)
}

#[test]
fn what_one_endpoint_fails_is_tried_at_another_that_has_no_connection_yet() {
    let (mut s, failing, other) = failed_by_the_first();
    s.pass(100);
    let endpoint = other;
    assert_eq!(s.outputs(), [Output::Connect { slot: other, endpoint }]);
    assert_eq!(s.written(failing), b"", "it waits for the other one");
    s.connected(other);
    assert!(s.written(other).starts_with(b"put m "));
    let bytes = ANSWER;
    s.engine.step(s.now, Input::Received { slot: other, bytes });
    assert_eq!(s.engine.verdicts().tally.acknowledged, 1);
}

#[test]
fn what_one_endpoint_fails_goes_there_again_where_no_other_can_be_reached_soon() {
    let (mut s, failing, other) = failed_by_the_first();
    s.pass(100);
    s.outputs();
    s.pass(STAGGER.as_millis() as u64);
    assert!(s.written(failing).starts_with(b"put m "));
    let said = [b"put: HBase error: no region takes it\n".as_slice(), ANSWER].concat();
    let bytes = &said[..];
    s.engine.step(s.now, Input::Received { slot: failing, bytes });
    s.connected(other);
    assert_eq!(s.outputs(), [], "the other one is kept for what rests");
    s.pass(10_000);
    assert!(s.written(other).starts_with(b"put m "));
}

#[test]
fn an_endpoint_that_fails_everything_gets_what_failed_ever_more_seldom_until_it_takes_something() {
    let mut s = Scenario::new(1, 1, &options());
    let peer = &mut s.engine.peers[0];
    let pauses = (0..200).map(|_| {
        peer.judge(Duration::ZERO, false, true);
        peer.retry_not_before.as_millis()
    });
    let pauses: Vec<u128> = pauses.collect();
    assert_eq!((pauses[0], pauses[16], pauses[199]), (10, 20, 1_000));
    peer.judge(Duration::ZERO, true, true);
    assert_eq!((peer.failures, peer.retry_not_before), (0, Duration::ZERO));
}

#[test]
fn an_endpoint_that_stands_still_gets_no_more_while_another_takes_lines() {
    let options = Options {
        server: Some(potsdb_wire::Server::OpenTsdb),
        ..Options::default()
    };
    let mut s = Scenario::new(2, 1, &options);
    s.callers(true);
    let connects = |outputs: Vec<Output>| {
        let slot = |output: &Output| match output {
            Output::Connect { slot, .. } => Some(*slot),
            _ => None,
        };
        outputs.iter().find_map(slot)
    };
    let stuck = connects(s.outputs()).expect("there is something to write");
    s.connected(stuck);
    assert_eq!(s.send(5), Some(stuck));
    // Its kernel takes what is written, and nothing ever comes back.
    for _ in 0..9 {
        s.pass(100);
        assert_eq!(s.send(5), Some(stuck));
        s.engine.step(
            s.now,
            Input::Wrote {
                slot: stuck,
                bytes: 100,
            },
        );
    }
    assert_eq!(connects(s.outputs()), None);
    s.pass(300);
    assert_eq!(s.send(5), Some(stuck), "rather there than nowhere");
    s.callers(true);
    let other = connects(s.outputs()).expect("another endpoint may do better");
    s.connected(other);
    for _ in 0..50 {
        assert_eq!(s.deliver(5), other);
    }
    s.engine.step(
        s.now,
        Input::Received {
            slot: stuck,
            bytes: ANSWER,
        },
    );
    s.callers(true);
    let credits: Vec<_> = s.engine.slots.iter().map(|slot| s.engine.stands_still(slot)).collect();
    assert_eq!(credits, [false, false], "it moves again");
}
