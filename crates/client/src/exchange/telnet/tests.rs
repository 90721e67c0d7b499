//! One conversation at a time, as a scenario: lines given, replies said, time passed.

use super::*;
use crate::queue::block::{BLOCK_BYTES, Block};
use potsdb_wire::Server;

const OPENTSDB: &str =
    "net.opentsdb.tools 2.4.1 built at revision eb125a342 (MODIFIED)\nBuilt on 2021/09/08 by x@y:/z\n";

struct Scenario {
    exchange: Telnet,
    verdicts: Verdicts,
    now: Duration,
    next: u64,
}

impl Scenario {
    fn new(profile: ServerProfile) -> Scenario {
        Scenario::with(profile, |_| {})
    }

    fn with(profile: ServerProfile, change: impl FnOnce(&mut Terms)) -> Scenario {
        let mut terms = Terms::of_tests();
        change(&mut terms);
        let exchange = Telnet::new(terms, profile, Duration::ZERO);
        Scenario {
            exchange,
            verdicts: Verdicts::default(),
            now: Duration::ZERO,
            next: 0,
        }
    }

    fn lines(&mut self, points: u64) -> Outstanding {
        let mut block = Block::new(Vec::with_capacity(BLOCK_BYTES));
        for n in self.next..self.next + points {
            block.append(&[format!("put m 17000000{n:02} 1 h=a\n").as_bytes()], 1);
        }
        let lines = block.into_lines(self.next, &mut Vec::new());
        self.next += points;
        Outstanding::new(lines, Duration::ZERO)
    }

    fn give(&mut self, points: u64) -> &mut Self {
        let held = self.lines(points);
        self.exchange.give(self.now, held);
        self
    }

    /// The kernel takes everything; returns it, lines of points as `L`, questions as `?`.
    fn write(&mut self) -> String {
        let mut slices: Vec<IoSlice<'_>> = Vec::new();
        self.exchange.unwritten(self.now, &mut slices);
        let text: String = slices.iter().map(|slice| std::str::from_utf8(slice).unwrap()).collect();
        drop(slices);
        self.exchange.wrote(self.now, text.len() as u64);
        text.lines()
            .map(|line| if line == "version" { '?' } else { 'L' })
            .collect()
    }

    fn server(&mut self, says: &str) -> &mut Self {
        self.exchange.received(self.now, says.as_bytes(), &mut self.verdicts);
        self
    }

    fn pass(&mut self, millis: u64) -> Option<CloseReason> {
        self.now += Duration::from_millis(millis);
        self.exchange.tick(self.now, false, &mut self.verdicts)
    }

    fn kernel_has_all(&mut self) -> &mut Self {
        self.exchange.kernel_has(self.now, u64::MAX, &mut self.verdicts);
        self
    }

    /// Acknowledged, unconfirmed, rejected, waiting to go again.
    fn verdicts(&self) -> (u64, u64, u64, u64) {
        let tally = &self.verdicts.tally;
        let again = self.verdicts.waiting();
        (tally.acknowledged, tally.unconfirmed, tally.rejected, again)
    }
}

const ANSWERS: ServerProfile = ServerProfile::Answers(Server::OpenTsdb);

#[test]
fn the_first_question_follows_the_first_lines_and_its_answer_decides() {
    let mut s = Scenario::new(ServerProfile::Unknown);
    assert_eq!(s.give(2).write(), "LL?");
    assert_eq!(s.give(1).write(), "L", "one question until it is decided");
    s.server(OPENTSDB);
    assert_eq!(s.verdicts(), (2, 0, 0, 0));
    assert_eq!(s.exchange.profile(), ANSWERS);
    assert_eq!(s.pass(100), None);
    assert_eq!(s.write(), "?", "the rest is asked about in its turn");
}

