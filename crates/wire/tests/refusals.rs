//! Every input OpenTSDB, or a server like it, refuses, misreads or silently drops: refused here with the field and the
//! byte to blame, or shown what it becomes. One row per case, in the order of the put line.

use potsdb_wire::{Field, InvalidPoint, MAX_LINE, Names, Rules, SeriesText, Timestamp, Value, check_length, line};

/// What becomes of a line.
enum Outcome {
    /// It is legal, or is brought into this form.
    Becomes(&'static str),
    /// It is refused: the field, and the offset in it of the byte to blame if there is one.
    Refused(Field, Option<usize>),
}

use Outcome::{Becomes, Refused};

#[test]
fn frames_that_are_not_one_put_line_are_refused() {
    check(&[
        ("", Refused(Field::Line, None)),
        (" ", Refused(Field::Line, None)),
        ("\r", Refused(Field::Line, None)),
        ("put", Refused(Field::Line, None)),
        ("PUT m 1700000000 1 h=a", Refused(Field::Command, None)),
        ("Put m 1700000000 1 h=a", Refused(Field::Timestamp, Some(0))),
        ("version", Refused(Field::Command, None)),
        ("exit", Refused(Field::Command, None)),
        ("diediedie", Refused(Field::Command, None)),
        ("dropcaches", Refused(Field::Command, None)),
        ("stats", Refused(Field::Command, None)),
        ("help", Refused(Field::Command, None)),
        ("rollup 1h-sum m 1700000000 1 h=a", Refused(Field::Command, None)),
        (
            "histogram m 1700000000 u=0:o=0:0,1=5 h=a",
            Refused(Field::Command, None),
        ),
        (
            "put m 1700000000 1 h=a\nput m 1700000001 1 h=a",
            Refused(tag("h"), Some(1)),
        ),
        ("put m 1700000000 1 h=a\ndiediedie", Refused(tag("h"), Some(1))),
        ("put m 1700000000 1 h=a\n", Refused(tag("h"), Some(1))),
        ("put m 1700000000 1\n h=a", Refused(Field::Value, Some(1))),
        ("put m 1700000000\n 1 h=a", Refused(Field::Timestamp, Some(10))),
        ("put m\n 1700000000 1 h=a", Refused(Field::Metric, Some(1))),
        ("put m 1700000000 1 h=a\rb", Refused(tag("h"), Some(1))),
        ("put m 1700000000 1 h=a\r", Becomes("put m 1700000000 1 h=a\n")),
        (" put m 1700000000 1 h=a", Becomes("put m 1700000000 1 h=a\n")),
        ("put  m 1700000000 1 h=a", Becomes("put m 1700000000 1 h=a\n")),
        ("put m  1700000000 1 h=a", Becomes("put m 1700000000 1 h=a\n")),
        ("put m 1700000000  1 h=a", Becomes("put m 1700000000 1 h=a\n")),
        ("put m 1700000000 1  h=a  g=b ", Becomes("put m 1700000000 1 h=a g=b\n")),
        ("put\tm\t1700000000\t1\th=a", Becomes("put m 1700000000 1 h=a\n")),
    ]);
}

#[test]
fn bad_metrics_are_refused() {
    check(&[
        ("put m:x 1700000000 1 h=a", Refused(Field::Metric, Some(1))),
        ("put a!b 1700000000 1 h=a", Refused(Field::Metric, Some(1))),
        ("put m=x 1700000000 1 h=a", Refused(Field::Metric, Some(1))),
        ("put m\0 1700000000 1 h=a", Refused(Field::Metric, Some(1))),
        ("put é 1700000000 1 h=a", Refused(Field::Metric, Some(0))),
        // ê is two bytes that Latin-1 reads as letters: OpenTSDB would store it as other characters.
        ("put ê 1700000000 1 h=a", Refused(Field::Metric, Some(0))),
        ("put Ж 1700000000 1 h=a", Refused(Field::Metric, Some(0))),
        (
            "put A-Z_a.z/09 1700000000 1 h=a",
            Becomes("put A-Z_a.z/09 1700000000 1 h=a\n"),
        ),
    ]);
}

#[test]
fn timestamps_some_server_reads_as_another_time_are_refused() {
    let refused = |offset| Refused(Field::Timestamp, offset);
    check(&[
        ("put m 0 1 h=a", refused(None)),
        ("put m -1 1 h=a", refused(Some(0))),
        ("put m -1700000000 1 h=a", refused(Some(0))),
        ("put m +1700000000 1 h=a", refused(Some(0))),
        ("put m 01700000000 1 h=a", refused(None)),
        ("put m 0001700000000 1 h=a", refused(None)),
        ("put m 100 1 h=a", refused(None)),
        ("put m 999999999 1 h=a", refused(None)),
        ("put m 4294967296 1 h=a", refused(None)),
        ("put m 9999999999 1 h=a", refused(None)),
        ("put m 17000000001 1 h=a", refused(None)),
        ("put m 170000000012 1 h=a", refused(None)),
        ("put m 999999999999 1 h=a", refused(None)),
        ("put m 4294967296000 1 h=a", refused(None)),
        ("put m 9999999999999 1 h=a", refused(None)),
        ("put m 17000000001234 1 h=a", refused(None)),
        ("put m 1700000000123456 1 h=a", refused(None)),
        ("put m 1700000000123456789 1 h=a", refused(None)),
        ("put m 99999999999999999999 1 h=a", refused(None)),
        ("put m 1356998400.1234 1 h=a", refused(None)),
        ("put m 1356998400.12345 1 h=a", refused(None)),
        ("put m 1356998400. 1 h=a", refused(Some(10))),
        ("put m 135699840.123 1 h=a", refused(None)),
        ("put m 1356998400.123 1 h=a", Becomes("put m 1356998400123 1 h=a\n")),
        ("put m 1356998400.5 1 h=a", Becomes("put m 1356998400500 1 h=a\n")),
        ("put m 1.7e9 1 h=a", refused(Some(1))),
        ("put m notatime 1 h=a", refused(Some(0))),
        ("put m \u{661}\u{667} 1 h=a", refused(Some(0))),
        ("put m 1700000000\0 1 h=a", refused(Some(10))),
        ("put m 1000000000 1 h=a", Becomes("put m 1000000000 1 h=a\n")),
        ("put m 4294967295 1 h=a", Becomes("put m 4294967295 1 h=a\n")),
        ("put m 1700000000123 1 h=a", Becomes("put m 1700000000123 1 h=a\n")),
        ("put m 4294967295999 1 h=a", Becomes("put m 4294967295999 1 h=a\n")),
    ]);
}

#[test]
fn values_some_server_drops_are_rewritten_or_refused() {
    // The byte to blame, where there is one.
    for (text, offset) in [
        ("NaN", Some(0)),
        ("nan", Some(0)),
        ("Inf", Some(0)),
        ("Infinity", Some(0)),
        ("-Infinity", Some(1)),
        ("+Inf", Some(1)),
        ("abc", Some(0)),
        ("zz", Some(0)),
        ("true", Some(0)),
        ("1.5f", Some(3)),
        ("1.5d", Some(3)),
        ("1d", Some(1)),
        ("0x10", Some(1)),
        ("0x1.8p1", Some(1)),
        ("1_0", Some(1)),
        ("1,5", Some(1)),
        ("1e", Some(1)),
        ("1e+", Some(1)),
        ("1e3.5", Some(3)),
        ("e5", Some(0)),
        (".e5", Some(1)),
        (".", None),
        ("-", None),
        ("+", None),
        ("--1", Some(1)),
        ("+-1", Some(1)),
        ("1.2.3", Some(3)),
        ("1-2", Some(1)),
        ("9223372036854775808", None),
        ("-9223372036854775809", None),
        ("99999999999999999999", None),
        ("10000000000000000000000", None),
        ("1e400", None),
        ("-1e400", None),
        ("1.0e309", None),
        ("1\0", Some(1)),
        ("\u{ff11}", Some(0)),
        ("\"1\"", Some(0)),
        ("=1", Some(0)),
        ("1=", Some(1)),
    ] {
        check(&[(&format!("put m 1700000000 {text} h=a"), Refused(Field::Value, offset))]);
    }
    for (text, expected) in [
        ("1", "1"),
        ("-7", "-7"),
        ("+7", "7"),
        ("007", "7"),
        ("9007199254740993", "9007199254740993"),
        ("9223372036854775807", "9223372036854775807"),
        ("-9223372036854775808", "-9223372036854775808"),
        ("0.1", "0.1"),
        ("1.0", "1.0"),
        ("-0.0", "-0.0"),
        (".5", "0.5"),
        ("5.", "5.0"),
        ("1e3", "1.0e3"),
        ("1E-3", "1.0E-3"),
        ("1.5E-7", "1.5E-7"),
        ("1e22", "1.0e22"),
        ("1.7976931348623157e308", "1.7976931348623157e308"),
    ] {
        let mut out = Vec::new();
        let input = format!("put m 1700000000 {text} h=a");
        line::canonical(&Rules::default(), input.as_bytes(), &mut out).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            format!("put m 1700000000 {expected} h=a\n")
        );
    }
    for float in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert_eq!(Value::try_from(float).unwrap_err().field(), &Field::Value);
    }
    assert_eq!(Value::try_from(1_u64 << 63).unwrap_err().field(), &Field::Value);
}

