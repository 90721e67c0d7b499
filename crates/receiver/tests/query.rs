//! /api/query: every expected number here was computed by hand from the points beside it.

mod peer;

use peer::{reply_to, request};
use potsdb_receiver::{Config, Receiver};

/// Two hosts in two places. Seconds 1 700 000 000 is abbreviated to T: a at T+0, T+20, T+40; b at T+10, T+30.
const POINTS: &str = "\
put m 1700000000 1 host=a dc=eu\n\
put m 1700000020 3 host=a dc=eu\n\
put m 1700000040 5 host=a dc=eu\n\
put m 1700000010 100 host=b dc=us\n\
put m 1700000030 200 host=b dc=us\n";

fn filled(lines: &str) -> Receiver {
    let receiver = Receiver::start(Config::default()).expect("a free port");
    assert_eq!(reply_to(&receiver, lines), "");
    receiver
}

fn get(receiver: &Receiver, query: &str) -> (u16, String) {
    let encoded: String = query
        .bytes()
        .map(|byte| match byte {
            b'{' | b'}' | b'|' | b'<' | b'>' | b'"' | b' ' | b'^' => format!("%{byte:02X}"),
            byte => char::from(byte).to_string(),
        })
        .collect();
    request(receiver, "GET", &format!("/api/query?{encoded}"), "")
}

/// The answer to `m` over all of the points, which must be one.
fn ask(receiver: &Receiver, m: &str) -> String {
    let (status, body) = get(receiver, &format!("start=1699999000&end=1700001000&m={m}"));
    assert_eq!(status, 200, "{body}");
    body
}

fn dps(m: &str) -> String {
    dps_of(&ask(&filled(POINTS), m))
}

/// The points of an answer's only series.
fn dps_of(body: &str) -> String {
    let (_, dps) = body.split_once("\"dps\":").expect("one series");
    dps.strip_suffix("}]").expect("an answer's end").to_owned()
}

#[test]
fn one_series_comes_back_as_it_was_put() {
    let receiver = filled("put sys.cpu 1700000000 1.5 host=a\n");
    assert_eq!(
        ask(&receiver, "sum:sys.cpu"),
        r#"[{"metric":"sys.cpu","tags":{"host":"a"},"aggregateTags":[],"dps":{"1700000000":1.5}}]"#
    );
}

#[test]
fn series_are_summed_with_straight_lines_between_points() {
    // b at T+20 is 150; a at T+10 is 2 and at T+30 is 4; before its first and after its last point b is not there.
    let body = ask(&filled(POINTS), "sum:m");
    assert_eq!(
        body,
        r#"[{"metric":"m","tags":{},"aggregateTags":["host","dc"],"dps":{"1700000000":1,"1700000010":102,"1700000020":153,"1700000030":204,"1700000040":5}}]"#
    );
}

#[test]
fn aggregators_of_integers_give_integers() {
    let at = |values: [&str; 5]| {
        let times = [0, 10, 20, 30, 40];
        let pairs: Vec<String> = times
            .iter()
            .zip(values)
            .map(|(time, value)| format!("\"{}\":{value}", 1_700_000_000 + time))
            .collect();
        format!("{{{}}}", pairs.join(","))
    };
    assert_eq!(dps("avg:m"), at(["1", "51", "76", "102", "5"]));
    assert_eq!(dps("min:m"), at(["1", "2", "3", "4", "5"]));
    assert_eq!(dps("max:m"), at(["1", "100", "150", "200", "5"]));
    assert_eq!(dps("count:m"), at(["1", "2", "2", "2", "1"]));
    assert_eq!(dps("zimsum:m"), at(["1", "100", "3", "200", "5"]));
}

#[test]
fn none_keeps_every_series_apart() {
    assert_eq!(
        ask(&filled(POINTS), "none:m"),
        r#"[{"metric":"m","tags":{"host":"a","dc":"eu"},"aggregateTags":[],"dps":{"1700000000":1,"1700000020":3,"1700000040":5}},{"metric":"m","tags":{"host":"b","dc":"us"},"aggregateTags":[],"dps":{"1700000010":100,"1700000030":200}}]"#
    );
}