#[test]
fn a_server_that_does_not_answer_is_silent_two_seconds_after_its_kernel_has_the_question() {
    let mut s = Scenario::new(ServerProfile::Unknown);
    s.give(2).write();
    s.pass(5_000);
    assert_eq!(s.verdicts(), (0, 0, 0, 0), "its kernel has said nothing");
    s.kernel_has_all().pass(1_999);
    assert_eq!(s.verdicts(), (0, 0, 0, 0));
    s.pass(1);
    assert_eq!(s.verdicts(), (0, 2, 0, 0));
    assert_eq!(s.give(1).write(), "L", "and is not asked again");
    assert_eq!(s.kernel_has_all().verdicts(), (0, 3, 0, 0));
}

#[test]
fn a_silent_server_that_receives_is_not_cut_however_short_the_answer_timeout() {
    let mut s = Scenario::with(ServerProfile::Unknown, |terms| {
        terms.answer_timeout = Duration::from_millis(300);
    });
    s.give(1).write();
    s.kernel_has_all().give(1).write();
    assert_eq!(s.pass(2_000), None, "what was written meanwhile is asked for first");
    assert!(s.exchange.ask_kernel_at().is_some_and(|at| at <= s.now));
    s.kernel_has_all().give(1).write();
    assert!(s.exchange.ask_kernel_at() < s.exchange.next_timer().map(|(at, _)| at));
    s.kernel_has_all();
    assert_eq!((s.verdicts(), s.pass(1_000)), ((0, 3, 0, 0), None));
}

#[test]
fn a_silent_servers_kernel_is_asked_whenever_an_eighth_of_the_window_was_written() {
    let line = "put m 1700000000 1 h=a\n".len();
    let mut s = Scenario::with(ServerProfile::Silent { until: Duration::MAX }, |terms| {
        terms.window_bytes = 80 * line;
    });
    s.give(9).write();
    assert!(s.exchange.ask_kernel_at().is_some_and(|at| at > s.now), "not yet");
    for _ in 0..8 {
        s.give(10).write();
        assert_eq!(
            s.exchange.ask_kernel_at(),
            Some(s.now),
            "no clock limits how much is written"
        );
        s.kernel_has_all();
    }
    assert_eq!(s.verdicts(), (0, 89, 0, 0));
}

#[test]
fn an_aged_connection_to_a_server_found_silent_ends() {
    let mut s = Scenario::new(ServerProfile::Unknown);
    s.give(2).write();
    s.kernel_has_all();
    s.exchange.retire(s.now);
    assert!(!s.exchange.take_half_close(), "not before it is decided");
    s.pass(2_000);
    assert_eq!(s.verdicts(), (0, 2, 0, 0));
    assert!(s.exchange.take_half_close());
}

#[test]
fn a_late_answer_changes_the_manner_and_no_verdict() {
    let mut s = Scenario::new(ServerProfile::Unknown);
    s.give(2).write();
    s.kernel_has_all().pass(2_000);
    s.server("InfluxDB TSDB proxy");
    assert_eq!(
        (s.exchange.profile(), s.verdicts()),
        (ServerProfile::Answers(Server::InfluxDb), (0, 2, 0, 0))
    );
    s.give(1).pass(100);
    assert_eq!(s.write(), "L?");
    assert_eq!(s.server("InfluxDB TSDB proxy").verdicts(), (1, 2, 0, 0));
}

#[test]
fn errors_are_counted_against_the_interval_they_came_in() {
    let mut s = Scenario::new(ANSWERS);
    s.give(3).pass(100);
    assert_eq!(s.write(), "LLL?");
    s.server("put: unknown metric: No such name for 'metrics': 'm'\n");
    assert_eq!(s.verdicts(), (0, 0, 0, 0), "held until the answer");
    assert_eq!(s.server(OPENTSDB).verdicts(), (2, 0, 1, 0));
    assert_eq!(s.verdicts.words.len(), 1);
}

#[test]
fn errors_of_an_interval_that_was_never_answered_are_forgotten() {
    let mut s = Scenario::new(ANSWERS);
    s.give(3).write();
    s.server("put: illegal argument: x\n");
    s.exchange.ended(false, &mut s.verdicts);
    assert_eq!(s.verdicts(), (0, 0, 0, 3));
}

