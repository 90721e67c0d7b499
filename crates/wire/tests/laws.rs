//! The laws of the wire, over generated input: what goes on the wire comes back, nothing else gets on it, and no reader
//! panics.

use judge::{is_legal, is_portable, read_replies, show, to_serde};
use potsdb_wire::{
    InvalidPoint, Json, Names, Rules, SeriesText, Timestamp, Value,
    json::{self, Tolerance},
    line,
};
use proptest::{collection::vec, prelude::*, sample::select};

mod judge;

proptest! {
    // 256 cases of each, or as many as PROPTEST_CASES says.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_rendered_line_parses_to_its_parts(point in point()) {
        let rendered = point.render(&point.rules()).unwrap();
        let line = line::parse(&rendered).unwrap();
        prop_assert_eq!(line.metric, &point.metric);
        prop_assert_eq!(line.timestamp, point.timestamp);
        prop_assert_eq!(line.value(), point.value);
        let tags: Vec<_> = line.tags.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        prop_assert_eq!(tags, point.tags);
    }

    #[test]
    fn a_rendered_line_is_canonical_with_and_without_put(point in point()) {
        let rules = point.rules();
        let rendered = point.render(&rules).unwrap();
        let text = &rendered[..rendered.len() - 1];
        for input in [text, &text[4..]] {
            let mut out = Vec::new();
            line::canonical(&rules, input, &mut out).unwrap();
            prop_assert_eq!(&out, &rendered);
            // A blank at the end takes the slow way, which has to say the same.
            out.clear();
            line::canonical(&rules, &[input, b" "].concat(), &mut out).unwrap();
            prop_assert_eq!(&out, &rendered);
        }
    }

    #[test]
    fn canonical_is_idempotent_and_yields_one_legal_line(rules in rules(), input in near_line()) {
        let mut out = Vec::new();
        if line::canonical(&rules, &input, &mut out).is_ok() {
            prop_assert!(is_legal(&rules, &out), "{:?} became {:?}", show(&input), show(&out));
            let mut again = Vec::new();
            line::canonical(&rules, &out[..out.len() - 1], &mut again).unwrap();
            prop_assert_eq!(again, out);
        } else {
            prop_assert!(out.is_empty());
            prop_assert!(!is_legal(&rules, &[&input[..], b"\n"].concat()));
        }
    }

    #[test]
    fn parse_takes_exactly_the_legal_lines(input in near_line()) {
        let widest = Rules { names: Names::Utf8, max_tags: 0, repair: false };
        let line = [&input[..], b"\n"].concat();
        prop_assert_eq!(line::parse(&line).is_ok(), is_legal(&widest, &line), "{:?}", show(&line));
    }

    #[test]
    fn arbitrary_bytes_never_become_anything_but_a_legal_line(rules in rules(), input in vec(any::<u8>(), 0..200)) {
        let mut out = Vec::new();
        if line::canonical(&rules, &input, &mut out).is_ok() {
            prop_assert!(is_legal(&rules, &out));
        }
        let _ = line::parse(&input);
        let _ = Value::parse(&input);
        let _ = Timestamp::parse(&input);
        let _ = json::parse_with(&input, Tolerance { non_numbers: true, trailing: true });
    }

    #[test]
    fn arbitrary_names_never_become_anything_but_a_legal_line(
        rules in rules(),
        prefix in wild_text(),
        metric in wild_text(),
        tags in vec((wild_text(), wild_text()), 0..4),
    ) {
        let mut series = SeriesText::new();
        let made = (|| {
            series.metric(&rules, &prefix, &metric)?;
            for (name, value) in &tags {
                series.tag(&rules, name, value)?;
            }
            series.finish(&rules)
        })();
        if made.is_ok() {
            let mut out = Vec::new();
            line::render(series.head(), b"1700000000", b"1", series.tail(), &mut out);
            prop_assert!(is_legal(&rules, &out), "{}", show(&out));
            let unchanged = out == format!(
                "put {prefix}{metric} 1700000000 1{}\n",
                tags.iter().map(|(name, value)| format!(" {name}={value}")).collect::<String>(),
            ).as_bytes();
            prop_assert_eq!(series.replaced() == 0, unchanged);
        }
    }

    #[test]
    fn repair_makes_a_legal_line_of_any_names_that_stay_distinct(
        names in select(NAMES),
        metric in wild_text(),
        tag in (wild_text(), wild_text()),
    ) {
        let rules = Rules { names, repair: true, ..Rules::default() };
        let mut series = SeriesText::new();
        series.metric(&rules, "", &metric).unwrap();
        series.tag(&rules, &tag.0, &tag.1).unwrap();
        series.finish(&rules).unwrap();
        let (mut out, longest) = (Vec::new(), "-2.2250738585072014e-308");
        line::check_length(series.head_len(), 13, longest.len(), series.tail().len()).unwrap();
        line::render(series.head(), b"1700000000123", longest.as_bytes(), series.tail(), &mut out);
        prop_assert!(is_legal(&rules, &out), "{}", show(&out));
    }

    #[test]
    fn a_refusal_names_the_byte_it_blames_and_stays_short(rules in rules(), value in wild_text()) {
        let mut series = SeriesText::new();
        series.metric(&rules, "", "m").unwrap();
        if let Err(error) = series.tag(&rules, "t", &value) {
            prop_assert_eq!(error.offset().map(|offset| value.as_bytes()[offset]), error.byte());
            prop_assert!(error.to_string().len() < 300, "{}", error);
            prop_assert!(!error.to_string().contains(|character: char| character.is_control()));
        }
    }

    #[test]
    fn the_text_of_a_value_reads_back_as_the_same_value(value in value()) {
        let mut buffer = [0; Value::MAX_LEN];
        let text = value.text(&mut buffer).to_owned();
        prop_assert!(is_portable(str::from_utf8(&text).unwrap()), "{}", show(&text));
        prop_assert_eq!(Value::parse(&text), Ok(value));
        let float: f64 = str::from_utf8(&text).unwrap().parse().unwrap();
        prop_assert_eq!(float.to_bits(), value.as_f64().to_bits());
    }

    #[test]
    fn every_finite_float_is_a_value_and_keeps_its_bits(bits in any::<u64>()) {
        let float = f64::from_bits(bits);
        match Value::try_from(float) {
            Ok(value) => prop_assert_eq!(value.as_f64(), float),
            Err(_) => prop_assert!(!float.is_finite()),
        }
    }

    #[test]
    fn a_rewritten_number_is_the_same_number(text in "[+-]?[0-9]{0,21}(\\.[0-9]{0,21})?([eE][+-]?[0-9]{0,4})?") {
        let mut out = Vec::new();
        let rules = Rules::default();
        match line::canonical(&rules, format!("m 1700000000 {text} a=b").as_bytes(), &mut out) {
            Ok(()) => {
                let line = line::parse(&out).unwrap();
                let expected: f64 = text.parse().unwrap();
                prop_assert_eq!(line.value.parse::<f64>().unwrap().to_bits(), expected.to_bits());
                prop_assert_eq!(line.value == text, is_portable(&text));
            }
            // Nothing Rust reads as a finite float is refused but integers beyond 64 bits.
            Err(_) => prop_assert!(
                text.parse::<f64>().is_ok_and(f64::is_finite) <= !text.contains(['.', 'e', 'E']),
                "{}", text
            ),
        }
    }

    #[test]
    fn replies_are_the_same_however_they_are_split(
        pieces in vec(select(REPLIES), 0..12),
        cuts in vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let stream = pieces.concat();
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
        cuts.sort_unstable();
        let whole = read_replies(&stream, &[]);
        prop_assert_eq!(&read_replies(&stream, &cuts), &whole);
        let every: Vec<_> = (0..stream.len()).collect();
        prop_assert_eq!(&read_replies(&stream, &every), &whole);
    }

    #[test]
    fn arbitrary_replies_are_the_same_however_they_are_split(
        stream in vec(select(b"1\n\r KInfluxDB TSDB proxyput: ".to_vec()), 0..60),
        cut in any::<prop::sample::Index>(),
    ) {
        let cut = cut.index(stream.len() + 1);
        prop_assert_eq!(read_replies(&stream, &[cut]), read_replies(&stream, &[]));
    }

    #[test]
    fn a_body_reads_back_as_its_lines(points in vec(point(), 0..4)) {
        let lines: Vec<_> = points.iter().map(|point| point.render(&point.rules()).unwrap()).collect();
        let mut body = Vec::new();
        prop_assert_eq!(json::write_body(lines.iter().map(Vec::as_slice), &mut body).unwrap(), lines.len());
        let read = json::parse(&body).unwrap();
        let rebuilt: Vec<_> = read.as_array().unwrap().iter().map(line_of).collect();
        prop_assert_eq!(rebuilt, lines);
        let independent: serde_json::Value = serde_json::from_slice(&body).unwrap();
        prop_assert_eq!(to_serde(&read), independent);
    }

    #[test]
    fn json_is_read_as_serde_json_reads_it(text in near_json()) {
        let ours = json::parse(text.as_bytes());
        let theirs = serde_json::from_str::<serde_json::Value>(&text);
        prop_assert_eq!(ours.is_ok(), theirs.is_ok(), "{}: {:?} but {:?}", text, ours, theirs);
        if let (Ok(ours), Ok(theirs)) = (ours, theirs) {
            prop_assert_eq!(to_serde(&ours), theirs);
            let mut written = Vec::new();
            ours.write(&mut written);
            prop_assert_eq!(json::parse(&written), Ok(ours));
        }
    }

    #[test]
    fn any_string_survives_json(text in any::<String>()) {
        let mut written = Vec::new();
        json::write_string(&text, &mut written);
        let read = json::parse(&written).unwrap();
        prop_assert_eq!(read.as_str(), Some(&*text));
        prop_assert_eq!(serde_json::from_slice::<String>(&written).unwrap(), text);
    }
}