#[test]
fn bad_tags_are_refused() {
    check(&[
        ("put m 1700000000 1", Refused(Field::Tags, None)),
        ("put m 1700000000 1 ", Refused(Field::Tags, None)),
        ("put m 1700000000 1 foo", Refused(Field::Tags, None)),
        ("put m 1700000000 1 h=", Refused(tag("h"), None)),
        ("put m 1700000000 1 =a", Refused(Field::TagName, None)),
        ("put m 1700000000 1 =", Refused(Field::TagName, None)),
        ("put m 1700000000 1 h=a=b", Refused(tag("h"), Some(1))),
        ("put m 1700000000 1 h==a", Refused(tag("h"), Some(0))),
        ("put m 1700000000 1 h=a h=b", Refused(Field::TagName, None)),
        ("put m 1700000000 1 h=a h=b", Refused(Field::TagName, None)),
        ("put m 1700000000 1 h = a", Refused(Field::Tags, None)),
        ("put m 1700000000 1 h!=a", Refused(Field::TagName, Some(1))),
        ("put m 1700000000 1 h=a:b", Refused(tag("h"), Some(1))),
        ("put m 1700000000 1 h=h:80", Refused(tag("h"), Some(1))),
        ("put m 1700000000 1 h=zürich", Refused(tag("h"), Some(1))),
        ("put m 1700000000 1 h=a\0", Refused(tag("h"), Some(1))),
        ("put m 1700000000 1 h=\x7f", Refused(tag("h"), Some(0))),
        ("put m 1700000000 1 h=a\u{85}", Refused(tag("h"), Some(1))),
        (
            "put m 1700000000 1 a=1 b=1 c=1 d=1 e=1 f=1 g=1 h=1 i=1",
            Refused(Field::Tags, None),
        ),
        (
            "put m 1700000000 1 a=1 b=1 c=1 d=1 e=1 f=1 g=1 h=1",
            Becomes("put m 1700000000 1 a=1 b=1 c=1 d=1 e=1 f=1 g=1 h=1\n"),
        ),
    ]);
    let mut out = Vec::new();
    let latin_1 = line::canonical(&Rules::default(), b"m 1700000000 1 h=z\xfcrich", &mut out).unwrap_err();
    assert_eq!((latin_1.offset(), latin_1.byte()), (Some(1), Some(0xfc)));
}