#[test]
fn an_interval_the_server_was_too_busy_for_goes_again_whole_and_later() {
    let mut s = Scenario::new(ANSWERS);
    s.give(3).pass(100);
    s.write();
    s.server("put: Throttling exception: x\nput: illegal argument: y\n")
        .server(OPENTSDB);
    assert_eq!(s.verdicts(), (0, 0, 0, 3), "only its last pass counts");
    assert!(s.verdicts.complaint.is_some(), "it asked for less");
}

#[test]
fn a_late_error_makes_what_may_be_lost_go_again_without_a_second_verdict() {
    let mut s = Scenario::new(ANSWERS);
    s.give(2).pass(100);
    s.write();
    s.server(OPENTSDB);
    s.give(1).pass(100);
    s.write();
    s.server("put: Please throttle writes: 10000 RPCs waiting\n");
    assert_eq!(s.verdicts(), (2, 0, 0, 2), "the settling ones at once");
    s.server(OPENTSDB);
    assert_eq!(s.verdicts(), (3, 0, 0, 3), "the unanswered one after its verdict");
    assert!(s.verdicts.again.iter().all(|held| held.verdict_posted));
    assert_eq!(s.verdicts.tally.late_errors, 1);
}

#[test]
fn lines_with_and_without_a_verdict_share_no_interval() {
    let mut s = Scenario::new(ANSWERS);
    let resent = Outstanding {
        verdict_posted: true,
        was_written: true,
        ..s.lines(2)
    };
    s.exchange.give(s.now, resent);
    s.give(1).pass(100);
    assert_eq!(s.write(), "LL?L?");
    s.server("put: illegal argument: x\n").server(OPENTSDB);
    assert_eq!(s.verdicts(), (0, 0, 0, 0), "the error was an old point's");
    assert_eq!(s.server(OPENTSDB).verdicts(), (1, 0, 0, 0));
}

#[test]
fn an_idle_connection_asks_once_more_when_its_lines_should_have_settled() {
    let mut s = Scenario::new(ANSWERS);
    s.give(2).pass(100);
    s.write();
    s.server(OPENTSDB);
    assert_eq!(
        s.exchange.next_timer(),
        Some((Duration::from_millis(2_100), Timer::Settle))
    );
    s.pass(2_000);
    assert_eq!(s.write(), "?");
    s.server(OPENTSDB);
    assert_eq!((s.exchange.settling.due(), s.exchange.next_timer()), (None, None));
}

#[test]
fn closing_asks_about_the_last_lines_and_ends_the_sending_side_once() {
    let mut s = Scenario::new(ANSWERS);
    s.give(2);
    s.exchange.finish(s.now);
    assert!(!s.exchange.take_half_close(), "not before all is written");
    assert_eq!(s.write(), "LL?");
    assert!(
        !s.exchange.take_half_close(),
        "nor before the server that answers has answered"
    );
    s.server(OPENTSDB);
    assert!(s.exchange.take_half_close() && !s.exchange.take_half_close());
    s.exchange.ended(true, &mut s.verdicts);
    assert_eq!((s.verdicts(), s.verdicts.tally.unsettled), ((2, 0, 0, 0), 2));
}

#[test]
fn closing_an_idle_connection_waits_for_the_servers_last_words_too() {
    let mut s = Scenario::with(ANSWERS, |terms| terms.settle = Duration::ZERO);
    s.give(1).pass(100);
    assert_eq!(s.write(), "L?");
    s.server(OPENTSDB).pass(60_000);
    s.exchange.finish(s.now);
    assert!(s.exchange.take_half_close());
    assert_eq!((s.pass(999), s.pass(1)), (None, Some(CloseReason::Finished)));
}