fn line_of(point: &Json<'_>) -> Vec<u8> {
    let text = |name| point.field(name).and_then(Json::as_str).unwrap();
    let number = |name| point.field(name).and_then(Json::as_number).unwrap();
    let mut line = format!(
        "put {} {} {}",
        text("metric"),
        number("timestamp"),
        number("value")
    );
    for (name, value) in point.field("tags").and_then(Json::as_object).unwrap() {
        line += &format!(" {name}={}", value.as_str().unwrap());
    }
    (line + "\n").into_bytes()
}

// What is generated.

#[derive(Clone, Debug)]
struct Point {
    names: Names,
    metric: String,
    timestamp: Timestamp,
    value: Value,
    tags: Vec<(String, String)>,
}

impl Point {
    fn rules(&self) -> Rules {
        Rules {
            names: self.names,
            max_tags: 8,
            repair: false,
        }
    }

    fn render(&self, rules: &Rules) -> Result<Vec<u8>, InvalidPoint> {
        let mut series = SeriesText::new();
        series.metric(rules, "", &self.metric)?;
        for (name, value) in &self.tags {
            series.tag(rules, name, value)?;
        }
        series.finish(rules)?;
        let (mut digits, mut buffer) = ([0; 13], [0; Value::MAX_LEN]);
        let (timestamp, value) = (
            self.timestamp.text(&mut digits),
            self.value.text(&mut buffer),
        );
        let (head, tail) = (series.head(), series.tail());
        line::check_length(head.len(), timestamp.len(), value.len(), tail.len())?;
        let mut out = Vec::new();
        line::render(head, timestamp, value, tail, &mut out);
        assert!(is_legal(rules, &out), "{}", show(&out));
        Ok(out)
    }
}