#[test]
fn every_byte_that_could_end_or_split_a_line_is_refused_in_every_name_under_every_rule() {
    let splitting = (0..=0x20_u8).chain([b'=', 0x7f]);
    for byte in splitting {
        for names in [Names::OpenTsdb, Names::Ascii, Names::Utf8] {
            let rules = Rules::new(names, 0);
            let text = format!("a{}b", char::from(byte));
            let mut series = SeriesText::new();
            for error in [
                series.metric(&rules, "", &text).unwrap_err(),
                series.metric(&rules, &text, "m").unwrap_err(),
                in_tag(&rules, &text, "v").unwrap_err(),
                in_tag(&rules, "t", &text).unwrap_err(),
            ] {
                assert_eq!((error.offset(), error.byte()), (Some(1), Some(byte)), "{error}");
                assert!(error.to_string().contains(&format!("({byte:#04x})")), "{error}");
            }
        }
    }
}

#[test]
fn empty_names_are_refused_and_named() {
    let rules = Rules::default();
    assert_eq!(
        SeriesText::new().metric(&rules, "", "").unwrap_err().to_string(),
        "invalid metric name: is empty: at least one character is needed"
    );
    assert_eq!(in_tag(&rules, "", "v").unwrap_err().field(), &Field::TagName);
    assert_eq!(in_tag(&rules, "t", "").unwrap_err().field(), &tag("t"));
}