#[test]
fn the_end_of_the_stream_without_an_answer_decides_at_once() {
    let mut s = Scenario::new(ServerProfile::Unknown);
    s.give(2);
    s.exchange.finish(s.now);
    assert_eq!(s.write(), "LL?");
    assert!(s.exchange.take_half_close());
    s.kernel_has_all();
    s.exchange.ended(true, &mut s.verdicts);
    assert_eq!(s.verdicts(), (0, 2, 0, 0));
}

#[test]
fn after_a_reset_a_silent_servers_rest_goes_again_from_the_start_of_its_line() {
    let mut s = Scenario::new(ServerProfile::Silent { until: Duration::MAX });
    s.give(3);
    assert_eq!(s.write(), "LLL");
    // Two lines of 23 bytes, and some of the third.
    s.exchange.kernel_has(s.now, 50, &mut s.verdicts);
    s.exchange.ended(false, &mut s.verdicts);
    assert_eq!(s.verdicts(), (0, 2, 0, 1));
    let (batch, ..) = &s.verdicts.heard.failed[0];
    assert!(batch.lines[0].lines.bytes().starts_with(b"put m 1700000002"));
}

#[test]
fn a_silent_server_is_of_no_use_where_answers_are_asked_for() {
    let mut s = Scenario::with(ServerProfile::Unknown, |terms| terms.must_answer = true);
    s.give(2).write();
    s.kernel_has_all();
    assert_eq!(s.pass(2_000), Some(CloseReason::CannotAnswer));
    s.exchange.ended(false, &mut s.verdicts);
    assert_eq!(s.verdicts(), (0, 0, 0, 2));
}

#[test]
fn each_timeout_fires_by_its_name() {
    let mut stalled = Scenario::new(ANSWERS);
    stalled.give(1);
    assert_eq!(stalled.pass(9_999), None);
    assert_eq!(stalled.pass(1), Some(CloseReason::WriteTimeout));
    let mut mute = Scenario::new(ANSWERS);
    mute.give(1).pass(100);
    mute.write();
    assert_eq!(mute.pass(9_999), None);
    assert_eq!(mute.pass(1), Some(CloseReason::AnswerTimeout));
    let mut reader = Scenario::new(ANSWERS);
    reader.give(1).write();
    reader.server("unknown command: put.  Try `help'.\n");
    assert_eq!(reader.pass(0), Some(CloseReason::ReadOnly));
}

#[test]
fn lines_that_the_storage_may_have_lost_go_apart_and_new_ones_pass() {
    let mut s = Scenario::new(ANSWERS);
    s.give(2);
    s.pass(100);
    s.write();
    s.server(OPENTSDB).server("put: HBase error: x\n");
    let (batch, blame, words) = &s.verdicts.heard.failed[0];
    assert_eq!(
        (batch.points(), *blame, &**words),
        (2, Blame::Unknown, "put: HBase error: x")
    );
    assert!(batch.is_posted());
    let complaint = s.verdicts.complaint.unwrap();
    assert!(!complaint.less, "it failed, and did not ask for less");
    assert!(s.exchange.credit(false).is_some());
    let mut s = Scenario::new(ANSWERS);
    s.give(1).server("put: Please throttle writes: x\n");
    assert!(s.verdicts.complaint.unwrap().less);
}

#[test]
fn lines_that_failed_again_and_again_are_judged_one_by_one() {
    let mut s = Scenario::new(ANSWERS);
    s.give(1);
    let mut failed = s.lines(2);
    failed.failures = 3;
    assert!(s.exchange.takes_batch());
    s.exchange.give_batch(s.now, Batch { lines: vec![failed] });
    assert!(!s.exchange.takes_batch(), "one at a time");
    s.give(1);
    assert_eq!(s.write(), "L?L?L?L");
    s.server(OPENTSDB);
    s.server("put: Throttling exception: x\n").server(OPENTSDB);
    let (batch, blame, _) = &s.verdicts.heard.failed[0];
    assert_eq!((batch.points(), *blame), (1, Blame::Some));
    s.server(OPENTSDB);
    assert_eq!(s.verdicts(), (2, 0, 0, 1));
    let mut s = Scenario::new(ANSWERS);
    let mut failed = s.lines(2);
    failed.failures = 1;
    s.exchange.give_batch(s.now, Batch { lines: vec![failed] });
    assert_eq!(s.write(), "LL?", "once or twice is no reason");
}