fn point() -> impl Strategy<Value = Point> {
    let names_of = |name: &'static str, tag_value: &'static str| {
        let tags = prop::collection::btree_map(name, tag_value, 1..=8).prop_map(Vec::from_iter);
        (name, tags.prop_shuffle())
    };
    let strict = "[A-Za-z0-9._/-]{1,12}";
    let wide = "[A-Za-z0-9._/é日ЖÃ\u{1f600}-]{1,12}";
    let kinds = prop_oneof![
        (Just(Names::OpenTsdb), names_of(strict, strict)),
        (Just(Names::Ascii), names_of(strict, "[!-<>-~]{1,12}")),
        (
            Just(Names::Utf8),
            names_of(wide, "[!-<>-~é日ЖÃ\u{1f600}]{1,12}")
        ),
    ];
    (kinds, timestamp(), value()).prop_map(|((names, (metric, tags)), timestamp, value)| Point {
        names,
        metric,
        timestamp,
        value,
        tags,
    })
}

fn timestamp() -> impl Strategy<Value = Timestamp> {
    prop_oneof![
        1_000_000_000..=4_294_967_295_u64,
        1_000_000_000_000..=4_294_967_295_999_u64
    ]
    .prop_map(|number| Timestamp::from_number(number).unwrap())
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<i64>().prop_map(Value::from),
        any::<i16>().prop_map(Value::from),
        any::<f64>().prop_filter_map("finite", |float| Value::try_from(float).ok()),
        any::<u64>().prop_filter_map("finite", |bits| Value::try_from(f64::from_bits(bits)).ok()),
        any::<f32>().prop_filter_map("finite", |float| Value::try_from(float).ok()),
        any::<i64>().prop_map(|integer| Value::try_from(integer as f64 / 1024.0).unwrap()),
        (-400_i32..400).prop_filter_map("finite", |power| Value::try_from(10_f64.powi(power)).ok()),
    ]
}

