//! What Grafana's OpenTSDB data source asks, version by version, and what it needs of the answers: names of its
//! requests are A for the plugin from 13 on, B for the browser before it, C for alerting in Grafana 9. `reads_back.rs`
//! compares the same requests with a real server's answers.

mod peer;

use peer::{reply_to, request, request_with};
use potsdb_receiver::{Config, Receiver};
use potsdb_wire::json::{Json, parse};

const POINTS: &str = "\
put cpu 1700000000 10 hostname=web01 env=prod\n\
put cpu 1700000030 20 hostname=web01 env=prod\n\
put cpu 1700000060 30 hostname=web01 env=prod\n\
put cpu 1700000000 1 hostname=web02 env=prod\n\
put cpu 1700000060 3 hostname=web02 env=prod\n\
put cpu 1700000000 5.5 hostname=db01 env=dev\n\
put cpu.load 1700000000 1 hostname=web01\n\
put bytes 1700000000 100 hostname=web01\n\
put bytes 1700000010 200 hostname=web01\n\
put bytes 1700000020 50 hostname=web01\n";

fn filled() -> Receiver {
    let receiver = Receiver::start(Config::default()).expect("a free port");
    assert_eq!(reply_to(&receiver, POINTS), "");
    receiver
}

fn get(receiver: &Receiver, path: &str) -> String {
    let (status, body) = request(receiver, "GET", path, "");
    assert_eq!(status, 200, "{path}: {body}");
    body
}

/// What the plugin posts: seconds, one query in a request.
fn panel(receiver: &Receiver, path: &str, query: &str) -> String {
    let body = format!(r#"{{"start":1699999980,"end":1700000100,"queries":[{{{query}}}]}}"#);
    post(receiver, path, &body)
}

fn post(receiver: &Receiver, path: &str, body: &str) -> String {
    let kind = "Content-Type: application/json\r\n";
    let (status, answer) = request_with(receiver, "POST", path, kind, body);
    assert_eq!(status, 200, "{body}: {answer}");
    answer
}

/// The points of each series, as the plugin decodes them: times as numbers, values as floats.
fn series(answer: &str) -> Vec<(String, Vec<(i64, f64)>)> {
    let json = parse(answer.as_bytes()).expect("JSON");
    let all = json.as_array().expect("a list of series").iter();
    all.map(|series| {
        let tags = series.field("tags").and_then(Json::as_object).expect("tags").iter();
        let mut tags: Vec<String> = tags
            .map(|(tag, value)| format!("{tag}={}", value.as_str().expect("a text")))
            .collect();
        tags.sort();
        (tags.join(","), points(series.field("dps").expect("points")))
    })
    .collect()
}

fn points(dps: &Json<'_>) -> Vec<(i64, f64)> {
    // A null of a fill is decoded as zero; a text such as "NaN" would be an error.
    let float = |json: &Json<'_>| match json {
        Json::Null => 0.0,
        json => json.as_number().expect("a number").parse().expect("a number"),
    };
    match dps {
        Json::Array(pairs) => {
            let pairs = pairs.iter().map(|pair| pair.as_array().expect("a pair"));
            pairs
                .map(|pair| {
                    (
                        pair[0].as_number().expect("a time").parse().expect("a time"),
                        float(&pair[1]),
                    )
                })
                .collect()
        }
        dps => {
            let fields = dps.as_object().expect("points").iter();
            fields
                .map(|(time, value)| (time.parse().expect("a time"), float(value)))
                .collect()
        }
    }
}

/// One row of the table: the request's name, its query, and what is drawn.
type Row = (
    &'static str,
    &'static str,
    &'static [(&'static str, &'static [(i64, f64)])],
);