#[test]
fn only_an_answer_to_lines_shows_that_the_server_takes_some() {
    let mut s = Scenario::new(ANSWERS);
    s.give(1).write();
    s.pass(100);
    assert_eq!(s.write(), "?");
    s.server(OPENTSDB);
    assert_eq!(s.verdicts.successes, 1);
    // A question that only lets lines settle.
    s.pass(2_000);
    assert_eq!(s.write(), "?");
    s.server(OPENTSDB);
    assert_eq!(s.verdicts.successes, 1);
    // Lines that a late error may be about.
    s.give(1).write();
    s.pass(100);
    assert_eq!(s.write(), "?");
    s.server("put: HBase error: x\n").server(OPENTSDB);
    assert_eq!(s.verdicts.successes, 1);
}

#[test]
fn whatever_a_server_says_of_a_put_the_points_before_its_answer_are_not_acknowledged() {
    for words in ["put: disk full\n", "put: HBase error\n", "put:\n"] {
        let mut s = Scenario::new(ANSWERS);
        assert_eq!(s.give(2).write(), "LL");
        s.pass(100);
        assert_eq!(s.write(), "?");
        s.server(words).server(OPENTSDB);
        let (batch, blame, said) = &s.verdicts.heard.failed[0];
        assert_eq!((batch.points(), *blame, &**said), (2, Blame::Some, words.trim_end()));
        assert_eq!(s.verdicts.tally.acknowledged, 0, "{words}");
    }
}

#[test]
fn asking_a_silent_server_again_costs_its_points_nothing() {
    let mut s = Scenario::new(ServerProfile::Silent {
        until: Duration::from_secs(1),
    });
    s.now = Duration::from_secs(1);
    assert_eq!(s.give(1).write(), "L?");
    assert_eq!(
        s.kernel_has_all().verdicts(),
        (0, 1, 0, 0),
        "unconfirmed at once, as before"
    );
    assert_eq!(s.give(1).write(), "L", "and asked once only");
    s.server(OPENTSDB);
    assert_eq!(s.exchange.profile(), ANSWERS, "a late answer reverts it");
}

#[test]
fn a_server_may_close_what_is_idle_and_settled() {
    let mut s = Scenario::new(ANSWERS);
    assert!(s.exchange.is_idle());
    s.give(1);
    s.pass(100);
    s.write();
    assert!(!s.exchange.is_idle());
    s.server(OPENTSDB);
    assert!(!s.exchange.is_idle(), "it has not settled");
    s.pass(2_000);
    s.write();
    s.server(OPENTSDB);
    assert!(s.exchange.is_idle());
}

#[test]
fn a_server_that_drips_is_given_up_in_the_end() {
    let mut s = Scenario::new(ANSWERS);
    s.give(1);
    s.pass(100);
    s.write();
    s.kernel_has_all();
    let bytes = (0..40).find(|at| {
        s.server(&OPENTSDB[*at..=*at]);
        s.pass(9_000) == Some(CloseReason::AnswerTimeout)
    });
    assert!((10..=12).contains(&bytes.unwrap()), "{bytes:?} bytes");
}

#[test]
fn a_server_that_talks_and_never_answers_is_given_up_although_lines_are_written_all_the_time() {
    for said in ["\n", "junk\n", "put: HBase error: x\n"] {
        let mut s = Scenario::new(ANSWERS);
        s.give(1);
        s.pass(100);
        s.write();
        s.kernel_has_all();
        let times = (0..40).find(|_| {
            s.give(1).write();
            s.kernel_has_all();
            s.server(said);
            s.pass(5_000).is_some()
        });
        assert!(
            (19..=21).contains(&times.unwrap_or(40)),
            "{said:?}: {times:?} times 5 s"
        );
    }
}