const NAMES: &[Names] = &[Names::OpenTsdb, Names::Ascii, Names::Utf8];

fn rules() -> impl Strategy<Value = Rules> {
    (select(NAMES), select(&[0, 2, 8]), any::<bool>()).prop_map(|(names, max_tags, repair)| Rules {
        names,
        max_tags,
        repair,
    })
}

/// Text that is often legal, often almost, sometimes long.
fn wild_text() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[a-z]{1,8}",
        2 => "[a-z =\n\r\t\0:é\u{85}\u{2028}\"\\\\-]{0,6}",
        1 => any::<String>(),
        1 => "[a-cé日]{300,1200}",
    ]
}

/// Fields and separators of a line, most of them in their place.
fn near_line() -> impl Strategy<Value = Vec<u8>> {
    let field = |usual: &'static [&'static str], odd: &'static [&'static str]| {
        prop_oneof![12 => select(usual), 1 => select(odd)].prop_map(str::to_owned)
    };
    let separator = || {
        prop_oneof![
            30 => Just(" "),
            1 => select(&["  ", "\t", "", "\n", "\0", "\r", "\u{a0}"][..]),
        ]
    };
    let number = prop_oneof![
        4 => field(VALUES, ODD_VALUES),
        1 => "[+-]?[0-9]{0,21}\\.?[0-9]{0,3}(e-?[0-9]{0,3})?",
    ];
    let tag = (
        prop_oneof![9 => "[a-e]", 1 => select(&["", "é", "a b", "a=", ":", "\n", "host"][..]).prop_map(str::to_owned)],
        prop_oneof![20 => Just("="), 1 => select(&["", "==", " = "][..])],
        prop_oneof![
            9 => "[a-z0-9:]{1,4}",
            1 => select(&["", "é", "\u{85}", "=", "日", "a\nput", "\u{7f}"][..]).prop_map(str::to_owned),
            1 => "[x]{900,1000}",
        ],
    )
        .prop_map(|(name, equals, value)| name + equals + &value);
    let end =
        prop_oneof![6 => Just(""), 1 => select(&["\r", " ", "  \r", "\n", "\r\n", "\r\r"][..])];
    (
        prop_oneof![8 => Just("put "), 1 => select(&["", "PUT ", "put", " put ", "version ", "put  "][..])],
        field(&["m", "sys.cpu-0/x_y", "put", "Z9"], &["", "é", "m:x", "m n", "m=", "version", "\u{202e}"]),
        separator(),
        field(TIMESTAMPS, ODD_TIMESTAMPS),
        separator(),
        number,
        vec((separator(), tag), 0..5),
        end,
        prop::option::weighted(0.05, (any::<prop::sample::Index>(), any::<u8>())),
    )
        .prop_map(|(put, metric, gap, timestamp, other_gap, value, tags, end, broken)| {
            let mut line = format!("{put}{metric}{gap}{timestamp}{other_gap}{value}");
            for (separator, tag) in tags {
                line += separator;
                line += &tag;
            }
            line += end;
            let mut line = line.into_bytes();
            if let Some((index, byte)) = broken
                && !line.is_empty()
            {
                let index = index.index(line.len());
                line[index] = byte;
            }
            line
        })
}