#[test]
fn a_star_groups_and_a_bar_chooses() {
    let receiver = filled(&format!("{POINTS}put m 1700000000 7 host=c dc=eu\n"));
    let c = r#"{"metric":"m","tags":{"host":"c","dc":"eu"},"aggregateTags":[],"dps":{"1700000000":7}}"#;
    let a = r#"{"metric":"m","tags":{"host":"a","dc":"eu"},"aggregateTags":[],"dps":{"1700000000":1,"1700000020":3,"1700000040":5}}"#;
    let b =
        r#"{"metric":"m","tags":{"host":"b","dc":"us"},"aggregateTags":[],"dps":{"1700000010":100,"1700000030":200}}"#;
    let eu = r#"{"metric":"m","tags":{"dc":"eu"},"aggregateTags":["host"],"dps":{"1700000000":8,"1700000020":3,"1700000040":5}}"#;
    assert_eq!(ask(&receiver, "sum:m{host=*}"), format!("[{a},{b},{c}]"));
    assert_eq!(ask(&receiver, "sum:m{host=a|b}"), format!("[{a},{b}]"));
    assert_eq!(ask(&receiver, "sum:m{host=c}"), format!("[{c}]"));
    assert_eq!(ask(&receiver, "sum:m{dc=*}"), format!("[{eu},{b}]"));
    assert_eq!(
        ask(&receiver, "sum:m{dc=*}{host=not_literal_or(c|b)}"),
        format!("[{a}]"),
        "filters without grouping"
    );
    assert_eq!(
        ask(&receiver, "sum:m{host=regexp(^[ab]$)}{dc=literal_or(eu)}"),
        format!("[{a}]")
    );
    assert_eq!(ask(&receiver, "sum:m{host=nob*}"), "[]");
    assert!(ask(&receiver, "sum:explicit_tags:m").contains(r#""aggregateTags":["host","dc"]"#));
    assert_eq!(
        ask(&receiver, "sum:explicit_tags:m{host=*}"),
        "[]",
        "dc is not among the filters"
    );
}

#[test]
fn downsampling_makes_one_value_of_each_interval() {
    // Minutes in Unix time: 1699999980 .. 1700000040 holds all of a but the last point, which begins the next one.
    assert_eq!(dps("sum:1m-avg:m{host=a}"), r#"{"1699999980":2.0,"1700000040":5.0}"#);
    assert_eq!(dps("sum:1m-sum:m{host=a}"), r#"{"1699999980":4.0,"1700000040":5.0}"#);
    assert_eq!(
        dps("sum:20s-max:m"),
        r#"{"1700000000":101.0,"1700000020":203.0,"1700000040":5.0}"#
    );
    assert_eq!(dps("sum:1m-count:m"), r#"{"1699999980":4.0,"1700000040":1.0}"#);
    assert_eq!(dps("sum:0all-sum:m{host=b}"), r#"{"1699999000":300.0}"#);
}

#[test]
fn empty_intervals_are_filled_as_asked() {
    let receiver = filled("put m 1700000000 1 h=a\nput m 1700000030 2 h=a\n");
    let fill = |policy: &str| {
        let query = format!("start=1700000000&end=1700000035&m=sum:10s-avg-{policy}:m");
        let (_, body) = get(&receiver, &query);
        dps_of(&body)
    };
    assert_eq!(fill("none"), r#"{"1700000000":1.0,"1700000030":2.0}"#);
    assert_eq!(
        fill("zero"),
        r#"{"1700000000":1.0,"1700000010":0.0,"1700000020":0.0,"1700000030":2.0}"#
    );
    assert_eq!(
        fill("nan"),
        r#"{"1700000000":1.0,"1700000010":"NaN","1700000020":"NaN","1700000030":2.0}"#
    );
    assert_eq!(
        fill("null"),
        r#"{"1700000000":1.0,"1700000010":null,"1700000020":null,"1700000030":2.0}"#
    );
}

#[test]
fn a_rate_is_the_change_per_second() {
    assert_eq!(dps("sum:rate:m{host=a}"), r#"{"1700000020":0.1,"1700000040":0.1}"#);
    let receiver = filled("put c 1700000000 90 h=a\nput c 1700000010 100 h=a\nput c 1700000020 5 h=a\n");
    let dps = |m: &str| dps_of(&ask(&receiver, m));
    assert_eq!(dps("sum:rate:c"), r#"{"1700000010":1.0,"1700000020":-9.5}"#);
    // 110 is the counter's end: 110 - 100 + 5 in ten seconds.
    assert_eq!(dps("sum:rate{counter,110}:c"), r#"{"1700000010":1.0,"1700000020":1.5}"#);
    assert_eq!(
        dps("sum:rate{counter,110,1}:c"),
        r#"{"1700000010":1.0,"1700000020":0.0}"#
    );
    assert_eq!(dps("sum:rate{dropcounter}:c"), r#"{"1700000010":1.0}"#);
}

#[test]
fn times_can_be_milliseconds_in_and_out() {
    let receiver = filled("put m 1700000000123 1 h=a\nput m 1700000000456 2 h=a\nput m 1700000001 3 h=a\n");
    let dps = |query: &str| dps_of(&get(&receiver, query).1);
    let all = "start=1970/01/02-00:00:00&end=2099/01/01-00:00:00&m=none:m";
    assert_eq!(
        dps(&format!("{all}&ms=true")),
        r#"{"1700000000123":1,"1700000000456":2,"1700000001000":3}"#
    );
    // In seconds two points share a name, as OpenTSDB has it.
    assert_eq!(dps(all), r#"{"1700000000":1,"1700000000":2,"1700000001":3}"#);
    assert_eq!(
        dps(&format!("{all}&arrays=true")),
        r#"[[1700000000,1],[1700000000,2],[1700000001,3]]"#
    );
    assert_eq!(
        dps("start=1700000000456&end=1700000001000&ms&m=none:m"),
        r#"{"1700000000456":2,"1700000001000":3}"#
    );
}

#[test]
fn relative_times_count_back_from_now() {
    let now = std::time::SystemTime::UNIX_EPOCH
        .elapsed()
        .expect("after 1970")
        .as_secs();
    let receiver = filled(&format!("put m {} 1 h=a\nput m {} 2 h=a\n", now - 7200, now - 60));
    let (_, body) = get(&receiver, "start=1h-ago&m=sum:m");
    assert!(body.contains(&format!(r#""dps":{{"{}":2}}"#, now - 60)), "{body}");
}

#[test]
fn values_keep_their_kind_and_their_digits() {
    let receiver = filled(
        "put m 1 9223372036854775807 h=a\nput m 2 0.1 h=a\nput m 3 1e39 h=a\nput m 4 -0.0 h=a\nput m 5 .5 h=a\nput n 1 9223372036854775807 h=a\n",
    );
    let dps = |metric: &str| dps_of(&get(&receiver, &format!("start=0&end=10&m=none:{metric}")).1);
    // The next point is a float, so the integer becomes one, too: as the real server does.
    assert_eq!(
        dps("m"),
        r#"{"1":9.223372036854776E18,"2":0.1,"3":1.0E39,"4":-0.0,"5":0.5}"#
    );
    assert_eq!(dps("n"), r#"{"1":9223372036854775807}"#);
}

#[test]
fn a_post_body_as_grafana_sends_it_is_answered() {
    let receiver = filled(POINTS);
    let body = r#"{"start":1699999000,"end":1700001000,"queries":[
        {"metric":"m","aggregator":"sum","downsample":"1m-avg","rate":false,"tags":{},
         "filters":[{"type":"literal_or","tagk":"host","filter":"a|b","groupBy":true},
                    {"type":"wildcard","tagk":"dc","filter":"e*","groupBy":false}]},
        {"metric":"m","aggregator":"max","rate":true,"rateOptions":{"counter":true,"counterMax":1000},"tags":{"host":"b"}}]}"#;
    let (status, answer) = request(&receiver, "POST", "/api/query?arrays=true", body);
    assert_eq!(status, 200);
    assert_eq!(
        answer,
        r#"[{"metric":"m","tags":{"host":"a","dc":"eu"},"aggregateTags":[],"dps":[[1699999980,2.0],[1700000040,5.0]]},{"metric":"m","tags":{"host":"b","dc":"us"},"aggregateTags":[],"dps":[[1700000030,5.0]]}]"#
    );
    let millis =
        r#"{"start":"1699999000","end":1700000005,"msResolution":true,"queries":[{"metric":"m","aggregator":"none"}]}"#;
    let (_, answer) = request(&receiver, "POST", "/api/query", millis);
    assert!(answer.contains(r#""dps":{"1700000000000":1}"#), "{answer}");
}

#[test]
fn queries_that_cannot_be_answered_say_why() {
    let receiver = filled(POINTS);
    let cases = [
        ("start=1&m=sum:sys.nope", "No such name for 'metrics': 'sys.nope'"),
        ("m=sum:m", "Missing parameter <code>start</code>"),
        ("start=1&m=sum:m{host=nobody}", "No such name for 'tagv': 'nobody'"),
        ("start=1&m=sum:m{rack=*}", "No such name for 'tagk': 'rack'"),
        ("start=1", "Missing sub queries"),
        (
            "start=5&end=5&m=sum:m",
            "End time [5000] must be greater than the start time [5000]",
        ),
        ("start=1&m=median9:m", "No such aggregation function: median9"),
        (
            "start=yesterday&m=sum:m",
            "Invalid time: yesterday. Invalid character 'y' in yesterday",
        ),
    ];
    for (query, message) in cases {
        let body = format!(r#"{{"error":{{"code":400,"message":"{message}","#);
        let (status, answer) = get(&receiver, query);
        assert!(status == 400 && answer.starts_with(&body), "{query}: {answer}");
    }
    assert_eq!(
        get(&receiver, "start=1&end=2&m=sum:m"),
        (200, "[]".into()),
        "a known metric without points there"
    );
    assert_eq!(request(&receiver, "POST", "/api/query", "{").0, 400);
}
