//! One conversation at a time, as a scenario: lines given, requests read, answers said, time passed.

use super::*;
use crate::queue::block::{BLOCK_BYTES, Block};
use potsdb_wire::Server;
use potsdb_wire::json::{self, Json};

/// Lines of points at positions from `first` on.
pub(super) fn held(first: u64, points: u64) -> Outstanding {
    let mut block = Block::new(Vec::with_capacity(BLOCK_BYTES));
    for n in first..first + points {
        block.append(&[format!("put m {} 1 h=a\n", 1_700_000_000 + n).as_bytes()], 1);
    }
    Outstanding::new(block.into_lines(first, &mut Vec::new()), Duration::ZERO)
}

struct Scenario {
    exchange: Http,
    verdicts: Verdicts,
    now: Duration,
    next: u64,
}

/// A request as the server reads it: its target, and the position of each point.
#[derive(Debug, PartialEq)]
struct Asked {
    target: String,
    points: Vec<u64>,
}

impl Scenario {
    /// With an endpoint whose configuration is known.
    fn new() -> Scenario {
        Scenario::with(HttpProfile::new(Some(Server::InfluxDb)), |_| {})
    }

    fn with(profile: HttpProfile, change: impl FnOnce(&mut Terms)) -> Scenario {
        let mut terms = Terms {
            gzip: false,
            ..Terms::of_tests()
        };
        change(&mut terms);
        Scenario::at("/api/put", "", profile, terms)
    }

    fn at(target: &str, headers: &str, profile: HttpProfile, terms: Terms) -> Scenario {
        let address = Address {
            host: "tsd1".to_owned(),
            target: target.to_owned(),
        };
        Scenario {
            exchange: Http::new(terms, address, headers.into(), profile, Duration::ZERO),
            verdicts: Verdicts::default(),
            now: Duration::ZERO,
            next: 0,
        }
    }

    fn give(&mut self, points: u64) -> &mut Self {
        self.exchange.give(self.now, held(self.next, points));
        self.next += points;
        self
    }

    fn unwritten(&mut self) -> Vec<u8> {
        let mut slices: Vec<IoSlice<'_>> = Vec::new();
        self.exchange.unwritten(self.now, &mut slices);
        slices.iter().flat_map(|slice| slice.to_vec()).collect()
    }

    /// The kernel takes everything there is to write.
    fn write(&mut self) -> Option<Asked> {
        let bytes = self.unwritten();
        self.exchange.wrote(self.now, bytes.len() as u64);
        let text = String::from_utf8(bytes).unwrap();
        let (head, body) = text.split_once("\r\n\r\n")?;
        let mut points = Vec::new();
        if head.starts_with("POST") {
            assert!(
                head.lines()
                    .any(|line| line == format!("Content-Length: {}", body.len())),
                "{head}"
            );
            let body = json::parse(body.as_bytes()).unwrap();
            for point in body.as_array().unwrap() {
                let time: u64 = point
                    .field("timestamp")
                    .and_then(Json::as_number)
                    .unwrap()
                    .parse()
                    .unwrap();
                points.push(time - 1_700_000_000);
            }
        }
        let target = head.split(' ').nth(1).unwrap().to_owned();
        Some(Asked { target, points })
    }

    fn points(&mut self) -> Vec<u64> {
        self.write().expect("there is a request").points
    }