/// JSON with a few wrong bytes in it.
fn near_json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        select(&["true", "false", "NaN", "Infinity", "nul", ""][..]).prop_map(str::to_owned),
        "-?[0-9]{0,3}(\\.[0-9]{0,2})?([eE][+-]?[0-9]{0,2})?",
        any::<i64>().prop_map(|integer| integer.to_string()),
        string_literal(),
    ];
    let tree = leaf.prop_recursive(6, 40, 5, |inner| {
        let comma = || prop_oneof![20 => Just(","), 1 => select(&[" , ", "", ",,", ";"][..])];
        let array = (vec(inner.clone(), 0..5), comma())
            .prop_map(|(all, comma)| format!("[{}]", all.join(comma)));
        let field = (string_literal(), inner).prop_map(|(name, value)| format!("{name} :{value}"));
        let object =
            (vec(field, 0..5), comma()).prop_map(|(all, comma)| format!("{{{}}}", all.join(comma)));
        prop_oneof![array, object]
    });
    (
        tree,
        select(&["", "", "", " ", "\n", "x", "]", "\u{a0}"][..]),
    )
        .prop_map(|(tree, end)| tree + end)
}

fn string_literal() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        6 => "[a-zé日\u{1f600} ]{0,3}",
        1 => select(&[
            "\\n", "\\\"", "\\\\", "\\/", "\\b", "\\f", "\\r", "\\t", "\\u00e9", "\\u0000", "\\ud83d\\ude00", "\\uD83D",
            "\\ude00", "\\ud83d\\u0041", "\\u12", "\\x", "\n", "\\", "\u{7f}", "\\uFFFF", "\\u+123",
        ][..]).prop_map(str::to_owned),
    ];
    vec(piece, 0..4).prop_map(|pieces| format!("\"{}\"", pieces.concat()))
}

const TIMESTAMPS: &[&str] = &[
    "1700000000",
    "1000000000",
    "4294967295",
    "1700000000123",
    "4294967295999",
];
const ODD_TIMESTAMPS: &[&str] = &[
    "0",
    "999999999",
    "4294967296",
    "17000000001",
    "170000000012",
    "999999999999",
    "4294967296000",
    "17000000001234",
    "1700000000.123",
    "0001700000000",
    "1700000000.5",
    "-1700000000",
    "+1700000000",
    "now",
    "",
];
const VALUES: &[&str] = &[
    "0",
    "-1",
    "1.5",
    "9223372036854775807",
    "-1.5e-7",
    "100.0",
    "1.0E22",
    "2.50e+3",
];
const ODD_VALUES: &[&str] = &[
    "+7",
    ".5",
    "5.",
    "1e3",
    "007",
    "00.5",
    "-0",
    "-.5",
    "5.e2",
    "9223372036854775808",
    "1e400",
    "NaN",
    "inf",
    "0x10",
    "1_0",
    "1.5f",
    "",
    "-",
    ".",
    "e",
    "--1",
];
const REPLIES: &[&[u8]] = &[
    b"net.opentsdb.tools BuildData built at revision eb125a342 (MODIFIED)\n",
    b"Built on 2021/09/08 03:26:53 +0000 by clarsen@C02ZM182LVDV:/Users/clarsen\n",
    b"KairosDB 1.3.0-1.20210808223203\n",
    b"InfluxDB TSDB proxy",
    b"InfluxDB",
    b"1",
    b"1",
    b"\n",
    b"\r\n",
    b"put: illegal argument: invalid tag: h=a=b\n",
    b"put: HBase error: Call queue is full on /0.0.0.0:16020\nCaused by RPC: PutRequest(table=\"tsdb\"\n",
    b"put: Please throttle writes: 10000 RPCs waiting on \"tsdb,,1\" to come back online\r\n",
    b"unknown command: put.  Try `help'.\n",
    b"put: inv",
];
