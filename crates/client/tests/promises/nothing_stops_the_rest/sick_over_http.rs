//! A series of which the storage behind an HTTP server takes no point, among good ones.

use super::*;

const GOOD: u64 = 1_000;
const SICK: u64 = GOOD / 10;

/// The good points are acknowledged, and the sick ones wait apart; `words` is what the server says of them.
fn apart(options: &[(&str, &str)], words: &str, script: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> usize {
    let server = Scripted::http(script);
    let client = client_of(&server, "http", options);
    send_among_sick(&client, &server, GOOD);
    let stats = wait_until(&client, "not all have their verdict", |stats| {
        stats.acknowledged == GOOD
    });
    assert_eq!((stats.pending(), stats.dropped.total()), (SICK, 0), "{stats:?}");
    let stats = close(&client);
    assert_eq!(
        (stats.acknowledged, stats.rejected, stats.dropped.closed),
        (GOOD, 0, SICK),
        "{stats:?}"
    );
    assert!(
        stats.last_rejections.iter().any(|said| said.contains(words)),
        "{stats:?}"
    );
    let seen = server.seen();
    let tries: u32 = seen.others.values().sum();
    assert!(tries < 10 * SICK as u32, "{tries}");
    assert!(seen.requests.len() < 1_000, "{}", seen.requests.len());
    seen.connections.len()
}

/// Answers so where a sick point is in the body, and takes all others.
fn whenever_sick(otherwise: impl Fn(&Request, &[&String]) -> Answer) -> impl Fn(&Request) -> Answer {
    move |request| match &*request.with(r#""sick""#) {
        [] => taken(request),
        sick => otherwise(request, sick),
    }
}

#[test]
fn points_that_are_named_as_not_stored_go_again_by_themselves() {
    let script = whenever_sick(|request, sick| {
        let errors: Vec<_> = sick
            .iter()
            .map(|point| ("Storage exception: region down", *point))
            .collect();
        partly(200, request, &errors)
    });
    apart(&[("ack", "stored")], "Storage exception", script);
}

#[test]
fn points_that_are_counted_as_not_stored_and_not_named_end_up_alone() {
    let script = whenever_sick(|request, _| {
        let success = request.points.len() - 1;
        answer(200, &format!(r#"{{"success":{success},"failed":1,"errors":[]}}"#))
    });
    apart(&[("ack", "stored")], "not named", script);
}

#[test]
fn points_that_taos_adapter_counts_as_failed_end_up_alone() {
    let script = whenever_sick(|request, _| {
        let succ = request.points.len() - 1;
        answer(200, &format!(r#"{{"succ":{succ},"fail":1}}"#))
    });
    apart(&[], "not named", script);
}

#[test]
fn a_body_that_fails_because_of_one_series_is_parted_until_it_is_alone() {
    for status in [500, 502, 504] {
        let script = whenever_sick(move |_, _| answer(status, "internal error"));
        apart(&[], "internal error", script);
    }
}

#[test]
fn a_body_that_is_too_much_because_of_one_series_is_parted_until_it_is_alone() {
    for status in [429, 503] {
        let script = whenever_sick(move |_, _| answer(status, "table over quota"));
        apart(&[], "table over quota", script);
    }
}

#[test]
fn a_series_that_makes_the_server_hang_up_ends_up_apart() {
    let script = whenever_sick(|_, _| hang_up());
    let connections = apart(&[], "the connection end", script);
    assert!(connections < 400, "{connections}");
}