    fn server(&mut self, status: u16, body: &str) -> &mut Self {
        self.says(&format!(
            "HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ))
    }

    fn says(&mut self, bytes: &str) -> &mut Self {
        self.exchange.received(self.now, bytes.as_bytes(), &mut self.verdicts);
        self
    }

    fn pass(&mut self, millis: u64) -> Option<CloseReason> {
        self.now += Duration::from_millis(millis);
        self.exchange.tick(self.now, false, &mut self.verdicts)
    }

    /// Acknowledged, rejected, waiting to go again.
    fn verdicts(&self) -> (u64, u64, u64) {
        let again = self.verdicts.waiting();
        (self.verdicts.tally.acknowledged, self.verdicts.tally.rejected, again)
    }
}

fn refusal(points: &[u64], words: &str, of: u64) -> String {
    let errors: Vec<String> = points
        .iter()
        .map(|n| {
            let time = 1_700_000_000 + n;
            format!(r#"{{"datapoint":{{"metric":"m","timestamp":{time},"value":"1","tags":{{"h":"a"}}}},"error":"{words}"}}"#)
        })
        .collect();
    let failed = points.len() as u64;
    format!(
        r#"{{"success":{},"failed":{failed},"errors":[{}]}}"#,
        of - failed,
        errors.join(",")
    )
}

const UNNAMED: &str = r#"{"error":{"code":400,"message":"One or more data points had errors"}}"#;

#[test]
fn what_was_gathered_goes_in_one_request_and_one_at_a_time() {
    let mut s = Scenario::new();
    assert_eq!(s.give(2).give(1).points(), [0, 1, 2]);
    assert!(s.exchange.credit(false).is_none() && s.write().is_none());
    s.server(204, "");
    assert_eq!(s.verdicts(), (3, 0, 0));
    assert!(s.exchange.credit(false).is_some() && s.exchange.low().is_none());
    assert_eq!(s.give(1).points(), [3]);
}

#[test]
fn what_was_gathered_goes_between_two_batches_that_go_again() {
    let mut scenario = Scenario::new();
    let again = || Batch {
        lines: vec![held(10, 1)],
    };
    assert!(scenario.give(2).exchange.takes_batch());
    scenario.exchange.give_batch(Duration::ZERO, again());
    assert!(!scenario.exchange.takes_batch(), "one is enough");
    assert_eq!(scenario.points(), [10]);
    scenario.server(204, "");
    assert!(!scenario.exchange.takes_batch(), "others have waited for one of them");
    assert_eq!(scenario.points(), [0, 1]);
    scenario.server(204, "");
    assert!(scenario.exchange.takes_batch());
}

#[test]
fn the_configuration_is_asked_for_first_and_bounds_the_bodies() {
    let mut s = Scenario::with(HttpProfile::new(None), |_| {});
    s.give(900);
    assert_eq!(s.write().unwrap().target, "/api/config");
    s.server(200, r#"{"tsd.http.request.enable_chunked":"false"}"#);
    let mut seen = Vec::new();
    while seen.len() < 900 {
        assert!(s.unwritten().split(|byte| *byte == b'[').nth(1).unwrap().len() < 8192);
        seen.extend(s.points());
        s.server(204, "");
    }
    assert_eq!(seen, (0..900).collect::<Vec<_>>(), "each once, in order");
    assert_eq!(s.exchange.profile().server(), Some(Server::OpenTsdb));
}

#[test]
fn a_body_that_is_too_long_is_made_shorter_and_the_limit_remembered() {
    let mut s = Scenario::new();
    let first = s.give(4000).points().len();
    s.server(413, "");
    let second = s.points().len();
    assert!(second <= first / 2 + 1, "{second} of {first}");
    s.server(204, "");
    let mut rest = second;
    while rest < 4000 {
        let points = s.points();
        assert!(points.len() <= first / 2 + 1);
        rest += points.len();
        s.server(204, "");
    }
    assert_eq!((s.verdicts(), s.exchange.low()), ((4000, 0, 0), None));
}

#[test]
fn a_refused_point_is_named_by_details_and_alone_rejected() {
    let mut s = Scenario::new();
    assert_eq!(s.give(5).write().unwrap().target, "/api/put");
    s.server(400, UNNAMED);
    let again = s.write().unwrap();
    assert_eq!(
        (again.target.as_str(), again.points),
        ("/api/put?details", vec![0, 1, 2, 3, 4])
    );
    s.server(400, &refusal(&[1, 3], "Unknown metric", 5));
    assert_eq!((s.verdicts(), s.exchange.low()), ((3, 2, 0), None));
    assert!(s.verdicts.words[0].contains("Unknown metric: m"));
}

#[test]
fn a_refused_point_that_is_not_named_is_found_by_halving() {
    let mut s = Scenario::new();
    s.give(100);
    let mut requests = 0;
    while s.exchange.low().is_some() {
        let points = s.points();
        requests += 1;
        match points.contains(&37) {
            true => s.server(400, "json array decode error"),
            false => s.server(204, ""),
        };
    }
    assert_eq!(
        (s.verdicts(), requests <= 15),
        ((99, 1, 0), true),
        "{requests} requests"
    );
    assert!(s.verdicts.words[0].contains("json array decode error"));
}

#[test]
fn points_that_influxdb_will_never_take_are_rejected_and_the_others_stored() {
    let partial =
        |dropped| format!("write series error: partial write: points beyond retention policy dropped={dropped}\n");
    let mut scenario = Scenario::new();
    scenario.give(4);
    assert_eq!(scenario.points(), [0, 1, 2, 3]);
    scenario.server(500, &partial(2));
    assert_eq!(scenario.points(), [0, 1]);
    scenario.server(204, "");
    assert_eq!(scenario.points(), [2, 3]);
    // All of them: no need to ask for each.
    scenario.server(500, &partial(2));
    assert_eq!(scenario.verdicts(), (2, 2, 0));
    assert_eq!(scenario.write(), None);
}

#[test]
fn errors_that_fit_no_point_are_not_believed() {
    let mut s = Scenario::new();
    s.give(4).write();
    s.server(400, &refusal(&[1, 99], "Unknown metric", 4));
    assert_eq!(s.verdicts(), (0, 0, 0));
    assert_eq!(s.points(), [0, 1], "its halves are asked");
}

#[test]
fn failures_of_the_storage_go_again_and_the_others_are_stored() {
    let mut s = Scenario::with(HttpProfile::new(Some(Server::InfluxDb)), |terms| terms.stored = true);
    assert!(
        s.give(5)
            .write()
            .unwrap()
            .target
            .starts_with("/api/put?sync&details&sync_timeout=")
    );
    s.server(200, &refusal(&[4, 0], "Storage exception: Too many attempts", 5));
    assert_eq!(s.verdicts(), (3, 0, 2));
    let complaint = s.verdicts.complaint.unwrap();
    assert_eq!(
        (complaint.points, complaint.less),
        (2, false),
        "the storage of two failed, which asks for nothing"
    );
    let (batch, blame, words) = &s.verdicts.heard.failed[0];
    assert_eq!((batch.points(), *blame), (2, Blame::Each));
    assert!(words.contains("Too many attempts") && batch.lines.iter().all(|held| held.was_written));
}

#[test]
fn a_server_that_does_not_say_what_is_stored_is_of_no_use_to_ack_stored() {
    let mut s = Scenario::with(HttpProfile::new(Some(Server::InfluxDb)), |terms| terms.stored = true);
    s.give(5).write();
    s.server(204, "");
    assert_eq!((s.verdicts(), s.pass(0)), ((0, 0, 5), Some(CloseReason::CannotAnswer)));
}

#[test]
fn not_now_means_the_same_again_and_rest() {
    for status in [429, 500, 502, 503, 504] {
        let mut s = Scenario::new();
        s.give(5).write();
        s.says(&format!(
            "HTTP/1.1 {status} X\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n"
        ));
        assert_eq!(s.verdicts(), (0, 0, 5));
        assert_eq!(s.verdicts.complaint.unwrap().rest, Some(Duration::from_secs(7)));
        assert_eq!(s.pass(0), None, "the connection stays");
    }
}

#[test]
fn what_is_left_of_a_batch_waits_while_the_endpoint_rests() {
    let mut s = Scenario::new();
    s.give(4).write();
    // Another connection of the endpoint was asked for rest.
    s.exchange.rest(Duration::from_secs(7));
    s.server(400, UNNAMED);
    assert_eq!(
        (s.write(), s.exchange.next_timer()),
        (None, Some((Duration::from_secs(7), Timer::Rest)))
    );
    s.pass(7_000);
    assert_eq!(s.write().unwrap().target, "/api/put?details");
}

#[test]
fn a_request_that_was_answered_counts_as_tried() {
    let mut s = Scenario::new();
    s.give(2).write();
    s.server(503, "");
    assert!(s.verdicts.again.iter().all(|held| held.was_written));
}

#[test]
fn a_server_that_has_no_time_for_the_first_question_is_left_alone() {
    let mut s = Scenario::with(HttpProfile::new(None), |_| {});
    s.give(2).write();
    s.says("HTTP/1.1 503 X\r\nRetry-After: 3\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(s.verdicts.complaint.unwrap().rest, Some(Duration::from_secs(3)));
    assert_eq!((s.verdicts(), s.write()), ((0, 0, 2), None));
}

#[test]
fn a_wrong_login_or_url_ends_the_connection_in_the_servers_words() {
    for (status, reason) in [
        (401, CloseReason::Unauthorized("HTTP 401".to_owned())),
        (403, CloseReason::Unauthorized("HTTP 403".to_owned())),
        (404, CloseReason::Misplaced("HTTP 404 no".to_owned())),
        (405, CloseReason::Misplaced("HTTP 405 no".to_owned())),
        (302, CloseReason::Misplaced("HTTP 302 no".to_owned())),
    ] {
        let mut s = Scenario::new();
        s.give(5).write();
        s.server(status, "no");
        assert_eq!((s.verdicts(), s.pass(0)), ((0, 0, 5), Some(reason)));
    }
}

#[test]
fn where_points_were_taken_before_the_lines_are_to_blame_and_not_the_url() {
    for (status, reason) in [
        (403, Some(CloseReason::Finished)),
        (404, None),
        (405, None),
        (302, None),
        (413, None),
    ] {
        let mut s = Scenario::new();
        s.give(5).write();
        s.server(204, "");
        s.give(5).write();
        s.server(status, "no");
        assert_eq!((s.verdicts(), s.pass(0)), ((5, 0, 5), reason), "{status}");
        let (batch, blame, _) = &s.verdicts.heard.failed[0];
        assert_eq!((batch.points(), *blame), (5, Blame::Some));
    }
}

#[test]
fn a_body_that_is_no_longer_than_any_is_not_refused_for_its_length_and_the_limit_stays() {
    let mut s = Scenario::with(HttpProfile::new(None), |_| {});
    s.exchange.profile.config(404, b"");
    s.give(5).write();
    s.server(204, "");
    s.give(40).write();
    s.server(413, "too long");
    while s.verdicts.heard.failed.is_empty() {
        s.write().expect("shorter bodies");
        s.server(413, "too long");
    }
    assert_eq!(s.exchange.profile.limit(), 8192);
}

#[test]
fn points_refused_alone_and_without_a_name_are_told_of() {
    let mut s = Scenario::new();
    s.give(2).write();
    s.server(204, "");
    s.give(2).write();
    for _ in 0..3 {
        s.server(400, "no").write();
    }
    assert_eq!(s.verdicts(), (2, 2, 0));
    assert_eq!(s.verdicts.complaint.unwrap().refused, 2);
}

#[test]
fn a_connection_that_dies_gives_everything_back() {
    let mut s = Scenario::new();
    s.give(2).write();
    s.give(3);
    s.exchange.ended(false, &mut s.verdicts);
    assert_eq!(s.verdicts(), (0, 0, 5));
    let (batch, blame, _) = &s.verdicts.heard.failed[0];
    assert_eq!((batch.points(), *blame), (2, Blame::Ended), "they may be why");
    let others = s.verdicts.again.iter();
    assert_eq!(others.map(|held| held.was_written).collect::<Vec<_>>(), [false]);
}

#[test]
fn half_an_answer_is_no_answer() {
    let mut s = Scenario::new();
    s.give(2).write();
    s.says("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{");
    s.exchange.ended(true, &mut s.verdicts);
    assert_eq!(s.verdicts(), (0, 0, 2));
}

#[test]
fn an_answer_that_the_end_of_the_stream_completes_is_one() {
    let mut s = Scenario::new();
    s.give(2).write();
    s.says("HTTP/1.0 200 OK\r\n\r\n");
    assert_eq!(s.verdicts(), (0, 0, 0));
    s.exchange.ended(true, &mut s.verdicts);
    assert_eq!(s.verdicts(), (2, 0, 0));
}

#[test]
fn a_server_that_closes_after_its_answer_is_left_in_good_order() {
    let mut s = Scenario::new();
    s.give(2).write();
    s.says("HTTP/1.1 204 X\r\nConnection: close\r\n\r\n");
    assert!(s.exchange.credit(false).is_none());
    assert_eq!((s.verdicts(), s.pass(0)), ((2, 0, 0), Some(CloseReason::Finished)));
}

#[test]
fn an_idle_connection_may_end_and_one_that_never_answered_may_not() {
    let mut s = Scenario::new();
    assert!(!s.exchange.is_idle(), "it has shown nothing");
    s.give(2).write();
    s.server(204, "");
    assert!(s.exchange.is_idle());
    s.give(1).write();
    assert!(s.exchange.is_idle(), "the end may have crossed the request");
    s.says("HTTP/1.1 ");
    assert!(!s.exchange.is_idle());
}

#[test]
fn a_close_without_a_word_on_a_long_body_is_taken_for_its_length() {
    let mut s = Scenario::with(HttpProfile::new(None), |_| {});
    s.give(1).write();
    s.server(404, "");
    let mut lengths = Vec::new();
    s.points();
    s.server(204, "");
    while lengths.len() < 6 {
        s.give(2000);
        let length = s.unwritten().len();
        s.points();
        lengths.push(length);
        s.server(204, "");
        s.exchange.let_go(&mut s.verdicts);
    }
    assert!(lengths.is_sorted() && lengths[5] > 60_000, "it grows: {lengths:?}");
    s.give(4000);
    let long = s.unwritten().len();
    s.points();
    let before = s.exchange.profile;
    s.exchange.ended(true, &mut s.verdicts);
    assert_eq!(
        s.exchange.profile, before,
        "it may have ended the idle connection in the same moment"
    );
    let mut s = Scenario::with(before, |_| {});
    s.give(4000);
    s.points();
    s.exchange.ended(true, &mut s.verdicts);
    assert!(s.exchange.profile.limit() <= before.limit() / 2 + 1, "{long}");
}

#[test]
fn silence_ends_the_connection_and_so_does_a_server_that_does_not_read() {
    let mut s = Scenario::new();
    s.give(2).write();
    assert_eq!(s.exchange.next_timer(), Some((Duration::from_secs(10), Timer::Answer)));
    assert_eq!(s.pass(9_999), None);
    assert_eq!(s.pass(1), Some(CloseReason::AnswerTimeout));
    let mut s = Scenario::with(HttpProfile::new(Some(Server::InfluxDb)), |terms| {
        terms.answer_timeout = Duration::from_secs(60);
    });
    s.give(2).unwritten();
    assert_eq!(s.pass(10_000), Some(CloseReason::WriteTimeout));
}

#[test]
fn closing_waits_for_the_last_answer() {
    let mut s = Scenario::new();
    s.give(2).write();
    s.exchange.finish(s.now);
    assert_eq!(s.pass(0), None);
    s.server(204, "");
    assert_eq!((s.pass(0), s.verdicts()), (Some(CloseReason::Finished), (2, 0, 0)));
}

#[test]
fn what_is_not_http_is_no_place_for_points() {
    let mut s = Scenario::new();
    s.give(2).write();
    s.says("net.opentsdb.tools 2.4.1 built at revision x\n");
    assert!(matches!(s.pass(0), Some(CloseReason::Misplaced(_))));
    let mut s = Scenario::new();
    s.server(204, "");
    assert!(matches!(s.pass(0), Some(CloseReason::Misplaced(_))), "nobody asked");
}

#[test]
fn a_partial_write_goes_on_where_it_stopped() {
    let mut s = Scenario::new();
    s.give(3);
    let all = s.unwritten();
    let mut written = Vec::new();
    for n in [1, 50, 100, 7] {
        let rest = s.unwritten();
        written.extend_from_slice(&rest[..n]);
        s.exchange.wrote(s.now, n as u64);
    }
    written.extend(s.unwritten());
    assert_eq!(written, all);
}

#[test]
fn a_server_that_repeats_the_request_gives_no_secret_away() {
    let (target, headers) = (
        "/api/put?token=canary-1&x=y",
        "Authorization: Bearer canary-2\r\nX-Key: canary-3\r\n",
    );
    let echo = "no: POST /api/put?token=canary-1&x=y, canary-1, Bearer canary-2, canary-3";
    let profile = HttpProfile::new(Some(Server::InfluxDb));
    let terms = Terms {
        gzip: false,
        ..Terms::of_tests()
    };
    for status in [302, 400, 404, 413, 429, 500, 503] {
        let mut s = Scenario::at(target, headers, profile, terms);
        s.give(1).write();
        s.server(status, echo);
        let reason = s.pass(0);
        let said = format!("{reason:?} {:?} {:?}", s.verdicts.reports, s.verdicts.words);
        assert!(!said.contains("canary"), "{status}: {said}");
        assert!(said.contains("no: POST"), "{status}: {said}");
    }
}

#[test]
fn room_is_for_the_longest_line_or_none_at_all() {
    let mut s = Scenario::with(HttpProfile::new(None), |_| {});
    s.give(1).write();
    s.server(404, "");
    for _ in 0..20 {
        let limit = s.exchange.profile.limit();
        s.exchange.profile.refused(Duration::ZERO, limit);
    }
    s.points();
    s.server(204, "");
    let mut credit = s.exchange.credit(false).unwrap();
    while credit.bytes > 0 {
        assert!(credit.bytes > MAX_LINE, "a line and its newline fit in {credit:?}");
        s.give(1);
        let Some(next) = s.exchange.credit(false) else { break };
        credit = next;
    }
}

#[test]
fn a_timeout_beside_a_refusal_makes_only_the_refused_point_final() {
    let mut s = Scenario::with(HttpProfile::new(Some(Server::InfluxDb)), |terms| terms.stored = true);
    s.give(4).write();
    let point = |n: u64, words: &str| {
        let time = 1_700_000_000 + n;
        format!(
            r#"{{"datapoint":{{"metric":"m","timestamp":{time},"value":"1","tags":{{"h":"a"}}}},"error":"{words}"}}"#
        )
    };
    // Point 2 timed out, and OpenTSDB names 1.
    let errors = [point(0, "Unknown metric"), point(1, "Write timedout")].join(",");
    s.server(
        400,
        &format!(r#"{{"success":2,"failed":1,"timeouts":1,"errors":[{errors}]}}"#),
    );
    assert_eq!(s.verdicts(), (0, 1, 3), "nothing is known of the others");
}

#[test]
fn too_long_at_the_least_length_is_a_wrong_place_and_no_request_a_round_trip() {
    let mut s = Scenario::new();
    s.give(5).write();
    s.server(413, "no");
    assert!(matches!(s.pass(0), Some(CloseReason::Misplaced(words)) if words.contains("413")));
    s.exchange.ended(false, &mut s.verdicts);
    assert_eq!(s.verdicts(), (0, 0, 5), "nothing is lost");
}

#[test]
fn a_page_is_no_acknowledgement_and_counts_of_failures_are_none_either() {
    let mut s = Scenario::new();
    s.give(5).write();
    s.server(200, "<html>Please log in</html>");
    assert!(matches!(s.pass(0), Some(CloseReason::Misplaced(_))));
    assert_eq!(s.verdicts(), (0, 0, 5));
    let mut s = Scenario::new();
    s.give(4).write();
    s.server(200, r#"{"succ":3,"fail":1}"#);
    assert_eq!((s.pass(0), s.verdicts()), (None, (0, 0, 4)));
    assert_eq!(s.verdicts.heard.failed[0].1, Blame::Some);
}

#[test]
fn until_a_body_was_taken_an_unknown_refusal_is_a_wrong_url() {
    let mut s = Scenario::new();
    s.give(4).write();
    s.server(400, "missing route for /api/put");
    assert!(matches!(s.pass(0), Some(CloseReason::Misplaced(_))));
    assert_eq!(s.verdicts(), (0, 0, 4));
    let mut s = Scenario::new();
    s.give(1).write();
    s.server(204, "").give(2).write();
    s.server(400, "what is this");
    assert_eq!(s.points(), [1], "a body was taken here: one of these two is to blame");
    s.server(400, "what is this");
    assert_eq!(s.verdicts(), (1, 1, 0));
}

#[test]
fn storage_failures_that_are_not_named_reject_nobody() {
    for body in [
        r#"{"success":0,"failed":1,"errors":[]}"#.to_owned(),
        refusal(&[0], "Storage exception: x", 1),
    ] {
        let mut s = Scenario::with(HttpProfile::new(Some(Server::InfluxDb)), |terms| terms.stored = true);
        s.give(1).write();
        s.server(200, &body);
        assert_eq!(s.verdicts(), (0, 0, 1), "{body}");
    }
    let mut s = Scenario::with(HttpProfile::new(Some(Server::InfluxDb)), |terms| terms.stored = true);
    s.give(4).write();
    s.server(200, r#"{"success":3,"failed":1,"errors":[]}"#);
    assert_eq!(
        (s.verdicts(), s.write()),
        ((0, 0, 4), None),
        "and they are not put again at once"
    );
}

#[test]
fn a_body_that_fails_goes_apart_and_the_next_lines_go_on() {
    let mut s = Scenario::new();
    s.give(3).write();
    s.server(500, "no");
    let (batch, blame, words) = &s.verdicts.heard.failed[0];
    assert_eq!((batch.points(), *blame, &**words), (3, Blame::Some, "HTTP 500 no"));
    assert_eq!(s.give(2).points(), [3, 4]);
}

#[test]
fn an_answer_without_end_ends_however_often_it_says_a_byte() {
    let mut s = Scenario::new();
    s.give(3).write();
    let mut answer = "HTTP/1.1 200 OK\r\nX: ".to_owned() + &"x".repeat(1000);
    let seconds = (0..100).find(|_| {
        let byte = answer.remove(0).to_string();
        s.says(&byte);
        s.pass(9_000).is_some()
    });
    assert!((10..=12).contains(&seconds.unwrap()), "{seconds:?} bytes");
}

#[test]
fn a_slow_way_is_asked_of_the_kernel_before_the_server_is_given_up() {
    let mut s = Scenario::new();
    s.give(3).write();
    for bytes in [100, 150, 200] {
        let ask = s.exchange.ask_kernel_at().expect("not all of it has arrived");
        assert!(ask < s.exchange.next_timer().unwrap().0);
        assert_eq!(s.pass(9_000), None);
        s.exchange.kernel_has(s.now, bytes, &mut s.verdicts);
    }
    s.exchange.kernel_has(s.now, u64::MAX, &mut s.verdicts);
    assert_eq!(s.exchange.ask_kernel_at(), None, "all of it has arrived");
    assert_eq!(s.pass(10_000), Some(CloseReason::AnswerTimeout));
}