#[test]
fn lines_are_refused_from_1025_bytes_on_whichever_part_is_too_long() {
    let fixed = "put m 1700000000 1 t=v".len();
    for (metric, name, value) in [(1, 0, 0), (0, 1, 0), (0, 0, 1)] {
        for excess in [0, 1, 5000] {
            let long = MAX_LINE - fixed + excess;
            let text = format!(
                "m{} 1700000000 1 t{}=v{}",
                "m".repeat(metric * long),
                "t".repeat(name * long),
                "v".repeat(value * long),
            );
            let made = line::canonical(&Rules::default(), text.as_bytes(), &mut Vec::new());
            assert_eq!(made.is_ok(), excess == 0);
            if let Err(error) = made {
                assert_eq!(error.field(), &Field::Line, "{error}");
            }
        }
    }
}

#[test]
fn a_series_that_fits_a_short_value_may_not_fit_a_long_one() {
    let rules = Rules::default();
    let mut series = SeriesText::new();
    series.metric(&rules, "", "m").unwrap();
    series
        .tag(&rules, "t", &"v".repeat(MAX_LINE - "put m 1700000000 1 t=".len()))
        .unwrap();
    series.finish(&rules).unwrap();
    let (head, tail) = (series.head_len(), series.tail().len());
    check_length(head, 10, 1, tail).unwrap();
    assert_eq!(check_length(head, 10, 2, tail).unwrap_err().field(), &Field::Line);
    assert_eq!(check_length(head, 13, 1, tail).unwrap_err().field(), &Field::Line);
}

#[test]
fn a_message_says_thing_value_and_rule() {
    let rules = Rules::default();
    let mut series = SeriesText::new();
    let metric = series.metric(&rules, "", "cpu load").unwrap_err();
    assert_eq!(
        metric.to_string(),
        r#"invalid metric name: space (0x20) at offset 3 of "cpu load" is illegal: A-Z, a-z, 0-9, "-", "_", "." and "/" are allowed"#
    );
    let newline = in_tag(&rules, "user", "x\ndiediedie").unwrap_err();
    assert_eq!(
        newline.to_string(),
        r#"tag value of user: newline (0x0a) at offset 1 of "x\ndiediedie" is illegal: A-Z, a-z, 0-9, "-", "_", "." and "/" are allowed"#
    );
    let timestamp = Timestamp::from_secs(17).unwrap_err();
    assert_eq!(
        timestamp.to_string(),
        "timestamp: 17: seconds from 1000000000 to 4294967295 are allowed"
    );
    let value = Value::try_from(f64::NAN).unwrap_err();
    assert!(
        value.to_string().starts_with("value: NaN is not a finite number: "),
        "{value}"
    );
}

fn in_tag(rules: &Rules, name: &str, value: &str) -> Result<(), InvalidPoint> {
    let mut series = SeriesText::new();
    series.metric(rules, "", "m")?;
    series.tag(rules, name, value)
}

fn tag(name: &str) -> Field {
    Field::TagValue(name.into())
}

/// Checks what becomes of each line, and that a refused one leaves nothing behind.
fn check(cases: &[(&str, Outcome)]) {
    for (input, outcome) in cases {
        let mut out = b"before\n".to_vec();
        let made = line::canonical(&Rules::default(), input.as_bytes(), &mut out);
        let added = str::from_utf8(&out[b"before\n".len()..]).unwrap();
        match (outcome, made) {
            (Becomes(expected), Ok(())) => assert_eq!(added, *expected, "{input:?}"),
            (Refused(field, offset), Err(error)) => {
                assert_eq!((error.field(), error.offset()), (field, *offset), "{input:?}: {error}");
                assert_eq!(added, "", "{input:?}");
            }
            (Becomes(_), Err(error)) => panic!("{input:?} was refused: {error}"),
            (Refused(..), Ok(())) => panic!("{input:?} became {added:?}"),
        }
    }
}