#[test]
fn names_are_found_for_every_box_of_the_editor() {
    let receiver = filled();
    let table = [
        // Save & test wants nothing but a 200.
        ("A1", "/api/suggest?q=cpu&type=metrics", r#"["cpu","cpu.load"]"#),
        ("A2", "/api/suggest?type=metrics&q=cpu.&max=1000", r#"["cpu.load"]"#),
        ("A3", "/api/suggest?type=tagk&q=h&max=1000", r#"["hostname"]"#),
        ("A3", "/api/suggest?max=1000&q=web&type=tagv", r#"["web01","web02"]"#),
    ];
    for (name, path, expected) in table {
        assert_eq!(get(&receiver, path), expected, "{name}");
    }
    let aggregators = get(&receiver, "/api/aggregators");
    let aggregators = parse(aggregators.as_bytes()).expect("JSON");
    let names: Vec<&str> = aggregators
        .as_array()
        .expect("A4")
        .iter()
        .filter_map(Json::as_str)
        .collect();
    assert!(
        names.len() == 35 && ["avg", "sum", "p99", "none"].iter().all(|name| names.contains(name)),
        "A4"
    );
    let filters = get(&receiver, "/api/config/filters");
    let filters = parse(filters.as_bytes()).expect("JSON");
    let mut names: Vec<&str> = filters
        .as_object()
        .expect("A5")
        .iter()
        .map(|(name, _)| name.as_ref())
        .collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "iliteral_or",
            "iwildcard",
            "literal_or",
            "not_iliteral_or",
            "not_literal_or",
            "regexp",
            "wildcard"
        ],
        "A5"
    );
}

#[test]
fn tags_of_a_metric_fill_its_variables() {
    let receiver = filled();
    let values = |path: &str, tag: &str| -> Vec<String> {
        let answer = get(&receiver, path);
        let json = parse(answer.as_bytes()).expect("JSON");
        let results = json.field("results").and_then(Json::as_array).expect("results").iter();
        let value = |series: &Json<'_>| Some(series.field("tags")?.field(tag)?.as_str()?.to_owned());
        results.filter_map(value).collect()
    };
    let all = "/api/search/lookup?limit=1000&m=cpu";
    assert_eq!(values(all, "env"), ["prod", "prod", "dev"], "A6");
    let of_prod = "m=cpu%7Bhostname%3D%2A%2Cenv%3Dprod%7D";
    let path = format!("/api/search/lookup?limit=1000&{of_prod}");
    assert_eq!(values(&path, "hostname"), ["web01", "web02"], "A7");
    // A data source whose limit was never set asks for none, and means all.
    let path = format!("/api/search/lookup?limit=0&{of_prod}");
    assert_eq!(values(&path, "hostname"), ["web01", "web02"], "A7 without a limit");
    assert_eq!(
        request(&receiver, "GET", "/api/search/lookup?limit=1000&m=nothing", "").0,
        404
    );
}

const TABLE: &[Row] = &[
    (
        "A8",
        r#""aggregator":"avg","downsample":"1m-avg","metric":"cpu""#,
        &[("", &[(1_699_999_980, 7.166_666_666_666_667), (1_700_000_040, 16.5)])],
    ),
    (
        "A10 with a fill of zero",
        r#""aggregator":"sum","downsample":"30s-sum-zero","metric":"cpu","tags":{"hostname":"web02"}"#,
        &[(
            "env=prod,hostname=web02",
            &[
                (1_699_999_980, 1.0),
                (1_700_000_010, 0.0),
                (1_700_000_040, 3.0),
                (1_700_000_070, 0.0),
                (1_700_000_100, 0.0),
            ],
        )],
    ),
    (
        "A10 with a fill of null, which is drawn as zero",
        r#""aggregator":"sum","downsample":"1m-sum-null","metric":"cpu","tags":{"hostname":"db01"}"#,
        &[(
            "env=dev,hostname=db01",
            &[(1_699_999_980, 5.5), (1_700_000_040, 0.0), (1_700_000_100, 0.0)],
        )],
    ),
    (
        "A10 below a second",
        r#""aggregator":"sum","downsample":"500ms-avg","metric":"cpu.load""#,
        &[("hostname=web01", &[(1_700_000_000, 1.0)])],
    ),
    (
        "A11",
        r#""aggregator":"sum","metric":"bytes","rate":true,"rateOptions":{"counter":false,"dropResets":true}"#,
        &[("hostname=web01", &[(1_700_000_010, 10.0), (1_700_000_020, -15.0)])],
    ),
    (
        "A11 of a counter",
        r#""aggregator":"sum","metric":"bytes","rate":true,"rateOptions":{"counter":true,"counterMax":45.0,"resetValue":60.0}"#,
        &[("hostname=web01", &[(1_700_000_010, 10.0), (1_700_000_020, -10.5)])],
    ),
    (
        "A11 of a counter without its resets",
        r#""aggregator":"sum","metric":"bytes","rate":true,"rateOptions":{"counter":true,"dropResets":true}"#,
        &[("hostname=web01", &[(1_700_000_010, 10.0)])],
    ),
    (
        "A12",
        r#""aggregator":"sum","metric":"cpu","tags":{"env":"prod","hostname":"web01|web02"}"#,
        &[
            (
                "env=prod,hostname=web01",
                &[(1_700_000_000, 10.0), (1_700_000_030, 20.0), (1_700_000_060, 30.0)],
            ),
            ("env=prod,hostname=web02", &[(1_700_000_000, 1.0), (1_700_000_060, 3.0)]),
        ],
    ),
    (
        "A13",
        r#""aggregator":"sum","metric":"cpu","filters":[{"type":"literal_or","tagk":"hostname","filter":"web01|web02","groupBy":false}]"#,
        &[(
            "env=prod",
            &[(1_700_000_000, 11.0), (1_700_000_030, 22.0), (1_700_000_060, 33.0)],
        )],
    ),
    (
        "A14",
        r#""aggregator":"sum","metric":"cpu","explicitTags":true,"tags":{"hostname":"*"}"#,
        &[],
    ),
];

#[test]
fn panels_draw_what_their_queries_ask() {
    let receiver = filled();
    for (name, query, expected) in TABLE {
        let expected: Vec<(String, Vec<(i64, f64)>)> = expected
            .iter()
            .map(|(tags, points)| ((*tags).to_owned(), points.to_vec()))
            .collect();
        // Versions 1 to 3 ask for objects, version 4 for pairs, which are taken in the order given.
        assert_eq!(series(&panel(&receiver, "/api/query", query)), expected, "{name}");
        let pairs = series(&panel(&receiver, "/api/query?arrays=true", query));
        assert_eq!(pairs, expected, "{name}, A9");
        assert!(
            pairs
                .iter()
                .all(|(_, points)| points.is_sorted_by_key(|(time, _)| *time)),
            "{name}, A9"
        );
    }
}

#[test]
fn annotations_are_drawn_beside_their_series_and_the_global_ones_when_asked_for() {
    let receiver = filled();
    let tsuid = "000001000001000001000002000002";
    let own = format!(r#"{{"startTime":1700000030,"tsuid":"{tsuid}","description":"deployed"}}"#);
    post(&receiver, "/api/annotation", &own);
    post(
        &receiver,
        "/api/annotation",
        r#"{"startTime":1700000040,"description":"a storm"}"#,
    );
    let noted = |answer: &str, field: &str| -> Vec<(String, String)> {
        let json = parse(answer.as_bytes()).expect("JSON");
        let notes = json.as_array().expect("series")[0]
            .field(field)
            .and_then(Json::as_array)
            .unwrap_or_default();
        let text = |note: &Json<'_>, name| note.field(name).map(|json| format!("{json:?}")).unwrap_or_default();
        let notes = notes
            .iter()
            .map(|note| (text(note, "description"), text(note, "startTime")));
        notes.collect()
    };
    // Its backend asks no more for the global ones, and gets none.
    let answer = panel(&receiver, "/api/query", r#""aggregator":"sum","metric":"cpu""#);
    assert_eq!(noted(&answer, "annotations").len(), 1, "A15");
    assert!(noted(&answer, "annotations")[0].0.contains("deployed"), "A15");
    assert!(noted(&answer, "globalAnnotations").is_empty(), "A15");
    let body = r#"{"start":1699999980000,"end":1700000100000,"queries":[{"metric":"cpu","aggregator":"sum"}],"msResolution":false,"globalAnnotations":true}"#;
    let answer = post(&receiver, "/api/query", body);
    assert!(noted(&answer, "globalAnnotations")[0].0.contains("a storm"), "B");
    assert!(noted(&answer, "globalAnnotations")[0].1.contains("1700000040"), "B");
}

#[test]
fn the_browser_asks_all_queries_of_a_panel_at_once_and_finds_them_by_their_index() {
    let receiver = filled();
    let body = r#"{"start":1699999980000,"end":1700000100000,"queries":[
        {"metric":"cpu","aggregator":"sum","downsample":"1m-avg","tags":{"hostname":"*"}},
        {"metric":"bytes","aggregator":"sum"}],"msResolution":true,"globalAnnotations":true,"showQuery":true}"#;
    let answer = post(&receiver, "/api/query", body);
    let json = parse(answer.as_bytes()).expect("JSON");
    let indexes: Vec<&str> = json
        .as_array()
        .expect("series")
        .iter()
        .map(|series| {
            series
                .field("query")
                .and_then(|query| query.field("index"))
                .and_then(Json::as_number)
                .expect("B")
        })
        .collect();
    assert_eq!(indexes, ["0", "0", "0", "1"], "B, version 3");
    assert_eq!(series(&answer)[3].1[0], (1_700_000_000_000, 100.0), "B in milliseconds");
    // A panel of old may carry this, which OpenTSDB refuses.
    let old = r#"{"start":"1h-ago","queries":[{"metric":"cpu","aggregator":"sum","tags":[]}]}"#;
    assert_eq!(request(&receiver, "POST", "/api/query", old).0, 400, "B, grafana#13369");
}

#[test]
fn alerting_of_9_asks_in_milliseconds_and_with_an_empty_fill() {
    let receiver = filled();
    let body = r#"{"start":1699999980000,"end":1700000100000,"queries":[
        {"metric":"cpu","aggregator":"avg","downsample":"1m-avg-","tags":{"hostname":"web01"}},
        {"metric":"bytes","aggregator":"sum","downsample":"1m-sum-"}]}"#;
    let drawn = series(&post(&receiver, "/api/query", body));
    let points: Vec<_> = drawn.into_iter().map(|(_, points)| points).collect();
    assert_eq!(
        points,
        [
            vec![(1_699_999_980, 15.0), (1_700_000_040, 30.0)],
            vec![(1_699_999_980, 350.0)]
        ],
        "C"
    );
}