#[test]
fn a_question_comes_before_its_answer_is_missed_however_short_the_answer_timeout() {
    let mut s = Scenario::with(ANSWERS, |terms| terms.answer_timeout = Duration::from_millis(40));
    assert_eq!(s.give(1).write(), "L");
    assert_eq!(s.exchange.next_timer(), Some((Duration::from_millis(20), Timer::Ask)));
    assert_eq!(s.pass(20), None);
    assert_eq!(s.write(), "?");
    assert_eq!(s.server(OPENTSDB).verdicts(), (1, 0, 0, 0));
}

#[test]
fn on_a_slow_way_the_kernel_is_asked_before_the_server_is_given_up() {
    let mut s = Scenario::new(ANSWERS);
    s.give(3);
    s.pass(100);
    s.write();
    for bytes in [10, 20, 30] {
        let ask = s.exchange.ask_kernel_at().expect("not all of it has arrived");
        assert!(ask < s.exchange.next_timer().unwrap().0);
        assert_eq!(s.pass(9_000), None);
        s.exchange.kernel_has(s.now, bytes, &mut s.verdicts);
    }
    s.kernel_has_all();
    assert_eq!(s.pass(10_000), Some(CloseReason::AnswerTimeout));
}

#[test]
fn lines_behind_the_last_answer_are_suspect_when_the_connection_dies_and_those_behind_the_next_question_are_not() {
    let mut s = Scenario::new(ServerProfile::Unknown);
    s.give(2).write();
    s.exchange.ended(false, &mut s.verdicts);
    let suspects = |s: &Scenario| {
        let (batch, blame, _) = &s.verdicts.heard.failed[0];
        assert_eq!(*blame, Blame::Ended);
        batch.points()
    };
    assert_eq!(suspects(&s), 2);
    let mut s = Scenario::new(ServerProfile::Unknown);
    s.give(2).write();
    s.server(OPENTSDB).give(1).pass(100);
    s.give(1).write();
    s.exchange.ended(false, &mut s.verdicts);
    assert_eq!(suspects(&s), 1);
    assert_eq!(s.verdicts.again.iter().count(), 1);
    // But what failed before is likelier still.
    let mut s = Scenario::new(ANSWERS);
    s.give(1);
    let mut failed = s.lines(2);
    failed.failures = 3;
    s.exchange.give_batch(s.now, Batch { lines: vec![failed] });
    s.give(3).write();
    s.exchange.ended(false, &mut s.verdicts);
    assert_eq!(suspects(&s), 2);
    assert_eq!(s.verdicts.again.iter().map(|held| held.lines.points()).sum::<u64>(), 4);
}

#[test]
fn a_server_that_reads_on_and_does_not_answer_any_more_is_given_up() {
    let mut s = Scenario::new(ANSWERS);
    s.give(1).pass(100);
    s.write();
    s.server(OPENTSDB);
    let mut reason = None;
    let begun = s.now;
    while reason.is_none() && s.now < begun + Duration::from_secs(60) {
        s.give(1);
        reason = s.pass(100);
        s.write();
        // Its kernel acknowledges everything at once.
        s.exchange.kernel_has(s.now, u64::MAX, &mut s.verdicts);
    }
    assert_eq!(reason, Some(CloseReason::AnswerTimeout));
    let patience = s.now - begun;
    assert!(patience <= Duration::from_secs(11), "{patience:?}");
}

#[test]
fn a_server_that_answers_late_but_answers_is_not_given_up() {
    let mut s = Scenario::new(ANSWERS);
    for _ in 0..30 {
        s.give(1).pass(100);
        s.write();
        s.exchange.kernel_has(s.now, u64::MAX, &mut s.verdicts);
        assert_eq!(s.pass(8_000), None);
        s.server(OPENTSDB);
    }
}

