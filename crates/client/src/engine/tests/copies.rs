//! Lines that one endpoint does not answer for, and another one is given, too.

use super::*;

/// A client whose first endpoint was given points and says nothing for a second; the slots to that endpoint and to the other,
/// which was given the same.
fn given_to_both(points: u64) -> (Scenario, usize, usize, Vec<u8>) {
    let mut s = Scenario::new(2, 1, &options());
    s.callers(true);
    let first = s.engine.first_peer;
    let other = 1 - first;
    s.outputs();
    s.connected(first);
    s.send(points);
    let text = s.written(first);
    s.pass(1_000);
    let endpoint = other;
    assert_eq!(s.outputs(), [Output::Connect { slot: other, endpoint }]);
    s.connected(other);
    let copy = s.written(other);
    assert_eq!(copy, text, "the same bytes");
    (s, first, other, text)
}

impl Scenario {
    fn answers(&mut self, slot: usize) {
        self.engine.step(self.now, Input::Received { slot, bytes: ANSWER });
    }

    fn acknowledged(&mut self) -> u64 {
        self.engine.verdicts().tally.acknowledged
    }
}

#[test]
fn whichever_answers_first_has_the_verdict_and_nothing_waits_for_the_other() {
    for first_is_faster in [true, false] {
        let (mut s, first, other, _) = given_to_both(3);
        let (fast, slow) = if first_is_faster {
            (first, other)
        } else {
            (other, first)
        };
        s.answers(fast);
        assert_eq!(s.acknowledged(), 3);
        let settles = |slot: &Slot| slot.exchange().is_some_and(|exchange| exchange.low().is_some());
        assert!(!s.engine.slots.iter().any(settles), "a flush returns");
        s.answers(slow);
        assert_eq!((s.acknowledged(), s.engine.verdicts().waiting()), (3, 0));
        assert_eq!(s.engine.verdicts().tally.resent, 3);
    }
}

#[test]
fn a_copy_takes_the_place_of_lines_whose_connection_ends() {
    let (mut s, first, other, _) = given_to_both(3);
    let kernel = Some(0);
    s.engine.step(s.now, Input::Ended { slot: first, kernel });
    s.pass(0);
    assert_eq!(s.written(other), b"", "they are there already");
    s.answers(other);
    assert_eq!(s.acknowledged(), 3);
}

#[test]
fn a_copy_that_is_lost_costs_nothing() {
    let (mut s, first, other, _) = given_to_both(3);
    let kernel = Some(0);
    s.engine.step(s.now, Input::Ended { slot: other, kernel });
    assert_eq!(s.engine.verdicts().waiting(), 0, "the original is still out");
    s.answers(first);
    assert_eq!(s.acknowledged(), 3);
}

#[test]
fn silence_is_no_servers_nature_while_another_has_not_had_its_chance() {
    let (mut s, first, other, text) = given_to_both(3);
    let kernel_has = |s: &mut Scenario, slot| {
        let bytes = text.len() as u64;
        s.engine.step(s.now, Input::KernelHas { slot, bytes });
    };
    kernel_has(&mut s, first);
    s.pass(500);
    kernel_has(&mut s, other);
    s.pass(1_900);
    assert_eq!(s.engine.verdicts().tally.unconfirmed, 0);
    // The other one says nothing either: neither can answer.
    s.pass(200);
    assert_eq!(s.engine.verdicts().tally.unconfirmed, 3);
}

#[test]
fn an_endpoint_that_says_nothing_while_another_answers_is_lost_and_not_silent() {
    let (mut s, first, other, text) = given_to_both(3);
    let bytes = text.len() as u64;
    s.engine.step(s.now, Input::KernelHas { slot: first, bytes });
    s.answers(other);
    s.pass(10_000);
    assert_eq!(s.outputs(), [Output::Disconnect { slot: first }]);
    let profiles = [first, other].map(|peer| s.engine.peers[peer].profile.answers());
    assert_eq!(profiles, [None, Some(true)]);
}
