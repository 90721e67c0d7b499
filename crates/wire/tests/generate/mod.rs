//! What the laws are tried on: legal points, and input that is nearly legal, because what is far off is refused at once.

use potsdb_wire::{InvalidPoint, Names, Rules, SeriesText, Timestamp, Value, check_length, line};
use proptest::{collection::vec, prelude::*, sample::select};

use crate::judge::{is_legal, show};

#[derive(Clone, Debug)]
pub(crate) struct Point {
    pub(crate) names: Names,
    pub(crate) metric: String,
    pub(crate) timestamp: Timestamp,
    pub(crate) value: Value,
    pub(crate) tags: Vec<(String, String)>,
}

impl Point {
    pub(crate) fn rules(&self) -> Rules {
        Rules::new(self.names, 8)
    }

    pub(crate) fn render(&self, rules: &Rules) -> Result<Vec<u8>, InvalidPoint> {
        let mut series = SeriesText::new();
        series.metric(rules, "", &self.metric)?;
        for (name, value) in &self.tags {
            series.tag(rules, name, value)?;
        }
        series.finish(rules)?;
        let (mut digits, mut buffer) = ([0; 13], [0; Value::MAX_LEN]);
        let (timestamp, value) = (self.timestamp.text(&mut digits), self.value.text(&mut buffer));
        let (head, tail) = (series.head(), series.tail());
        check_length(head.len(), timestamp.len(), value.len(), tail.len())?;
        let mut out = Vec::new();
        line::render(head, timestamp, value, tail, &mut out);
        assert!(is_legal(rules, &out), "{}", show(&out));
        Ok(out)
    }
}

pub(crate) fn point() -> impl Strategy<Value = Point> {
    let names_of = |name: &'static str, tag_value: &'static str| {
        let tags = prop::collection::btree_map(name, tag_value, 1..=8).prop_map(Vec::from_iter);
        (name, tags.prop_shuffle())
    };
    let strict = "[A-Za-z0-9._/-]{1,12}";
    let wide = "[A-Za-z0-9._/é日ЖÃ\u{1f600}-]{1,12}";
    let kinds = prop_oneof![
        (Just(Names::OpenTsdb), names_of(strict, strict)),
        (Just(Names::Ascii), names_of(strict, "[!-<>-~]{1,12}")),
        (Just(Names::Utf8), names_of(wide, "[!-<>-~é日ЖÃ\u{1f600}]{1,12}")),
    ];
    (kinds, timestamp(), value()).prop_map(|((names, (metric, tags)), timestamp, value)| Point {
        names,
        metric,
        timestamp,
        value,
        tags,
    })
}

pub(crate) fn timestamp() -> impl Strategy<Value = Timestamp> {
    prop_oneof![
        1_000_000_000..=4_294_967_295_u64,
        1_000_000_000_000..=4_294_967_295_999_u64
    ]
    .prop_map(|number| Timestamp::from_number(number).unwrap())
}

pub(crate) fn value() -> impl Strategy<Value = Value> {
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

pub(crate) const NAMES: &[Names] = &[Names::OpenTsdb, Names::Ascii, Names::Utf8];

pub(crate) fn rules() -> impl Strategy<Value = Rules> {
    (select(NAMES), select(&[0, 2, 8]), any::<bool>())
        .prop_map(|(names, max_tags, repair)| Rules::new(names, max_tags).repairing(repair))
}

/// Text that is often legal, often almost, sometimes long.
pub(crate) fn wild_text() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[a-z]{1,8}",
        2 => "[a-z =\n\r\t\0:é\u{85}\u{2028}\"\\\\-]{0,6}",
        1 => any::<String>(),
        1 => "[a-cé日]{300,1200}",
    ]
}

/// Fields and separators of a line, most of them in their place.
pub(crate) fn near_line() -> impl Strategy<Value = Vec<u8>> {
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
    let end = prop_oneof![6 => Just(""), 1 => select(&["\r", " ", "  \r", "\n", "\r\n", "\r\r"][..])];
    (
        prop_oneof![8 => Just("put "), 1 => select(&["", "PUT ", "put", " put ", "version ", "put  "][..])],
        field(
            &["m", "sys.cpu-0/x_y", "put", "Z9"],
            &["", "é", "m:x", "m n", "m=", "version", "\u{202e}"],
        ),
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
pub(crate) fn near_json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        select(&["true", "false", "NaN", "Infinity", "nul", ""][..]).prop_map(str::to_owned),
        "-?[0-9]{0,3}(\\.[0-9]{0,2})?([eE][+-]?[0-9]{0,2})?",
        any::<i64>().prop_map(|integer| integer.to_string()),
        string_literal(),
    ];
    let tree = leaf.prop_recursive(6, 40, 5, |inner| {
        let comma = || prop_oneof![20 => Just(","), 1 => select(&[" , ", "", ",,", ";"][..])];
        let array = (vec(inner.clone(), 0..5), comma()).prop_map(|(all, comma)| format!("[{}]", all.join(comma)));
        let field = (string_literal(), inner).prop_map(|(name, value)| format!("{name} :{value}"));
        let object = (vec(field, 0..5), comma()).prop_map(|(all, comma)| format!("{{{}}}", all.join(comma)));
        prop_oneof![array, object]
    });
    (tree, select(&["", "", "", " ", "\n", "x", "]", "\u{a0}"][..])).prop_map(|(tree, end)| tree + end)
}

pub(crate) fn string_literal() -> impl Strategy<Value = String> {
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
pub(crate) const REPLIES: &[&[u8]] = &[
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