/// What other servers say to a line, or before one.
const FOREIGN: [&[u8]; 7] = [
    b"SSH-2.0-OpenSSH_9.6\r\n",
    b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n",
    b"\x15\x03\x01\x00\x02\x02\x46",
    b"220 mail.example.org ESMTP\r\n",
    b"-ERR unknown command 'put'\r\n",
    b"120 Service ready in 5 minutes\r\n",
    b"\xff\xfd\x18\xffp",
];

#[test]
fn a_server_that_says_nothing_of_the_protocol_is_a_wrong_address_and_not_a_silent_server() {
    for said in FOREIGN {
        for profile in [ServerProfile::Unknown, ServerProfile::Silent { until: Duration::MAX }] {
            let mut s = Scenario::new(profile);
            s.exchange.received(s.now, said, &mut s.verdicts);
            s.give(2).write();
            s.kernel_has_all();
            let reason = s.pass(2_000);
            assert!(matches!(reason, Some(CloseReason::Foreign(..))), "{said:?}: {reason:?}");
            let is_quoted = reason
                .clone()
                .is_some_and(|reason| reason.to_string().contains(&*Foreign::quoted(said)));
            assert!(is_quoted, "{reason:?}");
            s.exchange.ended(false, &mut s.verdicts);
            assert_eq!(s.verdicts(), (0, 0, 0, 2), "{said:?}");
            assert_eq!(s.exchange.profile(), ServerProfile::Unknown);
        }
    }
}

#[test]
fn a_server_that_says_nothing_of_the_protocol_and_ends_the_stream_has_not_read_to_its_end() {
    for said in FOREIGN {
        let mut s = Scenario::new(ServerProfile::Unknown);
        s.give(2).write();
        s.exchange.finish(s.now);
        assert!(s.exchange.take_half_close());
        s.exchange.received(s.now, said, &mut s.verdicts);
        s.exchange.ended(true, &mut s.verdicts);
        assert!(matches!(s.pass(0), Some(CloseReason::Foreign(..))), "{said:?}");
        assert_eq!(s.verdicts(), (0, 0, 0, 2), "{said:?}");
    }
}

#[test]
fn what_is_obvious_is_told_at_once_and_a_banner_has_until_silence_is_decided() {
    for (said, at_once) in FOREIGN.into_iter().zip([true, true, true, false, false, false, false]) {
        let mut s = Scenario::new(ServerProfile::Unknown);
        s.give(2).write();
        s.kernel_has_all();
        s.exchange.received(s.now, said, &mut s.verdicts);
        assert_eq!(s.pass(1_999).is_some(), at_once, "{said:?}");
    }
    let mut s = Scenario::new(ServerProfile::Unknown);
    s.give(2).write();
    s.kernel_has_all();
    s.server("Welcome to tsd1\n");
    assert_eq!(s.pass(1_999), None);
    assert_eq!(s.server(OPENTSDB).verdicts(), (2, 0, 0, 0));
    s.server("One more strange line\n");
    assert_eq!(s.pass(0), None, "it has spoken properly before");
}

#[test]
fn a_server_that_is_known_to_answer_is_told_as_foreign_where_it_would_be_told_as_deaf() {
    let mut s = Scenario::new(ANSWERS);
    s.give(2).pass(100);
    s.write();
    s.server("220 mail.example.org ESMTP\r\n");
    assert_eq!(s.pass(9_999), None);
    assert!(matches!(s.pass(1), Some(CloseReason::Foreign(..))));
}

#[test]
fn the_end_of_an_error_on_an_older_connection_is_no_other_protocol() {
    let mut s = Scenario::new(ServerProfile::Unknown);
    s.give(2).write();
    s.kernel_has_all();
    s.server("Caused by RPC: PutRequest(table=\"tsdb\")\n");
    assert_eq!(s.pass(2_000), None);
    assert_eq!(s.verdicts(), (0, 2, 0, 0));
}
